//! Other cars: they follow their lane and each other by the intelligent driver model, and do what their script says.
//!
//! They move along the lane graph without physics until the ego touches them.

use crate::math::rotation_along;
use crate::road::{LaneId, Road};
use crate::scenario::{Action, ActorKind, ActorSpec, Idm, Trigger};
use crate::seed::{Purpose, Seed};
use crate::vehicle::EgoState;
use bevy::prelude::Component;
use rapier3d::prelude::Pose;

/// Hardest braking of a car that follows others.
const EMERGENCY_DECEL_MPS2: f32 = 8.0;
/// How far a car looks ahead.
const LOOK_AHEAD_M: f32 = 120.0;

/// All other cars of one world, in file order.
#[derive(Component, Clone, Debug, Default)]
pub struct Traffic {
    cars: Vec<Car>,
}

/// Another car.
#[derive(Clone, Debug)]
pub struct Car {
    /// Place along the road.
    pub s_m: f32,
    /// Offset from the reference line.
    pub d_m: f32,
    /// Speed along its lane.
    pub speed_mps: f32,
    /// Acceleration chosen for this decision.
    pub acceleration_mps2: f32,
    /// The lane it drives in or changes to.
    pub lane: LaneId,
    /// Length, width and height of its body.
    pub length_m: f32,
    /// Width of its body.
    pub width_m: f32,
    /// Height of its body.
    pub height_m: f32,
    /// Paint.
    pub colour: [u8; 3],
    /// Whether the ego has touched it; physics moves it since.
    pub hit: bool,
    pose: Pose,
    sideways_mps: f32,
    desired_mps: f32,
    idm: Idm,
    lane_change: Option<LaneChange>,
    script: Vec<ScriptStep>,
}

#[derive(Clone, Copy, Debug)]
struct LaneChange {
    from_d_m: f32,
    to_d_m: f32,
    began_s: f32,
    over_s: f32,
}

#[derive(Clone, Copy, Debug)]
struct ScriptStep {
    action: Action,
    began_s: Option<f32>,
    stopped_s: Option<f32>,
    done: bool,
}

/// What a car needs to know of whom it may meet: the others and the ego.
#[derive(Clone, Copy)]
struct Seen {
    s_m: f32,
    d_m: f32,
    half_length_m: f32,
    half_width_m: f32,
    /// Speed along the reference line, negative for oncoming cars.
    along_mps: f32,
}

impl ActorKind {
    /// Length, width and height.
    #[must_use]
    pub fn size_m(self) -> (f32, f32, f32) {
        match self {
            Self::Car => (4.4, 1.8, 1.5),
            Self::Van => (5.2, 2.0, 2.2),
            Self::Truck => (8.5, 2.4, 3.2),
        }
    }
}

impl Traffic {
    /// Puts the actors where their file says.
    #[must_use]
    pub fn new(actors: &[ActorSpec], road: &Road, seed: Seed) -> Self {
        let mut stream = seed.stream(Purpose::Scenery);
        let cars = actors.iter().map(|actor| {
            let (length_m, width_m, height_m) = actor.kind.size_m();
            let drawn = draw_paint(&mut stream);
            let colour = actor.colour.map_or(drawn, |(r, g, b)| [r, g, b]);
            let mut car = Car {
                s_m: actor.start.s_m,
                d_m: road.lane(actor.start.lane).map_or(0.0, |lane| lane.centre_d_m),
                speed_mps: actor.start.speed_mps,
                acceleration_mps2: 0.0,
                lane: actor.start.lane,
                length_m,
                width_m,
                height_m,
                colour,
                hit: false,
                pose: Pose::IDENTITY,
                sideways_mps: 0.0,
                desired_mps: actor.desired_speed_mps.unwrap_or(actor.start.speed_mps),
                idm: actor.idm,
                lane_change: None,
                script: actor.script.iter().map(|&action| ScriptStep::new(action)).collect(),
            };
            car.place(road);
            car
        });
        Self { cars: cars.collect() }
    }

