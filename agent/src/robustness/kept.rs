//! What is left of a score: means, shares of the clean one, and whether a drive held.

use crate::attack::found::KEPT;
use roadproof_sim::Outcome;

/// Whether a drive did not hold against its clean twin.
pub(in crate::robustness) fn is_broken(clean: (Outcome, f32), faulty: (Outcome, f32)) -> bool {
    clean.0 != faulty.0 || faulty.1 < KEPT * clean.1
}

/// The mean; of nothing, not a number.
pub(in crate::robustness) fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    sum / count as f32
}

/// A share of a positive number; of anything else, not a number.
pub(in crate::robustness) fn ratio(part: f32, whole: f32) -> f32 {
    if whole > 0.0 { part / whole } else { f32::NAN }
}
