//! What a car or a thing beside the road covers of the ground before anything moves, for the test that no two share a place.

use crate::math::{Vec2, sin_cos};
use crate::road::Road;
use crate::scene::Prop;

/// What a body covers of the ground, in the world.
#[derive(Clone, Copy)]
pub(super) struct Rectangle {
    middle: Vec2,
    /// Unit vector along its length.
    along: Vec2,
    half_length_m: f32,
    half_width_m: f32,
}

impl Rectangle {
    /// A body at a place of the road, turned against it by an angle to the left.
    pub fn on_road(road: &Road, (s_m, d_m): (f32, f32), turned_rad: f32, (length_m, width_m): (f32, f32)) -> Self {
        let (sin, cos) = sin_cos(turned_rad);
        Self {
            middle: road.line.to_world(s_m, d_m),
            along: road.line.point(s_m).direction.rotate(Vec2::new(cos, sin)),
            half_length_m: 0.5 * length_m,
            half_width_m: 0.5 * width_m,
        }
    }

    /// The foot of a thing beside the road.
    pub fn of_prop(prop: &Prop) -> Self {
        let (sin, cos) = sin_cos(prop.yaw_rad);
        let (middle, along) = (prop.base.truncate(), Vec2::new(cos, sin));
        Self { middle, along, half_length_m: 0.5 * prop.size.x, half_width_m: 0.5 * prop.size.y }
    }

    /// The same, longer by so much at both ends.
    pub fn longer_by(self, by_m: f32) -> Self {
        Self { half_length_m: self.half_length_m + by_m, ..self }
    }

    /// Whether two rectangles share ground: no side of either separates them.
    pub fn overlaps(&self, other: &Self) -> bool {
        let apart = other.middle - self.middle;
        [self.along, self.along.perp(), other.along, other.along.perp()]
            .into_iter()
            .all(|axis| apart.dot(axis).abs() < self.reach_m(axis) + other.reach_m(axis))
    }

    /// Half of its extent along a unit vector.
    fn reach_m(&self, axis: Vec2) -> f32 {
        self.half_length_m * self.along.dot(axis).abs() + self.half_width_m * self.along.perp_dot(axis).abs()
    }
}
