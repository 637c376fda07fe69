//! Where networks compute: what is missing is said before anything is written, and one module alone names backends.

use crate::program::{refusal, repository, roadproof, run_well};
use std::path::{Path, PathBuf};

#[test]
fn devices_says_what_works_and_how_to_get_the_rest() {
    let json = run_well(roadproof().args(["devices", "--json", "-"]));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let devices = json["devices"].as_array().expect("devices");
    let names: Vec<&str> = devices.iter().filter_map(|device| device["name"].as_str()).collect();
    assert_eq!(names, ["flex", "cuda", "wgpu", "tch"]);
    assert!(devices[0]["built_in"] == true && devices[0]["works"] == true, "{json:#}");
    for device in &devices[1..] {
        let (name, says) = (device["name"].as_str().expect("a name"), device["says"].as_str().expect("words"));
        assert!(device["built_in"] == true || says.contains(&format!("--features {name}")), "{says}");
    }
}

#[test]
fn a_device_that_is_not_there_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("run");
    // What somebody built in may be there.
    for options in
        [["--device", "cuda"], ["--actor-device", "tch"], ["--set", "device=wgpu"], ["--set", "actor_device=tch"]]
    {
        let told = refusal(roadproof().arg("train").arg("--out").arg(&out).args(options));
        assert!(told.contains("is not part of this program: build it with cargo build --release --features"), "{told}");
        assert!(!out.exists(), "{options:?}");
    }
    let told = refusal(roadproof().args(["evaluate", "--device", "cuda"]));
    assert!(told.contains("--features cuda"), "{told}");
    let told = refusal(roadproof().args(["evaluate", "--device", "gpu"]));
    assert!(told.contains("allowed are flex, cuda, wgpu, tch"), "{told}");
}

/// The Rust files in a folder and in those in it.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of sources").flatten().map(|entry| entry.path());
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|entry| entry.is_dir());
    let own = files.into_iter().filter(|file| file.extension().is_some_and(|end| end == "rs"));
    own.chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}

#[test]
fn one_module_alone_names_backends() {
    let named = ["flex", "cuda", "wgpu", "libtorch", "default"].map(|name| format!("Device::{name}("));
    let all = ["agent", "perception", "sim", "tests"].map(|folder| sources(&repository().join(folder))).concat();
    let names = |file: &&PathBuf| {
        let text = std::fs::read_to_string(file).expect("a source");
        named.iter().any(|name| text.contains(name))
    };
    let found: Vec<&PathBuf> = all.iter().filter(names).collect();
    assert!(found.len() == 1 && found[0].ends_with("perception/src/device.rs"), "{found:?}");
}
