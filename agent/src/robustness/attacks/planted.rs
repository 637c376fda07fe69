//! Frames that are known to reach an objective and that nobody finds by chance: whether the attacks of a report find them.
//!
//! # Source
//! After Zimmermann et al. 2022, "Increasing Confidence in Adversarial Robustness Evaluations", arXiv:2206.13991: a model is changed
//! so that an adversarial example is known to exist at the boundary and random search fails to find it; an attack that misses it is
//! too weak to prove anything. They train the last layer anew, here the loss that counts as broken is raised.

use crate::attack::method::LossMethod;
use crate::robustness::attacks::curve::Trial;
use crate::robustness::attacks::examples::{Examples, Rows};
use rayon::prelude::*;
use roadproof_perception::attack::{Effect, Objective};

/// How far up from the best random frame to the planted one the objective is raised.
const RAISED_TO: f32 = 0.9;
/// Starts of the attack that plants.
const STARTS: u64 = 2;

/// An objective that is reached from another loss on, frame by frame.
struct Raised<'a, O> {
    inner: &'a O,
    thresholds: &'a [f32],
}

impl<O> Raised<'_, O> {
    fn judge(&self, effects: Vec<Effect>) -> Vec<Effect> {
        let frames = effects.into_iter().zip(self.thresholds);
        frames.map(|(Effect { loss, .. }, threshold)| Effect { loss, broken: loss > *threshold }).collect()
    }
}

impl<O: Objective> Objective for Raised<'_, O> {
    fn evaluate(&self, pixels: &[f32]) -> Vec<Effect> {
        self.judge(self.inner.evaluate(pixels))
    }

    fn gradients(&self, pixels: &[f32], gradient: &mut [f32]) -> Vec<Effect> {
        self.judge(self.inner.gradients(pixels, gradient))
    }
}

/// For each example whether the attack of a report finds a planted frame; `None` where nothing is found that as many random frames as
/// `noise` are the best of did not find, so that nothing can be planted.
///
/// The planted frame is the best that gradients with many steps from other starts find, or Square with many queries: one that follows
/// gradients alone would plant nothing where these mislead.
pub(in crate::robustness) fn found<O: Rows>(
    examples: &Examples<O>,
    trial: &Trial,
    eps_levels: f32,
    noise: &[Effect],
) -> Vec<Option<bool>> {
    let losses = |method, effort, start| -> Vec<f32> {
        examples.again(start).on_blocks(|block| {
            let highest = vec![f32::INFINITY; block.count()];
            let raised = Raised { inner: &block.objective, thresholds: &highest };
            let delivered = block.attacked(&raised, (method, eps_levels, effort), trial);
            block.objective.evaluate(&delivered).into_iter().map(|effect| effect.loss).collect()
        })
    };
    let mut planted = losses(LossMethod::Square, trial.square_queries, 1);
    for start in 0..STARTS {
        let others = losses(LossMethod::Apgd, trial.planting_steps, 2 + start);
        planted.iter_mut().zip(others).for_each(|(best, other)| *best = best.max(other));
    }
    let threshold = |(planted, random): (&f32, &Effect)| random.loss + RAISED_TO * (planted - random.loss);
    let thresholds: Vec<f32> = planted.iter().zip(noise).map(threshold).collect();
    let rows: Vec<usize> = (0..examples.count()).collect();
    let finds = |row: &usize| {
        let missed_at_random = noise[*row].loss < thresholds[*row] && thresholds[*row] < planted[*row];
        missed_at_random.then(|| {
            let own = examples.rows(&[*row]);
            let raised = Raised { inner: &own.objective, thresholds: &thresholds[*row..=*row] };
            let delivered = own.attacked(&raised, (LossMethod::Apgd, eps_levels, trial.steps), trial);
            raised.evaluate(&delivered)[0].broken
        })
    };
    rows.par_iter().with_max_len(1).map(finds).collect()
}
