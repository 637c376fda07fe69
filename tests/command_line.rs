//! Input that cannot be used: exit code 2, one message that names what and where, and nothing touched.

use crate::program::{refusal, repository, roadproof, run, run_well};
use crate::tiny_run::{SETTINGS, files_in, laid_out, tiny_run};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const SCENARIO: &str = r#"// A slow car ahead.
Scenario(
    format: 1,
    title: "A slow car ahead",
    duration_s: 5.0,
    road: Straight(length_m: 100.0),
    actors: [(name: "lead", start: (lane: 0, s_m: 40.0, speed_mps: 5.0))],
)"#;

fn file(name: &str, text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("a file in a temporary folder");
    (folder, path)
}

fn check(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

#[test]
fn scenarios_that_cannot_be_used_are_refused_with_their_place() {
    let cases: [(&str, &str, &[&str]); 12] = [
        ("title:", "titel:", &["case.ron:4:", "titel"]),
        ("duration_s: 5.0", "duration_s: -5.0", &["case.ron:5:", "duration_s = -5, allowed is 0.1 to 3600"]),
        ("duration_s: 5.0", "duration_s: 5.0.0", &["case.ron:5:"]),
        ("format: 1", "format: 9", &["case.ron:3:", "format = 9"]),
        ("s_m: 40.0", "s_m: 7.0", &["case.ron", "\"lead\" and the ego overlap"]),
        ("lane: 0, s_m", "lane: 3, s_m", &["case.ron", "\"lead\" is in lane 3"]),
        ("length_m: 100.0", "length_m: 4.0", &["case.ron", "the road is 4.0 m long"]),
        (
            "Straight(length_m: 100.0)",
            "Segments(segments: [Arc(length_m: 80.0, radius_m: 6.0, to: Left)])",
            &["case.ron", "segment 0 has a radius of 6.0 m"],
        ),
        (
            "Straight(length_m: 100.0)",
            "Segments(segments: [Arc(length_m: 400.0, radius_m: 50.0, to: Left)])",
            &["case.ron", "the road meets itself"],
        ),
        ("Straight(length_m: 100.0)", "Generated(length_m: 5000.0)", &["case.ron", "5000.0 m long", "20 to 4600 m"]),
        (
            "Straight(length_m: 100.0)",
            "Generated(length_m: 200.0, style: (max_slope: -1.0))",
            &["case.ron:", "max_slope = -1, allowed is 0 to 0.1"],
        ),
        (
            "duration_s: 5.0",
            "duration_s: 5.0, camera: (mount_m: (0.4, inf, 1.3))",
            &["case.ron", "camera.mount_m", "inf"],
        ),
    ];
    for (from, to, parts) in cases {
        let text = SCENARIO.replacen(from, to, 1);
        assert_ne!(text, SCENARIO, "{from}");
        let (_folder, path) = file("case.ron", &text);
        check(&refusal(roadproof().arg("replay").arg(&path)), parts);
        check(&refusal(roadproof().arg("snapshot").arg(&path)), parts);
    }
    let (_folder, path) = file("case.ron", SCENARIO);
    // The scenario as it stands is fine: what was refused above was refused for the change.
    assert_ne!(run(roadproof().arg("replay").arg(&path)).code, Some(2));
}

#[test]
fn files_that_are_not_there_or_not_text_are_refused() {
    check(&refusal(roadproof().args(["replay", "no/such.ron"])), &["no/such.ron"]);
    let (folder, path) = file("case.ron", SCENARIO);
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).expect("a folder in a temporary folder");
    check(&refusal(roadproof().arg("replay").arg(&empty)), &["no scenario files", "empty"]);
    std::fs::write(&path, [0xff, 0xfe, 0x00, 0x80]).expect("a file in a temporary folder");
    check(&refusal(roadproof().arg("replay").arg(&path)), &["case.ron"]);
    std::fs::write(&path, "").expect("a file in a temporary folder");
    check(&refusal(roadproof().arg("replay").arg(&path)), &["case.ron:1:1"]);
}

