//! Attacks on single examples, whatever their objective, and the experiments behind the check-list.

use crate::attack::method::LossMethod;
use crate::host::interrupt::Interrupt;
use crate::host::progress::LongWork;
use crate::robustness::attacks::attacked::{budget, effort, strongest};
use crate::robustness::attacks::checklist::{self, CORNERS, Check};
use crate::robustness::attacks::curve::{Curve, Point, Trial, seed_of};
use crate::robustness::kept::mean;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rayon::prelude::*;
use roadproof_perception::attack::{Effect, Objective, to_bytes, to_numbers};
use serde::Serialize;

/// A frame, what an attack on it raises, and the same through another network.
pub(in crate::robustness) struct Example<O> {
    pub rgb: Vec<u8>,
    pub objective: O,
    pub substitute: Option<O>,
}

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
    /// The check-list.
    pub checks: Vec<Check>,
}

impl<O: Objective + Sync> Example<O> {
    /// The strongest frame that a method finds against an objective: as a camera delivers it, or as numbers where the budget is
    /// less than a camera can show.
    fn attacked(
        &self,
        against: &impl Objective,
        method: LossMethod,
        eps_levels: f32,
        effort: usize,
        trial: &Trial,
    ) -> Vec<f32> {
        let clean = to_numbers(&self.rgb);
        let found = strongest(method, against, &clean, trial.size, eps_levels, effort, trial.seed);
        match eps_levels {
            eps_levels if eps_levels < 1.0 => found,
            _ => to_numbers(&to_bytes(&found, &self.rgb, &budget(eps_levels))),
        }
    }
}

/// Runs something over all examples in parallel, each with a seed of its own.
fn on_each<O: Objective + Sync + Send, T: Send>(
    examples: &[Example<O>],
    trial: &Trial,
    run: impl Fn(&Example<O>, &Trial) -> T + Sync,
) -> Vec<T> {
    let seeded = |(index, example)| run(example, &Trial { seed: seed_of(trial.seed, index), ..trial.clone() });
    examples.par_iter().with_max_len(1).enumerate().map(seeded).collect()
}

fn point(eps_levels: f32, outcomes: &[Effect]) -> Point {
    Point {
        eps_levels,
        success: mean(outcomes.iter().map(|outcome| f32::from(u8::from(outcome.broken)))),
        loss: mean(outcomes.iter().map(|outcome| outcome.loss)),
        broken: outcomes.iter().map(|outcome| outcome.broken).collect(),
    }
}

/// One method at one budget.
fn attack_all<O: Objective + Sync + Send>(
    examples: &[Example<O>],
    trial: &Trial,
    (method, eps_levels, effort): (LossMethod, f32, usize),
) -> Point {
    let outcomes = on_each(examples, trial, |example, trial| {
        let delivered = example.attacked(&example.objective, method, eps_levels, effort, trial);
        example.objective.evaluate(&delivered)[0]
    });
    point(eps_levels, &outcomes)
}

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

/// An objective that is reached from another loss on.
struct Raised<'a, O> {
    inner: &'a O,
    threshold: f32,
}

impl<O: Objective> Raised<'_, O> {
    fn judge(&self, outcomes: Vec<Effect>) -> Vec<Effect> {
        let judge = |outcome: Effect| Effect { loss: outcome.loss, broken: outcome.loss > self.threshold };
        outcomes.into_iter().map(judge).collect()
    }
}

impl<O: Objective> Objective for Raised<'_, O> {
    fn evaluate(&self, pixels: &[f32]) -> Vec<Effect> {
        self.judge(self.inner.evaluate(pixels))
    }

    fn gradients(&self, pixels: &[f32], gradient: &mut [f32]) -> Vec<Effect> {
        self.judge(self.inner.gradients(pixels, gradient))
    }
}

/// Plants a frame that reaches the objective, and tells whether an attack finds one; `None` if none can be planted because
/// all corners have the same loss.
///
/// Of fifty random corners of the budget the best is planted: the objective is moved to half way between it and the second
/// best, so that one frame within the budget is known to reach it, forty-nine others do not, and trying at random has a
/// chance of a fiftieth.
///
/// # Source
/// After Zimmermann et al. 2022, "Increasing Confidence in Adversarial Robustness Evaluations", arXiv:2206.13991: a model is
/// changed so that an adversarial example is known to exist, and an attack that misses it is too weak to prove anything.
fn finds_planted<O: Objective + Sync>(
    example: &Example<O>,
    trial: &Trial,
    eps_levels: f32,
    (method, effort): (LossMethod, usize),
) -> Option<bool> {
    let mut random = Pcg64Mcg::seed_from_u64(trial.seed);
    let (clean, eps) = (to_numbers(&example.rgb), budget(eps_levels).eps);
    let mut corner = || -> Vec<f32> {
        let mut way = |value: &f32| value + if random.random::<bool>() { eps } else { -eps };
        clean.iter().map(|value| way(value).clamp(0.0, 1.0)).collect()
    };
    let losses = (0..CORNERS).map(|_| example.objective.evaluate(&corner())[0].loss);
    let mut losses: Vec<f32> = losses.collect();
    losses.sort_by(|a, b| b.total_cmp(a));
    let (planted, second) = (losses[0], losses[1]);
    let raised = Raised { inner: &example.objective, threshold: second + 0.5 * (planted - second) };
    if planted <= raised.threshold {
        return None;
    }
    let delivered = example.attacked(&raised, method, eps_levels, effort, trial);
    Some(raised.evaluate(&delivered)[0].broken)
}

