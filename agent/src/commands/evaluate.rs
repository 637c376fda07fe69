//! `roadproof evaluate`

use super::Ended;
use crate::attack::found::quoted;
use crate::drive::evaluate::{evaluate, table};
use crate::driver::Driver;
use crate::host::console::{Console, note};
use crate::host::files::{check_writable, write_atomically};
use crate::host::folder_lock::FolderLock;
use crate::host::interrupt;
use crate::host::run_folder::new_folder;
use crate::robustness::{self, Plan};
use crate::train::settings::Settings;
use anyhow::Context;
use clap::Args;
use roadproof_sim::Split;
use roadproof_sim::fault::FaultKind;
use serde::Serialize;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  roadproof evaluate                                  the driver that ships with the program
  roadproof evaluate --driver runs/seven --json seven.json
  roadproof evaluate --driver scripted --roads 200
  roadproof evaluate --driver blind                   the shipped driver with its camera covered
  roadproof evaluate --driver hardened                the one that was trained to hold under faults and attacks
  roadproof evaluate --robustness shipped             every fault and attack, with a page to read: some minutes
  roadproof evaluate --robustness runs/seven --quick --kinds Fog,Rain --out seven

--robustness exits with 1 if the report finds a sign that its attacks are weaker than they seem.")]
pub(super) struct Arguments {
    /// A run folder, or one of shipped, hardened, scripted, random, blind.
    #[arg(long, default_value = "shipped")]
    driver: String,
    /// The run whose driver `blind` covers the eyes of [default: shipped].
    #[arg(long, value_name = "RUN")]
    blind_run: Option<PathBuf>,
    /// How many roads [default: 60]; for --robustness, drives of each family under each fault [default: 2].
    #[arg(long)]
    roads: Option<usize>,
    /// Held-out roads give figures; choose settings on validation roads, or the figures mean nothing.
    #[arg(long, value_enum, default_value_t = Roads::HeldOut)]
    split: Roads,
    /// Seed of the roads [default: 0].
    #[arg(long)]
    seed: Option<u64>,
    /// Whose frames the driver gets: the simulator's own, or those of bevy's renderer as well, which it has never seen.
    #[arg(long, value_enum, default_value_t = Camera::Raster)]
    camera: Camera,
    /// Write the result there as JSON; - is standard output, and the table then goes to standard error.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a report of what faults and attacks leave of a driver: shipped, hardened, or the folder of a run.
    #[arg(long, value_name = "DRIVER", conflicts_with_all = NOT_OF_THE_REPORT)]
    robustness: Option<String>,
    /// Folder of the report [default: robustness/<time>-<driver>].
    #[arg(long, value_name = "FOLDER", requires = "robustness", conflicts_with_all = NOT_OF_THE_REPORT)]
    out: Option<PathBuf>,
    /// A small report, in less than a minute: held-out roads alone, fewer budgets and decisions.
    #[arg(long, requires = "robustness", conflicts_with_all = NOT_OF_THE_REPORT)]
    quick: bool,
    /// Faults of the report, with commas between them [default: all].
    #[arg(long, value_name = "NAMES", requires = "robustness", value_delimiter = ',', conflicts_with_all = NOT_OF_THE_REPORT)]
    kinds: Vec<String>,
}

/// Options that a report takes no notice of. Named with each option of the report too: where one of these is given, clap no longer
/// asks for `--robustness`.
const NOT_OF_THE_REPORT: [&str; 5] = ["driver", "blind_run", "split", "json", "camera"];

/// Which roads to drive.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Roads {
    /// Roads that nothing else drives.
    HeldOut,
    /// Roads of the family that perception is checked on.
    Validation,
}

/// Whose frames the driver gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Camera {
    /// The simulator's own.
    Raster,
    /// Both, one after the other: needs a program built with its window.
    Bevy,
}

/// What `--json` writes; the same shape as a run's `result.json`.
#[derive(Serialize)]
struct Report<'a> {
    seed: u64,
    drivers: &'a [crate::drive::evaluate::DriverResult],
    wall_clock_s: std::collections::BTreeMap<&'static str, f64>,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console) -> anyhow::Result<Ended> {
    if let Some(name) = &arguments.robustness {
        return report(arguments, name, console);
    }
    console.give_way_to(arguments.json.as_deref());
    anyhow::ensure!(
        arguments.blind_run.is_none() || arguments.driver == "blind",
        "--blind-run goes with --driver blind, not with --driver {}",
        arguments.driver
    );
    arguments.json.as_deref().map(check_writable).transpose()?;
    let start = std::time::Instant::now();
    let (mut driver, mut settings) = Driver::named(&arguments.driver, arguments.blind_run.as_deref())?;
    settings.evaluate.roads = arguments.roads.unwrap_or(settings.evaluate.roads);
    settings.evaluate.split = match arguments.split {
        Roads::HeldOut => Split::HeldOut,
        Roads::Validation => Split::Validation,
    };
    settings.evaluate.seed = arguments.seed.unwrap_or(settings.evaluate.seed);
    settings.check()?;
    if arguments.camera == Camera::Bevy {
        check_second_camera(&driver)?;
    }
    let interrupt = interrupt::install()?;
    let mut results = Vec::new();
    let mut words = None;
    if let Some(result) = evaluate(&mut driver, &settings, &interrupt)? {
        results.push(result);
        if arguments.camera == Camera::Bevy
            && let Some((second, cost)) = second_view(&mut driver, &settings, &interrupt)?
        {
            results.push(second);
            words = Some(cost);
        }
    }
    if results.len() < if arguments.camera == Camera::Bevy { 2 } else { 1 } {
        console.line("Stopped before the last road.");
        return Ok(Ended::Stopped);
    }
    console.line(table(&results));
    if let (Some(words), [first, second]) = (words, &results[..]) {
        let gap = second.driving_score - first.driving_score;
        console.line(format_args!("Sim-to-sim gap: {gap:+.1} of driving score. {words}"));
    }
    if let Some(path) = &arguments.json {
        let wall_clock_s = [("evaluate", start.elapsed().as_secs_f64())].into();
        let report = Report { seed: settings.evaluate.seed, drivers: &results, wall_clock_s };
        write_atomically(path, &serde_json::to_vec_pretty(&report)?)?;
    }
    Ok(Ended::Held)
}