#[test]
fn a_trace_that_is_none_is_refused_with_its_line() {
    let (_folder, path) = file("case.ron", SCENARIO);
    let trace = path.with_extension("trace");
    std::fs::write(&trace, "something else\n").expect("a file in a temporary folder");
    check(&refusal(roadproof().arg("replay").arg(&path)), &["case.trace", "line 1"]);
    std::fs::write(&trace, "roadproof trace 1\n1 2 3\n").expect("a file in a temporary folder");
    check(&refusal(roadproof().arg("replay").arg(&path)), &["case.trace", "line 2", "1 2 3"]);
}

#[test]
fn a_scenario_seen_through_another_camera_is_refused_for_drivers_that_learned() {
    let run_folder = laid_out();
    let trained = "duration_s: 5.0, camera: (width_px: 32, height_px: 16)";
    let cameras = [
        ("width_px: 84, height_px: 84", "width_px: 32"),
        ("width_px: 32, height_px: 16, fov_deg: 70.0", "fov_deg: 65.0"),
    ];
    for (camera, own) in cameras {
        let text = SCENARIO.replacen("duration_s: 5.0", &format!("duration_s: 5.0, camera: ({camera})"), 1);
        let (_folder, path) = file("case.ron", &text);
        let message = refusal(roadproof().arg("replay").arg(&path).arg("--driver").arg(run_folder.path()));
        check(&message, &["case.ron", "the scenario's camera", "the driver was trained with", own]);
        check(&refusal(roadproof().arg("replay").arg(&path).args(["--driver", "blind"])), &["case.ron", "camera"]);
        assert_ne!(run(roadproof().arg("replay").arg(&path)).code, Some(2), "the scripted driver needs no camera");
    }
    let (_folder, path) = file("case.ron", &SCENARIO.replacen("duration_s: 5.0", trained, 1));
    let ended = run(roadproof().arg("replay").arg(&path).arg("--driver").arg(run_folder.path()));
    assert_ne!(ended.code, Some(2), "{}", ended.stderr);
}

#[test]
fn arguments_out_of_bounds_are_refused() {
    check(
        &refusal(roadproof().args(["evaluate", "--driver", "nonsense"])),
        &["\"nonsense\"", "shipped, hardened, scripted, straight, random, blind, odometry"],
    );
    check(
        &refusal(roadproof().args(["evaluate", "--driver", "scripted", "--roads", "0"])),
        &["--roads", "a whole number of 1 to 10000 is wanted"],
    );
    check(&refusal(roadproof().args(["evaluate", "--driver", "scenarios"])), &["settings.ron", "\"scenarios\""]);
    check(&refusal(roadproof().args(["replay", "--driver", "nonsense"])), &["\"nonsense\""]);
    check(
        &refusal(roadproof().args(["replay", "scenarios/lane_keeping", "--jobs", "0"])),
        &["'0' for '--jobs <N>'", "1 to 512"],
    );
    check(&refusal(roadproof().args(["train", "--minutes", "-1"])), &["--minutes", "allowed is 0.05 to 100000"]);
    check(&refusal(roadproof().args(["train", "--resume", "no/such/run"])), &["no/such/run"]);
    check(&refusal(roadproof().args(["frobnicate"])), &["frobnicate"]);
    let snapshot = ["snapshot", "scenarios/lane_keeping/straight.ron"];
    check(&refusal(roadproof().args(snapshot).args(["--width", "0"])), &["--width", "8 to 2048"]);
    check(&refusal(roadproof().args(snapshot).args(["--height", "4000"])), &["'4000' for '--height <N>'", "8 to 2048"]);
    check(&refusal(roadproof().args(snapshot).args(["--at", "nan"])), &["--at = NaN"]);
    check(
        &refusal(roadproof().args(["evaluate", "--driver", "scripted", "--blind-run", "no/such"])),
        &["--blind-run", "scripted"],
    );
}

