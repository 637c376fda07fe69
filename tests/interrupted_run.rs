//! Ctrl-C in the middle of a stage: what was learnt is saved, and the run goes on from there.
#![cfg(unix)]

use crate::program::{Ended, ended, roadproof, run_well};
use crate::tiny_run::{SETTINGS, files_in, json};
use roadproof_agent::driver::LearnedDriver;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Starts a run that would take for ever in this stage, and presses Ctrl-C once it says that the stage has begun.
fn interrupted_in(stage: &str, endless: &str, at: &str) -> (TempDir, Ended) {
    stopped_in(stage, "-INT", endless, at)
}

/// The same with any signal.
fn stopped_in(stage: &str, signal: &str, endless: &str, at: &str) -> (TempDir, Ended) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("config.ron");
    assert!(SETTINGS.contains(endless), "{endless:?} is not in the settings");
    std::fs::write(&config, SETTINGS.replace(endless, at)).expect("a file in a temporary folder");
    let mut command = roadproof();
    command.arg("train").arg("--config").arg(&config).arg("--out").arg(folder.path().join("run"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut said = String::new();
    while !said.contains(&format!("{stage}: started")) {
        assert_ne!(stderr.read_line(&mut said).expect("the program writes UTF-8"), 0, "ended too early:\n{said}");
    }
    // On a busy machine the signal would come before the first update, and nothing would have been learnt that could be saved.
    let policy = folder.path().join("run/policy.safetensors");
    while stage == "learn" && !policy.exists() {
        assert!(child.try_wait().expect("the program is there").is_none(), "ended too early");
        std::thread::yield_now();
    }
    let killed = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill is there");
    assert!(killed.success());
    stderr.read_to_string(&mut said).expect("the program writes UTF-8");
    let ended = ended(child.wait_with_output().expect("the program ends"));
    (folder, Ended { stderr: said, ..ended })
}

/// Goes on with little time, so that the endless stage ends, and expects a whole run.
fn resumes(run: &Path) {
    run_well(roadproof().arg("train").arg("--resume").arg(run).args(["--minutes", "0.1"]));
    let result = json(&files_in(run), "result.json");
    assert_eq!(result["drivers"].as_array().map(Vec::len), Some(4), "{result}");
    assert!(result["perception"]["frames"].is_u64(), "the report on perception is lost: {result}");
    assert_eq!(result["repeatable"], false, "a run cut short by the clock cannot be repeated");
    LearnedDriver::load(run).expect("own weights");
}

fn check_stopped(ended: &Ended, run: &Path) {
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(ended.stdout.contains("roadproof train --resume"), "{}", ended.stdout);
    let result = json(&files_in(run), "result.json");
    assert_eq!(result["drivers"].as_array().map(Vec::len), Some(0), "{result}");
}

#[test]
fn a_run_interrupted_in_collect_begins_anew() {
    let (folder, ended) = interrupted_in("collect", "frames: 64", "frames: 1000000");
    let run = folder.path().join("run");
    check_stopped(&ended, &run);
    let files = files_in(&run);
    assert!(!files.contains_key("perception.safetensors"), "perception was trained on what there was");
    let progress = String::from_utf8_lossy(&files["progress.ron"]);
    assert!(progress.contains("cut_short: false"), "nothing was learnt yet: {progress}");
    resumes(&run);
}

#[test]
fn a_run_killed_in_its_first_stage_goes_on() {
    let (folder, ended) = stopped_in("collect", "-KILL", "frames: 64", "frames: 1000000");
    assert_eq!(ended.code, None, "{}", ended.stderr);
    resumes(&folder.path().join("run"));
}

/// What a cluster or a container sends before it kills, and a terminal that closes.
#[test]
fn a_run_that_is_told_to_end_saves_as_after_ctrl_c() {
    for signal in ["-TERM", "-HUP"] {
        let (folder, ended) = stopped_in("perceive", signal, "steps: 20", "steps: 10000000");
        let run = folder.path().join("run");
        check_stopped(&ended, &run);
        assert!(files_in(&run).contains_key("perception.safetensors"), "{signal}: what was learnt is lost");
    }
}

#[test]
fn other_work_that_is_stopped_says_so_by_its_exit_code() {
    let scenario = "scenarios/lane_keeping/s_bend.ron";
    let work: [&[&str]; 2] =
        [&["evaluate", "--driver", "shipped", "--roads", "4000"], &["attack", "shipped", scenario, "--steps", "50"]];
    for arguments in work {
        let mut child = roadproof()
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut said = String::new();
        assert_ne!(stderr.read_line(&mut said).expect("the program writes UTF-8"), 0, "{arguments:?}");
        let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill is there");
        assert!(killed.success());
        stderr.read_to_string(&mut said).expect("the program writes UTF-8");
        let ended = ended(child.wait_with_output().expect("the program ends"));
        assert_eq!(ended.code, Some(130), "{arguments:?}\n{said}");
    }
}

#[test]
fn a_run_interrupted_in_perceive_goes_on() {
    let (folder, ended) = interrupted_in("perceive", "steps: 20", "steps: 10000000");
    let run = folder.path().join("run");
    check_stopped(&ended, &run);
    let files = files_in(&run);
    assert!(files.contains_key("perception.safetensors") && !files.contains_key("policy.safetensors"));
    resumes(&run);
}

#[test]
fn a_run_interrupted_in_learn_goes_on_and_keeps_perception() {
    let (folder, ended) = interrupted_in("learn", "updates: 6", "updates: 10000000");
    let run = folder.path().join("run");
    check_stopped(&ended, &run);
    let before = files_in(&run);
    assert!(before.contains_key("policy.safetensors"));
    resumes(&run);
    let after = files_in(&run);
    assert!(before["perception.safetensors"] == after["perception.safetensors"], "perception was trained again");
    assert!(before["policy.safetensors"] != after["policy.safetensors"], "the policy did not learn on");
}
