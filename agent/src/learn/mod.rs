//! Stage 3: PQN, Q-learning without replay and without a target network, on many worlds at once.
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

mod clip;
pub mod environment;

use crate::formats::tensorboard::{EventWriter, TensorboardError};
use crate::harden::regulariser::{Decisions, RobustQ};
use crate::host::interrupt::Interrupt;
use crate::host::pace::{Allotment, Pace};
use crate::host::progress::Stage;
use crate::learn::clip::clip_by_global_norm;
use crate::learn::environment::{Environment, Transition};
use crate::memory::FEATURES;
use crate::policy::{OUTPUTS, PolicySettings, QNetwork, QValues, q_gradient};
use crate::train::checkpoint::{Checkpoint, CheckpointError};
use crate::train::forecast::seconds_of;
use crate::train::settings::Settings;
use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::prelude::*;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use roadproof_env::action::{ACCELERATION_MPS2, Action, STEER_RAD};
use roadproof_sim::{FleetError, Outcome, Score};
use serde::{Deserialize, Serialize};

/// Settings of PQN.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PqnSettings {
    /// Drives at once.
    pub worlds: usize,
    /// Decisions of each drive between two updates.
    pub rollout: usize,
    /// Updates in all.
    pub updates: usize,
    /// Times each update goes over its rollout.
    pub epochs: usize,
    /// Parts each epoch is cut into.
    pub minibatches: usize,
    /// Discount per decision.
    pub gamma: f32,
    /// Weight of longer returns.
    pub lambda: f32,
    /// Adam's step at the start; it falls linearly to zero.
    pub learning_rate: f64,
    /// Global norm at which gradients are clipped.
    pub clip_norm: f32,
    /// Chance of a random choice at the start.
    pub epsilon_start: f32,
    /// Chance of a random choice at the end.
    pub epsilon_end: f32,
    /// Share of the updates over which exploration falls.
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

/// Learning that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// A drive that cannot be built.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// The event file.
    #[error(transparent)]
    Tensorboard(#[from] TensorboardError),
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The network left the numbers.
    #[error("learning diverged at update {update}: lower `learn.learning_rate`")]
    Diverged {
        /// The update.
        update: usize,
    },
}

/// A trained policy.
pub struct Learned {
    /// The Q-network.
    pub policy: QNetwork,
    /// Updates made, from the beginning of the run.
    pub updates: usize,
    /// Whether the clock had a say in step and exploration, see [`Pace::hurried`].
    pub hurried: bool,
}

/// How often what was learnt is saved, if a checkpoint is not due before.
const UPDATES_PER_CHECKPOINT: usize = 20;

/// Learns until the updates are made, the time is spent, or somebody interrupts.
///
/// # Errors
/// [`LearnError`].
pub fn learn(
    settings: &Settings,
    environment: &mut Environment,
    from: Option<(QNetwork, usize)>,
    time: Allotment,
    interrupt: &Interrupt,
    events: &mut EventWriter,
    checkpoint: &mut Checkpoint,
) -> Result<Learned, LearnError> {
    let pqn = settings.learn;
    let first = from.as_ref().map_or(0, |(_, updates)| *updates);
    let mut learner = Pqn::new(pqn, settings.policy, settings.seed, from);
    let per_update = (pqn.worlds * pqn.rollout) as u64;
    let mut stage = Stage::start("learn", pqn.updates as u64 * per_update, "decisions")
        .with_done(first as u64 * per_update)
        .with_allotment(time);
    let mut pace = Pace::new(first, pqn.updates, time.limit);
    let mut update = first;
    let mut recent = Recent::default();
    while pace.goes_on(update) && !interrupt.requested() {
        let progress = pace.progress(update);
        environment.grow(progress);
        learner.robust = environment.robust_q();
        let rollout = learner.drive(environment, progress as f32, &mut recent)?;
        let loss = learner.update(&rollout, pqn.learning_rate * (1.0 - progress).max(0.02));
        update += 1;
        if !loss.is_finite() {
            return Err(LearnError::Diverged { update });
        }
        let step = update as u64 * per_update;
        stage.set(step, format_args!("{}, loss {loss:.4}", recent.summary()));
        events.scalar("learn/td_loss", step, loss)?;
        events.scalar("learn/reward_per_decision", step, rollout.mean_reward())?;
        recent.log(step, events)?;
        if update.is_multiple_of(UPDATES_PER_CHECKPOINT) || checkpoint.is_due() {
            checkpoint.save_policy(&learner.network.valid(), update, environment.roads())?;
        }
    }
    events.flush()?;
    let policy = learner.network.valid();
    if update > 0 {
        checkpoint.save_policy(&policy, update, environment.roads())?;
    }
    stage.finish(recent.summary());
    Ok(Learned { policy, updates: update, hurried: pace.hurried() })
}