#[test]
fn attacks_and_faults_that_cannot_be_are_refused() {
    let scenario = "scenarios/lane_keeping/straight.ron";
    let attack = |arguments: &[&str]| refusal(roadproof().args(["attack", "shipped", scenario]).args(arguments));
    check(&attack(&["--eps", "0"]), &["eps = 0, allowed is more than 0"]);
    check(&attack(&["--eps", "9"]), &["eps = 9, allowed is more than 0 and at most 1"]);
    check(&attack(&["--eps", "1/0"]), &["nothing can be divided by 0"]);
    check(&attack(&["--eps", "much"]), &["much"]);
    check(&attack(&["--eps", "0.001"]), &["--eps = 0.001", "1/255"]);
    check(&attack(&["--share", "2"]), &["--share = 2, allowed is more than 0 and at most 1"]);
    check(&attack(&["--share", "0"]), &["--share = 0, allowed is more than 0 and at most 1"]);
    check(&attack(&["--share", "nan"]), &["--share = NaN"]);
    check(&attack(&["--steps", "0"]), &["--steps = 0"]);
    check(&attack(&["--starts", "0"]), &["--starts = 0, allowed is 1 to 1000"]);
    check(&attack(&["--ahead", "101"]), &["--ahead = 101, allowed is 0 to 100"]);
    check(&attack(&["--method", "square", "--norm", "l2"]), &["square", "linf"]);
    check(&attack(&["--method", "cw"]), &["--method cw takes --norm l2 only"]);
    check(&attack(&["--method", "pgdd"]), &["pgdd"]);
    check(&attack(&["--black-box", "--method", "pgd"]), &["--method pgd asks for more", "square and noise"]);
    check(&attack(&["--black-box", "--share", "0.5"]), &["an attack from outside takes no --share"]);
    check(&attack(&["--black-box", "--steps", "0"]), &["--steps = 0"]);
    let search = |arguments: &[&str]| refusal(roadproof().args(["search", "shipped", scenario]).args(arguments));
    check(&search(&["--faults", "0"]), &["--faults = 0, allowed is 1 to 1000000"]);
    check(&search(&["--faults", "-3"]), &["-3"]);
    check(&search(&["--faults", "9", "--eps", "1/255"]), &["--eps"]);
    check(&attack(&["--name", "../x"]), &["--name = \"../x\"", "allowed are up to 200 letters"]);
    check(&attack(&["--goal", "action"]), &["action"]);
    check(&refusal(roadproof().args(["attack", "scripted", scenario])), &["\"scripted\"", "no gradients"]);
    check(&refusal(roadproof().args(["attack", "blind", scenario])), &["\"blind\"", "no gradients"]);
    check(&refusal(roadproof().args(["attack", "nobody", scenario])), &["\"nobody\"", "shipped, hardened, scripted"]);
    let (_folder, path) = file("case.ron", &SCENARIO.replacen("5.0,", "5.0, camera: (width_px: 84),", 1));
    check(&refusal(roadproof().args(["attack", "shipped"]).arg(&path)), &["case.ron", "the scenario's camera"]);
    let graded = |fault: &str| {
        let perturbations = format!("perturbations: [(during_s: (0.0, 1.0), fault: {fault})],");
        let (_folder, path) =
            file("case.ron", &SCENARIO.replacen("    actors", &format!("    {perturbations}\n    actors"), 1));
        refusal(roadproof().arg("replay").arg(&path))
    };
    check(&graded("Graded(kind: Fogg, severity: 1)"), &["case.ron:7:", "\"Fogg\"", "did you mean \"Fog\"?"]);
    check(&graded("Graded(kind: Fog, severity: 6)"), &["case.ron:7:", "severity = 6, allowed is 1 to 5"]);
    let picture = ["faults", "--image", "assets/pictures/rgb.png", "--out"];
    let (folder, _) = file("a_file", "");
    let out = folder.path().join("out");
    let faults = |arguments: &[&str]| refusal(roadproof().args(picture).arg(&out).args(arguments));
    let sheet = ["faults", "--scenario", scenario, "--sheet"];
    check(&refusal(roadproof().args(sheet).arg(folder.path().join("sheet.jpg"))), &["sheet.jpg", "PNG"]);
    check(&faults(&["--kind", "Rainn"]), &["\"Rainn\"", "did you mean \"Rain\"?"]);
    check(&faults(&["--kind", "SpeedBias"]), &["SpeedBias is no fault of a single picture"]);
    check(&faults(&["--kind", "Rain", "--severity", "0"]), &["--severity", "'0'", "allowed severities are 1 to 5"]);
    check(&refusal(roadproof().args(["faults", "--image", scenario, "--out"]).arg(&out)), &["not a PNG", scenario]);
    assert!(!out.exists());
}

