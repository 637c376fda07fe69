//! The trained eye: [`Perception`] turns frames into percepts and segmentations. `training` makes it, `weights` keeps it.

use crate::classes::CLASSES;
use crate::device::block;
use crate::heads::output::OUTPUTS;
use crate::heads::percept;
use crate::heads::segmentation::best_class;
use crate::network::patches::{PatchLayout, Photometry};
use crate::network::{Network, PerceptionSettings};
use crate::percept::Percept;
use burn::prelude::*;
use rayon::prelude::*;

/// Frames that go through the network together on a processor, always exactly so many: the last block is filled up with grey.
///
/// Every matrix product has the same shape whatever the batch, so a frame gives the same bits in any batch, and one
/// block of patches still fits a core's second-level cache.
const BLOCK_FRAMES: usize = 8;

/// Weights for inference.
///
/// # Example
/// ```
/// use roadproof_perception::{PerceptionSettings, Trainer, TrainingSettings};
///
/// let settings = PerceptionSettings { width: 32, height: 16, ..PerceptionSettings::default() };
/// let perception = Trainer::new(settings, TrainingSettings::default(), 1)?.perception();
/// let two_frames = vec![128; 2 * settings.frame_bytes()];
/// let percepts = perception.see(&two_frames);
/// assert_eq!(percepts.len(), 2);
/// assert_eq!(percepts[0], percepts[1]);
/// # Ok::<(), roadproof_perception::ShapeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Perception {
    settings: PerceptionSettings,
    layout: PatchLayout,
    network: Network,
}

impl Perception {
    /// A perception around a network that was built for valid settings.
    pub(crate) fn new(settings: PerceptionSettings, network: Network) -> Self {
        Self { settings, layout: PatchLayout::new(&settings), network }
    }

    /// The frames it takes and the size of its network.
    pub fn settings(&self) -> &PerceptionSettings {
        &self.settings
    }

    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// Where it computes.
    #[must_use]
    pub fn device(&self) -> Device {
        self.network.device()
    }

    /// The same weights on a device.
    #[must_use]
    pub fn on(&self, device: &Device) -> Self {
        if self.device() == *device {
            self.clone()
        } else {
            Self::new(self.settings, self.network.clone().fork(device))
        }
    }

    /// What the driver needs to know about each frame of a batch.
    ///
    /// A frame gives the same bits whatever the batch it is in and however many threads there are. The segmentation
    /// head does not run.
    ///
    /// # Shapes
    /// - `rgb`: `frames × height × width × 3` bytes, row-major, top row first
    /// - returns: one percept a frame
    ///
    /// # Panics
    /// If `rgb` is no whole number of frames.
    pub fn see(&self, rgb: &[u8]) -> Vec<Percept> {
        self.in_blocks(rgb, |patches, frames, percepts: &mut Vec<Percept>| {
            let outputs = values(self.network.percepts(&self.network.features(patches)));
            percepts.extend(outputs.chunks_exact(OUTPUTS).take(frames).map(percept));
        })
    }

    /// The class of every segmentation cell of each frame of a batch.
    ///
    /// # Shapes
    /// - `rgb`: `frames × height × width × 3` bytes, row-major, top row first
    /// - returns: `frames × (height / 4) × (width / 4)` class bytes, in the same order
    ///
    /// # Panics
    /// If `rgb` is no whole number of frames.
    pub fn segment(&self, rgb: &[u8]) -> Vec<u8> {
        self.in_blocks(rgb, |patches, frames, cells: &mut Vec<u8>| {
            let scores = values(self.network.classes(&self.network.features(patches)));
            let scores_per_frame = self.layout.cells() * CLASSES;
            for scores in scores.chunks_exact(scores_per_frame).take(frames) {
                let start = cells.len();
                cells.resize(start + self.layout.cells(), 0);
                let scores = scores.chunks_exact(CLASSES);
                for (&cell, scores) in self.layout.cell_indices().iter().zip(scores) {
                    cells[start + cell] = best_class(scores);
                }
            }
        })
    }