    /// The cars, in file order.
    #[must_use]
    pub fn cars(&self) -> &[Car] {
        &self.cars
    }

    /// Decides every car's acceleration and place across the road for the next decision.
    pub(crate) fn decide(&mut self, road: &Road, ego: &EgoState, ego_size_m: (f32, f32), time_s: f32, decision_s: f32) {
        let seen: Vec<Seen> = self.cars.iter().map(Car::seen).collect();
        let ego_seen = Seen {
            s_m: ego.s_m,
            d_m: ego.d_m,
            half_length_m: 0.5 * ego_size_m.0,
            half_width_m: 0.5 * ego_size_m.1,
            along_mps: ego.speed_mps,
        };
        for (index, car) in self.cars.iter_mut().enumerate().filter(|(_, car)| !car.hit) {
            let forced = car.run_script(road, ego, time_s);
            let others = seen.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, seen)| *seen);
            let following = car.follow(others.chain([ego_seen]));
            car.acceleration_mps2 = forced.map_or(following, |forced| forced.min(following));
            car.steer_across(time_s, decision_s);
        }
    }

    /// Moves every car that physics does not move by one physics step.
    pub(crate) fn advance(&mut self, dt_s: f32) {
        for car in self.cars.iter_mut().filter(|car| !car.hit) {
            let before = car.speed_mps;
            car.speed_mps = (before + car.acceleration_mps2 * dt_s).max(0.0);
            car.s_m += car.direction() * 0.5 * (before + car.speed_mps) * dt_s;
            car.d_m += car.sideways_mps * dt_s;
        }
    }

    /// Puts a car that physics does not move where it has driven to.
    pub(crate) fn place(&mut self, index: usize, road: &Road) -> Pose {
        let car = &mut self.cars[index];
        car.place(road);
        car.pose
    }

    /// Hands a car over to physics.
    pub(crate) fn hit(&mut self, index: usize) {
        self.cars[index].hit = true;
    }

    /// Where physics has moved a car that was hit.
    pub(crate) fn set_hit_pose(&mut self, index: usize, pose: Pose, speed_mps: f32) {
        let car = &mut self.cars[index];
        car.pose = pose;
        car.speed_mps = speed_mps;
    }
}

impl Car {
    /// Position and rotation of the middle of its body, as of the last decision.
    #[must_use]
    pub fn pose(&self) -> Pose {
        self.pose
    }

    fn place(&mut self, road: &Road) {
        let point = road.line.point(self.s_m);
        let (height_m, slope) = road.line.height_and_slope(self.s_m);
        let left = point.direction.perp();
        let ahead = point.direction * self.direction();
        let forward = if self.sideways_mps == 0.0 {
            ahead
        } else {
            (ahead * self.speed_mps.max(1.0) + left * self.sideways_mps).normalize()
        };
        let middle = (point.position + left * self.d_m).extend(height_m + 0.5 * self.height_m);
        self.pose = Pose::from_parts(middle, rotation_along(forward, self.direction() * slope));
    }

    /// `1` along the reference line, `-1` against it.
    #[must_use]
    pub fn direction(&self) -> f32 {
        if self.lane.is_oncoming() { -1.0 } else { 1.0 }
    }

    /// Speed across its lane in this decision, positive to the left of the reference line.
    pub(crate) fn sideways_mps(&self) -> f32 {
        self.sideways_mps
    }

    /// Mass from the body's volume.
    #[must_use]
    pub fn mass_kg(&self) -> f32 {
        self.length_m * self.width_m * self.height_m * 115.0
    }

    /// Whether its brake lights are on.
    #[must_use]
    pub fn braking(&self) -> bool {
        self.acceleration_mps2 < -0.5 || (self.speed_mps < 0.3 && self.acceleration_mps2 <= 0.0)
    }

    fn seen(&self) -> Seen {
        Seen {
            s_m: self.s_m,
            d_m: self.d_m,
            half_length_m: 0.5 * self.length_m,
            half_width_m: 0.5 * self.width_m,
            along_mps: self.speed_mps * self.direction(),
        }
    }

