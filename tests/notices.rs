//! The third-party notices name what the program is built of.

use crate::program::repository;
use std::collections::BTreeSet;
use std::process::Command;

/// Packages whose code is in the program as it is built for Linux, the window included, as `name version`.
fn built_of() -> BTreeSet<String> {
    let tree =
        "tree --locked --edges normal --target x86_64-unknown-linux-gnu --features watch --prefix none --format {p}";
    let output = Command::new(env!("CARGO"))
        .args(tree.split(' '))
        .args(["--manifest-path", "agent/Cargo.toml"])
        .current_dir(repository())
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("names are text");
    // The project's own stand there with their folder.
    let packages = tree.lines().filter(|line| !line.contains(" (/"));
    let mut words = packages.map(str::split_whitespace);
    let named = words.by_ref().filter_map(|mut words| Some((words.next()?, words.next()?.strip_prefix('v')?)));
    named.map(|(name, version)| format!("{name} {version}")).collect()
}

#[test]
fn the_notices_name_every_package_of_the_lock_file_and_no_other() {
    let text = std::fs::read_to_string(repository().join("THIRD-PARTY-NOTICES.md")).expect("the notices");
    let is_version = |version: &str| version.starts_with(|first: char| first.is_ascii_digit()) && version.contains('.');
    let entries = text.lines().filter_map(|line| line.strip_prefix("- ")?.split_once(' '));
    let noticed: BTreeSet<String> = entries
        .filter(|(_, version)| is_version(version) && !version.contains(' '))
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    let built_of = built_of();
    assert!(built_of.len() > 300, "{built_of:?}");
    let missing: Vec<_> = built_of.difference(&noticed).collect();
    let gone: Vec<_> = noticed.difference(&built_of).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "THIRD-PARTY-NOTICES.md names no {missing:?}, and {gone:?} for nothing: CONTRIBUTING.md says how to make it anew"
    );
}
