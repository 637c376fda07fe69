//! PQN: Q-learning without replay and without a target network, on many worlds at once.
//!
//! Neither replay nor a target network is needed where many worlds give fresh decisions. There is one advantage head
//! per choice, so that the greatest Q-value is a sum of maxima. Only a truncated drive's last observation is
//! bootstrapped from.
//!
//! # Source
//! Gallici et al. 2025, "Simplifying Deep Temporal Difference Learning", arXiv:2407.04811: parallel worlds, λ-returns over
//! short rollouts, LayerNorm, a few epochs of minibatches. Their Atari settings are 128 worlds × 32 decisions, λ 0.65, two
//! epochs of 32 minibatches, norm clipped at 10. Ours differ where a run of minutes asks for it: a larger step (their
//! 2.5e-4 is for 10^8 frames), a shorter horizon (γ), three epochs of 8 minibatches, and an exploration that falls over 30 %
//! of the updates and ends at 3 %, rather than over 10 % and at 0.1 %. Apart from that, Adam takes the place of `RAdam`,
//! and the Q-values are the sum of a head for steering and one for acceleration.

use crate::formats::parts::Parts;
use crate::harden::regulariser::{Decisions, RobustQ};
use crate::learn::descent::{Descent, falling, minibatches, rows};
use crate::learn::explore::Exploration;
use crate::learn::rollout::{Gathered, Rollout};
use crate::learn::task::{Experience, Task};
use crate::learn::{Figures, Learner, SnapshotError, Start};
use crate::policy::{OUTPUTS, QNetwork, QValues, q_gradient};
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use roadproof_env::Action;
use roadproof_sim::FleetError;
use serde::{Deserialize, Serialize};

/// What is allowed.
mod range {
    roadproof_range::bounded! {
        worlds: usize = 1 to 4096;
        rollout: usize = 1 to 4096;
        updates: usize = 1 to 10000000;
        epochs: usize = 1 to 100;
        minibatches: usize = 1 to 16777216;
        gamma: f32 = 0.0 to 1.0;
        lambda: f32 = 0.0 to 1.0;
        learning_rate: f64 = 0.0 to 1.0;
        clip_norm: f32 = 1e-6 to 1e9;
        epsilon_start: f32 = 0.0 to 1.0;
        epsilon_end: f32 = 0.0 to 1.0;
        epsilon_share: f32 = 1e-6 to 1.0;
    }
}

/// Settings of PQN.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PqnSettings {
    /// Drives at once.
    #[serde(deserialize_with = "range::worlds")]
    pub worlds: usize,
    /// Decisions of each drive between two updates.
    #[serde(deserialize_with = "range::rollout")]
    pub rollout: usize,
    /// Updates in all.
    #[serde(deserialize_with = "range::updates")]
    pub updates: usize,
    /// Times each update goes over its rollout.
    #[serde(deserialize_with = "range::epochs")]
    pub epochs: usize,
    /// Parts each epoch is cut into.
    #[serde(deserialize_with = "range::minibatches")]
    pub minibatches: usize,
    /// Discount per decision.
    #[serde(deserialize_with = "range::gamma")]
    pub gamma: f32,
    /// Weight of longer returns.
    #[serde(deserialize_with = "range::lambda")]
    pub lambda: f32,
    /// Adam's step at the start; it falls linearly to a fiftieth.
    #[serde(deserialize_with = "range::learning_rate")]
    pub learning_rate: f64,
    /// Global norm at which gradients are clipped.
    #[serde(deserialize_with = "range::clip_norm")]
    pub clip_norm: f32,
    /// Chance of a random choice at the start.
    #[serde(deserialize_with = "range::epsilon_start")]
    pub epsilon_start: f32,
    /// Chance of a random choice at the end.
    #[serde(deserialize_with = "range::epsilon_end")]
    pub epsilon_end: f32,
    /// Share of the updates over which exploration falls.
    #[serde(deserialize_with = "range::epsilon_share")]
    pub epsilon_share: f32,
}

