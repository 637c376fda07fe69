//! Reading scenario files. Every mistake is reported with file, line and column where there is one.

use crate::fault::RecordedError;
use crate::mistake::Mistake;
use crate::scenario::place::place;
use crate::scenario::{BuiltScenario, CheckError, Scenario};
use crate::text::without_mark;
use ron::extensions::Extensions;
use std::path::{Path, PathBuf};

/// A scenario file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file or folder cannot be read.
    #[error("cannot read the scenario: {cause}: {path:?}")]
    Io {
        /// What the system said.
        cause: std::io::Error,
        /// The file.
        path: PathBuf,
    },
    /// The text is not a scenario.
    #[error("{path}:{line}:{column}: {message}", path = path.display())]
    Syntax {
        /// What is wrong, with the offending value.
        message: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The file.
        path: PathBuf,
    },
    /// The text is a scenario that cannot be built.
    #[error("{path}{}: {cause}", in_words(*place), path = path.display())]
    Check {
        /// What contradicts what.
        cause: CheckError,
        /// Line and column of the field that it is about, from 1, if the file has it.
        place: Option<(usize, usize)>,
        /// The file.
        path: PathBuf,
    },
    /// The recorded perturbation cannot be used.
    #[error("{path}: {cause}: {recorded:?}", path = path.display())]
    Recorded {
        /// Why not.
        cause: RecordedError,
        /// The file of the perturbation.
        recorded: PathBuf,
        /// The file.
        path: PathBuf,
    },
    /// A folder without scenarios.
    #[error("no scenario files (*.ron) in {path:?}")]
    None {
        /// The folder.
        path: PathBuf,
    },
}

/// Reads and checks one scenario.
///
/// # Errors
/// [`ReadError`] with file, line and column where there is one.
pub fn read(path: &Path) -> Result<BuiltScenario, ReadError> {
    let text = crate::text::read(path).map_err(|cause| ReadError::Io { cause, path: path.to_owned() })?;
    parse(&text, path)
}

/// Parses and checks a scenario's text. `path` is named in errors; a recorded perturbation is read from its folder.
///
/// # Errors
/// [`ReadError::Syntax`], [`ReadError::Recorded`] and [`ReadError::Check`].
pub fn parse(text: &str, path: &Path) -> Result<BuiltScenario, ReadError> {
    let mut scenario: Scenario = options().from_str(without_mark(text)).map_err(|error| {
        let Mistake { message, line, column } = Mistake::of(&error, without_mark(text));
        ReadError::Syntax { message, line, column, path: path.to_owned() }
    })?;
    if let Some(recorded) = &mut scenario.recorded {
        let folder = path.parent().unwrap_or(Path::new(""));
        let recorded_path = recorded.path(folder);
        let error = |cause| ReadError::Recorded { cause, recorded: recorded_path, path: path.to_owned() };
        recorded.load(folder).map_err(error)?;
    }
    scenario.check().map_err(|cause| {
        let place = place(&cause, without_mark(text));
        ReadError::Check { cause, place, path: path.to_owned() }
    })
}

/// A place behind the name of its file.
fn in_words(place: Option<(usize, usize)>) -> String {
    place.map_or_else(String::new, |(line, column)| format!(":{line}:{column}"))
}

/// The scenario as text that [`parse`] reads back to the same value.
///
/// # Errors
/// If a value has no RON form, which no checked scenario has.
pub fn to_ron(scenario: &Scenario) -> Result<String, ron::Error> {
    options().to_string_pretty(scenario, ron::ser::PrettyConfig::new().depth_limit(3))
}

/// Scenario files under the paths: files as they are, folders searched and sorted by name.
///
/// # Errors
/// [`ReadError::Io`] for a missing path, [`ReadError::None`] for a folder without scenarios.
pub fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, ReadError> {
    let mut found = Vec::new();
    for path in paths {
        let before = found.len();
        collect(path, &mut found)?;
        if found.len() == before {
            return Err(ReadError::None { path: path.clone() });
        }
    }
    Ok(found)
}

fn collect(path: &Path, found: &mut Vec<PathBuf>) -> Result<(), ReadError> {
    let io_error = |cause| ReadError::Io { cause, path: path.to_owned() };
    let metadata = std::fs::metadata(path).map_err(io_error)?;
    if metadata.is_file() {
        found.push(path.to_owned());
        return Ok(());
    }
    let mut entries: Vec<PathBuf> = std::fs::read_dir(path)
        .map_err(io_error)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(io_error)?;
    entries.sort();
    for entry in entries {
        // A folder that is linked to may hold this one: whoever wants its files names it.
        let folder = entry.is_dir() && !entry.is_symlink();
        if folder || entry.extension().is_some_and(|extension| extension == "ron") {
            collect(&entry, found)?;
        }
    }
    Ok(())
}

