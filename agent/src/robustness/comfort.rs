//! How the driver drives without faults and attacks: what a driving score does not see.

use crate::drive::evaluate::ComfortLogs;
use crate::drive::result::{bounds_broken, broken_most};
use crate::drive::rollout::Rollout;
use crate::driver::Driver;
use crate::host::interrupt::Interrupt;
use crate::host::threads::all_cores;
use crate::robustness::drives::FamilyDrive;
use crate::robustness::kept::Failure;
use roadproof_sim::{Comfort, FleetError, Outcome, Score, Verdict};
use serde::Serialize;
use std::collections::BTreeMap;

/// A drive without faults and attacks.
#[derive(Clone, Debug, Serialize)]
pub struct CleanDriving {
    /// Its family.
    pub family: String,
    /// Its name.
    pub drive: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether nobody would call that driving: a collision, off the road, standing for good, or late where it was to arrive.
    pub fails: bool,
    /// Its driving score.
    pub driving_score: f32,
    /// What it was like.
    pub comfort: Comfort,
}

/// Such drives added up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CleanDrivingTotals {
    /// Drives.
    pub drives: usize,
    /// Drives that end in a collision, off the road, standing for good, or when their time is up although they were to arrive.
    pub failures: usize,
    /// Drives that arrive, or are under way at the end of their time as they are to be, and keep all of nuPlan's bounds of comfort.
    pub ended_comfortably: usize,
    /// Drives that broke each of these bounds.
    pub bounds_broken: BTreeMap<&'static str, usize>,
    /// Decisions in which the car braked hard.
    pub hard_braking: u32,
    /// Drives with such decisions.
    pub drives_with_hard_braking: usize,
    /// Emergency stops with nothing ahead.
    pub needless_emergency_stops: u32,
    /// The least time to collision; none if no gap ever closed.
    pub min_ttc_s: Option<f32>,
}

/// Drives them; `None` if somebody interrupted.
///
/// # Errors
/// [`FleetError`] for a drive that cannot be built.
pub(super) fn drive(
    driver: &mut Driver,
    drives: Vec<(String, FamilyDrive)>,
    interrupt: &Interrupt,
) -> Result<Option<Vec<CleanDriving>>, FleetError> {
    let scenarios = drives.iter().map(|(_, drive)| drive.scenario.clone()).collect();
    let mut rollout = Rollout::start(scenarios, driver, all_cores())?;
    let mut logs = ComfortLogs::start(rollout.seen());
    loop {
        let running = rollout.running();
        if running.is_empty() {
            break;
        }
        if interrupt.requested() {
            return Ok(None);
        }
        rollout.step();
        logs.note(rollout.seen(), &running);
    }
    let seen = rollout.seen();
    let ends = seen.verdicts.iter().zip(&seen.scores).zip(logs.comforts());
    let of =
        |((family, drive), ((verdict, score), comfort)): ((String, FamilyDrive), ((&Verdict, &Score), Comfort))| {
            let outcome = verdict.outcome.unwrap_or(Outcome::TimeUp);
            CleanDriving {
                family,
                fails: Failure::of(outcome, drive.scenario.expect.outcome).is_some(),
                drive: drive.name,
                outcome,
                driving_score: score.driving_score,
                comfort,
            }
        };
    Ok(Some(drives.into_iter().zip(ends).map(of).collect()))
}

/// What all of them come to.
pub(super) fn totals(driven: &[CleanDriving]) -> CleanDrivingTotals {
    let least_s = driven.iter().map(|drive| drive.comfort.min_ttc_s).fold(f32::INFINITY, f32::min);
    CleanDrivingTotals {
        drives: driven.len(),
        failures: driven.iter().filter(|drive| drive.fails).count(),
        ended_comfortably: driven.iter().filter(|drive| !drive.fails && drive.comfort.is_comfortable()).count(),
        bounds_broken: bounds_broken(driven.iter().map(|drive| &drive.comfort)),
        hard_braking: driven.iter().map(|drive| drive.comfort.hard_braking).sum(),
        drives_with_hard_braking: driven.iter().filter(|drive| drive.comfort.hard_braking > 0).count(),
        needless_emergency_stops: driven.iter().map(|drive| drive.comfort.needless_emergency_stops).sum(),
        min_ttc_s: least_s.is_finite().then_some(least_s),
    }
}

impl CleanDrivingTotals {
    /// The bound that most drives broke, with their number; `None` if all drives kept all.
    #[must_use]
    pub fn broken_most(&self) -> Option<(&'static str, usize)> {
        broken_most(&self.bounds_broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roadproof_sim::outcome::comfort::ComfortLog;

    #[test]
    fn who_is_late_fails_and_who_fails_is_not_comfortable() {
        use Outcome::{Arrived, Blocked, TimeUp};
        let driven = |outcome, wanted, max_jerk_mps3| CleanDriving {
            family: "one".to_owned(),
            drive: "a".to_owned(),
            outcome,
            fails: Failure::of(outcome, wanted).is_some(),
            driving_score: 50.0,
            comfort: Comfort { max_jerk_mps3, ..ComfortLog::default().comfort() },
        };
        let drives = [
            driven(Arrived, Arrived, 0.0),
            driven(Arrived, Arrived, 99.0),
            driven(TimeUp, TimeUp, 0.0),
            driven(TimeUp, Arrived, 0.0),
            driven(Blocked, Arrived, 99.0),
            driven(Blocked, Arrived, 0.0),
        ];
        let totals = totals(&drives);
        assert_eq!((totals.drives, totals.failures, totals.ended_comfortably), (6, 3, 2));
        assert_eq!(totals.broken_most(), Some(("jerk", 2)));
    }
}
