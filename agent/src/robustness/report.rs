//! The report: what is in it, and how it is made.

use crate::about::About;
use crate::attack::end_to_end::EndToEnd;
use crate::drive::interval::Estimate;
use crate::drive::library::{LibraryCount, ScenarioLibrary};
use crate::driver::{Driver, LearnedDriver};
use crate::host::interrupt::Interrupt;
use crate::host::threads::all_cores;
use crate::robustness::agenda::{Agenda, Stage};
use crate::robustness::attacks::attacked::DRIVE_ATTACKS;
use crate::robustness::attacks::attacked::DrivePlan;
use crate::robustness::attacks::checklist::{
    Check, CheckVerdict, doubling_changes_no_drive, hidden_outputs_are_pushed, nothing_stronger_is_left_out,
};
use crate::robustness::attacks::closed_loop::{self, ALL_DRIVES, ClosedLoop, EMPTY_ROADS};
use crate::robustness::attacks::curve::{Trial, seed_of};
use crate::robustness::attacks::decisions::Decisions;
use crate::robustness::attacks::examine::{OpenLoop, examine};
use crate::robustness::attacks::examples::Examples;
use crate::robustness::attacks::hidden::{Push, hidden_outputs};
use crate::robustness::attacks::sample::{self, OF_A_DRIVE, SampledDecision};
use crate::robustness::attacks::strength::DrivePoint;
use crate::robustness::attacks::turned::{self, Turned};
use crate::robustness::attacks::{certified, substitute};
use crate::robustness::comfort::{self, CleanDriving, CleanDrivingTotals};
use crate::robustness::drives::{FamilyDrive, Library, Skipped, emptied, road};
use crate::robustness::faults::matrix::{self, Matrix};
use crate::robustness::faults::moments::{self, BreakingMoment};
use crate::robustness::plan::{Part, Plan};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// Version of the report's shape.
pub const FORMAT: u32 = 3;

/// Everything that was measured. What the plan leaves out is null or empty.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where it comes from, with [`FORMAT`] as its version.
    pub about: About,
    /// What was to be measured.
    pub plan: Plan,
    /// Width and height of the driver's camera, in pixels.
    pub camera_px: (u16, u16),
    /// What the figures are samples of.
    pub sample: &'static str,
    /// The figures to look at first.
    pub headline: Headline,
    /// Scenario files left out.
    pub skipped: Vec<Skipped>,
    /// The drives of all parts, without faults and attacks.
    pub clean: Vec<CleanDriving>,
    /// The same added up.
    pub clean_totals: Option<CleanDrivingTotals>,
    /// Of how many scenario files the driver keeps the bounds, their own faults among them; left out without scenario files.
    pub library: Option<LibraryCount>,
    /// Faults.
    pub matrix: Option<Matrix>,
    /// The weakest faults that ended a drive; their frames are in the page.
    pub moments: Vec<BreakingMoment>,
    /// Attacks on whole drives.
    pub attacked_drives: Option<ClosedLoop>,
    /// Attacks on single decisions.
    pub attacked_decisions: Option<OpenLoop>,
    /// The check-list.
    pub checks: Vec<Check>,
    /// Some decisions that an attack turned; their frames are in the page.
    pub turned: Vec<Turned>,
    /// Attacked decisions, by number, that no other decision's frame turns.
    pub held_by_memory: Vec<usize>,
    /// Share of decisions that interval bounds hold, for each budget in grey levels.
    pub certified: Vec<(f32, f32)>,
    /// Time taken by each part. The only figures that differ from run to run.
    pub wall_clock_s: BTreeMap<&'static str, f64>,
}

/// What [`Report::sample`] says.
const SAMPLE: &str = "Intervals hold 95 of 100 times and are over drives: the driver, the faults and the attacks are as they are, the \
                      drives are a sample. Bootstrap for means and ratios, which says too little of fewer than ten drives, and of one \
                      nothing; Wilson's for shares.";

