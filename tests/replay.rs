//! The scenario library passes with the scripted driver, and golden traces hold to the bit.

use crate::program::{repository, roadproof, run, run_well};
use roadproof_agent::drive::replay::{Case, CaseReport, drive_case};
use roadproof_agent::driver::Driver;
use roadproof_agent::watch::drive::mcap;
use roadproof_sim::{Trace, scenario};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A scenario with a golden trace beside it.
const GOLDEN: &str = "scenarios/regression/blurred_cut_in";

fn library() -> Vec<PathBuf> {
    scenario::find(&[repository().join("scenarios")]).expect("there are scenarios")
}

fn drive(path: &Path, with_golden: bool) -> CaseReport {
    let case = Case::read(path, with_golden).unwrap_or_else(|error| panic!("{error:#}"));
    drive_case(&case, &mut Driver::Scripted).unwrap_or_else(|error| panic!("{error:#}"))
}

#[test]
fn the_library_covers_what_drivers_meet() {
    let files = library();
    let families: BTreeSet<_> = files.iter().filter_map(|file| file.parent()).collect();
    assert!(files.len() >= 14 && families.len() >= 5, "{} files in {} families", files.len(), families.len());
    for file in &files {
        let text = std::fs::read_to_string(file).expect("the file can be read");
        assert!(text.starts_with("// ") && text.contains("\n// Bounds: "), "{file:?} does not say what it tests");
        assert_ne!(scenario::read(file).expect("checked").expect, Default::default(), "{file:?} expects nothing");
    }
}

#[test]
fn every_scenario_holds_with_the_scripted_driver() {
    let broken: Vec<String> = library()
        .iter()
        .map(|file| drive(file, false))
        .filter(|report| !report.failures.is_empty())
        .map(|report| format!("{}\n{}", report.line(), report.failures.join("\n")))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn golden_traces_hold() {
    let golden: Vec<PathBuf> = library().into_iter().filter(|file| file.with_extension("trace").exists()).collect();
    assert!(golden.len() >= 2, "{golden:?}");
    for file in golden {
        let report = drive(&file, true);
        assert!(report.closest.contains("recorded decisions"), "{file:?} was driven without its trace");
        assert!(report.failures.is_empty(), "{file:?}: {}", report.failures.join("\n"));
    }
}

/// The golden scenario with its trace changed, in a folder of its own.
fn golden_with(change: impl FnOnce(&mut String)) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let source = repository().join(GOLDEN);
    let scenario = folder.path().join("case.ron");
    std::fs::copy(source.with_extension("ron"), &scenario).expect("the scenario is there");
    let mut trace = std::fs::read_to_string(source.with_extension("trace")).expect("the trace is there");
    change(&mut trace);
    std::fs::write(scenario.with_extension("trace"), trace).expect("a file in a temporary folder");
    (folder, scenario)
}

#[test]
fn a_changed_digest_is_found_and_blessing_renews_it() {
    for column in ["state", "frame"] {
        let (_folder, scenario) = golden_with(|text| {
            let mut trace = Trace::parse(text).expect("the golden trace is one");
            match column {
                "state" => trace.rows[16].state_digest ^= 1,
                _ => trace.rows[16].frame_digest ^= 1,
            }
            *text = trace.to_text();
        });
        let ended = run(roadproof().arg("replay").arg(&scenario));
        assert_eq!(ended.code, Some(1), "{column}\n{}", ended.stdout);
        let command = format!("roadproof replay {} --bless", scenario.display());
        for part in ["decision 17 differs", column, command.as_str(), "0 passed, 1 failed"] {
            assert!(ended.stdout.contains(part), "{part:?} is not in\n{}", ended.stdout);
        }
        run_well(roadproof().arg("replay").arg(&scenario).arg("--bless"));
        run_well(roadproof().arg("replay").arg(&scenario));
    }
}

#[test]
fn a_trace_that_is_too_short_or_too_long_is_found() {
    let (_folder, short) = golden_with(|text| {
        let mut trace = Trace::parse(text).expect("the golden trace is one");
        trace.rows.truncate(10);
        *text = trace.to_text();
    });
    let ended = run(roadproof().arg("replay").arg(&short));
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.contains("the recorded actions end before the drive does"), "{}", ended.stdout);
    let (_folder, long) = golden_with(|text| {
        let last = text.lines().last().expect("the trace has rows").to_owned();
        text.push_str(&last);
        text.push('\n');
    });
    let ended = run(roadproof().arg("replay").arg(&long));
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.contains("recorded 61"), "{}", ended.stdout);
}

