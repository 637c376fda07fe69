//! Losses that make the policy's choices hold over a box of its input: two regularisers beside the temporal-difference loss, both
//! over each head, because steering and acceleration are chosen independently.
//!
//! - The hinge: of each head the margin of the best other choice over the chosen one, at the worst input that a few steps of
//!   gradient ascent find in the box, as far as it is above `-hinge_margin`.
//! - The overlap: how far bounds of the other choices' Q-values over the box reach into those of the one that was taken, less
//!   half of what they are apart at the clean input, weighed by what they are apart. The bounds are those of `bounds`, with
//!   gradients down to the policy's weights.
//!
//! The box has a radius for each feature, see [`Spread`]. Perception is not trained here.
//!
//! Not here: a second network of worst-case values as in `WocaR` (Liang et al. 2022, arXiv:2210.05927). It needs λ-returns of its
//! own, with the possible choices of every next state bounded, and a second network in every rollout: about twice the time.
//!
//! # Source
//! Hinge: Zhang et al. 2020 (SA-DQN), arXiv:2003.08938, with their margin of 1 and weights of 0.005 to 0.02 for Q-values of
//! clipped rewards. Overlap: Oikarinen et al. 2021 (RADIAL), arXiv:2008.01976, the second approach, which weighs the TD loss with
//! 0.8 and the overlap with 0.2: here an `overlap_weight` of 0.25.

use crate::attack::end_to_end::numbers;
use crate::harden::feature_spread::Spread;
use crate::memory::FEATURES;
use crate::memory::feature::FEATURE_MAX;
use crate::policy::{ACCELERATION_HEADS, OUTPUTS, QNetwork, STEER_HEADS, VARIANCE_FLOOR};
use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::prelude::*;
use burn::tensor::activation::relu;
use roadproof_env::action::Action;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Regularisers of the policy; weights are beside half the mean squared temporal-difference error. Off by default.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RobustQSettings {
    /// Weight of the hinge; zero is off.
    pub hinge_weight: f32,
    /// By how much the chosen action of each head is to lead at the worst input; more is not asked for.
    pub hinge_margin: f32,
    /// Steps to that worst input.
    pub hinge_steps: usize,
    /// Weight of the overlap; zero is off.
    pub overlap_weight: f32,
    /// How far the policy's input is taken to be off; it grows with the hardening's ramp.
    pub spread: Spread,
}

impl Default for RobustQSettings {
    fn default() -> Self {
        Self { hinge_weight: 0.0, hinge_margin: 1.0, hinge_steps: 5, overlap_weight: 0.0, spread: Spread::default() }
    }
}

impl RobustQSettings {
    /// Whether any of it is on.
    #[must_use]
    pub fn on(&self) -> bool {
        self.hinge_weight > 0.0 || self.overlap_weight > 0.0
    }
}

/// The regularisers with the box of the moment.
#[derive(Clone, Copy, Debug)]
pub struct RobustQ {
    /// Weights and steps.
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
    /// Actions taken.
    pub actions: &'a [Action],
}

impl RobustQ {
    /// What is added to the loss: the weighted mean over decisions, with gradients down to the network's weights.
    #[must_use]
    pub fn loss(&self, network: &QNetwork, decisions: &Decisions<'_>) -> Tensor<1> {
        let mut loss = Tensor::zeros([1], &Device::flex().autodiff());
        if self.settings.hinge_weight > 0.0 {
            loss = loss + self.hinge(network, decisions) * self.settings.hinge_weight;
        }
        if self.settings.overlap_weight > 0.0 {
            loss = loss + self.overlap(network, decisions) * self.settings.overlap_weight;
        }
        loss
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
        let outputs = network.forward(rows(features, FEATURES));
        let (margins, mut slopes) = margins(&numbers(outputs.clone().inner()), head, chosen);
        let mut free = 0;
        for (slopes, margin) in slopes.chunks_exact_mut(OUTPUTS).zip(margins) {
            if margin <= -self.settings.hinge_margin {
                slopes.fill(0.0);
                free += 1;
            }
        }
        let count = chosen.len() as f32;
        (outputs * rows(&slopes, OUTPUTS)).sum() / count - self.settings.hinge_margin * free as f32 / count
    }

