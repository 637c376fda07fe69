//! The reference line: the curve along the middle of a road, with its curvature and height, and (s, d) coordinates.
//!
//! `s` runs along the line in metres, `d` to its left. The line goes on straight beyond both ends, so that a camera near
//! the end still sees a road and a car may start just before it.

use crate::math::{Vec2, sin_cos, sin_cos_f64, small_direction};

/// A piece of the line over which curvature changes linearly: straight, arc or clothoid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvePiece {
    /// Length along the line.
    pub length_m: f32,
    /// Curvature where the piece starts; positive turns left.
    pub start_curvature_per_m: f32,
    /// Curvature where the piece ends.
    pub end_curvature_per_m: f32,
}

/// One sine wave of the road's height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HillWave {
    /// Height of the crest over the mean.
    pub amplitude_m: f32,
    /// Distance from crest to crest.
    pub wavelength_m: f32,
    /// Phase where `s` is zero.
    pub phase_rad: f32,
}

/// A point of the reference line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinePoint {
    /// Position in the ground plane.
    pub position: Vec2,
    /// Direction of travel, anticlockwise from the x axis.
    pub heading_rad: f32,
    /// The same as a unit vector.
    pub direction: Vec2,
    /// Curvature, positive to the left.
    pub curvature_per_m: f32,
}

/// The reference line, sampled every metre and integrated exactly in between.
#[derive(Clone, Debug)]
pub struct ReferenceLine {
    length_m: f32,
    samples: Vec<LinePoint>,
    hills: Vec<HillWave>,
}

/// Distance between stored samples.
const SPACING_M: f32 = 1.0;
/// How far the line goes on before its start.
pub const RUN_IN_M: f32 = 40.0;
/// How far the line goes on behind its end.
pub const RUN_OUT_M: f32 = 220.0;

impl ReferenceLine {
    /// Integrates the pieces from the origin, heading along x.
    #[must_use]
    pub fn new(pieces: &[CurvePiece], hills: Vec<HillWave>) -> Self {
        let length_m: f32 = pieces.iter().map(|piece| piece.length_m).sum();
        let before = (RUN_IN_M / SPACING_M) as usize;
        let after = ((length_m + RUN_OUT_M) / SPACING_M).ceil() as usize;
        let mut samples: Vec<LinePoint> = (0..before)
            .map(|index| LinePoint {
                position: Vec2::new(index as f32 * SPACING_M - RUN_IN_M, 0.0),
                heading_rad: 0.0,
                direction: Vec2::X,
                curvature_per_m: 0.0,
            })
            .collect();
        let (mut x, mut y, mut heading) = (0.0_f64, 0.0_f64, 0.0_f64);
        let mut curvature = curvature_at(pieces, 0.0);
        for index in 0..=after {
            let (sin, cos) = sin_cos_f64(heading);
            samples.push(LinePoint {
                position: Vec2::new(x as f32, y as f32),
                heading_rad: heading as f32,
                direction: Vec2::new(cos as f32, sin as f32),
                curvature_per_m: curvature as f32,
            });
            let next = curvature_at(pieces, (index + 1) as f32 * SPACING_M);
            let slope = (next - curvature) / f64::from(SPACING_M);
            let (dx, dy) = chord(heading, curvature, slope, f64::from(SPACING_M));
            x += dx;
            y += dy;
            heading += 0.5 * (curvature + next) * f64::from(SPACING_M);
            curvature = next;
        }
        Self { length_m, samples, hills }
    }

    /// Length between start and end, without the straight run-in and run-out.
    #[must_use]
    pub fn length_m(&self) -> f32 {
        self.length_m
    }

    /// The point at `s`, held at the ends of the run-in and run-out.
    #[must_use]
    pub fn point(&self, s_m: f32) -> LinePoint {
        let along = ((s_m + RUN_IN_M) / SPACING_M).clamp(0.0, (self.samples.len() - 1) as f32 - 1e-3);
        let index = along as usize;
        let u = (along - index as f32) * SPACING_M;
        let (from, to) = (&self.samples[index], &self.samples[index + 1]);
        let slope = (to.curvature_per_m - from.curvature_per_m) / SPACING_M;
        let turn_rad = (from.curvature_per_m + 0.5 * slope * u) * u;
        let middle = 0.5 * u;
        let middle_turn_rad = (from.curvature_per_m + 0.5 * slope * middle) * middle;
        // Simpson's rule over at most a metre: with curvature below 0.1 1/m the error is under a micrometre.
        let turn = small_direction(turn_rad);
        let chord = (Vec2::X + small_direction(middle_turn_rad) * 4.0 + turn) * (u / 6.0);
        LinePoint {
            position: from.position + from.direction.rotate(chord),
            heading_rad: from.heading_rad + turn_rad,
            direction: from.direction.rotate(turn),
            curvature_per_m: from.curvature_per_m + slope * u,
        }
    }

