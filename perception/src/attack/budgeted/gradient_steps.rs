//! Steps along the gradient: FGSM, PGD, and random noise to hold them against.

use crate::attack::{Attacked, Budget, Objective};
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

/// How PGD walks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PgdSettings {
    /// Steps of each walk.
    pub steps: usize,
    /// Length of a step as a share of the budget.
    pub step_share: f32,
    /// Walks, each from a start of its own; the first starts at the clean frame if this is one and `random_start` is off.
    pub restarts: usize,
    /// Whether walks start at random within the budget.
    pub random_start: bool,
}

impl Default for PgdSettings {
    /// Twenty steps of an eighth of the budget: twice and a half of the way across.
    fn default() -> Self {
        Self { steps: 20, step_share: 0.125, restarts: 1, random_start: true }
    }
}

/// One step as long as the budget, from the clean frame.
///
/// # Source
/// Goodfellow, Shlens and Szegedy 2015, arXiv:1412.6572.
#[must_use]
pub fn fgsm(objective: &impl Objective, clean: &[f32], frames: usize, budget: &Budget) -> Attacked {
    let settings = PgdSettings { steps: 1, step_share: 1.0, restarts: 1, random_start: false };
    pgd(objective, clean, budget, &settings, &vec![0; frames])
}

/// Projected gradient ascent; the best frame of all steps and restarts. One seed a frame.
///
/// # Source
/// Madry et al. 2018, arXiv:1706.06083.
#[must_use]
pub fn pgd(
    objective: &impl Objective,
    clean: &[f32],
    budget: &Budget,
    settings: &PgdSettings,
    seeds: &[u64],
) -> Attacked {
    let length = clean.len() / seeds.len().max(1);
    let mut random: Vec<Pcg64Mcg> = seeds.iter().map(|seed| Pcg64Mcg::seed_from_u64(*seed)).collect();
    let mut best = Attacked::begin(objective, clean);
    let mut gradient = vec![0.0; clean.len()];
    for _ in 0..settings.restarts {
        let mut pixels = if settings.random_start { starts(clean, budget, &mut random) } else { clean.to_vec() };
        for _ in 0..settings.steps {
            let outcomes = objective.gradients(&pixels, &mut gradient);
            best.keep_better(&pixels, &outcomes);
            let step = budget.eps * settings.step_share;
            let walk = pixels.chunks_exact_mut(length).zip(gradient.chunks_exact(length));
            for ((frame, slope), clean) in walk.zip(clean.chunks_exact(length)) {
                budget.advance(frame, slope, step);
                budget.project(clean, frame);
            }
        }
        best.keep_better(&pixels, &objective.evaluate(&pixels));
    }
    best
}

/// One random frame within the budget of each.
fn starts(clean: &[f32], budget: &Budget, random: &mut [Pcg64Mcg]) -> Vec<f32> {
    let frames = clean.chunks_exact(clean.len() / random.len().max(1));
    frames.zip(random).map(|(frame, random)| budget.random_start(frame, random)).collect::<Vec<_>>().concat()
}

/// The best of so many random frames within the budget; an attack that is no stronger than this is broken.
#[must_use]
pub fn random_noise(
    objective: &impl Objective,
    clean: &[f32],
    budget: &Budget,
    tries: usize,
    seeds: &[u64],
) -> Attacked {
    let mut random: Vec<Pcg64Mcg> = seeds.iter().map(|seed| Pcg64Mcg::seed_from_u64(*seed)).collect();
    let mut best = Attacked::begin(objective, clean);
    for _ in 0..tries {
        let pixels = starts(clean, budget, &mut random);
        best.keep_better(&pixels, &objective.evaluate(&pixels));
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::tests::Linear;
    use crate::attack::{Norm, apgd, square};

    /// The maximum of a linear loss within a budget, pixels far from 0 and 1, is the clean loss and eps times a norm of the
    /// weights: the sum of magnitudes for Linf, the length for L2.
    #[test]
    fn gradient_attacks_reach_the_maximum_of_a_linear_loss() {
        let weights: Vec<f32> = (0..48).map(|index| ((index * 29) % 17) as f32 / 8.0 - 1.0).collect();
        let objective = Linear { weights: weights.clone(), threshold: f32::INFINITY };
        let clean = vec![0.5; 2 * 48];
        let base: f32 = weights.iter().map(|weight| 0.5 * weight).sum();
        for (norm, eps, size) in [
            (Norm::Linf, 0.05, weights.iter().map(|weight| weight.abs()).sum::<f32>()),
            (Norm::L2, 0.3, weights.iter().map(|weight| weight * weight).sum::<f32>().sqrt()),
        ] {
            let budget = Budget::new(norm, eps).unwrap();
            let most = base + eps * size;
            let check = |name: &str, attacked: &Attacked, least: f32| {
                for (outcome, frame) in attacked.outcomes.iter().zip(attacked.pixels.chunks_exact(48)) {
                    assert!(outcome.loss <= most + 1e-4, "{name}, {norm:?}: {} above {most}", outcome.loss);
                    let reached = (outcome.loss - base) / (most - base);
                    assert!(reached >= least, "{name}, {norm:?}: only {reached} of the way");
                    assert!(budget.distance(frame, &clean[..48]) <= eps * 1.0001, "{name}");
                }
            };
            check("fgsm", &fgsm(&objective, &clean, 2, &budget), 0.999);
            check("pgd", &pgd(&objective, &clean, &budget, &PgdSettings::default(), &[1, 2]), 0.98);
            check("apgd", &apgd(&objective, &clean, &budget, 50, &[1, 2]), 0.99);
            let noise = random_noise(&objective, &clean, &budget, 50, &[1, 2]);
            check("noise", &noise, 0.0);
            assert!((noise.outcomes[0].loss - base) / (most - base) < 0.7, "noise is weaker than a gradient");
            if norm == Norm::Linf {
                check("square", &square(&objective, &clean, (4, 4), &budget, 2000, &[1, 2]), 0.8);
            }
        }
    }
}
