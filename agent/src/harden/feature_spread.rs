//! How far the policy's input can be off because of what the camera shows: the box for which `robust_q` makes choices hold.
//!
//! Sound bounds of perception are far wider than anything an attack reaches, unless perception was trained for narrow ones; a
//! policy that must hold over them learns nothing. So the default is what attacks reach on frames of the moment. That is no
//! bound, and choices that hold over it are not certified.

use crate::memory::feature::{HISTORY, LANE_FEATURES};
use crate::memory::{FEATURES, Feature, Memory, Odometry};
use roadproof_perception::attack::{Budget, Differentiable, Norm, Objective, Outcome, PgdSettings, pgd, to_numbers};
use roadproof_perception::proof::network::{BoundedPerception, percept_bounds};
use roadproof_perception::{OUTPUTS, Output, Perception, percept};
use serde::{Deserialize, Serialize};

/// Where the radius of each feature comes from. What the car knows without the camera is never off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Spread {
    /// The same for all, in the features' units of about -1 to 1.
    Given {
        /// Half length of the box.
        feature_eps: f32,
    },
    /// The mean over some frames of how far the worst of ten attacks moves each feature: one on each quantity and on the lead,
    /// up and down, kept up for as many decisions as are remembered.
    Attacked {
        /// Budget of the attacks, greatest change of any value.
        eps: f32,
        /// Frames, measured before every update.
        frames: usize,
    },
    /// The mean over some frames of how far sound bounds of perception let each feature move.
    Bounded {
        /// Greatest change of any value.
        eps: f32,
        /// Frames, measured before every update.
        frames: usize,
    },
}

impl Default for Spread {
    fn default() -> Self {
        Self::Attacked { eps: 2.0 / 255.0, frames: 8 }
    }
}

impl Spread {
    /// Frames it is measured on.
    #[must_use]
    pub fn frames(&self) -> usize {
        match self {
            Self::Given { .. } => 0,
            Self::Attacked { frames, .. } | Self::Bounded { frames, .. } => *frames,
        }
    }

    /// The radius of each feature, for `growth` (0 to 1) of the budget.
    #[must_use]
    pub fn radius(&self, growth: f32, perception: &Perception, views: &[View<'_>], decision_s: f32) -> [f32; FEATURES] {
        let each: Vec<[f32; FEATURES]> = match *self {
            Self::Given { feature_eps } => {
                return Feature::<f32>::TABLE.map(|feature| if feature.seen { feature_eps * growth } else { 0.0 });
            }
            Self::Attacked { eps, .. } => attacked(eps * growth, perception, views, decision_s),
            Self::Bounded { eps, .. } => bounded(eps * growth, perception, views, decision_s),
        };
        let mean = |feature: usize| each.iter().map(|moved| moved[feature]).sum::<f32>() / each.len().max(1) as f32;
        std::array::from_fn(|index| if Feature::<f32>::TABLE[index].seen { mean(index) } else { 0.0 })
    }
}

/// What one world's driver has before it.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// What it remembers.
    pub memory: &'a Memory,
    /// What the car knows of itself.
    pub odometry: Odometry,
    /// The frame.
    pub frame: &'a [u8],
}

/// One output of the network, up or down.
struct Push<'a> {
    network: &'a Differentiable,
    output: Output,
    sign: f32,
}

impl Objective for Push<'_> {
    fn evaluate(&self, pixels: &[f32]) -> Vec<Outcome> {
        let loss = |_, outputs: &[f32]| Outcome { loss: self.sign * outputs[self.output.index()], broken: false };
        self.network.evaluate(pixels, loss)
    }

    fn gradients(&self, pixels: &[f32], gradient: &mut [f32]) -> Vec<Outcome> {
        self.network.gradients(pixels, gradient, |_, outputs, slopes| {
            slopes.fill(0.0);
            slopes[self.output.index()] = self.sign;
            Outcome { loss: self.sign * outputs[self.output.index()], broken: false }
        })
    }
}

