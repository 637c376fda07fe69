//! The network as a function of its pixels, with gradients down to them.

use crate::attack::Effect;
use crate::heads::output::OUTPUTS;
use crate::network::Network;
use crate::network::patches::PatchLayout;
use crate::perception::{Perception, values};
use burn::module::Module;
use burn::prelude::*;
use rayon::prelude::*;

/// Frames that are differentiated together, always exactly so many: the last block is filled up with grey, so that a frame has
/// the same bits in any batch. Blocks run in parallel.
const BLOCK_FRAMES: usize = 4;

/// A perception that can be differentiated by its input.
#[derive(Clone, Debug)]
pub struct Differentiable {
    layout: PatchLayout,
    network: Network,
    plain: Network,
    /// Width and height of a frame.
    size: (usize, usize),
}

impl Differentiable {
    /// Frames of a block; whatever is computed on from outputs in batches of this size is as independent of the batch.
    pub const BLOCK_FRAMES: usize = BLOCK_FRAMES;

    /// The same weights, with gradients of the input instead of gradients of the weights.
    #[must_use]
    pub fn new(perception: &Perception) -> Self {
        let settings = perception.settings();
        let plain = perception.network().clone();
        let network = plain.clone().train().no_grad();
        Self { layout: PatchLayout::new(settings), network, plain, size: (settings.width, settings.height) }
    }

