//! Bytes to network input in one pass: pixels are normalised and laid out patch by patch while they are read.
//! This is the space-to-depth half of every strided convolution of the network; `network` is the matrix product half.
//!
//! Patches are ordered so that the four patches of a 2 × 2 merge, and the cells of a patch, are neighbours in memory.
//! Every later space-to-depth is then a reshape, and no tensor is ever permuted.
//!
//! The mean colour of each patch is weakened and what deviates from it amplified. That is a fixed, invertible linear
//! map, so the stem stays a convolution of the pixels; but its inputs, nearly equal within a patch, now differ enough
//! for Adam to find edges in a fraction of the steps.

use crate::classes::CELL_PX;
use crate::network::{MERGE, PerceptionSettings};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// Factor on what deviates from the mean colour of a patch.
pub(crate) const DETAIL_GAIN: f32 = 4.0;
/// Factor on that mean colour.
pub(crate) const MEAN_GAIN: f32 = 0.5;

/// Change of light and sensor noise on one frame.
///
/// # Units
/// Of the normalised value, where one is the whole range of a byte.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Photometry {
    /// Contrast around mid-grey, as a factor.
    pub gain: f32,
    /// Brightness added.
    pub offset: f32,
    /// Noise added to each value is uniform in plus or minus this.
    pub noise: f32,
    /// Seed of the noise.
    pub noise_seed: u64,
}

impl Photometry {
    /// The frame as it is.
    pub const NONE: Self = Self { gain: 1.0, offset: 0.0, noise: 0.0, noise_seed: 0 };
}

/// Where the patches and cells of a frame lie, in network order.
#[derive(Clone, Debug)]
pub(crate) struct PatchLayout {
    row_bytes: usize,
    patch_row_bytes: usize,
    patch_len: usize,
    frame_bytes: usize,
    /// First byte of each patch in the frame.
    patch_starts: Vec<usize>,
    /// Row-major index in the grid of each cell.
    cell_indices: Vec<usize>,
}

impl PatchLayout {
    /// The layout for valid settings.
    pub fn new(settings: &PerceptionSettings) -> Self {
        let PerceptionSettings { width, height, patch, .. } = *settings;
        let (mut patch_starts, mut cell_indices) = (Vec::new(), Vec::new());
        let block = patch * MERGE;
        for block_top in (0..height).step_by(block) {
            for block_left in (0..width).step_by(block) {
                for in_block in 0..MERGE * MERGE {
                    let top = block_top + in_block / MERGE * patch;
                    let left = block_left + in_block % MERGE * patch;
                    patch_starts.push((top * width + left) * 3);
                    for cell_top in (top..top + patch).step_by(CELL_PX) {
                        for cell_left in (left..left + patch).step_by(CELL_PX) {
                            cell_indices.push(cell_top / CELL_PX * (width / CELL_PX) + cell_left / CELL_PX);
                        }
                    }
                }
            }
        }
        Self {
            row_bytes: width * 3,
            patch_row_bytes: patch * 3,
            patch_len: patch * patch * 3,
            frame_bytes: width * height * 3,
            patch_starts,
            cell_indices,
        }
    }

    /// Bytes of a frame, and floats of its patches.
    pub fn frame_len(&self) -> usize {
        self.frame_bytes
    }

    /// Patches of a frame.
    pub fn patches(&self) -> usize {
        self.patch_starts.len()
    }

    /// Segmentation cells of a frame.
    pub fn cells(&self) -> usize {
        self.cell_indices.len()
    }

    /// The row-major grid index of each cell, in network order.
    pub fn cell_indices(&self) -> &[usize] {
        &self.cell_indices
    }

    /// Writes a frame as network input.
    ///
    /// # Shapes
    /// - `rgb`: `height × width × 3` bytes
    /// - `patches`: as many floats: `[patches, patch × patch × 3]`, each patch row-major with colour last
    ///
    /// # Units
    /// Bytes `0..=255` become `-0.5..=0.5`, then `photometry` changes them, then the mean of a patch is weakened.
    pub fn write(&self, rgb: &[u8], photometry: &Photometry, patches: &mut [f32]) {
        let scale = photometry.gain / 255.0;
        let offset = photometry.offset - 0.5 * photometry.gain;
        let mut random = Pcg64Mcg::seed_from_u64(photometry.noise_seed);
        for (&start, patch) in self.patch_starts.iter().zip(patches.chunks_exact_mut(self.patch_len)) {
            for (row, values) in patch.chunks_exact_mut(self.patch_row_bytes).enumerate() {
                let bytes = &rgb[start + row * self.row_bytes..][..self.patch_row_bytes];
                for (value, &byte) in values.iter_mut().zip(bytes) {
                    *value = f32::from(byte) * scale + offset;
                }
            }
            if photometry.noise > 0.0 {
                add_noise(patch, photometry.noise, &mut random);
            }
            weaken_mean(patch);
        }
    }
}

impl PatchLayout {
    /// Writes a frame of numbers as network input.
    ///
    /// # Shapes
    /// - `pixels`: `height × width × 3`, 0 to 1; `patches`: as many floats, as in [`Self::write`]
    pub fn write_numbers(&self, pixels: &[f32], patches: &mut [f32]) {
        for (&start, patch) in self.patch_starts.iter().zip(patches.chunks_exact_mut(self.patch_len)) {
            for (row, values) in patch.chunks_exact_mut(self.patch_row_bytes).enumerate() {
                let numbers = &pixels[start + row * self.row_bytes..][..self.patch_row_bytes];
                values.iter_mut().zip(numbers).for_each(|(value, number)| *value = number - 0.5);
            }
            weaken_mean(patch);
        }
    }

