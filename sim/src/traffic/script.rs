//! What a file tells a car to do: manoeuvres begin when their trigger fires, in file order, and end by the clock.

use super::actor::Manoeuvre;
use crate::road::LaneId;
use crate::trigger::{Trigger, TriggerInputs};

/// What a manoeuvre asks of its car in a decision.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    /// To want another speed from now on.
    SetSpeed { speed_mps: f32 },
    /// To begin a lane change.
    ChangeLane { to_lane: LaneId, over_s: f32 },
    /// To brake for this decision.
    Brake { decel_mps2: f32 },
}

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

    /// What it waits for, as long as it does.
    pub fn waits_for(&self) -> Option<Trigger> {
        self.began.is_none().then(|| self.manoeuvre.trigger())
    }

    /// Begins, goes on and ends by the clock; what it asks of a car with this speed.
    pub fn order(&mut self, moment: &TriggerInputs, speed_mps: f32) -> Option<Order> {
        if self.done || (self.began.is_none() && !self.manoeuvre.trigger().fires(moment)) {
            return None;
        }
        let (clock, decision) = (moment.clock, moment.decision);
        let began = *self.began.get_or_insert(decision);
        match self.manoeuvre {
            Manoeuvre::SetSpeed { speed_mps, .. } => {
                self.done = true;
                Some(Order::SetSpeed { speed_mps })
            }
            Manoeuvre::ChangeLane { to_lane, over_s, .. } => {
                self.done = true;
                Some(Order::ChangeLane { to_lane, over_s })
            }
            Manoeuvre::Brake { decel_mps2, for_s, .. } => {
                self.done = decision - began >= clock.decisions_in(for_s);
                (!self.done).then_some(Order::Brake { decel_mps2 })
            }
            Manoeuvre::Stop { decel_mps2, hold_s, .. } => {
                if speed_mps < 0.01 {
                    self.stopped.get_or_insert(decision);
                }
                let stood = self.stopped.map(|stopped| decision - stopped);
                self.done = stood.zip(hold_s).is_some_and(|(stood, hold_s)| stood >= clock.decisions_in(hold_s));
                (!self.done).then_some(Order::Brake { decel_mps2 })
            }
        }
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
