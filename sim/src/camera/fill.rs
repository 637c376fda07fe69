//! Fills convex polygons into a buffer of nearest surfaces.
//!
//! # Source
//! Attribute planes by the inverse of the vertex matrix: Olano and Greer 1997, "Triangle Scan Conversion using 2D
//! Homogeneous Coordinates". Deferred shading from surface numbers: Burns and Hunt 2013, "The Visibility Buffer".

use super::View;
use super::paint::Paint;
use super::wide::{Wide, run_wide};
use crate::math::Vec3;
use crate::scene::Class;

/// Surfaces nearer than this are cut off.
const NEAR_M: f32 = 0.15;

/// How a surface is coloured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Material {
    /// Asphalt with paint; attributes are `(s, d)`.
    Road,
    /// Grass; attributes are `(s, d)`.
    Terrain,
    /// One colour.
    Plain,
    /// A wall with windows; attributes are metres along and up.
    Wall,
    /// The end of a car: lamps in its corners; attributes are `-1..=1` across and `0..=1` up.
    CarEnd {
        /// Colour of the lamps.
        lamp: [f32; 3],
    },
    /// The side of a car: a band of windows; attributes are metres along and `0..=1` up.
    CarSide,
}

/// A surface to be shaded, with its attributes as linear functions of the pixel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surface {
    pub material: Material,
    pub class: Class,
    pub instance: u16,
    /// Colour under the scene's light, haze not yet applied.
    pub colour: [f32; 3],
    pub brightness: f32,
    /// Gradients over the pixel: `1/z`, and two attributes over `z`, as `(x, y, at the first pixel)`.
    pub inverse_depth: [f32; 3],
    pub first_over_depth: [f32; 3],
    pub second_over_depth: [f32; 3],
}

/// A corner of a polygon in camera coordinates, with two attributes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Corner {
    pub at: Vec3,
    pub first: f32,
    pub second: f32,
}

/// What a polygon looks like, apart from where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub material: Material,
    pub class: Class,
    pub instance: u16,
    pub colour: [f32; 3],
    pub brightness: f32,
}

/// Working memory for one frame; reused from frame to frame.
#[derive(Debug, Default)]
pub(crate) struct Canvas {
    pub width: usize,
    pub height: usize,
    pub inverse_depth: Vec<f32>,
    /// Number of the nearest surface plus one; zero where there is none.
    pub surface: Vec<u32>,
    pub surfaces: Vec<Surface>,
    /// Working memory of the shader.
    pub(super) paint: Paint,
    spans: Vec<(f32, f32)>,
}

impl Canvas {
    /// Empties the canvas for a frame of this size.
    pub fn clear(&mut self, width: usize, height: usize) {
        (self.width, self.height) = (width, height);
        self.inverse_depth.clear();
        self.inverse_depth.resize(width * height, 0.0);
        self.surface.clear();
        self.surface.resize(width * height, 0);
        self.spans.resize(height, (0.0, 0.0));
        self.surfaces.clear();
    }

    /// Fills a convex polygon of three or four corners lying in one plane; corners run clockwise as seen.
    /// A polygon seen from behind is skipped.
    pub fn polygon(&mut self, view: &View, corners: &[Corner], look: Look) {
        let [a, b, c] = [corners[0].at, corners[1].at, corners[2].at];
        let normal_ab = a.cross(b);
        let volume = normal_ab.dot(c);
        if volume <= 1e-7 {
            return;
        }
        let (focal, (centre_x, centre_y)) = (view.focal_px, view.centre_px);
        let mut projected = [(0.0_f32, 0.0_f32); 8];
        let count = project(corners, focal, (centre_x, centre_y), &mut projected);
        if count < 3 {
            return;
        }
        let Some((top, bottom)) = self.spans_of(&projected[..count]) else { return };
        // Rows of the inverse of [a b c]: a linear function g with g·p = value at each corner is, over z, linear in the pixel.
        let (normal_bc, normal_ca) = (b.cross(c), c.cross(a));
        let per_volume = 1.0 / volume;
        let plane = |value_a: f32, value_b: f32, value_c: f32| {
            let g = (normal_bc * value_a + normal_ca * value_b + normal_ab * value_c) * per_volume;
            let (x, y) = (g.x / focal, g.y / focal);
            [x, y, g.z + x * (0.5 - centre_x) + y * (0.5 - centre_y)]
        };
        let inverse_depth = plane(1.0, 1.0, 1.0);
        let surface = Surface {
            material: look.material,
            class: look.class,
            instance: look.instance,
            colour: look.colour,
            brightness: look.brightness,
            inverse_depth,
            first_over_depth: plane(corners[0].first, corners[1].first, corners[2].first),
            second_over_depth: plane(corners[0].second, corners[1].second, corners[2].second),
        };
        self.surfaces.push(surface);
        let number = self.surfaces.len() as u32;
        run_wide(Filling { canvas: self, top, bottom, inverse_depth, number });
    }

