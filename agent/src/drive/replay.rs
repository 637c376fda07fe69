//! Drives scenario files: in closed loop against their bounds, or with recorded actions against a golden trace.

use crate::drive::rollout::drive_recorded;
use crate::driver::Driver;
use crate::host::files::write_atomically;
use crate::host::program::quoted;
use anyhow::Context;
use roadproof_sim::outcome::expectations::Closest;
use roadproof_sim::trigger::Trigger;
use roadproof_sim::{Build, BuiltScenario, Episode, FleetError, Outcome, Trace, text};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A scenario file with its golden trace, if it has one.
pub struct Case {
    /// The file.
    pub path: PathBuf,
    /// What it says.
    pub scenario: BuiltScenario,
    /// The recorded drive.
    pub golden: Option<Trace>,
}

/// What became of one case.
pub struct CaseReport {
    /// The file.
    pub file: PathBuf,
    /// Folder of the file.
    pub family: String,
    /// Name of the file without its end.
    pub name: String,
    /// How the drive ended, if it has.
    pub outcome: Option<Outcome>,
    /// Its driving score.
    pub driving_score: f32,
    /// Whether the drive was held to bounds; a recorded drive of one who broke is only to be the same again.
    pub judged: bool,
    /// What broke; empty if the case passed.
    pub failures: Vec<String>,
    /// What else is to be said, such as what was recorded.
    pub notes: Vec<String>,
    /// The measure that came closest to its bound, or what the trace says.
    pub closest: String,
    /// Every bound that was held to, with what was measured, tightest first.
    pub bounds: Vec<Closest>,
    /// The drive.
    pub trace: Trace,
    /// Wall-clock time.
    pub seconds: f64,
}

impl Case {
    /// Reads a scenario, and the trace beside it if `with_golden`.
    ///
    /// # Errors
    /// A file that cannot be read or used, with its path and line.
    pub fn read(path: &Path, with_golden: bool) -> anyhow::Result<Self> {
        let scenario = roadproof_sim::read(path)?;
        let trace_path = trace_path(path);
        let text = match with_golden.then(|| text::read(&trace_path)) {
            None => None,
            Some(Err(error)) if error.kind() == ErrorKind::NotFound => None,
            Some(text) => Some(text.with_context(|| format!("cannot read {trace_path:?}"))?),
        };
        let parse = |text: String| Trace::parse(&text).with_context(|| format!("{}", trace_path.display()));
        Ok(Self { path: path.to_owned(), scenario, golden: text.map(parse).transpose()? })
    }

    /// Whether it is a find of an attack: the trace is then of a driver who broke, the bounds are for those who hold.
    #[must_use]
    pub fn found(&self) -> bool {
        self.scenario.recorded.is_some() || !self.scenario.expect.golden_holds
    }

    /// Whether recorded actions lie beside it, read or not.
    #[must_use]
    pub fn has_trace(&self) -> bool {
        trace_path(&self.path).exists()
    }

    /// Whether there is nothing in it for this driver: it is driven in closed loop, its faults are the camera's, and the driver
    /// looks at no frame.
    #[must_use]
    pub fn unseen_by(&self, driver: &Driver) -> bool {
        self.golden.is_none() && driver.class().is_none() && self.scenario.faults_are_the_cameras()
    }

    /// The folder it lies in, by its last name.
    #[must_use]
    pub fn family(&self) -> String {
        family(&self.path)
    }

    /// Its file's name without the extension.
    #[must_use]
    pub fn name(&self) -> String {
        name(&self.path)
    }

    /// Both, as people read them.
    #[must_use]
    pub fn title(&self) -> String {
        title(&self.path)
    }
}

/// The folder that a scenario file lies in, by its last name.
#[must_use]
pub fn family(path: &Path) -> String {
    last_name(path.parent())
}

/// A scenario file's name without the extension.
#[must_use]
pub fn name(path: &Path) -> String {
    last_name(Some(&path.with_extension("")))
}

/// Both, as people read them.
#[must_use]
pub fn title(path: &Path) -> String {
    joined(&family(path), &name(path))
}

fn joined(family: &str, name: &str) -> String {
    if family.is_empty() { name.to_owned() } else { format!("{family}/{name}") }
}

fn last_name(path: Option<&Path>) -> String {
    path.and_then(Path::file_name).map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

impl CaseReport {
    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let verdict = match self.failures.is_empty() {
            false => "FAIL",
            true if self.judged => "ok  ",
            true => "same",
        };
        format!("{verdict}   {:<36} {}", joined(&self.family, &self.name), self.closest)
    }
}