/// Measures and writes a robustness report.
fn report(arguments: &Arguments, name: &str, console: &mut Console) -> anyhow::Result<Ended> {
    let mut plan = if arguments.quick { Plan::quick() } else { Plan::standard() };
    plan.seed = arguments.seed.unwrap_or(plan.seed);
    plan.roads = arguments.roads.unwrap_or(plan.roads);
    if !arguments.kinds.is_empty() {
        let named = |name: &String| FaultKind::named(name.trim()).map_err(anyhow::Error::msg);
        plan.kinds = arguments.kinds.iter().map(named).collect::<Result<_, _>>().context("--kinds")?;
    }
    plan.check().map_err(anyhow::Error::msg)?;
    let Driver::Learned(driver) = Driver::named(name, None)?.0 else {
        anyhow::bail!("the driver {name:?} has no gradients to attack: allowed are shipped, hardened and run folders");
    };
    let (out, made, lock) = match &arguments.out {
        Some(out) => own_folder(out)?,
        None => {
            let last = Path::new(name).file_name().map_or_else(|| "run".into(), |last| last.to_string_lossy());
            own_folder(&new_folder(Path::new("robustness"), &last)?).map(|(out, _, lock)| (out, true, lock))?
        }
    };
    let interrupt = interrupt::install()?;
    note(format_args!("report folder {}, seed {}", out.display(), plan.seed));
    let words: Vec<String> = std::env::args_os().skip(1).map(|word| quoted(&word.to_string_lossy())).collect();
    let command = format!("roadproof {}", words.join(" "));
    let measured = robustness::measure(&driver, name, &plan, command, &interrupt);
    if made && !matches!(measured, Ok(Some(_))) {
        // Nothing has been written: an empty folder is no use to anybody.
        drop(lock);
        let _ = std::fs::remove_dir(&out);
    }
    let Some(report) = measured? else {
        console.line("Stopped before the report was complete; nothing was written.");
        return Ok(Ended::Stopped);
    };
    console.line(robustness::summary(&report));
    let page = out.join("report.html");
    write_atomically(&out.join("robustness.json"), &serde_json::to_vec_pretty(&report)?)?;
    write_atomically(&page, robustness::page(&report).as_bytes())?;
    console.line(format_args!("Report: {}", page.display()));
    Ok(Ended::held(report.headline.checks.1 == 0))
}

/// Makes the folder of a report and locks it, and tells whether it was not there before; a report never mixes with other files.
fn own_folder(out: &Path) -> anyhow::Result<(PathBuf, bool, FolderLock)> {
    if let Some(parent) = out.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot create the folder {out:?}"))?;
    }
    let made = match std::fs::create_dir(out) {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
        Err(error) => return Err(error).with_context(|| format!("cannot create the folder {out:?}")),
    };
    anyhow::ensure!(out.is_dir(), "not a folder: {out:?}");
    let lock = FolderLock::take_empty(out)
        .with_context(|| format!("the folder of a report must be empty, choose another --out: {out:?}"))?;
    Ok((out.to_owned(), made, lock))
}

/// Refuses the second camera where it cannot be.
#[cfg(feature = "watch")]
fn check_second_camera(driver: &Driver) -> anyhow::Result<()> {
    anyhow::ensure!(driver.needs_camera(), "--camera bevy: a {} driver looks at no frames", driver.name());
    crate::watch::window::display::check_graphics().map(|_| ())
}

#[cfg(not(feature = "watch"))]
fn check_second_camera(_: &Driver) -> anyhow::Result<()> {
    anyhow::bail!(super::without_renderer("evaluate --camera bevy"))
}

/// The result on bevy's frames, and what they cost in words.
#[cfg(feature = "watch")]
fn second_view(
    driver: &mut Driver,
    settings: &Settings,
    interrupt: &interrupt::Interrupt,
) -> anyhow::Result<Option<(crate::drive::evaluate::DriverResult, String)>> {
    let Some(view) = crate::watch::second_camera::evaluate::evaluate(driver, settings, interrupt)? else {
        return Ok(None);
    };
    let per_s = view.frames as f64 / view.drawing.as_secs_f64();
    let most = crate::watch::second_camera::MOST_WORLDS;
    let words =
        format!("{} frames drawn and read back at {per_s:.0} frames/s, {most} worlds to a picture.", view.frames);
    Ok(Some((view.result, words)))
}

#[cfg(not(feature = "watch"))]
fn second_view(
    _: &mut Driver,
    _: &Settings,
    _: &interrupt::Interrupt,
) -> anyhow::Result<Option<(crate::drive::evaluate::DriverResult, String)>> {
    Ok(None)
}
