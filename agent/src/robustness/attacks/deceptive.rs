//! Objectives that deceive attacks, each in one way: what the check-list is for must fail on them.

use crate::host::interrupt::Interrupt;
use crate::robustness::attacks::checklist::{Check, CheckVerdict};
use crate::robustness::attacks::curve::{Trial, seed_of};
use crate::robustness::attacks::examine::{OpenLoop, examine};
use crate::robustness::attacks::examples::{Examples, Rows};
use roadproof_perception::attack::{Effect, Objective};
use std::sync::atomic::{AtomicU32, Ordering};

/// Values of a frame of 6 × 4 pixels.
const VALUES: usize = 72;
/// Every clean value.
const GREY: u8 = 128;
/// Values that must all be raised to win where winning is a lottery: one random frame in some thousands does.
const LOTTERY: usize = 11;

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
    /// Its gradient shows every second value only: enough to beat random frames.
    HalfOfIt,
    /// Its gradient points the right way, and is half as steep as the loss.
    Shallow,
    /// Nothing reaches it.
    OutOfReach,
    /// Frames far from the clean one do not count.
    OnlyNear,
    /// One frame in some thousands breaks it, and nothing leads there.
    Lottery,
    /// It is never the same twice.
    Trembles,
}

/// A weighted sum of what was changed, broken from a threshold on.
#[derive(Clone)]
struct Frame {
    weights: Vec<f32>,
    threshold: f32,
}

/// Such frames.
struct Deceptive {
    frames: Vec<Frame>,
    trick: Trick,
    calls: AtomicU32,
}

fn changes(pixels: &[f32]) -> impl Iterator<Item = f32> {
    pixels.iter().map(|value| value * 255.0 - f32::from(GREY))
}

impl Deceptive {
    fn new(frames: Vec<Frame>, trick: Trick) -> Self {
        Self { frames, trick, calls: AtomicU32::new(0) }
    }

    fn loss(&self, frame: &Frame, pixels: &[f32]) -> Effect {
        let mut loss: f32 = changes(pixels).zip(&frame.weights).map(|(change, weight)| change * weight).sum();
        if self.trick == Trick::Trembles {
            loss += 1e-3 * self.calls.fetch_add(1, Ordering::Relaxed) as f32;
        }
        if self.trick == Trick::Lottery {
            let wins = changes(pixels).take(LOTTERY).all(|change| change > 0.4);
            return Effect { loss: f32::from(u8::from(wins)), broken: wins };
        }
        let farthest = changes(pixels).map(f32::abs).fold(0.0, f32::max);
        let counts = match self.trick {
            Trick::OutOfReach => false,
            Trick::OnlyNear => farthest < 3.0,
            _ => true,
        };
        Effect { loss, broken: counts && loss > frame.threshold }
    }

    fn slopes(&self, frame: &Frame, pixels: &[f32]) -> Vec<f32> {
        let changed = changes(pixels).any(|change| change.abs() > 1e-3);
        let factor = match self.trick {
            Trick::NoGradient | Trick::Lottery => 0.0,
            Trick::WrongWay => -1.0,
            Trick::MisleadsLater if changed => -1.0,
            Trick::Shallow => 0.5,
            _ => 1.0,
        };
        // Weights are per grey level.
        let mut slopes: Vec<f32> = frame.weights.iter().map(|weight| 255.0 * factor * weight).collect();
        let hidden = |index: usize| match self.trick {
            Trick::HalfOfIt => index % 2 == 1,
            // The first value that is not yet as far along its weight as it started out on the other side.
            Trick::OneValueAtATime => {
                let behind = |(change, weight): (f32, &f32)| change * weight.signum() < 1.0;
                index != changes(pixels).zip(&frame.weights).position(behind).unwrap_or(0)
            }
            _ => false,
        };
        slopes.iter_mut().enumerate().filter(|(index, _)| hidden(*index)).for_each(|(_, slope)| *slope = 0.0);
        slopes
    }
}

impl Rows for Deceptive {
    fn rows(&self, rows: &[usize]) -> Self {
        Self::new(rows.iter().map(|&row| self.frames[row].clone()).collect(), self.trick)
    }
}

