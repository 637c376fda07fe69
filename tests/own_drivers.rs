//! Drivers that are programs of somebody else's: what they are told, what is driven by it, and what happens when one fails.
#![cfg(unix)]

use crate::program::{Ended, refusal, repository, roadproof, run, run_well};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// A program of the shell that greets with its wants, answers as often as it is told, and then does what it is told.
fn shell(folder: &Path, wants: &str, answer: &str, times: usize, then: &str) -> String {
    let script = folder.join("driver.sh");
    let text = format!(
        "echo '{{\"protocol\": 1, \"wants\": [{wants}]}}'\nread hello\nasked=0\nwhile read question; do\n\
         [ $asked -lt {times} ] || {{ {then}; }}\nasked=$((asked + 1))\necho \"$question\" >> \"$0.heard\"\n\
         echo '{answer}'\ndone\n"
    );
    std::fs::write(&script, text).expect("a file");
    format!("cmd:sh {}", script.display())
}

const ON: &str = r#"{"steer_rad": 0, "acceleration_mps2": 0.5}"#;
const ALWAYS: usize = 1_000_000;

#[test]
fn a_program_drives_roads_beside_others_and_is_told_what_it_wants() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let driver = shell(folder.path(), "\"frame\"", ON, ALWAYS, "exit");
    let arguments = ["evaluate", &driver, "straight", "--roads", "2", "--json", "-"];
    let json: Value = serde_json::from_str(&run_well(roadproof().args(arguments).current_dir(folder.path())))
        .expect("the result is JSON");
    let drivers = json["drivers"].as_array().expect("drivers");
    let about = |index: usize| (&drivers[index]["about"]["name"], &drivers[index]["about"]["knows_the_truth"]);
    assert_eq!(about(0), (&Value::from(driver.as_str()), &false.into()));
    let decisions = |index: usize| drivers[index]["roads"].as_array().expect("roads").len();
    assert_eq!((decisions(0), decisions(1)), (2, 2));
    let heard = std::fs::read_to_string(folder.path().join("driver.sh.heard")).expect("what it was told");
    let heard: Vec<Value> = heard.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let begun = heard.iter().filter(|question| question.get("begins").is_some()).count();
    assert_eq!(begun, 2, "each drive begins once");
    assert_eq!((&heard[0]["drive"], &heard[0]["more"], &heard[1]["more"]), (&0.into(), &1.into(), &0.into()));
    assert!(
        heard[0]["frame"]["rgb"].as_str().is_some_and(|rgb| rgb.len() == 160 * 48 * 4)
            && heard[0].get("truth").is_none()
    );
}

/// The example of the documentation keeps what the scripted driver keeps.
#[test]
fn the_example_in_python_drives() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("there is no python3 here: the example was not driven");
        return;
    }
    let example = repository().join("agent/examples/own_driver.py");
    let driver = format!("cmd:python3 '{}'", example.display());
    let told =
        run_well(roadproof().args(["replay", "scenarios/following", "scenarios/lane_keeping", "--driver", &driver]));
    assert!(told.contains(" 0 failed"), "{told}");
}

#[test]
fn a_program_that_fails_ends_the_work_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let json = folder.path().join("result.json");
    for (answer, then, why) in [
        (ON, "exit 7", "the driver's program ended by itself after 6 lines of output, exit status: 7"),
        (ON, "echo thinking", "line 7 of the driver's program is not what was asked for, expected"),
        (r#"{"steer_rad": 0}"#, "exit", "wanted is steer_rad with acceleration_mps2, or steer with throttle or brake"),
        (ON, "exec sleep 60", "the driver's program has said no whole line for 0.5 s, after 6 lines of output"),
        (ON, "echo '{\"steer\": 0}'", "of the driver's program answers no question"),
    ] {
        let driver = shell(folder.path(), "", answer, 5, then);
        let mut command = roadproof();
        command.env("ROADPROOF_DRIVER_TIMEOUT_S", "0.5").current_dir(folder.path());
        let json_path = json.to_string_lossy();
        let Ended { code, stderr, .. } = run(command.args(["evaluate", &driver, "--roads", "1", "--json", &json_path]));
        assert!(code == Some(2) && stderr.contains(why), "{then}: {code:?}\n{stderr}");
        assert!(!json.exists(), "{then}: a result of a driver that failed was written");
    }
    let refused = refusal(roadproof().args(["evaluate", "cmd:no-such-program-7"]));
    assert!(refused.contains("cannot start the driver's program \"no-such-program-7\""), "{refused}");
}

