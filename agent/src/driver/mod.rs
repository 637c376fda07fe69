//! Who drives: the learned driver, and the baselines it is held against.

mod learned;
mod named;
mod random;
pub(crate) mod shipped;

pub use learned::{Eyes, LearnedDriver, LoadError, PERCEPTION_FILE, POLICY_FILE, Thought};
pub use random::RandomDriver;

use roadproof_env::ScriptedDriver;
use roadproof_sim::{Controls, Observations, Seed};

/// A driver of many worlds at once.
pub enum Driver {
    /// Camera, perception and policy.
    Learned(Box<LearnedDriver>),
    /// The same, with a black camera.
    Blind(Box<LearnedDriver>),
    /// Ground truth and control laws.
    Scripted(ScriptedDriver),
    /// Actions at random.
    Random(RandomDriver),
}

impl Driver {
    /// The driver's name in results.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Learned(_) => "learned",
            Self::Blind(_) => "blind",
            Self::Scripted(_) => "scripted",
            Self::Random(_) => "random",
        }
    }

    /// Whether the driver looks at frames.
    #[must_use]
    pub fn needs_camera(&self) -> bool {
        matches!(self, Self::Learned(_))
    }

    /// Forgets everything and prepares for worlds of these seeds.
    pub fn start(&mut self, seeds: &[Seed]) {
        match self {
            Self::Learned(driver) | Self::Blind(driver) => driver.start(seeds.len()),
            Self::Scripted(_) => {}
            Self::Random(driver) => driver.start(seeds),
        }
    }

    /// Controls for every world.
    pub fn act(&mut self, seen: &Observations, decision_s: f32) -> Vec<Controls> {
        match self {
            Self::Learned(driver) => driver.act(seen, &seen.rgb, decision_s),
            Self::Blind(driver) => driver.act_blind(seen, decision_s),
            Self::Scripted(driver) => seen.sensed.iter().map(|measures| driver.act(measures)).collect(),
            Self::Random(driver) => driver.act(&seen.sensed),
        }
    }
}
