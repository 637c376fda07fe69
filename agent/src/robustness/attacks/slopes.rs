//! Whether gradients are what they are taken for: the same again, not zero, and those of small changes.

use crate::robustness::attacks::examples::{Examples, Rows};
use roadproof_perception::attack::{Effect, to_numbers};

/// Steps along the gradient, in numbers of 0 to 1: short enough to stay on one side of most bends, long enough to show in `f32`.
const STEPS: [f32; 3] = [1e-3, 3e-3, 1e-2];
/// Share of the slope by which a small change may differ from what the gradient says of it.
const OFF: f32 = 0.1;

/// What the gradient of one example is.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::robustness) struct Slope {
    /// Loss and gradient are the same to the bit a second time.
    pub same_again: bool,
    /// All of it is zero.
    pub zero: bool,
    /// A small change along it does to the loss what it says, on one side at least.
    pub measured: bool,
}

/// The gradient of each example on its clean frame.
pub(in crate::robustness) fn slopes<O: Rows>(examples: &Examples<O>) -> Vec<Slope> {
    examples.on_blocks(of_block)
}

fn of_block<O: Rows>(block: &Examples<O>) -> Vec<Slope> {
    let clean = to_numbers(&block.rgb);
    let length = clean.len() / block.count();
    let look = || {
        let mut gradient = vec![0.0; clean.len()];
        let effects = block.objective.gradients(&clean, &mut gradient);
        (block.objective.evaluate(&clean), effects, gradient)
    };
    let ((evaluated, effects, gradient), second) = (look(), look());
    let norms: Vec<f32> = gradient.chunks_exact(length).map(norm).collect();
    let moved = |by: f32| -> Vec<Effect> {
        let rows = clean.chunks_exact(length).zip(gradient.chunks_exact(length)).zip(&norms);
        let pixels = rows.flat_map(|((frame, slope), norm)| {
            let factor = if *norm > 0.0 { by / norm } else { 0.0 };
            frame.iter().zip(slope).map(move |(value, slope)| value + factor * slope)
        });
        block.objective.evaluate(&pixels.collect::<Vec<f32>>())
    };
    let sides = STEPS.map(|step| (step, moved(step), moved(-step)));
    let slope = |row: usize| {
        let own = row * length..(row + 1) * length;
        let bits = |effect: &Effect| effect.loss.to_bits();
        let same_again = gradient[own.clone()] == second.2[own]
            && bits(&evaluated[row]) == bits(&second.0[row])
            && bits(&effects[row]) == bits(&second.1[row]);
        let measured = sides.iter().any(|(step, up, down)| {
            let here = evaluated[row].loss;
            let (up, down) = ((up[row].loss - here) / step, (here - down[row].loss) / step);
            let around = up.min(down) - OFF * norms[row]..=up.max(down) + OFF * norms[row];
            around.contains(&norms[row])
        });
        Slope { same_again, zero: norms[row] == 0.0, measured }
    };
    (0..block.count()).map(slope).collect()
}

fn norm(gradient: &[f32]) -> f32 {
    gradient.iter().map(|slope| slope * slope).sum::<f32>().sqrt()
}