#[test]
fn results_that_cannot_be_written_are_refused_before_the_work() {
    let nowhere = "no/such/folder/file";
    let work = [
        vec!["evaluate", "--driver", "scripted", "--json", nowhere],
        vec!["bench", "--json", nowhere],
        vec!["replay", "scenarios/lane_keeping", "--junit", nowhere],
    ];
    for arguments in work {
        let message = refusal(roadproof().args(&arguments));
        check(&message, &[nowhere]);
        assert_eq!(message.trim_end().lines().count(), 1, "no progress was shown: {message}");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (one, other) = (folder.path().join("x"), folder.path().join("./x"));
    for second in ["--junit", "--traces"] {
        let command = || roadproof();
        let told = refusal(command().args(["replay", "scenarios/cut_in", "--json"]).arg(&one).arg(second).arg(&other));
        check(&told, &["--json", second, "would both write to"]);
    }
    assert!(!one.exists());
    let (folder, path) = file("a_file", "");
    check(&refusal(roadproof().args(["replay", "scenarios/lane_keeping", "--traces"]).arg(&path)), &["a_file"]);
    let hills = "scenarios/lane_keeping/hills.ron";
    std::fs::create_dir(folder.path().join("lane_keeping")).expect("a folder");
    let other = folder.path().join("lane_keeping/hills.ron");
    std::fs::copy(repository().join(hills), &other).expect("a copy");
    let two = |command: &mut std::process::Command| refusal(command.arg(folder.path().join("traces")));
    check(
        &two(roadproof().args(["replay", hills]).arg(&other).arg("--traces")),
        &["would both write lane_keeping_hills"],
    );
    // The same file in two spellings is one.
    let said = run_well(roadproof().args(["replay", hills, "scenarios/lane_keeping/../lane_keeping/hills.ron"]));
    assert!(said.contains("1 passed, 0 failed"), "{said}");
}

#[test]
fn a_byte_order_mark_is_no_mistake() {
    let (_folder, path) = file("case.ron", &format!("\u{feff}{SCENARIO}"));
    assert_ne!(run(roadproof().arg("replay").arg(&path)).code, Some(2));
    let mark = |path: &Path| {
        let text = std::fs::read_to_string(path).expect("the file is text");
        std::fs::write(path, format!("\u{feff}{text}")).expect("the file can be written");
    };
    let folder = laid_out();
    for name in ["settings.ron", "progress.ron"] {
        mark(&folder.path().join(name));
    }
    run_well(roadproof().arg("train").arg("--resume").arg(folder.path()));
    let (folder, config) = file("config.ron", SETTINGS);
    mark(&config);
    run_well(roadproof().arg("train").arg("--config").arg(&config).arg("--out").arg(folder.path().join("run")));
    let golden = repository().join("scenarios/regression/blurred_cut_in");
    let copy = folder.path().join("case.ron");
    for end in ["ron", "trace"] {
        std::fs::copy(golden.with_extension(end), copy.with_extension(end)).expect("the golden case is there");
        mark(&copy.with_extension(end));
    }
    assert!(run_well(roadproof().arg("replay").arg(&copy)).contains("recorded decisions"));
}

#[test]
fn options_without_effect_are_refused() {
    let scenario = "scenarios/lane_keeping/straight.ron";
    let picture = "assets/pictures/rgb.png";
    let cases: &[&[&str]] = &[
        &["evaluate", "--driver", "scripted", "--out", "foo"],
        &["evaluate", "--camera", "raster", "--out", "foo"],
        &["report", "shipped", "--driver", "scripted"],
        &["report", "shipped", "--json", "x.json"],
        &["report", "shipped", "--split", "validation"],
        &["train", "--resume", "x", "--found", scenario],
        &["train", "--found", scenario],
        &["train", "--resume", "x", "--out", "y"],
        &["attack", "shipped", scenario, "--method", "fgsm", "--steps", "3"],
        &["attack", "shipped", scenario, "--method", "auto", "--goal", "worst"],
        &["attack", "shipped", scenario, "--method", "fab", "--seed", "3"],
        &["attack", "shipped", scenario, "--method", "fgsm", "--starts", "3"],
        &["attack", "shipped", scenario, "--goal", "drift-left", "--ahead", "3"],
        &["search", "scripted", scenario, "--faults", "3", "--method", "pgd"],
        &["faults", "--seed", "3"],
        &["faults", "--at", "3"],
        &["faults", "--sheet", "x.png", "--scenario", scenario, "--kind", "Fog"],
        &["faults", "--sheet", "x.png", "--scenario", scenario, "--severity", "3"],
        &["faults", "--sheet", "x.png", "--scenario", scenario, "--out", "foo"],
        &["faults", "--image", picture, "--out", "foo", "--scenario", scenario],
        &["faults", "--image", picture, "--out", "foo", "--at", "3"],
        &["watch", "--seconds", "3"],
        &["watch", "--record", "x.mcap", "--camera", "seat"],
        &["watch", "--record", "x.png", "--fps", "3"],
    ];
    for arguments in cases {
        check(&refusal(roadproof().args(*arguments)), &["--"]);
    }
    for name in ["foo", "x.json", "x.png", "x.mcap"] {
        assert!(!repository().join(name).exists(), "{name} was made all the same");
    }
}

#[test]
fn old_spellings_are_refused_with_the_command_of_today() {
    let scenario = "scenarios/lane_keeping/straight.ron";
    let (report, search) = ("roadproof report DRIVER", "roadproof search DRIVER SCENARIO");
    let cases: [(&[&str], &str); 9] = [
        (&["evaluate", "--robustness", "shipped"], report),
        (&["evaluate", "--robustness=shipped", "--quick", "--roads", "6"], report),
        (&["evaluate", "--quick", "--kinds", "Fog,Rain", "--out", "foo", "--robustness", "runs/seven"], report),
        (&["evaluate", "--robustness"], report),
        (&["evaluate", "--driver", "scripted", "--quick"], report),
        (&["evaluate", "--json", "x.json", "--kinds", "Fog"], report),
        (&["attack", "scripted", scenario, "--random-search", "500"], search),
        (&["attack", "--random-search=500", "--seed", "3", "scripted", scenario], search),
        (&["attack", "shipped", scenario, "--name", "x", "--random-search", "0"], search),
    ];
    for (arguments, now) in cases {
        let told = refusal(roadproof().args(arguments));
        assert!(told.contains(now) && told.lines().count() == 1, "{arguments:?}: {told}");
    }
    for command in ["report", "search"] {
        let help = run_well(roadproof().args([command, "--help"]));
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        check(&help, &["Examples:", "Exit codes: 0 ", " 2 bad input"]);
    }
    assert!(!repository().join("foo").exists() && !repository().join("x.json").exists());
}

#[test]
fn a_time_after_the_end_of_the_drive_is_refused_with_that_end() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_case, path) = file("case.ron", SCENARIO);
    let out = folder.path().join("out");
    let message = refusal(roadproof().arg("snapshot").arg(&path).args(["--at", "1000", "--out"]).arg(&out));
    check(&message, &["--at = 1000", "the drive ended at 5.0 s: TimeUp"]);
    let mut sheet = roadproof();
    sheet.args(["faults", "--at", "5.2", "--scenario"]).arg(&path).arg("--sheet").arg(folder.path().join("sheet.png"));
    check(&refusal(&mut sheet), &["--at = 5.2", "the drive ended at 5.0 s"]);
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder is there").count(), 0, "something was drawn");
    run_well(roadproof().arg("snapshot").arg(&path).args(["--at", "5", "--out"]).arg(&out));
}

