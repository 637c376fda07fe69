//! Decisions that attacks turned, with their pictures.

use crate::attack::end_to_end::EndToEnd;
use crate::attack::method::LossMethod;
use crate::driver::LearnedDriver;
use crate::robustness::attacks::attacked::{budget, effort, strongest};
use crate::robustness::attacks::curve::{Curve, Trial, seed_of};
use crate::robustness::attacks::decisions::Decisions;
use crate::robustness::attacks::sample::SampledDecision;
use rayon::prelude::*;
use roadproof_env::action::{ACCELERATION_MPS2, Action, STEER_RAD};
use roadproof_perception::attack::{to_bytes, to_numbers};
use serde::Serialize;

/// A decision that an attack turned, with its pictures.
#[derive(Clone, Debug, Serialize)]
pub struct Turned {
    /// The drive it is of.
    pub drive: String,
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
    (drives, decisions): (&[String], &[SampledDecision]),
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
            let loss = Decisions::new(&end_to_end, vec![&decision.situation]);
            let effort = effort(method, trial.steps, trial.tries);
            let seeds = [seed_of(trial.seed, index)];
            let size = end_to_end.size();
            let found = strongest(method, &loss, &to_numbers(frame), size, eps_levels, effort, &seeds);
            let attacked = to_bytes(&found, frame, &budget(eps_levels));
            Turned {
                drive: drives[decision.drive].clone(),
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

/// The decisions that no other decision's frame turns, by number: filters bound what one frame may do, so that there are some which
/// only frames turn that look like no road. An attack that fails on one of them need not be a weak one.
pub(in crate::robustness) fn held_by_memory(driver: &LearnedDriver, decisions: &[SampledDecision]) -> Vec<usize> {
    let frames: Vec<u8> = decisions.iter().flat_map(|decision| &decision.situation.frame).copied().collect();
    let percepts = driver.perception().see(&frames);
    let holds = |index: &usize| {
        let decision = &decisions[*index];
        let own = decision.action_of(driver, &percepts[*index]);
        percepts.iter().all(|percept| decision.action_of(driver, percept) == own)
    };
    (0..decisions.len()).collect::<Vec<_>>().into_par_iter().filter(holds).collect()
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
    use roadproof_sim::{DriveStyle, Seed, generate_drive};

    /// Whatever the weights: a decision beside nothing but copies of itself cannot be turned by them, and one other frame that turns it
    /// is enough.
    #[test]
    fn decisions_that_no_other_frame_turns_are_counted() {
        for driver in [LearnedDriver::shipped(), LearnedDriver::hardened()] {
            let driver = driver.expect("it is built in");
            let roads = (0..4).map(|road| generate_drive(Seed(road), &DriveStyle::default())).collect();
            let decisions = collect(&driver, roads, 24).expect("roads that can be built");
            let held = held_by_memory(&driver, &decisions);
            let turns = |own: &SampledDecision, other: &SampledDecision| {
                own.action(&driver, &other.situation.frame) != own.action(&driver, &own.situation.frame)
            };
            for (index, own) in decisions.iter().enumerate() {
                let turned = decisions.iter().any(|other| turns(own, other));
                assert_eq!(held.contains(&index), !turned, "decision {index}");
            }
            let copies = vec![decisions[0].clone(); 5];
            assert_eq!(held_by_memory(&driver, &copies), [0, 1, 2, 3, 4]);
            let (one, other) = decisions
                .iter()
                .find_map(|one| Some((one, decisions.iter().find(|other| turns(one, other))?)))
                .expect("some frame turns some decision");
            let beside = [vec![one.clone(); 3], vec![other.clone()]].concat();
            assert!(held_by_memory(&driver, &beside).iter().all(|held| *held == 3));
        }
    }
}
