//! What is on the lens, and what the lens itself does.

use crate::fault::filter::noise::to_byte;
use crate::fault::filter::pattern;
use crate::fault::filter::{ALL, Warp, gaussian_blur};
use crate::fault::frame::corruption::magnified;
use crate::fault::kind::Severity;
use crate::fault::memory::{FrameMemory, Shot};

/// Soft dark spots of dust and grease.
pub(in crate::fault) fn dirt(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    let (share, dark) = severity.of([(0.04, 0.5), (0.08, 0.55), (0.15, 0.6), (0.25, 0.7), (0.4, 0.8)]);
    let size = shot.size;
    let mask = memory.field(size, |stream, _| pattern::spots(size, share, (0.02, 0.12), 0.9, stream));
    blend(shot.rgb, &mask, dark, [45.0, 42.0, 38.0]);
}

/// Opaque spots of mud.
pub(in crate::fault) fn mud(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    let share = severity.of([0.03, 0.07, 0.13, 0.22, 0.35]);
    let size = shot.size;
    let mask = memory.field(size, |stream, _| pattern::spots(size, share, (0.02, 0.09), 0.2, stream));
    blend(shot.rgb, &mask, 1.0, [63.0, 42.0, 20.0]);
}

/// Mixes a colour in where the mask says so.
fn blend(rgb: &mut [u8], mask: &[f32], most: f32, colour: [f32; 3]) {
    for (pixel, share) in rgb.chunks_exact_mut(3).zip(mask).filter(|(_, share)| **share > 0.0) {
        for (value, colour) in pixel.iter_mut().zip(colour) {
            let clear = f32::from(*value);
            *value = to_byte(clear + (colour - clear) * most * share);
        }
    }
}

/// Drops that each show the scene small and upside down.
pub(in crate::fault) fn drops(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    let share = severity.of([0.03, 0.07, 0.13, 0.22, 0.35]);
    let size = shot.size;
    let warps = memory.warps(size, |stream| {
        let (width, height) = (size.width as f32, size.height as f32);
        let mut drops = Vec::new();
        let mut covered = 0.0;
        while covered < share * width * height {
            let radius = stream.uniform(0.03, 0.09) * height;
            drops.push((stream.uniform(0.0, width), stream.uniform(0.0, height), radius));
            covered += std::f32::consts::PI * radius * radius;
        }
        let from = |x: f32, y: f32| {
            let inside = |&&(x0, y0, radius): &&(f32, f32, f32)| (x - x0).powi(2) + (y - y0).powi(2) < radius * radius;
            drops.iter().find(inside).map_or((x, y), |&(x0, y0, radius)| {
                // A drop is a short lens: across it lies a third of the picture, the wrong way round.
                let zoom = height / (6.0 * radius);
                (x0 - (x - x0) * zoom, y0 - (y - y0) * zoom)
            })
        };
        vec![Warp::new(size, from)]
    });
    warps.iter().for_each(|warp| warp.apply(ALL, shot.rgb, &mut memory.scratch));
}

/// Ice that has grown from the edges inwards.
pub(in crate::fault) fn ice(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    let reach = severity.of([0.15, 0.25, 0.35, 0.5, 0.7]);
    let size = shot.size;
    let mask = memory.field(size, |stream, _| {
        let cloud = pattern::cloud(size, 1.6, stream);
        let (width, height) = (size.width as f32, size.height as f32);
        let at = |((column, row), cloud): ((usize, usize), f32)| {
            let (x, y) = (column as f32 + 0.5, row as f32 + 0.5);
            // 0 at the edge, 1 in the middle.
            let inwards = 2.0 * (x.min(width - x) / width).min(y.min(height - y) / height);
            ((reach + 0.5 * (cloud - 0.5) - inwards) * 6.0).clamp(0.0, 1.0)
        };
        size.places().zip(cloud).map(at).collect()
    });
    blend(shot.rgb, &mask, 0.92, [205.0, 215.0, 222.0]);
}

/// A mist on the lens: a blurred, pale picture.
pub(in crate::fault) fn condensation(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    let (sigma, pale) = severity.of([(1.5, 0.15), (2.5, 0.3), (4.0, 0.45), (6.0, 0.6), (8.0, 0.75)]);
    let size = shot.size;
    gaussian_blur(size, sigma * size.scale(), shot.rgb, &mut memory.scratch);
    let mask = memory.field(size, |stream, _| {
        let cloud = pattern::cloud(size, 1.8, stream);
        cloud.into_iter().map(|cloud| (0.6 + 0.8 * cloud).min(1.0)).collect()
    });
    blend(shot.rgb, &mask, pale, [190.0, 194.0, 198.0]);
}

/// Lines of broken glass, dark with a bright edge.
pub(in crate::fault) fn crack(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    let rays = severity.of([3, 5, 8, 12, 18]);
    let size = shot.size;
    let lines = memory.field(size, |stream, _| {
        let lines = pattern::crack(size, rays, stream);
        let lit = |(at, line): (usize, f32)| {
            let beside = at > 0 && lines[at - 1] > 0.0;
            if line > 0.0 { -1.0 } else { f32::from(u8::from(beside)) }
        };
        lines.iter().copied().enumerate().map(lit).collect()
    });
    for (pixel, line) in shot.rgb.chunks_exact_mut(3).zip(lines.iter()) {
        if *line < 0.0 {
            pixel.iter_mut().for_each(|value| *value /= 4);
        } else if *line > 0.0 {
            pixel.iter_mut().for_each(|value| *value = *value / 2 + 120);
        }
    }
}

/// Red drawn out and blue drawn in, more so away from the middle.
pub(in crate::fault) fn chromatic(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    let by = severity.of([0.005, 0.01, 0.02, 0.03, 0.05]);
    let size = shot.size;
    let warps = memory.warps(size, |_| vec![magnified(size, 1.0 + by), magnified(size, 1.0 - by)]);
    warps[0].apply([true, false, false], shot.rgb, &mut memory.scratch);
    warps[1].apply([false, false, true], shot.rgb, &mut memory.scratch);
}

/// Corners up to nine tenths darker than the middle.
pub(in crate::fault) fn vignetting(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    let dark = severity.of([0.25, 0.4, 0.55, 0.75, 0.9]);
    let size = shot.size;
    let keep = memory.field(size, |_, _| {
        let (x0, y0) = (0.5 * size.width as f32, 0.5 * size.height as f32);
        let at = |(column, row): (usize, usize)| {
            let (x, y) = ((column as f32 + 0.5 - x0) / x0, (row as f32 + 0.5 - y0) / y0);
            1.0 - dark * (0.5 * (x * x + y * y)).min(1.0)
        };
        size.places().map(at).collect()
    });
    for (pixel, keep) in shot.rgb.chunks_exact_mut(3).zip(keep.iter()) {
        pixel.iter_mut().for_each(|value| *value = to_byte(f32::from(*value) * keep));
    }
}
