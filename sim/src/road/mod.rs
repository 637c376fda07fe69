//! Roads: a reference line, lanes on both sides of it, and what is painted between them.
//!
//! Traffic keeps to the right. Lanes of the ego's direction lie at negative `d`, oncoming lanes at positive `d`.
//!
//! There is one cross-section for the whole length. Lanes carry neighbours and successors, ready for junctions.

mod generate;
mod line;

use crate::math::{Vec2, Vec3};
pub use generate::{RoadStyle, generate};
pub use line::{CurvePiece, HillWave, LinePoint, RUN_IN_M, RUN_OUT_M, ReferenceLine};
use serde::{Deserialize, Serialize};

/// A lane's number: `0` is the rightmost lane of the ego's direction, higher numbers lie further left; `-1` is the oncoming
/// lane beside the middle, `-2` the next one out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LaneId(pub i8);

impl LaneId {
    /// Whether the lane runs against the reference line.
    #[must_use]
    pub fn is_oncoming(self) -> bool {
        self.0 < 0
    }
}

/// One lane of a road, a node of the lane graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Lane {
    /// Its number on this road.
    pub id: LaneId,
    /// Offset of its centre from the reference line, positive to the left.
    pub centre_d_m: f32,
    /// Width between its markings.
    pub width_m: f32,
    /// The lane on its left as the reference line runs.
    pub left: Option<LaneId>,
    /// The lane on its right as the reference line runs.
    pub right: Option<LaneId>,
    /// Lanes a car may go on to at the lane's end; empty until roads join at junctions.
    pub successors: Vec<LaneId>,
}

/// A painted line along the road.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Marking {
    /// Offset of its middle from the reference line.
    pub d_m: f32,
    /// Width of the paint.
    pub width_m: f32,
    /// Dash and period lengths; `None` is a solid line.
    pub dash: Option<Dash>,
    /// Yellow rather than white.
    pub yellow: bool,
}

/// The rhythm of a dashed line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dash {
    /// Painted length.
    pub length_m: f32,
    /// Painted length and gap.
    pub period_m: f32,
}

/// What is across the road: the same along its whole length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrossSection {
    /// Lanes in the ego's direction, 1 to 3.
    pub lanes: u8,
    /// Lanes against it, 0 to 3.
    pub oncoming_lanes: u8,
    /// Width of every lane.
    pub lane_width_m: f32,
    /// Paved strip outside the outer lanes.
    pub shoulder_m: f32,
    /// Whether a kerb closes the paved strip.
    pub kerb: bool,
}

/// A speed limit from a place on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpeedLimit {
    /// Where the limit begins.
    pub from_s_m: f32,
    /// The limit.
    pub speed_mps: f32,
}

/// A road ready to be driven on.
#[derive(Clone, Debug)]
pub struct Road {
    /// Its reference line.
    pub line: ReferenceLine,
    /// What lies across it.
    pub cross_section: CrossSection,
    /// Lanes from left to right.
    pub lanes: Vec<Lane>,
    /// Paint.
    pub markings: Vec<Marking>,
    /// Limits by rising `from_s_m`; the first begins at or before the start.
    pub speed_limits: Vec<SpeedLimit>,
}

/// A road that cannot be built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RoadError {
    /// A curve tighter than the road is wide would fold it over.
    #[error(
        "segment {segment} has a radius of {radius_m:.1} m, a road {half_width_m:.1} m to each side needs at least {min_radius_m:.1} m"
    )]
    TooTight {
        /// Position in the list of segments.
        segment: usize,
        /// Radius asked for.
        radius_m: f32,
        /// Half of the paved width.
        half_width_m: f32,
        /// Least radius that can be built.
        min_radius_m: f32,
    },
    /// The road runs into itself.
    #[error(
        "the road meets itself: s = {first_s_m:.0} m and s = {second_s_m:.0} m are less than {clearance_m:.0} m apart"
    )]
    MeetsItself {
        /// The earlier place.
        first_s_m: f32,
        /// The later place.
        second_s_m: f32,
        /// The clearance it needs.
        clearance_m: f32,
    },
    /// Hills steeper than any street.
    #[error("the hills' slopes add up to {slope:.2}, allowed is a slope of {max_slope}")]
    TooSteep {
        /// Greatest slopes of all waves together, metres per metre.
        slope: f32,
        /// The bound.
        max_slope: f32,
    },
    /// Too short or too long.
    #[error("the road is {length_m:.1} m long, it must be {min_m} to {max_m} m")]
    Length {
        /// Length asked for.
        length_m: f32,
        /// Least length.
        min_m: f32,
        /// Greatest length.
        max_m: f32,
    },
}

