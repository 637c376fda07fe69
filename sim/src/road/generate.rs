//! Roads from a seed: straights, arcs and clothoids, S-bends, gentle hills, lanes, paint and speed limits.

use super::{CrossSection, CurvePiece, Dash, HillWave, Road, SpeedLimit};
use crate::range;
use crate::seed::{Purpose, Seed, Stream};
use serde::{Deserialize, Serialize};

/// Bounds of what is drawn of a generated road.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoadStyle {
    /// Tightest curvature.
    #[serde(deserialize_with = "range::max_curvature_per_m")]
    pub max_curvature_per_m: f32,
    /// Sideways acceleration that curves are laid out for, at the speed limit.
    #[serde(deserialize_with = "range::comfort_lateral_mps2")]
    pub comfort_lateral_mps2: f32,
    /// Steepest grade.
    #[serde(deserialize_with = "range::max_slope")]
    pub max_slope: f32,
    /// Most lanes in the ego's direction.
    #[serde(deserialize_with = "range::max_lanes")]
    pub max_lanes: u8,
}

impl Default for RoadStyle {
    fn default() -> Self {
        Self { max_curvature_per_m: 0.02, comfort_lateral_mps2: 2.2, max_slope: 0.04, max_lanes: 3 }
    }
}

/// Speed limits that occur, 30 to 60 km/h.
const LIMITS_MPS: [f32; 4] = [30.0 / 3.6, 40.0 / 3.6, 50.0 / 3.6, 60.0 / 3.6];
/// The road never turns further than this from its first direction, so that it cannot meet itself.
const MAX_TURN_RAD: f32 = 1.35;

/// Draws a road of about `length_m`.
///
/// The same seed, length and style give the same road.
#[must_use]
pub fn generate(seed: Seed, length_m: f32, style: &RoadStyle) -> Road {
    let mut stream = seed.stream(Purpose::Road);
    let limit_mps = LIMITS_MPS[stream.below(LIMITS_MPS.len())];
    let max_curvature = (style.comfort_lateral_mps2 / (limit_mps * limit_mps)).min(style.max_curvature_per_m);
    let pieces = draw_pieces(&mut stream, length_m, max_curvature);
    let hills = draw_hills(&mut stream, style.max_slope);
    let lanes = 1 + stream.below(usize::from(style.max_lanes.clamp(1, 3))) as u8;
    let cross_section = CrossSection {
        lanes,
        oncoming_lanes: if stream.chance(0.8) { lanes } else { stream.below(usize::from(lanes) + 1) as u8 },
        lane_width_m: stream.uniform(3.1, 3.75),
        shoulder_m: stream.uniform(0.4, 1.8),
        kerb: stream.chance(0.35),
    };
    let dash_m = stream.uniform(2.5, 5.0);
    let dash = Dash { length_m: dash_m, period_m: dash_m * stream.uniform(2.0, 3.0) };
    let middle = (lanes == 1 && stream.chance(0.6)).then_some(dash);
    let yellow = stream.chance(0.3);
    let markings = cross_section.usual_markings(stream.uniform(0.11, 0.18), dash, middle, yellow);
    let speed_limits = vec![SpeedLimit { from_s_m: f32::NEG_INFINITY, speed_mps: limit_mps }];
    Road::new(&pieces, hills, cross_section, markings, speed_limits)
        .expect("generated curvature and turn are bounded so that every road can be built")
}

/// Alternates straights and bends until the length is reached.
fn draw_pieces(stream: &mut Stream, length_m: f32, max_curvature: f32) -> Vec<CurvePiece> {
    let mut pieces = Vec::new();
    let mut total_m = 0.0;
    let mut heading_rad = 0.0_f32;
    let mut push = |pieces: &mut Vec<CurvePiece>, piece: CurvePiece| {
        total_m += piece.length_m;
        heading_rad += 0.5 * (piece.start_curvature_per_m + piece.end_curvature_per_m) * piece.length_m;
        pieces.push(piece);
        (total_m, heading_rad)
    };
    let straight = |length_m| CurvePiece { length_m, start_curvature_per_m: 0.0, end_curvature_per_m: 0.0 };
    let (mut done_m, mut turned_rad) = push(&mut pieces, straight(stream.uniform(15.0, 40.0)));
    while done_m < length_m {
        let bends = if stream.chance(0.35) { 2 } else { 1 };
        let mut side = if stream.chance(0.5) { 1.0 } else { -1.0 };
        for _ in 0..bends {
            let mut curvature = max_curvature * stream.uniform(0.35, 1.0);
            let transition_m = stream.uniform(10.0, 30.0);
            let mut arc_m = stream.uniform(10.0, 60.0);
            if (turned_rad + side * curvature * (arc_m + transition_m)).abs() > MAX_TURN_RAD {
                side = -turned_rad.signum();
                curvature = curvature.min(MAX_TURN_RAD / (arc_m + transition_m));
                arc_m = arc_m.max(20.0);
            }
            let k = side * curvature;
            let pieces_of_bend = [(transition_m, 0.0, k), (arc_m, k, k), (transition_m, k, 0.0)];
            for (length_m, start_curvature_per_m, end_curvature_per_m) in pieces_of_bend {
                let piece = CurvePiece { length_m, start_curvature_per_m, end_curvature_per_m };
                (done_m, turned_rad) = push(&mut pieces, piece);
            }
            side = -side;
        }
        if stream.chance(0.6) {
            (done_m, turned_rad) = push(&mut pieces, straight(stream.uniform(10.0, 70.0)));
        }
    }
    pieces
}

/// Two waves whose slopes add up to at most the bound.
fn draw_hills(stream: &mut Stream, max_slope: f32) -> Vec<HillWave> {
    (0..2)
        .map(|_| {
            let wavelength_m = stream.uniform(150.0, 450.0);
            let slope = 0.5 * max_slope * stream.uniform(0.0, 1.0);
            HillWave {
                amplitude_m: slope * wavelength_m / std::f32::consts::TAU,
                wavelength_m,
                phase_rad: stream.uniform(0.0, std::f32::consts::TAU),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Split;

    #[test]
    fn generated_roads_keep_their_bounds() {
        let style = RoadStyle::default();
        let (mut left, mut right) = (0, 0);
        for index in 0..300 {
            let road = generate(Seed::of_split(Split::Train, 5, index), 400.0, &style);
            assert!((400.0..=700.0).contains(&road.length_m()), "{}", road.length_m());
            let mut s = 0.0;
            while s < road.length_m() {
                let curvature = road.line.point(s).curvature_per_m;
                assert!(curvature.abs() <= style.max_curvature_per_m + 1e-6);
                assert!(road.line.slope(s).abs() <= style.max_slope + 1e-6);
                left += i32::from(curvature > 0.003);
                right += i32::from(curvature < -0.003);
                s += 5.0;
            }
        }
        let share = f64::from(left) / f64::from(left + right);
        assert!((0.4..0.6).contains(&share), "left bends {share}");
    }
}
