//! Whether attacks on drives have done all they can: the strongest of each drive are run again with twice the steps and from several
//! other starts, and on those that fare worse again, as often as the plan says.
//!
//! # Source
//! Carlini et al. 2019, "On Evaluating Adversarial Robustness", arXiv:1902.06705, section 5: an attack has converged if more steps do
//! not help. Decisions that are attacked alone cannot say so of a drive, where one feeds the next.

use crate::robustness::agenda::Stage;
use crate::robustness::attacks::attacked::{DRIVE_ATTACKS, DrivePlan, Driven};
use crate::robustness::attacks::run::{Order, Run, Targets, Walks};
use crate::robustness::attacks::strength::{WorstDrive, ranked, worst};
use crate::robustness::plan::Plan;
use roadproof_sim::FleetError;
use serde::Serialize;

/// Share of its clean score by which a drive may fare worse without having changed.
pub(in crate::robustness) const CHANGE_TOLERANCE: f32 = 0.05;

/// Where attacks leave no more of a drive than this share of its clean score, it is gone: whatever is spent on it shows hardly anywhere.
const NEXT_TO_NOTHING: f32 = 0.1;

/// The drives of which next to nothing is left within a budget.
pub(in crate::robustness) fn gone(clean: &[Driven], runs: &[Run], eps_levels: u8) -> Vec<usize> {
    let left = worst(clean, runs, eps_levels);
    let is_gone = |drive: &usize| left[*drive].driving_score <= NEXT_TO_NOTHING * clean[*drive].driving_score;
    (0..clean.len()).filter(is_gone).collect()
}

/// What more effort did at the budget of reference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MoreEffort {
    /// Steps of gradient methods in each decision.
    pub steps: usize,
    /// The drives it was spent on, by number.
    pub drives: Vec<usize>,
    /// Those of them that fare worse by more than the tolerance, or can be made to end in a way that they could not be before.
    pub changed: Vec<usize>,
    /// The most that a drive lost by it, as a share of its clean score.
    pub most_lost: f32,
}

/// The strongest attacks of many steps of each drive with a budget, so many of them as `count` says of the drive, as orders: one for
/// each attack, of all drives it is for. One step cannot be doubled, and tries that follow no gradient are weak however many there are.
pub(in crate::robustness) fn strongest_orders(
    runs: &[Run],
    drives: &[usize],
    count: impl Fn(usize) -> usize,
    (ranked_at, eps_levels): (u8, u8),
    walks: Walks,
) -> Vec<Order> {
    let of_many_steps = || DRIVE_ATTACKS.into_iter().filter(|attack| attack.method.is_iterative());
    let strongest = drives.iter().map(|&drive| {
        let ranked = ranked(runs, drive, ranked_at).into_iter();
        let names =
            ranked.filter(|name| of_many_steps().any(|attack| attack.name == *name)).take(count(drive)).collect();
        (drive, names)
    });
    let strongest: Vec<(usize, Vec<&str>)> = strongest.collect();
    let order = |attack: DrivePlan| {
        let its_own = strongest.iter().filter(|(_, names)| names.contains(&attack.name));
        Order { attack, eps_levels, walks, drives: its_own.map(|(drive, _)| *drive).collect() }
    };
    of_many_steps().map(order).filter(|order| !order.drives.is_empty()).collect()
}

/// Runs every attack on a few of the drives with as many steps as the strongest have had there: whether the trial left out one that
/// would have been stronger. What that finds is added to the runs. `None` if somebody interrupted.
///
/// # Errors
/// [`FleetError`] for a drive that cannot be built.
pub(in crate::robustness) fn recheck(
    targets: &Targets<'_>,
    clean: &[Driven],
    runs: &mut Vec<Run>,
    plan: &Plan,
) -> Result<Option<MoreEffort>, FleetError> {
    let (eps_levels, count) = (plan.reference_eps_levels, plan.rechecked_drives.min(clean.len()));
    let drives: Vec<usize> = (0..count).map(|place| place * clean.len() / count).collect();
    let walks = Walks { steps: plan.drive_steps, starts: 1, number: 0 };
    let orders = DRIVE_ATTACKS.into_iter().map(|attack| {
        let order = Order { attack, eps_levels, walks, drives: drives.clone() };
        let is_done = |drive: usize| runs.iter().any(|run| run.covers(&order, drive));
        Order { drives: drives.iter().copied().filter(|&drive| !is_done(drive)).collect(), ..order }
    });
    let orders: Vec<Order> = orders.filter(|order| !order.drives.is_empty()).collect();
    let before = worst(clean, runs, eps_levels);
    let Some(found) = targets.run(Stage::Recheck, "attack some drives in all ways", &orders)? else { return Ok(None) };
    runs.extend(found);
    Ok(Some(compared(plan.drive_steps, drives, clean, &before, &worst(clean, runs, eps_levels))))
}

