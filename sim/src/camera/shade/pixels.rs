//! One row of pixels while it is shaded: in vectors, with a margin on the right, until all of it is copied out at once.

use crate::camera::lanes_of_eight::{OCTET, Octet, exp2, load, nearest, store};
use crate::camera::surface::Surface;
use crate::scene::Scene;
use fearless_simd::prelude::*;
use fearless_simd::{u8x32, u32x8};

/// A stretch of a row that shows one surface.
#[derive(Clone, Copy)]
pub(in crate::camera) struct Run {
    pub row: usize,
    pub start: usize,
    pub end: usize,
}

impl Run {
    /// First columns of the blocks that cover the run. The last may reach beyond its end, into columns not yet shaded or
    /// into the margin: runs are shaded from left to right, and each writes all of its own.
    #[inline(always)]
    pub fn blocks(self) -> impl Iterator<Item = usize> {
        (self.start..self.end).step_by(OCTET)
    }
}

/// Columns beyond the last that a block may write.
const MARGIN: usize = 2 * OCTET;

/// A row of pixels.
#[derive(Debug, Default)]
pub(in crate::camera) struct Pixels {
    /// Depth.
    pub depth_m: Vec<f32>,
    /// Class.
    pub class: Vec<u8>,
    /// Instance.
    pub instance: Vec<u16>,
    /// Red, green and blue before haze, where a run is shaded in several passes.
    pub colour: [Vec<f32>; 3],
    /// Share that paint covers, where a run has paint.
    pub covered: Vec<f32>,
    /// Finished colours, red in the lowest byte.
    words: Vec<u32>,
    bytes: Vec<u8>,
}

impl Pixels {
    /// Makes room for rows of this width.
    pub fn resize(&mut self, width: usize) {
        let length = width + MARGIN;
        let [red, green, blue] = &mut self.colour;
        for values in [&mut self.depth_m, &mut self.covered, red, green, blue] {
            values.resize(length, 0.0);
        }
        self.class.resize(length, 0);
        self.instance.resize(length, 0);
        self.words.resize(length, 0);
        self.bytes.resize(3 * length, 0);
    }

    /// Names a block of pixels.
    #[inline(always)]
    pub fn set_name(&mut self, at: usize, class: u8, instance: u16) {
        // Twice as many as needed fill a register; what is too much is overwritten.
        self.class[at..at + 2 * OCTET].copy_from_slice(&[class; 2 * OCTET]);
        self.instance[at..at + OCTET].copy_from_slice(&[instance; OCTET]);
    }

    /// Names a block of pixels after its surface, sets its depth from the inverse, and returns the depth.
    #[inline(always)]
    pub fn begin<S: Simd>(&mut self, simd: S, at: usize, surface: &Surface, inverse_depth: &[f32]) -> Octet<S> {
        self.set_name(at, surface.class as u8, surface.instance);
        let depth_m = Octet::splat(simd, 1.0) / load(simd, inverse_depth, at);
        store(depth_m, &mut self.depth_m, at);
        depth_m
    }

    /// Keeps the colour of a block of pixels for another pass.
    #[inline(always)]
    pub fn keep_colour<S: Simd>(&mut self, at: usize, colour: [Octet<S>; 3]) {
        let [red, green, blue] = &mut self.colour;
        store(colour[0], red, at);
        store(colour[1], green, at);
        store(colour[2], blue, at);
    }

    /// The colour that was kept.
    #[inline(always)]
    pub fn kept_colour<S: Simd>(&self, simd: S, at: usize) -> [Octet<S>; 3] {
        let [red, green, blue] = &self.colour;
        [load(simd, red, at), load(simd, green, at), load(simd, blue, at)]
    }

    /// Finishes a block of pixels: mixes its colour with haze. No channel may be above 255.
    #[inline(always)]
    pub fn set_hazy<S: Simd>(
        &mut self,
        at: usize,
        [red, green, blue]: [Octet<S>; 3],
        depth_m: Octet<S>,
        scene: &Scene,
    ) {
        let clarity = clarity(depth_m, scene);
        let haze = scene.palette.horizon;
        self.set_clear(
            at,
            [
                (red - haze[0]) * clarity + haze[0],
                (green - haze[1]) * clarity + haze[1],
                (blue - haze[2]) * clarity + haze[2],
            ],
        );
    }

    /// Finishes a block of pixels that haze does not touch.
    #[inline(always)]
    pub fn set_clear<S: Simd>(&mut self, at: usize, [red, green, blue]: [Octet<S>; 3]) {
        let (red, green, blue) = (nearest(red) & 255, nearest(green) & 255, nearest(blue) & 255);
        (red | (green << 8) | (blue << 16)).store_slice(&mut self.words[at..at + OCTET]);
    }

    /// Copies the finished row out.
    ///
    /// # Shapes
    /// - `rgb`: `width × 3`; the others `width`
    #[inline(always)]
    pub fn write<S: Simd>(
        &mut self,
        simd: S,
        rgb: &mut [u8],
        depth_m: &mut [f32],
        class: &mut [u8],
        instance: &mut [u16],
    ) {
        let width = depth_m.len();
        depth_m.copy_from_slice(&self.depth_m[..width]);
        class.copy_from_slice(&self.class[..width]);
        instance.copy_from_slice(&self.instance[..width]);
        // Three of the four bytes of each word; what follows them is overwritten by the next words.
        let packing = [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 0, 0, 0, 0];
        let packing = u8x32::from_fn(
            simd,
            #[inline(always)]
            |lane| packing[lane % 16],
        );
        for at in (0..width).step_by(OCTET) {
            let words: u8x32<S> = u32x8::from_slice(simd, &self.words[at..at + OCTET]).bitcast();
            let packed = words.swizzle_dyn_within_blocks(packing).to_array();
            let bytes = &mut self.bytes[3 * at..3 * at + 28];
            bytes[..16].copy_from_slice(&packed[..16]);
            bytes[12..].copy_from_slice(&packed[16..]);
        }
        rgb.copy_from_slice(&self.bytes[..3 * width]);
    }
}

/// Share of a colour that reaches the camera from these depths; the rest is haze.
#[inline(always)]
pub(in crate::camera) fn clarity<S: Simd>(depth_m: Octet<S>, scene: &Scene) -> Octet<S> {
    exp2(depth_m * -scene.halvings_per_m)
}
