//! Single decisions from drives, each with what the driver remembered before it.

use crate::drive::rollout::Rollout;
use crate::driver::LearnedDriver;
use crate::host::threads::all_cores;
use crate::memory::situation::Situation;
use crate::policy::QValues;
use roadproof_env::action::Action;
use roadproof_perception::Percept;
use roadproof_sim::{FleetError, Scenario};

/// A decision that is about to be taken.
#[derive(Clone, Debug)]
pub(in crate::robustness) struct SampledDecision {
    /// The drive, by its number.
    pub drive: usize,
    pub time_s: f32,
    /// The frame before.
    pub previous: Vec<u8>,
    pub situation: Situation,
}

/// Decisions of each drive that are taken.
pub(in crate::robustness) const OF_A_DRIVE: usize = 6;
/// The first of them, and decisions between them.
const FIRST: usize = 10;
const EVERY: usize = 30;

/// So many decisions, drive by drive; fewer if drives end before.
///
/// # Errors
/// [`FleetError`] for a drive that cannot be built.
pub(in crate::robustness) fn collect(
    driver: &LearnedDriver,
    scenarios: Vec<Scenario>,
    count: usize,
) -> Result<Vec<SampledDecision>, FleetError> {
    let mut driver = driver.twin();
    let mut rollout = Rollout::start(scenarios, &mut driver, all_cores())?;
    let mut before = rollout.seen().clone();
    let mut decisions = Vec::new();
    for step in 0..FIRST + OF_A_DRIVE * EVERY {
        let taken = step >= FIRST && (step - FIRST).is_multiple_of(EVERY);
        let running = rollout.running();
        rollout.step_after(|_, driver, seen| {
            for drive in running.into_iter().filter(|_| taken) {
                decisions.push(SampledDecision {
                    drive,
                    time_s: seen.measures[drive].time_s,
                    previous: before.frame(drive).to_vec(),
                    situation: Situation::new(driver.memory(drive), seen, drive),
                });
            }
            before.rgb.copy_from_slice(&seen.rgb);
        });
    }
    decisions.sort_by_key(|decision| decision.drive);
    decisions.truncate(count);
    Ok(decisions)
}

impl SampledDecision {
    /// What the driver does on this frame.
    pub fn action(&self, driver: &LearnedDriver, rgb: &[u8]) -> Action {
        self.action_of(driver, &driver.perception().see(rgb)[0])
    }

    /// What the driver does on a frame of which perception makes this.
    pub fn action_of(&self, driver: &LearnedDriver, percept: &Percept) -> Action {
        QValues(&driver.policy().heads(&self.situation.features(percept))).best()
    }
}
