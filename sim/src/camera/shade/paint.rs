//! Road paint: how much of each pixel the lines on the asphalt cover.
//!
//! Paint is not geometry: each road pixel knows its (s, d), and the share of it that a line covers is computed from its
//! footprint, so that a line of 12 cm stays visible 40 m ahead as a shade of grey instead of flickering.

use crate::camera::lanes_of_eight::{OCTET, Octet, columns_from, load, store};
use crate::camera::shade::pixels::{Pixels, Run};
use crate::camera::shade::texture::GroundTexture;
use crate::road::{Dash, Marking};
use crate::scene::{Class, Scene};
use fearless_simd::prelude::*;

/// Pixels count as at least this wide, lest a share be divided by nothing.
const LEAST_M: f32 = 1e-3;

/// Paints the lines over a run of asphalt whose colour is already there, and names what they cover.
#[inline(always)]
pub(in crate::camera) fn paint_lines<S: Simd>(
    simd: S,
    scene: &Scene,
    ground: &GroundTexture,
    brightness: f32,
    run: Run,
    pixels: &mut Pixels,
) {
    let last = run.end - 1;
    let columns = (run.start as f32, last as f32);
    let (first_m, last_m) = (pixels.depth_m[run.start], pixels.depth_m[last]);
    // Along a row the offset only rises or only falls, so its ends bound it.
    let ends = (ground.d.at(columns.0) * first_m, ground.d.at(columns.1) * last_m);
    let (least_m, most_m) = (ends.0.min(ends.1), ends.0.max(ends.1));
    let widest_m = ground.width.bound(columns, first_m.max(last_m)).max(LEAST_M);
    let mut painted = false;
    for marking in &scene.markings {
        let reach_m = 0.5 * (widest_m + marking.width_m);
        if marking.d_m + reach_m <= least_m || marking.d_m - reach_m >= most_m {
            continue;
        }
        if !painted {
            painted = true;
            for at in run.blocks() {
                store(Octet::splat(simd, 0.0), &mut pixels.covered, at);
            }
        }
        let (from, to) = columns_between(ground, marking.d_m - reach_m, marking.d_m + reach_m, run);
        let colour = if marking.yellow { scene.palette.yellow } else { scene.palette.white };
        let colour = colour.map(|channel| (channel * brightness).min(255.0));
        for at in (from..=to).step_by(OCTET) {
            let depths_m = load(simd, &pixels.depth_m, at);
            let share = ground.share(marking, columns_from(simd, at), depths_m);
            for (values, channel) in pixels.colour.iter_mut().zip(colour) {
                let bare = load(simd, values, at);
                store((-bare + channel) * share + bare, values, at);
            }
            store(load(simd, &pixels.covered, at) + share, &mut pixels.covered, at);
        }
    }
    if painted {
        let covered = &pixels.covered[run.start..run.end];
        for (class, covered) in pixels.class[run.start..run.end].iter_mut().zip(covered) {
            *class = if *covered >= 0.5 { Class::Marking as u8 } else { *class };
        }
    }
}

/// First and last column of a run whose offsets can lie between two offsets.
#[inline(always)]
fn columns_between(ground: &GroundTexture, right_m: f32, left_m: f32, run: Run) -> (usize, usize) {
    let last = run.end - 1;
    let rate_at = |d_m: f32| ground.d.per_column - d_m * ground.inverse_depth.per_column;
    let (rate_right, rate_left) = (rate_at(right_m), rate_at(left_m));
    if rate_right * rate_left <= 0.0 {
        // The row tends to an offset between the two: what lies between them has no two ends.
        return (run.start, last);
    }
    let column_of = |d_m: f32, rate: f32| (d_m * ground.inverse_depth.start - ground.d.start) / rate - run.start as f32;
    let (one, other) = (column_of(right_m, rate_right), column_of(left_m, rate_left));
    // Casts saturate: columns left of the run become its first, infinite ones its ends.
    let within = |column: f32| run.start + (column as usize).min(last - run.start);
    (within(one.min(other)), within(one.max(other) + 1.0))
}

impl GroundTexture {
    /// Share of the pixels that a line covers: box filters across and along it.
    #[inline(always)]
    fn share<S: Simd>(&self, marking: &Marking, columns: Octet<S>, depths_m: Octet<S>) -> Octet<S> {
        let d_m = self.d.at_columns(columns) * depths_m;
        let width_m = self.width.at_columns(columns, depths_m).max(LEAST_M);
        let left_m = (d_m + width_m * 0.5).min(marking.d_m + 0.5 * marking.width_m);
        let right_m = (d_m - width_m * 0.5).max(marking.d_m - 0.5 * marking.width_m);
        let beside = (left_m - right_m).max(0.0) / width_m;
        match marking.dash {
            None => beside,
            Some(dash) => {
                let length_m = self.length.at_columns(columns, depths_m).max(LEAST_M);
                beside * dash.share(self.s.at_columns(columns) * depths_m, length_m)
            }
        }
    }
}

impl Dash {
    /// Painted share of stretches around `s`.
    #[inline(always)]
    fn share<S: Simd>(self, s_m: Octet<S>, length_m: Octet<S>) -> Octet<S> {
        let half_m = length_m * 0.5;
        ((self.painted_to(s_m + half_m) - self.painted_to(s_m - half_m)) / length_m).max(0.0).min(1.0)
    }

    /// Painted length between the road's start and `s`.
    #[inline(always)]
    fn painted_to<S: Simd>(self, s_m: Octet<S>) -> Octet<S> {
        let periods = (s_m * (1.0 / self.period_m)).floor();
        periods * self.length_m + (s_m - periods * self.period_m).min(self.length_m)
    }
}
