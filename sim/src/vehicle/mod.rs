//! The ego car: its data, and rapier's ray-cast vehicle that turns controls into forces.

use crate::math::Vec3;
use crate::road::LaneId;
use bevy_rapier3d::rapier::control::{DynamicRayCastVehicleController, WheelTuning};
use bevy_rapier3d::rapier::prelude::{QueryPipelineMut, RigidBodyHandle};
use serde::{Deserialize, Serialize};

/// What a driver asks of the car for one decision.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Controls {
    /// Steering angle as a share of the greatest, `-1..=1`, positive to the left.
    pub steer: f32,
    /// Share of the drive force, `0..=1`.
    pub throttle: f32,
    /// Share of the brake force, `0..=1`.
    pub brake: f32,
}

impl Controls {
    /// The controls inside their bounds; a value that is not a number becomes zero.
    #[must_use]
    pub fn bounded(self) -> Self {
        let bound = |value: f32, low: f32| if value.is_nan() { 0.0 } else { value.clamp(low, 1.0) };
        Self { steer: bound(self.steer, -1.0), throttle: bound(self.throttle, 0.0), brake: bound(self.brake, 0.0) }
    }
}

/// What is allowed.
mod range {
    roadproof_range::bounded! {
        mass_kg: f32 = 100.0 to 50000.0;
        length_m: f32 = 1.0 to 20.0;
        width_m: f32 = 0.5 to 3.0;
        height_m: f32 = 0.5 to 5.0;
        wheelbase_m: f32 = 0.5 to 20.0;
        track_m: f32 = 0.3 to 3.0;
        centre_of_mass_m: f32 = 0.1 to 5.0;
        wheel_radius_m: f32 = 0.1 to 1.0;
        tyre_friction: f32 = 0.05 to 2.0;
        suspension_hz: f32 = 1.0 to 4.0;
        suspension_damping_ratio: f32 = 0.1 to 1.5;
        max_steer_rad: f32 = 0.05 to 1.2;
        steer_rate_rad_per_s: f32 = 0.05 to 10.0;
        drive_force_n: f32 = 0.0 to 200000.0;
        brake_force_n: f32 = 0.0 to 400000.0;
        top_speed_mps: f32 = 1.0 to 60.0;
    }
}

/// The car as data. The defaults are a compact passenger car.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VehicleSettings {
    /// Mass.
    #[serde(deserialize_with = "range::mass_kg")]
    pub mass_kg: f32,
    /// Length of the body.
    #[serde(deserialize_with = "range::length_m")]
    pub length_m: f32,
    /// Width of the body.
    #[serde(deserialize_with = "range::width_m")]
    pub width_m: f32,
    /// Height of the body.
    #[serde(deserialize_with = "range::height_m")]
    pub height_m: f32,
    /// Distance between the axles, at most `length_m`.
    #[serde(deserialize_with = "range::wheelbase_m")]
    pub wheelbase_m: f32,
    /// Distance between the wheels of an axle, at most `width_m`.
    #[serde(deserialize_with = "range::track_m")]
    pub track_m: f32,
    /// Height of the centre of mass at rest, at most `height_m`.
    #[serde(deserialize_with = "range::centre_of_mass_m")]
    pub centre_of_mass_m: f32,
    /// Radius of a wheel.
    #[serde(deserialize_with = "range::wheel_radius_m")]
    pub wheel_radius_m: f32,
    /// Friction coefficient of the tyres.
    #[serde(deserialize_with = "range::tyre_friction")]
    pub tyre_friction: f32,
    /// Undamped frequency of the body on its springs.
    #[serde(deserialize_with = "range::suspension_hz")]
    pub suspension_hz: f32,
    /// Damping as a share of the critical one.
    #[serde(deserialize_with = "range::suspension_damping_ratio")]
    pub suspension_damping_ratio: f32,
    /// Greatest steering angle of the front wheels.
    #[serde(deserialize_with = "range::max_steer_rad")]
    pub max_steer_rad: f32,
    /// How fast the front wheels turn.
    #[serde(deserialize_with = "range::steer_rate_rad_per_s")]
    pub steer_rate_rad_per_s: f32,
    /// Drive force of all wheels together at full throttle, shared out by their loads.
    #[serde(deserialize_with = "range::drive_force_n")]
    pub drive_force_n: f32,
    /// Brake force of all wheels together at full brake, shared out by their loads.
    #[serde(deserialize_with = "range::brake_force_n")]
    pub brake_force_n: f32,
    /// Speed at which the drive force ends.
    #[serde(deserialize_with = "range::top_speed_mps")]
    pub top_speed_mps: f32,
}

