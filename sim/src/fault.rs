//! Sensor faults: pixels only, replayable from the scenario alone.

use crate::scenario::{Perturbation, range};
use crate::seed::{Purpose, Seed, Stream};
use serde::{Deserialize, Serialize};

/// Something that goes wrong between the lens and the driver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Fault {
    /// Gaussian noise on every channel.
    Noise {
        /// Standard deviation in grey levels, 0 to 255.
        #[serde(deserialize_with = "range::sigma")]
        sigma: f32,
    },
    /// Gaussian blur, edges continued.
    Blur {
        /// Standard deviation.
        #[serde(deserialize_with = "range::sigma_px")]
        sigma_px: f32,
    },
    /// Frames are lost: the driver gets black ones.
    Dropped {
        /// Chance of each frame to be lost.
        #[serde(deserialize_with = "range::probability")]
        probability: f32,
    },
    /// The driver gets the last frame it got before the fault again and again.
    Frozen {},
}

/// What faults remember from frame to frame.
#[derive(Clone, Debug)]
pub(crate) struct FaultState {
    stream: Stream,
    /// What the driver got last, other faults included; kept as it is during a freeze.
    delivered: Vec<u8>,
    scratch: Vec<f32>,
}

impl FaultState {
    /// The memory of a fresh drive.
    pub fn new(seed: Seed) -> Self {
        Self { stream: seed.stream(Purpose::Fault), delivered: Vec::new(), scratch: Vec::new() }
    }

    /// Applies every fault whose span holds this time, in file order.
    pub fn apply(&mut self, perturbations: &[Perturbation], time_s: f32, width: usize, rgb: &mut [u8]) {
        if perturbations.is_empty() {
            return;
        }
        let active = |perturbation: &&Perturbation| perturbation.during_s.contains(time_s);
        let frozen = |perturbation: &Perturbation| matches!(perturbation.fault, Fault::Frozen {});
        for perturbation in perturbations.iter().filter(active) {
            match perturbation.fault {
                Fault::Noise { sigma } => add_noise(&mut self.stream, sigma, rgb),
                Fault::Blur { sigma_px } => blur(sigma_px, width, rgb, &mut self.scratch),
                Fault::Dropped { probability } => {
                    if self.stream.chance(probability) {
                        rgb.fill(0);
                    }
                }
                // A fault from the first frame on has nothing to repeat but that frame.
                Fault::Frozen {} if self.delivered.is_empty() => self.delivered.extend_from_slice(rgb),
                Fault::Frozen {} => rgb.copy_from_slice(&self.delivered),
            }
        }
        if !perturbations.iter().filter(active).any(frozen) {
            self.delivered.clear();
            self.delivered.extend_from_slice(rgb);
        }
    }
}

/// Adds normal noise; sums of four bytes of random bits are close enough to normal and many times cheaper to draw.
fn add_noise(stream: &mut Stream, sigma: f32, rgb: &mut [u8]) {
    // Variance of a uniform byte is (256² − 1) / 12; of four of them, four times that.
    const FOUR_BYTES_SIGMA: f32 = 147.8;
    let scale = sigma / FOUR_BYTES_SIGMA;
    for pair in rgb.chunks_mut(2) {
        let bits = stream.bits().to_le_bytes();
        for (value, bytes) in pair.iter_mut().zip(bits.chunks_exact(4)) {
            let sum: i32 = bytes.iter().map(|byte| i32::from(*byte)).sum();
            *value = (f32::from(*value) + (sum - 510) as f32 * scale).round() as u8;
        }
    }
}

