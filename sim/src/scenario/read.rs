//! Reading scenario files. Every mistake is reported with file, line and column where there is one.

use crate::fault::RecordedError;
use crate::mistake::{Mistake, Reading, UNKNOWN_FIELD, there_may_be_more};
use crate::scenario::check::{Contradiction, Doubts};
use crate::scenario::{BuiltScenario, CheckError, Scenario};
use crate::text::{blanked, without_mark};
use ron::extensions::Extensions;
use std::collections::HashSet;
use std::io::Read;
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
    #[error("{path}{}: {cause}: {recorded:?}", in_words(*place), path = path.display())]
    Recorded {
        /// Why not.
        cause: RecordedError,
        /// The file of the perturbation.
        recorded: PathBuf,
        /// Line and column of the field that names it, from 1.
        place: Option<(usize, usize)>,
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

impl ReadError {
    /// Line and column, from 1, of what has them.
    #[must_use]
    pub fn place(&self) -> Option<(usize, usize)> {
        match self {
            Self::Syntax { line, column, .. } => Some((*line, *column)),
            Self::Check { place, .. } | Self::Recorded { place, .. } => *place,
            Self::Io { .. } | Self::None { .. } => None,
        }
    }
}

/// So many contradictions between fields are told of one file: the place of each takes another look at the whole text.
const MOST_CONTRADICTIONS: usize = 50;

/// Reads and checks one scenario.
///
/// # Errors
/// [`ReadError`] with file, line and column where there is one: the first of [`read_all`].
pub fn read(path: &Path) -> Result<BuiltScenario, ReadError> {
    read_all(path).map_err(|mut all| all.swap_remove(0))
}

/// Reads and checks one scenario, to the end of its file whatever is wrong in it; `-` is standard input.
///
/// # Errors
/// As [`parse_all`], or [`ReadError::Io`].
pub fn read_all(path: &Path) -> Result<BuiltScenario, Vec<ReadError>> {
    parse_all(&read_text(path).map_err(|cause| vec![ReadError::Io { cause, path: path.to_owned() }])?, path)
}

/// Parses and checks a scenario's text. `path` is named in errors; a recorded perturbation is read from its folder.
///
/// # Errors
/// [`ReadError::Syntax`], [`ReadError::Recorded`] and [`ReadError::Check`]: the first of [`parse_all`].
pub fn parse(text: &str, path: &Path) -> Result<BuiltScenario, ReadError> {
    parse_all(text, path).map_err(|mut all| all.swap_remove(0))
}

/// The same, to the end of the text whatever is wrong in it. What only follows from another mistake is not told, and what cannot be read
/// at all, as where a bracket is not closed, ends it.
///
/// # Errors
/// All mistakes in the order of their places, at least one.
pub fn parse_all(text: &str, path: &Path) -> Result<BuiltScenario, Vec<ReadError>> {
    let text = without_mark(text);
    let (reading, scenario) = match options().from_str::<Scenario>(text) {
        Ok(scenario) => (Reading::sound(text, options()), Some(scenario)),
        Err(error) => Reading::mended(text, options(), &error),
    };
    let syntax = |Mistake { message, line, column }| ReadError::Syntax { message, line, column, path: path.to_owned() };
    if let Some((foreign, _)) = reading.mistakes().iter().find(|(_, at)| at == "format") {
        // What else is wrong in a file of another version nobody knows.
        return Err(vec![syntax(foreign.clone())]);
    }
    if let Some(told) = of_another_kind(text, &reading) {
        return Err(vec![syntax(told)]);
    }
    let (mut doubts, mut is_cut) = (Doubts(reading.doubts().to_vec()), reading.is_cut());
    let mut all: Vec<ReadError> = reading.mistakes().iter().map(|(mistake, _)| syntax(mistake.clone())).collect();
    if let Some(mut scenario) = scenario {
        if let Err((cause, recorded)) = load_recorded(&mut scenario, &doubts, path) {
            let place = reading.place("recorded");
            all.push(ReadError::Recorded { cause, recorded, place, path: path.to_owned() });
            doubts.0.push("recorded".to_owned());
        }
        let contradictions = match scenario.check_all(&doubts) {
            Ok(built) if all.is_empty() => return Ok(built),
            Ok(_) => Vec::new(),
            Err(contradictions) => contradictions,
        };
        is_cut |= contradictions.len() > MOST_CONTRADICTIONS;
        all.extend(contradictions.into_iter().take(MOST_CONTRADICTIONS).map(|Contradiction { cause, at }| {
            let place = reading.place(&at);
            ReadError::Check { cause, place, path: path.to_owned() }
        }));
    }
    all.sort_by_key(|error| error.place().unwrap_or((usize::MAX, 0)));
    if let Some((line, column)) = all.iter().rev().find_map(ReadError::place).filter(|_| is_cut) {
        let message = there_may_be_more(all.len());
        all.push(ReadError::Syntax { message, line, column, path: path.to_owned() });
    }
    Err(all)
}

/// What is told of a text that was never meant as a scenario, as the settings of a run: that, in place of each of its fields.
fn of_another_kind(text: &str, reading: &Reading<'_, Scenario>) -> Option<Mistake> {
    const TELLING: [&str; 3] = ["title", "road", "duration_s"];
    let begins = blanked(text, true);
    let names_itself = begins.trim_start().trim_start_matches('\u{feff}').starts_with("Scenario");
    let unknown = |(mistake, at): &&(Mistake, String)| !at.contains('.') && mistake.message.starts_with(UNKNOWN_FIELD);
    let (first, _) = reading.mistakes().iter().find(unknown)?;
    let is_foreign = !names_itself && TELLING.iter().all(|field| reading.place(field).is_none());
    let message = format!("this is no scenario, which has {} and more: {}", TELLING.join(", "), {
        let (told, _) = first.message.split_once([',', '.']).unwrap_or((&first.message, ""));
        told
    });
    is_foreign.then(|| Mistake { message, ..first.clone() })
}

/// Reads the recorded perturbation that a scenario names.
fn load_recorded(scenario: &mut Scenario, doubts: &Doubts, path: &Path) -> Result<(), (RecordedError, PathBuf)> {
    let Some(recorded) = scenario.recorded.as_mut().filter(|_| doubts.spare("recorded")) else { return Ok(()) };
    let folder = path.parent().unwrap_or(Path::new(""));
    recorded.load(folder).map_err(|cause| (cause, recorded.path(folder)))
}

/// The text of a scenario's file; `-` is standard input.
///
/// # Errors
/// What the system says, or that it is no text.
pub fn read_text(path: &Path) -> std::io::Result<String> {
    if is_standard_input(path) { read_standard_input() } else { crate::text::read(path) }
}

/// Whether a path means standard input.
#[must_use]
pub fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn read_standard_input() -> std::io::Result<String> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    crate::text::from_bytes(bytes)
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

/// Scenario files under the paths: what is no folder as it is, pipes and `-` for standard input included, folders searched and sorted by
/// name. What two of the paths have in common is found once, however it is spelt.
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
    let mut seen = HashSet::new();
    found.retain(|path| seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())));
    Ok(found)
}

