//! Reading a text to its end, whatever is wrong in it: every mistake is told, and none that only follows from another.
//!
//! The text is read anew for each of them, with something in the place of what was wrong before: so nothing has to be known of the
//! types that are read, and whatever they refuse is told.

use super::repairs::{Failure, Repairs, Turn};
use super::trail::{Stop, Stopped, Trail};
use super::{ENDS_EARLY, Mistake, nearest};
use crate::text::blanked;
use ron::error::{Error, Position, SpannedError};
use serde::de::DeserializeOwned;
use std::marker::PhantomData;

/// A text is read so often at most.
const MOST_PASSES: usize = 200;

/// The text as a whole is read in this turn.
const FIRST: Turn = 0;

/// A text and what is wrong with it.
pub(crate) struct Reading<'t, T> {
    text: &'t str,
    options: ron::Options,
    repairs: Repairs,
    mistakes: Vec<(Mistake, String)>,
    puzzles: Vec<Puzzle>,
    doubts: Vec<String>,
    /// Whether there may be more mistakes than were looked for.
    is_cut: bool,
    /// Where the last word begins of a text whose brackets are not closed: what is wrong from there on is that it ends.
    broken_off: Option<(usize, usize)>,
    kind: PhantomData<T>,
}

/// A field of a name that nobody knows.
struct Puzzle {
    /// When and where the struct is read.
    turn: Turn,
    at: String,
    found: String,
    /// The names that the struct knows.
    names: &'static [&'static str],
}

impl Puzzle {
    /// Fields that it may have been meant as: of those that are not there, the one that is most like it, or else any.
    fn meant(&self, trail: &Trail<'_>) -> Vec<String> {
        let unread = || self.names.iter().copied().filter(|name| !trail.has(self.turn, name));
        match nearest(&self.found, unread()) {
            Some(name) => vec![joined(&self.at, name)],
            None => unread().map(|name| joined(&self.at, name)).collect(),
        }
    }
}

impl<'t, T: DeserializeOwned> Reading<'t, T> {
    /// Reads a text that the parser refuses. The value is there if it could be read to its end; it says something else than the text
    /// where [`Self::mistakes`] are, of which there is one at least.
    pub fn mended(text: &'t str, options: ron::Options, refused: &SpannedError) -> (Self, Option<T>) {
        let mut reading = Self::sound(text, options);
        let mut value = None;
        for _ in 0..MOST_PASSES {
            let trail = Trail::new(&reading.repairs, Stop::Nowhere);
            match trail.read(text, &reading.options) {
                Ok(read) => {
                    let meant = reading.puzzles.iter().flat_map(|puzzle| puzzle.meant(&trail));
                    reading.doubts.extend(meant.collect::<Vec<_>>());
                    value = Some(read);
                    break;
                }
                Err(error) => {
                    let failure = trail.into_failure();
                    reading.is_cut = reading.goes_on_after(&error, failure);
                    if !reading.is_cut {
                        break;
                    }
                }
            }
        }
        reading.is_cut &= value.is_none();
        if reading.mistakes.is_empty() {
            reading.note(Mistake::of(refused, text), String::new());
        }
        (reading, value)
    }

    /// A text without mistakes, as somebody else found.
    pub fn sound(text: &'t str, options: ron::Options) -> Self {
        Self {
            text,
            options,
            repairs: Repairs::default(),
            mistakes: Vec::new(),
            puzzles: Vec::new(),
            doubts: Vec::new(),
            is_cut: false,
            broken_off: broken_off(text),
            kind: PhantomData,
        }
    }

    /// Each mistake with the field or list item that it is in: names and numbers from the outermost on, joined by points.
    pub fn mistakes(&self) -> &[(Mistake, String)] {
        &self.mistakes
    }

    /// Whether there may be more mistakes than these: nobody reads hundreds.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Fields and list items that are not what the text says, or not what was meant.
    pub fn doubts(&self) -> &[String] {
        &self.doubts
    }

    /// Line and column of a field's name or of a list item, or of what it would be part of if the text does not say it.
    pub fn place(&self, path: &str) -> Option<(usize, usize)> {
        let mut path = path;
        loop {
            if let Some(place) = self.stopped_at(Stop::AtPath(path)) {
                return Some(place);
            }
            path = path.rsplit_once('.').map_or("", |(outer, _)| outer);
            if path.is_empty() {
                return None;
            }
        }
    }

