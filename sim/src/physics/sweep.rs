//! When two boxes overlap that move past each other along a straight line: what lies between the poses of two physics steps.

use crate::math::{Quat, Vec3};

/// A box of the world.
#[derive(Clone, Copy, Debug)]
pub(super) struct BoxAt {
    /// Its middle.
    middle: Vec3,
    /// Directions of its length, width and height.
    axes: [Vec3; 3],
    /// Half of its length, width and height.
    half: Vec3,
}

/// The part of a movement in which two boxes overlap: shares of the way, `0` where it starts and `1` where it ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Overlap {
    /// Where it begins; negative if they overlap from before the start.
    pub from: f32,
    /// Where it ends.
    pub to: f32,
}

impl BoxAt {
    /// A box with its middle there, turned so.
    pub fn new(middle: Vec3, rotation: Quat, half: Vec3) -> Self {
        Self { middle, axes: [rotation * Vec3::X, rotation * Vec3::Y, rotation * Vec3::Z], half }
    }

    /// When it overlaps another box that moves by `way` against it, neither of them turning.
    ///
    /// # Source
    /// Separating axes: Gottschalk, Lin and Manocha 1996, "A Hierarchical Structure for Rapid Interference Detection"; of moving
    /// boxes: Eberly 1999, "Dynamic Collision Detection using Oriented Bounding Boxes".
    pub fn overlap(&self, other: &Self, way: Vec3) -> Option<Overlap> {
        let apart = other.middle - self.middle;
        let mut overlap = Overlap { from: f32::NEG_INFINITY, to: f32::INFINITY };
        let edges = self.axes.into_iter().flat_map(|own| other.axes.map(|others| own.cross(others)));
        let axes = self.axes.into_iter().chain(other.axes).chain(edges.filter(|axis| axis.length_squared() > 1e-4));
        for axis in axes {
            let (at_m, by_m, reach_m) = (apart.dot(axis), way.dot(axis), self.reach_m(axis) + other.reach_m(axis));
            if by_m.abs() < 1e-9 {
                if at_m.abs() > reach_m {
                    return None;
                }
                continue;
            }
            let (one, two) = ((-reach_m - at_m) / by_m, (reach_m - at_m) / by_m);
            overlap = Overlap { from: overlap.from.max(one.min(two)), to: overlap.to.min(one.max(two)) };
            if overlap.from > overlap.to {
                return None;
            }
        }
        Some(overlap)
    }

    /// Whether a sphere around its corners and another sphere, which moves by `way` against it, may touch.
    pub fn is_near(&self, middle: Vec3, radius_m: f32, way: Vec3) -> bool {
        let within_m = self.half.length() + radius_m + way.length();
        middle.distance_squared(self.middle) < within_m * within_m
    }

    /// Half of its extent along a vector, times the vector's length.
    fn reach_m(&self, axis: Vec3) -> f32 {
        let [x, y, z] = self.axes;
        self.half.dot(Vec3::new(x.dot(axis).abs(), y.dot(axis).abs(), z.dot(axis).abs()))
    }
}

impl Overlap {
    /// Whether the boxes were apart at the start and are again at the end, so that only the way between shows that they met.
    pub fn is_between(self) -> bool {
        self.from >= 0.0 && self.to < 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::{pitch_rotation, yaw_rotation};
    use crate::seed::{Purpose, Seed};

    #[test]
    fn a_thin_sign_is_met_where_the_way_crosses_it() {
        let car = BoxAt::new(Vec3::ZERO, Quat::IDENTITY, Vec3::new(2.0, 0.9, 0.6));
        let sign = BoxAt::new(Vec3::new(5.0, 1.0, 0.0), Quat::IDENTITY, Vec3::new(0.05, 0.3, 1.0));
        let met = car.overlap(&sign, Vec3::X * -10.0).expect("the car drives over it");
        assert!((met.from - 0.295).abs() < 1e-5 && (met.to - 0.705).abs() < 1e-5 && met.is_between(), "{met:?}");
        assert!(car.overlap(&sign, Vec3::new(-10.0, 2.0, 0.0)).is_none(), "past it");
        let inside = car.overlap(&sign, Vec3::X * -5.0).expect("the car ends on it");
        assert!(!inside.is_between(), "{inside:?}");
        assert!(car.overlap(&sign, Vec3::X * -1.0).is_none_or(|overlap| overlap.from > 1.0), "short of it");
    }

    #[test]
    fn turned_boxes_overlap_when_points_of_one_are_in_the_other() {
        let mut stream = Seed(8).stream(Purpose::Traffic);
        let mut met = 0;
        for _ in 0..400 {
            let mut draw = |half_m: f32| stream.uniform(-half_m, half_m);
            let mut turned = |half: Vec3, reach_m: f32| {
                let rotation = yaw_rotation(draw(3.0)) * pitch_rotation(draw(0.4));
                (BoxAt::new(Vec3::new(draw(reach_m), draw(reach_m), draw(1.0)), rotation, half), rotation)
            };
            let (one, one_rotation) = turned(Vec3::new(2.0, 0.9, 0.7), 1.0);
            let (other, other_rotation) = turned(Vec3::new(0.6, 0.3, 1.0), 6.0);
            let way = Vec3::new(draw(12.0), draw(12.0), draw(1.0));
            let found = one.overlap(&other, way);
            // Points of the other box, carried along in small steps; touching by less than their spacing stays unseen.
            let sampled = (0..=200).any(|step| {
                let at = other.middle + way * (step as f32 / 200.0) - one.middle;
                (0..27).any(|point| {
                    let share = |place: i32| (point / place % 3 - 1) as f32;
                    let corner = Vec3::new(0.6 * share(1), 0.3 * share(3), share(9));
                    let seen = one_rotation.inverse() * (at + other_rotation * corner);
                    seen.x.abs() < 2.0 && seen.y.abs() < 0.9 && seen.z.abs() < 0.7
                })
            });
            let within = found.is_some_and(|overlap| overlap.from <= 1.0 && overlap.to >= 0.0);
            assert!(within || !sampled, "{one:?} {other:?} {way}");
            met += i32::from(sampled);
            if let Some(overlap) = found.filter(|_| !sampled) {
                let touching_m = (overlap.to.min(1.0) - overlap.from.max(0.0)) * way.length();
                assert!(touching_m < 1.5, "{touching_m} m of overlap unseen");
            }
        }
        assert!(met > 50, "{met} of 400 met");
    }
}
