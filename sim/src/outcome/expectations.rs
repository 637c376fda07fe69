//! What must come of a drive, its worst values, and whether it kept its bounds.

use crate::clock::Clock;
use crate::outcome::measures::Measures;
use crate::outcome::score::Score;
use crate::outcome::verdict::Outcome;
use crate::range::option;
use crate::traffic::ActorSpec;
use serde::{Deserialize, Serialize};
use std::fmt::{Display, Formatter};

/// Bounds of a drive; what is left out is not checked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// How the drive must end.
    pub outcome: Outcome,
    /// Time to collision with the next car in the ego's path never falls below this: the gap over the speed at which it closes.
    #[serde(deserialize_with = "option::min_ttc_s")]
    pub min_ttc_s: Option<f32>,
    /// The gap to the next car in the ego's path, from bumper to bumper and however far ahead, never falls below this.
    #[serde(deserialize_with = "option::min_gap_m")]
    pub min_gap_m: Option<f32>,
    /// The ego's middle never is further from the centre of the lane it started in: the lane it was to keep.
    #[serde(deserialize_with = "option::max_lane_offset_m")]
    pub max_lane_offset_m: Option<f32>,
    /// The ego's middle never is further from the centre of whichever lane of its direction is nearest, for drives in which it may
    /// change lane.
    #[serde(deserialize_with = "option::max_nearest_lane_offset_m")]
    pub max_nearest_lane_offset_m: Option<f32>,
    /// The ego never is faster.
    #[serde(deserialize_with = "option::max_speed_mps")]
    pub max_speed_mps: Option<f32>,
    /// The ego never brakes harder.
    #[serde(deserialize_with = "option::max_decel_mps2")]
    pub max_decel_mps2: Option<f32>,
    /// Driving score at the end, at least: the share of the route driven, times a penalty for each infraction, times 100.
    #[serde(deserialize_with = "option::min_driving_score")]
    pub min_driving_score: Option<f32>,
    /// Share of the route driven at the end, at least.
    #[serde(deserialize_with = "option::min_route_completion")]
    pub min_route_completion: Option<f32>,
    /// The route's end, 5 m before the road's, is reached by this time.
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

impl Expect {
    /// Bounds that every drive keeps, by name: what is never below nought says nothing by being nought or more.
    pub fn toothless(&self) -> impl Iterator<Item = &'static str> + use<> {
        let least = [
            ("min_ttc_s", self.min_ttc_s),
            ("min_gap_m", self.min_gap_m),
            ("min_driving_score", self.min_driving_score),
            ("min_route_completion", self.min_route_completion),
        ];
        least.into_iter().filter_map(|(name, bound)| (bound? <= 0.0).then_some(name))
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
    /// For whoever looks through the camera.
    pub camera: Option<Expect>,
    /// For whoever does and filters what it sees over time, who is held to those for `camera` where there are none.
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

/// When and where something was measured in a drive.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Moment {
    /// Time of the drive.
    pub time_s: f32,
    /// Where the ego was along the road.
    pub s_m: f32,
    /// Which of the other cars was ahead, in file order.
    pub lead: Option<usize>,
}

/// The measure of a drive that came closest to its bound.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Closest {
    /// Name of the bound.
    pub name: &'static str,
    /// What was measured; infinite where there was nothing to measure.
    pub measured: f32,
    /// What was allowed.
    pub bound: f32,
    /// How much was left as a share of the bound; negative if it was broken.
    pub margin: f32,
    /// When it was measured; none for what a drive comes to at its end, and where there was nothing to measure.
    pub moment: Option<Moment>,
}

impl Closest {
    /// Whether there was nothing to measure, so that keeping the bound says nothing: no car was ever ahead, or none came nearer.
    #[must_use]
    pub fn untested(&self) -> bool {
        self.margin == f32::INFINITY
    }

