//! Shades every pixel once: runs of one surface get its pattern, light and haze.

use super::backdrop::Backdrop;
use super::fill::{Canvas, Material, Surface};
use super::paint::{Footprint, Paint};
use super::texture::Grain;
use super::wide::{Wide, run_wide};
use super::{Frame, View};
use crate::math::{floor, nearest_index};
use crate::scene::{Class, Scene};

/// Writes colour, depth, class and instance of a filled canvas.
pub(super) fn shade(canvas: &mut Canvas, view: &View, scene: &Scene, ground_m: f32, frame: &mut Frame<'_>) {
    run_wide(Shading { canvas, view, scene, ground_m, frame });
}

/// The work of [`shade`].
struct Shading<'a, 'b> {
    canvas: &'a mut Canvas,
    view: &'a View,
    scene: &'a Scene,
    ground_m: f32,
    frame: &'a mut Frame<'b>,
}

impl Wide for Shading<'_, '_> {
    #[inline(always)]
    fn run(self) {
        let Self { canvas, view, scene, ground_m, frame } = self;
        shade_rows(canvas, view, scene, ground_m, frame);
    }
}

#[inline(always)]
fn shade_rows(canvas: &mut Canvas, view: &View, scene: &Scene, ground_m: f32, frame: &mut Frame<'_>) {
    let width = canvas.width;
    let backdrop = Backdrop::new(view, scene, ground_m);
    let mut paint = std::mem::take(&mut canvas.paint);
    let (rgb, _) = frame.rgb.as_chunks_mut::<3>();
    for row in 0..canvas.height {
        let in_row = row * width..(row + 1) * width;
        for (depth_m, inverse) in frame.depth_m[in_row.clone()].iter_mut().zip(&canvas.inverse_depth[in_row.clone()]) {
            *depth_m = 1.0 / inverse;
        }
        let numbers = &canvas.surface[in_row];
        let mut start = 0;
        while start < width {
            let number = numbers[start];
            let run = numbers[start..].iter().position(|other| *other != number).unwrap_or(width - start);
            let pixels = row * width + start..row * width + start + run;
            let mut out = Run {
                column: start,
                row,
                rgb: &mut rgb[pixels.clone()],
                depth_m: &mut frame.depth_m[pixels.clone()],
                class: &mut frame.class[pixels.clone()],
                instance: &mut frame.instance[pixels],
            };
            match number.checked_sub(1) {
                None => backdrop.shade(&mut out),
                Some(index) => shade_run(&canvas.surfaces[index as usize], scene, &mut paint, &mut out),
            }
            start += run;
        }
    }
    canvas.paint = paint;
}

/// Pixels of one row that show the same surface.
pub(super) struct Run<'a> {
    pub column: usize,
    pub row: usize,
    pub rgb: &'a mut [[u8; 3]],
    pub depth_m: &'a mut [f32],
    pub class: &'a mut [u8],
    pub instance: &'a mut [u16],
}

/// Pixels shaded together; loops over a fixed few are what compilers turn into vector instructions.
const BLOCK: usize = 8;
type Lanes = [f32; BLOCK];

impl Run<'_> {
    /// Writes each pixel's colour after haze. `colour` gets the place of a block in the run, its columns and its depths,
    /// and fills three channels, none of them above 255.
    #[inline(always)]
    fn colour(&mut self, scene: &Scene, mut colour: impl FnMut(usize, &Lanes, &Lanes, &mut [Lanes; 3])) {
        let haze = scene.palette.horizon;
        let mut channels = [[0.0; BLOCK]; 3];
        for (block, (rgb, depths_m)) in self.rgb.chunks_mut(BLOCK).zip(self.depth_m.chunks(BLOCK)).enumerate() {
            let at = block * BLOCK;
            let first = (self.column + at) as i32 as f32;
            let columns = lanes(|lane| first + lane as i32 as f32);
            let depths_m = match depths_m.first_chunk::<BLOCK>() {
                Some(depths_m) => *depths_m,
                None => lanes(|lane| depths_m.get(lane).copied().unwrap_or(1.0)),
            };
            colour(at, &columns, &depths_m, &mut channels);
            let clarity = scene.clarities(&depths_m);
            let mut bytes = [0_u32; BLOCK];
            for channel in 0..3 {
                for lane in 0..BLOCK {
                    bytes[lane] |= hazy(channels[channel][lane], haze[channel], clarity[lane]) << (8 * channel);
                }
            }
            for (pixel, bytes) in rgb.iter_mut().zip(bytes) {
                let [red, green, blue, _] = bytes.to_le_bytes();
                *pixel = [red, green, blue];
            }
        }
    }

    /// The same for a surface of one colour in many shades.
    #[inline(always)]
    fn shades(&mut self, scene: &Scene, lit: [f32; 3], mut shade: impl FnMut(&Lanes, &Lanes) -> Lanes) {
        self.colour(scene, |_, columns, depths_m, channels| {
            let shades = shade(columns, depths_m);
            for (values, lit) in channels.iter_mut().zip(lit) {
                *values = lanes(|lane| at_most_255(lit * shades[lane]));
            }
        });
    }
}

