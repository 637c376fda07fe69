//! Things with class scores, batches of their frames, and the losses that attacks on classes raise.
//!
//! # Source
//! The margin: Carlini and Wagner 2017, arXiv:1608.04644. The difference of logits ratio (DLR), plain and targeted: Croce and Hein
//! 2020, arXiv:2003.01690, section 4; it changes neither with the scale of the scores nor with a constant added to them, so that
//! it suits Q-values.

use crate::attack::{Effect, Objective};

/// Something that gives each frame a score for each class.
pub trait Classifier: Sync {
    /// Number of classes.
    fn classes(&self) -> usize;

    /// Scores of each frame. What is known of a frame besides its pixels goes by its number.
    ///
    /// # Shapes
    /// - `frames`: the number of each frame; `pixels`: `frames × height × width × 3`, 0 to 1
    /// - returns: `frames × classes`
    fn logits(&self, frames: &[usize], pixels: &[f32]) -> Vec<f32>;

    /// The same, with a gradient of each frame over its own pixels: that of its scores, weighed by what `slopes` writes. It is
    /// given the row of a frame in this batch and the frame's scores.
    ///
    /// # Shapes
    /// - `gradient`: as `pixels`
    fn gradients(
        &self,
        frames: &[usize],
        pixels: &[f32],
        gradient: &mut [f32],
        slopes: impl Fn(usize, &[f32], &mut [f32]) + Sync,
    ) -> Vec<f32>;
}

/// Frames to attack.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The numbers under which a classifier knows them.
    pub frames: Vec<usize>,
    /// `frames × height × width × 3`, 0 to 1.
    pub clean: Vec<f32>,
    /// The class that each is to lose.
    pub labels: Vec<usize>,
    /// Seed of each frame's random numbers.
    pub seeds: Vec<u64>,
}

impl Batch {
    /// Frames numbered from 0, each with the class that the classifier gives it.
    #[must_use]
    pub fn new(classifier: &impl Classifier, clean: &[f32], seeds: &[u64]) -> Self {
        let frames: Vec<usize> = (0..seeds.len()).collect();
        let logits = classifier.logits(&frames, clean);
        let labels = logits.chunks_exact(classifier.classes()).map(|logits| ranked(logits)[0]).collect();
        Self { frames, clean: clean.to_vec(), labels, seeds: seeds.to_vec() }
    }

    /// Frames.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether there is nothing to attack.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Numbers in a frame.
    #[must_use]
    pub fn frame_len(&self) -> usize {
        self.clean.len() / self.len().max(1)
    }

    /// Some of the frames.
    #[must_use]
    pub fn part(&self, rows: &[usize]) -> Self {
        let length = self.frame_len();
        Self {
            frames: rows.iter().map(|&row| self.frames[row]).collect(),
            clean: rows.iter().map(|&row| &self.clean[row * length..][..length]).collect::<Vec<_>>().concat(),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
            seeds: rows.iter().map(|&row| self.seeds[row]).collect(),
        }
    }

    /// Of each frame, the classes that come closest to its own on the clean frame, at most `most`, the closest first.
    #[must_use]
    pub fn rivals(&self, classifier: &impl Classifier, most: usize) -> Vec<Vec<usize>> {
        let logits = classifier.logits(&self.frames, &self.clean);
        let rivals = |(logits, label): (&[f32], &usize)| {
            ranked(logits).into_iter().filter(|class| class != label).take(most).collect()
        };
        logits.chunks_exact(classifier.classes()).zip(&self.labels).map(rivals).collect()
    }
}

/// A loss of class scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassScore<'a> {
    /// Cross-entropy of the frame's class.
    CrossEntropy,
    /// The best other score less that of the frame's class.
    Margin,
    /// The same over the distance from the best to the third score; needs three classes.
    Dlr,
    /// The score of a given class for each frame less that of its own, over the distance from the best to the mean of the third
    /// and fourth; needs four classes.
    TargetedDlr(&'a [usize]),
}

