//! The network: settings and layers. Bytes reach it through `patches`, its outputs are read by `head`.
//!
//! Every convolution here has a kernel as large as its stride, so no pixel is read twice, and the convolution is
//! exactly a space-to-depth (each patch becomes one row) followed by a matrix product. It is written that way because
//! the `flex` backend convolves slowly where input channels are few, and is fast at matrix products.
//!
//! ```text
//! 160 × 48 × 3 ─ 8 × 8 patches ─► 20 × 6 × stem ─ 2 × 2 merge ─► 10 × 3 × merge ─ flatten ─► hidden, twice ─► 9 outputs
//!                                        └──────────────┴──► classes of the 4 × 4 cells (training and reports only)
//! ```
//!
//! Normalisation stands only before the hidden layers, one vector a frame, by its root mean square: over whole maps it
//! would cost more than the products, and without any the same accuracy takes several times as many steps.

pub(crate) mod patches;

use crate::classes::{CELL_PX, CLASSES};
use crate::heads::output::OUTPUTS;
use burn::module::Param;
use burn::nn::Linear;
use burn::prelude::*;
use burn::tensor::activation::relu;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

/// Patches that a merge joins in each direction.
pub(crate) const MERGE: usize = 2;

/// What is allowed.
mod range {
    roadproof_range::bounded! {
        patch: usize = 1 to 4096;
        stem_channels: usize = 1 to 4096;
        merge_channels: usize = 1 to 4096;
        hidden: usize = 1 to 4096;
    }
}

/// Size of the frames and of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PerceptionSettings {
    /// Width of a frame in pixels; a multiple of twice `patch`. In a file it is the camera's business: what is read there is only
    /// compared, see [`PerceptionSettings::for_frames`].
    #[serde(default, skip_serializing)]
    pub width: usize,
    /// Height of a frame in pixels, likewise.
    #[serde(default, skip_serializing)]
    pub height: usize,
    /// Side of a patch in pixels, kernel and stride of the first convolution; a multiple of the side of a segmentation cell, which is 4 ([`CELL_PX`]).
    #[serde(deserialize_with = "range::patch")]
    pub patch: usize,
    /// Channels after the first convolution.
    #[serde(deserialize_with = "range::stem_channels")]
    pub stem_channels: usize,
    /// Channels after the second convolution.
    #[serde(deserialize_with = "range::merge_channels")]
    pub merge_channels: usize,
    /// Width of the two hidden layers that see the whole frame.
    #[serde(deserialize_with = "range::hidden")]
    pub hidden: usize,
}

impl Default for PerceptionSettings {
    fn default() -> Self {
        Self { width: 160, height: 48, patch: 8, stem_channels: 48, merge_channels: 96, hidden: 128 }
    }
}