fn collect(path: &Path, found: &mut Vec<PathBuf>) -> Result<(), ReadError> {
    let io_error = |cause| ReadError::Io { cause, path: path.to_owned() };
    if is_standard_input(path) || !std::fs::metadata(path).map_err(io_error)?.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    let is_hidden = |entry: &Path| entry.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let mut entries: Vec<PathBuf> = std::fs::read_dir(path)
        .map_err(io_error)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(io_error)?;
    entries.sort();
    for entry in entries {
        // A folder that is linked to may hold this one: whoever wants its files names it.
        let folder = entry.is_dir() && !entry.is_symlink();
        // Editors keep locks and copies beside a file.
        if is_hidden(&entry) {
            continue;
        }
        if folder {
            collect(&entry, found)?;
        } else if entry.extension().is_some_and(|extension| extension == "ron") {
            // One that leads nowhere is told of where it is read, and the others are found.
            found.push(entry);
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
        assert!(missing.starts_with("cases/lead.ron:9:5: cannot read the recorded perturbation: "), "{missing}");
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
                "cases/lead.ron:9:61: unknown field \"kamera\", did you mean \"camera\"?",
            ),
            (
                "min_ttc_s: 1.0),",
                "min_ttc_s: 1.0), expect_by: (kamera: ()),",
                "Fields of ExpectBy are camera, hardened",
            ),
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

    const TWO_CARS: &str = r#"// ego: here, lane: there
Scenario(
    format: 1, title: "ego: (lane: 9)", duration_s: 9.0, /* road: none,
    ego: none */ road: Straight(length_m: 200.0, lanes: 2),
    ego: (lane: 0, s_m: 20.0),
    actors: [
        (name: "van", start: (lane: 0, s_m: 60.0, speed_mps: 5.0)), // "car" lane: 3
        (name: "car", start: (lane: 1, s_m: 60.0, speed_mps: 5.0),
         script: [ChangeLane(when: At(at_s: 1.0), to_lane: 0, over_s: 2.0)]),
    ],
    perturbations: [(during_s: (1.0, 2.0), fault: Blur(sigma_px: 1.5))],
    camera: (width_px: 160),
)"#;

    /// What is told of the text with some of it replaced, behind the name of the file.
    fn told(replaced: &[(&str, &str)]) -> Vec<String> {
        let mut text = TWO_CARS.to_owned();
        for (from, to) in replaced {
            assert!(text.contains(from), "{from}");
            text = text.replacen(from, to, 1);
        }
        let all = parse_all(&text, Path::new("t.ron")).err().unwrap_or_default();
        all.iter().map(|error| error.to_string().split_once("t.ron:").expect("a file").1.to_owned()).collect()
    }

    #[test]
    fn contradictions_between_fields_are_told_with_line_and_column() {
        assert_eq!(told(&[]), [""; 0]);
        for (from, to, expected) in [
            ("(lane: 1, s_m: 60.0", "(lane: 4, s_m: 60.0", "8:31: \"car\" is in lane 4"),
            ("to_lane: 0", "to_lane: 5", "9:51: a lane change of \"car\" is in lane 5"),
            ("ego: (lane: 0, s", "ego: (lane: 3, s", "5:11: the ego is in lane 3"),
            ("s_m: 20.0", "s_m: 400.0", "5:20: the ego starts at s = 400 m"),
            ("s_m: 20.0", "s_m: 58.0", "7:40: \"van\" and the ego overlap"),
            ("name: \"car\"", "name: \"van\"", "8:10: two actors are named \"van\""),
            ("length_m: 200.0", "length_m: 2.0", "4:18: the road cannot be built: the road is 2.0 m long"),
            ("width_px: 160)", "mount_m: (30.0, 0.0, 1.0))", "12:14: camera.mount_m"),
            ("duration_s: 9.0", "duration_s: 9.0, substeps: 1, decision_hz: 2.0", "3:71: a physics step"),
            // What the file leaves out has no place of its own: the section has.
            (
                "ego: (lane: 0, s_m: 20.0)",
                "ego: (heading_deg: 1.0, vehicle: (wheelbase_m: 4.5))",
                "5:39: ego vehicle: ",
            ),
            ("ego: (lane: 0, s_m: 20.0)", "ego: (heading_deg: 1.0, vehicle: (length_m: 2.5))", "5:29: ego vehicle: "),
        ] {
            let found = told(&[(from, to)]);
            assert!(found.len() == 1 && found[0].starts_with(expected), "{from} -> {to}: {found:?}");
        }
    }

    #[test]
    fn all_mistakes_of_a_file_are_told_with_their_places() {
        let found = told(&[
            ("duration_s: 9.0", "duration_s: -9.0, substeps: 4.5, colour: [1, (2)]"),
            ("ego: (lane: 0, s_m: 20.0)", "ego: (s_m: 20.0, s_m: 30.0)"),
            ("s_m: 60.0, speed_mps: 5.0)), //", "s_m: 60.0)), //"),
            ("(lane: 1, s_m: 60.0, speed_mps: 5.0)", "(lane: 7, s_m: 90.0, speed_mps: Some(99.0))"),
            ("At(at_s: 1.0), to_lane: 0", "1.0, to_lane: 8"),
            ("(1.0, 2.0), fault: Blur(sigma_px: 1.5)", "(3.0, 2.0), fault: Blurr(sigma_px: 77.0)"),
            ("width_px: 160", "width_px: \"wide\", mount_m: (30.0, 0.0, 1.0)"),
        ]);
        let expected = [
            "3:53: duration_s = -9, allowed is 0.1 to 3600",
            "3:69: a whole number is wanted, found 4.5",
            "3:74: unknown field \"colour\". Fields of Scenario are format, title, ",
            "5:22: the field s_m is there twice",
            "7:30: the field speed_mps is missing",
            "8:31: \"car\" is in lane 7",
            "8:62: a number is wanted, found Some",
            "9:36: 1.0 is written At(at_s: 1.0)",
            "9:41: a lane change of \"car\" is in lane 8",
            "11:32: span (3, 2)",
            "11:51: unknown name \"Blurr\", did you mean \"Blur\"?",
            "12:24: a whole number is wanted, found \"wide\"",
            "12:32: camera.mount_m = (30.0, 0.0, 1.0)",
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found:?} is to begin with {expected:?}");
        }
    }

    #[test]
    fn what_only_follows_from_another_mistake_is_not_told() {
        for (replaced, expected) in [
            // A name that is none, and the field that is missing for it.
            (
                &[("length_m: 200.0", "lenght_m: 200.0")][..],
                &["4:33: unknown field \"lenght_m\", did you mean \"length_m\"? Fields of Straight are length_m, "][..],
            ),
            // Lanes of a road that is wrong itself, and where nobody knows where the other stands.
            (&[("lanes: 2", "lanes: 9")], &["4:57: lanes = 9, allowed is 1 to 3"]),
            (&[("s_m: 20.0", "s_m: -20.0"), ("s_m: 60.0", "s_m: 1.0")], &["5:25: s_m = -20, allowed is 0 to 5000"]),
            (&[("s_m: 20.0", "s: 60.0")], &["5:20: unknown field \"s\""]),
            // How fast one may drive is no matter of where the lanes are.
            (
                &[("lanes: 2", "lanes: 2, speed_limit: 9.0"), ("(lane: 1, s", "(lane: 3, s")],
                &[
                    "4:60: unknown field \"speed_limit\", did you mean \"speed_limit_mps\"?",
                    "8:31: \"car\" is in lane 3",
                ],
            ),
            // Who has no name is told by the place in the list.
            (
                &[("name: \"car\"", "name: 7"), ("(lane: 1, s", "(lane: 3, s")],
                &["8:16: a text in quotation marks is wanted, found 7", "8:27: car 2 of the list is in lane 3"],
            ),
            // Another text altogether, another format, and what cannot be read to its end.
            (&[("Scenario(", "Settings(")], &["2:1: Scenario( … ) is wanted, found Settings"]),
            (
                &[("format: 1", "format: 2"), ("lanes: 2", "lanes: 9")],
                &["3:13: format = 2, this version reads format 1"],
            ),
            (
                &[("200.0, lanes", "200.0 lanes"), ("s_m: 20.0", "s_m: -20.0")],
                &["4:49: a comma or a closing bracket is wanted"],
            ),
        ] {
            let found = told(replaced);
            assert_eq!(found.len(), expected.len(), "{replaced:?}: {found:#?}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.starts_with(expected), "{found:?} is to begin with {expected:?}");
            }
        }
    }
}
