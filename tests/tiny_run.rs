//! A training run of a fraction of a second: every stage, no skill. Trained once, kept in memory, laid out where needed.

use crate::program::{roadproof, run_well};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;
use tempfile::TempDir;

/// The files of a folder by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Settings of the run. Tests that want another one replace a part of the text.
pub const SETTINGS: &str = "(
    seed: 5,
    minutes: 30.0,
    threads: 2,
    drive: (length_m: 120.0, max_cars: 3, camera: (width_px: 32, height_px: 16)),
    collect: (frames: 64, validation_frames: 16, worlds: 4, every: 1, drive_s: 6.0),
    perception: (width: 32, height: 16, patch: 8, stem_channels: 8, merge_channels: 8, hidden: 16),
    perceive: (steps: 20, training: (batch: 16)),
    policy: (hidden: 16),
    learn: (worlds: 4, rollout: 8, updates: 6, epochs: 1, minibatches: 2),
    evaluate: (roads: 4),
)";

/// The files of the finished run.
pub fn tiny_run() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| train(SETTINGS, 2))
}

/// The finished run in a folder of its own.
pub fn laid_out() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, bytes) in tiny_run() {
        std::fs::write(folder.path().join(name), bytes).expect("a file in a temporary folder");
    }
    folder
}

/// Trains under these settings, with so many threads for the networks, and returns the files of the run.
pub fn train(settings: &str, threads: usize) -> Files {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (config, out) = (folder.path().join("config.ron"), folder.path().join("run"));
    std::fs::write(&config, settings).expect("a file in a temporary folder");
    let threads = threads.to_string();
    run_well(
        roadproof().env("RAYON_NUM_THREADS", threads).arg("train").arg("--config").arg(&config).arg("--out").arg(&out),
    );
    files_in(&out)
}

/// Reads every file of a folder that has no folders in it.
pub fn files_in(folder: &Path) -> Files {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    entries
        .map(|entry| {
            let entry = entry.expect("the folder can be read");
            let name = entry.file_name().into_string().expect("names are UTF-8");
            (name, std::fs::read(entry.path()).expect("the file can be read"))
        })
        .collect()
}

/// One file of weights: its header, and its numbers to the bit. The header's text lists what it says in any order.
pub fn weights<'a>(files: &'a Files, name: &str) -> (serde_json::Value, &'a [u8]) {
    let (header, numbers) = files[name].split_at(header_length(&files[name]));
    (serde_json::from_slice(&header[8..]).expect("the header is JSON"), numbers)
}

/// Length of a safetensors header with the eight bytes that say so.
pub fn header_length(bytes: &[u8]) -> usize {
    8 + u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize
}

/// One JSON file of a run.
pub fn json(files: &Files, name: &str) -> serde_json::Value {
    serde_json::from_slice(&files[name]).expect("the file is JSON")
}
