//! Batches that are harder than the frames they are drawn from: some frames suffer faults that the caller puts on them, some are
//! perturbed within a budget so that the network as it is errs most on them.
//!
//! Perception knows no faults; it is given a function. Few gradient steps are enough and cheap; that they do not turn
//! into a network that holds against few steps only is for the caller to watch, with [`loss_under_attack`] on frames
//! that are not trained on.

use crate::attack::{Budget, Differentiable, Effect, Norm, Objective, PgdSettings, pgd, to_numbers};
use crate::data::dataset::Dataset;
use crate::heads::output::{OUTPUTS, Output};
use crate::heads::percept_loss;
use crate::percept::PerceptLabel;
use crate::perception::Perception;
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// What is allowed.
mod range {
    roadproof_range::bounded! {
        fault_share: f32 = 0.0 to 1.0;
        attack_share: f32 = 0.0 to 1.0;
        eps: f32 = 0.0 to 1.0;
        steps: usize = 1 to 1000;
        beta: f32 = 0.0 to 1000.0;
    }
}

/// What a batch is made of; what is neither faulty nor attacked stays clean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HardBatch {
    /// Share of a batch that suffers a fault each. The label stays that of the clean frame.
    ///
    /// # Source
    /// Clean and augmented losses side by side with the clean frame's target: Hansen, Su and Wang 2021 (SVEA), arXiv:2107.00644.
    #[serde(deserialize_with = "range::fault_share")]
    pub fault_share: f32,
    /// Share of a batch that is perturbed adversarially.
    #[serde(deserialize_with = "range::attack_share")]
    pub attack_share: f32,
    /// Greatest change of a value, 0 to 1, in [`Norm::Linf`].
    #[serde(deserialize_with = "range::eps")]
    pub eps: f32,
    /// Gradient steps from a random start: one is FGSM with random start, more are PGD.
    ///
    /// # Source
    /// Wong, Rice and Kolter 2020, "Fast is better than free", arXiv:2001.03994, with their step of 1.25 eps; Madry et al. 2018,
    /// arXiv:1706.06083, with steps that together reach two and a half times across the budget.
    #[serde(deserialize_with = "range::steps")]
    pub steps: usize,
    /// What the network is to make of a perturbed frame.
    pub loss: AdversarialLoss,
}

impl Default for HardBatch {
    fn default() -> Self {
        Self { fault_share: 0.3, attack_share: 0.5, eps: 3.0 / 255.0, steps: 2, loss: AdversarialLoss::Label }
    }
}

/// What the network is to make of a perturbed frame.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum AdversarialLoss {
    /// The truth.
    Label,
    /// What it makes of the clean frame; the clean frame is held to that as well.
    ///
    /// # Source
    /// TRADES: Zhang et al. 2019, arXiv:1901.08573. Their Kullback-Leibler divergence is that of classes; here it stays so for
    /// the lead, and is the absolute difference for the quantities, which are trained by absolute errors.
    Trades {
        /// Weight of that beside the loss on clean frames; 1 to 10 there.
        #[serde(deserialize_with = "range::beta")]
        beta: f32,
    },
}

impl HardBatch {
    /// Frames of a batch of so many that are faulty, and that are attacked.
    pub(crate) fn counts(&self, batch: usize) -> (usize, usize) {
        let part = |share: f32| (share.clamp(0.0, 1.0) * batch as f32).round() as usize;
        let faulty = part(self.fault_share).min(batch);
        (faulty, part(self.attack_share).min(batch - faulty))
    }

    fn step_share(&self) -> f32 {
        if self.steps <= 1 { 1.25 } else { 2.5 / self.steps as f32 }
    }

