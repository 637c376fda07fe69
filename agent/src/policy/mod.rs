//! The Q-network: a small perceptron over the policy's input, with one value and two advantage heads.

use crate::memory::FEATURES;
use burn::module::Param;
use burn::nn::{LayerNorm, LayerNormConfig, Linear};
use burn::prelude::*;
use burn::tensor::activation::relu;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use roadproof_env::action::{ACCELERATION_MPS2, Action, STEER_RAD};
use roadproof_perception::weights::{WeightsError, load_module, load_module_bytes, module_bytes};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::Path;

/// Values a network gives for one input: the state's value, then the advantages of each steering angle and acceleration.
pub const OUTPUTS: usize = 1 + STEER_RAD.len() + ACCELERATION_MPS2.len();

/// Which outputs stand for steering angles.
pub(crate) const STEER_HEADS: Range<usize> = 1..1 + STEER_RAD.len();
/// Which stand for accelerations.
pub(crate) const ACCELERATION_HEADS: Range<usize> = STEER_HEADS.end..STEER_HEADS.end + ACCELERATION_MPS2.len();

const _: () = assert!(ACCELERATION_HEADS.end == OUTPUTS, "a value and two heads");

/// Shape of the Q-network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicySettings {
    /// Width of both hidden layers.
    pub hidden: usize,
}

impl Default for PolicySettings {
    fn default() -> Self {
        Self { hidden: 128 }
    }
}

/// The Q-network. LayerNorm after each hidden layer is what lets Q-learning do without a target network.
///
/// # Source
/// Gallici et al. 2025, "Simplifying Deep Temporal Difference Learning", arXiv:2407.04811.
#[derive(Module, Debug)]
pub struct QNetwork {
    pub(crate) first: Linear,
    pub(crate) first_norm: LayerNorm,
    pub(crate) second: Linear,
    pub(crate) second_norm: LayerNorm,
    pub(crate) heads: Linear,
}

/// What `LayerNorm` adds to a variance.
pub(crate) const VARIANCE_FLOOR: f64 = 1e-5;

impl QNetwork {
    /// Fresh weights; the same seed gives the same ones.
    #[must_use]
    pub fn new(settings: PolicySettings, seed: u64, device: &Device) -> Self {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let mut linear = |inputs: usize, outputs: usize, gain: f32| {
            let bound = gain * (6.0 / inputs as f32).sqrt();
            let weight: Vec<f32> = (0..inputs * outputs).map(|_| random.random_range(-bound..bound)).collect();
            Linear {
                weight: Param::from_data(TensorData::new(weight, [inputs, outputs]), device),
                bias: Some(Param::from_data(TensorData::new(vec![0f32; outputs], [outputs]), device)),
            }
        };
        let hidden = settings.hidden;
        Self {
            first: linear(FEATURES, hidden, 1.0),
            first_norm: LayerNormConfig::new(hidden).with_epsilon(VARIANCE_FLOOR).init(device),
            second: linear(hidden, hidden, 1.0),
            second_norm: LayerNormConfig::new(hidden).with_epsilon(VARIANCE_FLOOR).init(device),
            heads: linear(hidden, OUTPUTS, 0.05),
        }
    }

    /// Heads for a batch.
    ///
    /// # Shapes
    /// - `features`: `[batch, FEATURES]`
    /// - returns: `[batch, OUTPUTS]`
    #[must_use]
    pub fn forward(&self, features: Tensor<2>) -> Tensor<2> {
        let hidden = relu(self.first_norm.forward(self.first.forward(features)));
        let hidden = relu(self.second_norm.forward(self.second.forward(hidden)));
        self.heads.forward(hidden)
    }

    /// Heads for a batch of plain numbers, without gradients.
    ///
    /// # Shapes
    /// - `features`: `batch × FEATURES`; returns `batch × OUTPUTS`
    #[must_use]
    pub fn heads(&self, features: &[f32]) -> Vec<f32> {
        let batch = features.len() / FEATURES;
        let input = Tensor::from_data(TensorData::new(features.to_vec(), [batch, FEATURES]), &Device::flex());
        self.forward(input).into_data().try_to_vec().expect("the network computes in f32")
    }

