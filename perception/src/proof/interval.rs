//! Intervals, and affine layers over boxes of them: the arithmetic that `bounds` and the agent's certificates stand on.
//!
//! Everything is computed in f64. The operators of [`Interval`] round outwards by what the same operation may lose in f32; of
//! single numbers they give what f32 gives. Those of [`Affine`] do not, they are for a network as a real function: what a whole network loses in f32 is added once, at its end,
//! because bounds that carry a worst loss from layer to layer are a thousand times wider than what is lost. There is no directed
//! rounding: what f64 itself loses is ignored.
//!
//! # Source
//! Interval arithmetic: Moore 1966, "Interval Analysis". Boxes through networks by centre and radius: Gowal et al. 2018,
//! arXiv:1810.12715.

use burn::nn::Linear;
use burn::prelude::*;

/// Most that one operation in f32 loses, as a share of its result.
pub const ROUNDING: f64 = 1.0 / (1 << 24) as f64;

/// All numbers between two, both included.
///
/// The operators give what the same operation in f32 can give on members of their operands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The least.
    pub low: f64,
    /// The greatest.
    pub high: f64,
}

impl Interval {
    /// Every number.
    pub const ALL: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY };

    /// One number.
    #[must_use]
    pub fn exactly(value: f32) -> Self {
        Self { low: f64::from(value), high: f64::from(value) }
    }

    /// The least interval around all these; of nothing, every number.
    #[must_use]
    pub fn around(values: impl IntoIterator<Item = f64>) -> Self {
        let start = Self { low: f64::INFINITY, high: f64::NEG_INFINITY };
        let found = values.into_iter().fold(start, |found, value| {
            // A number that is not one says nothing.
            if value.is_nan() { Self::ALL } else { Self { low: found.low.min(value), high: found.high.max(value) } }
        });
        if found.low <= found.high { found } else { Self::ALL }
    }

    /// The least interval around two.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// Whether a number is in it.
    #[must_use]
    pub fn contains(self, value: f32) -> bool {
        (self.low..=self.high).contains(&f64::from(value))
    }

    /// Half of its length.
    #[must_use]
    pub fn radius(self) -> f64 {
        0.5 * (self.high - self.low)
    }

    /// Its middle.
    #[must_use]
    pub fn centre(self) -> f64 {
        0.5 * (self.low + self.high)
    }

    /// The greatest magnitude in it.
    #[must_use]
    pub fn magnitude(self) -> f64 {
        self.low.abs().max(self.high.abs())
    }

    /// Longer by `margin` on both sides.
    #[must_use]
    pub fn widened(self, margin: f64) -> Self {
        Self { low: self.low - margin, high: self.high + margin }
    }

    /// Each member brought to between two bounds; comparing loses nothing.
    #[must_use]
    pub fn clamp(self, low: f32, high: f32) -> Self {
        let clamp = |value: f64| value.max(f64::from(low)).min(f64::from(high));
        Self { low: clamp(self.low), high: clamp(self.high) }
    }

    /// The greater of each member and another number.
    #[must_use]
    pub fn at_least(self, least: f32) -> Self {
        self.clamp(least, f32::INFINITY)
    }

    /// What both hold. Two sound intervals of one number always overlap.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self { low: self.low.max(other.low), high: self.high.min(other.high) }
    }

    /// Bounds of a formula over a box. With all other operands held it must rise or fall with each of them, whichever of the two
    /// that depends on where they are held: then its ends are at corners. What f32 loses in the formula is the caller's business.
    #[must_use]
    pub fn at_corners<const COUNT: usize>(operands: [Self; COUNT], formula: impl Fn([f64; COUNT]) -> f64) -> Self {
        let corner = |corner: usize| {
            formula(std::array::from_fn(|index| {
                if corner >> index & 1 == 1 { operands[index].high } else { operands[index].low }
            }))
        };
        Self::around((0..1 << COUNT).map(corner))
    }

    /// The square root of each member that is not negative.
    #[must_use]
    pub fn sqrt(self) -> Self {
        match self.single() {
            Some(value) => Self::exactly(value.sqrt()),
            None => Self { low: self.low.max(0.0).sqrt(), high: self.high.max(0.0).sqrt() }.rounded(),
        }
    }

    /// Its only member, if that is a number in f32.
    fn single(self) -> Option<f32> {
        let value = self.low as f32;
        (self.low == self.high && f64::from(value) == self.low).then_some(value)
    }

    /// What an operation in f32 makes of members of two: of two single numbers exactly that, otherwise what `bounds` says, rounded.
    fn combined(self, other: Self, exactly: fn(f32, f32) -> f32, bounds: fn(Self, Self) -> Self) -> Self {
        match (self.single(), other.single()) {
            (Some(one), Some(two)) => {
                let found = exactly(one, two);
                // A number that is not one says nothing.
                if found.is_nan() { Self::ALL } else { Self::exactly(found) }
            }
            _ => bounds(self, other).rounded(),
        }
    }

    /// What one operation in f32 makes of it.
    fn rounded(self) -> Self {
        // Below the least normal number the loss is no share of the result.
        let loss = |value: f64| if value.is_finite() { value.abs() * ROUNDING + 1e-40 } else { 0.0 };
        Self { low: self.low - loss(self.low), high: self.high + loss(self.high) }
    }
}

