//! Fills convex polygons into a buffer of nearest surfaces.
//!
//! # Source
//! Attribute planes by the inverse of the vertex matrix: Olano and Greer 1997, "Triangle Scan Conversion using 2D
//! Homogeneous Coordinates". Deferred shading from surface numbers: Burns and Hunt 2013, "The Visibility Buffer".

use crate::camera::View;
use crate::camera::lanes_of_eight::{OCTET, Octet, columns_from, load, nearest_index, store};
use crate::camera::shade::pixels::Pixels;
use crate::camera::surface::{Look, Material, Surface};
use crate::math::Vec3;
use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch, u32x8};

/// Most corners of a polygon after it was cut, and a few more.
const MAX_CORNERS: usize = 8;

/// A corner of a polygon in camera coordinates, with two attributes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Corner {
    pub at: Vec3,
    pub first: f32,
    pub second: f32,
}

/// Working memory for one frame; reused from frame to frame.
#[derive(Debug)]
pub(crate) struct Canvas {
    pub width: usize,
    pub height: usize,
    /// Inverse depth of each pixel, with a margin of [`OCTET`].
    pub inverse_depth: Vec<f32>,
    /// Number of the nearest surface plus one; zero where there is none. The same margin.
    pub surface: Vec<u32>,
    pub surfaces: Vec<Surface>,
    /// The processor's vector instructions.
    pub(in crate::camera) level: Level,
    /// Working memory of the shader.
    pub(in crate::camera) pixels: Pixels,
    /// First column of a polygon in each row, and the first after it.
    spans: Vec<(u32, u32)>,
}

impl Default for Canvas {
    fn default() -> Self {
        Self {
            width: 0,
            height: 0,
            inverse_depth: Vec::new(),
            surface: Vec::new(),
            surfaces: Vec::new(),
            level: Level::new(),
            pixels: Pixels::default(),
            spans: Vec::new(),
        }
    }
}

impl Canvas {
    /// Empties the canvas for a frame of this size.
    pub fn clear(&mut self, width: usize, height: usize) {
        (self.width, self.height) = (width, height);
        self.inverse_depth.clear();
        self.inverse_depth.resize(width * height + OCTET, 0.0);
        self.surface.clear();
        self.surface.resize(width * height + OCTET, 0);
        self.spans.resize(height, (0, 0));
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
        let mut projected = [(0.0_f32, 0.0_f32); MAX_CORNERS];
        let count = project(corners, view, &mut projected);
        if count < 3 {
            return;
        }
        let Some((top, bottom)) = self.spans_of(&projected[..count]) else { return };
        // Rows of the inverse of [a b c]: a linear function g with g·p = value at each corner is, over z, linear in the pixel.
        let per_volume = 1.0 / volume;
        let normals = [b.cross(c) * per_volume, c.cross(a) * per_volume, normal_ab * per_volume];
        let inverse_depth = view.plane(normals[0] + normals[1] + normals[2]);
        let attribute = |of: fn(&Corner) -> f32| {
            let [a, b, c] = [of(&corners[0]), of(&corners[1]), of(&corners[2])];
            view.plane(normals[0] * a + normals[1] * b + normals[2] * c)
        };
        let (first_over_depth, second_over_depth) = match look.material {
            Material::Plain => ([0.0; 3], [0.0; 3]),
            _ => (attribute(|corner| corner.first), attribute(|corner| corner.second)),
        };
        self.surfaces.push(Surface {
            material: look.material,
            class: look.class,
            instance: look.instance,
            lit: look.colour.map(|channel| lesser(channel * look.brightness, 255.0)),
            brightness: look.brightness,
            inverse_depth,
            first_over_depth,
            second_over_depth,
        });
        let number = self.surfaces.len() as u32;
        dispatch!(self.level, simd => self.fill(simd, top, bottom, inverse_depth, number));
    }

