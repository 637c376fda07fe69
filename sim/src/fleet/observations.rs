//! What a fleet shows after a decision, in buffers that the caller owns, and how they are cut for those who fill them.

use crate::camera::CameraSettings;
use crate::outcome::measures::Measures;
use crate::outcome::score::Score;
use crate::outcome::verdict::Verdict;
use crate::vehicle::VehicleSettings;

/// What all worlds show after a decision, in caller-owned buffers.
///
/// # Shapes
/// - `rgb`: `worlds × height × width × 3`; `depth_m`, `class`, `instance`: `worlds × height × width`
/// - all else: `worlds`
#[derive(Clone, Debug, Default)]
pub struct Observations {
    /// Colour as the driver gets it, after sensor faults.
    pub rgb: Vec<u8>,
    /// Depth along the optical axis, metres.
    pub depth_m: Vec<f32>,
    /// [`crate::class::Class`] of each pixel.
    pub class: Vec<u8>,
    /// Instance of each pixel.
    pub instance: Vec<u16>,
    /// Ground truth.
    pub measures: Vec<Measures>,
    /// The same, but movement, steering angle, place and speed limit as the car itself takes them, after faults of its sensors and its
    /// map.
    pub sensed: Vec<Measures>,
    /// How each drive ended, once it has.
    pub verdicts: Vec<Verdict>,
    /// Score so far.
    pub scores: Vec<Score>,
    /// Time from one decision to the next, seconds.
    pub decision_s: Vec<f32>,
    /// The ego's car: whoever turns an angle or an acceleration into controls asks it what they do.
    pub vehicles: Vec<VehicleSettings>,
    /// The camera that the frames are of; all have the same size.
    pub cameras: Vec<CameraSettings>,
    pixels: usize,
}

impl Observations {
    /// Buffers for so many worlds with frames of so many pixels.
    pub(super) fn blank(worlds: usize, pixels: usize) -> Self {
        Self {
            rgb: vec![0; 3 * pixels * worlds],
            depth_m: vec![0.0; pixels * worlds],
            class: vec![0; pixels * worlds],
            instance: vec![0; pixels * worlds],
            measures: vec![Measures::default(); worlds],
            sensed: vec![Measures::default(); worlds],
            verdicts: vec![Verdict::default(); worlds],
            scores: vec![Score::default(); worlds],
            decision_s: vec![0.0; worlds],
            vehicles: vec![VehicleSettings::default(); worlds],
            cameras: vec![CameraSettings::default(); worlds],
            pixels,
        }
    }

    /// Colour frame of a world.
    #[must_use]
    pub fn frame(&self, world: usize) -> &[u8] {
        &self.rgb[3 * self.pixels * world..][..3 * self.pixels]
    }

    /// Class frame of a world.
    #[must_use]
    pub fn class_frame(&self, world: usize) -> &[u8] {
        &self.class[self.pixels * world..][..self.pixels]
    }

    /// Depth frame of a world.
    #[must_use]
    pub fn depth_frame(&self, world: usize) -> &[f32] {
        &self.depth_m[self.pixels * world..][..self.pixels]
    }

    /// Instance frame of a world.
    #[must_use]
    pub fn instance_frame(&self, world: usize) -> &[u16] {
        &self.instance[self.pixels * world..][..self.pixels]
    }
}

/// The part of the caller's buffers that one shard writes.
pub(super) struct ShardView<'a> {
    pub rgb: &'a mut [u8],
    pub depth_m: &'a mut [f32],
    pub class: &'a mut [u8],
    pub instance: &'a mut [u16],
    pub measures: &'a mut [Measures],
    pub sensed: &'a mut [Measures],
    pub verdicts: &'a mut [Verdict],
    pub scores: &'a mut [Score],
    pub decision_s: &'a mut [f32],
    pub vehicles: &'a mut [VehicleSettings],
    pub cameras: &'a mut [CameraSettings],
}

impl ShardView<'_> {
    pub fn reborrow(&mut self) -> ShardView<'_> {
        ShardView {
            rgb: self.rgb,
            depth_m: self.depth_m,
            class: self.class,
            instance: self.instance,
            measures: self.measures,
            sensed: self.sensed,
            verdicts: self.verdicts,
            scores: self.scores,
            decision_s: self.decision_s,
            vehicles: self.vehicles,
            cameras: self.cameras,
        }
    }
}

/// Cuts the buffers into parts of so many worlds each.
pub(super) fn split<'a>(seen: &'a mut Observations, sizes: &[usize]) -> Vec<ShardView<'a>> {
    let pixels = seen.pixels;
    let mut rest = ShardView {
        rgb: &mut seen.rgb,
        depth_m: &mut seen.depth_m,
        class: &mut seen.class,
        instance: &mut seen.instance,
        measures: &mut seen.measures,
        sensed: &mut seen.sensed,
        verdicts: &mut seen.verdicts,
        scores: &mut seen.scores,
        decision_s: &mut seen.decision_s,
        vehicles: &mut seen.vehicles,
        cameras: &mut seen.cameras,
    };
    sizes
        .iter()
        .map(|&size| ShardView {
            rgb: cut(&mut rest.rgb, 3 * pixels * size),
            depth_m: cut(&mut rest.depth_m, pixels * size),
            class: cut(&mut rest.class, pixels * size),
            instance: cut(&mut rest.instance, pixels * size),
            measures: cut(&mut rest.measures, size),
            sensed: cut(&mut rest.sensed, size),
            verdicts: cut(&mut rest.verdicts, size),
            scores: cut(&mut rest.scores, size),
            decision_s: cut(&mut rest.decision_s, size),
            vehicles: cut(&mut rest.vehicles, size),
            cameras: cut(&mut rest.cameras, size),
        })
        .collect()
}

/// Takes the first `count` elements off a slice.
fn cut<'a, T>(rest: &mut &'a mut [T], count: usize) -> &'a mut [T] {
    let (first, after) = std::mem::take(rest).split_at_mut(count);
    *rest = after;
    first
}
