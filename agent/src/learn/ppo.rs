//! PPO: a policy is drawn from, and moved towards what turned out better than its value said, no further than a small ratio at a time.
//!
//! Steering and acceleration are drawn independently, from a softmax over each head; the value is the network's first output. Only a
//! truncated drive's last observation is bootstrapped from. When the policy is done it drives by the likeliest choice of each head,
//! so that it is the same kind of driver that Q-learning makes.
//!
//! # Source
//! Schulman et al. 2017, "Proximal Policy Optimization Algorithms", arXiv:1707.06347, and Schulman et al. 2016, "High-Dimensional
//! Continuous Control Using Generalized Advantage Estimation", arXiv:1506.02438. As Huang et al. 2022, "The 37 Implementation Details of
//! Proximal Policy Optimization", have it: advantages normalised over a minibatch, one global norm of gradients, Adam with 1e-5, a
//! learning rate that falls linearly, and a stop of the update once the policy has moved too far. The value is not clipped: Andrychowicz
//! et al. 2021, arXiv:2006.05990, find that it harms. Horizon and number of worlds are those of our Q-learning.

use crate::formats::parts::Parts;
use crate::learn::choices::choices;
use crate::learn::descent::{Descent, falling, minibatches, nothing_more, rows};
use crate::learn::rollout::{Gathered, Rollout};
use crate::learn::task::{Experience, Task};
use crate::learn::{Figures, Learner, SnapshotError, Start};
use crate::policy::{OUTPUTS, QNetwork};
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
        clip: f32 = 1e-6 to 100.0;
        entropy: f32 = 0.0 to 100.0;
        value_weight: f32 = 0.0 to 1000.0;
        most_kl: f32 = 1e-9 to 1e9;
    }
}

/// Settings of PPO.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PpoSettings {
    /// Drives at once.
    #[serde(deserialize_with = "range::worlds")]
    pub worlds: usize,
    /// Decisions of each drive between two updates.
    #[serde(deserialize_with = "range::rollout")]
    pub rollout: usize,
    /// Updates in all.
    #[serde(deserialize_with = "range::updates")]
    pub updates: usize,
    /// Times each update goes over its rollout, unless the policy has moved too far before.
    #[serde(deserialize_with = "range::epochs")]
    pub epochs: usize,
    /// Parts each epoch is cut into.
    #[serde(deserialize_with = "range::minibatches")]
    pub minibatches: usize,
    /// Discount per decision.
    #[serde(deserialize_with = "range::gamma")]
    pub gamma: f32,
    /// Weight of longer returns in advantages.
    #[serde(deserialize_with = "range::lambda")]
    pub lambda: f32,
    /// Adam's step at the start; it falls linearly to a fiftieth.
    #[serde(deserialize_with = "range::learning_rate")]
    pub learning_rate: f64,
    /// Global norm at which gradients are clipped.
    #[serde(deserialize_with = "range::clip_norm")]
    pub clip_norm: f32,
    /// How far the ratio of new and old probability may be from one before it brings nothing more.
    #[serde(deserialize_with = "range::clip")]
    pub clip: f32,
    /// Weight of the entropy, which keeps choices open.
    #[serde(deserialize_with = "range::entropy")]
    pub entropy: f32,
    /// Weight of half the squared error of the value.
    #[serde(deserialize_with = "range::value_weight")]
    pub value_weight: f32,
    /// An update ends after the epoch in which the policy has moved so far, as KL divergence in nats.
    #[serde(deserialize_with = "range::most_kl")]
    pub most_kl: f32,
}

impl Default for PpoSettings {
    fn default() -> Self {
        Self {
            worlds: 128,
            rollout: 32,
            updates: 250,
            epochs: 4,
            minibatches: 8,
            gamma: 0.96,
            lambda: 0.9,
            learning_rate: 3e-3,
            clip_norm: 0.5,
            clip: 0.2,
            entropy: 0.003,
            value_weight: 0.5,
            most_kl: 0.03,
        }
    }
}

