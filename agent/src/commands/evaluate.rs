//! `roadproof evaluate`

use super::Ended;
use super::choices::{Camera, SplitName, whole};
use super::devices::DeviceOption;
use super::drivers::{driver_name, note_unfinished};
use super::keep::Keeping;
use super::trained::{settings_known, trained_under};
use crate::about::{About, AboutDriver, AboutRoads, Parent, as_written, is_result};
use crate::drive::evaluate::{EvaluateSettings, FIGURES_ROADS, FIGURES_SEED, evaluate};
use crate::drive::library::{LIBRARY_FOLDER, LibraryCount, ScenarioLibrary};
use crate::drive::result::DriverResult;
use crate::drive::table::tables;
use crate::driver::Driver;
use crate::host::console::{Console, note};
use crate::host::files::{check_result, same_place, write_atomically};
use crate::host::interrupt;
use crate::host::program::{quoted, typed_command};
use crate::train::RESULT_FORMAT;
use clap::Args;
use roadproof_sim::DriveStyle;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  roadproof evaluate                                  the driver that ships with the program
  roadproof evaluate latest                           the one of the run that was trained last
  roadproof evaluate runs/seven --json seven.json
  roadproof evaluate runs/seven runs/eight scripted --roads 200   on the same roads, in one table
  roadproof evaluate runs/seven --keep worst --worst 3   roads to look at: roadproof watch runs/seven worst
  roadproof evaluate blind                            the shipped driver with its camera covered
  roadproof evaluate odometry                         one that was trained without a camera
  roadproof evaluate straight                         straight on at the speed limit
  roadproof evaluate hardened                         the one that was trained to hold under faults and attacks
  roadproof evaluate 'cmd:python3 my.py' scripted     a program of one's own beside the one that knows the truth

Beside the roads it drives the scenario files that say something of the driver, and counts those whose bounds it keeps, as
`roadproof replay --driver DRIVER` does. What faults and attacks leave of a driver is measured by `roadproof report`.

Exit codes: 0 all roads were driven, whatever the score, 2 bad input, 130 stopped by Ctrl-C or another signal.")]
pub(super) struct Arguments {
    /// Run folders, or shipped, hardened, scripted, straight, random, blind, odometry, latest, cmd:PROGRAM [default: shipped].
    #[arg(value_name = "DRIVER", value_parser = driver_name())]
    drivers: Vec<String>,
    /// The same; it can be given several times.
    #[arg(long = "driver", value_name = "DRIVER", value_parser = driver_name())]
    more_drivers: Vec<String>,
    /// The run whose driver `blind` covers the eyes of [default: shipped].
    #[arg(long, value_name = "RUN")]
    blind_run: Option<PathBuf>,
    /// How many roads.
    #[arg(long, value_name = "N", default_value_t = FIGURES_ROADS, value_parser = whole(1..=10_000))]
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
    #[command(flatten)]
    device: DeviceOption,
    /// Folder of the scenario files [default: scenarios, where there is such a folder].
    #[arg(long, value_name = "FOLDER")]
    scenarios: Option<PathBuf>,
    /// Keep the worst roads in this new or empty folder, those without arrival first, each as a scenario with its trace, for watch, replay,
    /// snapshot and attack, and as MCAP.
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
    /// How many roads to keep.
    #[arg(long, value_name = "N", default_value_t = 5, requires = "keep", value_parser = whole(1..=10_000))]
    worst: usize,
    /// Write the result there as JSON; - is standard output, and the table then goes to standard error.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What `--json` writes; the same shape as a run's `result.json`, and of each driver who it is and the count of scenario files.
#[derive(Serialize)]
struct ResultFile<'a> {
    /// Its driver and settings are those of the only one, and null of several.
    about: About,
    drivers: &'a [Driven],
    wall_clock_s: std::collections::BTreeMap<&'static str, f64>,
}

/// What became of one driver.
#[derive(Serialize)]
struct Driven {
    #[serde(flatten)]
    result: DriverResult,
    about: AboutDriver,
    /// Of how many scenario files the driver keeps the bounds; null where there are none, or none that can be read.
    library: Option<LibraryCount>,
}

/// What is the same for all drivers.
struct Course {
    roads: EvaluateSettings,
    interrupt: interrupt::Interrupt,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console) -> anyhow::Result<Ended> {
    console.give_way_to(arguments.json.as_deref());
    let names = arguments.names();
    arguments.check(&names)?;
    arguments.keep.as_deref().map(Keeping::check).transpose()?;
    drive_all(arguments, &names, console)
}

