//! `roadproof train`

use super::Ended;
use super::scenarios::scenarios;
use super::trained::trained_under;
use crate::drive::table::tables;
use crate::driver::{Driver, LearnedDriver};
use crate::host::console::{Console, note};
use crate::host::interrupt;
use crate::host::program::quoted;
use crate::host::run_folder::{RunFolder, SETTINGS_FILE};
use crate::train::checkpoint::{COLLECT, EVALUATE, LEARN, PERCEIVE, cut_in_words};
use crate::train::settings::Settings;
use crate::train::{Begin, RESULT_FILE, train};
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  roadproof train                          the whole chain, within ten minutes on two idle cores; it says how long here
  roadproof train --seed 7 --out runs/seven
  roadproof train --minutes 2              a quick look: every stage does less work
  roadproof train --config runs/seven/settings.ron --seed 8
  roadproof train --resume runs/seven      goes on where Ctrl-C, or SIGTERM, stopped it
  roadproof train --resume runs/seven --minutes 20   goes on where fewer minutes cut it short
  roadproof train --without-camera         the baseline of all who look, in about three minutes
  roadproof train --harden                 against sensor faults and attacks as well; about a quarter of an hour
  roadproof train --harden --from runs/seven --out runs/seven-hard

A run that is stopped saves what was learnt, says how to go on, and exits with 130.")]
pub(super) struct Arguments {
    /// Where all randomness starts [default: 1, or what --config or --from says].
    #[arg(long)]
    seed: Option<u64>,
    /// Minutes that the run may take in all, over its sessions; work that does not fit is cut, and what was cut is said at the end
    /// [default: as long as the work takes].
    #[arg(long, value_parser = minutes, allow_negative_numbers = true)]
    minutes: Option<f64>,
    /// Run folder, which must not exist yet [default: runs/<time>-<seed>].
    #[arg(long, value_name = "FOLDER", conflicts_with = "resume")]
    out: Option<PathBuf>,
    /// Settings in RON; what the file leaves out keeps its default.
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    config: Option<PathBuf>,
    /// Go on with an interrupted run, under its own settings.
    #[arg(long, value_name = "RUN", conflicts_with = "seed")]
    resume: Option<PathBuf>,
    /// Train a driver without a camera, the baseline of all who look: the policy learns on what its car tells of itself, and on
    /// where dead reckoning from the start puts its lane.
    #[arg(long, conflicts_with_all = ["resume", "harden", "from"])]
    without_camera: bool,
    /// Harden the driver: train on faulty and adversarial frames, on drives whose sensors fail, with filters over frames.
    #[arg(long, conflicts_with = "resume")]
    harden: bool,
    /// Begin with the weights of a finished run, or of a driver that ships with the program (shipped, hardened), under its
    /// settings.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["resume", "config"])]
    from: Option<String>,
    /// With --harden: learn also on the scenarios in these folders or files, such as scenarios/found.
    #[arg(long, value_name = "PATH", requires = "harden", conflicts_with = "resume", value_parser = scenarios())]
    found: Vec<PathBuf>,
}

/// A time that a run can be given.
fn minutes(text: &str) -> Result<f64, String> {
    let minutes = text.parse::<f64>().map_err(|error| error.to_string())?;
    let allowed = 0.05..=100_000.0;
    let refused = || format!("allowed is {} to {}", allowed.start(), allowed.end());
    if allowed.contains(&minutes) { Ok(minutes) } else { Err(refused()) }
}

/// The driver to begin with.
fn start_from(name: &str) -> anyhow::Result<LearnedDriver> {
    match Driver::named(name, None)? {
        Driver::Learned(driver) => Ok(*driver),
        _ => anyhow::bail!(
            "--from {name}: there are no weights to begin with, allowed are shipped, hardened and run folders"
        ),
    }
}

pub(super) fn run(arguments: &Arguments, console: &mut Console) -> anyhow::Result<Ended> {
    let resumed = arguments.resume.is_some();
    let start = arguments.from.as_deref().map(start_from).transpose()?;
    let (mut settings, existing) = match (&arguments.resume, &arguments.config, &arguments.from) {
        (Some(folder), ..) => {
            let run = RunFolder::resume(folder)?;
            (Settings::read(&run.path(SETTINGS_FILE))?, Some(run))
        }
        (None, Some(file), _) => (Settings::read(file)?, None),
        // How long the other run was wished to take is no matter of this one.
        (None, None, Some(name)) => (Settings { minutes: None, ..trained_under(name, None)? }, None),
        (None, None, None) => (Settings::default(), None),
    };
    if arguments.harden {
        settings = settings.hardened(start.is_some());
        if !arguments.found.is_empty() {
            // Whoever goes on with the run may stand in another folder.
            let found = roadproof_sim::scenario::find(&arguments.found)?;
            settings.found = found.iter().map(std::path::absolute).collect::<Result<_, _>>()?;
        }
    }
    if arguments.without_camera {
        settings = settings.without_camera();
    }
    settings.seed = arguments.seed.unwrap_or(settings.seed);
    settings.minutes = arguments.minutes.or(settings.minutes);
    settings.check()?;
    let run = match (existing, &arguments.out) {
        (Some(run), _) => run,
        (None, Some(out)) => RunFolder::create(out)?,
        (None, None) => RunFolder::create_in(Path::new("runs"), &settings.seed.to_string())?,
    };
    let interrupt = interrupt::install()?;
    let wish = settings.minutes.map(|minutes| format!(", {minutes} minutes in all")).unwrap_or_default();
    note(format_args!("run folder {}, seed {}{wish}", run.root().display(), settings.seed));
    let begin = match (resumed, &start) {
        (true, _) => Begin::Resumed,
        (false, Some(driver)) => Begin::From(arguments.from.as_deref().unwrap_or_default(), driver),
        (false, None) => Begin::Fresh,
    };
    let trained = train(&settings, &run, begin, &interrupt)?;
    let Some(result) = trained.result else {
        console.line(format_args!("Nothing left to do. Results: {}", run.path(RESULT_FILE).display()));
        trained.note.iter().for_each(|note| console.line(note));
        return Ok(Ended::Held);
    };
    if interrupt.requested() {
        let run = quoted(&run.root().to_string_lossy());
        console.line(format_args!("Stopped. What was learnt is saved; go on with: roadproof train --resume {run}"));
        return Ok(Ended::Stopped);
    }
    console.line(tables(&result.drivers, &settings.evaluate));
    if !result.cut.is_empty() {
        console.line(format_args!("Of a run that was cut short: {}", cut_in_words(&result.cut)));
    }
    let seconds: f64 = result.wall_clock_s.values().sum();
    let stages: Vec<String> = [COLLECT, PERCEIVE, LEARN, EVALUATE]
        .iter()
        .filter_map(|&stage| Some(format!("{stage} {:.0} s", result.wall_clock_s.get(stage)?)))
        .collect();
    console.line(format_args!("{seconds:.0} s in all: {}", stages.join(", ")));
    console.line(format_args!("Results: {}", run.path(RESULT_FILE).display()));
    trained.note.iter().for_each(|note| console.line(note));
    Ok(Ended::Held)
}
