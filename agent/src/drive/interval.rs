//! How far a figure over drives can be trusted: intervals that would hold the true one in 95 of 100 such samples.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::Serialize;

/// Samples that are drawn again.
const RESAMPLES: usize = 2000;
/// Quantile of the standard normal distribution that leaves 2.5 % beyond it.
const NORMAL_975: f64 = 1.959_964;

/// An estimate over drives with its interval of 95 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// The estimate.
    pub value: f32,
    /// Lower end of the interval.
    pub low: f32,
    /// Upper end of the interval.
    pub high: f32,
}

impl Estimate {
    /// The mean of one number a drive, with the percentile bootstrap's interval over drives. Of nothing, not a number.
    ///
    /// # Source
    /// Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13.
    ///
    /// # Example
    /// ```
    /// use roadproof_agent::drive::interval::Estimate;
    ///
    /// let scores = Estimate::mean(&[80.0, 100.0, 90.0, 100.0]);
    /// assert_eq!(scores.value, 92.5);
    /// assert!(80.0 <= scores.low && scores.low < 92.5 && scores.high <= 100.0);
    /// ```
    #[must_use]
    pub fn mean(values: &[f32]) -> Self {
        Self::of(values.len(), |drives| {
            drives.iter().map(|&drive| f64::from(values[drive])).sum::<f64>() / drives.len() as f64
        })
    }

    /// Any figure over so many drives, with the same interval. `figure` is given the numbers of the drives, some of them more than
    /// once, and may be a ratio of two sums, which no interval of a mean would be right for.
    #[must_use]
    pub fn of(drives: usize, figure: impl Fn(&[usize]) -> f64) -> Self {
        if drives == 0 {
            return Self { value: f32::NAN, low: f32::NAN, high: f32::NAN };
        }
        // One seed for all: the same figures have the same interval wherever they are shown.
        let mut random = Pcg64Mcg::seed_from_u64(1993);
        let mut again = || -> Vec<usize> { (0..drives).map(|_| random.random_range(0..drives)).collect() };
        let mut figures: Vec<f64> = (0..RESAMPLES).map(|_| figure(&again())).collect();
        figures.sort_by(f64::total_cmp);
        let quantile = |share: f64| figures[(share * (RESAMPLES - 1) as f64).round() as usize] as f32;
        let all: Vec<usize> = (0..drives).collect();
        Self { value: figure(&all) as f32, low: quantile(0.025), high: quantile(0.975) }
    }

    /// A share of drives, 0 to 1, with Wilson's interval: the bootstrap's has no width where no drive or every drive is one, which
    /// is where the interval matters most. Of nothing, not a number.
    ///
    /// # Source
    /// Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".
    ///
    /// # Example
    /// ```
    /// use roadproof_agent::drive::interval::Estimate;
    ///
    /// let failures = Estimate::share(0, 60);
    /// assert!(failures.value == 0.0 && failures.low == 0.0 && (failures.high - 0.060).abs() < 1e-3);
    /// ```
    #[must_use]
    pub fn share(count: usize, of: usize) -> Self {
        let (n, z) = (of as f64, NORMAL_975);
        let p = count as f64 / n;
        let middle = p + z * z / (2.0 * n);
        let reach = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        let end = |value: f64| (value / (1.0 + z * z / n)) as f32;
        // At the ends rounding would leave a hair between the share and its bound.
        let low = if count == 0 { 0.0 } else { end(middle - reach) };
        let high = if count == of { p as f32 } else { end(middle + reach) };
        Self { value: p as f32, low, high }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bootstrap_covers_the_true_mean_as_often_as_it_says() {
        let mut random = Pcg64Mcg::seed_from_u64(5);
        let covered = (0..300).filter(|_| {
            // Skewed, as scores are: mean 0.75.
            let values: Vec<f32> = (0..40).map(|_| 1.0 - random.random::<f32>() * random.random::<f32>()).collect();
            let Estimate { low, high, .. } = Estimate::mean(&values);
            (low..=high).contains(&0.75)
        });
        let covered = covered.count();
        assert!((270..=295).contains(&covered), "{covered} of 300");
    }

    #[test]
    fn shares_have_wilsons_interval() {
        // From the formula, to four places: 8 of 10, 0 of 10, 10 of 10.
        for (count, low, high) in [(8, 0.4902, 0.9433), (0, 0.0, 0.2775), (10, 0.7225, 1.0)] {
            let share = Estimate::share(count, 10);
            assert!((share.low - low).abs() < 1e-4 && (share.high - high).abs() < 1e-4, "{share:?}");
        }
    }

    #[test]
    fn a_ratio_of_sums_is_drawn_drive_by_drive() {
        let (kept, clean) = ([90.0, 0.0, 80.0], [100.0, 100.0, 80.0]);
        let ratio = |drives: &[usize]| {
            let sum = |values: &[f64]| drives.iter().map(|&drive| values[drive]).sum::<f64>();
            sum(&kept) / sum(&clean)
        };
        let estimate = Estimate::of(3, ratio);
        assert!((estimate.value - 170.0 / 280.0).abs() < 1e-6 && estimate.low == 0.0 && estimate.high == 1.0);
        assert!(Estimate::mean(&[]).value.is_nan() && Estimate::share(0, 0).value.is_nan());
    }
}