/// Separable Gaussian blur cut off at three sigma.
fn blur(sigma_px: f32, width: usize, rgb: &mut [u8], scratch: &mut Vec<f32>) {
    let reach = (3.0 * sigma_px).ceil() as usize;
    let kernel: Vec<f32> =
        (0..=reach).map(|offset| crate::math::exp(-0.5 * (offset as f32 / sigma_px).powi(2))).collect();
    let sum = kernel[0] + 2.0 * kernel[1..].iter().sum::<f32>();
    let height = rgb.len() / (3 * width);
    scratch.clear();
    scratch.resize(rgb.len(), 0.0);
    for row in 0..height {
        let line = &rgb[3 * width * row..][..3 * width];
        for column in 0..width {
            for channel in 0..3 {
                let at = |column: usize| f32::from(line[3 * column + channel]);
                let mut value = kernel[0] * at(column);
                for (offset, weight) in kernel.iter().enumerate().skip(1) {
                    let (left, right) = (column.saturating_sub(offset), (column + offset).min(width - 1));
                    value += weight * (at(left) + at(right));
                }
                scratch[3 * (width * row + column) + channel] = value / sum;
            }
        }
    }
    for row in 0..height {
        for index in 0..3 * width {
            let at = |row: usize| scratch[3 * width * row + index];
            let mut value = kernel[0] * at(row);
            for (offset, weight) in kernel.iter().enumerate().skip(1) {
                value += weight * (at(row.saturating_sub(offset)) + at((row + offset).min(height - 1)));
            }
            rgb[3 * width * row + index] = (value / sum + 0.5) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Span;

    fn during(fault: Fault) -> [Perturbation; 1] {
        [Perturbation { during_s: Span(1.0, 2.0), fault }]
    }

    #[test]
    fn faults_act_only_in_their_span() {
        for fault in [
            Fault::Noise { sigma: 20.0 },
            Fault::Blur { sigma_px: 1.0 },
            Fault::Dropped { probability: 1.0 },
            Fault::Frozen {},
        ] {
            let mut state = FaultState::new(Seed(1));
            let clean: Vec<u8> = (0..60).map(|value| value * 4).collect();
            let mut before = clean.clone();
            state.apply(&during(fault), 0.5, 5, &mut before);
            assert_eq!(before, clean, "{fault:?} before its span");
            let mut inside: Vec<u8> = clean.iter().rev().copied().collect();
            let given = inside.clone();
            state.apply(&during(fault), 1.5, 5, &mut inside);
            assert_ne!(inside, given, "{fault:?} in its span");
            if fault == (Fault::Frozen {}) {
                assert_eq!(inside, clean);
            }
        }
    }

    #[test]
    fn a_freeze_repeats_what_the_driver_got() {
        let during = |from_s, to_s, fault| Perturbation { during_s: Span(from_s, to_s), fault };
        let faults = [during(0.0, 1.0, Fault::Noise { sigma: 40.0 }), during(1.0, 3.0, Fault::Frozen {})];
        let mut state = FaultState::new(Seed(1));
        let mut got = vec![128; 60];
        state.apply(&faults, 0.5, 5, &mut got);
        assert_ne!(got, vec![128; 60]);
        for time_s in [1.5, 2.5] {
            let mut frozen = vec![7; 60];
            state.apply(&faults, time_s, 5, &mut frozen);
            assert_eq!(frozen, got, "at {time_s} s");
        }
        let mut after = vec![7; 60];
        state.apply(&faults, 3.5, 5, &mut after);
        assert_eq!(after, vec![7; 60]);
    }

    #[test]
    fn noise_has_the_sigma_it_says_and_blur_keeps_the_mean() {
        let mut rgb = vec![128_u8; 30_000];
        add_noise(&mut Seed(2).stream(Purpose::Fault), 12.0, &mut rgb);
        let deviation: Vec<f32> = rgb.iter().map(|value| f32::from(*value) - 128.0).collect();
        let sigma = (deviation.iter().map(|d| d * d).sum::<f32>() / 30_000.0).sqrt();
        assert!((sigma - 12.0).abs() < 0.4, "{sigma}");
        let mean = |rgb: &[u8]| rgb.iter().map(|value| f32::from(*value)).sum::<f32>() / rgb.len() as f32;
        let before = mean(&rgb);
        blur(1.5, 100, &mut rgb, &mut Vec::new());
        assert!((mean(&rgb) - before).abs() < 0.3);
    }
}
