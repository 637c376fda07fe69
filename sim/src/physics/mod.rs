//! One world's physics: the ground, the ego on its wheels, other cars and what stands beside the road, in rapier.
//!
//! The sets are `bevy_rapier3d`'s components (`context.rs`), stepped here: bodies are inserted in file order whatever the entity
//! tables look like, and the wheels are updated in every physics step, between two steps of the solver.
//!
//! What costs is kept small around the ego: cars and things beside the road that nothing can touch within the decision
//! have no collider enabled, wheels cast their rays at a shape of our own (`ground.rs`), and only a car that was hit
//! lies on a mesh. What lies between the poses of two steps is found by sweeping the ego's box (`sweep.rs`), so that no
//! speed, size or step lets it through.
//!
//! # The same bits on every x86-64 machine
//! Sines come from `libm`, in `math.rs` and by the feature `libm` of `glamx` in glam and rapier (a test holds it). rapier's feature
//! `enhanced-determinism` would promise more, but does not compile beside bevy 0.19: it turns on glam's `scalar-math`, whose masks
//! lack what bevy's reflection asks for. Without it quaternions are computed with SSE2, by sums, products, quotients and roots,
//! which IEEE 754 fixes to the bit: the program holds no instruction that estimates a reciprocal or a root, and the library of
//! scenarios has the same traces with each instruction set switched off, and on emulated processors from SSE3 to AVX2. A build
//! for more than plain x86-64 (`target-feature=+fma`) may fuse products and is another program. On other architectures glam adds
//! in another order: drives there have bits of their own, which nobody has compared. rapier's hash maps have fixed seeds, and
//! nothing walks them in a step.
//!
//! It also costs less: physics takes 12 % fewer instructions than with rapier 0.36.1 and scalar arithmetic (counted by callgrind
//! over 16 drives of the library).

mod bodies;
mod context;
mod ground;
mod sweep;

pub use context::ContextBundle;
pub(crate) use context::{Context, ContextReadOnly};

use crate::class::Class;
use crate::math::{Quat, Vec2, Vec3, atan2, pitch_rotation, yaw_rotation};
use crate::outcome::measures::Contact;
use crate::road::Road;
use crate::scene::Prop;
use crate::traffic::Traffic;
use crate::vehicle::{Controls, EgoState, Vehicle, VehicleSettings};
use bevy::prelude::Component;
#[cfg(test)]
use bevy::prelude::{Entity, World};
use bevy_rapier3d::prelude::RapierRigidBodySet;
use bevy_rapier3d::rapier::prelude::{
    ColliderHandle, ColliderSet, Group, MassProperties, Pose, QueryFilter, RigidBody, RigidBodyBuilder,
    RigidBodyHandle, RigidBodySet, RigidBodyVelocity,
};
use bodies::{CarPlace, GRAVITY_MPS2, GROUND, MESH, OTHERS, Obstacle, OtherCar};
use context::{ContextItem, ContextReadOnlyItem, OWNER, groups, read_user_data};
use ground::{GroundMesh, GroundSurface};
use std::sync::Arc;
use sweep::{BoxAt, Overlap};

/// Whatever keeps this distance between its body and the ego's during a decision is left out of physics.
const CLEARANCE_M: f32 = 5.0;
/// Neither the ego nor another car gains speed faster than this, but on tyres twice as good as any; as the reach below counts
/// the whole gain from the start, these are covered too.
const MAX_ACCELERATION_MPS2: f32 = 15.0;
/// Passes of the solver over contacts in a physics step. Contacts are rare and end most drives: half of rapier's number
/// keeps bodies apart.
const SOLVER_ITERATIONS: usize = 2;

/// Whose body is whose in one world, and what rapier does not know: the wheels, who is near, the mesh laid so far.
#[derive(Component)]
pub(crate) struct Physics {
    vehicle: Vehicle,
    ego: RigidBodyHandle,
    ego_collider: ColliderHandle,
    cars: Vec<OtherCar>,
    obstacles: Vec<Obstacle>,
    mesh: GroundMesh,
    contact: Option<Contact>,
}

