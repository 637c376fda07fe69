//! Stage 3: the policy learns with perception in the loop. Clock, checkpoints and events are here; how it learns is the learner's.

use crate::formats::parts::{Parts, PartsError};
use crate::formats::tensorboard::{EventWriter, TensorboardError};
use crate::host::interrupt::Interrupt;
use crate::host::pace::{Allotment, Pace, seconds_of};
use crate::host::progress::LongWork;
use crate::learn::environment::{DrivesUnderWay, Environment, EnvironmentSettings};
use crate::learn::task::{Actor, Experience, Group, Task};
use crate::learn::{Figures, Learner, SnapshotError};
use crate::policy::QNetwork;
use crate::train::checkpoint::{Checkpoint, CheckpointError, LEARN};
use crate::train::settings::{LearnAmount, Settings};
use roadproof_env::vector::Replaced;
use roadproof_env::{Action, Roads};
use roadproof_perception::Perception;
use roadproof_perception::device::DeviceError;
use roadproof_sim::{FleetError, Outcome, Scenario};
use std::collections::VecDeque;
use std::time::Instant;

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
    /// What the stage goes on from.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The drives that were under way.
    #[error(transparent)]
    Parts(#[from] PartsError),
    /// Where it is to be computed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The network left the numbers.
    #[error(
        "learning diverged at update {update}: lower the algorithm's `learning_rate`; what was saved before is kept"
    )]
    Diverged {
        /// The update.
        update: usize,
    },
    /// Decisions are held to be worth what none can be.
    #[error(
        "learning diverged at update {update}: it holds decisions to be worth {value}, and no return can be beyond {most}; lower the \
         algorithm's `learning_rate`; what was saved before is kept"
    )]
    Runaway {
        /// The update.
        update: usize,
        /// What it holds them to be worth, in the mean.
        value: f32,
        /// What they can be worth at most.
        most: f32,
    },
}

/// A trained policy.
pub struct Learned {
    /// The network.
    pub policy: QNetwork,
    /// Updates made, from the beginning of the run.
    pub updates: usize,
    /// Whether the clock had a say in step and exploration, see [`Pace::hurried`].
    pub hurried: bool,
}

/// The drives under way, in the file that the stage goes on from.
const UNDER_WAY: &str = "under_way";

/// Decisions after which what was learnt is saved, if a checkpoint is not due before.
const DECISIONS_PER_CHECKPOINT: u64 = 81_920;

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
    let LearnAmount { worlds, rollout, updates } = settings.amount();
    let first = checkpoint.progress.learn_updates;
    let mut learner = settings.learner(from)?;
    match checkpoint.take_kept(LEARN) {
        Some(parts) => {
            learner.restore(&parts)?;
            let made = first * rollout;
            let progress = |ago: usize| made.checked_sub(ago).map_or(0.0, |at| (at / rollout) as f64 / updates as f64);
            let under_way: DrivesUnderWay = parts.value(UNDER_WAY)?;
            environment.restore(&under_way, progress)?;
            // Found scenarios may be others by now.
            checkpoint.progress.cut_short |= environment.under_way() != under_way;
        }
        // Whatever lies there is of a policy that was given up.
        None => checkpoint.forget(LEARN),
    }
    let per_update = (worlds * rollout) as u64;
    let mut stage = LongWork::start("learn", updates as u64 * per_update, "decisions")
        .with_done(first as u64 * per_update)
        .with_allotment(time);
    let mut pace = Pace::new(first, updates, time.limit);
    let mut update = first;
    let mut recent = Recent::default();
    let mut since = Instant::now();
    while pace.goes_on(update) && !interrupt.requested() {
        let progress = pace.progress(update);
        environment.grow(progress);
        learner.regularise(environment.regulariser());
        let figures = learner.update(environment, progress, &mut |transition| recent.note(transition))?;
        update += 1;
        check(&figures, update, settings.most_return())?;
        let step = update as u64 * per_update;
        stage.set(step, format_args!("{}, loss {:.4}", recent.summary(), figures.loss));
        let per_s = per_update as f64 / since.elapsed().as_secs_f64();
        since = Instant::now();
        for (tag, value) in figures.curves.into_iter().chain([("learn/decisions_per_s", per_s as f32)]) {
            events.scalar(tag, step, value)?;
        }
        recent.log(step, events)?;
        checkpoint.progress.cut_short |= pace.hurried();
        if checkpoint.is_due() || step / DECISIONS_PER_CHECKPOINT > (step - per_update) / DECISIONS_PER_CHECKPOINT {
            checkpoint.keep(LEARN, settings, update, parts_of(&*learner, environment)?)?;
            checkpoint.save_policy(&learner.policy(), update, environment.driven())?;
        }
    }
    events.flush()?;
    let policy = learner.policy();
    if update > 0 {
        checkpoint.keep(LEARN, settings, update, parts_of(&*learner, environment)?)?;
        checkpoint.save_policy(&policy, update, environment.driven())?;
    }
    stage.finish(recent.summary());
    Ok(Learned { policy, updates: update, hurried: pace.hurried() })
}

