//! Whole drives of which every decision is attacked: what is left of them against the budget.
//!
//! Attacking every decision of a drive many times over is dear, so not everything is run with every effort and budget: every attack on
//! every drive for a trial of a few steps at one budget of reference; the strongest few of each drive there, and one of each kind of
//! method, with more steps; the strongest of these with yet more steps and starts; and what is the strongest by then with the other
//! budgets. What was run on which drives, and with what effort, is part of the result.

use crate::about::as_text;
use crate::drive::interval::Estimate;
use crate::driver::LearnedDriver;
use crate::host::interrupt::Interrupt;
use crate::robustness::agenda::{Agenda, Stage};
use crate::robustness::attacks::attacked::{DRIVE_ATTACKS, DrivePlan, Driven, OF_EACH_KIND};
use crate::robustness::attacks::deepen::{MoreEffort, deepen, gone, recheck, strongest_orders};
use crate::robustness::attacks::run::{Order, Run, Targets, Walks};
use crate::robustness::attacks::strength::{DrivePoint, WorstDrive, point, worst};
use crate::robustness::drives::FamilyDrive;
use crate::robustness::kept::Failure;
use crate::robustness::plan::Plan;
use roadproof_sim::{FleetError, Outcome};
use serde::Serialize;

/// What attacks do to drives. The sample are the drives: intervals are over them, and hold for other drives that are drawn alike.
#[derive(Clone, Debug, Serialize)]
pub struct ClosedLoop {
    /// The drives without an attack. All lists of drives are in this order, numbers of drives are places in it.
    pub drives: Vec<AttackedDrive>,
    /// The budget at which every attack was run on every drive.
    pub reference_eps_levels: u8,
    /// Some drives together: all, those without other cars, those with.
    pub groups: Vec<Group>,
    /// For each budget each drive under all attacks within it.
    pub worst: Vec<WorstPoint>,
    /// What all attacks found on a few drives with as many steps as the strongest had; none if the plan asks for no such drive.
    pub recheck: Option<MoreEffort>,
    /// What twice the steps of the strongest attacks found, and twice those again, on drives on which the last found more.
    pub doublings: Vec<MoreEffort>,
    /// Every attack with what it was run on.
    pub runs: Vec<Run>,
}

/// A drive as it is without an attack.
#[derive(Clone, Debug, Serialize)]
pub struct AttackedDrive {
    /// Its family.
    pub family: String,
    /// Its name.
    pub name: String,
    /// Its seed.
    #[serde(serialize_with = "as_text")]
    pub seed: u64,
    /// Whether there is no other car.
    pub empty: bool,
    /// How it is to end.
    pub expected: Outcome,
    /// How it ends.
    pub outcome: Outcome,
    /// Its driving score.
    pub driving_score: f32,
}

/// Some of the drives.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// What they have in common.
    pub name: &'static str,
    /// How many there are.
    pub drives: usize,
    /// Mean driving score without an attack.
    pub clean_score: Estimate,
    /// Drives that without an attack end in a collision, off the road, blocked, or late where they are to arrive.
    pub clean_failures: usize,
    /// What is left of them with each budget.
    pub points: Vec<DrivePoint>,
}

/// Every drive under all attacks within a budget.
#[derive(Clone, Debug, Serialize)]
pub struct WorstPoint {
    /// The budget in grey levels, Linf.
    pub eps_levels: u8,
    /// The drives.
    pub drives: Vec<WorstDrive>,
}

/// Name of the group of all drives.
pub(in crate::robustness) const ALL_DRIVES: &str = "all drives";
/// Name of the group of drives without other cars.
pub(in crate::robustness) const EMPTY_ROADS: &str = "empty roads";
const WITH_CARS: &str = "roads with other cars";
/// Attacks the drives; `None` if somebody interrupted.
///
/// # Errors
/// [`FleetError`] for a drive that cannot be built.
pub(in crate::robustness) fn measure(
    driver: &LearnedDriver,
    drives: &[(String, FamilyDrive)],
    plan: &Plan,
    agenda: &Agenda,
    interrupt: &Interrupt,
) -> Result<Option<ClosedLoop>, FleetError> {
    let scenarios = drives.iter().map(|(_, drive)| drive.scenario.clone()).collect();
    let targets = Targets { driver, scenarios, seed: plan.seed, agenda, interrupt };
    let clean = targets.clean()?;
    let Some(attacked) = attack(&targets, &clean, plan)? else { return Ok(None) };
    let drives: Vec<AttackedDrive> = drives.iter().zip(&clean).map(attacked_drive).collect();
    Ok(Some(summed_up(drives, &clean, attacked, plan)))
}

