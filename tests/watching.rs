//! `roadproof watch` from the command line: what it refuses, and the films it makes. The window itself is in `window/`.

use crate::program::{refusal, roadproof};

#[cfg(feature = "watch")]
fn watch(arguments: &[&str]) -> std::process::Command {
    let mut command = roadproof();
    command.arg("watch").args(arguments);
    command
}

#[test]
fn a_program_without_its_window_says_how_to_build_it() {
    if cfg!(feature = "watch") {
        return;
    }
    for arguments in [
        &["watch"][..],
        &["watch", "--record", "film.gif"],
        &["evaluate", "--camera", "bevy"],
        &["replay", "--film", "failures"],
    ] {
        let message = refusal(roadproof().args(arguments));
        assert!(message.contains("cargo run --release --features watch -- "), "{message}");
    }
}

#[cfg(feature = "watch")]
#[test]
fn bad_input_is_refused_in_one_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = crate::program::repository().join("scenarios/regression/hilly_bend.trace");
    let stray = folder.path().join("stray.trace");
    std::fs::copy(trace, &stray).expect("a trace");
    let film = folder.path().join("film.gif");
    let (stray, film) = (stray.to_str().expect("a path"), film.to_str().expect("a path"));
    for (arguments, words) in [
        (&["nobody", "--record", film][..], "no driver \"nobody\""),
        (&["shipped", "scenarios/nowhere.ron", "--record", film], "nowhere.ron"),
        (&["--record", "film.avi"], "allowed are .mp4, .gif, .png, .mcap, or a folder"),
        (&["--record", film, "--fps", "0"], "--fps = 0, allowed is 1 to 50"),
        (&["--record", film, "--fps", "60"], "--fps = 60, allowed is 1 to 50"),
        (&["--record", "film.mp4", "--size", "3840x3840"], "an mp4 at most"),
        (&["--record", film, "--seconds=-3"], "--seconds = -3"),
        (&["--record", film, "--size", "12x12"], "'12x12'"),
        (&["--record", film, "--size", "wide"], "WIDTHxHEIGHT"),
        (&["--record", film, "--fault", "Rian:3"], "Rain"),
        (&["--record", film, "--fault", "Rain:9"], "allowed severities are 1 to 5"),
        (&["--record", film, "--replay", stray], "the scenario of a trace lies beside it"),
        (&["--record", film, "--train", "runs/nowhere"], "no such run folder"),
    ] {
        // Clap's own refusals have an exit code of 2 and one message, too.
        let ended = crate::program::run(&mut watch(arguments));
        assert_eq!(ended.code, Some(2), "{arguments:?}\n{}", ended.stderr);
        assert!(ended.stderr.contains(words) && !ended.stderr.contains("panicked"), "{arguments:?}\n{}", ended.stderr);
        assert!(!std::path::Path::new(film).exists());
    }
}

#[cfg(feature = "watch")]
#[test]
fn no_display_and_no_driver_end_in_one_sentence() {
    let message = refusal(watch(&[]).env_remove("DISPLAY"));
    assert!(message.contains("DISPLAY is not set") && message.contains("roadproof watch --record"), "{message}");
    let message = refusal(watch(&[]).env("DISPLAY", ":4711"));
    assert!(message.contains(":4711") && message.contains("xvfb-run"), "{message}");
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = watch(&["--record"]);
    let nothing = folder.path().join("nothing.json");
    command.arg(folder.path().join("film.gif")).env("VK_ICD_FILENAMES", &nothing).env("VK_DRIVER_FILES", &nothing);
    let message = refusal(&mut command);
    assert!(message.contains("no graphics driver") && message.contains("mesa-vulkan-drivers"), "{message}");
}