/// Seconds that an update takes here, and that each of its decisions takes all drives: measured on the part of an update that fills
/// one minibatch, with a network of its own.
///
/// # Errors
/// [`FleetError`] if a new drive cannot be built.
pub(crate) fn sample(settings: &Settings, environment: &mut Environment) -> Result<(f64, f64), FleetError> {
    let pqn = settings.learn;
    let rollout = pqn.rollout.div_ceil(pqn.minibatches);
    let part = PqnSettings { rollout, minibatches: 1, epochs: 1, ..pqn };
    let mut learner = Pqn::new(part, settings.policy, settings.seed, None);
    let mut last = learner.drive(environment, 1.0, &mut Recent::default());
    let decision_s = seconds_of(|| last = learner.drive(environment, 1.0, &mut Recent::default())) / rollout as f64;
    let last = last?;
    let regularise_s = seconds_of(|| learner.robust = environment.robust_q());
    let minibatch_s = seconds_of(|| {
        learner.update(&last, pqn.learning_rate);
    });
    let update_s = decision_s * pqn.rollout as f64 + regularise_s + minibatch_s * (pqn.epochs * pqn.minibatches) as f64;
    Ok((update_s, decision_s))
}

/// Decisions of all worlds between two updates.
struct Rollout {
    features: Vec<f32>,
    actions: Vec<Action>,
    reward: Vec<f32>,
    /// λ-returns.
    targets: Vec<f32>,
}

impl Rollout {
    fn mean_reward(&self) -> f32 {
        self.reward.iter().sum::<f32>() / self.reward.len() as f32
    }
}

/// The learner: network, optimiser and exploration.
struct Pqn {
    settings: PqnSettings,
    network: QNetwork,
    optimizer: ModuleOptimizer,
    random: Pcg64Mcg,
    robust: Option<RobustQ>,
}

impl Pqn {
    fn new(settings: PqnSettings, policy: PolicySettings, seed: u64, from: Option<(QNetwork, usize)>) -> Self {
        let device = Device::flex().autodiff();
        let (network, done) = match from {
            Some((policy, updates)) => (policy.train(), updates as u64),
            None => (QNetwork::new(policy, seed, &device), 0),
        };
        let optimizer = AdamConfig::new().with_epsilon(1e-5).init();
        let random = Pcg64Mcg::seed_from_u64(seed ^ 0x7071_6e00 ^ (done << 32));
        Self { settings, network, optimizer, random, robust: None }
    }

    /// Drives one rollout with ε-greedy choices and computes its λ-returns.
    fn drive(
        &mut self,
        environment: &mut Environment,
        progress: f32,
        recent: &mut Recent,
    ) -> Result<Rollout, FleetError> {
        let PqnSettings { rollout: length, epsilon_start, epsilon_end, epsilon_share, .. } = self.settings;
        let epsilon = epsilon_start + (epsilon_end - epsilon_start) * (progress / epsilon_share).min(1.0);
        let actor = self.network.valid();
        let mut rollout =
            Rollout { features: Vec::new(), actions: Vec::new(), reward: Vec::new(), targets: Vec::new() };
        let mut heads = actor.heads(environment.features());
        let mut steps = Vec::with_capacity(length);
        for _ in 0..length {
            rollout.features.extend_from_slice(environment.features());
            let actions: Vec<Action> =
                heads.chunks_exact(OUTPUTS).map(|heads| self.explore(QValues(heads).best(), epsilon)).collect();
            let transition = environment.step(&actions)?;
            recent.note(&transition);
            rollout.actions.extend_from_slice(&actions);
            rollout.reward.extend_from_slice(&transition.reward);
            heads = actor.heads(environment.features());
            let value = |(world, features): &(usize, Vec<f32>)| (*world, best_values(&actor.heads(features))[0]);
            steps.push(ReturnStep {
                truncated: transition.truncated.iter().map(value).collect(),
                reward: transition.reward,
                terminated: transition.terminated,
                next_best: best_values(&heads),
            });
        }
        rollout.targets = lambda_returns(&steps, self.settings.gamma, self.settings.lambda);
        Ok(rollout)
    }

    fn explore(&mut self, best: Action, epsilon: f32) -> Action {
        let mut choose = |greedy: usize, count: usize| {
            if self.random.random::<f32>() < epsilon { self.random.random_range(0..count) } else { greedy }
        };
        Action {
            steer: choose(best.steer, STEER_RAD.len()),
            acceleration: choose(best.acceleration, ACCELERATION_MPS2.len()),
        }
    }

