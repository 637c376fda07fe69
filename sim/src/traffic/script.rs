//! What a file tells a car to do: manoeuvres begin when their trigger fires, in file order, and end by the clock.

use super::Car;
use super::lane_change::LaneChange;
use crate::clock::Clock;
use crate::road::Road;
use crate::traffic::actor::Manoeuvre;
use crate::trigger::Moment;
use crate::vehicle::EgoState;

/// A manoeuvre and how far it has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScriptStep {
    manoeuvre: Manoeuvre,
    /// The decision in which it began.
    began: Option<u32>,
    /// The decision in which the car stood for the first time.
    stopped: Option<u32>,
    done: bool,
}

impl ScriptStep {
    /// A manoeuvre that waits for its trigger.
    pub fn new(manoeuvre: Manoeuvre) -> Self {
        Self { manoeuvre, began: None, stopped: None, done: false }
    }
}

impl Car {
    /// Starts and ends scripted manoeuvres; returns the acceleration they force, the hardest braking of all.
    pub(super) fn run_script(&mut self, road: &Road, ego: &EgoState, clock: Clock, decision: u32) -> Option<f32> {
        let ego_ahead_m = Some(ego.s_m - self.s_m);
        let distance_before_m = std::mem::replace(&mut self.ego_ahead_m, ego_ahead_m);
        let moment = Moment { clock, decision, ego_s_m: ego.s_m, distance_m: ego_ahead_m, distance_before_m };
        let mut forced: Option<f32> = None;
        let mut brake = |decel_mps2: f32| forced = Some(forced.map_or(-decel_mps2, |other| other.min(-decel_mps2)));
        let mut script = std::mem::take(&mut self.script);
        for step in script.iter_mut().filter(|step| !step.done) {
            if step.began.is_none() && !step.manoeuvre.trigger().fires(&moment) {
                continue;
            }
            let began = *step.began.get_or_insert(decision);
            match step.manoeuvre {
                Manoeuvre::SetSpeed { speed_mps, .. } => {
                    self.desired_mps = speed_mps;
                    step.done = true;
                }
                Manoeuvre::ChangeLane { to_lane, over_s, .. } => {
                    if let Some(lane) = road.lane(to_lane) {
                        self.lane_change = Some(LaneChange::new(self, lane.centre_d_m, over_s, clock.time_s(decision)));
                        // A car that swerves into an oncoming lane still drives its own way.
                        if to_lane.is_oncoming() == self.lane.is_oncoming() {
                            self.lane = to_lane;
                        }
                    }
                    step.done = true;
                }
                Manoeuvre::Brake { decel_mps2, for_s, .. } => {
                    step.done = decision - began >= clock.decisions_in(for_s);
                    if !step.done {
                        brake(decel_mps2);
                    }
                }
                Manoeuvre::Stop { decel_mps2, hold_s, .. } => {
                    if self.speed_mps < 0.01 {
                        step.stopped.get_or_insert(decision);
                    }
                    let stood = step.stopped.map(|stopped| decision - stopped);
                    step.done = stood.zip(hold_s).is_some_and(|(stood, hold_s)| stood >= clock.decisions_in(hold_s));
                    if !step.done {
                        brake(decel_mps2);
                    }
                }
            }
        }
        self.script = script;
        forced
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{drive_and_look, world};

    /// Speed of a car at 30 m/s that nobody is ahead of, after so many decisions of this script.
    fn speed_after(script: &str, decision_hz: f32, decisions: u32) -> f32 {
        let actor = "name: \"a\", start: (lane: 0, s_m: 50.0, speed_mps: 30.0)";
        let mut world = world(&format!("({actor}, idm: (accel_mps2: 0.1), script: [{script}])"));
        drive_and_look(&mut world, decision_hz, 0..decisions, |_, _| {});
        world.1.cars()[0].speed_mps
    }

    #[test]
    fn a_brake_lasts_as_long_as_it_says() {
        for (decision_hz, step) in [(10.0, 1), (20.0, 1), (30.0, 1), (50.0, 1), (5.0, 2)] {
            for at in (0..40).step_by(step) {
                for length in (step..12).step_by(step) {
                    let (at_s, for_s) = (at as f32 / 10.0, length as f32 / 10.0);
                    let brake = format!("Brake(when: At(at_s: {at_s:.1}), decel_mps2: 5.0, for_s: {for_s:.1})");
                    let decisions = ((at_s + for_s) * decision_hz).round() as u32 + 1;
                    let lost_mps = 30.0 - speed_after(&brake, decision_hz, decisions);
                    // A decision more would lose a tenth of a metre a second at least, what it gains in between less.
                    let expected_mps = 5.0 * for_s;
                    assert!((lost_mps - expected_mps).abs() < 0.05, "{brake} at {decision_hz} Hz: {lost_mps} m/s lost");
                }
            }
        }
    }

    #[test]
    fn of_two_brakes_the_harder_acts_whatever_their_order() {
        let hard = "Brake(when: At(at_s: 1.0), decel_mps2: 8.0, for_s: 2.0)";
        let soft = "Brake(when: At(at_s: 1.0), decel_mps2: 1.0, for_s: 2.0)";
        let stop = "Stop(when: At(at_s: 1.0), decel_mps2: 8.0)";
        for script in [[hard, soft], [soft, hard], [stop, soft], [soft, stop]] {
            let speed_mps = speed_after(&script.join(", "), 10.0, 30);
            assert!((speed_mps - 14.0).abs() < 0.05, "{script:?}: {speed_mps} m/s");
        }
    }

    #[test]
    fn a_stop_holds_as_long_as_it_says() {
        for hold in 0..30 {
            let hold_s = hold as f32 / 10.0;
            let actor = "name: \"a\", start: (lane: 0, s_m: 50.0, speed_mps: 10.0)";
            let stop = format!("Stop(when: At(at_s: 0.3), decel_mps2: 8.0, hold_s: Some({hold_s:.1}))");
            let mut world = world(&format!("({actor}, script: [{stop}])"));
            let mut standing = 0;
            drive_and_look(&mut world, 10.0, 0..80, |_, cars| standing += u32::from(cars[0].speed_mps == 0.0));
            // It stands at the end of the decision in which it stops, and in those that it holds.
            assert_eq!(standing, hold + 1, "{stop}");
        }
    }

    #[test]
    fn of_two_desired_speeds_or_lanes_at_once_the_later_in_the_file_stands() {
        let set = |speed_mps: f32| format!("SetSpeed(when: At(at_s: 0.0), speed_mps: {speed_mps:?})");
        let speed_mps = speed_after(&format!("{}, {}", set(5.0), set(20.0)), 10.0, 300);
        // It has braked for half a minute, and gently: towards 5 m/s it would be slower by now.
        assert!((20.0..29.0).contains(&speed_mps), "{speed_mps}");
        let change = |lane| format!("ChangeLane(when: At(at_s: 1.0), to_lane: {lane}, over_s: 2.0)");
        let actor = "name: \"a\", start: (lane: 0, s_m: 50.0, speed_mps: 10.0)";
        let mut world = world(&format!("({actor}, script: [{}, {}])", change(2), change(1)));
        drive_and_look(&mut world, 10.0, 0..40, |_, _| {});
        let centre_m = world.0.lane(crate::road::LaneId(1)).unwrap().centre_d_m;
        assert!((world.1.cars()[0].d_m - centre_m).abs() < 1e-3, "{} m", world.1.cars()[0].d_m);
    }
}