#[cfg(feature = "watch")]
#[test]
fn failures_are_filmed() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = folder.path().join("short.ron");
    let text = "Scenario(format: 1, title: \"too short to arrive\", duration_s: 1.0, road: Straight(length_m: 200.0))";
    std::fs::write(&scenario, text).expect("a scenario");
    let films = folder.path().join("films");
    let ended = crate::program::run(roadproof().arg("replay").arg(&scenario).arg("--film").arg(&films));
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let film: Vec<_> =
        std::fs::read_dir(&films).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    assert_eq!(film.len(), 1, "{film:?}");
    assert!(
        film[0].to_string_lossy().ends_with("_short.mp4") && std::fs::metadata(&film[0]).expect("a film").len() > 2000
    );
}

#[cfg(feature = "watch")]
#[test]
fn a_recording_is_played_to_its_own_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = std::fs::read_to_string(crate::program::repository().join("scenarios/regression/hilly_bend.trace"));
    let text = trace.expect("a trace");
    let (head, rows): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| !line.starts_with(|first: char| first.is_ascii_digit()));
    let short = [head, rows[..5].to_vec()].concat().join("\n");
    let path = folder.path().join("short.trace");
    std::fs::write(&path, short).expect("a trace");
    let told = crate::program::run_well(
        watch(&[
            "scripted",
            "scenarios/regression/hilly_bend.ron",
            "--seconds",
            "6",
            "--fps",
            "10",
            "--size",
            "160x96",
        ])
        .arg("--replay")
        .arg(&path)
        .arg("--record")
        .arg(folder.path().join("film.gif")),
    );
    // Half a second of drive and one afterwards, where a driver would have gone on.
    let pictures: usize =
        told.split(": ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok()).expect("a count");
    assert!((14..=17).contains(&pictures), "{told}");
}

#[cfg(feature = "watch")]
#[test]
fn films_of_all_three_kinds_are_made_of_a_recording() {
    let folder = tempfile::tempdir().expect("a folder");
    let film = |name: &str| {
        let path = folder.path().join(name);
        let replay =
            ["--replay", "scenarios/regression/hilly_bend.trace", "--seconds", "0.5", "--fps", "8", "--size", "160x96"];
        let told = crate::program::run_well(watch(&replay).arg("--record").arg(&path));
        assert!(told.contains("4 pictures of 160 x 96"), "{told}");
        path
    };
    let gif = std::fs::read(film("film.gif")).expect("a GIF");
    let mp4 = std::fs::read(film("film.mp4")).expect("an mp4");
    assert!(gif.starts_with(b"GIF89a") && mp4[4..8] == *b"ftyp");
    let pictures = film("pictures");
    let mut names: Vec<_> =
        std::fs::read_dir(&pictures).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
    names.sort();
    assert_eq!(names, ["00000.png", "00001.png", "00002.png", "00003.png"]);
    assert!(std::fs::read(film("again.gif")).expect("a GIF") == gif, "the same film for the same drive");
    let again = crate::program::run(watch(&["--size", "160x96", "--record"]).arg(&pictures));
    assert!(again.code == Some(2) && again.stderr.contains("must be empty"), "{}", again.stderr);
}

#[cfg(feature = "watch")]
#[test]
fn a_drive_is_written_as_mcap_and_played_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (drive, picture) = (folder.path().join("drive.mcap"), folder.path().join("picture.png"));
    let rain = ["--fault", "Rain:4", "--seconds", "1", "--record"];
    let told = crate::program::run_well(watch(&rain).arg(&drive));
    assert!(told.contains("11 moments"), "{told}");
    let small = ["--size", "160x96", "--seconds", "0.5"];
    let told = crate::program::run_well(watch(&small).arg("--replay").arg(&drive).arg("--record").arg(&picture));
    assert!(told.contains("a picture of 160 x 96"), "{told}");
    assert!(std::fs::read(&picture).expect("a picture").starts_with(b"\x89PNG"));
    let mut cut = std::fs::read(&drive).expect("a drive");
    cut.truncate(cut.len() / 2);
    std::fs::write(&drive, cut).expect("half a drive");
    let ended = crate::program::run(watch(&small).arg("--replay").arg(&drive).arg("--record").arg(&picture));
    assert!(ended.code == Some(2) && ended.stderr.contains("drive.mcap"), "{}", ended.stderr);
}
