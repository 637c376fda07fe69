//! Hardening: what makes a driver hold under faults and attacks. Perception learns from faulty and from adversarial frames, the
//! policy from drives on which sensors fail and perception is attacked, and frames are put together by filters that go on
//! without the camera.
//!
//! # What it makes
//! `roadproof train --seed N` and `roadproof train --harden --seed N`, then `roadproof evaluate --robustness RUN`: ten drives of five families (held-out roads, cut-in, following,
//! lane-keeping, oncoming) under 56 faults in five severities, and the same drives cut off after 12 s under ten attacks, the
//! strongest chosen drive by drive. Kept is the share of the same drives' clean driving score; ± is the standard deviation over the
//! three training seeds.
//!
//! | | nominal, seeds 1, 2, 3 | over seeds | hardened, seeds 1, 2, 3 | over seeds |
//! |---|---|---|---|---|
//! | driving score, 60 held-out roads | 97.7, 97.5, 97.8 | 97.7 ± 0.2 | 97.2, 97.8, 97.2 | 97.4 ± 0.3 |
//! | route completion, % | 100.0, 100.0, 100.0 | 100.0 ± 0.0 | 100.0, 100.0, 100.0 | 100.0 ± 0.0 |
//! | clean driving score of the report's drives | 97.5, 97.4, 97.7 | 97.5 ± 0.1 | 96.2, 89.3, 96.2 | 93.9 ± 4.0 |
//! | kept over all faults, severity 1 | 0.925, 0.956, 0.942 | 0.941 ± 0.015 | 0.980, 0.997, 0.977 | 0.985 ± 0.011 |
//! | severity 2 | 0.859, 0.898, 0.865 | 0.874 ± 0.021 | 0.973, 0.986, 0.967 | 0.975 ± 0.010 |
//! | severity 3 | 0.823, 0.855, 0.775 | 0.818 ± 0.040 | 0.984, 0.993, 0.975 | 0.984 ± 0.009 |
//! | severity 4 | 0.749, 0.782, 0.707 | 0.746 ± 0.038 | 0.955, 0.971, 0.956 | 0.961 ± 0.009 |
//! | severity 5 | 0.618, 0.690, 0.613 | 0.640 ± 0.043 | 0.879, 0.907, 0.874 | 0.887 ± 0.018 |
//! | driving score over all faults, severity 3 | 80.3, 83.3, 75.7 | 79.8 ± 3.8 | 94.7, 88.7, 93.8 | 92.4 ± 3.2 |
//! | driving score over all faults and severities | 77.5, 81.5, 76.2 | 78.4 ± 2.7 | 91.8, 86.7, 91.3 | 90.0 ± 2.8 |
//! | mRR | 0.795, 0.836, 0.780 | 0.804 ± 0.029 | 0.954, 0.971, 0.950 | 0.958 ± 0.011 |
//! | kept under the strongest attack, 1/255 | 0.66, 0.66, 0.64 | 0.65 ± 0.01 | 0.95, 0.97, 0.96 | 0.96 ± 0.01 |
//! | 2/255 | 0.18, 0.25, 0.25 | 0.23 ± 0.04 | 0.94, 0.90, 0.95 | 0.93 ± 0.03 |
//! | 4/255 | 0.07, 0.11, 0.06 | 0.08 ± 0.02 | 0.87, 0.74, 0.76 | 0.79 ± 0.07 |
//! | 8/255 | 0.05, 0.09, 0.05 | 0.07 ± 0.02 | 0.32, 0.26, 0.29 | 0.29 ± 0.03 |
//! | 16/255 | 0.05, 0.09, 0.05 | 0.07 ± 0.02 | 0.12, 0.09, 0.06 | 0.09 ± 0.03 |
//! | drives broken at 2/255, of ten | 10, 10, 10 | 10 ± 0 | 3, 2, 2 | 2.3 ± 0.6 |
//! | kept under random noise of 16/255 | 0.95, 0.96, 1.00 | 0.97 ± 0.02 | 0.97, 1.00, 1.00 | 0.99 ± 0.01 |
//! | single decisions turned at 1/255 | 1.00, 1.00, 1.00 | 1.00 ± 0.00 | 0.46, 0.31, 0.29 | 0.35 ± 0.09 |
//! | certified by interval bounds (ACR) at 0.0001/255 | 0.00, 0.00, 0.00 | 0.00 ± 0.00 | 0.27, 0.27, 0.44 | 0.33 ± 0.10 |
//! | checks held, of eleven | 11, 11, 11 | 11 ± 0 | 10, 11, 11 | 10.7 ± 0.6 |
//!
//! On 200 held-out roads (`evaluate --driver RUN --roads 200`) the hardened seeds have driving scores of 96.9, 96.7 and 97.3 and
//! arrive on 199, 196 and 200, nominal seed 1 has 97.4 and arrives on 199.
//!
//! # How many drives are made hard
//! `fault_drives` and `attack_drives` are 0.25 and 0.1. Twice as many made one seed of three a driver that hits cars on clean roads,
//! and more learning did not mend it; perception was not to blame: the policy of another seed drove well on it. Driving score on the
//! 60 validation roads (`evaluate --split validation`), where these shares were chosen, and roads arrived:
//!
//! | `fault_drives`, `attack_drives`, updates | seed 1 | seed 2 | seed 3 |
//! |---|---|---|---|
//! | 0.5, 0.2, 250 | 96.7 | 96.6 | 90.7, 54 of 60 |
//! | 0.5, 0.2, 400 | | | 91.8, 54 of 60 |
//! | 0.25, 0.1, 250 | 97.2, 59 of 60 | 96.2, 58 of 60 | 97.3, 59 of 60 |
//!
//! It costs nothing in time: fewer attacks are computed. In the report's ten clean drives, none of which is among these roads, seed 3
//! rose from 83.6 to 96.2 with it; seed 2 fell from 97.0 to 89.3, because it hits the van of `cut_in/brakes_at_once`, which is the
//! one drive of thirty that does not arrive.
//!
//! # What the checks say
//! All eleven checks against self-deception held for seeds 2 and 3. For seed 1 "without a bound every frame breaks" did not: one of
//! 48 decisions is turned by no attack at any budget, not by Square either. The filters bound what one frame can do: this decision
//! is turned by none of the other 47 frames, by no random output of the network within ±1, by 3 % of those within ±3 and by 37 % of
//! those within ±10 (`cargo test --release another_frame -- --nocapture`). Whether any frame makes the network give out such
//! numbers is not proved.
//!
//! The faults of training are those of the report, other draws of them on other roads: faults of another kind are not measured.
//! Perception's mean errors on clean validation frames are 0.101 m of offset and 0.0166 rad of heading, nominal 0.076 m and
//! 0.0135 rad.
//!
//! # What each way of training perception does
//! One seed, 1000 steps on 16,000 frames (`collect: (frames: 16000, validation_frames: 2000), perceive: (steps: 1000)`, no faults,
//! half of each batch attacked at 3/255), after the last step before anything is put back:
//!
//! | `harden.perceive` | clean offset error | loss under PGD of ten steps, 3/255 |
//! |---|---|---|
//! | nothing attacked | 0.101 m | 32.2 |
//! | `steps: 1` (FGSM with random start) | 0.111 m | 3.5, after 2.3 at step 500: it overfits to single steps |
//! | `steps: 2` (PGD) | 0.118 m | 1.7 |
//! | `steps: 2, loss: Trades(beta: 2.0)` | 0.173 m | 2.2 |
//!
//! The whole training with two steps ends at 0.23 to 0.53.
//!
//! # What each filter does
//! Hardened seed 1, the same weights with one filter of `memory` off; 60 held-out roads, and a small report (`evaluate --robustness
//! RUN --quick --roads 6 --kinds GaussianNoise,Fog,Snow,BlackFrames,FrozenFrames,SunFlare,ElasticTransform,HalfFrame,Contrast,`
//! `DelayedFrames`), whose kinds are mostly those that hurt:
//!
//! | off | driving score | mRR | kept at severity 3 | strongest attack, 1/255, 4/255, 16/255 |
//! |---|---|---|---|---|
//! | none | 97.2 | 0.861 | 0.948 | 0.99, 0.95, 0.26 |
//! | `track_lane` | 97.3 | 0.749 | 0.844 | 0.98, 0.96, 0.21 |
//! | `believe_lead` | 97.2 | 0.861 | 0.949 | 0.99, 0.95, 0.27 |
//! | `refuse_stale` | 97.2 | 0.840 | 0.948 | 0.99, 0.95, 0.26 |
//!
//! The lane's filter is what counts here; the belief in a car ahead makes no difference on these drives, of which few meet a car.
//!
//! # What each regulariser of the policy does
//! Hardened seed 1, its policy trained for 40 more updates on the same perception (`learn: (updates: 40, epsilon_start: 0.3)`), one
//! seed; driving score on the 60 held-out roads:
//!
//! | `harden.policy` | driving score | roads arrived |
//! |---|---|---|
//! | none | 96.6 | 60 of 60 |
//! | `hinge_weight: 0.1, hinge_margin: 0.05` | 3.8 | 0 |
//! | `overlap_weight: 0.5` | 2.2 | 0 |
//!
//! Both are far too much beside a temporal-difference loss of about 0.01. The driver of the hinge has an mRR of 1.002 in a quick
//! report, which says how little a share of the clean score is worth without the score itself. They are off by default.
//!
//! Smaller weights and `found_drives` cannot be told apart this way: 40 more updates of today's driver (97.2, 60 of 60) without any
//! change end at 91.1 on the held-out and 83.1 on the validation roads, without faults at 97.6 and 93.8, without the adversary at 95.8
//! and 88.3, one seed each. A step that begins at its full size again scatters by more than these settings do.
//!
//! So the whole policy was learnt anew, 250 updates on the perceptions of seeds 1, 2, 3 (a run folder with perception and settings,
//! `learn_updates: 0` in its `progress.ron` and no policy; `train --resume RUN`). Driving scores are of 60 roads each; the rest is of
//! `evaluate --robustness RUN --quick --roads 6 --kinds KINDS` with the kinds
//! `GaussianNoise,Fog,Snow,BlackFrames,FrozenFrames,SunFlare,ElasticTransform,HalfFrame,Contrast,DelayedFrames`; the last two rows
//! are of 12 decisions under the strongest attack:
//!
//! | | none, as shipped | `hinge_weight: 0.001, hinge_margin: 0.05` | two finds, `found_drives: 0.2` |
//! |---|---|---|---|
//! | held-out | 97.2, 97.8, 97.2 | 96.2, 97.7, 97.7 | 95.5, 97.1, 97.5 |
//! | validation | 97.2, 96.2, 97.3 | 97.5, 94.1, 97.0 | 97.1, 96.4, 97.0 |
//! | mRR | 0.861, 0.867, 0.853 | 0.891, 0.823, 0.839 | 0.817, 0.882, 0.842 |
//! | kept at severity 3 | 0.948, 0.953, 0.954 | 0.977, 0.902, 0.915 | 0.910, 0.954, 0.918 |
//! | turned at 1 grey level | 42, 17, 25 % | 17, 33, 17 % | 33, 58, 17 % |
//! | turned at 4 grey levels | 92, 92, 67 % | 50, 58, 75 % | 83, 100, 75 % |
//!
//! The hinge does what it is for, single decisions are harder to turn: 61 % in the mean at 4 grey levels, without it 84 %. On roads and
//! under faults nothing can be told apart but a hint of a loss. Finds show nothing: both were found against the nominal driver, and
//! the hardened one held them before. `overlap_weight` harms at any weight that was tried: 0.005 ends at 3.0 on the held-out and 2.4
//! on the validation roads, 0.0005 at 86.2 and 80.3 (52 and 47 of 60), seed 1. All three stay off by default (no
//! scenario is `found` until one is named).

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
    /// Regularisers of the policy.
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
