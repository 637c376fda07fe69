//! The scenario library passes with the scripted driver, and golden traces hold to the bit.

use crate::program::{ended, refusal, repository, roadproof, run, run_well};
use roadproof_agent::drive::replay::{Case, CaseReport, drive_case};
use roadproof_agent::driver::Driver;
use roadproof_agent::watch::drive::mcap;
use roadproof_sim::scenario::RoadSpec;
use roadproof_sim::{Episode, Trace, scenario};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
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
fn what_was_checked_is_what_is_driven_on() {
    let checked = scenario::read(&repository().join(GOLDEN).with_extension("ron")).expect("checked");
    let road = |episode: Episode| episode.fleet().road(0);
    assert!(Arc::ptr_eq(checked.road(), &road(Episode::new(checked.clone()).expect("a world"))), "one road");
    // One that was changed is built anew.
    let mut changed = checked.into_scenario();
    changed.road = RoadSpec::Generated { length_m: 777.0, seed: None, style: Default::default() };
    assert!(road(Episode::new(changed).expect("a world")).length_m() >= 777.0);
}

/// Where the faults are the camera's it drives as if nothing were wrong: its holding says that the drive can be driven within the bounds,
/// and nothing of the fault. What holds under that stands in `shipped_drivers`.
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

/// What `evaluate` counts over a family is what `replay` says of its files: of a learned driver, and of one who looks at no frame.
#[test]
fn evaluate_counts_the_files_that_replay_finds_kept() {
    for (family, driver, some_left_out) in [("lane_keeping", "shipped", false), ("sensor_faults", "scripted", true)] {
        let folder = format!("scenarios/{family}");
        let replayed = run(roadproof().args(["replay", &folder, "--driver", driver])).stdout;
        let lines = |verdict: &str| replayed.lines().filter(|line| line.starts_with(verdict)).count();
        let (kept, failed, skipped) = (lines("ok "), lines("FAIL "), lines("skip "));
        let options = ["--driver", driver, "--roads", "1", "--scenarios", &folder, "--json", "-"];
        let json = run_well(roadproof().arg("evaluate").args(options));
        let json: serde_json::Value = serde_json::from_str(&json).expect("the result is JSON");
        let driven = kept + failed;
        assert_eq!(
            json["drivers"][0]["library"],
            serde_json::json!({"kept": kept, "driven": driven, "left_out": skipped}),
            "{replayed}"
        );
        assert!(driven > 2 && (skipped > 0) == some_left_out, "{replayed}");
    }
    // Where replay drives what does not count, it says how many do.
    let replayed = run(roadproof().args(["replay", "scenarios/regression", "--driver", "shipped"])).stdout;
    let options = ["evaluate", "shipped", "--roads", "1", "--scenarios", "scenarios/regression", "--json", "-"];
    let json: serde_json::Value =
        serde_json::from_str(&run_well(roadproof().args(options))).expect("the result is JSON");
    let library = &json["drivers"][0]["library"];
    let counted = format!("{} of the {} that evaluate and report count: ", library["kept"], library["driven"]);
    assert!(replayed.contains(&counted), "{counted}: {replayed}");
}

/// What a new scenario begins with can be used, and is kept by who knows the truth and by who has to see it.
#[test]
fn the_template_of_a_scenario_is_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("mine/bend.ron");
    run_well(roadproof().args(["scenario", "new"]).arg(&file));
    let checked = run_well(roadproof().args(["scenario", "check"]).arg(folder.path()));
    assert!(checked.starts_with("ok     mine/bend "), "{checked}");
    for driver in ["scripted", "shipped", "hardened"] {
        let replayed = run_well(roadproof().args(["replay", "--driver", driver]).arg(&file));
        assert!(replayed.contains("1 passed, 0 failed"), "{driver}: {replayed}");
    }
    let again = refusal(roadproof().args(["scenario", "new"]).arg(&file));
    assert!(again.contains("there is something already"), "{again}");
    assert_eq!(run_well(roadproof().args(["scenario", "new", "-"])), std::fs::read_to_string(&file).expect("a file"));
}