    /// When and where it was, and behind whom if that is what it is about; nothing for what a drive comes to at its end.
    #[must_use]
    pub fn place(&self, actors: &[ActorSpec]) -> String {
        let Some(Moment { time_s, s_m, lead }) = self.moment else { return String::new() };
        let ahead = lead.and_then(|lead| actors.get(lead)).filter(|_| ["min_ttc_s", "min_gap_m"].contains(&self.name));
        let behind = ahead.map_or_else(String::new, |actor| format!(", behind {:?}", actor.name));
        format!(", at {time_s:.1} s, s = {s_m:.0} m{behind}")
    }
}

impl Display for Closest {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        if self.untested() {
            return write!(formatter, "{} was never put to the test (bound {:.2})", self.name, self.bound);
        }
        write!(formatter, "{} = {:.2} (bound {:.2})", self.name, self.measured, self.bound)
    }
}

/// A worst value, and when it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extreme {
    /// The value.
    pub value: f32,
    /// None as long as there was nothing to measure.
    pub moment: Option<Moment>,
}

impl Extreme {
    const LEAST: Self = Self { value: f32::INFINITY, moment: None };
    const GREATEST: Self = Self { value: 0.0, moment: None };

    fn note_least(&mut self, value: f32, moment: Moment) {
        if value < self.value {
            *self = Self { value, moment: Some(moment) };
        }
    }

    fn note_greatest(&mut self, value: f32, moment: Moment) {
        if value > self.value {
            *self = Self { value, moment: Some(moment) };
        }
    }
}

/// Worst values of a drive, to be held against a scenario's expectations.
#[derive(Clone, Copy, Debug)]
pub struct Extremes {
    /// Least time to collision.
    pub min_ttc_s: Extreme,
    /// Least gap.
    pub min_gap_m: Extreme,
    /// Greatest distance from the centre of the lane the ego started in.
    pub max_lane_offset_m: Extreme,
    /// Greatest distance from the centre of whichever lane of the ego's direction was nearest.
    pub max_nearest_lane_offset_m: Extreme,
    /// Greatest speed.
    pub max_speed_mps: Extreme,
    /// Hardest braking.
    pub max_decel_mps2: Extreme,
    /// Time at the end.
    pub time_s: f32,
}

impl Default for Extremes {
    fn default() -> Self {
        Self {
            min_ttc_s: Extreme::LEAST,
            min_gap_m: Extreme::LEAST,
            max_lane_offset_m: Extreme::GREATEST,
            max_nearest_lane_offset_m: Extreme::GREATEST,
            max_speed_mps: Extreme::GREATEST,
            max_decel_mps2: Extreme::GREATEST,
            time_s: 0.0,
        }
    }
}

