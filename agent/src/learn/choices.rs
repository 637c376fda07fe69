//! The heads read as two distributions: a softmax over steering angles and one over accelerations, drawn from independently.

use crate::policy::{ACCELERATION_HEADS, OUTPUTS, STEER_HEADS};
use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use roadproof_env::Action;
use std::ops::Range;

/// What a policy would choose, and how surely.
pub(super) struct Choices {
    steer: Vec<f32>,
    acceleration: Vec<f32>,
}

impl Choices {
    /// Of the heads of one input.
    pub fn of(heads: &[f32]) -> Self {
        Self { steer: softmax(&heads[STEER_HEADS]), acceleration: softmax(&heads[ACCELERATION_HEADS]) }
    }

    /// One choice from each.
    pub fn draw(&self, random: &mut Pcg64Mcg) -> Action {
        Action { steer: draw(&self.steer, random), acceleration: draw(&self.acceleration, random) }
    }

    /// Logarithm of an action's probability.
    pub fn log_probability(&self, action: Action) -> f32 {
        self.steer[action.steer].max(LEAST).ln() + self.acceleration[action.acceleration].max(LEAST).ln()
    }

    /// How undecided it is, in nats: both heads together.
    pub fn entropy(&self) -> f32 {
        entropy(&self.steer) + entropy(&self.acceleration)
    }

    /// Adds to the gradient with respect to the heads that of `by_log_probability · log p(action) + by_entropy · entropy`.
    pub fn add_gradient(&self, action: Action, by_log_probability: f32, by_entropy: f32, gradient: &mut [f32]) {
        let head = |probabilities: &[f32], chosen: usize, range: Range<usize>, gradient: &mut [f32]| {
            let entropy = entropy(probabilities);
            for (index, (slope, p)) in gradient[range].iter_mut().zip(probabilities).enumerate() {
                let chosen = f32::from(u8::from(index == chosen));
                // Of log p(a) over logit k: [k = a] − p(k); of the entropy: −p(k) (log p(k) + entropy).
                *slope += by_log_probability * (chosen - p) - by_entropy * p * (p.max(LEAST).ln() + entropy);
            }
        };
        head(&self.steer, action.steer, STEER_HEADS, gradient);
        head(&self.acceleration, action.acceleration, ACCELERATION_HEADS, gradient);
    }
}

/// Below it a probability has no logarithm that is of use.
const LEAST: f32 = 1e-30;

/// Choices of a batch.
pub(super) fn choices(heads: &[f32]) -> Vec<Choices> {
    heads.chunks_exact(OUTPUTS).map(Choices::of).collect()
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|logit| (logit - most).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

fn entropy(probabilities: &[f32]) -> f32 {
    -probabilities.iter().map(|p| p * p.max(LEAST).ln()).sum::<f32>()
}

fn draw(probabilities: &[f32], random: &mut Pcg64Mcg) -> usize {
    let mut left = random.random::<f32>();
    for (index, p) in probabilities.iter().enumerate() {
        left -= p;
        if left < 0.0 {
            return index;
        }
    }
    // Rounding: the probabilities may add up to a little less than one.
    probabilities.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn heads() -> Vec<f32> {
        (0..OUTPUTS).map(|index| 0.3 * ((index * 7) % 5) as f32 - 0.4).collect()
    }

    #[test]
    fn draws_are_as_frequent_as_they_are_probable() {
        let (choices, mut random) = (Choices::of(&heads()), Pcg64Mcg::seed_from_u64(3));
        const DRAWS: usize = 40_000;
        let drawn: Vec<Action> = (0..DRAWS).map(|_| choices.draw(&mut random)).collect();
        for (steer, p) in choices.steer.iter().enumerate() {
            let (p, times) = (f64::from(*p), drawn.iter().filter(|action| action.steer == steer).count() as f64);
            let spread = (DRAWS as f64 * p * (1.0 - p)).sqrt();
            assert!((times - DRAWS as f64 * p).abs() < 4.5 * spread, "steer {steer}: {times} times, p = {p}");
        }
        assert!((choices.steer.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn the_gradient_is_that_of_probability_and_entropy() {
        let action = Action { steer: 4, acceleration: 1 };
        let value = |heads: &[f32]| {
            let choices = Choices::of(heads);
            0.7 * choices.log_probability(action) + 0.2 * choices.entropy()
        };
        let mut gradient = vec![0.0; OUTPUTS];
        Choices::of(&heads()).add_gradient(action, 0.7, 0.2, &mut gradient);
        for index in 0..OUTPUTS {
            let (mut up, mut down) = (heads(), heads());
            up[index] += 0.01;
            down[index] -= 0.01;
            let numeric = (value(&up) - value(&down)) / 0.02;
            assert!((numeric - gradient[index]).abs() < 1e-3, "{index}: {numeric} {}", gradient[index]);
        }
    }

    #[test]
    fn an_even_choice_has_the_most_entropy() {
        let even = Choices::of(&[0.0; OUTPUTS]);
        let most = (STEER_HEADS.len() as f32).ln() + (ACCELERATION_HEADS.len() as f32).ln();
        assert!((even.entropy() - most).abs() < 1e-5 && Choices::of(&heads()).entropy() < most);
        let sure =
            Choices::of(&std::array::from_fn::<f32, OUTPUTS, _>(|index| if index % 14 == 1 { 90.0 } else { 0.0 }));
        assert!(sure.entropy().abs() < 1e-5 && sure.log_probability(Action { steer: 0, acceleration: 0 }).is_finite());
    }
}
