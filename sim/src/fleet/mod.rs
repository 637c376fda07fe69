//! Many isolated worlds, stepped together. One decision of all of them is one call; world k has the same bits whatever the
//! number of worlds, its place among them, the number of threads or the process.
//!
//! A fleet is a few shards, each a `World` of bevy's. How worlds are shared out costs nothing in results: threads only
//! decide who computes.

mod inspect;
mod observations;
mod shard;
mod threads;

pub use observations::Observations;
pub use threads::ThreadsError;

use crate::camera::CameraSettings;
use crate::outcome::verdict::Verdict;
use crate::scenario::{Build, CheckError, Scenario};
use crate::vehicle::Controls;
use observations::split;
use shard::{Canvases, Shard};
use threads::{Crew, shard_sizes};

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
    #[error(transparent)]
    Threads(#[from] ThreadsError),
}

/// Many worlds in a few shards, spread over threads.
///
/// # Example
/// ```
/// use roadproof_sim::{Controls, DriveStyle, Fleet, Seed, generate_drive};
///
/// let scenarios: Vec<_> = (0..3).map(|seed| generate_drive(Seed(seed), &DriveStyle::default())).collect();
/// let mut fleet = Fleet::new(scenarios, 2)?;
/// let mut seen = fleet.observe();
/// fleet.step(&[Controls::default(); 3], &mut seen);
/// assert_eq!(seen.measures[2].step, 1);
/// assert_eq!(seen.frame(2).len(), 160 * 48 * 3);
/// # Ok::<(), roadproof_sim::FleetError>(())
/// ```
pub struct Fleet {
    shards: Vec<Shard>,
    crew: Crew,
    worlds: usize,
    camera: CameraSettings,
    with_camera: bool,
    canvases: Canvases,
}

impl Fleet {
    /// Builds one world per scenario, stepped by so many threads.
    ///
    /// # Errors
    /// [`FleetError`] for the first scenario that does not fit.
    pub fn new<S: Build>(scenarios: Vec<S>, threads: usize) -> Result<Self, FleetError> {
        let worlds = scenarios.len();
        let camera = scenarios.first().ok_or(FleetError::Empty)?.scenario().camera;
        let threads = threads.clamp(1, worlds);
        for (world, scenario) in scenarios.iter().enumerate() {
            check_camera(world, scenario.scenario(), &camera)?;
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
        let mut seen = Observations::blank(self.worlds, self.camera.pixels());
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
    pub fn restart<S: Build>(&mut self, scenarios: Vec<(usize, S)>, seen: &mut Observations) -> Result<(), FleetError> {
        let worlds: Vec<usize> = scenarios.iter().map(|(world, _)| *world).collect();
        self.reset(scenarios)?;
        self.show(&worlds, seen);
        Ok(())
    }

    fn reset<S: Build>(&mut self, scenarios: Vec<(usize, S)>) -> Result<(), FleetError> {
        let mut by_shard: Vec<Vec<(usize, S)>> = self.shards.iter().map(|_| Vec::new()).collect();
        for (world, scenario) in scenarios {
            check_camera(world, scenario.scenario(), &self.camera)?;
            by_shard[self.place(world).0].push((world, scenario));
        }
        let work: Vec<_> = self.shards.iter_mut().zip(by_shard).collect();
        self.crew
            .run(work, |(shard, scenarios)| {
                scenarios.into_iter().try_for_each(|(world, scenario)| {
                    let slot = world - shard.first;
                    shard.reset(slot, scenario).map_err(|cause| FleetError::Check { world, cause })
                })
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
        let sizes: Vec<usize> = self.shards.iter().map(Shard::len).collect();
        let views = split(seen, &sizes);
        let canvases = &self.canvases;
        let work: Vec<_> = self.shards.iter_mut().zip(views).collect();
        self.crew.run(work, |(shard, mut view)| {
            // What is seen and sensed after the last decision would differ from it by what faults draw.
            let still = |shard: &Shard, slot| controls.is_some() && shard.component::<Verdict>(slot).outcome.is_some();
            let still: Vec<bool> = (0..shard.len()).map(|slot| still(shard, slot)).collect();
            if let Some(controls) = controls {
                shard.decide(&controls[shard.first..][..shard.len()]);
            }
            let mut canvas = with_camera.then(|| canvases.take());
            for (slot, _) in still.into_iter().enumerate().filter(|(_, still)| !still) {
                shard.show(slot, slot, view.reborrow(), canvas.as_mut());
            }
            canvases.put_back(canvas);
        });
    }
}

fn check_camera(world: usize, scenario: &Scenario, camera: &CameraSettings) -> Result<(), FleetError> {
    let found = (scenario.camera.width_px, scenario.camera.height_px);
    let expected = (camera.width_px, camera.height_px);
    if found == expected { Ok(()) } else { Err(FleetError::CameraSize { world, found, expected }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Span;
    use crate::fault::{Perturbation, Recorded};
    use crate::outcome::measures::Measures;
    use crate::scenario::{DriveStyle, generate_drive};
    use crate::seed::{Seed, Split};
    use std::sync::Arc;

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