fn attacked(eps: f32, perception: &Perception, views: &[View<'_>], decision_s: f32) -> Vec<[f32; FEATURES]> {
    let Ok(budget) = Budget::new(Norm::Linf, eps) else { return vec![[0.0; FEATURES]; views.len()] };
    let network = Differentiable::new(perception);
    let clean: Vec<f32> = views.iter().flat_map(|view| to_numbers(view.frame)).collect();
    let features = |outputs: &[f32], view: &View<'_>| {
        let (mut memory, mut features) = (view.memory.clone(), [0.0; FEATURES]);
        for _ in 0..HISTORY {
            memory.observe(&percept(outputs), view.odometry, decision_s, &mut features);
        }
        features
    };
    let of = |pixels: &[f32]| -> Vec<[f32; FEATURES]> {
        let outputs = network.outputs(pixels);
        outputs.chunks_exact(OUTPUTS).zip(views).map(|(outputs, view)| features(outputs, view)).collect()
    };
    let before = of(&clean);
    let mut moved = vec![[0.0_f32; FEATURES]; views.len()];
    let settings = PgdSettings { steps: 3, step_share: 0.5, ..PgdSettings::default() };
    for output in Output::PERCEIVED {
        for sign in [-1.0, 1.0] {
            let push = Push { network: &network, output, sign };
            let seeds = vec![output.index() as u64; views.len()];
            let after = of(&pgd(&push, &clean, &budget, &settings, &seeds).pixels);
            for (moved, (after, before)) in moved.iter_mut().zip(after.iter().zip(&before)) {
                for (moved, (after, before)) in moved.iter_mut().zip(after.iter().zip(before)) {
                    *moved = moved.max((after - before).abs());
                }
            }
        }
    }
    moved
}

fn bounded(eps: f32, perception: &Perception, views: &[View<'_>], decision_s: f32) -> Vec<[f32; FEATURES]> {
    let network = BoundedPerception::new(perception);
    let moved = |view: &View<'_>| {
        let clean = to_numbers(view.frame);
        let mut features = [0.0; FEATURES];
        let seen = perception.see(view.frame)[0];
        view.memory.clone().observe(&seen, view.odometry, decision_s, &mut features);
        let mut moved = [0.0_f32; FEATURES];
        let outputs = network.outputs(&clean, eps)[0];
        for bounds in view.memory.bounds(&percept_bounds(&outputs), view.odometry, decision_s, false) {
            for (moved, (bound, value)) in moved.iter_mut().zip(bounds.iter().zip(features)) {
                let value = f64::from(value);
                *moved = moved.max((bound.high - value).max(value - bound.low) as f32);
            }
        }
        // Lanes remembered may have been off as far as the newest.
        for index in LANE_FEATURES..LANE_FEATURES * HISTORY {
            moved[index] = moved[index].max(moved[index % LANE_FEATURES]);
        }
        moved
    };
    views.iter().map(moved).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::LearnedDriver;
    use crate::memory::MemorySettings;

    #[test]
    fn the_radius_grows_with_the_budget_and_bounds_are_wider_than_attacks() {
        let driver = LearnedDriver::shipped().expect("the shipped weights are whole");
        let text = "Scenario(format: 1, title: \"t\", duration_s: 9.0, road: Straight(length_m: 300.0), \
                    ego: (speed_mps: 9.0, offset_m: 0.4))";
        let scenario = roadproof_sim::parse(text, "t.ron".as_ref()).expect("a scenario");
        let episode = roadproof_sim::Episode::new(scenario).expect("a world");
        let odometry = Odometry::from(episode.measures());
        for memory in [MemorySettings::default(), MemorySettings::STEADY] {
            let memory = Memory::new(memory);
            let view = View { memory: &memory, odometry, frame: episode.rgb() };
            let radius = |spread: Spread, growth| spread.radius(growth, driver.perception(), &[view], 0.1);
            let attacked = Spread::Attacked { eps: 1.0 / 255.0, frames: 1 };
            let bounded = Spread::Bounded { eps: 1.0 / 255.0, frames: 1 };
            let (none, half, whole) = (radius(attacked, 0.0), radius(attacked, 0.5), radius(attacked, 1.0));
            assert_eq!(none, [0.0; FEATURES]);
            assert!(half[0] > 0.01 && whole[0] > 1.3 * half[0], "{half:?} {whole:?}");
            let widest = radius(bounded, 1.0);
            assert!(
                widest[..3].iter().zip(&whole).all(|(bounded, attacked)| bounded >= attacked),
                "{widest:?} {whole:?}"
            );
            assert!(widest[3..9].iter().zip(&widest[..3]).all(|(earlier, now)| earlier >= now), "{widest:?}");
            for radius in [whole, widest, radius(Spread::Given { feature_eps: 0.1 }, 1.0)] {
                for (radius, feature) in radius.into_iter().zip(Feature::<f32>::TABLE) {
                    assert!(feature.seen || radius == 0.0, "{feature:?}: {radius}");
                    let made_of_both = ["drift", "curvature_not_driven"].contains(&feature.name);
                    assert!(!made_of_both || radius > 0.0, "{feature:?}: {radius}");
                }
            }
        }
    }
}
