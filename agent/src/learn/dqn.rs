//! DQN: Q-learning from a replay buffer, with a target network that follows now and then.
//!
//! The network is a dueling one with a head for each part of the action, so the greatest Q-value is a sum of maxima. Double Q-learning,
//! returns over several decisions, prioritised replay and Munchausen rewards are switches. Policy inputs are two dozen numbers, so the
//! buffer holds them as they are. Of returns over several decisions the first alone has a Munchausen reward, as in Clark et al. 2024
//! (BTR), arXiv:2411.03820.
//!
//! # Source
//! Mnih et al. 2015; van Hasselt et al. 2016 (double), arXiv:1509.06461; Wang et al. 2016 (dueling), arXiv:1511.06581; Hessel et al. 2018
//! (all of these together), arXiv:1710.02298; Vieillard et al. 2020 (Munchausen), arXiv:2007.14430, with their weight 0.9, temperature 0.03
//! and floor -1. Steps, discount and exploration are those of our Q-learning without replay.

use crate::formats::parts::Parts;
use crate::learn::descent::{Descent, falling, network_bytes, network_of, nothing_more};
use crate::learn::explore::Exploration;
use crate::learn::replay::{End, NSteps, Replay};
use crate::learn::task::{Actor, Experience, Group, Task};
use crate::learn::{Figures, Learner, SnapshotError, Start};
use crate::memory::FEATURES;
use crate::policy::{ACCELERATION_HEADS, OUTPUTS, QNetwork, QValues, STEER_HEADS, q_gradient};
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use roadproof_env::Action;
use roadproof_sim::FleetError;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What is allowed.
mod range {
    roadproof_range::bounded! {
        worlds: usize = 1 to 4096;
        rollout: usize = 1 to 4096;
        updates: usize = 1 to 10000000;
        steps: usize = 1 to 1000000;
        batch: usize = 1 to 1048576;
        capacity: usize = 1 to 10000000;
        warm_up: usize = 0 to 10000000;
        n_step: usize = 1 to 1000;
        gamma: f32 = 0.0 to 1.0;
        learning_rate: f64 = 0.0 to 1.0;
        clip_norm: f32 = 1e-6 to 1e9;
        target_every: usize = 1 to 10000000;
        prioritised: f32 = 0.0 to 1.0;
        importance: f32 = 0.0 to 1.0;
        munchausen: f32 = 0.0 to 1.0;
        temperature: f32 = 1e-6 to 1000.0;
        epsilon_start: f32 = 0.0 to 1.0;
        epsilon_end: f32 = 0.0 to 1.0;
        epsilon_share: f32 = 1e-6 to 1.0;
    }
}

/// Settings of DQN.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DqnSettings {
    /// Drives at once.
    #[serde(deserialize_with = "range::worlds")]
    pub worlds: usize,
    /// Decisions of each drive between two updates.
    #[serde(deserialize_with = "range::rollout")]
    pub rollout: usize,
    /// Updates in all.
    #[serde(deserialize_with = "range::updates")]
    pub updates: usize,
    /// Optimiser steps of each update.
    #[serde(deserialize_with = "range::steps")]
    pub steps: usize,
    /// Decisions that each of them is made on.
    #[serde(deserialize_with = "range::batch")]
    pub batch: usize,
    /// Decisions that the replay buffer keeps.
    #[serde(deserialize_with = "range::capacity")]
    pub capacity: usize,
    /// Decisions that are made before the first is learnt from.
    #[serde(deserialize_with = "range::warm_up")]
    pub warm_up: usize,
    /// Decisions whose rewards are put together.
    #[serde(deserialize_with = "range::n_step")]
    pub n_step: usize,
    /// Discount per decision.
    #[serde(deserialize_with = "range::gamma")]
    pub gamma: f32,
    /// Adam's step at the start; it falls linearly to a fiftieth.
    #[serde(deserialize_with = "range::learning_rate")]
    pub learning_rate: f64,
    /// Global norm at which gradients are clipped.
    #[serde(deserialize_with = "range::clip_norm")]
    pub clip_norm: f32,
    /// Optimiser steps after which the target network becomes what the other is.
    #[serde(deserialize_with = "range::target_every")]
    pub target_every: usize,
    /// Whether the network chooses the next action and the target network says what it is worth; without effect on Munchausen's softmax,
    /// which chooses nothing.
    pub double: bool,
    /// How much the errors count by which decisions are drawn; zero draws all alike.
    #[serde(deserialize_with = "range::prioritised")]
    pub prioritised: f32,
    /// How far that is made up for in the loss at the start; wholly at the end.
    #[serde(deserialize_with = "range::importance")]
    pub importance: f32,
    /// Weight of the logarithm of the policy in the reward, the policy then being a softmax; zero is off, 0.9 usual.
    #[serde(deserialize_with = "range::munchausen")]
    pub munchausen: f32,
    /// Temperature of that softmax.
    #[serde(deserialize_with = "range::temperature")]
    pub temperature: f32,
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

