//! A network that walks down slopes which are given over its heads, whatever the loss: what all algorithms share of an update.

use crate::formats::parts::Parts;
use crate::learn::clip::clip_by_global_norm;
use crate::learn::{SnapshotError, Start};
use crate::memory::FEATURES;
use crate::policy::{OUTPUTS, QNetwork};
use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::prelude::*;
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;
use roadproof_perception::device::flex;
use std::slice::Chunks;

/// A network and its optimiser.
pub(super) struct Descent {
    network: QNetwork,
    optimizer: ModuleOptimizer,
    clip_norm: f32,
    /// Where decisions are made.
    acts_on: Device,
}

impl Descent {
    /// With a fresh network of the seed, or with one that has learnt already.
    pub fn new(start: Start, clip_norm: f32) -> Self {
        let Start { policy, seed, from, learns_on, acts_on, .. } = start;
        let network = from.unwrap_or_else(|| QNetwork::new(policy, seed, &flex())).on(&learns_on).train();
        Self { network, optimizer: fresh_optimizer(), clip_norm, acts_on }
    }

    /// The network as it is now, without gradients, where decisions are made.
    pub fn actor(&self) -> QNetwork {
        self.policy().on(&self.acts_on)
    }

    /// The network as it is now, without gradients.
    pub fn policy(&self) -> QNetwork {
        self.network.valid()
    }

    /// Network and optimiser, to be gone on with.
    pub fn save(&self, parts: Parts) -> Result<Parts, SnapshotError> {
        let optimizer = self.optimizer.into_bytes().map_err(SnapshotError::of_record)?;
        Ok(parts.with("network", network_bytes(&self.network)?).with("optimizer", optimizer.to_vec()))
    }

    /// Goes on with what was saved.
    pub fn restore(&mut self, parts: &Parts) -> Result<(), SnapshotError> {
        self.network = network_of(self.network.clone(), parts.get("network")?)?;
        let optimizer = Bytes::from_bytes_vec(parts.get("optimizer")?.to_vec());
        self.optimizer = fresh_optimizer().from_bytes(optimizer).map_err(SnapshotError::of_record)?;
        Ok(())
    }

    /// One step on a batch. `slope` is told the heads of the batch and fills in the loss's gradient with respect to them; `more` may add
    /// a loss with gradients of its own. Returns the norm of all gradients together, before it is clipped.
    ///
    /// # Shapes
    /// - `features`: `batch × FEATURES`; heads and gradient: `batch × OUTPUTS`
    pub fn step(
        &mut self,
        features: &[f32],
        learning_rate: f64,
        slope: impl FnOnce(&[f32], &mut [f32]),
        more: impl FnOnce(&QNetwork, &[f32]) -> Option<Tensor<1>>,
    ) -> f32 {
        let device = self.network.device();
        let rows = features.len() / FEATURES;
        let input = TensorData::new(features.to_vec(), [rows, FEATURES]);
        let heads = self.network.forward(Tensor::from_data(input, &device));
        let values: Vec<f32> = heads.clone().inner().into_data().try_to_vec().expect("the network computes in f32");
        let mut gradient = vec![0.0; values.len()];
        slope(&values, &mut gradient);
        // The gradient of this sum is the one that was given: the factor on the right is a constant.
        let gradient = Tensor::<2>::from_data(TensorData::new(gradient, [rows, OUTPUTS]), &device);
        let mut descent = (heads * gradient).sum();
        if let Some(more) = more(&self.network, &values) {
            descent = descent + more;
        }
        let gradients = GradientsParams::from_grads(descent.backward(), &self.network);
        let (gradients, norm) = clip_by_global_norm(&self.network, gradients, self.clip_norm);
        self.network = self.optimizer.step(learning_rate, self.network.clone(), gradients);
        norm
    }
}

fn fresh_optimizer() -> ModuleOptimizer {
    AdamConfig::new().with_epsilon(1e-5).init()
}

/// A network with the identities of its weights, by which an optimiser knows them.
pub(super) fn network_bytes(network: &QNetwork) -> Result<Vec<u8>, SnapshotError> {
    Ok(network.clone().into_record().into_bytes().map_err(SnapshotError::of_record)?.to_vec())
}

/// The network that was saved, in the place of one of the same shape.
pub(super) fn network_of(network: QNetwork, bytes: &[u8]) -> Result<QNetwork, SnapshotError> {
    let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(bytes.to_vec())).map_err(SnapshotError::of_record)?;
    Ok(network.load_record(record))
}

/// Nothing beside the loss over the heads.
pub(super) fn nothing_more(_: &QNetwork, _: &[f32]) -> Option<Tensor<1>> {
    None
}

/// The numbers in another order, cut into so many parts.
pub(super) fn minibatches<'o>(order: &'o mut [usize], parts: usize, random: &mut Pcg64Mcg) -> Chunks<'o, usize> {
    order.shuffle(random);
    order.chunks(order.len().div_ceil(parts).max(1))
}

/// Some rows of policy inputs.
pub(super) fn rows(features: &[f32], batch: &[usize]) -> Vec<f32> {
    batch.iter().flat_map(|&index| &features[index * FEATURES..][..FEATURES]).copied().collect()
}

/// Learning rate at a share of the training: it falls linearly to a fiftieth.
pub(super) fn falling(learning_rate: f64, progress: f64) -> f64 {
    learning_rate * (1.0 - progress).max(0.02)
}
