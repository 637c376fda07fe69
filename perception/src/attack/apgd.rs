//! Auto-PGD: projected gradient ascent with momentum that finds its own step length.
//!
//! # Source
//! Croce and Hein 2020, "Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse Parameter-free Attacks",
//! arXiv:2003.01690, algorithm 1 and section 3; constants as in the authors' code.

use super::{Attacked, Budget, Objective, Outcome};
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

/// Share of steps that must raise the loss, or the step is halved.
const RHO: f32 = 0.75;
/// Weight of the new step against the last movement.
const MOMENTUM: f32 = 0.75;

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

/// The strongest frame of `iterations` steps.
#[must_use]
pub fn apgd(
    objective: &impl Objective,
    clean: &[f32],
    frames: usize,
    budget: &Budget,
    iterations: usize,
    seed: u64,
) -> Attacked {
    let length = clean.len() / frames.max(1);
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let mut found = Attacked::begin(objective, clean);
    let mut pixels: Vec<f32> =
        clean.chunks_exact(length).flat_map(|frame| budget.far_start(frame, &mut random)).collect();
    let mut gradient = vec![0.0; clean.len()];
    let outcomes = objective.gradients(&pixels, &mut gradient);
    found.keep_better(&pixels, &outcomes);
    let begin = |((frame, slope), outcome): ((&[f32], &[f32]), &Outcome)| Walk {
        step: 2.0 * budget.eps,
        previous: frame.to_vec(),
        best: frame.to_vec(),
        best_gradient: slope.to_vec(),
        best_loss: outcome.loss,
        last_loss: outcome.loss,
        raised: 0,
        halved_last: true,
        best_at_checkpoint: outcome.loss,
    };
    let starts = pixels.chunks_exact(length).zip(gradient.chunks_exact(length)).zip(&outcomes);
    let mut walks: Vec<Walk> = starts.map(begin).collect();
    let share = |part: f32, least: usize| ((part * iterations as f32) as usize).max(least);
    let (mut interval, shortest, shrink) = (share(0.22, 1), share(0.06, 1), share(0.03, 1));
    let mut since = 0;
    for iteration in 0..iterations {
        let momentum = if iteration == 0 { 1.0 } else { MOMENTUM };
        let frames = pixels.chunks_exact_mut(length).zip(gradient.chunks_exact(length)).zip(clean.chunks_exact(length));
        for (walk, ((frame, slope), clean)) in walks.iter_mut().zip(frames) {
            let mut stepped = frame.to_vec();
            budget.advance(&mut stepped, slope, walk.step);
            budget.project(clean, &mut stepped);
            for ((new, now), before) in stepped.iter_mut().zip(frame.iter()).zip(&walk.previous) {
                *new = now + momentum * (*new - now) + (1.0 - momentum) * (now - before);
            }
            budget.project(clean, &mut stepped);
            walk.previous.copy_from_slice(frame);
            frame.copy_from_slice(&stepped);
        }
        let outcomes = objective.gradients(&pixels, &mut gradient);
        found.keep_better(&pixels, &outcomes);
        since += 1;
        let checkpoint = since == interval;
        for (index, (walk, outcome)) in walks.iter_mut().zip(&outcomes).enumerate() {
            let part = index * length..(index + 1) * length;
            walk.raised += usize::from(outcome.loss > walk.last_loss);
            walk.last_loss = outcome.loss;
            if outcome.loss > walk.best_loss {
                walk.best_loss = outcome.loss;
                walk.best.copy_from_slice(&pixels[part.clone()]);
                walk.best_gradient.copy_from_slice(&gradient[part.clone()]);
            }
            if checkpoint && walk.halves(interval) {
                // The movement goes on from where the walk was, as in the authors' code.
                pixels[part.clone()].copy_from_slice(&walk.best);
                gradient[part].copy_from_slice(&walk.best_gradient);
            }
        }
        if checkpoint {
            since = 0;
            interval = interval.saturating_sub(shrink).max(shortest);
        }
    }
    found
}

impl Walk {
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
