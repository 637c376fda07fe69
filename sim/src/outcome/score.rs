//! The CARLA Leaderboard's driving score, from what was measured on a drive.
//!
//! # Source
//! CARLA Leaderboard 2.1, `statistics_manager.py`: score = route completion × penalty, with
//! penalty = (1 − share outside lanes) / (1 + Σ coefficient × count). The minimum speed is that of `MinimumSpeedRouteTest` in
//! `scenario_runner`'s `atomic_criteria.py` with the Leaderboard's four checkpoints: in each quarter of the route the ego's mean speed
//! over that of all background vehicles, in hundredths of a per cent, whether they stand, come towards the ego or are out of sight.
//! What falls short of 100 % counts by its share.
//!
//! # Where it differs
//! Stricter than the Leaderboard:
//! - A collision ends the drive, so that the rest of the route is lost as well; there it only costs its coefficient.
//! - Leaving the road by [`OFF_ROAD_MARGIN_M`](crate::outcome::verdict::OFF_ROAD_MARGIN_M) ends the drive; there, 30 m off the route.
//! - Heading back and rolling over end the drive; there, only what follows from them.
//! - Who stands for [`BLOCKED_S`](crate::outcome::verdict::BLOCKED_S) is blocked; there, after 180 s.
//! - A drive has the time that its scenario gives, on generated roads 20 s and three times the time at the speed limit; there,
//!   `scenario_runner`'s `RouteTimeoutBehavior` gives 300 s, and ten times the time at the limit for what is driven.
//! - The ego's middle is outside as soon as it is beyond the edge of its lanes; `OutsideRouteLanesTest` allows 1.3 m beyond
//!   the outermost one.
//! - The quarter in which a drive ends counts as far as it was driven; there, only from 95 % of the route on.
//!
//! More lenient:
//! - Standing behind a car that is nearer than 15 m is no block, however long.
//!
//! Either way:
//! - Every other car is traffic, also one that a scenario put there to do something; there, those have a role of their own
//!   and do not count. A slow one makes the test easier, a fast one harder.
//! - A car that drives over an end of the road drives on and counts on; there, it is taken away and another one comes.
//!
//! Red lights, stop signs, pedestrians, scenario time-outs and emergency vehicles do not occur in this world yet.

use crate::class::Class;
use crate::outcome::measures::Measures;
use crate::outcome::verdict::{Outcome, Verdict};
use serde::{Deserialize, Serialize};

const COLLISION_VEHICLE: f32 = 0.70;
const COLLISION_STATIC: f32 = 0.60;
const MINIMUM_SPEED: f32 = 0.40;
/// The route is cut into this many parts, each with its own test of the minimum speed.
const CHECKPOINTS: usize = 4;

/// Counts of what went wrong on a drive, and how far it went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Infractions {
    /// Contacts with other cars.
    pub collisions_vehicle: f32,
    /// Contacts with anything else.
    pub collisions_static: f32,
    /// Metres driven with the ego's middle outside its lanes.
    pub outside_lanes_m: f32,
    /// Drives that left the road.
    pub off_road: f32,
    /// Drives that ended for standing without a reason.
    pub blocked: f32,
    /// Drives whose time was up.
    pub timeouts: f32,
    /// Parts of the route driven slower than the traffic around, each counted by its shortfall, 0 to 1.
    pub minimum_speed: f32,
}

/// Score and what it is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Driving score, 0 to 100.
    pub driving_score: f32,
    /// Share of the route driven, 0 to 1.
    pub route_completion: f32,
    /// Distance driven.
    pub driven_m: f32,
    /// What went wrong.
    pub infractions: Infractions,
}

/// Collects what the score needs over a drive.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scorer {
    parts: [SpeedTest; CHECKPOINTS],
}

/// Sums over the decisions of one part of the route.
#[derive(Clone, Copy, Debug, Default)]
struct SpeedTest {
    ego_mps: f32,
    traffic_mps: f32,
}

impl Scorer {
    /// Takes in one decision.
    pub fn note(&mut self, measures: &Measures) {
        let Some(traffic_mps) = measures.traffic_speed_mps else { return };
        let part = ((measures.route_completion * CHECKPOINTS as f32) as usize).min(CHECKPOINTS - 1);
        let test = &mut self.parts[part];
        test.ego_mps += measures.ego.speed_mps.abs();
        test.traffic_mps += traffic_mps;
    }

    /// The score of the drive so far.
    pub fn score(&self, measures: &Measures, verdict: &Verdict) -> Score {
        let ended_by = |outcome| f32::from(u8::from(verdict.outcome == Some(outcome)));
        let vehicle = verdict.contact_class == Some(Class::Vehicle);
        let collision = ended_by(Outcome::Collision);
        let infractions = Infractions {
            collisions_vehicle: if vehicle { collision } else { 0.0 },
            collisions_static: if vehicle { 0.0 } else { collision },
            outside_lanes_m: measures.outside_m,
            off_road: ended_by(Outcome::OffRoad) + ended_by(Outcome::WrongWay),
            blocked: ended_by(Outcome::Blocked),
            timeouts: ended_by(Outcome::TimeUp),
            minimum_speed: self.parts.iter().map(SpeedTest::shortfall).sum(),
        };
        let outside_share = if measures.driven_m > 0.0 { measures.outside_m / measures.driven_m } else { 0.0 };
        let weighted = COLLISION_VEHICLE * infractions.collisions_vehicle
            + COLLISION_STATIC * infractions.collisions_static
            + MINIMUM_SPEED * infractions.minimum_speed;
        let penalty = (1.0 - outside_share) / (1.0 + weighted);
        Score {
            driving_score: 100.0 * measures.route_completion * penalty,
            route_completion: measures.route_completion,
            driven_m: measures.driven_m,
            infractions,
        }
    }
}

