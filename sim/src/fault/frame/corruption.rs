//! The 19 corruptions of ImageNet-C with their published constants.
//!
//! # Source
//! Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", and the
//! constants of its code. Frost is drawn instead of photographed, spatter's edges come from a relief instead of an edge
//! detector.

use crate::fault::filter::noise::{self, Photons, to_byte};
use crate::fault::filter::pattern;
use crate::fault::filter::{self, Size, Warp, convolve, convolve_bytes, gaussian_blur, gaussian_blur_values};
use crate::fault::kind::Severity;
use crate::fault::memory::{FrameMemory, Shot};

pub(in crate::fault) fn gaussian_noise(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    noise::gaussian(&mut memory.moving, 255.0 * severity.of([0.08, 0.12, 0.18, 0.26, 0.38]), shot.rgb);
}

pub(in crate::fault) fn shot_noise(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    Photons::shot(severity).apply(&mut memory.moving, shot.rgb);
}

pub(in crate::fault) fn impulse_noise(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    noise::impulse(&mut memory.moving, severity.of([0.03, 0.06, 0.09, 0.17, 0.27]), shot.rgb);
}

pub(in crate::fault) fn speckle_noise(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    noise::speckle(&mut memory.moving, severity.of([0.15, 0.2, 0.35, 0.45, 0.6]), shot.rgb);
}

pub(in crate::fault) fn blur(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    let sigma_px = severity.of([1.0, 2.0, 3.0, 4.0, 6.0]) * shot.size.scale();
    gaussian_blur(shot.size, sigma_px, shot.rgb, &mut memory.scratch);
}

pub(in crate::fault) fn defocus(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    let radius_px = severity.of([3.0, 4.0, 6.0, 8.0, 10.0]) * shot.size.scale();
    let taps = memory.taps(|_| filter::disk(radius_px));
    convolve_bytes(shot.size, &taps, shot.rgb, &mut memory.scratch);
}

pub(in crate::fault) fn glass(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    let (sigma_px, reach, passes) = severity.of([(0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2)]);
    let scale = shot.size.scale();
    let reach = ((reach as f32 * scale).round() as usize).max(1);
    gaussian_blur(shot.size, sigma_px * scale, shot.rgb, &mut memory.scratch);
    filter::scatter(shot.size, reach, passes, shot.rgb, &mut memory.moving);
    gaussian_blur(shot.size, sigma_px * scale, shot.rgb, &mut memory.scratch);
}

pub(in crate::fault) fn motion(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    let (radius, sigma) = severity.of([(10.0, 3.0), (15.0, 5.0), (15.0, 8.0), (15.0, 12.0), (20.0, 15.0)]);
    let scale = shot.size.scale();
    let taps = memory.taps(|stream| {
        let angle_rad = stream.uniform(-45.0, 45.0_f32).to_radians();
        filter::stroke(radius * scale, sigma * scale, angle_rad)
    });
    convolve_bytes(shot.size, &taps, shot.rgb, &mut memory.scratch);
}

pub(in crate::fault) fn zoom(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    // So many zooms, the first of them none at all, in steps of so much.
    let (zooms, step) = severity.of([(12, 0.01), (16, 0.01), (11, 0.02), (13, 0.02), (11, 0.03_f32)]);
    let size = shot.size;
    let warps = memory.warps(size, |_| (1..zooms).map(|index| magnified(size, 1.0 + index as f32 * step)).collect());
    let clean = shot.rgb.to_vec();
    // The picture itself counts twice: once as it is, once as the first zoom.
    let mut sums: Vec<u32> = clean.iter().map(|value| 2 * u32::from(*value)).collect();
    for warp in warps.iter() {
        shot.rgb.copy_from_slice(&clean);
        warp.apply(filter::ALL, shot.rgb, &mut memory.scratch);
        sums.iter_mut().zip(shot.rgb.iter()).for_each(|(sum, value)| *sum += u32::from(*value));
    }
    let count = warps.len() as u32 + 2;
    for (value, sum) in shot.rgb.iter_mut().zip(sums) {
        *value = ((sum + count / 2) / count) as u8;
    }
}

/// A picture enlarged about its middle.
pub(in crate::fault) fn magnified(size: Size, factor: f32) -> Warp {
    let (x0, y0) = (0.5 * (size.width - 1) as f32, 0.5 * (size.height - 1) as f32);
    Warp::new(size, |x, y| (x0 + (x - x0) / factor, y0 + (y - y0) / factor))
}

