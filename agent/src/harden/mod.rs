//! Hardening: what makes a driver hold under faults and attacks. It is the same training made harder, in three places:
//! perception learns from faulty and from adversarial frames, the policy from drives on which sensors fail and
//! perception is attacked, and frames are put together by filters that weigh each percept by its expected error, bound
//! what one frame can do, and go on by the car's own movement when the camera shows nothing.
//!
//! The filters are settings of `memory`, so that a nominal driver stays what it was. Budgets and severities grow over
//! the first part of the training.
//!
//! # Why the defaults are what they are
//! The figures behind each stand in `assets/results/hardened.md`.
//!
//! - A quarter of the drives have faults and a tenth an adversary. Twice as many made one seed of three a driver that
//!   hits cars on clean roads, and more learning did not mend it.
//! - Perception's attacks in training take two steps: single ones overfit to single steps, and two are enough.
//! - Of the filters the lane's is what counts.
//! - The regulariser of the policy and `found_drives` are off. At weights that do something to single decisions nothing
//!   is gained on roads or under faults; larger ones leave a driver that drives worse or not at all.

mod adversary;
mod faults;
pub mod feature_spread;
pub mod regulariser;

pub use adversary::Adversary;
pub use faults::{faulty_frame, random_perturbations};

use crate::harden::regulariser::RobustQSettings;
use crate::memory::MemorySettings;
use crate::train::settings::Settings;
use roadproof_perception::HardBatch;
use serde::{Deserialize, Serialize};

/// Settings of a hardening; each part can be left out by a share of zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HardenSettings {
    /// What perception's batches are made of.
    pub perceive: HardBatch,
    /// Share of the training over which eps and severities grow from nothing to their full size.
    ///
    /// # Source
    /// A budget that grows: Gowal et al. 2018, arXiv:1810.12715, and for policies Wu and Vorobeychik 2022 (BCL),
    /// arXiv:2206.10188. Linear here.
    pub ramp: f32,
    /// Share of the policy's drives on which sensors fail.
    pub fault_drives: f32,
    /// Share of the policy's drives on which perception is attacked, from the second decision on.
    pub attack_drives: f32,
    /// Budget of that, 0 to 1, greatest change of any value.
    pub attack_eps: f32,
    /// Share of the policy's drives that are taken from [`Settings::found`].
    pub found_drives: f32,
    /// The regulariser of the policy.
    pub policy: RobustQSettings,
}

impl Default for HardenSettings {
    fn default() -> Self {
        Self {
            perceive: HardBatch::default(),
            ramp: 0.4,
            fault_drives: 0.25,
            attack_drives: 0.1,
            attack_eps: 2.0 / 255.0,
            found_drives: 0.05,
            policy: RobustQSettings::default(),
        }
    }
}

impl HardenSettings {
    /// What budgets and severities are to be multiplied with after a share of the training.
    #[must_use]
    pub fn growth(&self, progress: f64) -> f32 {
        (progress as f32 / self.ramp.max(1e-6)).clamp(0.0, 1.0)
    }

    /// Whether perception learns from attacks of the whole budget by then.
    #[must_use]
    pub fn attacks_perception(&self, progress: f64) -> bool {
        self.perceive.attack_share > 0.0 && self.perceive.eps > 0.0 && self.growth(progress) >= 1.0
    }
}

/// Chance of a random choice at the start, for a policy that can drive already.
const FINE_TUNING_EPSILON: f32 = 0.3;

/// Turns the settings of a nominal run into those of a hardened one, which begins afresh or with trained weights.
pub fn harden(settings: &mut Settings, trained: bool) {
    settings.harden = Some(settings.harden.unwrap_or_default());
    // Whoever chose filters keeps the choice.
    if settings.memory == MemorySettings::default() {
        settings.memory = MemorySettings::STEADY;
    }
    if trained {
        settings.learn.epsilon_start = settings.learn.epsilon_start.min(FINE_TUNING_EPSILON);
    }
}
