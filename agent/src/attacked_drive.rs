//! Drives under attack: each decision's frame is changed within a budget before the driver sees it.

use crate::decision_loss::{DecisionLoss, Goal};
use crate::drivers::LearnedDriver;
use crate::features::Odometry;
use roadproof_perception::attack::{
    Attacked, Budget, Differentiable, PgdSettings, apgd, fgsm, pgd, random_noise, square, to_bytes, to_numbers,
};
use roadproof_sim::{Episode, FleetError, Scenario};

/// How the strongest frame is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Method {
    /// One step as long as the budget.
    Fgsm,
    /// Projected gradient ascent.
    Pgd,
    /// Auto-PGD, which finds its own step length.
    Apgd,
    /// Random squares, without gradients.
    Square,
    /// Random noise: what any attack must beat.
    Noise,
}

/// An attack on a drive.
#[derive(Clone, Copy, Debug)]
pub struct DriveAttack {
    /// How.
    pub method: Method,
    /// How much.
    pub budget: Budget,
    /// Steps of a gradient method, tries of the others, for each decision.
    pub steps: usize,
    /// Decisions are attacked on which as much hangs as on this share of the clean drive's, 0 to 1. Under attack that may be
    /// another share of the drive.
    pub share: f32,
    /// What it wants.
    pub goal: Goal,
    /// Seed of its random numbers.
    pub seed: u64,
}

/// What became of a drive.
pub struct Drive {
    /// The drive.
    pub episode: Episode,
    /// Decisions taken.
    pub decisions: usize,
    /// Decisions whose frame was changed.
    pub attacked: usize,
    /// Those of them in which the attack reached its goal on the frame as the camera delivers it.
    pub changed: usize,
    /// How much hung on each decision.
    pub importance: Vec<f32>,
    /// The greatest offset in the lane.
    pub max_lane_offset_m: f32,
    /// The least time to collision.
    pub min_ttc_s: f32,
    /// What the attack did to each decision's frame: the delivered one less the clean one; empty where it did nothing.
    pub changes: Vec<Vec<i16>>,
}

/// Drives a scenario to its end, attacked or not.
///
/// # Errors
/// [`FleetError`] if the world cannot be built.
pub fn drive(
    driver: &mut LearnedDriver,
    scenario: Scenario,
    attack: Option<(&DriveAttack, f32)>,
    report: &mut impl FnMut(f32),
) -> Result<Drive, FleetError> {
    let decision_s = 1.0 / scenario.decision_hz;
    let network = Differentiable::new(driver.perception());
    driver.start(1);
    let mut drive = Drive {
        episode: Episode::new(scenario)?,
        decisions: 0,
        attacked: 0,
        changed: 0,
        importance: Vec::new(),
        max_lane_offset_m: 0.0,
        min_ttc_s: f32::INFINITY,
        changes: Vec::new(),
    };
    while drive.episode.verdict().outcome.is_none() {
        let mut rgb = drive.episode.rgb().to_vec();
        let clean = to_numbers(&rgb);
        let odometry = Odometry::from(&drive.episode.seen().sensed[0]);
        let goal = attack.map_or(Goal::Other, |(attack, _)| attack.goal);
        let memory = driver.memory(0);
        let loss = DecisionLoss::new(&network, driver.policy(), memory, odometry, decision_s, goal, &clean);
        drive.importance.push(loss.importance());
        let mut change = Vec::new();
        if let Some((attack, _)) = attack.filter(|(_, least)| loss.importance() >= *least) {
            let found = attack.strongest(&loss, &clean, network.size(), drive.decisions as u64);
            rgb = to_bytes(&found.pixels, &rgb, &attack.budget);
            drive.attacked += 1;
            let delivered = roadproof_perception::attack::Objective::evaluate(&loss, &to_numbers(&rgb))[0];
            drive.changed += usize::from(delivered.broken);
            let clean = drive.episode.rgb();
            change = rgb.iter().zip(clean).map(|(rgb, clean)| i16::from(*rgb) - i16::from(*clean)).collect();
        }
        drive.changes.push(change);
        let controls = driver.act(drive.episode.seen(), &rgb, decision_s)[0];
        drive.episode.step(controls);
        drive.decisions += 1;
        let measures = drive.episode.measures();
        drive.max_lane_offset_m = drive.max_lane_offset_m.max(measures.lane_offset_m.abs());
        drive.min_ttc_s = drive.min_ttc_s.min(measures.time_to_collision_s);
        report(measures.route_completion);
    }
    Ok(drive)
}

impl DriveAttack {
    /// The importance from which on a decision is attacked, so that its share of a clean drive's decisions is.
    #[must_use]
    pub fn least_importance(&self, clean: &Drive) -> f32 {
        let mut importance = clean.importance.clone();
        importance.sort_by(|a, b| b.total_cmp(a));
        let count = (self.share * importance.len() as f32).round() as usize;
        match count {
            0 => f32::INFINITY,
            count if count == importance.len() => f32::NEG_INFINITY,
            count => importance[count - 1],
        }
    }

    fn strongest(&self, loss: &DecisionLoss<'_>, clean: &[f32], size: (usize, usize), decision: u64) -> Attacked {
        let (budget, steps) = (&self.budget, self.steps);
        let seed = self.seed ^ decision.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        match self.method {
            Method::Fgsm => fgsm(loss, clean, 1, budget),
            Method::Pgd => pgd(loss, clean, 1, budget, &PgdSettings { steps, ..PgdSettings::default() }, seed),
            Method::Apgd => apgd(loss, clean, 1, budget, steps, seed),
            Method::Square => square(loss, clean, size, 1, budget, steps, seed),
            Method::Noise => random_noise(loss, clean, 1, budget, steps, seed),
        }
    }
}
