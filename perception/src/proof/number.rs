//! What formulas are written over that are computed in f32 and bounded over intervals: once, so that the two cannot disagree.

use crate::proof::interval::Interval;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A number, or all numbers between two.
///
/// In f32 every method is the one operation that its name says, so that a formula has the same bits as if it were written over f32.
/// In f64 a formula over intervals is computed at the corners of a box.
pub trait Number:
    Copy
    + From<f32>
    + Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
{
    /// Brought to between two bounds.
    #[must_use]
    fn clamp(self, low: f32, high: f32) -> Self;

    /// The greater of it and another number.
    #[must_use]
    fn at_least(self, least: f32) -> Self;

    /// Brought to between `most` below zero and `most` above; `most` is not negative.
    #[must_use]
    fn cut(self, most: Self) -> Self;

    /// The square root of a number that is not negative.
    #[must_use]
    fn sqrt(self) -> Self;
}

impl Number for f32 {
    fn clamp(self, low: f32, high: f32) -> Self {
        Self::clamp(self, low, high)
    }

    fn at_least(self, least: f32) -> Self {
        self.max(least)
    }

    fn cut(self, most: Self) -> Self {
        Self::clamp(self, -most, most)
    }

    fn sqrt(self) -> Self {
        Self::sqrt(self)
    }
}

impl Number for f64 {
    fn clamp(self, low: f32, high: f32) -> Self {
        Self::clamp(self, Self::from(low), Self::from(high))
    }

    fn at_least(self, least: f32) -> Self {
        self.max(Self::from(least))
    }

    fn cut(self, most: Self) -> Self {
        Self::clamp(self, -most, most)
    }

    fn sqrt(self) -> Self {
        Self::sqrt(self)
    }
}

impl Number for Interval {
    fn clamp(self, low: f32, high: f32) -> Self {
        Self::clamp(self, low, high)
    }

    fn at_least(self, least: f32) -> Self {
        Self::at_least(self, least)
    }

    fn cut(self, most: Self) -> Self {
        // A negative end is furthest out where most is allowed, and a positive one furthest in where least is.
        let (least, most) = (most.low.max(0.0), most.high.max(0.0));
        Self { low: self.low.max(-most).min(least), high: self.high.min(most).max(-least) }
    }

    fn sqrt(self) -> Self {
        Self::sqrt(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    /// A formula in which every method occurs.
    fn formula<N: Number>([a, b, c]: [N; 3]) -> N {
        let most = b.at_least(0.5).sqrt() * N::from(0.7);
        (a - c * b).cut(most) / (b.at_least(0.0) + N::from(1.0)) + (-c).clamp(-1.0, 2.0)
    }

    #[test]
    fn a_formula_over_intervals_holds_what_it_gives_in_f32() {
        let mut random = Pcg64Mcg::seed_from_u64(3);
        let mut tight = 0;
        for _ in 0..20_000 {
            let ends: [(f32, f32); 3] =
                std::array::from_fn(|_| (random.random_range(-3.0..3.0), random.random_range(-3.0..3.0)));
            let inside = ends.map(|(a, b)| (a + (b - a) * random.random::<f32>()).clamp(a.min(b), a.max(b)));
            let bounds = formula(ends.map(|(a, b)| Interval::around([f64::from(a), f64::from(b)])));
            let (single, double) = (formula(inside), formula(inside.map(f64::from)));
            assert!(bounds.contains(single), "{bounds:?} without {single}");
            assert!((f64::from(single) - double).abs() < 1e-5, "{single} in f32, {double} in f64");
            assert_eq!(formula(inside.map(Interval::exactly)), Interval::exactly(single), "one number has one result");
            tight += usize::from(bounds.radius() < 2.5);
        }
        assert!(tight > 15_000, "{tight} of 20000 bounds say something");
    }
}
