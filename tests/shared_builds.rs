//! One build of what all share: whichever way the workspace is built, a crate below it has the same features, so that none is
//! compiled again. `sim/features/Cargo.toml` and the end of `sim/Cargo.toml` see to that, and have the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Packages and the features they are compiled with: some have one set in the program and another in what runs while it is built.
type Features = BTreeMap<String, BTreeSet<String>>;

/// These bring the renderer along, and are the window's own.
const OF_THE_WINDOW: [&str; 3] = ["bevy", "bevy_internal", "bevy_rapier3d"];

/// Named, so that Cargo tells the program from what runs while it is built, and the answer is the same on every system.
const TARGET: &str = "x86_64-unknown-linux-gnu";

fn features(edges: &str, selection: &[&str]) -> Features {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--target", TARGET, "--edges", edges, "--prefix", "none", "--format", "{p}|{f}"])
        .args(selection)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut features = Features::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        // What was printed before ends in this mark.
        if let Some((package, set)) = line.trim_end_matches(" (*)").split_once('|') {
            features.entry(package.to_owned()).or_default().insert(set.to_owned());
        }
    }
    features
}

/// Packages of both builds that the second compiles with other features.
fn compiled_again<'a>(first: &'a Features, second: &'a Features) -> Vec<(&'a str, BTreeSet<&'a String>)> {
    let others = second.iter().filter_map(|(package, sets)| {
        let other: BTreeSet<_> = sets.difference(first.get(package)?).collect();
        (!other.is_empty()).then_some((package.as_str(), other))
    });
    others.filter(|(package, _)| !package.starts_with("roadproof")).collect()
}

#[test]
fn no_way_of_building_compiles_a_shared_crate_again() {
    let everything = "normal,build,dev";
    let all = features(everything, &["--workspace"]);
    assert!(all.len() > 200, "{} packages", all.len());
    let builds: [(&str, &[&str], &[&str]); 5] = [
        ("normal,build", &["--workspace"], &[]),
        (everything, &["--package", "roadproof-sim"], &[]),
        (everything, &["--package", "roadproof-perception"], &[]),
        (everything, &["--package", "roadproof-agent"], &[]),
        (everything, &["--package", "roadproof-tests", "--features", "watch"], &OF_THE_WINDOW),
    ];
    for (edges, selection, own) in builds {
        let build = features(edges, selection);
        let mut again = compiled_again(&all, &build);
        again.retain(|(package, _)| !own.contains(&package.split(' ').next().unwrap_or_default()));
        assert_eq!(again, [], "{selection:?} compiles these again: `sim/features/Cargo.toml` says what to do");
    }
}

#[test]
fn a_feature_more_is_found() {
    let build = |packages: &[(&str, &[&str])]| -> Features {
        let sets = |sets: &[&str]| sets.iter().map(|set| (*set).to_owned()).collect();
        packages.iter().map(|(package, features)| ((*package).to_owned(), sets(features))).collect()
    };
    let program = build(&[("half v2.7.1", &["std"]), ("libc v0.2.191", &["std", "default,std"])]);
    let window = build(&[("half v2.7.1", &["default,std"]), ("libc v0.2.191", &["std"]), ("wgpu v29.0.4", &["std"])]);
    assert_eq!(compiled_again(&program, &window), [("half v2.7.1", BTreeSet::from([&"default,std".to_owned()]))]);
    assert_eq!(compiled_again(&program, &program), []);
}