impl Objective for Deceptive {
    fn evaluate(&self, pixels: &[f32]) -> Vec<Effect> {
        self.frames.iter().zip(pixels.chunks_exact(VALUES)).map(|(frame, pixels)| self.loss(frame, pixels)).collect()
    }

    fn gradients(&self, pixels: &[f32], gradient: &mut [f32]) -> Vec<Effect> {
        let rows = self.frames.iter().zip(pixels.chunks_exact(VALUES)).zip(gradient.chunks_exact_mut(VALUES));
        rows.for_each(|((frame, pixels), gradient)| gradient.copy_from_slice(&self.slopes(frame, pixels)));
        self.evaluate(pixels)
    }
}

/// Ten frames of different thresholds, so that budgets from one grey level on break more and more of them: the best frame within eps
/// reaches eps times what these are multiples of.
fn examples(trick: Trick, threshold: impl Fn(usize) -> f32) -> Examples<Deceptive> {
    let frame = |index: usize| {
        let weights: Vec<f32> =
            (0..VALUES).map(|value| (((value * 29 + index * 13) % 17) as f32 - 8.0) / 8.0 + 0.03).collect();
        let most: f32 = weights.iter().map(|weight| weight.abs()).sum();
        Frame { weights, threshold: most * threshold(index) }
    };
    let frames: Vec<Frame> = (0..10).map(frame).collect();
    let tilted = |frame: &Frame| {
        let weights = frame.weights.iter().enumerate();
        let weights = weights.map(|(at, weight)| weight + 0.4 * ((at % 5) as f32 - 2.0)).collect();
        Frame { weights, threshold: frame.threshold }
    };
    Examples {
        rgb: vec![GREY; 10 * VALUES],
        seeds: (0..10).map(|index| seed_of(3, index)).collect(),
        substitute: Some(Deceptive::new(frames.iter().map(tilted).collect(), Trick::None)),
        objective: Deceptive::new(frames, trick),
    }
}

/// Thresholds between 0.5 and 7.7 grey levels.
fn of_all_sizes(index: usize) -> f32 {
    0.5 + 0.8 * index as f32
}

fn trial() -> Trial {
    Trial {
        size: (6, 4),
        eps_levels: vec![1.0, 2.0, 4.0, 8.0],
        steps: 10,
        tries: 60,
        searched: 6,
        square_queries: 1000,
        noise_tries: 1000,
        planting_steps: 40,
        seed: 3,
    }
}

fn check_list(examples: &Examples<Deceptive>, trial: &Trial) -> (OpenLoop, Vec<Check>) {
    examine(examples, trial, "the other weights", &Interrupt::never()).expect("nobody interrupts")
}

/// The verdict on the check whose name has this in it.
fn verdict(checks: &[Check], part: &str) -> CheckVerdict {
    let found: Vec<&Check> = checks.iter().filter(|check| check.name.contains(part)).collect();
    assert_eq!(found.len(), 1, "{part:?}");
    found[0].verdict
}

#[test]
fn an_honest_objective_passes_every_check() {
    let (examined, checks) = check_list(&examples(Trick::None, of_all_sizes), &trial());
    let not_held: Vec<&Check> = checks.iter().filter(|check| check.verdict != CheckVerdict::Held).collect();
    // On a sum of weighted values one step is as good as many: that check has nothing to say, and says so.
    let judged: Vec<(&str, CheckVerdict)> = not_held.iter().map(|check| (check.name, check.verdict)).collect();
    assert!(
        judged.iter().all(|found| *found == ("many steps beat one", CheckVerdict::CannotBeJudged)),
        "{not_held:#?}"
    );
    let success: Vec<f32> = examined.strongest.points.iter().map(|point| point.success).collect();
    assert_eq!(success, [0.1, 0.2, 0.5, 1.0], "thresholds are known");
    // Those that gradients leave whole come first: five of ten at four grey levels, then one more.
    assert!(
        examined.searched[..5].iter().all(|&index| index >= 5) && examined.searched.len() == 6,
        "{:?}",
        examined.searched
    );
}

