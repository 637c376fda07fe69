//! Shades every pixel once: runs of one surface get its pattern, light and haze.

mod backdrop;
mod paint;
pub(in crate::camera) mod pixels;
mod texture;

use crate::camera::lanes_of_eight::{OCTET, Octet, choose, columns_from, load, splat_colour};
use crate::camera::raster::attribute::Along;
use crate::camera::raster::fill::Canvas;
use crate::camera::shade::backdrop::Backdrop;
use crate::camera::shade::paint::paint_lines;
use crate::camera::shade::pixels::{Pixels, Run};
use crate::camera::shade::texture::GroundTexture;
use crate::camera::surface::{Material, Surface};
use crate::camera::{Frame, View};
use crate::scene::Scene;
use fearless_simd::prelude::*;
use fearless_simd::{dispatch, u32x8};

/// Writes colour, depth, class and instance of a filled canvas.
pub(in crate::camera) fn shade(canvas: &mut Canvas, view: &View, scene: &Scene, ground_m: f32, frame: &mut Frame<'_>) {
    dispatch!(canvas.level, simd => shade_rows(simd, canvas, view, scene, ground_m, frame));
}

#[inline(always)]
fn shade_rows<S: Simd>(simd: S, canvas: &mut Canvas, view: &View, scene: &Scene, ground_m: f32, frame: &mut Frame<'_>) {
    let Canvas { width, height, inverse_depth, surface, surfaces, pixels, .. } = canvas;
    let width = *width;
    let backdrop = Backdrop::new(view, scene, ground_m);
    pixels.resize(width);
    for row in 0..*height {
        let (from, to) = (row * width, (row + 1) * width);
        let (numbers, inverse_depth) = (&surface[from..to + OCTET], &inverse_depth[from..to + OCTET]);
        let mut start = 0;
        while start < width {
            let end = end_of_run(simd, numbers, start).min(width);
            let run = Run { row, start, end };
            match numbers[start].checked_sub(1) {
                None => backdrop.shade(simd, run, pixels),
                Some(index) => shade_run(simd, &surfaces[index as usize], scene, inverse_depth, run, pixels),
            }
            start = end;
        }
        let (class, instance) = (&mut frame.class[from..to], &mut frame.instance[from..to]);
        pixels.write(simd, &mut frame.rgb[3 * from..3 * to], &mut frame.depth_m[from..to], class, instance);
    }
}

/// The first column after `start` that shows another surface; columns of the margin may count as more of the same.
#[inline(always)]
fn end_of_run<S: Simd>(simd: S, numbers: &[u32], start: usize) -> usize {
    let number = numbers[start];
    let mut at = start;
    while at + OCTET <= numbers.len() {
        let others = u32x8::from_slice(simd, &numbers[at..at + OCTET]).simd_ne(number).to_bitmask();
        if others != 0 {
            return at + others.trailing_zeros() as usize;
        }
        at += OCTET;
    }
    numbers.len()
}

#[inline(always)]
fn shade_run<S: Simd>(simd: S, surface: &Surface, scene: &Scene, inverse_depth: &[f32], run: Run, pixels: &mut Pixels) {
    match surface.material {
        Material::Plain => {
            let colour = splat_colour(simd, surface.lit);
            for at in run.blocks() {
                let depth_m = pixels.begin(simd, at, surface, inverse_depth);
                pixels.set_hazy(at, colour, depth_m, scene);
            }
        }
        Material::Terrain => {
            let ground = GroundTexture::new(surface, run.row);
            for at in run.blocks() {
                let depth_m = pixels.begin(simd, at, surface, inverse_depth);
                let colour = shaded(surface.lit, ground.grass(columns_from(simd, at), depth_m));
                pixels.set_hazy(at, colour, depth_m, scene);
            }
        }
        Material::Road => {
            let ground = GroundTexture::new(surface, run.row);
            for at in run.blocks() {
                let depth_m = pixels.begin(simd, at, surface, inverse_depth);
                pixels.keep_colour(at, shaded(surface.lit, ground.asphalt(columns_from(simd, at), depth_m)));
            }
            paint_lines(simd, scene, &ground, surface.brightness, run, pixels);
            for at in run.blocks() {
                let depth_m = load(simd, &pixels.depth_m, at);
                pixels.set_hazy(at, pixels.kept_colour(simd, at), depth_m, scene);
            }
        }
        Material::Wall | Material::CarEnd { .. } | Material::CarSide => {
            let pattern = Pattern::new(simd, surface, run.row);
            for at in run.blocks() {
                let depth_m = pixels.begin(simd, at, surface, inverse_depth);
                pixels.set_hazy(at, pattern.colour(columns_from(simd, at), depth_m), depth_m, scene);
            }
        }
    }
}

/// One colour in many shades, none of its channels above 255.
#[inline(always)]
fn shaded<S: Simd>([red, green, blue]: [f32; 3], shade: Octet<S>) -> [Octet<S>; 3] {
    [(shade * red).min(255.0), (shade * green).min(255.0), (shade * blue).min(255.0)]
}

const GLASS: [f32; 3] = [52.0, 62.0, 74.0];
const PLATE: [f32; 3] = [210.0; 3];

/// Windows, lamps and plates along a row of pixels.
struct Pattern<S: Simd> {
    material: Material,
    first: Along,
    second: Along,
    lit: [Octet<S>; 3],
    glass: [Octet<S>; 3],
    lamp: [Octet<S>; 3],
    plate: [Octet<S>; 3],
}

impl<S: Simd> Pattern<S> {
    #[inline(always)]
    fn new(simd: S, surface: &Surface, row: usize) -> Self {
        let under_light = |colour: [f32; 3]| colour.map(|channel| (channel * surface.brightness).min(255.0));
        let lamp = if let Material::CarEnd { lamp } = surface.material { lamp } else { [0.0; 3] };
        Self {
            material: surface.material,
            first: Along::row(surface.first_over_depth, row),
            second: Along::row(surface.second_over_depth, row),
            lit: splat_colour(simd, surface.lit),
            glass: splat_colour(simd, under_light(GLASS)),
            lamp: splat_colour(simd, lamp),
            plate: splat_colour(simd, under_light(PLATE)),
        }
    }

    #[inline(always)]
    fn colour(&self, columns: Octet<S>, depths_m: Octet<S>) -> [Octet<S>; 3] {
        let (across, rise) = (self.first.at_columns(columns) * depths_m, self.second.at_columns(columns) * depths_m);
        match self.material {
            Material::Wall => {
                let (bay, storey) = (across * 0.4, rise * 0.36);
                let in_bay = (bay - bay.floor() - 0.5).abs().simd_lt(0.24);
                let in_storey = (storey - storey.floor() - 0.55).abs().simd_lt(0.25);
                choose(in_bay & in_storey, self.glass, self.lit)
            }
            Material::CarEnd { .. } => {
                let in_lamp = across.abs().simd_gt(0.6) & rise.simd_ge(0.5) & rise.simd_lt(0.85);
                let on_plate = across.abs().simd_lt(0.32) & rise.simd_ge(0.3) & rise.simd_lt(0.5);
                choose(in_lamp, self.lamp, choose(on_plate, self.plate, self.lit))
            }
            _ => choose(rise.simd_gt(0.93), self.glass, self.lit),
        }
    }
}
