//! Learning a policy: algorithms, each in a file of its own, and the environment that they learn in. Whoever runs them keeps the
//! clock, saves what was learnt, and tells how it goes.

mod choices;
mod clip;
pub mod dagger;
mod descent;
pub mod dqn;
mod drives;
pub mod environment;
mod explore;
#[cfg(test)]
mod known_tasks;
pub mod ppo;
pub mod pqn;
mod replay;
mod returns;
mod rollout;
pub mod task;

pub use dagger::{Dagger, DaggerSettings};
pub use dqn::{Dqn, DqnSettings};
pub use ppo::{Ppo, PpoSettings};
pub use pqn::{Pqn, PqnSettings};

use crate::formats::parts::{Parts, PartsError};
use crate::harden::regulariser::RobustQ;
use crate::learn::task::{Experience, Task};
use crate::policy::{HeadsAre, PolicySettings, QNetwork};
use burn::tensor::Device;
use roadproof_perception::device::flex;
use roadproof_sim::FleetError;
use serde::{Deserialize, Serialize};

/// How a policy is learnt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// Q-learning on fresh decisions of many worlds: [`Pqn`].
    #[default]
    Pqn,
    /// A policy drawn from, moved a little at a time: [`Ppo`].
    Ppo,
    /// Q-learning from a replay buffer: [`Dqn`].
    Dqn,
    /// Imitation of the scripted driver: [`Dagger`].
    Dagger,
}

impl Algorithm {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Pqn, Self::Ppo, Self::Dqn, Self::Dagger];

    /// The section of a run's settings that is about it.
    #[must_use]
    pub fn section(self) -> &'static str {
        match self {
            Self::Pqn => "learn",
            Self::Ppo => "ppo",
            Self::Dqn => "dqn",
            Self::Dagger => "dagger",
        }
    }

    /// What the heads of a policy are that was learnt in this way.
    #[must_use]
    pub fn heads(self) -> HeadsAre {
        match self {
            Self::Pqn | Self::Dqn => HeadsAre::Advantages,
            Self::Ppo | Self::Dagger => HeadsAre::Logits,
        }
    }
}

/// An algorithm under way: whoever runs it asks for one update after the other.
pub trait Learner {
    /// Decides for all worlds for a while and learns from what comes of it. `progress` is the share of the training that is done; `note` is
    /// told what each decision led to.
    ///
    /// # Errors
    /// [`FleetError`] if a new drive cannot be built.
    fn update(
        &mut self,
        task: &mut dyn Task,
        progress: f64,
        note: &mut dyn FnMut(&Experience),
    ) -> Result<Figures, FleetError>;

    /// The policy as it is now.
    fn policy(&self) -> QNetwork;

    /// All that it is made of between two updates.
    ///
    /// # Errors
    /// [`SnapshotError`] if a network has no form as bytes.
    fn save(&self) -> Result<Parts, SnapshotError>;

    /// Goes on as the learner that was saved would have gone on, to the bit. It must have been made under the same settings.
    ///
    /// # Errors
    /// [`SnapshotError`].
    fn restore(&mut self, parts: &Parts) -> Result<(), SnapshotError>;

    /// The regulariser of the updates to come, for algorithms that have one.
    fn regularise(&mut self, _: Option<RobustQ>) {}
}

/// A learner that cannot be saved or gone on with.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A part is not there or something else.
    #[error(transparent)]
    Parts(#[from] PartsError),
    /// Weights or an optimiser.
    #[error("the snapshot's weights cannot be used: {reason}")]
    Record {
        /// What is wrong with them.
        reason: String,
    },
}

impl SnapshotError {
    fn of_record(error: impl std::fmt::Display) -> Self {
        Self::Record { reason: error.to_string() }
    }
}

/// What an update was like.
#[derive(Clone, Debug)]
pub struct Figures {
    /// What was made less of.
    pub loss: f32,
    /// Curves by their tags.
    pub curves: Vec<(&'static str, f32)>,
}

/// What a learner begins with.
pub struct Start {
    /// Shape of the network.
    pub policy: PolicySettings,
    /// Where all its randomness starts.
    pub seed: u64,
    /// A network that has learnt already.
    pub from: Option<QNetwork>,
    /// Updates that it has made.
    pub updates: usize,
    /// Where it learns.
    pub learns_on: Device,
    /// Where it decides meanwhile.
    pub acts_on: Device,
}

impl Start {
    /// With fresh weights, where every machine can compute.
    #[must_use]
    pub fn fresh(policy: PolicySettings, seed: u64) -> Self {
        Self { policy, seed, from: None, updates: 0, learns_on: flex(), acts_on: flex() }
    }
}
