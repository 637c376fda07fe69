//! Other cars: they follow their lane and each other by the intelligent driver model, and do what their script says.
//!
//! They move along the lane graph without physics until the ego touches them. Among themselves they meet without physics, too.
//!
//! They keep apart by following, by waiting with a lane change until there is room, and where neither helps by a crash
//! of two boxes. A car moves across its lane only as it moves along it, so that one that stands does not slide
//! sideways.

mod actor;
mod car;
mod following;
mod lane_change;
mod meeting;
mod neighbour;
mod script;

pub use actor::{ActorKind, ActorSpec, ActorStart, Idm, Manoeuvre};
pub use car::Car;

use crate::clock::Clock;
use crate::road::Road;
use crate::seed::{Purpose, Seed};
use crate::vehicle::EgoState;
use bevy::prelude::Component;
use bevy_rapier3d::rapier::prelude::Pose;
use car::{SLIDING_MPS2, StepStart};
use meeting::{AlongTheRoad, keep_apart};
use neighbour::Neighbour;

/// All other cars of one world, in file order.
#[derive(Component, Clone, Debug, Default)]
pub struct Traffic {
    cars: Vec<Car>,
    along_the_road: AlongTheRoad,
}

impl Traffic {
    /// Puts the actors where their file says.
    #[must_use]
    pub fn new(actors: &[ActorSpec], road: &Road, seed: Seed) -> Self {
        let mut stream = seed.stream(Purpose::Scenery);
        let cars = actors.iter().map(|actor| {
            let drawn = draw_paint(&mut stream);
            Car::new(actor, actor.colour.map_or(drawn, |(r, g, b)| [r, g, b]), road)
        });
        Self { cars: cars.collect(), along_the_road: AlongTheRoad::default() }
    }

    /// The cars, in file order.
    #[must_use]
    pub fn cars(&self) -> &[Car] {
        &self.cars
    }