pub(in crate::fault) fn fog(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    let (amount, decay) = severity.of([(1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)]);
    let size = shot.size;
    let cloud = memory.field(size, |stream, _| pattern::cloud(size, decay, stream));
    let brightest = f32::from(shot.rgb.iter().copied().max().unwrap_or(0)) / 255.0;
    let keep = brightest / (brightest + amount);
    for (pixel, cloud) in shot.rgb.chunks_exact_mut(3).zip(cloud.iter()) {
        let added = 255.0 * amount * cloud;
        pixel.iter_mut().for_each(|value| *value = to_byte((f32::from(*value) + added) * keep));
    }
}

pub(in crate::fault) fn frost(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    let (keep, add) = severity.of([(1.0, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)]);
    let size = shot.size;
    let ice = memory.field(size, |stream, scratch| {
        // Feathers of ice: a cloud with its ridges and some grain, as light and as uneven as the photographs that the
        // original uses, whose means lie between 120 and 208 with deviations around 28.
        let light = stream.uniform(120.0, 208.0);
        let (cloud, fine) = (pattern::cloud(size, 1.8, stream), pattern::blurred_noise(size, 0.8, stream, scratch));
        let feather = |(cloud, fine): (f32, f32)| {
            let ridge = 1.0 - (2.0 * (4.0 * cloud).fract() - 1.0).abs();
            light + 70.0 * (cloud - 0.5) + 55.0 * (ridge - 0.5) + 10.0 * fine
        };
        cloud.into_iter().zip(fine).map(feather).collect()
    });
    for (pixel, ice) in shot.rgb.chunks_exact_mut(3).zip(ice.iter()) {
        for (value, tint) in pixel.iter_mut().zip([0.93, 1.0, 1.05]) {
            *value = to_byte(keep * f32::from(*value) + add * tint * ice);
        }
    }
}

pub(in crate::fault) fn snow(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    let (mean, sigma, zoom, threshold, radius, stroke, keep) = severity.of([
        (0.1, 0.3, 3.0, 0.5, 10.0, 4.0, 0.8),
        (0.2, 0.3, 2.0, 0.5, 12.0, 4.0, 0.7),
        (0.55, 0.3, 4.0, 0.9, 12.0, 8.0, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12.0, 8.0, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12.0, 12.0, 0.55_f32),
    ]);
    let (size, scale) = (shot.size, shot.size.scale());
    let taps = memory.taps(|stream| {
        let angle_rad = stream.uniform(45.0, 135.0_f32).to_radians();
        filter::stroke(radius * scale, stroke * scale, angle_rad)
    });
    let mut layer = flakes(size, (zoom * scale).max(1.0), |normal| mean + sigma * normal, memory);
    layer.iter_mut().for_each(|value| *value = if *value < threshold { 0.0 } else { value.min(1.0) });
    convolve(size, 1, &taps, &mut layer, &mut memory.scratch);
    let opposite = layer.iter().rev();
    for (pixel, (one, other)) in shot.rgb.chunks_exact_mut(3).zip(layer.iter().zip(opposite)) {
        let grey = 0.299 * f32::from(pixel[0]) + 0.587 * f32::from(pixel[1]) + 0.114 * f32::from(pixel[2]);
        let (whitened, fallen) = (1.5 * grey + 127.5, 255.0 * (one + other));
        for value in pixel {
            let clear = f32::from(*value);
            *value = to_byte(keep * clear + (1.0 - keep) * clear.max(whitened) + fallen);
        }
    }
}

/// Noise enlarged so many times, by straight lines between its values.
fn flakes(size: Size, zoom: f32, value: impl Fn(f32) -> f32, memory: &mut FrameMemory) -> Vec<f32> {
    let small = Size {
        width: ((size.width as f32 / zoom).ceil() as usize).max(2),
        height: ((size.height as f32 / zoom).ceil() as usize).max(2),
    };
    let mut coarse = vec![0_u8; small.pixels()];
    // 32 grey levels to one standard deviation, about 128: enough for a threshold.
    noise::with_normals(&mut memory.moving, &mut coarse, |_, normal| 128.0 + 32.0 * normal);
    let (across, down) = (ratio(small.width, size.width), ratio(small.height, size.height));
    let at = |column: usize, row: usize| (f32::from(coarse[row * small.width + column]) - 128.0) / 32.0;
    let place = |(column, row): (usize, usize)| {
        let (x, y) = (column as f32 * across, row as f32 * down);
        let (left, top) = ((x as usize).min(small.width - 2), (y as usize).min(small.height - 2));
        let (u, v) = (x - left as f32, y - top as f32);
        let above = at(left, top) * (1.0 - u) + at(left + 1, top) * u;
        let below = at(left, top + 1) * (1.0 - u) + at(left + 1, top + 1) * u;
        value(above * (1.0 - v) + below * v)
    };
    size.places().map(place).collect()
}

fn ratio(small: usize, large: usize) -> f32 {
    (small - 1) as f32 / (large - 1).max(1) as f32
}

