//! What a run has learnt so far and how far it has come, on disk; saved as it goes, so that little is lost whatever happens.

use crate::driver::{LearnedDriver, PERCEPTION_FILE, POLICY_FILE};
use crate::host::run_folder::{RunFolder, RunFolderError};
use crate::policy::{PolicySettings, QNetwork};
use roadproof_perception::weights::WeightsError;
use roadproof_perception::{Perception, PerceptionSettings};
use roadproof_sim::text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// File that says how far a run has come.
const PROGRESS_FILE: &str = "progress.ron";
/// Weights that a run begins with, if it does not begin afresh.
const START_PERCEPTION_FILE: &str = "start_perception.safetensors";
const START_POLICY_FILE: &str = "start_policy.safetensors";

/// How far a run has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Optimiser steps of perception.
    pub perceive_steps: usize,
    /// Steps of the attack that perception learns from, once they are more than the settings say.
    #[serde(default)]
    pub attack_steps: Option<usize>,
    /// Whether perception is done.
    pub perceived: bool,
    /// Updates of the policy.
    pub learn_updates: usize,
    /// Whether the policy is done.
    pub learned: bool,
    /// Roads the policy has learnt on.
    pub roads: u64,
    /// Seconds spent in each stage.
    pub wall_clock_s: BTreeMap<String, f64>,
    /// Whether the clock had a say in what was learnt, or a stage was broken off: the run is then not repeatable.
    pub cut_short: bool,
    /// How well perception sees, as JSON; `None` until it is trained.
    #[serde(default)]
    pub perception_report: Option<String>,
}

impl Progress {
    /// What no run can have written.
    fn check(&self) -> Result<(), String> {
        let Self { perceive_steps, perceived, learn_updates, learned, .. } = self;
        if *perceived && *perceive_steps == 0 {
            return Err("perceived = true with perceive_steps = 0".to_owned());
        }
        if *learned && (!*perceived || *learn_updates == 0) {
            return Err(format!("learned = true with perceived = {perceived} and learn_updates = {learn_updates}"));
        }
        if let Some((stage, seconds)) =
            self.wall_clock_s.iter().find(|(_, seconds)| !(seconds.is_finite() && **seconds >= 0.0))
        {
            return Err(format!("wall_clock_s of {stage} = {seconds}"));
        }
        match self.perception_report.as_deref().map(serde_json::from_str::<serde_json::Value>) {
            Some(Err(error)) => Err(format!("perception_report: {error}")),
            _ => Ok(()),
        }
    }
}

/// A checkpoint that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The run folder.
    #[error(transparent)]
    Folder(#[from] RunFolderError),
    /// The weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The record of progress is not one.
    #[error("not a record of progress: {reason}: {path:?}")]
    Progress {
        /// What is wrong with it.
        reason: String,
        /// The file.
        path: PathBuf,
    },
}

/// A run's checkpoint.
pub struct Checkpoint {
    run: RunFolder,
    /// How far the run has come.
    pub progress: Progress,
}

impl Checkpoint {
    /// The checkpoint of a run that begins.
    #[must_use]
    pub fn fresh(run: RunFolder) -> Self {
        Self { run, progress: Progress::default() }
    }

    /// The checkpoint of a run that begins with the weights of another driver; they are copied into the run.
    ///
    /// # Errors
    /// [`CheckpointError`] if they cannot be written.
    pub fn from_driver(run: RunFolder, driver: &LearnedDriver) -> Result<Self, CheckpointError> {
        run.write(START_PERCEPTION_FILE, &driver.perception().to_bytes()?)?;
        run.write(START_POLICY_FILE, &driver.policy().to_bytes()?)?;
        Ok(Self::fresh(run))
    }

    /// The checkpoint of a run that goes on.
    ///
    /// # Errors
    /// [`CheckpointError`] if there is no record of its progress, or a damaged one.
    pub fn resume(run: RunFolder) -> Result<Self, CheckpointError> {
        let bytes = run.read(PROGRESS_FILE)?;
        let bad = |reason: String| CheckpointError::Progress { reason, path: run.path(PROGRESS_FILE) };
        let text = text::from_bytes(bytes).map_err(|error| bad(error.to_string()))?;
        let mut progress: Progress = ron::from_str(&text).map_err(|error| bad(error.to_string()))?;
        progress.check().map_err(bad)?;
        // Whoever goes on in the middle of a stage begins with a fresh optimiser and other random numbers.
        let within = |amount: usize, done: bool| amount > 0 && !done;
        progress.cut_short |= within(progress.perceive_steps, progress.perceived);
        progress.cut_short |= within(progress.learn_updates, progress.learned);
        Ok(Self { run, progress })
    }

    /// Writes the record of progress.
    ///
    /// # Errors
    /// [`CheckpointError::Folder`].
    pub fn save(&self) -> Result<(), CheckpointError> {
        let text = ron::ser::to_string_pretty(&self.progress, ron::ser::PrettyConfig::new())
            .expect("progress is plain numbers and text");
        Ok(self.run.write(PROGRESS_FILE, text.as_bytes())?)
    }

    /// Writes perception as it is after so many steps.
    ///
    /// # Errors
    /// [`CheckpointError`]; the earlier checkpoint is then still whole.
    pub fn save_perception(&mut self, perception: &Perception, steps: usize) -> Result<(), CheckpointError> {
        self.run.write(PERCEPTION_FILE, &perception.to_bytes()?)?;
        self.progress.perceive_steps = steps;
        self.save()
    }

    /// Writes the policy as it is after so many updates.
    ///
    /// # Errors
    /// [`CheckpointError`]; the earlier checkpoint is then still whole.
    pub fn save_policy(&mut self, policy: &QNetwork, updates: usize, roads: u64) -> Result<(), CheckpointError> {
        self.run.write(POLICY_FILE, &policy.to_bytes()?)?;
        (self.progress.learn_updates, self.progress.roads) = (updates, roads);
        self.save()
    }

    /// Perception as it was saved, with its steps, or what the run begins with; `None` if it begins afresh.
    ///
    /// # Errors
    /// [`CheckpointError::Weights`] for a damaged file.
    pub fn perception(&self, settings: PerceptionSettings) -> Result<Option<(Perception, usize)>, CheckpointError> {
        let steps = self.progress.perceive_steps;
        let path = self.run.path(if steps > 0 { PERCEPTION_FILE } else { START_PERCEPTION_FILE });
        let load = || Ok((Perception::load(&path, settings)?, steps));
        (steps > 0 || path.exists()).then(load).transpose()
    }

    /// The policy as it was saved, with its updates, or what the run begins with; `None` if it begins afresh.
    ///
    /// # Errors
    /// [`CheckpointError::Weights`] for a damaged file.
    pub fn policy(&self, settings: PolicySettings) -> Result<Option<(QNetwork, usize)>, CheckpointError> {
        let updates = self.progress.learn_updates;
        let path = self.run.path(if updates > 0 { POLICY_FILE } else { START_POLICY_FILE });
        let load = || Ok((QNetwork::load(&path, settings)?, updates));
        (updates > 0 || path.exists()).then(load).transpose()
    }

    /// Adds to a stage's wall-clock time.
    pub fn note_time(&mut self, stage: &str, seconds: f64) {
        *self.progress.wall_clock_s.entry(stage.to_owned()).or_insert(0.0) += seconds;
    }
}
