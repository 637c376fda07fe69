//! The check-list against self-deception: signs that attacks are weaker than they seem. Verdicts only; the experiments behind
//! them are run elsewhere.
//!
//! # Source
//! Carlini et al. 2019, "On Evaluating Adversarial Robustness", arXiv:1902.06705; Athalye, Carlini and Wagner 2018, "Obfuscated
//! Gradients Give a False Sense of Security", arXiv:1802.00420, section 3.1; Zimmermann et al. 2022, "Increasing Confidence in
//! Adversarial Robustness Evaluations", arXiv:2206.13991. Passing them is necessary, not sufficient.

use crate::robustness::attacks::curve::{Curve, Point};
use crate::robustness::attacks::deepen::{CHANGE_TOLERANCE, MoreEffort};
use crate::robustness::attacks::hidden::HiddenOutput;
use crate::robustness::attacks::slopes::Slope;
use serde::Serialize;

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

/// What many tries did on frames that gradients left whole.
#[derive(Clone, Copy, Debug)]
pub(in crate::robustness) struct Searched {
    /// Tries on each.
    pub tries: usize,
    /// Frames.
    pub frames: usize,
    /// Those of them that were broken.
    pub broken: usize,
    /// The budget.
    pub eps_levels: f32,
}

impl Searched {
    fn in_words(&self, method: &str) -> String {
        let Self { tries, frames, broken, eps_levels } = self;
        format!(
            "{method} with {tries} tries breaks {broken} of {frames} that gradients leave whole at {eps_levels} grey levels"
        )
    }
}