    /// Height of the road above the origin at `s`.
    #[must_use]
    pub fn height_m(&self, s_m: f32) -> f32 {
        self.height_and_slope(s_m).0
    }

    /// Height of the road above the origin at `s`, and its rise per metre.
    #[must_use]
    pub fn height_and_slope(&self, s_m: f32) -> (f32, f32) {
        self.hills.iter().fold((0.0, 0.0), |(height_m, slope), hill| {
            let (sin, cos) = sin_cos(hill.angle(s_m));
            (height_m + hill.amplitude_m * sin, slope + hill.steepest() * cos)
        })
    }

    /// Rise per metre at `s`.
    #[must_use]
    pub fn slope(&self, s_m: f32) -> f32 {
        self.height_and_slope(s_m).1
    }

    /// Mean curvature between two places on the line.
    #[must_use]
    pub fn mean_curvature(&self, from_s_m: f32, to_s_m: f32) -> f32 {
        (self.point(to_s_m).heading_rad - self.point(from_s_m).heading_rad) / (to_s_m - from_s_m)
    }

    /// World position of `(s, d)` in the ground plane.
    #[must_use]
    pub fn to_world(&self, s_m: f32, d_m: f32) -> Vec2 {
        let point = self.point(s_m);
        point.position + point.direction.perp() * d_m
    }

    /// The `(s, d)` of a world position: the nearest place on the line, searched around `near_s_m`.
    ///
    /// A drive passes its last `s`; [`Self::locate`] searches the whole line.
    #[must_use]
    pub fn to_line(&self, position: Vec2, near_s_m: f32) -> (f32, f32) {
        let mut s_m = near_s_m;
        for _ in 0..12 {
            let point = self.point(s_m);
            let offset = position - point.position;
            let (along, across) = (offset.dot(point.direction), point.direction.perp_dot(offset));
            // Newton's step on "the offset is perpendicular to the line", kept away from the centre of curvature.
            let step = along / (1.0 - point.curvature_per_m * across).max(0.2);
            s_m = (s_m + step.clamp(-20.0, 20.0)).clamp(-RUN_IN_M, self.length_m + RUN_OUT_M - SPACING_M);
            if step.abs() < 2e-5 {
                break;
            }
        }
        let point = self.point(s_m);
        (s_m, point.direction.perp_dot(position - point.position))
    }

    /// The `(s, d)` of a world position anywhere along the line.
    #[must_use]
    pub fn locate(&self, position: Vec2) -> (f32, f32) {
        let nearest = self
            .samples
            .iter()
            .enumerate()
            .min_by(|(_, a), (_, b)| {
                a.position.distance_squared(position).total_cmp(&b.position.distance_squared(position))
            })
            .map_or(0, |(index, _)| index);
        self.to_line(position, nearest as f32 * SPACING_M - RUN_IN_M)
    }

    /// Two places further than `apart_m` along the line that come closer than `clearance_m`, if any.
    pub(crate) fn self_approach(&self, clearance_m: f32, apart_m: f32) -> Option<(f32, f32)> {
        let stride = 4;
        let coarse: Vec<(usize, Vec2)> =
            self.samples.iter().enumerate().step_by(stride).map(|(i, p)| (i, p.position)).collect();
        let spacing_m = stride as f32 * SPACING_M;
        for (k, (i, a)) in coarse.iter().enumerate() {
            let mut next = k + 1 + (apart_m / spacing_m) as usize;
            while let Some((j, b)) = coarse.get(next) {
                let too_far_m = a.distance(*b) - clearance_m;
                if too_far_m < 0.0 {
                    return Some((*i as f32 * SPACING_M - RUN_IN_M, *j as f32 * SPACING_M - RUN_IN_M));
                }
                // No line comes closer by more than it is long.
                next += 1 + (too_far_m / spacing_m) as usize;
            }
        }
        None
    }
}

impl HillWave {
    /// Its greatest rise per metre.
    #[must_use]
    pub fn steepest(&self) -> f32 {
        self.amplitude_m * std::f32::consts::TAU / self.wavelength_m
    }

    fn angle(&self, s_m: f32) -> f32 {
        std::f32::consts::TAU * s_m / self.wavelength_m + self.phase_rad
    }
}

