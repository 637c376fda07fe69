//! Whose body is whose: other cars, what stands beside the road, and which of them meet.

use crate::math::Vec3;
use bevy_rapier3d::rapier::prelude::{ColliderHandle, Group, RigidBodyHandle, RigidBodySet, RigidBodyType};

pub(super) const GRAVITY_MPS2: Vec3 = Vec3::new(0.0, 0.0, -9.81);

pub(super) const GROUND: Group = Group::GROUP_1;
pub(super) const EGO: Group = Group::GROUP_2;
pub(super) const OTHERS: Group = Group::GROUP_3;
pub(super) const MESH: Group = Group::GROUP_4;

/// Another car's body.
pub(super) struct OtherCar {
    pub body: RigidBodyHandle,
    pub radius_m: f32,
    pub place: CarPlace,
}

impl OtherCar {
    /// Lets physics move the car from here on, with the velocity it has.
    pub fn hand_over(&mut self, bodies: &mut RigidBodySet) {
        self.place = CarPlace::Hit;
        let body = &mut bodies[self.body];
        let velocity = body.linvel();
        body.set_body_type(RigidBodyType::Dynamic, true);
        body.set_linvel(velocity, true);
    }
}

/// Who moves another car.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum CarPlace {
    /// Traffic alone: it is too far away to be touched.
    Far,
    /// Traffic, with a body that follows it.
    Near,
    /// Physics: the ego has touched it.
    Hit,
}

/// A thing beside the road that a car can hit.
pub(super) struct Obstacle {
    pub collider: ColliderHandle,
    pub middle: Vec3,
    pub radius_m: f32,
    pub enabled: bool,
}
