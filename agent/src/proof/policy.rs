//! Bounds of the policy as a real function over boxes of its input: interval bound propagation through its layers, with the last one
//! taken over differences of heads, and a margin for what it loses in f32.
//!
//! `LayerNorm` takes the mean off a linear layer's sums, which is linear itself: it is done to the layer's weights, so that the
//! bounds of what is left, `c`, are those of one layer. Then it divides by the root of the mean of `c²`. A value of the result
//! grows with its own `c`; where that is positive it falls with the sum of all other squares, and else it grows with it. That sum
//! is bounded in two ways. Value by value, from the bounds of each `c`. And as a whole: with `c = c0 + W d` over the box, the sum
//! of squares is `|c0|² + 2 c0·W d + |W d|²`, of which the middle term is at most `2 |W c0|·r` for a box of radii `r`, which is
//! far less than if every value could move on its own, and the last is at least zero.
//!
//! # Source
//! Gowal et al. 2018, arXiv:1810.12715; bounds of the margins of Q-values rather than of each: Zhang et al. 2020 (SA-DQN),
//! arXiv:2003.08938.

use crate::memory::FeatureBounds;
use crate::policy::{ACCELERATION_HEADS, QNetwork, STEER_HEADS, VARIANCE_FLOOR};
use burn::nn::{LayerNorm, Linear};
use burn::prelude::*;
use roadproof_env::action::Action;
use roadproof_perception::proof::interval::{Affine, Interval, relu};

/// What a head loses in f32, with room to spare: many times what heads were seen to lose, but no proof.
const LOSS: f64 = 1e-5;

/// A policy over boxes of its input.
#[derive(Clone, Debug)]
pub struct BoundedPolicy {
    first: NormLayer,
    second: NormLayer,
    heads: Affine,
}

impl BoundedPolicy {
    /// The same weights.
    #[must_use]
    pub fn new(policy: &QNetwork) -> Self {
        Self {
            first: NormLayer::new(&policy.first, &policy.first_norm),
            second: NormLayer::new(&policy.second, &policy.second_norm),
            heads: Affine::of(&policy.heads),
        }
    }

    /// Bounds of each head over a box.
    #[must_use]
    pub fn heads(&self, features: &FeatureBounds) -> Vec<Interval> {
        let heads = self.heads.bound(&self.hidden(features)).into_iter();
        heads.map(|head| head.widened(LOSS * (1.0 + head.magnitude()))).collect()
    }

    /// Whether an action is the best everywhere in a box.
    #[must_use]
    pub fn certifies(&self, features: &FeatureBounds, action: Action) -> bool {
        let hidden = self.hidden(features);
        let chosen = [(STEER_HEADS, action.steer), (ACCELERATION_HEADS, action.acceleration)];
        chosen.into_iter().all(|(head, choice)| {
            let own = head.start + choice;
            head.into_iter().all(|other| other == own || self.margin(&hidden, own, other).low > 0.0)
        })
    }

    fn hidden(&self, features: &FeatureBounds) -> Vec<Interval> {
        let hidden = relu(self.first.bound(features));
        relu(self.second.bound(&hidden))
    }

    /// Bounds of one head less another.
    fn margin(&self, hidden: &[Interval], one: usize, other: usize) -> Interval {
        let bias = self.heads.bias();
        let (mut centre, mut radius) = (bias[one] - bias[other], 0.0);
        for (input, value) in hidden.iter().enumerate() {
            let difference = self.heads.row(input)[one] - self.heads.row(input)[other];
            centre += difference * value.centre();
            radius += difference.abs() * value.radius();
        }
        Interval { low: centre - radius, high: centre + radius }.widened(LOSS)
    }
}

/// A linear layer and the `LayerNorm` after it.
#[derive(Clone, Debug)]
struct NormLayer {
    /// The layer with the mean over its outputs taken off.
    centred: Affine,
    gain: Vec<f64>,
    bias: Vec<f64>,
}

impl NormLayer {
    fn new(linear: &Linear, norm: &LayerNorm) -> Self {
        let numbers = |data: TensorData| data.iter::<f64>().collect::<Vec<f64>>();
        let plain = Affine::of(linear);
        let outputs = plain.bias().len();
        let centre = |row: &[f64]| {
            let mean = row.iter().sum::<f64>() / outputs as f64;
            row.iter().map(move |value| value - mean).collect::<Vec<f64>>()
        };
        let weight = plain.weight().chunks_exact(outputs).flat_map(centre).collect();
        let centred = Affine::new(weight, centre(plain.bias()));
        let bias = norm.beta.as_ref().map_or_else(|| vec![0.0; outputs], |beta| numbers(beta.val().into_data()));
        Self { centred, gain: numbers(norm.gamma.val().into_data()), bias }
    }