    /// Acceleration of the intelligent driver model towards whoever is next in its path.
    ///
    /// # Source
    /// Treiber, Hennecke and Helbing 2000, Physical Review E 62, 1805, equations 1 and 3.
    fn follow(&self, others: impl Iterator<Item = Seen>) -> f32 {
        let direction = self.direction();
        let lead = others
            .filter_map(|other| {
                let ahead_m = (other.s_m - self.s_m) * direction;
                let in_path = (other.d_m - self.d_m).abs() < other.half_width_m + 0.5 * self.width_m + 0.2;
                let gap_m = ahead_m - other.half_length_m - 0.5 * self.length_m;
                (in_path && ahead_m > 0.0 && gap_m < LOOK_AHEAD_M).then_some((gap_m, other.along_mps * direction))
            })
            .min_by(|(a, _), (b, _)| a.total_cmp(b));
        let idm = &self.idm;
        let free = if self.desired_mps > 0.1 {
            let share = self.speed_mps / self.desired_mps;
            1.0 - share * share * share * share
        } else {
            -self.speed_mps
        };
        let interaction = lead.map_or(0.0, |(gap_m, lead_mps)| {
            let closing_mps = self.speed_mps - lead_mps;
            let braking_m = self.speed_mps * closing_mps / (2.0 * (idm.accel_mps2 * idm.decel_mps2).sqrt());
            let desired_gap_m = idm.min_gap_m + (self.speed_mps * idm.time_headway_s + braking_m).max(0.0);
            let ratio = desired_gap_m / gap_m.max(0.1);
            ratio * ratio
        });
        (idm.accel_mps2 * (free - interaction)).clamp(-EMERGENCY_DECEL_MPS2, idm.accel_mps2)
    }

    /// Starts and ends scripted actions; returns the acceleration they force.
    fn run_script(&mut self, road: &Road, ego: &EgoState, time_s: f32) -> Option<f32> {
        let mut forced: Option<f32> = None;
        let mut script = std::mem::take(&mut self.script);
        for step in script.iter_mut().filter(|step| !step.done) {
            let began_s = match step.began_s {
                Some(began_s) => began_s,
                None if self.triggered(step.action.trigger(), ego, time_s) => {
                    step.began_s = Some(time_s);
                    time_s
                }
                None => continue,
            };
            match step.action {
                Action::SetSpeed { speed_mps, .. } => {
                    self.desired_mps = speed_mps;
                    step.done = true;
                }
                Action::ChangeLane { to_lane, over_s, .. } => {
                    if let Some(lane) = road.lane(to_lane) {
                        let (from_d_m, to_d_m) = (self.d_m, lane.centre_d_m);
                        self.lane_change = Some(LaneChange { from_d_m, to_d_m, began_s: time_s, over_s });
                        // A car that swerves into an oncoming lane still drives its own way.
                        if to_lane.is_oncoming() == self.lane.is_oncoming() {
                            self.lane = to_lane;
                        }
                    }
                    step.done = true;
                }
                Action::Brake { decel_mps2, for_s, .. } => {
                    step.done = time_s - began_s >= for_s;
                    if !step.done {
                        forced = Some(-decel_mps2);
                    }
                }
                Action::Stop { decel_mps2, hold_s, .. } => {
                    if self.speed_mps < 0.01 {
                        step.stopped_s.get_or_insert(time_s);
                    }
                    let stood_s = step.stopped_s.map_or(0.0, |stopped_s| time_s - stopped_s);
                    step.done = hold_s.is_some_and(|hold_s| step.stopped_s.is_some() && stood_s >= hold_s);
                    if !step.done {
                        forced = Some(-decel_mps2);
                    }
                }
            }
        }
        self.script = script;
        forced
    }

    fn triggered(&self, trigger: Trigger, ego: &EgoState, time_s: f32) -> bool {
        match trigger {
            Trigger::At { at_s } => time_s >= at_s,
            Trigger::EgoAt { s_m } => ego.s_m >= s_m,
            Trigger::EgoWithin { within_m } => (ego.s_m - self.s_m).abs() <= within_m,
        }
    }