    /// Finds the columns of the polygon in each row of pixel centres; returns the rows it covers.
    fn spans_of(&mut self, polygon: &[(f32, f32)]) -> Option<(usize, usize)> {
        let (mut left, mut right) = (f32::INFINITY, f32::NEG_INFINITY);
        let (mut top, mut bottom) = (u32::MAX, 0);
        let mut rows = [0; MAX_CORNERS];
        for (row, &(x, y)) in rows.iter_mut().zip(polygon) {
            *row = centre_after(y, self.height);
            (top, bottom) = (top.min(*row), bottom.max(*row));
            (left, right) = (lesser(left, x), greater(right, x));
        }
        if top >= bottom || centre_after(left, self.width) >= centre_after(right, self.width) {
            return None;
        }
        let mut previous = (polygon[polygon.len() - 1], rows[polygon.len() - 1]);
        for next in polygon.iter().copied().zip(rows) {
            // Clockwise with y downwards: edges that go down bound the polygon on its right. Each row of a closed polygon
            // is crossed by one that goes down and one that goes up.
            let on_right = previous.1 <= next.1;
            let ((from, first), (to, last)) = if on_right { (previous, next) } else { (next, previous) };
            previous = next;
            if first >= last {
                continue;
            }
            let slope = (to.0 - from.0) / (to.1 - from.1);
            let mut x = from.0 + (first as i32 as f32 + 0.5 - from.1) * slope;
            let spans = &mut self.spans[first as usize..last as usize];
            if on_right {
                for (_, end) in spans {
                    *end = centre_after(x, self.width);
                    x += slope;
                }
            } else {
                for (start, _) in spans {
                    *start = centre_after(x, self.width);
                    x += slope;
                }
            }
        }
        Some((top as usize, bottom as usize))
    }

    /// Keeps the nearer surface in each pixel of the spans.
    #[inline(always)]
    fn fill<S: Simd>(&mut self, simd: S, top: usize, bottom: usize, inverse_depth: [f32; 3], number: u32) {
        let width = self.width;
        for row in top..bottom {
            let (first, last) = self.spans[row];
            let at_row = inverse_depth[1] * row as i32 as f32 + inverse_depth[2];
            for column in (first as usize..last as usize).step_by(OCTET) {
                let at = row * width + column;
                let columns = columns_from(simd, column);
                let inside = columns.simd_lt(last as i32 as f32);
                let candidate = inside.select(columns * inverse_depth[0] + at_row, Octet::splat(simd, 0.0));
                let depth = load(simd, &self.inverse_depth, at);
                let nearer = candidate.simd_gt(depth);
                // The same as a choice by `nearer`, which would become a masked store: slow on many processors.
                store(candidate.max(depth), &mut self.inverse_depth, at);
                let numbers = &mut self.surface[at..at + OCTET];
                nearer.select(u32x8::splat(simd, number), u32x8::from_slice(simd, numbers)).store_slice(numbers);
            }
        }
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

/// The first of `count` pixels whose centre is after `x`, `count` if none is; what is exactly on a centre goes to the even
/// pixel, for all polygons alike.
#[inline(always)]
fn centre_after(x: f32, count: usize) -> u32 {
    nearest_index(lesser(greater(x, 0.0), count as i32 as f32))
}

/// Projects corners to pixels, cutting the polygon at the near plane; returns the number of corners left.
fn project(corners: &[Corner], view: &View, out: &mut [(f32, f32); MAX_CORNERS]) -> usize {
    let to_pixel = |at: Vec3| {
        let scale = view.focal_px / at.z;
        (view.centre_px.0 + at.x * scale, view.centre_px.1 + at.y * scale)
    };
    let near_m = view.near_m;
    let mut count = 0;
    let mut push = |point| {
        out[count] = point;
        count += 1;
    };
    let mut previous = corners[corners.len() - 1].at;
    for corner in corners {
        let at = corner.at;
        if (at.z >= near_m) != (previous.z >= near_m) {
            // From the same end whatever the direction, so that neighbours share the cut to the bit.
            let (near, far) = if at.z < previous.z { (at, previous) } else { (previous, at) };
            push(to_pixel(near + (far - near) * ((near_m - near.z) / (far.z - near.z))));
        }
        if at.z >= near_m {
            push(to_pixel(at));
        }
        previous = at;
    }
    count
}
