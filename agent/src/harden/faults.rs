//! Faults drawn for perception's training, on single frames; those of whole drives are the environment's.

use roadproof_env::faults::random_severity;
use roadproof_sim::camera::CameraSettings;
use roadproof_sim::fault::{FaultKind, FrameFault, Group};
use roadproof_sim::{Purpose, Seed};

/// Puts a fault on a frame: any kind that changes pictures, up to a severity that `growth` (0 to 1) allows.
pub fn faulty_frame(camera: &CameraSettings, growth: f32, seed: u64, rgb: &mut [u8]) {
    let seed = Seed(seed);
    let mut stream = seed.stream(Purpose::Disturbance);
    let kinds: Vec<FaultKind> =
        FaultKind::ALL.iter().copied().filter(|kind| !matches!(kind.group(), Group::Vehicle | Group::Timing)).collect();
    // What timing faults put in the place of a frame is black or white.
    match stream.below(kinds.len() + 2) {
        0 => rgb.fill(0),
        1 => rgb.fill(255),
        index => {
            let severity = random_severity(&mut stream, growth);
            // Time is what bands, lamps and covers follow.
            let time_s = stream.uniform(0.0, 10.0);
            FrameFault::new(kinds[index - 2], severity, seed).apply(camera, time_s, rgb, &[]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_frame() {
        let camera = CameraSettings { width_px: 32, height_px: 16, ..CameraSettings::default() };
        let frame = |seed| {
            let mut rgb: Vec<u8> = (0..32 * 16 * 3).map(|byte| (byte % 200) as u8).collect();
            faulty_frame(&camera, 1.0, seed, &mut rgb);
            rgb
        };
        assert_eq!(frame(5), frame(5));
        assert!((0..40).any(|seed| frame(seed) != frame(5)));
    }
}
