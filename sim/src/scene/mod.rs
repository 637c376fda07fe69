//! What a world looks like, for whichever renderer draws it: rows of the road, things beside it, colours and light.
//!
//! Built once per drive from the road, the seed and the light; the camera and the window read the same description.

pub mod light;

use crate::class::Class;
use crate::math::{Vec3, sin_cos};
use crate::road::{self, Marking, Road};
use crate::scene::light::Light;
use crate::seed::{Purpose, Seed, Stream};

/// A line across the road where its surface has vertices.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Place along the road.
    pub s_m: f32,
    /// Point of the reference line.
    pub centre: Vec3,
    /// Unit vector to the left in the ground plane.
    pub left: Vec3,
}

/// Distance between two rows.
pub const ROW_M: f32 = 2.0;

/// A strip of the ground between two offsets from the reference line.
#[derive(Clone, Copy, Debug)]
pub struct Strip {
    /// Left end: offset and height over the road.
    pub left: (f32, f32),
    /// Right end: offset and height over the road.
    pub right: (f32, f32),
    /// What it is made of.
    pub class: Class,
}

/// A thing beside the road: a box, for a tree a trunk and a crown inside it.
#[derive(Clone, Copy, Debug)]
pub struct Prop {
    /// What it is.
    pub class: Class,
    /// Middle of its foot.
    pub base: Vec3,
    /// Direction of its length.
    pub yaw_rad: f32,
    /// Length, width and height.
    pub size: Vec3,
    /// Main colour.
    pub colour: [f32; 3],
    /// Place along the road.
    pub s_m: f32,
    /// Whether a car can reach it and must hit it.
    pub solid: bool,
}

/// Colours of a drive, RGB in `0..=255`.
#[derive(Clone, Copy, Debug)]
pub struct Palette {
    /// Sky straight up.
    pub zenith: [f32; 3],
    /// Sky at the horizon, also the colour of haze.
    pub horizon: [f32; 3],
    /// Terrain.
    pub terrain: [f32; 3],
    /// Asphalt.
    pub asphalt: [f32; 3],
    /// White paint.
    pub white: [f32; 3],
    /// Yellow paint.
    pub yellow: [f32; 3],
    /// Kerb stones.
    pub kerb: [f32; 3],
}

/// What a world looks like.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Rows of the road from its run-in to its run-out, [`ROW_M`] apart.
    pub rows: Vec<Row>,
    /// Strips of ground from left to right.
    pub strips: Vec<Strip>,
    /// The same where kerbs are too small to be seen: terrain, road, terrain.
    pub far_strips: Vec<Strip>,
    /// Paint.
    pub markings: Vec<Marking>,
    /// Things beside the road by rising `s`.
    pub props: Vec<Prop>,
    /// Colours.
    pub palette: Palette,
    /// Unit vector to the sun.
    pub sun: Vec3,
    /// How often haze halves what is seen of a colour, per metre of depth.
    pub halvings_per_m: f32,
}

/// Width of a tree's trunk.
pub const TRUNK_M: f32 = 0.3;
/// Where a tree's crown, an octahedron, begins, as a share of the tree's height.
pub const CROWN_FOOT: f32 = 0.24;
/// Where it is widest, as a share of its own height.
pub const CROWN_WIDEST: f32 = 0.4;
/// Width of a sign's post.
pub const POST_M: f32 = 0.08;
/// Height at which a sign's plate begins.
pub const PLATE_FOOT_M: f32 = 1.9;
/// Height of the gap under a car's body.
pub const CLEARANCE_M: f32 = 0.18;
/// Share of the rest of a car's height that its body takes if a cabin stands on it.
pub const BODY_SHARE: f32 = 0.58;
/// Length and width of a cabin as shares of the body's, and how far behind the body's middle its own is.
pub const CABIN: (f32, f32, f32) = (0.52, 0.88, 0.05);
/// Cars higher than this are vans and trucks: one block.
pub const ONE_BLOCK_M: f32 = 2.0;

/// Terrain is drawn this far from the reference line, or to where a bend would fold it.
const TERRAIN_REACH_M: f32 = 45.0;
/// Width of a kerb's top.
pub(crate) const KERB_WIDTH_M: f32 = 0.25;
const KERB_HEIGHT_M: f32 = 0.12;

