//! Whole drives of which every decision is attacked: what is left of them against the budget.
//!
//! Attacking every decision of a drive many times over is dear, so not everything is run with every budget: every attack on every
//! drive at one budget of reference; there the strongest few of each drive with more steps and starts; with the other budgets the
//! strongest of each drive, and one of each kind of method. What was run on which drives, and with what effort, is part of the result.

use crate::about::as_text;
use crate::drive::interval::Estimate;
use crate::driver::LearnedDriver;
use crate::host::interrupt::Interrupt;
use crate::robustness::agenda::{Agenda, Stage};
use crate::robustness::attacks::attacked::{DRIVE_ATTACKS, DrivePlan, Driven, OF_EACH_KIND};
use crate::robustness::attacks::deepen::{Doubling, deepen, strongest_orders};
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
    /// What more steps of the strongest attacks found at the budget of reference.
    pub doublings: Vec<Doubling>,
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
    let Some((runs, doublings)) = attack(&targets, &clean, plan)? else { return Ok(None) };
    let drives: Vec<AttackedDrive> = drives.iter().zip(&clean).map(attacked_drive).collect();
    Ok(Some(summed_up(drives, &clean, runs, doublings, plan)))
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

/// Runs what the plan says, one part after another.
fn attack(
    targets: &Targets<'_>,
    clean: &[Driven],
    plan: &Plan,
) -> Result<Option<(Vec<Run>, Vec<Doubling>)>, FleetError> {
    let all: Vec<usize> = (0..clean.len()).collect();
    let (reference, walks) = (plan.reference_eps_levels, Walks { steps: plan.drive_steps, starts: 1, number: 0 });
    let everything = DRIVE_ATTACKS.map(|attack| Order { attack, eps_levels: reference, walks, drives: all.clone() });
    let Some(mut runs) = targets.run(Stage::Drives, &format!("attack drives, {reference}/255"), &everything)? else {
        return Ok(None);
    };
    let Some(doublings) = deepen(targets, clean, &mut runs, plan)? else { return Ok(None) };
    let mut orders = Vec::new();
    for &eps_levels in plan.drive_eps_levels.iter().filter(|eps| **eps != reference) {
        let of_each_kind = everything.iter().filter(|order| OF_EACH_KIND.contains(&order.attack.name));
        orders.extend(of_each_kind.map(|order| Order { eps_levels, ..order.clone() }));
        let strongest = strongest_orders(&runs, &all, plan.strongest_attacks, (reference, eps_levels), walks);
        orders.extend(strongest.into_iter().filter(|order| !OF_EACH_KIND.contains(&order.attack.name)));
    }
    let Some(others) = targets.run(Stage::OtherBudgets, "attack drives, other budgets", &orders)? else {
        return Ok(None);
    };
    runs.extend(others);
    Ok(Some((runs, doublings)))
}

fn summed_up(
    drives: Vec<AttackedDrive>,
    clean: &[Driven],
    runs: Vec<Run>,
    doublings: Vec<Doubling>,
    plan: &Plan,
) -> ClosedLoop {
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
    ClosedLoop { drives, reference_eps_levels: plan.reference_eps_levels, groups, worst, doublings, runs }
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

    /// Runs on every drive, by their attack: one for each budget it was run with.
    pub(in crate::robustness) fn complete<'a>(&'a self, attack: &'a str, eps_levels: u8) -> Option<&'a Run> {
        let complete = |run: &&Run| run.drives.len() == self.drives.len() && run.number == 0;
        self.runs.iter().filter(complete).find(|run| run.attack == attack && run.eps_levels == eps_levels)
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
        let closed_loop = summed_up(drives, &clean, runs, Vec::new(), &plan);
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
