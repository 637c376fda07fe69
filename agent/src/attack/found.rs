//! What an attack found becomes a scenario: the file with its bounds, the recorded perturbation, and the trace of the drive.
//!
//! The file is the source's text with the perturbation and bounds for drivers who hold; the trace is of the one who
//! broke. Before anything is written the recording is driven once more, by the driver alone: it must take the same way
//! to the bit.

use crate::host::files::{check_folder, check_writable, write_atomically};
use crate::host::folder_lock::FolderLock;
use anyhow::Context;
use roadproof_sim::fault::Recorded;
use roadproof_sim::outcome::expectations::Expect;
use roadproof_sim::outcome::score::Score;
use roadproof_sim::scenario::{is_standard_input, to_ron};
use roadproof_sim::{Controls, Episode, Outcome, Scenario, Trace, parse, text};
use std::path::{Path, PathBuf};

/// Share of the clean driving score that a driver who holds keeps.
pub(crate) const KEPT: f32 = 0.9;

/// What a driver who holds must do where the clean drive ended like this: the same outcome, and nine tenths of the score,
/// rounded down to a tenth of a point.
#[must_use]
pub fn bounds(outcome: Outcome, clean: &Score) -> Expect {
    let min_driving_score = Some((clean.driving_score * KEPT * 10.0).floor().max(0.0) / 10.0);
    Expect { outcome, min_driving_score, golden_holds: false, ..Expect::default() }
}

/// Whether a drive that ended like this keeps such bounds.
#[must_use]
pub fn holds(bounds: &Expect, outcome: Option<Outcome>, score: &Score) -> bool {
    outcome == Some(bounds.outcome) && bounds.min_driving_score.is_none_or(|least| score.driving_score >= least)
}

/// Whether a clean drive that ended like this leaves anything to break.
#[must_use]
pub fn breakable(clean: Option<Outcome>) -> bool {
    matches!(clean, Some(Outcome::Arrived | Outcome::TimeUp))
}

/// Where a find is kept, and what it is called.
pub struct Place {
    folder: PathBuf,
    name: String,
    command: String,
    force: bool,
}

impl Place {
    /// A place for the find of this command.
    ///
    /// # Errors
    /// If the name is no plain file name.
    pub fn new(folder: &Path, name: String, command: String) -> anyhow::Result<Self> {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
        anyhow::ensure!(
            name.chars().all(plain)
                && name.starts_with(|first: char| first.is_ascii_alphanumeric())
                && name.len() <= 200,
            "--name = {name:?}, allowed are up to 200 letters, digits, _, - and ., the first a letter or a digit"
        );
        Ok(Self { folder: folder.to_owned(), name, command, force: false })
    }

    /// Overwrites what another command found.
    #[must_use]
    pub fn forced(self, force: bool) -> Self {
        Self { force, ..self }
    }

    /// Finds out, before the work, whether the files can be written and nothing else is lost by it. What the same command
    /// found before may be written again.
    ///
    /// # Errors
    /// A file that is there already, unless [`Self::forced`]; a folder that cannot be written to.
    pub fn check(&self) -> anyhow::Result<()> {
        self.check_free()?;
        // The folder itself is made when there is something to put into it.
        check_folder(&self.folder)?;
        if self.folder.exists() {
            check_writable(&self.path("ron"))?;
        }
        Ok(())
    }

    fn check_free(&self) -> anyhow::Result<()> {
        let is_ours = || {
            let text = text::read(&self.path("ron")).unwrap_or_default();
            text.lines().any(|line| line == self.origin())
        };
        let there = ["ron", "perturbation", "trace"].map(|end| self.path(end)).into_iter().find(|path| path.exists());
        if let Some(path) = there.filter(|_| !self.force && !is_ours()) {
            anyhow::bail!("would overwrite {path:?}: give another --name or --out, or --force");
        }
        Ok(())
    }