    /// Some epochs of minibatches over a rollout; returns the mean squared temporal-difference error.
    fn update(&mut self, rollout: &Rollout, learning_rate: f64) -> f32 {
        let count = rollout.actions.len();
        let mut order: Vec<usize> = (0..count).collect();
        let size = count.div_ceil(self.settings.minibatches);
        let mut losses = Vec::new();
        for _ in 0..self.settings.epochs {
            order.shuffle(&mut self.random);
            for batch in order.chunks(size) {
                losses.push(self.minibatch(rollout, batch, learning_rate));
            }
        }
        losses.iter().sum::<f32>() / losses.len() as f32
    }

    fn minibatch(&mut self, rollout: &Rollout, batch: &[usize], learning_rate: f64) -> f32 {
        let device = Device::flex().autodiff();
        let features: Vec<f32> =
            batch.iter().flat_map(|&index| &rollout.features[index * FEATURES..][..FEATURES]).copied().collect();
        let input = TensorData::new(features.clone(), [batch.len(), FEATURES]);
        let heads = self.network.forward(Tensor::from_data(input, &device));
        let values: Vec<f32> = heads.clone().inner().into_data().try_to_vec().expect("the network computes in f32");
        let mut gradient = vec![0.0; values.len()];
        let mut loss = 0.0;
        let rows = values.chunks_exact(OUTPUTS).zip(gradient.chunks_exact_mut(OUTPUTS)).zip(batch);
        for ((heads, gradient), &index) in rows {
            let error = QValues(heads).of(rollout.actions[index]) - rollout.targets[index];
            loss += error * error;
            q_gradient(rollout.actions[index], error / batch.len() as f32, gradient);
        }
        // The gradient of this sum is that of half the squared error: the factor on the right is a constant.
        let gradient = Tensor::<2>::from_data(TensorData::new(gradient, [batch.len(), OUTPUTS]), &device);
        let mut descent = (heads * gradient).sum();
        if let Some(robust) = &self.robust {
            let decisions = Decisions { features: &features, heads: &values };
            descent = descent + robust.loss(&self.network, &decisions);
        }
        let gradients = GradientsParams::from_grads(descent.backward(), &self.network);
        let gradients = clip_by_global_norm(&self.network, gradients, self.settings.clip_norm);
        self.network = self.optimizer.step(learning_rate, self.network.clone(), gradients);
        loss / batch.len() as f32
    }
}

/// What the returns of one decision of all worlds are made of.
struct ReturnStep {
    reward: Vec<f32>,
    terminated: Vec<bool>,
    /// Worlds whose drive was cut off, with the value of its last observation.
    truncated: Vec<(usize, f32)>,
    /// Value of the best action afterwards; where a drive ended, that of the next drive's first observation.
    next_best: Vec<f32>,
}

/// Returns from the end of the rollout backwards: reward, plus the discounted mix of the next value and the next return.
/// A terminated drive has no next; a truncated one has the value of its own last observation.
///
/// # Shapes
/// - returns: `steps × worlds`
fn lambda_returns(steps: &[ReturnStep], gamma: f32, lambda: f32) -> Vec<f32> {
    let mut later: Vec<f32> = steps.last().map_or_else(Vec::new, |step| step.next_best.clone());
    let worlds = later.len();
    let mut targets = vec![0.0; steps.len() * worlds];
    for (step, targets) in steps.iter().zip(targets.chunks_exact_mut(worlds.max(1))).rev() {
        let mut next: Vec<f32> =
            step.next_best.iter().zip(&later).map(|(value, later)| lambda * later + (1.0 - lambda) * value).collect();
        for &(world, value) in &step.truncated {
            next[world] = value;
        }
        for world in 0..worlds {
            let future = if step.terminated[world] { 0.0 } else { gamma * next[world] };
            later[world] = step.reward[world] + future;
        }
        targets.copy_from_slice(&later);
    }
    targets
}

fn best_values(heads: &[f32]) -> Vec<f32> {
    heads.chunks_exact(OUTPUTS).map(|heads| QValues(heads).of(QValues(heads).best())).collect()
}

/// The last drives that ended, for people who watch.
#[derive(Default)]
struct Recent {
    ended: std::collections::VecDeque<(Outcome, Score)>,
}

impl Recent {
    const KEPT: usize = 200;

    fn note(&mut self, transition: &Transition) {
        self.ended.extend(&transition.ended);
        while self.ended.len() > Self::KEPT {
            self.ended.pop_front();
        }
    }

