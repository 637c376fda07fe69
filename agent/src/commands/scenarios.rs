//! Scenarios by the names that people type: a path, or what commands print, `cut_in/from_left`, which is looked up in the library.

use super::refusal::{slips, slips_allowed};
use super::trained::is_run;
use crate::drive::library::LIBRARY_FOLDER;
use crate::drive::replay::title;
use crate::driver::Driver;
use crate::driver::program::PREFIX;
use clap::builder::{PathBufValueParser, TypedValueParser};
use roadproof_sim::mistake::ALIKE;
use roadproof_sim::scenario::{find, is_standard_input};
use std::path::{Path, PathBuf};

/// Parses the name of a scenario or of a folder of them, or `-` for standard input, which has no folder: nothing lies beside what is
/// read there.
pub(super) fn scenarios() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|typed| match is_standard_input(&typed) {
        true => Ok(typed),
        false => found(&typed, Path::new(LIBRARY_FOLDER)),
    })
}

/// What a word names where it may as well name something else: a scenario or a folder of them, if there is one.
pub(super) fn named(typed: &str) -> Option<PathBuf> {
    found(Path::new(typed), Path::new(LIBRARY_FOLDER)).ok()
}

/// The path itself, or what has this name in the library.
fn found(typed: &Path, library: &Path) -> Result<PathBuf, String> {
    let with_end = |path: PathBuf| {
        let mut name = path.clone().into_os_string();
        name.push(".ron");
        [path, PathBuf::from(name)]
    };
    let places = with_end(typed.to_owned()).into_iter().chain(with_end(library.join(typed)));
    let name = typed.to_string_lossy();
    if name.is_empty() {
        return Err("the name of a scenario, a file or a folder is wanted".to_owned());
    }
    if is_run(typed) {
        return Err(format!("this is the folder of a run, which holds no scenarios; who is to drive: --driver {name}"));
    }
    places.into_iter().find(|path| path.exists()).ok_or_else(|| {
        if Driver::NAMES.contains(&&*name) || name.starts_with(PREFIX) {
            return format!("this is a driver, and a scenario is wanted; who is to drive: --driver {name}");
        }
        if typed == library {
            return "there is no folder of this name here: name scenario files or folders of them".to_owned();
        }
        let nearest = nearest(typed, library);
        let meant = nearest.map_or_else(String::new, |nearest| format!("; did you mean {}?", nearest.display()));
        format!("there is no such file or folder, here or in {}{meant}", library.display())
    })
}

/// The scenario of the library, or the folder of it, whose name is most like what was typed, if any is.
fn nearest(typed: &Path, library: &Path) -> Option<PathBuf> {
    let files = find(&[library.to_owned()]).ok()?;
    let mut all: Vec<PathBuf> = files.iter().filter_map(|file| file.parent()).map(Path::to_owned).collect();
    all.dedup();
    all.extend(files);
    let plain = |path: &Path| {
        // However one stands to it: a path that begins with the library's own name means what is in it.
        let called = Path::new(library.file_name().unwrap_or_default());
        let path = path.strip_prefix(library).or_else(|_| path.strip_prefix(called)).unwrap_or(path);
        path.with_extension("").to_string_lossy().into_owned()
    };
    let wanted = plain(typed);
    let likeness = |path: &PathBuf| {
        let by_name = strsim::jaro_winkler(&wanted, &path.file_stem().unwrap_or_default().to_string_lossy());
        strsim::jaro_winkler(&wanted, &plain(path)).max(strsim::jaro_winkler(&wanted, &title(path))).max(by_name)
    };
    // Short names are alike by chance: of what is typed few letters may be others.
    let name = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let last = name(typed);
    let is_meant = |path: &PathBuf| {
        let (plain, stem) = (plain(path), name(path));
        slips(&wanted, &plain).min(slips(&last, &stem)) <= slips_allowed(&last) || stem.contains(&last)
    };
    let alike = all.into_iter().filter(|path| likeness(path) >= ALIKE && is_meant(path));
    alike.max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
    }

    #[test]
    fn what_commands_print_can_be_typed_back() {
        let library = library();
        for (typed, path) in [
            ("cut_in/from_left", "cut_in/from_left.ron"),
            ("cut_in/from_left.ron", "cut_in/from_left.ron"),
            ("cut_in", "cut_in"),
        ] {
            assert_eq!(found(Path::new(typed), &library), Ok(library.join(path)), "{typed}");
        }
        // What is there is meant, whatever the library has.
        assert_eq!(found(Path::new("src"), &library), Ok("src".into()));
        let without_end = library.join("cut_in/from_left");
        assert_eq!(found(&without_end, &library), Ok(library.join("cut_in/from_left.ron")));
    }

    #[test]
    fn who_names_a_driver_for_a_scenario_is_told_how_drivers_are_named() {
        let library = library();
        let told = |typed: &Path| found(typed, &library).expect_err("no scenario");
        assert!(told(Path::new("shipped")).ends_with("--driver shipped"), "{}", told(Path::new("shipped")));
        let run = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(run.path().join("settings.ron"), "()").expect("a file");
        assert!(told(run.path()).contains("the folder of a run"), "{}", told(run.path()));
    }

    #[test]
    fn unknown_names_come_with_the_nearest() {
        let library = library();
        let told = |typed: &str| found(Path::new(typed), &library).expect_err("there is no such scenario");
        for (typed, meant) in [
            ("cut_in/from_lef", "cut_in/from_left.ron"),
            ("cutin", "cut_in"),
            ("scenarios/cut_in/from_rihgt", "cut_in/from_right.ron"),
            ("stop_and_go", "following/stop_and_go.ron"),
        ] {
            let said = told(typed);
            assert!(said.contains(&format!("did you mean {}?", library.join(meant).display())), "{typed}: {said}");
        }
        for typed in ["zzz", "nope.ron"] {
            assert!(!told(typed).contains("did you mean"), "{}", told(typed));
        }
        assert!(!found(Path::new("cut_in"), Path::new("no/library")).expect_err("no such folder").contains("mean"));
    }
}