/// The figures to look at first.
#[derive(Clone, Debug, Serialize)]
pub struct Headline {
    /// Mean driving score without faults, over the drives of all families.
    pub clean_score: Option<Estimate>,
    /// Mean resilience rate over kinds of faults that act; left out if none does.
    pub mrr: Option<Estimate>,
    /// Mean relative score over these kinds at severity 3; left out if that severity was not driven.
    pub relative_at_severity_3: Option<Estimate>,
    /// Share of drives broken at severity 3.
    pub broken_at_severity_3: Option<Estimate>,
    /// Share of drives that hit something at severity 3.
    pub collisions_at_severity_3: Option<Estimate>,
    /// All attacked drives with the budget of reference.
    pub attacked: Option<DrivePoint>,
    /// Those without other cars.
    pub attacked_on_empty_roads: Option<DrivePoint>,
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
    driver: &mut Driver,
    about: About,
    plan: &Plan,
    interrupt: &Interrupt,
) -> anyhow::Result<Option<Report>> {
    plan.check().map_err(anyhow::Error::msg)?;
    anyhow::ensure!(
        driver.learned().is_some() || plan.only == Some(Part::Faults),
        "a {} driver has no gradients to attack: of it faults alone can be measured",
        driver.name()
    );
    let mut clock = Clock { since: Instant::now(), parts: BTreeMap::new() };
    let library = Library::read(driver, plan)?;
    let camera = driver.learned().map_or(plan.drive.camera, |driver| driver.spec().camera);
    let mut report = Report::empty(about, plan, (camera.width_px, camera.height_px));
    let (families, drives) = (library.under_faults(plan), library.under_attack(plan));
    let agenda = Agenda::of(plan, families.iter().map(|family| family.drives.len()).sum(), drives.len());
    let all = library.all(plan);
    if !all.is_empty() {
        let Some(clean) = comfort::drive(driver, all, interrupt)? else { return Ok(None) };
        report.clean = clean;
        report.clean_totals = Some(comfort::totals(&report.clean));
        clock.note("clean");
        if let Some(folder) = plan.scenarios.as_deref().filter(|folder| folder.is_dir()) {
            let Some(count) = count_library(driver, folder, interrupt)? else { return Ok(None) };
            report.library = Some(count);
            clock.note("library");
        }
    }
    if plan.makes(Part::Faults) {
        let later = agenda.later(Stage::Faults);
        let Some(matrix) = matrix::measure(driver, &families, plan, later, interrupt)? else { return Ok(None) };
        clock.note("faults");
        let Some(moments) = moments::collect(driver, &families, &matrix, plan, interrupt)? else { return Ok(None) };
        report.moments = moments;
        report.matrix = Some(matrix);
        clock.note("moments");
    }
    if let Some(driver) = driver.learned().filter(|_| plan.makes(Part::Attacks)) {
        let Some(attacked) = closed_loop::measure(driver, &drives, plan, &agenda, interrupt)? else { return Ok(None) };
        report.checks.push(nothing_stronger_is_left_out(DRIVE_ATTACKS.len(), attacked.recheck.as_ref()));
        report.checks.push(doubling_changes_no_drive(drives.len(), &attacked.doublings));
        report.attacked_drives = Some(attacked);
        clock.note("attack_drives");
    }
    if let Some(driver) = driver.learned().filter(|_| plan.makes(Part::Decisions)) {
        if report.attack_decisions(driver, interrupt)?.is_none() {
            return Ok(None);
        }
        clock.note("attack_decisions");
    }
    report.skipped = library.skipped;
    report.headline = report.summed_up();
    report.wall_clock_s = clock.parts;
    Ok(Some(report))
}

/// Of how many scenario files a driver keeps the bounds; `None` if somebody interrupted.
fn count_library(driver: &Driver, folder: &Path, interrupt: &Interrupt) -> anyhow::Result<Option<LibraryCount>> {
    ScenarioLibrary::read_sound(folder, driver)?.count(
        "scenario library",
        || Ok(driver.again()?),
        all_cores(),
        interrupt,
    )
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
        searched: plan.searched_frames,
        square_queries: plan.square_queries,
        noise_tries: plan.noise_tries,
        planting_steps: plan.planting_steps,
        seed: plan.seed,
    }
}

/// As hard as drives are attacked.
fn push(trial: &Trial, plan: &Plan) -> Push {
    Push {
        size: trial.size,
        eps_levels: f32::from(plan.reference_eps_levels),
        steps: plan.drive_steps,
        tries: plan.tries,
        seed: plan.seed,
    }
}

/// The roads that decisions are taken from: held-out ones, every second without other cars, so that empty roads are among them.
fn sampled_roads(plan: &Plan) -> Vec<FamilyDrive> {
    let count = plan.frames.div_ceil(OF_A_DRIVE);
    let one = |index| if index % 2 == 0 { road(plan, index) } else { emptied(road(plan, index)) };
    (0..count).map(one).collect()
}

fn examples<'a>(
    own: &'a EndToEnd,
    other: &'a EndToEnd,
    decisions: &'a [SampledDecision],
    seed: u64,
) -> Examples<Decisions<'a>> {
    let situations = || decisions.iter().map(|decision| &decision.situation).collect();
    Examples {
        rgb: decisions.iter().flat_map(|decision| &decision.situation.frame).copied().collect(),
        seeds: (0..decisions.len()).map(|index| seed_of(seed, index)).collect(),
        objective: Decisions::new(own, situations()),
        substitute: Some(Decisions::new(other, situations())),
    }
}

