//! Some consecutive worlds of a fleet, stepped and shown by one thread at a time.

use super::observations::ShardView;
use super::threads::WHOLE;
use crate::camera::{Canvas, Frame, Shown, draw_frame};
use crate::fault::{FaultState, Perturbation, Recorded};
use crate::outcome::measures::Measures;
use crate::outcome::verdict::Verdict;
use crate::physics::Physics;
use crate::scenario::{Build, CheckError};
use crate::traffic::Traffic;
use crate::vehicle::Controls;
use crate::world::schedule::{Asked, Decide, Fixed, Scoring, WorldBundle, empty_world};
use bevy::prelude::{Component, Entity, EntityRef, QueryState, World};
use bevy_rapier3d::prelude::RapierRigidBodySet;
use std::sync::Mutex;

/// Canvases nobody draws on just now, the one used last on top: it is still in some cache.
#[derive(Default)]
pub(super) struct Canvases(Mutex<Vec<Canvas>>);

impl Canvases {
    pub fn take(&self) -> Canvas {
        self.0.lock().expect(WHOLE).pop().unwrap_or_default()
    }

    pub fn put_back(&self, canvas: Option<Canvas>) {
        self.0.lock().expect(WHOLE).extend(canvas);
    }
}

/// Some consecutive worlds in one `World` of bevy's.
pub(super) struct Shard {
    /// Number of its first world in the fleet.
    pub first: usize,
    world: World,
    entities: Vec<Option<Entity>>,
    shows: QueryState<Shows>,
}

/// What of a world is shown, and its faults, which have a say in that.
type Shows =
    (&'static Fixed, &'static Traffic, &'static Measures, &'static Verdict, &'static Scoring, &'static mut FaultState);

/// What makes a component's `expect` true.
const WHOLE_BUNDLE: &str = "every world has all of its bundle";

impl Shard {
    pub fn new(first: usize, worlds: usize) -> Self {
        let entities = vec![None; worlds];
        let mut world = empty_world();
        let shows = world.query();
        Self { first, world, entities, shows }
    }

    /// How many worlds it has.
    pub fn len(&self) -> usize {
        self.entities.len()
    }

    /// Starts a new drive in one of its worlds.
    pub fn reset(&mut self, slot: usize, scenario: impl Build) -> Result<(), CheckError> {
        let bundle = WorldBundle::new(scenario.build()?);
        if let Some(entity) = self.entities[slot].take() {
            self.world.despawn(entity);
        }
        self.entities[slot] = Some(self.world.spawn(bundle).id());
        Ok(())
    }

    /// One decision of each of its worlds.
    pub fn decide(&mut self, controls: &[Controls]) {
        for (slot, controls) in controls.iter().enumerate() {
            let entity = self.entity(slot);
            if let Some(mut asked) = self.world.get_mut::<Asked>(entity) {
                asked.0 = controls.bounded();
            }
        }
        self.world.run_schedule(Decide);
    }

    /// Shows one world in place `into` of the view, with its frame if there is a canvas to draw it on.
    pub fn show(&mut self, slot: usize, into: usize, view: ShardView<'_>, canvas: Option<&mut Canvas>) {
        let entity = self.entity(slot);
        let (fixed, traffic, measures, verdict, scoring, mut faults) =
            self.shows.get_mut(&mut self.world, entity).expect(WHOLE_BUNDLE);
        faults.watch(measures);
        view.measures[into] = *measures;
        view.sensed[into] = faults.sense(measures, &fixed.road);
        view.verdicts[into] = *verdict;
        view.scores[into] = scoring.0.score(measures, verdict);
        view.decision_s[into] = fixed.clock().decision_s();
        view.vehicles[into] = fixed.scenario.ego.vehicle;
        let camera = &fixed.scenario.camera;
        view.cameras[into] = *camera;
        let Some(canvas) = canvas else { return };
        let pixels = camera.pixels();
        let at = pixels * into;
        let mut frame = Frame {
            rgb: &mut view.rgb[3 * at..][..3 * pixels],
            depth_m: &mut view.depth_m[at..][..pixels],
            class: &mut view.class[at..][..pixels],
            instance: &mut view.instance[at..][..pixels],
        };
        let shown = shown(fixed, traffic, measures);
        draw_frame(canvas, camera, &shown, &mut frame);
        faults.apply(measures.step, camera, frame.rgb, frame.depth_m);
        // Last, as it was recorded: on the frame that all else had gone into.
        if let Some(recording) = fixed.scenario.recorded.as_ref().and_then(Recorded::recording) {
            recording.apply(measures.step, frame.rgb);
        }
    }

    pub fn set_perturbations(&mut self, slot: usize, perturbations: Vec<Perturbation>) {
        let entity = self.entity(slot);
        if let Some(mut faults) = self.world.get_mut::<FaultState>(entity) {
            faults.set_perturbations(perturbations);
        }
    }

    pub fn disturb(&mut self, slot: usize, sideways_mps: f32, yaw_rate_rad_per_s: f32) {
        let entity = self.entity(slot);
        let mut world = self.world.entity_mut(entity);
        let (physics, mut bodies) =
            world.get_components_mut::<(&Physics, &mut RapierRigidBodySet)>().expect(WHOLE_BUNDLE);
        physics.disturb(&mut bodies, sideways_mps, yaw_rate_rad_per_s);
    }

    pub fn fixed(&self, slot: usize) -> &Fixed {
        self.component(slot)
    }

    pub fn component<C: Component>(&self, slot: usize) -> &C {
        self.world.get(self.entity(slot)).expect(WHOLE_BUNDLE)
    }

    /// All components of one of its worlds.
    pub fn world(&self, slot: usize) -> EntityRef<'_> {
        self.world.entity(self.entity(slot))
    }

    fn entity(&self, slot: usize) -> Entity {
        self.entities[slot].expect("every slot is filled when the fleet is built")
    }
}

/// What the camera of a world has before it.
pub(super) fn shown<'a>(fixed: &'a Fixed, traffic: &'a Traffic, measures: &'a Measures) -> Shown<'a> {
    Shown {
        road: &fixed.road,
        scene: &fixed.scene,
        traffic,
        ego: &measures.ego,
        centre_of_mass_m: fixed.scenario.ego.vehicle.centre_of_mass_m,
    }
}