impl Default for VehicleSettings {
    fn default() -> Self {
        Self {
            mass_kg: 1350.0,
            length_m: 4.3,
            width_m: 1.8,
            height_m: 1.5,
            wheelbase_m: 2.6,
            track_m: 1.55,
            centre_of_mass_m: 0.55,
            wheel_radius_m: 0.32,
            tyre_friction: 0.9,
            suspension_hz: 1.5,
            suspension_damping_ratio: 0.5,
            max_steer_rad: 0.5,
            steer_rate_rad_per_s: 0.6,
            drive_force_n: 4050.0,
            brake_force_n: 10_800.0,
            top_speed_mps: 45.0,
        }
    }
}

/// Standard acceleration of gravity, rounded.
pub const GRAVITY_MPS2: f32 = 9.81;
/// Suspension length without load; the springs give about half of it at rest.
const REST_LENGTH_M: f32 = 0.3;
/// Two wheels of an axle each cancel the whole sideways slip; half of it from each is the right sum.
const SIDE_FRICTION_SHARE: f32 = 0.5;

impl VehicleSettings {
    /// Checks that the parts of the car go together; what each may be stands at its field.
    ///
    /// # Errors
    /// A sentence with the field, its value and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        self.contradictions().next().map_or(Ok(()), |(_, message)| Err(message))
    }

    /// Parts of the car that do not go together: a field, and a sentence about it.
    pub(crate) fn contradictions(&self) -> impl Iterator<Item = (&'static str, String)> {
        let within = [
            ("wheelbase_m", self.wheelbase_m, "length_m", self.length_m),
            ("track_m", self.track_m, "width_m", self.width_m),
            ("centre_of_mass_m", self.centre_of_mass_m, "height_m", self.height_m),
        ];
        within.into_iter().filter(|(_, value, _, most)| value > most).map(|(inner, value, outer, most)| {
            (inner, format!("{inner} = {value}, allowed is at most the car's {outer} = {most}"))
        })
    }

    /// The steering angle that follows a curvature without slip (single-track model).
    #[must_use]
    pub fn steer_for_curvature(&self, curvature_per_m: f32) -> f32 {
        crate::math::atan2(curvature_per_m * self.wheelbase_m, 1.0)
    }

    fn spring_per_mass(&self) -> f32 {
        let omega = std::f32::consts::TAU * self.suspension_hz;
        0.25 * omega * omega
    }

    fn damper_per_mass(&self) -> f32 {
        // Four dampers share 2 ζ ω m.
        0.5 * self.suspension_damping_ratio * std::f32::consts::TAU * self.suspension_hz
    }

    fn sag_m(&self) -> f32 {
        GRAVITY_MPS2 / (4.0 * self.spring_per_mass())
    }
}

/// The car in a running world: steering state and the wheels.
#[derive(Debug)]
pub(crate) struct Vehicle {
    pub settings: VehicleSettings,
    pub steer_rad: f32,
    wheels: DynamicRayCastVehicleController,
}

impl Vehicle {
    /// Puts wheels under a body whose origin is its centre of mass.
    pub fn new(settings: VehicleSettings, body: RigidBodyHandle) -> Self {
        let mut wheels = DynamicRayCastVehicleController::new(body);
        wheels.index_up_axis = 2;
        wheels.index_forward_axis = 0;
        let tuning = WheelTuning {
            suspension_stiffness: settings.spring_per_mass(),
            suspension_compression: settings.damper_per_mass(),
            suspension_damping: settings.damper_per_mass(),
            max_suspension_travel: 0.25,
            side_friction_stiffness: SIDE_FRICTION_SHARE,
            friction_slip: settings.tyre_friction,
            max_suspension_force: 20.0 * settings.mass_kg * GRAVITY_MPS2,
        };
        let hub_m = settings.wheel_radius_m + REST_LENGTH_M - settings.sag_m() - settings.centre_of_mass_m;
        for (x, y) in [(0.5, 0.5), (0.5, -0.5), (-0.5, 0.5), (-0.5, -0.5)] {
            let mount = Vec3::new(x * settings.wheelbase_m, y * settings.track_m, hub_m);
            // With the axle to the right, "forward" of the controller is the body's x axis.
            wheels.add_wheel(mount, -Vec3::Z, -Vec3::Y, REST_LENGTH_M, settings.wheel_radius_m, &tuning);
        }
        Self { settings, steer_rad: 0.0, wheels }
    }