impl Report {
    fn empty(about: About, plan: &Plan, camera_px: (u16, u16)) -> Self {
        Self {
            about,
            plan: plan.clone(),
            camera_px,
            sample: SAMPLE,
            headline: Headline {
                clean_score: None,
                mrr: None,
                relative_at_severity_3: None,
                broken_at_severity_3: None,
                collisions_at_severity_3: None,
                attacked: None,
                attacked_on_empty_roads: None,
                half_of_drives_broken_at_levels: None,
                half_of_decisions_turned_at_levels: None,
                checks: (0, 0, 0),
            },
            skipped: Vec::new(),
            clean: Vec::new(),
            clean_totals: None,
            library: None,
            matrix: None,
            moments: Vec::new(),
            attacked_drives: None,
            attacked_decisions: None,
            checks: Vec::new(),
            turned: Vec::new(),
            held_by_memory: Vec::new(),
            certified: Vec::new(),
            wall_clock_s: BTreeMap::new(),
        }
    }

    /// Attacks single decisions, and fills in the check-list; `None` if somebody interrupted.
    fn attack_decisions(&mut self, driver: &LearnedDriver, interrupt: &Interrupt) -> anyhow::Result<Option<()>> {
        let roads = sampled_roads(&self.plan);
        let names: Vec<String> = roads.iter().map(|road| road.name.clone()).collect();
        let scenarios = roads.into_iter().map(|road| road.scenario).collect();
        let decisions = sample::collect(driver, scenarios, self.plan.frames)?;
        anyhow::ensure!(!decisions.is_empty(), "every held-out road ends before a decision could be taken from it");
        let trial = trial(driver, &self.plan);
        let (other, transferred_from) = substitute::substitute(driver, trial.seed)?;
        let other = EndToEnd::new(&LearnedDriver::new(other, driver.policy().clone(), *driver.spec()));
        let own = EndToEnd::new(driver);
        let examples = examples(&own, &other, &decisions, trial.seed);
        let Some((attacked, checks)) = examine(&examples, &trial, &transferred_from, interrupt) else {
            return Ok(None);
        };
        self.checks.extend(checks);
        let hidden = self.attacked_drives.as_ref().map(|drives| {
            let attacks: Vec<&DrivePlan> = drives.attacks().collect();
            hidden_outputs(&own, &decisions, &attacks, &push(&trial, &self.plan))
        });
        self.checks.push(hidden_outputs_are_pushed(decisions.len(), hidden.as_deref()));
        self.turned = turned::turned(driver, (&names, &decisions), &attacked.curves, &trial, 3);
        self.held_by_memory = turned::held_by_memory(driver, &decisions);
        self.certified = certified::certified_shares(driver, &decisions);
        self.attacked_decisions = Some(attacked);
        Ok(Some(()))
    }

    fn summed_up(&self) -> Headline {
        let count = |verdict| self.checks.iter().filter(|check| check.verdict == verdict).count();
        let matrix = self.matrix.as_ref();
        let middle = matrix.and_then(Matrix::middle);
        let drives = self.attacked_drives.as_ref();
        let attacked = |name| drives.and_then(|drives| drives.group(name)?.at(drives.reference_eps_levels).cloned());
        let all = drives.and_then(|drives| drives.group(ALL_DRIVES));
        let half = all.and_then(|all| all.points.iter().find(|point| point.broken.value >= 0.5));
        let decisions = self.attacked_decisions.as_ref();
        let turned = decisions.and_then(|all| all.strongest.points.iter().find(|point| point.success >= 0.5));
        Headline {
            clean_score: matrix.map(|matrix| matrix.clean_score),
            mrr: matrix.and_then(|matrix| matrix.mrr),
            relative_at_severity_3: middle.map(|result| result.relative),
            broken_at_severity_3: middle.map(|result| result.broken),
            collisions_at_severity_3: middle.map(|result| result.collisions),
            attacked: attacked(ALL_DRIVES),
            attacked_on_empty_roads: attacked(EMPTY_ROADS),
            half_of_drives_broken_at_levels: half.map(|point| point.eps_levels),
            half_of_decisions_turned_at_levels: turned.map(|point| point.eps_levels),
            checks: (count(CheckVerdict::Held), count(CheckVerdict::Failed), count(CheckVerdict::CannotBeJudged)),
        }
    }
}
