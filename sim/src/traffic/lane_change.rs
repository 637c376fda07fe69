//! Across the road: the curve of a lane change, how much of it a car's speed allows, and whether there is room for it.

use super::neighbour::Neighbour;
use crate::clock::Clock;

/// A car goes across its lane by no more than this for each metre along it: 27 degrees, about what a car's front wheels turn.
const MAX_ACROSS: f32 = 0.5;
/// Whoever is nearer than this, in front or behind, is still beside.
const CLEAR_ALONG_M: f32 = 0.5;
/// Room left to somebody beside.
const CLEAR_ACROSS_M: f32 = 0.05;

/// A lane change on its way.
///
/// Its curve is that of an ordinary lane change as a function of time. A car too slow for the curve's steepest part, or one that
/// brakes, moves along the same curve more slowly, so that there is no way across without way along: the change takes longer, and
/// waits while the car stands. It waits as well, where the car is, for others in the way, and then begins anew from there.
#[derive(Clone, Copy, Debug)]
pub(super) struct LaneChange {
    from_d_m: f32,
    pub to_d_m: f32,
    began_s: f32,
    over_s: f32,
    /// How far the curve's time is behind that of the drive.
    late_s: f32,
    /// What a lane change that was broken off has left, if this one begins in the middle of it.
    drift: Option<Drift>,
}

/// Sideways speed from a lane change that was broken off.
#[derive(Clone, Copy, Debug)]
struct Drift {
    /// Sideways speed at the beginning.
    across_mps: f32,
    /// Speed along the lane at the beginning.
    along_mps: f32,
    /// How long it takes until nothing is left.
    over_s: f32,
}

impl LaneChange {
    /// A lane change that begins now.
    pub fn new(from_d_m: f32, to_d_m: f32, over_s: f32, now_s: f32) -> Self {
        Self { from_d_m, to_d_m, began_s: now_s, over_s, late_s: 0.0, drift: None }
    }

    /// The same for a car that is in another: it goes on from the sideways speed it has.
    pub fn breaking_off(self, last: &Self, speed_mps: f32, sideways_mps: f32) -> Self {
        let pace = self.pace(speed_mps);
        let drift = (pace > 0.0 && sideways_mps != 0.0).then(|| Drift {
            // In the curve's own time, which passes at this pace.
            across_mps: sideways_mps / pace,
            along_mps: speed_mps,
            over_s: (last.over_s * pace / last.pace(speed_mps)).min(self.over_s),
        });
        Self { drift, ..self }
    }

    /// How fast the curve's time may pass at a speed, 0 to 1.
    fn pace(&self, speed_mps: f32) -> f32 {
        let steepest_mps = 1.5 * (self.to_d_m - self.from_d_m).abs() / self.over_s;
        let possible_mps = MAX_ACROSS * speed_mps;
        let pace = if possible_mps < steepest_mps { possible_mps / steepest_mps } else { 1.0 };
        self.drift.map_or(pace, |drift| pace.min(speed_mps / drift.along_mps))
    }

    /// Offset from the reference line after so much of the curve's time: `3 u² − 2 u³`, and for a sideways speed at the beginning
    /// `w (1 − w)²`, the two cubic Hermite polynomials.
    fn d_m(&self, elapsed_s: f32) -> f32 {
        let u = (elapsed_s / self.over_s).clamp(0.0, 1.0);
        let d_m = self.from_d_m + (self.to_d_m - self.from_d_m) * u * u * (3.0 - 2.0 * u);
        self.drift.map_or(d_m, |drift| {
            let w = (elapsed_s / drift.over_s).clamp(0.0, 1.0);
            d_m + drift.across_mps * drift.over_s * w * (1.0 - w) * (1.0 - w)
        })
    }

