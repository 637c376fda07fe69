//! What a driver did on some roads, added up: score, how drives ended, comfort, each as far as it can be trusted.

use crate::about::as_text;
use crate::drive::interval::Estimate;
use roadproof_sim::outcome::score::Infractions;
use roadproof_sim::{Comfort, Outcome, Score};
use serde::Serialize;
use std::collections::BTreeMap;

/// What one driver did on the roads.
#[derive(Clone, Debug, Serialize)]
pub struct DriverResult {
    /// The driver's name.
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
    /// What is quoted, with its interval.
    pub estimates: Estimates,
    /// Infractions per kilometre driven, all roads together.
    pub infractions_per_km: BTreeMap<&'static str, f32>,
    /// Standard deviation over roads of each road's own infractions per kilometre.
    pub infractions_per_km_std: BTreeMap<&'static str, f32>,
    /// Kilometres driven.
    pub driven_km: f32,
    /// How the drives ended.
    pub outcomes: BTreeMap<String, usize>,
    /// What the drives were like.
    pub comfort: ComfortResult,
    /// Each road, in the order of their seeds.
    pub roads: Vec<RoadResult>,
}

/// Figures over roads with intervals of 95 %. The four ways to end make up all drives.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Estimates {
    /// Mean driving score, 0 to 100.
    pub driving_score: Estimate,
    /// Share of drives that arrive.
    pub arrived: Estimate,
    /// Share of drives that end in a collision.
    pub collided: Estimate,
    /// Share of drives that end off the road or the wrong way.
    pub off_road: Estimate,
    /// Share of drives that end standing without a reason, or when their time is up.
    pub blocked_or_late: Estimate,
    /// Share of drives that arrive and keep all of nuPlan's bounds of comfort on the way. Who stands, or hits something at once, has
    /// kept them as well, and has not driven comfortably.
    pub arrived_comfortably: Estimate,
    /// Decisions per kilometre that brake harder than
    /// [`HARD_BRAKING_MPS2`](roadproof_sim::outcome::comfort::HARD_BRAKING_MPS2).
    pub hard_braking_per_km: Estimate,
}

/// What drives were like.
#[derive(Clone, Debug, Serialize)]
pub struct ComfortResult {
    /// Drives that broke each of nuPlan's bounds.
    pub bounds_broken: BTreeMap<&'static str, usize>,
    /// Emergency stops with nothing ahead, all drives together.
    pub needless_emergency_stops: u32,
    /// Drives with at least one of them.
    pub needless_emergency_drives: usize,
    /// Least time to collision of any drive; `None` if no gap ever closed.
    pub min_ttc_s: Option<f32>,
    /// What the least time to collision of a drive falls below in one drive of twenty; `None` if no gap closes in so many.
    pub min_ttc_5_percent_s: Option<f32>,
}

/// One road.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RoadResult {
    /// Its number, from 0.
    pub road: usize,
    /// Its seed.
    #[serde(serialize_with = "as_text")]
    pub seed: u64,
    /// How the drive ended.
    pub outcome: Outcome,
    /// Score and infractions.
    #[serde(flatten)]
    pub score: Score,
    /// What the drive was like.
    pub comfort: Comfort,
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
    /// The worst roads, the worst first: those that did not end in an arrival, then those with the least score.
    #[must_use]
    pub fn worst(&self, count: usize) -> Vec<&RoadResult> {
        let mut roads: Vec<&RoadResult> = self.roads.iter().collect();
        let arrived = |road: &RoadResult| road.outcome == Outcome::Arrived;
        roads.sort_by(|a, b| arrived(a).cmp(&arrived(b)).then(a.score.driving_score.total_cmp(&b.score.driving_score)));
        roads.truncate(count);
        roads
    }

    /// Adds up what happened on some roads.
    pub(crate) fn new(driver: &str, roads: Vec<RoadResult>) -> Self {
        let (route_completion, route_completion_std) =
            mean_and_spread(roads.iter().map(|road| road.score.route_completion));
        let (driving_score, driving_score_std) = mean_and_spread(roads.iter().map(|road| road.score.driving_score));
        let driven_km = roads.iter().map(|road| road.score.driven_m).sum::<f32>() / 1000.0;
        let per_km = |count: fn(&Infractions) -> f32| {
            roads.iter().map(|road| count(&road.score.infractions)).sum::<f32>() / driven_km.max(0.001)
        };
        let infractions_per_km = INFRACTIONS.iter().map(|&(name, count)| (name, per_km(count))).collect();
        let spread = |count: fn(&Infractions) -> f32| {
            let each = |road: &RoadResult| 1000.0 * count(&road.score.infractions) / road.score.driven_m.max(1.0);
            mean_and_spread(roads.iter().map(each)).1
        };
        let infractions_per_km_std = INFRACTIONS.iter().map(|&(name, count)| (name, spread(count))).collect();
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
            estimates: Estimates::of(&roads),
            infractions_per_km,
            infractions_per_km_std,
            driven_km,
            outcomes,
            comfort: ComfortResult::of(&roads),
            roads,
        }
    }
}