    /// Decides every car's acceleration and place across the road for the next decision.
    pub(crate) fn decide(&mut self, road: &Road, ego: &EgoState, ego_size_m: (f32, f32), clock: Clock, decision: u32) {
        let mut seen: Vec<Neighbour> = self.cars.iter().map(Car::seen).collect();
        let ego_seen = Neighbour {
            s_m: ego.s_m,
            d_m: ego.d_m,
            half_length_m: 0.5 * ego_size_m.0,
            half_width_m: 0.5 * ego_size_m.1,
            along_mps: ego.speed_mps,
            towards_d_m: ego.d_m,
        };
        for (index, car) in self.cars.iter_mut().enumerate().filter(|(_, car)| !car.hit) {
            if car.crashed {
                car.acceleration_mps2 = if car.speed_mps == 0.0 { 0.0 } else { -SLIDING_MPS2 };
                continue;
            }
            let forced = car.run_script(road, ego, clock, decision);
            let others = || seen.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, seen)| *seen);
            let following = car.follow(others().chain([ego_seen]));
            car.acceleration_mps2 = forced.map_or(following, |forced| forced.min(following));
            // The ego is not waited for: what comes of a lane change in front of it is what a drive is about.
            car.steer_across(clock, decision, others());
            // Of two cars that want to the same place, the first in the file goes.
            let towards_d_m = car.seen().towards_d_m;
            seen[index].towards_d_m = towards_d_m;
        }
    }

    /// Moves every car that physics does not move by one physics step.
    pub(crate) fn advance(&mut self, dt_s: f32) {
        for car in self.cars.iter_mut().filter(|car| !car.hit) {
            car.step_start = StepStart::of(car);
            let before = car.speed_mps;
            car.speed_mps =
                if car.crashed { car.slide(dt_s) } else { (before + car.acceleration_mps2 * dt_s).max(0.0) };
            car.s_m += car.direction() * 0.5 * (before + car.speed_mps) * dt_s;
            // What is left of a decision in which the car has come to a stand moves it nowhere.
            if before != 0.0 || car.speed_mps != 0.0 {
                car.d_m += car.sideways_mps * dt_s;
            }
        }
        keep_apart(&mut self.cars, &mut self.along_the_road);
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
    use crate::seed::Stream;
    use std::path::Path;
    use std::sync::Arc;

    /// A straight road of three lanes with these actors.
    pub(super) fn world(actors: &str) -> (Arc<Road>, Traffic) {
        let text = format!(
            "Scenario(format: 1, title: \"t\", duration_s: 60.0, road: Straight(length_m: 1000.0, lanes: 3), \
             ego: (lane: 1, s_m: 900.0), actors: [{actors}])"
        );
        let scenario = scenario::parse(&text, Path::new("t.ron")).unwrap();
        let road = scenario.road().clone();
        let traffic = Traffic::new(&scenario.actors, &road, scenario.seed);
        (road, traffic)
    }

    /// Drives on for so many seconds, far from an ego that stands, and looks at the cars after each decision.
    pub(super) fn drive_and_look(
        (road, traffic): &mut (Arc<Road>, Traffic),
        decision_hz: f32,
        decisions: std::ops::Range<u32>,
        mut look: impl FnMut(u32, &[Car]),
    ) {
        let ego = EgoState { s_m: 900.0, d_m: -1.75, ..EgoState::default() };
        for decision in decisions {
            traffic.decide(road, &ego, (4.3, 1.8), Clock::new(decision_hz), decision);
            for _ in 0..4 {
                traffic.advance(0.25 / decision_hz);
            }
            look(decision, &traffic.cars);
        }
    }

    /// Whether two bodies, boxes along the road, are one inside the other.
    pub(super) fn overlap(a: &Car, b: &Car) -> bool {
        (a.s_m - b.s_m).abs() < 0.5 * (a.length_m + b.length_m) - 0.02
            && (a.d_m - b.d_m).abs() < 0.5 * (a.width_m + b.width_m) - 0.02
    }

    #[test]
    fn a_follower_settles_at_the_models_equilibrium_gap() {
        let mut world = world(
            "(name: \"lead\", start: (lane: 0, s_m: 100.0, speed_mps: 10.0)), \
             (name: \"follower\", start: (lane: 0, s_m: 20.0, speed_mps: 10.0), desired_speed_mps: 15.0)",
        );
        drive_and_look(&mut world, 10.0, 0..600, |_, _| {});
        let [lead, follower] = world.1.cars() else { panic!("two cars") };
        let gap = lead.s_m - follower.s_m - 4.4;
        // Equilibrium of the model: (s0 + v T) / sqrt(1 - (v / v0)^4).
        let expected = (2.0 + 10.0 * 1.5) / (1.0_f32 - (10.0_f32 / 15.0).powi(4)).sqrt();
        assert!((gap - expected).abs() < 0.3, "gap {gap}, expected {expected}");
    }

    /// A car with up to three actions at random, most of them within the first seconds.
    fn random_actor(stream: &mut Stream, number: usize) -> String {
        let lane = stream.below(4) as i32 - 1;
        let speed_mps = if stream.chance(0.2) { 0.0 } else { stream.uniform(0.0, 40.0) };
        let mut action = || {
            let when = format!("At(at_s: {:.1})", stream.uniform(0.0, 6.0));
            match stream.below(4) {
                0 => format!("SetSpeed(when: {when}, speed_mps: {:.1})", stream.uniform(0.0, 40.0)),
                1 => format!("Brake(when: {when}, decel_mps2: {:.1}, for_s: 1.0)", stream.uniform(1.0, 10.0)),
                2 => format!("Stop(when: {when}, decel_mps2: {:.1}, hold_s: Some(2.0))", stream.uniform(1.0, 10.0)),
                _ => {
                    let (to_lane, over_s) = (stream.below(4) as i32 - 1, stream.uniform(0.2, 5.0));
                    format!("ChangeLane(when: {when}, to_lane: {to_lane}, over_s: {over_s:.1})")
                }
            }
        };
        let script: Vec<String> = (0..3).map(|_| action()).collect();
        // Far enough apart that none touch at the start, near enough that many meet.
        let s_m = 100.0 + 10.0 * number as f32;
        let start = format!("(lane: {lane}, s_m: {s_m:.1}, speed_mps: {speed_mps:.1})");
        let kind = ["Car", "Van", "Truck"][stream.below(3)];
        format!("(name: \"{number}\", kind: {kind}, start: {start}, script: [{}])", script.join(", "))
    }

    #[test]
    fn no_script_puts_one_car_inside_another_or_moves_one_that_stands() {
        let mut crashed = 0;
        for seed in 0..300 {
            let mut stream = Seed(seed).stream(Purpose::Traffic);
            let actors: Vec<String> = (0..7).map(|number| random_actor(&mut stream, number)).collect();
            let mut world = world(&actors.join(", "));
            let mut before: Vec<(f32, f32)> = world.1.cars.iter().map(|car| (car.s_m, car.d_m)).collect();
            drive_and_look(&mut world, [5.0, 10.0, 30.0][seed as usize % 3], 0..100, |decision, cars| {
                for (index, car) in cars.iter().enumerate() {
                    let touched = cars[..index].iter().position(|other| overlap(car, other));
                    assert_eq!(touched, None, "seed {seed}, decision {decision}: in car {index}");
                    assert!(car.s_m.is_finite() && car.d_m.is_finite() && car.speed_mps.is_finite());
                    let (along_m, across_m) = ((car.s_m - before[index].0).abs(), (car.d_m - before[index].1).abs());
                    let most_m = 1.1 * along_m + 1e-3;
                    assert!(across_m <= most_m, "seed {seed}, decision {decision}, car {index}: {across_m}, {along_m}");
                }
                before = cars.iter().map(|car| (car.s_m, car.d_m)).collect();
            });
            crashed += world.1.cars().iter().filter(|car| car.crashed).count();
        }
        assert!(crashed > 100, "{crashed} cars crashed");
    }
}
