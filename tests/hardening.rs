//! `train --harden`: hardening is a training like any other, to the bit the same again, from nothing or from another run.

use crate::program::{refusal, roadproof, run_well};
use crate::tiny_run::{Files, SETTINGS, files_in, json, laid_out, tiny_run, train, weights};
use roadproof_agent::memory::MemorySettings;
use roadproof_agent::train::settings::Settings;

const WEIGHTS: [&str; 2] = ["perception.safetensors", "policy.safetensors"];

/// The tiny run, hardened by a setting.
fn hardened(more: &str) -> String {
    SETTINGS.replace("evaluate:", &format!("harden: ({more}), memory: (track_lane: true), evaluate:"))
}

#[test]
fn a_hardened_run_is_the_same_again_on_any_number_of_threads() {
    let settings = hardened("");
    let (two, one) = (train(&settings, 2), train(&settings.replace("threads: 2", "threads: 1"), 1));
    for name in WEIGHTS {
        assert!(two[name] == one[name], "{name} differs between one thread and two");
        assert!(weights(&two, name).1 != weights(tiny_run(), name).1, "{name} was not hardened");
    }
    assert_eq!(json(&two, "result.json")["drivers"], json(&one, "result.json")["drivers"]);
}

#[test]
fn every_part_of_a_hardening_changes_what_is_learnt() {
    let off =
        "perceive: (fault_share: 0.0, attack_share: 0.0), fault_drives: 0.0, late_drives: 0.0, attack_drives: 0.0";
    let nothing = train(&hardened(off), 2);
    assert!(weights(&nothing, WEIGHTS[0]).1 == weights(tiny_run(), WEIGHTS[0]).1, "nothing makes perception hard");
    let parts = [
        (0, off.replace("fault_share: 0.0", "fault_share: 0.5")),
        (0, off.replace("attack_share: 0.0", "attack_share: 0.5")),
        (0, off.replace("attack_share: 0.0", "attack_share: 0.5, steps: 3")),
        (0, off.replace("attack_share: 0.0", "attack_share: 0.5, loss: Trades(beta: 3.0)")),
        (1, off.replace("fault_drives: 0.0", "fault_drives: 1.0")),
        (1, off.replace("late_drives: 0.0", "late_drives: 1.0")),
        (1, off.replace("attack_drives: 0.0", "attack_drives: 1.0, ramp: 0.1")),
    ];
    let runs: Vec<(usize, Files)> = parts.iter().map(|(file, part)| (*file, train(&hardened(part), 2))).collect();
    for (index, (file, run)) in runs.iter().enumerate() {
        let (part, name) = (&parts[index].1, WEIGHTS[*file]);
        assert!(weights(run, name).1 != weights(&nothing, name).1, "{part}: {name} is as without it");
        let twice = runs[..index].iter().any(|(_, other)| weights(other, name).1 == weights(run, name).1);
        assert!(!twice, "{part}: {name} is as with another part");
    }
}

#[test]
fn a_run_begins_with_the_weights_of_another_and_keeps_its_settings() {
    let from = laid_out();
    let out = tempfile::tempdir().expect("a temporary folder");
    let out = out.path().join("hard");
    run_well(roadproof().args(["train", "--harden", "--seed", "9", "--from"]).arg(from.path()).arg("--out").arg(&out));
    let files = files_in(&out);
    for name in WEIGHTS {
        let start = format!("start_{name}");
        assert!(weights(&files, &start).1 == weights(tiny_run(), name).1, "{start} is not what the run began with");
        assert!(weights(&files, name).1 != weights(tiny_run(), name).1, "{name} did not change");
    }
    let parent = &json(&files, "result.json")["about"]["driver"]["parent"];
    assert_eq!(parent["name"], from.path().to_str().expect("a plain name"));
    assert_eq!(parent["weights"], json(tiny_run(), "result.json")["about"]["driver"]["weights"]);
    let settings = Settings::read(&out.join("settings.ron")).expect("own settings");
    assert_eq!((settings.seed, settings.policy.hidden), (9, 16));
    assert!(settings.harden.is_some() && settings.memory == MemorySettings::STEADY);
    let refused = refusal(roadproof().args(["train", "--from", "scripted"]));
    assert!(refused.contains("--from scripted: there are no weights to begin with"), "{refused}");
    let refused = refusal(roadproof().args(["train", "--from", "no/such/run"]));
    assert!(refused.contains("no/such/run"), "{refused}");
}