fn attacked_drive(((family, drive), clean): (&(String, FamilyDrive), &Driven)) -> AttackedDrive {
    AttackedDrive {
        family: family.clone(),
        name: drive.name.clone(),
        seed: drive.scenario.seed.0,
        empty: drive.scenario.actors.is_empty(),
        expected: drive.scenario.expect.outcome,
        outcome: clean.outcome,
        driving_score: clean.driving_score,
    }
}

/// What was run, and what more effort found.
#[derive(Default)]
struct AllRuns {
    runs: Vec<Run>,
    recheck: Option<MoreEffort>,
    doublings: Vec<MoreEffort>,
}

/// Runs what the plan says, one part after another.
fn attack(targets: &Targets<'_>, clean: &[Driven], plan: &Plan) -> Result<Option<AllRuns>, FleetError> {
    let all: Vec<usize> = (0..clean.len()).collect();
    let reference = plan.reference_eps_levels;
    let with = |eps_levels, steps, attack| {
        let walks = Walks { steps, starts: 1, number: 0 };
        Order { attack, eps_levels, walks, drives: all.clone() }
    };
    let trial = DRIVE_ATTACKS.map(|attack| with(reference, plan.trial_steps, attack));
    let Some(mut runs) = targets.run(Stage::Trial, &format!("try attacks, {reference}/255"), &trial)? else {
        return Ok(None);
    };
    let of_each_kind = |attack: &DrivePlan| OF_EACH_KIND.contains(&attack.name);
    let in_earnest = |runs: &[Run], eps_levels| {
        let walks = Walks { steps: plan.drive_steps, starts: 1, number: 0 };
        let gone = gone(clean, runs, reference);
        // What the smaller budget left counts in a larger one.
        let count = |drive| if eps_levels > reference && gone.contains(&drive) { 0 } else { plan.strongest_attacks };
        let strongest = strongest_orders(runs, &all, count, (reference, eps_levels), walks);
        let kinds = DRIVE_ATTACKS.into_iter().filter(of_each_kind);
        let kinds = kinds.map(|attack| with(eps_levels, plan.drive_steps, attack));
        kinds.chain(strongest.into_iter().filter(|order| !of_each_kind(&order.attack))).collect::<Vec<Order>>()
    };
    // One step stays one step.
    let more =
        |order: &Order| trial.iter().all(|tried| tried.attack != order.attack || tried.effort() < order.effort());
    let orders: Vec<Order> = in_earnest(&runs, reference).into_iter().filter(more).collect();
    let Some(strongest) = targets.run(Stage::Strongest, &format!("attack drives, {reference}/255"), &orders)? else {
        return Ok(None);
    };
    runs.extend(strongest);
    let mut rechecked = None;
    if plan.rechecked_drives > 0 {
        rechecked = recheck(targets, clean, &mut runs, plan)?;
        if rechecked.is_none() {
            return Ok(None);
        }
    }
    let Some(doublings) = deepen(targets, clean, &mut runs, plan)? else { return Ok(None) };
    let other_budgets = plan.drive_eps_levels.iter().filter(|eps| **eps != reference);
    let orders: Vec<Order> = other_budgets.flat_map(|&eps_levels| in_earnest(&runs, eps_levels)).collect();
    let Some(others) = targets.run(Stage::OtherBudgets, "attack drives, other budgets", &orders)? else {
        return Ok(None);
    };
    runs.extend(others);
    Ok(Some(AllRuns { runs, recheck: rechecked, doublings }))
}

