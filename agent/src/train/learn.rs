//! Stage 3: the policy learns with perception in the loop. Clock, checkpoints and events are here; how it learns is the learner's.

use crate::formats::tensorboard::{EventWriter, TensorboardError};
use crate::host::interrupt::Interrupt;
use crate::host::pace::{Allotment, Pace, seconds_of};
use crate::host::progress::LongWork;
use crate::learn::environment::{Environment, EnvironmentSettings, Experience};
use crate::learn::{Pqn, PqnSettings};
use crate::policy::QNetwork;
use crate::train::checkpoint::{Checkpoint, CheckpointError};
use crate::train::settings::Settings;
use roadproof_env::Roads;
use roadproof_perception::Perception;
use roadproof_sim::{FleetError, Outcome, Scenario, Score};

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
    let mut stage = LongWork::start("learn", pqn.updates as u64 * per_update, "decisions")
        .with_done(first as u64 * per_update)
        .with_allotment(time);
    let mut pace = Pace::new(first, pqn.updates, time.limit);
    let mut update = first;
    let mut recent = Recent::default();
    while pace.goes_on(update) && !interrupt.requested() {
        let progress = pace.progress(update);
        environment.grow(progress);
        learner.regularise(environment.regulariser());
        let rollout = learner.rollout(environment, progress as f32, |transition| recent.note(transition))?;
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
            checkpoint.save_policy(&learner.policy(), update, environment.driven())?;
        }
    }
    events.flush()?;
    let policy = learner.policy();
    if update > 0 {
        checkpoint.save_policy(&policy, update, environment.driven())?;
    }
    stage.finish(recent.summary());
    Ok(Learned { policy, updates: update, hurried: pace.hurried() })
}

/// The drives that the policy learns on, after so many roads and a share of `progress`, with a perception or without a camera.
pub(crate) fn environment(
    settings: &Settings,
    found: &[Scenario],
    perception: Option<&Perception>,
    driven: u64,
    progress: f64,
) -> Result<Environment, FleetError> {
    let mut hardening = settings.hardening();
    hardening.grow(progress);
    let parts = EnvironmentSettings {
        roads: Roads::new(settings.seed, settings.drive),
        reward: settings.reward,
        memory: settings.memory,
        worlds: settings.learn.worlds,
        threads: settings.threads(),
        found: found.to_vec(),
    };
    Environment::new(parts, perception.cloned(), hardening, driven)
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
    let mut last = learner.rollout(environment, 1.0, |_| {});
    let decision_s = seconds_of(|| last = learner.rollout(environment, 1.0, |_| {})) / rollout as f64;
    let last = last?;
    let regularise_s = seconds_of(|| learner.regularise(environment.regulariser()));
    let minibatch_s = seconds_of(|| {
        learner.update(&last, pqn.learning_rate);
    });
    let update_s = decision_s * pqn.rollout as f64 + regularise_s + minibatch_s * (pqn.epochs * pqn.minibatches) as f64;
    Ok((update_s, decision_s))
}

/// The last drives that ended, for people who watch.
#[derive(Default)]
struct Recent {
    ended: std::collections::VecDeque<(Outcome, Score)>,
}

impl Recent {
    const KEPT: usize = 200;

    fn note(&mut self, transition: &Experience) {
        self.ended.extend(transition.ended.iter().map(|ended| (ended.outcome, ended.score)));
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