/// Curves of what decisions are held to be worth.
const WORTH: [&str; 2] = ["learn/q_value", "learn/value"];
/// So many times the greatest return are passed by no learner that is on its way.
const FAR_BEYOND: f32 = 10.0;

/// Finds out whether an update left the numbers, or what returns can be.
fn check(figures: &Figures, update: usize, most: f32) -> Result<(), LearnError> {
    let worth = figures.curves.iter().filter(|(tag, _)| WORTH.contains(tag)).map(|(_, value)| *value);
    if !figures.loss.is_finite() || worth.clone().any(|value| !value.is_finite()) {
        return Err(LearnError::Diverged { update });
    }
    match worth.into_iter().find(|value| value.abs() > FAR_BEYOND * most) {
        Some(value) => Err(LearnError::Runaway { update, value, most }),
        None => Ok(()),
    }
}

/// What learner and drives go on from to the bit. What happened of late is not in it: curves of the last drives begin anew.
fn parts_of(learner: &dyn Learner, environment: &Environment) -> Result<Parts, LearnError> {
    Ok(learner.save()?.with_value(UNDER_WAY, &environment.under_way()))
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
        worlds: settings.amount().worlds,
        threads: settings.threads(),
        overlap: true,
        found: found.to_vec(),
    };
    Environment::new(parts, perception.cloned(), hardening, driven)
}

/// Seconds that an update takes here, and that a decision of all drives takes, by a part of an update with a network of its own.
///
/// # Errors
/// [`FleetError`] if a new drive cannot be built.
pub(crate) fn sample(settings: &Settings, environment: &mut Environment) -> Result<(f64, f64), LearnError> {
    let (part, parts) = settings.in_parts();
    let mut learner = part.learner(None)?;
    let regularise_s = seconds_of(|| learner.regularise(environment.regulariser()));
    // The first is slower than those after it.
    let mut last = learner.update(environment, 1.0, &mut |_| ());
    let part_s = seconds_of(|| {
        if last.is_ok() {
            last = learner.update(environment, 1.0, &mut |_| ());
        }
    });
    last?;
    let mut driven = Ok(());
    let decision_s = seconds_of(|| {
        if driven.is_ok() {
            driven = environment.drive(1, &mut Onwards);
        }
    });
    driven?;
    Ok((part_s * parts + regularise_s, decision_s))
}

/// Drives straight on.
struct Onwards;

impl Actor for Onwards {
    fn decide(&mut self, group: &Group<'_>) -> Vec<Action> {
        vec![Action::nearest(0.0, 0.0); group.worlds.len()]
    }

    fn learn_of(&mut self, _: &Group<'_>, _: &Experience) {}
}

/// What happened of late, for people who watch.
#[derive(Default)]
struct Recent {
    /// The last drives that ended.
    ended: VecDeque<Replaced>,
    /// What decisions since the last update were rewarded for, added up over worlds, and their number.
    terms: Vec<(&'static str, f32)>,
    speed_mps: f32,
    decisions: usize,
}

impl Recent {
    const KEPT: usize = 200;

