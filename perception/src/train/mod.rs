//! Teaches a [`Perception`] from a [`Dataset`], one Adam step at a time. When to stop is the caller's business.

pub(crate) mod hard;
pub(crate) mod metrics;

use crate::attack::Differentiable;
use crate::classes::CLASSES;
use crate::data::dataset::Dataset;
use crate::device::flex;
use crate::heads::output::{OUTPUTS, Output};
use crate::heads::percept_loss;
use crate::heads::segmentation::class_loss;
use crate::network::patches::{PatchLayout, Photometry};
use crate::network::{Network, PerceptionSettings, ShapeError};
use crate::percept::PerceptLabel;
use crate::perception::{Perception, values};
use crate::train::hard::{AdversarialLoss, HardBatch, distance, reference_slope};
use crate::weights::WeightsError;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::prelude::*;
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::Bytes;
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Short memory of gradient sizes: a training is a few thousand steps, and their sizes fall quickly.
const ADAM_BETA_2: f32 = 0.98;

/// What is allowed.
mod range {
    roadproof_range::bounded! {
        batch: usize = 1 to 65536;
        learning_rate: f64 = 0.0 to 1.0;
        weight_decay: f32 = 0.0 to 10.0;
        segmentation_weight: f32 = 0.0 to 1000.0;
        gain_change: f32 = 0.0 to 1.0;
        offset_change: f32 = 0.0 to 1.0;
        noise: f32 = 0.0 to 1.0;
    }
}

/// How to train.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingSettings {
    /// Frames in a batch.
    #[serde(deserialize_with = "range::batch")]
    pub batch: usize,
    /// Adam's largest step, reached after the first 3 % of the steps; it then falls to a hundredth along half a cosine.
    #[serde(deserialize_with = "range::learning_rate")]
    pub learning_rate: f64,
    /// Decoupled weight decay, per step and unit of learning rate.
    #[serde(deserialize_with = "range::weight_decay")]
    pub weight_decay: f32,
    /// Weight of the cells' cross-entropy beside the percept's loss.
    #[serde(deserialize_with = "range::segmentation_weight")]
    pub segmentation_weight: f32,
    /// Contrast is scaled by one plus or minus up to this.
    #[serde(deserialize_with = "range::gain_change")]
    pub gain_change: f32,
    /// Brightness is moved by up to this, as a fraction of the range of a byte.
    #[serde(deserialize_with = "range::offset_change")]
    pub offset_change: f32,
    /// Noise of each value is uniform in up to plus or minus this, as a fraction of the range of a byte.
    #[serde(deserialize_with = "range::noise")]
    pub noise: f32,
}

impl Default for TrainingSettings {
    fn default() -> Self {
        Self {
            batch: 128,
            learning_rate: 1e-2,
            weight_decay: 0.03,
            segmentation_weight: 1.0,
            gain_change: 0.2,
            offset_change: 0.1,
            noise: 0.02,
        }
    }
}

impl TrainingSettings {
    /// The step to take after a fraction of the training, `0..=1`: it rises over the first 3 % and then falls to a
    /// hundredth along half a cosine.
    ///
    /// # Source
    /// Loshchilov and Hutter 2017, arXiv:1608.03983, without restarts.
    pub fn learning_rate_at(&self, progress: f64) -> f64 {
        let rising = (progress / 0.03).clamp(0.01, 1.0);
        let falling = 0.5 + 0.5 * (std::f64::consts::PI * progress.clamp(0.0, 1.0)).cos();
        self.learning_rate * rising * falling.max(0.01)
    }
}

/// Losses of one batch, averaged.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct TrainLoss {
    /// `percept` plus the weighted `segmentation`: what the step descends, but for the pull between pairs under TRADES.
    pub total: f32,
    /// Absolute errors, their negative log likelihoods and the lead's cross-entropy, in training coordinates; it may be
    /// negative.
    pub percept: f32,
    /// Cross-entropy of a segmentation cell.
    pub segmentation: f32,
}

