//! Runs whose files were damaged: the file at fault is named, and what is still whole stays so.

use crate::program::{refusal, roadproof};
use crate::tiny_run::{Files, SETTINGS, files_in, header_length, laid_out, tiny_run, train};
use std::path::Path;

const PERCEPTION: &str = "perception.safetensors";
const POLICY: &str = "policy.safetensors";

/// Damages a copy of the run, and expects every way to use it to name the file and to leave the folder alone.
fn check(name: &str, damage: impl FnOnce(&Path)) {
    let folder = laid_out();
    damage(&folder.path().join(name));
    let before = files_in(folder.path());
    let uses = [vec!["evaluate", "--driver"], vec!["replay", "scenarios/lane_keeping/straight.ron", "--driver"]];
    for arguments in uses {
        let message = refusal(roadproof().args(&arguments).arg(folder.path()));
        assert!(message.contains(name), "{name} is not named in {message:?}");
        assert_eq!(message.trim_end().lines().count(), 1, "{message}");
    }
    assert!(files_in(folder.path()) == before, "the folder has changed");
}

fn rewrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).expect("the file is there");
    change(&mut bytes);
    std::fs::write(path, bytes).expect("the file can be written");
}

#[test]
fn truncated_weights_are_refused() {
    for name in [PERCEPTION, POLICY] {
        check(name, |path| rewrite(path, |bytes| bytes.truncate(bytes.len() / 2)));
        check(name, |path| rewrite(path, |bytes| bytes.truncate(bytes.len() - 1)));
        check(name, |path| rewrite(path, |bytes| bytes.truncate(5)));
        check(name, |path| rewrite(path, Vec::clear));
    }
}

#[test]
fn a_driver_without_a_camera_needs_its_policy_and_has_no_eyes_to_cover() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = train(&SETTINGS.replace("policy:", "percepts: false, policy:"), 2);
    assert!(!files.contains_key(PERCEPTION), "there is no perception to train");
    for (name, bytes) in &files {
        std::fs::write(folder.path().join(name), bytes).expect("a file in a temporary folder");
    }
    let straight = ["replay", "scenarios/lane_keeping/straight.ron", "--driver"];
    let ended = crate::program::run(roadproof().args(straight).arg(folder.path()));
    assert!(ended.code == Some(0) || ended.code == Some(1), "it drives, well or not: {}", ended.stderr);
    let blind = ["evaluate", "--driver", "blind", "--blind-run"];
    let message = refusal(roadproof().args(blind).arg(folder.path()));
    assert!(message.contains("percepts = false"), "{message}");
    let message = refusal(roadproof().args(["train", "--from"]).arg(folder.path()));
    assert!(message.contains("there are no weights to begin with"), "{message}");
    let resumed = crate::program::run(roadproof().args(["train", "--resume"]).arg(folder.path()));
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
    let policy = folder.path().join(POLICY);
    rewrite(&policy, |bytes| bytes.truncate(bytes.len() / 2));
    let message = refusal(roadproof().args(["evaluate", "--driver"]).arg(folder.path()));
    assert!(message.contains(POLICY), "{message}");
    std::fs::remove_file(policy).expect("the file is there");
    assert!(refusal(roadproof().args(["evaluate", "--driver"]).arg(folder.path())).contains(POLICY));
}

#[test]
fn corrupt_weights_are_refused() {
    for name in [PERCEPTION, POLICY] {
        check(name, |path| rewrite(path, |bytes| bytes[..8].fill(0xff)));
        check(name, |path| rewrite(path, |bytes| bytes[8..40].fill(b'x')));
        check(name, |path| rewrite(path, |bytes| bytes.fill(0)));
        check(name, |path| std::fs::write(path, "not weights at all").expect("the file can be written"));
        check(name, |path| {
            rewrite(path, |bytes| {
                let at = header_length(bytes);
                bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
            });
        });
    }
}

#[test]
fn weights_of_another_network_are_refused() {
    check(POLICY, |path| {
        std::fs::copy(path.with_file_name(PERCEPTION), path).expect("the file can be copied");
    });
    check(PERCEPTION, |path| {
        let settings = path.with_file_name("driver.ron");
        let text = std::fs::read_to_string(&settings).expect("the settings are there");
        let other = text.replacen("stem_channels: 8", "stem_channels: 16", 1);
        assert_ne!(text, other);
        std::fs::write(settings, other).expect("the settings can be written");
    });
}

#[test]
fn missing_files_are_named() {
    for name in [PERCEPTION, POLICY] {
        check(name, |path| std::fs::remove_file(path).expect("the file is there"));
    }
    check("settings.ron", |path| {
        std::fs::remove_file(path).expect("the file is there");
        without_spec(path);
    });
}

/// Takes the driver's specification away from the folder of one of its files.
fn without_spec(path: &Path) {
    std::fs::remove_file(path.with_file_name("driver.ron")).expect("the file is there");
}

#[test]
fn damaged_settings_are_refused() {
    let halve = |path: &Path| rewrite(path, |bytes| bytes.truncate(bytes.len() / 2));
    check("driver.ron", halve);
    // A run that was saved before drivers were saved by themselves.
    check("settings.ron", |path| {
        halve(path);
        without_spec(path);
    });
}

#[test]
fn a_damaged_run_is_not_resumed_and_keeps_what_was_saved() {
    let saved = |folder: &Path| -> Files {
        let mut files = files_in(folder);
        files.retain(|name, _| !name.starts_with("events"));
        files
    };
    for name in ["progress.ron", PERCEPTION, POLICY] {
        let folder = laid_out();
        rewrite(&folder.path().join(name), |bytes| bytes.truncate(bytes.len() / 2));
        let before = saved(folder.path());
        assert_eq!(before.len(), tiny_run().len() - 1);
        let ended = crate::program::run(roadproof().arg("train").arg("--resume").arg(folder.path()));
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(name) && !ended.stderr.contains("panicked"), "{}", ended.stderr);
        assert!(saved(folder.path()) == before, "what was saved has changed");
    }
}

#[test]
fn a_record_of_progress_that_no_run_can_have_written_is_refused() {
    let changes = [
        ("learned: true", "learned: false, nonsense: 1", "nonsense"),
        ("perceived: true", "perceived: false", "perceived = false"),
        ("perception_report: Some(\"{", "perception_report: Some(\"{{", "perception_report"),
    ];
    for (from, to, named) in changes {
        let folder = laid_out();
        let path = folder.path().join("progress.ron");
        let text = std::fs::read_to_string(&path).expect("the record is there");
        let changed = text.replacen(from, to, 1);
        assert_ne!(text, changed, "{from}");
        std::fs::write(&path, changed).expect("the record can be written");
        let before = files_in(folder.path());
        let ended = crate::program::run(roadproof().arg("train").arg("--resume").arg(folder.path()));
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("progress.ron") && ended.stderr.contains(named), "{}", ended.stderr);
        assert!(files_in(folder.path()) == before, "the folder has changed");
    }
}
