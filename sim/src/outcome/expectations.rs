//! What must come of a drive, its worst values, and whether it kept its bounds.

use crate::clock::Clock;
use crate::outcome::measures::Measures;
use crate::outcome::score::Score;
use crate::outcome::verdict::Outcome;
use crate::range::option;
use serde::{Deserialize, Serialize};
use std::fmt::{Display, Formatter};

/// Bounds of a drive; what is left out is not checked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// How the drive must end.
    pub outcome: Outcome,
    /// Time to collision with what is ahead never falls below this.
    #[serde(deserialize_with = "option::min_ttc_s")]
    pub min_ttc_s: Option<f32>,
    /// The gap to what is ahead never falls below this.
    #[serde(deserialize_with = "option::min_gap_m")]
    pub min_gap_m: Option<f32>,
    /// The ego never is further from the centre of the lane it started in: the lane it was to keep.
    #[serde(deserialize_with = "option::max_lane_offset_m")]
    pub max_lane_offset_m: Option<f32>,
    /// The ego never is further from the centre of whichever lane of its direction is nearest, for drives in which it may change
    /// lane.
    #[serde(deserialize_with = "option::max_nearest_lane_offset_m")]
    pub max_nearest_lane_offset_m: Option<f32>,
    /// The ego never is faster.
    #[serde(deserialize_with = "option::max_speed_mps")]
    pub max_speed_mps: Option<f32>,
    /// The ego never brakes harder.
    #[serde(deserialize_with = "option::max_decel_mps2")]
    pub max_decel_mps2: Option<f32>,
    /// Driving score at the end, 0 to 100.
    #[serde(deserialize_with = "option::min_driving_score")]
    pub min_driving_score: Option<f32>,
    /// Share of the route driven at the end, 0 to 1.
    #[serde(deserialize_with = "option::min_route_completion")]
    pub min_route_completion: Option<f32>,
    /// The route's end is reached by this time.
    #[serde(deserialize_with = "option::arrive_within_s")]
    pub arrive_within_s: Option<f32>,
    /// Whether the drive of the golden trace must keep these bounds too. Not where an attack was recorded: the trace is of a
    /// driver who broke, the bounds are for those who hold, whatever their class.
    pub golden_holds: bool,
}

impl Default for Expect {
    fn default() -> Self {
        Self {
            outcome: Outcome::Arrived,
            min_ttc_s: None,
            min_gap_m: None,
            max_lane_offset_m: None,
            max_nearest_lane_offset_m: None,
            max_speed_mps: None,
            max_decel_mps2: None,
            min_driving_score: None,
            min_route_completion: None,
            arrive_within_s: None,
            golden_holds: true,
        }
    }
}

/// What a driver goes by, as far as the bounds of a drive can depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverClass {
    /// Whoever looks through the camera.
    Camera,
    /// Whoever does, and filters what it sees over time.
    Hardened,
}

/// Bounds for classes of drivers, in place of those for whoever drives: a fault of the camera can only be held against one who
/// looks through it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectBy {
    /// For [`DriverClass::Camera`].
    pub camera: Option<Expect>,
    /// For [`DriverClass::Hardened`], who is held to those for the camera where there are none.
    pub hardened: Option<Expect>,
}

impl ExpectBy {
    /// Whether all are held to the bounds for whoever drives.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The bounds for a class, if there are any.
    #[must_use]
    pub fn class(&self, class: DriverClass) -> Option<&Expect> {
        match class {
            DriverClass::Camera => self.camera.as_ref(),
            DriverClass::Hardened => self.hardened.as_ref().or(self.camera.as_ref()),
        }
    }
}

/// The measure of a drive that came closest to its bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Closest {
    /// Name of the bound.
    pub name: &'static str,
    /// What was measured.
    pub measured: f32,
    /// What was allowed.
    pub bound: f32,
    /// How much was left as a share of the bound; negative if it was broken.
    pub margin: f32,
}

impl Display for Closest {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} = {:.2} (bound {:.2})", self.name, self.measured, self.bound)
    }
}

/// Worst values of a drive, to be held against a scenario's expectations.
#[derive(Clone, Copy, Debug)]
pub struct Extremes {
    /// Least time to collision.
    pub min_ttc_s: f32,
    /// Least gap.
    pub min_gap_m: f32,
    /// Greatest distance from the centre of the lane the ego started in.
    pub max_lane_offset_m: f32,
    /// Greatest distance from the centre of whichever lane of the ego's direction was nearest.
    pub max_nearest_lane_offset_m: f32,
    /// Greatest speed.
    pub max_speed_mps: f32,
    /// Hardest braking.
    pub max_decel_mps2: f32,
    /// Time at the end.
    pub time_s: f32,
}

