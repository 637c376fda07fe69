//! Certificates in the report.

use crate::driver::LearnedDriver;
use crate::proof::certificate::Certifier;
use crate::robustness::attacks::sample::SampledDecision;
use rayon::prelude::*;

/// Budgets of interval bounds, in grey levels. Bounds of networks that were not trained for them are so loose that they hold a
/// decision only far below what a camera can show: the small budgets tell how loose they are, and are no certificate of anything.
const EPS_LEVELS: [f32; 8] = [0.0, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1.0, 2.0];

/// Action certification rate: for each budget in grey levels, the share of decisions whose action stays the same by interval bounds
/// whatever happens within the budget; computed in f32 without directed rounding.
///
/// # Source
/// Zhang et al. 2020, "Robust Deep Reinforcement Learning against Adversarial Perturbations on State Observations",
/// arXiv:2003.08938; Oikarinen et al. 2021, arXiv:2008.01976.
pub(in crate::robustness) fn certified_shares(
    driver: &LearnedDriver,
    decisions: &[SampledDecision],
) -> Vec<(f32, f32)> {
    let certifier = Certifier::new(driver);
    let share = |eps_levels: f32| {
        let certified = decisions.par_iter().filter(|decision| {
            let SampledDecision { situation, previous, .. } = decision;
            let action = decision.action(driver, &situation.frame);
            certifier.certified(situation, Some(previous), action, eps_levels / 255.0)
        });
        (eps_levels, certified.count() as f32 / decisions.len().max(1) as f32)
    };
    EPS_LEVELS.into_iter().map(share).collect()
}
