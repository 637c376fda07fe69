//! Drivers by the names that people type: those that need no folder, the folder of a run or driver, `latest`, the run that was
//! trained last, or a program behind `cmd:`.

use super::scenarios;
use super::trained::is_run;
use crate::driver::program::PREFIX;
use crate::driver::{Driver, POLICY_FILE};
use crate::host::console::note;
use crate::host::program::quoted;
use crate::host::run_folder::SETTINGS_FILE;
use crate::train::checkpoint::PROGRESS_FILE;
use crate::train::compare::has_ended;
use clap::Args;
use clap::builder::{PathBufValueParser, StringValueParser, TypedValueParser};
use roadproof_sim::mistake::nearest;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where runs lie that nobody gave a folder.
pub(super) const RUNS_FOLDER: &str = "runs";
/// The name of the run that was trained last.
const LATEST: &str = "latest";
/// Drivers that ship whose weights a run can begin with.
const WITH_WEIGHTS: [&str; 2] = ["shipped", "hardened"];
/// What is told to whoever names a scenario for a driver.
const DRIVER_FIRST: &str = "where a command takes both, the driver comes first";
/// Runs that are named of a folder that has some.
const SHOWN: usize = 5;

/// The option that names the driver where the first word may do so as well: for help and completions, because what stands there is put in
/// the first place before the words are parsed.
#[derive(Args, Debug)]
pub(super) struct DriverOption {
    /// The same as the first word.
    #[arg(long = "driver", value_name = "DRIVER")]
    _driver: Option<String>,
}

/// Parses the name of a driver.
pub(super) fn driver_name() -> impl TypedValueParser<Value = String> {
    StringValueParser::new().try_map(|typed| named(&typed, Path::new(RUNS_FOLDER)))
}

/// Parses the name of a driver whose weights another run begins with. Who has none is refused with more words where they are read.
pub(super) fn weights_name() -> impl TypedValueParser<Value = String> {
    StringValueParser::new().try_map(|typed| named_among(&typed, Path::new(RUNS_FOLDER), &WITH_WEIGHTS))
}

/// Parses the folder of a run.
pub(super) fn run_folder() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|typed| match typed.to_str() {
        Some(LATEST) => latest(Path::new(RUNS_FOLDER)),
        _ if is_run(&typed) && !typed.join(PROGRESS_FILE).exists() => {
            Err("this is the folder of a driver and of no run: nothing says how far its training is".to_owned())
        }
        _ if is_run(&typed) => Ok(typed),
        Some(name) if Driver::NAMES.contains(&name) => {
            Err(format!("{name} is a driver and no run; to begin a run with a driver's weights: --from {name}"))
        }
        _ => no_run(&typed).map_or(Ok(typed), Err),
    })
}

/// A name that says who drives wherever it is read.
pub(super) fn named(typed: &str, runs: &Path) -> Result<String, String> {
    named_among(typed, runs, &Driver::NAMES)
}

/// The same where a name that nobody has is told beside these.
fn named_among(typed: &str, runs: &Path, names: &[&str]) -> Result<String, String> {
    if typed == LATEST {
        return latest(runs).map(|run| run.to_string_lossy().into_owned());
    }
    let path = Path::new(typed);
    if typed.starts_with(PREFIX) {
        return Ok(typed.to_owned());
    }
    if Driver::NAMES.contains(&typed) || is_run(path) {
        return Ok(typed.to_owned());
    }
    if path.exists() && !path.is_dir() {
        return Err(format!("this is a file, and a driver is a name or a folder; {DRIVER_FIRST}"));
    }
    if path.is_dir() {
        return no_run(path).map_or(Ok(typed.to_owned()), Err);
    }
    if let Some(scenario) = scenarios::named(typed) {
        return Err(format!("this is the scenario {}; {DRIVER_FIRST}", scenario.display()));
    }
    let meant = nearest(typed, names.iter().copied());
    let meant = meant.map_or_else(|| ":".to_owned(), |name| format!(", did you mean {name}?"));
    let program = if names == WITH_WEIGHTS { String::new() } else { format!(", or {PREFIX}PROGRAM") };
    let names = names.join(", ");
    Err(format!("no driver {typed:?}{meant} allowed are {names}, {LATEST}, the folder of a run or driver{program}"))
}

/// What is told of a folder that is no run but holds some.
fn no_run(folder: &Path) -> Option<String> {
    let inside = runs_in(folder);
    let shown: Vec<String> = inside.iter().take(SHOWN).map(|run| run.display().to_string()).collect();
    let more = if inside.len() > SHOWN { format!(" and {} more", inside.len() - SHOWN) } else { String::new() };
    (!inside.is_empty()).then(|| format!("this is no run, but there are some in it: {}{more}", shown.join(", ")))
}

/// Notes that a run has not ended yet whose driver is asked for.
///
/// # Errors
/// A run that has no driver yet.
pub(super) fn note_unfinished(name: &str) -> anyhow::Result<()> {
    let run = Path::new(name);
    if !Driver::NAMES.contains(&name) && run.join(PROGRESS_FILE).exists() && has_ended(name).is_ok_and(|ended| !ended) {
        anyhow::ensure!(
            run.join(POLICY_FILE).exists(),
            "the training of {name} has not come to a driver yet; if it does not run, go on with: roadproof train --resume {}",
            quoted(name)
        );
        note(format_args!("note: the training of {name} has not ended: its driver is as far as it was saved"));
    }
    Ok(())
}