impl Default for DqnSettings {
    fn default() -> Self {
        Self {
            worlds: 128,
            rollout: 8,
            updates: 1000,
            steps: 12,
            batch: 256,
            capacity: 200_000,
            warm_up: 10_000,
            n_step: 3,
            gamma: 0.96,
            learning_rate: 5e-4,
            clip_norm: 10.0,
            target_every: 200,
            double: true,
            prioritised: 0.5,
            importance: 0.4,
            munchausen: 0.0,
            temperature: 0.03,
            epsilon_start: 1.0,
            epsilon_end: 0.03,
            epsilon_share: 0.3,
        }
    }
}

/// The logarithm of the policy, times the temperature, counts no less than this.
const LEAST_LOG: f32 = -1.0;

/// An error beyond it pulls no harder.
const MOST_ERROR: f32 = 1.0;

/// DQN under way.
pub struct Dqn {
    settings: DqnSettings,
    descent: Descent,
    target: QNetwork,
    steps: usize,
    random: Pcg64Mcg,
    replay: Replay,
    waiting: NSteps,
}

impl Dqn {
    /// With a fresh network, or with one that has learnt.
    #[must_use]
    pub fn new(settings: DqnSettings, start: Start) -> Self {
        let random = Pcg64Mcg::seed_from_u64(start.seed ^ 0x6471_6e00_0000 ^ ((start.updates as u64) << 32));
        let descent = Descent::new(start, settings.clip_norm);
        Self {
            target: descent.policy(),
            descent,
            steps: 0,
            random,
            replay: Replay::new(settings.capacity, settings.prioritised),
            waiting: NSteps::new(settings.n_step, settings.gamma, settings.worlds),
            settings,
        }
    }

    /// Drives with ε-greedy choices into the replay buffer; returns the mean reward of a decision.
    fn drive(
        &mut self,
        task: &mut dyn Task,
        explore: Exploration,
        note: &mut dyn FnMut(&Experience),
    ) -> Result<f32, FleetError> {
        let Self { settings, descent, random, replay, waiting, .. } = self;
        let (network, under_way) = (descent.actor(), VecDeque::new());
        let mut driving =
            Driving { network, explore, random, replay, waiting, note, under_way, reward: 0.0, decisions: 0 };
        task.drive(settings.rollout, &mut driving)?;
        Ok(driving.reward / driving.decisions.max(1) as f32)
    }

