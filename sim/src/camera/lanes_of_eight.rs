//! Eight pixels of a row at a time in vector registers, whatever the processor has.
//!
//! All operations used are ones whose results IEEE 754 fixes to the bit, for the numbers that occur here, and none is fused
//! with another: a frame is the same with every instruction set.

use fearless_simd::prelude::*;
use fearless_simd::{f32x8, mask32x8, u32x8};

/// Pixels handled together.
pub(in crate::camera) const OCTET: usize = 8;

/// One number for each of [`OCTET`] pixels.
pub(in crate::camera) type Octet<S> = f32x8<S>;

/// A colour, red, green and blue, for each of [`OCTET`] pixels.
///
/// Spelled out: a closure within `array::map` would not be compiled for the vector instructions at hand.
#[inline(always)]
pub(in crate::camera) fn splat_colour<S: Simd>(simd: S, [red, green, blue]: [f32; 3]) -> [Octet<S>; 3] {
    [Octet::splat(simd, red), Octet::splat(simd, green), Octet::splat(simd, blue)]
}

/// One of two colours for each pixel.
#[inline(always)]
pub(in crate::camera) fn choose<S: Simd>(mask: mask32x8<S>, yes: [Octet<S>; 3], no: [Octet<S>; 3]) -> [Octet<S>; 3] {
    [mask.select(yes[0], no[0]), mask.select(yes[1], no[1]), mask.select(yes[2], no[2])]
}

/// Mixes two colours: all `near` where the share is one, all `far` where it is zero.
#[inline(always)]
pub(in crate::camera) fn mix<S: Simd>(share: Octet<S>, near: [f32; 3], far: [f32; 3]) -> [Octet<S>; 3] {
    [share * (near[0] - far[0]) + far[0], share * (near[1] - far[1]) + far[1], share * (near[2] - far[2]) + far[2]]
}

/// The columns from `first` on.
#[inline(always)]
pub(in crate::camera) fn columns_from<S: Simd>(simd: S, first: usize) -> Octet<S> {
    Octet::load_array(simd, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]) + first as i32 as f32
}

/// The values from `at` on.
#[inline(always)]
pub(in crate::camera) fn load<S: Simd>(simd: S, values: &[f32], at: usize) -> Octet<S> {
    Octet::from_slice(simd, &values[at..at + OCTET])
}

/// Writes the values from `at` on.
#[inline(always)]
pub(in crate::camera) fn store<S: Simd>(octet: Octet<S>, values: &mut [f32], at: usize) {
    octet.store_slice(&mut values[at..at + OCTET]);
}

/// Adding this puts the nearest whole number of a magnitude below 2²² into the lowest 22 bits.
const THREE_HALVES_OF_2_POW_23: f32 = 12_582_912.0;

/// The nearest whole number in the lowest 22 bits; the bits above mean nothing.
#[inline(always)]
pub(in crate::camera) fn nearest<S: Simd>(x: Octet<S>) -> u32x8<S> {
    (x + THREE_HALVES_OF_2_POW_23).bitcast()
}

/// The nearest whole number, even where two are as near, of a magnitude below 2²².
#[inline(always)]
pub(in crate::camera) fn nearest_index(x: f32) -> u32 {
    (x + THREE_HALVES_OF_2_POW_23).to_bits() & 0x003f_ffff
}

/// Two to the power of `x`, for `x` up to 127; within 0.02 % of the true value, and as good as zero below -126.
#[inline(always)]
pub(in crate::camera) fn exp2<S: Simd>(x: Octet<S>) -> Octet<S> {
    let x = x.max(-126.0);
    let shifted = x + THREE_HALVES_OF_2_POW_23;
    let fraction = x - (shifted - THREE_HALVES_OF_2_POW_23);
    // 2^f on -0.5..=0.5 by a cubic through the function at the Chebyshev nodes of that stretch.
    let power = ((fraction * 0.0558383 + 0.2426395) * fraction + 0.6931367) * fraction + 0.9999246;
    let bits: u32x8<S> = power.bitcast::<u32x8<S>>() + (shifted.bitcast::<u32x8<S>>() << 23);
    bits.bitcast()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fearless_simd::{Level, dispatch};

    fn exp2_of(x: f32) -> f32 {
        dispatch!(Level::new(), simd => exp2(Octet::splat(simd, x))[3])
    }

    #[test]
    fn powers_of_two_are_close_everywhere() {
        for step in 0..=2000 {
            let x = -100.0 + 0.1 * step as f32;
            let expected = f64::from(x).exp2();
            let error = (f64::from(exp2_of(x)) - expected).abs() / expected;
            assert!(error < 2e-4, "2^{x}: {error}");
        }
        assert!(exp2_of(f32::NEG_INFINITY) < 1e-37);
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let value = |level: Level, x: f32| {
            dispatch!(level, simd => {
                let x = columns_from(simd, 3) * x;
                let octet = exp2(x) / (x + 0.1) + x.floor();
                octet.to_array().map(f32::to_bits)
            })
        };
        for step in 0..1000 {
            let x = -3.7 + 0.007 * step as f32;
            assert_eq!(value(Level::new(), x), value(Level::baseline(), x), "{x}");
        }
    }
}
