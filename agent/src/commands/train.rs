//! `roadproof train`

use super::Ended;
use super::choices::{AlgorithmName, DeviceName};
use super::compare::runs_tables;
use super::devices;
use super::drivers::{RUNS_FOLDER, note_unfinished, run_folder, weights_name};
use super::scenarios::scenarios;
use super::trained::trained_under;
use crate::drive::evaluate::EvaluateSettings;
use crate::drive::table::tables;
use crate::driver::{Driver, DriverSpec, LearnedDriver};
use crate::harden::HardenSettings;
use crate::host::console::{Console, note};
use crate::host::interrupt;
use crate::host::program::{quoted, typed_command_with};
use crate::host::run_folder::{RunFolder, SETTINGS_FILE};
use crate::learn::Algorithm;
use crate::train::assignments::{Assignment, differences};
use crate::train::checkpoint::{COLLECT, EVALUATE, LEARN, PERCEIVE, cut_in_words};
use crate::train::compare::compare;
use crate::train::reference::explained;
use crate::train::settings::Settings;
use crate::train::{Begin, RESULT_FILE, train};
use anyhow::Context;
use clap::Args;
use roadproof_sim::scenario::is_standard_input;
use roadproof_sim::text;
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  roadproof train                          the whole chain, within ten minutes on two idle cores; it says how long here
  roadproof train --seed 7 --out runs/seven
  roadproof train --seeds 1,2,3            three runs, and mean and spread over them
  roadproof train --minutes 2              a quick look: every stage does less work
  roadproof train --config runs/seven/settings.ron --seed 8
  roadproof train --resume runs/seven      goes on where Ctrl-C, or SIGTERM, stopped it
  roadproof train --resume runs/seven --minutes 20   goes on where fewer minutes cut it short
  roadproof train --without-camera         the baseline of all who look, in about three minutes
  roadproof train --device auto            on a graphics card, if the program was built for one: roadproof devices
  roadproof train --algorithm ppo          by another algorithm than PQN: ppo, dqn or dagger
  roadproof train --algorithm dagger --perception shipped --seeds 1,2,3    policies alone, on one perception
  roadproof train --harden                 against sensor faults and attacks as well; about a quarter of an hour
  roadproof train --harden --from runs/seven --out runs/seven-hard
  roadproof train --print-settings > mine.ron        every setting with its meaning and what is allowed
  roadproof train --set reward.progress=0.2 --set learn.updates=400

A run that is stopped saves what was learnt, says how to go on, and exits with 130.")]
pub(super) struct Arguments {
    /// Where all randomness starts [default: 1, or what --config, --from or --perception says].
    #[arg(long)]
    seed: Option<u64>,
    /// Several runs, one after the other, that differ in nothing but this: 1,2,3. With --out each lies in there as seed-N, and at the
    /// end they are compared.
    #[arg(long, value_name = "SEEDS", value_delimiter = ',', value_parser = one_of_seeds, conflicts_with_all = ["seed", "resume"])]
    seeds: Vec<u64>,
    /// Minutes that the run may take in all, over its sessions; work that does not fit is cut, and what was cut is said at the end
    /// [default: as long as the work takes].
    #[arg(long, value_parser = minutes, allow_negative_numbers = true)]
    minutes: Option<f64>,
    /// Run folder, which must not exist yet [default: runs/<time>-<seed>].
    #[arg(long, value_name = "FOLDER", conflicts_with = "resume")]
    out: Option<PathBuf>,
    /// Settings in RON; what the file leaves out keeps its default, or with --from what that run has.
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    config: Option<PathBuf>,
    /// Go on with an interrupted run, under its own settings.
    #[arg(long, value_name = "RUN", conflicts_with = "seed", value_parser = run_folder())]
    resume: Option<PathBuf>,
    /// Train a driver without a camera, the baseline of all who look: the policy learns on what its car tells of itself, and on
    /// where dead reckoning from the start puts its lane.
    #[arg(long, conflicts_with_all = ["resume", "harden", "from"])]
    without_camera: bool,
    /// How the policy is learnt [default: pqn, or what --config, --from or --perception says].
    #[arg(long, value_enum, conflicts_with = "resume")]
    algorithm: Option<AlgorithmName>,
    /// Where networks learn, see and decide; see `roadproof devices` [default: auto, or what --config, --from or --perception says].
    #[arg(long, value_enum, value_name = "DEVICE", conflicts_with = "resume")]
    device: Option<DeviceName>,
    /// Where they see and decide while others learn on --device [default: the same].
    #[arg(long, value_enum, value_name = "DEVICE", conflicts_with = "resume")]
    actor_device: Option<DeviceName>,
    /// Harden the driver: train on faulty and adversarial frames, on drives whose sensors fail, with filters over frames.
    #[arg(long, conflicts_with = "resume")]
    harden: bool,
    /// Begin with the weights of a finished run, or of a driver that ships with the program (shipped, hardened), under its
    /// settings.
    #[arg(long, value_name = "RUN", conflicts_with = "resume", value_parser = weights_name())]
    from: Option<String>,
    /// Take the perception of a finished run, or of a driver that ships, as it is, and learn nothing but a policy on it, under its settings:
    /// to compare algorithms and rewards without training perception each time.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["resume", "from", "without_camera"], value_parser = weights_name())]
    perception: Option<String>,
    /// Set one setting, over all that is said elsewhere, such as reward.progress=0.2; can be given several times. Names are those of
    /// a run's settings.ron, values are RON.
    #[arg(long = "set", value_name = "NAME=VALUE", conflicts_with = "resume")]
    assignments: Vec<Assignment>,
    /// Print the settings that these options make, each with its meaning and what is allowed, and train nothing.
    #[arg(long, conflicts_with_all = ["resume", "out"])]
    print_settings: bool,
    /// With --harden: learn also on the scenarios in these folders or files, such as scenarios/found.
    #[arg(long, value_name = "PATH", requires = "harden", conflicts_with = "resume", value_parser = scenarios())]
    found: Vec<PathBuf>,
}

