//! Choices at random, so that something else is tried than what seems best.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use roadproof_env::Action;
use roadproof_env::action::{ACCELERATION_MPS2, STEER_RAD};

/// ε-greedy in each part of the action by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exploration {
    /// Chance of a random choice.
    pub epsilon: f32,
}

impl Exploration {
    /// It falls linearly from start to end, over a share of the training.
    pub fn falling(start: f32, end: f32, share: f32, progress: f32) -> Self {
        Self { epsilon: start + (end - start) * (progress / share).min(1.0) }
    }

    /// The best, or something else.
    pub fn choose(self, best: Action, random: &mut Pcg64Mcg) -> Action {
        let mut choose = |greedy: usize, count: usize| {
            if random.random::<f32>() < self.epsilon { random.random_range(0..count) } else { greedy }
        };
        Action {
            steer: choose(best.steer, STEER_RAD.len()),
            acceleration: choose(best.acceleration, ACCELERATION_MPS2.len()),
        }
    }
}
