//! The learned driver: frames through perception into features, features through the Q-network into actions.
//!
//! What the driver knows of its own car is what the car senses, after the faults of speedometer and map, never the
//! ground truth.

use crate::driver::{DriverSpec, Drives, SpecError};
use crate::memory::{FEATURES, Memory, MemorySettings};
use crate::policy::{OUTPUTS, QNetwork, QValues};
use burn::tensor::Device;
use roadproof_env::action::Action;
use roadproof_perception::weights::WeightsError;
use roadproof_perception::{Percept, Perception};
use roadproof_sim::{Controls, Observations, Seed};
use std::path::{Path, PathBuf};

/// File of the perception's weights in a run.
pub const PERCEPTION_FILE: &str = "perception.safetensors";
/// File of the policy's weights in a run.
pub const POLICY_FILE: &str = "policy.safetensors";

/// A driver that cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Its specification.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A driver who was trained without a camera where one is asked for who looks.
    #[error("percepts = false, the driver has no eyes: {folder:?}")]
    Sightless {
        /// Its folder.
        folder: PathBuf,
    },
}

/// Perception with a memory per world: turns frames into policy inputs.
pub struct Eyes {
    perception: Perception,
    settings: MemorySettings,
    memories: Vec<Memory>,
}

impl Eyes {
    /// Eyes for a number of worlds.
    #[must_use]
    pub fn new(perception: Perception, settings: MemorySettings, worlds: usize) -> Self {
        Self { perception, settings, memories: vec![Memory::new(settings); worlds] }
    }

    /// The network behind them.
    #[must_use]
    pub fn perception(&self) -> &Perception {
        &self.perception
    }

    /// What they remember of a world.
    ///
    /// # Panics
    /// If there is no such world.
    #[must_use]
    pub fn memory(&self, world: usize) -> &Memory {
        &self.memories[world]
    }

    /// Looks at one frame of each world and writes each world's policy input; returns the percepts.
    ///
    /// # Shapes
    /// - `features`: `worlds × FEATURES`
    ///
    /// # Panics
    /// If there is not one frame of perception's size for each world.
    pub fn look(&mut self, seen: &Observations, features: &mut [f32]) -> Vec<Percept> {
        self.look_at(seen, &seen.rgb, features)
    }

    /// The same with other frames than those shown.
    fn look_at(&mut self, seen: &Observations, rgb: &[u8], features: &mut [f32]) -> Vec<Percept> {
        let percepts = self.perception.see(rgb);
        assert_eq!(percepts.len(), seen.measures.len(), "one percept for each world");
        assert_eq!(percepts.len(), self.memories.len(), "one memory for each world");
        let frames = rgb.chunks_exact(rgb.len() / percepts.len().max(1));
        let rows = features.chunks_exact_mut(FEATURES).zip(frames);
        for (world, ((percept, memory), (row, frame))) in percepts.iter().zip(&mut self.memories).zip(rows).enumerate()
        {
            memory.look(frame, percept, (&seen.sensed[world]).into(), seen.decision_s[world], row);
        }
        percepts
    }

    /// Looks at the first frames of worlds that have just started.
    pub fn look_afresh(&mut self, seen: &Observations, worlds: &[usize], features: &mut [f32]) {
        let frames: Vec<u8> = worlds.iter().flat_map(|&world| seen.frame(world)).copied().collect();
        for (&world, percept) in worlds.iter().zip(self.perception.see(&frames)) {
            self.forget(world);
            let row = &mut features[world * FEATURES..][..FEATURES];
            let sensed = &seen.sensed[world];
            self.memories[world].look(seen.frame(world), &percept, sensed.into(), seen.decision_s[world], row);
        }
    }

    /// Forgets one world.
    fn forget(&mut self, world: usize) {
        self.memories[world] = Memory::new(self.settings);
    }

    /// Forgets all worlds and prepares for so many.
    pub fn start(&mut self, worlds: usize) {
        self.memories = vec![Memory::new(self.settings); worlds];
    }
}

/// What a driver made of one frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Thought {
    /// What perception saw.
    pub percept: Percept,
    /// The policy's input.
    pub features: [f32; FEATURES],
    /// The policy's heads, see [`QValues`].
    pub heads: [f32; OUTPUTS],
}

impl Thought {
    /// The action with the greatest Q-value.
    #[must_use]
    pub fn action(&self) -> Action {
        QValues(&self.heads).best()
    }
}

