//! What is left of a drive: shares of the clean score, whether it held, and what became of it.

use crate::attack::found::KEPT;
use crate::drive::interval::Estimate;
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

/// A ratio of two sums over drives, with its interval over drives.
pub(in crate::robustness) fn ratio_of_sums(parts: &[f32], wholes: &[f32]) -> Estimate {
    Estimate::of(parts.len(), |drives| {
        let sum = |values: &[f32]| drives.iter().map(|&drive| f64::from(values[drive])).sum::<f64>();
        sum(parts) / sum(wholes)
    })
}

/// Ends of drives that nobody would call getting there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::robustness) enum Failure {
    /// Something was hit.
    Collision,
    /// The road was left, or driven the wrong way.
    OffRoad,
    /// The car stood for good with nothing in front of it, or was not there in time.
    BlockedOrLate,
}

impl Failure {
    /// What an outcome is, if it is one; `usual` is how the drive ends where nothing is wrong. Who creeps until the time is up is
    /// never blocked, and has not arrived either.
    pub fn of(outcome: Outcome, usual: Outcome) -> Option<Self> {
        match outcome {
            Outcome::Collision => Some(Self::Collision),
            Outcome::OffRoad | Outcome::WrongWay => Some(Self::OffRoad),
            Outcome::Blocked => Some(Self::BlockedOrLate),
            Outcome::TimeUp => (usual == Outcome::Arrived).then_some(Self::BlockedOrLate),
            Outcome::Arrived => None,
        }
    }
}
