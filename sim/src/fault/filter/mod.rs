//! Filters over whole pictures: blurs, and pictures sampled at other places.
//!
//! Pictures are interleaved, `height × width × channels`; beyond an edge the pixels of the edge go on.

pub(in crate::fault) mod noise;
pub(in crate::fault) mod pattern;

use crate::fault::filter::noise::to_byte;
use crate::math;
use crate::seed::Stream;
use fearless_simd::{Level, Simd, dispatch};

/// Width and height of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fault) struct Size {
    pub width: usize,
    pub height: usize,
}

/// Side of the pictures for which constants in pixels were published.
const PUBLISHED_SIDE: f32 = 224.0;

impl Size {
    pub fn pixels(self) -> usize {
        self.width * self.height
    }

    /// How many pixels one pixel of a published constant is.
    pub fn scale(self) -> f32 {
        (self.pixels() as f32).sqrt() / PUBLISHED_SIDE
    }

    /// Every pixel, row by row, as `(column, row)`.
    pub fn places(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.height).flat_map(move |row| (0..self.width).map(move |column| (column, row)))
    }
}

/// Working memory, reused from frame to frame.
#[derive(Clone, Debug, Default)]
pub(in crate::fault) struct Scratch {
    from: Vec<f32>,
    to: Vec<f32>,
    row: Vec<f32>,
    pub bytes: Vec<u8>,
}

/// Gaussian blur cut off at three sigma.
pub(in crate::fault) fn gaussian_blur(size: Size, sigma_px: f32, rgb: &mut [u8], scratch: &mut Scratch) {
    on_numbers(rgb, scratch, |values, scratch| gaussian_blur_values(size, 3, sigma_px, values, scratch));
}

/// Lets a filter work on the bytes as numbers.
fn on_numbers(rgb: &mut [u8], scratch: &mut Scratch, filter: impl FnOnce(&mut [f32], &mut Scratch)) {
    let mut values = std::mem::take(&mut scratch.from);
    values.clear();
    values.extend(rgb.iter().map(|value| f32::from(*value)));
    filter(&mut values, scratch);
    for (byte, value) in rgb.iter_mut().zip(&values) {
        *byte = to_byte(*value);
    }
    scratch.from = values;
}

/// Gaussian blur of numbers, cut off at three sigma.
pub(in crate::fault) fn gaussian_blur_values(
    size: Size,
    channels: usize,
    sigma_px: f32,
    values: &mut [f32],
    scratch: &mut Scratch,
) {
    let reach = (3.0 * sigma_px).ceil() as usize;
    let kernel: Vec<f32> = (0..=reach).map(|offset| math::exp(-0.5 * (offset as f32 / sigma_px).powi(2))).collect();
    // The loops below are plain, and compiled for whatever vectors the processor has; none of them changes the order of a sum.
    dispatch!(Level::new(), simd => blur_lines(simd, size, channels, &kernel, values, scratch));
}

#[inline(always)]
fn blur_lines<S: Simd>(
    _simd: S,
    size: Size,
    channels: usize,
    kernel: &[f32],
    values: &mut [f32],
    scratch: &mut Scratch,
) {
    let reach = kernel.len() - 1;
    let sum = kernel[0] + 2.0 * kernel[1..].iter().sum::<f32>();
    let line = channels * size.width;
    scratch.to.resize(values.len(), 0.0);
    for (line_in, line_out) in values.chunks_exact(line).zip(scratch.to.chunks_exact_mut(line)) {
        pad(line_in, channels, reach, &mut scratch.row);
        let at = |offset: isize| &scratch.row[(reach as isize + offset) as usize * channels..][..line];
        for (out, value) in line_out.iter_mut().zip(at(0)) {
            *out = kernel[0] * value;
        }
        for (offset, weight) in kernel.iter().enumerate().skip(1) {
            for ((out, left), right) in line_out.iter_mut().zip(at(-(offset as isize))).zip(at(offset as isize)) {
                *out += weight * (left + right);
            }
        }
        line_out.iter_mut().for_each(|out| *out /= sum);
    }
    for (row, line_out) in values.chunks_exact_mut(line).enumerate() {
        let at = |row: usize| &scratch.to[row * line..][..line];
        for (out, value) in line_out.iter_mut().zip(at(row)) {
            *out = kernel[0] * value;
        }
        for (offset, weight) in kernel.iter().enumerate().skip(1) {
            let (above, below) = (row.saturating_sub(offset), (row + offset).min(size.height - 1));
            for ((out, above), below) in line_out.iter_mut().zip(at(above)).zip(at(below)) {
                *out += weight * (above + below);
            }
        }
        line_out.iter_mut().for_each(|out| *out /= sum);
    }
}

/// One row with its ends repeated.
fn pad(line: &[f32], channels: usize, reach: usize, padded: &mut Vec<f32>) {
    padded.clear();
    (0..reach).for_each(|_| padded.extend_from_slice(&line[..channels]));
    padded.extend_from_slice(line);
    (0..reach).for_each(|_| padded.extend_from_slice(&line[line.len() - channels..]));
}

