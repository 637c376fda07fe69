//! What JPEG loses: colour at half resolution, and blocks of 8 × 8 whose frequencies are rounded.
//!
//! # Source
//! ITU-T T.81 (1992), annex K for the tables; scaling of the tables by quality as in the Independent JPEG Group's library.
//! The entropy coding that follows loses nothing and is left out.

use crate::fault::filter::Size;
use crate::fault::filter::noise::to_byte;
use fearless_simd::{Level, Simd, dispatch};
use std::sync::LazyLock;

const BLOCK: usize = 8;

#[rustfmt::skip]
const LUMINANCE: [u16; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61,
    12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77,
    24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
];
#[rustfmt::skip]
const CHROMINANCE: [u16; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99,
    18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
];

/// Rows are the frequencies of the discrete cosine transform, columns the samples.
static COSINES: LazyLock<[[f32; BLOCK]; BLOCK]> = LazyLock::new(|| {
    std::array::from_fn(|frequency| {
        std::array::from_fn(|sample| {
            let angle = (2 * sample + 1) as f32 * frequency as f32 * std::f32::consts::PI / 16.0;
            let scale = if frequency == 0 { std::f32::consts::FRAC_1_SQRT_2 } else { 1.0 };
            0.5 * scale * crate::math::sin_cos(angle).1
        })
    })
});

/// Compresses and restores a picture at a quality of 1 to 50.
pub(in crate::fault) fn compress(size: Size, quality: u16, rgb: &mut [u8]) {
    let half = Size { width: size.width.div_ceil(2), height: size.height.div_ceil(2) };
    let mut luma = vec![0.0; size.pixels()];
    let mut chroma = [vec![0.0; half.pixels()], vec![0.0; half.pixels()]];
    for ((column, row), pixel) in size.places().zip(rgb.chunks_exact(3)) {
        let [r, g, b] = [f32::from(pixel[0]), f32::from(pixel[1]), f32::from(pixel[2])];
        luma[row * size.width + column] = 0.299 * r + 0.587 * g + 0.114 * b - 128.0;
        // Each colour sample is the mean of the pixels there are, four but at an odd edge.
        let across = (size.width - 2 * (column / 2)).min(2) * (size.height - 2 * (row / 2)).min(2);
        let at = row / 2 * half.width + column / 2;
        chroma[0][at] += (-0.168_736 * r - 0.331_264 * g + 0.5 * b) / across as f32;
        chroma[1][at] += (0.5 * r - 0.418_688 * g - 0.081_312 * b) / across as f32;
    }
    let (luminance, chrominance) = (table(&LUMINANCE, quality), table(&CHROMINANCE, quality));
    let level = Level::new();
    dispatch!(level, simd => quantise(simd, size, &luminance, &mut luma));
    for plane in &mut chroma {
        dispatch!(level, simd => quantise(simd, half, &chrominance, plane));
    }
    for ((column, row), pixel) in size.places().zip(rgb.chunks_exact_mut(3)) {
        let y = luma[row * size.width + column] + 128.0;
        let [blue, red] = [0, 1].map(|plane| smooth(half, &chroma[plane], column, row));
        pixel[0] = to_byte(y + 1.402 * red);
        pixel[1] = to_byte(y - 0.344_136 * blue - 0.714_136 * red);
        pixel[2] = to_byte(y + 1.772 * blue);
    }
}

/// Colour at a pixel, from the nearest colour samples: nine parts of the own, three of each beside, one across.
fn smooth(half: Size, plane: &[f32], column: usize, row: usize) -> f32 {
    let beside = |at: usize, count: usize| {
        let own = at / 2;
        (own, if at.is_multiple_of(2) { own.saturating_sub(1) } else { (own + 1).min(count - 1) })
    };
    let ((x, other_x), (y, other_y)) = (beside(column, half.width), beside(row, half.height));
    let at = |x: usize, y: usize| plane[y * half.width + x];
    (9.0 * at(x, y) + 3.0 * (at(other_x, y) + at(x, other_y)) + at(other_x, other_y)) / 16.0
}

fn table(base: &[u16; 64], quality: u16) -> [f32; 64] {
    let percent = 5000 / u32::from(quality);
    base.map(|entry| ((u32::from(entry) * percent + 50) / 100).clamp(1, 255) as f32)
}

/// Rounds the frequencies of every block; blocks that reach beyond the picture repeat its last row and column.
#[inline(always)]
fn quantise<S: Simd>(_simd: S, size: Size, table: &[f32; 64], plane: &mut [f32]) {
    let cosines = &*COSINES;
    for top in (0..size.height).step_by(BLOCK) {
        for left in (0..size.width).step_by(BLOCK) {
            let row_of = |row: usize| (top + row).min(size.height - 1) * size.width;
            let mut block: [[f32; BLOCK]; BLOCK] = std::array::from_fn(|row| {
                std::array::from_fn(|column| plane[row_of(row) + (left + column).min(size.width - 1)])
            });
            block = transposed(times(cosines, &block));
            block = transposed(times(cosines, &block));
            for (row, entries) in block.iter_mut().zip(table.chunks_exact(BLOCK)) {
                for (value, step) in row.iter_mut().zip(entries) {
                    *value = rounded(*value / step) * step;
                }
            }
            let inverse = transposed(*cosines);
            block = transposed(times(&inverse, &block));
            block = transposed(times(&inverse, &block));
            for (row, values) in block.iter().enumerate().take(size.height - top) {
                let columns = BLOCK.min(size.width - left);
                plane[(top + row) * size.width + left..][..columns].copy_from_slice(&values[..columns]);
            }
        }
    }
}

/// The nearest whole number, for magnitudes below 2²².
#[inline(always)]
fn rounded(value: f32) -> f32 {
    (value + 12_582_912.0) - 12_582_912.0
}

#[inline(always)]
fn times(a: &[[f32; BLOCK]; BLOCK], b: &[[f32; BLOCK]; BLOCK]) -> [[f32; BLOCK]; BLOCK] {
    let mut product = [[0.0; BLOCK]; BLOCK];
    for (out, weights) in product.iter_mut().zip(a) {
        for (weight, row) in weights.iter().zip(b) {
            out.iter_mut().zip(row).for_each(|(out, value)| *out += weight * value);
        }
    }
    product
}

#[inline(always)]
fn transposed(block: [[f32; BLOCK]; BLOCK]) -> [[f32; BLOCK]; BLOCK] {
    std::array::from_fn(|row| std::array::from_fn(|column| block[column][row]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_pictures_survive_and_fine_detail_does_not() {
        let size = Size { width: 21, height: 13 };
        let mut rgb: Vec<u8> = (0..size.pixels()).flat_map(|_| [120, 130, 110]).collect();
        let flat = rgb.clone();
        compress(size, 25, &mut rgb);
        assert!(rgb.iter().zip(&flat).all(|(a, b)| a.abs_diff(*b) <= 8), "{:?}", &rgb[..6]);
        let mut checks: Vec<u8> =
            size.places().flat_map(|(x, y)| [if (x + y) % 2 == 0 { 110 } else { 140 }; 3]).collect();
        compress(size, 7, &mut checks);
        // Whole blocks only: what a cut block repeats is no checkerboard.
        let whole =
            || size.places().zip(checks.chunks_exact(3)).filter(|((x, y), _)| *x < 16 && *y < 8).map(|(_, p)| p[0]);
        let (least, most) = (whole().min().unwrap(), whole().max().unwrap());
        assert!(most - least < 12, "{least} to {most}");
    }
}
