//! Another network to craft attacks on, as somebody would who cannot look into the driver.

use crate::driver::LearnedDriver;
use anyhow::Context;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use roadproof_perception::Perception;

/// Noise on every weight of the copy, as a share of the weight.
const SHARE: f32 = 0.3;

/// A perception with other weights, and what it is: the shipped one where it has the driver's shape and other weights, or
/// else the driver's own with noise on every weight.
///
/// # Errors
/// If the weights cannot be written into a temporary folder and read back.
pub(in crate::robustness) fn substitute(driver: &LearnedDriver, seed: u64) -> anyhow::Result<(Perception, String)> {
    let own = driver.perception().to_bytes()?;
    let shipped = LearnedDriver::shipped()?;
    if shipped.spec().camera == driver.spec().camera
        && shipped.spec().perception == driver.spec().perception
        && shipped.perception().to_bytes()? != own
    {
        return Ok((shipped.perception().clone(), "the shipped driver's perception".to_owned()));
    }
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let mut bytes = own;
    // A safetensors file: eight bytes with the length of the header, the header, then nothing but numbers.
    let header = bytes.first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
    let first = usize::try_from(header).ok().and_then(|header| header.checked_add(8));
    let numbers = first.and_then(|first| bytes.get_mut(first..)).context("weights without a header")?;
    let (numbers, _) = numbers.as_chunks_mut::<4>();
    for number in numbers {
        let factor = 1.0 + SHARE * random.random_range(-1.0..=1.0_f32);
        *number = (f32::from_le_bytes(*number) * factor).to_le_bytes();
    }
    let path = std::path::Path::new("the perception's copy");
    let perception = Perception::from_bytes(&bytes, path, *driver.perception().settings())?;
    Ok((perception, format!("a copy of its perception with up to {:.0} % noise on every weight", 100.0 * SHARE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_is_near_but_not_the_same() {
        let driver = LearnedDriver::shipped().unwrap();
        let (copy, what) = substitute(&driver, 1).unwrap();
        assert!(what.contains("30 % noise"), "{what}");
        let settings = driver.spec().perception;
        let grey = vec![120; 3 * settings.width * settings.height];
        let (own, other) = (driver.perception().see(&grey)[0], copy.see(&grey)[0]);
        assert!(own != other && (own.lane_offset_m - other.lane_offset_m).abs() < 1.0, "{own:?} {other:?}");
        assert_eq!(substitute(&driver, 1).unwrap().0.see(&grey)[0], other);
    }
}
