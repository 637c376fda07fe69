//! A loss that makes the policy's choices hold over a box of its input, beside the temporal-difference loss. It is taken over each
//! head, because steering and acceleration are chosen independently.
//!
//! The hinge: of each head the margin of the best other choice over the chosen one, at the worst input that a few steps of gradient
//! ascent find in the box, as far as it is above `-hinge_margin`. The box has a radius for each feature, see [`Spread`]. Perception
//! is not trained here.
//!
//! Not here, for what it costs or did: a second network of worst-case values as in `WocaR` (Liang et al. 2022, arXiv:2210.05927) needs
//! λ-returns of its own and about twice the time; a loss over interval bounds as in RADIAL (Oikarinen et al. 2021, arXiv:2008.01976)
//! harmed at any weight that was tried, see `assets/results/hardened.md`.
//!
//! # Source
//! Zhang et al. 2020 (SA-DQN), arXiv:2003.08938, with their margin of 1 and weights of 0.005 to 0.02 for Q-values of clipped rewards.

use crate::harden::feature_spread::Spread;
use crate::memory::FEATURES;
use crate::memory::feature::FEATURE_MAX;
use crate::policy::{ACCELERATION_HEADS, OUTPUTS, QNetwork, STEER_HEADS, numbers};
use burn::module::Module;
use burn::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What is allowed.
mod range {
    roadproof_range::bounded! {
        hinge_weight: f32 = 0.0 to 1000.0;
        hinge_margin: f32 = 0.0 to 1000.0;
        hinge_steps: usize = 1 to 1000;
    }
}

/// The regulariser of the policy; its weight is beside half the mean squared temporal-difference error. Off by default.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RobustQSettings {
    /// Weight of the hinge; zero is off.
    #[serde(deserialize_with = "range::hinge_weight")]
    pub hinge_weight: f32,
    /// By how much the chosen action of each head is to lead at the worst input; more is not asked for.
    #[serde(deserialize_with = "range::hinge_margin")]
    pub hinge_margin: f32,
    /// Steps to that worst input.
    #[serde(deserialize_with = "range::hinge_steps")]
    pub hinge_steps: usize,
    /// How far the policy's input is taken to be off; it grows with the hardening's ramp.
    pub spread: Spread,
}

impl Default for RobustQSettings {
    fn default() -> Self {
        Self { hinge_weight: 0.0, hinge_margin: 1.0, hinge_steps: 5, spread: Spread::default() }
    }
}

impl RobustQSettings {
    /// Whether it is on.
    #[must_use]
    pub fn on(&self) -> bool {
        self.hinge_weight > 0.0
    }
}

/// The regulariser with the box of the moment.
#[derive(Clone, Copy, Debug)]
pub struct RobustQ {
    /// Weight and steps.
    pub settings: RobustQSettings,
    /// Half length of the box in each feature.
    pub radius: [f32; FEATURES],
}

/// Decisions to be regularised.
#[derive(Clone, Copy, Debug)]
pub struct Decisions<'a> {
    /// `decisions × FEATURES`
    pub features: &'a [f32],
    /// What the network gives for them, `decisions × OUTPUTS`.
    pub heads: &'a [f32],
}

impl RobustQ {
    /// What is added to the loss: the weighted mean over decisions, with gradients down to the network's weights.
    #[must_use]
    pub fn loss(&self, network: &QNetwork, decisions: &Decisions<'_>) -> Tensor<1> {
        self.hinge(network, decisions) * self.settings.hinge_weight
    }

    fn hinge(&self, network: &QNetwork, decisions: &Decisions<'_>) -> Tensor<1> {
        let heads = [STEER_HEADS, ACCELERATION_HEADS].map(|head| {
            let chosen: Vec<usize> =
                decisions.heads.chunks_exact(OUTPUTS).map(|row| best(row, head.clone(), None)).collect();
            let worst = self.worst_features(network, decisions.features, &head, &chosen);
            self.hinge_at(network, &worst, &head, &chosen)
        });
        let [one, two] = heads;
        one + two
    }