fn drive_all(arguments: &Arguments, names: &[String], console: &mut Console) -> anyhow::Result<Ended> {
    let start = std::time::Instant::now();
    // Whatever cannot drive is refused before the first road is driven.
    let mut drivers = Vec::new();
    for name in names {
        note_unfinished(name)?;
        drivers.push(Driver::named(name, arguments.blind_run(name))?);
        trained_under(name, arguments.blind_run(name))?;
    }
    arguments.device.check(&drivers)?;
    drop(drivers);
    let roads = EvaluateSettings { roads: arguments.roads, seed: arguments.seed, split: arguments.split.into() };
    let course = Course { roads, interrupt: interrupt::install()? };
    let (mut driven, mut words) = (Vec::new(), None);
    for name in names {
        let Some((rows, cost)) = arguments.drive(name, &course, console)? else { return Ok(Ended::Stopped) };
        driven.extend(rows);
        words = words.or(cost);
    }
    let results: Vec<DriverResult> = driven.iter().map(|driven| driven.result.clone()).collect();
    console.line(tables(&results, &roads));
    for Driven { result, library, .. } in &driven {
        let Some(count) = library else { continue };
        let whose = if names.len() > 1 { format!("{}: ", result.driver) } else { String::new() };
        // Within the width of the tables.
        let told = format!("Scenario library: {whose}{count}.");
        console.line(told.replace("; ", ";\n"));
    }
    if let (Some(words), [first, second]) = (words, &results[..]) {
        let gap = second.driving_score - first.driving_score;
        console.line(format_args!("Sim-to-sim gap: {gap:+.1} of driving score. {words}"));
    }
    if let Some(path) = &arguments.json {
        let wall_clock_s = [("evaluate", start.elapsed().as_secs_f64())].into();
        let report =
            ResultFile { about: arguments.about(&driven[0].about, names, &roads)?, drivers: &driven, wall_clock_s };
        write_atomically(path, &serde_json::to_vec_pretty(&report)?)?;
    }
    if let Some(folder) = &arguments.keep {
        let (name, command) = (&names[0], typed_command());
        let settings = trained_under(name, arguments.blind_run(name))?;
        let keeping = Keeping { folder, command, style: settings.drive, driver: name, reward: settings.reward };
        if !arguments.keep_worst(&keeping, &results[0], &course.interrupt, console)? {
            return Ok(Ended::Stopped);
        }
    }
    Ok(Ended::Held)
}

impl Arguments {
    /// Who is to drive.
    fn names(&self) -> Vec<String> {
        let names: Vec<String> = self.drivers.iter().chain(&self.more_drivers).cloned().collect();
        if names.is_empty() { vec!["shipped".to_owned()] } else { names }
    }

    /// Refuses what does not go together, and outputs that cannot be written.
    fn check(&self, names: &[String]) -> anyhow::Result<()> {
        let blind = names.iter().any(|name| name == "blind");
        anyhow::ensure!(
            self.blind_run.is_none() || blind,
            "--blind-run goes with the driver blind, not with {}",
            names.join(", ")
        );
        let same = |one: &String, other: &String| {
            one == other || Path::new(one).is_dir() && same_place(Path::new(one), Path::new(other))
        };
        if let Some(twice) = (1..names.len()).find(|&at| names[..at].iter().any(|name| same(name, &names[at]))) {
            anyhow::bail!("the driver {:?} is named twice", names[twice]);
        }
        let one_only = [(self.keep.is_some(), "--keep"), (self.camera == Camera::Bevy, "--camera bevy")];
        if let Some((_, option)) = one_only.into_iter().find(|(given, _)| *given && names.len() > 1) {
            anyhow::bail!("{option} takes one driver, not {}: {}", names.len(), names.join(", "));
        }
        self.json.as_deref().map(|path| check_result(path, is_result)).transpose()?;
        Ok(())
    }

    fn blind_run(&self, name: &str) -> Option<&Path> {
        self.blind_run.as_deref().filter(|_| name == "blind")
    }

