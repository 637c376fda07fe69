//! `roadproof evaluate`

use crate::drivers::{Driver, LearnedDriver, RandomDriver, ScriptedDriver};
use crate::evaluate::{evaluate, table};
use crate::files::{check_writable, write_atomically};
use crate::interrupt;
use crate::settings::Settings;
use clap::Args;
use roadproof_sim::Split;
use serde::Serialize;
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  roadproof evaluate                                  the driver that ships with the program
  roadproof evaluate --driver runs/seven --json seven.json
  roadproof evaluate --driver scripted --roads 200
  roadproof evaluate --driver blind                   the shipped driver with its camera covered")]
pub(super) struct Arguments {
    /// A run folder, or one of shipped, scripted, random, blind.
    #[arg(long, default_value = "shipped")]
    driver: String,
    /// The run whose driver `blind` covers the eyes of [default: shipped].
    #[arg(long, value_name = "RUN")]
    blind_run: Option<PathBuf>,
    /// How many roads [default: 60].
    #[arg(long)]
    roads: Option<usize>,
    /// Held-out roads give figures; choose settings on validation roads, or the figures mean nothing.
    #[arg(long, value_enum, default_value_t = Roads::HeldOut)]
    split: Roads,
    /// Seed of the roads [default: 0].
    #[arg(long)]
    seed: Option<u64>,
    /// Write the result there as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Which roads to drive.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Roads {
    /// Roads that nothing else drives.
    HeldOut,
    /// Roads of the family that perception is checked on.
    Validation,
}

/// What `--json` writes; the same shape as a run's `result.json`.
#[derive(Serialize)]
struct Report<'a> {
    seed: u64,
    drivers: &'a [crate::evaluate::DriverResult],
    wall_clock_s: std::collections::BTreeMap<&'static str, f64>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    anyhow::ensure!(
        arguments.blind_run.is_none() || arguments.driver == "blind",
        "--blind-run goes with --driver blind, not with --driver {}",
        arguments.driver
    );
    arguments.json.as_deref().map(check_writable).transpose()?;
    let start = std::time::Instant::now();
    let (mut driver, mut settings) = driver(&arguments.driver, arguments.blind_run.as_deref())?;
    settings.evaluate.roads = arguments.roads.unwrap_or(settings.evaluate.roads);
    settings.evaluate.split = match arguments.split {
        Roads::HeldOut => Split::HeldOut,
        Roads::Validation => Split::Validation,
    };
    settings.evaluate.seed = arguments.seed.unwrap_or(settings.evaluate.seed);
    settings.check()?;
    let Some(result) = evaluate(&mut driver, &settings, &interrupt::install()?)? else {
        println!("Stopped before the last road.");
        return Ok(false);
    };
    let results = [result];
    println!("{}", table(&results));
    if let Some(path) = &arguments.json {
        let wall_clock_s = [("evaluate", start.elapsed().as_secs_f64())].into();
        let report = Report { seed: settings.evaluate.seed, drivers: &results, wall_clock_s };
        write_atomically(path, &serde_json::to_vec_pretty(&report)?)?;
    }
    Ok(true)
}

/// The driver of this name, with the settings it was trained under.
pub(super) fn driver(name: &str, blind_run: Option<&std::path::Path>) -> anyhow::Result<(Driver, Settings)> {
    let learned = |folder: Option<&std::path::Path>| -> anyhow::Result<(Box<LearnedDriver>, Settings)> {
        let driver = match folder {
            Some(folder) => LearnedDriver::load(folder)?,
            None => LearnedDriver::shipped()?,
        };
        let settings = driver.settings().clone();
        Ok((Box::new(driver), settings))
    };
    Ok(match name {
        "scripted" => (Driver::Scripted(ScriptedDriver::default()), Settings::default()),
        "random" => (Driver::Random(RandomDriver::default()), Settings::default()),
        "shipped" => {
            let (driver, settings) = learned(None)?;
            (Driver::Learned(driver), settings)
        }
        "blind" => {
            let (driver, settings) = learned(blind_run)?;
            (Driver::Blind(driver), settings)
        }
        folder => {
            let path = std::path::Path::new(folder);
            anyhow::ensure!(
                path.exists(),
                "no driver {folder:?}: allowed are shipped, scripted, random, blind, or the folder of a run"
            );
            let (driver, settings) = learned(Some(path))?;
            (Driver::Learned(driver), settings)
        }
    })
}
