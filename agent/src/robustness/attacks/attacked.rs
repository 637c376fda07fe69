//! Every call to an attack that the report makes, so that methods are set up in one place.

use crate::attack::drive::{DriveAttack, drive_all};
use crate::attack::goal::Goal;
use crate::attack::method::{Effort, Frames, LossMethod, Method};
use crate::driver::LearnedDriver;
use roadproof_perception::attack::{Budget, Norm, Objective};
use roadproof_sim::{FleetError, Outcome, Scenario};
use std::ops::ControlFlow;

/// An attack on whole drives: a method, and what it wants of each decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::robustness) struct DrivePlan {
    pub name: &'static str,
    pub method: LossMethod,
    pub goal: Goal,
    /// How many decisions it looks ahead.
    pub ahead: usize,
}

/// Those that look ahead look so far: half a second of frames that all say the same turns the firmest belief in a car ahead, or in
/// none, to the other side.
const AHEAD: usize = 4;

/// A method towards the worst action.
const fn worst(name: &'static str, method: LossMethod) -> DrivePlan {
    DrivePlan { name, method, goal: Goal::Worst, ahead: 0 }
}

/// Auto-PGD towards a goal.
const fn apgd(name: &'static str, goal: Goal) -> DrivePlan {
    DrivePlan { name, method: LossMethod::Apgd, goal, ahead: 0 }
}

/// The same, looking ahead.
const fn apgd_ahead(name: &'static str, goal: Goal) -> DrivePlan {
    DrivePlan { name, method: LossMethod::Apgd, goal, ahead: AHEAD }
}

/// The attacks on drives: every method towards the worst action, and the strongest of them towards every other goal there is; some
/// of those on decisions with a look ahead as well, because the car ahead is in no slope of a single frame.
///
/// One goal is not enough: a driver that filters what it sees over time is pushed one way in every decision best, whoever follows a
/// car is best shown none, and whoever follows none is best shown one. Nothing is left out that the adversary of a hardening does.
pub(in crate::robustness) const DRIVE_ATTACKS: [DrivePlan; 24] = [
    worst("noise", LossMethod::Noise),
    worst("square", LossMethod::Square),
    worst("fgsm", LossMethod::Fgsm),
    worst("pgd", LossMethod::Pgd),
    worst("apgd", LossMethod::Apgd),
    apgd("apgd, mad", Goal::Mad),
    apgd("apgd, critic", Goal::Critic),
    apgd("apgd, emergency brake", Goal::EmergencyBrake),
    apgd("apgd, full throttle", Goal::FullThrottle),
    apgd("apgd, steer left", Goal::SteerLeft),
    apgd("apgd, steer right", Goal::SteerRight),
    apgd("apgd, drift left", Goal::DriftLeft),
    apgd("apgd, drift right", Goal::DriftRight),
    apgd("apgd, offset left", Goal::OffsetLeft),
    apgd("apgd, offset right", Goal::OffsetRight),
    apgd("apgd, hide the lead", Goal::Hide),
    apgd("apgd, show a ghost", Goal::Ghost),
    apgd("apgd, drift left and hide the lead", Goal::DriftLeftHide),
    apgd("apgd, drift right and hide the lead", Goal::DriftRightHide),
    apgd("apgd, drift left and show a ghost", Goal::DriftLeftGhost),
    apgd("apgd, drift right and show a ghost", Goal::DriftRightGhost),
    apgd_ahead("apgd, worst ahead", Goal::Worst),
    apgd_ahead("apgd, critic ahead", Goal::Critic),
    apgd_ahead("apgd, emergency brake ahead", Goal::EmergencyBrake),
];

/// Attacks that stand for their kind with every budget: without gradients, one step, many.
pub(in crate::robustness) const OF_EACH_KIND: [&str; 3] = ["noise", "fgsm", "apgd"];

/// The number of steps or tries a method is given.
pub(in crate::robustness) fn effort(method: LossMethod, steps: usize, tries: usize) -> usize {
    if method.is_iterative() {
        steps
    } else if method.uses_gradients() {
        1
    } else {
        tries
    }
}