    /// One optimiser step: the squared error, the mean Q-value and the norm of the gradients.
    fn learn(&mut self, importance: f32, learning_rate: f64) -> [f32; 3] {
        let settings = self.settings;
        let drawn = self.replay.draw(settings.batch, importance, &mut self.random);
        let features = self.replay.features(&drawn.numbers);
        let next = self.replay.next(&drawn.numbers);
        let worth = self.target.heads(&next);
        let here = (settings.munchausen > 0.0).then(|| self.target.heads(&features));
        let double = settings.double && here.is_none();
        let chosen = if double { self.descent.policy().heads(&next) } else { worth.clone() };
        let targets: Vec<f32> = drawn
            .numbers
            .iter()
            .enumerate()
            .map(|(at, &number)| {
                let row = |heads: &[f32]| -> [f32; OUTPUTS] { std::array::from_fn(|head| heads[at * OUTPUTS + head]) };
                let (worth, chosen) = (row(&worth), row(&chosen));
                let (reward, later) = match &here {
                    None => (self.replay.reward(number), QValues(&worth).of(QValues(&chosen).best())),
                    Some(here) => {
                        let log = log_policy(&row(here), self.replay.action(number), settings.temperature);
                        let bonus = settings.munchausen * log.clamp(LEAST_LOG, 0.0);
                        (self.replay.reward(number) + bonus, soft_value(&worth, settings.temperature))
                    }
                };
                reward + self.replay.discount(number) * later
            })
            .collect();
        let (mut errors, mut loss, mut mean_q) = (Vec::new(), 0.0, 0.0);
        let share = 1.0 / drawn.numbers.len() as f32;
        let replay = &self.replay;
        let slope = |heads: &[f32], gradient: &mut [f32]| {
            let each = heads.chunks_exact(OUTPUTS).zip(gradient.chunks_exact_mut(OUTPUTS));
            for (((heads, gradient), target), (&number, weight)) in
                each.zip(&targets).zip(drawn.numbers.iter().zip(&drawn.weights))
            {
                let action = replay.action(number);
                let q = QValues(heads).of(action);
                let error = q - target;
                q_gradient(action, share * weight * error.clamp(-MOST_ERROR, MOST_ERROR), gradient);
                errors.push(error);
                loss += share * error * error;
                mean_q += share * q;
            }
        };
        let norm = self.descent.step(&features, learning_rate, slope, nothing_more);
        drawn.numbers.iter().zip(errors).for_each(|(number, error)| self.replay.note(*number, error));
        self.steps += 1;
        if self.steps.is_multiple_of(settings.target_every) {
            self.target = self.descent.policy();
        }
        [loss, mean_q, norm]
    }
}

/// Gathers decisions for replay while it makes them.
struct Driving<'d> {
    network: QNetwork,
    explore: Exploration,
    random: &'d mut Pcg64Mcg,
    replay: &'d mut Replay,
    waiting: &'d mut NSteps,
    note: &'d mut dyn FnMut(&Experience),
    /// Observations and actions of which it is not known yet what they led to, the oldest first.
    under_way: VecDeque<(Vec<f32>, Vec<Action>)>,
    reward: f32,
    decisions: usize,
}

impl Actor for Driving<'_> {
    fn decide(&mut self, group: &Group<'_>) -> Vec<Action> {
        let heads = self.network.heads(group.features);
        let mut choose = |heads| self.explore.choose(QValues(heads).best(), self.random);
        let actions: Vec<Action> = heads.chunks_exact(OUTPUTS).map(&mut choose).collect();
        self.under_way.push_back((group.features.to_vec(), actions.clone()));
        actions
    }

    fn learn_of(&mut self, group: &Group<'_>, experience: &Experience) {
        (self.note)(experience);
        let (before, actions) = self.under_way.pop_front().expect("what is told of was decided before");
        for (world, action) in actions.iter().enumerate() {
            let row = |features: &[f32]| -> Vec<f32> { features[world * FEATURES..][..FEATURES].to_vec() };
            let cut_off = experience.truncated.iter().find(|(cut, _)| *cut == world);
            let (next, end) = match cut_off {
                Some((_, last)) => (last.clone(), Some(End::Truncated)),
                None => (row(group.features), experience.terminated[world].then_some(End::Terminated)),
            };
            let before = row(&before);
            let decision = (&before[..], *action, experience.reward[world]);
            let replay = &mut *self.replay;
            self.waiting.add(group.worlds.start + world, decision, &next, end, |transition| replay.add(&transition));
        }
        self.reward += experience.reward.iter().sum::<f32>();
        self.decisions += actions.len();
    }
}

