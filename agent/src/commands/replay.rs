//! `roadproof replay`

use super::Ended;
use super::drivers::{driver_name, note_unfinished};
use super::scenarios::scenarios;
use super::trained::trained_under;
use crate::about::{About, is_result};
use crate::drive::library::speaks_of;
use crate::drive::replay::{Case, CaseReport, bless, drive_case, family, name, title};
use crate::driver::Driver;
use crate::formats::junit::{CaseOutcome, CaseResult, is_report, write_junit};
use crate::host::console::{Console, is_standard_output};
use crate::host::files::{check_folder, check_result, same_place, write_atomically};
use crate::host::interrupt::{self, Interrupt, given_up};
use crate::host::progress::LongWork;
use crate::host::threads::all_cores;
use crate::watch::drive::mcap;
use anyhow::Context;
use clap::Args;
use rayon::prelude::*;
use roadproof_sim::Outcome;
use roadproof_sim::outcome::expectations::Closest;
use roadproof_sim::scenario::is_standard_input;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  roadproof replay                                     every file under scenarios/
  roadproof replay scenarios/cut_in --driver shipped
  roadproof replay --junit junit.xml --traces traces   for a CI server
  roadproof replay --driver runs/seven --film failures see what went wrong
  roadproof replay --driver 'cmd:python3 my.py'        a program of one's own, see agent/src/driver/program/README.md
  roadproof replay --driver shipped --mcap drives      drives to open in Foxglove or Lichtblick
  roadproof replay scenarios/regression --bless        record actions and golden traces anew

Without --driver a file with a .trace beside it replays the recorded actions and must meet every digest of state and frame;
files without a trace are driven in closed loop, by scripted. Whoever is named drives all of them, and traces are left aside.
What an attack found or `evaluate --keep` kept has a trace of the driver who broke, and bounds for those who hold: without --driver
the trace alone is held to, and \"same\" says that it is.

