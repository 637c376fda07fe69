//! Faults of the sensor behind the lens.

use crate::fault::filter::Size;
use crate::fault::filter::noise::{self, Photons, to_byte};
use crate::fault::kind::Severity;
use crate::fault::memory::{FrameMemory, Shot};
use crate::math;

/// The rows read last are missing.
pub(in crate::fault) fn half_frame(shot: &mut Shot<'_>, severity: Severity) {
    let rows = (severity.of([0.1, 0.2, 0.3, 0.4, 0.5]) * shot.size.height as f32).round() as usize;
    let from = 3 * shot.size.width * (shot.size.height - rows);
    shot.rgb[from..].fill(0);
}

/// Pixels that do not follow the light, the same ones for the whole drive.
#[derive(Clone, Copy, PartialEq)]
pub(in crate::fault) enum Defect {
    Dead,
    Stuck,
    Hot,
}

/// # Source
/// Secci and Ceccarelli 2020, "On failures of RGB cameras and their effects in autonomous driving applications", break 1 to
/// 1000 pixels of 800 × 600, up to 0.2 %; the highest severities go on from there.
pub(in crate::fault) fn defects(shot: &mut Shot<'_>, severity: Severity, memory: &FrameMemory, defect: Defect) {
    let share = severity.of([0.0005, 0.002, 0.005, 0.01, 0.03]);
    let count = ((share * shot.size.pixels() as f32).round() as usize).max(1);
    let mut stream = memory.fixed();
    for _ in 0..count {
        let at = 3 * stream.below(shot.size.pixels());
        let bits = stream.bits();
        let pixel = &mut shot.rgb[at..at + 3];
        match defect {
            Defect::Dead => pixel.fill(0),
            Defect::Stuck => {
                pixel.iter_mut().enumerate().for_each(|(channel, value)| *value = (bits >> (8 * channel)) as u8);
            }
            Defect::Hot => pixel.iter_mut().for_each(|value| *value = value.saturating_add(160)),
        }
    }
}

/// Columns that are black for the whole drive (Secci and Ceccarelli 2020 break 3, 5 and 10 of 800).
pub(in crate::fault) fn dead_lines(shot: &mut Shot<'_>, severity: Severity, memory: &FrameMemory) {
    let Size { width, height } = shot.size;
    let count = ((severity.of([0.005, 0.0125, 0.03, 0.06, 0.12]) * width as f32).round() as usize).max(1);
    let mut stream = memory.fixed();
    for _ in 0..count {
        let column = stream.below(width);
        (0..height).for_each(|row| shot.rgb[3 * (row * width + column)..][..3].fill(0));
    }
}

/// Bands of a lamp that flickers at twice 50 Hz, drifting through the frame.
pub(in crate::fault) fn banding(shot: &mut Shot<'_>, severity: Severity) {
    let depth = severity.of([0.06, 0.12, 0.2, 0.3, 0.45]);
    let per_row = std::f32::consts::TAU * 3.0 / shot.size.height as f32;
    for (row, line) in shot.rgb.chunks_exact_mut(3 * shot.size.width).enumerate() {
        let wave = math::sin_cos(row as f32 * per_row + 4.0 * shot.time_s).0;
        let gain = ((1.0 + depth * wave) * 256.0) as u32;
        line.iter_mut().for_each(|value| *value = ((u32::from(*value) * gain) >> 8).min(255) as u8);
    }
}

/// Keeps 5 to 1 bits of each channel.
///
/// # Source
/// Kong et al. 2023, "`RoboDepth`": 6 − severity bits.
pub(in crate::fault) fn quantised(shot: &mut Shot<'_>, severity: Severity) {
    let mask = 0xff_u8 << (2 + severity.get());
    shot.rgb.iter_mut().for_each(|value| *value &= mask);
}

/// Too dark in one second, too bright in the next, by up to two and a half stops.
pub(in crate::fault) fn exposure(shot: &mut Shot<'_>, severity: Severity) {
    let stops = severity.of([0.5, 1.0, 1.5, 2.0, 2.5]);
    let sign = if shot.is_in_first(1.0, 2.0) { -1.0 } else { 1.0 };
    let gain = math::exp(sign * stops * std::f32::consts::LN_2);
    shot.rgb.iter_mut().for_each(|value| *value = to_byte(f32::from(*value) * gain));
}

/// A dark scene: contrast squared and dimmed, then shot and read noise.
///
/// # Source
/// Kar et al. 2022, "3D Common Corruptions and Data Augmentation".
pub(in crate::fault) fn low_light(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    let keep = severity.of([0.6, 0.5, 0.4, 0.3, 0.2]);
    let (least, most) = shot.rgb.iter().fold((255, 0), |(least, most), value| (least.min(*value), most.max(*value)));
    let per_range = 1.0 / f32::from((most - least).max(1));
    for value in shot.rgb.iter_mut() {
        let share = f32::from(*value - least) * per_range;
        *value = to_byte(255.0 * keep * share * share);
    }
    Photons::low_light(severity).apply(&mut memory.moving, shot.rgb);
    noise::gaussian(&mut memory.moving, 25.5 * severity.of([0.08, 0.12, 0.18, 0.26, 0.38]), shot.rgb);
}

/// Noise of a high ISO setting (Kar et al. 2022).
pub(in crate::fault) fn iso_noise(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    Photons::high_iso().apply(&mut memory.moving, shot.rgb);
    noise::gaussian(&mut memory.moving, 255.0 * 0.7 * severity.of([0.08, 0.12, 0.18, 0.26, 0.38]), shot.rgb);
}

/// Rows that are read while the camera swings from side to side.
pub(in crate::fault) fn rolling_shutter(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    let share: f32 = severity.of([0.01, 0.02, 0.035, 0.055, 0.08]);
    // Where the frame is narrow, so far that its widest rounds to a pixel.
    let swing_px = (share * shot.size.width as f32).max(0.75);
    let phase = memory.moving.uniform(0.0, std::f32::consts::TAU);
    let per_row = 1.5 * std::f32::consts::TAU / shot.size.height as f32;
    for (row, line) in shot.rgb.chunks_exact_mut(3 * shot.size.width).enumerate() {
        let shift = (swing_px * math::sin_cos(phase + per_row * row as f32).0).round() as isize;
        let (by, length) = (3 * shift.unsigned_abs(), line.len());
        let edge: [u8; 3] = if shift >= 0 {
            [line[0], line[1], line[2]]
        } else {
            [line[length - 3], line[length - 2], line[length - 1]]
        };
        let bare = if shift >= 0 {
            line.copy_within(..length - by, by);
            &mut line[..by]
        } else {
            line.copy_within(by.., 0);
            &mut line[length - by..]
        };
        bare.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&edge));
    }
}