impl Learner for Dqn {
    fn update(
        &mut self,
        task: &mut dyn Task,
        progress: f64,
        note: &mut dyn FnMut(&Experience),
    ) -> Result<Figures, FleetError> {
        let DqnSettings { epsilon_start, epsilon_end, epsilon_share, steps, warm_up, importance, .. } = self.settings;
        let explore = Exploration::falling(epsilon_start, epsilon_end, epsilon_share, progress as f32);
        let reward = self.drive(task, explore, note)?;
        let learning_rate = falling(self.settings.learning_rate, progress);
        let beta = importance + (1.0 - importance) * progress as f32;
        let mut sums = [0.0; 3];
        let learns = self.replay.len() >= warm_up.max(1).min(self.settings.capacity);
        let steps_now = if learns { steps } else { 0 };
        for _ in 0..steps_now {
            let figures = self.learn(beta, learning_rate);
            sums.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += figure / steps as f32);
        }
        let [loss, mean_q, norm] = sums;
        let mut curves = vec![
            ("learn/epsilon", explore.epsilon),
            ("learn/replay", self.replay.len() as f32),
            ("learn/reward_per_decision", reward),
        ];
        if learns {
            curves.extend([
                ("learn/td_loss", loss),
                ("learn/q_value", mean_q),
                ("learn/importance", beta),
                ("learn/gradient_norm", norm),
                ("learn/learning_rate", learning_rate as f32),
            ]);
        }
        Ok(Figures { loss, curves })
    }

    fn policy(&self) -> QNetwork {
        self.descent.policy()
    }

    fn save(&self) -> Result<Parts, SnapshotError> {
        let parts = self.descent.save(Parts::default())?.with("target", network_bytes(&self.target)?);
        let parts = parts.with_value("random", &self.random).with_value("steps", &self.steps);
        Ok(parts.with_value("replay", &self.replay).with_value("waiting", &self.waiting))
    }

    fn restore(&mut self, parts: &Parts) -> Result<(), SnapshotError> {
        self.target = network_of(self.target.clone(), parts.get("target")?)?;
        (self.random, self.steps) = (parts.value("random")?, parts.value("steps")?);
        (self.replay, self.waiting) = (parts.value("replay")?, parts.value("waiting")?);
        self.descent.restore(parts)
    }
}

/// Logarithm of the softmax policy at an action, times the temperature: both heads together.
fn log_policy(heads: &[f32], action: Action, temperature: f32) -> f32 {
    let head = |advantages: &[f32], chosen: usize| advantages[chosen] - soft_maximum(advantages, temperature);
    head(&heads[STEER_HEADS], action.steer) + head(&heads[ACCELERATION_HEADS], action.acceleration)
}

/// What a softmax policy is worth with its entropy: the value plus the soft maxima of both heads' advantages.
fn soft_value(heads: &[f32], temperature: f32) -> f32 {
    let head = |advantages: &[f32]| {
        soft_maximum(advantages, temperature) - advantages.iter().sum::<f32>() / advantages.len() as f32
    };
    heads[0] + head(&heads[STEER_HEADS]) + head(&heads[ACCELERATION_HEADS])
}

/// `temperature · log Σ exp(x / temperature)`.
fn soft_maximum(values: &[f32], temperature: f32) -> f32 {
    let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    most + temperature * values.iter().map(|value| ((value - most) / temperature).exp()).sum::<f32>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads() -> [f32; OUTPUTS] {
        std::array::from_fn(|index| 0.3 * ((index * 7) % 5) as f32 - 0.4)
    }

    #[test]
    fn a_cold_softmax_is_worth_what_the_best_action_is() {
        let (heads, cold) = (heads(), 1e-3);
        let best = QValues(&heads).best();
        // Several actions share the greatest advantage, which a softmax counts for an entropy of a few thousandths.
        assert!((soft_value(&heads, cold) - QValues(&heads).of(best)).abs() < 0.01);
        assert!(log_policy(&heads, best, cold) > -0.01 && log_policy(&heads, best, cold) <= 0.0);
        assert!(log_policy(&heads, QValues(&heads).worst(), cold) < -1.0);
    }

    #[test]
    fn a_soft_value_is_the_mean_of_what_its_policy_gets_and_its_entropy() {
        let (heads, temperature) = (heads(), 0.7);
        let mut wanted = 0.0;
        for steer in 0..STEER_HEADS.len() {
            for acceleration in 0..ACCELERATION_HEADS.len() {
                let action = Action { steer, acceleration };
                let log = log_policy(&heads, action, temperature);
                wanted += (log / temperature).exp() * (QValues(&heads).of(action) - log);
            }
        }
        assert!(
            (soft_value(&heads, temperature) - wanted).abs() < 1e-4,
            "{} {wanted}",
            soft_value(&heads, temperature)
        );
    }
}
