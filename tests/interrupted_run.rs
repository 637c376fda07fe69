//! Ctrl-C in the middle of a stage, or a clock that ends it: what was learnt is saved, and the run goes on from there.
#![cfg(unix)]

use crate::program::{Ended, ended, repository, roadproof, run, run_well};
use crate::tiny_run::{SETTINGS, files_in, json, laid_out};
use roadproof_agent::driver::LearnedDriver;
use roadproof_agent::host::run_folder::RunFolder;
use roadproof_agent::train::checkpoint::Checkpoint;
use roadproof_agent::train::settings::Settings;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Starts a run that would take for ever in this stage, and presses Ctrl-C once it says that the stage has begun.
fn interrupted_in(stage: &str, endless: &str, at: &str) -> (TempDir, Ended) {
    stopped_in(stage, "-INT", endless, at)
}

/// The same with any signal.
fn stopped_in(stage: &str, signal: &str, endless: &str, at: &str) -> (TempDir, Ended) {
    harmed_in(stage, endless, at, |_, process| {
        let killed = Command::new("kill").args([signal, &process.to_string()]).status().expect("kill is there");
        assert!(killed.success());
    })
}

/// The same with whatever harms a run in this folder and its process.
fn harmed_in(stage: &str, endless: &str, at: &str, harm: impl FnOnce(&Path, u32)) -> (TempDir, Ended) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("config.ron");
    assert!(SETTINGS.contains(endless), "{endless:?} is not in the settings");
    std::fs::write(&config, SETTINGS.replace(endless, at)).expect("a file in a temporary folder");
    let mut command = roadproof();
    command.arg("train").arg("--config").arg(&config).arg("--out").arg(folder.path().join("run"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut said = String::new();
    while !said.contains(&format!("{stage}: started")) {
        assert_ne!(stderr.read_line(&mut said).expect("the program writes UTF-8"), 0, "ended too early:\n{said}");
    }
    // On a busy machine the signal would come before the first update, and nothing would have been learnt that could be saved.
    let policy = folder.path().join("run/policy.safetensors");
    while stage == "learn" && !policy.exists() {
        assert!(child.try_wait().expect("the program is there").is_none(), "ended too early");
        std::thread::yield_now();
    }
    harm(&folder.path().join("run"), child.id());
    stderr.read_to_string(&mut said).expect("the program writes UTF-8");
    let ended = ended(child.wait_with_output().expect("the program ends"));
    (folder, Ended { stderr: said, ..ended })
}

/// Goes on with little time, so that the endless stage ends, and expects a whole run.
fn resumes(run: &Path) {
    run_well(roadproof().arg("train").arg("--resume").arg(run).args(["--minutes", "0.1"]));
    let result = json(&files_in(run), "result.json");
    assert_eq!(result["drivers"].as_array().map(Vec::len), Some(6), "the driver and five baselines");
    assert!(result["perception"]["frames"].is_u64(), "the report on perception is lost: {result}");
    assert_eq!(result["repeatable"], false, "a run cut short by the clock cannot be repeated");
    LearnedDriver::load(run).expect("own weights");
}

fn check_stopped(ended: &Ended, run: &Path) {
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(ended.stdout.contains("roadproof train --resume"), "{}", ended.stdout);
    let result = json(&files_in(run), "result.json");
    assert_eq!(result["drivers"].as_array().map(Vec::len), Some(0), "{result}");
}

#[test]
fn a_run_interrupted_in_collect_begins_anew() {
    let (folder, ended) = interrupted_in("collect", "frames: 64", "frames: 1000000");
    let run = folder.path().join("run");
    check_stopped(&ended, &run);
    let files = files_in(&run);
    assert!(!files.contains_key("perception.safetensors"), "perception was trained on what there was");
    let progress = String::from_utf8_lossy(&files["progress.ron"]);
    assert!(progress.contains("cut_short: false"), "nothing was learnt yet: {progress}");
    resumes(&run);
}

#[test]
fn a_run_killed_in_its_first_stage_goes_on() {
    let (folder, ended) = stopped_in("collect", "-KILL", "frames: 64", "frames: 1000000");
    assert_eq!(ended.code, None, "{}", ended.stderr);
    resumes(&folder.path().join("run"));
}

/// Whether this process, and so its children, ignore SIGHUP: the first bit of the mask that Linux shows.
fn hangups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or("");
    u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & 1 == 1)
}

