//! Stage 2: trains perception on the collected frames and reports how well it sees roads it was not trained on.
//!
//! A hardening attacks with few steps. That this does not turn into a network that holds against few steps only is
//! watched: PGD of ten steps on validation frames, and the best network again with more steps if it did.

use crate::formats::parts::{Parts, PartsError};
use crate::formats::pictures::png_bytes;
use crate::formats::tensorboard::{EventWriter, TensorboardError};
use crate::harden::{Hardening, faulty_frame};
use crate::host::interrupt::Interrupt;
use crate::host::pace::{Allotment, Pace, seconds_of};
use crate::host::progress::LongWork;
use crate::train::checkpoint::{Checkpoint, CheckpointError, PERCEIVE};
use crate::train::collect::Collected;
use crate::train::settings::{PerceiveSettings, Settings};
use crate::train::sight::{sight, telling_frame};
use roadproof_perception::device::DeviceError;
use roadproof_perception::weights::WeightsError;
use roadproof_perception::{
    Dataset, Perception, PerceptionReport, ShapeError, TrainLoss, Trainer, TrainerState, loss_under_attack, report,
};

/// Perception that cannot be trained.
#[derive(Debug, thiserror::Error)]
pub enum PerceiveError {
    /// The network's settings.
    #[error(transparent)]
    Settings(#[from] ShapeError),
    /// The event file.
    #[error(transparent)]
    Tensorboard(#[from] TensorboardError),
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Weights that have no form as bytes, or none that can be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// What the stage was to go on from.
    #[error(transparent)]
    Parts(#[from] PartsError),
    /// Where it is to be computed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The network left the numbers.
    #[error("training diverged at step {step}: lower `perceive.training.learning_rate`")]
    Diverged {
        /// The step.
        step: usize,
    },
}

/// A trained perception with its report.
pub struct Perceived {
    /// The network.
    pub perception: Perception,
    /// How it does on validation roads.
    pub report: PerceptionReport,
    /// Optimiser steps made, from the beginning of the run.
    pub steps: usize,
    /// Whether the clock had a say in the learning rate, see [`Pace::hurried`].
    pub hurried: bool,
}

/// Between two looks at validation frames.
const STEPS_PER_REPORT: usize = 500;

/// Trains until the steps are made, the time is spent, or somebody interrupts.
///
/// # Errors
/// [`PerceiveError`].
pub fn perceive(
    settings: &Settings,
    data: &Collected,
    from: Option<(Perception, usize)>,
    time: Allotment,
    interrupt: &Interrupt,
    events: &mut EventWriter,
    checkpoint: &mut Checkpoint,
) -> Result<Perceived, PerceiveError> {
    let PerceiveSettings { steps, training } = settings.perceive;
    let kept = checkpoint.take_kept(PERCEIVE);
    if kept.is_none() {
        checkpoint.forget(PERCEIVE);
    }
    let first = checkpoint.progress.perceive_steps;
    let device = settings.device.device()?;
    let mut trainer = match from {
        Some((perception, done)) => Trainer::resume_from(&perception, training, settings.seed + done as u64)?,
        None => Trainer::new(settings.perception, training, settings.seed)?,
    }
    .on(&device);
    let mut stage = LongWork::start("perceive", steps as u64, "steps").with_done(first as u64).with_allotment(time);
    let mut step = first;
    let mut smooth_loss = None;
    let mut pace = Pace::new(first, steps, time.limit);
    let mut watch = Watch::default();
    let mut hardening = settings.hardening();
    let mut attack_steps = checkpoint.progress.attack_steps.unwrap_or(hardening.attack_steps());
    if let Some(parts) = kept {
        let state = |name| Ok::<Vec<u8>, PartsError>(parts.get(name)?.to_vec());
        let (network, optimizer) = (state("network")?, state("optimizer")?);
        trainer.restore(&TrainerState { network, optimizer, random: parts.value("random")? })?;
        (smooth_loss, attack_steps) = (parts.value("smooth_loss")?, parts.value("attack_steps")?);
        if let Some(loss) = parts.value::<Option<f32>>("best_loss")? {
            let best = Perception::from_bytes(parts.get("best")?, "perceive.snapshot".as_ref(), settings.perception)?;
            watch.best = Some((loss, best));
        }
    }
    while pace.goes_on(step) && !interrupt.requested() {
        let progress = pace.progress(step);
        hardening.grow(progress);
        let loss = one_batch(settings, &hardening, &mut trainer, &data.train, progress, attack_steps);
        step += 1;
        if !loss.total.is_finite() {
            return Err(PerceiveError::Diverged { step });
        }
        let smooth = smooth_loss.map_or(loss.total, |smooth: f32| 0.98 * smooth + 0.02 * loss.total);
        smooth_loss = Some(smooth);
        stage.set(step as u64, format_args!("loss {smooth:.3}"));
        if step.is_multiple_of(20) {
            events.scalar("perceive/loss", step as u64, loss.total)?;
            events.scalar("perceive/loss_percept", step as u64, loss.percept)?;
            events.scalar("perceive/loss_segmentation", step as u64, loss.segmentation)?;
        }
        let due = checkpoint.is_due();
        if step.is_multiple_of(STEPS_PER_REPORT) {
            let report = report(&trainer.perception(), &data.validation);
            stage.note(summary(&report));
            log(&report, step, events)?;
            show(&trainer.perception(), &data.validation, step, events)?;
            if let Some(eps) = hardening.full_eps() {
                let now = trainer.perception();
                let attacked = loss_under_attack(&now, &data.validation, WATCHED_FRAMES, eps);
                events.scalar("perceive/loss_under_attack", step as u64, attacked)?;
                stage.note(format_args!("loss under PGD {attacked:.3}"));
                if let Some(best) = watch.overfitted(attacked, now) {
                    stage.note("few steps no longer help against many: going on from the best so far, with more");
                    trainer = Trainer::resume_from(&best, training, settings.seed + step as u64)?.on(&device);
                    attack_steps = (attack_steps + 1).max(MANY_STEPS);
                    checkpoint.progress.attack_steps = Some(attack_steps);
                }
            }
        }
        checkpoint.progress.cut_short |= pace.hurried();
        if due || step.is_multiple_of(STEPS_PER_REPORT) {
            let parts = parts_of(&trainer, smooth_loss, attack_steps, &watch)?;
            checkpoint.keep(PERCEIVE, settings, step, parts)?;
            checkpoint.save_perception(&trainer.perception(), step)?;
        }
    }
    let perception = trainer.perception();
    let report = report(&perception, &data.validation);
    if step > 0 {
        let parts = parts_of(&trainer, smooth_loss, attack_steps, &watch)?;
        checkpoint.keep(PERCEIVE, settings, step, parts)?;
    }
    checkpoint.save_perception(&perception, step)?;
    log(&report, step, events)?;
    show(&perception, &data.validation, step, events)?;
    stage.note(classes(&report));
    stage.finish(summary(&report));
    Ok(Perceived { perception, report, steps: step, hurried: pace.hurried() })
}

/// All that the stage goes on from to the bit; frames are collected anew, and are the same.
fn parts_of(
    trainer: &Trainer,
    smooth_loss: Option<f32>,
    attack_steps: usize,
    watch: &Watch,
) -> Result<Parts, PerceiveError> {
    let TrainerState { network, optimizer, random } = trainer.state()?;
    let parts = Parts::default().with("network", network).with("optimizer", optimizer).with_value("random", &random);
    let parts = parts.with_value("smooth_loss", &smooth_loss).with_value("attack_steps", &attack_steps);
    let best_loss = watch.best.as_ref().map(|(loss, _)| *loss);
    let best = watch.best.as_ref().map(|(_, perception)| perception.to_bytes()).transpose()?.unwrap_or_default();
    Ok(parts.with_value("best_loss", &best_loss).with("best", best))
}

/// Perception after a few steps on a few frames, and the seconds of a step here, with its part of the looks at validation frames.
/// A hardening is at its full size in them.
///
/// # Errors
/// [`PerceiveError`].
pub(crate) fn sample(settings: &Settings, data: &Dataset) -> Result<(Perception, f64), PerceiveError> {
    let trainer = Trainer::new(settings.perception, settings.perceive.training, settings.seed)?;
    let mut trainer = trainer.on(&settings.device.device()?);
    let mut hardening = settings.hardening();
    hardening.grow(1.0);
    let step_s = seconds_of(|| {
        one_batch(settings, &hardening, &mut trainer, data, 1.0, hardening.attack_steps());
    });
    let perception = trainer.perception();
    let report_s = seconds_of(|| {
        report(&perception, data);
    });
    let per_frame_s = report_s / data.len() as f64;
    let reports = per_frame_s * settings.collect.validation_frames as f64 / STEPS_PER_REPORT as f64;
    Ok((perception, step_s + reports))
}

/// One optimiser step, on a batch that is hard if the settings say so.
fn one_batch(
    settings: &Settings,
    hardening: &Hardening,
    trainer: &mut Trainer,
    data: &Dataset,
    progress: f64,
    attack_steps: usize,
) -> TrainLoss {
    let rate = settings.perceive.training.learning_rate_at(progress);
    let Some(hard) = hardening.batch(attack_steps) else { return trainer.train_batch(data, rate) };
    let put = |seed, rgb: &mut [u8]| faulty_frame(&settings.drive.camera, hardening.growth(), seed, rgb);
    trainer.train_hard_batch(data, rate, &hard, &put)
}

/// Frames on which PGD checks a hardening now and then.
const WATCHED_FRAMES: usize = 128;
/// Steps of the attack in training once fewer have stopped to help.
const MANY_STEPS: usize = 3;

/// Watches for catastrophic overfitting: a network that has learnt to hold against single steps only.
#[derive(Default)]
struct Watch {
    best: Option<(f32, Perception)>,
}

impl Watch {
    /// A rise by this much is more than the usual wavering.
    const RISE: f32 = 1.0;

    /// The best network so far, if this one is far worse under attack.
    fn overfitted(&mut self, attacked: f32, now: Perception) -> Option<Perception> {
        match &self.best {
            Some((best, perception)) if attacked > best + Self::RISE => Some(perception.clone()),
            Some((best, _)) if attacked >= *best => None,
            _ => {
                self.best = Some((attacked, now));
                None
            }
        }
    }
}

/// One line for people.
#[must_use]
pub fn summary(report: &PerceptionReport) -> String {
    let number = |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |value| format!("{value:.digits$}"));
    format!(
        "offset {} m, heading {} rad, curvature {} 1/m, gap {} m (below 30 m: {} m, below 5 m: {} m), lead {} %, mean IoU {}",
        number(report.lane_offset_mae_m, 3),
        number(report.heading_mae_rad, 4),
        number(report.curvature_mae_per_m, 5),
        number(report.gap_mae_m, 1),
        number(report.gap_mae_near_m, 1),
        number(report.gap_mae_close_m, 1),
        number(report.lead_accuracy.map(|share| 100.0 * share), 1),
        number(report.mean_iou, 3),
    )
}

/// Intersection over union of each class, for people.
fn classes(report: &PerceptionReport) -> String {
    let each = report
        .iou
        .iter()
        .map(|(name, iou)| format!("{name} {}", iou.map_or("-".to_owned(), |iou| format!("{iou:.3}"))));
    format!("IoU: {}", each.collect::<Vec<_>>().join(", "))
}

fn log(report: &PerceptionReport, step: usize, events: &mut EventWriter) -> Result<(), TensorboardError> {
    let figures = [
        ("perceive/lane_offset_mae_m", report.lane_offset_mae_m),
        ("perceive/heading_mae_rad", report.heading_mae_rad),
        ("perceive/curvature_mae_per_m", report.curvature_mae_per_m),
        ("perceive/gap_mae_m", report.gap_mae_m),
        ("perceive/gap_mae_close_m", report.gap_mae_close_m),
        ("perceive/lead_accuracy", report.lead_accuracy),
        ("perceive/mean_iou", report.mean_iou),
    ];
    for (tag, value) in figures {
        if let Some(value) = value {
            events.scalar(tag, step as u64, value as f32)?;
        }
    }
    events.flush()
}

/// A validation frame with what is seen in it.
fn show(
    perception: &Perception,
    validation: &Dataset,
    step: usize,
    events: &mut EventWriter,
) -> Result<(), TensorboardError> {
    if validation.is_empty() {
        return Ok(());
    }
    let (width, height, rgb) = sight(perception, validation, telling_frame(validation));
    events.image_png("perceive/sight", step as u64, width, height, &png_bytes(width, height, &rgb))?;
    events.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use roadproof_perception::{PerceptionSettings, TrainingSettings};

    /// A network that can be told from those of other seeds by what it sees.
    fn network(seed: u64) -> Perception {
        let settings = PerceptionSettings { width: 32, height: 16, ..PerceptionSettings::default() };
        Trainer::new(settings, TrainingSettings::default(), seed).expect("the sizes divide").perception()
    }

    /// Shows the watch networks of the seeds 0, 1, 2 with such losses under attack; for each, which one it says to go on from.
    fn told(losses: &[f32]) -> Vec<Option<usize>> {
        let sees = |network: &Perception| network.see(&[90; 32 * 16 * 3]);
        let all: Vec<Perception> = (0..losses.len() as u64).map(network).collect();
        let mut watch = Watch::default();
        let which = |back: Perception| all.iter().position(|network| sees(network) == sees(&back));
        let looks = losses.iter().zip(&all);
        looks
            .map(|(&loss, now)| watch.overfitted(loss, now.clone()).map(|back| which(back).expect("one of them")))
            .collect()
    }

    #[test]
    fn a_network_that_is_far_worse_under_attack_gives_way_to_the_best_before_it() {
        assert_eq!(told(&[3.0, 2.0, 2.9, 3.1]), [None, None, None, Some(1)], "the best, not the first or the last");
        assert_eq!(told(&[2.0, 2.5, 3.1]), [None, None, Some(0)], "one that is a little worse is not the best");
    }

    #[test]
    fn the_usual_wavering_is_no_overfitting() {
        assert_eq!(told(&[2.0, 3.0, 1.5, 2.4, 2.5]), [None; 5], "a rise by just the bound is none above it");
        assert_eq!(told(&[-1.0, -0.5, 0.1]), [None, None, Some(0)], "losses may be negative");
    }

    #[test]
    fn the_watch_goes_on_after_it_has_spoken() {
        assert_eq!(told(&[1.0, 4.0, 4.0, 0.5, 1.6]), [None, Some(0), Some(0), None, Some(3)]);
    }
}