    /// The hinge of one head at given inputs.
    fn hinge_at(&self, network: &QNetwork, features: &[f32], head: &Range<usize>, chosen: &[usize]) -> Tensor<1> {
        let outputs = network.forward(rows(network, features, FEATURES));
        let (margins, mut slopes) = margins(&numbers(outputs.clone().inner()), head, chosen);
        let mut free = 0;
        for (slopes, margin) in slopes.chunks_exact_mut(OUTPUTS).zip(margins) {
            if margin <= -self.settings.hinge_margin {
                slopes.fill(0.0);
                free += 1;
            }
        }
        let count = chosen.len() as f32;
        (outputs * rows(network, &slopes, OUTPUTS)).sum() / count - self.settings.hinge_margin * free as f32 / count
    }

    /// The input of the box at which another choice of a head leads furthest, of those that gradient ascent passes.
    fn worst_features(&self, network: &QNetwork, clean: &[f32], head: &Range<usize>, chosen: &[usize]) -> Vec<f32> {
        let fixed = network.valid().train().no_grad();
        let share = 2.5 / self.settings.hinge_steps as f32;
        let mut features = clean.to_vec();
        let (mut worst, mut worst_margins) = (clean.to_vec(), vec![f32::NEG_INFINITY; chosen.len()]);
        for step in 0..=self.settings.hinge_steps {
            let input = rows(&fixed, &features, FEATURES).require_grad();
            let outputs = fixed.forward(input.clone());
            let (margins, slopes) = margins(&numbers(outputs.clone().inner()), head, chosen);
            for (index, margin) in margins.into_iter().enumerate() {
                if margin > worst_margins[index] {
                    worst_margins[index] = margin;
                    let row = index * FEATURES..(index + 1) * FEATURES;
                    worst[row.clone()].copy_from_slice(&features[row]);
                }
            }
            if step == self.settings.hinge_steps {
                break;
            }
            let gradients = (outputs * rows(&fixed, &slopes, OUTPUTS)).sum().backward();
            let gradient = numbers(input.grad(&gradients).expect("the input asks for its gradient"));
            for (index, (value, slope)) in features.iter_mut().zip(gradient).enumerate() {
                let (radius, clean) = (self.radius[index % FEATURES], clean[index]);
                let moved = if slope == 0.0 { *value } else { *value + share * radius * slope.signum() };
                *value = moved.clamp(clean - radius, clean + radius).clamp(-FEATURE_MAX, FEATURE_MAX);
            }
        }
        worst
    }
}

/// For each decision the margin of the best other choice of a head over the chosen one, and its slopes over the outputs.
fn margins(outputs: &[f32], head: &Range<usize>, chosen: &[usize]) -> (Vec<f32>, Vec<f32>) {
    let mut slopes = vec![0.0; outputs.len()];
    let decisions = outputs.chunks_exact(OUTPUTS).zip(slopes.chunks_exact_mut(OUTPUTS)).zip(chosen);
    let margin = |((outputs, slopes), chosen): ((&[f32], &mut [f32]), &usize)| {
        let other = best(outputs, head.clone(), Some(*chosen));
        (slopes[*chosen], slopes[other]) = (-1.0, 1.0);
        outputs[other] - outputs[*chosen]
    };
    (decisions.map(margin).collect(), slopes)
}

/// The greatest output of a head but for one, the first of equals.
fn best(outputs: &[f32], head: Range<usize>, but: Option<usize>) -> usize {
    let start = if Some(head.start) == but { head.start + 1 } else { head.start };
    let better = |best: usize, index: usize| if outputs[index] > outputs[best] { index } else { best };
    head.filter(|&index| Some(index) != but).fold(start, better)
}

