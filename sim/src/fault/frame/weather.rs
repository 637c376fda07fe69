//! What is in the air between the scene and the camera.

use crate::fault::filter::noise::to_byte;
use crate::fault::kind::Severity;
use crate::fault::memory::{FrameMemory, Shot};
use crate::math;

/// A low sun: a bright disk, a halo, and a veil over the whole frame.
///
/// # Source
/// Dong et al. 2023, "Benchmarking Robustness of 3D Object Detection": the sun stands in the middle half of the frame's width
/// and between 30 and 45 % of its height; radii of 30 to 70 pixels of a height of 900, with a halo six times as wide.
pub(in crate::fault) fn flare(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    let size = shot.size;
    let radius = severity.of([30.0, 40.0, 50.0, 60.0, 70.0]) / 900.0 * size.height as f32;
    let light = memory.field(size, |stream, _| {
        let x0 = stream.uniform(0.25, 0.75) * size.width as f32;
        let y0 = stream.uniform(0.30, 0.45) * size.height as f32;
        let at = |(column, row): (usize, usize)| {
            let (x, y) = (column as f32 + 0.5 - x0, row as f32 + 0.5 - y0);
            let distance = (x * x + y * y).sqrt();
            math::exp(-(distance / (6.0 * radius)).powi(2)) + math::exp(-(distance / radius).powi(2))
        };
        size.places().map(at).collect()
    });
    let veil = severity.of([0.05, 0.1, 0.15, 0.2, 0.3]);
    for (pixel, light) in shot.rgb.chunks_exact_mut(3).zip(light.iter()) {
        for (value, sun) in pixel.iter_mut().zip([255.0, 244.0, 214.0]) {
            *value = to_byte(f32::from(*value) * (1.0 - veil) + sun * (light + veil));
        }
    }
}

/// Fog after Koschmieder: of a colour at a depth, `exp(-3.912 depth / visibility)` is left.
///
/// # Units
/// Visibility from 120 m down to 15 m; a frame without depth is taken to be 40 m away.
pub(in crate::fault) fn depth_fog(shot: &mut Shot<'_>, severity: Severity) {
    const FOG: [f32; 3] = [200.0, 204.0, 208.0];
    let per_m = -3.912 / severity.of([120.0, 75.0, 45.0, 25.0, 15.0]);
    // Steps of half a metre up to where nothing is left.
    let left: Vec<f32> = (0..512).map(|step| math::exp(per_m * 0.5 * step as f32)).collect();
    for (index, pixel) in shot.rgb.chunks_exact_mut(3).enumerate() {
        let depth_m = shot.depth_m.get(index).copied().unwrap_or(40.0);
        let left = left.get((2.0 * depth_m) as usize).copied().unwrap_or(0.0);
        for (value, fog) in pixel.iter_mut().zip(FOG) {
            *value = to_byte(fog + (f32::from(*value) - fog) * left);
        }
    }
}

/// Streaks that differ from frame to frame, before a scene that is greyer and darker.
pub(in crate::fault) fn rain(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    let (per_pixel, length, grey) = severity.of([
        (0.002, 0.06, 0.1),
        (0.004, 0.08, 0.18),
        (0.007, 0.1, 0.26),
        (0.011, 0.13, 0.34),
        (0.017, 0.16, 0.45),
    ]);
    let size = shot.size;
    for pixel in shot.rgb.chunks_exact_mut(3) {
        pixel.iter_mut().for_each(|value| *value = to_byte(f32::from(*value) * (1.0 - grey) + 105.0 * grey));
    }
    let slant = memory.fixed().uniform(-0.25, 0.25);
    let stream = &mut memory.moving;
    let count = (per_pixel * size.pixels() as f32) as usize;
    for _ in 0..count {
        let (x, y) = (stream.uniform(0.0, size.width as f32), stream.uniform(-0.1, 1.0) * size.height as f32);
        let rows = (length * size.height as f32 * stream.uniform(0.6, 1.4)) as i32;
        for row in 0..=rows {
            let (column, row) = ((x + slant * row as f32) as i32, y as i32 + row);
            if (0..size.width as i32).contains(&column) && (0..size.height as i32).contains(&row) {
                let at = 3 * (row as usize * size.width + column as usize);
                shot.rgb[at..at + 3].iter_mut().for_each(|value| *value = to_byte(0.55 * f32::from(*value) + 95.0));
            }
        }
    }
}
