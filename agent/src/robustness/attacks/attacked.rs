//! Every call to an attack that the report makes, so that methods are set up in one place.

use crate::attack::drive::{DriveAttack, drive_all, to_the_end};
use crate::attack::end_to_end::{self, EndToEnd};
use crate::attack::goal::{DecisionLoss, Goal};
use crate::attack::method::{Effort, Frames, LossMethod, Method};
use crate::driver::LearnedDriver;
use crate::memory::situation::Situation;
use roadproof_perception::attack::{self, Budget, Norm, Objective};
use roadproof_sim::{FleetError, Outcome, Scenario};

/// What attacks on single decisions want: any other action, so that there is a success or none.
const DECISION_GOAL: Goal = Goal::Other;
/// Way of a PGD walk on single decisions in budgets: steps of 2.5 eps over their number. On drives PGD takes its usual steps of an
/// eighth of the budget, and Auto-PGD finds its own.
const WAY: f32 = 2.5;

/// An attack on whole drives: a method, and what it wants of each decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::robustness) struct DrivePlan {
    pub name: &'static str,
    pub method: LossMethod,
    pub goal: Goal,
}

/// The attacks on drives. One goal is not enough: a driver that filters what it sees over time is pushed one way in every decision
/// best, and whoever follows a car is best shown none.
pub(in crate::robustness) const DRIVE_ATTACKS: [DrivePlan; 10] = [
    DrivePlan { name: "noise", method: LossMethod::Noise, goal: Goal::Worst },
    DrivePlan { name: "square", method: LossMethod::Square, goal: Goal::Worst },
    DrivePlan { name: "fgsm", method: LossMethod::Fgsm, goal: Goal::Worst },
    DrivePlan { name: "pgd", method: LossMethod::Pgd, goal: Goal::Worst },
    DrivePlan { name: "apgd", method: LossMethod::Apgd, goal: Goal::Worst },
    DrivePlan { name: "apgd, steer left", method: LossMethod::Apgd, goal: Goal::SteerLeft },
    DrivePlan { name: "apgd, steer right", method: LossMethod::Apgd, goal: Goal::SteerRight },
    DrivePlan { name: "apgd, drift left", method: LossMethod::Apgd, goal: Goal::DriftLeft },
    DrivePlan { name: "apgd, drift right", method: LossMethod::Apgd, goal: Goal::DriftRight },
    DrivePlan { name: "apgd, hide the lead", method: LossMethod::Apgd, goal: Goal::Hide },
];

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

/// The strongest frame a method finds against any objective.
pub(in crate::robustness) fn strongest(
    method: LossMethod,
    objective: &impl Objective,
    clean: &[f32],
    size: (usize, usize),
    eps_levels: f32,
    effort: usize,
    seed: u64,
) -> Vec<f32> {
    let pgd_step_share = (WAY / effort as f32).min(1.0);
    let effort = Effort { budget: budget(eps_levels), steps: effort, pgd_step_share };
    method.run(objective, &Frames { clean, size, seeds: &[seed] }, &effort)
}

/// The loss of one decision, as an attack sees it through these networks.
pub(in crate::robustness) struct SingleLoss<'a> {
    end_to_end: &'a EndToEnd,
    situation: &'a Situation,
    clean: end_to_end::Decision,
}

impl<'a> SingleLoss<'a> {
    /// Looks at the clean frame, which says what the attack wants changed.
    pub fn new(end_to_end: &'a EndToEnd, situation: &'a Situation, clean: &[f32]) -> Self {
        let clean = end_to_end.decide(&[situation], clean).swap_remove(0);
        Self { end_to_end, situation, clean }
    }

    fn within<T>(&self, run: impl FnOnce(&DecisionLoss<'_>) -> T) -> T {
        let (end_to_end, situations, clean) = (self.end_to_end, &[self.situation][..], &[&self.clean][..]);
        run(&DecisionLoss { end_to_end, situations, clean, goal: DECISION_GOAL })
    }
}

impl Objective for SingleLoss<'_> {
    fn evaluate(&self, pixels: &[f32]) -> Vec<attack::Effect> {
        self.within(|loss| loss.evaluate(pixels))
    }

    fn gradients(&self, pixels: &[f32], gradient: &mut [f32]) -> Vec<attack::Effect> {
        self.within(|loss| loss.gradients(pixels, gradient))
    }
}

/// What became of a drive under attack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::robustness) struct Driven {
    pub outcome: Outcome,
    pub driving_score: f32,
}

/// Drives scenarios to their ends, every decision attacked with such a budget and effort, or none.
///
/// # Errors
/// [`FleetError`] if a world cannot be built.
pub(in crate::robustness) fn drive_attacked(
    driver: &LearnedDriver,
    scenarios: &[Scenario],
    attack: Option<(DrivePlan, u8, usize)>,
    seed: u64,
) -> Result<Vec<Driven>, FleetError> {
    let attack = attack.map(|(DrivePlan { method, goal, .. }, eps_levels, steps)| DriveAttack {
        method: Method::Loss(method),
        budget: budget(f32::from(eps_levels)),
        steps,
        share: 1.0,
        goal,
        seed,
        keep_changes: false,
    });
    let seeds = vec![seed; scenarios.len()];
    let drives = drive_all(&mut driver.twin(), scenarios.to_vec(), attack.as_ref(), &seeds, &mut to_the_end)?;
    let driven = |drive: crate::attack::drive::Drive| Driven {
        outcome: drive.outcome.unwrap_or(Outcome::TimeUp),
        driving_score: drive.score.driving_score,
    };
    Ok(drives.into_iter().map(driven).collect())
}