/// One world's physics for whoever draws it.
pub struct PhysicsShown {
    /// `bevy_rapier3d`'s components, for its own debug renderer.
    pub context: ContextBundle,
    /// Each wheel's ray, from the spring's upper end to the ground, or as far as it reaches.
    pub wheel_rays: [[Vec3; 2]; 4],
}

/// Where the ego starts, in road coordinates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StartPose {
    pub s_m: f32,
    pub d_m: f32,
    pub relative_heading_rad: f32,
    pub speed_mps: f32,
}

impl Physics {
    /// Builds a world: what stands beside the road, the other cars, the ego, the ground under it.
    pub fn new(
        road: &Arc<Road>,
        props: &[Prop],
        traffic: &Traffic,
        settings: VehicleSettings,
        start: StartPose,
    ) -> (Self, ContextBundle) {
        let mut context = ContextBundle::default();
        let parameters = &mut context.simulation.integration_parameters;
        parameters.num_solver_iterations = SOLVER_ITERATIONS;
        parameters.max_ccd_substeps = 0;
        let (obstacles, cars) = (context.insert_obstacles(props), context.insert_cars(traffic));
        let (ego, ego_collider) = context.insert_ego(ego_body(road, &settings, start), &settings);
        context.insert_ground(GroundSurface::new(road.clone(), start.s_m));
        let vehicle = Vehicle::new(settings, ego);
        (Self { vehicle, ego, ego_collider, cars, obstacles, mesh: GroundMesh::new(road), contact: None }, context)
    }

    /// One decision: `substeps` physics steps of `dt_s`, other cars moving along.
    pub fn step(
        &mut self,
        context: &mut ContextItem,
        controls: Controls,
        road: &Road,
        traffic: &mut Traffic,
        dt_s: f32,
        substeps: u8,
    ) {
        let decision_s = dt_s * f32::from(substeps);
        context.simulation.integration_parameters.dt = dt_s;
        self.enable_near_cars(&mut context.bodies.bodies, traffic, decision_s);
        self.enable_near_obstacles(context, decision_s);
        self.lay_mesh(context, road, traffic, decision_s);
        for _ in 0..substeps {
            traffic.advance(dt_s);
            self.place_cars(&mut context.bodies.bodies, road, traffic);
            self.step_wheels(context, controls, dt_s);
            let ego = &context.bodies.bodies[self.ego];
            let (before, ego_from) = (*ego.vels(), *ego.position());
            context.step_solver();
            let hit = self.note_contact(context, traffic, before);
            if hit || self.note_passage(context, traffic, ego_from, dt_s) {
                self.lay_mesh(context, road, traffic, decision_s);
            }
        }
        self.settle_cars(&context.bodies.bodies, road, traffic);
    }

    /// The forces of the wheels for one physics step.
    fn step_wheels(&mut self, context: &mut ContextItem, controls: Controls, dt_s: f32) {
        let bodies = &mut context.bodies.bodies;
        // Wheels cancel the speed they find. They must find what gravity is about to add along the ground as well, or a
        // braked car creeps down every slope.
        let downhill = self.downhill_mps2(bodies) * dt_s;
        self.accelerate_ego(bodies, downhill);
        let simulation = &context.simulation;
        let queries = simulation.broad_phase.as_query_pipeline_mut(
            simulation.narrow_phase.query_dispatcher(),
            bodies,
            &mut context.colliders.colliders,
            QueryFilter::default().groups(groups(Group::ALL, GROUND)),
        );
        self.vehicle.step(controls, dt_s, queries);
        self.accelerate_ego(bodies, -downhill);
    }

    /// The first contact of the ego with anything but the ground.
    pub fn contact(&self) -> Option<Contact> {
        self.contact
    }

    /// Position, rotation and speeds of the ego; `previous` gives the acceleration and where to look on the road.
    pub fn ego_state(
        &self,
        bodies: &RapierRigidBodySet,
        road: &Road,
        previous: &EgoState,
        decision_s: f32,
    ) -> EgoState {
        let body = &bodies.bodies[self.ego];
        let (position, rotation): (Vec3, Quat) = (body.translation(), *body.rotation());
        let velocity_mps: Vec3 = body.linvel();
        let forward = rotation * Vec3::X;
        let speed_mps = forward.dot(velocity_mps);
        let (s_m, d_m) = road.line.to_line(position.truncate(), previous.s_m);
        EgoState {
            position,
            rotation,
            velocity_mps,
            speed_mps,
            acceleration_mps2: (speed_mps - previous.speed_mps) / decision_s,
            yaw_rate_rad_per_s: body.angvel().z,
            steer_rad: self.vehicle.steer_rad,
            heading_rad: atan2(forward.y, forward.x),
            slope: road.gradient(s_m, d_m).dot(forward.truncate().normalize_or_zero()),
            s_m,
            d_m,
            lane: road.own_lane_at(d_m).id,
        }
    }

