//! Imitation: the policy is shown what the scripted driver, who knows the truth, would do, and learns to choose the same.
//!
//! In behaviour cloning the teacher drives. In `DAgger` the policy drives more and more of the decisions itself, and the teacher says
//! what it would do where the policy has got to; a policy that is only shown what the teacher sees never learns to get back from where
//! the teacher is never. All that was ever shown is kept, up to a number of decisions, the oldest going first.
//!
//! The teacher's angle and acceleration are shown as the nearest that a policy can choose, of eleven and five: between two of them the
//! policy that has learnt it perfectly saws to and fro, which the teacher does not.
//!
//! # Source
//! Ross, Gordon and Bagnell 2011, "A Reduction of Imitation Learning and Structured Prediction to No-Regret Online Learning",
//! arXiv:1011.0686: decisions by the teacher with a chance that falls, and data of all rounds together.

use crate::formats::parts::{Parts, floats};
use crate::learn::choices::choices;
use crate::learn::descent::{Descent, falling, nothing_more, rows};
use crate::learn::task::{Actor, Experience, Group, Task};
use crate::learn::{Figures, Learner, SnapshotError, Start};
use crate::memory::FEATURES;
use crate::policy::{OUTPUTS, QNetwork, QValues};
use rand::{RngExt, SeedableRng};
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
        steps: usize = 1 to 1000000;
        batch: usize = 1 to 1048576;
        kept: usize = 1 to 20000000;
        learning_rate: f64 = 0.0 to 1.0;
        clip_norm: f32 = 1e-6 to 1e9;
        teacher_start: f32 = 0.0 to 1.0;
        teacher_end: f32 = 0.0 to 1.0;
        teacher_share: f32 = 1e-6 to 1.0;
    }
}

/// Settings of imitation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DaggerSettings {
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
    /// Decisions that each of them is made on, drawn from all that are kept.
    #[serde(deserialize_with = "range::batch")]
    pub batch: usize,
    /// Decisions that are kept.
    #[serde(deserialize_with = "range::kept")]
    pub kept: usize,
    /// Adam's step at the start; it falls linearly to a fiftieth.
    #[serde(deserialize_with = "range::learning_rate")]
    pub learning_rate: f64,
    /// Global norm at which gradients are clipped.
    #[serde(deserialize_with = "range::clip_norm")]
    pub clip_norm: f32,
    /// Chance that the teacher takes a decision itself, at the start.
    #[serde(deserialize_with = "range::teacher_start")]
    pub teacher_start: f32,
    /// The same at the end; where both are 1 it is behaviour cloning.
    #[serde(deserialize_with = "range::teacher_end")]
    pub teacher_end: f32,
    /// Share of the updates over which it falls.
    #[serde(deserialize_with = "range::teacher_share")]
    pub teacher_share: f32,
}

impl Default for DaggerSettings {
    fn default() -> Self {
        Self {
            worlds: 128,
            rollout: 16,
            updates: 250,
            steps: 24,
            batch: 512,
            kept: 400_000,
            learning_rate: 1e-3,
            clip_norm: 10.0,
            teacher_start: 1.0,
            teacher_end: 0.0,
            teacher_share: 0.3,
        }
    }
}

/// Decisions with what the teacher would have done, the oldest overwritten first.
#[derive(Serialize, Deserialize)]
struct Shown {
    #[serde(with = "floats")]
    features: Vec<f32>,
    taught: Vec<Action>,
    kept: usize,
    next: usize,
}

impl Shown {
    fn add(&mut self, features: &[f32], taught: &[Action]) {
        for (features, action) in features.chunks_exact(FEATURES).zip(taught) {
            if self.taught.len() < self.kept {
                self.features.extend_from_slice(features);
                self.taught.push(*action);
            } else {
                self.features[self.next * FEATURES..][..FEATURES].copy_from_slice(features);
                self.taught[self.next] = *action;
                self.next = (self.next + 1) % self.kept;
            }
        }
    }
}

/// Imitation under way.
pub struct Dagger {
    settings: DaggerSettings,
    descent: Descent,
    random: Pcg64Mcg,
    shown: Shown,
}

impl Dagger {
    /// With a fresh network, or with one that has learnt.
    #[must_use]
    pub fn new(settings: DaggerSettings, start: Start) -> Self {
        let random = Pcg64Mcg::seed_from_u64(start.seed ^ 0x6461_6767_0000 ^ ((start.updates as u64) << 32));
        let descent = Descent::new(start, settings.clip_norm);
        let shown = Shown { features: Vec::new(), taught: Vec::new(), kept: settings.kept, next: 0 };
        Self { settings, descent, random, shown }
    }