    /// Perturbs frames so that they raise the loss of a network.
    ///
    /// # Shapes
    /// - `pixels`: `frames × height × width × 3`, 0 to 1; `seeds`: one for each frame
    pub(crate) fn perturb(&self, network: &Differentiable, labels: &[PerceptLabel], seeds: &[u64], pixels: &mut [f32]) {
        let Ok(budget) = Budget::new(Norm::Linf, self.eps) else { return };
        let clean = pixels.to_vec();
        let length = network.frame_len();
        let reference = match self.loss {
            AdversarialLoss::Label => None,
            AdversarialLoss::Trades { .. } => Some(network.outputs(&clean)),
        };
        pixels.par_chunks_mut(length).zip(clean.par_chunks(length)).zip(seeds).for_each(|((pixels, clean), seed)| {
            pixels.copy_from_slice(&budget.random_start(clean, &mut Pcg64Mcg::seed_from_u64(*seed)));
        });
        let objective = BatchLoss { network, labels, reference: reference.as_deref() };
        let mut gradient = vec![0.0; pixels.len()];
        for _ in 0..self.steps.max(1) {
            objective.gradients(pixels, &mut gradient);
            let frames = pixels.par_chunks_mut(length).zip(gradient.par_chunks(length)).zip(clean.par_chunks(length));
            frames.for_each(|((frame, slope), clean)| {
                budget.advance(frame, slope, self.eps * self.step_share());
                budget.project(clean, frame);
            });
        }
    }
}

/// The loss that training descends, for attacks to climb; with a reference, the distance from that instead.
struct BatchLoss<'a> {
    network: &'a Differentiable,
    labels: &'a [PerceptLabel],
    /// Outputs of each clean frame.
    reference: Option<&'a [f32]>,
}

impl BatchLoss<'_> {
    fn loss(&self, frame: usize, outputs: &[f32], slopes: &mut [f32]) -> Effect {
        let loss = match self.reference {
            None => percept_loss(outputs, &self.labels[frame], 1.0, slopes),
            Some(reference) => {
                slopes.fill(0.0);
                let reference = &reference[frame * OUTPUTS..][..OUTPUTS];
                distance(outputs, reference, 1.0, slopes)
            }
        };
        Effect { loss, broken: false }
    }
}

impl Objective for BatchLoss<'_> {
    fn evaluate(&self, pixels: &[f32]) -> Vec<Effect> {
        self.network.evaluate(pixels, |frame, outputs| self.loss(frame, outputs, &mut [0.0; OUTPUTS]))
    }

    fn gradients(&self, pixels: &[f32], gradient: &mut [f32]) -> Vec<Effect> {
        self.network.gradients(pixels, gradient, |frame, outputs, slopes| self.loss(frame, outputs, slopes))
    }
}

/// Slope of the divergence in [`distance`] over the logit of the reference.
pub(crate) fn reference_slope(found: f32, wanted: f32) -> f32 {
    let p = 1.0 / (1.0 + (-wanted).exp());
    p * (1.0 - p) * (wanted - found)
}

/// How far outputs are from others: absolute differences of the quantities, and the divergence of the lead's probabilities.
/// Its slopes over the outputs, times `weight`, are added to `slopes`. The scales are free.
pub(crate) fn distance(outputs: &[f32], reference: &[f32], weight: f32, slopes: &mut [f32]) -> f32 {
    let mut sum = 0.0;
    for quantity in Output::QUANTITIES.map(Output::index) {
        let difference = outputs[quantity] - reference[quantity];
        slopes[quantity] += if difference == 0.0 { 0.0 } else { weight * difference.signum() };
        sum += difference.abs();
    }
    let probability = |logit: f32| 1.0 / (1.0 + (-logit).exp());
    let log_of = |logit: f32| logit.min(0.0) - (-logit.abs()).exp().ln_1p();
    let lead = Output::Lead.index();
    let (found, wanted) = (outputs[lead], reference[lead]);
    let p = probability(wanted);
    slopes[lead] += weight * (probability(found) - p);
    sum + p * (log_of(wanted) - log_of(found)) + (1.0 - p) * (log_of(-wanted) - log_of(-found))
}

