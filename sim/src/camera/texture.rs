//! Procedural grain for asphalt and grass: one small tile of smoothed noise, made at first use.

use std::sync::OnceLock;

const SIZE: usize = 64;

/// Grain at a place on the ground, `-1..=1`, fading to zero where a pixel is wider than the grain.
///
/// # Units
/// `grains_per_m` is the scale; `footprint_m` the width of the pixel on the ground.
pub(super) fn grain(u_m: f32, v_m: f32, grains_per_m: f32, footprint_m: f32) -> f32 {
    let fade = 1.0 - footprint_m * grains_per_m * 0.5;
    if fade <= 0.0 {
        return 0.0;
    }
    let (column, row) = ((u_m * grains_per_m).floor() as i32, (v_m * grains_per_m).floor() as i32);
    tile()[(row as usize & (SIZE - 1)) * SIZE + (column as usize & (SIZE - 1))] * fade
}

fn tile() -> &'static [f32] {
    static TILE: OnceLock<Vec<f32>> = OnceLock::new();
    TILE.get_or_init(|| {
        let raw: Vec<f32> = (0..SIZE * SIZE).map(hash).collect();
        let at = |row: usize, column: usize| raw[(row % SIZE) * SIZE + column % SIZE];
        (0..SIZE * SIZE)
            .map(|index| {
                let (row, column) = (index / SIZE, index % SIZE);
                0.6 * at(row, column) + 0.2 * (at(row + 1, column) + at(row, column + 1))
            })
            .collect()
    })
}

/// White noise in `-1..=1` by the integer hash of Wellons ("lowbias32", 2018).
fn hash(index: usize) -> f32 {
    let mut x = index as u32 ^ 0x9e37_79b9;
    x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^= x >> 16;
    x as f32 / u32::MAX as f32 * 2.0 - 1.0
}
