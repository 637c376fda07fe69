//! Weighs what the simulator measured into the number the policy learns from.

use roadproof_sim::{Measures, Verdict};
use serde::{Deserialize, Serialize};

/// What is ahead counts up to this distance: a camera of a driver's size tells no more.
pub const GAP_REACH_M: f32 = 60.0;

/// What is allowed.
mod range {
    roadproof_range::bounded! {
        progress: f32 = 0.0 to 100.0;
        overspeed: f32 = 0.0 to 100.0;
        lane_offset: f32 = 0.0 to 100.0;
        heading: f32 = 0.0 to 100.0;
        close_gap: f32 = 0.0 to 100.0;
        time_to_collision: f32 = 0.0 to 100.0;
        acceleration: f32 = 0.0 to 100.0;
        steer_change: f32 = 0.0 to 100.0;
        outside_lanes: f32 = 0.0 to 100.0;
        failure: f32 = 0.0 to 1000.0;
    }
}

/// Weights of the reward's terms, per decision. Progress is paid for; all others are costs, which are taken off: who is to do less of
/// something makes its number larger, and none is below nought.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RewardSettings {
    /// Reward of driving at the speed limit; less in proportion below it.
    #[serde(deserialize_with = "range::progress")]
    pub progress: f32,
    /// Cost of each m/s above the speed limit.
    #[serde(deserialize_with = "range::overspeed")]
    pub overspeed: f32,
    /// Cost of the lane offset: its square in metres, up to one.
    #[serde(deserialize_with = "range::lane_offset")]
    pub lane_offset: f32,
    /// Cost of the heading error: its square in tenths of a radian, up to one.
    #[serde(deserialize_with = "range::heading")]
    pub heading: f32,
    /// Cost of following closer than the safe gap, as the share of it that is missing.
    #[serde(deserialize_with = "range::close_gap")]
    pub close_gap: f32,
    /// Cost of a time to collision below three seconds, as the share of them that is missing.
    #[serde(deserialize_with = "range::time_to_collision")]
    pub time_to_collision: f32,
    /// Cost of the acceleration: the square of its share of 7 m/s², up to one.
    #[serde(deserialize_with = "range::acceleration")]
    pub acceleration: f32,
    /// Cost of changing the steering angle, per tenth of a radian.
    #[serde(deserialize_with = "range::steer_change")]
    pub steer_change: f32,
    /// Cost of being outside one's lanes.
    #[serde(deserialize_with = "range::outside_lanes")]
    pub outside_lanes: f32,
    /// Cost of ending the drive by a collision, off the road, or by standing.
    #[serde(deserialize_with = "range::failure")]
    pub failure: f32,
}

impl Default for RewardSettings {
    fn default() -> Self {
        Self {
            progress: 0.1,
            overspeed: 0.05,
            lane_offset: 0.10,
            heading: 0.01,
            close_gap: 0.08,
            time_to_collision: 0.12,
            acceleration: 0.05,
            steer_change: 0.02,
            outside_lanes: 0.1,
            failure: 3.0,
        }
    }
}

