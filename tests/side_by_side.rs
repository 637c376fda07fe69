//! Several processes at once: each run has a folder of its own, and one process at a time writes into it.
#![cfg(unix)]

use crate::program::{refusal, roadproof, run_well};
use crate::tiny_run::{SETTINGS, files_in, laid_out};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A training that does not end by itself.
fn endless() -> String {
    SETTINGS.replace("frames: 64", "frames: 1000000")
}

/// Starts it, and waits until it has begun to work; returns what it said until then.
fn started(command: &mut Command) -> (Child, String) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut said = String::new();
    while !said.contains("collect: started") {
        assert_ne!(stderr.read_line(&mut said).expect("the program writes UTF-8"), 0, "ended too early:\n{said}");
    }
    (child, said)
}

fn stop(mut child: Child) {
    child.kill().expect("it was running");
    child.wait().expect("it has ended");
}

#[test]
fn trainings_that_start_in_one_second_have_folders_of_their_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("config.ron"), endless()).expect("a file in a temporary folder");
    let start = || {
        let mut train = roadproof();
        train.current_dir(folder.path()).args(["train", "--config", "config.ron"]);
        train.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts")
    };
    let mut running: Vec<Child> = (0..4).map(|_| start()).collect();
    let said = running.iter_mut().map(|child| {
        let mut line = String::new();
        let stderr = child.stderr.take().expect("it is piped");
        BufReader::new(stderr).read_line(&mut line).expect("the program writes UTF-8");
        assert!(line.starts_with("run folder runs/"), "{line}");
        line.split(',').next().unwrap_or_default().to_owned()
    });
    let folders: BTreeSet<String> = said.collect();
    running.into_iter().for_each(stop);
    assert_eq!(folders.len(), 4, "{folders:?}");
}

#[test]
fn a_run_is_gone_on_with_by_one_process_at_a_time() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (config, run) = (folder.path().join("config.ron"), folder.path().join("run"));
    std::fs::write(&config, endless()).expect("a file in a temporary folder");
    let (first, said) = started(roadproof().arg("train").arg("--config").arg(&config).arg("--out").arg(&run));
    assert!(said.starts_with("run folder"), "{said}");
    let resume = |run: &Path| {
        let mut train = roadproof();
        train.arg("train").arg("--resume").arg(run);
        train
    };
    let message = refusal(&mut resume(&run));
    assert!(
        message.contains("another process is writing") && message.contains(&run.display().to_string()),
        "{message}"
    );
    stop(first);
    // The lock of a process that was killed holds nobody up.
    let (second, said) = started(&mut resume(&run));
    assert!(said.starts_with("run folder"), "{said}");
    stop(second);
}

#[test]
fn a_run_that_has_ended_holds_no_lock_and_leaves_none() {
    let folder = laid_out();
    let before: Vec<String> = files_in(folder.path()).into_keys().collect();
    run_well(roadproof().arg("train").arg("--resume").arg(folder.path()));
    let added = files_in(folder.path()).into_keys().filter(|name| !before.contains(name));
    let added: Vec<String> = added.filter(|name| !name.starts_with("events.")).collect();
    assert!(added.is_empty(), "{added:?}");
}