/// A network in training. The same seed, settings and calls give the same weights.
///
/// # Example
/// ```
/// use roadproof_perception::{Dataset, PerceptLabel, PerceptionSettings, Trainer, TrainingSettings};
///
/// let settings = PerceptionSettings { width: 32, height: 16, ..PerceptionSettings::default() };
/// let mut dataset = Dataset::new(settings.width, settings.height);
/// for grey in [60, 120, 180] {
///     let label = PerceptLabel { lane_offset_m: f32::from(grey) / 100.0 - 1.2, ..PerceptLabel::default() };
///     dataset.push(&vec![grey; settings.frame_bytes()], &vec![2; settings.width * settings.height], label)?;
/// }
/// let training = TrainingSettings { batch: 8, ..TrainingSettings::default() };
/// let mut trainer = Trainer::new(settings, training, 1)?;
/// let first = trainer.train_batch(&dataset, 1e-2);
/// let last = (0..60).map(|_| trainer.train_batch(&dataset, 1e-2)).last().expect("sixty steps");
/// assert!(last.total < first.total);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Trainer {
    settings: PerceptionSettings,
    training: TrainingSettings,
    layout: PatchLayout,
    network: Network,
    optimizer: ModuleOptimizer,
    random: Pcg64Mcg,
}

fn fresh_optimizer(training: &TrainingSettings) -> ModuleOptimizer {
    let config = AdamWConfig::new().with_beta_2(ADAM_BETA_2).with_epsilon(1e-8);
    config.with_weight_decay(training.weight_decay).init()
}

/// A trainer between two steps.
#[derive(Clone, Debug)]
pub struct TrainerState {
    /// The network with the identities of its weights, by which the optimiser knows them.
    pub network: Vec<u8>,
    /// The optimiser's memory of each weight.
    pub optimizer: Vec<u8>,
    /// Where all batches to come are drawn from.
    pub random: Pcg64Mcg,
}

/// One frame's part of a batch, drawn before the work is split over threads.
#[derive(Clone, Copy)]
struct Draw {
    index: usize,
    photometry: Photometry,
    part: Part,
}

/// What becomes of a frame before the network sees it.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Clean,
    /// Stays clean, but is made of the numbers that its attacked partner starts from.
    Paired,
    /// Suffers a fault with this seed.
    Faulty(u64),
    /// Is perturbed, from a start with this seed.
    Attacked(u64),
}

/// Puts a fault, drawn from a seed, on a frame of `height × width × 3` bytes.
pub type PutFault<'a> = dyn Fn(u64, &mut [u8]) + Sync + 'a;

impl Trainer {
    /// Starts from random weights.
    ///
    /// # Errors
    /// [`ShapeError`] if the settings describe no network or an empty batch.
    pub fn new(settings: PerceptionSettings, training: TrainingSettings, seed: u64) -> Result<Self, ShapeError> {
        settings.validate()?;
        let network = Network::new(&settings, seed, &flex().autodiff());
        Self::with_network(settings, training, seed, network)
    }

    /// Continues from trained weights, with a fresh optimizer.
    ///
    /// # Errors
    /// [`ShapeError`] if the batch is empty.
    pub fn resume_from(perception: &Perception, training: TrainingSettings, seed: u64) -> Result<Self, ShapeError> {
        let network = perception.network().clone().train();
        Self::with_network(*perception.settings(), training, seed, network)
    }

    /// The same on a device. It is for a trainer that has made no step: what its optimiser remembers stays where it is.
    #[must_use]
    pub fn on(mut self, device: &Device) -> Self {
        self.network = self.network.fork(device);
        self
    }

    fn with_network(
        settings: PerceptionSettings,
        training: TrainingSettings,
        seed: u64,
        network: Network,
    ) -> Result<Self, ShapeError> {
        if training.batch == 0 {
            return Err(ShapeError::Zero { name: "batch" });
        }
        Ok(Self {
            settings,
            training,
            layout: PatchLayout::new(&settings),
            network,
            optimizer: fresh_optimizer(&training),
            // Another stream than the weights, which the same seed draws.
            random: Pcg64Mcg::seed_from_u64(seed ^ 0x6261_7463_6865_7321),
        })
    }

