//! Stage 4: drives held-out roads with the learned driver and the baselines, and adds up what happened.

use crate::drive::rollout::Rollout;
use crate::driver::Driver;
use crate::host::interrupt::Interrupt;
use crate::host::progress::LongWork;
use roadproof_sim::outcome::score::Infractions;
use roadproof_sim::{DriveStyle, FleetError, Observations, Outcome, Score, Seed, Split, Verdict, generate_drive};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is allowed.
mod range {
    roadproof_range::bounded! {
        roads: usize = 1 to 10000;
    }
}

/// Which roads an evaluation drives.
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
        Self { roads: 60, seed: 0, split: Split::HeldOut }
    }
}

impl EvaluateSettings {
    /// Seeds of the roads, in the order in which they are driven.
    #[must_use]
    pub fn road_seeds(&self) -> Vec<Seed> {
        (0..self.roads as u64).map(|road| Seed::of_split(self.split, self.seed, road)).collect()
    }
}

/// What one driver did on the held-out roads.
#[derive(Clone, Debug, Serialize)]
pub struct DriverResult {
    /// learned, random, blind or scripted.
    pub driver: String,
    /// Roads driven.
    pub episodes: usize,
    /// Mean share of the route driven, 0 to 1.
    pub route_completion: f32,
    /// Standard deviation of the same over roads.
    pub route_completion_std: f32,
    /// Mean driving score, 0 to 100.
    pub driving_score: f32,
    /// Standard deviation of the same over roads.
    pub driving_score_std: f32,
    /// Infractions per kilometre driven, all roads together.
    pub infractions: BTreeMap<&'static str, f32>,
    /// Standard deviation over roads of each road's own infractions per kilometre.
    pub infractions_std: BTreeMap<&'static str, f32>,
    /// Kilometres driven.
    pub driven_km: f32,
    /// How the drives ended.
    pub outcomes: BTreeMap<String, usize>,
    /// Score of each road, in the order of their seeds.
    pub roads: Vec<RoadResult>,
}

/// One held-out road.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RoadResult {
    /// Its seed.
    pub seed: u64,
    /// How the drive ended.
    pub outcome: Outcome,
    /// Score and infractions.
    #[serde(flatten)]
    pub score: Score,
}

/// Drives every road with a driver, drawn in this style; `None` if somebody interrupted.
///
/// # Errors
/// [`FleetError`] if the style describes drives that cannot be built.
pub fn evaluate(
    driver: &mut Driver,
    settings: &EvaluateSettings,
    style: &DriveStyle,
    threads: usize,
    interrupt: &Interrupt,
) -> Result<Option<DriverResult>, FleetError> {
    let roads = settings.roads;
    let seeds = settings.road_seeds();
    let scenarios: Vec<_> = seeds.iter().map(|seed| generate_drive(*seed, style)).collect();
    let name = driver.name();
    let mut rollout = Rollout::start(scenarios, driver, threads)?;
    let mut stage = LongWork::start(&format!("evaluate {name}"), roads as u64, "roads");
    loop {
        let running = rollout.running().len();
        let time_s = rollout.seen().measures.iter().map(|measures| measures.time_s).fold(0.0, f32::max);
        stage.set((roads - running) as u64, format_args!("{time_s:.0} s driven"));
        if running == 0 {
            break;
        }
        if interrupt.requested() {
            return Ok(None);
        }
        rollout.step();
    }
    let result = DriverResult::new(name, ended_roads(&seeds, rollout.seen()));
    stage.finish(format_args!(
        "driving score {:.1}, route completion {:.1} %",
        result.driving_score,
        100.0 * result.route_completion
    ));
    Ok(Some(result))
}

/// What became of drives that have ended.
pub(crate) fn ended_roads(seeds: &[Seed], seen: &Observations) -> Vec<RoadResult> {
    let drives = seeds.iter().zip(&seen.verdicts).zip(&seen.scores);
    let road = |((seed, verdict), score): ((&Seed, &Verdict), &Score)| {
        verdict.outcome.map(|outcome| RoadResult { seed: seed.0, outcome, score: *score })
    };
    drives.filter_map(road).collect()
}