    /// Notes a mistake; `false` if nothing more can be read.
    fn goes_on_after(&mut self, error: &SpannedError, failure: Option<Failure>) -> bool {
        let Some(failure) = failure else {
            self.note(Mistake::of(error, self.text), String::new());
            return false;
        };
        let is_missing = matches!(error.code, Error::MissingStructField { .. });
        let follows = failure.stood_in || is_missing && self.repairs.explains(&failure);
        // What cannot even be read past is met a second time, in other words perhaps.
        let is_skipped = self.repairs.stand_in(failure.turn).is_some();
        let (Position { line, col }, again) = (error.span.start, self.mistakes.last());
        let is_known = is_skipped && again.is_some_and(|(last, _)| (last.line, last.column) == (line, col));
        if !follows && !is_known {
            let mistake = self.mistake(error, &failure);
            let at = match error.code {
                Error::MissingStructField { field, .. } | Error::DuplicateStructField { field, .. } => {
                    joined(&failure.path, field)
                }
                _ => failure.path.clone(),
            };
            match &error.code {
                Error::NoSuchStructField { expected, found, .. } => {
                    let (turn, at, found) = (failure.turn, at.clone(), found.clone());
                    self.puzzles.push(Puzzle { turn, at, found, names: expected });
                }
                _ => self.doubts.push(at.clone()),
            }
            self.note(mistake, at);
        }
        // Who finds something else than was wanted has nothing to go on with.
        let is_other = failure.turn == FIRST && is_of_a_whole_value(&error.code) && !is_missing;
        !is_other && self.repairs.mend(&error.code, &failure)
    }

    fn note(&mut self, mut mistake: Mistake, path: String) {
        if self.broken_off.is_some_and(|last| (mistake.line, mistake.column) >= last) {
            mistake.message = ENDS_EARLY.to_owned();
        }
        // A text ends once, however much is open there.
        let is_end = mistake.message == ENDS_EARLY;
        let is_told = |known: &Mistake| *known == mistake || is_end && known.message == ENDS_EARLY;
        if !self.mistakes.iter().any(|(known, _)| is_told(known)) {
            self.mistakes.push((mistake, path));
        }
    }

    fn mistake(&self, error: &SpannedError, failure: &Failure) -> Mistake {
        let (Position { line, col }, end) = (error.span.start, error.span.end);
        let place = match (&error.code, failure.name) {
            (Error::NoSuchStructField { .. } | Error::DuplicateStructField { .. }, _) => None,
            (code, None) if is_of_a_whole_value(code) => self.stopped_at(Stop::AtTurn(failure.turn)),
            // What is there instead of a name was not read.
            (_, Some(_)) => Some((end.line, end.col)),
            _ => None,
        };
        Mistake::told(&error.code, place.unwrap_or((line, col)), self.text, failure.asked)
    }

    fn stopped_at(&self, stop: Stop<'_>) -> Option<(usize, usize)> {
        let trail = Trail::new(&self.repairs, stop);
        let error = trail.read::<T>(self.text, &self.options).err()?;
        let Position { line, col } = match trail.stopped() {
            Stopped::NotYet => return None,
            Stopped::BeforeValue => error.span.end,
            Stopped::BehindName => error.span.start,
        };
        Some((line, col))
    }
}

/// Where the last word of a text begins, if brackets are not closed there.
fn broken_off(text: &str) -> Option<(usize, usize)> {
    let text = blanked(text, true);
    let count = |brackets: &[char]| text.chars().filter(|c| brackets.contains(c)).count();
    if count(&['(', '[', '{']) <= count(&[')', ']', '}']) {
        return None;
    }
    let ends = text.trim_end();
    let is_word = |c: char| c.is_alphanumeric() || "_.-+".contains(c);
    let begins = ends.trim_end_matches(is_word).len();
    let (line, above) = (ends[..begins].matches('\n').count(), ends[..begins].rfind('\n').map_or(0, |at| at + 1));
    Some((line + 1, ends[above..begins].chars().count() + 1))
}

/// What is wrong with a text that a parser refused, in the order of their places, at least one mistake. What only follows from another
/// is not told; what can be wrong with values that do not go together is no matter of reading.
#[must_use]
pub fn all_mistakes<T: DeserializeOwned>(text: &str, options: ron::Options, refused: &SpannedError) -> Vec<Mistake> {
    let (reading, _) = Reading::<T>::mended(text, options, refused);
    let mut all: Vec<Mistake> = reading.mistakes().iter().map(|(mistake, _)| mistake.clone()).collect();
    all.sort_by_key(|mistake| (mistake.line, mistake.column));
    if let Some(last) = all.last().cloned().filter(|_| reading.is_cut()) {
        all.push(Mistake { message: there_may_be_more(all.len()), ..last });
    }
    all
}

/// What is told behind the last of so many mistakes where not all were looked for.
pub(crate) fn there_may_be_more(told: usize) -> String {
    format!("these are the first {told} mistakes, and there may be more")
}

/// A field of what stands at a path.
fn joined(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// Whether it is something about a value as a whole, which is told where that begins, rather than where the parser noticed it.
fn is_of_a_whole_value(code: &Error) -> bool {
    matches!(
        code,
        Error::Message(_)
            | Error::InvalidValueForType { .. }
            | Error::ExpectedDifferentLength { .. }
            | Error::MissingStructField { .. }
            | Error::NoSuchEnumVariant { .. }
            | Error::ExpectedArray
            | Error::ExpectedDifferentStructName { .. }
            | Error::ExpectedBoolean
            | Error::ExpectedFloat
            | Error::ExpectedIdentifier
            | Error::ExpectedInteger
            | Error::ExpectedNamedStructLike(_)
            | Error::ExpectedString
            | Error::ExpectedStructLike
            | Error::IntegerOutOfBounds
            | Error::InvalidIdentifier(_)
            | Error::SuggestRawIdentifier(_)
    )
}