    /// Whether somebody is beside the car and, at their present speeds, would be touched before that is over.
    fn is_blocked_by(&self, own: &Neighbour, elapsed_s: f32, other: &Neighbour) -> bool {
        let ahead_m = other.s_m - own.s_m;
        let beside_m = other.half_length_m + own.half_length_m + CLEAR_ALONG_M;
        let side = (self.to_d_m - own.d_m).signum();
        let across_m = (other.d_m - own.d_m) * side;
        if ahead_m.abs() >= beside_m || across_m <= 0.0 {
            return false;
        }
        let passing_mps = other.along_mps - own.along_mps;
        let left_m = if passing_mps > 0.0 { beside_m - ahead_m } else { beside_m + ahead_m };
        let crossed_m = (self.d_m(elapsed_s + left_m / passing_mps.abs()) - own.d_m) * side;
        let claimed_m = ((other.towards_d_m - own.d_m) * side).min(across_m);
        crossed_m > claimed_m - other.half_width_m - own.half_width_m - CLEAR_ACROSS_M
    }

    /// What is left of it after a decision in which its car has a mean speed, and the sideways speed of that decision.
    pub fn follow(
        mut self,
        own: &Neighbour,
        mean_mps: f32,
        clock: Clock,
        decision: u32,
        mut others: impl Iterator<Item = Neighbour>,
    ) -> (Option<Self>, f32) {
        let (time_s, decision_s) = (clock.time_s(decision), clock.decision_s());
        if mean_mps == 0.0 {
            self.late_s += decision_s;
            return (Some(self), 0.0);
        }
        self.late_s += (1.0 - self.pace(mean_mps)) * decision_s;
        let mut elapsed_s = time_s + decision_s - self.began_s - self.late_s;
        if others.any(|other| self.is_blocked_by(own, elapsed_s - decision_s, &other)) {
            let began_s = clock.time_s(decision + 1);
            return (Some(Self { from_d_m: own.d_m, began_s, late_s: 0.0, drift: None, ..self }), 0.0);
        }
        let over = self.over_s - elapsed_s < clock.same_s();
        if over {
            elapsed_s = self.over_s;
        }
        let sideways_mps = (self.d_m(elapsed_s) - own.d_m) / decision_s;
        (if over { None } else { Some(self) }, sideways_mps)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{drive_and_look, overlap, world};
    use crate::road::LaneId;

    fn change(at_s: f32, to_lane: i8, over_s: f32) -> String {
        format!("ChangeLane(when: At(at_s: {at_s:?}), to_lane: {to_lane}, over_s: {over_s:?})")
    }

    /// Offset and sideways speed after each decision of a car in lane 1.
    fn across(speed_mps: f32, script: &[String], decision_hz: f32) -> Vec<(f32, f32)> {
        let start = format!("start: (lane: 1, s_m: 50.0, speed_mps: {speed_mps:?})");
        let mut world = world(&format!("(name: \"a\", {start}, script: [{}])", script.join(", ")));
        let mut across = Vec::new();
        drive_and_look(&mut world, decision_hz, 0..(12.0 * decision_hz) as u32, |_, cars| {
            across.push((cars[0].d_m, cars[0].sideways_mps));
        });
        across
    }

    #[test]
    fn a_lane_change_takes_as_long_as_it_says() {
        for decision_hz in [5.0, 10.0, 20.0, 25.0, 30.0] {
            for over in 1..30 {
                for at in 0..10 {
                    let (at_s, over_s) = (at as f32 * 0.2, over as f32 * 0.2);
                    let across = across(30.0, &[change(at_s, 0, over_s)], decision_hz);
                    let moving = across.iter().filter(|(_, sideways_mps)| *sideways_mps != 0.0).count();
                    // Thirty metres a second carry a car across a lane in a third of a second and no sooner.
                    let least_s: f32 = if over_s < 0.4 { 0.35 } else { 0.0 };
                    let expected = (over_s.max(least_s) * decision_hz - 1e-3).ceil() as usize;
                    assert_eq!(moving, expected, "{over_s} s from {at_s} s on at {decision_hz} Hz");
                    assert!((across.last().unwrap().0 + 8.75).abs() < 1e-3, "{:?}", across.last());
                }
            }
        }
    }

    #[test]
    fn one_that_breaks_off_another_goes_on_from_its_sideways_speed() {
        for (back_after, back_over_s) in [(5, 3.0), (10, 3.0), (15, 3.0), (15, 1.5), (15, 20.0), (25, 3.0)] {
            let back_s = 1.0 + back_after as f32 / 10.0;
            let across = across(10.0, &[change(1.0, 0, 3.0), change(back_s, 1, back_over_s)], 10.0);
            let jumps = across.windows(2).map(|pair| (pair[1].1 - pair[0].1).abs());
            // Both curves turn by at most 6 D / T², and what is left of the first is lost by 4 v / T.
            let most_mps2 = 6.0 * 3.5 / (back_over_s * back_over_s).min(9.0) + 4.0 * 1.75 / back_over_s.min(3.0);
            let jump_mps = jumps.fold(0.0, f32::max);
            assert!(jump_mps < 0.1 * most_mps2, "after {back_after} decisions: {jump_mps} m/s in one decision");
            let [least_m, most_m] = [f32::min, f32::max].map(|of| across.iter().map(|(d_m, _)| *d_m).fold(-5.25, of));
            assert!(least_m > -9.5 && most_m < -5.2, "between {least_m} and {most_m} m");
            let last_m = across.last().unwrap().0;
            assert!(back_over_s > 8.0 || (last_m + 5.25).abs() < 1e-3, "{last_m} m in the end");
        }
    }

    #[test]
    fn there_is_no_way_across_without_way_along() {
        assert!(across(0.0, &[change(0.5, 0, 2.0)], 10.0).iter().all(|across| *across == (-5.25, 0.0)));
        for speed_mps in [0.5, 2.0, 8.0] {
            let slow = across(speed_mps, &[change(0.5, 0, 0.2)], 10.0);
            let most_mps = slow.iter().map(|(_, sideways_mps)| sideways_mps.abs()).fold(0.0, f32::max);
            assert!(most_mps > 0.0 && most_mps <= 0.5 * speed_mps + 1e-4, "{most_mps} m/s across at {speed_mps} m/s");
        }
    }

    #[test]
    fn a_car_that_stops_in_the_middle_goes_on_when_it_drives_on() {
        let stop = "Stop(when: At(at_s: 1.5), decel_mps2: 6.0, hold_s: Some(2.0))".to_owned();
        let across = across(10.0, &[change(1.0, 0, 3.0), stop], 10.0);
        // From 10 m/s it stands after 1.7 s.
        let standing = &across[33..50];
        assert!(standing.iter().all(|(d_m, sideways_mps)| *sideways_mps == 0.0 && *d_m == standing[0].0));
        assert!((-8.7..-5.3).contains(&standing[0].0), "{} m", standing[0].0);
        assert!((across.last().unwrap().0 + 8.75).abs() < 1e-3, "{:?}", across.last());
    }

    #[test]
    fn a_car_waits_until_there_is_room() {
        let beside = "start: (lane: 0, s_m: 100.0, speed_mps: 10.0), script: \
                      [SetSpeed(when: At(at_s: 4.0), speed_mps: 5.0)]";
        let changes = format!("start: (lane: 1, s_m: 101.0, speed_mps: 10.0), script: [{}]", change(1.0, 0, 2.0));
        let mut world = world(&format!("(name: \"a\", {beside}), (name: \"b\", {changes})"));
        drive_and_look(&mut world, 10.0, 0..200, |decision, cars| {
            assert!(!overlap(&cars[0], &cars[1]) && !cars[1].crashed, "decision {decision}");
            assert!(decision > 40 || cars[1].d_m == -5.25, "decision {decision}: nobody has made room");
        });
        let centre_m = world.0.lane(LaneId(0)).unwrap().centre_d_m;
        assert!((world.1.cars()[1].d_m - centre_m).abs() < 1e-3, "and then it goes");
    }

    #[test]
    fn of_two_that_want_to_the_same_place_the_first_in_the_file_goes() {
        let actor = |name, lane: i8| {
            let start = format!("start: (lane: {lane}, s_m: 100.0, speed_mps: 10.0)");
            format!("(name: \"{name}\", {start}, script: [{}])", change(1.0, 1, 2.0))
        };
        let mut world = world(&format!("{}, {}", actor("a", 2), actor("b", 0)));
        drive_and_look(&mut world, 10.0, 0..60, |decision, cars| {
            assert!(!overlap(&cars[0], &cars[1]) && !cars[1].crashed, "decision {decision}");
        });
        let [a, b] = world.1.cars() else { panic!("two cars") };
        assert!((a.d_m + 5.25).abs() < 1e-3 && b.d_m == -8.75, "{} and {} m", a.d_m, b.d_m);
    }
}