/// Shortest road that can be driven on.
pub const MIN_LENGTH_M: f32 = 20.0;
/// Longest road whose coordinates keep a millimetre in single precision.
pub const MAX_LENGTH_M: f32 = 5000.0;
/// Steepest road: as the steepest street there is, of 34.8 % (Baldwin Street, Dunedin; Guinness World Records 2020).
pub const MAX_SLOPE: f32 = 0.35;
/// Longest road that may be asked for from a seed: the last bends are drawn whole, up to 400 m more than asked for.
pub const MAX_GENERATED_LENGTH_M: f32 = 4600.0;

impl Road {
    /// Builds a road of these pieces.
    ///
    /// # Errors
    /// [`RoadError`] if it would fold over, meet itself, or is too short, too long or too steep.
    pub fn new(
        pieces: &[CurvePiece],
        hills: Vec<HillWave>,
        cross_section: CrossSection,
        markings: Vec<Marking>,
        speed_limits: Vec<SpeedLimit>,
    ) -> Result<Self, RoadError> {
        if let Some(cause) = unbuildable(pieces, &hills, &cross_section).into_iter().next() {
            return Err(cause);
        }
        let half_width_m = cross_section.half_width_m();
        let line = ReferenceLine::new(pieces, hills);
        let clearance_m = 2.0 * half_width_m + 8.0;
        if let Some((first_s_m, second_s_m)) = line.self_approach(clearance_m, 3.5 * clearance_m) {
            return Err(RoadError::MeetsItself { first_s_m, second_s_m, clearance_m });
        }
        Ok(Self { line, lanes: cross_section.build_lanes(), cross_section, markings, speed_limits })
    }

    /// Length that can be driven.
    #[must_use]
    pub fn length_m(&self) -> f32 {
        self.line.length_m()
    }

    /// The lane with this number.
    #[must_use]
    pub fn lane(&self, id: LaneId) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.id == id)
    }

    /// The lane of the ego's direction whose centre is nearest.
    #[must_use]
    pub fn own_lane_at(&self, d_m: f32) -> &Lane {
        self.lanes
            .iter()
            .filter(|lane| !lane.id.is_oncoming())
            .min_by(|a, b| (a.centre_d_m - d_m).abs().total_cmp(&(b.centre_d_m - d_m).abs()))
            .expect("a road has at least one lane of the ego's direction")
    }

    /// The lane whose strip holds `d`, if any.
    #[must_use]
    pub fn lane_at(&self, d_m: f32) -> Option<&Lane> {
        self.lanes.iter().find(|lane| (lane.centre_d_m - d_m).abs() <= 0.5 * lane.width_m)
    }

    /// Point of the road surface at `(s, d)`.
    #[must_use]
    pub fn surface_point(&self, s_m: f32, d_m: f32) -> Vec3 {
        let position: Vec2 = self.line.to_world(s_m, d_m);
        Vec3::new(position.x, position.y, self.line.height_m(s_m))
    }

    /// The surface's rise per metre at `(s, d)`, towards where it rises most, in the ground plane.
    #[must_use]
    pub fn gradient(&self, s_m: f32, d_m: f32) -> Vec2 {
        let point = self.line.point(s_m);
        // Beside the line, a metre of the ground is more or less than a metre of the line.
        let metres_per_metre = (1.0 - point.curvature_per_m * d_m).max(0.2);
        point.direction * (self.line.slope(s_m) / metres_per_metre)
    }

    /// The speed limit at `s`.
    #[must_use]
    pub fn speed_limit_mps(&self, s_m: f32) -> f32 {
        self.speed_limits
            .iter()
            .rev()
            .find(|limit| limit.from_s_m <= s_m)
            .or(self.speed_limits.first())
            .map_or(f32::INFINITY, |limit| limit.speed_mps)
    }
}