    /// All that it is made of between two steps, to be gone on with.
    ///
    /// # Errors
    /// [`WeightsError::Encode`].
    pub fn state(&self) -> Result<TrainerState, WeightsError> {
        let failed = |error: RecordError| WeightsError::Encode { reason: error.to_string() };
        let network = self.network.clone().into_record().into_bytes().map_err(failed)?.to_vec();
        let optimizer = self.optimizer.into_bytes().map_err(failed)?.to_vec();
        Ok(TrainerState { network, optimizer, random: self.random.clone() })
    }

    /// Goes on as the trainer whose state it was would have gone on, to the bit. It must have been made under the same settings.
    ///
    /// # Errors
    /// [`WeightsError::Encode`] for bytes that are no such state.
    pub fn restore(&mut self, state: &TrainerState) -> Result<(), WeightsError> {
        let failed = |error: RecordError| WeightsError::Encode { reason: error.to_string() };
        let bytes = |bytes: &[u8]| Bytes::from_bytes_vec(bytes.to_vec());
        let network = ModuleRecord::from_bytes(bytes(&state.network)).map_err(failed)?;
        self.network = self.network.clone().load_record(network);
        self.optimizer = fresh_optimizer(&self.training).from_bytes(bytes(&state.optimizer)).map_err(failed)?;
        self.random = state.random.clone();
        Ok(())
    }

    /// The frames it takes and the size of its network.
    pub fn settings(&self) -> &PerceptionSettings {
        &self.settings
    }

    /// The weights as they are now, for inference.
    pub fn perception(&self) -> Perception {
        Perception::new(self.settings, self.network.valid())
    }

    /// One Adam step on a random batch, drawn with replacement and slightly changed in light and noise.
    ///
    /// # Panics
    /// If the dataset is empty or has frames of another size.
    pub fn train_batch(&mut self, dataset: &Dataset, learning_rate: f64) -> TrainLoss {
        let draws: Vec<Draw> = (0..self.training.batch).map(|_| self.draw(dataset)).collect();
        let patches = self.patches(dataset, &draws, &|_, _| {});
        self.step(dataset, &draws, patches, AdversarialLoss::Label, learning_rate)
    }

    /// The same on a batch of which some frames suffer faults and some are perturbed adversarially.
    ///
    /// # Panics
    /// If the dataset is empty or has frames of another size.
    pub fn train_hard_batch(
        &mut self,
        dataset: &Dataset,
        learning_rate: f64,
        hard: &HardBatch,
        fault: &PutFault<'_>,
    ) -> TrainLoss {
        let mut draws: Vec<Draw> = (0..self.training.batch).map(|_| self.draw(dataset)).collect();
        let (faulty, attacked) = hard.counts(draws.len());
        for draw in &mut draws[..faulty] {
            draw.part = Part::Faulty(self.random.next_u64());
        }
        let first = draws.len() - attacked;
        for index in first..draws.len() {
            // Under TRADES a perturbed frame belongs to a clean one, as far as there are so many.
            let clean = faulty + (index - first);
            if hard.loss != AdversarialLoss::Label && clean < first {
                draws[index] = draws[clean];
                draws[clean].part = Part::Paired;
            }
            draws[index].part = Part::Attacked(self.random.next_u64());
        }
        let mut patches = self.patches(dataset, &draws, fault);
        if attacked > 0 {
            self.perturb(dataset, &draws[first..], hard, &mut patches[first * self.layout.frame_len()..]);
        }
        self.step(dataset, &draws, patches, hard.loss, learning_rate)
    }