/// One of several seeds.
fn one_of_seeds(text: &str) -> Result<u64, String> {
    text.trim().parse().map_err(|_| "whole numbers from 0 on are wanted, with commas between them: 1,2,3".to_owned())
}

/// A time that a run can be given.
fn minutes(text: &str) -> Result<f64, String> {
    let minutes = text.parse::<f64>().map_err(|error| error.to_string())?;
    let allowed = 0.05..=100_000.0;
    let refused = || format!("allowed is {} to {}", allowed.start(), allowed.end());
    if allowed.contains(&minutes) { Ok(minutes) } else { Err(refused()) }
}

/// Settings of another run for one that begins with its weights: how long it was wished to take and which roads it was evaluated on are no
/// matter of this one, and drivers that ship were evaluated on roads that nobody is to choose settings by.
fn afresh(settings: Settings) -> Settings {
    Settings { minutes: None, evaluate: EvaluateSettings::default(), ..settings }
}

/// The driver to begin with.
fn start_from(option: &str, name: &str) -> anyhow::Result<LearnedDriver> {
    match Driver::named(name, None)? {
        Driver::Learned(driver) => Ok(*driver),
        _ => anyhow::bail!(
            "{option} {name}: there are no weights to begin with, allowed are shipped, hardened and run folders"
        ),
    }
}

/// Refuses settings whose networks are no place for the weights that a run is to begin with.
fn check_shapes(option: &str, name: &str, start: &DriverSpec, wanted: &DriverSpec) -> anyhow::Result<()> {
    anyhow::ensure!(
        start.heads == wanted.heads,
        "{option} {name}: its policy's heads are {:?}, the algorithm learns {:?}; pqn and dqn can follow each other, and ppo and dagger",
        start.heads,
        wanted.heads
    );
    let shape = |spec: &DriverSpec| {
        let DriverSpec { percepts, perception, policy, .. } = *spec;
        DriverSpec { percepts, perception, policy, ..*start }.to_ron()
    };
    let unlike: Vec<String> = differences(&shape(start), &shape(wanted)).map(|it| it.to_string()).collect();
    anyhow::ensure!(
        unlike.is_empty(),
        "{option} {name}: its weights are of another shape than the settings ask for: {} now",
        unlike.join(" now, ")
    );
    Ok(())
}

/// Settings with what a file says set over them.
fn over(settings: Settings, file: &Path) -> anyhow::Result<Settings> {
    // Read for itself first: mistakes are told with the line they are in.
    let Settings { found, harden, .. } = Settings::read(file)?;
    // What the file makes hard begins with the defaults where the run makes nothing hard.
    let settings = Settings { harden: settings.harden.or(harden.map(|_| HardenSettings::default())), ..settings };
    let text = text::read(file).with_context(|| format!("cannot read the settings {file:?}"))?;
    let settings = settings.with(&Assignment::all_of(&text)).with_context(|| format!("{}", file.display()))?;
    Ok(if found.is_empty() { settings } else { Settings { found, ..settings } })
}