    /// Drives the roads, and counts the scenario files; on bevy's frames as well where that is asked for, with what they cost in words.
    /// `None` if somebody interrupted, who has been told.
    fn drive(
        &self,
        name: &str,
        course: &Course,
        console: &mut Console,
    ) -> anyhow::Result<Option<(Vec<Driven>, Option<String>)>> {
        let mut driver = self.driver(name)?;
        let settings = trained_under(name, self.blind_run(name))?;
        if self.camera == Camera::Bevy {
            check_second_camera(&driver)?;
        }
        let library = self.library(&driver)?;
        let (Course { roads, interrupt }, style, threads) = (course, settings.drive, settings.threads());
        let mut about = AboutDriver::of(name, &driver);
        if let Some(run) = self.blind_run(name) {
            about.parent = Parent::read(run);
        }
        let driven = |result| Driven { result, about: about.clone(), library: None };
        let Some(result) = evaluate(name, &mut driver, roads, &style, threads, interrupt)? else {
            console.line("Stopped before the last road.");
            return Ok(None);
        };
        let (mut rows, mut words) = (vec![driven(result)], None);
        if self.camera == Camera::Bevy {
            let Some((second, cost)) = second_view(name, &mut driver, roads, &style, threads, interrupt)? else {
                console.line("Stopped before the last road.");
                return Ok(None);
            };
            rows.push(driven(second));
            words = Some(cost);
        }
        if let Some(library) = &library {
            let stage = format!("scenario library {name}");
            rows[0].library = library.count(&stage, || self.driver(name), threads, interrupt)?;
            if rows[0].library.is_none() {
                console.line("Stopped before the last scenario file.");
                return Ok(None);
            }
        }
        Ok(Some((rows, words)))
    }

    /// Where the result comes from; of several drivers each says for itself who it is.
    fn about(&self, first: &AboutDriver, names: &[String], roads: &EvaluateSettings) -> anyhow::Result<About> {
        let EvaluateSettings { roads, seed, split } = *roads;
        let about = About { roads: Some(AboutRoads { split, seed, roads }), ..About::this(RESULT_FORMAT) };
        let [name] = names else { return Ok(about) };
        let blind_run = self.blind_run(name);
        let settings =
            if settings_known(name, blind_run) { Some(as_written(&trained_under(name, blind_run)?)?) } else { None };
        Ok(About { settings, driver: Some(first.clone()), ..about })
    }

    fn driver(&self, name: &str) -> anyhow::Result<Driver> {
        self.device.put(Driver::named(name, self.blind_run(name))?)
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
        for road in result.worst(self.worst) {
            if interrupt.requested() {
                console.line("Stopped before the last road was kept.");
                return Ok(false);
            }
            let path = keeping.keep(road, || self.driver(keeping.driver))?;
            let (outcome, score) = (road.outcome, road.score.driving_score);
            console.line(format_args!("Kept {}: {outcome:?}, driving score {score:.1}", path.display()));
            first.get_or_insert(path);
        }
        if let Some(path) = first {
            let recording = path.with_extension("mcap");
            let recording = quoted(&recording.to_string_lossy());
            let scenario = quoted(&path.to_string_lossy());
            let watch = format!("roadproof watch --replay {recording}");
            let replay = format!("roadproof replay {scenario} --bounds");
            console.line(format_args!("See one: {}", if cfg!(feature = "watch") { watch } else { replay }));
        }
        Ok(true)
    }

    /// The scenario files to count; `None` where nobody named a folder, and the usual one is not here or has none. What lies in a folder
    /// that happens to be called so is no reason to drive no roads: a file that cannot be used is told of, and the others count.
    fn library(&self, driver: &Driver) -> anyhow::Result<Option<ScenarioLibrary>> {
        if let Some(folder) = &self.scenarios {
            anyhow::ensure!(folder.is_dir(), "--scenarios: not a folder: {folder:?}");
            return ScenarioLibrary::read_sound(folder, driver).map(Some);
        }
        let usual = Path::new(LIBRARY_FOLDER);
        let read = usual.is_dir().then(|| ScenarioLibrary::read(usual, driver));
        let read = read.and_then(|read| {
            read.inspect_err(|error| note(format_args!("note: no scenario file is counted: {error:#}"))).ok()
        });
        for error in read.iter().flat_map(ScenarioLibrary::broken) {
            note(format_args!("note: not counted, see roadproof scenario check: {error:#}"));
        }
        Ok(read)
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
    name: &str,
    driver: &mut Driver,
    settings: &EvaluateSettings,
    style: &DriveStyle,
    threads: usize,
    interrupt: &interrupt::Interrupt,
) -> anyhow::Result<Option<(DriverResult, String)>> {
    let Some(view) =
        crate::watch::second_camera::evaluate::evaluate(name, driver, settings, style, threads, interrupt)?
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
    _: &str,
    _: &mut Driver,
    _: &EvaluateSettings,
    _: &DriveStyle,
    _: usize,
    _: &interrupt::Interrupt,
) -> anyhow::Result<Option<(DriverResult, String)>> {
    Ok(None)
}