pub(in crate::fault) fn spatter(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    let (mean, sigma, blur, threshold, amount, mud) = severity.of([
        (0.65, 0.3, 4.0, 0.69, 0.6, false),
        (0.65, 0.3, 3.0, 0.68, 0.6, false),
        (0.65, 0.3, 2.0, 0.68, 0.5, false),
        (0.65, 0.3, 1.0, 0.65, 1.5, true),
        (0.67, 0.4, 1.0, 0.65, 1.5, true),
    ]);
    let (size, scale) = (shot.size, shot.size.scale());
    let layer = memory.field(size, |stream, scratch| {
        // Blurring by sigma leaves of white noise a deviation of 1 / (2 √π sigma).
        let left = sigma / (2.0 * std::f32::consts::PI.sqrt() * blur);
        let mut layer = pattern::blurred_noise(size, blur * scale, stream, scratch);
        layer.iter_mut().for_each(|value| *value = mean + left * *value);
        if mud {
            layer.iter_mut().for_each(|value| *value = f32::from(u8::from(*value > threshold)));
            gaussian_blur_values(size, 1, amount * scale, &mut layer, scratch);
            layer.iter_mut().for_each(|value| *value = if *value < 0.8 { 0.0 } else { *value });
            return layer;
        }
        let drop = |value: f32| (value - threshold).max(0.0) / left;
        let at = |column: usize, row: usize| drop(layer[row * size.width + column]);
        let lit = |(column, row): (usize, usize)| {
            let (here, beside) = (at(column, row), at(column.saturating_sub(1), row.saturating_sub(1)));
            if here > 0.0 { amount * (0.5 + 1.5 * (here - beside)).clamp(0.15, 1.0) } else { 0.0 }
        };
        size.places().map(lit).collect()
    });
    let colour = if mud { [63.0, 42.0, 20.0] } else { [175.0, 238.0, 238.0] };
    for (pixel, share) in shot.rgb.chunks_exact_mut(3).zip(layer.iter()) {
        let left = if mud { 1.0 - share } else { 1.0 };
        for (value, colour) in pixel.iter_mut().zip(colour) {
            *value = to_byte(f32::from(*value) * left + colour * share);
        }
    }
}

pub(in crate::fault) fn contrast(shot: &mut Shot<'_>, severity: Severity) {
    let keep = severity.of([0.4, 0.3, 0.2, 0.1, 0.05]);
    let mut sums = [0_u64; 3];
    for pixel in shot.rgb.chunks_exact(3) {
        sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u64::from(*value));
    }
    let means = sums.map(|sum| sum as f32 / shot.size.pixels() as f32);
    for pixel in shot.rgb.chunks_exact_mut(3) {
        for (value, mean) in pixel.iter_mut().zip(means) {
            *value = to_byte((f32::from(*value) - mean) * keep + mean);
        }
    }
}

pub(in crate::fault) fn brightness(shot: &mut Shot<'_>, severity: Severity) {
    let add = 255.0 * severity.of([0.1, 0.2, 0.3, 0.4, 0.5]);
    for pixel in shot.rgb.chunks_exact_mut(3) {
        let value = f32::from(pixel.iter().copied().max().unwrap_or(0));
        let brighter = (value + add).min(255.0);
        if value == 0.0 {
            pixel.fill(to_byte(brighter));
        } else {
            // Hue and saturation stay: all channels grow alike.
            let factor = brighter / value;
            pixel.iter_mut().for_each(|channel| *channel = to_byte(f32::from(*channel) * factor));
        }
    }
}

pub(in crate::fault) fn saturate(shot: &mut Shot<'_>, severity: Severity) {
    let (factor, add) = severity.of([(0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2_f32)]);
    for pixel in shot.rgb.chunks_exact_mut(3) {
        let most = f32::from(pixel.iter().copied().max().unwrap_or(0));
        let least = f32::from(pixel.iter().copied().min().unwrap_or(0));
        if most == 0.0 {
            continue;
        }
        let saturation = (most - least) / most;
        let wanted = (saturation * factor + add).clamp(0.0, 1.0);
        if saturation > 0.0 {
            let factor = wanted / saturation;
            pixel.iter_mut().for_each(|value| *value = to_byte(most - (most - f32::from(*value)) * factor));
        } else {
            // Grey has the hue of red.
            pixel[1..].fill(to_byte(most * (1.0 - wanted)));
        }
    }
}

pub(in crate::fault) fn jpeg(shot: &mut Shot<'_>, severity: Severity) {
    crate::fault::frame::jpeg::compress(shot.size, severity.of([25, 18, 15, 10, 7]), shot.rgb);
}

