//! What people who watch a world want of it, and what they may change about it.

use super::Fleet;
use super::shard::shown;
use crate::camera::{Frame, draw_frame};
use crate::fault::{FaultState, Perturbation};
use crate::outcome::measures::Measures;
use crate::physics::{ContextReadOnly, Physics, PhysicsShown};
use crate::road::Road;
use crate::scenario::Scenario;
use crate::scene::Scene;
use crate::trace::state_digest;
use crate::traffic::Traffic;
use crate::trigger::Trigger;
use crate::world::schedule::Fixed;
use std::sync::Arc;

impl Fleet {
    /// Digest of all that moves in a world.
    #[must_use]
    pub fn state_digest(&self, world: usize) -> u64 {
        let (shard, slot) = self.place(world);
        let shard = &self.shards[shard];
        state_digest(shard.component::<Measures>(slot), shard.component::<Traffic>(slot))
    }

    /// The scenario of a world, with the perturbations that it began with.
    #[must_use]
    pub fn scenario(&self, world: usize) -> Arc<Scenario> {
        self.fixed(world).scenario.clone()
    }

    /// The road of a world.
    #[must_use]
    pub fn road(&self, world: usize) -> Arc<Road> {
        self.fixed(world).road.clone()
    }

    /// What a world looks like.
    #[must_use]
    pub fn scene(&self, world: usize) -> Arc<Scene> {
        self.fixed(world).scene.clone()
    }

    /// The other cars of a world.
    #[must_use]
    pub fn traffic(&self, world: usize) -> Traffic {
        let (shard, slot) = self.place(world);
        self.shards[shard].component::<Traffic>(slot).clone()
    }

    /// Triggers in a world that have not fired: whose, and what is waited for.
    #[must_use]
    pub fn waits_for(&self, world: usize) -> Vec<(String, Trigger)> {
        let (shard, slot) = self.place(world);
        let (traffic, faults) =
            (self.shards[shard].component::<Traffic>(slot), self.shards[shard].component::<FaultState>(slot));
        let actors = &self.fixed(world).scenario.actors;
        let cars = traffic.cars().iter().zip(actors);
        let scripts =
            cars.flat_map(|(car, actor)| car.waits_for().map(|trigger| (format!("{:?}", actor.name), trigger)));
        scripts
            .chain(faults.waits_for().map(|(index, trigger)| (format!("perturbation {}", index + 1), trigger)))
            .collect()
    }

    /// What rapier has of a world.
    #[must_use]
    pub fn physics(&self, world: usize) -> PhysicsShown {
        let (shard, slot) = self.place(world);
        let shard = &self.shards[shard];
        let entity = shard.world(slot);
        let components = entity.get_components::<(&Physics, ContextReadOnly)>();
        let (physics, context) = components.expect("every world has all of its bundle");
        physics.shown(context)
    }

    /// The colours of a world's frame as they are before anything goes wrong with the sensor.
    ///
    /// # Shapes
    /// - returns: `height × width × 3`
    #[must_use]
    pub fn clean_frame(&self, world: usize) -> Vec<u8> {
        let (shard, slot) = self.place(world);
        let shard = &self.shards[shard];
        let fixed = shard.fixed(slot);
        let camera = &fixed.scenario.camera;
        let pixels = camera.pixels();
        let (mut rgb, mut depth_m) = (vec![0; 3 * pixels], vec![0.0; pixels]);
        let (mut class, mut instance) = (vec![0; pixels], vec![0; pixels]);
        let mut frame = Frame { rgb: &mut rgb, depth_m: &mut depth_m, class: &mut class, instance: &mut instance };
        let mut canvas = self.canvases.take();
        let shown = shown(fixed, shard.component(slot), shard.component(slot));
        draw_frame(&mut canvas, camera, &shown, &mut frame);
        self.canvases.put_back(Some(canvas));
        rgb
    }

    /// Replaces the sensor faults of a world from its next decision on. Those that were there before, in the same place of the
    /// list, go on; others begin afresh.
    pub fn set_perturbations(&mut self, world: usize, perturbations: Vec<Perturbation>) {
        let (shard, slot) = self.place(world);
        self.shards[shard].set_perturbations(slot, perturbations);
    }

