//! What stands in for a value that cannot be read: something of whatever type is asked for, so that reading goes on behind it.

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};
use std::marker::PhantomData;

/// A value of any type: this number, the first name of an enum, an empty list, a struct without fields.
pub(super) struct StandIn<E> {
    number: f64,
    error: PhantomData<E>,
}

impl<E> StandIn<E> {
    pub fn new(number: f64) -> Self {
        Self { number, error: PhantomData }
    }
}

macro_rules! answer {
    ($($method:ident($($argument:ident: $kind:ty),*) = |$number:ident, $visitor:ident| $answer:expr;)+) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $kind,)* $visitor: V) -> Result<V::Value, E> {
            let $number = self.number;
            $answer
        }
    )+};
}

impl<'de, E: Error> Deserializer<'de> for StandIn<E> {
    type Error = E;

    answer! {
        deserialize_any() = |_number, visitor| visitor.visit_unit();
        deserialize_ignored_any() = |_number, visitor| visitor.visit_unit();
        deserialize_unit() = |_number, visitor| visitor.visit_unit();
        deserialize_unit_struct(_name: &'static str) = |_number, visitor| visitor.visit_unit();
        deserialize_bool() = |_number, visitor| visitor.visit_bool(true);
        deserialize_i8() = |number, visitor| visitor.visit_i64(number as i64);
        deserialize_i16() = |number, visitor| visitor.visit_i64(number as i64);
        deserialize_i32() = |number, visitor| visitor.visit_i64(number as i64);
        deserialize_i64() = |number, visitor| visitor.visit_i64(number as i64);
        deserialize_u8() = |number, visitor| visitor.visit_u64(number as u64);
        deserialize_u16() = |number, visitor| visitor.visit_u64(number as u64);
        deserialize_u32() = |number, visitor| visitor.visit_u64(number as u64);
        deserialize_u64() = |number, visitor| visitor.visit_u64(number as u64);
        deserialize_f32() = |number, visitor| visitor.visit_f64(number);
        deserialize_f64() = |number, visitor| visitor.visit_f64(number);
        deserialize_char() = |_number, visitor| visitor.visit_char('x');
        deserialize_str() = |_number, visitor| visitor.visit_str("x");
        deserialize_string() = |_number, visitor| visitor.visit_str("x");
        deserialize_identifier() = |_number, visitor| visitor.visit_str("x");
        deserialize_bytes() = |_number, visitor| visitor.visit_bytes(&[]);
        deserialize_byte_buf() = |_number, visitor| visitor.visit_bytes(&[]);
        deserialize_option() = |_number, visitor| visitor.visit_none();
        deserialize_newtype_struct(_name: &'static str) = |number, visitor| {
            visitor.visit_newtype_struct(Self::new(number))
        };
        deserialize_seq() = |_number, visitor| visitor.visit_seq(Parts::<E>::new(0));
        deserialize_tuple(length: usize) = |_number, visitor| visitor.visit_seq(Parts::<E>::new(length));
        deserialize_tuple_struct(_name: &'static str, length: usize) = |_number, visitor| {
            visitor.visit_seq(Parts::<E>::new(length))
        };
        deserialize_map() = |_number, visitor| visitor.visit_map(Parts::<E>::new(0));
        deserialize_struct(_name: &'static str, _fields: &'static [&'static str]) = |_number, visitor| {
            // Fields that have no default are supplied one by one: so is everybody's.
            visitor.visit_map(Parts::<E>::new(0))
        };
        deserialize_enum(_name: &'static str, names: &'static [&'static str]) = |_number, visitor| {
            visitor.visit_enum(First { name: names.first().copied().unwrap_or_default(), error: PhantomData::<E> })
        };
    }
}

/// Parts of a tuple, of a list or of a struct.
struct Parts<E> {
    left: usize,
    next: f64,
    error: PhantomData<E>,
}

impl<E> Parts<E> {
    fn new(left: usize) -> Self {
        Self { left, next: 1.0, error: PhantomData }
    }
}

impl<'de, E: Error> SeqAccess<'de> for Parts<E> {
    type Error = E;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, E> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        // Rising, so that they are a span too.
        let number = self.next;
        (self.left, self.next) = (left, number + 1.0);
        seed.deserialize(StandIn::new(number)).map(Some)
    }
}

impl<'de, E: Error> MapAccess<'de> for Parts<E> {
    type Error = E;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, _seed: S) -> Result<Option<S::Value>, E> {
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, E> {
        seed.deserialize(StandIn::new(self.next))
    }
}

/// The first variant of an enum.
struct First<E> {
    name: &'static str,
    error: PhantomData<E>,
}

impl<'de, E: Error> EnumAccess<'de> for First<E> {
    type Error = E;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), E> {
        Ok((seed.deserialize(StrDeserializer::new(self.name))?, self))
    }
}

impl<'de, E: Error> VariantAccess<'de> for First<E> {
    type Error = E;

    fn unit_variant(self) -> Result<(), E> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, E> {
        seed.deserialize(StandIn::new(1.0))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, E> {
        visitor.visit_seq(Parts::<E>::new(length))
    }

    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], visitor: V) -> Result<V::Value, E> {
        visitor.visit_map(Parts::<E>::new(0))
    }
}