/// Drives one case to its end, and holds it to the bounds for this driver's class.
///
/// # Errors
/// If the world cannot be built.
pub fn drive_case(case: &Case, driver: &mut Driver) -> anyhow::Result<CaseReport> {
    let start = Instant::now();
    let mut failures = Vec::new();
    let episode = match &case.golden {
        Some(golden) => {
            let mut episode = Episode::new(case.scenario.clone())?;
            golden.controls().for_each(|controls| episode.step(controls));
            episode
        }
        None => closed_loop(case.scenario.clone(), driver)?,
    };
    let mut closest = String::new();
    if let Some(golden) = &case.golden {
        closest = format!("{} recorded decisions; ", golden.rows.len());
        if let Err(difference) = golden.compare(episode.trace()) {
            let driver = if case.found() { " --driver DRIVER" } else { "" };
            let renew = format!("roadproof replay {} --bless{driver}", quoted(&case.path.to_string_lossy()));
            failures.push(format!("golden trace: {difference}; if that is meant, renew it with: {renew}"));
        }
    }
    let (mut bounds, mut notes) = (Vec::new(), Vec::new());
    match episode.judged_by(case.scenario.bounds(driver.class())) {
        Some(judgement) if case.golden.is_some() && case.found() => {
            let score = episode.score().driving_score;
            let outcome = judgement.outcome;
            closest += &format!("it ends {outcome:?} again, driving score {score:.2}; not judged without --driver");
        }
        Some(judgement) => {
            failures.extend(judgement.failures(&case.scenario.actors));
            let untested = judgement.bounds.iter().filter(|bound| bound.untested());
            notes.extend(untested.map(|bound| {
                let why = if bound.name == "min_ttc_s" {
                    "it never closed in on anything ahead"
                } else {
                    "nothing was ahead"
                };
                format!("{bound}: {why}")
            }));
            notes.extend(case.scenario.idle_bounds(case.scenario.bounds(driver.class())));
            let never = case.scenario.idle_parts();
            let is_told = |trigger: Trigger| never.iter().any(|told| told.contains(&format!("waits for {trigger}")));
            let waiting: Vec<(String, Trigger)> = episode.fleet().waits_for(0);
            let waiting = waiting.into_iter().filter(|(_, trigger)| !is_told(*trigger));
            notes.extend(waiting.map(|(who, trigger)| format!("{who}: {trigger} never came")));
            notes.extend(never);
            let tightest = judgement.closest().map_or_else(String::new, |bound| format!(", {bound}"));
            closest += &format!("{:?}{tightest}", judgement.outcome);
            bounds = judgement.bounds;
        }
        None => failures.push("the recorded actions end before the drive does".to_owned()),
    }
    Ok(CaseReport {
        file: case.path.clone(),
        family: case.family(),
        name: case.name(),
        outcome: episode.verdict().outcome,
        judged: case.golden.is_none() || !case.found(),
        driving_score: episode.score().driving_score,
        failures,
        notes,
        closest,
        bounds,
        trace: episode.trace().clone(),
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// Lets a driver drive a scenario to its end.
///
/// # Errors
/// [`FleetError`] if the world cannot be built.
pub fn closed_loop(scenario: impl Build, driver: &mut Driver) -> Result<Episode, FleetError> {
    drive_recorded(scenario, driver, |_| ())
}

/// Writes a drive's trace beside its scenario, if the drive keeps the scenario's bounds. What an attack found is a drive that
/// broke: of a driver who holds it there is nothing to record, and that he broke is no failure.
///
/// # Errors
/// If the file cannot be written.
pub fn bless(case: &Case, report: &mut CaseReport) -> anyhow::Result<()> {
    let path = trace_path(&case.path);
    if case.found() {
        if report.failures.is_empty() {
            let holds = "this driver holds what broke another: name that one with --driver; nothing was recorded";
            report.failures.push(holds.to_owned());
            return Ok(());
        }
        report.failures.clear();
    } else if !report.failures.is_empty() {
        report.failures.push(format!("the drive misses its bounds, so it was not recorded as {}", path.display()));
        return Ok(());
    }
    write_atomically(&path, report.trace.to_text().as_bytes())?;
    report.notes.push(format!("recorded as {}; evaluate and report count no file with a trace", path.display()));
    Ok(())
}

fn trace_path(scenario: &Path) -> PathBuf {
    scenario.with_extension("trace")
}
