//! The robustness report of a driver, on a small scale: what is in it, that it is the same again, and what it refuses.

use crate::program::{Ended, refusal, roadproof, run};
use crate::tiny_run::laid_out;
use serde_json::Value;
use std::path::Path;

/// Makes a small report and reads it back.
fn report(driver: &str, out: &Path) -> (Ended, Value, String) {
    let arguments = ["report", driver, "--quick", "--kinds", "Fog,Contrast,SpeedBias", "--roads", "1"];
    let ended = run(roadproof().args(arguments).arg("--out").arg(out));
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

#[test]
fn the_report_of_the_shipped_driver_adds_up_and_is_whole() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (ended, json, page) = report("shipped", &folder.path().join("one"));
    assert_eq!((&json["format"], &json["driver"]), (&Value::from(1), &Value::from("shipped")));
    let matrix = &json["matrix"];
    // Held-out roads, once as they are and once as all there is, three kinds, five severities.
    assert_eq!(list(&matrix["cells"]).len(), 2 * 3 * 5);
    let clean = number(&json["headline"]["clean_score"]);
    assert!(clean > 50.0, "the shipped driver drives: {clean}");
    let mut rates = Vec::new();
    for kind in ["Fog", "Contrast", "SpeedBias"] {
        let own = |cell: &&Value| cell["kind"] == kind && cell["family"] == "all";
        let scores: Vec<f64> =
            list(&matrix["cells"]).iter().filter(own).flat_map(|cell| numbers(&cell["scores"])).collect();
        assert_eq!(scores.len(), 5, "{kind}");
        rates.push(mean(&scores) / clean);
    }
    let mrr = number(&json["headline"]["mrr"]);
    assert!((mean(&rates) - mrr).abs() < 1e-4, "{rates:?}, said to be {mrr}");
    check_attacks(&json);
    let checks = list(&json["attacked_decisions"]["checks"]);
    assert_eq!(checks.len(), 11);
    let failed = checks.iter().filter(|check| check["verdict"] == "Failed").count();
    assert_eq!(ended.code, Some(i32::from(failed > 0)), "{checks:#?}");
    let verdict = |part: &str| {
        let found = checks.iter().find(|check| check["name"].as_str().is_some_and(|name| name.contains(part)));
        found.unwrap_or_else(|| panic!("no check of {part}"))["verdict"].clone()
    };
    for part in ["planted", "deterministic", "gradients are not zero", "each example", "without a bound"] {
        assert_eq!(verdict(part), "Held", "{part}: {checks:#?}");
    }
    let certified: Vec<f64> = list(&json["certified"]).iter().map(|pair| number(&pair[1])).collect();
    assert!(certified.len() > 1 && certified.iter().all(|share| (0.0..=1.0).contains(share)), "{certified:?}");
    assert!(certified.is_sorted_by(|more, less| more >= less), "a larger budget certifies no more: {certified:?}");
    check_page(&page, checks);
}

fn check_attacks(json: &Value) {
    let drives = &json["attacked_drives"];
    let methods: Vec<&Value> = list(&drives["curves"]).iter().map(|curve| &curve["method"]).collect();
    for method in ["noise", "square", "fgsm", "pgd", "apgd", "apgd, steer left", "apgd, drift right"] {
        assert!(methods.iter().any(|found| *found == method), "{method}: {methods:?}");
    }
    for (place, strongest) in list(&drives["strongest"]).iter().enumerate() {
        for (drive, least) in numbers(&strongest["scores"]).into_iter().enumerate() {
            let scores = list(&drives["curves"]).iter().map(|curve| number(&curve["points"][place]["scores"][drive]));
            assert_eq!(scores.fold(f64::INFINITY, f64::min), least, "the least score over methods, drive by drive");
        }
    }
    let last = list(&drives["strongest"]).last().expect("a budget");
    assert_eq!(number(&last["broken"]), 1.0, "nothing defends the shipped driver: {last}");
    for curve in list(&json["attacked_decisions"]["curves"]) {
        for point in list(&curve["points"]) {
            let broken = list(&point["broken"]).iter().filter(|broken| broken.as_bool() == Some(true)).count();
            let frames = list(&point["broken"]).len();
            assert!((broken as f64 / frames as f64 - number(&point["success"])).abs() < 1e-6, "{point}");
        }
    }
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
        for apart in ["wall_clock_s", "command"] {
            json.as_object_mut().expect("an object").remove(apart).expect("it is there");
        }
        json
    });
    assert_eq!(reports[0], reports[1]);
    assert_eq!(reports[0]["camera_px"], serde_json::json!([32, 16]));
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
    check(&["shipped", "--driver", "random"], &["--driver"]);
    check(&["scripted"], &["\"scripted\"", "no gradients"]);
    check(&["blind"], &["\"blind\"", "no gradients"]);
    check(&["nonsense"], &["\"nonsense\"", "shipped"]);
    let taken = folder.path().join("taken");
    std::fs::create_dir(&taken).expect("a folder in a temporary folder");
    std::fs::write(taken.join("file"), "mine").expect("a file in a temporary folder");
    let into = |out: &Path| refusal(roadproof().args(["report", "shipped", "--out"]).arg(out));
    assert!(into(&taken).contains("must be empty, choose another --out"));
    assert!(into(&taken.join("file")).contains("not a folder"));
    assert!(into(&taken.join("file").join("below")).contains("below"));
}
