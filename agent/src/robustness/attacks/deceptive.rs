//! Objectives that deceive attacks, each in one way: what the check-list is for must fail on them.

use crate::host::interrupt::Interrupt;
use crate::robustness::attacks::checklist::{Check, CheckVerdict};
use crate::robustness::attacks::curve::Trial;
use crate::robustness::attacks::examine::{Example, OpenLoop, examine};
use roadproof_perception::attack::{Effect, Objective};
use std::sync::atomic::{AtomicU32, Ordering};

/// Values of a frame of 6 × 4 pixels.
const VALUES: usize = 72;
/// Every clean value.
const GREY: u8 = 128;

/// How an objective deceives.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Trick {
    /// Not at all.
    None,
    /// It has no gradient.
    NoGradient,
    /// Its gradient leads the wrong way.
    WrongWay,
    /// Its gradient leads the right way from the clean frame only.
    MisleadsLater,
    /// Each gradient shows one more value.
    OneValueAtATime,
    /// Nothing reaches it.
    OutOfReach,
    /// Frames far from the clean one do not count.
    OnlyNear,
    /// It is never the same twice.
    Trembles,
}

/// A weighted sum of what was changed, broken from a threshold on.
struct Deceptive {
    weights: Vec<f32>,
    threshold: f32,
    trick: Trick,
    calls: AtomicU32,
}

impl Deceptive {
    fn changes<'a>(&self, pixels: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        pixels.iter().map(|value| value * 255.0 - f32::from(GREY))
    }

    fn loss(&self, pixels: &[f32]) -> Effect {
        let mut loss: f32 = self.changes(pixels).zip(&self.weights).map(|(change, weight)| change * weight).sum();
        if self.trick == Trick::Trembles {
            loss += 1e-3 * self.calls.fetch_add(1, Ordering::Relaxed) as f32;
        }
        let farthest = self.changes(pixels).map(f32::abs).fold(0.0, f32::max);
        let counts = match self.trick {
            Trick::OutOfReach => false,
            Trick::OnlyNear => farthest < 3.0,
            _ => true,
        };
        Effect { loss, broken: counts && loss > self.threshold }
    }

    fn slopes(&self, pixels: &[f32]) -> Vec<f32> {
        let changed = self.changes(pixels).any(|change| change.abs() > 1e-3);
        let sign = match self.trick {
            Trick::NoGradient => 0.0,
            Trick::WrongWay => -1.0,
            Trick::MisleadsLater if changed => -1.0,
            _ => 1.0,
        };
        let mut slopes: Vec<f32> = self.weights.iter().map(|weight| sign * weight).collect();
        if self.trick == Trick::OneValueAtATime {
            // The first value that is not yet as far along its weight as it started out on the other side.
            let behind = |(change, weight): (f32, &f32)| change * weight.signum() < 1.0;
            let next = self.changes(pixels).zip(&self.weights).position(behind);
            let keep = next.unwrap_or(0);
            slopes.iter_mut().enumerate().filter(|(index, _)| *index != keep).for_each(|(_, slope)| *slope = 0.0);
        }
        slopes
    }
}

impl Objective for Deceptive {
    fn evaluate(&self, pixels: &[f32]) -> Vec<Effect> {
        pixels.chunks_exact(VALUES).map(|frame| self.loss(frame)).collect()
    }

    fn gradients(&self, pixels: &[f32], gradient: &mut [f32]) -> Vec<Effect> {
        for (frame, gradient) in pixels.chunks_exact(VALUES).zip(gradient.chunks_exact_mut(VALUES)) {
            gradient.copy_from_slice(&self.slopes(frame));
        }
        self.evaluate(pixels)
    }
}