impl Extremes {
    /// Takes in one decision.
    pub fn note(&mut self, measures: &Measures) {
        let moment = Moment { time_s: measures.time_s, s_m: measures.ego.s_m, lead: measures.lead };
        self.min_ttc_s.note_least(measures.time_to_collision_s, moment);
        self.min_gap_m.note_least(measures.gap_m.unwrap_or(f32::INFINITY), moment);
        self.max_lane_offset_m.note_greatest(measures.start_lane_offset_m.abs(), moment);
        self.max_nearest_lane_offset_m.note_greatest(measures.lane_offset_m.abs(), moment);
        self.max_speed_mps.note_greatest(measures.ego.speed_mps, moment);
        if measures.contact.is_none() {
            self.max_decel_mps2.note_greatest(-measures.ego.acceleration_mps2, moment);
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

    /// What was broken, when, where and behind which of the other cars, for people; empty if the drive passed.
    #[must_use]
    pub fn failures(&self, actors: &[ActorSpec]) -> Vec<String> {
        let outcome = (self.outcome != self.expected_outcome)
            .then(|| format!("outcome is {:?}, expected {:?}", self.outcome, self.expected_outcome));
        let broken = self.bounds.iter().filter(|bound| bound.margin < 0.0);
        let broken = broken.map(|broken| {
            let Closest { name, measured, bound, .. } = broken;
            format!("{name} = {measured:.2}, bound {bound:.2}{}", broken.place(actors))
        });
        outcome.into_iter().chain(broken).collect()
    }
}

/// Judges a finished drive, whose times are counted by its clock.
#[must_use]
pub fn judge_drive(expect: &Expect, outcome: Outcome, score: &Score, extremes: &Extremes, clock: Clock) -> Judgement {
    let arrival_s = if outcome == Outcome::Arrived { extremes.time_s } else { f32::INFINITY };
    let at_the_end = |value: f32| Extreme { value, moment: None };
    let at_least = [
        ("min_ttc_s", expect.min_ttc_s, extremes.min_ttc_s),
        ("min_gap_m", expect.min_gap_m, extremes.min_gap_m),
        ("min_driving_score", expect.min_driving_score, at_the_end(score.driving_score)),
        ("min_route_completion", expect.min_route_completion, at_the_end(score.route_completion)),
    ];
    // The bound is the time of the decision that it means, so that arriving in that decision is in time.
    let arrive_by_s = expect.arrive_within_s.map(|by_s| clock.time_s(clock.decision_at(by_s)));
    let at_most = [
        ("max_lane_offset_m", expect.max_lane_offset_m, extremes.max_lane_offset_m),
        ("max_nearest_lane_offset_m", expect.max_nearest_lane_offset_m, extremes.max_nearest_lane_offset_m),
        ("max_speed_mps", expect.max_speed_mps, extremes.max_speed_mps),
        ("max_decel_mps2", expect.max_decel_mps2, extremes.max_decel_mps2),
        ("arrive_within_s", arrive_by_s, at_the_end(arrival_s)),
    ];
    let bound = |sign: f32| {
        move |(name, bound, Extreme { value: measured, moment }): (&'static str, Option<f32>, Extreme)| {
            bound.map(|bound| {
                let margin = sign * (measured - bound) / bound.abs().max(1e-3);
                Closest { name, measured, bound, margin, moment }
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

    /// What is ahead is nothing, then near, then far: the worst is the nearest, and said with when, where and behind whom.
    #[test]
    fn a_broken_bound_is_told_with_its_moment_and_an_untested_one_as_such() {
        let text = r#"Scenario(format: 1, title: "t", duration_s: 9.0, road: Straight(length_m: 300.0),
            actors: [(name: "van", start: (lane: 0, s_m: 60.0, speed_mps: 8.0))])"#;
        let actors = crate::parse(text, "t.ron".as_ref()).unwrap().actors.clone();
        let expect = Expect { min_ttc_s: Some(1.5), max_speed_mps: Some(9.0), ..Expect::default() };
        let judged = |gaps: &[(Option<usize>, f32)]| {
            let mut extremes = Extremes::default();
            for (step, &(lead, time_to_collision_s)) in gaps.iter().enumerate() {
                let ego = crate::vehicle::EgoState { s_m: 10.0 * step as f32, speed_mps: 8.0, ..Default::default() };
                extremes.note(&Measures { time_s: step as f32, ego, lead, time_to_collision_s, ..Measures::default() });
            }
            judge_drive(&expect, Outcome::Arrived, &Score::default(), &extremes, Clock::new(10.0))
        };
        let broken = judged(&[(None, f32::INFINITY), (Some(0), 0.9), (Some(0), 1.2)]);
        assert_eq!(broken.failures(&actors), ["min_ttc_s = 0.90, bound 1.50, at 1.0 s, s = 10 m, behind \"van\""]);
        let untested = judged(&[(None, f32::INFINITY); 3]);
        let [speed, ttc] = &untested.bounds[..] else { panic!("two bounds") };
        assert!(!speed.untested() && ttc.untested() && untested.passed());
        assert_eq!(ttc.to_string(), "min_ttc_s was never put to the test (bound 1.50)");
    }

    #[test]
    fn bounds_that_every_drive_keeps_are_told_from_those_that_it_may_miss() {
        let expect = Expect { min_gap_m: Some(0.0), min_driving_score: Some(0.0), ..Expect::default() };
        assert!(expect.toothless().eq(["min_gap_m", "min_driving_score"]));
        let expect = Expect { min_gap_m: Some(0.1), max_speed_mps: Some(0.0), ..Expect::default() };
        assert_eq!(expect.toothless().count(), 0);
    }

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