    /// One Adam step on a batch that is laid out.
    fn step(
        &mut self,
        dataset: &Dataset,
        draws: &[Draw],
        patches: Vec<f32>,
        adversarial: AdversarialLoss,
        learning_rate: f64,
    ) -> TrainLoss {
        let rows = draws.len() * self.layout.patches();
        let shape = [rows, patches.len() / rows];
        let patches = Tensor::from_data(TensorData::new(patches, shape), &self.network.device());
        let features = self.network.features(patches);
        let outputs = self.network.percepts(&features);
        let scores = self.network.classes(&features);
        let (percept, output_gradient) = percept_losses(outputs.clone(), dataset, draws, adversarial);
        let weight = self.training.segmentation_weight;
        let (segmentation, score_gradient) = self.class_losses(scores.clone(), dataset, draws);
        // The gradient of this sum is the gradient of the loss: both factors on the right are constants.
        let descent = (outputs * output_gradient).sum() + (scores * score_gradient).sum();
        let gradients = GradientsParams::from_grads(descent.backward(), &self.network);
        self.network = self.optimizer.step(learning_rate, self.network.clone(), gradients);
        TrainLoss { total: percept + weight * segmentation, percept, segmentation }
    }

    fn draw(&mut self, dataset: &Dataset) -> Draw {
        assert!(!dataset.is_empty(), "there is nothing to train on");
        assert_eq!(
            (dataset.width(), dataset.height()),
            (self.settings.width, self.settings.height),
            "the dataset's frames are not the network's"
        );
        let TrainingSettings { gain_change, offset_change, noise, .. } = self.training;
        let mut within = |bound: f32| bound * (2.0 * self.random.random::<f32>() - 1.0);
        let (gain, offset, noise) = (1.0 + within(gain_change), within(offset_change), within(noise).abs());
        let photometry = Photometry { gain, offset, noise, noise_seed: self.random.next_u64() };
        Draw { index: self.random.random_range(0..dataset.len()), photometry, part: Part::Clean }
    }

    /// `frames × patches × patch × patch × 3`; those of attacked frames are left for [`Self::perturb`].
    fn patches(&self, dataset: &Dataset, draws: &[Draw], fault: &PutFault<'_>) -> Vec<f32> {
        let frame_len = self.layout.frame_len();
        let mut patches = vec![0f32; draws.len() * frame_len];
        patches.par_chunks_mut(frame_len).zip(draws).for_each(|(patches, draw)| {
            let frame = dataset.frame(draw.index);
            match draw.part {
                Part::Clean => self.layout.write(frame, &draw.photometry, patches),
                Part::Paired => {
                    let mut pixels = vec![0f32; frame_len];
                    self.layout.write_pixels(frame, &draw.photometry, &mut pixels);
                    pixels.iter_mut().for_each(|pixel| *pixel = pixel.clamp(0.0, 1.0));
                    self.layout.write_numbers(&pixels, patches);
                }
                Part::Faulty(seed) => {
                    let mut rgb = frame.to_vec();
                    fault(seed, &mut rgb);
                    self.layout.write(&rgb, &draw.photometry, patches);
                }
                Part::Attacked(_) => {}
            }
        });
        patches
    }

    /// Writes the patches of attacked frames, perturbed against the network as it is now.
    fn perturb(&self, dataset: &Dataset, draws: &[Draw], hard: &HardBatch, patches: &mut [f32]) {
        let frame_len = self.layout.frame_len();
        let mut pixels = vec![0f32; draws.len() * frame_len];
        pixels.par_chunks_mut(frame_len).zip(draws).for_each(|(pixels, draw)| {
            self.layout.write_pixels(dataset.frame(draw.index), &draw.photometry, pixels);
        });
        let network = Differentiable::new(&self.perception());
        let labels: Vec<PerceptLabel> = draws.iter().map(|draw| *dataset.label(draw.index)).collect();
        let seeds: Vec<u64> =
            draws.iter().map(|draw| if let Part::Attacked(seed) = draw.part { seed } else { 0 }).collect();
        hard.perturb(&network, &labels, &seeds, &mut pixels);
        patches.par_chunks_mut(frame_len).zip(pixels.par_chunks(frame_len)).for_each(|(patches, pixels)| {
            self.layout.write_numbers(pixels, patches);
        });
    }

