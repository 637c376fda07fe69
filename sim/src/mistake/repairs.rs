//! What has to be done to a text that cannot be read, so that it can be, and where reading it came to an end.

use ron::error::Error;
use std::collections::{BTreeMap, BTreeSet};

/// The how-manieth value or name of a field that is read, from the beginning of the text.
pub(super) type Turn = usize;

/// What is done in which turn.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    /// Values that something else stands in for, which is this if it is to be a number.
    stand_ins: BTreeMap<Turn, f64>,
    /// Fields that are left out, by the turn of their names.
    left_out: BTreeSet<Turn>,
    /// Fields that are supplied, by the turn of the struct.
    supplied: BTreeMap<Turn, Vec<&'static str>>,
    /// How many fields of a struct are left out because it has none of their names.
    unknown: BTreeMap<Turn, usize>,
}

/// What a value could have been, as far as names go.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    /// No name.
    Otherwise,
    /// One of the variants of an enum.
    Variant { of: &'static str, names: &'static [&'static str] },
    /// A field.
    Field(&'static [&'static str]),
}

/// What ended a parse.
#[derive(Debug)]
pub(super) struct Failure {
    /// The innermost value that could not be read.
    pub turn: Turn,
    /// Whether there is no other in it.
    pub is_plain: bool,
    /// The name of a field, if that could not be.
    pub name: Option<Turn>,
    /// The name of a field that was read last.
    pub last_name: Turn,
    /// The fields and items from the outermost on, joined by points.
    pub path: String,
    pub asked: Asked,
    /// Whether it is no value of the text, but one that stands in for one.
    pub stood_in: bool,
}

impl Repairs {
    pub fn stand_in(&self, turn: Turn) -> Option<f64> {
        self.stand_ins.get(&turn).copied()
    }

    pub fn leaves_out(&self, name: Turn) -> bool {
        self.left_out.contains(&name)
    }

    pub fn supplied(&self, turn: Turn) -> &[&'static str] {
        self.supplied.get(&turn).map_or(&[], Vec::as_slice)
    }

    /// Whether a missing field was there under a name that is none: two mistakes that are one.
    pub fn explains(&mut self, failure: &Failure) -> bool {
        self.unknown.get_mut(&failure.turn).is_some_and(|unknown| {
            let any = *unknown > 0;
            *unknown = unknown.saturating_sub(1);
            any
        })
    }

    /// Forgets what is in a value that something else is to stand in for: turns behind it are counted without those in it.
    fn forget_after(&mut self, turn: Turn) {
        self.stand_ins.split_off(&(turn + 1));
        self.left_out.split_off(&(turn + 1));
        self.supplied.split_off(&(turn + 1));
        self.unknown.split_off(&(turn + 1));
    }

    /// Repairs what ended a parse; `false` if nothing is left to be tried.
    pub fn mend(&mut self, code: &Error, failure: &Failure) -> bool {
        match (code, failure.name) {
            (Error::NoSuchStructField { .. }, Some(name)) => {
                *self.unknown.entry(failure.turn).or_default() += 1;
                self.left_out.insert(name)
            }
            (Error::DuplicateStructField { .. }, _) => self.left_out.insert(failure.last_name),
            (Error::MissingStructField { field, .. }, _) => {
                let supplied = self.supplied.entry(failure.turn).or_default();
                let new = !supplied.contains(field);
                if new {
                    supplied.push(field);
                }
                new
            }
            // A number may have been read too short, up to its point; behind anything else there is a comma missing.
            (Error::ExpectedComma, _) if !failure.is_plain => false,
            (code, _) => {
                self.forget_after(failure.turn);
                let number = roadproof_range::least_allowed(&code.to_string()).unwrap_or(1.0);
                self.stand_ins.insert(failure.turn, number) != Some(number)
            }
        }
    }
}