/// Whether the loss and its gradient are the same to the bit a second time, and whether the gradient is zero.
fn repeats<O: Objective + Sync>(example: &Example<O>) -> (bool, bool) {
    let clean = to_numbers(&example.rgb);
    let look = || {
        let mut gradient = vec![0.0; clean.len()];
        let outcome = example.objective.gradients(&clean, &mut gradient)[0];
        (example.objective.evaluate(&clean)[0].loss.to_bits(), outcome.loss.to_bits(), gradient)
    };
    let (first, second) = (look(), look());
    (first == second, first.2.iter().all(|slope| *slope == 0.0))
}

/// The budget at which success is nearest to a half, where a weaker attack would show; of equals the one that leaves more room:
/// the largest where little is broken, the least where much is.
fn telling(curve: &Curve) -> &Point {
    let distance = |point: &&Point| (point.success - 0.5).abs();
    let room = |point: &&Point| if point.success < 0.5 { -point.eps_levels } else { point.eps_levels };
    let nearer = |a: &&Point, b: &&Point| distance(a).total_cmp(&distance(b)).then(room(a).total_cmp(&room(b)));
    curve.points.iter().min_by(nearer).expect("there is a budget")
}

/// Attacks all examples with all methods, and fills in the check-list; `None` if somebody interrupted.
pub(in crate::robustness) fn examine<O: Objective + Sync + Send>(
    examples: &[Example<O>],
    trial: &Trial,
    transferred_from: &str,
    interrupt: &Interrupt,
) -> Option<OpenLoop> {
    let runs = LossMethod::ALL.len() * trial.eps_levels.len();
    let mut stage = LongWork::start("attack decisions", (runs + 5) as u64, "experiments");
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
            points.push(attack_all(examples, trial, (method, *eps_levels, effort)));
            step()?;
        }
        curves.push(Curve { method: method.name(), effort, points });
    }
    let of = |wanted: fn(LossMethod) -> bool| {
        let names: Vec<&str> =
            LossMethod::ALL.into_iter().filter(|method| wanted(*method)).map(LossMethod::name).collect();
        curves.iter().filter(move |curve| names.contains(&curve.method))
    };
    let strongest = best_of("strongest", curves.iter());
    let iterative = best_of("pgd and apgd", of(LossMethod::is_iterative));
    let gradient = best_of("gradients", of(LossMethod::uses_gradients));
    let one_step = best_of("fgsm", of(|method| method == LossMethod::Fgsm));
    let gradient_free = best_of("square", of(|method| method == LossMethod::Square));
    let at = telling(&iterative);
    let both = |eps_levels: f32, effort: usize| {
        let iterative = LossMethod::ALL.into_iter().filter(|method| method.is_iterative());
        let curve = |method: LossMethod| Curve {
            method: method.name(),
            effort,
            points: vec![attack_all(examples, trial, (method, eps_levels, effort))],
        };
        let curves: Vec<Curve> = iterative.map(curve).collect();
        best_of("pgd and apgd", curves.iter()).points.remove(0)
    };
    let unbounded = both(255.0, trial.steps);
    step()?;
    let doubled = both(at.eps_levels, 2 * trial.steps);
    step()?;
    let noise = attack_all(examples, trial, (LossMethod::Noise, at.eps_levels, trial.noise_tries));
    step()?;
    let planted: Vec<Option<bool>> = on_each(examples, trial, |example, trial| {
        finds_planted(example, trial, at.eps_levels, (LossMethod::Apgd, trial.steps))
    });
    step()?;
    let transferred = transfer(examples, trial);
    let repeats: Vec<(bool, bool)> = on_each(examples, trial, |example, _| repeats(example));
    let checks = vec![
        checklist::iterative_beats_one_step(&one_step, &iterative),
        checklist::success_grows(&strongest),
        checklist::unbounded_breaks_everything(&unbounded),
        checklist::doubling_changes_nothing(trial.steps, at, &doubled),
        checklist::gradient_free_is_weaker(&gradient_free, &gradient),
        checklist::transfer_is_weaker(transferred.as_ref(), &gradient, transferred_from),
        checklist::noise_is_weaker(trial.noise_tries, &noise, at),
        checklist::planted_is_found(at.eps_levels, &planted),
        checklist::forward_is_deterministic(&repeats),
        checklist::gradients_are_not_zero(&repeats),
        checklist::success_is_per_example(examples.len(), &curves, &strongest),
    ];
    stage.set((runs + 5) as u64, "");
    let held = checks.iter().filter(|check| check.verdict == checklist::CheckVerdict::Held).count();
    stage.finish(format_args!("{held} of {} checks held", checks.len()));
    Some(OpenLoop { frames: examples.len(), curves, strongest, transferred, checks })
}

/// Frames made against the substitute, and what they do to the driver; `None` without substitutes.
fn transfer<O: Objective + Sync + Send>(examples: &[Example<O>], trial: &Trial) -> Option<Curve> {
    let at = |eps_levels: f32| -> Option<Point> {
        let outcomes: Option<Vec<Effect>> = on_each(examples, trial, |example, trial| {
            let substitute = example.substitute.as_ref()?;
            let delivered = example.attacked(substitute, LossMethod::Apgd, eps_levels, trial.steps, trial);
            Some(example.objective.evaluate(&delivered)[0])
        })
        .into_iter()
        .collect();
        Some(point(eps_levels, &outcomes?))
    };
    let points = trial.eps_levels.iter().map(|eps_levels| at(*eps_levels)).collect::<Option<Vec<_>>>()?;
    Some(Curve { method: "transferred apgd", effort: trial.steps, points })
}