A driver is held to the bounds for its class, if a file has some. Files whose camera or decision rate is not the driver's are skipped, and so
are files without a trace whose faults are the camera's alone where the driver looks through none. A file that cannot be used is named, the others are driven, and the exit
code is 2.")]
pub(super) struct Arguments {
    /// Scenario files or folders, or names of the library: `cut_in/from_left`; - is standard input.
    #[arg(default_value = "scenarios", value_parser = scenarios())]
    paths: Vec<PathBuf>,
    /// scripted, straight, random, shipped, hardened, blind, odometry, the folder of a run, latest, or cmd:PROGRAM: who drives every
    /// file anew [default: scripted, and recorded actions where a file has some].
    #[arg(long, value_parser = driver_name())]
    driver: Option<String>,
    /// Write a JUnit report there; - is standard output.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write there as JSON what became of each file, with every bound and what was measured; - is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Film each case that fails into this folder, as mp4; needs a program built with its window.
    #[arg(long, value_name = "FOLDER")]
    film: Option<PathBuf>,
    /// Write one MCAP file per case into this folder: frames, truth, percepts, Q-values, controls, rewards and the scene.
    #[arg(long, value_name = "FOLDER")]
    mcap: Option<PathBuf>,
    /// Write one trace file per case into this folder.
    #[arg(long, value_name = "FOLDER")]
    traces: Option<PathBuf>,
    /// Say of every drive its score, and of every bound what was measured, not of the closest alone.
    #[arg(long)]
    bounds: bool,
    /// Drive in closed loop and record actions and trace beside each scenario whose bounds the drive keeps.
    #[arg(long)]
    bless: bool,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console) -> anyhow::Result<Ended> {
    let piped = |path: &Option<PathBuf>| path.as_deref().is_some_and(is_standard_output);
    anyhow::ensure!(
        !(piped(&arguments.junit) && piped(&arguments.json)),
        "--junit and --json would both write to standard output"
    );
    arguments.check_places()?;
    anyhow::ensure!(
        !(arguments.bless && arguments.paths.iter().any(|path| is_standard_input(path))),
        "--bless records beside a file, and standard input lies nowhere"
    );
    console.give_way_to(arguments.junit.as_deref());
    console.give_way_to(arguments.json.as_deref());
    let files = roadproof_sim::scenario::find(&arguments.paths)?;
    note_unfinished(arguments.driver())?;
    let driver = Driver::named(arguments.driver(), None)?;
    let with_golden = arguments.driver.is_none() && !arguments.bless;
    let (cases, mut left_out) = read(files, &driver, with_golden, arguments.bless);
    check_outputs(arguments, &cases)?;
    let interrupt = interrupt::install()?;
    let (cases, mut reports) = drive(arguments, cases, &interrupt, &mut left_out)?;
    if given_up().is_some() {
        // A driver's program that failed: what it drove until then is no drive, and why it failed is told.
        return Ok(Ended::Stopped);
    }
    if interrupt.requested() {
        told(console, &reports, &left_out);
        console.line("Stopped before the last file; nothing was written.");
        return Ok(Ended::Stopped);
    }
    let mut both = cases.iter().zip(&mut reports).filter(|_| arguments.bless);
    let blessed = both.try_for_each(|(case, report)| bless(case, report));
    if arguments.bounds {
        for (case, report) in cases.iter().zip(&mut reports) {
            let told = |bound: &Closest| format!("{bound}{}", bound.place(&case.scenario.actors));
            report.notes.push(format!("driving score = {:.2}", report.driving_score));
            report.notes.extend(report.bounds.iter().filter(|bound| !bound.untested()).map(told));
        }
    }
    told(console, &reports, &left_out);
    if !with_golden && !arguments.bless {
        counted(console, &driver, &cases, &reports);
    }
    blessed?;
    if let Some(folder) = &arguments.traces {
        write_traces(folder, &reports)?;
    }
    if let Some(path) = &arguments.junit {
        let driven = reports.iter().map(junit_case);
        let all: Vec<CaseResult> = driven.chain(left_out.iter().map(LeftOut::junit_case)).collect();
        write_junit(path, "roadproof replay", &all)?;
    }
    if let Some(path) = &arguments.json {
        let about = About::this(JSON_FORMAT).of(arguments.driver(), &driver);
        let all: Vec<CaseJson<'_>> =
            reports.iter().map(CaseJson::driven).chain(left_out.iter().map(LeftOut::json)).collect();
        write_atomically(path, &serde_json::to_vec_pretty(&ReplayFile { about, cases: all })?)?;
    }
    if let Some(folder) = &arguments.mcap {
        write_mcap(folder, arguments.driver(), &cases, &reports, &interrupt)?;
    }
    if let Some(folder) = &arguments.film {
        film_failures(folder, arguments.driver(), &cases, &reports, console)?;
    }
    if let Some(error) = LeftOut::as_error(left_out, reports.is_empty()) {
        return Err(error);
    }
    Ok(Ended::held(reports.iter().all(|report| report.failures.is_empty())))
}

impl Arguments {
    /// Refuses outputs of which one would take the place of the other.
    fn check_places(&self) -> anyhow::Result<()> {
        let files = [("--junit", &self.junit), ("--json", &self.json)];
        let all = files.into_iter().chain([("--traces", &self.traces), ("--mcap", &self.mcap), ("--film", &self.film)]);
        let all: Vec<_> = all.filter_map(|(option, path)| Some((option, path.as_deref()?))).collect();
        for (at, (option, path)) in all.iter().enumerate() {
            // Folders can be shared: what lies in them has its own end.
            let is_file = |option: &str| files.iter().any(|(file, _)| *file == option);
            let clash = all[at + 1..].iter().find(|(_, other)| is_file(option) && same_place(path, other));
            if let Some((other, _)) = clash {
                anyhow::bail!("{option} and {other} would both write to {path:?}");
            }
        }
        Ok(())
    }

    /// Who drives, wherever nothing recorded does.
    fn driver(&self) -> &str {
        self.driver.as_deref().unwrap_or("scripted")
    }
}

/// Version of the shape of what `--json` writes.
const JSON_FORMAT: u32 = 1;

/// What `--json` writes.
#[derive(Serialize)]
struct ReplayFile<'a> {
    about: About,
    cases: Vec<CaseJson<'a>>,
}

