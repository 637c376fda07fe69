//! What is tried on single examples, and what comes of it at each budget.

use serde::Serialize;

/// What is attacked, and by how much.
#[derive(Clone, Debug)]
pub(in crate::robustness) struct Trial {
    /// Width and height of a frame.
    pub size: (usize, usize),
    pub eps_levels: Vec<f32>,
    pub steps: usize,
    pub tries: usize,
    /// Examples on which many tries are spent, and how many.
    pub searched: usize,
    pub square_queries: usize,
    pub noise_tries: usize,
    /// Steps of the attack that plants a frame.
    pub planting_steps: usize,
    pub seed: u64,
}

/// One method against the budget, on frames as a camera delivers them: rounded to bytes, from one grey level on.
#[derive(Clone, Debug, Serialize)]
pub struct Curve {
    /// The method.
    pub method: &'static str,
    /// Steps or tries for each frame.
    pub effort: usize,
    /// One for each budget.
    pub points: Vec<Point>,
}

/// All frames under one budget.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The budget in grey levels, Linf.
    pub eps_levels: f32,
    /// Share of frames on which the attack succeeds.
    pub success: f32,
    /// Mean loss, which the attack raises.
    pub loss: f32,
    /// Whether it succeeds on each frame.
    pub broken: Vec<bool>,
}

/// A random number for each example; the same for all methods and budgets.
pub(in crate::robustness) fn seed_of(seed: u64, example: usize) -> u64 {
    seed ^ (example as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
