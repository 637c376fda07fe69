//! The same input gives the same bits: in another process, on another number of threads.

use crate::program::{roadproof, run_well};
use crate::tiny_run::{Files, SETTINGS, files_in, json, tiny_run, train, weights};

/// Traces of one driver who reads no frame, and of one whose networks read every one, faults of the camera among them.
fn traces(jobs: &str) -> Files {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (family, driver) in [("scenarios/lane_keeping", "scripted"), ("scenarios/sensor_faults", "hardened")] {
        let mut replay = roadproof();
        replay.args(["replay", family, "--driver", driver, "--jobs", jobs, "--traces"]).arg(folder.path());
        run_well(&mut replay);
    }
    files_in(folder.path())
}

#[test]
fn drives_are_the_same_in_every_process() {
    let (alone, together) = (traces("1"), traces("2"));
    assert!(alone.len() >= 14, "{:?}", alone.keys());
    assert!(alone.values().all(|trace| trace.len() > 1000), "a trace is all but empty");
    assert_eq!(alone.keys().collect::<Vec<_>>(), together.keys().collect::<Vec<_>>());
    for (name, trace) in &alone {
        assert!(trace == &together[name], "{name} differs between two processes");
    }
}

/// The tiny run with networks and batches wide enough for products that are split between threads. Those have at least
/// 192 × 192 × 192 = 7.1 million multiplications (`PARALLEL_THRESHOLD` in `ops/matmul.rs` of burn-flex 0.22.1). Here perception's
/// first has, a batch, 128 frames × 8 patches × 192 values × 48 channels = 9.4 million, and the policy's middle one, a minibatch,
/// 4 × 64 / 2 decisions × 256 × 256 = 8.4 million.
fn wide(threads: usize) -> Files {
    let mut settings = SETTINGS.to_owned();
    for (narrow, wide) in [
        ("stem_channels: 8", "stem_channels: 48"),
        ("batch: 16", "batch: 128"),
        ("policy: (hidden: 16)", "policy: (hidden: 256)"),
        ("rollout: 8", "rollout: 64"),
        ("steps: 20", "steps: 6"),
        ("threads: 2", &format!("threads: {threads}")),
    ] {
        assert!(settings.contains(narrow), "{narrow}");
        settings = settings.replace(narrow, wide);
    }
    train(&settings, threads)
}

#[test]
fn a_seed_gives_the_same_run_on_any_number_of_threads() {
    let (two, one) = (wide(2), wide(1));
    for name in ["perception.safetensors", "policy.safetensors"] {
        assert!(two[name] == one[name], "{name} differs between one thread and two");
    }
    let (two, one) = (json(&two, "result.json"), json(&one, "result.json"));
    for figures in ["repeatable", "perception", "drivers"] {
        assert!(!two[figures].is_null() && two[figures] == one[figures], "{figures}");
    }
    let weights = |result: &serde_json::Value| result["about"]["driver"]["weights"].clone();
    assert!(weights(&two)["policy"].is_string() && weights(&two) == weights(&one));
    assert_eq!(two["repeatable"], true);
}

#[test]
fn another_seed_gives_another_run() {
    let other = train(&SETTINGS.replace("seed: 5", "seed: 6"), 2);
    for name in ["perception.safetensors", "policy.safetensors"] {
        assert!(weights(tiny_run(), name).1 != weights(&other, name).1, "{name} does not depend on the seed");
    }
}
