//! Seeds and the random streams derived from them. Every random number of a drive comes from here.
//!
//! Roads for training, validation and evaluation come from three families that cannot share a seed: the top two bits of
//! a generated seed name its [`Split`].

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

/// Where all randomness of one scenario starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Default for Seed {
    fn default() -> Self {
        Self(1)
    }
}

/// Which family of generated roads a seed belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Split {
    /// Roads that perception and policy learn on.
    Train,
    /// Roads that perception is checked on while settings are chosen.
    Validation,
    /// Roads that only the final evaluation drives.
    HeldOut,
}

/// What a stream of random numbers is for; two purposes of one seed never share numbers.
///
/// All who draw for one purpose begin the same stream: light and colours share the numbers of [`Purpose::Appearance`],
/// what stands beside the road and the paint of other cars those of [`Purpose::Scenery`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Shape of the road.
    Road,
    /// Buildings, trees and signs.
    Scenery,
    /// Positions, speeds and habits of other cars.
    Traffic,
    /// Sun, haze and colours.
    Appearance,
    /// Sensor faults.
    Fault,
    /// Disturbances pushed into a scripted driver.
    Disturbance,
    /// The random driver's actions.
    Driver,
}

const SPLIT_SHIFT: u32 = 62;

impl Seed {
    /// The seed of drive `index` in a split; `base` is the run's own seed.
    ///
    /// The top two bits hold the split, so seeds of different splits differ whatever `base` and `index` are.
    #[must_use]
    pub fn of_split(split: Split, base: u64, index: u64) -> Self {
        let tag = match split {
            Split::Train => 1,
            Split::Validation => 2,
            Split::HeldOut => 3,
        };
        let mixed = mix(mix(base) ^ index);
        Self((mixed & ((1 << SPLIT_SHIFT) - 1)) | (tag << SPLIT_SHIFT))
    }

    /// The split a seed was made for; `None` for a seed somebody typed.
    #[must_use]
    pub fn split(self) -> Option<Split> {
        match self.0 >> SPLIT_SHIFT {
            1 => Some(Split::Train),
            2 => Some(Split::Validation),
            3 => Some(Split::HeldOut),
            _ => None,
        }
    }

    /// The seed of one of many parts that must not share numbers.
    #[must_use]
    pub fn child(self, index: u64) -> Self {
        Self(mix(mix(self.0) ^ index))
    }

    /// The generator of one purpose.
    #[must_use]
    pub fn stream(self, purpose: Purpose) -> Stream {
        Stream(Pcg64Mcg::seed_from_u64(mix(self.0 ^ mix(purpose as u64 + 1))))
    }
}

/// One seeded stream of random numbers.
#[derive(Clone, Debug)]
pub struct Stream(Pcg64Mcg);

impl Stream {
    /// Uniform in `low..high`.
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.0.random::<f32>()
    }

    /// Uniform whole number in `0..count`.
    ///
    /// # Panics
    /// If `count` is zero.
    pub fn below(&mut self, count: usize) -> usize {
        self.0.random_range(0..count)
    }

    /// True with the given probability.
    pub fn chance(&mut self, probability: f32) -> bool {
        self.0.random::<f32>() < probability
    }

    /// Standard normal, by the polar method of Marsaglia and Bray (1964).
    pub fn normal(&mut self) -> f32 {
        loop {
            let (u, v) = (self.uniform(-1.0, 1.0), self.uniform(-1.0, 1.0));
            let square = u * u + v * v;
            if square > 0.0 && square < 1.0 {
                return u * (-2.0 * crate::math::ln(square) / square).sqrt();
            }
        }
    }

    /// Sixty-four random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.random()
    }
}

/// The finaliser of `SplitMix64` (Steele, Lea and Flood 2014): spreads neighbouring numbers over all 64 bits.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_cannot_share_a_seed() {
        for base in [0, 1, 7, u64::MAX] {
            for index in 0..200 {
                for split in [Split::Train, Split::Validation, Split::HeldOut] {
                    assert_eq!(Seed::of_split(split, base, index).split(), Some(split));
                }
            }
        }
    }

    #[test]
    fn purposes_draw_different_numbers() {
        let seed = Seed(3);
        assert_ne!(seed.stream(Purpose::Road).bits(), seed.stream(Purpose::Traffic).bits());
        assert_eq!(seed.stream(Purpose::Road).bits(), seed.stream(Purpose::Road).bits());
    }

    #[test]
    fn normal_has_unit_variance() {
        let mut stream = Seed(1).stream(Purpose::Fault);
        let draws: Vec<f32> = (0..20_000).map(|_| stream.normal()).collect();
        let mean = draws.iter().sum::<f32>() / draws.len() as f32;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / draws.len() as f32;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "mean {mean}, variance {variance}");
    }
}
