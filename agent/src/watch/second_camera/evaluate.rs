//! Drives with bevy's frames in place of the simulator's own: what a driver keeps of its score under another renderer.

use crate::drive::evaluate::{ComfortLogs, EvaluateSettings, ended_roads};
use crate::drive::result::DriverResult;
use crate::drive::rollout::Rollout;
use crate::driver::Driver;
use crate::host::interrupt::Interrupt;
use crate::host::progress::LongWork;
use crate::watch::second_camera::{MOST_WORLDS, SecondCamera, Shows};
use roadproof_sim::{DriveStyle, generate_drive};
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
/// A style of drives that cannot be built, or a renderer that gives no picture.
pub fn evaluate(
    name: &str,
    driver: &mut Driver,
    settings: &EvaluateSettings,
    style: &DriveStyle,
    threads: usize,
    interrupt: &Interrupt,
) -> anyhow::Result<Option<SecondView>> {
    let count = settings.roads;
    let seeds = settings.road_seeds();
    let mut stage = LongWork::start(&format!("evaluate {name} on bevy's frames"), count as u64, "roads");
    let (mut roads, mut frames, mut drawing) = (Vec::new(), 0, Duration::ZERO);
    for seeds in seeds.chunks(MOST_WORLDS) {
        let scenarios: Vec<_> = seeds.iter().map(|seed| generate_drive(*seed, style)).collect();
        let mut rollout = Rollout::start(scenarios, driver, threads)?;
        let mut logs = ComfortLogs::start(rollout.seen());
        let mut second = SecondCamera::new(rollout.fleet(), Shows::Colours);
        loop {
            let running = rollout.running();
            let time_s = rollout.seen().measures.iter().map(|measures| measures.time_s).fold(0.0, f32::max);
            stage.set((roads.len() + seeds.len() - running.len()) as u64, format_args!("{time_s:.0} s driven"));
            if running.is_empty() {
                break;
            }
            if interrupt.requested() {
                return Ok(None);
            }
            (0..seeds.len()).for_each(|world| second.set_shown(world, running.contains(&world)));
            let start = Instant::now();
            let colours = second.colours(rollout.fleet(), &rollout.seen().measures)?;
            drawing += start.elapsed();
            frames += running.len();
            rollout.step_after(|fleet, _, seen| {
                // The simulator's own camera has nothing to draw.
                fleet.set_camera(false);
                seen.rgb = colours;
            });
            logs.note(rollout.seen(), &running);
        }
        roads.extend(ended_roads(seeds, rollout.seen(), &logs));
    }
    let result = DriverResult::new(&format!("{name}, bevy's frames"), roads);
    stage.finish(format_args!("driving score {:.1}", result.driving_score));
    Ok(Some(SecondView { result, frames, drawing }))
}