pub(super) fn run(arguments: &Arguments, console: &mut Console) -> anyhow::Result<Ended> {
    let resumed = arguments.resume.is_some();
    // Under its settings, whether all its weights are taken or those of perception alone.
    let base = arguments.from.as_ref().or(arguments.perception.as_ref());
    let option = if arguments.perception.is_some() { "--perception" } else { "--from" };
    base.into_iter().try_for_each(|name| note_unfinished(name))?;
    let start = base.map(|name| start_from(option, name)).transpose()?;
    let (mut settings, existing) = match (&arguments.resume, &arguments.config, base) {
        (Some(folder), ..) => {
            let run = RunFolder::resume(folder)?;
            (Settings::read(&run.path(SETTINGS_FILE))?, Some(run))
        }
        (None, Some(file), None) => (Settings::read(file)?, None),
        (None, None, Some(name)) => (afresh(trained_under(name, None)?), None),
        (None, Some(file), Some(name)) => (over(afresh(trained_under(name, None)?), file)?, None),
        (None, None, None) => (Settings::default(), None),
    };
    let of_file = arguments.config.as_ref().map(|_| settings.clone());
    if arguments.harden {
        settings = settings.hardened(arguments.from.is_some());
        if !arguments.found.is_empty() {
            anyhow::ensure!(
                !arguments.found.iter().any(|path| is_standard_input(path)),
                "--found - : a run that is gone on with reads its scenarios again, so they must be files"
            );
            // Whoever goes on with the run may stand in another folder.
            let found = roadproof_sim::scenario::find(&arguments.found)?;
            settings.found = found.iter().map(std::path::absolute).collect::<Result<_, _>>()?;
        }
    }
    if arguments.without_camera {
        settings = settings.without_camera();
    }
    let set = |name: &str| arguments.assignments.iter().any(|assignment| assignment.name() == name);
    let seeded = arguments.seed.is_some() || !arguments.seeds.is_empty();
    anyhow::ensure!(!(seeded && set("seed")), "--set seed and --seed or --seeds say two things");
    anyhow::ensure!(!(arguments.minutes.is_some() && set("minutes")), "--set minutes and --minutes say two things");
    settings.algorithm = arguments.algorithm.map_or(settings.algorithm, Algorithm::from);
    anyhow::ensure!(
        !(arguments.algorithm.is_some() && set("algorithm")),
        "--set algorithm and --algorithm say two things"
    );
    settings = settings.with(&arguments.assignments)?;
    arguments.check_effect(of_file, &settings)?;
    if let (Some(name), Some(start)) = (base, &start) {
        let wanted = settings.driver();
        // A policy that is learnt anew may be of any shape and kind.
        let of = DriverSpec { policy: wanted.policy, heads: wanted.heads, ..*start.spec() };
        let start = if arguments.perception.is_some() { &of } else { start.spec() };
        check_shapes(option, name, start, &wanted)?;
    }
    settings.seed = arguments.seed.unwrap_or(settings.seed);
    settings.minutes = arguments.minutes.or(settings.minutes);
    settings.check()?;
    arguments.choose_devices(&mut settings, base.is_none() && arguments.config.is_none())?;
    if arguments.print_settings {
        console.line(explained(&settings).trim_end());
        return Ok(Ended::Held);
    }
    let begin = match (resumed, base, &start) {
        (true, ..) => Begin::Resumed,
        (false, Some(name), Some(driver)) if arguments.perception.is_some() => Begin::Perceiving(name, driver),
        (false, Some(name), Some(driver)) => Begin::From(name, driver),
        (false, ..) => Begin::Fresh,
    };
    arguments.check_seeds()?;
    let interrupt = interrupt::install()?;
    if arguments.seeds.is_empty() {
        let run = match (existing, &arguments.out) {
            (Some(run), _) => run,
            (None, Some(out)) => RunFolder::create(out)?,
            (None, None) => RunFolder::create_in(Path::new(RUNS_FOLDER), &settings.seed.to_string())?,
        };
        return train_one(&settings, &run, begin, &interrupt, console);
    }
    let mut runs = Vec::new();
    for (place, &seed) in arguments.seeds.iter().enumerate() {
        let settings = Settings { seed, ..settings.clone() };
        let run = match arguments.folder_of(seed) {
            Some(out) => RunFolder::create(&out)?,
            None => RunFolder::create_in(Path::new(RUNS_FOLDER), &seed.to_string())?,
        };
        if train_one(&settings, &run, begin, &interrupt, console)? == Ended::Stopped {
            let left: Vec<String> = arguments.seeds[place + 1..].iter().map(u64::to_string).collect();
            if !left.is_empty() {
                let rest = typed_command_with("--seeds", &left.join(","));
                console.line(format_args!("Then what was not begun: {rest}"));
                if let Some(out) = &arguments.out {
                    let out = quoted(&out.to_string_lossy());
                    console.line(format_args!("And all beside each other: roadproof compare {out}"));
                }
            }
            return Ok(Ended::Stopped);
        }
        runs.push(run.root().to_string_lossy().into_owned());
    }
    console.line(runs_tables(&compare(&runs)?));
    Ok(Ended::Held)
}