/// What a cluster or a container sends before it kills, and a terminal that closes.
#[test]
fn a_run_that_is_told_to_end_saves_as_after_ctrl_c() {
    // Under `nohup` the program goes on after a terminal that closes, as it is meant to.
    let signals: &[&str] = if hangups_are_ignored() { &["-TERM"] } else { &["-TERM", "-HUP"] };
    for &signal in signals {
        let (folder, ended) = stopped_in("perceive", signal, "steps: 20", "steps: 10000000");
        let run = folder.path().join("run");
        check_stopped(&ended, &run);
        assert!(files_in(&run).contains_key("perception.safetensors"), "{signal}: what was learnt is lost");
    }
}

#[test]
fn other_work_that_is_stopped_says_so_by_its_exit_code() {
    let scenario = "scenarios/lane_keeping/s_bend.ron";
    let work: [&[&str]; 2] =
        [&["evaluate", "--driver", "shipped", "--roads", "300"], &["attack", "shipped", scenario, "--steps", "50"]];
    for arguments in work {
        let mut child = roadproof()
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut said = String::new();
        assert_ne!(stderr.read_line(&mut said).expect("the program writes UTF-8"), 0, "{arguments:?}");
        let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill is there");
        assert!(killed.success());
        stderr.read_to_string(&mut said).expect("the program writes UTF-8");
        let ended = ended(child.wait_with_output().expect("the program ends"));
        assert_eq!(ended.code, Some(130), "{arguments:?}\n{said}");
    }
}

/// What a run was at when it was killed, by what it has left.
fn killed_at(run: &Path) -> &'static str {
    let left = |name: &str| run.join(name).exists();
    let progress = std::fs::read_to_string(run.join("progress.ron")).unwrap_or_default();
    match () {
        () if progress.is_empty() => "before there was anything",
        () if progress.contains("learned: true") => "evaluate",
        () if left("learn.snapshot") || left("learn.snapshot.before") => "learn",
        () if progress.contains("perceived: true") => "before the first update",
        () if left("perceive.snapshot") || left("perceive.snapshot.before") => "perceive",
        () => "plan or collect",
    }
}

