//! The worst roads of an evaluation, kept as files.

use crate::program::{roadproof, run, run_well};
use std::fs;

/// Straight on: every road ends badly, most of them at different lengths.
const EVALUATE: [&str; 7] = ["evaluate", "--driver", "straight", "--roads", "6", "--worst", "2"];

#[test]
fn the_worst_roads_are_kept_and_can_be_replayed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (kept, result) = (folder.path().join("worst"), folder.path().join("result.json"));
    let told = run_well(roadproof().args(EVALUATE).arg("--keep").arg(&kept).arg("--json").arg(&result));
    let result: serde_json::Value = serde_json::from_slice(&fs::read(result).expect("it is written")).expect("JSON");
    let roads = result["drivers"][0]["roads"].as_array().expect("each road");
    let score = |number: usize| roads[number]["driving_score"].as_f64().expect("a score");
    let mut numbers: Vec<usize> = (0..roads.len()).collect();
    numbers.sort_by(|&a, &b| score(a).total_cmp(&score(b)));
    for number in &numbers[..2] {
        for end in ["ron", "trace", "mcap"] {
            assert!(kept.join(format!("road_{number:03}.{end}")).is_file(), "{number}.{end}\n{told}");
        }
        assert!(
            told.contains(&format!("road_{number:03}.ron: {}", roads[*number]["outcome"].as_str().unwrap())),
            "{told}"
        );
    }
    assert_eq!(fs::read_dir(&kept).expect("the folder").count(), 6, "nothing else is kept");
    // The recorded drive is met to the bit; who drives it anew and breaks is held to an arrival.
    run_well(roadproof().arg("replay").arg(&kept));
    let anew = run(roadproof().arg("replay").arg(&kept).args(["--driver", "straight"]));
    assert!(anew.code == Some(1) && anew.stdout.contains("0 passed, 2 failed"), "{}", anew.stdout);
    // Whoever is named drives, the one that drives where nobody is named as well; without a name the score is that of the recording.
    let scripted = run(roadproof().arg("replay").arg(&kept).args(["--driver", "scripted"])).stdout;
    assert!(!scripted.contains("recorded") && scripted.contains("2 passed, 0 failed"), "{scripted}");
    let bounds = run_well(roadproof().arg("replay").arg(&kept).arg("--bounds"));
    for number in &numbers[..2] {
        assert!(bounds.contains(&format!("driving score = {:.2}", score(*number))), "{bounds}");
    }
    let attacked = run(roadproof()
        .arg("attack")
        .args(["shipped"])
        .arg(kept.join(format!("road_{:03}.ron", numbers[0])))
        .args(["--method", "noise", "--eps", "1/255", "--out"])
        .arg(folder.path().join("found")));
    assert!(matches!(attacked.code, Some(0 | 1)), "{}", attacked.stderr);
}

#[test]
fn a_folder_that_cannot_be_made_is_refused_before_any_road_is_driven() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("a file");
    let message = crate::program::refusal(roadproof().args(EVALUATE).arg("--keep").arg(file.join("worst")));
    assert!(message.contains("worst") && !message.contains("roads"), "{message}");
    let alone = run(roadproof().args(EVALUATE));
    assert!(alone.code == Some(2) && alone.stderr.contains("--keep"), "{}", alone.stderr);
}
