//! How far the policy's input can be off because of what the camera shows: the box for which the regulariser makes choices hold.
//!
//! Sound bounds of perception are far wider than anything an attack reaches, unless perception was trained for narrow ones; a
//! policy that must hold over them learns nothing. So it is what attacks reach on frames of the moment. That is no bound, and
//! choices that hold over it are not certified.

use crate::memory::feature::HISTORY;
use crate::memory::situation::Situation;
use crate::memory::{FEATURES, Feature};
use roadproof_perception::attack::{Budget, Differentiable, Effect, Norm, Objective, PgdSettings, pgd, to_numbers};
use roadproof_perception::{OUTPUTS, Output, Perception, percept};
use serde::{Deserialize, Serialize};

/// What is allowed.
mod range {
    roadproof_range::bounded! {
        eps: f32 = 0.0 to 1.0;
        frames: usize = 1 to 4096;
    }
}

/// Where the radius of each feature comes from: the mean over some frames of how far the worst of ten attacks moves it, one on each
/// quantity and on the lead, up and down, kept up for as many decisions as are remembered. What the car knows without the camera is
/// never off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spread {
    /// Budget of the attacks, greatest change of any value.
    #[serde(deserialize_with = "range::eps")]
    pub eps: f32,
    /// Frames, measured before every update.
    #[serde(deserialize_with = "range::frames")]
    pub frames: usize,
}

impl Default for Spread {
    fn default() -> Self {
        Self { eps: 2.0 / 255.0, frames: 8 }
    }
}

impl Spread {
    /// The radius of each feature, for `growth` (0 to 1) of the budget.
    #[must_use]
    pub fn radius(&self, growth: f32, perception: &Perception, situations: &[Situation]) -> [f32; FEATURES] {
        let each = attacked(self.eps * growth, perception, situations);
        let mean = |feature: usize| each.iter().map(|moved| moved[feature]).sum::<f32>() / each.len().max(1) as f32;
        std::array::from_fn(|index| if Feature::<f32>::TABLE[index].seen { mean(index) } else { 0.0 })
    }
}

/// One output of the network, up or down.
struct Push<'a> {
    network: &'a Differentiable,
    output: Output,
    sign: f32,
}

impl Objective for Push<'_> {
    fn evaluate(&self, pixels: &[f32]) -> Vec<Effect> {
        let loss = |_, outputs: &[f32]| Effect { loss: self.sign * outputs[self.output.index()], broken: false };
        self.network.evaluate(pixels, loss)
    }

    fn gradients(&self, pixels: &[f32], gradient: &mut [f32]) -> Vec<Effect> {
        self.network.gradients(pixels, gradient, |_, outputs, slopes| {
            slopes.fill(0.0);
            slopes[self.output.index()] = self.sign;
            Effect { loss: self.sign * outputs[self.output.index()], broken: false }
        })
    }
}

fn attacked(eps: f32, perception: &Perception, situations: &[Situation]) -> Vec<[f32; FEATURES]> {
    let Ok(budget) = Budget::new(Norm::Linf, eps) else { return vec![[0.0; FEATURES]; situations.len()] };
    let network = Differentiable::new(perception);
    let clean: Vec<f32> = situations.iter().flat_map(|situation| to_numbers(&situation.frame)).collect();
    let of = |pixels: &[f32]| -> Vec<[f32; FEATURES]> {
        let outputs = network.outputs(pixels);
        let rows = outputs.chunks_exact(OUTPUTS).zip(situations);
        rows.map(|(outputs, situation)| situation.features_after(&percept(outputs), HISTORY)).collect()
    };
    let before = of(&clean);
    let mut moved = vec![[0.0_f32; FEATURES]; situations.len()];
    let settings = PgdSettings { steps: 3, step_share: 0.5, ..PgdSettings::default() };
    for output in Output::PERCEIVED {
        for sign in [-1.0, 1.0] {
            let push = Push { network: &network, output, sign };
            let seeds = vec![output.index() as u64; situations.len()];
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::LearnedDriver;
    use crate::memory::{Memory, MemorySettings};

    #[test]
    fn the_radius_grows_with_the_budget_and_only_where_the_camera_has_a_say() {
        let driver = LearnedDriver::shipped().expect("the shipped weights are whole");
        let text = "Scenario(format: 1, title: \"t\", duration_s: 9.0, road: Straight(length_m: 300.0), \
                    ego: (speed_mps: 9.0, offset_m: 0.4))";
        let scenario = roadproof_sim::parse(text, "t.ron".as_ref()).expect("a scenario");
        let episode = roadproof_sim::Episode::new(scenario).expect("a world");
        for memory in [MemorySettings::default(), MemorySettings::STEADY] {
            let situation = [Situation::new(&Memory::new(memory), episode.seen(), 0)];
            let spread = Spread { eps: 1.0 / 255.0, frames: 1 };
            let [none, half, whole] =
                [0.0, 0.5, 1.0].map(|growth| spread.radius(growth, driver.perception(), &situation));
            assert_eq!(none, [0.0; FEATURES]);
            assert!(half[0] > 0.01 && whole[0] > 1.3 * half[0], "{half:?} {whole:?}");
            for (radius, feature) in whole.into_iter().zip(Feature::<f32>::TABLE) {
                assert!(feature.seen || radius == 0.0, "{feature:?}: {radius}");
                let made_of_both = ["drift", "curvature_not_driven"].contains(&feature.name);
                assert!(!made_of_both || radius > 0.0, "{feature:?}: {radius}");
            }
        }
    }
}
