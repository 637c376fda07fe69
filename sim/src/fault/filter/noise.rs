//! Noise that each frame draws anew.

use crate::fault::kind::Severity;
use crate::math;
use crate::seed::Stream;
use std::sync::LazyLock;

/// Entries of a table of quantiles: as many as twelve random bits can choose from.
const QUANTILES: usize = 1 << 12;

/// Values of the standard normal distribution, each as likely as any other.
static NORMAL: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let quantile = |index: usize| normal_quantile((index as f64 + 0.5) / QUANTILES as f64);
    let values: Vec<f64> = (0..QUANTILES).map(quantile).collect();
    // The outermost entries stand for all the tail beyond them: stretched to unit variance.
    let variance = values.iter().map(|z| z * z).sum::<f64>() / QUANTILES as f64;
    values.into_iter().map(|z| (z / variance.sqrt()) as f32).collect()
});

/// Adds to each value what `noisy` makes of it and of a standard normal number.
pub(in crate::fault) fn with_normals(stream: &mut Stream, values: &mut [u8], noisy: impl Fn(f32, f32) -> f32) {
    let normal: &[f32; QUANTILES] = NORMAL.as_slice().try_into().expect("a table of that length");
    for five in values.chunks_mut(5) {
        let mut bits = stream.bits();
        for value in five {
            *value = to_byte(noisy(f32::from(*value), normal[(bits & 0xfff) as usize]));
            bits >>= 12;
        }
    }
}

/// Normal noise of a standard deviation in grey levels.
pub(in crate::fault) fn gaussian(stream: &mut Stream, sigma: f32, rgb: &mut [u8]) {
    with_normals(stream, rgb, |value, normal| value + sigma * normal);
}

/// Normal noise of a standard deviation in proportion to the value.
pub(in crate::fault) fn speckle(stream: &mut Stream, sigma: f32, rgb: &mut [u8]) {
    with_normals(stream, rgb, |value, normal| value * (1.0 + sigma * normal));
}

/// Values that become 0 or 255, each with half of the probability.
pub(in crate::fault) fn impulse(stream: &mut Stream, probability: f32, rgb: &mut [u8]) {
    let half = (probability * 32_768.0) as u16;
    for four in rgb.chunks_mut(4) {
        let mut bits = stream.bits();
        for value in four {
            let draw = bits as u16;
            bits >>= 16;
            *value = if draw < half {
                0
            } else if draw < 2 * half {
                255
            } else {
                *value
            };
        }
    }
}

/// Entries of a table of Poisson quantiles for each grey level.
const COUNTS: usize = 1 << 9;

/// Poisson noise of so many photons at full brightness.
pub(in crate::fault) struct Photons {
    /// For each grey level, grey levels as likely as each other.
    levels: Vec<u8>,
}

impl Photons {
    /// Tabulates the noise.
    fn new(photons: f64) -> Self {
        let levels = (0..256).flat_map(|level| {
            let mean = f64::from(level) / 255.0 * photons;
            let (mut count, mut probability) = (0_u32, math::exp_f64(-mean));
            let mut cumulated = probability;
            (0..COUNTS).map(move |index| {
                while cumulated < (index as f64 + 0.5) / COUNTS as f64 && f64::from(count) < mean + 200.0 {
                    count += 1;
                    probability *= mean / f64::from(count);
                    cumulated += probability;
                }
                (f64::from(count) / photons * 255.0 + 0.5).min(255.0) as u8
            })
        });
        Self { levels: levels.collect() }
    }

    /// Adds the noise.
    pub fn apply(&self, stream: &mut Stream, rgb: &mut [u8]) {
        for seven in rgb.chunks_mut(7) {
            let mut bits = stream.bits();
            for value in seven {
                *value = self.levels[usize::from(*value) * COUNTS + (bits & 0x1ff) as usize];
                bits >>= 9;
            }
        }
    }

    /// Shot noise of ImageNet-C.
    pub fn shot(severity: Severity) -> &'static Self {
        static TABLES: [LazyLock<Photons>; 5] = [
            LazyLock::new(|| Photons::new(60.0)),
            LazyLock::new(|| Photons::new(25.0)),
            LazyLock::new(|| Photons::new(12.0)),
            LazyLock::new(|| Photons::new(5.0)),
            LazyLock::new(|| Photons::new(3.0)),
        ];
        &TABLES[usize::from(severity.get()) - 1]
    }

    /// Shot noise of a dark scene.
    ///
    /// # Source
    /// Kar et al. 2022, "3D Common Corruptions": ten times the photons of ImageNet-C's shot noise.
    pub fn low_light(severity: Severity) -> &'static Self {
        static TABLES: [LazyLock<Photons>; 5] = [
            LazyLock::new(|| Photons::new(600.0)),
            LazyLock::new(|| Photons::new(250.0)),
            LazyLock::new(|| Photons::new(120.0)),
            LazyLock::new(|| Photons::new(50.0)),
            LazyLock::new(|| Photons::new(30.0)),
        ];
        &TABLES[usize::from(severity.get()) - 1]
    }

    /// Shot noise at a high ISO setting, 25 photons whatever the severity (Kar et al. 2022).
    pub fn high_iso() -> &'static Self {
        static TABLE: LazyLock<Photons> = LazyLock::new(|| Photons::new(25.0));
        &TABLE
    }
}