/// Every file is told of, those behind one that cannot be used as well.
#[test]
fn all_files_are_checked_whatever_is_wrong_with_some() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let good = run_well(roadproof().args(["scenario", "new", "-"]));
    for (name, from, to) in [
        ("a", "format: 1", "format: 7"),
        ("b", "lane: 0, s_m: 45.0", "lane: 4, s_m: 45.0"),
        ("c", "seed: 1", "seed: 2"),
    ] {
        std::fs::write(folder.path().join(name).with_extension("ron"), good.replacen(from, to, 1)).expect("a file");
    }
    let ended = run(roadproof().args(["scenario", "check"]).arg(folder.path()));
    assert_eq!(ended.code, Some(2), "{}", ended.stdout);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(lines[0].starts_with("error ") && lines[0].contains("a.ron:7:13: format = 7"), "{}", ended.stdout);
    assert!(lines[1].contains("\"lead\" is in lane 4") && lines[2].starts_with("ok "), "{}", ended.stdout);
    assert!(ended.stderr.contains("2 mistakes in 2 of 3 files"), "{}", ended.stderr);
}

/// Every mistake of a file has a line of its own, wherever the text comes from.
#[test]
fn all_mistakes_of_a_scenario_are_told_with_their_places() {
    let mut text = run_well(roadproof().args(["scenario", "new", "-"]));
    for (from, to) in [
        ("duration_s: 60.0", "duration_s: 6000.0"),
        ("speed_limit_mps: 12.0", "speed_limit: 12.0"),
        ("kind: Car", "kind: Bus"),
        ("lane: 0, s_m: 45.0, speed_mps: 10.0", "lane: 3, s_m: 45.0, speed_mps: \"slow\""),
        ("when: At(at_s: 14.0)", "when: 14.0"),
        ("fault: Graded(kind: Fog, severity: 2)", "fault: Fog(severity: 2)"),
        ("kind: SpeedNoise, severity: 1", "kind: SpeedNoise, severity: 9"),
    ] {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("many.ron");
    std::fs::write(&file, &text).expect("a file");
    let place = |of: &str| {
        let before = &text[..text.find(of).expect("it is there")];
        let (line, column) =
            (before.matches('\n').count() + 1, before.chars().rev().take_while(|c| *c != '\n').count() + 1);
        format!("{line}:{column}: ")
    };
    let expected = [
        place("6000.0") + "duration_s = 6000, allowed is 0.1 to 3600",
        place("speed_limit: ") + "unknown field \"speed_limit\", did you mean \"speed_limit_mps\"?",
        place("Bus") + "unknown name \"Bus\"",
        place("lane: 3") + "\"lead\" is in lane 3",
        place("\"slow\"") + "a number is wanted",
        place("14.0, decel") + "14.0 is written At(at_s: 14.0)",
        place("Fog(") + "Fog is written Graded(kind: Fog, severity: 3)",
        place("9)),\n") + "severity = 9, allowed is 1 to 5",
    ];
    let check = |path: &Path, input: &str| {
        let mut command = roadproof();
        command
            .args(["scenario", "check"])
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut program = command.spawn().expect("the program starts");
        program.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("the program takes all");
        let ended = ended(program.wait_with_output().expect("the program ends"));
        assert_eq!(ended.code, Some(2), "{}", ended.stdout);
        assert_eq!(ended.stdout.lines().count(), expected.len(), "{}", ended.stdout);
        for (line, expected) in ended.stdout.lines().zip(&expected) {
            assert!(line.starts_with(&format!("error  {}:{expected}", path.display())), "{line}\nis to say {expected}");
        }
        assert!(ended.stderr.contains(&format!("{} mistakes in 1 of 1 file", expected.len())), "{}", ended.stderr);
    };
    check(&file, "");
    check(Path::new("-"), &text);
    #[cfg(unix)]
    check(Path::new("/dev/stdin"), &text);
}

/// A file that tests nothing passes, and says so; one that fails says when, where and behind whom.
#[test]
fn what_was_never_put_to_the_test_is_said_and_what_broke_with_its_moment() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("case.ron");
    let replay = |lane: i8, ttc_s: f32| {
        let text = format!(
            "Scenario(format: 1, title: \"t\", duration_s: 30.0, road: Straight(length_m: 250.0, lanes: 2), \
             ego: (speed_mps: 12.0), actors: [(name: \"van\", start: (lane: {lane}, s_m: 40.0, speed_mps: 9.0), \
             script: [Brake(when: EgoWithin(within_m: 0.5), decel_mps2: 2.0, for_s: 1.0)])], \
             perturbations: [(when: EgoAt(s_m: 900.0), during_s: (0.0, 1.0), fault: Graded(kind: SpeedBias, severity: 1))], \
             expect: (min_ttc_s: {ttc_s:?}))"
        );
        std::fs::write(&file, text).expect("a file");
        run(roadproof().arg("replay").arg(&file)).stdout
    };
    let vacuous = replay(1, 1.5);
    for told in [
        "min_ttc_s was never put to the test (bound 1.50): it never closed in on anything ahead",
        "perturbation 1 waits for EgoAt(s_m: 900.0), and the drive ends where the route does, at 245 m",
    ] {
        assert!(vacuous.starts_with("ok ") && vacuous.contains(told), "{vacuous}");
    }
    let broken = replay(0, 60.0);
    let line = broken.lines().find(|line| line.contains(", bound 60.00, at ")).expect("a broken bound");
    assert!(
        line.contains(" s, s = ") && line.ends_with(" m, behind \"van\"") && broken.contains("\"van\": EgoWithin"),
        "{broken}"
    );
}