/// A kernel as places relative to a pixel, and the weight of each; the weights sum to one.
pub(in crate::fault) type Taps = Vec<(i32, i32, f32)>;

/// Averages each pixel over the kernel's places.
pub(in crate::fault) fn convolve(size: Size, channels: usize, taps: &Taps, values: &mut [f32], scratch: &mut Scratch) {
    dispatch!(Level::new(), simd => convolve_lines(simd, size, channels, taps, values, scratch));
}

#[inline(always)]
fn convolve_lines<S: Simd>(
    _simd: S,
    size: Size,
    channels: usize,
    taps: &Taps,
    values: &mut [f32],
    scratch: &mut Scratch,
) {
    let reach = taps.iter().map(|(x, _, _)| x.unsigned_abs() as usize).max().unwrap_or(0);
    let (line, wide) = (channels * size.width, channels * (size.width + 2 * reach));
    scratch.to.clear();
    for line_in in values.chunks_exact(line) {
        pad(line_in, channels, reach, &mut scratch.row);
        scratch.to.extend_from_slice(&scratch.row);
    }
    for (row, line_out) in values.chunks_exact_mut(line).enumerate() {
        line_out.fill(0.0);
        for (x, y, weight) in taps {
            let row = (row as i32 + y).clamp(0, size.height as i32 - 1) as usize;
            let from = wide * row + channels * (reach as i32 + x) as usize;
            for (out, value) in line_out.iter_mut().zip(&scratch.to[from..from + line]) {
                *out += weight * value;
            }
        }
    }
}

/// The same for a picture of bytes.
pub(in crate::fault) fn convolve_bytes(size: Size, taps: &Taps, rgb: &mut [u8], scratch: &mut Scratch) {
    on_numbers(rgb, scratch, |values, scratch| convolve(size, 3, taps, values, scratch));
}

/// A disk of a lens out of focus; pixels on its edge count in part.
pub(in crate::fault) fn disk(radius_px: f32) -> Taps {
    let reach = radius_px.ceil() as i32;
    // Each pixel by how many of its 5 × 5 parts lie within the circle.
    let share = |x: i32, y: i32| {
        let part = |at: i32, index: i32| at as f32 + (index as f32 - 2.0) * 0.2;
        let inside = |index: i32| {
            let (x, y) = (part(x, index % 5), part(y, index / 5));
            x * x + y * y <= radius_px * radius_px
        };
        (0..25).filter(|&index| inside(index)).count() as f32
    };
    normalised((-reach..=reach).flat_map(|y| (-reach..=reach).map(move |x| (x, y, share(x, y)))).collect())
}

/// A stroke from each pixel into one direction, fading as half of a normal distribution.
pub(in crate::fault) fn stroke(radius_px: f32, sigma_px: f32, angle_rad: f32) -> Taps {
    let (sin, cos) = math::sin_cos(angle_rad);
    let length = (2.0 * radius_px).round() as i32;
    let tap = |along: i32| {
        let along = along as f32;
        ((along * cos).round() as i32, (along * sin).round() as i32, math::exp(-0.5 * (along / sigma_px).powi(2)))
    };
    normalised((0..=length).map(tap).collect())
}

fn normalised(taps: Taps) -> Taps {
    let sum: f32 = taps.iter().map(|(_, _, weight)| weight).sum();
    taps.into_iter().filter(|(_, _, weight)| *weight > 0.0).map(|(x, y, weight)| (x, y, weight / sum)).collect()
}

/// Where each pixel of a picture is taken from: four neighbours and their weights.
#[derive(Clone, Debug, Default)]
pub(in crate::fault) struct Warp(Vec<Sample>);

#[derive(Clone, Copy, Debug)]
struct Sample {
    /// First byte of the upper left and of the lower left neighbour.
    above: u32,
    below: u32,
    /// Bytes to the right neighbour: three, or none at the edge.
    right: u32,
    /// Parts of 256 of the right and of the lower neighbours.
    share: (u16, u16),
}

impl Warp {
    /// Takes each pixel from the place `from` says, both as `(column, row)`.
    pub fn new(size: Size, from: impl Fn(f32, f32) -> (f32, f32)) -> Self {
        let (last_column, last_row) = ((size.width - 1) as f32, (size.height - 1) as f32);
        let sample = |(column, row): (usize, usize)| {
            let (x, y) = from(column as f32, row as f32);
            let (x, y) = (x.clamp(0.0, last_column), y.clamp(0.0, last_row));
            let (left, top) = (x as usize, y as usize);
            let below = (top + 1).min(size.height - 1);
            let byte = |row: usize| 3 * (row * size.width + left) as u32;
            Sample {
                above: byte(top),
                below: byte(below),
                right: if left + 1 < size.width { 3 } else { 0 },
                share: (((x - left as f32) * 256.0) as u16, ((y - top as f32) * 256.0) as u16),
            }
        };
        Self(size.places().map(sample).collect())
    }

    /// Whether it was made for a picture of this size.
    pub fn fits(&self, size: Size) -> bool {
        self.0.len() == size.pixels()
    }