/// What became of one file.
#[derive(Serialize)]
struct CaseJson<'a> {
    file: String,
    /// `passed`, `failed`, `error`, `skipped`, or `reproduced`: a recorded drive of one who broke, the same again and not judged.
    verdict: &'static str,
    /// How the drive ended; null where there was none.
    outcome: Option<Outcome>,
    driving_score: Option<f32>,
    failures: &'a [String],
    notes: Vec<String>,
    bounds: &'a [Closest],
}

impl<'a> CaseJson<'a> {
    fn driven(report: &'a CaseReport) -> Self {
        let CaseReport { file, outcome, driving_score, failures, notes, bounds, .. } = report;
        let verdict = match failures.is_empty() {
            false => "failed",
            true if report.judged => "passed",
            true => "reproduced",
        };
        let (file, notes) = (file.display().to_string(), notes.clone());
        Self { file, verdict, outcome: *outcome, driving_score: Some(*driving_score), failures, notes, bounds }
    }
}

/// A file that is not driven. The others are.
struct LeftOut {
    path: PathBuf,
    reason: anyhow::Error,
    kind: Kind,
}

/// Why a file is not driven.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It cannot be used.
    Broken,
    /// It is as it should be, but not for this driver.
    Unfit,
    /// It is about what this driver does not look at.
    Unseen,
}

impl LeftOut {
    fn line(&self) -> String {
        let verdict = if self.kind == Kind::Broken { "ERROR" } else { "skip " };
        format!("{verdict}  {:<36} {:#}", title(&self.path), self.reason)
    }

    fn junit_case(&self) -> CaseResult {
        let reason = format!("{:#}", self.reason);
        let broken = self.kind == Kind::Broken;
        let outcome = if broken { CaseOutcome::Error(reason) } else { CaseOutcome::Skipped(reason) };
        let file = self.path.display().to_string();
        CaseResult { family: family(&self.path), name: name(&self.path), file, seconds: 0.0, outcome }
    }

    fn json(&self) -> CaseJson<'_> {
        let verdict = if self.kind == Kind::Broken { "error" } else { "skipped" };
        let (file, notes) = (self.path.display().to_string(), vec![format!("{:#}", self.reason)]);
        CaseJson { file, verdict, outcome: None, driving_score: None, failures: &[], notes, bounds: &[] }
    }

    /// What the exit code is to tell: files that cannot be used, or that none of them fits the driver. A file alone is told of here;
    /// what is wrong with one of several stands in their list.
    fn as_error(mut left_out: Vec<Self>, nothing_driven: bool) -> Option<anyhow::Error> {
        let alone = nothing_driven && left_out.len() == 1;
        let broken = left_out.iter().filter(|left| left.kind == Kind::Broken).count();
        match (alone.then(|| left_out.pop()).flatten(), broken) {
            (Some(only), 1) => Some(only.reason),
            (Some(only), _) => Some(only.reason.context(only.path.display().to_string())),
            (None, 0) if nothing_driven => Some(anyhow::anyhow!("none of {} files is for this driver", left_out.len())),
            (None, 0) => None,
            (None, 1) => Some(anyhow::anyhow!("1 file cannot be used")),
            (None, broken) => Some(anyhow::anyhow!("{broken} files cannot be used")),
        }
    }
}

/// Reads the files; those that cannot be used, do not fit the driver, or have nothing in them that it looks at, are left out. What is
/// to be recorded is for whoever replays it.
fn read(files: Vec<PathBuf>, driver: &Driver, with_golden: bool, bless: bool) -> (Vec<Case>, Vec<LeftOut>) {
    let (mut cases, mut left_out) = (Vec::new(), Vec::new());
    for path in files {
        let case = match Case::read(&path, with_golden) {
            Ok(case) => case,
            Err(reason) => {
                left_out.push(LeftOut { path, reason, kind: Kind::Broken });
                continue;
            }
        };
        if let Err(misfit) = driver.fits(&case.scenario) {
            left_out.push(LeftOut { path, reason: misfit.into(), kind: Kind::Unfit });
        } else if !bless && case.unseen_by(driver) {
            let reason = anyhow::anyhow!("its faults are the camera's, and this driver looks at no frame");
            left_out.push(LeftOut { path, reason, kind: Kind::Unseen });
        } else {
            cases.push(case);
        }
    }
    (cases, left_out)
}

