//! Faults drawn for training: on single frames for perception, over spans of a drive for the policy.

use roadproof_sim::camera::CameraSettings;
use roadproof_sim::clock::Span;
use roadproof_sim::fault::{Fault, FaultKind, FrameFault, Group, Perturbation, Severity};
use roadproof_sim::seed::Stream;
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
            let severity = severity(&mut stream, growth);
            // Time is what bands, lamps and covers follow.
            let time_s = stream.uniform(0.0, 10.0);
            FrameFault::new(kinds[index - 2], severity, seed).apply(camera, time_s, rgb, &[]);
        }
    }
}

/// One or two faults for a drive, over all of it or a part.
#[must_use]
pub fn random_perturbations(stream: &mut Stream, growth: f32, duration_s: f32) -> Vec<Perturbation> {
    let count = if stream.chance(0.25) { 2 } else { 1 };
    let draw = |_| {
        let kind = FaultKind::ALL[stream.below(FaultKind::ALL.len())];
        let severity = severity(stream, growth);
        let (from_s, to_s) = if stream.chance(0.6) {
            (0.0, duration_s)
        } else {
            let from_s = stream.uniform(0.0, 12.0);
            (from_s, from_s + stream.uniform(2.0, 15.0))
        };
        Perturbation { during_s: Span(from_s, to_s), when: None, fault: Fault::Graded { kind, severity } }
    };
    (0..count).map(draw).collect()
}

/// Any severity up to the one that `growth` allows, all alike.
fn severity(stream: &mut Stream, growth: f32) -> Severity {
    let most = (growth * Severity::ALL.len() as f32).ceil().clamp(1.0, Severity::ALL.len() as f32) as usize;
    Severity::ALL[stream.below(most)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_grow_and_the_same_seed_gives_the_same_frame() {
        let mut stream = Seed(3).stream(Purpose::Disturbance);
        let mut most = |growth| (0..300).map(|_| severity(&mut stream, growth).get()).max();
        assert_eq!((most(0.0), most(0.5), most(1.0)), (Some(1), Some(3), Some(5)));
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