    /// A copy to look at.
    pub fn shown(&self, context: ContextReadOnlyItem) -> PhysicsShown {
        PhysicsShown { context: ContextBundle::to_look_at(context), wheel_rays: self.vehicle.rays() }
    }

    /// Turns the ego's steering without delay, for a start in a bend.
    pub fn set_steer(&mut self, steer_rad: f32) {
        self.vehicle.steer_rad = steer_rad;
    }

    /// Pushes the ego: a sideways speed and a turn, as a gust or a pothole would.
    pub fn disturb(&self, bodies: &mut RapierRigidBodySet, sideways_mps: f32, yaw_rate_rad_per_s: f32) {
        let body = &mut bodies.bodies[self.ego];
        let sideways = *body.rotation() * Vec3::Y * sideways_mps;
        body.set_linvel(body.linvel() + sideways, true);
        body.set_angvel(body.angvel() + Vec3::Z * yaw_rate_rad_per_s, true);
    }

    /// Lays the mesh that cars which were hit may touch during a decision.
    fn lay_mesh(&mut self, context: &mut ContextItem, road: &Road, traffic: &Traffic, decision_s: f32) {
        for (own, car) in self.cars.iter().zip(traffic.cars()).filter(|(own, _)| own.place == CarPlace::Hit) {
            let body = &context.bodies.bodies[own.body];
            let (s_m, _) = road.line.to_line(body.translation().truncate(), car.s_m);
            let reach_m = (body.linvel().length() + MAX_ACCELERATION_MPS2 * decision_s) * decision_s;
            for mesh in self.mesh.lay(road, s_m, reach_m) {
                let mesh = mesh.friction(0.6).collision_groups(groups(MESH, OTHERS)).user_data(OWNER);
                context.colliders.colliders.insert(mesh);
            }
        }
    }

    /// Distance between the middle of the ego and that of something without a size within which they may touch during a
    /// decision, if it does not move.
    fn reach_m(&self, bodies: &RigidBodySet, decision_s: f32) -> f32 {
        let speed_mps = bodies[self.ego].linvel().length() + MAX_ACCELERATION_MPS2 * decision_s;
        let size = &self.vehicle.settings;
        let radius_m = 0.5 * Vec3::new(size.length_m, size.width_m, size.height_m).length();
        radius_m + CLEARANCE_M + speed_mps * decision_s
    }

    /// Enables the cars that the ego may touch during a decision.
    fn enable_near_cars(&mut self, bodies: &mut RigidBodySet, traffic: &Traffic, decision_s: f32) {
        let (ego, reach_m) = (bodies[self.ego].translation(), self.reach_m(bodies, decision_s));
        for (own, car) in self.cars.iter_mut().zip(traffic.cars()) {
            if own.place == CarPlace::Hit {
                continue;
            }
            let pose = car.pose();
            let along_mps = car.speed_mps.abs() + MAX_ACCELERATION_MPS2 * decision_s;
            let closing_mps = Vec2::new(along_mps, car.sideways_mps()).length();
            let within_m = reach_m + own.radius_m + closing_mps * decision_s;
            let near = pose.translation.distance_squared(ego) < within_m * within_m;
            let place = if near { CarPlace::Near } else { CarPlace::Far };
            // A body that is looked up for writing counts as changed: leave alone those that stay what they are.
            if place != own.place {
                own.place = place;
                let body = &mut bodies[own.body];
                body.set_enabled(near);
                if near {
                    body.set_position(pose, false);
                }
            }
        }
    }

