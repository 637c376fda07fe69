//! Sensor faults drawn for the drives that a policy learns on.

use roadproof_sim::clock::Span;
use roadproof_sim::fault::{Fault, FaultKind, Perturbation, Severity};
use roadproof_sim::seed::Stream;

/// One or two faults for a drive, over all of it or a part, of severities that `growth` (0 to 1) allows.
#[must_use]
pub fn random_perturbations(stream: &mut Stream, growth: f32, duration_s: f32) -> Vec<Perturbation> {
    let count = if stream.chance(0.25) { 2 } else { 1 };
    let draw = |_| {
        let kind = FaultKind::ALL[stream.below(FaultKind::ALL.len())];
        let severity = random_severity(stream, growth);
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

/// Controls that act one decision late all the drive, or two once `growth` (0 to 1) allows it.
#[must_use]
pub fn late_controls(stream: &mut Stream, growth: f32, duration_s: f32) -> Perturbation {
    let most = if growth < 0.5 { 1 } else { 2 };
    let severity = Severity::ALL[stream.below(most)];
    let fault = Fault::Graded { kind: FaultKind::ControlDelay, severity };
    Perturbation { during_s: Span(0.0, duration_s), when: None, fault }
}

/// Any severity up to the one that `growth` allows, all alike.
pub fn random_severity(stream: &mut Stream, growth: f32) -> Severity {
    let most = (growth * Severity::ALL.len() as f32).ceil().clamp(1.0, Severity::ALL.len() as f32) as usize;
    Severity::ALL[stream.below(most)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use roadproof_sim::{Purpose, Seed};

    #[test]
    fn severities_grow() {
        let mut stream = Seed(3).stream(Purpose::Disturbance);
        let mut most = |growth| (0..300).map(|_| random_severity(&mut stream, growth).get()).max();
        assert_eq!((most(0.0), most(0.5), most(1.0)), (Some(1), Some(3), Some(5)));
    }
}
