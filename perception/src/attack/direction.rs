//! Directions over the network's outputs: what frames can be changed to say one way, decision after decision.
//!
//! Who hardens a driver draws from these, and who attacks one makes goals of them: a list in one place, so that an evaluation can be
//! held to leave out nothing that a driver was trained against.

use crate::heads::output::{OUTPUTS, Output};

/// A side, as one sees it from the car.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// On the left.
    Left,
    /// On the right.
    Right,
}

/// What is done to the car ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// It is shown, and near, whether it is there or not.
    Lead,
    /// It is hidden, or shown far away.
    NoLead,
}

/// What frames are changed to say. A side is where the car is shown in its lane; the driver steers to the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The offset alone.
    Offset(Side),
    /// Offset, heading and curvature, all so that the car is turned the same way.
    Lane(Side),
    /// The car ahead.
    Lead(Show),
    /// Offset and heading, and the car ahead.
    LaneAndLead(Side, Show),
}

impl Direction {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Offset(Side::Left),
        Self::Offset(Side::Right),
        Self::Lane(Side::Left),
        Self::Lane(Side::Right),
        Self::Lead(Show::Lead),
        Self::Lead(Show::NoLead),
        Self::LaneAndLead(Side::Left, Show::Lead),
        Self::LaneAndLead(Side::Left, Show::NoLead),
        Self::LaneAndLead(Side::Right, Show::Lead),
        Self::LaneAndLead(Side::Right, Show::NoLead),
    ];

    /// The direction, in what one is of each output; expected errors are left alone.
    #[must_use]
    pub fn slopes(self) -> [f32; OUTPUTS] {
        let mut slopes = [0.0; OUTPUTS];
        if let Self::Offset(side) | Self::Lane(side) | Self::LaneAndLead(side, _) = self {
            let left = if side == Side::Left { 1.0 } else { -1.0 };
            slopes[Output::LaneOffset.index()] = left;
            // What turns the car the same way: an offset to the left, a heading to the left, a bend to the right.
            slopes[Output::Heading.index()] = if matches!(self, Self::Offset(_)) { 0.0 } else { left };
            slopes[Output::Curvature.index()] = if matches!(self, Self::Lane(_)) { -left } else { 0.0 };
        }
        if let Self::Lead(show) | Self::LaneAndLead(_, show) = self {
            let away = if show == Show::NoLead { 1.0 } else { -1.0 };
            slopes[Output::Gap.index()] = away;
            slopes[Output::Lead.index()] = -away;
        }
        slopes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_differ_and_leave_expected_errors_alone() {
        for (index, direction) in Direction::ALL.into_iter().enumerate() {
            let slopes = direction.slopes();
            assert!(Direction::ALL[..index].iter().all(|other| other.slopes() != slopes), "{direction:?} twice");
            for output in Output::ALL.into_iter().filter(|output| !Output::PERCEIVED.contains(output)) {
                assert_eq!(slopes[output.index()], 0.0, "{direction:?}, {output:?}");
            }
        }
    }

    /// A car that is shown on one side of its lane, turned to that side, in a bend to the other steers to the other all the more.
    #[test]
    fn the_lane_turns_the_car_one_way_and_sides_mirror_each_other() {
        let [left, right] = [Side::Left, Side::Right].map(|side| Direction::Lane(side).slopes());
        let of = |output: Output| left[output.index()];
        assert_eq!([Output::LaneOffset, Output::Heading, Output::Curvature].map(of), [1.0, 1.0, -1.0]);
        assert_eq!(left.map(|slope| -slope), right);
    }
}