/// Camera, perception and policy.
///
/// # Example
/// ```
/// use roadproof_agent::driver::{Drives, LearnedDriver};
/// use roadproof_sim::{Episode, Seed, parse};
///
/// let text = r#"Scenario(format: 1, title: "t", duration_s: 1.0, road: Straight(length_m: 300.0), ego: (speed_mps: 10.0))"#;
/// let mut episode = Episode::new(parse(text, "t.ron".as_ref())?)?;
/// let mut driver = LearnedDriver::shipped()?;
/// driver.start(&[Seed(0)]);
/// while episode.verdict().outcome.is_none() {
///     let controls = driver.act(episode.seen())[0];
///     episode.step(controls);
/// }
/// assert!(episode.measures().lane_offset_m.abs() < 0.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LearnedDriver {
    eyes: Eyes,
    policy: QNetwork,
    spec: DriverSpec,
}

impl LearnedDriver {
    /// A driver of trained parts.
    #[must_use]
    pub fn new(perception: Perception, policy: QNetwork, spec: DriverSpec) -> Self {
        Self { eyes: Eyes::new(perception, spec.memory, 0), policy, spec }
    }

    /// Reads a driver from the folder of a run, or from any folder with its specification and weights.
    ///
    /// # Errors
    /// [`LoadError`] with the file at fault.
    pub fn load(folder: &Path) -> Result<Self, LoadError> {
        let spec = DriverSpec::read(folder)?;
        if !spec.percepts {
            return Err(LoadError::Sightless { folder: folder.to_owned() });
        }
        let perception = Perception::load(folder.join(PERCEPTION_FILE), spec.perception)?;
        let policy = QNetwork::load(&folder.join(POLICY_FILE), spec.policy)?;
        Ok(Self::new(perception, policy, spec))
    }

    /// What it is made of.
    #[must_use]
    pub fn spec(&self) -> &DriverSpec {
        &self.spec
    }

    /// The same driver with a memory of its own.
    #[must_use]
    pub fn twin(&self) -> Self {
        Self::new(self.perception().clone(), self.policy.clone(), self.spec)
    }

    /// The same driver with a memory of its own, its networks on a device.
    #[must_use]
    pub fn on(&self, device: &Device) -> Self {
        Self::new(self.perception().on(device), self.policy.on(device), self.spec)
    }

    /// The network it sees with.
    #[must_use]
    pub fn perception(&self) -> &Perception {
        self.eyes.perception()
    }

    /// The network it decides with.
    #[must_use]
    pub fn policy(&self) -> &QNetwork {
        &self.policy
    }

    /// What it remembers of a world.
    ///
    /// # Panics
    /// If it was not started for that world.
    #[must_use]
    pub fn memory(&self, world: usize) -> &Memory {
        self.eyes.memory(world)
    }

    /// What it makes of the frames of all worlds.
    pub fn think(&mut self, seen: &Observations) -> Vec<Thought> {
        self.think_of(seen, &seen.rgb)
    }

    fn think_of(&mut self, seen: &Observations, rgb: &[u8]) -> Vec<Thought> {
        let mut features = vec![0.0; seen.measures.len() * FEATURES];
        let percepts = self.eyes.look_at(seen, rgb, &mut features);
        let heads = self.policy.heads(&features);
        let (features, heads) = (features.as_chunks::<FEATURES>().0, heads.as_chunks::<OUTPUTS>().0);
        let thought = |((&percept, &features), &heads): ((&Percept, _), _)| Thought { percept, features, heads };
        percepts.iter().zip(features).zip(heads).map(thought).collect()
    }

    /// Controls for every world with the camera covered.
    pub fn act_blind(&mut self, seen: &Observations) -> Vec<Controls> {
        let thoughts = self.think_of(seen, &vec![0; seen.rgb.len()]);
        controls(&thoughts, seen)
    }
}

/// Carries out what was thought, in the cars that are there.
fn controls(thoughts: &[Thought], seen: &Observations) -> Vec<Controls> {
    let worlds = thoughts.iter().zip(seen.sensed.iter().zip(&seen.vehicles));
    worlds.map(|(thought, (sensed, vehicle))| thought.action().controls(vehicle, &sensed.ego)).collect()
}

impl Drives for LearnedDriver {
    fn needs_camera(&self) -> bool {
        true
    }

    fn start(&mut self, seeds: &[Seed]) {
        self.eyes.start(seeds.len());
    }

    fn restart(&mut self, world: usize, _: Seed) {
        self.eyes.forget(world);
    }

    fn act(&mut self, seen: &Observations) -> Vec<Controls> {
        let thoughts = self.think(seen);
        controls(&thoughts, seen)
    }
}