impl Arguments {
    /// Puts what was chosen into the settings, and finds out whether it works here before anything is written.
    fn choose_devices(&self, settings: &mut Settings, afresh: bool) -> anyhow::Result<()> {
        let is_set = |name: &str| self.assignments.iter().any(|assignment| assignment.name() == name);
        for (option, name) in [(self.device, "device"), (self.actor_device, "actor_device")] {
            anyhow::ensure!(option.is_none() || !is_set(name), "--set {name} and an option for it say two things");
        }
        let usual = (afresh && self.resume.is_none() && !is_set("device")).then_some(DeviceName::Auto);
        if let Some(name) = self.device.or(usual) {
            settings.device = devices::chosen(name);
        }
        if let Some(name) = self.actor_device {
            settings.actor_device = Some(devices::chosen(name));
        }
        if self.print_settings {
            return Ok(());
        }
        devices::check("device", settings.device)?;
        if settings.acts_on() == settings.device { Ok(()) } else { devices::check("actor_device", settings.acts_on()) }
    }

    /// Refuses what sets an algorithm that is not used, and notes what a file says of one: a run's own settings have a section for each.
    fn check_effect(&self, of_file: Option<Settings>, settings: &Settings) -> anyhow::Result<()> {
        let (algorithm, unused) = (settings.algorithm, settings.unused_sections());
        let mut set = std::collections::BTreeSet::new();
        for assignment in &self.assignments {
            let (name, section) = (assignment.name(), assignment.section());
            anyhow::ensure!(set.insert(name.clone()), "--set {name} is there twice");
            let of_perception = ["collect", "perceive", "perception"].contains(&section);
            anyhow::ensure!(
                settings.percepts || !of_perception,
                "--set {name}: it has no effect on a driver without a camera"
            );
            anyhow::ensure!(
                self.perception.is_none()
                    || !(["collect", "perceive"].contains(&section) || name.starts_with("harden.perceive")),
                "--set {name}: it has no effect with --perception, because no perception is trained"
            );
            anyhow::ensure!(
                settings.harden.is_some() || section != "found",
                "--set {name}: it has no effect without --harden"
            );
        }
        if let Some(idle) = self.assignments.iter().find(|assignment| unused.contains(&assignment.section())) {
            let (name, section) = (idle.name(), algorithm.section());
            anyhow::bail!(
                "--set {name}: it has no effect, because the algorithm is {algorithm:?}, whose settings are {section}"
            );
        }
        let idle = of_file.map_or_else(Vec::new, |of_file| of_file.without_effect_by(algorithm));
        if !idle.is_empty() {
            note(format_args!("note: without effect, because the algorithm is {algorithm:?}: {}", idle.join(", ")));
        }
        Ok(())
    }

    /// Where the run of a seed is to lie, if that was said.
    fn folder_of(&self, seed: u64) -> Option<PathBuf> {
        self.out.as_ref().map(|out| out.join(format!("seed-{seed}")))
    }

    /// Refuses seeds that are named twice, or have a run already, before the first is trained.
    fn check_seeds(&self) -> anyhow::Result<()> {
        if let Some(twice) = (1..self.seeds.len()).find(|&at| self.seeds[..at].contains(&self.seeds[at])) {
            anyhow::bail!("--seeds names {} twice", self.seeds[twice]);
        }
        let there = self.seeds.iter().filter_map(|&seed| self.folder_of(seed)).find(|folder| folder.exists());
        there.map_or(Ok(()), |folder| Err(anyhow::anyhow!("there is a run already, choose another --out: {folder:?}")))
    }
}

/// Trains one run and says what came of it.
fn train_one(
    settings: &Settings,
    run: &RunFolder,
    begin: Begin<'_>,
    interrupt: &interrupt::Interrupt,
    console: &mut Console,
) -> anyhow::Result<Ended> {
    let wish = settings.minutes.map(|minutes| format!(", {minutes} minutes in all")).unwrap_or_default();
    note(format_args!("run folder {}, seed {}{wish}", run.root().display(), settings.seed));
    let trained = train(settings, run, begin, interrupt)?;
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