    /// Follows a lane change on a curve without a jump in sideways speed: `3 u² − 2 u³`.
    fn steer_across(&mut self, time_s: f32, decision_s: f32) {
        self.sideways_mps = 0.0;
        if let Some(change) = self.lane_change {
            let u = ((time_s + decision_s - change.began_s) / change.over_s).clamp(0.0, 1.0);
            let target_d_m = change.from_d_m + (change.to_d_m - change.from_d_m) * u * u * (3.0 - 2.0 * u);
            self.sideways_mps = (target_d_m - self.d_m) / decision_s;
            if u >= 1.0 {
                self.lane_change = None;
            }
        }
    }
}

impl ScriptStep {
    fn new(action: Action) -> Self {
        Self { action, began_s: None, stopped_s: None, done: false }
    }
}

/// Car paint as it is on roads: mostly grey, white and black, sometimes a colour.
fn draw_paint(stream: &mut crate::seed::Stream) -> [u8; 3] {
    let level = stream.uniform(25.0, 235.0);
    if stream.chance(0.55) {
        [level as u8; 3]
    } else {
        let mut channel = || stream.uniform(20.0, 220.0) as u8;
        [channel(), channel(), channel()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario;
    use std::path::Path;

    fn world(actors: &str) -> (Road, Traffic) {
        let text = format!(
            "Scenario(format: 1, title: \"t\", duration_s: 60.0, road: Straight(length_m: 1000.0, lanes: 2), \
             ego: (lane: 1, s_m: 900.0), actors: [{actors}])"
        );
        let scenario = scenario::parse(&text, Path::new("t.ron")).unwrap();
        let road = scenario.build_road().unwrap();
        let traffic = Traffic::new(&scenario.actors, &road, scenario.seed);
        (road, traffic)
    }

    fn drive(road: &Road, traffic: &mut Traffic, seconds: f32) {
        let ego = EgoState { s_m: 900.0, d_m: -1.75, ..EgoState::default() };
        for step in 0..(seconds * 10.0) as usize {
            traffic.decide(road, &ego, (4.3, 1.8), step as f32 * 0.1, 0.1);
            for _ in 0..4 {
                traffic.advance(0.025);
            }
        }
    }

    #[test]
    fn a_follower_settles_at_the_models_equilibrium_gap() {
        let (road, mut traffic) = world(
            "(name: \"lead\", start: (lane: 0, s_m: 100.0, speed_mps: 10.0)), \
             (name: \"follower\", start: (lane: 0, s_m: 20.0, speed_mps: 10.0), desired_speed_mps: 15.0)",
        );
        drive(&road, &mut traffic, 60.0);
        let [lead, follower] = traffic.cars() else { panic!("two cars") };
        let gap = lead.s_m - follower.s_m - 4.4;
        // Equilibrium of the model: (s0 + v T) / sqrt(1 - (v / v0)^4).
        let expected = (2.0 + 10.0 * 1.5) / (1.0_f32 - (10.0_f32 / 15.0).powi(4)).sqrt();
        assert!((gap - expected).abs() < 0.3, "gap {gap}, expected {expected}");
    }

    #[test]
    fn scripts_stop_and_change_lane() {
        let (road, mut traffic) = world(
            "(name: \"a\", start: (lane: 0, s_m: 50.0, speed_mps: 10.0), \
             script: [Stop(when: At(at_s: 1.0), decel_mps2: 4.0), ]), \
             (name: \"b\", start: (lane: 1, s_m: 50.0, speed_mps: 10.0), \
             script: [ChangeLane(when: At(at_s: 2.0), to_lane: 0, over_s: 3.0)])",
        );
        drive(&road, &mut traffic, 10.0);
        let [stopped, changed] = traffic.cars() else { panic!("two cars") };
        assert!(stopped.speed_mps == 0.0 && (stopped.s_m - 72.5).abs() < 1.0, "{}", stopped.s_m);
        assert!((changed.d_m + 5.25).abs() < 0.01, "{}", changed.d_m);
    }
}