impl Default for Extremes {
    fn default() -> Self {
        Self {
            min_ttc_s: f32::INFINITY,
            min_gap_m: f32::INFINITY,
            max_lane_offset_m: 0.0,
            max_nearest_lane_offset_m: 0.0,
            max_speed_mps: 0.0,
            max_decel_mps2: 0.0,
            time_s: 0.0,
        }
    }
}

impl Extremes {
    /// Takes in one decision.
    pub fn note(&mut self, measures: &Measures) {
        self.min_ttc_s = self.min_ttc_s.min(measures.time_to_collision_s);
        self.min_gap_m = self.min_gap_m.min(measures.gap_m.unwrap_or(f32::INFINITY));
        self.max_lane_offset_m = self.max_lane_offset_m.max(measures.start_lane_offset_m.abs());
        self.max_nearest_lane_offset_m = self.max_nearest_lane_offset_m.max(measures.lane_offset_m.abs());
        self.max_speed_mps = self.max_speed_mps.max(measures.ego.speed_mps);
        if measures.contact.is_none() {
            self.max_decel_mps2 = self.max_decel_mps2.max(-measures.ego.acceleration_mps2);
        }
        self.time_s = measures.time_s;
    }
}

/// Whether a drive kept its bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// How the drive ended.
    pub outcome: Outcome,
    /// How it had to end.
    pub expected_outcome: Outcome,
    /// Every bound with its margin, tightest first.
    pub bounds: Vec<Closest>,
}

impl Judgement {
    /// Whether the outcome is the expected one and every bound was kept.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.outcome == self.expected_outcome && self.bounds.iter().all(|bound| bound.margin >= 0.0)
    }

    /// The bound with the least margin.
    #[must_use]
    pub fn closest(&self) -> Option<&Closest> {
        self.bounds.first()
    }

    /// What was broken, for people; empty if the drive passed.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let outcome = (self.outcome != self.expected_outcome)
            .then(|| format!("outcome is {:?}, expected {:?}", self.outcome, self.expected_outcome));
        let broken = self.bounds.iter().filter(|bound| bound.margin < 0.0);
        let broken = broken.map(|bound| format!("{} = {:.2}, bound {:.2}", bound.name, bound.measured, bound.bound));
        outcome.into_iter().chain(broken).collect()
    }
}

/// Judges a finished drive, whose times are counted by its clock.
#[must_use]
pub fn judge_drive(expect: &Expect, outcome: Outcome, score: &Score, extremes: &Extremes, clock: Clock) -> Judgement {
    let arrival_s = if outcome == Outcome::Arrived { extremes.time_s } else { f32::INFINITY };
    let at_least = [
        ("min_ttc_s", expect.min_ttc_s, extremes.min_ttc_s),
        ("min_gap_m", expect.min_gap_m, extremes.min_gap_m),
        ("min_driving_score", expect.min_driving_score, score.driving_score),
        ("min_route_completion", expect.min_route_completion, score.route_completion),
    ];
    let at_most = [
        ("max_lane_offset_m", expect.max_lane_offset_m, extremes.max_lane_offset_m),
        ("max_nearest_lane_offset_m", expect.max_nearest_lane_offset_m, extremes.max_nearest_lane_offset_m),
        ("max_speed_mps", expect.max_speed_mps, extremes.max_speed_mps),
        ("max_decel_mps2", expect.max_decel_mps2, extremes.max_decel_mps2),
        // The bound is the time of the decision that it means, so that arriving in that decision is in time.
        ("arrive_within_s", expect.arrive_within_s.map(|by_s| clock.time_s(clock.decision_at(by_s))), arrival_s),
    ];
    let bound = |sign: f32| {
        move |(name, bound, measured): (&'static str, Option<f32>, f32)| {
            bound.map(|bound| {
                let margin = sign * (measured - bound) / bound.abs().max(1e-3);
                Closest { name, measured, bound, margin }
            })
        }
    };
    let mut bounds: Vec<Closest> =
        at_least.into_iter().filter_map(bound(1.0)).chain(at_most.into_iter().filter_map(bound(-1.0))).collect();
    bounds.sort_by(|a, b| a.margin.total_cmp(&b.margin));
    Judgement { outcome, expected_outcome: expect.outcome, bounds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_arrives_in_the_decision_that_the_bound_means_is_in_time() {
        for decision_hz in [10.0, 25.0, 30.0_f32] {
            let clock = Clock::new(decision_hz);
            for decision in 5..3000 {
                // As a file states it, to the millisecond.
                let by_s: f32 = format!("{:.3}", f64::from(decision) / f64::from(decision_hz)).parse().unwrap();
                let expect = Expect { arrive_within_s: Some(by_s), ..Expect::default() };
                let passed = |decision| {
                    let extremes = Extremes { time_s: clock.time_s(decision), ..Extremes::default() };
                    judge_drive(&expect, Outcome::Arrived, &Score::default(), &extremes, clock).passed()
                };
                assert!(passed(decision) && !passed(decision + 1), "{by_s} s at {decision_hz} Hz");
            }
        }
    }
}