#[test]
fn faults_are_searched_and_reported_for_a_program_that_looks() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("report");
    let driver = shell(folder.path(), "\"frame\"", ON, ALWAYS, "exit");
    let out = out.to_string_lossy();
    let report = ["report", &driver, "--quick", "--kinds", "Fog,ControlDelay", "--roads", "1", "--out", &out];
    let Ended { code, stderr, .. } = run(roadproof().args(report).current_dir(folder.path()));
    assert!(
        code == Some(0) && stderr.contains("has no gradients to attack, so the report is of faults alone"),
        "{stderr}"
    );
    let json = std::fs::read_to_string(folder.path().join("report/robustness.json")).expect("a report");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["about"]["driver"]["name"], driver.as_str());
    assert!(json["matrix"]["kinds"].as_array().is_some_and(|kinds| kinds.len() == 2), "{}", json["matrix"]["kinds"]);
    assert!(json["attacked_drives"].is_null());
    let refused = refusal(roadproof().args(["report", &driver, "--only", "attacks", "--out", &format!("{out}2")]));
    assert!(refused.contains("has no gradients to attack"), "{refused}");
    let refused = refusal(roadproof().args(["report", &driver, "--drives", "4", "--out", &format!("{out}2")]));
    assert!(refused.contains("--drives: "), "{refused}");
}

/// Brakes where the top row is all stripes; what stands beside a road has an edge or two.
const AFRAID_OF_STRIPES: &str = r#"
import base64, json, sys
sys.stdin.readline()
print(json.dumps({"protocol": 1, "wants": ["frame"]}), flush=True)
for line in sys.stdin:
    question = json.loads(line)
    sky = base64.b64decode(question["frame"]["rgb"])[: 3 * question["frame"]["width_px"]]
    edges = sum(abs(a - b) > 8 for a, b in zip(sky, sky[3:]))
    answer = {"steer": 0, "brake": 1} if edges > len(sky) / 4 else {"steer": 0, "throttle": 0.2}
    print(json.dumps(answer), flush=question["more"] == 0)
"#;

const EMPTY_STRAIGHT: &str = r#"Scenario(format: 1, title: "t", duration_s: 8.0, road: Straight(length_m: 80.0),
    camera: (width_px: 40, height_px: 24), ego: (speed_mps: 10.0), expect: (outcome: Arrived))"#;

#[test]
fn a_program_is_attacked_from_outside() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("there is no python3 here: no driver was attacked");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("driver.py"), AFRAID_OF_STRIPES).expect("a file");
    std::fs::write(folder.path().join("straight.ron"), EMPTY_STRAIGHT).expect("a file");
    let here = || {
        let mut command = roadproof();
        command.current_dir(folder.path());
        command
    };
    let driver = "cmd:python3 driver.py";
    let attack = |more: &[&str]| {
        let mut command = here();
        command.args(["attack", driver, "straight.ron", "--steps", "20", "--out", "found"]).args(more);
        command
    };
    let Ended { code, stdout, stderr } = run(&mut attack(&["--eps", "8/255", "--name", "stripes", "--json", "-"]));
    assert_eq!(code, Some(1), "{stderr}");
    let json: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!((&json["clean"]["outcome"], &json["attacked"]["outcome"]), (&"Arrived".into(), &"TimeUp".into()));
    assert!(json["holds"] == false && json["attacked"]["goal_reached"].is_null(), "{stdout}");
    assert_eq!(json["clean"]["attacked_decisions"], 0);
    assert_eq!(json["attacked"]["attacked_decisions"], json["attacked"]["decisions"]);
    let Ended { code, stdout, .. } = run(here().args(["replay", "found/stripes.ron", "--driver", driver]));
    assert!(code == Some(1) && stdout.contains("TimeUp"), "what was found replays: {stdout}");
    // Two grey levels make no stripes that it minds.
    let Ended { code, stdout, .. } = run(&mut attack(&["--eps", "2/255"]));
    assert!(code == Some(0) && stdout.contains("keeps 100 %"), "{stdout}");
    for (more, why) in [
        (
            &["--method", "apgd"][..],
            "--method apgd asks for more than how drives go; from outside allowed are square and",
        ),
        (&["--goal", "ghost"], "an attack from outside takes no --goal"),
        (&["--norm", "l2"], "an attack from outside takes no --norm l2"),
    ] {
        let refused = refusal(&mut attack(more));
        assert!(refused.contains(why), "{refused}");
    }
    let refused = refusal(here().args(["attack", "scripted", "straight.ron", "--black-box"]));
    assert!(refused.contains("looks at no frame"), "{refused}");
    // One that fails on the way takes the attack with it, and nothing is kept.
    let failing = shell(folder.path(), "\"frame\"", ON, 100, "exit 7");
    let attack = ["attack", &failing, "straight.ron", "--eps", "8/255", "--out", "kept"];
    let Ended { code, stderr, .. } = run(here().args(attack));
    assert!(code == Some(2) && stderr.contains("exit status: 7") && !folder.path().join("kept").exists(), "{stderr}");
}