/// A class loss of a batch. A frame is broken once another class scores higher than its own.
pub struct ClassLoss<'a, C> {
    /// Who gives the scores.
    pub classifier: &'a C,
    /// The frames.
    pub batch: &'a Batch,
    /// The loss.
    pub score: ClassScore<'a>,
}

impl<C: Classifier> ClassLoss<'_, C> {
    fn outcome(&self, row: usize, logits: &[f32], slopes: &mut [f32]) -> Effect {
        slopes.fill(0.0);
        let label = self.batch.labels[row];
        let order = ranked(logits);
        let other = if order[0] == label { order[1] } else { order[0] };
        let margin = logits[other] - logits[label];
        let loss = match self.score {
            ClassScore::CrossEntropy => cross_entropy(logits, label, slopes),
            ClassScore::Margin => ratio(logits, (other, label), &[], slopes),
            ClassScore::Dlr => ratio(logits, (other, label), &[(order[0], 1.0), (order[2], -1.0)], slopes),
            ClassScore::TargetedDlr(targets) => {
                let spread = [(order[0], 1.0), (order[2], -0.5), (order[3], -0.5)];
                ratio(logits, (targets[row], label), &spread, slopes)
            }
        };
        Effect { loss, broken: margin > 0.0 }
    }
}

impl<C: Classifier> Objective for ClassLoss<'_, C> {
    fn evaluate(&self, pixels: &[f32]) -> Vec<Effect> {
        let logits = self.classifier.logits(&self.batch.frames, pixels);
        let mut slopes = vec![0.0; self.classifier.classes()];
        let rows = logits.chunks_exact(self.classifier.classes()).enumerate();
        rows.map(|(row, logits)| self.outcome(row, logits, &mut slopes)).collect()
    }

    fn gradients(&self, pixels: &[f32], gradient: &mut [f32]) -> Vec<Effect> {
        let slopes = |row: usize, logits: &[f32], slopes: &mut [f32]| {
            self.outcome(row, logits, slopes);
        };
        let logits = self.classifier.gradients(&self.batch.frames, pixels, gradient, slopes);
        let mut slopes = vec![0.0; self.classifier.classes()];
        let rows = logits.chunks_exact(self.classifier.classes()).enumerate();
        rows.map(|(row, logits)| self.outcome(row, logits, &mut slopes)).collect()
    }
}

/// Classes by their scores, the highest first, the lower number first among equals.
pub(crate) fn ranked(logits: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    order
}

fn cross_entropy(logits: &[f32], label: usize, slopes: &mut [f32]) -> f32 {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|logit| (logit - highest).exp()).sum();
    slopes.iter_mut().zip(logits).for_each(|(slope, logit)| *slope = (logit - highest).exp() / sum);
    slopes[label] -= 1.0;
    sum.ln() + highest - logits[label]
}