    /// The input of the box at which another choice of a head leads furthest, of those that gradient ascent passes.
    fn worst_features(&self, network: &QNetwork, clean: &[f32], head: &Range<usize>, chosen: &[usize]) -> Vec<f32> {
        let fixed = network.valid().train().no_grad();
        let share = 2.5 / self.settings.hinge_steps as f32;
        let mut features = clean.to_vec();
        let (mut worst, mut worst_margins) = (clean.to_vec(), vec![f32::NEG_INFINITY; chosen.len()]);
        for step in 0..=self.settings.hinge_steps {
            let input = rows(&features, FEATURES).require_grad();
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
            let gradients = (outputs * rows(&slopes, OUTPUTS)).sum().backward();
            let gradient = numbers(input.grad(&gradients).expect("the input asks for its gradient"));
            for (index, (value, slope)) in features.iter_mut().zip(gradient).enumerate() {
                let (radius, clean) = (self.radius[index % FEATURES], clean[index]);
                let moved = if slope == 0.0 { *value } else { *value + share * radius * slope.signum() };
                *value = moved.clamp(clean - radius, clean + radius).clamp(-FEATURE_MAX, FEATURE_MAX);
            }
        }
        worst
    }

    fn overlap(&self, network: &QNetwork, decisions: &Decisions<'_>) -> Tensor<1> {
        let ends = |sign: f32| -> Vec<f32> {
            let moved = |(index, value): (usize, &f32)| {
                (value + sign * self.radius[index % FEATURES]).clamp(-FEATURE_MAX, FEATURE_MAX)
            };
            decisions.features.iter().enumerate().map(moved).collect()
        };
        let (low, high) = bounds(network, rows(&ends(-1.0), FEATURES), rows(&ends(1.0), FEATURES));
        // How far the taken choice of each head is above each other one at the clean input, and which one was taken.
        let (mut apart, mut taken) = (vec![0.0; decisions.heads.len()], vec![0.0; decisions.heads.len()]);
        for (index, action) in decisions.actions.iter().enumerate() {
            let row = &decisions.heads[index * OUTPUTS..][..OUTPUTS];
            for (head, choice) in [(STEER_HEADS, action.steer), (ACCELERATION_HEADS, action.acceleration)] {
                let own = head.start + choice;
                taken[index * OUTPUTS + own] = 1.0;
                head.for_each(|other| apart[index * OUTPUTS + other] = (row[own] - row[other]).max(0.0));
            }
        }
        let (apart, taken) = (rows(&apart, OUTPUTS), rows(&taken, OUTPUTS));
        let lowest_taken = (low * taken).matmul(same_head());
        let reach = relu(high - lowest_taken + apart.clone() * 0.5);
        (apart * reach).sum() / decisions.actions.len() as f32
    }
}

/// Bounds of each advantage, less the mean of its head, over boxes of the network's input.
///
/// # Shapes
/// - `low`, `high`: `[boxes, FEATURES]`; returns two of `[boxes, OUTPUTS]`
fn bounds(network: &QNetwork, low: Tensor<2>, high: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let (low, high) = norm_bounds(&network.first, &network.first_norm, low, high);
    let (low, high) = norm_bounds(&network.second, &network.second_norm, relu(low), relu(high));
    let (low, high) = (relu(low), relu(high));
    // Taking the mean of each head off its weights is what the Q-value does to its outputs.
    let sizes: Vec<f32> = (0..OUTPUTS).map(|output| 1.0 / head_of(output).len() as f32).collect();
    let off_mean = same_head() * rows(&sizes, OUTPUTS);
    let centred = |weight: Tensor<2>| weight.clone() - weight.matmul(off_mean.clone());
    let weight = centred(network.heads.weight.val());
    let bias = network.heads.bias.as_ref().map(|bias| centred(bias.val().unsqueeze()));
    let (centre, radius) = ((low.clone() + high.clone()) * 0.5, (high - low) * 0.5);
    let (centre, radius) = (centre.matmul(weight.clone()), radius.matmul(weight.abs()));
    let centre = match bias {
        Some(bias) => centre + bias,
        None => centre,
    };
    (centre.clone() - radius.clone(), centre + radius)
}