impl Default for PqnSettings {
    fn default() -> Self {
        Self {
            worlds: 128,
            rollout: 32,
            updates: 250,
            epochs: 3,
            minibatches: 8,
            gamma: 0.96,
            lambda: 0.65,
            learning_rate: 8e-4,
            clip_norm: 10.0,
            epsilon_start: 1.0,
            epsilon_end: 0.03,
            epsilon_share: 0.3,
        }
    }
}

/// What an update was like, each in the mean over its minibatches.
#[derive(Clone, Copy, Debug)]
struct UpdateFigures {
    /// Squared temporal-difference error.
    td_loss: f32,
    /// Norm of all gradients together, before it is clipped.
    gradient_norm: f32,
}

/// PQN under way.
pub struct Pqn {
    settings: PqnSettings,
    descent: Descent,
    random: Pcg64Mcg,
    robust: Option<RobustQ>,
}

impl Pqn {
    /// With a fresh network, or with one that has learnt.
    #[must_use]
    pub fn new(settings: PqnSettings, start: Start) -> Self {
        let random = Pcg64Mcg::seed_from_u64(start.seed ^ 0x7071_6e00 ^ ((start.updates as u64) << 32));
        let descent = Descent::new(start, settings.clip_norm);
        Self { settings, descent, random, robust: None }
    }

    /// Drives one rollout with ε-greedy choices; `note` is told what each decision led to.
    fn rollout(
        &mut self,
        task: &mut dyn Task,
        explore: Exploration,
        note: &mut dyn FnMut(&Experience),
    ) -> Result<Gathered, FleetError> {
        let PqnSettings { rollout, gamma, lambda, .. } = self.settings;
        let random = &mut self.random;
        let mut choose = |heads: &[f32]| -> Vec<Action> {
            heads.chunks_exact(OUTPUTS).map(|heads| explore.choose(QValues(heads).best(), random)).collect()
        };
        Rollout::new(self.descent.actor(), best_values, &mut choose, note).gather(task, rollout, gamma, lambda)
    }

    /// Some epochs of minibatches over a rollout.
    fn learn(&mut self, rollout: &Gathered, learning_rate: f64) -> UpdateFigures {
        let mut order: Vec<usize> = (0..rollout.actions.len()).collect();
        let mut figures = Vec::new();
        for _ in 0..self.settings.epochs {
            for batch in minibatches(&mut order, self.settings.minibatches, &mut self.random) {
                figures.push(self.minibatch(rollout, batch, learning_rate));
            }
        }
        let mean = |of: fn(&UpdateFigures) -> f32| figures.iter().map(of).sum::<f32>() / figures.len() as f32;
        UpdateFigures { td_loss: mean(|one| one.td_loss), gradient_norm: mean(|one| one.gradient_norm) }
    }

    fn minibatch(&mut self, rollout: &Gathered, batch: &[usize], learning_rate: f64) -> UpdateFigures {
        let features = rows(&rollout.features, batch);
        let mut loss = 0.0;
        let slope = |heads: &[f32], gradient: &mut [f32]| {
            let each = heads.chunks_exact(OUTPUTS).zip(gradient.chunks_exact_mut(OUTPUTS)).zip(batch);
            for ((heads, gradient), &index) in each {
                let error = QValues(heads).of(rollout.actions[index]) - rollout.returns[index];
                loss += error * error;
                q_gradient(rollout.actions[index], error / batch.len() as f32, gradient);
            }
        };
        let robust = |network: &QNetwork, heads: &[f32]| {
            let decisions = Decisions { features: &features, heads };
            self.robust.as_ref().map(|robust| robust.loss(network, &decisions))
        };
        let gradient_norm = self.descent.step(&features, learning_rate, slope, robust);
        UpdateFigures { td_loss: loss / batch.len() as f32, gradient_norm }
    }
}

