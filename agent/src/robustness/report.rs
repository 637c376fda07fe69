//! The report: what is in it, and how it is made.

use crate::attack::end_to_end::EndToEnd;
use crate::driver::LearnedDriver;
use crate::host::interrupt::Interrupt;
use crate::robustness::attacks::attacked::SingleLoss;
use crate::robustness::attacks::checklist::CheckVerdict;
use crate::robustness::attacks::closed_loop::{self, ClosedLoop};
use crate::robustness::attacks::curve::Trial;
use crate::robustness::attacks::examine::{Example, OpenLoop, examine};
use crate::robustness::attacks::sample::{self, SampledDecision};
use crate::robustness::attacks::turned::{self, Turned};
use crate::robustness::attacks::{certified, substitute};
use crate::robustness::drives::{self, Skipped};
use crate::robustness::faults::matrix::{self, Matrix};
use crate::robustness::faults::moments::{self, BreakingMoment};
use crate::robustness::plan::Plan;
use roadproof_perception::attack::to_numbers;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Instant;

/// Version of the report's shape.
pub const FORMAT: u32 = 1;

/// Everything that was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of this shape, [`FORMAT`].
    pub format: u32,
    /// Version of the program.
    pub roadproof: &'static str,
    /// The command line that made it.
    pub command: String,
    /// The driver: `shipped` or the folder of its run.
    pub driver: String,
    /// What was to be measured.
    pub plan: Plan,
    /// Width and height of the driver's camera, in pixels.
    pub camera_px: (u16, u16),
    /// The figures to look at first.
    pub headline: Headline,
    /// Scenario files left out.
    pub skipped: Vec<Skipped>,
    /// Faults.
    pub matrix: Matrix,
    /// The weakest faults that ended a drive; their frames are in the page.
    pub moments: Vec<BreakingMoment>,
    /// Attacks on whole drives.
    pub attacked_drives: ClosedLoop,
    /// Attacks on single decisions, with the check-list.
    pub attacked_decisions: OpenLoop,
    /// Some decisions that an attack turned; their frames are in the page.
    pub turned: Vec<Turned>,
    /// Share of decisions proved not to change, for each budget in grey levels.
    pub certified: Vec<(f32, f32)>,
    /// Time taken by each part. The only figures that differ from run to run.
    pub wall_clock_s: BTreeMap<&'static str, f64>,
}

/// The figures to look at first.
#[derive(Clone, Debug, Serialize)]
pub struct Headline {
    /// Mean driving score without faults, over the drives of all families.
    pub clean_score: f32,
    /// Mean resilience rate over kinds of faults.
    pub mrr: f32,
    /// Mean relative score over kinds at severity 3; left out if that severity was not driven.
    pub relative_at_severity_3: Option<f32>,
    /// Least budget, in grey levels, at which attacks break at least half of the drives; left out if none does.
    pub half_of_drives_broken_at_levels: Option<u8>,
    /// Least budget, in grey levels, at which attacks turn at least half of the decisions; left out if none does.
    pub half_of_decisions_turned_at_levels: Option<f32>,
    /// Checks that held, failed, and cannot be judged.
    pub checks: (usize, usize, usize),
}

/// Makes the report; `None` if somebody interrupted.
///
/// # Errors
/// What cannot be read or built, in one message.
pub fn measure(
    driver: &LearnedDriver,
    name: &str,
    plan: &Plan,
    command: String,
    interrupt: &Interrupt,
) -> anyhow::Result<Option<Report>> {
    plan.check().map_err(anyhow::Error::msg)?;
    let mut clock = Clock { since: Instant::now(), parts: BTreeMap::new() };
    let (families, skipped) = drives::families(driver.spec(), plan)?;
    let Some(matrix) = matrix::measure(driver, &families, plan, interrupt)? else { return Ok(None) };
    clock.note("faults");
    let moments = moments::collect(driver, &families, &matrix, plan)?;
    clock.note("moments");
    let Some(attacked_drives) = closed_loop::measure(driver, &families, plan, interrupt)? else { return Ok(None) };
    clock.note("attack_drives");
    let decisions = sample::collect(driver, &plan.drive, plan.seed, plan.frames)?;
    let trial = trial(driver, plan);
    let Some(attacked_decisions) = attack_decisions(driver, &decisions, &trial, interrupt)? else { return Ok(None) };
    let turned = turned::turned(driver, &decisions, &attacked_decisions.curves, &trial, 3);
    clock.note("attack_decisions");
    let camera = driver.spec().camera;
    Ok(Some(Report {
        format: FORMAT,
        roadproof: env!("CARGO_PKG_VERSION"),
        command,
        driver: name.to_owned(),
        plan: plan.clone(),
        camera_px: (camera.width_px, camera.height_px),
        headline: headline(&matrix, &attacked_drives, &attacked_decisions),
        certified: certified::certified_shares(driver, &decisions),
        skipped,
        matrix,
        moments,
        attacked_drives,
        attacked_decisions,
        turned,
        wall_clock_s: clock.parts,
    }))
}

/// Measures the parts of the report, for display only.
struct Clock {
    since: Instant,
    parts: BTreeMap<&'static str, f64>,
}

impl Clock {
    fn note(&mut self, part: &'static str) {
        self.parts.insert(part, self.since.elapsed().as_secs_f64());
        self.since = Instant::now();
    }
}

fn trial(driver: &LearnedDriver, plan: &Plan) -> Trial {
    let camera = driver.spec().camera;
    Trial {
        size: (usize::from(camera.width_px), usize::from(camera.height_px)),
        eps_levels: plan.decision_eps_levels.clone(),
        steps: plan.steps,
        tries: plan.tries,
        noise_tries: plan.noise_tries,
        seed: plan.seed,
    }
}

fn attack_decisions(
    driver: &LearnedDriver,
    decisions: &[SampledDecision],
    trial: &Trial,
    interrupt: &Interrupt,
) -> anyhow::Result<Option<OpenLoop>> {
    let end_to_end = EndToEnd::new(driver);
    let (other, transferred_from) = substitute::substitute(driver, trial.seed)?;
    let other = LearnedDriver::new(other, driver.policy().clone(), *driver.spec());
    let other = EndToEnd::new(&other);
    let examples: Vec<_> = decisions
        .iter()
        .map(|decision| {
            let frame = &decision.situation.frame;
            let clean = to_numbers(frame);
            let loss = |end_to_end| SingleLoss::new(end_to_end, &decision.situation, &clean);
            Example { rgb: frame.clone(), objective: loss(&end_to_end), substitute: Some(loss(&other)) }
        })
        .collect();
    anyhow::ensure!(!examples.is_empty(), "every held-out road ends before a decision could be taken from it");
    Ok(examine(&examples, trial, &transferred_from, interrupt))
}

fn headline(matrix: &Matrix, drives: &ClosedLoop, decisions: &OpenLoop) -> Headline {
    let count = |verdict| decisions.checks.iter().filter(|check| check.verdict == verdict).count();
    let drives = drives.strongest.iter().find(|point| point.broken >= 0.5);
    let decisions_turned = decisions.strongest.points.iter().find(|point| point.success >= 0.5);
    Headline {
        clean_score: matrix.clean_score(),
        mrr: matrix.mrr,
        relative_at_severity_3: matrix.relative_at_severity_3,
        half_of_drives_broken_at_levels: drives.map(|point| point.eps_levels),
        half_of_decisions_turned_at_levels: decisions_turned.map(|point| point.eps_levels),
        checks: (count(CheckVerdict::Held), count(CheckVerdict::Failed), count(CheckVerdict::CannotBeJudged)),
    }
}