    /// Turns the front wheels, drives and brakes for one physics step.
    pub fn step(&mut self, controls: Controls, dt_s: f32, queries: QueryPipelineMut) {
        let settings = &self.settings;
        let target_rad = controls.steer * settings.max_steer_rad;
        let turn_rad = settings.steer_rate_rad_per_s * dt_s;
        self.steer_rad += (target_rad - self.steer_rad).clamp(-turn_rad, turn_rad);
        let speed_mps = self.wheels.current_vehicle_speed;
        let throttle = if speed_mps < settings.top_speed_mps { controls.throttle } else { 0.0 };
        let braking = controls.brake > 0.0;
        let weight_n: f32 = self.wheels.wheels().iter().map(|wheel| wheel.wheel_suspension_force).sum();
        for (index, wheel) in self.wheels.wheels_mut().iter_mut().enumerate() {
            if index < 2 {
                wheel.steering = self.steer_rad;
            }
            // A tyre cannot pass on more than friction times load; the controller alone would allow twice that.
            let grip_n = settings.tyre_friction * wheel.wheel_suspension_force;
            // Ideal distribution: equal shares would lock the rear axle, which braking unloads, and lose its part.
            let share = wheel.wheel_suspension_force / weight_n.max(1.0);
            let drive_n = if braking { 0.0 } else { share * throttle * settings.drive_force_n };
            wheel.engine_force = drive_n.min(grip_n);
            wheel.brake = (share * controls.brake * settings.brake_force_n).min(grip_n) * dt_s;
        }
        self.wheels.update_vehicle(dt_s, queries);
    }

    /// Each wheel's last ray, in the world.
    pub fn rays(&self) -> [[Vec3; 2]; 4] {
        std::array::from_fn(|wheel| {
            let ray = self.wheels.wheels()[wheel].raycast_info();
            [ray.hard_point_ws, ray.contact_point_ws]
        })
    }
}