/// Twenty times, or as often as `ROADPROOF_KILLS` says, at moments all over the run: whatever was going on, the run that goes on ends as the
/// one that was left alone.
#[test]
fn a_run_that_is_killed_again_and_again_ends_with_the_same_bits() {
    let settings = SETTINGS.replace("minutes: 30.0", "save_every_s: 0.0").replace("steps: 20", "steps: 60");
    let settings = settings.replace("updates: 6", "updates: 24");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("config.ron");
    std::fs::write(&config, settings).expect("a file in a temporary folder");
    let begin = |run: &Path| {
        let mut command = roadproof();
        command.arg("train").arg("--config").arg(&config).arg("--out").arg(run);
        command
    };
    let alone = folder.path().join("alone");
    let start = std::time::Instant::now();
    run_well(&mut begin(&alone));
    let whole = start.elapsed();
    let wanted = files_in(&alone);
    let wished = std::env::var("ROADPROOF_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(20);
    let (mut kills, mut runs, mut random) = (0, 0, 7_u64);
    let mut stages = std::collections::BTreeMap::new();
    while kills < wished {
        runs += 1;
        let run = folder.path().join(format!("run_{runs}"));
        // Killed before there was a run, it begins again.
        let go_on = |run: &Path| {
            if run.join("settings.ron").exists() {
                let mut command = roadproof();
                command.arg("train").arg("--resume").arg(run);
                return command;
            }
            let _ = std::fs::remove_dir_all(run);
            begin(run)
        };
        while kills < wished {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let share = (random >> 40) as f64 / (1_u64 << 24) as f64;
            let mut command = go_on(&run);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
            std::thread::sleep(whole.mul_f64(0.15 + 0.85 * share));
            child.kill().expect("it can be killed");
            if child.wait().expect("it ends").code() == Some(0) {
                break;
            }
            kills += 1;
            *stages.entry(killed_at(&run)).or_insert(0) += 1;
        }
        run_well(&mut go_on(&run));
        let files = files_in(&run);
        for name in ["perception.safetensors", "policy.safetensors"] {
            assert!(files[name] == wanted[name], "{name} of run {runs}, after {kills} kills");
        }
        let (result, alone) = (json(&files, "result.json"), json(&wanted, "result.json"));
        assert_eq!(result["repeatable"], true, "run {runs}");
        assert!(result["drivers"] == alone["drivers"] && result["perception"] == alone["perception"], "run {runs}");
        assert!(
            !files.keys().any(|name| name.contains("snapshot")),
            "what a run went on from is left: {:?}",
            files.keys()
        );
    }
    println!(
        "killed {kills} times in {runs} runs, each of which ended with the bits of the one left alone: {stages:?}"
    );
}

/// A disk that is full ends a run with its name, loses nothing that was saved, and the run goes on to the same bits once there is room. A limit
/// to the size of files stands in for it: writing beyond one fails as on a full disk.
#[cfg(unix)]
#[test]
fn a_run_whose_disk_is_full_ends_and_goes_on_once_there_is_room() {
    let settings = SETTINGS.replace("minutes: 30.0", "save_every_s: 0.0");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("config.ron");
    std::fs::write(&config, settings).expect("a file in a temporary folder");
    let begin = |run: &Path| {
        let mut command = roadproof();
        command.arg("train").arg("--config").arg(&config).arg("--out").arg(run);
        command
    };
    let (alone, full) = (folder.path().join("alone"), folder.path().join("full"));
    run_well(&mut begin(&alone));
    let program = begin(&full);
    let mut limited = std::process::Command::new("sh");
    // Settings and progress fit into eight blocks of 512 bytes or of 1024, what a stage goes on from does not.
    limited.args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$@\"", "sh"]).arg(program.get_program());
    limited.args(program.get_args()).current_dir(repository());
    let ended = run(&mut limited);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let told = ended.stderr.lines().last().unwrap_or_default();
    assert!(told.starts_with("error: cannot write ") && told.contains("(File too large"), "{told}");
    let left: Vec<String> = files_in(&full).into_keys().collect();
    assert!(left.iter().all(|name| !name.starts_with(".writing")), "{left:?}");
    run_well(roadproof().arg("train").arg("--resume").arg(&full));
    let (wanted, files) = (files_in(&alone), files_in(&full));
    for name in ["perception.safetensors", "policy.safetensors"] {
        assert!(files[name] == wanted[name], "{name}");
    }
}

/// Of two generations of what a run goes on from the older is taken where the newer is damaged; where both are, the run is told not to be to
/// the bit.
#[test]
fn a_torn_snapshot_is_told_and_the_one_before_is_taken() {
    let (folder, ended) = interrupted_in("learn", "updates: 6", "updates: 4000");
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    let run = folder.path().join("run");
    let [newest, before] = ["learn.snapshot", "learn.snapshot.before"].map(|name| run.join(name));
    let bytes = std::fs::read(&newest).expect("what the run goes on from");
    let settings = Settings::read(&run.join("settings.ron")).expect("its own");
    let place = |settings: &Settings| {
        let mut found = checkpoint(&run);
        found.find_place(settings).expect("the settings it was begun with");
        (found.progress.learn_updates, found.progress.cut_short, found.take_kept("learn").is_some())
    };
    let (updates, cut_short, kept) = place(&settings);
    assert!(updates > 0 && !cut_short && kept);
    std::fs::write(&before, &bytes).expect("a file");
    std::fs::write(&newest, &bytes[..bytes.len() / 2]).expect("a file");
    assert_eq!(place(&settings), (updates, false, true), "the one before is whole");
    let said = roadproof().arg("train").arg("--resume").arg(&run).args(["--minutes", "0.1"]).output();
    let said = crate::program::ended(said.expect("the program starts")).stderr;
    assert!(said.contains("the snapshot is damaged") && said.contains(&format!("{updates} of 4000 updates")), "{said}");
    for file in [&newest, &before] {
        std::fs::write(file, &bytes[..9]).expect("a file");
    }
    assert!(matches!(place(&settings), (_, true, false)), "nothing is left to go on from to the bit");
}