/// Bounds of a layer and its `LayerNorm`, those of the certificates written over tensors.
fn norm_bounds(linear: &Linear, norm: &LayerNorm, low: Tensor<2>, high: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let weight = linear.weight.val();
    let weight = weight.clone() - weight.mean_dim(1);
    let (centre, radius) = ((low.clone() + high.clone()) * 0.5, (high - low) * 0.5);
    let mut middle = centre.matmul(weight.clone());
    if let Some(bias) = &linear.bias {
        let bias = bias.val().unsqueeze::<2>();
        middle = middle + (bias.clone() - bias.mean_dim(1));
    }
    let reach = radius.clone().matmul(weight.clone().abs());
    let (low, high) = (middle.clone() - reach.clone(), middle.clone() + reach.clone());
    let [boxes, count] = middle.dims();
    let wide = |column: Tensor<2>| column.expand([boxes, count]);
    // The sum of squares as a whole, and value by value.
    let along = (middle.clone().matmul(weight.transpose()).abs() * radius).sum_dim(1) * 2.0;
    let squares = square(middle).sum_dim(1);
    let whole_low = wide(squares.clone() - along.clone());
    let whole_high = wide(squares + along + square(reach).sum_dim(1));
    let least = square(relu(low.clone().max_pair(-high.clone())));
    let most = square(low.clone().abs().max_pair(high.clone().abs()));
    let others_low = wide(least.clone().sum_dim(1)) - least;
    let others_high = wide(most.clone().sum_dim(1)) - most;
    let over = |value: Tensor<2>, squares: Tensor<2>| {
        value / (squares.clamp_min(0.0) / count as f32 + VARIANCE_FLOOR as f32).sqrt()
    };
    let small = |value: Tensor<2>| whole_low.clone().max_pair(others_low.clone() + square(value));
    let large = |value: Tensor<2>| whole_high.clone().min_pair(others_high.clone() + square(value));
    let end = |value: Tensor<2>, small_if: Tensor<2, Bool>| {
        let squares = large(value.clone()).mask_where(small_if, small(value.clone()));
        over(value, squares)
    };
    let low = end(low.clone(), low.lower_elem(0.0));
    let high = end(high.clone(), high.greater_elem(0.0));
    let (gain, centre) = (norm.gamma.val().unsqueeze::<2>(), (low.clone() + high.clone()) * 0.5);
    let (mut centre, radius) = (centre * gain.clone(), (high - low) * 0.5 * gain.abs());
    if let Some(bias) = &norm.beta {
        centre = centre + bias.val().unsqueeze::<2>();
    }
    (centre.clone() - radius.clone(), centre + radius)
}

fn square(tensor: Tensor<2>) -> Tensor<2> {
    tensor.clone() * tensor
}

/// The outputs that belong to the head of an output; the value stands alone.
fn head_of(output: usize) -> Range<usize> {
    [STEER_HEADS, ACCELERATION_HEADS].into_iter().find(|head| head.contains(&output)).unwrap_or(output..output + 1)
}

