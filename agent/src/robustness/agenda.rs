//! How long the stages of a report take beside each other, so that each of them can say how much of the whole is left.
//!
//! A stage is predicted from the plan and from the pace of the stage under way: only the relations are known beforehand, not how fast
//! a machine is. They are for display alone.

use super::attacks::attacked::{DRIVE_ATTACKS, OF_EACH_KIND};
use super::plan::{Part, Plan};

/// A stage that shows its progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Drives under faults.
    Faults,
    /// Every attack at the budget of reference, for a trial.
    Trial,
    /// The strongest there, in earnest.
    Strongest,
    /// Some drives under all of them, in earnest.
    Recheck,
    /// The strongest with twice the steps: the first, the second time and so on.
    Doubling(usize),
    /// The strongest with other budgets.
    OtherBudgets,
    /// Single decisions.
    Decisions,
}

/// A drive of which every decision is attacked, over what it takes under a fault: without the steps of the attack.
const ATTACKED: f64 = 1.8;
/// One step of the attack in every decision, over the same.
const STEP: f64 = 2.9;
/// An experiment with one step on one decision, over the same.
const EXPERIMENT: f64 = 0.056;
/// Share of the drives that a doubling is expected to change.
const CHANGED: f64 = 0.3;

/// What an attack on every decision costs.
fn with_steps(steps: usize) -> f64 {
    ATTACKED + STEP * steps as f64
}

/// What the stages of a plan cost, in drives without an attack.
pub(super) struct Agenda {
    costs: Vec<(Stage, f64)>,
}

impl Agenda {
    /// The stages of a plan that has so many drives under faults and under attack.
    pub fn of(plan: &Plan, under_faults: usize, attacked_drives: usize) -> Self {
        let (faulted, attacked) = (under_faults as f64, attacked_drives as f64);
        let cells = (plan.kinds.len() * plan.severities.len()) as f64;
        let steps = with_steps(plan.drive_steps);
        let in_earnest = attacked * (OF_EACH_KIND.len() + plan.strongest_attacks) as f64 * steps;
        let mut costs = Vec::new();
        if plan.makes(Part::Faults) {
            costs.push((Stage::Faults, faulted * (1.0 + cells)));
        }
        if plan.makes(Part::Attacks) {
            costs.push((Stage::Trial, attacked * DRIVE_ATTACKS.len() as f64 * with_steps(plan.trial_steps)));
            costs.push((Stage::Strongest, in_earnest));
            let left_out = DRIVE_ATTACKS.len().saturating_sub(OF_EACH_KIND.len() + plan.strongest_attacks);
            costs.push((Stage::Recheck, (plan.rechecked_drives.min(attacked_drives) * left_out) as f64 * steps));
            costs.extend((0..plan.doublings).map(|number| {
                let halved = |first: usize| (first >> number).max(1);
                let walks = attacked * (halved(plan.doubled_attacks) * halved(plan.doubling_starts)) as f64;
                let steps = with_steps(plan.drive_steps << (number + 1));
                (Stage::Doubling(number), walks * steps * CHANGED.powi(number as i32))
            }));
            let other_budgets = plan.drive_eps_levels.len().saturating_sub(1) as f64;
            costs.push((Stage::OtherBudgets, other_budgets * in_earnest));
        }
        if plan.makes(Part::Decisions) {
            let experiments = (plan.frames * plan.decision_eps_levels.len()) as f64;
            costs.push((Stage::Decisions, experiments * plan.steps as f64 * EXPERIMENT));
        }
        Self { costs }
    }

    /// The time that the stages after this one take, over the time that this one takes.
    pub fn later(&self, stage: Stage) -> f64 {
        let cost = |wanted: &dyn Fn(Stage) -> bool| -> f64 {
            self.costs.iter().filter(|(other, _)| wanted(*other)).map(|(_, cost)| cost).sum()
        };
        let own = cost(&|other| other == stage);
        if own > 0.0 { cost(&|other| other > stage) / own } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_knows_what_comes_after_it() {
        let plan = Plan::standard();
        let agenda = Agenda::of(&plan, 10, 40);
        let stages = [
            Stage::Faults,
            Stage::Trial,
            Stage::Strongest,
            Stage::Recheck,
            Stage::Doubling(0),
            Stage::Doubling(1),
            Stage::OtherBudgets,
        ];
        assert!(stages.iter().all(|&stage| agenda.later(stage) > 0.0));
        assert_eq!(agenda.later(Stage::Decisions), 0.0, "it is the last");
        // What comes after a stage is the next one and what comes after that.
        let cost = |stage| agenda.costs.iter().find(|(other, _)| *other == stage).expect("it is planned").1;
        let after = cost(Stage::OtherBudgets) * (1.0 + agenda.later(Stage::OtherBudgets));
        assert!((agenda.later(Stage::Doubling(1)) * cost(Stage::Doubling(1)) / after - 1.0).abs() < 1e-9);
        let alone = Agenda::of(&Plan { only: Some(Part::Faults), ..plan }, 10, 40);
        assert_eq!((alone.later(Stage::Faults), alone.costs.len()), (0.0, 1));
    }
}