/// Decisions of all worlds between two updates; returns less values are their advantages.
struct Samples {
    gathered: Gathered,
    /// Logarithm of each action's probability when it was drawn.
    drawn_at: Vec<f32>,
}

/// What an update was like, in the mean over its minibatches.
#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    surrogate: f32,
    value_loss: f32,
    entropy: f32,
    kl: f32,
    clipped: f32,
    gradient_norm: f32,
}

/// PPO under way.
pub struct Ppo {
    settings: PpoSettings,
    descent: Descent,
    random: Pcg64Mcg,
}

impl Ppo {
    /// With a fresh network, or with one that has learnt.
    #[must_use]
    pub fn new(settings: PpoSettings, start: Start) -> Self {
        let random = Pcg64Mcg::seed_from_u64(start.seed ^ 0x70_706f_0000 ^ ((start.updates as u64) << 32));
        Self { settings, descent: Descent::new(start, settings.clip_norm), random }
    }

    fn rollout(&mut self, task: &mut dyn Task, note: &mut dyn FnMut(&Experience)) -> Result<Samples, FleetError> {
        let PpoSettings { rollout, gamma, lambda, .. } = self.settings;
        let (mut drawn_at, random) = (Vec::new(), &mut self.random);
        let mut choose = |heads: &[f32]| -> Vec<Action> {
            let choices = choices(heads);
            let actions: Vec<Action> = choices.iter().map(|choices| choices.draw(random)).collect();
            drawn_at.extend(choices.iter().zip(&actions).map(|(choices, action)| choices.log_probability(*action)));
            actions
        };
        let gathered =
            Rollout::new(self.descent.actor(), values, &mut choose, note).gather(task, rollout, gamma, lambda)?;
        Ok(Samples { gathered, drawn_at })
    }

    /// Some epochs of minibatches, until the policy has moved as far as it may.
    fn learn(&mut self, samples: &Samples, learning_rate: f64) -> (Moved, usize) {
        let (mut moved, mut epochs) = (Vec::new(), 0);
        let mut order: Vec<usize> = (0..samples.gathered.actions.len()).collect();
        while epochs < self.settings.epochs {
            let batches = minibatches(&mut order, self.settings.minibatches, &mut self.random);
            let of_epoch: Vec<Moved> = batches.map(|batch| self.minibatch(samples, batch, learning_rate)).collect();
            let kl = of_epoch.iter().map(|one| one.kl).sum::<f32>() / of_epoch.len() as f32;
            moved.extend(of_epoch);
            epochs += 1;
            if kl > self.settings.most_kl {
                break;
            }
        }
        let mean = |of: fn(&Moved) -> f32| moved.iter().map(of).sum::<f32>() / moved.len() as f32;
        let mean = Moved {
            surrogate: mean(|one| one.surrogate),
            value_loss: mean(|one| one.value_loss),
            entropy: mean(|one| one.entropy),
            kl: mean(|one| one.kl),
            clipped: mean(|one| one.clipped),
            gradient_norm: mean(|one| one.gradient_norm),
        };
        (mean, epochs)
    }