/// The folder of a run, which drivers that ship and programs have none of.
pub(super) fn named_run(typed: &str, runs: &Path) -> Result<String, String> {
    if typed == LATEST || is_run(Path::new(typed)) {
        return named(typed, runs);
    }
    if Driver::NAMES.contains(&typed) || typed.starts_with(PREFIX) {
        return Err(format!(
            "{typed} is no run; to hold any drivers against each other: roadproof evaluate {typed} RUN"
        ));
    }
    let all: Vec<String> = runs_in(runs).iter().map(|run| run.display().to_string()).collect();
    let called = |name: &str| Path::new(name).file_name().is_some_and(|last| last == typed);
    let meant = all.iter().find(|name| called(name)).map(String::as_str);
    let meant = meant.or_else(|| nearest(typed, all.iter().map(String::as_str)));
    let meant = meant.map_or_else(String::new, |name| format!(", did you mean {name}?"));
    Err(format!("there is no run {typed:?}{meant}; allowed are folders of runs, and {LATEST}"))
}

/// Runs are looked for so deep in a folder, as in `runs/rewards/slow/seed-1`: who names the root of a disk waits for no more.
const DEEPEST: usize = 4;

/// Whether it is a folder that is neither hidden nor linked to, which may hold this one.
fn is_plain_folder(entry: &Path) -> bool {
    let is_hidden = entry.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    !is_hidden && entry.is_dir() && !entry.is_symlink()
}

/// The runs in a folder and in folders in it, the one that was trained last at first. A run holds no others.
pub(super) fn runs_in(folder: &Path) -> Vec<PathBuf> {
    let mut runs: Vec<(SystemTime, PathBuf)> = Vec::new();
    let mut folders = vec![(folder.to_owned(), 1)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            // Settings are written whenever a training begins or goes on.
            match std::fs::metadata(entry.join(SETTINGS_FILE)).and_then(|file| file.modified()) {
                Ok(begun) => runs.push((begun, entry)),
                Err(_) if depth < DEEPEST && is_plain_folder(&entry) => folders.push((entry, depth + 1)),
                Err(_) => {}
            }
        }
    }
    runs.sort();
    runs.into_iter().rev().map(|(_, run)| run).collect()
}

/// The run that was trained last.
fn latest(runs: &Path) -> Result<PathBuf, String> {
    let none = || format!("there is no run in {}", std::path::absolute(runs).unwrap_or(runs.to_owned()).display());
    runs_in(runs).into_iter().next().ok_or_else(none)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_run_is_the_one_that_was_trained_last() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(named(LATEST, folder.path()).expect_err("there is none").contains("there is no run in"));
        for (name, age_s) in [
            ("b", 30),
            ("deep/seeds/seed-1", 10),
            ("a", 20),
            ("no-run", 0),
            ("a/no-run-of-its-own", 5),
            ("x/x/x/x/too-deep", 1),
            (".hidden/run", 2),
        ] {
            let run = folder.path().join(name);
            std::fs::create_dir_all(&run).expect("a folder");
            if name != "no-run" {
                let file = std::fs::File::create(run.join(SETTINGS_FILE)).expect("a file");
                let begun = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000 - age_s);
                file.set_modified(begun).expect("a time");
            }
        }
        assert_eq!(
            named(LATEST, folder.path()),
            Ok(folder.path().join("deep/seeds/seed-1").to_string_lossy().into_owned())
        );
        // Whoever names the folder of runs is told what is in it.
        let told = named(&folder.path().to_string_lossy(), folder.path()).expect_err("no run");
        let places: Vec<usize> = ["/seed-1", "/a", "/b"].map(|name| told.find(name).expect("it is told")).to_vec();
        assert!(places.is_sorted() && !told.contains("no-run"), "{told}");
    }

    #[test]
    fn who_compares_what_is_no_run_is_told_what_is() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("seven")).expect("a folder");
        std::fs::write(folder.path().join("seven").join(SETTINGS_FILE), "()").expect("a file");
        let told = |typed: &str| named_run(typed, folder.path()).expect_err("no run");
        assert!(told("shipped").contains("roadproof evaluate shipped RUN"), "{}", told("shipped"));
        let seven = folder.path().join("seven").display().to_string();
        assert!(told("seven").contains(&format!("did you mean {seven}?")), "{}", told("seven"));
        assert!(!told("zzz").contains("mean") && !told("zzz").contains("hardened"), "{}", told("zzz"));
        assert_eq!(named_run(LATEST, folder.path()), Ok(seven));
    }

    #[test]
    fn an_unknown_name_is_told_with_the_nearest() {
        let runs = Path::new("nowhere");
        assert_eq!(named("hardened", runs), Ok("hardened".to_owned()));
        let told = named("hardend", runs).expect_err("nobody is called so");
        assert!(told.starts_with("no driver \"hardend\", did you mean hardened? allowed are shipped, "), "{told}");
        let told = named_among("hardend", runs, &WITH_WEIGHTS).expect_err("nobody is called so");
        assert!(told.contains("did you mean hardened?") && !told.contains("scripted"), "{told}");
        let told = named("runs/nobody", runs).expect_err("nobody is called so");
        assert!(told.starts_with("no driver \"runs/nobody\": allowed are shipped, "), "{told}");
    }
}
