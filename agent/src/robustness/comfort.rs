//! How the driver drives without faults and attacks: what a driving score does not see.

use crate::drive::evaluate::ComfortLogs;
use crate::drive::rollout::Rollout;
use crate::driver::LearnedDriver;
use crate::host::threads::all_cores;
use crate::robustness::drives::FamilyDrive;
use crate::robustness::kept::Failure;
use roadproof_sim::{Comfort, FleetError, Outcome, Score, Verdict};
use serde::Serialize;

/// A drive without faults and attacks.
#[derive(Clone, Debug, Serialize)]
pub struct CleanDriving {
    /// Its family.
    pub family: String,
    /// Its name.
    pub drive: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Its driving score.
    pub driving_score: f32,
    /// What it was like.
    pub comfort: Comfort,
}

/// Such drives added up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CleanDrivingTotals {
    /// Drives.
    pub drives: usize,
    /// Drives that end in a collision, off the road, or standing for good.
    pub failures: usize,
    /// Decisions in which the car braked hard.
    pub hard_braking: u32,
    /// Drives with such decisions.
    pub drives_with_hard_braking: usize,
    /// Emergency stops with nothing ahead.
    pub needless_emergency_stops: u32,
    /// The least time to collision; none if no gap ever closed.
    pub min_ttc_s: Option<f32>,
}

/// Drives them.
///
/// # Errors
/// [`FleetError`] for a drive that cannot be built.
pub(super) fn drive(
    driver: &LearnedDriver,
    drives: Vec<(String, FamilyDrive)>,
) -> Result<Vec<CleanDriving>, FleetError> {
    let mut driver = driver.twin();
    let scenarios = drives.iter().map(|(_, drive)| drive.scenario.clone()).collect();
    let mut rollout = Rollout::start(scenarios, &mut driver, all_cores())?;
    let mut logs = ComfortLogs::start(rollout.seen());
    loop {
        let running = rollout.running();
        if running.is_empty() {
            break;
        }
        rollout.step();
        logs.note(rollout.seen(), &running);
    }
    let seen = rollout.seen();
    let ends = seen.verdicts.iter().zip(&seen.scores).zip(logs.comforts());
    let of =
        |((family, drive), ((verdict, score), comfort)): ((String, FamilyDrive), ((&Verdict, &Score), Comfort))| {
            CleanDriving {
                family,
                drive: drive.name,
                outcome: verdict.outcome.unwrap_or(Outcome::TimeUp),
                driving_score: score.driving_score,
                comfort,
            }
        };
    Ok(drives.into_iter().zip(ends).map(of).collect())
}

/// What all of them come to.
pub(super) fn totals(driven: &[CleanDriving]) -> CleanDrivingTotals {
    let least_s = driven.iter().map(|drive| drive.comfort.min_ttc_s).fold(f32::INFINITY, f32::min);
    CleanDrivingTotals {
        drives: driven.len(),
        failures: driven.iter().filter(|drive| Failure::of(drive.outcome, drive.outcome).is_some()).count(),
        hard_braking: driven.iter().map(|drive| drive.comfort.hard_braking).sum(),
        drives_with_hard_braking: driven.iter().filter(|drive| drive.comfort.hard_braking > 0).count(),
        needless_emergency_stops: driven.iter().map(|drive| drive.comfort.needless_emergency_stops).sum(),
        min_ttc_s: least_s.is_finite().then_some(least_s),
    }
}
