//! Holds a finished drive against what its scenario expects.

use crate::clock::Clock;
use crate::outcome::score::Score;
use crate::outcome::verdict::Outcome;
use crate::scenario::Expect;
use crate::trace::{Closest, Extremes};

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