fn curvature_at(pieces: &[CurvePiece], s_m: f32) -> f64 {
    let mut start = 0.0;
    for piece in pieces {
        if s_m < start + piece.length_m {
            let share = ((s_m - start) / piece.length_m).max(0.0);
            let change = piece.end_curvature_per_m - piece.start_curvature_per_m;
            return f64::from(piece.start_curvature_per_m + change * share);
        }
        start += piece.length_m;
    }
    0.0
}

/// Displacement over `u` metres with linear curvature, by Gauss's rule with three nodes.
fn chord(heading: f64, curvature: f64, slope: f64, u: f64) -> (f64, f64) {
    const NODES: [(f64, f64); 3] =
        [(0.112_701_665_379_258_3, 5.0 / 18.0), (0.5, 8.0 / 18.0), (0.887_298_334_620_741_7, 5.0 / 18.0)];
    NODES.iter().fold((0.0, 0.0), |(x, y), (node, weight)| {
        let t = node * u;
        let (sin, cos) = sin_cos_f64(heading + (curvature + 0.5 * slope * t) * t);
        (x + weight * u * cos, y + weight * u * sin)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::road::MAX_LENGTH_M;

    fn s_bend() -> ReferenceLine {
        let piece =
            |length_m, start, end| CurvePiece { length_m, start_curvature_per_m: start, end_curvature_per_m: end };
        ReferenceLine::new(
            &[piece(30.0, 0.0, 0.0), piece(20.0, 0.0, 0.02), piece(40.0, 0.02, 0.02), piece(40.0, 0.02, -0.02)],
            vec![],
        )
    }

    #[test]
    fn arc_closes_a_circle() {
        let radius = 50.0;
        let arc = CurvePiece {
            length_m: std::f32::consts::TAU * radius,
            start_curvature_per_m: 1.0 / radius,
            end_curvature_per_m: 1.0 / radius,
        };
        let half = ReferenceLine::new(&[arc], vec![]).point(std::f32::consts::PI * radius);
        assert!((half.position - Vec2::new(0.0, 2.0 * radius)).length() < 2e-3, "{half:?}");
    }

    #[test]
    fn s_d_round_trip_is_within_a_millimetre() {
        let line = s_bend();
        for step in 0..260 {
            let s = step as f32 * 0.5;
            for d in [-9.0, -3.5, -0.1, 0.0, 1.75, 8.0] {
                let (found_s, found_d) = line.to_line(line.to_world(s, d), s + 3.0);
                assert!((found_s - s).abs() < 1e-3 && (found_d - d).abs() < 1e-3, "{s} {d}: {found_s} {found_d}");
                let (found_s, found_d) = line.locate(line.to_world(s, d));
                assert!((found_s - s).abs() < 1e-3 && (found_d - d).abs() < 1e-3, "{s} {d}: {found_s} {found_d}");
            }
        }
    }

    #[test]
    fn the_longest_roads_keep_the_millimetre() {
        // A weave as long as a road may be: coordinates are largest, and single precision coarsest, at its end.
        let bend = |start, end| CurvePiece { length_m: 50.0, start_curvature_per_m: start, end_curvature_per_m: end };
        let weave = [bend(0.0, 0.01), bend(0.01, -0.01), bend(-0.01, 0.0)];
        let pieces: Vec<CurvePiece> = weave.iter().copied().cycle().take(MAX_LENGTH_M as usize / 50).collect();
        let line = ReferenceLine::new(&pieces, vec![]);
        let mut s = 0.0;
        while s < line.length_m() {
            for d in [-9.0, -1.75, 0.0, 8.0] {
                let (found_s, found_d) = line.to_line(line.to_world(s, d), s + 2.0);
                assert!((found_s - s).abs() < 1e-3 && (found_d - d).abs() < 1e-3, "{s} {d}: {found_s} {found_d}");
            }
            s += 7.3;
        }
    }

    #[test]
    fn slope_is_the_derivative_of_height() {
        let hill = HillWave { amplitude_m: 2.0, wavelength_m: 150.0, phase_rad: 0.3 };
        let line = ReferenceLine::new(
            &[CurvePiece { length_m: 300.0, start_curvature_per_m: 0.0, end_curvature_per_m: 0.0 }],
            vec![hill],
        );
        for s in [0.0, 40.0, 111.0] {
            let numeric = (line.height_m(s + 0.5) - line.height_m(s - 0.5)) / 1.0;
            assert!((numeric - line.slope(s)).abs() < 1e-3);
        }
    }
}