impl SpeedTest {
    /// `1 − p`, where `p` is the ego's share of the traffic's mean speed; zero where nothing moved.
    fn shortfall(&self) -> f32 {
        if self.traffic_mps <= 0.0 {
            return 0.0;
        }
        let percentage = (10_000.0 * self.ego_mps / self.traffic_mps).round() / 100.0;
        (1.0 - percentage / 100.0).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vehicle::EgoState;

    /// A decision at this part of the route and these speeds.
    fn decision(route_completion: f32, speed_mps: f32, traffic_mps: Option<f32>) -> Measures {
        let ego = EgoState { speed_mps, ..EgoState::default() };
        Measures { ego, route_completion, traffic_speed_mps: traffic_mps, ..Measures::default() }
    }

    fn arrived(scorer: &Scorer) -> Score {
        scorer.score(&decision(1.0, 0.0, None), &Verdict { outcome: Some(Outcome::Arrived), ..Verdict::default() })
    }

    #[test]
    fn penalties_follow_the_formula() {
        let measures = Measures { route_completion: 0.5, driven_m: 200.0, outside_m: 20.0, ..Measures::default() };
        for (class, coefficient) in [(Class::Vehicle, 0.70), (Class::Tree, 0.60), (Class::Building, 0.60)] {
            let hit = Verdict { outcome: Some(Outcome::Collision), contact_class: Some(class), standing: 0 };
            let score = Scorer::default().score(&measures, &hit);
            assert!((score.driving_score - 50.0 * 0.9 / (1.0 + coefficient)).abs() < 1e-4, "{score:?}");
            let counts = (score.infractions.collisions_vehicle, score.infractions.collisions_static);
            assert_eq!(counts, if class == Class::Vehicle { (1.0, 0.0) } else { (0.0, 1.0) });
        }
        let clean = Scorer::default().score(&measures, &Verdict::default());
        assert!((clean.driving_score - 45.0).abs() < 1e-4, "{clean:?}");
    }

    #[test]
    fn each_quarter_of_the_route_has_its_own_test() {
        // Standing, at 40 %, at 91.23 % and faster than the traffic; places and numbers of decisions differ.
        let quarters = [(0.1, 0.0, 3), (0.3, 4.0, 40), (0.6, 9.123, 7), (0.99, 12.0, 90)];
        let mut scorer = Scorer::default();
        for (done, (completion, speed_mps, decisions)) in quarters.into_iter().enumerate() {
            (0..decisions).for_each(|_| scorer.note(&decision(completion, speed_mps, Some(10.0))));
            let expected: f32 = [1.0, 0.6, 0.0877, 0.0][..=done].iter().sum();
            let score = arrived(&scorer);
            assert!((score.infractions.minimum_speed - expected).abs() < 1e-4, "{score:?}");
            assert!((score.driving_score - 100.0 / (1.0 + 0.4 * expected)).abs() < 1e-3, "{score:?}");
        }
    }

    #[test]
    fn a_quarter_is_judged_by_its_means_and_without_moving_traffic_not_at_all() {
        // Half of the time at 5 m/s among cars at 10, then at 15 among cars at 10: the same mean speed.
        let mut scorer = Scorer::default();
        (0..10).for_each(|_| scorer.note(&decision(0.1, 5.0, Some(10.0))));
        (0..10).for_each(|_| scorer.note(&decision(0.2, 15.0, Some(10.0))));
        // The second quarter is driven among parked cars, the third on an empty road, the fourth backwards.
        (0..10).for_each(|_| scorer.note(&decision(0.3, 1.0, Some(0.0))));
        (0..10).for_each(|_| scorer.note(&decision(0.6, 1.0, None)));
        (0..10).for_each(|_| scorer.note(&decision(0.8, -10.0, Some(10.0))));
        assert_eq!(arrived(&scorer).driving_score, 100.0);
    }

    #[test]
    fn following_a_slow_car_among_faster_traffic_costs_what_the_leaderboard_takes() {
        // Behind a car at 5 m/s while four others come at 13 m/s: 48 % of 11.4 m/s in every quarter.
        let traffic_mps = (5.0 + 4.0 * 13.0) / 5.0;
        let mut scorer = Scorer::default();
        (0..400).for_each(|step| scorer.note(&decision(step as f32 / 400.0, 0.48 * traffic_mps, Some(traffic_mps))));
        let score = arrived(&scorer);
        assert!((score.driving_score - 100.0 / (1.0 + 4.0 * 0.4 * 0.52)).abs() < 0.01, "{score:?}");
    }
}