impl Estimates {
    fn of(roads: &[RoadResult]) -> Self {
        let share = |of: &dyn Fn(&RoadResult) -> bool| {
            Estimate::share(roads.iter().filter(|road| of(road)).count(), roads.len())
        };
        let ended = |outcomes: &[Outcome]| share(&|road| outcomes.contains(&road.outcome));
        let scores: Vec<f32> = roads.iter().map(|road| road.score.driving_score).collect();
        let hard_braking_per_km = Estimate::of(roads.len(), |drives| {
            let sum = |of: fn(&RoadResult) -> f64| drives.iter().map(|&drive| of(&roads[drive])).sum::<f64>();
            let driven_km = sum(|road| f64::from(road.score.driven_m)) / 1000.0;
            sum(|road| f64::from(road.comfort.hard_braking)) / driven_km.max(0.001)
        });
        Self {
            driving_score: Estimate::mean(&scores),
            arrived: ended(&[Outcome::Arrived]),
            collided: ended(&[Outcome::Collision]),
            off_road: ended(&[Outcome::OffRoad, Outcome::WrongWay]),
            blocked_or_late: ended(&[Outcome::Blocked, Outcome::TimeUp]),
            arrived_comfortably: share(&|road| road.outcome == Outcome::Arrived && road.comfort.is_comfortable()),
            hard_braking_per_km,
        }
    }
}

impl ComfortResult {
    fn of(roads: &[RoadResult]) -> Self {
        let bounds_broken = bounds_broken(roads.iter().map(|road| &road.comfort));
        let stops = || roads.iter().map(|road| road.comfort.needless_emergency_stops);
        let mut least_s: Vec<f32> = roads.iter().map(|road| road.comfort.min_ttc_s).collect();
        least_s.sort_by(f32::total_cmp);
        let quantile_s = |share: f32| {
            let place = (share * least_s.len().saturating_sub(1) as f32).round() as usize;
            least_s.get(place).copied().filter(|least_s| least_s.is_finite())
        };
        Self {
            bounds_broken,
            needless_emergency_stops: stops().sum(),
            needless_emergency_drives: stops().filter(|&stops| stops > 0).count(),
            min_ttc_s: quantile_s(0.0),
            min_ttc_5_percent_s: quantile_s(0.05),
        }
    }

    /// The bound that most drives broke, with their number; `None` if all drives kept all.
    #[must_use]
    pub fn broken_most(&self) -> Option<(&'static str, usize)> {
        broken_most(&self.bounds_broken)
    }
}

/// How many drives broke each of nuPlan's bounds.
pub(crate) fn bounds_broken<'a>(drives: impl Iterator<Item = &'a Comfort>) -> BTreeMap<&'static str, usize> {
    let mut broken = BTreeMap::new();
    for (bound, kept) in drives.flat_map(Comfort::bounds) {
        *broken.entry(bound).or_insert(0) += usize::from(!kept);
    }
    broken
}