/// One score less another, over a weighed sum of scores; over one if there is none.
fn ratio(logits: &[f32], (wanted, own): (usize, usize), spread: &[(usize, f32)], slopes: &mut [f32]) -> f32 {
    let over = logits[wanted] - logits[own];
    let under = match spread {
        [] => 1.0,
        spread => spread.iter().map(|&(class, weight)| weight * logits[class]).sum::<f32>() + 1e-12,
    };
    slopes[wanted] += 1.0 / under;
    slopes[own] -= 1.0 / under;
    for &(class, weight) in spread {
        slopes[class] -= weight * over / (under * under);
    }
    over / under
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Scores that are linear in the pixels, so that every boundary is a plane.
    pub(crate) struct Planes {
        /// Of each class, a weight for each pixel.
        pub weights: Vec<Vec<f32>>,
        /// What the first class has on top.
        pub first: f32,
    }

    impl Planes {
        /// Six classes over pictures of 4 × 4, from a fixed pattern without symmetry.
        pub fn new() -> Self {
            let weight =
                |class: usize, pixel: usize| (((class * 31 + pixel * 17 + class * pixel) % 23) as f32 - 11.0) / 11.0;
            Self {
                weights: (0..6).map(|class| (0..48).map(|pixel| weight(class, pixel)).collect()).collect(),
                first: 0.0,
            }
        }

        /// Frames around the middle of the range.
        pub fn frames(count: usize) -> Vec<f32> {
            (0..48 * count).map(|index| 0.4 + 0.2 * ((index * 29 % 37) as f32 / 37.0)).collect()
        }

        fn scores(&self, frame: &[f32]) -> Vec<f32> {
            let score = |weights: &Vec<f32>| weights.iter().zip(frame).map(|(w, x)| w * x).sum();
            let mut scores: Vec<f32> = self.weights.iter().map(score).collect();
            scores[0] += self.first;
            scores
        }
    }

    impl Classifier for Planes {
        fn classes(&self) -> usize {
            self.weights.len()
        }

        fn logits(&self, _: &[usize], pixels: &[f32]) -> Vec<f32> {
            pixels.chunks_exact(48).flat_map(|frame| self.scores(frame)).collect()
        }

        fn gradients(
            &self,
            frames: &[usize],
            pixels: &[f32],
            gradient: &mut [f32],
            slopes: impl Fn(usize, &[f32], &mut [f32]) + Sync,
        ) -> Vec<f32> {
            let logits = self.logits(frames, pixels);
            for (row, (gradient, logits)) in gradient.chunks_exact_mut(48).zip(logits.chunks_exact(6)).enumerate() {
                let mut weighed = [0.0; 6];
                slopes(row, logits, &mut weighed);
                for (pixel, value) in gradient.iter_mut().enumerate() {
                    *value = (0..6).map(|class| weighed[class] * self.weights[class][pixel]).sum();
                }
            }
            logits
        }
    }

    #[test]
    fn slopes_are_those_of_the_losses() {
        let planes = Planes::new();
        let clean = Planes::frames(3);
        let batch = Batch::new(&planes, &clean, &[0, 1, 2]);
        let targets: Vec<usize> = batch.rivals(&planes, 3).iter().map(|rivals| rivals[2]).collect();
        let scores = [ClassScore::CrossEntropy, ClassScore::Margin, ClassScore::Dlr, ClassScore::TargetedDlr(&targets)];
        for score in scores {
            let loss = ClassLoss { classifier: &planes, batch: &batch, score };
            let logits = [0.3, -1.2, 2.0, 0.9, 1.1, -0.4];
            let mut written = [0.0; 6];
            loss.outcome(1, &logits, &mut written);
            for class in 0..6 {
                let moved = |by: f32| {
                    let mut logits = logits;
                    logits[class] += by;
                    loss.outcome(1, &logits, &mut [0.0; 6]).loss
                };
                let measured = (moved(1e-2) - moved(-1e-2)) / 2e-2;
                assert!((measured - written[class]).abs() < 2e-3, "{score:?}, class {class}: {measured}, {written:?}");
            }
        }
    }

    #[test]
    fn the_ratios_are_those_of_the_paper() {
        let planes = Planes::new();
        let mut batch = Batch::new(&planes, &Planes::frames(1), &[0]);
        batch.labels[0] = 2;
        let value = |score| {
            let loss = ClassLoss { classifier: &planes, batch: &batch, score };
            loss.outcome(0, &[0.0, 1.0, 5.0, 3.0, 2.0, -1.0], &mut [0.0; 6])
        };
        assert_eq!(value(ClassScore::Dlr), Effect { loss: -2.0 / 3.0, broken: false });
        assert_eq!(value(ClassScore::TargetedDlr(&[4])), Effect { loss: -3.0 / 3.5, broken: false });
        assert_eq!(value(ClassScore::Margin).loss, -2.0);
    }
}
