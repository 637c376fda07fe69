//! What the program writes, and where: pipes whose reader leaves, full disks, links, devices, standard output.
#![cfg(unix)]

use crate::program::{Ended, repository, roadproof, run, run_well};
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const SCENARIOS: &str = "scenarios/lane_keeping";

/// Runs the program with this as its standard output; returns its exit code and what it said on standard error.
fn run_into(stdout: impl Into<Stdio>, command: &mut Command) -> (Option<i32>, String) {
    let output = command.stdout(stdout).stderr(Stdio::piped()).spawn().expect("the program starts");
    let output = output.wait_with_output().expect("the program ends");
    let stderr = String::from_utf8(output.stderr).expect("the program writes UTF-8");
    assert!(!stderr.contains("panicked"), "{command:?}\n{stderr}");
    (output.status.code(), stderr)
}

/// A pipe whose reader has left.
fn closed_pipe() -> impl Into<Stdio> {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer
}

/// The device that is always full.
#[cfg(target_os = "linux")]
fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").expect("Linux has it")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("the file is there")).expect("the file is JSON")
}

/// One scenario in a folder of its own.
fn scenario() -> (TempDir, PathBuf) {
    let folder = folder();
    let path = folder.path().join("straight.ron");
    fs::copy(repository().join(SCENARIOS).join("straight.ron"), &path).expect("the scenario is there");
    (folder, path)
}

#[test]
fn a_reader_that_leaves_ends_the_text_and_nothing_else() {
    let folder = folder();
    let [result, junit, traces] = ["result.json", "junit.xml", "traces"].map(|name| folder.path().join(name));
    let evaluate = ["evaluate", "--driver", "scripted", "--roads", "1", "--json"];
    assert_eq!(run_into(closed_pipe(), roadproof().args(evaluate).arg(&result)).0, Some(0));
    assert_eq!(json(&result)["drivers"][0]["driver"], "scripted");
    let mut replay = roadproof();
    replay.args(["replay", SCENARIOS, "--junit"]).arg(&junit).arg("--traces").arg(&traces);
    assert_eq!(run_into(closed_pipe(), &mut replay).0, Some(0));
    let count = fs::read_dir(repository().join(SCENARIOS)).expect("a folder").count();
    let cases = fs::read_to_string(&junit).expect("a report").matches("<testcase ").count();
    assert!(cases > 1 && cases <= count, "{cases} cases");
    assert_eq!(fs::read_dir(&traces).expect("a folder").count(), cases);
    let (_suite, path) = scenario();
    assert_eq!(run_into(closed_pipe(), roadproof().arg("replay").arg(&path).arg("--bless")).0, Some(0));
    assert!(path.with_extension("trace").exists(), "the suite is half blessed");
    // The exit code is that of the work.
    let missed = fs::read_to_string(&path).expect("the scenario").replacen("outcome: Arrived", "outcome: Blocked", 1);
    fs::write(&path, missed).expect("a file in a temporary folder");
    fs::remove_file(path.with_extension("trace")).expect("it was just recorded");
    assert_eq!(run_into(closed_pipe(), roadproof().arg("replay").arg(&path)).0, Some(1));
    for arguments in [&["--help"][..], &["faults", "--help"], &["--version"]] {
        assert_eq!(run_into(closed_pipe(), roadproof().args(arguments)).0, Some(0), "{arguments:?}");
    }
}

