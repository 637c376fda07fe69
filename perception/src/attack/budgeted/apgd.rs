//! Auto-PGD: projected gradient ascent with momentum that finds its own step length; on any objective, and on the losses of class
//! scores.
//!
//! # Source
//! Croce and Hein 2020, "Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse Parameter-free Attacks",
//! arXiv:2003.01690, algorithm 1, sections 3 and 4; constants as in the authors' code.

use crate::attack::{Attacked, Batch, Budget, ClassLoss, ClassScore, Classifier, Effect, Objective};
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

/// Share of steps that must raise the loss, or the step is halved.
const RHO: f32 = 0.75;
/// Weight of the new step against the last movement.
const MOMENTUM: f32 = 0.75;
/// Classes that the targeted attack aims at, at most.
pub(crate) const TARGETS: usize = 9;

/// One frame's walk.
struct Walk {
    /// Length of a step.
    step: f32,
    /// The frame before this one.
    previous: Vec<f32>,
    best: Vec<f32>,
    best_gradient: Vec<f32>,
    best_loss: f32,
    last_loss: f32,
    /// Steps since the last checkpoint that raised the loss.
    raised: usize,
    halved_last: bool,
    best_at_checkpoint: f32,
}

/// The strongest frame of `iterations` steps, from a random start for each seed; one seed a frame.
#[must_use]
pub fn apgd(objective: &impl Objective, clean: &[f32], budget: &Budget, iterations: usize, seeds: &[u64]) -> Attacked {
    let length = clean.len() / seeds.len().max(1);
    let mut found = Attacked::begin(objective, clean);
    let start = |(frame, seed): (&[f32], &u64)| budget.far_start(frame, &mut Pcg64Mcg::seed_from_u64(*seed));
    let mut pixels = clean.chunks_exact(length).zip(seeds).map(start).collect::<Vec<_>>().concat();
    let mut gradient = vec![0.0; clean.len()];
    let outcomes = objective.gradients(&pixels, &mut gradient);
    found.keep_better(&pixels, &outcomes);
    let starts = pixels.chunks_exact(length).zip(gradient.chunks_exact(length)).zip(&outcomes);
    let begin = |((frame, slope), outcome)| Walk::begin(frame, slope, outcome, budget);
    let mut walks: Vec<Walk> = starts.map(begin).collect();
    let share = |part: f32, least: usize| ((part * iterations as f32) as usize).max(least);
    let (mut interval, shortest, shrink) = (share(0.22, 1), share(0.06, 1), share(0.03, 1));
    let mut since = 0;
    for iteration in 0..iterations {
        let momentum = if iteration == 0 { 1.0 } else { MOMENTUM };
        let frames = pixels.chunks_exact_mut(length).zip(gradient.chunks_exact(length)).zip(clean.chunks_exact(length));
        for (walk, ((frame, slope), clean)) in walks.iter_mut().zip(frames) {
            walk.advance(frame, slope, clean, budget, momentum);
        }
        if iteration + 1 == iterations {
            // Nobody walks on from here: what the frame does is enough.
            found.keep_better(&pixels, &objective.evaluate(&pixels));
            break;
        }
        let outcomes = objective.gradients(&pixels, &mut gradient);
        found.keep_better(&pixels, &outcomes);
        since += 1;
        let checkpoint = since == interval;
        let frames = pixels.chunks_exact_mut(length).zip(gradient.chunks_exact_mut(length)).zip(&outcomes);
        for (walk, ((frame, slope), outcome)) in walks.iter_mut().zip(frames) {
            walk.note(frame, slope, outcome);
            if checkpoint && walk.halves(interval) {
                // The movement goes on from where the walk was, as in the authors' code.
                frame.copy_from_slice(&walk.best);
                slope.copy_from_slice(&walk.best_gradient);
            }
        }
        if checkpoint {
            since = 0;
            interval = interval.saturating_sub(shrink).max(shortest);
        }
    }
    found
}

/// Auto-PGD on a loss of class scores, each restart only on the frames not yet broken. The outcomes are margins.
#[must_use]
pub fn apgd_class(
    classifier: &impl Classifier,
    batch: &Batch,
    score: ClassScore<'_>,
    budget: &Budget,
    iterations: usize,
    restarts: usize,
) -> Attacked {
    let mut best = Attacked::of_classes(classifier, batch);
    for restart in 0..restarts {
        best.try_open(classifier, batch, |part, rows| {
            let targets: Vec<usize>;
            let score = match score {
                ClassScore::TargetedDlr(all) => {
                    targets = rows.iter().map(|&row| all[row]).collect();
                    ClassScore::TargetedDlr(&targets)
                }
                other => other,
            };
            let loss = ClassLoss { classifier, batch: part, score };
            apgd(&loss, &part.clean, budget, iterations, &again(&part.seeds, restart)).pixels
        });
    }
    best
}

/// Auto-PGD on the targeted DLR loss, aimed at each of the nine classes that come closest, or at all others if there are fewer;
/// each only on the frames not yet broken. The outcomes are margins.
#[must_use]
pub fn apgd_targeted(
    classifier: &impl Classifier,
    batch: &Batch,
    budget: &Budget,
    iterations: usize,
    restarts: usize,
) -> Attacked {
    let mut best = Attacked::of_classes(classifier, batch);
    let rivals = batch.rivals(classifier, TARGETS);
    for target in 0..TARGETS.min(classifier.classes() - 1) {
        let targets: Vec<usize> = rivals.iter().map(|rivals| rivals[target]).collect();
        best.try_open(classifier, batch, |part, rows| {
            let targets: Vec<usize> = rows.iter().map(|&row| targets[row]).collect();
            let part = Batch { seeds: again(&part.seeds, 1000 * target), ..part.clone() };
            apgd_class(classifier, &part, ClassScore::TargetedDlr(&targets), budget, iterations, restarts).pixels
        });
    }
    best
}