    fn minibatch(&mut self, samples: &Samples, batch: &[usize], learning_rate: f64) -> Moved {
        let advantages = normalised(
            batch.iter().map(|&index| samples.gathered.returns[index] - samples.gathered.values[index]).collect(),
        );
        let mut moved = Moved::default();
        let (settings, share) = (self.settings, 1.0 / batch.len() as f32);
        let features = rows(&samples.gathered.features, batch);
        let slope = |heads: &[f32], gradient: &mut [f32]| {
            let each = heads.chunks_exact(OUTPUTS).zip(gradient.chunks_exact_mut(OUTPUTS));
            let policies = choices(heads);
            for (((heads, gradient), choices), (&index, advantage)) in
                each.zip(&policies).zip(batch.iter().zip(&advantages))
            {
                let action = samples.gathered.actions[index];
                let surrogate = Surrogate::new(
                    choices.log_probability(action) - samples.drawn_at[index],
                    *advantage,
                    settings.clip,
                );
                let error = heads[0] - samples.gathered.returns[index];
                gradient[0] = share * settings.value_weight * error;
                choices.add_gradient(action, share * surrogate.slope, -share * settings.entropy, gradient);
                moved.surrogate += share * surrogate.loss;
                moved.value_loss += share * 0.5 * error * error;
                moved.entropy += share * choices.entropy();
                moved.kl += share * surrogate.kl;
                moved.clipped += share * f32::from(u8::from(surrogate.clipped));
            }
        };
        moved.gradient_norm = self.descent.step(&features, learning_rate, slope, nothing_more);
        moved
    }
}