/// Why no road can be built of these pieces, as far as that shows before it is: whether it meets itself does not.
pub(crate) fn unbuildable(pieces: &[CurvePiece], hills: &[HillWave], section: &CrossSection) -> Vec<RoadError> {
    let mut causes = Vec::new();
    let length_m = pieces.iter().fold(0.0, |sum, piece| sum + piece.length_m);
    if !(MIN_LENGTH_M..=MAX_LENGTH_M).contains(&length_m) {
        causes.push(RoadError::Length { length_m, min_m: MIN_LENGTH_M, max_m: MAX_LENGTH_M });
    }
    // Waves of unlike lengths come into step somewhere, and those of a file begin so.
    let slope: f32 = hills.iter().map(HillWave::steepest).sum();
    if slope > MAX_SLOPE {
        causes.push(RoadError::TooSteep { slope, max_slope: MAX_SLOPE });
    }
    let half_width_m = section.half_width_m();
    let min_radius_m = half_width_m + 4.0;
    let tight = pieces.iter().enumerate().filter_map(|(segment, piece)| {
        let (start, end) = (piece.start_curvature_per_m, piece.end_curvature_per_m);
        let curvature = start.abs().max(end.abs());
        let cause = RoadError::TooTight { segment, radius_m: 1.0 / curvature, half_width_m, min_radius_m };
        (curvature * min_radius_m > 1.0).then_some((cause, start == end))
    });
    let (arcs, others): (Vec<_>, Vec<_>) = tight.partition(|(_, is_arc)| *is_arc);
    // What leads to an arc is as tight as that is, and no mistake of its own.
    let told = if arcs.is_empty() { others } else { arcs };
    causes.extend(told.into_iter().map(|(cause, _)| cause));
    causes
}

impl CrossSection {
    /// The further end of the paved strip.
    fn half_width_m(&self) -> f32 {
        self.left_edge_m().max(self.right_edge_m().abs())
    }

    /// Left end of the paved strip.
    #[must_use]
    pub fn left_edge_m(&self) -> f32 {
        self.lane_width_m * f32::from(self.oncoming_lanes) + self.shoulder_m
    }

    /// Right end of the paved strip, a negative offset.
    #[must_use]
    pub fn right_edge_m(&self) -> f32 {
        -(self.lane_width_m * f32::from(self.lanes) + self.shoulder_m)
    }

    /// Offset of a lane's centre; `None` if there is no such lane.
    #[must_use]
    pub fn lane_centre_m(&self, id: LaneId) -> Option<f32> {
        let count = if id.is_oncoming() { self.oncoming_lanes } else { self.lanes };
        let from_middle = if id.is_oncoming() { -1 - i16::from(id.0) } else { i16::from(count) - 1 - i16::from(id.0) };
        let inside = (0..i16::from(count)).contains(&from_middle);
        let side = if id.is_oncoming() { 1.0 } else { -1.0 };
        inside.then(|| side * self.lane_width_m * (f32::from(from_middle) + 0.5))
    }

    fn build_lanes(&self) -> Vec<Lane> {
        let oncoming = (1..=self.oncoming_lanes as i8).rev().map(|number| LaneId(-number));
        let own = (0..self.lanes as i8).rev().map(LaneId);
        let ids: Vec<LaneId> = oncoming.chain(own).collect();
        ids.iter()
            .enumerate()
            .filter_map(|(index, &id)| {
                Some(Lane {
                    id,
                    centre_d_m: self.lane_centre_m(id)?,
                    width_m: self.lane_width_m,
                    left: index.checked_sub(1).map(|left| ids[left]),
                    right: ids.get(index + 1).copied(),
                    successors: Vec::new(),
                })
            })
            .collect()
    }