    /// The weights as the bytes of a safetensors file.
    ///
    /// # Errors
    /// [`WeightsError::Encode`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, WeightsError> {
        module_bytes(self)
    }

    /// Reads weights of the same settings.
    ///
    /// # Errors
    /// [`WeightsError`] naming the tensor that does not fit.
    pub fn load(path: &Path, settings: PolicySettings) -> Result<Self, WeightsError> {
        load_module(Self::new(settings, 0, &Device::flex()), path)
    }

    /// Reads weights from the bytes of a file; `path` is only named in errors.
    ///
    /// # Errors
    /// As [`QNetwork::load`].
    pub fn from_bytes(bytes: &[u8], path: &Path, settings: PolicySettings) -> Result<Self, WeightsError> {
        load_module_bytes(Self::new(settings, 0, &Device::flex()), bytes.to_vec(), path)
    }
}

/// Q-values of one input, split by head.
#[derive(Clone, Copy, Debug)]
pub struct QValues<'a>(pub &'a [f32]);

impl QValues<'_> {
    /// Q-value of an action: value plus advantages, each advantage taken against the mean of its head.
    #[must_use]
    pub fn of(&self, action: Action) -> f32 {
        let (steer, acceleration) = (self.steer(), self.acceleration());
        self.0[0] + steer[action.steer] - mean(steer) + acceleration[action.acceleration] - mean(acceleration)
    }

    /// The best action.
    #[must_use]
    pub fn best(&self) -> Action {
        Action { steer: largest(self.steer()), acceleration: largest(self.acceleration()) }
    }

    /// The action with the least Q-value.
    #[must_use]
    pub fn worst(&self) -> Action {
        Action { steer: least(self.steer()), acceleration: least(self.acceleration()) }
    }

    /// Value of the state.
    #[must_use]
    pub fn value(&self) -> f32 {
        self.0[0]
    }

    /// Advantage of each steering angle, from right to left.
    #[must_use]
    pub fn steer(&self) -> &[f32] {
        &self.0[1..1 + STEER_RAD.len()]
    }

    /// Advantage of each acceleration, from braking to going.
    #[must_use]
    pub fn acceleration(&self) -> &[f32] {
        &self.0[1 + STEER_RAD.len()..]
    }
}

/// Writes the gradient of one action's Q-value with respect to the heads, scaled.
pub fn q_gradient(action: Action, scale: f32, gradient: &mut [f32]) {
    let (value, advantages) = gradient.split_at_mut(1);
    let (steer, acceleration) = advantages.split_at_mut(STEER_RAD.len());
    value[0] = scale;
    for (head, chosen) in [(steer, action.steer), (acceleration, action.acceleration)] {
        head.fill(-scale / head.len() as f32);
        head[chosen] += scale;
    }
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

/// Index of the largest value, the first of equals.
fn largest(values: &[f32]) -> usize {
    values.iter().enumerate().fold(0, |best, (index, value)| if *value > values[best] { index } else { best })
}

/// Index of the smallest value, the first of equals.
fn least(values: &[f32]) -> usize {
    values.iter().enumerate().fold(0, |best, (index, value)| if *value < values[best] { index } else { best })
}

/// The numbers of a tensor.
pub(crate) fn numbers(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("the network computes in f32")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads() -> Vec<f32> {
        (0..OUTPUTS).map(|index| ((index * 7) % 5) as f32 - 1.3).collect()
    }

    #[test]
    fn the_best_action_has_the_greatest_q_value() {
        let heads = heads();
        let q = QValues(&heads);
        for steer in 0..STEER_RAD.len() {
            for acceleration in 0..ACCELERATION_MPS2.len() {
                assert!(q.of(Action { steer, acceleration }) <= q.of(q.best()) + 1e-6);
                assert!(q.of(Action { steer, acceleration }) >= q.of(q.worst()) - 1e-6);
            }
        }
    }

    #[test]
    fn the_gradient_is_that_of_the_q_value() {
        let action = Action { steer: 3, acceleration: 2 };
        let mut gradient = vec![0.0; OUTPUTS];
        q_gradient(action, 1.0, &mut gradient);
        for index in 0..OUTPUTS {
            let (mut up, mut down) = (heads(), heads());
            up[index] += 0.01;
            down[index] -= 0.01;
            let numeric = (QValues(&up).of(action) - QValues(&down).of(action)) / 0.02;
            assert!((numeric - gradient[index]).abs() < 1e-3, "{index}: {numeric} {}", gradient[index]);
        }
    }
}
