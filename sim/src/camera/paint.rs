//! Road paint: how much of each pixel of a run the lines on the asphalt cover.

use super::fill::Surface;
use super::shade::{Along, Run};
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
    pub fn cover(&mut self, markings: &[Marking], surface: &Surface, out: &Run<'_>) -> bool {
        let last = out.depth_m.len() - 1;
        let columns = (out.column as f32, (out.column + last) as f32);
        let farthest_m = out.depth_m[0].max(out.depth_m[last]);
        let d = Along::row(surface.second_over_depth, out.row);
        let inverse = Along::row(surface.inverse_depth, out.row);
        let width = Footprint::new(surface.second_over_depth, surface.inverse_depth, out.row);
        // Along a row the offset only rises or only falls, so its ends bound it.
        let ends = (d.over_depth(columns.0) * out.depth_m[0], d.over_depth(columns.1) * out.depth_m[last]);
        let (least_m, most_m) = (ends.0.min(ends.1), ends.0.max(ends.1));
        let widest_m = width.bound(columns, farthest_m).max(LEAST_M);
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
                let rate = d.per_column - d_m * inverse.per_column;
                (d_m * inverse.start - d.start) / rate - columns.0
            };
            let (one, other) = (column_of(marking.d_m - reach_m), column_of(marking.d_m + reach_m));
            // Casts saturate: columns left of the run become its first, infinite ones its ends.
            let from = one.min(other) as usize;
            let to = ((one.max(other) + 1.0) as usize).min(last);
            self.add_line(marking, surface, out, from.min(last)..=to);
        }
        painted
    }

    fn add_line(
        &mut self,
        marking: &Marking,
        surface: &Surface,
        out: &Run<'_>,
        pixels: std::ops::RangeInclusive<usize>,
    ) {
        let s = Along::row(surface.first_over_depth, out.row);
        let d = Along::row(surface.second_over_depth, out.row);
        let length = Footprint::new(surface.first_over_depth, surface.inverse_depth, out.row);
        let width = Footprint::new(surface.second_over_depth, surface.inverse_depth, out.row);
        for index in pixels {
            let (column, depth_m) = ((out.column + index) as f32, out.depth_m[index]);
            let d_m = d.over_depth(column) * depth_m;
            let width_m = width.at(column, depth_m).max(LEAST_M);
            let left_m = (d_m + 0.5 * width_m).min(marking.d_m + 0.5 * marking.width_m);
            let right_m = (d_m - 0.5 * width_m).max(marking.d_m - 0.5 * marking.width_m);
            if left_m > right_m {
                let beside = (left_m - right_m) / width_m;
                let share = beside
                    * marking.dash.map_or(1.0, |dash| {
                        let length_m = length.at(column, depth_m).max(LEAST_M);
                        dash.share(s.over_depth(column) * depth_m, length_m)
                    });
                let [white, yellow] = self.shares[index];
                let free = 1.0 - white - yellow;
                self.shares[index][usize::from(marking.yellow)] += share.min(free);
            }
        }
    }
}

/// Pixels count as at least this wide, lest a share be divided by nothing.
const LEAST_M: f32 = 1e-3;

impl Dash {
    /// Painted share of a stretch around `s`.
    fn share(self, s_m: f32, length_m: f32) -> f32 {
        let painted_to = |s_m: f32| {
            let periods = floor(s_m / self.period_m);
            periods * self.length_m + (s_m - periods * self.period_m).min(self.length_m)
        };
        ((painted_to(s_m + 0.5 * length_m) - painted_to(s_m - 0.5 * length_m)) / length_m).clamp(0.0, 1.0)
    }
}
