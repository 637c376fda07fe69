//! Faults beside the picture: controls that act late, and a car that is wrong about itself.
//!
//! Of what the car senses they change the speed, the turning speed, the acceleration with the slope of the road, the steering
//! angle, and the place along and across the road with the offset in the lane and the speed limit that the map gives for that
//! place; everything else stays true.
//!
//! # Source
//! Severities are conventions of ours, from what a good sensor is off by to a broken one. For the inertial ones the data sheet of a
//! sensor in mass production says what is usual: Bosch Sensortec BMI088, zero-rate offset 1°/s, zero-g offset 20 mg (0.2 m/s²).
//! Angles of the steering wheel are off by some degrees; a sixteenth of that is left at the road wheels.

use crate::fault::kind::Severity;
use crate::fault::memory::FrameMemory;
use crate::outcome::measures::Measures;
use crate::road::Road;
use crate::vehicle::Controls;
use std::collections::VecDeque;

/// Holds controls back by so many decisions; until as many have come, those from before the fault go on.
pub(in crate::fault) fn delay(
    waiting: &mut VecDeque<Controls>,
    severity: Severity,
    before: Controls,
    controls: Controls,
) -> Controls {
    let decisions = usize::from(severity.get());
    while waiting.len() < decisions {
        waiting.push_back(before);
    }
    waiting.push_back(controls);
    waiting.pop_front().unwrap_or(controls)
}

/// Reads a speed that trembles by 2 to 25 per cent, each decision anew.
pub(in crate::fault) fn speed_noise(sensed: &mut Measures, severity: Severity, memory: &mut FrameMemory) {
    let sigma = severity.of([0.02, 0.05, 0.1, 0.15, 0.25]);
    sensed.ego.speed_mps *= (1.0 + sigma * memory.moving.normal()).max(0.0);
}

/// Reads a speed that is 2 to 25 per cent too high.
pub(in crate::fault) fn speed_bias(sensed: &mut Measures, severity: Severity) {
    sensed.ego.speed_mps *= 1.0 + severity.of([0.02, 0.05, 0.1, 0.15, 0.25]);
}

/// What a gyroscope reads wrongly, rad/s.
const YAW_RATE_RAD_PER_S: [f32; 5] = [0.005, 0.01, 0.02, 0.04, 0.08];
/// What an accelerometer reads wrongly, m/s².
const ACCELERATION_MPS2: [f32; 5] = [0.2, 0.4, 0.7, 1.2, 2.0];
/// What a sensor of the steering angle reads wrongly, at the road wheels: 2.5° to 25° at the steering wheel.
const STEER_RAD: [f32; 5] = [0.0027, 0.0055, 0.011, 0.016, 0.027];
/// Standard gravity: what an accelerometer on a slope reads of it.
const GRAVITY_MPS2: f32 = 9.81;

/// Reads a turning speed with noise of 0.3 to 4.6°/s.
pub(in crate::fault) fn yaw_rate_noise(sensed: &mut Measures, severity: Severity, memory: &mut FrameMemory) {
    sensed.ego.yaw_rate_rad_per_s += severity.of(YAW_RATE_RAD_PER_S) * memory.moving.normal();
}

/// Reads a turning speed that is off by 0.3 to 4.6°/s, the same all the drive.
pub(in crate::fault) fn yaw_rate_bias(sensed: &mut Measures, severity: Severity, memory: &FrameMemory) {
    sensed.ego.yaw_rate_rad_per_s += either_way(severity.of(YAW_RATE_RAD_PER_S), memory);
}

/// Reads an acceleration with noise of 0.2 to 2 m/s².
pub(in crate::fault) fn acceleration_noise(sensed: &mut Measures, severity: Severity, memory: &mut FrameMemory) {
    misread_acceleration(sensed, severity.of(ACCELERATION_MPS2) * memory.moving.normal());
}

/// Reads an acceleration that is off by 0.2 to 2 m/s², the same all the drive.
pub(in crate::fault) fn acceleration_bias(sensed: &mut Measures, severity: Severity, memory: &FrameMemory) {
    misread_acceleration(sensed, either_way(severity.of(ACCELERATION_MPS2), memory));
}

/// The slope is told from the same sensor: it reads more than the wheels speed up where the road rises.
fn misread_acceleration(sensed: &mut Measures, by_mps2: f32) {
    sensed.ego.acceleration_mps2 += by_mps2;
    sensed.ego.slope += by_mps2 / GRAVITY_MPS2;
}

/// Reads a steering angle with noise of 0.15 to 1.5°.
pub(in crate::fault) fn steering_noise(sensed: &mut Measures, severity: Severity, memory: &mut FrameMemory) {
    sensed.ego.steer_rad += severity.of(STEER_RAD) * memory.moving.normal();
}

/// Reads a steering angle that is off by 0.15 to 1.5°, the same all the drive.
pub(in crate::fault) fn steering_bias(sensed: &mut Measures, severity: Severity, memory: &FrameMemory) {
    sensed.ego.steer_rad += either_way(severity.of(STEER_RAD), memory);
}

/// Too much or too little, the same all the drive.
fn either_way(by: f32, memory: &FrameMemory) -> f32 {
    if memory.fixed().chance(0.5) { by } else { -by }
}

/// An error of the place across and along the road; along it is ten times as large, as maps and wheels measure.
fn move_place(sensed: &mut Measures, road: &Road, across_m: f32, along_m: f32) {
    sensed.lane_offset_m += across_m;
    sensed.ego.d_m += across_m;
    sensed.ego.s_m += along_m;
    sensed.speed_limit_mps = road.speed_limit_mps(sensed.ego.s_m);
}

/// Takes the car to be elsewhere by 5 to 50 cm across the road, each decision anew.
pub(in crate::fault) fn place_noise(sensed: &mut Measures, road: &Road, severity: Severity, memory: &mut FrameMemory) {
    let sigma_m = severity.of([0.05, 0.1, 0.2, 0.3, 0.5]);
    let (across_m, along_m) = (sigma_m * memory.moving.normal(), 10.0 * sigma_m * memory.moving.normal());
    move_place(sensed, road, across_m, along_m);
}

/// Takes the car to be elsewhere by 10 to 80 cm across the road, the same all the drive.
pub(in crate::fault) fn place_bias(sensed: &mut Measures, road: &Road, severity: Severity, memory: &FrameMemory) {
    let by_m = severity.of([0.1, 0.2, 0.35, 0.5, 0.8]);
    let mut stream = memory.fixed();
    let mut side = || if stream.chance(0.5) { by_m } else { -by_m };
    let (across_m, along_m) = (side(), 10.0 * side());
    move_place(sensed, road, across_m, along_m);
}