/// Mean loss of a perception on some frames of a dataset under PGD of ten steps: what shows that training with single steps has
/// stopped to help.
///
/// # Source
/// Such a check in each epoch is the early stopping of Wong, Rice and Kolter 2020, arXiv:2001.03994.
#[must_use]
pub fn loss_under_attack(perception: &Perception, dataset: &Dataset, frames: usize, eps: f32) -> f32 {
    let network = Differentiable::new(perception);
    let frames = frames.min(dataset.len());
    let stride = dataset.len() / frames.max(1);
    let chosen: Vec<usize> = (0..frames).map(|frame| frame * stride).collect();
    let clean: Vec<f32> = chosen.iter().flat_map(|&frame| to_numbers(dataset.frame(frame))).collect();
    let labels: Vec<PerceptLabel> = chosen.iter().map(|&frame| *dataset.label(frame)).collect();
    let objective = BatchLoss { network: &network, labels: &labels, reference: None };
    let outcomes = match Budget::new(Norm::Linf, eps) {
        Ok(budget) => {
            let settings = PgdSettings { steps: 10, step_share: 0.25, ..PgdSettings::default() };
            let seeds: Vec<u64> = (0..frames as u64).collect();
            pgd(&objective, &clean, &budget, &settings, &seeds).outcomes
        }
        // No budget, no attack.
        Err(_) => objective.evaluate(&clean),
    };
    outcomes.iter().map(|outcome| outcome.loss).sum::<f32>() / frames.max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic;

    #[test]
    fn slopes_of_the_distance_are_those_of_small_changes() {
        let reference = [0.3, -0.4, 0.1, 0.2, -1.0, 0.5, 2.0, -0.3, 0.7];
        let outputs = [0.5, -0.9, 0.3, 0.1, 9.0, 0.5, 2.0, -0.3, -0.4];
        let mut slopes = [0.0; OUTPUTS];
        distance(&outputs, &reference, 1.0, &mut slopes);
        for index in 0..OUTPUTS {
            let moved = |by: f32| {
                let mut outputs = outputs;
                outputs[index] += by;
                distance(&outputs, &reference, 1.0, &mut [0.0; OUTPUTS])
            };
            let measured = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((measured - slopes[index]).abs() < 2e-3, "{index}: {measured}, {}", slopes[index]);
        }
        assert_eq!(distance(&reference, &reference, 1.0, &mut slopes), 0.0);
        let moved = |by: f32| {
            let mut reference = reference;
            reference[Output::Lead.index()] += by;
            distance(&outputs, &reference, 1.0, &mut [0.0; OUTPUTS])
        };
        let measured = (moved(1e-2) - moved(-1e-2)) / 2e-2;
        let lead = Output::Lead.index();
        let written = reference_slope(outputs[lead], reference[lead]);
        assert!((measured - written).abs() < 2e-3, "of the reference: {measured}, {written}");
        let far = [0.0; OUTPUTS].map(|_: f32| -200.0);
        assert!(distance(&outputs, &far, 1.0, &mut slopes).is_finite());
    }

    /// Clean and attacked loss after training with a way of making batches hard.
    fn trained(hard: HardBatch) -> (f32, f32) {
        let (dataset, validation) = (synthetic::dataset(1500, 1), synthetic::dataset(200, 2));
        let mut trainer = synthetic::trainer(3);
        for step in 0..400 {
            let rate = crate::TrainingSettings::default().learning_rate_at(f64::from(step) / 400.0);
            trainer.train_hard_batch(&dataset, rate, &hard, &|_, _| {});
        }
        let loss = |eps| loss_under_attack(&trainer.perception(), &validation, 100, eps);
        (loss(0.0), loss(8.0 / 255.0))
    }

    #[test]
    fn adversarial_training_holds_where_plain_training_breaks() {
        let plain = HardBatch { fault_share: 0.0, attack_share: 0.0, eps: 8.0 / 255.0, ..HardBatch::default() };
        let (_, nominal) = trained(plain);
        for hard in [
            HardBatch { attack_share: 0.5, ..plain },
            HardBatch { attack_share: 0.5, steps: 3, ..plain },
            HardBatch { attack_share: 0.5, loss: AdversarialLoss::Trades { beta: 2.0 }, ..plain },
        ] {
            let (clean, attacked) = trained(hard);
            assert!(attacked < nominal - 1.0, "{hard:?}: {attacked} under attack, plain training {nominal}");
            assert!(clean < attacked, "{hard:?}: {clean} clean, {attacked} under attack");
        }
    }

    #[test]
    fn faulty_frames_are_those_the_caller_changed() {
        let dataset = synthetic::dataset(64, 1);
        let mut trainer = synthetic::trainer(3);
        let changed = std::sync::atomic::AtomicUsize::new(0);
        let hard = HardBatch { fault_share: 0.25, attack_share: 0.0, ..HardBatch::default() };
        trainer.train_hard_batch(&dataset, 1e-3, &hard, &|_, rgb| {
            rgb.fill(0);
            changed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        });
        assert_eq!(changed.into_inner(), 8, "a quarter of a batch of 32");
    }
}
