//! How much an attack may change.

use rand::{Rng, RngExt};

/// How a perturbation is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// The greatest change of any value.
    Linf,
    /// The square root of the sum of all changes squared.
    L2,
}

/// How far a frame may be from the clean one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// How it is measured.
    pub norm: Norm,
    /// How much.
    pub eps: f32,
}

impl Budget {
    /// Checks a budget.
    ///
    /// # Errors
    /// A message if `eps` is not a positive number, or for [`Norm::Linf`] above 1.
    pub fn new(norm: Norm, eps: f32) -> Result<Self, String> {
        let most = if norm == Norm::Linf { 1.0 } else { 1000.0 };
        if eps > 0.0 && eps <= most {
            Ok(Self { norm, eps })
        } else {
            let levels = if norm == Norm::Linf { ", from black to white; N grey levels are N/255" } else { "" };
            Err(format!("eps = {eps}, allowed is more than 0 and at most {most}{levels}"))
        }
    }

    /// Brings a frame back to within the budget of the clean one, and each value back to 0 to 1.
    pub fn project(&self, clean: &[f32], frame: &mut [f32]) {
        match self.norm {
            Norm::Linf => {
                // `clamp` checks bounds that are not constant for each value, which no vector unit does.
                for (value, clean) in frame.iter_mut().zip(clean) {
                    *value = value.max(clean - self.eps).min(clean + self.eps).clamp(0.0, 1.0);
                }
            }
            Norm::L2 => {
                let distance = frame.iter().zip(clean).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
                let scale = if distance > self.eps { self.eps / distance } else { 1.0 };
                for (value, clean) in frame.iter_mut().zip(clean) {
                    *value = (clean + (*value - clean) * scale).clamp(0.0, 1.0);
                }
            }
        }
    }

    /// Moves a frame by `step` along a direction: its sign for [`Norm::Linf`], the direction over its length for
    /// [`Norm::L2`].
    pub fn advance(&self, frame: &mut [f32], direction: &[f32], step: f32) {
        match self.norm {
            Norm::Linf => {
                for (value, slope) in frame.iter_mut().zip(direction) {
                    // A slope of zero has no sign.
                    *value += if *slope == 0.0 { 0.0 } else { step * slope.signum() };
                }
            }
            Norm::L2 => {
                let length = direction.iter().map(|slope| slope * slope).sum::<f32>().sqrt().max(1e-12);
                frame.iter_mut().zip(direction).for_each(|(value, slope)| *value += step * slope / length);
            }
        }
    }

    /// A random frame within the budget of a clean one: even over the cube, or in a random direction at a random distance.
    pub fn random_start(&self, clean: &[f32], random: &mut impl Rng) -> Vec<f32> {
        let direction: Vec<f32> = clean.iter().map(|_| random.random_range(-1.0..=1.0)).collect();
        let mut frame = clean.to_vec();
        match self.norm {
            Norm::Linf => frame.iter_mut().zip(&direction).for_each(|(value, way)| *value += self.eps * way),
            Norm::L2 => self.advance(&mut frame, &direction, self.eps * random.random_range(0.0..=1.0)),
        }
        self.project(clean, &mut frame);
        frame
    }

    /// A random frame as far from the clean one as the budget allows: at least one value for [`Norm::Linf`], any direction alike
    /// for [`Norm::L2`].
    pub fn far_start(&self, clean: &[f32], random: &mut impl Rng) -> Vec<f32> {
        let mut direction: Vec<f32> = match self.norm {
            Norm::Linf => clean.iter().map(|_| random.random_range(-1.0..=1.0)).collect(),
            // Twelve even numbers have the spread of a normal one.
            Norm::L2 => clean.iter().map(|_| (0..12).map(|_| random.random_range(-0.5..=0.5)).sum()).collect(),
        };
        let zero = vec![0.0; direction.len()];
        let scale = self.eps / self.distance(&direction, &zero).max(1e-12);
        direction.iter_mut().for_each(|value| *value *= scale);
        let mut frame: Vec<f32> = clean.iter().zip(&direction).map(|(clean, change)| clean + change).collect();
        self.project(clean, &mut frame);
        frame
    }

    /// Distance between two frames in this norm.
    #[must_use]
    pub fn distance(&self, a: &[f32], b: &[f32]) -> f32 {
        let changes = a.iter().zip(b).map(|(a, b)| (a - b).abs());
        match self.norm {
            Norm::Linf => changes.fold(0.0, f32::max),
            Norm::L2 => changes.map(|change| change * change).sum::<f32>().sqrt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn projections_and_starts_are_within_the_budget() {
        let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(1);
        let clean: Vec<f32> = (0..300).map(|index| index as f32 / 299.0).collect();
        for (norm, eps) in [(Norm::Linf, 0.03), (Norm::L2, 0.7)] {
            let budget = Budget::new(norm, eps).unwrap();
            for _ in 0..20 {
                let start = budget.random_start(&clean, &mut random);
                assert!(budget.distance(&clean, &budget.far_start(&clean, &mut random)) <= eps * 1.0001);
                assert!(budget.distance(&clean, &start) <= eps * 1.0001 && start != clean);
                let mut far: Vec<f32> = start.iter().map(|value| value + random.random_range(-1.0..1.0)).collect();
                budget.project(&clean, &mut far);
                assert!(budget.distance(&clean, &far) <= eps * 1.0001);
                assert!(far.iter().all(|value| (0.0..=1.0).contains(value)));
            }
        }
        assert!(Budget::new(Norm::Linf, 0.0).is_err() && Budget::new(Norm::Linf, 1.5).is_err());
        assert!(Budget::new(Norm::L2, f32::NAN).is_err());
    }
}
