//! A parse that leaves a trail: which value and which name of a field was read when, and where it came to an end.
//!
//! It reads what the parser below it reads, in the same order, so that a turn means the same in each parse of one text. What
//! [`Repairs`] say of a turn is done in it: something else stands in for a value, a field is left out or supplied. Each part of the
//! parser below is watched: what it reads goes to whoever waits for it by way of the trail.

use super::repairs::{Asked, Failure, Repairs, Turn};
use super::stand_in::StandIn;
use serde::Deserialize;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Formatter;
use std::marker::PhantomData;

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

/// A part of the parser below, or of what stands in for it, on the trail.
struct Watched<'t, 'r, I> {
    inner: I,
    trail: &'t Trail<'r>,
    turn: Turn,
}

impl<'t, 'r, I> Watched<'t, 'r, I> {
    fn seen<V>(&self, visitor: V, asked: Asked) -> Seen<'t, 'r, V> {
        self.trail.asked.set(asked);
        Seen { visitor, trail: self.trail, turn: self.turn, asked }
    }
}

macro_rules! read {
    ($($method:ident($($argument:ident: $kind:ty),*) as $asked:expr;)+) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $kind,)* visitor: V) -> Result<V::Value, D::Error> {
            let seen = self.seen(visitor, $asked);
            self.inner.$method($($argument,)* seen)
        }
    )+};
}

