//! Shades every pixel once: paint and grain on the ground, light, haze, and the sky where nothing is.

use super::fill::{Canvas, Material, Surface};
use super::texture::grain;
use super::{FAR_M, Frame, NO_INSTANCE, View};
use crate::math::Vec3;
use crate::road::Marking;
use crate::scene::{Class, Scene};

/// Writes colour, depth, class and instance of a filled canvas.
pub(super) fn shade(canvas: &Canvas, view: &View, scene: &Scene, ground_m: f32, frame: &mut Frame<'_>) {
    let width = canvas.width;
    let backdrop = Backdrop::new(view, scene, ground_m);
    for row in 0..canvas.height {
        let numbers = &canvas.surface[row * width..][..width];
        let mut start = 0;
        while start < width {
            let number = numbers[start];
            let run = numbers[start..].iter().take_while(|other| **other == number).count();
            let pixels = row * width + start..row * width + start + run;
            let mut out = Run {
                column: start,
                row,
                rgb: &mut frame.rgb[3 * pixels.start..3 * pixels.end],
                depth_m: &mut frame.depth_m[pixels.clone()],
                class: &mut frame.class[pixels.clone()],
                instance: &mut frame.instance[pixels],
            };
            match number.checked_sub(1) {
                None => backdrop.shade(&mut out),
                Some(index) => shade_run(&canvas.surfaces[index as usize], scene, &mut out),
            }
            start += run;
        }
    }
}

/// Pixels of one row that show the same surface.
struct Run<'a> {
    column: usize,
    row: usize,
    rgb: &'a mut [u8],
    depth_m: &'a mut [f32],
    class: &'a mut [u8],
    instance: &'a mut [u16],
}

fn shade_run(surface: &Surface, scene: &Scene, out: &mut Run<'_>) {
    out.class.fill(surface.class as u8);
    out.instance.fill(surface.instance);
    let row = out.row as f32;
    let at_row = |plane: [f32; 3]| plane[1] * row + plane[2];
    let inverse_row = at_row(surface.inverse_depth);
    let (first_row, second_row) = (at_row(surface.first_over_depth), at_row(surface.second_over_depth));
    let lit = surface.colour.map(|channel| channel * surface.brightness);
    for index in 0..out.depth_m.len() {
        let column = (out.column + index) as f32;
        let depth = 1.0 / (inverse_row + surface.inverse_depth[0] * column);
        out.depth_m[index] = depth;
        let place = |plane: [f32; 3], at_row: f32| (at_row + plane[0] * column) * depth;
        let colour = match surface.material {
            Material::Plain => lit,
            Material::Road => {
                let s_m = place(surface.first_over_depth, first_row);
                let d_m = place(surface.second_over_depth, second_row);
                let (colour, painted) = road_colour(surface, scene, lit, s_m, d_m, depth);
                if painted {
                    out.class[index] = Class::Marking as u8;
                }
                colour
            }
            Material::Terrain => {
                let s_m = place(surface.first_over_depth, first_row);
                let d_m = place(surface.second_over_depth, second_row);
                let footprint = footprint(surface.second_over_depth, surface.inverse_depth, d_m, depth)
                    .max(footprint(surface.first_over_depth, surface.inverse_depth, s_m, depth));
                let shade = 1.0
                    + 0.16 * grain(s_m, d_m, 3.0, footprint)
                    + 0.13 * grain(s_m + 31.0, d_m, 0.22, footprint);
                lit.map(|channel| channel * shade)
            }
            material => {
                let across = place(surface.first_over_depth, first_row);
                let rise = place(surface.second_over_depth, second_row);
                pattern(material, lit, surface.brightness, across, rise)
            }
        };
        let clarity = scene.clarity(depth);
        write_rgb(&mut out.rgb[3 * index..3 * index + 3], colour, scene.palette.horizon, clarity);
    }
}

fn write_rgb(out: &mut [u8], colour: [f32; 3], haze: [f32; 3], clarity: f32) {
    for channel in 0..3 {
        out[channel] = (haze[channel] + (colour[channel] - haze[channel]) * clarity + 0.5) as u8;
    }
}

/// Width of a pixel in an attribute's own units, both screen directions together.
fn footprint(over_depth: [f32; 3], inverse_depth: [f32; 3], value: f32, depth: f32) -> f32 {
    ((over_depth[0] - value * inverse_depth[0]).abs() + (over_depth[1] - value * inverse_depth[1]).abs()) * depth
}

