//! What an attack found becomes a scenario, and the scenario says the same in every replay.

use crate::program::{Ended, refusal, repository, roadproof, run, run_well};
use crate::tiny_run::files_in;
use roadproof_agent::drive::replay::{Case, closed_loop};
use roadproof_agent::driver::{Driver, LearnedDriver};
use roadproof_sim::clock::Span;
use roadproof_sim::{Outcome, Scenario, Trace, scenario};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;

/// The shipped driver does not arrive when each frame is changed by four grey levels.
const ROAD: &str = r#"// Comments before the scenario are the source's own.
Scenario(
    format: 1,
    title: "A road", // and this one stays
    seed: 31, duration_s: 20.0,
    road: Straight(length_m: 120.0, lanes: 2),
    ego: (speed_mps: 12.0),
    expect: (outcome: Arrived, max_lane_offset_m: 0.9),
)
"#;
const ATTACK: [&str; 8] = ["--method", "pgd", "--eps", "4/255", "--steps", "10", "--goal", "steer-right"];

/// A car ahead that brakes hard: who reacts a second later hits it.
const BRAKES: &str = r#"Scenario(
    format: 1, title: "The lead brakes hard", duration_s: 7.0, decision_hz: 2.0, substeps: 10,
    road: Straight(length_m: 300.0),
    ego: (speed_mps: 13.0),
    actors: [(
        name: "lead", start: (lane: 0, s_m: 20.0, speed_mps: 13.0),
        script: [Stop(when: At(at_s: 2.0), decel_mps2: 8.0)],
    )],
    expect: (outcome: TimeUp)
)"#;

/// A folder with a scenario in it.
fn folder_with(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("case.ron");
    std::fs::write(&path, text).expect("a file in a temporary folder");
    (folder, path)
}

fn attack(driver: &str, source: &Path, out: &Path, arguments: &[&str]) -> Ended {
    run(roadproof().args(["attack", driver]).arg(source).arg("--out").arg(out).args(arguments))
}

/// What the shipped driver's attack on the road left: the source's folder, in which `found` is the find's.
fn road() -> &'static (TempDir, PathBuf) {
    static FOUND: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    FOUND.get_or_init(|| {
        let (folder, source) = folder_with(ROAD);
        let found = folder.path().join("found");
        let ended = attack("shipped", &source, &found, &ATTACK);
        assert_eq!(ended.code, Some(1), "{}\n{}", ended.stdout, ended.stderr);
        assert!(ended.stdout.contains("Kept as "), "{}", ended.stdout);
        (folder, found)
    })
}

/// The find, copied where it can be changed.
fn copied() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, bytes) in files_in(&road().1) {
        std::fs::write(folder.path().join(name), bytes).expect("a file in a temporary folder");
    }
    let path = folder.path().join("case_pgd_linf_4.ron");
    (folder, path)
}

#[test]
fn an_attack_that_breaks_a_drive_becomes_a_scenario() {
    let (folder, found) = road();
    let names: Vec<String> = files_in(found).into_keys().collect();
    assert_eq!(names, ["case_pgd_linf_4.perturbation", "case_pgd_linf_4.ron", "case_pgd_linf_4.trace"]);
    let path = found.join("case_pgd_linf_4.ron");
    let text = std::fs::read_to_string(&path).expect("the scenario is there");
    let command = format!("// Found by: roadproof attack shipped {}", folder.path().join("case.ron").display());
    assert!(text.starts_with(&command), "{text}");
    let how = " --method pgd --norm linf --eps 4/255 --steps 10 --starts 1 --share 1 --goal steer-right --seed 0\n// The clean drive ends Arrived";
    for part in [how, "\n// Bounds: ", "title: \"A road\", // and this one stays\n    seed: 31, duration_s: 20.0,\n"] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let (read, source) = (scenario::read(&path).expect("checked"), scenario::read(&folder.path().join("case.ron")));
    let source = source.expect("checked");
    assert_eq!(read.expect.outcome, Outcome::Arrived);
    assert!(read.expect.min_driving_score.is_some() && read.expect.max_lane_offset_m.is_none());
    assert_eq!(Scenario { recorded: None, expect: source.expect, ..read.into_scenario() }, *source);
}

#[test]
fn a_find_replays_to_the_bit_and_judges_drivers() {
    let (_, found) = road();
    let shown = run_well(roadproof().arg("replay").arg(found));
    assert!(shown.contains("recorded decisions; it ends OffRoad again, "), "{shown}");
    // The driver that broke breaks again, on the very same way, without any gradient.
    let traces = tempfile::tempdir().expect("a temporary folder");
    let again = run(roadproof().arg("replay").arg(found).args(["--driver", "shipped", "--traces"]).arg(traces.path()));
    assert_eq!(again.code, Some(1), "{}", again.stdout);
    assert!(again.stdout.contains("bound"), "{}", again.stdout);
    let files = files_in(traces.path());
    let golden = std::fs::read(found.join("case_pgd_linf_4.trace")).expect("the trace is there");
    assert_eq!(files.len(), 1);
    assert!(files.values().all(|trace| *trace == golden), "another drive than the attacked one");
    // One who does not look holds.
    let case = Case::read(&found.join("case_pgd_linf_4.ron"), false).expect("checked");
    let mut scripted = Driver::Scripted;
    let held = closed_loop(case.scenario.clone(), &mut scripted).expect("checked").judgement().expect("it has ended");
    assert!(held.passed(), "{:?}", held.failures(&[]));
    // And without the recording the shipped one does, too.
    let without = Scenario { recorded: None, ..case.scenario.into_scenario() };
    let mut shipped = Driver::Learned(Box::new(LearnedDriver::shipped().expect("it is built in")));
    let clean = closed_loop(without, &mut shipped).expect("checked").judgement().expect("it has ended");
    assert!(clean.passed(), "{:?}", clean.failures(&[]));
}

