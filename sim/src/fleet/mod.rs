//! Many isolated worlds, stepped together. One decision of all of them is one call; world k has the same bits whatever the
//! number of worlds, its place among them, the number of threads or the process.
//!
//! A fleet is a few shards, each a `World` of bevy's. How worlds are shared out costs nothing in results: threads only
//! decide who computes.

mod inspect;
mod threads;

use crate::camera::{CameraSettings, Canvas, Frame, Shown, draw_frame};
use crate::clock::Clock;
use crate::fault::{FaultState, Recorded};
use crate::fleet::threads::{Crew, WHOLE, shard_sizes};
use crate::outcome::measures::Measures;
use crate::outcome::score::Score;
use crate::outcome::verdict::Verdict;
use crate::physics::Physics;
use crate::scenario::{CheckError, Scenario};
use crate::traffic::Traffic;
use crate::vehicle::{Controls, VehicleSettings};
use crate::world::schedule::{Asked, Decide, Scoring, Stage, WorldBundle, empty_world};
use bevy::prelude::{Entity, World};
use std::sync::{Arc, Mutex};

/// A fleet that cannot be built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FleetError {
    /// A scenario whose parts do not fit together.
    #[error("world {world}: {cause}")]
    Check {
        /// Its place in the fleet.
        world: usize,
        /// What is wrong.
        cause: CheckError,
    },
    /// Frames of one fleet share a size.
    #[error("world {world} has a camera of {found:?} pixels, the fleet's is {expected:?}")]
    CameraSize {
        /// Its place in the fleet.
        world: usize,
        /// Width and height found.
        found: (u16, u16),
        /// Width and height of the fleet.
        expected: (u16, u16),
    },
    /// Nothing to drive.
    #[error("a fleet needs at least one world")]
    Empty,
    /// The system gives no more threads.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// Threads asked for.
        threads: usize,
        /// What the system said.
        reason: String,
    },
}

/// Many worlds in a few shards, spread over threads.
pub struct Fleet {
    shards: Vec<Shard>,
    crew: Crew,
    worlds: usize,
    camera: CameraSettings,
    with_camera: bool,
    canvases: Canvases,
}

/// What all worlds show after a decision, in caller-owned buffers.
///
/// # Shapes
/// - `rgb`: `worlds × height × width × 3`; `depth_m`, `class`, `instance`: `worlds × height × width`
/// - all else: `worlds`
#[derive(Clone, Debug, Default)]
pub struct Observations {
    /// Colour as the driver gets it, after sensor faults.
    pub rgb: Vec<u8>,
    /// Depth along the optical axis, metres.
    pub depth_m: Vec<f32>,
    /// [`crate::scene::Class`] of each pixel.
    pub class: Vec<u8>,
    /// Instance of each pixel.
    pub instance: Vec<u16>,
    /// Ground truth.
    pub measures: Vec<Measures>,
    /// The same, but speed, place and speed limit as the car itself takes them, after faults of its odometry and its map.
    pub sensed: Vec<Measures>,
    /// How each drive ended, once it has.
    pub verdicts: Vec<Verdict>,
    /// Score so far.
    pub scores: Vec<Score>,
    /// Time from one decision to the next, seconds.
    pub decision_s: Vec<f32>,
    /// The ego's car: whoever turns an angle or an acceleration into controls asks it what they do.
    pub vehicles: Vec<VehicleSettings>,
    pixels: usize,
}

impl Observations {
    /// Colour frame of a world.
    #[must_use]
    pub fn frame(&self, world: usize) -> &[u8] {
        &self.rgb[3 * self.pixels * world..][..3 * self.pixels]
    }

    /// Class frame of a world.
    #[must_use]
    pub fn class_frame(&self, world: usize) -> &[u8] {
        &self.class[self.pixels * world..][..self.pixels]
    }

    /// Depth frame of a world.
    #[must_use]
    pub fn depth_frame(&self, world: usize) -> &[f32] {
        &self.depth_m[self.pixels * world..][..self.pixels]
    }

    /// Instance frame of a world.
    #[must_use]
    pub fn instance_frame(&self, world: usize) -> &[u16] {
        &self.instance[self.pixels * world..][..self.pixels]
    }
}

