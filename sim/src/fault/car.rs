//! Faults beside the picture: controls that act late, a speed and a place that are wrong.
//!
//! Of what the car senses they change the speed, the place along and across the road with the offset in the lane, and the
//! speed limit that the map gives for that place; everything else stays true.

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