    /// Runs `network` on one block of patches after another, blocks in parallel, and joins what it appends in order.
    fn in_blocks<T: Send>(&self, rgb: &[u8], network: impl Fn(Tensor<2>, usize, &mut Vec<T>) + Sync) -> Vec<T> {
        let frame_len = self.layout.frame_len();
        assert!(rgb.len().is_multiple_of(frame_len), "{} bytes are no frames of {frame_len} bytes", rgb.len());
        let device = self.network.device();
        let block_frames = block(&device, BLOCK_FRAMES, rgb.len() / frame_len);
        let rows = block_frames * self.layout.patches();
        let see_block = |block: &[u8]| {
            let mut patches = vec![0f32; block_frames * frame_len];
            let frames = block.par_chunks_exact(frame_len).zip(patches.par_chunks_exact_mut(frame_len));
            // Where a block is large, it is laid out by all cores.
            frames.with_min_len(BLOCK_FRAMES).for_each(|(frame, patches)| {
                self.layout.write(frame, &Photometry::NONE, patches);
            });
            let shape = [rows, frame_len * block_frames / rows];
            let mut found = Vec::new();
            network(Tensor::from_data(TensorData::new(patches, shape), &device), block.len() / frame_len, &mut found);
            found
        };
        rgb.par_chunks(block_frames * frame_len).flat_map_iter(see_block).collect()
    }
}

/// The numbers of a tensor.
pub(crate) fn values(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("networks compute in f32")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dataset::Dataset;
    use crate::synthetic;

    fn bits(percepts: &[Percept]) -> Vec<[u32; 9]> {
        let numbers = |p: &Percept| {
            [
                p.lane_offset_m,
                p.heading_rad,
                p.curvature_per_m,
                p.gap_m,
                p.lead_probability,
                p.lane_offset_scale_m,
                p.heading_scale_rad,
                p.curvature_scale_per_m,
                p.gap_scale_m,
            ]
            .map(f32::to_bits)
        };
        percepts.iter().map(numbers).collect()
    }

    /// Every frame alone, in batches of many sizes and on pools of several threads gives the bits of the whole batch.
    fn check_bits(perception: &Perception, dataset: &Dataset) {
        let all = bits(&perception.see(dataset.frames(0, dataset.len())));
        for batch in [1, 2, 3, 7, 8, 9, 31] {
            for from in (0..dataset.len()).step_by(batch) {
                let to = dataset.len().min(from + batch);
                let found = bits(&perception.see(dataset.frames(from, to)));
                assert_eq!(found, all[from..to], "frames {from} to {to}");
            }
        }
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
            let found = pool.install(|| bits(&perception.see(dataset.frames(0, dataset.len()))));
            assert_eq!(found, all, "on {threads} threads");
        }
    }

    #[test]
    fn a_frame_gives_the_same_bits_in_any_batch_and_on_any_threads() {
        check_bits(&synthetic::trainer(1).perception(), &synthetic::dataset(37, 2));
    }

    #[test]
    fn so_it_does_at_full_size() {
        let settings = PerceptionSettings::default();
        let perception = Perception::new(settings, Network::new(&settings, 3, &crate::device::flex()));
        let mut dataset = Dataset::new(settings.width, settings.height);
        for frame in 0..17 {
            let rgb: Vec<u8> = (0..settings.frame_bytes()).map(|byte| (byte * (frame + 3) % 256) as u8).collect();
            let class_map = vec![0; settings.width * settings.height];
            dataset.push(&rgb, &class_map, Default::default()).expect("the frame fits");
        }
        check_bits(&perception, &dataset);
    }

    #[test]
    fn segmentation_is_a_class_a_cell() {
        let perception = synthetic::trainer(1).perception();
        let dataset = synthetic::dataset(11, 2);
        let cells = perception.segment(dataset.frames(0, 11));
        assert_eq!(cells.len(), 11 * perception.settings().cells());
        assert_eq!(cells[32 * 10..], perception.segment(dataset.frame(10)));
        assert!(perception.see(&[]).is_empty());
    }

    #[test]
    #[should_panic(expected = "1535 bytes are no frames of 1536 bytes")]
    fn part_of_a_frame_is_a_broken_caller() {
        synthetic::trainer(1).perception().see(&[0; 1535]);
    }
}
