//! How an attribute of a surface runs along a row of pixels.

use crate::camera::lanes_of_eight::Octet;
use fearless_simd::prelude::*;

/// An attribute over depth, a linear function of the column.
#[derive(Clone, Copy)]
pub(in crate::camera) struct Along {
    pub per_column: f32,
    pub start: f32,
}

impl Along {
    /// The part of a plane over the screen that lies in this row.
    #[inline(always)]
    pub fn row(over_depth: [f32; 3], row: usize) -> Self {
        Self { per_column: over_depth[0], start: over_depth[1] * row as f32 + over_depth[2] }
    }

    #[inline(always)]
    pub fn at(self, column: f32) -> f32 {
        self.start + self.per_column * column
    }

    #[inline(always)]
    pub fn at_columns<S: Simd>(self, columns: Octet<S>) -> Octet<S> {
        columns * self.per_column + self.start
    }
}

/// Width of a pixel in an attribute's own units along one row of pixels, both screen directions together.
///
/// An attribute is `o / i`, both linear in the pixel. Its derivative over a column is `(o' i − o i') / i²`; the numerator
/// does not change along a row, the one of the derivative over a row changes linearly.
#[derive(Clone, Copy)]
pub(in crate::camera) struct Footprint {
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
    pub fn at_columns<S: Simd>(self, columns: Octet<S>, depths_m: Octet<S>) -> Octet<S> {
        (self.per_row.at_columns(columns).abs() + self.per_column) * depths_m * depths_m
    }

    /// An upper bound between two columns.
    #[inline(always)]
    pub fn bound(self, columns: (f32, f32), farthest_m: f32) -> f32 {
        let per_row = self.per_row.at(columns.0).abs().max(self.per_row.at(columns.1).abs());
        (self.per_column + per_row) * farthest_m * farthest_m
    }
}
