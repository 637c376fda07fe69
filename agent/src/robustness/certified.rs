//! The place of certificates in the report.

use super::decisions::Decision;
use crate::drivers::LearnedDriver;

/// Action certification rate: for each budget (0 to 1), the share of decisions whose action interval bounds prove to stay the
/// same whatever happens within the budget. `None` until bounds are computed; the report then leaves the section out.
///
/// # Source
/// Zhang et al. 2020, "Robust Deep Reinforcement Learning against Adversarial Perturbations on State Observations",
/// arXiv:2003.08938.
pub(super) fn certified_shares(_driver: &LearnedDriver, _decisions: &[Decision]) -> Option<Vec<(f32, f32)>> {
    None
}
