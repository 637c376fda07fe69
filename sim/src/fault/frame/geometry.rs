//! A camera that is not where, or not what, the driver takes it for.

use crate::fault::filter::{ALL, Warp};
use crate::fault::kind::Severity;
use crate::fault::memory::{FrameMemory, Shot};
use crate::math::{self, Vec3};

/// Where things are in a frame without depth.
const UNKNOWN_DEPTH_M: f32 = 10.0;
/// What is nearer than this moves as if it were there.
const LEAST_DEPTH_M: f32 = 0.5;

/// Turns the camera about all three axes, each by up to the severity's angle, half a degree to five.
pub(in crate::fault) fn rotation(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    let most_rad = severity.of([0.5, 1.0, 2.0, 3.0, 5.0_f32]).to_radians();
    let (size, focal_px) = (shot.size, shot.focal_px);
    let warps = memory.warps(size, |stream| {
        // At least half of the angle, to one side or the other, so that each drive suffers.
        let [pitch, yaw, roll] = std::array::from_fn(|_| {
            let sign = if stream.chance(0.5) { 1.0 } else { -1.0 };
            sign * most_rad * stream.uniform(0.5, 1.0)
        });
        let (x0, y0) = (0.5 * (size.width - 1) as f32, 0.5 * (size.height - 1) as f32);
        let turned = |from: Vec3| {
            let ((sy, cy), (sp, cp), (sr, cr)) = (math::sin_cos(yaw), math::sin_cos(pitch), math::sin_cos(roll));
            let rolled = Vec3::new(cr * from.x - sr * from.y, sr * from.x + cr * from.y, from.z);
            let pitched = Vec3::new(rolled.x, cp * rolled.y - sp * rolled.z, sp * rolled.y + cp * rolled.z);
            Vec3::new(cy * pitched.x + sy * pitched.z, pitched.y, cy * pitched.z - sy * pitched.x)
        };
        let from = |x: f32, y: f32| {
            let ray = turned(Vec3::new((x - x0) / focal_px, (y - y0) / focal_px, 1.0));
            (x0 + focal_px * ray.x / ray.z, y0 + focal_px * ray.y / ray.z)
        };
        vec![Warp::new(size, from)]
    });
    warps.iter().for_each(|warp| warp.apply(ALL, shot.rgb, &mut memory.scratch));
}

/// Moves the camera to the side and up or down by five to fifty centimetres: near things move most.
///
/// A frame without depth moves as if all of it were 10 m away. A camera of few pixels would not show that it was moved: it moves
/// so far that what is nearest does by at least as many pixels as the severity says.
pub(in crate::fault) fn shift(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    let by_m: f32 = severity.of([0.05, 0.1, 0.2, 0.3, 0.5]);
    let nearest_m = shot.depth_m.iter().copied().reduce(f32::min).unwrap_or(UNKNOWN_DEPTH_M).max(LEAST_DEPTH_M);
    let by_m = by_m.max(f32::from(severity.get()) * nearest_m / shot.focal_px);
    let mut stream = memory.fixed();
    let mut side = || if stream.chance(0.5) { by_m } else { -by_m };
    let (x_m, y_m) = (side(), 0.5 * side());
    let size = shot.size;
    memory.scratch.bytes.clear();
    memory.scratch.bytes.extend_from_slice(shot.rgb);
    let clean = &memory.scratch.bytes;
    for ((column, row), pixel) in size.places().zip(shot.rgb.chunks_exact_mut(3)) {
        // The depth where the pixel was stands for the depth of what is seen there now.
        let depth_m =
            shot.depth_m.get(row * size.width + column).copied().unwrap_or(UNKNOWN_DEPTH_M).max(LEAST_DEPTH_M);
        let per_depth = shot.focal_px / depth_m;
        let moved = |at: usize, by_m: f32, last: usize| ((at as f32 + 0.5 + by_m * per_depth) as usize).min(last);
        let from = moved(row, y_m, size.height - 1) * size.width + moved(column, x_m, size.width - 1);
        pixel.copy_from_slice(&clean[3 * from..3 * from + 3]);
    }
}

/// A focal length one to ten per cent off, and a middle half as much of the frame's sides off.
pub(in crate::fault) fn intrinsics(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    let by = severity.of([0.01, 0.02, 0.04, 0.06, 0.1]);
    let size = shot.size;
    let warps = memory.warps(size, |stream| {
        let mut side = || if stream.chance(0.5) { by } else { -by };
        let (zoom, x_share, y_share) = (1.0 + side(), 0.5 * side(), 0.5 * side());
        let (x0, y0) = (0.5 * (size.width - 1) as f32, 0.5 * (size.height - 1) as f32);
        let from = |x: f32, y: f32| {
            let (x1, y1) = (x0 + x_share * size.width as f32, y0 + y_share * size.height as f32);
            (x0 + (x - x1) / zoom, y0 + (y - y1) / zoom)
        };
        vec![Warp::new(size, from)]
    });
    warps.iter().for_each(|warp| warp.apply(ALL, shot.rgb, &mut memory.scratch));
}