#[test]
fn a_changed_perturbation_is_found_or_refused() {
    let (folder, path) = copied();
    let recorded = path.with_extension("perturbation");
    let whole = std::fs::read(&recorded).expect("the recording is there");
    let mut bytes = whole.clone();
    bytes[whole.len() / 2] ^= 4;
    std::fs::write(&recorded, &bytes).expect("a file in a temporary folder");
    let message = refusal(roadproof().arg("replay").arg(&path));
    assert!(message.contains("case_pgd_linf_4.ron:") && message.contains("is damaged"), "{message}");
    assert!(message.trim_end().ends_with("case_pgd_linf_4.perturbation\""), "{message}");
    std::fs::write(&recorded, "something else").expect("a file in a temporary folder");
    let message = refusal(roadproof().arg("replay").arg(folder.path()));
    assert!(message.contains("not a recorded perturbation"), "{message}");
    std::fs::remove_file(&recorded).expect("the file is there");
    let message = refusal(roadproof().arg("replay").arg(&path));
    assert!(message.contains("cannot read the recorded perturbation"), "{message}");
    std::fs::create_dir(&recorded).expect("a folder in a temporary folder");
    assert!(refusal(roadproof().arg("snapshot").arg(&path)).contains("is no file of at most"));
    std::fs::remove_dir(&recorded).expect("the folder is there");
    // A recording that says the same of other frames changes what is seen, and the trace notices.
    let other = roadproof_sim::fault::Recording::new(160, 48, &[vec![3; 160 * 48 * 3], vec![3; 160 * 48 * 3]]);
    std::fs::write(&recorded, other.to_bytes()).expect("a file in a temporary folder");
    let ended = run(roadproof().arg("replay").arg(&path));
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.contains("decision 1 differs: frame digest"), "{}", ended.stdout);
    assert!(ended.stdout.contains("--bless --driver DRIVER"), "{}", ended.stdout);
}

#[test]
fn a_recording_of_another_size_or_place_is_refused() {
    let (_folder, path) = copied();
    let text = std::fs::read_to_string(&path).expect("the scenario is there");
    let with = |from: &str, to: &str| {
        std::fs::write(&path, text.replacen(from, to, 1)).expect("a file in a temporary folder");
        refusal(roadproof().arg("replay").arg(&path))
    };
    let message = with("duration_s: 20.0,", "duration_s: 20.0, camera: (width_px: 64, height_px: 32),");
    let parts = ["\"case_pgd_linf_4.perturbation\"", "of 160 x 48 pixels", "camera of 64 x 32"];
    assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    let message = with("recorded: \"", "recorded: \"../");
    assert!(message.contains("case_pgd_linf_4.ron:11:") && message.contains("in the scenario's folder"), "{message}");
    std::fs::write(&path, text).expect("a file in a temporary folder");
    let message = refusal(roadproof().arg("snapshot").arg(&path).args(["--width", "64"]));
    assert!(message.contains("of 160 x 48 pixels"), "{message}");
    let message = refusal(roadproof().args(["attack", "shipped"]).arg(&path));
    assert!(message.contains("has a recorded perturbation already"), "{message}");
}

#[test]
fn blessing_keeps_the_drive_of_who_broke() {
    let (_folder, path) = copied();
    let golden = std::fs::read(path.with_extension("trace")).expect("the trace is there");
    let ended = run(roadproof().arg("replay").arg(&path).arg("--bless"));
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert!(ended.stdout.contains("nothing was recorded"), "{}", ended.stdout);
    assert!(std::fs::read(path.with_extension("trace")).expect("the trace is there") == golden);
    std::fs::remove_file(path.with_extension("trace")).expect("the trace is there");
    run_well(roadproof().arg("replay").arg(&path).args(["--bless", "--driver", "shipped"]));
    assert!(std::fs::read(path.with_extension("trace")).expect("the trace is there") == golden);
}