/// What a reward is the sum of, by the names of the weights.
pub type Terms = [(&'static str, f32); 10];

/// Gap that is safe at a speed: two metres and 1.2 seconds.
fn safe_gap_m(speed_mps: f32) -> f32 {
    2.0 + 1.2 * speed_mps.max(0.0)
}

impl RewardSettings {
    /// What no decision of a car is further from nought in, but for the cost of a failure at the end: every term at its most, at twice the
    /// speed of any road.
    #[must_use]
    pub fn most_per_decision(&self) -> f32 {
        const OVERSPEED_MPS: f32 = 60.0;
        /// Tenths of a radian that wheels turn from one stop to the other.
        const STEER_CHANGE: f32 = 15.0;
        let Self { progress, lane_offset, heading, close_gap, time_to_collision, acceleration, outside_lanes, .. } =
            self;
        let once = progress + lane_offset + heading + close_gap + time_to_collision + acceleration + outside_lanes;
        once + OVERSPEED_MPS * self.overspeed + STEER_CHANGE * self.steer_change
    }

    /// The reward of the decision that led from `before` to `after`.
    #[must_use]
    pub fn reward(&self, before: &Measures, after: &Measures, verdict: &Verdict) -> f32 {
        sum(&self.terms(before, after, verdict))
    }

    /// What that reward is the sum of, by the names of the weights.
    #[must_use]
    pub fn terms(&self, before: &Measures, after: &Measures, verdict: &Verdict) -> Terms {
        use roadproof_sim::Outcome::{Blocked, Collision, OffRoad, WrongWay};
        let ego = &after.ego;
        let limit_mps = after.speed_limit_mps;
        let square = |value: f32| value * value;
        // Whoever learns from the reward must be able to see what it is for.
        let seen_gap_m = after.gap_m.filter(|&gap_m| gap_m < GAP_REACH_M);
        let missing_gap = seen_gap_m.map_or(0.0, |gap_m| (1.0 - gap_m.max(0.0) / safe_gap_m(ego.speed_mps)).max(0.0));
        let collision_s = seen_gap_m.map_or(f32::INFINITY, |_| after.time_to_collision_s);
        let failed = matches!(verdict.outcome, Some(Collision | OffRoad | WrongWay | Blocked));
        [
            ("progress", self.progress * (ego.speed_mps / limit_mps).clamp(0.0, 1.0)),
            ("overspeed", -self.overspeed * (ego.speed_mps - limit_mps).max(0.0)),
            ("lane_offset", -self.lane_offset * square(after.lane_offset_m).min(1.0)),
            ("heading", -self.heading * square(after.heading_rad / 0.1).min(1.0)),
            ("close_gap", -self.close_gap * missing_gap),
            ("time_to_collision", -self.time_to_collision * (1.0 - collision_s / 3.0).max(0.0)),
            ("acceleration", -self.acceleration * square(ego.acceleration_mps2 / 7.0).min(1.0)),
            ("steer_change", -self.steer_change * (ego.steer_rad - before.ego.steer_rad).abs() / 0.1),
            ("outside_lanes", -self.outside_lanes * f32::from(u8::from(after.outside_lanes))),
            ("failure", if failed { -self.failure } else { 0.0 }),
        ]
    }
}

/// What terms add up to.
pub(crate) fn sum(terms: &Terms) -> f32 {
    let [(_, first), rest @ ..] = terms;
    rest.iter().fold(*first, |sum, (_, term)| sum + term)
}

#[cfg(test)]
mod tests {
    use super::*;
    use roadproof_sim::Outcome;

    /// A car that goes on at the limit of 10 m/s in the middle of its lane.
    fn driving() -> Measures {
        let mut measures = Measures::default();
        (measures.ego.speed_mps, measures.speed_limit_mps) = (10.0, 10.0);
        measures.time_to_collision_s = f32::INFINITY;
        measures
    }

    /// The terms that this change of a drive makes other than a tenth for progress and nothing else.
    fn changed(change: impl FnOnce(&mut Measures)) -> Vec<(&'static str, f32)> {
        let mut after = driving();
        change(&mut after);
        let settings = RewardSettings::default();
        let usual = settings.terms(&driving(), &driving(), &Verdict::default());
        assert_eq!(usual.iter().map(|(_, term)| term).sum::<f32>(), 0.1);
        let terms = settings.terms(&driving(), &after, &Verdict::default());
        let sum = settings.reward(&driving(), &after, &Verdict::default());
        assert!((sum - terms.iter().map(|(_, term)| term).sum::<f32>()).abs() < 1e-6);
        terms.into_iter().zip(usual).filter(|(term, usual)| term != usual).map(|(term, _)| term).collect()
    }

    fn check(found: &[(&str, f32)], expected: &[(&str, f32)]) {
        assert_eq!(found.len(), expected.len(), "{found:?}, expected {expected:?}");
        for ((name, term), (expected_name, expected)) in found.iter().zip(expected) {
            assert!(name == expected_name && (term - expected).abs() < 1e-6, "{name} = {term}, expected {expected}");
        }
    }

    #[test]
    fn each_term_is_worth_what_its_weight_says() {
        check(&changed(|after| after.ego.speed_mps = 4.0), &[("progress", 0.04)]);
        check(&changed(|after| after.ego.speed_mps = -1.0), &[("progress", 0.0)]);
        check(&changed(|after| after.ego.speed_mps = 12.0), &[("overspeed", -0.1)]);
        for side in [1.0, -1.0] {
            check(&changed(|after| after.lane_offset_m = 0.5 * side), &[("lane_offset", -0.025)]);
            check(&changed(|after| after.lane_offset_m = 3.0 * side), &[("lane_offset", -0.1)]);
            check(&changed(|after| after.heading_rad = 0.05 * side), &[("heading", -0.0025)]);
            check(&changed(|after| after.heading_rad = 0.5 * side), &[("heading", -0.01)]);
            check(&changed(|after| after.ego.acceleration_mps2 = 3.5 * side), &[("acceleration", -0.0125)]);
            check(&changed(|after| after.ego.acceleration_mps2 = 9.0 * side), &[("acceleration", -0.05)]);
            check(&changed(|after| after.ego.steer_rad = 0.05 * side), &[("steer_change", -0.01)]);
        }
        check(&changed(|after| after.outside_lanes = true), &[("outside_lanes", -0.1)]);
    }

    #[test]
    fn what_is_ahead_counts_by_the_gap_and_by_the_time_to_collision() {
        // At 10 m/s, 14 m are safe.
        check(&changed(|after| after.gap_m = Some(14.5)), &[]);
        check(&changed(|after| after.gap_m = Some(3.5)), &[("close_gap", -0.06)]);
        let ahead = |gap_m, ttc_s| changed(|after| (after.gap_m, after.time_to_collision_s) = (Some(gap_m), ttc_s));
        check(&ahead(30.0, 3.5), &[]);
        check(&ahead(30.0, 1.5), &[("time_to_collision", -0.06)]);
        check(&ahead(0.0, 0.0), &[("close_gap", -0.08), ("time_to_collision", -0.12)]);
        // Further than a camera sees, nothing counts.
        check(&ahead(60.5, 1.5), &[]);
    }

    #[test]
    fn failing_costs_once_and_arriving_nothing() {
        let settings = RewardSettings::default();
        let ended = |outcome| {
            let mut verdict = Verdict::default();
            verdict.outcome = Some(outcome);
            settings.reward(&driving(), &driving(), &verdict)
        };
        for outcome in [Outcome::Collision, Outcome::OffRoad, Outcome::WrongWay, Outcome::Blocked] {
            assert!((ended(outcome) - (0.1 - 3.0)).abs() < 1e-6, "{outcome:?}");
        }
        assert_eq!((ended(Outcome::Arrived), ended(Outcome::TimeUp)), (0.1, 0.1));
    }
}
