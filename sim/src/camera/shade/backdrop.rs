//! What is seen where nothing is drawn: the sky, and terrain out to the horizon.

use crate::camera::lanes_of_eight::{Octet, choose, columns_from, mix, store};
use crate::camera::shade::pixels::{Pixels, Run, clarity};
use crate::camera::{FAR_M, NO_INSTANCE, View};
use crate::class::Class;
use crate::math::Vec3;
use crate::scene::Scene;
use fearless_simd::prelude::*;

/// Sky, and terrain beyond what is drawn.
pub(in crate::camera) struct Backdrop<'a> {
    scene: &'a Scene,
    eye_over_ground_m: f32,
    /// Up-component of the ray through a pixel: gradient over column and row, value at the first pixel.
    rise: [f32; 3],
    terrain: [f32; 3],
}

impl<'a> Backdrop<'a> {
    pub fn new(view: &View, scene: &'a Scene, ground_m: f32) -> Self {
        let (x, y) = (view.right.z / view.focal_px, view.down.z / view.focal_px);
        let start = view.forward.z + x * (0.5 - view.centre_px.0) + y * (0.5 - view.centre_px.1);
        let brightness = scene.brightness(Vec3::Z);
        Self {
            scene,
            eye_over_ground_m: (view.eye.z - ground_m).max(0.1),
            rise: [x, y, start],
            terrain: scene.palette.terrain.map(|channel| (channel * brightness).min(255.0)),
        }
    }

    #[inline(always)]
    pub fn shade<S: Simd>(&self, simd: S, run: Run, pixels: &mut Pixels) {
        let (zenith, haze) = (self.scene.palette.zenith, self.scene.palette.horizon);
        let at_row = self.rise[1] * run.row as i32 as f32 + self.rise[2];
        let rise_at = |column: usize| at_row + self.rise[0] * column as i32 as f32;
        let horizon = -self.eye_over_ground_m / FAR_M;
        let all_sky = rise_at(run.start).min(rise_at(run.end - 1)) >= horizon;
        for at in run.blocks() {
            let rise = columns_from(simd, at) * self.rise[0] + at_row;
            let high = (rise * 2.2).max(0.0).min(1.0);
            let mut depth_m = Octet::splat(simd, FAR_M);
            let mut colour = mix(high, zenith, haze);
            if !all_sky {
                let below = rise.simd_lt(horizon);
                let ground_m = Octet::splat(simd, -self.eye_over_ground_m) / rise;
                let ground = mix(clarity(ground_m, self.scene), self.terrain, haze);
                depth_m = below.select(ground_m, depth_m);
                colour = choose(below, ground, colour);
            }
            store(depth_m, &mut pixels.depth_m, at);
            pixels.set_name(at, Class::Sky as u8, NO_INSTANCE);
            pixels.set_clear(at, colour);
        }
        if !all_sky {
            for column in run.start..run.end {
                if pixels.depth_m[column] < FAR_M {
                    pixels.class[column] = Class::Terrain as u8;
                }
            }
        }
    }
}