    /// The name under which the recorded perturbation lies beside the scenario.
    #[must_use]
    pub fn recorded_file(&self) -> String {
        format!("{}.perturbation", self.name)
    }

    /// Writes the scenario `found`, which came of `source` by its perturbations and bounds, with its recorded perturbation and
    /// the drive; returns the paths.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn keep(
        &self,
        source: &str,
        found: &Scenario,
        clean: &Score,
        broken: &Episode,
    ) -> anyhow::Result<Vec<PathBuf>> {
        std::fs::create_dir_all(&self.folder).with_context(|| format!("cannot create the folder {:?}", self.folder))?;
        // The work took its time: somebody else may have kept a find of this name meanwhile, or be about to.
        let _lock = FolderLock::wait_for(&self.folder)
            .with_context(|| format!("cannot write into the folder {:?}", self.folder))?;
        self.check_free()?;
        let mut paths = Vec::new();
        let mut write = |end: &str, bytes: &[u8]| -> anyhow::Result<()> {
            paths.push(self.path(end));
            Ok(write_atomically(&self.path(end), bytes)?)
        };
        if let Some(recording) = found.recorded.as_ref().and_then(Recorded::recording) {
            write("perturbation", &recording.to_bytes())?;
        }
        write("trace", broken.trace().to_text().as_bytes())?;
        // Last: a scenario never names what is not there.
        write("ron", self.text(source, found, clean, broken)?.as_bytes())?;
        // What was overwritten may have had a recording; nothing names it any more.
        let recorded = self.path("perturbation");
        if found.recorded.is_none() && recorded.is_file() {
            std::fs::remove_file(&recorded).with_context(|| format!("cannot remove {recorded:?}"))?;
        }
        paths.rotate_right(1);
        Ok(paths)
    }

    fn path(&self, end: &str) -> PathBuf {
        self.folder.join(format!("{}.{end}", self.name))
    }

    /// The line by which a find is known to come of this command.
    fn origin(&self) -> String {
        format!("// Found by: {}", self.command)
    }

    /// The scenario's text: the source's with the new fields if that reads back as it should, else written afresh.
    fn text(&self, source: &str, found: &Scenario, clean: &Score, broken: &Episode) -> anyhow::Result<String> {
        let outcome = broken.verdict().outcome.map_or_else(String::new, |outcome| format!("{outcome:?}"));
        let head = format!(
            "{}\n// The clean drive ends {:?} with a driving score of {:.2}, this one ends {outcome} with {:.2}.\n\
             // Bounds: those of a driver who holds: the end of the clean drive and nine tenths of its score. The trace is of the \
             one\n// who broke.\n",
            self.origin(),
            found.expect.outcome,
            clean.driving_score,
            broken.score().driving_score
        );
        let written = |body: &str| parse(body, &self.path("ron")).is_ok_and(|read| *read == *found);
        let spliced = with_fields(source, &new_fields(found)?).filter(|body| written(body));
        Ok(head + &spliced.map_or_else(|| to_ron(found), Ok)? + "\n")
    }
}

/// The name of a find: the scenario's, the driver's unless it is the shipped one, and how it was found.
#[must_use]
pub fn name(scenario: &Path, driver: &str, how: &str) -> String {
    let stem = |path: &Path| path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let driver = if driver == "shipped" { String::new() } else { stem(Path::new(driver)) };
    let scenario = if is_standard_input(scenario) { "stdin".to_owned() } else { stem(scenario) };
    let parts = [scenario, driver, how.to_owned()];
    let name = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_");
    name.chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || "_-.".contains(letter) { letter } else { '_' })
        .collect()
}

/// Whether a drive had these controls, to the bit.
#[must_use]
pub fn same_way(trace: &Trace, controls: &[Controls]) -> bool {
    let bits = |controls: &Controls| [controls.steer, controls.throttle, controls.brake].map(f32::to_bits);
    trace.rows.iter().map(|row| bits(&row.controls)).eq(controls.iter().map(bits))
}