    /// One optimiser step on drawn decisions: cross-entropy against the teacher's choice, the share on which both agree, and the norm of
    /// the gradients.
    fn imitate(&mut self, learning_rate: f64) -> (f32, f32, f32) {
        let count = self.shown.taught.len();
        let batch: Vec<usize> =
            (0..self.settings.batch.min(count)).map(|_| self.random.random_range(0..count)).collect();
        let (features, share) = (rows(&self.shown.features, &batch), 1.0 / batch.len() as f32);
        let (mut loss, mut agreed) = (0.0, 0.0);
        let taught = &self.shown.taught;
        let slope = |heads: &[f32], gradient: &mut [f32]| {
            let each = heads.chunks_exact(OUTPUTS).zip(gradient.chunks_exact_mut(OUTPUTS));
            for (((heads, gradient), choices), &index) in each.zip(choices(heads)).zip(&batch) {
                loss -= share * choices.log_probability(taught[index]);
                agreed += share * f32::from(u8::from(QValues(heads).best() == taught[index]));
                choices.add_gradient(taught[index], -share, 0.0, gradient);
            }
        };
        let norm = self.descent.step(&features, learning_rate, slope, nothing_more);
        (loss, agreed, norm)
    }
}

/// Gathers what the teacher would do while one of the two drives.
struct Driving<'d> {
    network: QNetwork,
    /// Chance that the teacher decides.
    by_teacher: f32,
    random: &'d mut Pcg64Mcg,
    shown: &'d mut Shown,
    note: &'d mut dyn FnMut(&Experience),
    reward: f32,
    decisions: usize,
}

impl Actor for Driving<'_> {
    fn decide(&mut self, group: &Group<'_>) -> Vec<Action> {
        let taught = (group.teacher)();
        self.shown.add(group.features, &taught);
        let heads = self.network.heads(group.features);
        let mut decide = |(heads, taught): (&[f32], &Action)| {
            if self.random.random::<f32>() < self.by_teacher { *taught } else { QValues(heads).best() }
        };
        heads.chunks_exact(OUTPUTS).zip(&taught).map(&mut decide).collect()
    }

    fn learn_of(&mut self, _: &Group<'_>, experience: &Experience) {
        (self.note)(experience);
        self.reward += experience.reward.iter().sum::<f32>();
        self.decisions += experience.reward.len();
    }
}

impl Learner for Dagger {
    fn update(
        &mut self,
        task: &mut dyn Task,
        progress: f64,
        note: &mut dyn FnMut(&Experience),
    ) -> Result<Figures, FleetError> {
        let DaggerSettings { rollout, steps, teacher_start, teacher_end, teacher_share, .. } = self.settings;
        let by_teacher = teacher_start + (teacher_end - teacher_start) * (progress as f32 / teacher_share).min(1.0);
        let (network, random, shown) = (self.descent.actor(), &mut self.random, &mut self.shown);
        let mut driving = Driving { network, by_teacher, random, shown, note, reward: 0.0, decisions: 0 };
        task.drive(rollout, &mut driving)?;
        let reward = driving.reward / driving.decisions.max(1) as f32;
        let learning_rate = falling(self.settings.learning_rate, progress);
        let (mut loss, mut agreed, mut norm) = (0.0, 0.0, 0.0);
        for _ in 0..steps {
            let (one_loss, one_agreed, one_norm) = self.imitate(learning_rate);
            loss += one_loss / steps as f32;
            agreed += one_agreed / steps as f32;
            norm += one_norm / steps as f32;
        }
        Ok(Figures {
            loss,
            curves: vec![
                ("learn/imitation_loss", loss),
                ("learn/agreement", agreed),
                ("learn/by_teacher", by_teacher),
                ("learn/shown", self.shown.taught.len() as f32),
                ("learn/gradient_norm", norm),
                ("learn/learning_rate", learning_rate as f32),
                ("learn/reward_per_decision", reward),
            ],
        })
    }

    fn policy(&self) -> QNetwork {
        self.descent.policy()
    }

    fn save(&self) -> Result<Parts, SnapshotError> {
        let parts = self.descent.save(Parts::default())?;
        Ok(parts.with_value("random", &self.random).with_value("shown", &self.shown))
    }

    fn restore(&mut self, parts: &Parts) -> Result<(), SnapshotError> {
        (self.random, self.shown) = (parts.value("random")?, parts.value("shown")?);
        self.descent.restore(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_decisions_are_overwritten_first() {
        let mut shown = Shown { features: Vec::new(), taught: Vec::new(), kept: 3, next: 0 };
        let row = |value: usize| vec![value as f32; FEATURES];
        for value in 0..5 {
            shown.add(&row(value), &[Action { steer: value, acceleration: 0 }]);
        }
        let steers: Vec<usize> = shown.taught.iter().map(|action| action.steer).collect();
        assert_eq!(steers, [3, 4, 2]);
        let features: Vec<f32> = shown.features.chunks_exact(FEATURES).map(|row| row[0]).collect();
        assert_eq!(features, [3.0, 4.0, 2.0]);
    }
}