impl Learner for Pqn {
    fn update(
        &mut self,
        task: &mut dyn Task,
        progress: f64,
        note: &mut dyn FnMut(&Experience),
    ) -> Result<Figures, FleetError> {
        let PqnSettings { epsilon_start, epsilon_end, epsilon_share, .. } = self.settings;
        let explore = Exploration::falling(epsilon_start, epsilon_end, epsilon_share, progress as f32);
        let rollout = self.rollout(task, explore, note)?;
        let learning_rate = falling(self.settings.learning_rate, progress);
        let figures = self.learn(&rollout, learning_rate);
        let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
        Ok(Figures {
            loss: figures.td_loss,
            curves: vec![
                ("learn/td_loss", figures.td_loss),
                ("learn/gradient_norm", figures.gradient_norm),
                ("learn/learning_rate", learning_rate as f32),
                ("learn/epsilon", explore.epsilon),
                ("learn/q_value", mean(&rollout.values)),
                ("learn/reward_per_decision", mean(&rollout.reward)),
            ],
        })
    }

    fn policy(&self) -> QNetwork {
        self.descent.policy()
    }

    fn save(&self) -> Result<Parts, SnapshotError> {
        Ok(self.descent.save(Parts::default())?.with_value("random", &self.random))
    }

    fn restore(&mut self, parts: &Parts) -> Result<(), SnapshotError> {
        self.random = parts.value("random")?;
        self.descent.restore(parts)
    }

    fn regularise(&mut self, robust: Option<RobustQ>) {
        self.robust = robust;
    }
}

fn best_values(heads: &[f32]) -> Vec<f32> {
    heads.chunks_exact(OUTPUTS).map(|heads| QValues(heads).of(QValues(heads).best())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harden::regulariser::RobustQSettings;
    use crate::memory::FEATURES;
    use crate::policy::PolicySettings;
    use crate::proof::policy::BoundedPolicy;
    use rand::RngExt;
    use roadproof_perception::proof::interval::Interval;

    /// What is left of the errors of a network that has learnt made-up returns, with or without a regulariser, what the
    /// regulariser then finds, and how many of its choices are certified.
    fn regularised(robust: RobustQ, on: bool) -> (f32, f32, usize) {
        let mut random = Pcg64Mcg::seed_from_u64(4);
        const COUNT: usize = 64;
        let features: Vec<f32> = (0..COUNT * FEATURES).map(|_| random.random_range(-1.0..1.0)).collect();
        let mut action = || Action { steer: random.random_range(0..11), acceleration: random.random_range(0..5) };
        let actions: Vec<Action> = (0..COUNT).map(|_| action()).collect();
        // Turning towards what the first feature says pays.
        let steer_wanted = |index: usize| 5.0 + 5.0 * features[index * FEATURES];
        let target = |(index, action): (usize, &Action)| -0.1 * (action.steer as f32 - steer_wanted(index)).abs();
        let targets = actions.iter().enumerate().map(target).collect();
        let rollout = Gathered { features: features.clone(), actions, returns: targets, ..Gathered::default() };
        let mut learner = Pqn::new(PqnSettings::default(), Start::fresh(PolicySettings { hidden: 32 }, 1));
        learner.robust = on.then_some(robust);
        let batch: Vec<usize> = (0..COUNT).collect();
        let loss = (0..150).map(|_| learner.minibatch(&rollout, &batch, 3e-3).td_loss).last();
        let network = learner.policy();
        let heads = network.heads(&features);
        let decisions = Decisions { features: &features, heads: &heads };
        let bounded = BoundedPolicy::new(&network);
        let certified = (0..COUNT).filter(|index| {
            let bounds = std::array::from_fn(|feature| {
                Interval::exactly(features[index * FEATURES + feature]).widened(f64::from(robust.radius[feature]))
            });
            bounded.certifies(&bounds, QValues(&heads[index * OUTPUTS..][..OUTPUTS]).best())
        });
        let found = robust.loss(&network, &decisions).into_scalar::<f32>();
        (loss.expect("some steps"), found, certified.count())
    }

    #[test]
    fn the_regulariser_shrinks_what_it_is_against() {
        let settings = RobustQSettings { hinge_weight: 0.1, ..RobustQSettings::default() };
        let robust = RobustQ { settings, radius: [0.02; FEATURES] };
        let ((_, without, few), (loss, with, many)) = (regularised(robust, false), regularised(robust, true));
        assert!(many > few + 20, "{many} certified with it, {few} without");
        assert!(with < without - 0.2 * without.abs(), "{with} with it, {without} without");
        assert!(loss < 0.1, "{loss} is left of the errors");
    }
}