    /// Lays a frame of numbers out in patches without changing them.
    ///
    /// # Shapes
    /// - `pixels`: `height × width × 3`; `patches`: as many floats, as in [`Self::write`]
    pub fn write_plain(&self, pixels: &[f32], patches: &mut [f32]) {
        for (&start, patch) in self.patch_starts.iter().zip(patches.chunks_exact_mut(self.patch_len)) {
            for (row, values) in patch.chunks_exact_mut(self.patch_row_bytes).enumerate() {
                values.copy_from_slice(&pixels[start + row * self.row_bytes..][..self.patch_row_bytes]);
            }
        }
    }

    /// A frame of bytes as numbers, changed in light and noise; values may leave 0 to 1.
    ///
    /// # Shapes
    /// - `rgb`, `pixels`: `height × width × 3`
    pub fn write_pixels(&self, rgb: &[u8], photometry: &Photometry, pixels: &mut [f32]) {
        let scale = photometry.gain / 255.0;
        let offset = photometry.offset + 0.5 - 0.5 * photometry.gain;
        pixels.iter_mut().zip(rgb).for_each(|(pixel, byte)| *pixel = f32::from(*byte) * scale + offset);
        if photometry.noise > 0.0 {
            add_noise(pixels, photometry.noise, &mut Pcg64Mcg::seed_from_u64(photometry.noise_seed));
        }
    }

    /// Gradient over the pixels of a frame, from that over its patches. Weakening the mean is a symmetric map, so the way back
    /// is the way there.
    pub fn pixel_gradient(&self, patches: &[f32], pixels: &mut [f32]) {
        let mut patch = vec![0.0; self.patch_len];
        for (&start, gradient) in self.patch_starts.iter().zip(patches.chunks_exact(self.patch_len)) {
            patch.copy_from_slice(gradient);
            weaken_mean(&mut patch);
            for (row, values) in patch.chunks_exact(self.patch_row_bytes).enumerate() {
                pixels[start + row * self.row_bytes..][..self.patch_row_bytes].copy_from_slice(values);
            }
        }
    }
}

fn weaken_mean(patch: &mut [f32]) {
    let mut sums = [0f32; 3];
    for pixel in patch.chunks_exact(3) {
        for (sum, value) in sums.iter_mut().zip(pixel) {
            *sum += value;
        }
    }
    let pixels = (patch.len() / 3) as f32;
    let shifts = sums.map(|sum| (MEAN_GAIN - DETAIL_GAIN) * sum / pixels);
    for pixel in patch.chunks_exact_mut(3) {
        for (value, shift) in pixel.iter_mut().zip(shifts) {
            *value = *value * DETAIL_GAIN + shift;
        }
    }
}

/// The same in f64, for bounds.
pub(crate) fn weaken_mean_exactly(patch: &mut [f64]) {
    let pixels = (patch.len() / 3) as f64;
    for colour in 0..3 {
        let mean = patch.iter().skip(colour).step_by(3).sum::<f64>() / pixels;
        for value in patch.iter_mut().skip(colour).step_by(3) {
            *value = f64::from(DETAIL_GAIN) * (*value - mean) + f64::from(MEAN_GAIN) * mean;
        }
    }
}

fn add_noise(values: &mut [f32], noise: f32, random: &mut Pcg64Mcg) {
    let scale = noise / 127.5;
    for eight in values.chunks_mut(8) {
        for (value, byte) in eight.iter_mut().zip(random.next_u64().to_le_bytes()) {
            *value += f32::from(byte) * scale - noise;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> PerceptionSettings {
        PerceptionSettings { width: 32, height: 16, patch: 4, ..PerceptionSettings::default() }
    }

    #[test]
    fn every_cell_lands_once_and_every_patch_in_merge_order() {
        let layout = PatchLayout::new(&settings());
        // One bright patch after another: the second is the right neighbour of the first, the third stands below it.
        for (order, start) in [(0, 0), (1, 12), (2, 4 * 96), (4, 24)] {
            let mut rgb = vec![0; layout.frame_len()];
            for row in 0..4 {
                rgb[start + row * 96..][..12].fill(255);
            }
            let mut patches = vec![0.0; layout.frame_len()];
            layout.write(&rgb, &Photometry::NONE, &mut patches);
            let bright: Vec<usize> = (0..patches.len()).filter(|&index| patches[index] > 0.0).collect();
            assert!(bright.into_iter().eq(order * 48..(order + 1) * 48));
        }
        let mut cells = layout.cell_indices().to_vec();
        cells.sort_unstable();
        assert!(cells.into_iter().eq(0..32));
    }

    #[test]
    fn light_changes_contrast_around_mid_grey_and_noise_has_no_mean() {
        let layout = PatchLayout::new(&settings());
        let mut patches = vec![0.0; layout.frame_len()];
        let photometry = Photometry { gain: 0.5, offset: 0.1, noise: 0.02, noise_seed: 3 };
        layout.write(&vec![255; layout.frame_len()], &photometry, &mut patches);
        assert!(patches.iter().all(|value| (value - 0.35 * MEAN_GAIN).abs() < 0.0401 * DETAIL_GAIN));
        let mean = patches.iter().sum::<f32>() / patches.len() as f32 / MEAN_GAIN;
        assert!((mean - 0.35).abs() < 0.002, "the noise has a mean of {}", mean - 0.35);
    }
}