#[test]
fn nothing_else_is_overwritten() {
    let (folder, found) = road();
    let source = folder.path().join("case.ron");
    let before = files_in(found);
    let attack_with = |arguments: &[&str]| {
        refusal(roadproof().args(["attack", "shipped"]).arg(&source).arg("--out").arg(found).args(arguments))
    };
    let message = attack_with(&["--method", "pgd", "--eps", "4/255", "--steps", "11"]);
    for part in ["would overwrite", "case_pgd_linf_4.ron", "--force"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(message.lines().count(), 1, "no progress was shown: {message}");
    let mut search = roadproof();
    search.args(["search", "shipped"]).arg(&source).arg("--out").arg(found).args(["--name", "case_pgd_linf_4"]);
    let message = refusal(&mut search);
    assert!(message.contains("would overwrite"), "{message}");
    // The same command finds the same again.
    assert_eq!(attack("shipped", &source, found, &ATTACK).code, Some(1));
    assert!(files_in(found) == before, "the same command found something else");
    let below_a_file = source.join("found");
    let message = refusal(roadproof().args(["attack", "shipped"]).arg(&source).arg("--out").arg(&below_a_file));
    assert!(message.contains("not a folder") && message.contains("case.ron"), "{message}");
}

#[test]
fn a_search_finds_the_smallest_fault_that_breaks_a_driver_without_gradients() {
    let (folder, source) = folder_with(BRAKES);
    let out = folder.path().join("found");
    let search = |out: &Path| {
        let arguments = ["--faults", "400", "--seed", "1", "--out"];
        run(roadproof().args(["search", "scripted"]).arg(&source).args(arguments).arg(out))
    };
    let ended = search(&out);
    assert_eq!(ended.code, Some(1), "{}\n{}", ended.stdout, ended.stderr);
    let names: Vec<String> = files_in(&out).into_keys().collect();
    assert_eq!(names, ["case_scripted_random_search.ron", "case_scripted_random_search.trace"]);
    let path = out.join(&names[0]);
    let text = std::fs::read_to_string(&path).expect("the scenario is there");
    assert!(text.starts_with("// Found by: roadproof search scripted "), "{text}");
    assert!(text.contains(" --faults 400 --seed 1\n"), "{text}");
    run_well(roadproof().arg("replay").arg(&path));
    // Alone, in another process, the same driver drives what was recorded, and keeps no bounds.
    let case = Case::read(&path, true).expect("checked");
    let drive = |scenario: &Scenario| {
        let mut driver = Driver::Scripted;
        closed_loop(scenario.clone(), &mut driver).expect("checked")
    };
    let broken = drive(&case.scenario);
    let golden: &Trace = case.golden.as_ref().expect("a trace was written");
    assert_eq!(golden.compare(broken.trace()), Ok(()));
    assert!(!broken.judgement().expect("it has ended").passed());
    // Nothing smaller breaks it: without the first or the last decision of the span it holds.
    let mut shorter = case.scenario.into_scenario();
    let span = shorter.perturbations[0].during_s;
    let decision_s = 1.0 / shorter.decision_hz;
    assert!(span.1 - span.0 > 1.5 * decision_s, "{span:?} is one decision: another seed would show more");
    for (later_s, sooner_s) in [(decision_s, 0.0), (0.0, decision_s)] {
        shorter.perturbations[0].during_s = Span(span.0 + later_s, span.1 - sooner_s);
        let left = shorter.perturbations[0].during_s;
        assert!(drive(&shorter).judgement().expect("it has ended").passed(), "{left:?} is enough of {span:?}");
    }
    // Another run with the same seed finds the same.
    let again = folder.path().join("again");
    search(&again);
    assert!(files_in(&again) == files_in(&out));
}

#[test]
fn what_holds_leaves_nothing_behind() {
    let source = repository().join("scenarios/lane_keeping/straight.ron");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("found");
    let ended = attack("shipped", &source, &out, &["--method", "noise", "--eps", "1/255", "--steps", "1"]);
    assert!(ended.code == Some(0) && !out.exists(), "{}", ended.stdout);
    // There the scripted driver is hit whatever it does.
    let hit = "scenarios/regression/swerve_at_five_hertz.ron";
    let message = refusal(roadproof().args(["search", "scripted", hit, "--faults", "5"]));
    assert!(message.contains("nothing is left to break"), "{message}");
    assert_eq!(message.lines().count(), 1, "no progress was shown: {message}");
}

#[test]
fn the_library_has_finds() {
    let files = scenario::find(&[repository().join("scenarios/found")]).expect("there are finds");
    assert!(!files.is_empty());
    for file in files {
        let case = Case::read(&file, true).unwrap_or_else(|error| panic!("{error:#}"));
        assert!(case.found() && case.golden.is_some(), "{file:?} is no find of an attack");
        let recorded = file.with_extension("perturbation");
        let bytes = std::fs::metadata(&recorded).map_or(0, |metadata| metadata.len());
        assert!(bytes < 300_000, "{recorded:?} is too large for a repository");
    }
}

#[test]
fn the_hardened_driver_holds_where_the_nominal_one_broke() {
    let replay = |driver| run(roadproof().args(["replay", "scenarios/found", "--driver", driver]));
    assert_eq!(replay("shipped").code, Some(1), "finds are of this driver");
    let held = replay("hardened");
    assert_eq!(held.code, Some(0), "{}", held.stdout);
    // And not only against what was made for another: the same attack, made for it.
    let (folder, source) = folder_with(ROAD);
    let ended = attack("hardened", &source, &folder.path().join("found"), &ATTACK);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
}