/// Doubles the steps of the strongest attacks at the reference budget until no drive changes, but no more often than the plan says;
/// what that finds is added to the runs. `None` if somebody interrupted.
///
/// # Errors
/// [`FleetError`] for a drive that cannot be built.
pub(in crate::robustness) fn deepen(
    targets: &Targets<'_>,
    clean: &[Driven],
    runs: &mut Vec<Run>,
    plan: &Plan,
) -> Result<Option<Vec<MoreEffort>>, FleetError> {
    let eps_levels = plan.reference_eps_levels;
    let mut drives: Vec<usize> = (0..clean.len()).collect();
    let (mut steps, mut doublings) = (plan.drive_steps, Vec::new());
    for number in 1..=plan.doublings as u64 {
        if drives.is_empty() {
            break;
        }
        steps *= 2;
        // No dearer each time: twice the steps of half the attacks from half the starts. Of drives that are gone the strongest alone, from
        // one start: only how else they can be made to end is left to find.
        let halved = |first: usize| (first >> (number - 1)).max(1);
        let gone = gone(clean, runs, eps_levels);
        let (gone, left): (Vec<usize>, Vec<usize>) = drives.iter().partition(|drive| gone.contains(drive));
        let order = |drives: &[usize], attacks: usize, starts: usize| {
            strongest_orders(runs, drives, |_| attacks, (eps_levels, eps_levels), Walks { steps, starts, number })
        };
        let mut orders = order(&left, halved(plan.doubled_attacks), halved(plan.doubling_starts));
        orders.extend(order(&gone, 1, 1));
        let before = worst(clean, runs, eps_levels);
        let stage = Stage::Doubling(doublings.len());
        let Some(found) = targets.run(stage, &format!("attack with {steps} steps"), &orders)? else { return Ok(None) };
        runs.extend(found);
        let doubling = compared(steps, drives, clean, &before, &worst(clean, runs, eps_levels));
        drives = doubling.changed.clone();
        doublings.push(doubling);
    }
    Ok(Some(doublings))
}

/// What more steps found on some drives.
fn compared(
    steps: usize,
    drives: Vec<usize>,
    clean: &[Driven],
    before: &[WorstDrive],
    after: &[WorstDrive],
) -> MoreEffort {
    let is_changed = |&drive: &usize| before[drive].beaten_by(&after[drive], &clean[drive], CHANGE_TOLERANCE);
    let lost = drives.iter().map(|&drive| {
        let lost = before[drive].driving_score - after[drive].driving_score;
        if lost > 0.0 { lost / clean[drive].driving_score } else { 0.0 }
    });
    let most_lost = lost.fold(0.0, f32::max);
    let changed = drives.iter().copied().filter(is_changed).collect();
    MoreEffort { steps, drives, changed, most_lost }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::robustness::attacks::strength::tests::{driven, run};
    use roadproof_sim::Outcome::{Arrived, Blocked, Collision};

    #[test]
    fn a_drive_changes_by_its_score_or_by_a_new_way_to_end() {
        let clean = [(); 4].map(|()| driven(Arrived, 100.0));
        let mut runs =
            vec![run("apgd", 2, &[(0, Arrived, 80.0), (1, Arrived, 80.0), (2, Collision, 40.0), (3, Arrived, 95.0)])];
        let before = worst(&clean, &runs, 2);
        // A little worse; much worse; as bad as before, but standing; broken by a hair.
        runs.push(run("apgd", 2, &[(0, Arrived, 78.0), (1, Arrived, 60.0), (2, Blocked, 41.0), (3, Arrived, 89.9)]));
        let doubling = compared(10, vec![0, 1, 2, 3], &clean, &before, &worst(&clean, &runs, 2));
        assert_eq!(doubling.changed, [1, 2, 3]);
        assert!((doubling.most_lost - 0.2).abs() < 1e-6, "{doubling:?}");
        let again = compared(20, vec![1, 2, 3], &clean, &worst(&clean, &runs, 2), &worst(&clean, &runs, 2));
        assert!(again.changed.is_empty() && again.most_lost == 0.0);
    }

    #[test]
    fn drives_of_which_next_to_nothing_is_left_are_gone() {
        let clean = [(); 3].map(|()| driven(Arrived, 80.0));
        let runs = [
            run("apgd", 2, &[(0, Blocked, 8.0), (1, Blocked, 8.1), (2, Arrived, 80.0)]),
            run("apgd", 4, &[(2, Collision, 0.0)]),
        ];
        assert_eq!(gone(&clean, &runs, 2), [0]);
        assert_eq!(gone(&clean, &runs, 4), [0, 2], "what a smaller budget left counts in a larger one");
    }

    #[test]
    fn the_strongest_attacks_of_each_drive_are_run_again_on_it_alone() {
        let runs = [
            run("apgd", 2, &[(0, Arrived, 90.0), (1, Arrived, 20.0)]),
            run("pgd", 2, &[(0, Arrived, 50.0), (1, Arrived, 30.0)]),
            run("noise", 2, &[(0, Arrived, 95.0), (1, Arrived, 10.0)]),
        ];
        let walks = Walks { steps: 6, starts: 2, number: 1 };
        let orders = strongest_orders(&runs, &[0, 1], |_| 1, (2, 4), walks);
        let of = |name: &str| orders.iter().find(|order| order.attack.name == name).map(|order| &order.drives[..]);
        assert_eq!([of("apgd"), of("pgd"), of("noise")], [Some(&[1][..]), Some(&[0][..]), None]);
        assert!(orders.iter().all(|order| (order.eps_levels, order.walks) == (4, walks)));
    }
}