impl Fleet {
    /// Builds one world per scenario, stepped by so many threads.
    ///
    /// # Errors
    /// [`FleetError`] for the first scenario that does not fit.
    pub fn new(scenarios: Vec<Scenario>, threads: usize) -> Result<Self, FleetError> {
        let worlds = scenarios.len();
        let camera = scenarios.first().ok_or(FleetError::Empty)?.camera;
        let threads = threads.clamp(1, worlds);
        for (world, scenario) in scenarios.iter().enumerate() {
            check_camera(world, scenario, &camera)?;
        }
        let shards = shard_sizes(worlds, threads).scan(0, |first, size| {
            let shard = Shard::new(*first, size);
            *first += size;
            Some(shard)
        });
        let shards = shards.collect();
        let mut fleet = Self {
            shards,
            crew: Crew::new(threads)?,
            worlds,
            camera,
            with_camera: true,
            canvases: Canvases::default(),
        };
        fleet.reset(scenarios.into_iter().enumerate().collect())?;
        Ok(fleet)
    }

    /// Switches the camera off or on; without it, frames stay as they are.
    pub fn set_camera(&mut self, enabled: bool) {
        self.with_camera = enabled;
    }

    /// Number of worlds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.worlds
    }

    /// Never: a fleet has at least one world.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.worlds == 0
    }

    /// The camera all worlds share.
    #[must_use]
    pub fn camera(&self) -> &CameraSettings {
        &self.camera
    }

    /// Buffers of the right sizes, showing every world as it is now.
    #[must_use]
    pub fn observe(&mut self) -> Observations {
        let pixels = self.camera.pixels();
        let mut seen = Observations {
            rgb: vec![0; 3 * pixels * self.worlds],
            depth_m: vec![0.0; pixels * self.worlds],
            class: vec![0; pixels * self.worlds],
            instance: vec![0; pixels * self.worlds],
            measures: vec![Measures::default(); self.worlds],
            sensed: vec![Measures::default(); self.worlds],
            verdicts: vec![Verdict::default(); self.worlds],
            scores: vec![Score::default(); self.worlds],
            decision_s: vec![0.0; self.worlds],
            vehicles: vec![VehicleSettings::default(); self.worlds],
            pixels,
        };
        self.run(None, &mut seen);
        seen
    }

    /// One decision of every world; worlds whose drive has ended stay as they are, their frames in `seen` included.
    ///
    /// # Panics
    /// If `controls` or the buffers are not of the fleet's size.
    pub fn step(&mut self, controls: &[Controls], seen: &mut Observations) {
        assert_eq!(controls.len(), self.worlds, "one set of controls per world");
        self.run(Some(controls), seen);
    }

    /// Starts new drives in some worlds and shows them at their start.
    ///
    /// # Errors
    /// [`FleetError`] for the first scenario that does not fit; the fleet is then not to be used further.
    pub fn restart(&mut self, scenarios: Vec<(usize, Scenario)>, seen: &mut Observations) -> Result<(), FleetError> {
        let worlds: Vec<usize> = scenarios.iter().map(|(world, _)| *world).collect();
        self.reset(scenarios)?;
        self.show(&worlds, seen);
        Ok(())
    }

    fn reset(&mut self, scenarios: Vec<(usize, Scenario)>) -> Result<(), FleetError> {
        let mut by_shard: Vec<Vec<(usize, Scenario)>> = self.shards.iter().map(|_| Vec::new()).collect();
        for (world, scenario) in scenarios {
            check_camera(world, &scenario, &self.camera)?;
            by_shard[self.place(world).0].push((world, scenario));
        }
        let work: Vec<_> = self.shards.iter_mut().zip(by_shard).collect();
        self.crew
            .run(work, |(shard, scenarios)| {
                scenarios.into_iter().try_for_each(|(world, scenario)| shard.reset(world, scenario))
            })
            .into_iter()
            .collect()
    }

    fn show(&mut self, worlds: &[usize], seen: &mut Observations) {
        for &world in worlds {
            let views = split(seen, &[world, 1]);
            if let Some(view) = views.into_iter().nth(1) {
                let (shard, slot) = self.place(world);
                let mut canvas = self.with_camera.then(|| self.canvases.take());
                self.shards[shard].show(slot, 0, view, canvas.as_mut());
                self.canvases.put_back(canvas);
            }
        }
    }

    /// Pushes a world's ego sideways and turns it, as a gust would; scripted drivers learn nothing from it, but those
    /// who watch them see recoveries.
    pub fn disturb(&mut self, world: usize, sideways_mps: f32, yaw_rate_rad_per_s: f32) {
        let (shard, slot) = self.place(world);
        self.shards[shard].disturb(slot, sideways_mps, yaw_rate_rad_per_s);
    }

    /// The shard of a world, and its place in there.
    fn place(&self, world: usize) -> (usize, usize) {
        let shard = self.shards.partition_point(|shard| shard.first <= world) - 1;
        (shard, world - self.shards[shard].first)
    }

    fn run(&mut self, controls: Option<&[Controls]>, seen: &mut Observations) {
        assert_eq!(seen.measures.len(), self.worlds, "buffers of the fleet's size");
        let with_camera = self.with_camera;
        let sizes: Vec<usize> = self.shards.iter().map(|shard| shard.entities.len()).collect();
        let views = split(seen, &sizes);
        let canvases = &self.canvases;
        let work: Vec<_> = self.shards.iter_mut().zip(views).collect();
        self.crew.run(work, |(shard, mut view)| {
            // What is seen and sensed after the last decision would differ from it by what faults draw.
            let still = |shard: &Shard, slot| controls.is_some() && shard.component::<Verdict>(slot).outcome.is_some();
            let still: Vec<bool> = (0..shard.entities.len()).map(|slot| still(shard, slot)).collect();
            if let Some(controls) = controls {
                shard.decide(&controls[shard.first..][..shard.entities.len()]);
            }
            let mut canvas = with_camera.then(|| canvases.take());
            for (slot, _) in still.into_iter().enumerate().filter(|(_, still)| !still) {
                shard.show(slot, slot, view.reborrow(), canvas.as_mut());
            }
            canvases.put_back(canvas);
        });
    }
}

