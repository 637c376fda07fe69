//! Stage 4: drives held-out roads with the learned driver or a baseline.

use crate::drive::result::{DriverResult, RoadResult};
use crate::drive::rollout::Rollout;
use crate::driver::Driver;
use crate::host::interrupt::{Interrupt, given_up};
use crate::host::progress::LongWork;
use roadproof_sim::outcome::comfort::ComfortLog;
use roadproof_sim::{Comfort, DriveStyle, FleetError, Observations, Score, Seed, Split, Verdict, generate_drive};
use serde::{Deserialize, Serialize};

/// Seed of the held-out roads that figures come from: no command but `evaluate` drives them unasked. Those of seeds 0 and 1 were
/// looked at while drivers and settings were chosen, and figures on them would flatter; settings are chosen on validation roads.
pub const FIGURES_SEED: u64 = 2026;
/// Seed of the held-out roads that a robustness report drives. Whoever hardens a driver makes many reports, and would otherwise tune
/// on roads that figures come from.
pub const REPORT_SEED: u64 = 2027;
/// Seed of the held-out roads that everybody looks at: a training drives some at its end and shows what comes of it, and whoever
/// chooses settings sees that each time.
pub const FAMILIAR_SEED: u64 = 0;
/// Roads that figures come from.
pub const FIGURES_ROADS: usize = 300;

/// What is allowed.
mod range {
    roadproof_range::bounded! {
        roads: usize = 1 to 10000;
    }
}

/// Which roads an evaluation drives; at first those that a training drives at its end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluateSettings {
    /// Held-out roads.
    #[serde(deserialize_with = "range::roads")]
    pub roads: usize,
    /// Seed of the held-out roads; the same for every run, so that runs can be compared.
    pub seed: u64,
    /// Which roads: held-out ones for figures, validation ones for choosing settings.
    pub split: Split,
}

impl Default for EvaluateSettings {
    fn default() -> Self {
        Self { roads: 60, seed: FAMILIAR_SEED, split: Split::HeldOut }
    }
}

impl EvaluateSettings {
    /// Seeds of the roads, in the order in which they are driven.
    #[must_use]
    pub fn road_seeds(&self) -> Vec<Seed> {
        (0..self.roads as u64).map(|road| Seed::of_split(self.split, self.seed, road)).collect()
    }
}

/// Drives every road with a driver, drawn in this style, whose result and progress go by this name; `None` if somebody interrupted.
///
/// # Errors
/// [`FleetError`] if the style describes drives that cannot be built.
pub fn evaluate(
    name: &str,
    driver: &mut Driver,
    settings: &EvaluateSettings,
    style: &DriveStyle,
    threads: usize,
    interrupt: &Interrupt,
) -> Result<Option<DriverResult>, FleetError> {
    let roads = settings.roads;
    let seeds = settings.road_seeds();
    let scenarios: Vec<_> = seeds.iter().map(|seed| generate_drive(*seed, style)).collect();
    let mut rollout = Rollout::start(scenarios, driver, threads)?;
    let mut logs = ComfortLogs::start(rollout.seen());
    let mut stage = LongWork::start(&format!("evaluate {name}"), roads as u64, "roads");
    loop {
        let running = rollout.running();
        let time_s = rollout.seen().measures.iter().map(|measures| measures.time_s).fold(0.0, f32::max);
        stage.set((roads - running.len()) as u64, format_args!("{time_s:.0} s driven"));
        if running.is_empty() {
            break;
        }
        if interrupt.requested() {
            return Ok(None);
        }
        rollout.step();
        logs.note(rollout.seen(), &running);
    }
    if given_up().is_some() {
        return Ok(None);
    }
    let result = DriverResult::new(name, ended_roads(&seeds, rollout.seen(), &logs));
    stage.finish(format_args!(
        "driving score {:.1}, route completion {:.1} %",
        result.driving_score,
        100.0 * result.route_completion
    ));
    Ok(Some(result))
}

/// What drives under way are like, one log a world.
pub(crate) struct ComfortLogs(Vec<ComfortLog>);

impl ComfortLogs {
    /// Logs of drives that have not made a decision yet.
    pub fn start(seen: &Observations) -> Self {
        let mut logs = Self(vec![ComfortLog::default(); seen.measures.len()]);
        logs.note(seen, &(0..seen.measures.len()).collect::<Vec<_>>());
        logs
    }

    /// Takes in one decision of the worlds whose drive went on.
    pub fn note(&mut self, seen: &Observations, worlds: &[usize]) {
        worlds.iter().for_each(|&world| self.0[world].note(&seen.measures[world]));
    }

    /// What each drive was like up to now.
    pub fn comforts(&self) -> Vec<Comfort> {
        self.0.iter().map(ComfortLog::comfort).collect()
    }
}

/// What became of drives that have ended.
pub(crate) fn ended_roads(seeds: &[Seed], seen: &Observations, logs: &ComfortLogs) -> Vec<RoadResult> {
    let drives = seeds.iter().zip(&seen.verdicts).zip(seen.scores.iter().zip(&logs.0)).enumerate();
    let result = |(road, ((seed, verdict), (score, log))): (usize, ((&Seed, &Verdict), (&Score, &ComfortLog)))| {
        let outcome = verdict.outcome?;
        Some(RoadResult { road, seed: seed.0, outcome, score: *score, comfort: log.comfort() })
    };
    drives.filter_map(result).collect()
}