/// The fields in which a find differs from its source, as text.
fn new_fields(found: &Scenario) -> Result<Vec<(&'static str, String)>, ron::Error> {
    let compact = ron::ser::PrettyConfig::new().compact_arrays(true).compact_structs(true);
    let Expect { outcome, min_driving_score, golden_holds, .. } = found.expect;
    let least = min_driving_score.map_or_else(String::new, |least| format!(", min_driving_score: {least:?}"));
    let mut fields = Vec::new();
    if !found.perturbations.is_empty() {
        fields.push(("perturbations", ron::ser::to_string_pretty(&found.perturbations, compact)?));
    }
    if let Some(recorded) = &found.recorded {
        fields.push(("recorded", format!("{:?}", recorded.file())));
    }
    fields.push(("expect", format!("(outcome: {outcome:?}{least}, golden_holds: {golden_holds})")));
    Ok(fields)
}

/// A scenario's text from its first bracket on, with these fields in place of those it has; what it has not goes before its
/// bounds. `None` if the text is written in a way that this does not follow; who calls reads the result to be sure.
fn with_fields(source: &str, fields: &[(&str, String)]) -> Option<String> {
    let spans = fields_of(source)?;
    let (mut text, mut missing) = ("Scenario(".to_owned(), String::new());
    for (new, value) in fields.iter().filter(|(new, _)| spans.iter().all(|span| span.name != *new)) {
        missing.push_str(&format!("{new}: {value},\n    "));
    }
    for Field { name, before, value, after } in spans {
        text.push_str(before);
        if name == "expect" {
            text.push_str(&std::mem::take(&mut missing));
        }
        match fields.iter().find(|(new, _)| *new == name) {
            Some((_, new)) => text.push_str(&format!("{name}: {new}")),
            None => text.push_str(value),
        }
        text.push_str(after);
    }
    // The last field may stand without a comma.
    text.truncate(text.trim_end().len());
    if !text.ends_with([',', '(']) {
        text.push(',');
    }
    text.push_str(&format!("\n    {missing}"));
    text.truncate(text.trim_end().len());
    text.push_str("\n)");
    Some(text)
}

/// A field of a scenario's text: what stands before it, the field from its name on, and the comma.
struct Field<'a> {
    name: &'a str,
    before: &'a str,
    value: &'a str,
    after: &'a str,
}

/// The outermost fields of a text; `None` if it has strings or comments other than the usual ones.
fn fields_of(source: &str) -> Option<Vec<Field<'_>>> {
    let body = &source[first_bracket(source)? + 1..];
    let (mut fields, mut from, mut begin, mut depth) = (Vec::new(), 0, None, 0_usize);
    let mut at = 0;
    while at < body.len() {
        let rest = &body[at..];
        let first = rest.chars().next()?;
        let mut length = first.len_utf8();
        let mut close = |at: usize, after: usize| {
            if let Some(begin) = begin.take() {
                let value: &str = &body[begin..at];
                let (name, _) = value.split_once(':')?;
                fields.push(Field { name: name.trim(), before: &body[from..begin], value, after: &body[at..after] });
                from = after;
            }
            Some(())
        };
        match first {
            _ if rest.starts_with("//") => length = rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") || rest.starts_with("r\"") || rest.starts_with("r#") || first == '\'' => {
                return None;
            }
            ',' if depth == 0 => close(at, at + 1)?,
            ')' if depth == 0 => {
                close(at, at)?;
                return Some(fields);
            }
            _ if first.is_whitespace() => {}
            _ => {
                begin.get_or_insert(at);
                match first {
                    '"' => length = string_length(rest)?,
                    '(' | '[' | '{' => depth += 1,
                    ')' | ']' | '}' => depth = depth.checked_sub(1)?,
                    _ => {}
                }
            }
        }
        at += length;
    }
    None
}