/// Other seeds for another try.
fn again(seeds: &[u64], number: usize) -> Vec<u64> {
    seeds.iter().map(|seed| seed.wrapping_add((number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect()
}

impl Walk {
    fn begin(frame: &[f32], slope: &[f32], outcome: &Effect, budget: &Budget) -> Self {
        Self {
            step: 2.0 * budget.eps,
            previous: frame.to_vec(),
            best: frame.to_vec(),
            best_gradient: slope.to_vec(),
            best_loss: outcome.loss,
            last_loss: outcome.loss,
            raised: 0,
            halved_last: true,
            best_at_checkpoint: outcome.loss,
        }
    }

    /// One step along the slope, part of it replaced by the last movement.
    fn advance(&mut self, frame: &mut [f32], slope: &[f32], clean: &[f32], budget: &Budget, momentum: f32) {
        let mut stepped = frame.to_vec();
        budget.advance(&mut stepped, slope, self.step);
        budget.project(clean, &mut stepped);
        for ((new, now), before) in stepped.iter_mut().zip(frame.iter()).zip(&self.previous) {
            *new = now + momentum * (*new - now) + (1.0 - momentum) * (now - before);
        }
        budget.project(clean, &mut stepped);
        self.previous.copy_from_slice(frame);
        frame.copy_from_slice(&stepped);
    }

    /// Takes note of what a step has led to.
    fn note(&mut self, frame: &[f32], slope: &[f32], outcome: &Effect) {
        self.raised += usize::from(outcome.loss > self.last_loss);
        self.last_loss = outcome.loss;
        if outcome.loss > self.best_loss {
            self.best_loss = outcome.loss;
            self.best.copy_from_slice(frame);
            self.best_gradient.copy_from_slice(slope);
        }
    }

    /// At a checkpoint: halves the step if too few steps raised the loss, or if neither the step nor the best loss has
    /// changed since the last one.
    fn halves(&mut self, interval: usize) -> bool {
        let oscillates = self.raised as f32 <= RHO * interval as f32;
        let stuck = !self.halved_last && self.best_at_checkpoint >= self.best_loss;
        let halves = oscillates || stuck;
        if halves {
            self.step *= 0.5;
        }
        (self.halved_last, self.best_at_checkpoint, self.raised) = (halves, self.best_loss, 0);
        halves
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::Norm;
    use crate::attack::classifier::tests::Planes;

    /// The distance of one frame from the plane of the class with the second greatest score.
    fn best_rival(planes: &Planes, batch: &Batch, norm: Norm) -> f32 {
        let logits = planes.logits(&batch.frames, &batch.clean);
        let (label, rival) = (batch.labels[0], batch.rivals(planes, 1)[0][0]);
        let weights = planes.weights[rival].iter().zip(&planes.weights[label]);
        let slope: Vec<f32> = weights.map(|(a, b)| a - b).collect();
        (logits[label] - logits[rival]) / crate::attack::nearest::minimum_norm::dual(norm, &slope)
    }

    #[test]
    fn planes_are_crossed_where_the_budget_reaches_them_and_nowhere_else() {
        let planes = Planes::new();
        let batch = Batch::new(&planes, &Planes::frames(4), &[1, 2, 3, 4]);
        for norm in [Norm::Linf, Norm::L2] {
            let distances = crate::attack::nearest::minimum_norm::tests::distances(&planes, &batch, norm);
            for (share, breaks) in [(1.05, true), (0.95, false)] {
                for (row, distance) in distances.iter().enumerate() {
                    let part = batch.part(&[row]);
                    let budget = Budget::new(norm, share * distance).unwrap();
                    let check = |name: &str, attacked: &Attacked| {
                        assert_eq!(attacked.outcomes[0].broken, breaks, "{name}, {norm:?}, {share}, frame {row}");
                        assert!(budget.distance(&attacked.pixels, &part.clean) <= budget.eps * 1.0001, "{name}");
                    };
                    check("targeted", &apgd_targeted(&planes, &part, &budget, 60, 1));
                    // The nearest boundary need not be that of the best rival, which is the one these two go for; and cross-entropy
                    // goes for all rivals at once, so that it needs some room beyond the plane of the best.
                    let reach = if breaks { 1.3 * best_rival(&planes, &part, norm) } else { *distance };
                    let budget = Budget::new(norm, share * reach).unwrap();
                    for score in [ClassScore::CrossEntropy, ClassScore::Dlr] {
                        let attacked = apgd_class(&planes, &part, score, &budget, 60, 1);
                        assert_eq!(attacked.outcomes[0].broken, breaks, "{score:?}, {norm:?}, {share}, frame {row}");
                        assert!(budget.distance(&attacked.pixels, &part.clean) <= budget.eps * 1.0001, "{score:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_frame_fares_the_same_in_any_batch() {
        let planes = Planes::new();
        let batch = Batch::new(&planes, &Planes::frames(4), &[7, 8, 9, 10]);
        let budget = Budget::new(Norm::Linf, 0.02).unwrap();
        let all = apgd_class(&planes, &batch, ClassScore::Dlr, &budget, 20, 2);
        let alone = apgd_class(&planes, &batch.part(&[2]), ClassScore::Dlr, &budget, 20, 2);
        assert_eq!(all.pixels[2 * 48..3 * 48], alone.pixels[..]);
    }
}