    /// The same for what stands beside the road: a tree of few colliders is cheap to keep and to cast rays through.
    fn enable_near_obstacles(&mut self, context: &mut ContextItem, decision_s: f32) {
        let bodies = &context.bodies.bodies;
        let (ego, reach_m) = (bodies[self.ego].translation(), self.reach_m(bodies, decision_s));
        for obstacle in &mut self.obstacles {
            let within_m = reach_m + obstacle.radius_m;
            let near = obstacle.middle.distance_squared(ego) < within_m * within_m;
            if near != obstacle.enabled {
                obstacle.enabled = near;
                context.colliders.colliders[obstacle.collider].set_enabled(near);
            }
        }
    }

    fn place_cars(&self, bodies: &mut RigidBodySet, road: &Road, traffic: &mut Traffic) {
        for (index, own) in self.cars.iter().enumerate() {
            if own.place == CarPlace::Near {
                bodies[own.body].set_next_kinematic_position(traffic.place(index, road));
            }
        }
    }

    /// Gravity's part along the plane the ego stands on.
    fn downhill_mps2(&self, bodies: &RigidBodySet) -> Vec3 {
        let up = *bodies[self.ego].rotation() * Vec3::Z;
        GRAVITY_MPS2 - up * GRAVITY_MPS2.dot(up)
    }

    fn accelerate_ego(&self, bodies: &mut RigidBodySet, by_mps: Vec3) {
        let body = &mut bodies[self.ego];
        body.set_linvel(body.linvel() + by_mps, true);
    }

    /// Keeps the first contact, and says whether another car was hit for the first time; `before` is the ego's motion before
    /// the solver resolved it.
    fn note_contact(
        &mut self,
        context: &mut ContextItem,
        traffic: &mut Traffic,
        before: RigidBodyVelocity<f32>,
    ) -> bool {
        let mut hit = false;
        let bodies = &mut context.bodies.bodies;
        for pair in context.simulation.narrow_phase.contact_pairs_with(self.ego_collider) {
            if !pair.has_any_active_contact() {
                continue;
            }
            let other = if pair.collider1 == self.ego_collider { pair.collider2 } else { pair.collider1 };
            let Some(collider) = context.colliders.colliders.get(other) else { continue };
            let (class, index) = read_user_data(collider.user_data);
            if self.contact.is_none() {
                let other_mps = collider.parent().map_or(Vec3::ZERO, |handle| bodies[handle].linvel());
                self.contact = Some(Contact { class, index, closing_speed_mps: (before.linvel - other_mps).length() });
            }
            if class == Class::Vehicle && !traffic.cars()[index].hit {
                // From here on the other car is a body like any other: it is pushed, turns and slows down. The solver has
                // just taken it for a wall, so the ego gets its motion back and the next step resolves the contact.
                bodies[self.ego].set_vels(before, true);
                hit = true;
                self.cars[index].hand_over(bodies);
                traffic.hit(index);
            }
        }
        hit
    }

    /// Keeps a first contact that lies between the poses of two physics steps, which the solver cannot see, and puts both bodies
    /// back to where they met; says whether another car was hit. `ego_from` is where the ego was before the step.
    fn note_passage(&mut self, context: &mut ContextItem, traffic: &mut Traffic, ego_from: Pose, dt_s: f32) -> bool {
        /// Bodies are put so far into each other that the next step finds them touching.
        const INTO_M: f32 = 0.02;
        if self.contact.is_some() {
            return false;
        }
        let (bodies, colliders) = (&mut context.bodies.bodies, &context.colliders.colliders);
        let ego_to = *bodies[self.ego].position();
        let Some((collider, way, overlap)) = self.first_passage(bodies, colliders, ego_from, ego_to, dt_s) else {
            return false;
        };
        let way_m = way.length();
        let at = (overlap.from + INTO_M / way_m).min(0.5 * (overlap.from + overlap.to));
        let ego_at = Pose::from_parts(
            ego_from.translation.lerp(ego_to.translation, at),
            ego_from.rotation.lerp(ego_to.rotation, at),
        );
        bodies[self.ego].set_position(ego_at, true);
        let (class, index) = read_user_data(colliders[collider].user_data);
        self.contact = Some(Contact { class, index, closing_speed_mps: way_m / dt_s });
        if let Some(handle) = colliders[collider].parent() {
            let body = &mut bodies[handle];
            let back = body.linvel() * (dt_s * (1.0 - at));
            body.set_position(Pose::from_parts(body.translation() - back, *body.rotation()), true);
            self.cars[index].hand_over(bodies);
            traffic.hit(index);
        }
        class == Class::Vehicle
    }