/// Where the scenario's bracket opens, after comments.
fn first_bracket(source: &str) -> Option<usize> {
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        let code = line.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
        if !code.is_empty() && !code.starts_with("//") {
            return code.starts_with("Scenario(").then(|| at + line.len() - code.len() + "Scenario".len());
        }
        at += line.len();
    }
    None
}

/// Bytes of the string that a text begins with, its quotes included.
fn string_length(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            '"' if !escaped => return Some(at + 1),
            _ => escaped = letter == '\\' && !escaped,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"// A comment of the source, with a (bracket.
Scenario(
    format: 1, title: "a \"title\", with (", // why
    seed: 3, duration_s: 2.0,
    road: Straight(length_m: 300.0),
    expect: (outcome: TimeUp, min_ttc_s: 1.0)
)
"#;

    fn scenario(text: &str) -> Scenario {
        parse(text, Path::new("t.ron")).unwrap().into_scenario()
    }

    #[test]
    fn a_find_keeps_the_text_of_its_source() {
        let source = scenario(SOURCE);
        let expect = bounds(Outcome::TimeUp, &Score { driving_score: 91.17, ..Score::default() });
        assert_eq!(expect.min_driving_score, Some(82.0));
        let candidate = crate::attack::search::Candidate {
            kind: roadproof_sim::fault::FaultKind::Fog,
            severity: roadproof_sim::fault::Severity::ALL[2],
            first: 0,
            end: 7,
        };
        let found =
            Scenario { perturbations: vec![candidate.perturbation(roadproof_sim::Clock::new(10.0))], expect, ..source };
        let text = with_fields(SOURCE, &new_fields(&found).unwrap()).unwrap();
        assert_eq!(scenario(&text), found, "{text}");
        for kept in ["title: \"a \\\"title\\\", with (\", // why\n    seed: 3, duration_s: 2.0,\n", "length_m: 300.0"] {
            assert!(text.contains(kept), "{kept:?} is not in\n{text}");
        }
        for new in [
            "    perturbations: [(during_s: (0.0, 0.7), fault: Graded(kind: Fog, severity: 3))],\n    expect: (",
            "    expect: (outcome: TimeUp, min_driving_score: 82.0, golden_holds: false),\n)",
        ] {
            assert!(text.contains(new), "{new:?} is not in\n{text}");
        }
    }

    #[test]
    fn text_that_is_not_followed_is_left_to_the_other_way() {
        for source in
            ["", "(format: 1)", "Scenario(title: r\"x\")", "Scenario(/* x */)", "Scenario(a: [)", "Scenario(a: \"b)"]
        {
            assert!(with_fields(source, &[]).is_none(), "{source}");
        }
    }

    #[test]
    fn names_are_plain() {
        let path = Path::new("scenarios/cut_in/from_left.ron");
        assert_eq!(name(path, "shipped", "pgd_linf_2"), "from_left_pgd_linf_2");
        assert_eq!(name(path, "runs/seven", "pgd_linf_2"), "from_left_seven_pgd_linf_2");
        assert_eq!(name(Path::new("a b/c d.ron"), "scripted", "x"), "c_d_scripted_x");
        let place = |name: &str| Place::new(Path::new("."), name.to_owned(), String::new()).is_ok();
        assert!(place("a") && place("7.5-x_y"));
        assert!(["", ".", "..", ".a", "a/b", "-a", "a b", "ä"].iter().all(|name| !place(name)));
    }

    #[test]
    fn a_drive_holds_that_ends_the_same_way_with_nine_tenths_of_the_score() {
        let score = |driving_score| Score { driving_score, ..Score::default() };
        let bounds = bounds(Outcome::Arrived, &score(90.0));
        assert!(holds(&bounds, Some(Outcome::Arrived), &score(81.0)));
        assert!(!holds(&bounds, Some(Outcome::Arrived), &score(80.9)));
        assert!(!holds(&bounds, Some(Outcome::TimeUp), &score(90.0)) && !holds(&bounds, None, &score(90.0)));
    }
}