/// Asphalt with its paint, each line counted by the share of the pixel it covers.
fn road_colour(surface: &Surface, scene: &Scene, lit: [f32; 3], s_m: f32, d_m: f32, depth: f32) -> ([f32; 3], bool) {
    let across = footprint(surface.second_over_depth, surface.inverse_depth, d_m, depth).max(1e-3);
    let mut covered = 0.0;
    let mut yellow = false;
    let mut along = None;
    for marking in &scene.markings {
        let reach = 0.5 * (across + marking.width_m);
        if (d_m - marking.d_m).abs() < reach {
            let along = *along.get_or_insert_with(|| {
                footprint(surface.first_over_depth, surface.inverse_depth, s_m, depth).max(1e-3)
            });
            covered += coverage(marking, s_m, d_m, across, along);
            yellow = marking.yellow;
        }
    }
    let grain_m = across.max(0.02);
    let shade = 1.0 + 0.09 * grain(s_m, d_m, 9.0, grain_m) + 0.06 * grain(s_m, d_m, 0.9, grain_m);
    if covered <= 0.0 {
        return (lit.map(|channel| channel * shade), false);
    }
    let covered = covered.min(1.0);
    let paint = if yellow { scene.palette.yellow } else { scene.palette.white };
    let mixed = std::array::from_fn(|channel| {
        let asphalt = lit[channel] * shade;
        asphalt + (paint[channel] * surface.brightness - asphalt) * covered
    });
    (mixed, covered >= 0.5)
}

/// Share of a pixel covered by a line: box filters across and along it.
fn coverage(marking: &Marking, s_m: f32, d_m: f32, across: f32, along: f32) -> f32 {
    let left = (d_m + 0.5 * across).min(marking.d_m + 0.5 * marking.width_m);
    let right = (d_m - 0.5 * across).max(marking.d_m - 0.5 * marking.width_m);
    let beside = ((left - right) / across).max(0.0);
    let Some(dash) = marking.dash else { return beside };
    let painted_to = |s_m: f32| {
        let periods = (s_m / dash.period_m).floor();
        periods * dash.length_m + (s_m - periods * dash.period_m).min(dash.length_m)
    };
    let share = (painted_to(s_m + 0.5 * along) - painted_to(s_m - 0.5 * along)) / along;
    beside * share.clamp(0.0, 1.0)
}

/// Windows and lamps.
fn pattern(material: Material, lit: [f32; 3], brightness: f32, across: f32, rise: f32) -> [f32; 3] {
    const GLASS: [f32; 3] = [52.0, 62.0, 74.0];
    let dark = GLASS.map(|channel| channel * brightness);
    match material {
        Material::Wall => {
            let (bay, floor) = (across * 0.4, rise * 0.36);
            let in_bay = (bay - bay.floor() - 0.5).abs() < 0.24;
            let in_floor = (floor - floor.floor() - 0.55).abs() < 0.25;
            if in_bay && in_floor { dark } else { lit }
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
        Material::CarSide => if rise > 0.93 { dark } else { lit },
        _ => lit,
    }
}

/// Sky, and terrain beyond what is drawn.
struct Backdrop<'a> {
    scene: &'a Scene,
    eye_over_ground_m: f32,
    /// Up-component of the ray through a pixel: gradient over column and row, value at the first pixel.
    rise: [f32; 3],
    terrain: [f32; 3],
}

impl<'a> Backdrop<'a> {
    fn new(view: &View, scene: &'a Scene, ground_m: f32) -> Self {
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

    fn shade(&self, out: &mut Run<'_>) {
        out.instance.fill(NO_INSTANCE);
        let palette = &self.scene.palette;
        let at_row = self.rise[1] * out.row as f32 + self.rise[2];
        for index in 0..out.depth_m.len() {
            let rise = at_row + self.rise[0] * (out.column + index) as f32;
            let rgb = &mut out.rgb[3 * index..3 * index + 3];
            let depth = if rise < 0.0 { self.eye_over_ground_m / -rise } else { FAR_M };
            out.depth_m[index] = depth.min(FAR_M);
            if depth < FAR_M {
                out.class[index] = Class::Terrain as u8;
                write_rgb(rgb, self.terrain, palette.horizon, self.scene.clarity(depth));
            } else {
                out.class[index] = Class::Sky as u8;
                write_rgb(rgb, palette.zenith, palette.horizon, (2.2 * rise).clamp(0.0, 1.0));
            }
        }
    }
}