    /// Moves the channels of a picture that the mask names.
    pub fn apply(&self, mask: [bool; 3], rgb: &mut [u8], scratch: &mut Scratch) {
        scratch.bytes.clear();
        scratch.bytes.extend_from_slice(rgb);
        // Pixels are read four bytes at a time.
        scratch.bytes.push(0);
        let from = scratch.bytes.as_slice();
        let all = mask == [true; 3];
        for (pixel, sample) in rgb.chunks_exact_mut(3).zip(&self.0) {
            let at = |byte: u32| {
                let [a, b, c, _] = from[byte as usize..byte as usize + 4].try_into().expect("four bytes");
                Lanes::new([a, b, c])
            };
            let (right, lower) = sample.share;
            let above = at(sample.above).mix(at(sample.above + sample.right), right);
            let below = at(sample.below).mix(at(sample.below + sample.right), right);
            let mixed = above.mix(below, lower).bytes();
            if all {
                pixel.copy_from_slice(&mixed);
            } else {
                (0..3).filter(|&channel| mask[channel]).for_each(|channel| pixel[channel] = mixed[channel]);
            }
        }
    }
}

/// All three channels, for moving them together.
pub(in crate::fault) const ALL: [bool; 3] = [true; 3];

/// Three channels side by side in one register, sixteen bits each, so that they are mixed together.
#[derive(Clone, Copy)]
struct Lanes(u64);

impl Lanes {
    #[inline(always)]
    fn new([red, green, blue]: [u8; 3]) -> Self {
        Self(u64::from(red) | u64::from(green) << 16 | u64::from(blue) << 32)
    }

    /// So many parts of 256 of the other.
    #[inline(always)]
    fn mix(self, other: Self, share: u16) -> Self {
        const HALVES: u64 = 0x0080_0080_0080;
        const LOW: u64 = 0x00ff_00ff_00ff;
        let share = u64::from(share);
        Self(((self.0 * (256 - share) + other.0 * share + HALVES) >> 8) & LOW)
    }

    #[inline(always)]
    fn bytes(self) -> [u8; 3] {
        [self.0 as u8, (self.0 >> 16) as u8, (self.0 >> 32) as u8]
    }
}

/// Gives each pixel the colour of a random neighbour, up to `reach` to the left and above and one less to the right and below.
///
/// The code that made ImageNet-C means to swap the two, but both end with the neighbour's colour; so they do here.
pub(in crate::fault) fn scatter(size: Size, reach: usize, passes: usize, rgb: &mut [u8], stream: &mut Stream) {
    let side = 2 * reach as u64;
    for _ in 0..passes {
        for row in (reach..size.height.saturating_sub(reach)).rev() {
            for column in (reach..size.width.saturating_sub(reach)).rev() {
                let bits = stream.bits();
                let offset = |bits: u64| ((bits * side) >> 32) as usize;
                let (x, y) = (column + offset(bits & 0xffff_ffff) - reach, row + offset(bits >> 32) - reach);
                let (one, other) = (3 * (row * size.width + column), 3 * (y * size.width + x));
                rgb.copy_within(other..other + 3, one);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { width: 31, height: 17 };

    fn point() -> Vec<u8> {
        let mut rgb = vec![0; 3 * SIZE.pixels()];
        rgb[3 * (8 * SIZE.width + 15)..][..3].copy_from_slice(&[200, 100, 255]);
        rgb
    }

    #[test]
    fn kernels_keep_flat_pictures_and_spread_points() {
        let kernels = [disk(2.5), stroke(3.0, 2.0, 0.7)];
        let mut scratch = Scratch::default();
        for taps in &kernels {
            let mut flat = vec![77; 3 * SIZE.pixels()];
            convolve_bytes(SIZE, taps, &mut flat, &mut scratch);
            assert!(flat.iter().all(|value| *value == 77));
            let mut values = vec![0.0; SIZE.pixels()];
            values[8 * SIZE.width + 15] = 1.0;
            convolve(SIZE, 1, taps, &mut values, &mut scratch);
            assert!((values.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            assert_eq!(values.iter().filter(|value| **value > 0.0).count(), taps.len());
        }
        let mut rgb = point();
        gaussian_blur(SIZE, 1.5, &mut rgb, &mut scratch);
        let red: u32 = rgb.iter().step_by(3).map(|value| u32::from(*value)).sum();
        assert!((180..=220).contains(&red), "{red}");
    }

    #[test]
    fn a_warp_moves_what_it_says() {
        let mut scratch = Scratch::default();
        let mut rgb = point();
        Warp::new(SIZE, |x, y| (x, y)).apply(ALL, &mut rgb, &mut scratch);
        assert_eq!(rgb, point());
        Warp::new(SIZE, |x, y| (x - 4.0, y + 2.5)).apply(ALL, &mut rgb, &mut scratch);
        let at = |column: usize, row: usize| rgb[3 * (row * SIZE.width + column)];
        assert_eq!((at(19, 5), at(19, 6), at(15, 8)), (100, 100, 0));
    }
}
