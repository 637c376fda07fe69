//! The CARLA Leaderboard's driving score, from what was measured on a drive.
//!
//! # Source
//! CARLA Leaderboard 2.1, `statistics_manager.py`: score = route completion × penalty, with
//! penalty = (1 − share outside lanes) / (1 + Σ coefficient × count).
//!
//! Two things are stricter here: a collision ends the drive, so the rest of the route is lost as well, and so does leaving
//! the road by [`crate::outcome::verdict::OFF_ROAD_MARGIN_M`], where the Leaderboard waits for 30 m. Red lights, stop signs, scenario
//! time-outs and emergency vehicles do not occur in this world yet.

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

#[derive(Clone, Copy, Debug, Default)]
struct SpeedTest {
    ego_mps: f32,
    traffic_mps: f32,
    count: u32,
}

impl Scorer {
    /// Takes in one decision.
    pub fn note(&mut self, measures: &Measures) {
        let Some(traffic_mps) = measures.traffic_speed_mps else { return };
        let part = ((measures.route_completion * CHECKPOINTS as f32) as usize).min(CHECKPOINTS - 1);
        let test = &mut self.parts[part];
        test.ego_mps += measures.ego.speed_mps.max(0.0);
        test.traffic_mps += traffic_mps;
        test.count += 1;
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
    /// `1 − p`, where `p` is the ego's share of the traffic's mean speed; zero where there was no traffic to speak of.
    fn shortfall(&self) -> f32 {
        // Fewer decisions among traffic than this are chance encounters, whose mean speed says little.
        const DECISIONS_OF_TRAFFIC: u32 = 20;
        if self.count < DECISIONS_OF_TRAFFIC || self.traffic_mps <= 0.0 {
            return 0.0;
        }
        (1.0 - self.ego_mps / self.traffic_mps).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn penalties_follow_the_formula() {
        let measures = Measures { route_completion: 0.5, driven_m: 200.0, outside_m: 20.0, ..Measures::default() };
        let hit = Verdict { outcome: Some(Outcome::Collision), contact_class: Some(Class::Vehicle), standing: 0 };
        let score = Scorer::default().score(&measures, &hit);
        assert!((score.driving_score - 50.0 * 0.9 / 1.7).abs() < 1e-4, "{score:?}");
        let clean = Scorer::default().score(&measures, &Verdict::default());
        assert!((clean.driving_score - 45.0).abs() < 1e-4, "{clean:?}");
    }

    #[test]
    fn creeping_among_faster_traffic_costs() {
        let mut scorer = Scorer::default();
        for _ in 0..100 {
            scorer.note(&Measures { traffic_speed_mps: Some(10.0), ..Measures::default() });
        }
        let done = Measures { route_completion: 1.0, driven_m: 100.0, ..Measures::default() };
        let score = scorer.score(&done, &Verdict::default());
        assert!((score.driving_score - 100.0 / 1.4).abs() < 1e-3, "{score:?}");
    }
}