/// Finds out whether everything that was asked for can be written, before anything is driven.
fn check_outputs(arguments: &Arguments, cases: &[Case]) -> anyhow::Result<()> {
    arguments.junit.as_deref().map(|path| check_result(path, is_report)).transpose()?;
    arguments.json.as_deref().map(|path| check_result(path, is_result)).transpose()?;
    if arguments.film.is_some() {
        check_film()?;
    }
    for (folder, end) in [(&arguments.traces, "trace"), (&arguments.mcap, "mcap"), (&arguments.film, "mp4")] {
        if let Some(folder) = folder {
            check_files(folder, cases, end)?;
        }
    }
    Ok(())
}

/// Drives the cases side by side, until somebody interrupts; returns those that were driven, with what became of them.
fn drive(
    arguments: &Arguments,
    cases: Vec<Case>,
    interrupt: &Interrupt,
    left_out: &mut Vec<LeftOut>,
) -> anyhow::Result<(Vec<Case>, Vec<CaseReport>)> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(all_cores()).build()?;
    let drive_one = |case: Case| {
        if interrupt.requested() {
            return None;
        }
        let driven = Driver::named(arguments.driver(), None).and_then(|mut driver| drive_case(&case, &mut driver));
        Some((case, driven))
    };
    let all: Vec<_> = pool.install(|| cases.into_par_iter().filter_map(drive_one).collect());
    let (mut driven, mut reports) = (Vec::new(), Vec::new());
    for (case, report) in all {
        match report {
            Ok(report) => {
                driven.push(case);
                reports.push(report);
            }
            Err(error) => {
                let reason = error.context(case.path.display().to_string());
                left_out.push(LeftOut { path: case.path, reason, kind: Kind::Broken });
            }
        }
    }
    Ok((driven, reports))
}

/// Tells what became of every file, and how many went which way; nothing of a file alone that was not driven, which is an error.
fn told(console: &mut Console, reports: &[CaseReport], left_out: &[LeftOut]) {
    if reports.is_empty() && left_out.len() == 1 {
        return;
    }
    for report in reports {
        console.line(report.line());
        for line in report.failures.iter().chain(&report.notes) {
            console.line(format_args!("       {line}"));
        }
    }
    left_out.iter().for_each(|left| console.line(left.line()));
    let failed = reports.iter().filter(|report| !report.failures.is_empty()).count();
    let same = reports.iter().filter(|report| !report.judged && report.failures.is_empty()).count();
    let mut counts = format!("{} passed, {failed} failed", reports.len() - failed - same);
    if same > 0 {
        counts += &format!(", {same} the same again as recorded and not judged");
    }
    for (kind, what) in [
        (Kind::Unfit, "skipped: not for this driver"),
        (Kind::Unseen, "skipped: of a camera that this driver does not look through"),
        (Kind::Broken, "not to be used"),
    ] {
        let count = left_out.iter().filter(|left| left.kind == kind).count();
        if count > 0 {
            counts += &format!(", {count} {what}");
        }
    }
    console.line(counts);
}

/// Tells how many of the files `evaluate` and `report` count, where they are not all that were driven.
fn counted(console: &mut Console, driver: &Driver, cases: &[Case], reports: &[CaseReport]) {
    let counting: Vec<&CaseReport> =
        cases.iter().zip(reports).filter(|(case, _)| speaks_of(driver, case)).map(|(_, report)| report).collect();
    if !counting.is_empty() && counting.len() < reports.len() {
        let kept = counting.iter().filter(|report| report.failures.is_empty()).count();
        console.line(format_args!(
            "{kept} of the {} that evaluate and report count: not what has recorded actions, is to fail whoever drives, or was found by an \
             attack",
            counting.len()
        ));
    }
}

/// Finds out whether every case can have a file of its own, before anything is driven.
fn check_files(folder: &Path, cases: &[Case], end: &str) -> anyhow::Result<()> {
    check_folder(folder)?;
    let mut names = BTreeMap::new();
    for case in cases {
        let name = file_name(&case.family(), &case.name(), end);
        if let Some(other) = names.insert(name.clone(), &case.path) {
            anyhow::bail!("{other:?} and {:?} would both write {name} into {folder:?}: replay them apart", case.path);
        }
        if folder.is_dir() {
            check_result(&folder.join(name), |there| is_own_file(end, there))?;
        }
    }
    Ok(())
}

