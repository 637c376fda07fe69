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
//! - On a fifth the controls act late. One fault in 62 is a delay, and so seldom met it left to chance whether a policy
//!   swings from lane to lane under one.
//! - Perception's attacks in training take two steps: single ones overfit to single steps, and two are enough.
//! - Of the filters the lane's is what counts.
//! - The regulariser of the policy and `found_drives` are off. At weights that do something to single decisions nothing
//!   is gained on roads or under faults; larger ones leave a driver that drives worse or not at all.

mod adversary;
mod faults;
pub mod feature_spread;
pub mod regulariser;

pub use adversary::Adversary;
pub use faults::faulty_frame;

use crate::harden::regulariser::{RobustQ, RobustQSettings};
use crate::memory::situation::Situation;
use roadproof_env::HardRoads;
use roadproof_perception::{HardBatch, Perception};
use roadproof_sim::{Purpose, Scenario, Seed};
use serde::{Deserialize, Serialize};

/// What is allowed.
mod range {
    roadproof_range::bounded! {
        ramp: f32 = 0.0 to 1.0;
        fault_drives: f32 = 0.0 to 1.0;
        late_drives: f32 = 0.0 to 1.0;
        attack_drives: f32 = 0.0 to 1.0;
        attack_eps: f32 = 0.0 to 1.0;
        found_drives: f32 = 0.0 to 1.0;
    }
}

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
    #[serde(deserialize_with = "range::ramp")]
    pub ramp: f32,
    /// Share of the policy's drives on which sensors fail.
    #[serde(deserialize_with = "range::fault_drives")]
    pub fault_drives: f32,
    /// Share of the policy's drives on which controls act one or two decisions late, whatever else fails there.
    ///
    /// # Source
    /// Latency drawn anew for each drive: Peng et al. 2018, arXiv:1710.06537.
    #[serde(deserialize_with = "range::late_drives")]
    pub late_drives: f32,
    /// Share of the policy's drives on which perception is attacked, from the second decision on.
    #[serde(deserialize_with = "range::attack_drives")]
    pub attack_drives: f32,
    /// Budget of that, 0 to 1, greatest change of any value.
    #[serde(deserialize_with = "range::attack_eps")]
    pub attack_eps: f32,
    /// Share of the policy's drives that are scenarios which were found to break a driver, where the run was given some.
    #[serde(deserialize_with = "range::found_drives")]
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
            late_drives: 0.2,
            attack_drives: 0.1,
            attack_eps: 2.0 / 255.0,
            found_drives: 0.05,
            policy: RobustQSettings::default(),
        }
    }
}

/// What a training asks when it wants to know how hard things are to be by now; a nominal training gets the same answers from one
/// that makes nothing hard.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hardening {
    settings: Option<HardenSettings>,
    /// How far budgets and severities have grown, 0 to 1.
    growth: f32,
}

impl Hardening {
    /// A hardening that begins, or none.
    #[must_use]
    pub fn new(settings: Option<HardenSettings>) -> Self {
        let mut hardening = Self { settings, growth: 0.0 };
        hardening.grow(0.0);
        hardening
    }

    /// Lets budgets and severities grow with the training, of which a share of `progress` is done.
    pub fn grow(&mut self, progress: f64) {
        let growth = |settings: HardenSettings| (progress as f32 / settings.ramp.max(1e-6)).clamp(0.0, 1.0);
        self.growth = self.settings.map_or(0.0, growth);
    }

    /// What budgets and severities are to be multiplied with, 0 to 1.
    #[must_use]
    pub fn growth(&self) -> f32 {
        self.growth
    }

    /// Steps of the attack that perception learns from.
    #[must_use]
    pub fn attack_steps(&self) -> usize {
        self.settings.map_or(1, |settings| settings.perceive.steps)
    }

    /// What perception's batches are made of, with so many steps of the attack; `None` for clean ones.
    #[must_use]
    pub fn batch(&self, attack_steps: usize) -> Option<HardBatch> {
        let HardBatch { eps, .. } = self.settings?.perceive;
        Some(HardBatch { eps: eps * self.growth, steps: attack_steps, ..self.settings?.perceive })
    }

