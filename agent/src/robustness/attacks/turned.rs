//! Decisions that attacks turned, with their pictures.

use crate::attack::end_to_end::EndToEnd;
use crate::attack::method::LossMethod;
use crate::driver::LearnedDriver;
use crate::robustness::attacks::attacked::{SingleLoss, budget, effort, strongest};
use crate::robustness::attacks::curve::{Curve, Trial, seed_of};
use crate::robustness::attacks::sample::SampledDecision;
use roadproof_env::action::{ACCELERATION_MPS2, Action, STEER_RAD};
use roadproof_perception::attack::{to_bytes, to_numbers};
use serde::Serialize;

/// A decision that an attack turned, with its pictures.
#[derive(Clone, Debug, Serialize)]
pub struct Turned {
    /// The held-out road, by its number.
    pub road: usize,
    /// Time of the drive.
    pub time_s: f32,
    /// The method.
    pub method: &'static str,
    /// The least budget, in whole grey levels, at which any method turned the decision.
    pub eps_levels: f32,
    /// What the driver does on the clean frame.
    pub clean_action: String,
    /// What it does on the attacked frame.
    pub attacked_action: String,
    /// The clean frame.
    #[serde(skip)]
    pub clean: Vec<u8>,
    /// The attacked frame.
    #[serde(skip)]
    pub attacked: Vec<u8>,
}

/// A few decisions, each turned with the least budget at which that was possible, from the weakest budget to the strongest;
/// budgets that a camera cannot show are passed over.
pub(in crate::robustness) fn turned(
    driver: &LearnedDriver,
    decisions: &[SampledDecision],
    curves: &[Curve],
    trial: &Trial,
    count: usize,
) -> Vec<Turned> {
    let least = |index: usize| -> Option<(f32, usize, LossMethod)> {
        let budgets = trial.eps_levels.iter().enumerate().filter(|(_, eps)| **eps >= 1.0);
        let mut found =
            budgets.flat_map(|(point, eps)| LossMethod::ALL.into_iter().rev().map(move |method| (*eps, point, method)));
        found.find_map(|(eps, point, method)| {
            let curve = curves.iter().find(|curve| curve.method == method.name())?;
            curve.points[point].broken[index].then_some((eps, index, method))
        })
    };
    let mut all: Vec<(f32, usize, LossMethod)> = (0..decisions.len()).filter_map(least).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let shown = count.min(all.len());
    let places = (0..shown).map(|place| place * (all.len() - 1) / (shown - 1).max(1));
    let end_to_end = EndToEnd::new(driver);
    places
        .map(|place| {
            let (eps_levels, index, method) = all[place];
            let decision = &decisions[index];
            let frame = &decision.situation.frame;
            let clean = to_numbers(frame);
            let loss = SingleLoss::new(&end_to_end, &decision.situation, &clean);
            let effort = effort(method, trial.steps, trial.tries);
            let seed = seed_of(trial.seed, index);
            let found = strongest(method, &loss, &clean, end_to_end.size(), eps_levels, effort, seed);
            let attacked = to_bytes(&found, frame, &budget(eps_levels));
            Turned {
                road: decision.road,
                time_s: decision.time_s,
                method: method.name(),
                eps_levels,
                clean_action: in_words(decision.action(driver, frame)),
                attacked_action: in_words(decision.action(driver, &attacked)),
                clean: frame.clone(),
                attacked,
            }
        })
        .collect()
}

fn in_words(action: Action) -> String {
    let degrees = STEER_RAD[action.steer].to_degrees();
    let side = match degrees {
        degrees if degrees > 0.0 => " left",
        degrees if degrees < 0.0 => " right",
        _ => "",
    };
    format!("steer {:.1}°{side}, {:+.1} m/s²", degrees.abs(), ACCELERATION_MPS2[action.acceleration])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::robustness::attacks::sample::collect;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;
    use roadproof_perception::{OUTPUTS, percept};

    /// Filters bound what one frame may do. Of the decisions of a report one has no other frame that turns it, and only outputs of
    /// the network that are far from any it gives out would: `harden`'s documentation tells of it.
    #[test]
    fn another_frame_turns_every_decision_of_the_hardened_driver_but_one() {
        let driver = LearnedDriver::hardened().expect("it is built in");
        let decisions = collect(&driver, &Default::default(), 0, 48).expect("roads that can be built");
        let turned = |decision: &SampledDecision| {
            let clean = decision.action(&driver, &decision.situation.frame);
            decisions.iter().filter(|other| decision.action(&driver, &other.situation.frame) != clean).count()
        };
        let held: Vec<usize> = (0..decisions.len()).filter(|&index| turned(&decisions[index]) == 0).collect();
        assert_eq!(held, [12]);
        let fixed = &decisions[held[0]];
        let clean = fixed.action(&driver, &fixed.situation.frame);
        let mut random = Pcg64Mcg::seed_from_u64(1);
        let shares = [1.0_f32, 3.0, 10.0].map(|reach| {
            let turns = |_: &usize| {
                let outputs: [f32; OUTPUTS] = std::array::from_fn(|_| random.random_range(-reach..reach));
                fixed.action_of(&driver, &percept(&outputs)) != clean
            };
            100.0 * (0..4000).filter(turns).count() as f32 / 4000.0
        });
        println!("decision 12, {:.1} s: turned by random outputs within 1, 3, 10: {shares:.1?} %", fixed.time_s);
        assert!(shares[0] == 0.0 && shares[1] < 10.0 && shares[2] > 10.0, "{shares:?}");
    }
}
