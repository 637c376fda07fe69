//! Several drivers on the same roads, in one table and one file; names and settings that are given on the command line.

use crate::program::{refusal, roadproof, run_well};
use crate::tiny_run::{SETTINGS, files_in, laid_out, tiny_run};
use serde_json::Value;

#[test]
fn several_drivers_are_evaluated_in_one_table_and_one_file() {
    let both = ["evaluate", "straight", "--driver", "scripted", "--roads", "2", "--json", "-"];
    let json: Value = serde_json::from_str(&run_well(roadproof().args(both))).expect("the result is JSON");
    assert!(json["about"]["driver"].is_null(), "of several each says for itself who it is: {}", json["about"]);
    let drivers = json["drivers"].as_array().expect("drivers");
    let names: Vec<&Value> = drivers.iter().map(|driver| &driver["about"]["name"]).collect();
    assert_eq!(names, ["straight", "scripted"]);
    // Each as it is alone.
    for (name, driver) in ["straight", "scripted"].iter().zip(drivers) {
        let alone = run_well(roadproof().args(["evaluate", name, "--roads", "2", "--json", "-"]));
        let alone: Value = serde_json::from_str(&alone).expect("the result is JSON");
        assert_eq!(alone["drivers"][0], *driver, "{name}");
        assert_eq!(alone["about"]["driver"]["name"], *name);
    }
    let table = run_well(roadproof().args(&both[..6]));
    assert!(table.lines().any(|line| line.contains("straight") && line.contains("scripted")), "{table}");
    for (arguments, why) in [
        (&["straight", "scripted", "--keep", "worst"][..], "--keep takes one driver, not 2"),
        (&["straight", "straight"], "\"straight\" is named twice"),
        (&["hardend"], "did you mean hardened?"),
    ] {
        let refused = refusal(roadproof().arg("evaluate").args(arguments));
        assert!(refused.contains(why), "{refused}");
    }
}

#[test]
fn the_run_that_was_trained_last_needs_no_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let latest = ["evaluate", "latest", "--roads", "1", "--json", "-"];
    let refused = refusal(roadproof().current_dir(folder.path()).args(latest));
    assert!(refused.contains("there is no run in"), "{refused}");
    let runs = folder.path().join("runs");
    std::fs::create_dir(&runs).expect("a folder");
    std::fs::rename(laid_out().keep(), runs.join("one")).expect("a run");
    let json = run_well(roadproof().current_dir(folder.path()).args(latest));
    let json: Value = serde_json::from_str(&json).expect("the result is JSON");
    assert_eq!(json["about"]["driver"]["name"], "runs/one");
    let refused = refusal(roadproof().current_dir(folder.path()).args(["evaluate", "runs"]));
    assert!(refused.contains("this is no run, but there are some in it: runs/one"), "{refused}");
}

