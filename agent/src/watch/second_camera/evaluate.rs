//! Drives with bevy's frames in place of the simulator's own: what a driver keeps of its score under another renderer.

use crate::drive::evaluate::{DriverResult, ended_roads, road_seeds};
use crate::driver::Driver;
use crate::host::interrupt::Interrupt;
use crate::host::progress::Stage;
use crate::train::settings::Settings;
use crate::watch::second_camera::{MOST_WORLDS, SecondCamera, Shows};
use roadproof_sim::{Fleet, generate_drive};
use std::time::{Duration, Instant};

/// What a drive with the second camera gave.
#[derive(Clone, Debug)]
pub struct SecondView {
    /// As [`crate::drive::evaluate::evaluate`] gives it.
    pub result: DriverResult,
    /// Frames drawn and read back.
    pub frames: usize,
    /// Time that took.
    pub drawing: Duration,
}

/// Drives the same roads as [`crate::drive::evaluate::evaluate`], in groups of so many worlds as fit into one picture; `None` if somebody
/// interrupted.
///
/// # Errors
/// Settings that describe drives which cannot be built, or a renderer that gives no picture.
pub fn evaluate(driver: &mut Driver, settings: &Settings, interrupt: &Interrupt) -> anyhow::Result<Option<SecondView>> {
    let count = settings.evaluate.roads;
    let seeds = road_seeds(settings);
    let mut stage = Stage::start(&format!("evaluate {} on bevy's frames", driver.name()), count as u64, "roads");
    let (mut roads, mut frames, mut drawing) = (Vec::new(), 0, Duration::ZERO);
    for seeds in seeds.chunks(MOST_WORLDS) {
        let scenarios: Vec<_> = seeds.iter().map(|seed| generate_drive(*seed, &settings.drive)).collect();
        let decision_s = 1.0 / scenarios[0].decision_hz;
        let mut fleet = Fleet::new(scenarios, settings.threads())?;
        fleet.set_camera(false);
        let mut seen = fleet.observe();
        let mut second = SecondCamera::new(&fleet, Shows::Colours);
        driver.start(seeds);
        while seen.verdicts.iter().any(|verdict| verdict.outcome.is_none()) {
            if interrupt.requested() {
                return Ok(None);
            }
            let driving: Vec<bool> = seen.verdicts.iter().map(|verdict| verdict.outcome.is_none()).collect();
            driving.iter().enumerate().for_each(|(world, driving)| second.set_shown(world, *driving));
            let start = Instant::now();
            seen.rgb = second.colours(&fleet, &seen.measures)?;
            drawing += start.elapsed();
            frames += driving.iter().filter(|driving| **driving).count();
            let controls = driver.act(&seen, decision_s);
            fleet.step(&controls, &mut seen);
            let ended = seen.verdicts.iter().filter(|verdict| verdict.outcome.is_some()).count();
            let time_s = seen.measures.iter().map(|measures| measures.time_s).fold(0.0, f32::max);
            stage.set((roads.len() + ended) as u64, format_args!("{time_s:.0} s driven"));
        }
        roads.extend(ended_roads(seeds, &seen));
    }
    let result = DriverResult::new(&format!("{}, bevy's frames", driver.name()), roads);
    stage.finish(format_args!("driving score {:.1}", result.driving_score));
    Ok(Some(SecondView { result, frames, drawing }))
}