/// Ten frames of different thresholds, so that budgets from one grey level on break more and more of them.
fn examples(trick: Trick) -> Vec<Example<Deceptive>> {
    let example = |index: usize| {
        let weights: Vec<f32> =
            (0..VALUES).map(|value| (((value * 29 + index * 13) % 17) as f32 - 8.0) / 8.0 + 0.03).collect();
        let most: f32 = weights.iter().map(|weight| weight.abs()).sum();
        // The best frame within eps reaches eps · most: thresholds lie between 0.5 and 7.7 grey levels.
        let threshold = most * (0.5 + 0.8 * index as f32);
        let objective = |weights: &[f32], trick| Deceptive {
            weights: weights.to_vec(),
            threshold,
            trick,
            calls: AtomicU32::new(0),
        };
        let other: Vec<f32> =
            weights.iter().enumerate().map(|(at, weight)| weight + 0.4 * ((at % 5) as f32 - 2.0)).collect();
        Example {
            rgb: vec![GREY; VALUES],
            objective: objective(&weights, trick),
            substitute: Some(objective(&other, Trick::None)),
        }
    };
    (0..10).map(example).collect()
}

fn check_list(trick: Trick) -> OpenLoop {
    let eps_levels = vec![1.0, 2.0, 4.0, 8.0];
    let trial = Trial { size: (6, 4), eps_levels, steps: 10, tries: 60, noise_tries: 200, seed: 3 };
    examine(&examples(trick), &trial, "the other weights", &Interrupt::never()).expect("nobody interrupts")
}

/// The verdict on the check whose name has this in it.
fn verdict(examined: &OpenLoop, part: &str) -> CheckVerdict {
    let found: Vec<&Check> = examined.checks.iter().filter(|check| check.name.contains(part)).collect();
    assert_eq!(found.len(), 1, "{part:?}");
    found[0].verdict
}

#[test]
fn an_honest_objective_passes_every_check() {
    let examined = check_list(Trick::None);
    let not_held: Vec<&Check> = examined.checks.iter().filter(|check| check.verdict != CheckVerdict::Held).collect();
    // On a sum of weighted values one step is as good as many: that check has nothing to say, and says so.
    let judged: Vec<(&str, CheckVerdict)> = not_held.iter().map(|check| (check.name, check.verdict)).collect();
    assert!(
        judged.iter().all(|found| *found == ("many steps beat one", CheckVerdict::CannotBeJudged)),
        "{not_held:#?}"
    );
    let success: Vec<f32> = examined.strongest.points.iter().map(|point| point.success).collect();
    assert_eq!(success, [0.1, 0.2, 0.5, 1.0], "thresholds are known");
}

#[test]
fn every_deception_is_found_out_by_the_check_made_for_it() {
    for (trick, parts) in [
        (Trick::NoGradient, &["gradients are not zero", "planted", "without gradients", "noise"][..]),
        (Trick::WrongWay, &["planted", "without gradients", "another network", "noise", "without a bound"]),
        (Trick::MisleadsLater, &["many steps beat one", "planted"]),
        (Trick::OneValueAtATime, &["twice the steps"]),
        (Trick::OutOfReach, &["without a bound", "grows"]),
        (Trick::OnlyNear, &["grows"]),
        (Trick::Trembles, &["deterministic"]),
    ] {
        let examined = check_list(trick);
        for part in parts {
            assert_eq!(verdict(&examined, part), CheckVerdict::Failed, "{trick:?}, {part:?}: {:#?}", examined.checks);
        }
    }
}

#[test]
fn what_cannot_be_judged_is_not_said_to_hold() {
    let mut easy = examples(Trick::None);
    for example in &mut easy {
        example.objective.threshold = 0.1;
        example.substitute = None;
    }
    let trial = Trial { size: (6, 4), eps_levels: vec![0.5, 4.0], steps: 10, tries: 40, noise_tries: 40, seed: 3 };
    let examined = examine(&easy, &trial, "nothing", &Interrupt::never()).expect("nobody interrupts");
    for part in ["twice the steps", "grows", "another network"] {
        assert_eq!(verdict(&examined, part), CheckVerdict::CannotBeJudged, "{part}");
    }
    assert!(examine(&easy, &trial, "nothing", &Interrupt::after(3)).is_none());
}