/// A bound that every drive keeps is told, whether the file is driven or read.
#[test]
fn bounds_that_nobody_can_miss_are_told() {
    let folder = suite(&[]);
    let file = folder.path().join("good.ron");
    let text = std::fs::read_to_string(&file).expect("a scenario");
    std::fs::write(&file, text.replacen("expect: (", "expect: (min_gap_m: 0.0, min_driving_score: 0.0, ", 1))
        .expect("a file");
    let told = ["min_gap_m = 0 is kept by every drive", "min_driving_score = 0 is kept by every drive"];
    for command in [&["replay"][..], &["scenario", "check"]] {
        let said = run_well(roadproof().args(command).arg(&file));
        assert!(told.iter().all(|told| said.contains(told)), "{said}");
    }
}

/// A scenario comes through a pipe as it comes from a file.
#[test]
fn scenarios_are_read_from_standard_input() {
    let file = "scenarios/cut_in/from_left.ron";
    let piped = |arguments: &[&str]| {
        let text = std::fs::File::open(repository().join(file)).expect("a scenario");
        run(roadproof().args(arguments).stdin(text))
    };
    let replayed = piped(&["replay", "-", "--driver", "shipped"]);
    let of_file = run_well(roadproof().args(["replay", file, "--driver", "shipped"]));
    let measured = |text: &str| text.lines().next().and_then(|line| Some(line.split_once("Arrived")?.1.to_owned()));
    assert!(replayed.code == Some(0) && measured(&replayed.stdout).is_some(), "{}", replayed.stderr);
    assert_eq!(measured(&replayed.stdout), measured(&of_file));
    let refused = piped(&["replay", "-", "--bless"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("standard input"), "{}", refused.stderr);
    let found = tempfile::tempdir().expect("a temporary folder");
    let options = ["attack", "shipped", "-", "--method", "noise", "--steps", "1", "--eps", "1/255", "--out"];
    let attacked = piped(&[&options[..], &[&*found.path().to_string_lossy()]].concat());
    assert!(
        attacked.code == Some(0) && attacked.stdout.contains("The driver holds; nothing is kept."),
        "{}",
        attacked.stderr
    );
}

/// Without a folder of scenarios there is nothing to count; one that is named must be there.
#[test]
fn evaluate_counts_where_there_is_something_to_count() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let evaluate = ["evaluate", "--driver", "scripted", "--roads", "1"];
    let elsewhere = run_well(roadproof().current_dir(folder.path()).args(evaluate));
    assert!(!elsewhere.contains("Scenario library"), "{elsewhere}");
    let here = run_well(roadproof().args(evaluate));
    assert!(here.contains("Scenario library: ") && here.contains(" scenario files keep their bounds"), "{here}");
    let message = refusal(roadproof().args(evaluate).args(["--scenarios", "no/such"]));
    assert!(message.contains("no/such"), "{message}");
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
    // A file alone is told of once.
    let alone = run(roadproof().arg("replay").arg(folder.path().join("bad.ron")));
    assert!(alone.code == Some(2) && alone.stdout.is_empty(), "{}", alone.stdout);
    assert!(alone.stderr.starts_with("error: ") && alone.stderr.contains("bad.ron:1:"), "{}", alone.stderr);
    assert!(ended.stderr.contains("error: 2 files cannot be used"), "{}", ended.stderr);
    let report = std::fs::read_to_string(junit).expect("a report");
    assert!(report.contains("tests=\"3\" failures=\"0\" errors=\"2\""), "{report}");
    assert!(report.contains("<error message=") && report.contains("bad.ron:1:"), "{report}");
    assert!(report.contains("/good.ron\""), "each case names its file: {report}");
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
fn what_became_of_each_file_is_to_be_had_as_json() {
    let straight =
        std::fs::read_to_string(repository().join("scenarios/lane_keeping/straight.ron")).expect("a scenario");
    let strict = straight.replacen("max_speed_mps: 14.5", "max_speed_mps: 1.0", 1);
    let folder = suite(&[
        ("bad.ron", "Scenario("),
        ("foggy.ron", &straight.replacen("expect:", FOGGY[0], 1)),
        ("strict.ron", &strict),
    ]);
    let ended = run(roadproof().arg("replay").arg(folder.path()).args(["--json", "-", "--jobs", "1"]));
    let json: serde_json::Value = serde_json::from_str(&ended.stdout).expect("the result is JSON");
    assert!(ended.stderr.contains("1 passed, 1 failed"), "the text gives way to it: {}", ended.stderr);
    assert_eq!(json["about"]["driver"]["name"], "scripted");
    let case = |end: &str| {
        let cases = json["cases"].as_array().expect("cases");
        let own = cases.iter().find(|case| case["file"].as_str().is_some_and(|file| file.ends_with(end)));
        own.unwrap_or_else(|| panic!("{end} is not told of: {json}")).clone()
    };
    let verdicts = ["good.ron", "strict.ron", "bad.ron", "foggy.ron"].map(|end| case(end)["verdict"].clone());
    assert_eq!(verdicts, ["passed", "failed", "error", "skipped"]);
    assert_eq!(
        (&case("good.ron")["outcome"], &case("bad.ron")["outcome"]),
        (&"Arrived".into(), &serde_json::Value::Null)
    );
    let bounds = case("strict.ron")["bounds"].as_array().expect("bounds").clone();
    let speed = bounds.iter().find(|bound| bound["name"] == "max_speed_mps").expect("the bound that broke");
    assert!(speed["measured"].as_f64() > speed["bound"].as_f64() && speed["moment"]["time_s"].is_number(), "{speed}");
    let refused = refusal(roadproof().args(["replay", "--json", "-", "--junit", "-"]));
    assert!(refused.contains("would both write to standard output"), "{refused}");
}

/// The fault of the one is the camera's alone, of the other the controls' as well.
const FOGGY: [&str; 2] = [
    "perturbations: [(during_s: (0.0, 9.0), fault: Graded(kind: Fog, severity: 1))], expect:",
    "perturbations: [(during_s: (0.0, 9.0), fault: Graded(kind: Fog, severity: 1)), \
     (during_s: (0.0, 9.0), fault: Graded(kind: ControlDelay, severity: 1))], expect:",
];

#[test]
fn a_fault_of_the_camera_is_nothing_to_who_looks_through_none() {
    let straight =
        std::fs::read_to_string(repository().join("scenarios/lane_keeping/straight.ron")).expect("a scenario");
    let [foggy, foggy_and_late] = FOGGY.map(|faults| straight.replacen("expect:", faults, 1));
    let folder = suite(&[("foggy.ron", &foggy), ("late.ron", &foggy_and_late)]);
    let junit = folder.path().join("junit.xml");
    for (driver, skips) in [("scripted", true), ("random", true), ("blind", true), ("shipped", false)] {
        let ended = run(roadproof().args(["replay", "--driver", driver]).arg(folder.path()).arg("--junit").arg(&junit));
        let reason = "/foggy  its faults are the camera's, and this driver looks at no frame";
        let said = ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(said.contains(&reason.replace("  ", " ")), skips, "{driver}\n{}", ended.stdout);
        let counted = "1 skipped: of a camera that this driver does not look through";
        assert_eq!(ended.stdout.contains(counted), skips, "{driver}\n{}", ended.stdout);
        assert!(!ended.stdout.contains("skip   late"), "{driver}\n{}", ended.stdout);
        let report = std::fs::read_to_string(&junit).expect("a report");
        assert_eq!(report.contains("<skipped message="), skips, "{driver}\n{report}");
    }
    // Whoever records the drive records what others see of it.
    let said = run_well(roadproof().arg("replay").arg(folder.path().join("foggy.ron")).arg("--bless"));
    assert!(said.contains("recorded as ") && folder.path().join("foggy.trace").exists(), "{said}");
    run_well(roadproof().arg("replay").arg(folder.path().join("foggy.ron")));
}

#[test]
fn a_driver_is_held_to_the_bounds_of_its_class() {
    let straight =
        std::fs::read_to_string(repository().join("scenarios/lane_keeping/straight.ron")).expect("a scenario");
    let by =
        |bounds: &str| straight.trim_end().trim_end_matches(')').to_owned() + &format!("expect_by: ({bounds}),\n)\n");
    let passed = |text: &str, driver: &str| {
        let folder = suite(&[]);
        std::fs::write(folder.path().join("good.ron"), text).expect("a file in a temporary folder");
        let ended = run(roadproof().args(["replay", "--bounds", "--driver", driver]).arg(folder.path()));
        assert!(matches!(ended.code, Some(0 | 1)), "{}\n{}", ended.stdout, ended.stderr);
        (ended.code == Some(0), ended.stdout)
    };
    let (kept, broken) = ("(outcome: Arrived, min_driving_score: 1.0)", "(outcome: Blocked)");
    for (bounds, [scripted, shipped, hardened]) in [
        (format!("camera: {kept}"), [true, true, true]),
        (format!("camera: {broken}"), [true, false, false]),
        (format!("camera: {broken}, hardened: {kept}"), [true, false, true]),
        (format!("camera: {kept}, hardened: {broken}"), [true, true, false]),
    ] {
        for (driver, holds) in [("scripted", scripted), ("shipped", shipped), ("hardened", hardened)] {
            let (passed, said) = passed(&by(&bounds), driver);
            assert_eq!(passed, holds, "{driver} with {bounds}\n{said}");
        }
    }
    let (_, said) = passed(&by(&format!("camera: {kept}")), "shipped");
    assert!(said.contains("       min_driving_score = 100.00 (bound 1.00)"), "{said}");
    assert!(!said.contains("max_lane_offset_m"), "bounds of whoever drives are not added:\n{said}");
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
    assert_eq!(scenario, *Case::read(&repository().join(&case), false).expect("checked").scenario);
    let golden = std::fs::read_to_string(repository().join(format!("{GOLDEN}.trace"))).expect("a golden trace");
    assert_eq!(controls, Trace::parse(&golden).expect("a golden trace").controls().collect::<Vec<_>>());
}