impl Learner for Ppo {
    fn update(
        &mut self,
        task: &mut dyn Task,
        progress: f64,
        note: &mut dyn FnMut(&Experience),
    ) -> Result<Figures, FleetError> {
        let samples = self.rollout(task, note)?;
        let learning_rate = falling(self.settings.learning_rate, progress);
        let (moved, epochs) = self.learn(&samples, learning_rate);
        let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
        let advantages: Vec<f32> =
            samples.gathered.returns.iter().zip(&samples.gathered.values).map(|(all, value)| all - value).collect();
        Ok(Figures {
            loss: moved.surrogate + self.settings.value_weight * moved.value_loss,
            curves: vec![
                ("learn/surrogate", moved.surrogate),
                ("learn/value_loss", moved.value_loss),
                ("learn/explained_variance", explained_variance(&samples.gathered.values, &samples.gathered.returns)),
                ("learn/entropy", moved.entropy),
                ("learn/kl", moved.kl),
                ("learn/clipped", moved.clipped),
                ("learn/epochs", epochs as f32),
                ("learn/advantage_std", deviation(&advantages, mean(&advantages))),
                ("learn/value", mean(&samples.gathered.values)),
                ("learn/gradient_norm", moved.gradient_norm),
                ("learn/learning_rate", learning_rate as f32),
                ("learn/reward_per_decision", mean(&samples.gathered.reward)),
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
}

/// The loss of one decision: how likely the action is now against when it was drawn, times its advantage, and no more than the clip
/// allows.
struct Surrogate {
    loss: f32,
    /// Over the logarithm of the action's probability.
    slope: f32,
    /// How far the policy has moved there: ratio − 1 − log ratio, whose mean is the KL divergence from the old policy to the new one
    /// (Schulman 2020, "Approximating KL divergence").
    kl: f32,
    /// Whether the clip keeps it from moving on.
    clipped: bool,
}

impl Surrogate {
    fn new(log_ratio: f32, advantage: f32, clip: f32) -> Self {
        let ratio = log_ratio.exp();
        let gain = ratio * advantage;
        let clipped_gain = ratio.clamp(1.0 - clip, 1.0 + clip) * advantage;
        let clipped = gain > clipped_gain;
        let slope = if clipped { 0.0 } else { -gain };
        Self { loss: -gain.min(clipped_gain), slope, kl: ratio - 1.0 - log_ratio, clipped }
    }
}

/// Values of a batch's observations.
fn values(heads: &[f32]) -> Vec<f32> {
    heads.chunks_exact(OUTPUTS).map(|heads| heads[0]).collect()
}

fn deviation(values: &[f32], mean: f32) -> f32 {
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / values.len().max(1) as f32).sqrt()
}

/// The same with a mean of zero and a deviation of one.
fn normalised(values: Vec<f32>) -> Vec<f32> {
    let mean = values.iter().sum::<f32>() / values.len().max(1) as f32;
    let deviation = deviation(&values, mean);
    values.into_iter().map(|value| (value - mean) / (deviation + 1e-8)).collect()
}

/// Share of the returns' variance that the values foresaw: one if all, zero if no more than their mean does.
fn explained_variance(values: &[f32], returns: &[f32]) -> f32 {
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
    let errors: Vec<f32> = values.iter().zip(returns).map(|(value, all)| all - value).collect();
    let (left, whole) = (deviation(&errors, mean(&errors)), deviation(returns, mean(returns)));
    if whole > 0.0 { 1.0 - (left / whole).powi(2) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::returns::{ReturnStep, lambda_returns};

    /// Advantages by the sum that defines them: discounted errors of the value, to the end of the drive or of the rollout.
    fn by_definition(
        rewards: &[f32],
        values: &[f32],
        next: &[f32],
        ends: &[bool],
        gamma: f32,
        lambda: f32,
    ) -> Vec<f32> {
        let errors: Vec<f32> = (0..rewards.len()).map(|at| rewards[at] + gamma * next[at] - values[at]).collect();
        (0..rewards.len())
            .map(|from| {
                let (mut sum, mut weight) = (0.0, 1.0);
                for at in from..rewards.len() {
                    sum += weight * errors[at];
                    weight *= gamma * lambda;
                    if ends[at] {
                        break;
                    }
                }
                sum
            })
            .collect()
    }

    #[test]
    fn returns_less_values_are_generalised_advantages() {
        let (gamma, lambda) = (0.9, 0.7);
        let (rewards, values) = ([1.0, -2.0, 0.5, 3.0, 1.5], [0.3, 1.1, -0.4, 2.0, 0.9]);
        // The drive is cut off after the second decision, where its last observation is worth 4, and fails after the fourth.
        let after = [1.1, -0.4, 2.0, 0.9, 5.0];
        let step = |at: usize| ReturnStep {
            reward: vec![rewards[at]],
            terminated: vec![at == 3],
            truncated: if at == 1 { vec![(0, 4.0)] } else { Vec::new() },
            next_best: vec![after[at]],
        };
        let returns = lambda_returns(&[0, 1, 2, 3, 4].map(step), gamma, lambda);
        let next = [1.1, 4.0, 2.0, 0.0, 5.0];
        let wanted = by_definition(&rewards, &values, &next, &[false, true, false, true, false], gamma, lambda);
        for ((all, value), wanted) in returns.iter().zip(&values).zip(wanted) {
            assert!((all - value - wanted).abs() < 1e-5, "{} {wanted}", all - value);
        }
    }

    #[test]
    fn what_is_clipped_pulls_no_further() {
        let slope = |ratio: f32, advantage: f32| Surrogate::new(ratio.ln(), advantage, 0.2).slope;
        assert!((slope(1.1, 2.0) + 2.2).abs() < 1e-5 && (slope(0.9, -2.0) - 1.8).abs() < 1e-5);
        assert_eq!((slope(1.3, 2.0), slope(0.7, -2.0)), (0.0, 0.0), "moved far enough already");
        assert!(slope(0.7, 2.0) < 0.0 && slope(1.3, -2.0) > 0.0, "moved the wrong way");
        let kl = |ratio: f32| Surrogate::new(ratio.ln(), 1.0, 0.2).kl;
        assert!(kl(1.0) == 0.0 && kl(1.2) > 0.0 && kl(0.8) > 0.0);
    }

    #[test]
    fn figures_are_what_they_are_called() {
        let even = normalised(vec![1.0, 3.0, 5.0]);
        assert!(even.iter().sum::<f32>().abs() < 1e-6 && (even[2] - 1.224_745).abs() < 1e-5, "{even:?}");
        assert_eq!(normalised(vec![2.0; 3]), [0.0; 3]);
        assert_eq!(explained_variance(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]), 1.0);
        assert_eq!(explained_variance(&[2.0; 3], &[1.0, 2.0, 3.0]), 0.0);
    }
}