/// Canvases nobody draws on just now, the one used last on top: it is still in some cache.
#[derive(Default)]
struct Canvases(Mutex<Vec<Canvas>>);

impl Canvases {
    fn take(&self) -> Canvas {
        self.0.lock().expect(WHOLE).pop().unwrap_or_default()
    }

    fn put_back(&self, canvas: Option<Canvas>) {
        self.0.lock().expect(WHOLE).extend(canvas);
    }
}

/// Some consecutive worlds in one `World` of bevy's.
struct Shard {
    first: usize,
    world: World,
    entities: Vec<Option<Entity>>,
    faults: Vec<FaultState>,
}

impl Shard {
    fn new(first: usize, worlds: usize) -> Self {
        let entities = vec![None; worlds];
        Self { first, world: empty_world(), entities, faults: Vec::new() }
    }

    fn reset(&mut self, world: usize, scenario: Scenario) -> Result<(), FleetError> {
        let slot = world - self.first;
        let faults = FaultState::new(scenario.seed, Clock::new(scenario.decision_hz));
        let bundle = WorldBundle::new(Arc::new(scenario)).map_err(|cause| FleetError::Check { world, cause })?;
        if let Some(entity) = self.entities[slot].take() {
            self.world.despawn(entity);
        }
        self.entities[slot] = Some(self.world.spawn(bundle).id());
        if slot < self.faults.len() {
            self.faults[slot] = faults;
        } else {
            self.faults.push(faults);
        }
        Ok(())
    }

    fn decide(&mut self, controls: &[Controls]) {
        for (slot, controls) in controls.iter().enumerate() {
            let entity = self.entity(slot);
            let (stage, decision) = (self.stage(slot), self.component::<Measures>(slot).step);
            let scenario = stage.scenario.clone();
            let controls = self.faults[slot].command(&scenario.perturbations, decision, controls.bounded());
            if let Some(mut asked) = self.world.get_mut::<Asked>(entity) {
                asked.0 = controls;
            }
        }
        self.world.run_schedule(Decide);
    }