/// Two seeds of one experiment and one of another: the spread over seeds, and what tells the experiments apart.
#[test]
fn runs_are_compared_by_experiment() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let place = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let from = laid_out();
    let from = from.path().to_str().expect("a plain name");
    std::fs::rename(laid_out().keep(), place("a")).expect("a run");
    for (name, options) in [("b", &["--seed", "6"][..]), ("c", &["--set", "reward.failure=2.0"])] {
        let settings = format!("{from}/settings.ron");
        let train = ["train", "--config", &settings, "--out", &place(name)].map(str::to_owned);
        run_well(roadproof().args(train).args(options));
    }
    std::fs::create_dir(place("begun")).expect("a folder");
    std::fs::copy(format!("{from}/settings.ron"), place("begun/settings.ron")).expect("settings");
    // One that was stopped before its evaluation has a result without drivers.
    std::fs::create_dir(place("stopped")).expect("a folder");
    std::fs::copy(format!("{from}/settings.ron"), place("stopped/settings.ron")).expect("settings");
    for run in ["begun", "stopped"] {
        std::fs::copy(format!("{from}/progress.ron"), format!("{}/progress.ron", place(run))).expect("a record");
    }
    // A driver that came without its run.
    std::fs::create_dir(place("alone")).expect("a folder");
    for file in ["settings.ron", "driver.ron"] {
        std::fs::copy(format!("{from}/{file}"), format!("{}/{file}", place("alone"))).expect("a file");
    }
    std::fs::write(place("stopped/result.json"), "{\"about\": {}, \"drivers\": []}").expect("a result");
    let compare = ["compare".to_owned(), folder.path().to_string_lossy().into_owned()];
    let ended = crate::program::run(roadproof().args(&compare).args(["--json", "-"]));
    let json: Value = serde_json::from_str(&ended.stdout).expect("the comparison is JSON");
    assert!(
        ["begun", "stopped"].iter().all(|run| ended.stderr.contains(&format!("{run} has not ended")))
            && ended.stderr.contains("alone is a driver and no run")
            && ended.stderr.contains("mean ± std"),
        "{}",
        ended.stderr
    );
    let of = |name: &str, what: &str| {
        let runs = json["runs"].as_array().expect("runs");
        runs.iter().find(|run| run["run"] == place(name)).expect("it is compared")[what].clone()
    };
    assert_eq!(json["settings"], 2);
    assert!(of("a", "settings") == of("b", "settings") && of("a", "settings") != of("c", "settings"), "{json}");
    assert_eq!((of("a", "seed"), of("b", "seed")), (5.into(), 6.into()));
    let values = json["differences"]["reward.failure"].as_array().expect("they differ");
    assert!(json["differences"].as_object().expect("names").len() == 1 && values.contains(&"2.0".into()), "{json}");
    // One that began with the weights of another is another experiment, and one that has the bits of another counts once.
    let train = ["train", "--from", &place("a"), "--seed", "7", "--set", "learn.updates=2", "--out", &place("d")]
        .map(str::to_owned);
    run_well(roadproof().args(train));
    std::fs::create_dir(place("twin")).expect("a folder");
    for (name, bytes) in files_in(place("a").as_ref()) {
        std::fs::write(format!("{}/{name}", place("twin")), bytes).expect("a file");
    }
    let told = run_well(roadproof().arg("compare").args(["a", "b", "d", "twin"].map(place)));
    assert!(told.contains("begun with") && told.contains("the weights of"), "{told}");
    assert!(told.contains("twin is in no mean: it has the bits of") && told.contains("A, 2 runs"), "{told}");
    let refused = refusal(roadproof().args(["compare", &place("begun")]));
    assert!(refused.contains("the run has not ended"), "{refused}");
}

#[test]
fn several_seeds_are_several_runs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (config, out) = (folder.path().join("settings.ron"), folder.path().join("both"));
    std::fs::write(&config, SETTINGS).expect("a file");
    let mut train = roadproof();
    train
        .env("RAYON_NUM_THREADS", "2")
        .args(["train", "--seeds", "6,5", "--config"])
        .arg(&config)
        .arg("--out")
        .arg(&out);
    let told = run_well(&mut train);
    assert!(told.contains("mean ± std") && told.contains("2 runs"), "{told}");
    let weights = |name: &str| std::fs::read(out.join(name).join("policy.safetensors")).expect("a run");
    assert!(weights("seed-5") == tiny_run()["policy.safetensors"], "each is the run of its seed alone");
    assert!(weights("seed-6") != weights("seed-5"));
    let refused = refusal(roadproof().args(["train", "--seeds", "1,2,1"]));
    assert!(refused.contains("--seeds names 1 twice"), "{refused}");
}