    fn class_losses(&self, scores: Tensor<2>, dataset: &Dataset, draws: &[Draw]) -> (f32, Tensor<2>) {
        let (shape, device) = (scores.dims(), scores.device());
        let scores = values(scores.inner());
        let frame_scores = scores.len() / draws.len();
        let cells = draws.len() * self.layout.cells();
        let weight = self.training.segmentation_weight / cells as f32;
        let mut gradient = vec![0f32; scores.len()];
        let losses: Vec<f32> = gradient
            .par_chunks_mut(frame_scores)
            .zip(scores.par_chunks(frame_scores))
            .zip(draws)
            .map(|((gradient, scores), draw)| {
                let classes = dataset.cells(draw.index);
                let gradients = gradient.chunks_exact_mut(CLASSES).zip(scores.chunks_exact(CLASSES));
                let cells = gradients.zip(self.layout.cell_indices());
                cells.map(|((gradient, scores), &cell)| class_loss(scores, classes[cell], weight, gradient)).sum()
            })
            .collect();
        let loss = losses.iter().sum::<f32>() / cells as f32;
        (loss, Tensor::from_data(TensorData::new(gradient, shape), &device))
    }
}

fn percept_losses(
    outputs: Tensor<2>,
    dataset: &Dataset,
    draws: &[Draw],
    adversarial: AdversarialLoss,
) -> (f32, Tensor<2>) {
    let (shape, device) = (outputs.dims(), outputs.device());
    let outputs = values(outputs.inner());
    let weight = 1.0 / draws.len() as f32;
    let mut gradient = vec![0f32; outputs.len()];
    let frames = gradient.chunks_exact_mut(OUTPUTS).zip(outputs.chunks_exact(OUTPUTS)).zip(draws);
    let loss: f32 = frames
        .map(|((gradient, outputs), draw)| percept_loss(outputs, dataset.label(draw.index), weight, gradient))
        .sum();
    if let AdversarialLoss::Trades { beta } = adversarial {
        trades(&outputs, draws, beta * weight, &mut gradient);
    }
    (loss * weight, Tensor::from_data(TensorData::new(gradient, shape), &device))
}