#[cfg(unix)]
#[test]
fn names_that_are_no_text_are_taken_or_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let name = |bytes: &[u8]| folder.path().join(OsStr::from_bytes(bytes));
    std::fs::write(name(b"case\xff.ron"), SCENARIO).expect("Unix takes any name");
    assert_ne!(run(roadproof().arg("replay").arg(name(b"case\xff.ron"))).code, Some(2));
    run_well(roadproof().args(["evaluate", "--driver", "scripted", "--roads", "1", "--json"]).arg(name(b"x\xff.json")));
    check(&refusal(roadproof().args(["evaluate", "--driver"]).arg(name(b"run\xff"))), &["UTF-8"]);
    let mut harden = roadproof();
    harden.args(["train", "--harden", "--found"]).arg(name(b"case\xff.ron")).arg("--out").arg(name(b"run"));
    check(&refusal(&mut harden), &["found = ", "UTF-8"]);
    let mut report = roadproof();
    report.args(["report", "shipped", "--kinds", "Fogg", "--out"]).arg(name(b"out\xff"));
    check(&refusal(&mut report), &["Fogg"]);
}

#[test]
fn training_settings_that_cannot_be_used_are_refused() {
    let cases: [(&str, &str, &[&str]); 7] = [
        ("threads: 2", "threds: 2", &["config.ron:4:", "threds"]),
        ("seed: 5", "seed: -5", &["config.ron:2:"]),
        ("updates: 6", "updates: 0", &["config.ron:10:", "updates = 0, allowed is 1 to 10000000"]),
        ("patch: 8", "patch: 7", &["7"]),
        ("width_px: 32", "width_px: 64", &["32 x 16", "64 x 16"]),
        ("minutes: 30.0", "minutes: NaN", &["minutes = NaN"]),
        ("updates: 6", "updates: 6, gamma: NaN", &["config.ron:10:", "gamma = NaN, allowed is 0 to 1"]),
    ];
    for (from, to, parts) in cases {
        let text = SETTINGS.replacen(from, to, 1);
        assert_ne!(text, SETTINGS, "{from}");
        let (folder, path) = file("config.ron", &text);
        let out = folder.path().join("run");
        check(&refusal(roadproof().arg("train").arg("--config").arg(&path).arg("--out").arg(&out)), parts);
        assert!(!out.exists(), "a folder was made for a run that cannot be");
    }
    check(&refusal(roadproof().args(["train", "--config", "no/such.ron"])), &["no/such.ron"]);
}