    /// Shows one world in place `into` of the view, with its frame if there is a canvas to draw it on.
    fn show(&mut self, slot: usize, into: usize, view: ShardView<'_>, canvas: Option<&mut Canvas>) {
        let entity = self.entity(slot);
        let world = self.world.entity(entity);
        let expect = "every world has all of its bundle";
        let stage = world.get::<Stage>().expect(expect);
        let traffic = world.get::<Traffic>().expect(expect);
        let measures = world.get::<Measures>().expect(expect);
        let verdict = world.get::<Verdict>().expect(expect);
        let (faults, perturbations) = (&mut self.faults[slot], &stage.scenario.perturbations);
        faults.watch(perturbations, measures);
        view.measures[into] = *measures;
        view.sensed[into] = faults.sense(perturbations, measures, &stage.road);
        view.verdicts[into] = *verdict;
        view.scores[into] = world.get::<Scoring>().expect(expect).0.score(measures, verdict);
        view.decision_s[into] = stage.clock().decision_s();
        view.vehicles[into] = stage.scenario.ego.vehicle;
        let Some(canvas) = canvas else { return };
        let camera = &stage.scenario.camera;
        let pixels = camera.pixels();
        let at = pixels * into;
        let mut frame = Frame {
            rgb: &mut view.rgb[3 * at..][..3 * pixels],
            depth_m: &mut view.depth_m[at..][..pixels],
            class: &mut view.class[at..][..pixels],
            instance: &mut view.instance[at..][..pixels],
        };
        let shown = shown(stage, traffic, measures);
        draw_frame(canvas, camera, &shown, &mut frame);
        faults.apply(perturbations, measures.step, camera, frame.rgb, frame.depth_m);
        // Last, as it was recorded: on the frame that all else had gone into.
        if let Some(recording) = stage.scenario.recorded.as_ref().and_then(Recorded::recording) {
            recording.apply(measures.step, frame.rgb);
        }
    }

    fn disturb(&mut self, slot: usize, sideways_mps: f32, yaw_rate_rad_per_s: f32) {
        let entity = self.entity(slot);
        if let Some(mut physics) = self.world.get_mut::<Physics>(entity) {
            physics.disturb(sideways_mps, yaw_rate_rad_per_s);
        }
    }

    fn stage(&self, slot: usize) -> &Stage {
        self.component(slot)
    }

    fn component<C: bevy::prelude::Component>(&self, slot: usize) -> &C {
        self.world.get(self.entity(slot)).expect("every world has all of its bundle")
    }

    fn entity(&self, slot: usize) -> Entity {
        self.entities[slot].expect("every slot is filled when the fleet is built")
    }
}

/// What the camera of a world has before it.
fn shown<'a>(stage: &'a Stage, traffic: &'a Traffic, measures: &'a Measures) -> Shown<'a> {
    Shown {
        road: &stage.road,
        scene: &stage.scene,
        traffic,
        ego: &measures.ego,
        centre_of_mass_m: stage.scenario.ego.vehicle.centre_of_mass_m,
    }
}

/// The part of the caller's buffers that one shard writes.
struct ShardView<'a> {
    rgb: &'a mut [u8],
    depth_m: &'a mut [f32],
    class: &'a mut [u8],
    instance: &'a mut [u16],
    measures: &'a mut [Measures],
    sensed: &'a mut [Measures],
    verdicts: &'a mut [Verdict],
    scores: &'a mut [Score],
    decision_s: &'a mut [f32],
    vehicles: &'a mut [VehicleSettings],
}

impl ShardView<'_> {
    fn reborrow(&mut self) -> ShardView<'_> {
        ShardView {
            rgb: self.rgb,
            depth_m: self.depth_m,
            class: self.class,
            instance: self.instance,
            measures: self.measures,
            sensed: self.sensed,
            verdicts: self.verdicts,
            scores: self.scores,
            decision_s: self.decision_s,
            vehicles: self.vehicles,
        }
    }
}