    /// Bounds of the normalised values over a box.
    fn bound(&self, input: &[Interval]) -> Vec<Interval> {
        let count = self.gain.len() as f64;
        let at: Vec<f64> = input.iter().map(|value| value.centre()).collect();
        let centre = self.centred.product(at.iter().copied()).into_iter().zip(self.centred.bias());
        let centre: Vec<f64> = centre.map(|(sum, bias)| sum + bias).collect();
        let reach = self.centred.magnitude_product(input.iter().map(|value| value.radius()));
        let bounds: Vec<Interval> = (0..centre.len())
            .map(|index| Interval { low: centre[index], high: centre[index] }.widened(reach[index]))
            .collect();
        // The sum of squares as a whole.
        let slope =
            |input: usize| self.centred.row(input).iter().zip(&centre).map(|(weight, c)| weight * c).sum::<f64>();
        let along: f64 = input.iter().enumerate().map(|(index, value)| slope(index).abs() * value.radius()).sum();
        let squares: f64 = centre.iter().map(|c| c * c).sum();
        let across: f64 = reach.iter().map(|reach| reach * reach).sum();
        let whole = Interval { low: squares - 2.0 * along, high: squares + 2.0 * along + across };
        // And value by value.
        let least = |value: &Interval| value.low.max(-value.high).max(0.0).powi(2);
        let most = |value: &Interval| value.magnitude().powi(2);
        let each = Interval { low: bounds.iter().map(least).sum(), high: bounds.iter().map(most).sum() };
        let over = |value: f64, squares: f64| value / (squares.max(0.0) / count + VARIANCE_FLOOR).sqrt();
        let end = |value: f64, small: bool, own: &Interval| {
            let squares = if small {
                whole.low.max(each.low - least(own) + value * value)
            } else {
                whole.high.min(each.high - most(own) + value * value)
            };
            over(value, squares)
        };
        let scaled = |(index, own): (usize, &Interval)| {
            let low = end(own.low, own.low < 0.0, own);
            let high = end(own.high, own.high > 0.0, own);
            let gain = self.gain[index];
            let found = Interval::around([gain * low, gain * high]);
            Interval { low: found.low + self.bias[index], high: found.high + self.bias[index] }
        };
        bounds.iter().enumerate().map(scaled).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::FEATURES;
    use crate::policy::{OUTPUTS, PolicySettings, QValues};
    use burn::module::Module;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    fn policy(hidden: usize, seed: u64) -> QNetwork {
        QNetwork::new(PolicySettings { hidden }, seed, &roadproof_perception::device::flex())
    }

    fn around(features: &[f32], radius: f32) -> FeatureBounds {
        std::array::from_fn(|index| Interval::exactly(features[index]).widened(f64::from(radius)))
    }

    fn draw(random: &mut Pcg64Mcg) -> Vec<f32> {
        (0..FEATURES).map(|_| random.random_range(-1.0..1.0)).collect()
    }

    /// The largest distance of heads from the middle of their bounds, over the bounds' half length.
    fn farthest(bounds: &[Interval], heads: &[f32]) -> f64 {
        let share = |(bound, head): (&Interval, &f32)| (f64::from(*head) - bound.centre()).abs() / bound.radius();
        heads.chunks_exact(OUTPUTS).flat_map(|heads| bounds.iter().zip(heads).map(share)).fold(0.0, f64::max)
    }

    /// Inputs of a box: half of them anywhere, half at corners.
    fn inside(features: &[f32], radius: f32, count: usize, random: &mut Pcg64Mcg) -> Vec<f32> {
        let mut found = Vec::with_capacity(count * FEATURES);
        for index in 0..count {
            for value in features {
                let step: f32 = random.random_range(-1.0..=1.0);
                found.push(value + radius * if index % 2 == 0 { step } else { step.signum() });
            }
        }
        found
    }

    #[test]
    fn heads_stay_within_their_bounds_and_certified_actions_do_not_change() {
        let mut random = Pcg64Mcg::seed_from_u64(1);
        let (mut certified, mut other) = (0, 0);
        for (index, radius) in [1e-4, 1e-3, 0.01, 0.05, 0.3].into_iter().enumerate() {
            let policy = policy(32, index as u64);
            let bounded = BoundedPolicy::new(&policy);
            for _ in 0..20 {
                let features = draw(&mut random);
                let bounds = around(&features, radius);
                let found = policy.heads(&inside(&features, 0.9999 * radius, 1_000, &mut random));
                assert!(farthest(&bounded.heads(&bounds), &found) <= 1.0, "radius {radius}");
                for (bound, head) in bounded.heads(&around(&features, 0.0)).iter().zip(policy.heads(&features)) {
                    assert!((bound.centre() - f64::from(head)).abs() < 0.2 * LOSS, "{bound:?} of {head}");
                }
                let action = QValues(&policy.heads(&features)).best();
                let changed = found.chunks_exact(OUTPUTS).any(|heads| QValues(heads).best() != action);
                if bounded.certifies(&bounds, action) {
                    certified += 1;
                    assert!(!changed, "radius {radius}: a certified action changed");
                } else {
                    other += 1;
                }
            }
        }
        assert!(certified > 20 && other > 20, "{certified} certified, {other} not");
    }

    #[test]
    fn bounds_of_a_layer_are_nearly_reached_so_that_half_a_radius_would_be_seen() {
        let mut random = Pcg64Mcg::seed_from_u64(3);
        let policy = policy(16, 5);
        let layer = NormLayer::new(&policy.first, &policy.first_norm);
        let (first, norm) = (policy.first.clone().train().no_grad(), policy.first_norm.clone().train().no_grad());
        let device = roadproof_perception::device::flex().autodiff();
        let (mut reached, mut left) = (0, 0);
        for _ in 0..20 {
            let features = draw(&mut random);
            let (whole, half) = (layer.bound(&around(&features, 0.01)), layer.bound(&around(&features, 0.005)));
            let row =
                |features: &[f32]| Tensor::<2>::from_data(TensorData::new(features.to_vec(), [1, FEATURES]), &device);
            for (index, (whole, half)) in whole.iter().zip(&half).enumerate() {
                let input = row(&features).require_grad();
                let output = norm.forward(first.forward(input.clone())).slice([0..1, index..index + 1]).sum();
                let slope = input.grad(&output.backward()).expect("the input asks for its gradient").into_data();
                let slope = slope.try_to_vec::<f32>().expect("the network computes in f32");
                let corner: Vec<f32> = features.iter().zip(slope).map(|(x, slope)| x + 0.01 * slope.signum()).collect();
                let found = norm.forward(first.forward(row(&corner))).slice([0..1, index..index + 1]);
                let found = found.sum().into_scalar::<f32>();
                assert!(whole.widened(1e-5).contains(found), "{found} in {whole:?}");
                reached += 1;
                left += usize::from(!half.contains(found));
            }
        }
        assert!(2 * left > reached, "bounds of half the radius are left {left} times of {reached}");
    }

    #[test]
    fn a_normalised_layer_is_bounded_more_tightly_than_value_by_value() {
        let mut random = Pcg64Mcg::seed_from_u64(9);
        let policy = policy(64, 2);
        let layer = NormLayer::new(&policy.first, &policy.first_norm);
        let features = draw(&mut random);
        let (narrow, wide) = (layer.bound(&around(&features, 0.0)), layer.bound(&around(&features, 0.05)));
        let device = roadproof_perception::device::flex();
        let run = |features: Vec<f32>| {
            let rows = features.len() / FEATURES;
            let input = Tensor::<2>::from_data(TensorData::new(features, [rows, FEATURES]), &device);
            let output = policy.first_norm.forward(policy.first.forward(input));
            output.into_data().try_to_vec::<f32>().expect("the network computes in f32")
        };
        for (bound, value) in narrow.iter().zip(run(features.clone())) {
            assert!(bound.widened(1e-5).contains(value) && bound.radius() < 1e-9, "{bound:?} of {value}");
        }
        for values in run(inside(&features, 0.0499, 5_000, &mut random)).chunks_exact(64) {
            assert!(wide.iter().zip(values).all(|(bound, value)| bound.widened(1e-5).contains(*value)));
        }
        // Bounds of the sum of squares value by value, as the textbook has them.
        let at: Vec<f64> = features.iter().map(|value| f64::from(*value)).collect();
        let reach = layer.centred.magnitude_product([0.05; FEATURES]);
        let centre = layer.centred.product(at).into_iter().zip(layer.centred.bias()).map(|(sum, bias)| sum + bias);
        let ends: Vec<(f64, f64)> = centre.zip(reach).map(|(at, by)| (at - by, at + by)).collect();
        let least: f64 = ends.iter().map(|(low, high)| low.max(-high).max(0.0).powi(2)).sum();
        let root = (least / 64.0 + VARIANCE_FLOOR).sqrt();
        let textbook: f64 = ends.iter().map(|(low, high)| (high - low) / root / 2.0).sum();
        let found: f64 = wide.iter().map(|bound| bound.radius()).sum();
        assert!(found < 0.9 * textbook, "{found} against {textbook}");
    }
}
