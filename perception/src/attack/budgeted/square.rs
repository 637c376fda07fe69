//! The Square attack: random squares of the largest change, kept where they raise the loss. It needs no gradient, so that
//! a driver whose gradients only look harmless is found out.
//!
//! # Source
//! Andriushchenko et al. 2020, "Square Attack: a query-efficient black-box adversarial attack via random search",
//! arXiv:1912.00049, the Linf attack with its schedule for 10,000 queries rescaled to the number of queries.

use crate::attack::{Attacked, Budget, Objective};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// Share of a frame that the first squares cover.
const FIRST_SHARE: f32 = 0.8;

/// The best of so many tries for each frame; `size` is width and height, and every frame has a seed. The budget is taken as of [`crate::attack::Norm::Linf`].
#[must_use]
pub fn square(
    objective: &impl Objective,
    clean: &[f32],
    (width, height): (usize, usize),
    budget: &Budget,
    queries: usize,
    seeds: &[u64],
) -> Attacked {
    let length = clean.len() / seeds.len().max(1);
    let mut random: Vec<Pcg64Mcg> = seeds.iter().map(|seed| Pcg64Mcg::seed_from_u64(*seed)).collect();
    let mut found = Attacked::begin(objective, clean);
    // Stripes from top to bottom, each column and channel all up or all down.
    let mut pixels = clean.to_vec();
    for ((frame, clean), random) in pixels.chunks_exact_mut(length).zip(clean.chunks_exact(length)).zip(&mut random) {
        let signs: Vec<f32> = (0..3 * width).map(|_| sign(random)).collect();
        for (index, (value, clean)) in frame.iter_mut().zip(clean).enumerate() {
            *value = (clean + budget.eps * signs[index % (3 * width)]).clamp(0.0, 1.0);
        }
    }
    let mut outcomes = objective.evaluate(&pixels);
    found.keep_better(&pixels, &outcomes);
    for query in 0..queries {
        let side = square_side(query as f32 / queries as f32, (width, height));
        let mut tried = pixels.clone();
        let frames = tried.chunks_exact_mut(length).zip(clean.chunks_exact(length));
        for ((frame, clean), random) in frames.zip(&mut random) {
            let (left, top) = (random.random_range(0..=width - side), random.random_range(0..=height - side));
            let change = [0; 3].map(|_| budget.eps * sign(random));
            for row in top..top + side {
                let from = 3 * (row * width + left);
                let square = frame[from..from + 3 * side].iter_mut().zip(&clean[from..from + 3 * side]);
                for (index, (value, clean)) in square.enumerate() {
                    *value = (clean + change[index % 3]).clamp(0.0, 1.0);
                }
            }
        }
        let new = objective.evaluate(&tried);
        found.keep_better(&tried, &new);
        for (index, (own, other)) in outcomes.iter_mut().zip(new).enumerate() {
            if other.loss > own.loss {
                *own = other;
                pixels[index * length..(index + 1) * length]
                    .copy_from_slice(&tried[index * length..(index + 1) * length]);
            }
        }
    }
    found
}

/// Side of the squares that are tried when this share of the queries is used up, in a frame of this width and height, pixels.
#[must_use]
pub fn square_side(progress: f32, (width, height): (usize, usize)) -> usize {
    let share = FIRST_SHARE * share_at(progress);
    (((share * (width * height) as f32).sqrt().round() as usize).max(1)).min(width.min(height))
}

fn sign(random: &mut Pcg64Mcg) -> f32 {
    if random.random::<bool>() { 1.0 } else { -1.0 }
}

/// How the share of a square falls: halved after 10, 50, 200, 500, 1000, 2000, 4000, 6000 and 8000 of 10,000 queries, as in the
/// authors' code.
fn share_at(progress: f32) -> f32 {
    let halvings = [0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8].iter().filter(|at| progress > **at).count();
    0.5_f32.powi(halvings as i32)
}
