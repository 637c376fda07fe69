//! Many drives through a fleet of fixed size: a world whose drive has ended takes the next one at once.

use crate::driver::{Eyes, LearnedDriver};
use crate::host::interrupt::Interrupt;
use crate::memory::FEATURES;
use crate::policy::{OUTPUTS, QValues};
use roadproof_sim::vehicle::VehicleSettings;
use roadproof_sim::{Fleet, FleetError, Outcome, Scenario, Score};

/// What became of a drive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ended {
    pub outcome: Outcome,
    pub score: Score,
}

/// Worlds that are driven at once; few for few drives, or most would stand still at the end.
fn worlds(drives: usize) -> usize {
    (drives / 8).clamp(16, 128).min(drives)
}

/// Drives so many scenarios to their end, each given by its number; `None` if somebody interrupted. All must have the camera
/// and the decisions per second of the first.
///
/// # Errors
/// [`FleetError`] for a scenario that cannot be built.
pub(crate) fn drive_all(
    driver: &LearnedDriver,
    drives: usize,
    scenario: impl Fn(usize) -> Scenario,
    interrupt: &Interrupt,
    mut report: impl FnMut(usize),
) -> Result<Option<Vec<Ended>>, FleetError> {
    let worlds = worlds(drives);
    let mut ended: Vec<Option<Ended>> = vec![None; drives];
    let mut driven: Vec<Option<usize>> = (0..worlds).map(Some).collect();
    let (mut next, mut done) = (worlds, 0);
    let decision_s = 1.0 / scenario(0).decision_hz;
    let mut fleet = Fleet::new((0..worlds).map(&scenario).collect(), driver.settings().threads())?;
    let mut seen = fleet.observe();
    let mut eyes = Eyes::new(driver.perception().clone(), driver.settings().memory, worlds);
    let mut features = vec![0.0; worlds * FEATURES];
    eyes.look(&seen, &seen.rgb, decision_s, &mut features);
    let vehicle = VehicleSettings::default();
    while done < drives {
        if interrupt.requested() {
            return Ok(None);
        }
        let heads = driver.policy().heads(&features);
        let controls: Vec<_> = heads
            .chunks_exact(OUTPUTS)
            .zip(&seen.sensed)
            .map(|(heads, sensed)| QValues(heads).best().controls(&vehicle, &sensed.ego))
            .collect();
        fleet.step(&controls, &mut seen);
        eyes.look(&seen, &seen.rgb, decision_s, &mut features);
        let mut fresh = Vec::new();
        for (world, slot) in driven.iter_mut().enumerate() {
            let (Some(drive), Some(outcome)) = (*slot, seen.verdicts[world].outcome) else { continue };
            ended[drive] = Some(Ended { outcome, score: seen.scores[world] });
            done += 1;
            *slot = (next < drives).then_some(next);
            if let Some(drive) = *slot {
                fresh.push((world, scenario(drive)));
                next += 1;
            }
        }
        report(done);
        if !fresh.is_empty() {
            let worlds: Vec<usize> = fresh.iter().map(|(world, _)| *world).collect();
            fleet.reset(fresh)?;
            fleet.show(&worlds, &mut seen);
            eyes.look_afresh(&seen, &worlds, decision_s, &mut features);
        }
    }
    Ok(ended.into_iter().collect())
}
