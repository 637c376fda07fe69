//! `roadproof evaluate`

use super::Ended;
use super::choices::{Camera, SplitName};
use super::keep::{Keeping, worst};
use super::trained::{settings_known, trained_under};
use crate::about::{About, AboutRoads, as_written};
use crate::drive::evaluate::{EvaluateSettings, FIGURES_ROADS, FIGURES_SEED, evaluate};
use crate::drive::library::{LIBRARY_FOLDER, LibraryCount, ScenarioLibrary};
use crate::drive::result::DriverResult;
use crate::drive::table::tables;
use crate::driver::Driver;
use crate::host::console::{Console, note};
use crate::host::files::{check_writable, write_atomically};
use crate::host::interrupt;
use crate::host::program::{quoted, typed_command};
use crate::train::RESULT_FORMAT;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use roadproof_sim::DriveStyle;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  roadproof evaluate                                  the driver that ships with the program
  roadproof evaluate --driver runs/seven --json seven.json
  roadproof evaluate --driver scripted --roads 200
  roadproof evaluate --driver runs/seven --keep worst --worst 3   roads to look at: roadproof watch runs/seven worst
  roadproof evaluate --driver blind                   the shipped driver with its camera covered
  roadproof evaluate --driver odometry                one that was trained without a camera
  roadproof evaluate --driver straight                straight on at the speed limit
  roadproof evaluate --driver hardened                the one that was trained to hold under faults and attacks

Beside the roads it drives the scenario files that say something of the driver, and counts those whose bounds it keeps, as
`roadproof replay --driver DRIVER` does. What faults and attacks leave of a driver is measured by `roadproof report`.

Exit codes: 0 all roads were driven, whatever the score, 2 bad input, 130 stopped by Ctrl-C or another signal.")]
pub(super) struct Arguments {
    /// A run folder, or one of shipped, hardened, scripted, straight, random, blind, odometry.
    #[arg(long, default_value = "shipped")]
    driver: String,
    /// The run whose driver `blind` covers the eyes of [default: shipped].
    #[arg(long, value_name = "RUN")]
    blind_run: Option<PathBuf>,
    /// How many roads.
    #[arg(long, value_name = "N", default_value_t = FIGURES_ROADS, value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    roads: usize,
    /// Held-out roads give figures; choose settings on validation roads, or the figures mean nothing.
    #[arg(long, value_enum, default_value_t = SplitName::HeldOut)]
    split: SplitName,
    /// Seed of the roads. Nobody looked at those of the default while settings were chosen.
    #[arg(long, default_value_t = FIGURES_SEED)]
    seed: u64,
    /// Whose frames the driver gets: the simulator's own, or those of bevy's renderer as well, which it has never seen.
    #[arg(long, value_enum, default_value_t = Camera::Raster)]
    camera: Camera,
    /// Folder of the scenario files [default: scenarios, where there is such a folder].
    #[arg(long, value_name = "FOLDER")]
    scenarios: Option<PathBuf>,
    /// Keep the worst roads in this new or empty folder, those without arrival first, each as a scenario with its trace, for watch, replay,
    /// snapshot and attack, and as MCAP.
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
    /// How many roads to keep.
    #[arg(long, value_name = "N", default_value_t = 5, requires = "keep", value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    worst: usize,
    /// Write the result there as JSON; - is standard output, and the table then goes to standard error.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What `--json` writes; the same shape as a run's `result.json`, and the count of scenario files.
#[derive(Serialize)]
struct ResultFile<'a> {
    about: About,
    drivers: &'a [DriverResult],
    /// Of how many scenario files the driver keeps the bounds; null where there are none, or none that can be read.
    library: Option<LibraryCount>,
    wall_clock_s: std::collections::BTreeMap<&'static str, f64>,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console) -> anyhow::Result<Ended> {
    console.give_way_to(arguments.json.as_deref());
    anyhow::ensure!(
        arguments.blind_run.is_none() || arguments.driver == "blind",
        "--blind-run goes with --driver blind, not with --driver {}",
        arguments.driver
    );
    arguments.json.as_deref().map(check_writable).transpose()?;
    arguments.keep.as_deref().map(Keeping::check).transpose()?;
    let start = std::time::Instant::now();
    let mut driver = arguments.driver()?;
    let settings = trained_under(&arguments.driver, arguments.blind_run.as_deref())?;
    let roads = EvaluateSettings { roads: arguments.roads, seed: arguments.seed, split: arguments.split.into() };
    if arguments.camera == Camera::Bevy {
        check_second_camera(&driver)?;
    }
    let library = arguments.library(&driver)?;
    let interrupt = interrupt::install()?;
    let mut results = Vec::new();
    let mut words = None;
    let (style, threads) = (settings.drive, settings.threads());
    if let Some(result) = evaluate(&mut driver, &roads, &style, threads, &interrupt)? {
        // By the name that was given: many drivers have learnt.
        results.push(DriverResult { driver: arguments.driver.clone(), ..result });
        if arguments.camera == Camera::Bevy
            && let Some((second, cost)) = second_view(&mut driver, &roads, &style, threads, &interrupt)?
        {
            results.push(DriverResult { driver: format!("{}, bevy's frames", arguments.driver), ..second });
            words = Some(cost);
        }
    }
    if results.len() < if arguments.camera == Camera::Bevy { 2 } else { 1 } {
        console.line("Stopped before the last road.");
        return Ok(Ended::Stopped);
    }
    let mut count = None;
    if let Some(library) = &library {
        count = library.count(|| arguments.driver(), threads, &interrupt)?;
        if count.is_none() {
            console.line("Stopped before the last scenario file.");
            return Ok(Ended::Stopped);
        }
    }
    console.line(tables(&results, &roads));
    if let Some(count) = count {
        console.line(format_args!("Scenario library: {count}."));
    }
    if let (Some(words), [first, second]) = (words, &results[..]) {
        let gap = second.driving_score - first.driving_score;
        console.line(format_args!("Sim-to-sim gap: {gap:+.1} of driving score. {words}"));
    }
    if let Some(path) = &arguments.json {
        let wall_clock_s = [("evaluate", start.elapsed().as_secs_f64())].into();
        let EvaluateSettings { roads, seed, split } = roads;
        let about = About {
            roads: Some(AboutRoads { split, seed, roads }),
            settings: settings_known(&arguments.driver, arguments.blind_run.as_deref())
                .then(|| as_written(&settings))
                .transpose()?,
            ..About::this(RESULT_FORMAT).of(&arguments.driver, &driver)
        };
        let report = ResultFile { about, drivers: &results, library: count, wall_clock_s };
        write_atomically(path, &serde_json::to_vec_pretty(&report)?)?;
    }
    if let Some(folder) = &arguments.keep {
        let command = typed_command();
        let keeping = Keeping { folder, command, style, driver: &arguments.driver, reward: settings.reward };
        if !arguments.keep_worst(&keeping, &results[0], &interrupt, console)? {
            return Ok(Ended::Stopped);
        }
    }
    Ok(Ended::Held)
}