#[test]
fn a_run_whose_folder_is_removed_ends_at_its_next_checkpoint() {
    let (folder, ended) = harmed_in("learn", "updates: 6", "updates: 1000000", |run, _| {
        // Between two looks a file may be written anew.
        while std::fs::remove_dir_all(run).is_err() && run.exists() {}
    });
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("the folder of the run has been removed while it was written to"),
        "{}",
        ended.stderr
    );
    assert!(!folder.path().join("run").exists(), "half a run was made again");
}

#[test]
fn a_run_interrupted_in_perceive_goes_on() {
    let (folder, ended) = interrupted_in("perceive", "steps: 20", "steps: 10000000");
    let run = folder.path().join("run");
    check_stopped(&ended, &run);
    let files = files_in(&run);
    assert!(files.contains_key("perception.safetensors") && !files.contains_key("policy.safetensors"));
    resumes(&run);
}

#[test]
fn a_run_interrupted_in_learn_goes_on_and_keeps_perception() {
    let (folder, ended) = interrupted_in("learn", "updates: 6", "updates: 10000000");
    let run = folder.path().join("run");
    check_stopped(&ended, &run);
    let before = files_in(&run);
    assert!(before.contains_key("policy.safetensors"));
    resumes(&run);
    let after = files_in(&run);
    assert!(before["perception.safetensors"] == after["perception.safetensors"], "perception was trained again");
    assert!(before["policy.safetensors"] != after["policy.safetensors"], "the policy did not learn on");
}

/// What a run has saved.
fn checkpoint(run: &Path) -> Checkpoint {
    Checkpoint::resume(RunFolder::open(run).expect("a run")).expect("own record")
}

/// Replaces text in a file of a run.
fn edit(run: &Path, name: &str, from: &str, to: &str) {
    let path = run.join(name);
    let text = std::fs::read_to_string(&path).expect("the file is there");
    assert_eq!(text.matches(from).count(), 1, "{from:?} in {text}");
    std::fs::write(&path, text.replace(from, to)).expect("the file can be written");
}

/// A run whose clock ends perception and policy.
fn cut_short() -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("config.ron");
    let text = SETTINGS.replace("steps: 20", "steps: 10000000").replace("updates: 6", "updates: 10000000");
    std::fs::write(&config, text).expect("a file in a temporary folder");
    let mut command = roadproof();
    command.arg("train").arg("--config").arg(&config).arg("--out").arg(folder.path().join("run"));
    let said = run_well(command.args(["--minutes", "0.05"]));
    (folder, said)
}

