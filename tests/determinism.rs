//! The same input gives the same bits: in another process, on another number of threads.

use crate::program::{roadproof, run_well};
use crate::tiny_run::{Files, SETTINGS, files_in, json, tiny_run, train, weights};

fn traces(jobs: &str) -> Files {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let families = ["scenarios/lane_keeping", "scenarios/sensor_faults"];
    run_well(roadproof().arg("replay").args(families).args(["--jobs", jobs]).arg("--traces").arg(folder.path()));
    files_in(folder.path())
}

#[test]
fn drives_are_the_same_in_every_process() {
    let (alone, together) = (traces("1"), traces("2"));
    assert!(alone.len() >= 8, "{:?}", alone.keys());
    assert!(alone.values().all(|trace| trace.len() > 1000), "a trace is all but empty");
    assert_eq!(alone.keys().collect::<Vec<_>>(), together.keys().collect::<Vec<_>>());
    for (name, trace) in &alone {
        assert!(trace == &together[name], "{name} differs between two processes");
    }
}

#[test]
fn a_seed_gives_the_same_run_on_any_number_of_threads() {
    let (two, one) = (tiny_run(), train(&SETTINGS.replace("threads: 2", "threads: 1"), 1));
    for name in ["perception.safetensors", "policy.safetensors"] {
        assert!(two[name] == one[name], "{name} differs between one thread and two");
    }
    let (two, one) = (json(two, "result.json"), json(&one, "result.json"));
    for figures in ["seed", "repeatable", "perception", "drivers"] {
        assert_eq!(two[figures], one[figures], "{figures}");
    }
    assert_eq!(two["repeatable"], true);
}

#[test]
fn another_seed_gives_another_run() {
    let other = train(&SETTINGS.replace("seed: 5", "seed: 6"), 2);
    for name in ["perception.safetensors", "policy.safetensors"] {
        assert!(weights(tiny_run(), name).1 != weights(&other, name).1, "{name} does not depend on the seed");
    }
}