/// The budget of so many grey levels.
pub(in crate::robustness) fn budget(eps_levels: f32) -> Budget {
    Budget { norm: Norm::Linf, eps: eps_levels / 255.0 }
}

/// The strongest frames a method finds against any objective, one for each seed.
pub(in crate::robustness) fn strongest(
    method: LossMethod,
    objective: &impl Objective,
    clean: &[f32],
    size: (usize, usize),
    eps_levels: f32,
    effort: usize,
    seeds: &[u64],
) -> Vec<f32> {
    let effort = Effort { budget: budget(eps_levels), steps: effort };
    method.run(objective, &Frames { clean, size, seeds }, &effort)
}

/// How much is spent on each decision of a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::robustness) struct Spent {
    pub eps_levels: u8,
    /// Steps of a gradient method, tries of the others.
    pub steps: usize,
    /// Runs, each from a start of its own; the strongest frame counts.
    pub starts: usize,
}

/// What became of a drive, attacked or not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::robustness) struct Driven {
    pub outcome: Outcome,
    pub driving_score: f32,
    /// 0 to 1.
    pub route_completion: f32,
    /// The least time to collision; infinite if there was never one.
    pub min_ttc_s: f32,
    /// Decisions that it took.
    pub decisions: usize,
    /// The greatest offset from the centre of the lane that it began in.
    pub max_lane_offset_m: f32,
}

/// Drives scenarios to their ends, every decision attacked or none. `report` is given the mean share of the routes, and may break off.
///
/// # Errors
/// [`FleetError`] if a world cannot be built.
pub(in crate::robustness) fn drive_attacked(
    driver: &LearnedDriver,
    scenarios: &[Scenario],
    attack: Option<(DrivePlan, Spent)>,
    seed: u64,
    report: &mut impl FnMut(f32) -> ControlFlow<()>,
) -> Result<Vec<Driven>, FleetError> {
    let attack =
        attack.map(|(DrivePlan { method, goal, ahead, .. }, Spent { eps_levels, steps, starts })| DriveAttack {
            method: Method::Loss(method),
            budget: budget(f32::from(eps_levels)),
            steps,
            starts,
            ahead,
            share: 1.0,
            goal,
            seed,
            keep_changes: false,
        });
    let seeds = vec![seed; scenarios.len()];
    let drives = drive_all(&mut driver.twin(), scenarios.to_vec(), attack.as_ref(), &seeds, report)?;
    let driven = |drive: crate::attack::drive::Drive| Driven {
        outcome: drive.outcome.unwrap_or(Outcome::TimeUp),
        driving_score: drive.score.driving_score,
        route_completion: drive.score.route_completion,
        min_ttc_s: drive.min_ttc_s,
        decisions: drive.decisions,
        max_lane_offset_m: drive.max_lane_offset_m,
    };
    Ok(drives.into_iter().map(driven).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use roadproof_perception::attack::Direction;

    /// A driver that is attacked only in ways it was not trained against, or only in those, says nothing of the others.
    #[test]
    fn drives_are_attacked_in_every_direction_that_a_hardening_pushes_and_towards_every_goal() {
        let of = |goal: Goal| DRIVE_ATTACKS.iter().any(|plan| plan.method == LossMethod::Apgd && plan.goal == goal);
        for direction in Direction::ALL {
            let pushes = |goal: &Goal| goal.direction() == Some(direction);
            assert!(Goal::NAMED.into_iter().filter(pushes).any(of), "no attack on drives pushes to {direction:?}");
        }
        // Another action, whichever, is no aim over a drive.
        for goal in Goal::NAMED.into_iter().filter(|goal| *goal != Goal::Other) {
            assert!(of(goal), "{goal:?} is not among the attacks on drives");
        }
        // A look ahead is for decisions: what a frame shows is shown at once.
        assert!(DRIVE_ATTACKS.iter().all(|plan| plan.ahead == 0 || plan.goal.direction().is_none()));
        let names: std::collections::BTreeSet<&str> = DRIVE_ATTACKS.iter().map(|plan| plan.name).collect();
        assert_eq!(names.len(), DRIVE_ATTACKS.len());
    }
}
