//! Tells the program which commit it is built from, and whether anything was changed since; sources without a repository of their own,
//! or a machine without git, leave it untold.

use std::path::Path;
use std::process::Command;

/// What a program is built from, from the folder of this crate; drivers are built in.
const SOURCES: [&str; 6] =
    ["../Cargo.toml", "../Cargo.lock", "../sim", "../perception", "../agent", "../assets/weights"];

fn main() {
    SOURCES.iter().for_each(|source| println!("cargo:rerun-if-changed={source}"));
    // Sources that were unpacked somewhere in a repository of other things are not of its commit.
    let own = git(&["rev-parse", "--show-prefix"]).is_some_and(|prefix| prefix == "agent/");
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]).filter(|_| own) else { return };
    let mut status = vec!["status", "--porcelain", "--"];
    status.extend(SOURCES);
    let changed = git(&status).is_none_or(|changes| !changes.is_empty());
    println!("cargo:rustc-env=ROADPROOF_COMMIT={commit}{}", if changed { "+changes" } else { "" });
    // It has a new line for every commit, and wherever else HEAD goes.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists()) {
        println!("cargo:rerun-if-changed={log}");
    }
}

/// What git answers, if there is a repository.
fn git(arguments: &[&str]) -> Option<String> {
    let answer = Command::new("git").args(arguments).output().ok().filter(|answer| answer.status.success())?;
    Some(String::from_utf8(answer.stdout).ok()?.trim().to_owned())
}