    /// What the ego met first on its way from one pose to another, only to leave it again: its collider, its way against the
    /// ego's and when.
    fn first_passage(
        &self,
        bodies: &RigidBodySet,
        colliders: &ColliderSet,
        from: Pose,
        to: Pose,
        dt_s: f32,
    ) -> Option<(ColliderHandle, Vec3, Overlap)> {
        let box_of = |collider: ColliderHandle, pose: Pose| {
            let half = colliders[collider].shape().as_cuboid()?.half_extents;
            Some(BoxAt::new(pose.translation, pose.rotation, half))
        };
        let lift = colliders[self.ego_collider].position_wrt_parent().map_or(Vec3::ZERO, |pose| pose.translation);
        let rotation = from.rotation.lerp(to.rotation, 0.5);
        let ego = box_of(self.ego_collider, Pose::from_parts(from.translation + rotation * lift, rotation))?;
        let ego_way = to.translation - from.translation;
        let cars = self.cars.iter().filter(|own| own.place == CarPlace::Near).filter_map(|own| {
            let body = &bodies[own.body];
            let by = body.linvel() * dt_s;
            let (at, way) = (body.translation() - by, by - ego_way);
            let collider = *body.colliders().first()?;
            ego.is_near(at, own.radius_m, way).then_some((collider, Pose::from_parts(at, *body.rotation()), way))
        });
        let standing = self.obstacles.iter().filter_map(|obstacle| {
            let near = obstacle.enabled && ego.is_near(obstacle.middle, obstacle.radius_m, -ego_way);
            near.then(|| (obstacle.collider, *colliders[obstacle.collider].position(), -ego_way))
        });
        cars.chain(standing)
            .filter_map(|(collider, pose, way)| {
                let overlap = ego.overlap(&box_of(collider, pose)?, way)?;
                overlap.is_between().then_some((collider, way, overlap))
            })
            .min_by(|(.., a), (.., b)| a.from.total_cmp(&b.from))
    }

    /// Takes over where physics has moved the cars that were hit, and moves on those that are too far away for it.
    fn settle_cars(&self, bodies: &RigidBodySet, road: &Road, traffic: &mut Traffic) {
        for (index, own) in self.cars.iter().enumerate() {
            match own.place {
                CarPlace::Near => {}
                CarPlace::Hit => {
                    let body = &bodies[own.body];
                    traffic.set_hit_pose(index, *body.position(), body.linvel().length());
                }
                CarPlace::Far => {
                    traffic.place(index, road);
                }
            }
        }
    }
}

fn ego_body(road: &Road, settings: &VehicleSettings, start: StartPose) -> RigidBody {
    let surface = road.surface_point(start.s_m, start.d_m);
    let heading_rad = road.line.point(start.s_m).heading_rad + start.relative_heading_rad;
    let slope_rad = atan2(road.line.slope(start.s_m), 1.0);
    let rotation = yaw_rotation(heading_rad) * pitch_rotation(-slope_rad);
    let position = surface + Vec3::Z * settings.centre_of_mass_m;
    let (mass, length, width, height) = (settings.mass_kg, settings.length_m, settings.width_m, settings.height_m);
    // Inertia of a homogeneous block a little shorter than the body, as measured for passenger cars
    // (Heydinger et al. 1999, SAE 1999-01-1336: yaw inertia is close to mass times wheelbase times a quarter of the length).
    let block = Vec3::new(0.9 * length, width, height);
    let inertia = Vec3::new(
        block.y * block.y + block.z * block.z,
        block.x * block.x + block.z * block.z,
        block.x * block.x + block.y * block.y,
    ) * (mass / 12.0);
    RigidBodyBuilder::dynamic()
        .pose(Pose::from_parts(position, rotation))
        .linvel(rotation * Vec3::X * start.speed_mps)
        .additional_mass_properties(MassProperties::new(Vec3::ZERO, mass, inertia))
        .can_sleep(false)
        .build()
}

