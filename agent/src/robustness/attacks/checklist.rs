//! The check-list against self-deception: signs that attacks are weaker than they seem. Verdicts only; the experiments behind
//! them are run elsewhere.
//!
//! # Source
//! Carlini et al. 2019, "On Evaluating Adversarial Robustness", arXiv:1902.06705; Athalye, Carlini and Wagner 2018, "Obfuscated
//! Gradients Give a False Sense of Security", arXiv:1802.00420, section 3.1; Zimmermann et al. 2022, "Increasing Confidence in
//! Adversarial Robustness Evaluations", arXiv:2206.13991. Passing them is necessary, not sufficient.

use crate::robustness::attacks::curve::{Curve, Point};
use serde::Serialize;

/// Corners of the budget that are tried when a frame is planted.
pub(in crate::robustness) const CORNERS: usize = 50;

/// What a check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum CheckVerdict {
    /// As it should be.
    Held,
    /// The attacks are not to be trusted.
    Failed,
    /// The figures say nothing either way.
    CannotBeJudged,
}

impl CheckVerdict {
    /// For people.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Failed => "failed",
            Self::CannotBeJudged => "cannot be judged",
        }
    }
}

/// One line of the check-list.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What should be so.
    pub name: &'static str,
    /// Whether it is.
    pub verdict: CheckVerdict,
    /// The figures behind it.
    pub figures: String,
    /// What was allowed, or why it cannot be judged.
    pub tolerance: String,
}

/// Share of frames by which figures may differ without saying anything: one frame, or 2 % of many.
fn tolerance(frames: usize) -> f32 {
    (1.0 / frames.max(1) as f32).max(0.02) + 1e-6
}

fn check(name: &'static str, held: bool, figures: String, tolerance: String) -> Check {
    let verdict = if held { CheckVerdict::Held } else { CheckVerdict::Failed };
    Check { name, verdict, figures, tolerance }
}

fn unjudged(name: &'static str, figures: String, why: &str) -> Check {
    Check { name, verdict: CheckVerdict::CannotBeJudged, figures, tolerance: why.to_owned() }
}

/// Success in per cent for each budget.
fn row(curve: &Curve) -> String {
    let points: Vec<String> = curve.points.iter().map(|point| format!("{:.0}", 100.0 * point.success)).collect();
    format!("{} {} %", curve.method, points.join(" "))
}

fn budgets(curve: &Curve) -> String {
    let eps: Vec<String> = curve.points.iter().map(|point| point.eps_levels.to_string()).collect();
    format!("at {} grey levels", eps.join(", "))
}

fn pairs<'a>(one: &'a Curve, other: &'a Curve) -> impl Iterator<Item = (&'a Point, &'a Point)> {
    one.points.iter().zip(&other.points)
}

pub(in crate::robustness) fn iterative_beats_one_step(one_step: &Curve, iterative: &Curve) -> Check {
    let name = "many steps beat one";
    let figures = format!("{}, {}, {}", row(one_step), row(iterative), budgets(one_step));
    let never_less = pairs(one_step, iterative).all(|(one, many)| many.success >= one.success);
    let somewhere_more =
        pairs(one_step, iterative).any(|(one, many)| many.success > one.success || many.loss > one.loss);
    if never_less && !somewhere_more {
        return unjudged(name, figures, "one step does as much, as on a loss without curvature");
    }
    check(name, never_less, figures, "no less success at any budget".to_owned())
}

pub(in crate::robustness) fn success_grows(strongest: &Curve) -> Check {
    let name = "success grows with the budget";
    let figures = format!("{}, {}", row(strongest), budgets(strongest));
    let (Some(first), Some(last)) = (strongest.points.first(), strongest.points.last()) else {
        return unjudged(name, figures, "no budget was tried");
    };
    if first.success == 1.0 && last.success == 1.0 {
        return unjudged(name, figures, "the least budget breaks every frame already");
    }
    if strongest.points.len() < 2 {
        return unjudged(name, figures, "only one budget was tried");
    }
    let most = tolerance(first.broken.len());
    let steps = strongest.points.windows(2);
    let held = steps.into_iter().all(|two| two[1].success >= two[0].success - most) && last.success > first.success;
    check(name, held, figures, format!("no step down by more than {:.1} %, and more at the end", 100.0 * most))
}

pub(in crate::robustness) fn unbounded_breaks_everything(unbounded: &Point) -> Check {
    let figures =
        format!("{:.1} % of frames broken at {} grey levels", 100.0 * unbounded.success, unbounded.eps_levels);
    check("without a bound every frame breaks", unbounded.success == 1.0, figures, "none may hold".to_owned())
}

