//! Attacks on single examples, whatever their objective, and the experiments behind the check-list.

use crate::attack::method::LossMethod;
use crate::host::interrupt::Interrupt;
use crate::host::progress::LongWork;
use crate::robustness::attacks::attacked::effort;
use crate::robustness::attacks::checklist::{self, Check, Searched};
use crate::robustness::attacks::curve::{Curve, Point, Trial};
use crate::robustness::attacks::examples::{Examples, Rows, point};
use crate::robustness::attacks::planted;
use crate::robustness::attacks::slopes::slopes;
use crate::robustness::kept::mean;
use roadproof_perception::attack::Effect;
use serde::Serialize;

/// Attacks on single decisions.
#[derive(Clone, Debug, Serialize)]
pub struct OpenLoop {
    /// Frames attacked.
    pub frames: usize,
    /// One for each method.
    pub curves: Vec<Curve>,
    /// On each frame, whether any method succeeds.
    pub strongest: Curve,
    /// Frames that were made against another network.
    pub transferred: Option<Curve>,
    /// The frames on which the check-list spent its many tries, by number.
    pub searched: Vec<usize>,
}

/// Experiments beside the curves.
const EXPERIMENTS: usize = 6;

/// On each example the best of several methods.
pub(in crate::robustness) fn best_of<'a>(
    method: &'static str,
    curves: impl Iterator<Item = &'a Curve> + Clone,
) -> Curve {
    let first = curves.clone().next().map_or(&[][..], |curve| &curve.points);
    let at = |(place, first): (usize, &Point)| {
        let points = curves.clone().map(|curve| &curve.points[place]);
        let broken: Vec<bool> =
            (0..first.broken.len()).map(|index| points.clone().any(|point| point.broken[index])).collect();
        Point {
            eps_levels: first.eps_levels,
            success: mean(broken.iter().map(|broken| f32::from(u8::from(*broken)))),
            loss: points.map(|point| point.loss).fold(f32::NEG_INFINITY, f32::max),
            broken,
        }
    };
    Curve { method, effort: 0, points: first.iter().enumerate().map(at).collect() }
}

/// The budget at which success is nearest to a half, where a weaker attack would show; of equals the one that leaves more room:
/// the largest where little is broken, the least where much is.
fn telling(curve: &Curve) -> &Point {
    let distance = |point: &&Point| (point.success - 0.5).abs();
    let room = |point: &&Point| if point.success < 0.5 { -point.eps_levels } else { point.eps_levels };
    let nearer = |a: &&Point, b: &&Point| distance(a).total_cmp(&distance(b)).then(room(a).total_cmp(&room(b)));
    curve.points.iter().min_by(nearer).expect("there is a budget")
}

/// So many examples, those that were left whole first: only on these can a search find what gradients did not. Each kind is spread
/// evenly.
fn to_be_searched(broken: &[bool], count: usize) -> Vec<usize> {
    let spread = |wanted: bool, count: usize| -> Vec<usize> {
        let own: Vec<usize> = (0..broken.len()).filter(|&index| broken[index] == wanted).collect();
        let count = count.min(own.len());
        (0..count).map(|place| own[place * own.len() / count]).collect()
    };
    let mut chosen = spread(false, count);
    chosen.extend(spread(true, count - chosen.len()));
    chosen
}

/// What many tries broke that gradients did not.
fn searched(effects: &[Effect], chosen: &[usize], broken: &[bool], tries: usize, eps_levels: f32) -> Searched {
    let whole = || effects.iter().zip(chosen).filter(|(_, index)| !broken[**index]);
    let found = whole().filter(|(effect, _)| effect.broken).count();
    Searched { tries, frames: whole().count(), broken: found, eps_levels }
}

