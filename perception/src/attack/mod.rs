//! Attacks on what the network sees: perturbations within a budget that make a loss as large as they can.
//!
//! Attacks work on batches of frames as numbers from 0 to 1 and know the loss only as an [`Objective`], or, where they need
//! scores of classes, as a [`Classifier`]. Losses of the network's own outputs come from [`Differentiable`]; those of a decision
//! are built on it by whoever decides. Every frame has a seed of its own and fares the same in any batch.
//!
//! `Differentiable` runs the same weights as training with gradients of the input instead of gradients of the weights.
//! An attack returns numbers; what counts is what is left once they are rounded to bytes within the budget, which is
//! all that a car gets.
//!
//! # Units
//! `eps` in the same units: 2/255 is two grey levels. Norms are over all values of a frame.
//!
//! Against a second implementation the attacks are held by `tests/referee/attacks.py`; `assets/results/attacks.md` has
//! its figures.

mod budget;
mod classifier;
mod differentiable;
mod direction;
mod losses;

mod budgeted;

mod nearest;

mod auto_attack;

pub use auto_attack::{AutoAttackSettings, AutoAttacked, Member, auto_attack};
pub use budget::{Budget, Norm};
pub use budgeted::apgd::{apgd, apgd_class, apgd_targeted};
pub use budgeted::gradient_steps::{PgdSettings, fgsm, pgd, random_noise};
pub use budgeted::square::{square, square_side};
pub use classifier::{Batch, ClassLoss, ClassScore, Classifier};
pub use differentiable::Differentiable;
pub use direction::{Direction, Show, Side};
pub use losses::PerceptLoss;
pub use nearest::carlini_wagner::carlini_wagner;
pub use nearest::deepfool::deepfool;
pub use nearest::fab::{fab, fab_targeted};
pub use nearest::minimum_norm::Nearest;

/// What an attack maximises, frame by frame.
pub trait Objective {
    /// Loss of each frame.
    ///
    /// # Shapes
    /// - `pixels`: `frames × height × width × 3`, 0 to 1
    fn evaluate(&self, pixels: &[f32]) -> Vec<Effect>;

    /// The same, with the gradient of each frame's loss over its own pixels.
    ///
    /// # Shapes
    /// - `pixels`, `gradient`: `frames × height × width × 3`
    fn gradients(&self, pixels: &[f32], gradient: &mut [f32]) -> Vec<Effect>;
}

/// What a frame does to an objective.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effect {
    /// What the attack raises.
    pub loss: f32,
    /// Whether the attack has reached what it is for.
    pub broken: bool,
}

impl Effect {
    /// Whether this is better for the attack than another: broken before not broken, then the larger loss.
    #[must_use]
    pub fn beats(&self, other: &Self) -> bool {
        (self.broken, self.loss) > (other.broken, other.loss)
    }
}

/// The strongest frames an attack found, one for each it was given.
#[derive(Clone, Debug)]
pub struct Attacked {
    /// `frames × height × width × 3`, 0 to 1.
    pub pixels: Vec<f32>,
    /// What each does.
    pub outcomes: Vec<Effect>,
}

impl Attacked {
    /// Begins with frames as they are.
    pub(crate) fn begin(objective: &impl Objective, clean: &[f32]) -> Self {
        Self { pixels: clean.to_vec(), outcomes: objective.evaluate(clean) }
    }

    /// Begins with frames as they are, measured by their margins.
    pub(crate) fn of_classes(classifier: &impl Classifier, batch: &Batch) -> Self {
        Self::begin(&ClassLoss { classifier, batch, score: ClassScore::Margin }, &batch.clean)
    }

    /// The frames not yet broken.
    pub(crate) fn open(&self) -> Vec<usize> {
        (0..self.outcomes.len()).filter(|&row| !self.outcomes[row].broken).collect()
    }

    /// Runs an attack on classes on the frames not yet broken, and keeps what it finds by the margin.
    pub(crate) fn try_open(
        &mut self,
        classifier: &impl Classifier,
        batch: &Batch,
        attack: impl Fn(&Batch, &[usize]) -> Vec<f32>,
    ) {
        self.try_rows(classifier, batch, &self.open(), attack);
    }

