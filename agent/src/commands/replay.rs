//! `roadproof replay`

use crate::drive::replay::{Case, CaseReport, bless, drive_case};
use crate::driver::Driver;
use crate::formats::junit::{CaseResult, write_junit};
use crate::host::files::{check_writable, write_atomically};
use crate::host::progress::Stage;
use crate::watch::drive::{Hands, WatchedDrive, mcap};
use anyhow::Context;
use clap::Args;
use rayon::prelude::*;
use roadproof_sim::Controls;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  roadproof replay                                     every file under scenarios/
  roadproof replay scenarios/cut_in --driver shipped
  roadproof replay --junit junit.xml --traces traces   for a CI server
  roadproof replay --driver runs/seven --film failures see what went wrong
  roadproof replay --driver shipped --mcap drives      drives to open in Foxglove or Lichtblick
  roadproof replay scenarios/golden --bless            record actions and golden traces anew

A file with a .trace beside it replays the recorded actions and must meet every digest of state and frame; with any
other driver than scripted the trace is left aside. Files without a trace are driven in closed loop. What an attack found
has a trace of the driver who broke, and bounds for those who hold: without --driver the trace alone is held to.")]
pub(super) struct Arguments {
    /// Scenario files or folders.
    #[arg(default_value = "scenarios")]
    paths: Vec<PathBuf>,
    /// scripted, random, shipped, hardened, blind, or the folder of a run.
    #[arg(long, default_value = "scripted")]
    driver: String,
    /// Write a JUnit report there.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Drives at the same time [default: one per core].
    #[arg(long)]
    jobs: Option<usize>,
    /// Film each case that fails into this folder, as mp4; needs a program built with its window.
    #[arg(long, value_name = "FOLDER")]
    film: Option<PathBuf>,
    /// Write one MCAP file per case into this folder: frames, truth, what was perceived, Q-values, controls and rewards.
    #[arg(long, value_name = "FOLDER")]
    mcap: Option<PathBuf>,
    /// Write one trace file per case into this folder.
    #[arg(long, value_name = "FOLDER")]
    traces: Option<PathBuf>,
    /// Drive in closed loop and record actions and trace beside each scenario.
    #[arg(long)]
    bless: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let cases: Vec<Case> = roadproof_sim::scenario::find(&arguments.paths)?
        .iter()
        .map(|path| Case::read(path, arguments.driver == "scripted" && !arguments.bless))
        .collect::<anyhow::Result<_>>()?;
    let (driver, _) = Driver::named(&arguments.driver, None)?;
    for case in &cases {
        driver.check_camera(&case.scenario).with_context(|| format!("{}", case.path.display()))?;
    }
    anyhow::ensure!(arguments.jobs != Some(0), "--jobs = 0, allowed is 1 or more");
    arguments.junit.as_deref().map(check_writable).transpose()?;
    if let Some(folder) = &arguments.traces {
        check_files(folder, &cases, "trace")?;
    }
    if let Some(folder) = &arguments.mcap {
        check_files(folder, &cases, "mcap")?;
    }
    if let Some(folder) = &arguments.film {
        check_film()?;
        check_files(folder, &cases, "mp4")?;
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(arguments.jobs.unwrap_or(0)).build()?;
    let new_driver = || Driver::named(&arguments.driver, None).map(|(driver, _)| driver);
    let mut reports: Vec<CaseReport> = pool.install(|| {
        let drive = |case: &Case| -> anyhow::Result<CaseReport> {
            let mut driver: Driver = new_driver()?;
            drive_case(case, &mut driver).with_context(|| format!("{}", case.path.display()))
        };
        cases.par_iter().map(drive).collect::<anyhow::Result<_>>()
    })?;
    for (case, report) in cases.iter().zip(&mut reports) {
        if arguments.bless {
            bless(case, report)?;
        }
        println!("{}", report.line());
        for failure in &report.failures {
            println!("       {failure}");
        }
    }
    if let Some(folder) = &arguments.traces {
        write_traces(folder, &reports)?;
    }
    if let Some(folder) = &arguments.mcap {
        write_mcap(folder, &arguments.driver, &cases, &reports)?;
    }
    if let Some(path) = &arguments.junit {
        write_junit(path, "roadproof replay", &reports.iter().map(junit_case).collect::<Vec<_>>())?;
    }
    let failed = reports.iter().filter(|report| !report.failures.is_empty()).count();
    if let Some(folder) = &arguments.film {
        film_failures(folder, &arguments.driver, &cases, &reports)?;
    }
    println!("{} passed, {failed} failed", reports.len() - failed);
    Ok(failed == 0)
}

/// Finds out whether every case can have a file of its own, before anything is driven.
fn check_files(folder: &Path, cases: &[Case], end: &str) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {folder:?}"))?;
    let mut names = BTreeMap::new();
    for case in cases {
        let name = file_name(&case.family(), &case.name(), end);
        if let Some(other) = names.insert(name.clone(), &case.path) {
            anyhow::bail!("{other:?} and {:?} would both write {name} into {folder:?}: replay them apart", case.path);
        }
        check_writable(&folder.join(name))?;
    }
    Ok(())
}

fn write_traces(folder: &Path, reports: &[CaseReport]) -> anyhow::Result<()> {
    for report in reports {
        let path = folder.join(file_name(&report.family, &report.name, "trace"));
        write_atomically(&path, report.trace.to_text().as_bytes())?;
    }
    Ok(())
}

/// Drives what the traces recorded once more, with the driver thinking along, and writes it down.
fn write_mcap(folder: &Path, name: &str, cases: &[Case], reports: &[CaseReport]) -> anyhow::Result<()> {
    let mut progress = Stage::start("mcap", cases.len() as u64, "drives");
    for (index, (case, report)) in cases.iter().zip(reports).enumerate() {
        let (driver, _) = Driver::named(name, None)?;
        let hands = Hands::Recorded(report.trace.controls().collect());
        let mut drive = WatchedDrive::new(case.scenario.clone(), driver, hands)?;
        while !drive.over() {
            drive.step(Controls::default());
        }
        let path = folder.join(file_name(&report.family, &report.name, "mcap"));
        write_atomically(&path, &mcap::log(&drive, name, &case.title())?)?;
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
        seconds: report.seconds,
        failure: (!report.failures.is_empty()).then(|| report.failures.join("\n")),
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
fn film_failures(folder: &Path, driver: &str, cases: &[Case], reports: &[CaseReport]) -> anyhow::Result<()> {
    use crate::watch::film::{FilmSettings, film};
    use crate::watch::window::app::Quality;
    use crate::watch::window::session::{Choice, Session};
    let quality = Quality::for_graphics(crate::watch::window::display::check_graphics()?);
    for (case, report) in cases.iter().zip(reports).filter(|(_, report)| !report.failures.is_empty()) {
        let choice = Choice { name: case.title(), scenario: case.scenario.clone() };
        let session = Session::new(driver, vec![choice], Some(report.trace.controls().collect()))?;
        let seconds = f64::from(case.scenario.duration_s) + 1.0;
        let path = folder.join(file_name(&case.family(), &case.name(), "mp4"));
        film(session, &FilmSettings { size: (640, 360), fps: 10, seconds, quality }, &path)?;
        println!("{}", path.display());
    }
    Ok(())
}

#[cfg(not(feature = "watch"))]
fn film_failures(_: &Path, _: &str, _: &[Case], _: &[CaseReport]) -> anyhow::Result<()> {
    Ok(())
}