/// Cuts the buffers into parts of so many worlds each.
fn split<'a>(seen: &'a mut Observations, sizes: &[usize]) -> Vec<ShardView<'a>> {
    let pixels = seen.pixels;
    let mut rest = ShardView {
        rgb: &mut seen.rgb,
        depth_m: &mut seen.depth_m,
        class: &mut seen.class,
        instance: &mut seen.instance,
        measures: &mut seen.measures,
        sensed: &mut seen.sensed,
        verdicts: &mut seen.verdicts,
        scores: &mut seen.scores,
        decision_s: &mut seen.decision_s,
        vehicles: &mut seen.vehicles,
    };
    sizes
        .iter()
        .map(|&size| ShardView {
            rgb: cut(&mut rest.rgb, 3 * pixels * size),
            depth_m: cut(&mut rest.depth_m, pixels * size),
            class: cut(&mut rest.class, pixels * size),
            instance: cut(&mut rest.instance, pixels * size),
            measures: cut(&mut rest.measures, size),
            sensed: cut(&mut rest.sensed, size),
            verdicts: cut(&mut rest.verdicts, size),
            scores: cut(&mut rest.scores, size),
            decision_s: cut(&mut rest.decision_s, size),
            vehicles: cut(&mut rest.vehicles, size),
        })
        .collect()
}

/// Takes the first `count` elements off a slice.
fn cut<'a, T>(rest: &mut &'a mut [T], count: usize) -> &'a mut [T] {
    let (first, after) = std::mem::take(rest).split_at_mut(count);
    *rest = after;
    first
}