#[test]
fn a_run_that_its_clock_cut_short_says_so_and_goes_on_with_more_minutes() {
    let (folder, said) = cut_short();
    let run = folder.path().join("run");
    let files = files_in(&run);
    let done = checkpoint(&run).progress;
    assert!(!done.perceived && !done.learned && done.perceive_steps > 0 && done.learn_updates > 0, "{done:?}");
    let cut = format!("perceive ({} of 10000000)", done.perceive_steps);
    let last = said.trim_end().lines().last().expect("some lines");
    assert!(last.starts_with("note: the clock cut ") && last.contains(&cut), "{said}");
    let go_on = format!("go on: roadproof train --resume {} --minutes ", run.display());
    assert!(last.contains(&go_on), "{last}");
    assert!(said.contains("Of a run that was cut short: ") && said.matches(&cut).count() == 2, "{said}");
    let result = json(&files, "result.json");
    assert_eq!(result["repeatable"], false);
    assert_eq!(result["cut"]["perceive"]["done"], done.perceive_steps);
    assert_eq!(result["cut"]["learn"]["done"], 32 * done.learn_updates);
    assert_eq!(result["cut"]["learn"]["planned"], 320_000_000);

    // With the minutes it had, nothing is done again.
    let said = run_well(roadproof().arg("train").arg("--resume").arg(&run));
    assert!(said.starts_with("Nothing left to do") && said.contains(&go_on), "{said}");
    assert!(files_in(&run) == files, "the folder has changed");

    // With more it goes on; so that it ends soon, it is told to end soon.
    let (steps, updates) = (done.perceive_steps + 2, done.learn_updates + 3);
    edit(&run, "settings.ron", "steps: 10000000", &format!("steps: {steps}"));
    edit(&run, "settings.ron", "updates: 10000000", &format!("updates: {updates}"));
    let before = files_in(&run);
    let refused = roadproof().arg("train").arg("--resume").arg(&run).args(["--minutes", "1000"]).output();
    let refused = crate::program::ended(refused.expect("the program starts"));
    let told = [
        format!("perceive.steps was 10000000 and is {steps}"),
        format!("learn.updates was 10000000 and is {updates}"),
        "--from RUN --config".to_owned(),
    ];
    assert!(refused.code == Some(2) && told.iter().all(|told| refused.stderr.contains(told)), "{}", refused.stderr);
    assert!(files_in(&run) == before, "the folder has changed");
    // As if it had been begun under these.
    edit(&run, "progress.ron", "steps: 10000000", &format!("steps: {steps}"));
    edit(&run, "progress.ron", "updates: 10000000", &format!("updates: {updates}"));
    let said = run_well(roadproof().arg("train").arg("--resume").arg(&run).args(["--minutes", "1000"]));
    // What it was to go on from is of other settings.
    assert!(!said.contains("cut short") && said.contains("note: a session that was broken off or a clock"), "{said}");
    let after = files_in(&run);
    let done = checkpoint(&run).progress;
    assert_eq!((done.perceived, done.perceive_steps, done.learned, done.learn_updates), (true, steps, true, updates));
    for name in ["perception.safetensors", "policy.safetensors"] {
        assert!(after[name] != files[name], "{name} did not learn on");
    }
    let result = json(&after, "result.json");
    assert_eq!(result["cut"], serde_json::json!({}));
    assert_eq!(result["repeatable"], false);
    assert_eq!(result["drivers"].as_array().map(Vec::len), Some(6), "the driver and five baselines");
}

#[test]
fn a_finished_run_is_left_alone() {
    let folder = laid_out();
    let before = files_in(folder.path());
    for minutes in [&[][..], &["--minutes", "1000"]] {
        let said = run_well(roadproof().arg("train").arg("--resume").arg(folder.path()).args(minutes));
        assert!(said.starts_with("Nothing left to do"), "{said}");
        assert!(files_in(folder.path()) == before, "the folder has changed");
    }
}

#[test]
fn minutes_are_those_of_all_sessions() {
    let (folder, _) = interrupted_in("learn", "updates: 6", "updates: 10000000");
    let run = folder.path().join("run");
    let mut saved = checkpoint(&run);
    saved.progress.wall_clock_s.insert("learn".to_owned(), 3600.0);
    saved.save().expect("the record can be written");
    let before = saved.progress;
    let said = run_well(roadproof().arg("train").arg("--resume").arg(&run).args(["--minutes", "59"]));
    let after = checkpoint(&run).progress;
    assert_eq!(after.learn_updates, before.learn_updates + 1, "the hour that was spent does not count: {said}");
    assert!(after.wall_clock_s.values().sum::<f64>() > 3600.0, "{:?}", after.wall_clock_s);
}