#[test]
fn a_new_run_never_takes_a_folder_with_files_in_it() {
    let folder = laid_out();
    let message = refusal(roadproof().arg("train").arg("--out").arg(folder.path()));
    check(&message, &["must be empty", "--resume", &folder.path().display().to_string()]);
    assert!(&files_in(folder.path()) == tiny_run(), "the run that was there has changed");
}

#[test]
fn a_folder_that_cannot_be_made_is_refused_before_any_work() {
    let (_folder, path) = file("a_file", "");
    let below = path.join("run");
    check(&refusal(roadproof().arg("train").arg("--out").arg(&below)), &["a_file"]);
    check(&refusal(roadproof().arg("train").arg("--out").arg(&path)), &["not a folder", "a_file"]);
    #[cfg(target_os = "linux")]
    check(&refusal(roadproof().args(["train", "--out", "/proc/roadproof/run"])), &["/proc/roadproof/run"]);
}

#[test]
fn pictures_of_others_are_not_replaced() {
    let (folder, own) = file("rgb.png", "a photograph");
    let snapshot = || {
        let mut command = roadproof();
        command.args(["snapshot", "cut_in/from_left", "--out"]).arg(folder.path());
        command
    };
    check(&refusal(&mut snapshot()), &["no earlier result", "rgb.png"]);
    assert_eq!(files_in(folder.path()).len(), 1, "nothing is written");
    std::fs::remove_file(&own).expect("the file");
    run_well(&mut snapshot());
    run_well(&mut snapshot());
    // A picture that faults are put on stays, although it is one of the program's own.
    let fog = folder.path().join("Fog_3.png");
    std::fs::copy(&own, &fog).expect("a copy");
    let faults = ["--kind", "Fog", "--severity", "3", "--out"];
    check(
        &refusal(roadproof().args(["faults", "--image"]).arg(&fog).args(faults).arg(folder.path())),
        &["in the place of", "Fog_3.png"],
    );
    assert_eq!(std::fs::read(&fog).expect("the picture"), std::fs::read(&own).expect("the picture"));
}

