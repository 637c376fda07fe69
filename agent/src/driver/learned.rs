//! The learned driver: frames through perception into features, features through the Q-network into actions.
//!
//! What the driver knows of its own car is what the car senses, after the faults of speedometer and map, never the
//! ground truth.

use crate::host::run_folder::{RunFolder, RunFolderError};
use crate::memory::{FEATURES, Memory, MemorySettings};
use crate::policy::{OUTPUTS, QNetwork, QValues};
use crate::train::settings::{Settings, SettingsError};
use roadproof_env::action::Action;
use roadproof_perception::weights::WeightsError;
use roadproof_perception::{Percept, Perception};
use roadproof_sim::vehicle::{EgoState, VehicleSettings};
use roadproof_sim::{Controls, Observations};
use std::path::Path;

/// File of the perception's weights in a run.
pub const PERCEPTION_FILE: &str = "perception.safetensors";
/// File of the policy's weights in a run.
pub const POLICY_FILE: &str = "policy.safetensors";

/// A driver that cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The run folder or its files.
    #[error(transparent)]
    Folder(#[from] RunFolderError),
    /// The settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
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
    /// - `rgb`: `worlds × frame`, `features`: `worlds × FEATURES`
    ///
    /// # Panics
    /// If there is not one frame of perception's size for each world.
    pub fn look(&mut self, seen: &Observations, rgb: &[u8], decision_s: f32, features: &mut [f32]) -> Vec<Percept> {
        let percepts = self.perception.see(rgb);
        assert_eq!(percepts.len(), seen.measures.len(), "one percept for each world");
        assert_eq!(percepts.len(), self.memories.len(), "one memory for each world");
        let frames = rgb.chunks_exact(rgb.len() / percepts.len().max(1)).zip(&seen.sensed);
        let rows = features.chunks_exact_mut(FEATURES).zip(frames);
        for ((percept, memory), (row, (frame, measures))) in percepts.iter().zip(&mut self.memories).zip(rows) {
            memory.look(frame, percept, measures.into(), decision_s, row);
        }
        percepts
    }

    /// Looks at the first frames of worlds that have just started.
    pub fn look_afresh(&mut self, seen: &Observations, worlds: &[usize], decision_s: f32, features: &mut [f32]) {
        let frames: Vec<u8> = worlds.iter().flat_map(|&world| seen.frame(world)).copied().collect();
        for (&world, percept) in worlds.iter().zip(self.perception.see(&frames)) {
            self.memories[world] = Memory::new(self.settings);
            let row = &mut features[world * FEATURES..][..FEATURES];
            let sensed = &seen.sensed[world];
            self.memories[world].look(seen.frame(world), &percept, sensed.into(), decision_s, row);
        }
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
pub struct LearnedDriver {
    eyes: Eyes,
    policy: QNetwork,
    vehicle: VehicleSettings,
    settings: Settings,
}

impl LearnedDriver {
    /// A driver of trained parts.
    #[must_use]
    pub fn new(perception: Perception, policy: QNetwork, settings: Settings) -> Self {
        Self { eyes: Eyes::new(perception, settings.memory, 0), policy, vehicle: VehicleSettings::default(), settings }
    }

    /// Reads a driver from a run folder.
    ///
    /// # Errors
    /// [`LoadError`] with the file at fault.
    pub fn load(folder: &Path) -> Result<Self, LoadError> {
        let run = RunFolder::open(folder)?;
        let settings = Settings::read(&run.path(crate::host::run_folder::SETTINGS_FILE))?;
        let perception = Perception::load(run.path(PERCEPTION_FILE), settings.perception)?;
        let policy = QNetwork::load(&run.path(POLICY_FILE), settings.policy)?;
        Ok(Self::new(perception, policy, settings))
    }

    /// The driver that ships with the program; its weights are part of the binary.
    ///
    /// # Errors
    /// [`LoadError`] if the weights were built in from another version's files.
    pub fn shipped() -> Result<Self, LoadError> {
        crate::driver::shipped::NOMINAL.load()
    }

    /// The hardened driver that ships with the program.
    ///
    /// # Errors
    /// As [`LearnedDriver::shipped`].
    pub fn hardened() -> Result<Self, LoadError> {
        crate::driver::shipped::HARDENED.load()
    }

    /// The settings it was trained with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
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

    /// Forgets all worlds and prepares for so many.
    pub fn start(&mut self, worlds: usize) {
        self.eyes.start(worlds);
    }

    /// Controls for every world from these frames.
    pub fn act(&mut self, seen: &Observations, rgb: &[u8], decision_s: f32) -> Vec<Controls> {
        let thoughts = self.think(seen, rgb, decision_s);
        thoughts
            .iter()
            .zip(&seen.sensed)
            .map(|(thought, sensed)| self.controls(thought.action(), &sensed.ego))
            .collect()
    }

    /// The controls that carry an action out in the car it knows, as that senses itself.
    #[must_use]
    pub fn controls(&self, action: Action, ego: &EgoState) -> Controls {
        action.controls(&self.vehicle, ego)
    }

    /// What it makes of these frames.
    pub fn think(&mut self, seen: &Observations, rgb: &[u8], decision_s: f32) -> Vec<Thought> {
        let mut features = vec![0.0; seen.measures.len() * FEATURES];
        let percepts = self.eyes.look(seen, rgb, decision_s, &mut features);
        let heads = self.policy.heads(&features);
        let (features, heads) = (features.as_chunks::<FEATURES>().0, heads.as_chunks::<OUTPUTS>().0);
        let thought = |((&percept, &features), &heads): ((&Percept, _), _)| Thought { percept, features, heads };
        percepts.iter().zip(features).zip(heads).map(thought).collect()
    }

    /// Controls for every world with the camera covered.
    pub fn act_blind(&mut self, seen: &Observations, decision_s: f32) -> Vec<Controls> {
        self.act(seen, &vec![0; seen.rgb.len()], decision_s)
    }
}