#[test]
fn settings_from_the_command_line_are_checked_as_those_of_a_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("run");
    let train = |options: &[&str]| {
        let mut command = roadproof();
        command.arg("train").args(options).arg("--out").arg(&out);
        command
    };
    for (options, why) in [
        (&["--set", "reward.progres=1"][..], "there is no setting reward.progres, did you mean reward.progress?"),
        (&["--set", "learn.gamma=2"], "learn.gamma=2: gamma = 2, allowed is 0 to 1"),
        (&["--set", "harden.ramp=0.1"], "harden is None here"),
        (&["--set", "seed"], "is no NAME=VALUE"),
        (&["--from", "shipped", "--set", "policy.hidden=8"], "--from shipped: its weights are of"),
    ] {
        let refused = refusal(&mut train(options));
        assert!(refused.contains(why) && !out.exists(), "{refused}");
    }
    // A file that says little, over the settings of a run, and one setting over both.
    let run = laid_out();
    let config = folder.path().join("mine.ron");
    std::fs::write(&config, "(reward: (progress: 0.3, failure: 5.0), evaluate: (roads: 1))").expect("a file");
    let from = run.path().to_str().expect("a plain name");
    let config = config.to_str().expect("a plain name");
    run_well(&mut train(&["--from", from, "--config", config, "--set", "reward.failure=2.0"]));
    let own = std::fs::read_to_string(run.path().join("settings.ron")).expect("settings");
    let read =
        |text: &str| roadproof_agent::train::settings::Settings::parse(text, "s.ron".as_ref()).expect("settings");
    let new = read(&std::fs::read_to_string(out.join("settings.ron")).expect("settings"));
    // How long the other run was wished to take is no matter of this one.
    let mut wanted = roadproof_agent::train::settings::Settings { minutes: None, ..read(&own) };
    (wanted.reward.progress, wanted.reward.failure, wanted.evaluate.roads) = (0.3, 2.0, 1);
    assert_eq!(new, wanted);
}

#[test]
fn a_snapshot_is_of_the_drive_of_whoever_drives() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let snapshot = |driver: &str| {
        let out = folder.path().join(driver);
        let arguments = ["snapshot", "lane_keeping/s_bend", "--at", "6", "--driver", driver];
        run_well(roadproof().args(arguments).arg("--out").arg(&out));
        std::fs::read(out.join("rgb.png")).expect("a picture")
    };
    assert!(snapshot("scripted") != snapshot("shipped"));
    let other = ["snapshot", "lane_keeping/s_bend", "--driver", "shipped", "--width", "84"];
    let refused = refusal(roadproof().args(other).arg("--out").arg(folder.path()));
    assert!(refused.contains("the driver \"shipped\" cannot drive there"), "{refused}");
}

/// On the perception of a run the same seed learns the same policy; another algorithm learns another, and perception stays.
#[test]
fn a_policy_is_learnt_on_the_perception_of_another_run() {
    let from = laid_out();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = from.path().to_str().expect("a plain name");
    let train = |name: &str, options: &[&str]| {
        let out = folder.path().join(name);
        run_well(roadproof().args(["train", "--perception", run, "--out"]).arg(&out).args(options));
        let bytes = |file: &str| std::fs::read(out.join(file)).expect("weights");
        let result: Value = serde_json::from_slice(&bytes("result.json")).expect("JSON");
        assert_eq!(result["about"]["driver"]["parent"]["perception_alone"], true, "{result}");
        assert!(result["wall_clock_s"]["collect"].is_null(), "nothing is collected: {result}");
        (bytes("perception.safetensors"), bytes("policy.safetensors"))
    };
    let bytes = |file: &str| std::fs::read(from.path().join(file)).expect("weights");
    let own = (bytes("perception.safetensors"), bytes("policy.safetensors"));
    assert!(train("same", &[]) == own, "the same settings learn the same policy");
    let updates = ["--algorithm", "dagger", "--set", "dagger.updates=2", "--set", "dagger.worlds=4"];
    let other = train("dagger", &[&updates[..], &["--set", "dagger.steps=2"]].concat());
    assert!(other.0 == own.0 && other.1 != own.1);
    for (options, why) in [
        (&["train", "--perception", "scripted"][..], "--perception scripted: there are no weights to begin with"),
        (&["train", "--perception", run, "--set", "perception.hidden=7"], "its weights are of"),
        (&["train", "--perception", run, "--set", "ppo.updates=7"], "--set ppo.updates: it has no effect"),
        (&["train", "--perception", run, "--from", "shipped"], "cannot be used with"),
    ] {
        let refused = refusal(roadproof().args(options));
        assert!(refused.contains(why), "{refused}");
    }
}