#[test]
fn a_drive_that_breaks_by_itself_is_not_attacked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Who looks at nothing meets the car that moves in.
    let program = folder.path().join("ahead.py");
    let text = "import sys, json\nprint(json.dumps({'protocol': 1, 'wants': ['frame']}), flush=True)\nsys.stdin.readline()\n\
                for line in sys.stdin:\n    print(json.dumps({'steer': 0.0, 'throttle': 0.5, 'brake': 0.0}), flush=True)\n";
    std::fs::write(&program, text).expect("a file");
    let driver = format!("cmd:python3 {}", program.display());
    let told = refusal(roadproof().args(["attack", &driver, "cut_in/from_left", "--out"]).arg(folder.path()));
    check(&told, &["the clean drive of", "by itself: nothing is left to break"]);
}

#[test]
fn what_is_broken_in_a_folder_hides_nothing_of_the_rest() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let library = folder.path().join("scenarios");
    std::fs::create_dir(&library).expect("a folder");
    let hills = repository().join("scenarios/lane_keeping/hills.ron");
    std::fs::copy(&hills, library.join("good.ron")).expect("a copy");
    std::fs::write(library.join("broken.ron"), "Scenario(").expect("a file");
    std::fs::write(library.join(".#good.ron"), "a lock of an editor").expect("a file");
    #[cfg(unix)]
    std::os::unix::fs::symlink("nowhere", library.join("linked.ron")).expect("a link");
    let checked = run(roadproof().args(["scenario", "check"]).arg(&library));
    let told = checked.stdout + &checked.stderr;
    check(&told, &["ok     scenarios/good", "broken.ron:1:", "linked.ron", "2 mistakes in 2 of 3 files"]);
    // Where the folder was not named, what can be used counts.
    let evaluated = run(roadproof().current_dir(folder.path()).args(["evaluate", "scripted", "--roads", "1"]));
    check(&evaluated.stdout, &["1 of 1 scenario files keep their bounds", "2 cannot be used"]);
    check(&evaluated.stderr, &["broken.ron:1:", "linked.ron"]);
    let named = refusal(roadproof().args(["evaluate", "scripted", "--roads", "1", "--scenarios"]).arg(&library));
    check(&named, &["broken.ron:1:", "1 more"]);
    // The same of runs.
    let runs = folder.path().join("runs/deep");
    for name in ["a", "b"] {
        std::fs::create_dir_all(runs.join(name)).expect("a folder");
        for (file, bytes) in tiny_run() {
            std::fs::write(runs.join(name).join(file), bytes).expect("a file");
        }
    }
    std::fs::write(runs.join("b/result.json"), "{}").expect("a file");
    let compared = run(roadproof().current_dir(folder.path()).arg("compare"));
    assert_eq!(compared.code, Some(0), "{}", compared.stderr);
    check(&compared.stdout, &["runs/deep/a"]);
    check(&compared.stderr, &["runs/deep/b is left out"]);
    // A run that has not come to a driver says so.
    for gone in ["result.json", "policy.safetensors"] {
        std::fs::remove_file(runs.join("b").join(gone)).expect("a file of the run");
    }
    let told = refusal(roadproof().current_dir(folder.path()).args(["evaluate", "runs/deep/b"]));
    check(&told, &["has not come to a driver yet", "roadproof train --resume runs/deep/b"]);
}