    /// The usual paint: solid at the outside, dashed between lanes of one direction, `middle` between the directions.
    #[must_use]
    pub fn usual_markings(&self, paint_width_m: f32, dash: Dash, middle: Option<Dash>, yellow: bool) -> Vec<Marking> {
        let line = |d_m, dash, yellow| Marking { d_m, width_m: paint_width_m, dash, yellow };
        let left = self.lane_width_m * f32::from(self.oncoming_lanes);
        let right = -self.lane_width_m * f32::from(self.lanes);
        let mut markings = vec![line(right, None, false), line(left, None, self.oncoming_lanes == 0 && yellow)];
        if self.oncoming_lanes > 0 {
            markings.push(line(0.0, middle, yellow));
        }
        for between in 1..self.lanes {
            markings.push(line(-self.lane_width_m * f32::from(between), Some(dash), false));
        }
        for between in 1..self.oncoming_lanes {
            markings.push(line(self.lane_width_m * f32::from(between), Some(dash), false));
        }
        markings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTION: CrossSection =
        CrossSection { lanes: 2, oncoming_lanes: 1, lane_width_m: 3.5, shoulder_m: 1.0, kerb: false };

    fn arc(length_m: f32, curvature: f32) -> CurvePiece {
        CurvePiece { length_m, start_curvature_per_m: curvature, end_curvature_per_m: curvature }
    }

    #[test]
    fn lanes_lie_where_their_numbers_say() {
        let road = Road::new(&[arc(100.0, 0.0)], vec![], SECTION, vec![], vec![]).unwrap();
        let centres: Vec<(i8, f32)> = road.lanes.iter().map(|lane| (lane.id.0, lane.centre_d_m)).collect();
        assert_eq!(centres, [(-1, 1.75), (1, -1.75), (0, -5.25)]);
        assert_eq!(road.lane(LaneId(1)).unwrap().left, Some(LaneId(-1)));
        assert_eq!(road.own_lane_at(2.0).id, LaneId(1));
        assert_eq!(road.lane_at(2.0).unwrap().id, LaneId(-1));
        assert!(road.lane_at(-7.5).is_none());
    }

    #[test]
    fn slopes_add_up_to_at_most_that_of_the_steepest_street() {
        let wave = |amplitude_m, wavelength_m| HillWave { amplitude_m, wavelength_m, phase_rad: 0.0 };
        let built = |hills: Vec<HillWave>| Road::new(&[arc(300.0, 0.0)], hills, SECTION, vec![], vec![]);
        assert!(built(vec![wave(10.0, 314.0)]).is_ok(), "a fifth");
        assert!(built(vec![wave(5.0, 100.0), wave(2.0, 400.0)]).is_ok(), "0.314 and 0.031");
        for hills in [vec![wave(10.0, 50.0)], vec![wave(5.0, 100.0), wave(5.0, 400.0)], vec![wave(1.0, 200.0); 12]] {
            let error = built(hills).unwrap_err();
            assert!(matches!(error, RoadError::TooSteep { slope, .. } if slope > MAX_SLOPE), "{error}");
        }
        let error = built(vec![wave(10.0, 50.0), wave(10.0, 50.0)]).unwrap_err().to_string();
        assert_eq!(error, "the hills' slopes add up to 2.51, allowed is a slope of 0.35");
    }

    #[test]
    fn the_gradient_is_that_of_the_surface() {
        let hill = HillWave { amplitude_m: 2.0, wavelength_m: 150.0, phase_rad: 0.3 };
        let road = Road::new(&[arc(200.0, 0.02)], vec![hill], SECTION, vec![], vec![]).unwrap();
        for (s_m, d_m) in [(20.0, 0.0), (60.0, -6.0), (110.0, 3.0)] {
            let (before, after) = (road.surface_point(s_m - 0.25, d_m), road.surface_point(s_m + 0.25, d_m));
            let step = after - before;
            let rise_m = road.gradient(s_m, d_m).dot(step.truncate());
            assert!((rise_m - step.z).abs() < 1e-3, "{rise_m} m at {s_m} m, expected {} m", step.z);
        }
    }

    #[test]
    fn a_road_that_folds_or_meets_itself_is_refused() {
        let tight = Road::new(&[arc(20.0, 0.0), arc(20.0, 0.2)], vec![], SECTION, vec![], vec![]);
        assert!(matches!(tight, Err(RoadError::TooTight { segment: 1, .. })), "{tight:?}");
        let circle = Road::new(&[arc(300.0, 0.025)], vec![], SECTION, vec![], vec![]);
        assert!(matches!(circle, Err(RoadError::MeetsItself { .. })), "{circle:?}");
        let short = Road::new(&[arc(5.0, 0.0)], vec![], SECTION, vec![], vec![]);
        assert!(matches!(short, Err(RoadError::Length { .. })), "{short:?}");
    }
}