/// Mixes a channel with haze, both at most 255, and rounds it.
#[inline(always)]
fn hazy(colour: f32, haze: f32, clarity: f32) -> u32 {
    nearest_index(haze + (colour - haze) * clarity) & 255
}

#[inline(always)]
fn at_most_255(channel: f32) -> f32 {
    if channel < 255.0 { channel } else { 255.0 }
}

/// Writes one pixel's colour after haze.
#[inline(always)]
pub(super) fn write_rgb(out: &mut [u8; 3], colour: [f32; 3], haze: [f32; 3], clarity: f32) {
    for channel in 0..3 {
        out[channel] = hazy(colour[channel], haze[channel], clarity) as u8;
    }
}

/// An attribute of a surface along one row of pixels: a linear function of the column, times depth.
#[derive(Clone, Copy)]
pub(super) struct Along {
    pub per_column: f32,
    pub start: f32,
}

impl Along {
    #[inline(always)]
    pub fn row(over_depth: [f32; 3], row: usize) -> Self {
        Self { per_column: over_depth[0], start: over_depth[1] * row as f32 + over_depth[2] }
    }

    #[inline(always)]
    pub fn over_depth(self, column: f32) -> f32 {
        self.start + self.per_column * column
    }
}

#[inline(always)]
fn shade_run(surface: &Surface, scene: &Scene, paint: &mut Paint, out: &mut Run<'_>) {
    out.class.fill(surface.class as u8);
    out.instance.fill(surface.instance);
    let lit = surface.colour.map(|channel| at_most_255(channel * surface.brightness));
    match surface.material {
        Material::Plain => out.shades(scene, lit, |_, _| [1.0; BLOCK]),
        Material::Road => shade_road(surface, scene, lit, paint, out),
        Material::Terrain => shade_terrain(surface, scene, lit, out),
        material => {
            let first = Along::row(surface.first_over_depth, out.row);
            let second = Along::row(surface.second_over_depth, out.row);
            let dark = GLASS.map(|channel| channel * surface.brightness);
            out.colour(scene, |_, columns, depths_m, channels| {
                for (lane, (column, depth_m)) in columns.iter().zip(depths_m).enumerate() {
                    let (across, rise) = (first.over_depth(*column) * depth_m, second.over_depth(*column) * depth_m);
                    let colour = pattern(material, lit, dark, surface.brightness, across, rise);
                    (0..3).for_each(|channel| channels[channel][lane] = colour[channel]);
                }
            });
        }
    }
}

/// Asphalt with its paint, each line counted by the share of the pixel it covers.
#[inline(always)]
fn shade_road(surface: &Surface, scene: &Scene, lit: [f32; 3], paint: &mut Paint, out: &mut Run<'_>) {
    let (ground, grain) = (Ground::new(surface, out.row), Grain::tile());
    if !paint.cover(&scene.markings, &ground, out) {
        return out.shades(scene, lit, |columns, depths_m| ground.asphalt(grain, columns, depths_m));
    }
    let [white, yellow] = [scene.palette.white, scene.palette.yellow]
        .map(|paint| paint.map(|channel| at_most_255(channel * surface.brightness)));
    out.colour(scene, |at, columns, depths_m, channels| {
        let shades = ground.asphalt(grain, columns, depths_m);
        for (values, lit) in channels.iter_mut().zip(lit) {
            *values = lanes(|lane| at_most_255(lit * shades[lane]));
        }
        let block = &paint.shares[at..(at + BLOCK).min(paint.shares.len())];
        if block.iter().all(|[white_share, yellow_share]| white_share + yellow_share == 0.0) {
            return;
        }
        for (lane, [white_share, yellow_share]) in block.iter().enumerate() {
            let bare = 1.0 - (white_share + yellow_share);
            for (channel, values) in channels.iter_mut().enumerate() {
                let painted = white[channel] * white_share + yellow[channel] * yellow_share;
                values[lane] = values[lane] * bare + painted;
            }
        }
    });
    for (class, [white, yellow]) in out.class.iter_mut().zip(&paint.shares) {
        if white + yellow >= 0.5 {
            *class = Class::Marking as u8;
        }
    }
}

