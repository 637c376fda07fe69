//! What one measurement adds to an estimate: the correction of a Kalman filter, cut. Both filters correct by it, and its formulas
//! stand here once: they are computed in f32, and in f64 at the corners of boxes.
//!
//! Over intervals as they stand they would give more than can be: the variance of a surprise is in a correction twice, and the number
//! that was measured is in its own surprise.

use roadproof_perception::proof::interval::{Interval, ROUNDING};
use roadproof_perception::proof::number::Number;

/// Surprises beyond so many standard deviations count as this many.
///
/// # Source
/// Huber 1964, "Robust Estimation of a Location Parameter": the usual bound is 1.345 for identically distributed errors; errors
/// of neighbouring frames are alike, so more is let through here.
pub(super) const MOST_SURPRISE: f32 = 2.0;

/// More than the handful of operations of a correction lose in f32, as a share of its operands.
const ROUNDINGS: f64 = 16.0 * ROUNDING;

/// Numbers that an estimate can be made of.
pub trait Estimate: Number {
    /// What a measurement adds to a number: its gain times the surprise, which counts as `most_surprise` standard deviations at most.
    /// `covariance` is that of the number with what was measured, `variance` that of the surprise.
    fn correction(covariance: Self, variance: Self, surprise: Self, most_surprise: f32) -> Self;

    /// The measured number itself after a measurement: `variance` is its own before, `noise` that of the measurement.
    fn corrected(state: Self, measured: Self, variance: Self, noise: Self, most_surprise: f32) -> Self;
}

fn correction<N: Number>(covariance: N, variance: N, surprise: N, most_surprise: f32) -> N {
    covariance / variance * surprise.cut(variance.sqrt() * N::from(most_surprise))
}

fn corrected<N: Number>(state: N, measured: N, variance: N, noise: N, most_surprise: f32) -> N {
    state + correction(variance, variance + noise, measured - state, most_surprise)
}

impl Estimate for f32 {
    fn correction(covariance: Self, variance: Self, surprise: Self, most_surprise: f32) -> Self {
        correction(covariance, variance, surprise, most_surprise)
    }

    fn corrected(state: Self, measured: Self, variance: Self, noise: Self, most_surprise: f32) -> Self {
        corrected(state, measured, variance, noise, most_surprise)
    }
}

impl Estimate for Interval {
    /// It grows or falls with the covariance and with the surprise, and falls with the variance in magnitude: its ends are at
    /// corners.
    fn correction(covariance: Self, variance: Self, surprise: Self, most_surprise: f32) -> Self {
        if variance.low <= 0.0 {
            return Self::ALL;
        }
        let found = Self::at_corners([covariance, variance, surprise], |[covariance, variance, surprise]| {
            correction(covariance, variance, surprise, most_surprise)
        });
        found.widened(ROUNDINGS * found.magnitude())
    }

    /// It grows with the number and with what was measured, because the gain is at most one; what is added grows with the variance
    /// and falls with the noise, both in magnitude: its ends are at corners.
    fn corrected(state: Self, measured: Self, variance: Self, noise: Self, most_surprise: f32) -> Self {
        if variance.low <= 0.0 {
            return state + Self::correction(variance, variance + noise, measured - state, most_surprise);
        }
        let found = Self::at_corners([state, measured, variance, noise], |[state, measured, variance, noise]| {
            corrected(state, measured, variance, noise, most_surprise)
        });
        // No more is added than the surprise, which is a difference of the two.
        found.widened(ROUNDINGS * (state.magnitude() + measured.magnitude()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    #[test]
    fn bounds_hold_every_correction_and_are_narrower_than_the_formula_over_intervals() {
        let mut random = Pcg64Mcg::seed_from_u64(8);
        let mut narrower = [0; 2];
        for most_surprise in [MOST_SURPRISE, f32::INFINITY].repeat(3000) {
            let mut draw = |low: f32, high: f32| {
                let (a, b) = (random.random_range(low..high), random.random_range(low..high));
                let inside = (a + (b - a) * random.random::<f32>()).clamp(a.min(b), a.max(b));
                (Interval::around([f64::from(a), f64::from(b)]), inside)
            };
            let (covariance, own, noise) = (draw(-1.0, 1.0), draw(0.05, 1.0), draw(0.05, 1.0));
            let (state, measured) = (draw(-3.0, 3.0), draw(-3.0, 3.0));
            let (one, two) = (
                Interval::correction(covariance.0, own.0, measured.0, most_surprise),
                Interval::corrected(state.0, measured.0, own.0, noise.0, most_surprise),
            );
            let found = f32::correction(covariance.1, own.1, measured.1, most_surprise);
            assert!(one.contains(found), "{one:?} without {found}");
            let found = f32::corrected(state.1, measured.1, own.1, noise.1, most_surprise);
            assert!(two.contains(found), "{two:?} without {found}");
            let wide = [
                correction(covariance.0, own.0, measured.0, most_surprise),
                corrected(state.0, measured.0, own.0, noise.0, most_surprise),
            ];
            for (count, (narrow, wide)) in narrower.iter_mut().zip([one, two].into_iter().zip(wide)) {
                *count += usize::from(narrow.radius() < 0.99 * wide.radius());
            }
        }
        assert!(narrower.iter().all(|count| *count > 2000), "{narrower:?} of 6000");
    }
}