/// A folder with one good scenario, and others beside it.
fn suite(others: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let good = repository().join("scenarios/lane_keeping/straight.ron");
    std::fs::copy(good, folder.path().join("good.ron")).expect("the scenario is there");
    for (name, text) in others {
        std::fs::write(folder.path().join(name), text).expect("a file in a temporary folder");
    }
    folder
}

#[test]
fn one_file_that_cannot_be_used_keeps_no_other_from_being_driven() {
    let folder = suite(&[("bad.ron", "Scenario("), ("worse.ron", "")]);
    let junit = folder.path().join("junit.xml");
    let ended = run(roadproof().arg("replay").arg(folder.path()).arg("--junit").arg(&junit));
    assert_eq!(ended.code, Some(2), "{}", ended.stdout);
    for part in ["/good ", "ERROR", "bad.ron:1:", "1 passed, 0 failed, 2 not to be used"] {
        assert!(ended.stdout.contains(part), "{part:?} is not in\n{}", ended.stdout);
    }
    assert!(ended.stderr.contains("error: 2 files cannot be driven, the first: "), "{}", ended.stderr);
    let report = std::fs::read_to_string(junit).expect("a report");
    assert!(report.contains("tests=\"3\" failures=\"0\" errors=\"2\""), "{report}");
    assert!(report.contains("<error message=") && report.contains("bad.ron:1:"), "{report}");
}

#[test]
fn files_of_another_camera_are_skipped() {
    let wide = std::fs::read_to_string(repository().join("scenarios/lane_keeping/straight.ron")).expect("a scenario");
    let wide = wide.replacen("Scenario(", "Scenario(camera: (width_px: 84, height_px: 84),", 1);
    let folder = suite(&[("wide.ron", &wide)]);
    let junit = folder.path().join("junit.xml");
    let ended = run(roadproof().args(["replay", "--driver", "shipped"]).arg(folder.path()).arg("--junit").arg(&junit));
    assert_ne!(ended.code, Some(2), "{}", ended.stderr);
    for part in ["/good ", "skip ", "/wide ", "the scenario's camera", "1 skipped: not for this driver"] {
        assert!(ended.stdout.contains(part), "{part:?} is not in\n{}", ended.stdout);
    }
    let report = std::fs::read_to_string(junit).expect("a report");
    assert!(report.contains("disabled=\"1\"") && report.contains("<skipped message="), "{report}");
}

#[test]
fn a_drive_that_misses_its_bounds_is_not_recorded() {
    let folder = suite(&[]);
    let path = folder.path().join("good.ron");
    let text = std::fs::read_to_string(&path).expect("the scenario");
    std::fs::write(&path, text.replacen("outcome: Arrived", "outcome: Blocked", 1)).expect("a file");
    let ended = run(roadproof().arg("replay").arg(&path).arg("--bless"));
    let trace = path.with_extension("trace");
    assert_eq!((ended.code, trace.exists()), (Some(1), false), "{}", ended.stdout);
    let refused = format!("so it was not recorded as {}", trace.display());
    assert!(ended.stdout.contains(&refused), "{}", ended.stdout);
    std::fs::write(&path, text).expect("a file");
    let said = run_well(roadproof().arg("replay").arg(&path).arg("--bless"));
    assert!(said.contains(&format!("recorded as {}", trace.display())) && trace.exists(), "{said}");
}

#[test]
fn drives_are_written_as_mcap() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let case = format!("{GOLDEN}.ron");
    run_well(roadproof().args(["replay", case.as_str(), "--mcap"]).arg(folder.path()));
    let path = folder.path().join("regression_blurred_cut_in.mcap");
    let bytes = std::fs::read(&path).expect("a file for the case");
    let (scenario, controls) = mcap::read(&bytes, &path).expect("a drive");
    assert_eq!(scenario, Case::read(&repository().join(&case), false).expect("checked").scenario);
    let golden = std::fs::read_to_string(repository().join(format!("{GOLDEN}.trace"))).expect("a golden trace");
    assert_eq!(controls, Trace::parse(&golden).expect("a golden trace").controls().collect::<Vec<_>>());
}