/// Why settings describe no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum ShapeError {
    /// A size of zero.
    #[error("{name} is 0")]
    Zero { name: &'static str },
    /// A frame that does not divide into merged patches.
    #[error("{name} is {value} pixels, which is no multiple of twice the patch of {patch} pixels")]
    Frame { name: &'static str, value: usize, patch: usize },
    /// A patch that does not divide into cells.
    #[error("patch is {patch} pixels, which is no multiple of the segmentation cell of {cell} pixels", cell = CELL_PX)]
    Patch { patch: usize },
}

impl PerceptionSettings {
    /// Checks that the sizes divide.
    ///
    /// # Errors
    /// [`ShapeError`] for the first size that does not.
    pub fn validate(&self) -> Result<(), ShapeError> {
        let sizes = [
            ("width", self.width),
            ("height", self.height),
            ("patch", self.patch),
            ("stem_channels", self.stem_channels),
            ("merge_channels", self.merge_channels),
            ("hidden", self.hidden),
        ];
        if let Some((name, _)) = sizes.into_iter().find(|&(_, size)| size == 0) {
            return Err(ShapeError::Zero { name });
        }
        if !self.patch.is_multiple_of(CELL_PX) {
            return Err(ShapeError::Patch { patch: self.patch });
        }
        for (name, value) in [("width", self.width), ("height", self.height)] {
            if !value.is_multiple_of(MERGE) || !(value / MERGE).is_multiple_of(self.patch) {
                return Err(ShapeError::Frame { name, value, patch: self.patch });
            }
        }
        Ok(())
    }

    /// The default network of a file that says nothing of it: for frames of no size yet.
    #[must_use]
    pub fn without_frames() -> Self {
        Self { width: 0, height: 0, ..Self::default() }
    }

    /// The same for frames of this size, where the settings come from a file that says none.
    #[must_use]
    pub fn for_frames(self, width: usize, height: usize) -> Self {
        let or = |own: usize, frame: usize| if own == 0 { frame } else { own };
        Self { width: or(self.width, width), height: or(self.height, height), ..self }
    }

    /// Bytes of one frame.
    pub fn frame_bytes(&self) -> usize {
        self.width * self.height * 3
    }

    /// Segmentation cells of one frame, in a row-major grid of `height / 4 × width / 4`.
    pub fn cells(&self) -> usize {
        (self.width / CELL_PX) * (self.height / CELL_PX)
    }

    fn patches(&self) -> usize {
        (self.width / self.patch) * (self.height / self.patch)
    }

    fn merged(&self) -> usize {
        self.patches() / (MERGE * MERGE)
    }

    fn cells_per_patch(&self) -> usize {
        (self.patch / CELL_PX) * (self.patch / CELL_PX)
    }
}

/// The layers. Their field names are the tensor names of a weights file.
#[derive(Module, Debug)]
pub(crate) struct Network {
    stem: Linear,
    merge: Linear,
    frame: Linear,
    hidden: Linear,
    head: Linear,
    segment_stem: Linear,
    segment_merge: Linear,
}

/// What the layers below the heads found in a batch.
pub(crate) struct Features {
    /// `[frames × patches, stem_channels]`
    stem: Tensor<2>,
    /// `[frames × merged patches, merge_channels]`
    merged: Tensor<2>,
}

impl Network {
    /// Fresh weights; the same seed gives the same ones, whatever else runs in the process.
    pub fn new(settings: &PerceptionSettings, seed: u64, device: &Device) -> Self {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let mut linear = |inputs: usize, outputs: usize, gain: f32| {
            // Kaiming uniform, He et al. 2015, arXiv:1502.01852; backends seed globally, so the draw is ours.
            let bound = gain * (6.0 / inputs as f32).sqrt();
            let weight: Vec<f32> = (0..inputs * outputs).map(|_| random.random_range(-bound..bound)).collect();
            Linear {
                weight: Param::from_data(TensorData::new(weight, [inputs, outputs]), device),
                bias: Some(Param::from_data(TensorData::new(vec![0f32; outputs], [outputs]), device)),
            }
        };
        let classes = settings.cells_per_patch() * CLASSES;
        let (stem, merge) = (settings.stem_channels, settings.merge_channels);
        Self {
            stem: linear(settings.patch * settings.patch * 3, stem, 1.0),
            merge: linear(MERGE * MERGE * stem, merge, 1.0),
            frame: linear(settings.merged() * merge, settings.hidden, 1.0),
            hidden: linear(settings.hidden, settings.hidden, 1.0),
            head: linear(settings.hidden, OUTPUTS, 0.1),
            segment_stem: linear(stem, classes, 0.1),
            segment_merge: linear(merge, MERGE * MERGE * classes, 0.1),
        }
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.stem.weight.val().device()
    }

    /// Runs both convolutions.
    ///
    /// # Shapes
    /// - `patches`: `[frames × patches, patch × patch × 3]`, in the order of [`PatchLayout`](crate::network::patches::PatchLayout)
    pub fn features(&self, patches: Tensor<2>) -> Features {
        let stem = relu(self.stem.forward(patches));
        let [rows, channels] = stem.dims();
        let blocks = stem.clone().reshape([rows / (MERGE * MERGE), MERGE * MERGE * channels]);
        Features { stem, merged: relu(self.merge.forward(blocks)) }
    }

    /// The percept outputs, still in training coordinates.
    ///
    /// # Shapes
    /// - returns: `[frames, OUTPUTS]`
    pub fn percepts(&self, features: &Features) -> Tensor<2> {
        let [rows, channels] = features.merged.dims();
        let [inputs, _] = self.frame.weight.dims();
        let frame = features.merged.clone().reshape([rows * channels / inputs, inputs]);
        let frame = relu(self.frame.forward(normalised(frame)));
        let hidden = relu(self.hidden.forward(normalised(frame)));
        self.head.forward(normalised(hidden))
    }

    /// The layers between patches and percept outputs, in order, for whoever bounds them.
    pub fn percept_layers(&self) -> [&Linear; 5] {
        [&self.stem, &self.merge, &self.frame, &self.hidden, &self.head]
    }

    /// Class scores of every segmentation cell: from the merged features, with a skip connection from the stem.
    ///
    /// # Shapes
    /// - returns: `[frames × merged patches, cells × CLASSES]`, cells in network order
    pub fn classes(&self, features: &Features) -> Tensor<2> {
        let skip = self.segment_stem.forward(features.stem.clone());
        let scores = self.segment_merge.forward(features.merged.clone());
        let shape = scores.dims();
        scores + skip.reshape(shape)
    }
}

/// Each row over its root mean square.
///
/// # Source
/// Zhang and Sennrich 2019, arXiv:1910.07467, without the learned gain, which the next layer's weights already have.
fn normalised(rows: Tensor<2>) -> Tensor<2> {
    let mean_square = rows.clone().powi_scalar(2).mean_dim(1);
    rows / (mean_square + 1e-6).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::patches::{DETAIL_GAIN, MEAN_GAIN, PatchLayout, Photometry};

    fn settings() -> PerceptionSettings {
        PerceptionSettings { width: 32, height: 16, patch: 4, stem_channels: 5, merge_channels: 7, hidden: 6 }
    }

    /// A convolution by its definition: `weight[dy][dx][input channel][output channel]`, stride as large as the kernel.
    fn convolve(input: &[f32], width: usize, channels: usize, kernel: usize, weight: &[f32]) -> Vec<f32> {
        let height = input.len() / width / channels;
        let outputs = weight.len() / (kernel * kernel * channels);
        let mut result = Vec::new();
        for top in (0..height).step_by(kernel) {
            for left in (0..width).step_by(kernel) {
                for output in 0..outputs {
                    let mut sum = 0.0;
                    for tap in 0..kernel * kernel {
                        let pixel = (top + tap / kernel) * width + left + tap % kernel;
                        for channel in 0..channels {
                            let value = input[pixel * channels + channel];
                            sum += value * weight[(tap * channels + channel) * outputs + output];
                        }
                    }
                    result.push(sum.max(0.0));
                }
            }
        }
        result
    }

    /// Every value with its patch's mean colour weakened and the rest amplified.
    fn spread_by_definition(rgb: &[u8], width: usize, patch: usize) -> Vec<f32> {
        let value = |pixel: usize, colour: usize| f32::from(rgb[pixel * 3 + colour]) / 255.0 - 0.5;
        let mut result = Vec::new();
        for index in 0..rgb.len() {
            let (pixel, colour) = (index / 3, index % 3);
            let corner = pixel / width / patch * patch * width + pixel % width / patch * patch;
            let pixels = (0..patch * patch).map(|tap| corner + tap / patch * width + tap % patch);
            let mean = pixels.map(|pixel| value(pixel, colour)).sum::<f32>() / (patch * patch) as f32;
            result.push(DETAIL_GAIN * (value(pixel, colour) - mean) + MEAN_GAIN * mean);
        }
        result
    }

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_into_vec().expect("flex computes in f32")
    }

    #[test]
    fn space_to_depth_and_a_product_is_a_convolution() {
        let (settings, device) = (settings(), crate::device::flex());
        let network = Network::new(&settings, 1, &device);
        let layout = PatchLayout::new(&settings);
        let rgb: Vec<u8> = (0..layout.frame_len()).map(|byte| (byte * 37 % 256) as u8).collect();
        let mut patches = vec![0.0; layout.frame_len()];
        layout.write(&rgb, &Photometry::NONE, &mut patches);
        let patches = Tensor::<2>::from_data(TensorData::new(patches, [32, 48]), &device);
        let found = values(network.features(patches).merged);
        let frame = spread_by_definition(&rgb, 32, 4);
        let stem = convolve(&frame, 32, 3, 4, &values(network.stem.weight.val()));
        let expected = convolve(&stem, 8, 5, 2, &values(network.merge.weight.val()));
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-5, "found {found}, a convolution gives {expected}");
        }
    }

    #[test]
    fn sizes_that_do_not_divide_are_named() {
        assert_eq!(PerceptionSettings::default().validate(), Ok(()));
        let error = PerceptionSettings { width: 168, ..Default::default() }.validate().expect_err("168 is no 16s");
        assert_eq!(error.to_string(), "width is 168 pixels, which is no multiple of twice the patch of 8 pixels");
        let error = PerceptionSettings { patch: 6, ..Default::default() }.validate().expect_err("6 is no 4s");
        assert!(error.to_string().starts_with("patch is 6 pixels"));
        let error = PerceptionSettings { hidden: 0, ..Default::default() }.validate().expect_err("nothing is hidden");
        assert_eq!(error.to_string(), "hidden is 0");
    }
}