fn summed_up(drives: Vec<AttackedDrive>, clean: &[Driven], attacked: AllRuns, plan: &Plan) -> ClosedLoop {
    let AllRuns { runs, recheck, doublings } = attacked;
    let at = |&eps_levels: &u8| WorstPoint { eps_levels, drives: worst(clean, &runs, eps_levels) };
    let worst: Vec<WorstPoint> = plan.drive_eps_levels.iter().map(at).collect();
    let group = |(name, wanted): (&'static str, Vec<usize>)| {
        let scores: Vec<f32> = wanted.iter().map(|&drive| clean[drive].driving_score).collect();
        Group {
            name,
            drives: wanted.len(),
            clean_score: Estimate::mean(&scores),
            clean_failures: wanted.iter().filter(|&&drive| drives[drive].fails()).count(),
            points: worst.iter().map(|at| point(at.eps_levels, &wanted, clean, &at.drives)).collect(),
        }
    };
    let numbers = |wanted: fn(&AttackedDrive) -> bool| -> Vec<usize> {
        drives.iter().enumerate().filter(|(_, drive)| wanted(drive)).map(|(number, _)| number).collect()
    };
    let groups = [
        (ALL_DRIVES, numbers(|_| true)),
        (EMPTY_ROADS, numbers(|drive| drive.empty)),
        (WITH_CARS, numbers(|drive| !drive.empty)),
    ];
    let groups = groups.into_iter().filter(|(_, numbers)| !numbers.is_empty()).map(group).collect();
    ClosedLoop { drives, reference_eps_levels: plan.reference_eps_levels, groups, worst, recheck, doublings, runs }
}

impl AttackedDrive {
    /// Whether it fails as it is.
    fn fails(&self) -> bool {
        Failure::of(self.outcome, self.expected).is_some()
    }
}

impl ClosedLoop {
    /// The attacks that were run on every drive.
    pub(in crate::robustness) fn attacks(&self) -> impl Iterator<Item = &DrivePlan> {
        DRIVE_ATTACKS.iter().filter(|attack| self.complete(attack.name, self.reference_eps_levels).is_some())
    }

    /// A group by its name.
    pub(in crate::robustness) fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// The run of an attack on every drive with a budget; of several the one with the most steps.
    pub(in crate::robustness) fn complete<'a>(&'a self, attack: &'a str, eps_levels: u8) -> Option<&'a Run> {
        let complete = |run: &&Run| run.drives.len() == self.drives.len() && run.number == 0;
        let own = self.runs.iter().filter(complete).filter(|run| run.attack == attack && run.eps_levels == eps_levels);
        own.max_by_key(|run| run.effort)
    }
}

impl Group {
    /// What is left of it with a budget.
    pub(in crate::robustness) fn at(&self, eps_levels: u8) -> Option<&DrivePoint> {
        self.points.iter().find(|point| point.eps_levels == eps_levels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::robustness::attacks::strength::tests::{driven, run};
    use Outcome::{Arrived, Blocked, Collision, OffRoad};

    /// Three drives, the last of them without other cars, which alone is made to stand.
    #[test]
    fn empty_roads_stand_as_a_group_of_their_own() {
        let clean = [driven(Arrived, 90.0), driven(Collision, 50.0), driven(Arrived, 100.0)];
        let drive = |(number, driven): (usize, &Driven)| AttackedDrive {
            family: "f".to_owned(),
            name: number.to_string(),
            seed: 0,
            empty: number == 2,
            expected: Arrived,
            outcome: driven.outcome,
            driving_score: driven.driving_score,
        };
        let drives = clean.iter().enumerate().map(drive).collect();
        let ends = [(0, Arrived, 90.0), (1, OffRoad, 25.0), (2, Blocked, 20.0)];
        let runs = vec![run("apgd", 2, &ends), run("noise", 4, &ends[..2])];
        let plan = Plan { drive_eps_levels: vec![2, 4], ..Plan::standard() };
        let closed_loop = summed_up(drives, &clean, AllRuns { runs, ..AllRuns::default() }, &plan);
        let at = |name: &str| closed_loop.group(name).unwrap().at(2).unwrap();
        let (all, empty, with_cars) = (at(ALL_DRIVES), at(EMPTY_ROADS), at(WITH_CARS));
        assert_eq!((empty.kept.value, empty.blocked_or_late.value, with_cars.blocked_or_late.value), (0.2, 1.0, 0.0));
        assert!((all.blocked_or_late.value - 1.0 / 3.0).abs() < 1e-6 && (all.kept.value - 135.0 / 240.0).abs() < 1e-6);
        let failing: Vec<usize> = closed_loop.groups.iter().map(|group| group.clean_failures).collect();
        assert_eq!(failing, [1, 0, 1]);
        assert_eq!(closed_loop.group(EMPTY_ROADS).unwrap().at(4), Some(&DrivePoint { eps_levels: 4, ..empty.clone() }));
        assert!(closed_loop.complete("apgd", 2).is_some() && closed_loop.complete("noise", 4).is_none());
    }
}