/// Holds attacked frames and the clean ones they come from to each other, rather than the attacked ones to the truth.
fn trades(outputs: &[f32], draws: &[Draw], weight: f32, gradient: &mut [f32]) {
    let attacked = draws.iter().filter(|draw| matches!(draw.part, Part::Attacked(_))).count();
    let faulty = draws.iter().filter(|draw| matches!(draw.part, Part::Faulty(_))).count();
    let first = draws.len() - attacked;
    let row = |index: usize| index * OUTPUTS..(index + 1) * OUTPUTS;
    // Pairs are laid out by `train_hard_batch`; an attacked frame without a partner keeps the truth.
    for index in first..draws.len().min(first + first.saturating_sub(faulty)) {
        let clean = faulty + (index - first);
        let mut slopes = [0.0; OUTPUTS];
        distance(&outputs[row(index)], &outputs[row(clean)], weight, &mut slopes);
        // Expected errors keep the truth.
        for output in Output::PERCEIVED {
            let (attacked, clean) = (index * OUTPUTS + output.index(), clean * OUTPUTS + output.index());
            let slope = slopes[output.index()];
            gradient[attacked] = slope;
            gradient[clean] += match output {
                Output::Lead => weight * reference_slope(outputs[attacked], outputs[clean]),
                _ => -slope,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic;
    use crate::train::metrics::report;

    fn trained(seed: u64, steps: usize, dataset: &Dataset) -> (Trainer, Vec<TrainLoss>) {
        let mut trainer = synthetic::trainer(seed);
        let losses = (0..steps).map(|step| {
            let learning_rate = trainer.training.learning_rate_at(step as f64 / steps as f64);
            trainer.train_batch(dataset, learning_rate)
        });
        let losses = losses.collect();
        (trainer, losses)
    }

    #[test]
    fn a_trainer_goes_on_from_its_state_to_the_bit() {
        let dataset = synthetic::dataset(200, 1);
        let (mut first, _) = trained(3, 12, &dataset);
        let state = first.state().expect("bytes");
        let mut second = synthetic::trainer(8);
        second.restore(&state).expect("its own state");
        for trainer in [&mut first, &mut second] {
            for _ in 0..9 {
                trainer.train_batch(&dataset, 1e-3);
            }
        }
        let bytes = |trainer: &Trainer| trainer.perception().to_bytes().expect("bytes");
        assert!(bytes(&first) == bytes(&second));
        assert!(second.restore(&TrainerState { optimizer: vec![1, 2], ..state }).is_err());
    }

    #[test]
    fn a_little_training_beats_the_mean() {
        let (dataset, validation) = (synthetic::dataset(2000, 1), synthetic::dataset(300, 2));
        let (trainer, losses) = trained(3, 500, &dataset);
        assert!(losses[499].total < losses[0].total - 2.0, "{:?} to {:?}", losses[0], losses[499]);
        let report = report(&trainer.perception(), &validation);
        // A prediction of the mean has an error of a quarter of the range of each quantity.
        assert!(report.lane_offset_mae_m.is_some_and(|mae| mae < 0.1), "{report:?}");
        assert!(report.heading_mae_rad.is_some_and(|mae| mae < 0.05), "{report:?}");
        assert!(report.gap_mae_near_m.is_some_and(|mae| mae < 3.5), "{report:?}");
        assert!(report.lead_accuracy.is_some_and(|accuracy| accuracy > 0.9), "{report:?}");
        assert!(report.mean_iou.is_some_and(|iou| iou > 0.6), "{report:?}");
    }

    /// Of the products of a training, burn-flex 0.22.1 splits those between threads that have at least 192 × 192 × 192
    /// multiplications (`PARALLEL_THRESHOLD` of its `ops/matmul.rs`); smaller ones would be the same on any threads whatever it did.
    const SPLIT_FROM: usize = 192 * 192 * 192;

    #[test]
    fn the_same_seed_gives_the_same_weights_on_any_threads() {
        let dataset = synthetic::dataset(64, 1);
        let settings = PerceptionSettings { stem_channels: 64, ..synthetic::settings() };
        let training = TrainingSettings { batch: 96, ..TrainingSettings::default() };
        // Each patch of each frame of a batch is a row of the first product; its gradient over the weights has as many terms.
        let patches = settings.width / settings.patch * (settings.height / settings.patch);
        let first_product = training.batch * patches * (3 * settings.patch * settings.patch) * settings.stem_channels;
        assert!(first_product >= SPLIT_FROM, "{first_product} multiplications are not split");
        let seen = |seed: u64| {
            let mut trainer = Trainer::new(settings, training, seed).expect("the sizes divide");
            (0..6).for_each(|_| {
                trainer.train_batch(&dataset, 1e-2);
            });
            trainer.perception().see(dataset.frames(0, 8))
        };
        let expected = seen(7);
        assert_eq!(seen(7), expected);
        assert_ne!(seen(8), expected);
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
            assert_eq!(pool.install(|| seen(7)), expected, "on {threads} threads");
        }
    }

    #[test]
    fn resuming_starts_where_training_ended() {
        let dataset = synthetic::dataset(64, 1);
        let (trainer, _) = trained(7, 20, &dataset);
        let ended = trainer.perception();
        let resumed = Trainer::resume_from(&ended, TrainingSettings::default(), 1).expect("the batch is not empty");
        assert_eq!(resumed.perception().see(dataset.frame(0)), ended.see(dataset.frame(0)));
        let mut resumed = resumed;
        resumed.train_batch(&dataset, 1e-3);
        assert_ne!(resumed.perception().see(dataset.frame(0)), ended.see(dataset.frame(0)));
    }

    #[test]
    fn the_learning_rate_rises_then_falls() {
        let training = TrainingSettings::default();
        let rates = [0.0, 0.03, 0.5, 1.0].map(|progress| training.learning_rate_at(progress));
        assert!(rates[0] < rates[1] && rates[1] > rates[2] && rates[2] > rates[3] && rates[3] > 0.0, "{rates:?}");
    }

    #[test]
    fn an_empty_batch_is_an_error() {
        let training = TrainingSettings { batch: 0, ..TrainingSettings::default() };
        let error = Trainer::new(synthetic::settings(), training, 1).err().expect("there is nothing in it");
        assert_eq!(error.to_string(), "batch is 0");
    }
}