/// A car alone with its physics, in a `World` of its own, for tests.
#[cfg(test)]
pub(crate) struct Alone {
    pub road: Arc<Road>,
    pub traffic: Traffic,
    world: World,
    entity: Entity,
}

#[cfg(test)]
impl Alone {
    pub fn new(road: Arc<Road>, props: &[Prop], traffic: Traffic, start: StartPose) -> Self {
        let mut world = World::new();
        let bundle = Physics::new(&road, props, &traffic, VehicleSettings::default(), start);
        let entity = world.spawn(bundle).id();
        Self { road, traffic, world, entity }
    }

    pub fn step(&mut self, controls: Controls, dt_s: f32, substeps: u8) {
        let mut world = self.world.entity_mut(self.entity);
        let (mut context, mut physics) = world.get_components_mut::<(Context, &mut Physics)>().unwrap();
        physics.step(&mut context, controls, &self.road, &mut self.traffic, dt_s, substeps);
    }

    pub fn ego_state(&self, previous: &EgoState, decision_s: f32) -> EgoState {
        let world = self.world.entity(self.entity);
        let (bodies, physics) = world.get_components::<(&RapierRigidBodySet, &Physics)>().unwrap();
        physics.ego_state(bodies, &self.road, previous, decision_s)
    }

    pub fn contact(&self) -> Option<Contact> {
        self.world.get::<Physics>(self.entity).unwrap().contact()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario;
    use std::path::Path;

    /// A straight road with two other cars and the ego at 10 m/s.
    fn world(props: &[Prop], actors: &str) -> Alone {
        let text = format!(
            "Scenario(format: 1, title: \"t\", duration_s: 60.0, road: Straight(length_m: 300.0, lanes: 2), \
             actors: [{actors}])"
        );
        let scenario = scenario::parse(&text, Path::new("t.ron")).unwrap();
        let road = scenario.road().clone();
        let traffic = Traffic::new(&scenario.actors, &road, scenario.seed);
        let d_m = road.lane(crate::road::LaneId(0)).unwrap().centre_d_m;
        let start = StartPose { s_m: 20.0, d_m, relative_heading_rad: 0.0, speed_mps: 10.0 };
        Alone::new(road, props, traffic, start)
    }

    fn roll(world: &mut Alone, decisions: usize) -> EgoState {
        for _ in 0..decisions {
            world.step(Controls::default(), 0.025, 4);
        }
        world.ego_state(&EgoState { s_m: 30.0, ..EgoState::default() }, 0.1)
    }

    #[test]
    fn a_stopped_car_is_named_and_pushed() {
        let mut world = world(
            &[],
            "(name: \"far\", start: (lane: 1, s_m: 200.0, speed_mps: 0.0)), \
             (name: \"stopped\", start: (lane: 0, s_m: 36.0, speed_mps: 0.0))",
        );
        let before = world.traffic.cars()[1].pose().translation;
        let ego = roll(&mut world, 20);
        let contact = world.contact().expect("the ego ran into the car");
        assert_eq!((contact.class, contact.index), (Class::Vehicle, 1));
        assert!((contact.closing_speed_mps - 10.0).abs() < 1.5, "{contact:?}");
        let pushed = world.traffic.cars()[1].pose().translation - before;
        assert!(world.traffic.cars()[1].hit && pushed.x > 0.5 && pushed.z.abs() < 0.3, "{pushed:?}");
        assert!(ego.speed_mps < 7.0, "{}", ego.speed_mps);
    }

    #[test]
    fn a_solid_thing_is_named_and_stops_the_ego() {
        let prop = |solid, y| Prop {
            class: Class::Tree,
            base: Vec3::new(36.0, y, 0.0),
            yaw_rad: 0.0,
            size: Vec3::new(1.0, 1.0, 4.0),
            colour: [0.0; 3],
            s_m: 36.0,
            solid,
        };
        let mut world = world(&[prop(false, -5.25), prop(true, -5.25)], "");
        let ego = roll(&mut world, 25);
        let contact = world.contact().expect("the ego ran into the tree");
        assert_eq!((contact.class, contact.index), (Class::Tree, 1));
        assert!(ego.speed_mps < 3.0, "{}", ego.speed_mps);
    }
}
