//! A parse that leaves a trail: which value and which name of a field was read when, and where it came to an end.
//!
//! It reads what the parser below it reads, in the same order, so that a turn means the same in each parse of one text. What
//! [`Repairs`] say of a turn is done in it: something else stands in for a value, a field is left out or supplied.

mod watched;

use super::repairs::{Failure, Repairs, Turn};
use super::stand_in::StandIn;
use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, IgnoredAny};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use watched::Watched;

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

/// Where a parse is to end early, for the sake of the place in the text.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop<'p> {
    Nowhere,
    /// Before the value that is read in a turn.
    AtTurn(Turn),
    /// Behind the name of the field at a path, or before the item of a list.
    AtPath(&'p str),
}

/// Which side of the parser's last token a stop is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    NotYet,
    BeforeValue,
    BehindName,
}

/// One parse.
pub(super) struct Trail<'r> {
    repairs: &'r Repairs,
    stop: Stop<'r>,
    next: Cell<Turn>,
    /// The value that was begun last.
    begun: Cell<Turn>,
    last_name: Cell<Turn>,
    name: RefCell<String>,
    path: RefCell<Vec<String>>,
    /// Names of the fields that each struct has.
    names: RefCell<BTreeMap<Turn, Vec<String>>>,
    asked: Cell<Asked>,
    /// How many stand-ins the parse is in.
    standing_in: Cell<usize>,
    stopped: Cell<Stopped>,
    failure: RefCell<Option<Failure>>,
}

impl<'r> Trail<'r> {
    pub fn new(repairs: &'r Repairs, stop: Stop<'r>) -> Self {
        Self {
            repairs,
            stop,
            next: Cell::new(0),
            begun: Cell::new(0),
            last_name: Cell::new(0),
            name: RefCell::default(),
            path: RefCell::default(),
            names: RefCell::default(),
            asked: Cell::new(Asked::Otherwise),
            standing_in: Cell::new(0),
            stopped: Cell::new(Stopped::NotYet),
            failure: RefCell::default(),
        }
    }

    /// Reads a text.
    pub fn read<T: DeserializeOwned>(&self, text: &str, options: &ron::Options) -> ron::error::SpannedResult<T> {
        options.from_str_seed(text, Value { seed: PhantomData::<T>, trail: self, turn: self.turn() })
    }

    /// Whether a struct has a field of this name.
    pub fn has(&self, turn: Turn, name: &str) -> bool {
        self.names.borrow().get(&turn).is_some_and(|names| names.iter().any(|known| known == name))
    }

    /// What ended the parse, if a value did.
    pub fn into_failure(self) -> Option<Failure> {
        self.failure.into_inner()
    }

    pub fn stopped(&self) -> Stopped {
        self.stopped.get()
    }

    fn turn(&self) -> Turn {
        let turn = self.next.get();
        self.next.set(turn + 1);
        turn
    }

    /// Does something at a place below the present one.
    fn below<R>(&self, step: String, read: impl FnOnce() -> R) -> R {
        self.path.borrow_mut().push(step);
        let result = read();
        self.path.borrow_mut().pop();
        result
    }

    /// Does something in which values are not those of the text.
    fn in_stand_in<R, E>(&self, turn: Turn, read: impl FnOnce() -> Result<R, E>) -> Result<R, E> {
        self.standing_in.set(self.standing_in.get() + 1);
        let result = self.noted(read(), turn, None);
        self.standing_in.set(self.standing_in.get() - 1);
        result
    }

    fn is_at(&self, path: &str) -> bool {
        self.path.borrow().join(".") == path
    }

    /// The same; the first failure is kept, which is the innermost.
    fn noted<R, E>(&self, result: Result<R, E>, turn: Turn, name: Option<Turn>) -> Result<R, E> {
        let mut failure = self.failure.borrow_mut();
        if result.is_err() && failure.is_none() && self.stopped() == Stopped::NotYet {
            *failure = Some(Failure {
                turn,
                is_plain: self.begun.get() == turn,
                name,
                last_name: self.last_name.get(),
                path: self.path.borrow().join("."),
                asked: self.asked.get(),
                stood_in: self.standing_in.get() > 0,
            });
        }
        result
    }
}

/// Reads a value in its turn.
struct Value<'t, 'r, S> {
    seed: S,
    trail: &'t Trail<'r>,
    turn: Turn,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Value<'_, '_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let Self { seed, trail, turn } = self;
        trail.begun.set(turn);
        // What stands in for something has no place.
        let stops = match trail.stop {
            Stop::Nowhere => false,
            Stop::AtTurn(at) => at == turn,
            Stop::AtPath(path) => trail.standing_in.get() == 0 && trail.is_at(path),
        };
        if stops {
            trail.stopped.set(Stopped::BeforeValue);
            return Err(D::Error::custom(""));
        }
        match trail.repairs.stand_in(turn) {
            None => trail.noted(seed.deserialize(Watched { inner: deserializer, trail, turn }), turn, None),
            Some(number) => {
                trail.noted(IgnoredAny::deserialize(deserializer), turn, None)?;
                trail.in_stand_in(turn, || seed.deserialize(Watched { inner: StandIn::new(number), trail, turn }))
            }
        }
    }
}

/// Reads the name of a field; the seed is left where it is if there is none.
struct Name<'s, 't, 'r, S> {
    seed: &'s mut Option<S>,
    trail: &'t Trail<'r>,
    turn: Turn,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Name<'_, '_, '_, S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let watched = Watched { inner: deserializer, trail: self.trail, turn: self.turn };
        self.seed.take().map(|seed| seed.deserialize(watched)).transpose()
    }
}

/// Any name.
struct AnyName;

impl<'de> DeserializeSeed<'de> for AnyName {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_identifier(IgnoredAny).map(|_| ())
    }
}