    /// The whole budget of the attacks that perception learns from, once it does.
    #[must_use]
    pub fn full_eps(&self) -> Option<f32> {
        let HardBatch { eps, attack_share, .. } = self.settings?.perceive;
        (attack_share > 0.0 && eps > 0.0 && self.growth >= 1.0).then_some(eps)
    }

    /// What makes the policy's roads hard, of scenarios that broke a driver among others.
    #[must_use]
    pub fn roads(&self, found: Vec<Scenario>) -> Option<HardRoads> {
        let HardenSettings { found_drives, fault_drives, late_drives, .. } = self.settings?;
        let (found_share, fault_share, late_share) = (found_drives, fault_drives, late_drives);
        Some(HardRoads { found, found_share, fault_share, late_share, severity: self.growth })
    }

    /// The adversary of the policy's drives, if there is one.
    #[must_use]
    pub fn adversary(&self, perception: &Perception, worlds: usize) -> Option<Adversary> {
        (self.settings?.attack_drives > 0.0).then(|| Adversary::new(perception, worlds))
    }

    /// Seed of the adversary on a road of this seed, if the drive there is attacked.
    #[must_use]
    pub fn attacked(&self, road: Seed) -> Option<Seed> {
        let share = self.settings?.attack_drives;
        let adversary = road.child(1);
        adversary.stream(Purpose::Driver).chance(share).then_some(adversary)
    }

    /// The adversary's budget by now.
    #[must_use]
    pub fn attack_eps(&self) -> f32 {
        self.settings.map_or(0.0, |settings| settings.attack_eps * self.growth)
    }

    /// The policy's regulariser for the budget as it is now, if it is on, with its box from the `situation` of some of the worlds.
    #[must_use]
    pub fn regulariser(
        &self,
        perception: &Perception,
        worlds: usize,
        situation: impl Fn(usize) -> Situation,
    ) -> Option<RobustQ> {
        let settings = self.settings?.policy;
        if !settings.on() {
            return None;
        }
        let frames = settings.spread.frames.min(worlds);
        let situations: Vec<Situation> = (0..frames).map(|frame| situation(frame * worlds / frames)).collect();
        Some(RobustQ { settings, radius: settings.spread.radius(self.growth, perception, &situations) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_grow_over_the_ramp() {
        let settings = HardenSettings { ramp: 0.5, attack_eps: 0.02, ..HardenSettings::default() };
        let mut hardening = Hardening::new(Some(settings));
        assert_eq!((hardening.growth(), hardening.attack_eps(), hardening.full_eps()), (0.0, 0.0, None));
        hardening.grow(0.25);
        assert_eq!((hardening.growth(), hardening.attack_eps(), hardening.full_eps()), (0.5, 0.01, None));
        assert_eq!(
            hardening.batch(3),
            Some(HardBatch { eps: 0.5 * settings.perceive.eps, steps: 3, ..settings.perceive })
        );
        hardening.grow(0.7);
        assert_eq!((hardening.growth(), hardening.full_eps()), (1.0, Some(settings.perceive.eps)));
        let at_once = Hardening::new(Some(HardenSettings { ramp: 0.0, ..settings }));
        assert_eq!(at_once.growth(), 0.0, "nothing is done yet");
    }

    #[test]
    fn as_many_drives_are_attacked_as_the_settings_say_and_none_of_a_nominal_training() {
        const ROADS: u64 = 1500;
        let attacked =
            |hardening: Hardening| (0..ROADS).filter(|&road| hardening.attacked(Seed(road)).is_some()).count() as f64;
        let (share, count) = (0.1, ROADS as f64);
        let some = attacked(Hardening::new(Some(HardenSettings { attack_drives: 0.1, ..HardenSettings::default() })));
        // Within four standard deviations of a binomial's mean.
        assert!((some - count * share).abs() <= 4.0 * (count * share * (1.0 - share)).sqrt(), "{some}");
        let mut nominal = Hardening::new(None);
        nominal.grow(1.0);
        assert_eq!((attacked(nominal), nominal.growth(), nominal.attack_eps()), (0.0, 0.0, 0.0));
        assert!(nominal.batch(1).is_none() && nominal.roads(Vec::new()).is_none() && nominal.full_eps().is_none());
    }
}