/// Attacks all examples with all methods, and fills in the check-list; `None` if somebody interrupted.
pub(in crate::robustness) fn examine<O: Rows>(
    examples: &Examples<O>,
    trial: &Trial,
    transferred_from: &str,
    interrupt: &Interrupt,
) -> Option<(OpenLoop, Vec<Check>)> {
    let runs = LossMethod::ALL.len() * trial.eps_levels.len();
    let mut stage = LongWork::start("attack decisions", (runs + EXPERIMENTS) as u64, "experiments");
    let mut done = 0;
    let mut step = || {
        done += 1;
        stage.set(done, "");
        (!interrupt.requested()).then_some(())
    };
    let mut curves = Vec::new();
    for method in LossMethod::ALL {
        let effort = effort(method, trial.steps, trial.tries);
        let mut points = Vec::new();
        for eps_levels in &trial.eps_levels {
            points.push(examples.point((method, *eps_levels, effort), trial));
            step()?;
        }
        curves.push(Curve { method: method.name(), effort, points });
    }
    let strongest = best_of("strongest", curves.iter());
    let of = |wanted: fn(LossMethod) -> bool| of_methods(&curves, wanted);
    let iterative = best_of("pgd and apgd", of(LossMethod::is_iterative));
    let at = telling(&iterative).clone();
    let unbounded = iterated(examples, trial, 255.0, trial.steps);
    step()?;
    let doubled = iterated(examples, trial, at.eps_levels, 2 * trial.steps);
    step()?;
    let gradient = best_of("gradients", of(LossMethod::uses_gradients));
    let place = gradient.points.iter().position(|point| point.eps_levels == at.eps_levels).unwrap_or(0);
    let broken: Vec<bool> = gradient.points[place].broken.iter().zip(&doubled.broken).map(|(a, b)| *a || *b).collect();
    let chosen = to_be_searched(&broken, trial.searched);
    let part = examples.rows(&chosen);
    let noise = part.effects((LossMethod::Noise, at.eps_levels, trial.noise_tries), trial);
    step()?;
    let square = part.effects((LossMethod::Square, at.eps_levels, trial.square_queries), trial);
    step()?;
    let planted = planted::found(&part, trial, at.eps_levels, &noise);
    step()?;
    let by = |effects, tries| searched(effects, &chosen, &broken, tries, at.eps_levels);
    let (by_noise, by_square) = (by(&noise, trial.noise_tries), by(&square, trial.square_queries));
    let transferred = transfer(examples, trial);
    let slopes = slopes(examples);
    let one = |wanted: LossMethod| curves.iter().find(|curve| curve.method == wanted.name()).expect("it was run");
    let checks = vec![
        checklist::iterative_beats_one_step(one(LossMethod::Fgsm), &iterative),
        checklist::success_grows(&strongest),
        checklist::unbounded_breaks_everything(&unbounded),
        checklist::doubling_changes_nothing(trial.steps, &at, &doubled),
        checklist::gradient_free_is_weaker(one(LossMethod::Square), &gradient, &by_square),
        checklist::transfer_is_weaker(transferred.as_ref(), &gradient, transferred_from),
        checklist::noise_is_weaker(one(LossMethod::Noise), &gradient, &by_noise),
        checklist::planted_is_found(at.eps_levels, trial.noise_tries, &planted),
        checklist::forward_is_deterministic(&slopes),
        checklist::gradients_are_not_zero(&slopes),
        checklist::gradients_are_of_small_changes(&slopes),
    ];
    stage.set((runs + EXPERIMENTS) as u64, "");
    let held = checks.iter().filter(|check| check.verdict == checklist::CheckVerdict::Held).count();
    stage.finish(format_args!("{held} of {} checks held", checks.len()));
    let frames = examples.count();
    Some((OpenLoop { frames, curves, strongest, transferred, searched: chosen }, checks))
}

/// The curves of some methods.
fn of_methods(curves: &[Curve], wanted: fn(LossMethod) -> bool) -> impl Iterator<Item = &Curve> + Clone {
    let names: Vec<&str> = LossMethod::ALL.into_iter().filter(|method| wanted(*method)).map(LossMethod::name).collect();
    curves.iter().filter(move |curve| names.contains(&curve.method))
}

/// All examples under the methods of many steps.
fn iterated<O: Rows>(examples: &Examples<O>, trial: &Trial, eps_levels: f32, steps: usize) -> Point {
    let iterative = LossMethod::ALL.into_iter().filter(|method| method.is_iterative());
    let curve = |method: LossMethod| Curve {
        method: method.name(),
        effort: steps,
        points: vec![examples.point((method, eps_levels, steps), trial)],
    };
    let curves: Vec<Curve> = iterative.map(curve).collect();
    best_of("pgd and apgd", curves.iter()).points.remove(0)
}

/// Frames made against the substitute, and what they do to the driver; `None` without a substitute.
fn transfer<O: Rows>(examples: &Examples<O>, trial: &Trial) -> Option<Curve> {
    examples.substitute.as_ref()?;
    let at = |eps_levels: &f32| {
        let effects = examples.on_blocks(|block| match &block.substitute {
            None => Vec::new(),
            Some(substitute) => {
                let delivered = block.attacked(substitute, (LossMethod::Apgd, *eps_levels, trial.steps), trial);
                block.objective.evaluate(&delivered)
            }
        });
        point(*eps_levels, &effects)
    };
    let points = trial.eps_levels.iter().map(at).collect();
    Some(Curve { method: "transferred apgd", effort: trial.steps, points })
}