    /// Width and height of the frames it takes.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        self.size
    }

    /// Numbers in a frame.
    #[must_use]
    pub fn frame_len(&self) -> usize {
        self.layout.frame_len()
    }

    /// The network's outputs.
    ///
    /// # Shapes
    /// - `pixels`: `frames × height × width × 3`, 0 to 1; returns `frames × OUTPUTS`
    #[must_use]
    pub fn outputs(&self, pixels: &[f32]) -> Vec<f32> {
        let run = |pixels: &[f32]| {
            let patches = self.patches(pixels, &self.plain.device());
            let mut outputs = values(self.plain.percepts(&self.plain.features(patches)));
            outputs.truncate(pixels.len() / self.frame_len() * OUTPUTS);
            outputs
        };
        pixels.par_chunks(BLOCK_FRAMES * self.frame_len()).flat_map_iter(run).collect()
    }

    /// The loss of each frame, from its number and its outputs.
    ///
    /// # Shapes
    /// - `pixels`: `frames × height × width × 3`, 0 to 1
    pub fn evaluate(&self, pixels: &[f32], loss: impl Fn(usize, &[f32]) -> Effect) -> Vec<Effect> {
        let outputs = self.outputs(pixels);
        outputs.chunks_exact(OUTPUTS).enumerate().map(|(frame, outputs)| loss(frame, outputs)).collect()
    }

    /// The loss of each frame and its gradient over the frame's own pixels. `loss` is given the number of a frame and its
    /// outputs, and writes the slopes of its loss over them.
    ///
    /// # Shapes
    /// - `pixels`, `gradient`: `frames × height × width × 3`
    pub fn gradients(
        &self,
        pixels: &[f32],
        gradient: &mut [f32],
        loss: impl Fn(usize, &[f32], &mut [f32]) -> Effect + Sync,
    ) -> Vec<Effect> {
        self.block_gradients(pixels, gradient, |first, outputs, slopes| {
            let frames = outputs.chunks_exact(OUTPUTS).zip(slopes.chunks_exact_mut(OUTPUTS)).enumerate();
            frames.map(|(index, (outputs, slopes))| loss(first + index, outputs, slopes)).collect()
        })
    }

    /// The same for losses that are cheaper for several frames at once: `slopes` is given the number of a block's first frame
    /// and the outputs of all of the block, and returns something for each frame.
    ///
    /// # Shapes
    /// - `pixels`, `gradient`: `frames × height × width × 3`; up to [`Self::BLOCK_FRAMES`] frames in a block
    pub fn block_gradients<T: Send>(
        &self,
        pixels: &[f32],
        gradient: &mut [f32],
        slopes: impl Fn(usize, &[f32], &mut [f32]) -> Vec<T> + Sync,
    ) -> Vec<T> {
        let block_len = BLOCK_FRAMES * self.frame_len();
        let run = |(block, (pixels, gradient)): (usize, (&[f32], &mut [f32]))| {
            let input = self.patches(pixels, &self.network.device()).require_grad();
            let outputs = self.network.percepts(&self.network.features(input.clone()));
            let (shape, device) = (outputs.dims(), outputs.device());
            let numbers = values(outputs.clone().inner());
            let mut weights = vec![0.0; numbers.len()];
            let real = pixels.len() / self.frame_len() * OUTPUTS;
            let results = slopes(block * BLOCK_FRAMES, &numbers[..real], &mut weights[..real]);
            // The gradient of this sum is that of the losses: the factor on the right is a constant.
            let descent = (outputs * Tensor::from_data(TensorData::new(weights, shape), &device)).sum();
            let gradients = descent.backward();
            let patches = values(input.grad(&gradients).expect("the input asks for its gradient"));
            let length = self.frame_len();
            for (patches, gradient) in patches.chunks_exact(length).zip(gradient.chunks_exact_mut(length)) {
                self.layout.pixel_gradient(patches, gradient);
            }
            results
        };
        pixels
            .par_chunks(block_len)
            .zip(gradient.par_chunks_mut(block_len))
            .enumerate()
            .map(run)
            .flatten_iter()
            .collect()
    }

    /// A block of frames as network input; zeros are grey.
    fn patches(&self, pixels: &[f32], device: &Device) -> Tensor<2> {
        let length = self.frame_len();
        let mut patches = vec![0.0; BLOCK_FRAMES * length];
        for (pixels, patches) in pixels.chunks_exact(length).zip(patches.chunks_exact_mut(length)) {
            self.layout.write_numbers(pixels, patches);
        }
        let rows = BLOCK_FRAMES * self.layout.patches();
        Tensor::from_data(TensorData::new(patches, [rows, length / self.layout.patches()]), device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::to_numbers;
    use crate::synthetic;

    #[test]
    fn outputs_are_those_of_the_perception_and_gradients_those_of_small_changes() {
        let perception = synthetic::trainer(3).perception();
        let dataset = synthetic::dataset(11, 4);
        let differentiable = Differentiable::new(&perception);
        let clean = to_numbers(dataset.frames(0, 11));
        let length = differentiable.frame_len();
        let seen = perception.see(dataset.frames(0, 11));
        let offsets = differentiable.evaluate(&clean, |_, outputs| Effect {
            loss: crate::heads::percept(outputs).lane_offset_m,
            broken: false,
        });
        for (seen, found) in seen.iter().zip(&offsets) {
            assert!((seen.lane_offset_m - found.loss).abs() < 1e-5);
        }
        let weigh = |frame: usize, output: usize| ((frame * 7 + output * 5) % 11) as f32 - 5.0;
        let loss = |frame: usize, outputs: &[f32]| {
            let terms = outputs.iter().enumerate().map(|(index, output)| weigh(frame, index) * output);
            Effect { loss: terms.sum(), broken: false }
        };
        let mut gradient = vec![0.0; clean.len()];
        let outcomes = differentiable.gradients(&clean, &mut gradient, |frame, outputs, slopes| {
            (0..OUTPUTS).for_each(|index| slopes[index] = weigh(frame, index));
            loss(frame, outputs)
        });
        assert_eq!(outcomes.len(), 11);
        // A step along the gradient raises the loss by its length; frames do not mix.
        let norm = gradient.iter().map(|slope| slope * slope).sum::<f32>().sqrt();
        let moved = |by: f32| clean.iter().zip(&gradient).map(|(x, slope)| x + by * slope / norm).collect::<Vec<_>>();
        let sum = |pixels: &[f32]| differentiable.evaluate(pixels, loss).iter().map(|o| o.loss).sum::<f32>();
        let measured = (sum(&moved(0.01)) - sum(&moved(-0.01))) / 0.02;
        assert!((measured - norm).abs() < 0.03 * norm, "measured {measured}, gradient {norm}");
        let mut one = vec![0.0; length];
        differentiable.gradients(&clean[3 * length..4 * length], &mut one, |_, outputs, slopes| {
            (0..OUTPUTS).for_each(|index| slopes[index] = weigh(3, index));
            loss(3, outputs)
        });
        assert_eq!(one[..], gradient[3 * length..4 * length], "a frame has the same bits in any batch");
        assert_eq!(
            differentiable.outputs(&clean[3 * length..4 * length]),
            differentiable.outputs(&clean)[3 * OUTPUTS..4 * OUTPUTS]
        );
    }
}
