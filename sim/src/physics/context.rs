//! `bevy_rapier3d`'s components of one world, and what builds a world in them.
//!
//! Of the plug-in only its data is used: its systems insert bodies in the order of entity tables and hash maps, and step all
//! at once, while the wheels must be updated between two steps of the solver.

use super::bodies::{CarPlace, EGO, GRAVITY_MPS2, GROUND, MESH, OTHERS, Obstacle, OtherCar};
use super::ground::GroundSurface;
use crate::class::Class;
use crate::math::{Vec3, yaw_rotation};
use crate::scene::Prop;
use crate::traffic::Traffic;
use crate::vehicle::VehicleSettings;
use bevy::ecs::query::QueryData;
use bevy::prelude::{Bundle, Entity};
use bevy_rapier3d::prelude::{
    RapierContextColliders, RapierContextJoints, RapierContextSimulation, RapierRigidBodySet,
};
use bevy_rapier3d::rapier::prelude::{
    ColliderBuilder, ColliderHandle, Group, InteractionGroups, InteractionTestMode, Pose, RigidBody, RigidBodyBuilder,
    RigidBodyHandle, SharedShape,
};

/// What a world's entity holds of `bevy_rapier3d`.
#[derive(Bundle, Default)]
pub struct ContextBundle {
    /// What steps the rest.
    pub simulation: RapierContextSimulation,
    /// The ego and the other cars.
    pub bodies: RapierRigidBodySet,
    /// Their shapes, those of things beside the road, and the ground.
    pub colliders: RapierContextColliders,
    /// None so far.
    pub joints: RapierContextJoints,
}

/// The same, borrowed from the entity.
#[derive(QueryData)]
#[query_data(mutable)]
pub(crate) struct Context {
    pub simulation: &'static mut RapierContextSimulation,
    pub bodies: &'static mut RapierRigidBodySet,
    pub colliders: &'static mut RapierContextColliders,
    pub joints: &'static mut RapierContextJoints,
}

impl ContextBundle {
    /// A copy to look at, of all but what only a step needs.
    pub(super) fn to_look_at(context: ContextReadOnlyItem) -> Self {
        let mut simulation = RapierContextSimulation::default();
        simulation.narrow_phase = context.simulation.narrow_phase.clone();
        let (bodies, colliders) = (context.bodies.clone(), context.colliders.clone());
        Self { simulation, bodies, colliders, joints: context.joints.clone() }
    }

    /// Inserts what stands beside the road, disabled.
    pub(super) fn insert_obstacles(&mut self, props: &[Prop]) -> Vec<Obstacle> {
        let solid = props.iter().enumerate().filter(|(_, prop)| prop.solid);
        let insert = |(index, prop): (usize, &Prop)| {
            let half = 0.5 * prop.size;
            let pose = Pose::from_parts(prop.base + Vec3::Z * half.z, yaw_rotation(prop.yaw_rad));
            let collider = ColliderBuilder::cuboid(half.x, half.y, half.z)
                .position(pose)
                .collision_groups(groups(OTHERS, EGO))
                .user_data(user_data(prop.class, index))
                .enabled(false);
            let (collider, radius_m) = (self.colliders.colliders.insert(collider), half.length());
            Obstacle { collider, middle: pose.translation, radius_m, enabled: false }
        };
        solid.map(insert).collect()
    }

    /// Inserts the other cars in their order, disabled.
    pub(super) fn insert_cars(&mut self, traffic: &Traffic) -> Vec<OtherCar> {
        let (bodies, colliders) = (&mut self.bodies.bodies, &mut self.colliders.colliders);
        let cars = traffic.cars().iter().enumerate().map(|(index, car)| {
            let half = 0.5 * Vec3::new(car.length_m, car.width_m, car.height_m);
            let body = bodies.insert(RigidBodyBuilder::kinematic_position_based().pose(car.pose()).enabled(false));
            let collider = ColliderBuilder::cuboid(half.x, half.y, half.z)
                .mass(car.mass_kg())
                .friction(0.5)
                .collision_groups(groups(OTHERS, EGO | MESH))
                .user_data(user_data(Class::Vehicle, index));
            colliders.insert_with_parent(collider, body, bodies);
            OtherCar { body, radius_m: half.length(), place: CarPlace::Far }
        });
        cars.collect()
    }

    /// Inserts the ego with a collider that leaves the space of its wheels free.
    pub(super) fn insert_ego(
        &mut self,
        body: RigidBody,
        settings: &VehicleSettings,
    ) -> (RigidBodyHandle, ColliderHandle) {
        let (bodies, colliders) = (&mut self.bodies.bodies, &mut self.colliders.colliders);
        let ego = bodies.insert(body);
        let lift_m = 0.5 * settings.height_m + 0.15 - settings.centre_of_mass_m;
        let half = 0.5 * Vec3::new(settings.length_m, settings.width_m, settings.height_m - 0.3);
        let collider = ColliderBuilder::cuboid(half.x, half.y, half.z)
            .position(Pose::from_translation(Vec3::Z * lift_m))
            .density(0.0)
            .friction(0.4)
            .collision_groups(groups(EGO, OTHERS))
            .user_data(OWNER);
        let collider = colliders.insert_with_parent(collider, ego, bodies);
        // The wheels need the mass before the solver's first step would compute it.
        bodies[ego].recompute_mass_properties_from_colliders(colliders);
        (ego, collider)
    }

    /// Inserts the surface that wheels roll on.
    pub(super) fn insert_ground(&mut self, surface: GroundSurface) {
        let surface = ColliderBuilder::new(SharedShape::new(surface))
            .collision_groups(groups(GROUND, Group::ALL))
            .user_data(OWNER)
            .build();
        let aabb = surface.compute_aabb();
        let surface = self.colliders.colliders.insert(surface);
        // Wheels look for the ground before the solver's first step would make it known.
        let simulation = &mut self.simulation;
        simulation.broad_phase.set_aabb(&simulation.integration_parameters, surface, aabb);
    }
}

impl ContextItem<'_, '_> {
    /// One step of rapier's solver.
    pub(super) fn step_solver(&mut self) {
        let (simulation, joints) = (&mut *self.simulation, &mut *self.joints);
        simulation.pipeline.step(
            GRAVITY_MPS2,
            &simulation.integration_parameters,
            &mut simulation.islands,
            &mut simulation.broad_phase,
            &mut simulation.narrow_phase,
            &mut self.bodies.bodies,
            &mut self.colliders.colliders,
            &mut joints.impulse_joints,
            &mut joints.multibody_joints,
            &mut simulation.ccd_solver,
            &(),
            &(),
        );
    }
}

/// Who is a member of which group, and with which groups it collides.
pub(super) fn groups(member: Group, with: Group) -> InteractionGroups {
    InteractionGroups::new(member, with, InteractionTestMode::And)
}

/// In the lower half of a collider's data `bevy_rapier3d` looks for the entity that owns it, and panics on bits that are none;
/// our colliders have no entity of their own.
pub(super) const OWNER: u128 = Entity::PLACEHOLDER.to_bits() as u128;

/// What a collider is: its class and its number among those of the class.
fn user_data(class: Class, index: usize) -> u128 {
    (u128::from(class as u8) << 96) | (u128::from(index as u32) << 64) | OWNER
}

/// The opposite of [`user_data`].
pub(super) fn read_user_data(data: u128) -> (Class, usize) {
    (Class::from_index((data >> 96) as u8), (data >> 64) as u32 as usize)
}
