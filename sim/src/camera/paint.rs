//! Road paint: how much of each pixel of a run the lines on the asphalt cover.

use super::shade::{Along, Ground, Run};
use crate::math::floor;
use crate::road::{Dash, Marking};

/// Width of a pixel in an attribute's own units along one row of pixels, both screen directions together.
///
/// An attribute is `o / i`, both linear in the pixel. Its derivative over a column is `(o' i − o i') / i²`; the numerator
/// does not change along a row, the one of the derivative over a row changes linearly.
#[derive(Clone, Copy)]
pub(super) struct Footprint {
    per_column: f32,
    per_row: Along,
}

impl Footprint {
    #[inline(always)]
    pub fn new(over_depth: [f32; 3], inverse_depth: [f32; 3], row: usize) -> Self {
        let (value, inverse) = (Along::row(over_depth, row), Along::row(inverse_depth, row));
        Self {
            per_column: (over_depth[0] * inverse.start - inverse_depth[0] * value.start).abs(),
            per_row: Along {
                per_column: over_depth[1] * inverse_depth[0] - inverse_depth[1] * over_depth[0],
                start: over_depth[1] * inverse.start - inverse_depth[1] * value.start,
            },
        }
    }

    #[inline(always)]
    pub fn at(self, column: f32, depth_m: f32) -> f32 {
        (self.per_column + self.per_row.over_depth(column).abs()) * depth_m * depth_m
    }

    /// An upper bound between two pixels.
    #[inline(always)]
    fn bound(self, columns: (f32, f32), farthest_m: f32) -> f32 {
        let per_row = self.per_row.over_depth(columns.0).abs().max(self.per_row.over_depth(columns.1).abs());
        (self.per_column + per_row) * farthest_m * farthest_m
    }
}

/// Shares of white and yellow paint in the pixels of a run; reused from run to run.
#[derive(Debug, Default)]
pub(super) struct Paint {
    pub shares: Vec<[f32; 2]>,
}

impl Paint {
    /// Finds the paint in a run of road pixels; `false` if there is none, and then `shares` is not written.
    #[inline(always)]
    pub fn cover(&mut self, markings: &[Marking], ground: &Ground, out: &Run<'_>) -> bool {
        let last = out.depth_m.len() - 1;
        let columns = (out.column as f32, (out.column + last) as f32);
        let farthest_m = out.depth_m[0].max(out.depth_m[last]);
        // Along a row the offset only rises or only falls, so its ends bound it.
        let d = ground.d;
        let ends = (d.over_depth(columns.0) * out.depth_m[0], d.over_depth(columns.1) * out.depth_m[last]);
        let (least_m, most_m) = (ends.0.min(ends.1), ends.0.max(ends.1));
        let widest_m = ground.width.bound(columns, farthest_m).max(LEAST_M);
        let mut painted = false;
        for marking in markings {
            let reach_m = 0.5 * (widest_m + marking.width_m);
            if marking.d_m + reach_m <= least_m || marking.d_m - reach_m >= most_m {
                continue;
            }
            if !painted {
                painted = true;
                self.shares.clear();
                self.shares.resize(last + 1, [0.0; 2]);
            }
            let column_of = |d_m: f32| {
                let rate = d.per_column - d_m * ground.inverse_depth.per_column;
                (d_m * ground.inverse_depth.start - d.start) / rate - columns.0
            };
            let (one, other) = (column_of(marking.d_m - reach_m), column_of(marking.d_m + reach_m));
            // Casts saturate: columns left of the run become its first, infinite ones its ends.
            let from = (one.min(other) as usize).min(last);
            let to = ((one.max(other) + 1.0) as usize).min(last);
            for index in from..=to {
                let column = (out.column + index) as i32 as f32;
                self.add(index, marking, ground.share(marking, column, out.depth_m[index]));
            }
        }
        painted
    }

    #[inline(always)]
    fn add(&mut self, index: usize, marking: &Marking, share: f32) {
        let [white, yellow] = self.shares[index];
        self.shares[index][usize::from(marking.yellow)] += share.min(1.0 - white - yellow);
    }
}

impl Ground {
    /// Share of a pixel that a line covers: box filters across and along it.
    #[inline(always)]
    fn share(&self, marking: &Marking, column: f32, depth_m: f32) -> f32 {
        let d_m = self.d.over_depth(column) * depth_m;
        let width_m = self.width.at(column, depth_m).max(LEAST_M);
        let left_m = (d_m + 0.5 * width_m).min(marking.d_m + 0.5 * marking.width_m);
        let right_m = (d_m - 0.5 * width_m).max(marking.d_m - 0.5 * marking.width_m);
        if left_m <= right_m {
            return 0.0;
        }
        let beside = (left_m - right_m) / width_m;
        marking.dash.map_or(beside, |dash| {
            let length_m = self.length.at(column, depth_m).max(LEAST_M);
            beside * dash.share(self.s.over_depth(column) * depth_m, length_m)
        })
    }
}

/// Pixels count as at least this wide, lest a share be divided by nothing.
const LEAST_M: f32 = 1e-3;

impl Dash {
    /// Painted share of a stretch around `s`.
    #[inline(always)]
    fn share(self, s_m: f32, length_m: f32) -> f32 {
        let painted_to = |s_m: f32| {
            let periods = floor(s_m / self.period_m);
            periods * self.length_m + (s_m - periods * self.period_m).min(self.length_m)
        };
        ((painted_to(s_m + 0.5 * length_m) - painted_to(s_m - 0.5 * length_m)) / length_m).clamp(0.0, 1.0)
    }
}
