//! Short drives of which every decision is attacked: driving score against the budget, method by method and drive by drive.
//!
//! # Source
//! Carlini et al. 2019, "On Evaluating Adversarial Robustness", arXiv:1902.06705: what counts is the mean over examples of the
//! least score over attacks, not the least mean of any one attack.

use crate::driver::LearnedDriver;
use crate::host::interrupt::Interrupt;
use crate::host::progress::LongWork;
use crate::robustness::attacks::attacked::{DRIVE_ATTACKS, Driven, Spent, drive_attacked, effort};
use crate::robustness::drives::Family;
use crate::robustness::kept::{is_broken, mean, ratio};
use crate::robustness::plan::Plan;
use roadproof_sim::{FleetError, Outcome, Scenario};
use serde::Serialize;

/// What attacks do to drives.
#[derive(Clone, Debug, Serialize)]
pub struct ClosedLoop {
    /// Drives are cut off after this time.
    pub drive_s: f32,
    /// The drives without an attack; scores of curves stand in the same order.
    pub drives: Vec<ShortDrive>,
    /// One for each method.
    pub curves: Vec<DriveCurve>,
    /// The strongest method for each drive on its own.
    pub strongest: Vec<DrivePoint>,
}

/// A drive that is cut off.
#[derive(Clone, Debug, Serialize)]
pub struct ShortDrive {
    /// Its family.
    pub family: String,
    /// Its name.
    pub name: String,
    /// Its seed.
    pub seed: u64,
    /// How it ends without an attack; `TimeUp` where it is cut off.
    pub outcome: Outcome,
    /// Its driving score without an attack.
    pub driving_score: f32,
}

/// One method against the budget.
#[derive(Clone, Debug, Serialize)]
pub struct DriveCurve {
    /// The method, and what it wants unless that is the worst action.
    pub method: &'static str,
    /// What it wants of each decision.
    pub goal: String,
    /// Steps or tries for each decision.
    pub effort: usize,
    /// One for each budget.
    pub points: Vec<DrivePoint>,
}

/// All drives under one budget.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DrivePoint {
    /// The budget in grey levels, Linf.
    pub eps_levels: u8,
    /// Mean driving score.
    pub driving_score: f32,
    /// The same over the clean drives' mean.
    pub relative: f32,
    /// Share of drives that end otherwise than without the attack, or keep less than nine tenths of its score.
    pub broken: f32,
    /// Whether each drive is broken.
    pub drives_broken: Vec<bool>,
    /// Driving score of each drive.
    pub scores: Vec<f32>,
    /// How each drive ended.
    pub outcomes: Vec<Outcome>,
}

/// The drives that are attacked: the first ones of each family, cut off.
fn short_drives<'a>(families: &'a [Family], plan: &Plan) -> Vec<(&'a Family, usize, Scenario)> {
    let of = |family: &'a Family| {
        let drives = family.drives.iter().enumerate().take(plan.attacked_drives);
        drives.map(move |(index, drive)| {
            let duration_s = drive.scenario.duration_s.min(plan.attacked_s);
            (family, index, Scenario { duration_s, ..drive.scenario.clone() })
        })
    };
    families.iter().take(plan.attacked_families).flat_map(of).collect()
}

/// Attacks the drives; `None` if somebody interrupted.
///
/// # Errors
/// [`FleetError`] for a drive that cannot be built.
pub(in crate::robustness) fn measure(
    driver: &LearnedDriver,
    families: &[Family],
    plan: &Plan,
    interrupt: &Interrupt,
) -> Result<Option<ClosedLoop>, FleetError> {
    let drives = short_drives(families, plan);
    let scenarios: Vec<Scenario> = drives.iter().map(|(_, _, scenario)| scenario.clone()).collect();
    let clean = drive_attacked(driver, &scenarios, None, plan.seed)?;
    let budgets = &plan.drive_eps_levels;
    let mut stage = LongWork::start("attack drives", (DRIVE_ATTACKS.len() * budgets.len()) as u64, "attacks");
    let mut done = 0;
    let mut curves = Vec::new();
    for attack in DRIVE_ATTACKS {
        let effort = effort(attack.method, plan.drive_steps, 2 * plan.drive_steps);
        let mut points = Vec::new();
        for eps_levels in budgets {
            if interrupt.requested() {
                return Ok(None);
            }
            let spent = Spent { eps_levels: *eps_levels, steps: effort, starts: 1 };
            let driven = drive_attacked(driver, &scenarios, Some((attack, spent)), plan.seed)?;
            points.push(point(*eps_levels, &clean, &driven));
            done += 1;
            stage.set(done, format_args!("{} at {eps_levels} grey levels", attack.name));
        }
        let goal = format!("{:?}", attack.goal);
        curves.push(DriveCurve { method: attack.name, goal, effort, points });
    }
    let strongest = strongest(&clean, &curves);
    if let Some(last) = strongest.last() {
        stage.finish(format_args!("{:.0} % broken at {} grey levels", 100.0 * last.broken, last.eps_levels));
    }
    let drives = drives.iter().zip(&clean).map(|((family, index, scenario), clean)| ShortDrive {
        family: family.name.clone(),
        name: family.drives[*index].name.clone(),
        seed: scenario.seed.0,
        outcome: clean.outcome,
        driving_score: clean.driving_score,
    });
    let drives = drives.collect();
    Ok(Some(ClosedLoop { drive_s: plan.attacked_s, drives, curves, strongest }))
}