    /// The same on given frames.
    pub(crate) fn try_rows(
        &mut self,
        classifier: &impl Classifier,
        batch: &Batch,
        rows: &[usize],
        attack: impl Fn(&Batch, &[usize]) -> Vec<f32>,
    ) {
        if rows.is_empty() {
            return;
        }
        let part = batch.part(rows);
        let pixels = attack(&part, rows);
        let outcomes = ClassLoss { classifier, batch: &part, score: ClassScore::Margin }.evaluate(&pixels);
        for ((&row, frame), outcome) in rows.iter().zip(pixels.chunks_exact(batch.frame_len())).zip(outcomes) {
            if outcome.beats(&self.outcomes[row]) {
                self.outcomes[row] = outcome;
                self.pixels[row * frame.len()..(row + 1) * frame.len()].copy_from_slice(frame);
            }
        }
    }

    /// Keeps of each frame the one that is better for the attack.
    pub fn keep_better(&mut self, pixels: &[f32], outcomes: &[Effect]) {
        let length = self.pixels.len() / self.outcomes.len().max(1);
        let frames = self.pixels.chunks_exact_mut(length).zip(pixels.chunks_exact(length));
        for ((kept, new), (own, other)) in frames.zip(self.outcomes.iter_mut().zip(outcomes)) {
            if other.beats(own) {
                kept.copy_from_slice(new);
                *own = *other;
            }
        }
    }

    /// Share of frames on which the attack reached what it is for.
    #[must_use]
    pub fn success(&self) -> f32 {
        let broken = self.outcomes.iter().filter(|outcome| outcome.broken).count();
        broken as f32 / self.outcomes.len().max(1) as f32
    }
}

/// Bytes as the numbers attacks work on.
#[must_use]
pub fn to_numbers(rgb: &[u8]) -> Vec<f32> {
    rgb.iter().map(|byte| f32::from(*byte) / 255.0).collect()
}

/// Numbers as the bytes a camera delivers, within the budget of the clean ones: rounding must not widen it.
///
/// In [`Norm::Linf`] the nearest byte that is no further away than the whole grey levels of the budget; in [`Norm::L2`] each
/// change is rounded towards none.
#[must_use]
pub fn to_bytes(pixels: &[f32], clean: &[u8], budget: &Budget) -> Vec<u8> {
    let most = (budget.eps * 255.0 + 1e-3).min(255.0) as i16;
    let byte = |(pixel, clean): (&f32, &u8)| {
        let level = i16::from(*clean);
        let changed = match budget.norm {
            // Never below nought: to the nearest.
            Norm::Linf => (pixel * 255.0 + 0.5) as i16,
            Norm::L2 => level + (pixel * 255.0 - f32::from(*clean)).trunc() as i16,
        };
        changed.clamp((level - most).max(0), (level + most).min(255)) as u8
    };
    pixels.iter().zip(clean).map(byte).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A loss whose maximum is known: the sum of values times fixed weights, broken above a threshold.
    pub(crate) struct Linear {
        pub weights: Vec<f32>,
        pub threshold: f32,
    }

    impl Objective for Linear {
        fn evaluate(&self, pixels: &[f32]) -> Vec<Effect> {
            let loss = |frame: &[f32]| frame.iter().zip(&self.weights).map(|(x, w)| x * w).sum::<f32>();
            let frames = pixels.chunks_exact(self.weights.len()).map(loss);
            frames.map(|loss| Effect { loss, broken: loss > self.threshold }).collect()
        }

        fn gradients(&self, pixels: &[f32], gradient: &mut [f32]) -> Vec<Effect> {
            gradient.chunks_exact_mut(self.weights.len()).for_each(|frame| frame.copy_from_slice(&self.weights));
            self.evaluate(pixels)
        }
    }

    #[test]
    fn bytes_stay_within_the_budget() {
        let clean = [0, 1, 100, 254, 255];
        let budget = Budget::new(Norm::Linf, 2.4 / 255.0).unwrap();
        let pixels: Vec<f32> = clean.iter().map(|byte| f32::from(*byte) / 255.0 + 0.5).collect();
        assert_eq!(to_bytes(&pixels, &clean, &budget), [2, 3, 102, 255, 255]);
        let budget = Budget::new(Norm::L2, 0.05).unwrap();
        let clean = vec![100_u8; 500];
        let mut pixels: Vec<f32> = (0..500).map(|index| 100.0 / 255.0 + 0.01 * ((index % 7) as f32 - 3.0)).collect();
        budget.project(&to_numbers(&clean), &mut pixels);
        let delivered = to_numbers(&to_bytes(&pixels, &clean, &budget));
        assert!(budget.distance(&to_numbers(&clean), &delivered) <= budget.eps);
    }
}