#[test]
fn every_deception_is_found_out_by_the_check_made_for_it() {
    for (trick, parts) in [
        (Trick::NoGradient, &["gradients are not zero", "planted", "without gradients", "noise"][..]),
        (
            Trick::WrongWay,
            &["planted", "without gradients", "another network", "noise", "without a bound", "small changes"],
        ),
        (Trick::MisleadsLater, &["many steps beat one", "planted"]),
        (Trick::OneValueAtATime, &["twice the steps"]),
        (Trick::HalfOfIt, &["planted", "without gradients"]),
        (Trick::Shallow, &["small changes"]),
        (Trick::OutOfReach, &["without a bound", "grows"]),
        (Trick::OnlyNear, &["grows"]),
        (Trick::Trembles, &["deterministic"]),
    ] {
        let (_, checks) = check_list(&examples(trick, of_all_sizes), &trial());
        for part in parts {
            assert_eq!(verdict(&checks, part), CheckVerdict::Failed, "{trick:?}, {part:?}: {checks:#?}");
        }
    }
}

/// What a planted frame adds: attacks that follow half of the gradient beat random frames by far, and steepness alone changes no
/// attack that goes by signs.
#[test]
fn checks_that_ask_for_less_would_not_find_these_out() {
    let (_, checks) = check_list(&examples(Trick::HalfOfIt, of_all_sizes), &trial());
    assert_eq!(verdict(&checks, "noise"), CheckVerdict::Held, "{checks:#?}");
    let (_, checks) = check_list(&examples(Trick::Shallow, of_all_sizes), &trial());
    for part in ["planted", "without gradients", "noise", "not zero"] {
        assert_eq!(verdict(&checks, part), CheckVerdict::Held, "{part}: {checks:#?}");
    }
}

/// Square and noise have the power that their many tries are for: with few they find nothing.
#[test]
fn few_tries_find_nothing_where_many_do() {
    // Only what gets nine tenths of the way at eight grey levels breaks these.
    let hard = |_: usize| 7.0;
    let few = Trial { eps_levels: vec![8.0], tries: 20, square_queries: 20, noise_tries: 20, ..trial() };
    let many = Trial { square_queries: 3000, noise_tries: 12_000, ..few.clone() };
    let of = |trick, trial: &Trial, part: &str| verdict(&check_list(&examples(trick, hard), trial).1, part);
    assert_ne!(of(Trick::WrongWay, &few, "without gradients"), CheckVerdict::Failed);
    assert_eq!(of(Trick::WrongWay, &many, "without gradients"), CheckVerdict::Failed);
    assert_ne!(of(Trick::Lottery, &few, "noise"), CheckVerdict::Failed);
    assert_eq!(of(Trick::Lottery, &many, "noise"), CheckVerdict::Failed);
}

#[test]
fn what_cannot_be_judged_is_not_said_to_hold() {
    let mut easy = examples(Trick::None, |_| 1e-3);
    easy.substitute = None;
    let trial = Trial { eps_levels: vec![0.5, 4.0], ..trial() };
    let (_, checks) = examine(&easy, &trial, "nothing", &Interrupt::never()).expect("nobody interrupts");
    for part in ["twice the steps", "grows", "another network", "without gradients", "noise"] {
        assert_eq!(verdict(&checks, part), CheckVerdict::CannotBeJudged, "{part}: {checks:#?}");
    }
    assert!(examine(&easy, &trial, "nothing", &Interrupt::after(3)).is_none());
    // Nothing can be planted where all frames are alike.
    let flat = examples(Trick::OutOfReach, of_all_sizes);
    let flat = Examples {
        objective: Deceptive::new(vec![Frame { weights: vec![0.0; VALUES], threshold: 1.0 }; 10], Trick::None),
        ..flat
    };
    let (_, checks) = check_list(&flat, &self::trial());
    for part in ["planted", "small changes"] {
        assert_eq!(verdict(&checks, part), CheckVerdict::CannotBeJudged, "{part}: {checks:#?}");
    }
}
