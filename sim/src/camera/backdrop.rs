//! What is seen where nothing is drawn: the sky, and terrain out to the horizon.

use super::shade::{Run, write_rgb};
use super::{FAR_M, NO_INSTANCE, View};
use crate::math::Vec3;
use crate::scene::{Class, Scene};

/// Sky, and terrain beyond what is drawn.
pub(super) struct Backdrop<'a> {
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
            terrain: scene.palette.terrain.map(|channel| channel * brightness),
        }
    }

    #[inline(always)]
    pub fn shade(&self, out: &mut Run<'_>) {
        out.instance.fill(NO_INSTANCE);
        let at_row = self.rise[1] * out.row as f32 + self.rise[2];
        let start = out.column;
        let rise = |index: usize| at_row + self.rise[0] * (start + index) as i32 as f32;
        let least = rise(0).min(rise(out.depth_m.len() - 1));
        let horizon = -self.eye_over_ground_m / FAR_M;
        out.class.fill(Class::Sky as u8);
        out.depth_m.fill(FAR_M);
        let palette = &self.scene.palette;
        for (index, rgb) in out.rgb.iter_mut().enumerate() {
            let share = 2.2 * rise(index);
            let share = if share > 0.0 { share } else { 0.0 };
            write_rgb(rgb, palette.zenith, palette.horizon, if share < 1.0 { share } else { 1.0 });
        }
        if least >= horizon {
            return;
        }
        for (index, rgb) in out.rgb.iter_mut().enumerate().filter(|(index, _)| rise(*index) < horizon) {
            let depth_m = self.eye_over_ground_m / -rise(index);
            out.depth_m[index] = depth_m;
            out.class[index] = Class::Terrain as u8;
            write_rgb(rgb, self.terrain, palette.horizon, self.scene.clarity(depth_m));
        }
    }
}
