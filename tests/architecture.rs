//! Which crate may know which: the simulator knows no network, perception knows no world, and nobody knows the agent.

use serde_json::Value;
use std::process::Command;

fn metadata(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version", "1"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("metadata is JSON")
}

fn packages() -> Vec<Value> {
    metadata(&["--no-deps"])["packages"].as_array().expect("a list").clone()
}

const PERCEPTION: &str = "roadproof-perception";
const ENV: &str = "roadproof-env";
const AGENT: &str = "roadproof-agent";

/// Names of all dependencies, those of tests and build scripts included.
fn dependencies(packages: &[Value], package: &str) -> Vec<String> {
    let package = packages.iter().find(|found| found["name"] == package).expect("the workspace has this package");
    let dependencies = package["dependencies"].as_array().expect("a list");
    dependencies.iter().filter_map(|dependency| dependency["name"].as_str()).map(str::to_owned).collect()
}

/// Expects that no dependency is named like one of these or begins so.
fn check(packages: &[Value], package: &str, forbidden: &[&str]) {
    let found = dependencies(packages, package);
    assert!(!found.is_empty(), "{package}");
    for name in &found {
        assert!(!forbidden.iter().any(|start| name.starts_with(start)), "{package} depends on {name}");
    }
}

#[test]
fn the_simulator_knows_no_network_and_no_other_crate() {
    check(&packages(), "roadproof-sim", &["burn", "cubecl", PERCEPTION, ENV, AGENT]);
}

#[test]
fn perception_knows_no_world() {
    check(&packages(), PERCEPTION, &["bevy", "rapier", "roadproof-sim", ENV, AGENT]);
}

#[test]
fn only_the_tests_know_the_agent() {
    let packages = packages();
    let knows = |package: &&Value| {
        let name = package["name"].as_str().expect("a name");
        dependencies(&packages, name).iter().any(|dependency| dependency == "roadproof-agent")
    };
    let names: Vec<&str> = packages.iter().filter(knows).filter_map(|package| package["name"].as_str()).collect();
    assert_eq!(names, ["roadproof-tests"]);
}

/// The platform's C library rounds sines and roots of its own, and estimates differ between processors: what the simulator computes
/// with must be compiled without either.
#[test]
fn the_simulators_arithmetic_is_that_of_no_platform() {
    let metadata = metadata(&[]);
    let nodes = metadata["resolve"]["nodes"].as_array().expect("a list");
    let node = |id: &Value| nodes.iter().find(|node| node["id"] == *id).expect("a dependency is a package");
    let id = |name: &str| {
        let mut ids = nodes.iter().map(|node| &node["id"]);
        ids.find(|id| id.as_str().is_some_and(|id| id.contains(name))).expect("the simulator depends on it")
    };
    let glamx = node(id("#glamx@"));
    let dependency = |name: &str| {
        let mut dependencies = glamx["deps"].as_array().expect("a list").iter();
        node(&dependencies.find(|dependency| dependency["name"] == name).expect("glamx builds on it")["pkg"])
    };
    let has =
        |node: &Value, feature: &str| node["features"].as_array().expect("a list").iter().any(|has| has == feature);
    let (glam, simba) = (dependency("glam"), dependency("simba"));
    assert!(has(glamx, "libm") && has(glam, "libm") && has(simba, "libm_force"), "{glam} {simba}");
    assert!(!has(glam, "fast-math"), "{glam}");
    assert!(!has(node(id("#rapier3d@")), "parallel"), "rapier's threads share the work in an order of their own");
}