type Names = &'static [&'static str];

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Watched<'_, '_, D> {
    type Error = D::Error;

    read! {
        deserialize_any() as Asked::Otherwise;
        deserialize_bool() as Asked::Otherwise;
        deserialize_i8() as Asked::Otherwise;
        deserialize_i16() as Asked::Otherwise;
        deserialize_i32() as Asked::Otherwise;
        deserialize_i64() as Asked::Otherwise;
        deserialize_u8() as Asked::Otherwise;
        deserialize_u16() as Asked::Otherwise;
        deserialize_u32() as Asked::Otherwise;
        deserialize_u64() as Asked::Otherwise;
        deserialize_f32() as Asked::Otherwise;
        deserialize_f64() as Asked::Otherwise;
        deserialize_char() as Asked::Otherwise;
        deserialize_str() as Asked::Otherwise;
        deserialize_string() as Asked::Otherwise;
        deserialize_bytes() as Asked::Otherwise;
        deserialize_byte_buf() as Asked::Otherwise;
        deserialize_option() as Asked::Otherwise;
        deserialize_unit() as Asked::Otherwise;
        deserialize_unit_struct(name: &'static str) as Asked::Otherwise;
        deserialize_newtype_struct(name: &'static str) as Asked::Otherwise;
        deserialize_seq() as Asked::Otherwise;
        deserialize_tuple(length: usize) as Asked::Otherwise;
        deserialize_tuple_struct(name: &'static str, length: usize) as Asked::Otherwise;
        deserialize_map() as Asked::Otherwise;
        deserialize_ignored_any() as Asked::Otherwise;
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: Names,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let seen = self.seen(visitor, Asked::Field(fields));
        self.inner.deserialize_struct(name, fields, seen)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        names: Names,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let seen = self.seen(visitor, Asked::Variant { of: name, names });
        self.inner.deserialize_enum(name, names, seen)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        // What was asked for is known already: this is a name of it.
        let asked = self.trail.asked.get();
        let seen = self.seen(visitor, asked);
        self.inner.deserialize_identifier(seen)
    }
}

/// Whoever waits for what was read.
struct Seen<'t, 'r, V> {
    visitor: V,
    trail: &'t Trail<'r>,
    turn: Turn,
    asked: Asked,
}

macro_rules! pass_on {
    ($($method:ident: $kind:ty;)+) => {$(
        fn $method<E: Error>(self, value: $kind) -> Result<V::Value, E> {
            self.visitor.$method(value)
        }
    )+};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Seen<'_, '_, V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        self.visitor.expecting(formatter)
    }

    pass_on! {
        visit_bool: bool;
        visit_i8: i8;
        visit_i16: i16;
        visit_i32: i32;
        visit_i64: i64;
        visit_u8: u8;
        visit_u16: u16;
        visit_u32: u32;
        visit_u64: u64;
        visit_f32: f32;
        visit_f64: f64;
        visit_char: char;
        visit_string: String;
        visit_bytes: &[u8];
        visit_borrowed_bytes: &'de [u8];
        visit_byte_buf: Vec<u8>;
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<V::Value, E> {
        self.trail.name.replace(text.to_owned());
        self.visitor.visit_str(text)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<V::Value, E> {
        self.trail.name.replace(text.to_owned());
        self.visitor.visit_borrowed_str(text)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(Watched { inner, trail: self.trail, turn: self.turn })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_newtype_struct(Watched { inner, trail: self.trail, turn: self.turn })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let Self { visitor, trail, turn, .. } = self;
        visitor.visit_seq(Items { inner, trail, last: turn, count: 0 })
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let Self { visitor, trail, turn, asked } = self;
        let supplied = trail.repairs.supplied(turn);
        let fields = Fields { inner, trail, turn, asked, last: turn, name: String::new(), supplied, supplying: false };
        visitor.visit_map(fields)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_enum(Watched { inner, trail: self.trail, turn: self.turn })
    }
}

impl<'de, 't, 'r, A: EnumAccess<'de>> EnumAccess<'de> for Watched<'t, 'r, A> {
    type Error = A::Error;
    type Variant = Watched<'t, 'r, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, inner) = self.inner.variant_seed(seed)?;
        Ok((value, Watched { inner, trail: self.trail, turn: self.turn }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Watched<'_, '_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        let turn = self.trail.turn();
        self.inner.newtype_variant_seed(Value { seed, trail: self.trail, turn })
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, A::Error> {
        let seen = self.seen(visitor, Asked::Otherwise);
        self.inner.tuple_variant(length, seen)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: Names, visitor: V) -> Result<V::Value, A::Error> {
        let seen = self.seen(visitor, Asked::Field(fields));
        self.inner.struct_variant(fields, seen)
    }
}

/// The items of a list.
struct Items<'t, 'r, A> {
    inner: A,
    trail: &'t Trail<'r>,
    /// The item before, or the list as long as there was none.
    last: Turn,
    count: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Items<'_, '_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let (trail, turn) = (self.trail, self.trail.turn());
        let item = trail.below(self.count.to_string(), || {
            let item = self.inner.next_element_seed(Value { seed, trail, turn });
            // A comma that is missing is noticed before the next one begins, and the one before may have been read too short.
            let at = if trail.begun.get() >= turn { turn } else { self.last };
            trail.noted(item, at, None)
        });
        (self.last, self.count) = (turn, self.count + 1);
        item
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

/// The fields of a struct or of a variant of an enum.
struct Fields<'t, 'r, A> {
    inner: A,
    trail: &'t Trail<'r>,
    turn: Turn,
    asked: Asked,
    /// The value before, or the struct if there was none or one that was left out.
    last: Turn,
    name: String,
    /// What is still to be supplied at the end.
    supplied: &'r [&'static str],
    supplying: bool,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Fields<'_, '_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let trail = self.trail;
        let mut turn = trail.turn();
        while trail.repairs.leaves_out(turn) {
            self.last = self.turn;
            if self.inner.next_key_seed(AnyName)?.is_some() {
                self.inner.next_value::<IgnoredAny>()?;
            }
            turn = trail.turn();
        }
        trail.last_name.set(turn);
        trail.asked.set(self.asked);
        let mut seed = Some(seed);
        let name = self.inner.next_key_seed(Name { seed: &mut seed, trail, turn });
        if let (Err(_), Some(_)) = (&name, &seed) {
            // As in a list: no name was begun.
            let last = std::mem::take(&mut self.name);
            return trail.below(last, || trail.noted(name.map(|_| None), self.last, None));
        }
        if let Some(name) = trail.noted(name, self.turn, Some(turn))?.flatten() {
            self.name = trail.name.take();
            trail.names.borrow_mut().entry(self.turn).or_default().push(self.name.clone());
            if let Stop::AtPath(path) = trail.stop
                && trail.below(self.name.clone(), || trail.is_at(path))
            {
                trail.stopped.set(Stopped::BehindName);
                return Err(A::Error::custom(""));
            }
            return Ok(Some(name));
        }
        let (Some(seed), Some((&name, rest))) = (seed, self.supplied.split_first()) else { return Ok(None) };
        (self.supplied, self.supplying, self.name) = (rest, true, name.to_owned());
        seed.deserialize(name.into_deserializer()).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let (trail, turn) = (self.trail, self.trail.turn());
        self.last = turn;
        let value = Value { seed, trail, turn };
        trail.below(self.name.clone(), || {
            if self.supplying {
                return trail.in_stand_in(turn, || value.deserialize(StandIn::new(1.0)));
            }
            trail.noted(self.inner.next_value_seed(value), turn, None)
        })
    }

    fn size_hint(&self) -> Option<usize> {
        None
    }
}