/// What is known of the ego after a decision.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EgoState {
    /// Centre of mass in the world.
    pub position: Vec3,
    /// Rotation of the body: x forward, y left, z up.
    pub rotation: crate::math::Quat,
    /// Velocity in the world.
    pub velocity_mps: Vec3,
    /// Speed along the body's x axis.
    pub speed_mps: f32,
    /// Change of that speed over the last decision.
    pub acceleration_mps2: f32,
    /// Turning speed about the up axis.
    pub yaw_rate_rad_per_s: f32,
    /// Steering angle of the front wheels.
    pub steer_rad: f32,
    /// Direction of travel in the ground plane.
    pub heading_rad: f32,
    /// Rise of the ground under the car for each metre ahead, as cars tell it from an accelerometer beside the wheels' speeds.
    ///
    /// # Source
    /// Vahidi, Stefanopoulou and Peng 2005, "Recursive least squares with forgetting for online estimation of vehicle mass and
    /// road grade", Vehicle System Dynamics 43, 31, among others.
    pub slope: f32,
    /// Place along the road.
    pub s_m: f32,
    /// Offset from the reference line.
    pub d_m: f32,
    /// The lane of the ego's direction that is nearest.
    pub lane: LaneId,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::physics::{Alone, StartPose};
    use crate::road::{CrossSection, CurvePiece, HillWave, Road};
    use crate::traffic::Traffic;
    use std::sync::Arc;

    const DECISION_S: f32 = 0.1;
    const FIFTY_KMH: f32 = 50.0 / 3.6;

    /// The default car alone on 80 m of ground to both sides of a straight road.
    struct Track {
        world: Alone,
        ego: EgoState,
    }

    impl Track {
        fn new(start: StartPose, hills: Vec<HillWave>) -> Self {
            let section =
                CrossSection { lanes: 3, oncoming_lanes: 3, lane_width_m: 5.0, shoulder_m: 40.0, kerb: false };
            let piece = CurvePiece { length_m: 400.0, start_curvature_per_m: 0.0, end_curvature_per_m: 0.0 };
            let road = Arc::new(Road::new(&[piece], hills, section, vec![], vec![]).unwrap());
            let world = Alone::new(road, &[], Traffic::default(), start);
            let ego = world.ego_state(&EgoState { s_m: start.s_m, ..EgoState::default() }, DECISION_S);
            Self { world, ego }
        }

        fn step(&mut self, controls: Controls) -> EgoState {
            self.world.step(controls, DECISION_S / 4.0, 4);
            self.ego = self.world.ego_state(&self.ego, DECISION_S);
            self.ego
        }
    }

    fn start(speed_mps: f32) -> StartPose {
        StartPose { s_m: 50.0, d_m: 0.0, relative_heading_rad: 0.0, speed_mps }
    }

    fn check_within(share: f32, measured: f32, expected: f32) {
        assert!((measured - expected).abs() <= share * expected, "measured {measured}, expected {expected}");
    }

    #[test]
    fn braking_from_50_kmh_takes_the_distance_of_the_brakes_or_the_tyres() {
        let car = VehicleSettings::default();
        let mut track = Track::new(start(FIFTY_KMH), vec![]);
        let from_m = track.ego.position.x;
        for _ in 0..100 {
            track.step(Controls { brake: 1.0, ..Controls::default() });
        }
        assert!(track.ego.speed_mps < 0.05, "{} m/s after ten seconds", track.ego.speed_mps);
        let braking_mps2 = (car.brake_force_n / car.mass_kg).min(car.tyre_friction * GRAVITY_MPS2);
        check_within(0.05, track.ego.position.x - from_m, FIFTY_KMH * FIFTY_KMH / (2.0 * braking_mps2));
    }

    #[test]
    fn reaching_50_kmh_takes_the_time_of_the_drive_force() {
        let car = VehicleSettings::default();
        let mut track = Track::new(start(0.0), vec![]);
        let (mut time_s, mut before_mps) = (0.0, 0.0);
        while track.ego.speed_mps < FIFTY_KMH {
            before_mps = track.ego.speed_mps;
            track.step(Controls { throttle: 1.0, ..Controls::default() });
            time_s += DECISION_S;
            assert!(time_s < 60.0, "{} m/s after a minute", track.ego.speed_mps);
        }
        time_s -= DECISION_S * (track.ego.speed_mps - FIFTY_KMH) / (track.ego.speed_mps - before_mps);
        check_within(0.05, time_s, FIFTY_KMH * car.mass_kg / car.drive_force_n);
    }

    #[test]
    fn cornering_ends_at_the_friction_of_the_tyres() {
        let car = VehicleSettings::default();
        let mut track = Track::new(StartPose { d_m: -18.0, ..start(5.0) }, vec![]);
        let steer = car.steer_for_curvature(1.0 / 18.0) / car.max_steer_rad;
        let mut lateral_mps2 = Vec::new();
        for _ in 0..400 {
            let throttle = if track.ego.speed_mps < 14.0 { 0.12 } else { 0.0 };
            let ego = track.step(Controls { steer, throttle, brake: 0.0 });
            lateral_mps2.push(ego.speed_mps * ego.yaw_rate_rad_per_s);
        }
        let steady = lateral_mps2.windows(20).map(|window| window.iter().sum::<f32>() / 20.0).fold(0.0, f32::max);
        check_within(0.05, steady, car.tyre_friction * GRAVITY_MPS2);
    }

    #[test]
    fn the_brake_holds_on_a_slope() {
        // Steepest at s = 50 m, up and down.
        for slope in [0.08, 0.2, 0.34, -0.2] {
            let (amplitude_m, phase) =
                (f32::abs(slope) * 400.0 / std::f32::consts::TAU, if slope > 0.0 { -0.25 } else { 0.75 });
            let hill = HillWave { amplitude_m, wavelength_m: 400.0, phase_rad: phase * std::f32::consts::PI };
            let mut track = Track::new(start(0.0), vec![hill]);
            assert!((track.ego.slope - slope).abs() < 1e-3, "{} at a slope of {slope}", track.ego.slope);
            let hold = Controls { brake: 1.0, ..Controls::default() };
            for _ in 0..10 {
                track.step(hold);
            }
            let from = track.ego.position;
            for _ in 0..50 {
                track.step(hold);
            }
            let crept_m = track.ego.position.distance(from);
            assert!(crept_m < 0.05, "crept {crept_m} m at a slope of {slope}");
        }
    }

    #[test]
    fn the_car_rests_at_its_nominal_height() {
        let mut track = Track::new(start(0.0), vec![]);
        for _ in 0..50 {
            track.step(Controls { brake: 1.0, ..Controls::default() });
        }
        let height_m = track.ego.position.z;
        assert!((height_m - VehicleSettings::default().centre_of_mass_m).abs() < 0.02, "{height_m} m");
    }
}
