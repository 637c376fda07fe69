//! What a watched drive remembers of one decision.

use crate::driver::Thought;
use crate::memory::Memory;
use roadproof_sim::camera::FIRST_PROP_INSTANCE;
use roadproof_sim::math::{Quat, Vec3};
use roadproof_sim::traffic::Car;
use roadproof_sim::{Controls, Measures, Score, Verdict};

/// One moment of a drive: what was there, what the driver saw of it, and what he made of it.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Ground truth.
    pub measures: Measures,
    /// What the car takes for it.
    pub sensed: Measures,
    /// How the drive ended, once it has.
    pub verdict: Verdict,
    /// Score so far.
    pub score: Score,
    /// The frame as the driver got it, `height × width × 3`.
    pub frame: Vec<u8>,
    /// The same before anything went wrong with it.
    pub clean: Vec<u8>,
    /// Where other cars are in the frame.
    pub boxes: Vec<BoxInFrame>,
    /// Perception's class of every cell, empty if the driver does not look.
    pub cells: Vec<u8>,
    /// The other cars.
    pub cars: Vec<Pose>,
    /// What the driver remembered before this frame.
    pub memory: Option<Memory>,
    /// What a trained driver made of the frame.
    pub thought: Option<Thought>,
    /// The controls the driver asks for.
    pub proposed: Controls,
    /// The controls that were carried out, once they were.
    pub taken: Option<Controls>,
    /// Terms of the reward for getting here.
    pub reward: Vec<(&'static str, f32)>,
    /// Sum of all rewards.
    pub reward_so_far: f32,
}

/// Where another car is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    /// Middle of its body.
    pub position: Vec3,
    /// Rotation of its body.
    pub rotation: Quat,
    /// Whether its brake lamps are lit.
    pub braking: bool,
}

impl Pose {
    pub(crate) fn of_car(car: &Car) -> Self {
        let pose = car.pose();
        Self { position: pose.translation, rotation: pose.rotation, braking: car.braking() }
    }
}

/// Where the centre of a lane runs, to the left of the car's axis, this far ahead of the car's middle; the lane is given by the
/// car's offset in it, its heading against it, and its curvature.
#[must_use]
pub fn lane_centre_m([offset_m, heading_rad, curvature_per_m]: [f32; 3], ahead_m: f32) -> f32 {
    -offset_m - heading_rad * ahead_m + 0.5 * curvature_per_m * ahead_m * ahead_m
}

/// The pixels of one car.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoxInFrame {
    /// Its number, from 1.
    pub instance: u16,
    /// First column and row.
    pub from: [u16; 2],
    /// Last column and row.
    pub to: [u16; 2],
}

/// The boxes around all cars in an instance frame.
pub(super) fn boxes(instance: &[u16], width: usize) -> Vec<BoxInFrame> {
    let mut boxes: Vec<BoxInFrame> = Vec::new();
    for (pixel, &instance) in instance.iter().enumerate() {
        if instance == 0 || instance >= FIRST_PROP_INSTANCE {
            continue;
        }
        let at = [(pixel % width) as u16, (pixel / width) as u16];
        match boxes.iter_mut().find(|found| found.instance == instance) {
            Some(found) => {
                found.from = [found.from[0].min(at[0]), found.from[1].min(at[1])];
                found.to = [found.to[0].max(at[0]), found.to[1].max(at[1])];
            }
            None => boxes.push(BoxInFrame { instance, from: at, to: at }),
        }
    }
    boxes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_as_large_as_its_car() {
        let mut frame = [0; 8 * 4];
        (frame[8 + 2], frame[8 + 5], frame[16 + 3], frame[24 + 7], frame[0]) = (3, 3, 3, 1, FIRST_PROP_INSTANCE);
        let expected = [
            BoxInFrame { instance: 3, from: [2, 1], to: [5, 2] },
            BoxInFrame { instance: 1, from: [7, 3], to: [7, 3] },
        ];
        assert_eq!(boxes(&frame, 8), expected);
    }
}