/// Ones where two outputs are of the same head.
fn same_head() -> Tensor<2> {
    let ones =
        (0..OUTPUTS * OUTPUTS).map(|index| f32::from(u8::from(head_of(index / OUTPUTS).contains(&(index % OUTPUTS)))));
    rows(&ones.collect::<Vec<f32>>(), OUTPUTS)
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

fn rows(values: &[f32], width: usize) -> Tensor<2> {
    let shape = [values.len() / width, width];
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex().autodiff())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{PolicySettings, QValues};
    use crate::proof::policy::BoundedPolicy;
    use burn::module::Param;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;
    use roadproof_perception::proof::interval::Interval;

    const COUNT: usize = 12;

    fn network(hidden: usize) -> QNetwork {
        QNetwork::new(PolicySettings { hidden }, 3, &Device::flex().autodiff())
    }

    fn robust(hinge_weight: f32, overlap_weight: f32, radius: f32) -> RobustQ {
        let settings = RobustQSettings { hinge_weight, overlap_weight, ..RobustQSettings::default() };
        RobustQ { settings, radius: [radius; FEATURES] }
    }

    fn features() -> Vec<f32> {
        let mut random = Pcg64Mcg::seed_from_u64(1);
        (0..COUNT * FEATURES).map(|_| random.random_range(-1.0..1.0)).collect()
    }

    fn number(loss: Tensor<1>) -> f32 {
        loss.into_scalar::<f32>()
    }

    fn greedy(heads: &[f32]) -> Vec<Action> {
        heads.chunks_exact(OUTPUTS).map(|heads| QValues(heads).best()).collect()
    }

    #[test]
    fn bounds_in_tensors_are_those_of_the_certificates() {
        let (network, features) = (network(24), features());
        let bounded = BoundedPolicy::new(&network.valid());
        for radius in [0.0, 0.01, 0.2] {
            let moved = |by: f32| rows(&features.iter().map(|value| value + by).collect::<Vec<f32>>(), FEATURES);
            let (low, high) = bounds(&network, moved(-radius), moved(radius));
            let (low, high) = (numbers(low.inner()), numbers(high.inner()));
            for index in 0..COUNT {
                let around: [Interval; FEATURES] = std::array::from_fn(|feature| {
                    Interval::exactly(features[index * FEATURES + feature]).widened(f64::from(radius))
                });
                let expected = bounded.advantages(&around);
                for output in 1..OUTPUTS {
                    let found = (low[index * OUTPUTS + output], high[index * OUTPUTS + output]);
                    let expected = expected[output];
                    let apart =
                        (f64::from(found.0) - expected.low).abs().max((f64::from(found.1) - expected.high).abs());
                    assert!(apart < 1.1e-4, "radius {radius}, output {output}: {found:?}, {expected:?}");
                }
            }
        }
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
        let decisions = Decisions { features: &features, heads: &heads, actions: &greedy(&heads) };
        // Larger heads than fresh ones, so that losses are of the size of their slopes.
        check_gradient(&network, |network| robust(0.0, 100.0, 0.1).overlap(network, &decisions) * 100.0);
        let hinge = robust(1.0, 0.0, 0.1);
        let head = STEER_HEADS;
        let chosen: Vec<usize> = heads.chunks_exact(OUTPUTS).map(|row| best(row, head.clone(), None)).collect();
        let worst = hinge.worst_features(&network, &features, &head, &chosen);
        check_gradient(&network, |network| hinge.hinge_at(network, &worst, &head, &chosen));
    }

    #[test]
    fn bounds_that_do_not_overlap_cost_nothing() {
        let (network, features) = (network(24), features());
        let heads = network.valid().heads(&features);
        let decisions = Decisions { features: &features, heads: &heads, actions: &greedy(&heads) };
        let overlap = |radius| number(robust(0.0, 1.0, radius).overlap(&network, &decisions));
        assert!(overlap(0.0) < 1e-9, "points do not overlap: {}", overlap(0.0));
        let (some, more) = (overlap(0.05), overlap(0.3));
        assert!(some > 1e-5 && more > some, "{some}, {more}");
        // A taken choice below all others has none below it to be held apart from.
        let worst: Vec<Action> = heads.chunks_exact(OUTPUTS).map(|heads| QValues(heads).worst()).collect();
        let decisions = Decisions { actions: &worst, ..decisions };
        assert_eq!(number(robust(0.0, 1.0, 0.3).overlap(&network, &decisions)), 0.0);
    }

    #[test]
    fn the_worst_input_is_in_the_box_and_no_better_than_random_ones() {
        let (network, features) = (network(24), features());
        let heads = network.valid().heads(&features);
        let robust = robust(1.0, 0.0, 0.1);
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
        let decisions = Decisions { features: &features, heads: &heads, actions: &greedy(&heads) };
        assert_eq!(number(free.hinge(&network, &decisions)), 0.0);
    }
}