pub(in crate::robustness) fn doubling_changes_nothing(steps: usize, before: &Point, after: &Point) -> Check {
    let name = "twice the steps change nothing";
    let figures = format!(
        "{steps} steps {:.1} %, {} steps {:.1} %, at {} grey levels",
        100.0 * before.success,
        2 * steps,
        100.0 * after.success,
        before.eps_levels
    );
    if before.success == 1.0 {
        return unjudged(name, figures, "every frame is broken already");
    }
    let most = tolerance(before.broken.len());
    let allowed = format!("at most {:.1} % more, one frame or 2 %", 100.0 * most);
    check(name, after.success <= before.success + most, figures, allowed)
}

pub(in crate::robustness) fn gradient_free_is_weaker(free: &Curve, gradient: &Curve) -> Check {
    let figures = |only: usize| {
        format!("{}, {}, {}; broken only without gradients: {only}", row(free), row(gradient), budgets(free))
    };
    // AutoAttack warns from 0.2 % of examples on: with fewer frames than 500 that is the first.
    let only: usize = pairs(free, gradient)
        .map(|(free, gradient)| free.broken.iter().zip(&gradient.broken).filter(|(free, own)| **free && !**own).count())
        .sum();
    let all: usize = free.points.iter().map(|point| point.broken.len()).sum();
    let never_more = pairs(free, gradient).all(|(free, gradient)| free.success <= gradient.success);
    let held = never_more && only as f32 <= 0.002 * all as f32;
    let allowed = "no more success at any budget, and at most 0.2 % of frames broken by it alone".to_owned();
    check("an attack without gradients is weaker", held, figures(only), allowed)
}

pub(in crate::robustness) fn transfer_is_weaker(transferred: Option<&Curve>, direct: &Curve, from: &str) -> Check {
    let name = "frames made against another network are weaker";
    let Some(transferred) = transferred else {
        return unjudged(name, String::new(), "there is no other network");
    };
    let figures = format!("{}, {}, {}; made on {from}", row(transferred), row(direct), budgets(direct));
    if pairs(transferred, direct).all(|(transferred, direct)| transferred.success == 1.0 && direct.success == 1.0) {
        return unjudged(name, figures, "both break every frame at every budget");
    }
    let most = direct.points.first().map_or(0.0, |point| tolerance(point.broken.len()));
    let held = pairs(transferred, direct).all(|(transferred, direct)| transferred.success <= direct.success + most);
    check(
        name,
        held,
        figures,
        format!("at no budget more success by more than {:.1} %, one frame or 2 %", 100.0 * most),
    )
}

pub(in crate::robustness) fn noise_is_weaker(tries: usize, noise: &Point, gradient: &Point) -> Check {
    let figures = format!(
        "{:.1} % with {tries} random frames each, {:.1} % with gradients, at {} grey levels",
        100.0 * noise.success,
        100.0 * gradient.success,
        gradient.eps_levels
    );
    let name = "random noise is weaker, however often it is tried";
    if noise.success == 0.0 && gradient.success == 0.0 {
        return unjudged(name, figures, "neither breaks a frame");
    }
    if noise.success == 1.0 && gradient.success == 1.0 {
        return unjudged(name, figures, "both break every frame");
    }
    check(name, noise.success < gradient.success, figures, "less success".to_owned())
}

pub(in crate::robustness) fn planted_is_found(eps_levels: f32, found: &[Option<bool>]) -> Check {
    let name = "a planted frame is found";
    let planted = found.iter().flatten().count();
    let hits = found.iter().flatten().filter(|found| **found).count();
    let figures =
        format!("{hits} of {planted} found at {eps_levels} grey levels, each the best of {CORNERS} random corners");
    if planted == 0 {
        return unjudged(name, figures, "the loss is the same everywhere, so no frame can be planted");
    }
    check(name, hits == planted, figures, "none may be missed".to_owned())
}

pub(in crate::robustness) fn forward_is_deterministic(repeats: &[(bool, bool)]) -> Check {
    let same = repeats.iter().filter(|(same, _)| *same).count();
    let figures = format!("{same} of {} frames have the same loss and gradient twice", repeats.len());
    check("the forward pass is deterministic", same == repeats.len(), figures, "to the bit".to_owned())
}

pub(in crate::robustness) fn gradients_are_not_zero(repeats: &[(bool, bool)]) -> Check {
    let zero = repeats.iter().filter(|(_, zero)| *zero).count();
    let figures = format!("{zero} of {} clean frames have no gradient", repeats.len());
    check("gradients are not zero", zero == 0, figures, "none may be zero".to_owned())
}

pub(in crate::robustness) fn success_is_per_example(frames: usize, curves: &[Curve], strongest: &Curve) -> Check {
    let counted = curves.iter().flat_map(|curve| &curve.points).all(|point| point.broken.len() == frames);
    let never_less =
        curves.iter().all(|curve| pairs(curve, strongest).all(|(own, strongest)| strongest.success >= own.success));
    let figures = format!(
        "{frames} frames, {} methods; the strongest is chosen frame by frame: {}",
        curves.len(),
        row(strongest)
    );
    let allowed = "a verdict for each frame, and no method stronger than all of them together".to_owned();
    check("success is reported for each example", counted && never_less && frames > 0, figures, allowed)
}