impl Scene {
    /// Builds the scene of a drive.
    #[must_use]
    pub fn new(road: &Road, seed: Seed, light: Light) -> Self {
        let mut stream = seed.stream(Purpose::Scenery);
        let (sin_azimuth, cos_azimuth) = sin_cos(light.sun_azimuth_deg.to_radians());
        let (sin_elevation, cos_elevation) = sin_cos(light.sun_elevation_deg.to_radians());
        let rows = rows(road);
        let strips = strips(road);
        let palette = Palette::draw(&mut seed.stream(Purpose::Appearance));
        // Meteorological optical range: contrast falls to 5 %, so exp(-3 z / range) of it is left (Koschmieder 1924).
        let halvings_per_m = 3.0 * std::f32::consts::LOG2_E / light.visibility_m;
        Self {
            props: props(road, &rows, &mut stream),
            far_strips: far_strips(&strips),
            strips,
            markings: road.markings.clone(),
            palette,
            sun: Vec3::new(cos_azimuth * cos_elevation, sin_azimuth * cos_elevation, sin_elevation),
            halvings_per_m,
            rows,
        }
    }

    /// Brightness of a face with this unit normal: a share of sky light and the sun's cosine.
    #[must_use]
    pub fn brightness(&self, normal: Vec3) -> f32 {
        brightness_towards(normal.dot(self.sun))
    }

    /// Index of the row at or before `s`.
    #[must_use]
    pub fn row_at(&self, s_m: f32) -> usize {
        (((s_m + road::RUN_IN_M) / ROW_M).max(0.0) as usize).min(self.rows.len() - 1)
    }

    /// Things between two places along the road.
    #[must_use]
    pub fn props_between(&self, from_s_m: f32, to_s_m: f32) -> &[Prop] {
        let first = self.props.partition_point(|prop| prop.s_m < from_s_m);
        let last = self.props.partition_point(|prop| prop.s_m < to_s_m);
        &self.props[first..last]
    }

    /// Position of the first of [`Self::props_between`] in [`Self::props`].
    #[must_use]
    pub fn first_prop(&self, from_s_m: f32) -> usize {
        self.props.partition_point(|prop| prop.s_m < from_s_m)
    }
}

/// Brightness of a face whose unit normal has this cosine with the direction to the sun.
pub(crate) fn brightness_towards(sun_cosine: f32) -> f32 {
    0.62 + 0.43 * sun_cosine.max(0.0)
}

impl Palette {
    fn draw(stream: &mut Stream) -> Self {
        let grey = |stream: &mut Stream, low, high| {
            let level = stream.uniform(low, high);
            [level * stream.uniform(0.96, 1.04), level, level * stream.uniform(0.96, 1.06)]
        };
        let day = stream.uniform(0.75, 1.08);
        let scaled = |colour: [f32; 3]| colour.map(|channel| (channel * day).min(255.0));
        let overcast = stream.chance(0.35);
        let zenith = if overcast { [170.0, 178.0, 188.0] } else { [stream.uniform(60.0, 120.0), 150.0, 225.0] };
        let horizon = if overcast { [200.0, 205.0, 210.0] } else { [200.0, 215.0, stream.uniform(215.0, 240.0)] };
        let terrain = if stream.chance(0.8) {
            [stream.uniform(55.0, 115.0), stream.uniform(95.0, 140.0), stream.uniform(40.0, 70.0)]
        } else {
            [stream.uniform(120.0, 160.0), stream.uniform(110.0, 135.0), stream.uniform(70.0, 95.0)]
        };
        Self {
            zenith: scaled(zenith),
            horizon: scaled(horizon),
            terrain: scaled(terrain),
            asphalt: scaled(grey(stream, 62.0, 125.0)),
            white: scaled(grey(stream, 195.0, 245.0)),
            yellow: scaled([stream.uniform(205.0, 240.0), stream.uniform(165.0, 190.0), stream.uniform(30.0, 80.0)]),
            kerb: scaled(grey(stream, 140.0, 185.0)),
        }
    }
}

fn rows(road: &Road) -> Vec<Row> {
    let count = ((road.length_m() + road::RUN_IN_M + road::RUN_OUT_M - 2.0) / ROW_M) as usize;
    (0..count)
        .map(|index| {
            let s_m = index as f32 * ROW_M - road::RUN_IN_M;
            let left = road.line.point(s_m).direction.perp();
            Row { s_m, centre: road.surface_point(s_m, 0.0), left: left.extend(0.0) }
        })
        .collect()
}