fn options() -> ron::Options {
    // `min_ttc_s: 1.5` reads better than `min_ttc_s: Some(1.5)`.
    ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"// A comment.
Scenario(
    format: 1,
    title: "A slow lead",
    duration_s: 20.0,
    road: Straight(length_m: 200.0, lanes: 2),
    actors: [(name: "lead", start: (lane: 0, s_m: 40.0, speed_mps: 5.0), script: [Brake(when: At(at_s: 3.0), decel_mps2: 3.0, for_s: 1.0)])],
    perturbations: [(during_s: (1.0, 2.0), fault: Blur(sigma_px: 1.5))],
    expect: (outcome: Arrived, min_ttc_s: 1.0),
)"#;

    fn message(text: &str) -> String {
        parse(text, Path::new("cases/lead.ron")).expect_err("must be refused").to_string()
    }

    #[test]
    fn a_scenario_survives_being_written() {
        let scenario = parse(GOOD, Path::new("good.ron")).unwrap();
        let again = parse(&to_ron(&scenario).unwrap(), Path::new("again.ron")).unwrap();
        assert_eq!(*scenario, *again);
    }

    #[test]
    fn bounds_are_those_of_a_class_where_there_are_some() {
        use crate::outcome::expectations::DriverClass::{Camera, Hardened};
        let least = |rest: &str| {
            let text = GOOD.replacen("expect: (outcome: Arrived, min_ttc_s: 1.0),", rest, 1);
            let scenario = parse(&text, Path::new("good.ron")).unwrap();
            let again = parse(&to_ron(&scenario).unwrap(), Path::new("again.ron")).unwrap();
            assert_eq!(*scenario, *again);
            [None, Some(Camera), Some(Hardened)].map(|class| scenario.bounds(class).min_ttc_s)
        };
        let (all, camera, hardened) =
            ("expect: (min_ttc_s: 1.0)", "camera: (min_ttc_s: 2.0)", "hardened: (min_ttc_s: 3.0)");
        assert_eq!(least(all), [Some(1.0); 3]);
        assert_eq!(least(&format!("{all}, expect_by: ({camera})")), [Some(1.0), Some(2.0), Some(2.0)]);
        assert_eq!(least(&format!("{all}, expect_by: ({hardened})")), [Some(1.0), Some(1.0), Some(3.0)]);
        assert_eq!(least(&format!("{all}, expect_by: ({camera}, {hardened})")), [Some(1.0), Some(2.0), Some(3.0)]);
        // What an attack found is held against all alike.
        let found = "expect: (min_ttc_s: 1.0, golden_holds: false)";
        assert_eq!(least(&format!("{found}, expect_by: ({camera})")), [Some(1.0); 3]);
    }

    #[test]
    fn a_recorded_perturbation_is_read_from_the_folder_of_the_scenario() {
        let message = |file: &str| {
            let text = GOOD.replacen("expect:", &format!("recorded: {file:?}, expect:"), 1);
            message(&text)
        };
        let missing = message("no_such.perturbation");
        assert!(missing.starts_with("cases/lead.ron: cannot read the recorded perturbation: "), "{missing}");
        assert!(missing.ends_with(": \"cases/no_such.perturbation\""), "{missing}");
        let outside = message("../lead.perturbation");
        assert!(outside.starts_with("cases/lead.ron:9:") && outside.contains("recorded = \"../lead"), "{outside}");
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let cases = [
            ("title:", "titel:", "cases/lead.ron:4:"),
            ("20.0", "-20.0", "cases/lead.ron:5:"),
            ("20.0", "-20.0", "duration_s = -20, allowed is 0.1 to 3600"),
            ("20.0", "\"long\"", "cases/lead.ron:5:"),
            ("format: 1", "format: 2", "format = 2, this version reads format 1"),
            ("lanes: 2", "lanes: 9", "lanes = 9, allowed is 1 to 3"),
            ("(1.0, 2.0)", "(3.0, 2.0)", "span (3, 2)"),
            ("Blur(sigma_px", "Blurr(sigma_px", "Blurr"),
            ("lane: 0, s_m: 40.0", "lane: 7, s_m: 40.0", "\"lead\" is in lane 7"),
            ("s_m: 40.0", "s_m: 6.0", "\"lead\" and the ego overlap"),
            ("length_m: 200.0", "length_m: 2.0", "2.0 m long"),
            (
                "min_ttc_s: 1.0),",
                "min_ttc_s: 1.0), expect_by: (kamera: ()),",
                "cases/lead.ron:9:61: Unexpected field named `kamera`",
            ),
            ("min_ttc_s: 1.0),", "min_ttc_s: 1.0), expect_by: (kamera: ()),", "expected either `camera` or `hardened`"),
            (
                "min_ttc_s: 1.0),",
                "min_ttc_s: 1.0), expect_by: (camera: (min_driving_score: 101.0)),",
                "cases/lead.ron:9:",
            ),
            (
                "min_ttc_s: 1.0),",
                "min_ttc_s: 1.0), expect_by: (camera: (min_driving_score: 101.0)),",
                "min_driving_score = 101, allowed is 0 to 100",
            ),
            ("min_ttc_s: 1.0),", "min_ttc_s: 1.0), expect_by: (camera: (), camera: ()),", "camera"),
            (
                "min_ttc_s: 1.0),",
                "min_ttc_s: 1.0), expect_by: (hardened: (golden_holds: false)),",
                "expect_by.hardened.golden_holds = false",
            ),
        ];
        for (from, to, expected) in cases {
            let text = GOOD.replacen(from, to, 1);
            let message = message(&text);
            assert!(message.contains(expected), "{from} → {to}: {message}");
        }
    }
}