    fn fixed(&self, world: usize) -> &Fixed {
        let (shard, slot) = self.place(world);
        self.shards[shard].fixed(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Span;
    use crate::fault::{Fault, FaultKind, Severity};
    use crate::scenario::{DriveStyle, generate_drive};
    use crate::seed::{Seed, Split};
    use crate::vehicle::Controls;
    use bevy::prelude::Entity;

    fn drive() -> Scenario {
        generate_drive(Seed::of_split(Split::Train, 9, 3), &DriveStyle { length_m: 200.0, ..DriveStyle::default() })
    }

    fn perturbation(kind: FaultKind) -> Perturbation {
        let severity = Severity::new(3).unwrap();
        Perturbation { during_s: Span(0.0, 100.0), when: None, fault: Fault::Graded { kind, severity } }
    }

    /// Frames of five decisions, with these faults from the third on.
    fn frames(mut scenario: Scenario, later: Option<Vec<Perturbation>>) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        scenario.duration_s = 9.0;
        let mut fleet = Fleet::new(vec![scenario], 1).unwrap();
        let mut seen = fleet.observe();
        let (mut frames, mut clean) = (vec![seen.rgb.clone()], vec![fleet.clean_frame(0)]);
        for step in 0..5 {
            if let (2, Some(later)) = (step, &later) {
                fleet.set_perturbations(0, later.clone());
            }
            fleet.step(&[Controls { throttle: 0.5, ..Controls::default() }], &mut seen);
            frames.push(seen.rgb.clone());
            clean.push(fleet.clean_frame(0));
        }
        (frames, clean)
    }

    #[test]
    fn a_clean_frame_is_the_frame_of_a_drive_without_faults() {
        let (expected, clean) = frames(drive(), None);
        assert!(expected == clean);
        let faulty = Scenario { perturbations: vec![perturbation(FaultKind::GaussianNoise)], ..drive() };
        let (frames, clean) = frames(faulty, None);
        assert!(clean == expected && frames.iter().zip(&expected).all(|(frame, clean)| frame != clean));
    }

    #[test]
    fn a_look_at_physics_shows_where_everything_is_and_changes_nothing() {
        let decisions = |look: bool| {
            let mut fleet = Fleet::new(vec![drive()], 1).unwrap();
            let mut seen = fleet.observe();
            for _ in 0..8 {
                fleet.step(&[Controls { throttle: 0.5, ..Controls::default() }], &mut seen);
                if look {
                    let physics = fleet.physics(0);
                    let ego = seen.measures[0].ego;
                    let mut bodies = physics.context.bodies.bodies.iter().map(|(_, body)| body.translation());
                    assert!(bodies.any(|place| place == ego.position));
                    let up = ego.rotation * crate::math::Vec3::Z;
                    for [from, to] in physics.wheel_rays {
                        assert!(from.distance(ego.position) < 3.0 && (from - to).normalize().dot(up) > 0.999);
                    }
                    // bevy_rapier3d's debug renderer takes the lower half of their data for an entity, and panics if it is none.
                    let colliders = physics.context.colliders.colliders;
                    assert!(
                        colliders
                            .iter()
                            .all(|(_, collider)| Entity::try_from_bits(collider.user_data as u64).is_some())
                    );
                }
            }
            fleet.state_digest(0)
        };
        assert_eq!(decisions(true), decisions(false));
    }

    #[test]
    fn faults_are_switched_in_mid_drive() {
        let (clean, _) = frames(drive(), None);
        let noise = || vec![perturbation(FaultKind::GaussianNoise)];
        let (on, _) = frames(drive(), Some(noise()));
        assert!(on[..3] == clean[..3] && on[3..].iter().zip(&clean[3..]).all(|(on, clean)| on != clean));
        let (off, _) = frames(Scenario { perturbations: noise(), ..drive() }, Some(Vec::new()));
        assert!(off[3..] == clean[3..]);
        let (noisy, _) = frames(Scenario { perturbations: noise(), ..drive() }, None);
        let with_second = [noise(), vec![perturbation(FaultKind::SpeedBias)]].concat();
        let (same, _) = frames(Scenario { perturbations: noise(), ..drive() }, Some(with_second));
        assert!(same == noisy, "a fault that stays goes on as it was");
    }
}