/// The nearest byte, as a picture keeps it: what is beyond black and white is cut off.
///
/// Adding 2²³ rounds and leaves the byte in the lowest bits: unlike a cast, this works on many numbers at once.
#[inline(always)]
pub(in crate::fault) fn to_byte(value: f32) -> u8 {
    let within = if value > 0.0 { value } else { 0.0 };
    let within = if within < 255.0 { within } else { 255.0 };
    (within + 8_388_608.0).to_bits() as u8
}

/// The value that a standard normal number is below with probability `p`, to nine digits.
///
/// # Source
/// Acklam's rational approximation (2003).
fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -39.696_830_286_653_76,
        220.946_098_424_520_5,
        -275.928_510_446_968_7,
        138.357_751_867_269,
        -30.664_798_066_147_16,
        2.506_628_277_459_239,
    ];
    const B: [f64; 5] = [
        -54.476_098_798_224_06,
        161.585_836_858_040_9,
        -155.698_979_859_886_6,
        66.801_311_887_719_72,
        -13.280_681_552_885_72,
    ];
    const C: [f64; 6] = [
        -0.007_784_894_002_430_293,
        -0.322_396_458_041_136_5,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 4] =
        [0.007_784_695_709_041_462, 0.322_467_129_070_039_8, 2.445_134_137_142_996, 3.754_408_661_907_416];
    let polynomial =
        |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, coefficient| sum * x + coefficient);
    if p > 0.5 {
        return -normal_quantile(1.0 - p);
    }
    if p < 0.024_25 {
        let q = (-2.0 * math::ln_f64(p)).sqrt();
        return polynomial(&C, q) / (polynomial(&D, q) * q + 1.0);
    }
    let q = p - 0.5;
    let r = q * q;
    polynomial(&A, r) * q / (polynomial(&B, r) * r + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Purpose, Seed};

    fn mean_and_sigma(rgb: &[u8]) -> (f32, f32) {
        let count = rgb.len() as f32;
        let mean = rgb.iter().map(|value| f32::from(*value)).sum::<f32>() / count;
        (mean, (rgb.iter().map(|value| (f32::from(*value) - mean).powi(2)).sum::<f32>() / count).sqrt())
    }

    #[test]
    fn noise_has_the_moments_it_says() {
        let mut stream = Seed(2).stream(Purpose::Fault);
        let flat = vec![128_u8; 60_000];
        let mut rgb = flat.clone();
        gaussian(&mut stream, 12.0, &mut rgb);
        let (mean, sigma) = mean_and_sigma(&rgb);
        assert!((mean - 128.0).abs() < 0.3 && (sigma - 12.0).abs() < 0.15, "{mean} {sigma}");
        rgb.clone_from(&flat);
        speckle(&mut stream, 0.1, &mut rgb);
        let (mean, sigma) = mean_and_sigma(&rgb);
        assert!((mean - 128.0).abs() < 0.3 && (sigma - 12.8).abs() < 0.2, "{mean} {sigma}");
        rgb.clone_from(&flat);
        impulse(&mut stream, 0.1, &mut rgb);
        let share = |wanted: u8| rgb.iter().filter(|value| **value == wanted).count() as f32 / rgb.len() as f32;
        assert!((share(0) - 0.05).abs() < 0.005 && (share(255) - 0.05).abs() < 0.005, "{} {}", share(0), share(255));
        for severity in Severity::ALL {
            // A quarter of full brightness, so that nothing is cut off.
            let mut rgb = vec![64_u8; 60_000];
            Photons::shot(severity).apply(&mut stream, &mut rgb);
            let photons: f32 = severity.of([60.0, 25.0, 12.0, 5.0, 3.0]);
            let (mean, sigma) = mean_and_sigma(&rgb);
            let expected = 255.0 * (64.0 / 255.0 / photons).sqrt();
            assert!((mean - 64.0).abs() < 1.5, "{severity:?}: {mean}");
            assert!((sigma - expected).abs() < 0.04 * expected, "{severity:?}: {sigma}, expected {expected}");
        }
    }

    #[test]
    fn quantiles_are_those_of_the_normal_distribution() {
        for (p, z) in [(0.5, 0.0), (0.841_344_746, 1.0), (0.025, -1.959_963_985), (0.999, 3.090_232_306)] {
            assert!((normal_quantile(p) - z).abs() < 1e-6, "{p}");
        }
    }
}