fn check_camera(world: usize, scenario: &Scenario, camera: &CameraSettings) -> Result<(), FleetError> {
    let found = (scenario.camera.width_px, scenario.camera.height_px);
    let expected = (camera.width_px, camera.height_px);
    if found == expected { Ok(()) } else { Err(FleetError::CameraSize { world, found, expected }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{DriveStyle, Perturbation, Span, generate_drive};
    use crate::seed::{Seed, Split};

    fn drive(index: u64) -> Scenario {
        let style = DriveStyle { length_m: 200.0, camera: CameraSettings::square(40), ..DriveStyle::default() };
        generate_drive(Seed::of_split(Split::Train, 9, index), &style)
    }

    fn controls(step: usize) -> Controls {
        let steer = if step % 20 < 10 { 0.02 } else { -0.02 };
        Controls { steer, throttle: 0.4, brake: 0.0 }
    }

    /// Everything a world shows: bits of its measures by way of the digest, and its four frames.
    type Bits = (u64, Measures, Vec<u8>, Vec<u32>, Vec<u8>, Vec<u16>);

    fn shown(fleet: &Fleet, seen: &Observations, world: usize) -> Bits {
        (
            fleet.state_digest(world),
            seen.measures[world],
            seen.frame(world).to_vec(),
            seen.depth_frame(world).iter().map(|depth_m| depth_m.to_bits()).collect(),
            seen.class_frame(world).to_vec(),
            seen.instance_frame(world).to_vec(),
        )
    }

    fn steps(fleet: &mut Fleet, seen: &mut Observations, count: usize) {
        for step in 0..count {
            fleet.step(&vec![controls(step); fleet.len()], seen);
        }
    }

    fn alone(index: u64, count: usize) -> Bits {
        let mut fleet = Fleet::new(vec![drive(index)], 1).unwrap();
        let mut seen = fleet.observe();
        steps(&mut fleet, &mut seen, count);
        shown(&fleet, &seen, 0)
    }

    #[test]
    fn a_world_has_the_same_bits_in_any_fleet() {
        let expected = alone(3, 40);
        for threads in 1..=3 {
            let mut fleet = Fleet::new([5, 6, 7, 8, 9, 3, 10].map(drive).to_vec(), threads).unwrap();
            let mut seen = fleet.observe();
            steps(&mut fleet, &mut seen, 40);
            assert!(shown(&fleet, &seen, 5) == expected, "{threads} threads");
        }
    }

    #[test]
    fn resets_of_other_worlds_leave_no_mark() {
        let expected = alone(3, 30);
        let mut fleet = Fleet::new((20..27).map(drive).collect(), 2).unwrap();
        let mut seen = fleet.observe();
        for round in 0..3 {
            steps(&mut fleet, &mut seen, 7);
            fleet.reset(vec![(1, drive(30 + round)), (4, drive(40 + round))]).unwrap();
        }
        fleet.reset(vec![(4, drive(3))]).unwrap();
        for step in 0..30 {
            fleet.step(&[controls(step); 7], &mut seen);
            if step % 10 == 5 {
                fleet.reset(vec![(0, drive(50)), (5, drive(51)), (6, drive(52))]).unwrap();
            }
        }
        assert!(shown(&fleet, &seen, 4) == expected);
    }

    #[test]
    fn a_world_that_has_ended_keeps_its_last_frame() {
        let fault = crate::fault::Fault::Noise { sigma: 30.0 };
        let perturbations = vec![Perturbation { during_s: Span(0.0, 100.0), when: None, fault }];
        let ends = Scenario { duration_s: 0.5, perturbations, ..drive(3) };
        let mut fleet = Fleet::new(vec![drive(4), ends], 1).unwrap();
        let mut seen = fleet.observe();
        let first = shown(&fleet, &seen, 1);
        steps(&mut fleet, &mut seen, 5);
        assert!(seen.verdicts[1].outcome.is_some() && shown(&fleet, &seen, 1) != first);
        let (last, other) = (shown(&fleet, &seen, 1), shown(&fleet, &seen, 0));
        steps(&mut fleet, &mut seen, 3);
        assert!(shown(&fleet, &seen, 1) == last && shown(&fleet, &seen, 0) != other);
    }

    #[test]
    fn a_recorded_perturbation_is_the_same_in_any_fleet() {
        use crate::fault::{Fault, Recording};
        let noise = vec![Perturbation { during_s: Span(0.0, 100.0), when: None, fault: Fault::Noise { sigma: 30.0 } }];
        let faulty = Scenario { perturbations: noise, ..drive(3) };
        let change = |by: i16| (0..40 * 40 * 3).map(|at| if at % 3 == 0 { by } else { -by }).collect::<Vec<i16>>();
        let recording = Recording::new(40, 40, &[change(100), Vec::new(), change(-7), change(1)]);
        let recorded = Recorded::new("t.perturbation".to_owned(), Arc::new(recording));
        let attacked = Scenario { recorded: Some(recorded), ..faulty.clone() };
        let frames = |scenarios: Vec<Scenario>, world: usize, threads: usize| {
            let mut fleet = Fleet::new(scenarios, threads).unwrap();
            let mut seen = fleet.observe();
            let mut frames = vec![seen.frame(world).to_vec()];
            for step in 0..5 {
                fleet.step(&vec![controls(step); fleet.len()], &mut seen);
                frames.push(seen.frame(world).to_vec());
            }
            frames
        };
        let expected = frames(vec![attacked.clone()], 0, 1);
        let without = frames(vec![faulty], 0, 1);
        let changed: Vec<bool> = expected.iter().zip(&without).map(|(a, b)| a != b).collect();
        assert_eq!(changed, [true, false, true, true, false, false], "frame k is that of decision k");
        let by = expected[2].iter().zip(&without[2]).map(|(a, b)| i16::from(*a) - i16::from(*b));
        assert!(by.zip(change(-7)).zip(&without[2]).all(|((by, all), value)| by == all || !(7..=248).contains(value)));
        for threads in 1..=3 {
            let others = [drive(4), drive(5), attacked.clone(), drive(6)];
            assert!(frames(others.to_vec(), 2, threads) == expected, "{threads} threads");
        }
        let larger = Scenario { camera: CameraSettings::square(48), ..attacked };
        let message = Fleet::new(vec![larger], 1).err().unwrap().to_string();
        assert!(
            message.ends_with("\"t.perturbation\" is of 40 x 40 pixels, the scenario's camera of 48 x 48"),
            "{message}"
        );
    }

    #[test]
    fn a_restarted_world_shows_what_a_fresh_fleet_shows() {
        let mut fleet = Fleet::new((20..25).map(drive).collect(), 2).unwrap();
        let mut seen = fleet.observe();
        steps(&mut fleet, &mut seen, 10);
        let untouched = shown(&fleet, &seen, 2);
        fleet.restart(vec![(3, drive(3))], &mut seen).unwrap();
        assert!(shown(&fleet, &seen, 3) == alone(3, 0));
        assert!(shown(&fleet, &seen, 2) == untouched);
    }
}
