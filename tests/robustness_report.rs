//! The robustness report of a driver, on a small scale: what is in it, that it is the same again, and what it refuses.

use crate::program::{Ended, refusal, roadproof, run};
use crate::tiny_run::laid_out;
use serde_json::Value;
use std::path::Path;

/// Makes a small report and reads it back.
fn report(driver: &str, out: &Path) -> (Ended, Value, String) {
    report_with(driver, &["--drives", "2", "--kinds", "Fog,Contrast,SpeedBias,LocalisationBias"], out)
}

/// The same with other options.
fn report_with(driver: &str, options: &[&str], out: &Path) -> (Ended, Value, String) {
    let arguments = ["report", driver, "--quick"];
    let ended = run(roadproof().args(arguments).args(options).arg("--out").arg(out));
    assert!(matches!(ended.code, Some(0 | 1)), "{}\n{}", ended.stdout, ended.stderr);
    let text = |name: &str| std::fs::read_to_string(out.join(name)).expect("the report has this file");
    let json = serde_json::from_str(&text("robustness.json")).expect("the report is JSON");
    (ended, json, text("report.html"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

fn numbers(value: &Value) -> Vec<f64> {
    list(value).iter().map(number).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// An estimate's value, which lies within its interval.
fn estimate(value: &Value) -> f64 {
    let [low, own, high] = ["low", "value", "high"].map(|part| number(&value[part]));
    assert!(low <= own && own <= high, "{value}");
    own
}

#[test]
fn the_report_of_the_shipped_driver_adds_up_and_is_whole() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (ended, json, page) = report("shipped", &folder.path().join("one"));
    let about = &json["about"];
    assert_eq!((&about["format"], &about["driver"]["name"]), (&Value::from(3), &Value::from("shipped")));
    let matrix = &json["matrix"];
    // Held-out roads, once as they are and once as all there is, four kinds, three severities.
    assert_eq!(list(&matrix["cells"]).len(), 2 * 4 * 3);
    let clean = estimate(&json["headline"]["clean_score"]);
    assert!(clean > 50.0, "the shipped driver drives: {clean}");
    let rate = |kind: &str| {
        let own = |cell: &&Value| cell["kind"] == kind && cell["family"] == "all";
        let scores: Vec<f64> =
            list(&matrix["cells"]).iter().filter(own).flat_map(|cell| numbers(&cell["scores"])).collect();
        assert_eq!(scores.len(), 3, "{kind}");
        mean(&scores) / clean
    };
    let acting: Vec<&str> = list(&matrix["kinds"])
        .iter()
        .filter(|kind| kind["acts"] == true)
        .filter_map(|kind| kind["kind"].as_str())
        .collect();
    assert_eq!(
        acting,
        ["Fog", "Contrast", "SpeedBias"],
        "where the map puts the car is nothing to who drives by a camera"
    );
    let rates: Vec<f64> = acting.into_iter().map(rate).collect();
    let mrr = estimate(&json["headline"]["mrr"]);
    assert!((mean(&rates) - mrr).abs() < 1e-4 && (rate("LocalisationBias") - 1.0).abs() < 1e-6, "{rates:?}, {mrr}");
    for text in [&page, &ended.stdout] {
        assert!(text.contains("LocalisationBias"), "what does not act is named: {text}");
    }
    check_attacks(&json);
    check_decisions(&json);
    let checks = list(&json["checks"]);
    let failed = checks.iter().filter(|check| check["verdict"] == "Failed").count();
    assert_eq!(ended.code, Some(i32::from(failed > 0)), "{checks:#?}");
    let verdict = |part: &str| {
        let found = checks.iter().find(|check| check["name"].as_str().is_some_and(|name| name.contains(part)));
        found.unwrap_or_else(|| panic!("no check of {part}"))["verdict"].clone()
    };
    for part in ["deterministic", "gradients are not zero", "small changes", "without a bound", "attacked directly"] {
        assert_eq!(verdict(part), "Held", "{part}: {checks:#?}");
    }
    verdict("twice the steps change no drive");
    assert_eq!(verdict("no stronger attack is left out"), "CannotBeJudged", "a small report rechecks no drive");
    let certified: Vec<f64> = list(&json["certified"]).iter().map(|pair| number(&pair[1])).collect();
    assert!(certified.len() > 1 && certified.iter().all(|share| (0.0..=1.0).contains(share)), "{certified:?}");
    assert!(certified.is_sorted_by(|more, less| more >= less), "a larger budget certifies no more: {certified:?}");
    check_page(&page, checks);
}

/// What the strongest attacks leave is the least of what was run, drive by drive, and a smaller budget counts in a larger one.
fn check_attacks(json: &Value) {
    let attacked = &json["attacked_drives"];
    let (drives, runs) = (list(&attacked["drives"]), list(&attacked["runs"]));
    let reference = number(&attacked["reference_eps_levels"]);
    for method in ["noise", "square", "fgsm", "pgd", "apgd", "apgd, steer left", "apgd, show a ghost"] {
        let own = |run: &&Value| run["attack"] == method && number(&run["eps_levels"]) == reference;
        let complete = runs.iter().filter(own).any(|run| list(&run["drives"]).len() == drives.len());
        assert!(complete, "{method} was not run on every drive");
    }
    // Of each drive the strongest in the trial are run in earnest, with every budget.
    let steps = &json["plan"]["drive_steps"];
    for eps_levels in list(&json["plan"]["drive_eps_levels"]) {
        for drive in 0..drives.len() {
            let in_earnest = |run: &&Value| &run["effort"] == steps && &run["eps_levels"] == eps_levels;
            let own = |run: &&Value| list(&run["drives"]).iter().any(|number| number == drive);
            let count = runs.iter().filter(in_earnest).filter(own).count() as f64;
            // Where next to nothing is left already, a larger budget is tried with the strongest alone.
            let larger = number(eps_levels) > reference;
            let wanted = if larger { 1.0 } else { number(&json["plan"]["strongest_attacks"]) };
            assert!(count >= wanted, "{count} attacks in earnest on drive {drive} at {eps_levels} grey levels");
        }
    }
    for point in list(&attacked["worst"]) {
        for (place, worst) in list(&point["drives"]).iter().enumerate() {
            let within = runs.iter().filter(|run| number(&run["eps_levels"]) <= number(&point["eps_levels"]));
            let scores = within.flat_map(|run| list(&run["drives"]).iter().zip(numbers(&run["scores"])));
            let own = scores.filter(|(drive, _)| number(drive) as usize == place).map(|(_, score)| score);
            let clean = number(&drives[place]["driving_score"]);
            assert_eq!(own.fold(clean, f64::min), number(&worst["driving_score"]), "drive {place}, {point}");
        }
    }
    let groups = list(&attacked["groups"]);
    let names: Vec<&Value> = groups.iter().map(|group| &group["name"]).collect();
    assert_eq!(names, ["all drives", "empty roads", "roads with other cars"]);
    let empty = drives.iter().filter(|drive| drive["empty"] == true).count();
    assert_eq!(number(&groups[1]["drives"]) as usize, empty);
    assert!(empty > 0 && empty < drives.len());
    for group in groups {
        let broken: Vec<f64> = list(&group["points"]).iter().map(|point| estimate(&point["broken"])).collect();
        assert!(broken.is_sorted(), "{group}");
    }
    let last = list(&groups[0]["points"]).last().expect("a budget");
    assert_eq!(estimate(&last["broken"]), 1.0, "nothing defends the shipped driver: {last}");
    assert_eq!(
        &json["headline"]["attacked"],
        &list(&groups[0]["points"])[0],
        "the budget of reference is the first here"
    );
    for doubling in list(&attacked["doublings"]) {
        assert!(list(&doubling["changed"]).iter().all(|drive| list(&doubling["drives"]).contains(drive)), "{doubling}");
    }
}

fn check_decisions(json: &Value) {
    let decisions = &json["attacked_decisions"];
    for curve in list(&decisions["curves"]) {
        for point in list(&curve["points"]) {
            let broken = list(&point["broken"]).iter().filter(|broken| broken.as_bool() == Some(true)).count();
            let frames = list(&point["broken"]).len();
            assert!((broken as f64 / frames as f64 - number(&point["success"])).abs() < 1e-6, "{point}");
        }
    }
    assert_eq!(list(&decisions["searched"]).len(), 4);
}

/// The page holds all it shows and asks no network for anything.
fn check_page(page: &str, checks: &[Value]) {
    // Pictures are written in letters, in which any word of three may come up.
    let is_picture = |letter: char| letter.is_ascii_alphanumeric() || "+/=".contains(letter);
    let mut parts = page.split(";base64,");
    let first = parts.next().unwrap_or_default().to_owned();
    let words = parts.fold(first, |words, part| words + part.trim_start_matches(is_picture));
    for link in ["http:", "https:", "<script", "<link", "url(", "@import", "NaN"] {
        assert!(!words.contains(link), "{link:?} is in the page");
    }
    for part in ["Contrast", "mRR", "<svg", "data:image/png;base64,", "prefers-color-scheme:dark", "</html>"] {
        assert!(page.contains(part), "{part:?} is not in the page");
    }
    for check in checks {
        assert!(page.contains(check["name"].as_str().expect("a name")), "{check}");
    }
}

#[test]
fn the_report_of_a_run_is_the_same_again_to_the_bit() {
    let (driver, folder) = (laid_out(), tempfile::tempdir().expect("a temporary folder"));
    let name = driver.path().to_str().expect("a path of plain letters");
    let reports = ["one", "two"].map(|out| {
        let (_, mut json, _) = report(name, &folder.path().join(out));
        for apart in ["wall_clock_s", "about"] {
            json.as_object_mut().expect("an object").remove(apart).expect("it is there");
        }
        json
    });
    assert_eq!(reports[0], reports[1]);
    assert_eq!(reports[0]["camera_px"], serde_json::json!([32, 16]));
}

#[test]
fn one_part_alone_is_the_same_as_in_the_whole() {
    let (driver, folder) = (laid_out(), tempfile::tempdir().expect("a temporary folder"));
    let name = driver.path().to_str().expect("a path of plain letters");
    let (_, whole, _) = report(name, &folder.path().join("whole"));
    let (ended, part, page) = report_with(name, &["--only", "attacks", "--drives", "2"], &folder.path().join("part"));
    assert_eq!(whole["attacked_drives"], part["attacked_drives"]);
    assert!(part["matrix"].is_null() && part["attacked_decisions"].is_null() && !page.contains("mRR"));
    assert!(page.contains("Drives broken") && ended.stdout.contains("empty roads"), "{}", ended.stdout);
    assert_eq!(list(&part["checks"]).len(), 2, "those of drives");
}

#[test]
fn faults_that_do_not_act_are_said_to_be_none() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = ["--only", "faults", "--kinds", "LocalisationBias"];
    let (ended, json, page) = report_with("shipped", &options, &folder.path().join("out"));
    let line = "none of these faults acts on this driver: LocalisationBias";
    assert!(ended.stdout.contains(line), "{}", ended.stdout);
    // Names of temporary folders are letters at random.
    let place = folder.path().to_string_lossy().into_owned();
    let [stdout, stderr] = [&ended.stdout, &ended.stderr].map(|text| text.replace(&place, ""));
    for said in ["NaN", "worst faults", "mRR"] {
        assert!(!stdout.contains(said) && !stderr.contains(said), "{said}: {stdout}{stderr}");
    }
    assert!(json["headline"]["mrr"].is_null() && json["matrix"]["mrr"].is_null());
    assert!(page.contains("None of these faults acts on this driver.") && !page.contains("<svg"));
}

/// Where the folder of scenarios is not, a report says so; where it is, it counts the files that the driver keeps.
#[test]
fn a_report_says_where_its_scenario_files_are_missing_and_counts_those_that_are_there() {
    let (driver, folder) = (laid_out(), tempfile::tempdir().expect("a temporary folder"));
    let arguments = ["--only", "faults", "--kinds", "Fog", "--roads", "1"];
    let mut elsewhere = roadproof();
    elsewhere.current_dir(folder.path()).arg("report").arg(driver.path()).args(arguments).args(["--out", "out"]);
    let ended = run(&mut elsewhere);
    assert!(
        ended.stderr.contains("note: scenarios: ") && ended.stderr.contains("--scenarios FOLDER"),
        "{}",
        ended.stderr
    );
    let text = std::fs::read_to_string(folder.path().join("out/robustness.json")).expect("the report is written");
    let json: Value = serde_json::from_str(&text).expect("the report is JSON");
    assert_eq!(json["skipped"][0]["file"], "scenarios");
    assert!(json["library"].is_null());
    let files = folder.path().join("files");
    std::fs::create_dir(&files).expect("a folder in a temporary folder");
    for (name, wanted) in [("ends", "TimeUp"), ("arrives", "Arrived")] {
        let text = format!(
            "Scenario(format: 1, title: \"t\", duration_s: 1.0, road: Straight(length_m: 200.0), \
             camera: (width_px: 32, height_px: 16), expect: (outcome: {wanted}))"
        );
        std::fs::write(files.join(name).with_extension("ron"), text).expect("a file in a temporary folder");
    }
    let files = files.to_str().expect("a path of plain letters").to_owned();
    let options = ["--only", "faults", "--kinds", "Fog", "--scenarios", &files];
    let name = driver.path().to_str().expect("a path of plain letters");
    let (ended, json, page) = report_with(name, &options, &folder.path().join("with"));
    assert_eq!(json["library"], serde_json::json!({"kept": 1, "driven": 2, "left_out": 0}));
    for text in [&ended.stdout, &page] {
        assert!(text.contains("1 of 2") && text.contains("nuPlan's bounds of comfort"), "{text}");
    }
    let failing = list(&json["clean"]).iter().filter(|drive| drive["fails"] == true).count();
    assert_eq!(json["clean_totals"]["failures"], failing);
}

#[test]
fn reports_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("out");
    let check = |arguments: &[&str], parts: &[&str]| {
        let message = refusal(roadproof().args(["report"]).args(arguments).arg("--out").arg(&out));
        for part in parts {
            assert!(message.contains(part), "{part:?} is not in {message:?}");
        }
        assert!(!out.exists(), "{arguments:?} left a folder behind");
    };
    check(&["shipped", "--kinds", "Fogg"], &["--kinds", "\"Fogg\"", "did you mean \"Fog\"?"]);
    check(&["shipped", "--kinds", "Fog,Fog"], &["Fog twice"]);
    check(&["shipped", "--roads", "0"], &["--roads = 0, allowed is 1 to 1000"]);
    check(&["shipped", "--drives", "0"], &["--drives = 0, allowed is 1 to 1000"]);
    check(&["shipped", "--only", "paint"], &["--only", "paint", "attacks"]);
    for (only, option, value) in [
        ("decisions", "--drives", "2"),
        ("faults", "--drives", "2"),
        ("attacks", "--kinds", "Fog"),
        ("decisions", "--kinds", "Fog"),
        ("attacks", "--roads", "2"),
        ("decisions", "--roads", "2"),
        ("decisions", "--scenarios", "scenarios"),
    ] {
        check(&["shipped", "--only", only, option, value], &[&format!("--only {only} takes no {option}: it")]);
    }
    check(&["shipped", "--scenarios", "no/such"], &["--scenarios", "not a folder", "no/such"]);
    check(&["shipped", "--driver", "random"], &["unexpected argument 'shipped'"]);
    check(&["scripted", "--only", "attacks"], &["\"scripted\"", "no gradients"]);
    check(&["blind", "--only", "decisions"], &["\"blind\"", "no gradients"]);
    check(&["nonsense"], &["\"nonsense\"", "shipped"]);
    let taken = folder.path().join("taken");
    std::fs::create_dir(&taken).expect("a folder in a temporary folder");
    std::fs::write(taken.join("file"), "mine").expect("a file in a temporary folder");
    let into = |out: &Path| refusal(roadproof().args(["report", "shipped", "--out"]).arg(out));
    assert!(into(&taken).contains("must be empty, choose another --out"));
    assert!(into(&taken.join("file")).contains("not a folder"));
    assert!(into(&taken.join("file").join("below")).contains("below"));
}