/// What is counted per kilometre, by the name it has in results.
const INFRACTIONS: [(&str, fn(&Infractions) -> f32); 7] = [
    ("collisions_vehicle", |infractions| infractions.collisions_vehicle),
    ("collisions_static", |infractions| infractions.collisions_static),
    ("outside_lanes_m", |infractions| infractions.outside_lanes_m),
    ("off_road", |infractions| infractions.off_road),
    ("blocked", |infractions| infractions.blocked),
    ("timeouts", |infractions| infractions.timeouts),
    ("minimum_speed", |infractions| infractions.minimum_speed),
];

impl DriverResult {
    /// Adds up what happened on some roads.
    pub(crate) fn new(driver: &str, roads: Vec<RoadResult>) -> Self {
        let (route_completion, route_completion_std) =
            mean_and_spread(roads.iter().map(|road| road.score.route_completion));
        let (driving_score, driving_score_std) = mean_and_spread(roads.iter().map(|road| road.score.driving_score));
        let driven_km = roads.iter().map(|road| road.score.driven_m).sum::<f32>() / 1000.0;
        let per_km = |count: fn(&Infractions) -> f32| {
            roads.iter().map(|road| count(&road.score.infractions)).sum::<f32>() / driven_km.max(0.001)
        };
        let infractions = INFRACTIONS.iter().map(|&(name, count)| (name, per_km(count))).collect();
        let spread = |count: fn(&Infractions) -> f32| {
            let each = |road: &RoadResult| 1000.0 * count(&road.score.infractions) / road.score.driven_m.max(1.0);
            mean_and_spread(roads.iter().map(each)).1
        };
        let infractions_std = INFRACTIONS.iter().map(|&(name, count)| (name, spread(count))).collect();
        let mut outcomes = BTreeMap::new();
        for road in &roads {
            *outcomes.entry(format!("{:?}", road.outcome)).or_insert(0) += 1;
        }
        Self {
            driver: driver.to_owned(),
            episodes: roads.len(),
            route_completion,
            route_completion_std,
            driving_score,
            driving_score_std,
            infractions,
            infractions_std,
            driven_km,
            outcomes,
            roads,
        }
    }
}

/// Mean and standard deviation (of a sample).
fn mean_and_spread(values: impl Iterator<Item = f32> + Clone) -> (f32, f32) {
    let count = values.clone().count() as f32;
    let mean = values.clone().sum::<f32>() / count;
    let variance = values.map(|value| (value - mean) * (value - mean)).sum::<f32>() / (count - 1.0).max(1.0);
    (mean, variance.sqrt())
}

/// The results as a table for people.
#[must_use]
pub fn table(results: &[DriverResult]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::UTF8_FULL_CONDENSED).set_header([
        "driver",
        "driving score",
        "route completion",
        "arrived",
        "hits cars /km",
        "hits static /km",
        "off road /km",
        "blocked /km",
        "timed out /km",
    ]);
    for result in results {
        let rate = |name| {
            let of = |map: &BTreeMap<&'static str, f32>| map.get(name).copied().unwrap_or(0.0);
            format!("{:.2} ± {:.1}", of(&result.infractions), of(&result.infractions_std))
        };
        table.add_row([
            result.driver.clone(),
            format!("{:.1} ± {:.1}", result.driving_score, result.driving_score_std),
            format!("{:.1} ± {:.1} %", 100.0 * result.route_completion, 100.0 * result.route_completion_std),
            format!("{} of {}", result.outcomes.get("Arrived").copied().unwrap_or(0), result.episodes),
            rate("collisions_vehicle"),
            rate("collisions_static"),
            rate("off_road"),
            rate("blocked"),
            rate("timeouts"),
        ]);
    }
    format!("{table}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_is_that_of_a_sample() {
        let (mean, spread) = mean_and_spread([1.0, 2.0, 3.0, 4.0].into_iter());
        assert!((mean - 2.5).abs() < 1e-6 && (spread - 1.290_994).abs() < 1e-5, "{mean} {spread}");
    }
}