/// The one of them that most drives broke, with their number; `None` if all drives kept all.
pub(crate) fn broken_most(bounds: &BTreeMap<&'static str, usize>) -> Option<(&'static str, usize)> {
    let worst = bounds.iter().max_by_key(|(_, drives)| **drives);
    worst.map(|(bound, drives)| (*bound, *drives)).filter(|(_, drives)| *drives > 0)
}

/// Mean and standard deviation (of a sample).
fn mean_and_spread(values: impl Iterator<Item = f32> + Clone) -> (f32, f32) {
    let count = values.clone().count() as f32;
    let mean = values.clone().sum::<f32>() / count;
    let variance = values.map(|value| (value - mean) * (value - mean)).sum::<f32>() / (count - 1.0).max(1.0);
    (mean, variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_is_that_of_a_sample() {
        let (mean, spread) = mean_and_spread([1.0, 2.0, 3.0, 4.0].into_iter());
        assert!((mean - 2.5).abs() < 1e-6 && (spread - 1.290_994).abs() < 1e-5, "{mean} {spread}");
    }

    /// A road of 500 m that was driven in full, and on which so much happened.
    fn road(outcome: Outcome, driving_score: f32, hard_braking: u32, stops: u32, min_ttc_s: f32) -> RoadResult {
        let mut score = Score::default();
        (score.driving_score, score.driven_m) = (driving_score, 500.0);
        let mut comfort = roadproof_sim::outcome::comfort::ComfortLog::default().comfort();
        (comfort.hard_braking, comfort.needless_emergency_stops, comfort.min_ttc_s) = (hard_braking, stops, min_ttc_s);
        // Who brakes hard jerks, and harder still leaves another bound as well.
        comfort.max_longitudinal_jerk_mps3 = hard_braking as f32;
        comfort.min_longitudinal_acceleration_mps2 = -(hard_braking as f32) / 2.0;
        RoadResult { road: 0, seed: 0, outcome, score, comfort }
    }

    #[test]
    fn roads_add_up() {
        let roads = vec![
            road(Outcome::Arrived, 100.0, 0, 0, f32::INFINITY),
            road(Outcome::Arrived, 90.0, 5, 0, 3.0),
            road(Outcome::Collision, 20.0, 9, 2, 0.5),
            road(Outcome::WrongWay, 10.0, 0, 1, 4.0),
            road(Outcome::TimeUp, 30.0, 1, 0, f32::INFINITY),
        ];
        let result = DriverResult::new("t", roads);
        let estimates = &result.estimates;
        let values = [
            (estimates.driving_score, 50.0),
            (estimates.arrived, 0.4),
            (estimates.collided, 0.2),
            (estimates.off_road, 0.2),
            (estimates.blocked_or_late, 0.2),
            // Of the three that keep all bounds one drives the wrong way, and the time of another is up.
            (estimates.arrived_comfortably, 0.2),
            (estimates.hard_braking_per_km, 15.0 / 2.5),
        ];
        for (place, (estimate, value)) in values.into_iter().enumerate() {
            assert!((estimate.value - value).abs() < 1e-5, "{place}: {estimate:?}");
            assert!(estimate.low < value && value < estimate.high, "{place}: {estimate:?}");
        }
        let comfort = &result.comfort;
        assert_eq!(comfort.broken_most(), Some(("longitudinal_jerk", 2)));
        assert_eq!(comfort.bounds_broken["longitudinal_acceleration"], 1);
        assert_eq!((comfort.needless_emergency_stops, comfort.needless_emergency_drives), (3, 2));
        assert_eq!((comfort.min_ttc_s, comfort.min_ttc_5_percent_s), (Some(0.5), Some(0.5)));
        let calm = DriverResult::new("t", vec![road(Outcome::Arrived, 100.0, 0, 0, f32::INFINITY)]);
        assert_eq!((calm.comfort.broken_most(), calm.comfort.min_ttc_s), (None, None));
    }
}