    /// Left and right end of the polygon in each row of pixel centres; the rows it covers.
    fn spans_of(&mut self, polygon: &[(f32, f32)]) -> Option<(usize, usize)> {
        let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
        let (mut left, mut right) = (f32::INFINITY, f32::NEG_INFINITY);
        for &(x, y) in polygon {
            (low, high) = (lesser(low, y), greater(high, y));
            (left, right) = (lesser(left, x), greater(right, x));
        }
        let row_after = |y: f32| centre_after(y, self.height);
        let (top, bottom) = (row_after(low), row_after(high));
        if top >= bottom || centre_after(left, self.width) >= centre_after(right, self.width) {
            return None;
        }
        self.spans[top..bottom].fill((f32::INFINITY, f32::NEG_INFINITY));
        let mut previous = polygon[polygon.len() - 1];
        for &next in polygon {
            let (from, to) = if previous.1 <= next.1 { (previous, next) } else { (next, previous) };
            previous = next;
            let (first, last) = (row_after(from.1), row_after(to.1));
            if first >= last {
                continue;
            }
            let slope = (to.0 - from.0) / (to.1 - from.1);
            let mut x = from.0 + (first as f32 + 0.5 - from.1) * slope;
            for span in &mut self.spans[first..last] {
                *span = (lesser(span.0, x), greater(span.1, x));
                x += slope;
            }
        }
        Some((top, bottom))
    }
}

/// The lesser of two numbers, neither of them NaN: one instruction where [`f32::min`] takes four.
#[inline(always)]
fn lesser(a: f32, b: f32) -> f32 {
    if b < a { b } else { a }
}

/// The greater of two numbers, neither of them NaN.
#[inline(always)]
fn greater(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

/// The first of `count` pixels whose centre is at or after `x`, `count` if none is.
#[inline(always)]
fn centre_after(x: f32, count: usize) -> usize {
    let x = lesser(greater(x - 0.5, 0.0), count as i32 as f32);
    let below = x as i32;
    (below + i32::from((below as f32) < x)) as usize
}

/// Fills the rows of one polygon.
struct Filling<'a> {
    canvas: &'a mut Canvas,
    top: usize,
    bottom: usize,
    inverse_depth: [f32; 3],
    number: u32,
}

impl Wide for Filling<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { canvas, top, bottom, inverse_depth, number } = self;
        for row in top..bottom {
            let (left, right) = canvas.spans[row];
            let (first, last) = (centre_after(left, canvas.width), centre_after(right, canvas.width));
            if first < last {
                let at_row = inverse_depth[1] * row as f32 + inverse_depth[2];
                let depths = &mut canvas.inverse_depth[row * canvas.width..][first..last];
                let numbers = &mut canvas.surface[row * canvas.width..][first..last];
                fill_span(depths, numbers, at_row + inverse_depth[0] * first as f32, inverse_depth[0], number);
            }
        }
    }
}

/// Keeps the nearer surface in each pixel of a span.
#[inline(always)]
fn fill_span(depths: &mut [f32], numbers: &mut [u32], start: f32, step: f32, number: u32) {
    for (index, (depth, surface)) in (0_i32..).zip(depths.iter_mut().zip(numbers)) {
        let candidate = start + step * index as f32;
        let nearer = candidate > *depth;
        *depth = if nearer { candidate } else { *depth };
        *surface = if nearer { number } else { *surface };
    }
}

/// Projects corners to pixels, cutting the polygon at the near plane; returns the number of corners left.
fn project(corners: &[Corner], focal: f32, centre: (f32, f32), out: &mut [(f32, f32); 8]) -> usize {
    let to_pixel = |at: Vec3| {
        let scale = focal / at.z;
        (centre.0 + at.x * scale, centre.1 + at.y * scale)
    };
    let mut count = 0;
    let mut push = |point| {
        out[count] = point;
        count += 1;
    };
    let mut previous = corners[corners.len() - 1].at;
    for corner in corners {
        let at = corner.at;
        if (at.z >= NEAR_M) != (previous.z >= NEAR_M) {
            // From the same end whatever the direction, so that neighbours share the cut to the bit.
            let (near, far) = if at.z < previous.z { (at, previous) } else { (previous, at) };
            push(to_pixel(near + (far - near) * ((NEAR_M - near.z) / (far.z - near.z))));
        }
        if at.z >= NEAR_M {
            push(to_pixel(at));
        }
        previous = at;
    }
    count
}