    fn mean(&self, value: impl Fn(&(Outcome, Score)) -> f32) -> f32 {
        self.ended.iter().map(value).fold(0.0, |sum, value| sum + value) / self.ended.len().max(1) as f32
    }

    fn summary(&self) -> String {
        if self.ended.is_empty() {
            return "no drive has ended yet".to_owned();
        }
        format!(
            "completion {:.2}, score {:.1}, collisions {:.2}, off road {:.2} (last {} drives)",
            self.mean(|(_, score)| score.route_completion),
            self.mean(|(_, score)| score.driving_score),
            self.mean(|(outcome, _)| f32::from(u8::from(*outcome == Outcome::Collision))),
            self.mean(|(outcome, _)| f32::from(u8::from(*outcome == Outcome::OffRoad))),
            self.ended.len(),
        )
    }

    fn log(&self, step: u64, events: &mut EventWriter) -> Result<(), TensorboardError> {
        events.scalar("learn/route_completion", step, self.mean(|(_, score)| score.route_completion))?;
        events.scalar("learn/driving_score", step, self.mean(|(_, score)| score.driving_score))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harden::regulariser::RobustQSettings;
    use crate::proof::policy::BoundedPolicy;
    use roadproof_perception::proof::interval::Interval;

    const GAMMA: f32 = 0.5;
    const LAMBDA: f32 = 0.25;

    /// Returns of one world over three decisions with rewards 1, 2 and 4 and next values 8, 16 and 32.
    fn returns(terminated: [bool; 3], truncated: [Option<f32>; 3]) -> Vec<f32> {
        let step = |index: usize| ReturnStep {
            reward: vec![[1.0, 2.0, 4.0][index]],
            terminated: vec![terminated[index]],
            truncated: truncated[index].map(|value| (0, value)).into_iter().collect(),
            next_best: vec![[8.0, 16.0, 32.0][index]],
        };
        lambda_returns(&[step(0), step(1), step(2)], GAMMA, LAMBDA)
    }

    #[test]
    fn returns_mix_the_next_value_and_the_next_return() {
        // 4 + 32 / 2; 2 + (20 / 4 + 16 * 3 / 4) / 2; 1 + (10.5 / 4 + 8 * 3 / 4) / 2.
        assert_eq!(returns([false; 3], [None; 3]), [5.3125, 10.5, 20.0]);
    }

    #[test]
    fn a_terminated_drive_has_no_next() {
        // The middle reward alone; what comes after it belongs to another drive.
        assert_eq!(returns([false, true, false], [None; 3]), [4.25, 2.0, 20.0]);
        assert_eq!(returns([false, false, true], [None; 3]), [5.0625, 8.5, 4.0]);
    }

    #[test]
    fn a_truncated_drive_has_the_value_of_its_last_observation() {
        // 2 + 6 / 2, whatever the next drive is worth; then 1 + (5 / 4 + 8 * 3 / 4) / 2.
        assert_eq!(returns([false; 3], [None, Some(6.0), None]), [4.625, 5.0, 20.0]);
    }

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
        let rollout = Rollout { features: features.clone(), actions, reward: Vec::new(), targets };
        let mut learner = Pqn::new(PqnSettings::default(), PolicySettings { hidden: 32 }, 1, None);
        learner.robust = on.then_some(robust);
        let batch: Vec<usize> = (0..COUNT).collect();
        let loss = (0..150).map(|_| learner.minibatch(&rollout, &batch, 3e-3)).last();
        let heads = learner.network.valid().heads(&features);
        let decisions = Decisions { features: &features, heads: &heads };
        let bounded = BoundedPolicy::new(&learner.network.valid());
        let certified = (0..COUNT).filter(|index| {
            let bounds = std::array::from_fn(|feature| {
                Interval::exactly(features[index * FEATURES + feature]).widened(f64::from(robust.radius[feature]))
            });
            bounded.certifies(&bounds, QValues(&heads[index * OUTPUTS..][..OUTPUTS]).best())
        });
        let found = robust.loss(&learner.network, &decisions).into_scalar::<f32>();
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

    #[test]
    fn worlds_do_not_mix() {
        let step = |reward: [f32; 2], truncated| ReturnStep {
            reward: reward.to_vec(),
            terminated: vec![true, false],
            truncated,
            next_best: vec![100.0, 2.0],
        };
        let steps = [step([1.0, 3.0], vec![]), step([5.0, 7.0], vec![(1, 10.0)])];
        // 7 + 10 / 2; 3 + (12 / 4 + 2 * 3 / 4) / 2.
        assert_eq!(lambda_returns(&steps, GAMMA, LAMBDA), [1.0, 5.25, 5.0, 12.0]);
    }
}