/// Whether the bytes of a file of this end are those of one that this command wrote, as far as its kind can say so.
fn is_own_file(end: &str, there: &[u8]) -> bool {
    let head = &there[..there.len().min(1024)];
    match end {
        "trace" => head.starts_with(b"roadproof trace "),
        "mcap" => head.starts_with(b"\x89MCAP0") && head.windows(9).any(|window| window == b"roadproof"),
        _ => head.get(4..8) == Some(b"ftyp"),
    }
}

fn make_folder(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {folder:?}"))
}

fn write_traces(folder: &Path, reports: &[CaseReport]) -> anyhow::Result<()> {
    make_folder(folder)?;
    for report in reports {
        let path = folder.join(file_name(&report.family, &report.name, "trace"));
        write_atomically(&path, report.trace.to_text().as_bytes())?;
    }
    Ok(())
}

/// Drives what the traces recorded once more, with the driver thinking along, and writes it down.
fn write_mcap(
    folder: &Path,
    name: &str,
    cases: &[Case],
    reports: &[CaseReport],
    interrupt: &Interrupt,
) -> anyhow::Result<()> {
    let reward = trained_under(name, None)?.reward;
    make_folder(folder)?;
    let mut progress = LongWork::start("mcap", cases.len() as u64, "drives");
    for (index, (case, report)) in cases.iter().zip(reports).enumerate() {
        interrupt.check()?;
        let driver = Driver::named(name, None)?;
        let (scenario, controls) = (case.scenario.clone().into_scenario(), report.trace.controls().collect());
        let path = folder.join(file_name(&report.family, &report.name, "mcap"));
        write_atomically(&path, &mcap::of_controls(scenario, controls, (name, driver), &case.title(), reward)?)?;
        progress.set(index as u64 + 1, format_args!("{}", path.display()));
    }
    progress.finish(format_args!("in {}", folder.display()));
    Ok(())
}

fn file_name(family: &str, name: &str, end: &str) -> String {
    format!("{family}_{name}.{end}")
}

fn junit_case(report: &CaseReport) -> CaseResult {
    CaseResult {
        family: report.family.clone(),
        name: report.name.clone(),
        file: report.file.display().to_string(),
        seconds: report.seconds,
        outcome: match &report.failures[..] {
            [] => CaseOutcome::Passed,
            failures => CaseOutcome::Failed(failures.join("\n")),
        },
    }
}

/// Finds out whether films can be made, before anything is driven.
#[cfg(feature = "watch")]
fn check_film() -> anyhow::Result<()> {
    crate::watch::window::display::check_graphics().map(|_| ())
}

#[cfg(not(feature = "watch"))]
fn check_film() -> anyhow::Result<()> {
    anyhow::bail!(super::without_renderer("replay --film FOLDER"))
}

/// Films what the traces of failed cases recorded; the driver thinks along.
#[cfg(feature = "watch")]
fn film_failures(
    folder: &Path,
    driver: &str,
    cases: &[Case],
    reports: &[CaseReport],
    console: &mut Console,
) -> anyhow::Result<()> {
    use crate::formats::film::FilmSettings;
    use crate::watch::film::film;
    use crate::watch::window::app::Quality;
    use crate::watch::window::session::{Choice, Session};
    make_folder(folder)?;
    let quality = Quality::for_graphics(crate::watch::window::display::check_graphics()?);
    for (case, report) in cases.iter().zip(reports).filter(|(_, report)| !report.failures.is_empty()) {
        let choice = Choice { name: case.title(), scenario: case.scenario.clone().into_scenario() };
        let session = Session::new(driver, vec![choice], Some(report.trace.controls().collect()))?;
        let seconds = f64::from(case.scenario.duration_s) + 1.0;
        let path = folder.join(file_name(&case.family(), &case.name(), "mp4"));
        film(session, &FilmSettings { size: (640, 360), fps: 10, seconds }, quality, &path)?;
        console.line(path.display());
    }
    Ok(())
}

#[cfg(not(feature = "watch"))]
fn film_failures(_: &Path, _: &str, _: &[Case], _: &[CaseReport], _: &mut Console) -> anyhow::Result<()> {
    Ok(())
}