impl Arguments {
    fn driver(&self) -> anyhow::Result<Driver> {
        Driver::named(&self.driver, self.blind_run.as_deref())
    }

    /// Keeps the worst roads and says where they are; false if somebody interrupts, who keeps what is complete.
    fn keep_worst(
        &self,
        keeping: &Keeping<'_>,
        result: &DriverResult,
        interrupt: &interrupt::Interrupt,
        console: &mut Console,
    ) -> anyhow::Result<bool> {
        let mut first = None;
        for road in worst(result, self.worst) {
            if interrupt.requested() {
                console.line("Stopped before the last road was kept.");
                return Ok(false);
            }
            let path = keeping.keep(road, || self.driver())?;
            let (outcome, score) = (road.outcome, road.score.driving_score);
            console.line(format_args!("Kept {}: {outcome:?}, driving score {score:.1}", path.display()));
            first.get_or_insert(path);
        }
        if let Some(path) = first {
            let recording = path.with_extension("mcap");
            let recording = quoted(&recording.to_string_lossy());
            console.line(format_args!("See one: roadproof watch --replay {recording}"));
        }
        Ok(true)
    }

    /// The scenario files to count; `None` where nobody named a folder, and the usual one is not here or cannot be used: what
    /// happens to be called so where one stands is no reason to drive no roads.
    fn library(&self, driver: &Driver) -> anyhow::Result<Option<ScenarioLibrary>> {
        if let Some(folder) = &self.scenarios {
            return ScenarioLibrary::read(folder, driver).map(Some);
        }
        let usual = Path::new(LIBRARY_FOLDER);
        let read = usual.is_dir().then(|| ScenarioLibrary::read(usual, driver));
        Ok(read.and_then(|read| {
            read.inspect_err(|error| note(format_args!("note: no scenario file is counted: {error:#}"))).ok()
        }))
    }
}

/// Refuses the second camera where it cannot be.
#[cfg(feature = "watch")]
fn check_second_camera(driver: &Driver) -> anyhow::Result<()> {
    use crate::driver::Drives;
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
    settings: &EvaluateSettings,
    style: &DriveStyle,
    threads: usize,
    interrupt: &interrupt::Interrupt,
) -> anyhow::Result<Option<(DriverResult, String)>> {
    let Some(view) = crate::watch::second_camera::evaluate::evaluate(driver, settings, style, threads, interrupt)?
    else {
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
    _: &EvaluateSettings,
    _: &DriveStyle,
    _: usize,
    _: &interrupt::Interrupt,
) -> anyhow::Result<Option<(DriverResult, String)>> {
    Ok(None)
}