fn strips(road: &Road) -> Vec<Strip> {
    let section = &road.cross_section;
    let (left, right) = (section.left_edge_m(), section.right_edge_m());
    let tightest =
        (0..road.length_m() as usize).map(|s_m| road.line.point(s_m as f32).curvature_per_m.abs()).fold(1e-6, f32::max);
    let reach = TERRAIN_REACH_M.min(0.9 / tightest).max(left.max(-right) + 1.0);
    let strip = |left, right, class| Strip { left, right, class };
    if section.kerb {
        let (top, outer) = (KERB_HEIGHT_M, KERB_WIDTH_M);
        vec![
            strip((reach, top), (left + outer, top), Class::Terrain),
            strip((left + outer, top), (left, top), Class::Kerb),
            strip((left, top), (left, 0.0), Class::Kerb),
            strip((left, 0.0), (right, 0.0), Class::Road),
            strip((right, 0.0), (right, top), Class::Kerb),
            strip((right, top), (right - outer, top), Class::Kerb),
            strip((right - outer, top), (-reach, top), Class::Terrain),
        ]
    } else {
        vec![
            strip((reach, 0.0), (left, 0.0), Class::Terrain),
            strip((left, 0.0), (right, 0.0), Class::Road),
            strip((right, 0.0), (-reach, 0.0), Class::Terrain),
        ]
    }
}

/// Strips without kerbs: terrain comes down to the edge of the road.
fn far_strips(strips: &[Strip]) -> Vec<Strip> {
    let road = strips.iter().find(|strip| strip.class == Class::Road);
    let (Some(road), [first, .., last]) = (road, strips) else { return strips.to_vec() };
    vec![Strip { right: road.left, ..*first }, *road, Strip { left: road.right, ..*last }]
}

/// Draws buildings, trees and signs, keeping every one of them off every part of the road.
fn props(road: &Road, rows: &[Row], stream: &mut Stream) -> Vec<Prop> {
    let section = road.cross_section;
    let town = stream.uniform(0.0, 1.0);
    let mut props = Vec::new();
    let mut s_m = -10.0;
    while s_m < road.length_m() + road::RUN_OUT_M - 30.0 {
        s_m += stream.uniform(3.0, 14.0);
        let left_side = stream.chance(0.5);
        let edge = if left_side { section.left_edge_m() } else { -section.right_edge_m() };
        let mut prop = match stream.uniform(0.0, 1.0) {
            draw if draw < 0.06 => draw_sign(stream),
            draw if draw < 0.15 + 0.5 * town => draw_building(stream),
            _ => draw_tree(stream),
        };
        let half_m = 0.5 * prop.size.x.max(prop.size.y);
        let beside_m = match prop.class {
            Class::Sign => 0.9,
            Class::Building => half_m + stream.uniform(4.0, 16.0),
            _ => half_m + stream.uniform(1.8, 22.0),
        };
        let d_m = if left_side { edge + beside_m } else { -edge - beside_m };
        prop.base = road.surface_point(s_m, d_m);
        prop.yaw_rad += road.line.point(s_m).heading_rad;
        prop.s_m = s_m;
        prop.solid = beside_m - half_m < 6.0;
        let clear_m = section.left_edge_m().max(-section.right_edge_m()) + half_m + 0.5;
        let on_road = rows.iter().step_by(4).any(|row| {
            (row.s_m - s_m).abs() > 2.0 * clear_m && row.centre.distance_squared(prop.base) < clear_m * clear_m
        });
        if !on_road {
            props.push(prop);
        }
    }
    props.sort_by(|a, b| a.s_m.total_cmp(&b.s_m));
    props
}

fn prop(class: Class, size: Vec3, colour: [f32; 3], yaw_rad: f32) -> Prop {
    Prop { class, base: Vec3::ZERO, yaw_rad, size, colour, s_m: 0.0, solid: false }
}

fn draw_sign(stream: &mut Stream) -> Prop {
    let colour = if stream.chance(0.5) { [235.0, 235.0, 235.0] } else { [40.0, 80.0, 190.0] };
    prop(Class::Sign, Vec3::new(0.1, 0.75, 2.6), colour, 0.0)
}

fn draw_building(stream: &mut Stream) -> Prop {
    let size = Vec3::new(stream.uniform(7.0, 18.0), stream.uniform(7.0, 12.0), stream.uniform(4.0, 14.0));
    let base = stream.uniform(90.0, 215.0);
    let colour = [base, base * stream.uniform(0.75, 1.0), base * stream.uniform(0.55, 0.95)];
    prop(Class::Building, size, colour, stream.uniform(-0.15, 0.15))
}

fn draw_tree(stream: &mut Stream) -> Prop {
    let height = stream.uniform(3.0, 10.0);
    let width = height * stream.uniform(0.4, 0.75);
    let colour = [stream.uniform(25.0, 85.0), stream.uniform(70.0, 125.0), stream.uniform(20.0, 55.0)];
    prop(Class::Tree, Vec3::new(width, width, height), colour, stream.uniform(0.0, 1.5))
}
