//! One other car: where it is, what it wants, and how it does what its script asks.

use super::actor::{ActorSpec, Idm};
use super::lane_change::LaneChange;
use super::neighbour::Neighbour;
use super::script::{Order, ScriptStep};
use crate::clock::Clock;
use crate::math::rotation_along;
use crate::road::{LaneId, Road};
use crate::trigger::{Trigger, TriggerInputs};
use crate::vehicle::EgoState;
use bevy_rapier3d::rapier::prelude::Pose;

/// Braking of a car that slides with locked wheels on dry asphalt.
pub(super) const SLIDING_MPS2: f32 = 7.0;

/// Another car.
#[derive(Clone, Debug)]
pub struct Car {
    /// Place along the road.
    pub s_m: f32,
    /// Offset from the reference line.
    pub d_m: f32,
    /// Speed along its lane; below zero after a crash that pushed it back.
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
    /// Whether it has crashed into another car, and slides to a stand.
    pub crashed: bool,
    pub(super) pose: Pose,
    pub(super) sideways_mps: f32,
    pub(super) desired_mps: f32,
    pub(super) idm: Idm,
    lane_change: Option<LaneChange>,
    script: Vec<ScriptStep>,
    /// How far the ego was ahead, along the road, in the last decision.
    ego_ahead_m: Option<f32>,
    pub(super) step_start: StepStart,
}

/// Where a physics step began for a car.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StepStart {
    pub s_m: f32,
    pub d_m: f32,
    /// Whether the car has been set back in this step.
    pub set_back: bool,
}

impl StepStart {
    pub fn of(car: &Car) -> Self {
        Self { s_m: car.s_m, d_m: car.d_m, set_back: false }
    }
}

impl Car {
    /// Puts an actor where its file says.
    pub(super) fn new(actor: &ActorSpec, colour: [u8; 3], road: &Road) -> Self {
        let (length_m, width_m, height_m) = actor.kind.size_m();
        let mut car = Self {
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
            crashed: false,
            pose: Pose::IDENTITY,
            sideways_mps: 0.0,
            desired_mps: actor.desired_speed_mps.unwrap_or(actor.start.speed_mps),
            idm: actor.idm,
            lane_change: None,
            script: actor.script.iter().map(|&manoeuvre| ScriptStep::new(manoeuvre)).collect(),
            ego_ahead_m: None,
            step_start: StepStart::default(),
        };
        car.place(road);
        car
    }

    /// Position and rotation of the middle of its body, as of the last decision.
    #[must_use]
    pub fn pose(&self) -> Pose {
        self.pose
    }

    pub(super) fn place(&mut self, road: &Road) {
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

    pub(super) fn seen(&self) -> Neighbour {
        Neighbour {
            s_m: self.s_m,
            d_m: self.d_m,
            half_length_m: 0.5 * self.length_m,
            half_width_m: 0.5 * self.width_m,
            along_mps: self.along_mps(),
            towards_d_m: self.lane_change.filter(|_| self.sideways_mps != 0.0).map_or(self.d_m, |change| change.to_d_m),
        }
    }

    /// Speed along the reference line, negative against it.
    pub(super) fn along_mps(&self) -> f32 {
        self.speed_mps * self.direction()
    }

    /// Takes the car from its driver.
    pub(super) fn crash(&mut self, along_mps: f32) {
        self.crashed = true;
        self.speed_mps = along_mps * self.direction();
        self.acceleration_mps2 = -SLIDING_MPS2;
        self.lane_change = None;
        self.sideways_mps = 0.0;
    }

    /// Slides on with locked wheels for a physics step, forwards or backwards.
    pub(super) fn slide(&self, dt_s: f32) -> f32 {
        self.speed_mps.signum() * (self.speed_mps.abs() - SLIDING_MPS2 * dt_s).max(0.0)
    }

    /// What the manoeuvres wait for that have not begun.
    pub(crate) fn waits_for(&self) -> impl Iterator<Item = Trigger> + '_ {
        self.script.iter().filter_map(ScriptStep::waits_for)
    }

    /// Does what its script asks in a decision; returns the acceleration that forces, the hardest braking of all.
    pub(super) fn run_script(&mut self, road: &Road, ego: &EgoState, clock: Clock, decision: u32) -> Option<f32> {
        let ego_ahead_m = Some(ego.s_m - self.s_m);
        let distance_before_m = std::mem::replace(&mut self.ego_ahead_m, ego_ahead_m);
        let moment = TriggerInputs { clock, decision, ego_s_m: ego.s_m, distance_m: ego_ahead_m, distance_before_m };
        let (speed_mps, now_s) = (self.speed_mps, clock.time_s(decision));
        let mut script = std::mem::take(&mut self.script);
        let mut forced: Option<f32> = None;
        for order in script.iter_mut().filter_map(|step| step.order(&moment, speed_mps)) {
            match order {
                Order::SetSpeed { speed_mps } => self.desired_mps = speed_mps,
                Order::ChangeLane { to_lane, over_s } => self.change_lane(road, to_lane, over_s, now_s),
                Order::Brake { decel_mps2 } => {
                    forced = Some(forced.map_or(-decel_mps2, |other| other.min(-decel_mps2)));
                }
            }
        }
        self.script = script;
        forced
    }

    fn change_lane(&mut self, road: &Road, to_lane: LaneId, over_s: f32, now_s: f32) {
        let Some(lane) = road.lane(to_lane) else { return };
        let change = LaneChange::new(self.d_m, lane.centre_d_m, over_s, now_s);
        let (speed_mps, sideways_mps) = (self.speed_mps, self.sideways_mps);
        self.lane_change = Some(match self.lane_change {
            Some(last) => change.breaking_off(&last, speed_mps, sideways_mps),
            None => change,
        });
        // A car that swerves into an oncoming lane still drives its own way.
        if to_lane.is_oncoming() == self.lane.is_oncoming() {
            self.lane = to_lane;
        }
    }

    /// Follows its lane change, if it is in one, for a decision.
    pub(super) fn steer_across(&mut self, clock: Clock, decision: u32, others: impl Iterator<Item = Neighbour>) {
        self.sideways_mps = 0.0;
        if let Some(change) = self.lane_change {
            let mean_mps = self.mean_speed_mps(clock.decision_s());
            (self.lane_change, self.sideways_mps) = change.follow(&self.seen(), mean_mps, clock, decision, others);
        }
    }

    /// Mean speed during a decision with the acceleration chosen for it.
    fn mean_speed_mps(&self, decision_s: f32) -> f32 {
        let end_mps = self.speed_mps + self.acceleration_mps2 * decision_s;
        if end_mps >= 0.0 {
            0.5 * (self.speed_mps + end_mps)
        } else {
            // It stands before the decision is over.
            0.5 * self.speed_mps * self.speed_mps / (-self.acceleration_mps2 * decision_s)
        }
    }
}