pub(in crate::fault) fn pixelate(shot: &mut Shot<'_>, severity: Severity) {
    let share: f32 = severity.of([0.6, 0.5, 0.4, 0.3, 0.25]);
    let size = shot.size;
    let side = |pixels: usize| ((pixels as f32 * share) as usize).max(1);
    let small = Size { width: side(size.width), height: side(size.height) };
    let (columns, rows) = (boxes(size.width, small.width), boxes(size.height, small.height));
    let mut narrow = vec![0.0_f32; 3 * small.width];
    let mut low = vec![0.0_f32; 3 * small.pixels()];
    for (row, line) in shot.rgb.chunks_exact(3 * size.width).enumerate() {
        narrow.fill(0.0);
        for &(from, to, weight) in &columns {
            for channel in 0..3 {
                narrow[3 * to + channel] += weight * f32::from(line[3 * from + channel]);
            }
        }
        for &(_, to, weight) in rows.iter().filter(|(from, _, _)| *from == row) {
            let sums = &mut low[3 * small.width * to..][..3 * small.width];
            sums.iter_mut().zip(&narrow).for_each(|(sum, value)| *sum += weight * value);
        }
    }
    let low: Vec<u8> = low.into_iter().map(to_byte).collect();
    let index =
        |at: usize, from: usize, to: usize| (((at as f32 + 0.5) * to as f32 / from as f32) as usize).min(to - 1);
    let columns: Vec<usize> = (0..size.width).map(|column| 3 * index(column, size.width, small.width)).collect();
    for (row, line) in shot.rgb.chunks_exact_mut(3 * size.width).enumerate() {
        let from = &low[3 * small.width * index(row, size.height, small.height)..][..3 * small.width];
        for (pixel, column) in line.chunks_exact_mut(3).zip(&columns) {
            pixel.copy_from_slice(&from[*column..column + 3]);
        }
    }
}

/// How `count` samples are averaged to fewer: from, to and weight; a sample counts where its middle lies.
fn boxes(count: usize, wanted: usize) -> Vec<(usize, usize, f32)> {
    let length = count as f32 / wanted as f32;
    let parts = (0..wanted).flat_map(|to| {
        let inside = move |from: &usize| {
            let middle = *from as f32 + 0.5;
            to as f32 * length < middle && middle <= (to + 1) as f32 * length
        };
        let number = (0..count).filter(inside).count().max(1) as f32;
        (0..count).filter(inside).map(move |from| (from, to, 1.0 / number))
    });
    parts.collect()
}

pub(in crate::fault) fn elastic(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    // Amplitude and width of the waves, and how far corners of the picture move, as shares of a side of 244.
    let (amplitude, width, corners) = severity.of([
        (2.0, 0.7, 0.1),
        (2.0, 0.08, 0.2),
        (0.05, 0.01, 0.02),
        (0.07, 0.01, 0.02),
        (0.12, 0.01, 0.02_f32),
    ]);
    let size = shot.size;
    let warps = memory.warps(size, |stream| {
        let mut scratch = filter::Scratch::default();
        let scale = size.scale() * 244.0;
        // A uniform number of -1 to 1 has a deviation of 1 / √3, and blurring leaves 1 / (2 √π width) of it.
        let deviation = amplitude * size.scale() / (3.0_f32.sqrt() * 2.0 * std::f32::consts::PI.sqrt() * width);
        let width_px = (width * scale).min(0.2 * size.width.min(size.height) as f32).max(0.5);
        let [dx, dy] = [0, 1].map(|_| pattern::blurred_noise(size, width_px, stream, &mut scratch));
        // Three points of a triangle about the middle, moved at random, fix an affine map.
        let moved: [(f32, f32); 3] = std::array::from_fn(|_| {
            let mut by = || stream.uniform(-1.0, 1.0) * corners * scale;
            (by(), by())
        });
        let third = size.width.min(size.height) as f32 / 3.0;
        let (x0, y0) = (0.5 * size.width as f32, 0.5 * size.height as f32);
        let [a, b, c] = moved;
        let per_px = 1.0 / (2.0 * third);
        let from = |x: f32, y: f32| {
            // The points (+,+), (+,-), (-,-) move by a, b and c; between them the movement is linear.
            let (u, v) = ((x - x0 + third) * per_px, (y - y0 + third) * per_px);
            let mix = |a: f32, b: f32, c: f32| c + (b - c) * u + (a - b) * v;
            let at = y as usize * size.width + x as usize;
            (x - mix(a.0, b.0, c.0) + deviation * dx[at], y - mix(a.1, b.1, c.1) + deviation * dy[at])
        };
        vec![Warp::new(size, from)]
    });
    warps.iter().for_each(|warp| warp.apply(filter::ALL, shot.rgb, &mut memory.scratch));
}