#[inline(always)]
fn shade_terrain(surface: &Surface, scene: &Scene, lit: [f32; 3], out: &mut Run<'_>) {
    let (ground, grain) = (Ground::new(surface, out.row), Grain::tile());
    out.shades(scene, lit, |columns, depths_m| ground.grass(grain, columns, depths_m));
}

/// Where on the ground the pixels of a row are, and how large.
pub(super) struct Ground {
    pub s: Along,
    pub d: Along,
    pub inverse_depth: Along,
    pub length: Footprint,
    pub width: Footprint,
}

impl Ground {
    #[inline(always)]
    fn new(surface: &Surface, row: usize) -> Self {
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
    fn asphalt(&self, grain: &Grain, columns: &Lanes, depths_m: &Lanes) -> Lanes {
        let (s_m, d_m) = self.places(columns, depths_m);
        let width_m = lanes(|lane| self.width.at(columns[lane], depths_m[lane]));
        let (fine, coarse) = (grain.at(&s_m, &d_m, 9.0, &width_m), grain.at(&s_m, &d_m, 0.9, &width_m));
        lanes(|lane| 1.0 + 0.09 * fine[lane] + 0.06 * coarse[lane])
    }

    /// Shades of grass: blades and patches.
    #[inline(always)]
    fn grass(&self, grain: &Grain, columns: &Lanes, depths_m: &Lanes) -> Lanes {
        let (s_m, d_m) = self.places(columns, depths_m);
        let size_m = lanes(|lane| {
            let (column, depth_m) = (columns[lane], depths_m[lane]);
            let (length_m, width_m) = (self.length.at(column, depth_m), self.width.at(column, depth_m));
            if length_m > width_m { length_m } else { width_m }
        });
        let (fine, coarse) = (grain.at(&s_m, &d_m, 3.0, &size_m), grain.at(&s_m, &d_m, 0.22, &size_m));
        lanes(|lane| 1.0 + 0.16 * fine[lane] + 0.13 * coarse[lane])
    }

    #[inline(always)]
    fn places(&self, columns: &Lanes, depths_m: &Lanes) -> (Lanes, Lanes) {
        let place = |along: Along| lanes(|lane| along.over_depth(columns[lane]) * depths_m[lane]);
        (place(self.s), place(self.d))
    }
}

#[inline(always)]
fn lanes(mut value: impl FnMut(usize) -> f32) -> Lanes {
    let mut values = [0.0; BLOCK];
    for (lane, slot) in values.iter_mut().enumerate() {
        *slot = value(lane);
    }
    values
}

const GLASS: [f32; 3] = [52.0, 62.0, 74.0];

/// Windows and lamps.
#[inline(always)]
fn pattern(material: Material, lit: [f32; 3], dark: [f32; 3], brightness: f32, across: f32, rise: f32) -> [f32; 3] {
    match material {
        Material::Wall => {
            let (bay, storey) = (across * 0.4, rise * 0.36);
            let in_bay = (bay - floor(bay) - 0.5).abs() < 0.24;
            let in_storey = (storey - floor(storey) - 0.55).abs() < 0.25;
            if in_bay && in_storey { dark } else { lit }
        }
        Material::CarEnd { lamp } => {
            if across.abs() > 0.6 && (0.5..0.85).contains(&rise) {
                lamp
            } else if across.abs() < 0.32 && (0.3..0.5).contains(&rise) {
                [210.0 * brightness; 3]
            } else {
                lit
            }
        }
        Material::CarSide => {
            if rise > 0.93 {
                dark
            } else {
                lit
            }
        }
        _ => lit,
    }
}
