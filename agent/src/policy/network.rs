//! The Q-network: a small perceptron over the policy's input, with one value and two advantage heads.

use crate::memory::FEATURES;
use crate::policy::heads::OUTPUTS;
use burn::module::Param;
use burn::nn::{LayerNorm, LayerNormConfig, Linear};
use burn::prelude::*;
use burn::tensor::activation::relu;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use roadproof_perception::device::flex;
use roadproof_perception::weights::{WeightsError, load_module, load_module_bytes, module_bytes};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What is allowed.
mod range {
    roadproof_range::bounded! {
        hidden: usize = 1 to 4096;
    }
}

/// Shape of the Q-network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicySettings {
    /// Width of both hidden layers.
    #[serde(deserialize_with = "range::hidden")]
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

    /// Where it computes.
    #[must_use]
    pub fn device(&self) -> Device {
        self.first.weight.val().device()
    }

    /// The same weights on a device.
    #[must_use]
    pub fn on(&self, device: &Device) -> Self {
        if self.device() == *device { self.clone() } else { self.clone().fork(device) }
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
        let input = Tensor::from_data(TensorData::new(features.to_vec(), [batch, FEATURES]), &self.device());
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
        load_module(Self::new(settings, 0, &flex()), path)
    }

    /// Reads weights from the bytes of a file; `path` is only named in errors.
    ///
    /// # Errors
    /// Those of [`QNetwork::load`].
    pub fn from_bytes(bytes: &[u8], path: &Path, settings: PolicySettings) -> Result<Self, WeightsError> {
        load_module_bytes(Self::new(settings, 0, &flex()), bytes.to_vec(), path)
    }
}

/// The numbers of a tensor.
pub(crate) fn numbers(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("the network computes in f32")
}