impl From<f32> for Interval {
    fn from(value: f32) -> Self {
        Self::exactly(value)
    }
}

impl std::ops::Neg for Interval {
    type Output = Self;

    fn neg(self) -> Self {
        Self { low: -self.high, high: -self.low }
    }
}

impl<T: Into<Self>> std::ops::Add<T> for Interval {
    type Output = Self;

    fn add(self, other: T) -> Self {
        let bounds = |a: Self, b: Self| Self { low: a.low + b.low, high: a.high + b.high };
        self.combined(other.into(), |a, b| a + b, bounds)
    }
}

impl<T: Into<Self>> std::ops::Sub<T> for Interval {
    type Output = Self;

    fn sub(self, other: T) -> Self {
        self + -other.into()
    }
}

impl<T: Into<Self>> std::ops::Mul<T> for Interval {
    type Output = Self;

    fn mul(self, other: T) -> Self {
        let bounds = |a: Self, b: Self| Self::at_corners([a, b], |[a, b]| a * b);
        self.combined(other.into(), |a, b| a * b, bounds)
    }
}

impl<T: Into<Self>> std::ops::Div<T> for Interval {
    type Output = Self;

    fn div(self, other: T) -> Self {
        let other = other.into();
        if other.low <= 0.0 && other.high >= 0.0 {
            return Self::ALL;
        }
        self.combined(other, |a, b| a / b, |a, b| Self::at_corners([a, b], |[a, b]| a / b))
    }
}

/// A matrix and a bias.
#[derive(Clone, Debug)]
pub struct Affine {
    outputs: usize,
    /// `inputs × outputs`
    weight: Vec<f64>,
    bias: Vec<f64>,
}

impl Affine {
    /// A matrix and a bias from plain numbers.
    ///
    /// # Shapes
    /// - `weight`: `inputs × outputs`; `bias`: `outputs`
    #[must_use]
    pub fn new(weight: Vec<f64>, bias: Vec<f64>) -> Self {
        Self { outputs: bias.len(), weight, bias }
    }

    /// Those of a layer.
    #[must_use]
    pub fn of(layer: &Linear) -> Self {
        let numbers = |data: TensorData| data.iter::<f64>().collect::<Vec<f64>>();
        let weight = numbers(layer.weight.val().into_data());
        let outputs = layer.weight.dims()[1];
        let bias = layer.bias.as_ref().map_or_else(|| vec![0.0; outputs], |bias| numbers(bias.val().into_data()));
        Self::new(weight, bias)
    }