    fn note(&mut self, transition: &Experience) {
        self.ended.extend(&transition.ended);
        while self.ended.len() > Self::KEPT {
            self.ended.pop_front();
        }
        if self.terms.is_empty() {
            self.terms = transition.terms.iter().map(|(name, _)| (*name, 0.0)).collect();
        }
        // Means over worlds, of which one time there are more than the other.
        let worlds = transition.reward.len();
        self.terms.iter_mut().zip(&transition.terms).for_each(|((_, sum), (_, term))| *sum += worlds as f32 * term);
        self.speed_mps += worlds as f32 * transition.speed_mps;
        self.decisions += worlds;
    }

    fn mean(&self, value: impl Fn(&Replaced) -> f32) -> f32 {
        self.ended.iter().map(value).fold(0.0, |sum, value| sum + value) / self.ended.len().max(1) as f32
    }

    fn share(&self, outcome: Outcome) -> f32 {
        self.mean(|ended| f32::from(u8::from(ended.outcome == outcome)))
    }

    fn summary(&self) -> String {
        if self.ended.is_empty() {
            return "no drive has ended yet".to_owned();
        }
        format!(
            "completion {:.2}, score {:.1}, collisions {:.2}, off road {:.2} (last {} drives)",
            self.mean(|ended| ended.score.route_completion),
            self.mean(|ended| ended.score.driving_score),
            self.share(Outcome::Collision),
            self.share(Outcome::OffRoad),
            self.ended.len(),
        )
    }

    /// Curves of what happened; those of drives that ended have no point as long as none has. What is told of decisions is told once.
    fn log(&mut self, step: u64, events: &mut EventWriter) -> Result<(), TensorboardError> {
        let decisions = std::mem::take(&mut self.decisions).max(1) as f32;
        events.scalar("learn/speed_mps", step, std::mem::take(&mut self.speed_mps) / decisions)?;
        for (name, sum) in std::mem::take(&mut self.terms) {
            events.scalar(&format!("reward/{name}"), step, sum / decisions)?;
        }
        if self.ended.is_empty() {
            return Ok(());
        }
        for (tag, value) in [
            ("learn/episode_return", self.mean(|ended| ended.episode_return)),
            ("learn/episode_length", self.mean(|ended| ended.decisions as f32)),
            ("learn/route_completion", self.mean(|ended| ended.score.route_completion)),
            ("learn/driving_score", self.mean(|ended| ended.score.driving_score)),
            ("learn/collisions", self.share(Outcome::Collision)),
            ("learn/off_road", self.share(Outcome::OffRoad)),
        ] {
            events.scalar(tag, step, value)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_the_numbers_or_what_returns_can_be_ends_the_learning() {
        let most = Settings::default().most_return();
        assert!(most > 3.0 && most < 1000.0, "{most}");
        let after = |loss: f32, tag: &'static str, value: f32| {
            check(&Figures { loss, curves: vec![("learn/epsilon", 0.1), (tag, value)] }, 7, most)
        };
        assert!(after(0.1, "learn/q_value", most).is_ok() && after(1e30, "learn/value", -most).is_ok());
        assert!(after(0.1, "learn/gradient_norm", f32::NAN).is_ok(), "nothing is held to be worth that");
        for (loss, value) in [(f32::NAN, 0.0), (f32::INFINITY, 0.0), (0.1, f32::NAN)] {
            let told = after(loss, "learn/q_value", value).map_err(|error| error.to_string());
            assert!(told.is_err_and(|told| told.starts_with("learning diverged at update 7: lower ")));
        }
        for value in [11.0 * most, -11.0 * most] {
            let told = after(0.1, "learn/value", value).map_err(|error| error.to_string());
            assert!(
                told.is_err_and(|told| told.contains(&format!("worth {value}, and no return can be beyond {most}")))
            );
        }
    }
}