pub(in crate::robustness) fn gradient_free_is_weaker(free: &Curve, gradient: &Curve, searched: &Searched) -> Check {
    let name = "an attack without gradients is weaker";
    // AutoAttack warns from 0.2 % of examples on: with fewer frames than 500 that is the first.
    let only: usize = pairs(free, gradient)
        .map(|(free, gradient)| free.broken.iter().zip(&gradient.broken).filter(|(free, own)| **free && !**own).count())
        .sum();
    let figures = format!(
        "{}; with {} tries: {}, {}, {}, broken only without gradients: {only}",
        searched.in_words("square"),
        free.effort,
        row(free),
        row(gradient),
        budgets(free)
    );
    let all: usize = free.points.iter().map(|point| point.broken.len()).sum();
    let never_more = pairs(free, gradient).all(|(free, gradient)| free.success <= gradient.success);
    let held = never_more && only as f32 <= 0.002 * all as f32 && searched.broken == 0;
    if held && searched.frames == 0 {
        return unjudged(name, figures, "gradients leave no frame whole");
    }
    let allowed = "none of those that gradients leave whole, no more success at any budget".to_owned();
    check(name, held, figures, allowed)
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

pub(in crate::robustness) fn noise_is_weaker(noise: &Curve, gradient: &Curve, searched: &Searched) -> Check {
    let name = "random noise is weaker, however often it is tried";
    let figures = format!(
        "{}; with {} tries: {}, {}, {}",
        searched.in_words("noise"),
        noise.effort,
        row(noise),
        row(gradient),
        budgets(noise)
    );
    let never_more = pairs(noise, gradient).all(|(noise, gradient)| noise.success <= gradient.success);
    let held = never_more && searched.broken == 0;
    if held && searched.frames == 0 {
        return unjudged(name, figures, "gradients leave no frame whole");
    }
    check(name, held, figures, "none of those that gradients leave whole, no more success at any budget".to_owned())
}

pub(in crate::robustness) fn planted_is_found(eps_levels: f32, tries: usize, found: &[Option<bool>]) -> Check {
    let name = "a planted frame is found";
    let planted = found.iter().flatten().count();
    let hits = found.iter().flatten().filter(|found| **found).count();
    let figures = format!(
        "{hits} of {planted} found at {eps_levels} grey levels that {tries} random frames each do not find; none could be planted on \
         {} more",
        found.len() - planted
    );
    if planted == 0 {
        return unjudged(name, figures, "no search finds more than random frames do");
    }
    check(name, hits == planted, figures, "none may be missed".to_owned())
}

pub(in crate::robustness) fn forward_is_deterministic(slopes: &[Slope]) -> Check {
    let same = slopes.iter().filter(|slope| slope.same_again).count();
    let figures = format!("{same} of {} frames have the same loss and gradient twice", slopes.len());
    check("the forward pass is deterministic", same == slopes.len(), figures, "to the bit".to_owned())
}

pub(in crate::robustness) fn gradients_are_not_zero(slopes: &[Slope]) -> Check {
    let zero = slopes.iter().filter(|slope| slope.zero).count();
    let figures = format!("{zero} of {} clean frames have no gradient", slopes.len());
    check("gradients are not zero", zero == 0, figures, "none may be zero".to_owned())
}

pub(in crate::robustness) fn gradients_are_of_small_changes(slopes: &[Slope]) -> Check {
    let name = "gradients say what small changes do";
    let judged = slopes.iter().filter(|slope| !slope.zero).count();
    let off = slopes.iter().filter(|slope| !slope.zero && !slope.measured).count();
    let figures = format!("of {judged} clean frames {off} change by something else along their own gradient");
    if judged == 0 {
        return unjudged(name, figures, "no frame has a gradient");
    }
    let allowed = format!("at most {:.1} %, one frame or 2 %, by more than a tenth", 100.0 * tolerance(judged));
    check(name, off as f32 <= tolerance(judged) * judged as f32, figures, allowed)
}

/// Outputs that no slope of the features shows are named. That is a failure where no attack that was run on drives pushes them
/// whatever their slope, or where what pushes them gets no further than random frames do.
pub(in crate::robustness) fn hidden_outputs_are_pushed(decisions: usize, outputs: Option<&[HiddenOutput]>) -> Check {
    let name = "what gradients cannot see is attacked directly";
    let Some(outputs) = outputs else { return unjudged(name, String::new(), "no drive was attacked") };
    let hidden: Vec<&HiddenOutput> = outputs.iter().filter(|output| output.hidden > 0).collect();
    let one = |output: &&HiddenOutput| {
        let by = match &output.pushed_by[..] {
            [] => "by no attack".to_owned(),
            [one] => format!("by {one}"),
            [one, others @ ..] => format!("by {one} and {} more", others.len()),
        };
        format!(
            "{} has no slope in {} of {decisions} decisions, pushed {by}, in {} of them further than by random frames",
            output.output, output.hidden, output.moved
        )
    };
    let figures = match &hidden[..] {
        [] => format!("every output that matters has a slope in each of {decisions} decisions"),
        hidden => hidden.iter().map(one).collect::<Vec<_>>().join("; "),
    };
    let held = hidden.iter().all(|output| !output.pushed_by.is_empty() && output.moved == output.hidden);
    check(
        name,
        held,
        figures,
        "each output without a slope that matters all the same is pushed by an attack, and moved".to_owned(),
    )
}

fn in_words(more: &MoreEffort) -> String {
    let MoreEffort { steps, drives, changed, most_lost } = more;
    let (changed, of) = (changed.len(), drives.len());
    format!("{steps} steps change {changed} of {of}, by up to {:.0} % of the score", 100.0 * most_lost)
}

/// Attacks that are weak in a trial of few steps are left out after it, which is right only as long as they stay weak with more.
pub(in crate::robustness) fn nothing_stronger_is_left_out(attacks: usize, recheck: Option<&MoreEffort>) -> Check {
    let name = "no stronger attack is left out";
    let Some(recheck) = recheck else {
        return unjudged(name, String::new(), "the plan runs no drive under all attacks in earnest");
    };
    let figures = format!("all {attacks} attacks, {}", in_words(recheck));
    let allowed = format!("none by more than {:.0} % or in how it ends", 100.0 * CHANGE_TOLERANCE);
    check(name, recheck.changed.is_empty(), figures, allowed)
}

pub(in crate::robustness) fn doubling_changes_no_drive(drives: usize, doublings: &[MoreEffort]) -> Check {
    let name = "twice the steps change no drive";
    let figures = format!("{drives} drives: {}", doublings.iter().map(in_words).collect::<Vec<_>>().join("; "));
    let Some(last) = doublings.last() else {
        return unjudged(name, format!("{drives} drives"), "the plan doubles no steps");
    };
    let allowed = format!("none in the last by more than {:.0} % or in how it ends", 100.0 * CHANGE_TOLERANCE);
    check(name, last.changed.is_empty(), figures, allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drives_that_the_last_doubling_still_changed_are_a_failure_and_said_by_how_much() {
        let doubling = |steps, changed: &[usize]| MoreEffort {
            steps,
            drives: vec![0, 1, 2],
            changed: changed.to_vec(),
            most_lost: 0.31,
        };
        let judge = |doublings: &[MoreEffort]| doubling_changes_no_drive(3, doublings);
        assert_eq!(judge(&[]).verdict, CheckVerdict::CannotBeJudged);
        assert_eq!(judge(&[doubling(10, &[1]), doubling(20, &[])]).verdict, CheckVerdict::Held);
        let failed = judge(&[doubling(10, &[1, 2]), doubling(20, &[1])]);
        assert_eq!(failed.verdict, CheckVerdict::Failed);
        assert!(failed.figures.contains("20 steps change 1 of 3, by up to 31 %"), "{}", failed.figures);
    }

    #[test]
    fn a_drive_that_an_attack_left_out_by_the_trial_breaks_is_a_failure() {
        let recheck =
            |changed: &[usize]| MoreEffort { steps: 5, drives: vec![0, 20], changed: changed.to_vec(), most_lost: 0.4 };
        let judge = |recheck: Option<&MoreEffort>| nothing_stronger_is_left_out(24, recheck);
        assert_eq!(judge(None).verdict, CheckVerdict::CannotBeJudged);
        assert_eq!(judge(Some(&recheck(&[]))).verdict, CheckVerdict::Held);
        let failed = judge(Some(&recheck(&[20])));
        assert_eq!(failed.verdict, CheckVerdict::Failed);
        assert!(failed.figures.contains("all 24 attacks, 5 steps change 1 of 2"), "{}", failed.figures);
    }

    #[test]
    fn an_output_that_no_slope_shows_and_nobody_pushes_is_a_failure() {
        let output =
            |hidden, moved, by: &[&'static str]| HiddenOutput { output: "lead", hidden, moved, pushed_by: by.to_vec() };
        let judge = |output| hidden_outputs_are_pushed(9, Some(&[output]));
        assert_eq!(hidden_outputs_are_pushed(9, None).verdict, CheckVerdict::CannotBeJudged);
        assert_eq!(judge(output(0, 0, &[])).verdict, CheckVerdict::Held);
        let pushed = judge(output(4, 4, &["ghost", "hide"]));
        assert_eq!(pushed.verdict, CheckVerdict::Held);
        assert!(
            pushed.figures.contains("lead has no slope in 4 of 9 decisions, pushed by ghost and 1 more, in 4 of them further than by random frames"),
            "{}",
            pushed.figures
        );
        assert_eq!(judge(output(4, 0, &[])).verdict, CheckVerdict::Failed);
        assert_eq!(judge(output(4, 3, &["ghost"])).verdict, CheckVerdict::Failed, "one is not moved");
    }
}
