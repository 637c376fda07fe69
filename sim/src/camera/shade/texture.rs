//! Procedural grain for asphalt and grass: a hash of the cell a pixel lies in, nothing stored.

use crate::camera::lanes_of_eight::{Octet, nearest};
use crate::camera::raster::attribute::{Along, Footprint};
use crate::camera::surface::Surface;
use fearless_simd::prelude::*;
use fearless_simd::u32x8;

/// Where on the ground the pixels of a row are, and how large.
pub(in crate::camera) struct GroundTexture {
    pub s: Along,
    pub d: Along,
    pub inverse_depth: Along,
    pub length: Footprint,
    pub width: Footprint,
}

impl GroundTexture {
    #[inline(always)]
    pub fn new(surface: &Surface, row: usize) -> Self {
        Self {
            s: Along::row(surface.first_over_depth, row),
            d: Along::row(surface.second_over_depth, row),
            inverse_depth: Along::row(surface.inverse_depth, row),
            length: Footprint::new(surface.first_over_depth, surface.inverse_depth, row),
            width: Footprint::new(surface.second_over_depth, surface.inverse_depth, row),
        }
    }

    /// Shades of asphalt: stones, and the patches they wear into.
    #[inline(always)]
    pub fn asphalt<S: Simd>(&self, columns: Octet<S>, depths_m: Octet<S>) -> Octet<S> {
        let place = self.places(columns, depths_m);
        let width_m = self.width.at_columns(columns, depths_m);
        grain(place, 9.0, width_m) * 0.06 + grain(place, 0.9, width_m) * 0.04 + 1.0
    }

    /// Shades of grass: blades and patches.
    #[inline(always)]
    pub fn grass<S: Simd>(&self, columns: Octet<S>, depths_m: Octet<S>) -> Octet<S> {
        let place = self.places(columns, depths_m);
        let size_m = self.length.at_columns(columns, depths_m).max(self.width.at_columns(columns, depths_m));
        grain(place, 3.0, size_m) * 0.1 + grain(place, 0.22, size_m) * 0.09 + 1.0
    }

    #[inline(always)]
    fn places<S: Simd>(&self, columns: Octet<S>, depths_m: Octet<S>) -> (Octet<S>, Octet<S>) {
        (self.s.at_columns(columns) * depths_m, self.d.at_columns(columns) * depths_m)
    }
}

/// White noise in `-1..1` over square cells, fading to zero where a pixel is wider than two of them.
///
/// # Units
/// `grains_per_m` is the scale; `pixels_m` the widths of the pixels on the ground.
#[inline(always)]
fn grain<S: Simd>((s_m, d_m): (Octet<S>, Octet<S>), grains_per_m: f32, pixels_m: Octet<S>) -> Octet<S> {
    let fade = (pixels_m * (-0.5 * grains_per_m) + 1.0).max(0.0);
    noise(nearest(s_m * grains_per_m), nearest(d_m * grains_per_m)) * fade
}

/// A number in `-1..1` for each cell: its place multiplied and shifted until the bits have mixed.
///
/// # Source
/// Multipliers of Wellons' integer hash "lowbias32" (2018) and of Knuth, The Art of Computer Programming 3, 6.4.
#[inline(always)]
fn noise<S: Simd>(u: u32x8<S>, v: u32x8<S>) -> Octet<S> {
    let cell = u * 0x9e37_79b1 + v * 0x846c_a68b;
    let mixed = (cell ^ (cell >> 15)) * 0x7feb_352d;
    // The upper 23 bits as the fraction of a number in 1..2.
    let one_to_two: Octet<S> = ((mixed >> 9) | 0x3f80_0000).bitcast();
    one_to_two * 2.0 - 3.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use fearless_simd::{Level, dispatch};

    fn noise_at(u: u32, v: u32) -> f32 {
        dispatch!(Level::new(), simd => noise(u32x8::splat(simd, u), u32x8::splat(simd, v))[0])
    }

    #[test]
    fn noise_is_even_and_neighbours_do_not_agree() {
        let cells = || (0..64_u32).flat_map(|u| (0..64_u32).map(move |v| (u, v)));
        let mean = |value: &dyn Fn(u32, u32) -> f32| cells().map(|(u, v)| value(u, v)).sum::<f32>() / 4096.0;
        assert!(mean(&noise_at).abs() < 0.05);
        let variance = mean(&|u, v| noise_at(u, v) * noise_at(u, v));
        assert!((variance - 1.0 / 3.0).abs() < 0.03, "{variance}");
        for (du, dv) in [(1, 0), (0, 1), (1, 1)] {
            let together = mean(&|u, v| noise_at(u, v) * noise_at(u + du, v + dv));
            assert!(together.abs() < 0.03, "{du} {dv}: {together}");
        }
        assert!(cells().all(|(u, v)| (-1.0..1.0).contains(&noise_at(u, v))));
    }
}
