//! Every call to an attack that the report makes, so that methods are named and set up in one place.

use super::decisions::Decision;
use super::twin;
use crate::attacked_drive::{DriveAttack, Method, drive};
use crate::decision_loss::{DecisionLoss, Goal};
use crate::drivers::LearnedDriver;
use crate::policy::QNetwork;
use roadproof_perception::attack::{
    Attacked, Budget, Differentiable, Norm, Objective, PgdSettings, apgd, fgsm, pgd, random_noise, square,
};
use roadproof_sim::{FleetError, Outcome, Scenario};

/// Every method of the report, the weakest first.
pub(super) const METHODS: [Method; 5] = [Method::Noise, Method::Square, Method::Fgsm, Method::Pgd, Method::Apgd];
/// The methods that take many steps along gradients.
pub(super) const ITERATIVE: [Method; 2] = [Method::Pgd, Method::Apgd];
/// What attacks on drives want.
const DRIVE_GOAL: Goal = Goal::Worst;
/// What attacks on single decisions want: any other action, so that there is a success or none.
const DECISION_GOAL: Goal = Goal::Other;
/// Way of a PGD walk in budgets, as in Madry et al. 2018: steps of 2.5 eps over their number.
const WAY: f32 = 2.5;

/// Its name on the command line.
pub(super) fn name(method: Method) -> &'static str {
    match method {
        Method::Fgsm => "fgsm",
        Method::Pgd => "pgd",
        Method::Apgd => "apgd",
        Method::Square => "square",
        Method::Noise => "noise",
    }
}

/// The goal of attacks on drives, for people.
pub(super) fn drive_goal() -> String {
    format!("{DRIVE_GOAL:?}")
}

/// Whether a method follows gradients.
pub(super) fn uses_gradients(method: Method) -> bool {
    !matches!(method, Method::Square | Method::Noise)
}

/// The number of steps or tries a method is given.
pub(super) fn effort(method: Method, steps: usize, tries: usize) -> usize {
    match method {
        Method::Fgsm => 1,
        Method::Square | Method::Noise => tries,
        Method::Pgd | Method::Apgd => steps,
    }
}

/// The budget of so many grey levels.
pub(super) fn budget(eps_levels: f32) -> Budget {
    Budget { norm: Norm::Linf, eps: eps_levels / 255.0 }
}

/// The strongest frame a method finds against any objective.
pub(super) fn strongest(
    method: Method,
    objective: &impl Objective,
    clean: &[f32],
    size: (usize, usize),
    eps_levels: f32,
    effort: usize,
    seed: u64,
) -> Attacked {
    let budget = budget(eps_levels);
    match method {
        Method::Fgsm => fgsm(objective, clean, 1, &budget),
        Method::Pgd => {
            let step_share = (WAY / effort as f32).min(1.0);
            let settings = PgdSettings { steps: effort, step_share, ..PgdSettings::default() };
            pgd(objective, clean, 1, &budget, &settings, seed)
        }
        Method::Apgd => apgd(objective, clean, 1, &budget, effort, seed),
        Method::Square => square(objective, clean, size, 1, &budget, effort, seed),
        Method::Noise => random_noise(objective, clean, 1, &budget, effort, seed),
    }
}

/// The loss of a decision, as an attack sees it through this network.
pub(super) fn loss<'a>(
    network: &'a Differentiable,
    policy: &'a QNetwork,
    decision: &Decision,
    clean: &[f32],
) -> DecisionLoss<'a> {
    let Decision { memory, odometry, decision_s, .. } = decision;
    DecisionLoss::new(network, policy, memory, *odometry, *decision_s, DECISION_GOAL, clean)
}

/// What became of a drive under attack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Driven {
    pub outcome: Outcome,
    pub driving_score: f32,
}

/// Drives a scenario to its end, every decision attacked with such a budget and effort, or none.
///
/// # Errors
/// [`FleetError`] if the world cannot be built.
pub(super) fn drive_attacked(
    driver: &LearnedDriver,
    scenario: &Scenario,
    attack: Option<(Method, u8, usize)>,
    seed: u64,
) -> Result<Driven, FleetError> {
    let attack = attack.map(|(method, eps_levels, steps)| DriveAttack {
        method,
        budget: budget(f32::from(eps_levels)),
        steps,
        share: 1.0,
        goal: DRIVE_GOAL,
        seed,
    });
    let every = attack.as_ref().map(|attack| (attack, f32::NEG_INFINITY));
    let drive = drive(&mut twin(driver), scenario.clone(), every, &mut |_| {})?;
    let outcome = drive.episode.verdict().outcome.unwrap_or(Outcome::TimeUp);
    Ok(Driven { outcome, driving_score: drive.episode.score().driving_score })
}
