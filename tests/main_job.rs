//! The main job, all stages of it, on a tiny scale: what a run leaves behind.

use crate::program::{roadproof, run_well};
use crate::tiny_run::{SETTINGS, json, laid_out, tiny_run, train, weights};
use roadproof_agent::driver::LearnedDriver;
use roadproof_agent::train::settings::Settings;
use serde_json::Value;

#[test]
fn the_result_names_every_driver_with_its_figures() {
    let result = json(tiny_run(), "result.json");
    let about = &result["about"];
    assert_eq!((&about["settings"]["seed"], &about["roads"]["split"]), (&5.into(), &"HeldOut".into()));
    assert_eq!((&about["roads"]["seed"], &about["roads"]["roads"]), (&"0".into(), &4.into()), "{about}");
    assert!(about["command"].as_str().is_some_and(|command| command.starts_with("roadproof train ")), "{about}");
    assert!(about["driver"]["parent"].is_null() && about["driver"]["weights"]["policy"].is_string(), "{about}");
    for stage in ["collect", "perceive", "learn", "evaluate"] {
        assert!(result["wall_clock_s"][stage].as_f64().is_some_and(|seconds| seconds > 0.0), "{stage}");
    }
    let drivers = result["drivers"].as_array().expect("a list");
    let names: Vec<&Value> = drivers.iter().map(|driver| &driver["driver"]).collect();
    assert_eq!(names, ["learned", "blind", "odometry", "straight", "random", "scripted"]);
    for driver in drivers {
        let within = |figure: &str, bounds: std::ops::RangeInclusive<f64>| {
            let value = driver[figure].as_f64();
            assert!(value.is_some_and(|value| bounds.contains(&value)), "{figure} of {}: {value:?}", driver["driver"]);
        };
        within("route_completion", 0.0..=1.0);
        within("driving_score", 0.0..=100.0);
        assert_eq!(driver["episodes"], 4);
        let infractions = driver["infractions_per_km"].as_object().expect("a table");
        assert!(infractions.contains_key("collisions_vehicle") && infractions.contains_key("off_road"));
        assert!(infractions.values().all(|rate| rate.as_f64().is_some_and(|rate| rate >= 0.0)), "{infractions:?}");
        let estimates = driver["estimates"].as_object().expect("a table");
        for (name, estimate) in estimates {
            let end = |end: &str| estimate[end].as_f64().unwrap_or(f64::NAN);
            assert!(end("low") <= end("value") && end("value") <= end("high"), "{name}: {estimate}");
        }
        let ways = ["arrived", "collided", "off_road", "blocked_or_late"];
        let all: f64 = ways.iter().filter_map(|way| estimates[*way]["value"].as_f64()).sum();
        assert!((all - 1.0).abs() < 1e-6, "{estimates:?}");
        assert!(
            driver["comfort"]["bounds_broken"]["jerk"].is_u64()
                && driver["roads"][3]["seed"].as_str().is_some_and(|seed| seed.parse::<u64>().is_ok())
                && driver["roads"][3]["road"] == 3
                && driver["roads"][0]["comfort"]["hard_braking"].is_u64()
        );
        let outcomes = driver["outcomes"].as_object().expect("a table");
        assert_eq!(outcomes.values().filter_map(Value::as_u64).sum::<u64>(), 4, "{outcomes:?}");
    }
    // Who knows the truth arrives; who throws dice does not.
    let score = |driver: usize| drivers[driver]["driving_score"].as_f64().unwrap_or(f64::NAN);
    assert!(score(5) > 50.0 && score(5) > score(4) + 30.0, "scripted {}, random {}", score(5), score(4));
}

#[test]
fn minutes_that_suffice_change_no_bit() {
    let wish = "    minutes: 30.0,\n";
    assert!(SETTINGS.contains(wish));
    let without = train(&SETTINGS.replace(wish, ""), 2);
    for name in ["perception.safetensors", "policy.safetensors"] {
        assert!(weights(&without, name) == weights(tiny_run(), name), "{name}");
    }
    for run in [&without, tiny_run()] {
        let result = json(run, "result.json");
        assert_eq!((&result["repeatable"], &result["cut"]), (&Value::Bool(true), &serde_json::json!({})));
    }
}

#[test]
fn the_folder_holds_settings_weights_and_events() {
    let folder = laid_out();
    let settings = Settings::read(&folder.path().join("settings.ron")).expect("own settings");
    assert_eq!((settings.seed, settings.learn.updates), (5, 6));
    let driver = LearnedDriver::load(folder.path()).expect("own weights");
    assert_eq!(driver.spec(), &settings.driver());
    let events = tiny_run().iter().find(|(name, _)| name.starts_with("events.out.tfevents"));
    let (name, bytes) = events.expect("an event file");
    for tag in ["perceive/loss", "learn/", "evaluate/driving_score_learned"] {
        assert!(bytes.windows(tag.len()).any(|window| window == tag.as_bytes()), "{tag} is not in {name}");
    }
    let leftover = tiny_run().keys().find(|name| name.starts_with('.'));
    assert_eq!(leftover, None, "a file that was being written is left over");
}

#[test]
fn evaluating_a_run_again_gives_its_figures_again() {
    let folder = laid_out();
    let report = folder.path().join("again.json");
    // A training ends with the roads that everybody looks at, not with those that figures come from.
    let evaluate = ["evaluate", "--roads", "4", "--seed", "0", "--driver"];
    run_well(roadproof().args(evaluate).arg(folder.path()).arg("--json").arg(&report));
    let mut again: Value =
        serde_json::from_slice(&std::fs::read(report).expect("a report")).expect("the report is JSON");
    let first = json(tiny_run(), "result.json");
    let name = folder.path().to_str().expect("a plain name");
    // Only the name is another: that of the folder instead of what a run calls its own driver.
    assert_eq!(again["drivers"][0]["driver"].take(), name);
    again["drivers"][0]["driver"] = "learned".into();
    // Who it is stands with each driver there, and the count of scenario files.
    let about = ["about", "library"].map(|more| again["drivers"][0].as_object_mut().expect("a driver").remove(more));
    assert_eq!(about[0].as_ref(), Some(&again["about"]["driver"]));
    assert_eq!(again["drivers"][0], first["drivers"][0]);
    assert_eq!((&again["about"]["driver"]["name"], &again["about"]["roads"]), (&name.into(), &first["about"]["roads"]));
    assert_eq!(again["about"]["driver"]["weights"], first["about"]["driver"]["weights"]);
}

#[test]
fn written_settings_start_the_same_run() {
    let written = String::from_utf8(tiny_run()["settings.ron"].clone()).expect("settings are text");
    let again = train(&written, 2);
    assert!(weights(&again, "policy.safetensors") == weights(tiny_run(), "policy.safetensors"));
    assert!(again["settings.ron"] == tiny_run()["settings.ron"]);
}

#[test]
fn a_run_leaves_a_page_that_needs_nothing_but_itself() {
    let page = String::from_utf8(tiny_run()["run.html"].clone()).expect("text");
    for part in [
        "<h2>Evaluation</h2>",
        "scripted",
        "The worst road",
        "learn/",
        "What perception sees",
        "data:image/png;base64,",
        "seed: 5",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for outside in ["http:", "https:", "<script", "NaN"] {
        assert!(!page.contains(outside), "{outside}");
    }
}
