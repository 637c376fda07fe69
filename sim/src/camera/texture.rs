//! Procedural grain for asphalt and grass: one small tile of smoothed noise, made at first use.

use crate::math::nearest_index;
use std::sync::LazyLock;

const SIZE: u32 = 64;
const CELLS: usize = (SIZE * SIZE) as usize;

/// Noise in `-1..=1`, repeated every 64 grains.
pub(super) struct Grain([f32; CELLS]);

impl Grain {
    /// Grain at some places on the ground, fading to zero where a pixel is wider than the grain.
    ///
    /// # Units
    /// `grains_per_m` is the scale; `pixels_m` the widths of the pixels on the ground.
    #[inline(always)]
    pub fn at<const N: usize>(
        &self,
        u_m: &[f32; N],
        v_m: &[f32; N],
        grains_per_m: f32,
        pixels_m: &[f32; N],
    ) -> [f32; N] {
        let mut shades = [0.0; N];
        let mut cells = [0; N];
        let mut visible = 0.0;
        for lane in 0..N {
            let fade = 1.0 - pixels_m[lane] * (grains_per_m * 0.5);
            shades[lane] = if fade > 0.0 { fade } else { 0.0 };
            visible += shades[lane];
        }
        if visible == 0.0 {
            return shades;
        }
        for lane in 0..N {
            let (column, row) = (nearest_index(u_m[lane] * grains_per_m), nearest_index(v_m[lane] * grains_per_m));
            cells[lane] = (row & (SIZE - 1)) * SIZE + (column & (SIZE - 1));
        }
        for (shade, cell) in shades.iter_mut().zip(cells) {
            *shade *= self.0[cell as usize % CELLS];
        }
        shades
    }

    /// The tile all frames share.
    pub fn tile() -> &'static Self {
        static TILE: LazyLock<Grain> = LazyLock::new(Grain::new);
        &TILE
    }

    fn new() -> Self {
        let at = |row: u32, column: u32| hash((row % SIZE) * SIZE + column % SIZE);
        Self(std::array::from_fn(|index| {
            let (row, column) = (index as u32 / SIZE, index as u32 % SIZE);
            0.6 * at(row, column) + 0.2 * (at(row + 1, column) + at(row, column + 1))
        }))
    }
}

/// White noise in `-1..=1` by the integer hash of Wellons ("lowbias32", 2018).
fn hash(index: u32) -> f32 {
    let mut x = index ^ 0x9e37_79b9;
    x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^= x >> 16;
    x as f32 / u32::MAX as f32 * 2.0 - 1.0
}