/// A slip of the fingers costs no scenario, no weights and no page: a result replaces an earlier result alone.
#[test]
fn a_result_replaces_nothing_but_a_result() {
    let (_suite, path) = scenario();
    let text = fs::read(&path).expect("the scenario");
    let evaluate = ["evaluate", "scripted", "--roads", "1", "--json"];
    for refused in [
        crate::program::refusal(roadproof().arg("replay").arg(&path).arg("--json").arg(&path)),
        crate::program::refusal(roadproof().arg("replay").arg(&path).arg("--junit").arg(&path)),
        crate::program::refusal(roadproof().args(evaluate).arg(&path)),
    ] {
        assert!(refused.contains("is no earlier result"), "{refused}");
    }
    assert!(fs::read(&path).expect("the scenario") == text, "it was replaced");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (result, report) = (folder.path().join("result.json"), folder.path().join("report.xml"));
    for _ in 0..2 {
        run_well(roadproof().args(evaluate).arg(&result));
        run_well(roadproof().arg("replay").arg(&path).arg("--junit").arg(&report));
    }
    let swapped = roadproof().args(["replay", SCENARIOS, "--junit"]).arg(&result).status();
    assert_eq!(swapped.expect("the program starts").code(), Some(2));
    // What another command wrote stays, and a run's own record whatever would write over it.
    let other = crate::program::refusal(roadproof().arg("replay").arg(&path).arg("--json").arg(&result));
    assert!(other.contains("is no earlier result"), "{other}");
    let run = crate::tiny_run::laid_out();
    let own = run.path().join("result.json");
    let before = fs::read(&own).expect("the run's record");
    let refused = crate::program::refusal(roadproof().args(evaluate).arg(&own));
    assert!(refused.contains("is no earlier result") && fs::read(&own).expect("the record") == before, "{refused}");
    // Nor are traces and logs of others.
    let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
    let family = path.parent().and_then(Path::file_name).expect("a folder").to_string_lossy().into_owned();
    for (option, end) in [("--traces", "trace"), ("--mcap", "mcap")] {
        let theirs = folder.path().join(format!("{family}_{name}.{end}"));
        fs::write(&theirs, "precious").expect("a file");
        let refused = crate::program::refusal(roadproof().arg("replay").arg(&path).arg(option).arg(folder.path()));
        assert!(refused.contains("is no earlier result") && fs::read(&theirs).expect("it") == b"precious", "{refused}");
        fs::remove_file(&theirs).expect("a file");
        for _ in 0..2 {
            run_well(roadproof().arg("replay").arg(&path).arg(option).arg(folder.path()));
        }
    }
    let nowhere = crate::program::refusal(roadproof().args(evaluate).arg(folder.path().join("no/such.json")));
    assert!(nowhere.contains("there is no folder"), "{nowhere}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_in_a_sentence_after_all_is_saved() {
    let folder = folder();
    let result = folder.path().join("result.json");
    let evaluate = ["evaluate", "--driver", "scripted", "--roads", "1", "--json"];
    let (code, said) = run_into(full(), roadproof().args(evaluate).arg(&result));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("error: cannot write to standard output: No space left on device"), "{said}");
    assert_eq!(json(&result)["drivers"][0]["driver"], "scripted");
    for arguments in [vec!["--help"], vec!["evaluate", "--driver", "scripted", "--roads", "1", "--json", "-"]] {
        let (code, said) = run_into(full(), roadproof().args(&arguments));
        assert_eq!((code, said.contains("No space left on device")), (Some(2), true), "{arguments:?}: {said}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn standard_error_that_takes_nothing_is_no_failure() {
    let mut evaluate = roadproof();
    evaluate.args(["evaluate", "--driver", "scripted", "--roads", "1"]).stderr(full());
    assert_eq!(evaluate.stdout(Stdio::null()).status().expect("the program starts").code(), Some(0));
    let refused = roadproof().args(["replay", "no/such.ron"]).stderr(full()).stdout(Stdio::null()).status();
    assert_eq!(refused.expect("the program starts").code(), Some(2));
    let mut closed = Command::new("sh");
    closed.args(["-c", "exec \"$0\" evaluate --driver scripted --roads 1 2>&- >&-"]).arg(roadproof().get_program());
    assert_eq!(closed.current_dir(repository()).status().expect("sh starts").code(), Some(0));
}

#[test]
fn a_dash_is_standard_output_and_the_text_makes_way() {
    for name in ["-", "/dev/stdout"] {
        let Ended { code, stdout, stderr } =
            run(roadproof().args(["evaluate", "--driver", "scripted", "--roads", "1", "--json", name]));
        assert_eq!(code, Some(0), "{stderr}");
        let result: Value = serde_json::from_str(&stdout).expect("JSON and nothing else");
        assert_eq!(result["drivers"][0]["driver"], "scripted");
        assert!(stderr.contains("driving score"), "the table goes to standard error: {stderr}");
    }
    assert!(!repository().join("-").exists(), "no file of that name");
    let Ended { stdout, .. } = run(roadproof().args(["replay", SCENARIOS, "--junit", "-"]));
    assert!(stdout.starts_with("<?xml") && stdout.trim_end().ends_with("</testsuites>"), "{stdout}");
}

#[test]
fn a_pipe_gets_the_result_and_stays_a_pipe() {
    use std::os::unix::fs::FileTypeExt;
    let folder = folder();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is there").success());
    let reading = pipe.clone();
    let reader = std::thread::spawn(move || fs::read(reading).expect("the pipe can be read"));
    let evaluate = ["evaluate", "--driver", "scripted", "--roads", "1", "--json"];
    let ended = run(roadproof().args(evaluate).arg(&pipe));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let result: Value = serde_json::from_slice(&reader.join().expect("it reads to the end")).expect("JSON");
    assert_eq!(result["drivers"][0]["driver"], "scripted");
    assert!(fs::symlink_metadata(&pipe).expect("it is there").file_type().is_fifo(), "the pipe was replaced");
}

#[test]
fn a_link_is_followed_by_whatever_writes() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("results")).expect("a folder in a temporary folder");
    fs::write(at("results/real.json"), "{\"about\": {\"command\": \"roadproof evaluate shipped\"}}")
        .expect("a file in a temporary folder");
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, at(name)).expect("a link in a temporary folder");
    link("results/real.json", "result.json");
    link("results/new.png", "sheet.png");
    let evaluate = ["evaluate", "--driver", "scripted", "--roads", "1", "--json"];
    assert_eq!(run(roadproof().args(evaluate).arg(at("result.json"))).code, Some(0));
    assert_eq!(json(&at("results/real.json"))["drivers"][0]["driver"], "scripted");
    let sheet = run(roadproof()
        .args(["faults", "--scenario", "scenarios/lane_keeping/straight.ron", "--sheet"])
        .arg(at("sheet.png")));
    assert_eq!(sheet.code, Some(0), "{}", sheet.stderr);
    assert!(fs::read(at("results/new.png")).expect("a link may lead to what is not there yet").starts_with(b"\x89PNG"));
    for name in ["result.json", "sheet.png"] {
        assert!(fs::symlink_metadata(at(name)).expect("it is there").is_symlink(), "{name} was replaced");
    }
}