fn point(eps_levels: u8, clean: &[Driven], attacked: &[Driven]) -> DrivePoint {
    let pair = |driven: &Driven| (driven.outcome, driven.driving_score);
    let broken = clean.iter().zip(attacked).map(|(clean, attacked)| is_broken(pair(clean), pair(attacked)));
    summed_up(eps_levels, clean, broken.collect(), attacked.iter().map(pair).collect())
}

fn summed_up(eps_levels: u8, clean: &[Driven], drives_broken: Vec<bool>, ends: Vec<(Outcome, f32)>) -> DrivePoint {
    let (outcomes, scores): (Vec<Outcome>, Vec<f32>) = ends.into_iter().unzip();
    let driving_score = mean(scores.iter().copied());
    DrivePoint {
        eps_levels,
        driving_score,
        relative: ratio(driving_score, mean(clean.iter().map(|clean| clean.driving_score))),
        broken: mean(drives_broken.iter().map(|broken| f32::from(u8::from(*broken)))),
        drives_broken,
        scores,
        outcomes,
    }
}

/// For each budget, each drive under the method that left it the least score; broken if any method broke it.
fn strongest(clean: &[Driven], curves: &[DriveCurve]) -> Vec<DrivePoint> {
    let budgets = curves.first().map_or(0, |curve| curve.points.len());
    let at = |budget: usize| {
        let points: Vec<&DrivePoint> = curves.iter().map(|curve| &curve.points[budget]).collect();
        let worst = |drive: usize| {
            let least = points.iter().min_by(|a, b| a.scores[drive].total_cmp(&b.scores[drive]));
            let least = least.expect("there is a method");
            (least.outcomes[drive], least.scores[drive])
        };
        let broken = (0..clean.len()).map(|drive| points.iter().any(|point| point.drives_broken[drive]));
        summed_up(points[0].eps_levels, clean, broken.collect(), (0..clean.len()).map(worst).collect())
    };
    (0..budgets).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_attack_is_chosen_drive_by_drive() {
        let driven =
            |outcome, driving_score| Driven { outcome, driving_score, route_completion: 1.0, min_ttc_s: f32::INFINITY };
        use Outcome::{OffRoad, TimeUp};
        let clean = [driven(TimeUp, 40.0), driven(TimeUp, 60.0)];
        let curve = |method, rows: [Driven; 2]| {
            let points = vec![point(4, &clean, &rows)];
            DriveCurve { method, goal: String::new(), effort: 1, points }
        };
        let curves = [
            curve("one", [driven(OffRoad, 10.0), driven(TimeUp, 60.0)]),
            curve("other", [driven(TimeUp, 40.0), driven(TimeUp, 30.0)]),
        ];
        // Each alone leaves 35 of 50 and breaks one drive; together, drive by drive, 20 of 50 and both.
        for curve in &curves {
            assert_eq!((curve.points[0].driving_score, curve.points[0].broken), (35.0, 0.5));
        }
        let strongest = strongest(&clean, &curves);
        assert_eq!((strongest[0].driving_score, strongest[0].relative, strongest[0].broken), (20.0, 0.4, 1.0));
        assert_eq!(strongest[0].outcomes, [OffRoad, TimeUp]);
    }
}