fn rows(network: &QNetwork, values: &[f32], width: usize) -> Tensor<2> {
    let shape = [values.len() / width, width];
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &network.device())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::PolicySettings;
    use burn::module::Param;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;
    use roadproof_perception::device::flex;

    const COUNT: usize = 12;

    fn network(hidden: usize) -> QNetwork {
        QNetwork::new(PolicySettings { hidden }, 3, &flex().autodiff())
    }

    fn robust(hinge_weight: f32, radius: f32) -> RobustQ {
        let settings = RobustQSettings { hinge_weight, ..RobustQSettings::default() };
        RobustQ { settings, radius: [radius; FEATURES] }
    }

    fn features() -> Vec<f32> {
        let mut random = Pcg64Mcg::seed_from_u64(1);
        (0..COUNT * FEATURES).map(|_| random.random_range(-1.0..1.0)).collect()
    }

    fn number(loss: Tensor<1>) -> f32 {
        loss.into_scalar::<f32>()
    }

    /// A network with one number of one of its layers moved.
    fn moved(network: &QNetwork, layer: usize, entry: usize, by: f32) -> QNetwork {
        let mut network = network.clone();
        let linear =
            [&mut network.first, &mut network.second, &mut network.heads].into_iter().nth(layer).expect("a layer");
        let weight = linear.weight.val();
        let (shape, device) = (weight.dims(), weight.device());
        let mut moved = numbers(weight.inner());
        moved[entry] += by;
        linear.weight = Param::from_data(TensorData::new(moved, shape), &device);
        network
    }

    /// Holds the gradient of a loss over some weights of each layer against small changes of them.
    fn check_gradient(network: &QNetwork, loss: impl Fn(&QNetwork) -> Tensor<1>) {
        let gradients = loss(network).backward();
        let (mut agreeing, mut largest) = (0, 0.0_f32);
        for (layer, linear) in [&network.first, &network.second, &network.heads].into_iter().enumerate() {
            let gradient = numbers(linear.weight.val().grad(&gradients).expect("a gradient"));
            for entry in (0..gradient.len()).step_by(gradient.len() / 9) {
                let value = |by: f32| f64::from(number(loss(&moved(network, layer, entry, by))));
                let measured = ((value(2e-3) - value(-2e-3)) / 4e-3) as f32;
                largest = largest.max(gradient[entry].abs());
                // A hinge, a maximum or a sign may turn within the change.
                agreeing += usize::from((measured - gradient[entry]).abs() < 0.05 * gradient[entry].abs() + 2e-3);
            }
        }
        assert!(agreeing >= 26 && largest > 0.02, "{agreeing} of 27 or more agree, largest {largest}");
    }

    #[test]
    fn gradients_are_those_of_small_changes() {
        let (network, features) = (network(6), features());
        let heads = network.valid().heads(&features);
        let hinge = robust(1.0, 0.1);
        let head = STEER_HEADS;
        let chosen: Vec<usize> = heads.chunks_exact(OUTPUTS).map(|row| best(row, head.clone(), None)).collect();
        let worst = hinge.worst_features(&network, &features, &head, &chosen);
        check_gradient(&network, |network| hinge.hinge_at(network, &worst, &head, &chosen));
    }

    #[test]
    fn the_worst_input_is_in_the_box_and_no_better_than_random_ones() {
        let (network, features) = (network(24), features());
        let heads = network.valid().heads(&features);
        let robust = robust(1.0, 0.1);
        let mut random = Pcg64Mcg::seed_from_u64(2);
        for head in [STEER_HEADS, ACCELERATION_HEADS] {
            let chosen: Vec<usize> = heads.chunks_exact(OUTPUTS).map(|row| best(row, head.clone(), None)).collect();
            let worst = robust.worst_features(&network, &features, &head, &chosen);
            assert!(worst.iter().zip(&features).all(|(a, b)| (a - b).abs() < 0.10001));
            let mean = |features: &[f32]| {
                let (margins, _) = margins(&network.valid().heads(features), &head, &chosen);
                margins.iter().sum::<f32>() / COUNT as f32
            };
            let noise = |_| features.iter().map(|value| value + random.random_range(-0.1..0.1)).collect::<Vec<f32>>();
            let noisy = (0..50).map(noise).map(|features| mean(&features)).fold(f32::NEG_INFINITY, f32::max);
            assert!(mean(&worst) > noisy && noisy > mean(&features), "{} {noisy} {}", mean(&worst), mean(&features));
        }
        // Margins of more than is asked for cost what the best costs.
        let free =
            RobustQ { settings: RobustQSettings { hinge_margin: 0.0, ..robust.settings }, radius: [0.0; FEATURES] };
        let decisions = Decisions { features: &features, heads: &heads };
        assert_eq!(number(free.hinge(&network, &decisions)), 0.0);
    }
}