    /// Numbers it takes.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.weight.len() / self.outputs
    }

    /// The weights of one input.
    #[must_use]
    pub fn row(&self, input: usize) -> &[f64] {
        &self.weight[input * self.outputs..][..self.outputs]
    }

    /// Every weight, for whoever derives another layer from this one.
    ///
    /// # Shapes
    /// - returns: `inputs × outputs`
    #[must_use]
    pub fn weight(&self) -> &[f64] {
        &self.weight
    }

    /// The bias.
    #[must_use]
    pub fn bias(&self) -> &[f64] {
        &self.bias
    }

    /// The product with a vector.
    #[must_use]
    pub fn product(&self, input: impl IntoIterator<Item = f64>) -> Vec<f64> {
        let mut sums = vec![0.0; self.outputs];
        for (input, row) in input.into_iter().zip(self.weight.chunks_exact(self.outputs)) {
            if input != 0.0 {
                sums.iter_mut().zip(row).for_each(|(sum, weight)| *sum += weight * input);
            }
        }
        sums
    }

    /// The product of the matrix of magnitudes with a vector.
    #[must_use]
    pub fn magnitude_product(&self, input: impl IntoIterator<Item = f64>) -> Vec<f64> {
        let mut sums = vec![0.0; self.outputs];
        for (input, row) in input.into_iter().zip(self.weight.chunks_exact(self.outputs)) {
            if input != 0.0 {
                sums.iter_mut().zip(row).for_each(|(sum, weight)| *sum += weight.abs() * input);
            }
        }
        sums
    }

    /// Bounds of the product with every vector of a box.
    #[must_use]
    pub fn bound_product(&self, input: &[Interval]) -> Vec<Interval> {
        let centre = self.product(input.iter().map(|interval| interval.centre()));
        let radius = self.magnitude_product(input.iter().map(|interval| interval.radius()));
        centre.into_iter().zip(radius).map(|(at, by)| Interval { low: at - by, high: at + by }).collect()
    }

    /// Bounds of the outputs over a box.
    #[must_use]
    pub fn bound(&self, input: &[Interval]) -> Vec<Interval> {
        self.with_bias(self.bound_product(input))
    }

    /// Bounds of the outputs from those of the product.
    #[must_use]
    pub fn with_bias(&self, product: Vec<Interval>) -> Vec<Interval> {
        let add = |(product, bias): (Interval, &f64)| Interval { low: product.low + bias, high: product.high + bias };
        product.into_iter().zip(&self.bias).map(add).collect()
    }
}

/// The positive part of each.
#[must_use]
pub fn relu(mut intervals: Vec<Interval>) -> Vec<Interval> {
    intervals.iter_mut().for_each(|interval| *interval = interval.at_least(0.0));
    intervals
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    #[test]
    fn operations_hold_what_f32_makes_of_members() {
        let mut random = Pcg64Mcg::seed_from_u64(1);
        for _ in 0..20_000 {
            let mut draw = || {
                let (a, b): (f32, f32) = (random.random_range(-3.0..3.0), random.random_range(-3.0..3.0));
                let inside = a + (b - a) * random.random::<f32>();
                (Interval::around([f64::from(a), f64::from(b)]), inside.clamp(a.min(b), a.max(b)))
            };
            let ((x, a), (y, b)) = (draw(), draw());
            let both = [(x + y, a + b), (x - y, a - b), (x * y, a * b), (x / y, a / b), (x * 0.1, a * 0.1)];
            for (interval, value) in both {
                assert!(interval.contains(value), "{interval:?} without {value}");
            }
            assert!((x.at_least(0.5)).contains(a.max(0.5)) && x.clamp(-1.0, 1.0).contains(a.clamp(-1.0, 1.0)));
        }
    }

    #[test]
    fn a_layer_reaches_its_bounds_at_corners_and_nowhere_leaves_them() {
        let mut random = Pcg64Mcg::seed_from_u64(2);
        let mut draw = |count: usize| (0..count).map(|_| random.random_range(-1.0..1.0)).collect::<Vec<f64>>();
        let layer = Affine::new(draw(12), draw(3));
        let input: Vec<Interval> = draw(4).iter().map(|at| Interval { low: at - 0.1, high: at + 0.1 }).collect();
        let bounds = layer.bound(&input);
        for (output, bound) in bounds.iter().enumerate() {
            let corner = |up: bool| {
                let end = |index: usize, input: &Interval| {
                    if (layer.row(index)[output] > 0.0) == up { input.high } else { input.low }
                };
                let corner: Vec<f64> = input.iter().enumerate().map(|(index, input)| end(index, input)).collect();
                layer.product(corner)[output] + layer.bias()[output]
            };
            let (low, high) = (corner(false), corner(true));
            assert!(bound.low <= low + 1e-12 && bound.low > low - 1e-5, "{bound:?} from {low}");
            assert!(bound.high >= high - 1e-12 && bound.high < high + 1e-5, "{bound:?} to {high}");
        }
    }
}
