//! Numbers that are checked where they stand in a file, so that a mistake is reported with its line and column.
//!
//! Scenarios and settings of every crate are read with these; whoever reads a field names its bounds beside it with [`bounded`] or
//! [`bounded_option`]. There is nothing of the simulator in here.

use serde::Deserialize;
use serde::de::Error;
use std::fmt::Display;
use std::ops::RangeInclusive;

pub use serde::Deserializer;

/// Makes functions for `#[serde(deserialize_with = "…")]` that refuse a number out of bounds.
///
/// # Example
/// ```
/// mod range {
///     roadproof_range::bounded! {
///         gamma: f32 = 0.0 to 1.0;
///     }
/// }
///
/// #[derive(Debug, serde::Deserialize)]
/// struct Discount {
///     #[serde(deserialize_with = "range::gamma")]
///     gamma: f32,
/// }
///
/// let error = ron::from_str::<Discount>("(gamma: 1.5)").expect_err("out of bounds");
/// assert_eq!(error.code.to_string(), "gamma = 1.5, allowed is 0 to 1");
/// ```
#[macro_export]
macro_rules! bounded {
    ($($name:ident: $kind:ty = $low:literal to $high:literal;)+) => {$(
        pub(crate) fn $name<'de, D: $crate::Deserializer<'de>>(deserializer: D) -> Result<$kind, D::Error> {
            $crate::within(stringify!($name), &($low..=$high), deserializer)
        }
    )+};
}

/// The same for numbers that may be left out.
#[macro_export]
macro_rules! bounded_option {
    ($($name:ident: $kind:ty = $low:literal to $high:literal;)+) => {$(
        pub(crate) fn $name<'de, D: $crate::Deserializer<'de>>(deserializer: D) -> Result<Option<$kind>, D::Error> {
            $crate::within_if_given(stringify!($name), &($low..=$high), deserializer)
        }
    )+};
}

/// A number that can have bounds.
pub trait Number: PartialOrd + Display + Copy {
    /// As what it is read: whole numbers with a sign, so that one below nought is refused with the bounds rather than by the parser.
    type Read<'de>: Deserialize<'de> + Display + Copy;

    /// The number, if it fits at all.
    fn fitting(read: Self::Read<'_>) -> Option<Self>;
}

macro_rules! number {
    ($($kind:ty: $read:ty;)+) => {$(
        impl Number for $kind {
            type Read<'de> = $read;

            fn fitting(read: $read) -> Option<Self> {
                Self::try_from(read).ok()
            }
        }
    )+};
}

number! {
    f32: f32;
    f64: f64;
    u8: i64;
    u16: i64;
    u32: i64;
    u64: i64;
    usize: i64;
    i32: i64;
}

/// Reads a number within bounds.
///
/// # Errors
/// Field, value and bounds, if it is not; a number that is not one is in no range.
pub fn within<'de, T, D>(field: &str, bounds: &RangeInclusive<T>, deserializer: D) -> Result<T, D::Error>
where
    T: Number,
    D: Deserializer<'de>,
{
    checked(field, bounds, T::Read::deserialize(deserializer)?)
}

/// Reads a number within bounds, or none.
///
/// # Errors
/// As [`within`].
pub fn within_if_given<'de, T, D>(
    field: &str,
    bounds: &RangeInclusive<T>,
    deserializer: D,
) -> Result<Option<T>, D::Error>
where
    T: Number,
    D: Deserializer<'de>,
{
    Option::<T::Read<'de>>::deserialize(deserializer)?.map(|value| checked(field, bounds, value)).transpose()
}

/// What stands before the bounds in a message.
const ALLOWED: &str = ", allowed is ";

fn checked<T: Number, E: Error>(field: &str, bounds: &RangeInclusive<T>, read: T::Read<'_>) -> Result<T, E> {
    let refusal = || E::custom(format_args!("{field} = {read}{ALLOWED}{} to {}", bounds.start(), bounds.end()));
    T::fitting(read).filter(|value| bounds.contains(value)).ok_or_else(refusal)
}

/// The least number that is allowed, by the message that refuses one.
#[must_use]
pub fn least_allowed(message: &str) -> Option<f64> {
    let (_, bounds) = message.split_once(ALLOWED)?;
    bounds.split(" to ").next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    mod range {
        crate::bounded! {
            share: f32 = 0.0 to 1.0;
            worlds: usize = 1 to 4096;
        }
        crate::bounded_option! {
            minutes: f64 = 0.05 to 100000.0;
        }
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(default)]
    struct Numbers {
        #[serde(deserialize_with = "range::share")]
        share: f32,
        #[serde(deserialize_with = "range::worlds")]
        worlds: usize,
        #[serde(deserialize_with = "range::minutes")]
        minutes: Option<f64>,
    }

    impl Default for Numbers {
        fn default() -> Self {
            Self { share: 0.5, worlds: 3, minutes: None }
        }
    }

    fn read(text: &str) -> Result<Numbers, String> {
        let place = |error: ron::error::SpannedError| {
            format!("{}:{}: {}", error.span.start.line, error.span.start.col, error.code)
        };
        ron::from_str(text).map_err(place)
    }

    #[test]
    fn numbers_are_checked_where_they_stand() {
        let all = Numbers { share: 1.0, worlds: 4096, minutes: Some(0.05) };
        assert_eq!(read("(share: 1.0, worlds: 4096, minutes: Some(0.05))"), Ok(all));
        assert_eq!(read("()"), Ok(Numbers::default()));
        let refused = |text| read(text).expect_err("must be refused");
        assert!(refused("(share: 0.5,\n  worlds: 0)").starts_with("2:"), "{}", refused("(share: 0.5,\n  worlds: 0)"));
        assert!(refused("(worlds: 4097)").ends_with("worlds = 4097, allowed is 1 to 4096"));
        assert!(refused("(worlds: -3)").ends_with("worlds = -3, allowed is 1 to 4096"));
        assert!(refused("(share: NaN)").ends_with("share = NaN, allowed is 0 to 1"));
        assert!(refused("(share: -inf)").ends_with("share = -inf, allowed is 0 to 1"));
        assert!(refused("(minutes: Some(-1.0))").ends_with("minutes = -1, allowed is 0.05 to 100000"));
        let least = |text| super::least_allowed(&refused(text));
        assert_eq!((least("(worlds: 0)"), least("(minutes: Some(0.0))")), (Some(1.0), Some(0.05)));
        assert_eq!(least("(worlds: x)"), None);
    }
}
