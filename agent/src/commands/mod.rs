//! The subcommands and their arguments. Each says how it ended, and leaves its text on the [`Console`], which is shown once all
//! files are written.

mod attack;
mod bench;
mod choices;
mod compare;
mod devices;
mod drivers;
mod evaluate;
mod faults;
mod finds;
mod keep;
mod refusal;
mod replay;
mod report;
mod scenario;
mod scenarios;
mod search;
mod snapshot;
mod train;
mod trained;
mod watch;

pub use refusal::refusal;

use crate::driver::{Driver, Drives, program};
use crate::host::console::{Console, be_quiet, note};
use crate::host::interrupt::{Stopped, given_up};
use crate::host::program::version_line;
use crate::host::progress::tell_often;
use crate::host::threads;
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use refusal::with_tips;
use roadproof_sim::{Build, Clock, Episode};
use std::ffi::OsString;

const EXIT_CODES: &str = "\
Every command that has a driver takes it as --driver NAME, too: shipped, hardened, scripted, straight, random, blind, odometry, the
folder of a run, latest, or cmd:PROGRAM. Scenarios are files, folders, or names of the library such as cut_in/from_left.

Exit codes: 0 all held, 1 something fell short, 2 bad input, 130 stopped by Ctrl-C or another signal.";

/// Reads a command line. A number below zero is a value, and refused as one, where an option wants more than that.
///
/// # Errors
/// What clap says of it; help and version are answers of this kind, too.
pub fn read(arguments: Vec<OsString>) -> Result<Cli, clap::Error> {
    let command = Cli::command().mut_subcommands(|command| command.allow_negative_numbers(true));
    let typed = arguments.clone();
    let arguments = with_driver_first(arguments)?;
    let driver_is_moved = typed != arguments;
    let matches = command.try_get_matches_from(arguments);
    let read = matches.and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches));
    read.map_err(|error| with_tips(error, &Cli::command(), driver_is_moved))
}

/// Commands whose first word is the driver.
const DRIVER_FIRST: [&str; 4] = ["attack", "search", "report", "watch"];

/// Arguments with the driver in its place where it was named by `--driver`, as in the commands that take several or have one by default.
///
/// # Errors
/// No name behind it, or two of them.
fn with_driver_first(mut arguments: Vec<OsString>) -> Result<Vec<OsString>, clap::Error> {
    // The first word that is no option, nor the value of the one that has one before any command.
    let with_value = |word: &OsString| word == "-j" || word == "--jobs";
    let is_value = |at: usize| at > 1 && with_value(&arguments[at - 1]);
    let is_option = |at: usize| arguments[at].to_string_lossy().starts_with('-');
    let command = (1..arguments.len()).find(|&at| !is_option(at) && !is_value(at));
    let Some(command) = command.filter(|&at| DRIVER_FIRST.iter().any(|first| &arguments[at] == first)) else {
        return Ok(arguments);
    };
    let given = |word: &OsString| word == "--driver" || word.to_string_lossy().starts_with("--driver=");
    let find = |arguments: &[OsString]| arguments.iter().take_while(|word| *word != "--").position(given);
    let Some(at) = find(&arguments) else { return Ok(arguments) };
    let option = arguments.remove(at);
    let driver = match option.to_string_lossy().split_once('=') {
        Some((_, name)) => Some(OsString::from(name)),
        None => (at < arguments.len()).then(|| arguments.remove(at)),
    };
    let refused = |why: &str| Err(clap::Error::raw(ErrorKind::InvalidValue, format!("--driver {why}\n")));
    match driver {
        None => refused("wants the name of a driver"),
        Some(_) if find(&arguments).is_some() => refused("is there twice, and this command takes one driver"),
        Some(driver) => {
            arguments.insert(command + 1, driver);
            Ok(arguments)
        }
    }
}

/// An autonomous-driving simulator, a perception stack and a reinforcement-learning trainer in one program.
#[derive(Parser, Debug)]
#[command(name = "roadproof", version = version_line(), after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Say nothing on standard error but errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Say every second how far the work has come where standard error is no terminal, instead of every ten.
    #[arg(short, long, global = true)]
    verbose: bool,
    /// Threads to work with; results do not depend on it [default: one per core].
    #[arg(short, long, global = true, value_name = "N", value_parser = choices::whole(1..=threads::MOST))]
    jobs: Option<usize>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Train a driver from nothing: collect, perceive, learn, evaluate.
    Train(train::Arguments),
    /// Watch a driver in a window, or make a film of it.
    Watch(watch::Arguments),
    /// Drive held-out roads with one driver or several and score them.
    Evaluate(evaluate::Arguments),
    /// Hold runs against each other: scores, spread over seeds, settings that differ.
    Compare(compare::Arguments),
    /// Measure what faults and attacks leave of a driver, and write a page about it.
    Report(report::Arguments),
    /// Drive scenario files and hold each against what it expects.
    Replay(replay::Arguments),
    /// Begin a scenario file, or check files without driving.
    Scenario(scenario::Arguments),
    /// Drive a scenario under attack and say what it did to the drive.
    Attack(attack::Arguments),
    /// Look for the smallest sensor fault that breaks a drive.
    Search(search::Arguments),
    /// List the sensor faults with their cost, draw them, or put them on a picture.
    Faults(faults::Arguments),
    /// Measure speed and memory on this machine.
    Bench(bench::Arguments),
    /// List where networks can compute, and what is missing for the rest.
    Devices(devices::Arguments),
    /// Print what a shell needs to complete commands and options.
    #[command(after_help = "Examples:
  roadproof completions bash > ~/.local/share/bash-completion/completions/roadproof
  roadproof completions zsh > ~/.zfunc/_roadproof")]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Save what the camera sees in a scenario: colour, depth, class and instance.
    Snapshot(snapshot::Arguments),
}

/// Options that have become commands, each with what it belonged to and the command line that says the same now.
const MOVED: [(&str, &str, &str); 4] = [
    ("evaluate", "--robustness", "roadproof report DRIVER"),
    ("evaluate", "--quick", "roadproof report DRIVER --quick"),
    ("evaluate", "--kinds", "roadproof report DRIVER --kinds NAMES"),
    ("attack", "--random-search", "roadproof search DRIVER SCENARIO --faults N"),
];

/// One sentence for arguments that could not be parsed because they ask for what is a command of its own by now.
#[must_use]
pub fn moved(arguments: &[OsString]) -> Option<String> {
    let (command, options) = arguments.split_first()?;
    let given = |option: &str| {
        let words = options.iter().map(|word| word.to_string_lossy()).take_while(|word| word != "--");
        words.into_iter().any(|word| word.split_once('=').map_or(&*word, |(name, _)| name) == option)
    };
    let (command, option, now) = MOVED.iter().find(|(of, option, _)| command == of && given(option))?;
    Some(format!("{option} is no option of `{command}` any more: it is a command of its own, {now}"))
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All that was asked for holds.
    Held,
    /// Something fell short.
    FellShort,
    /// Somebody stopped it.
    Stopped,
}

impl Ended {
    fn held(held: bool) -> Self {
        if held { Self::Held } else { Self::FellShort }
    }
}

/// Runs a command line.
///
/// # Errors
/// Bad input, in one message.
pub fn run(cli: Cli) -> anyhow::Result<Ended> {
    if cli.quiet {
        be_quiet();
    }
    if cli.verbose {
        tell_often();
    }
    if let Some(jobs) = cli.jobs {
        threads::work_with(jobs)?;
    }
    let mut console = Console::default();
    let ended = command(cli, &mut console);
    program::dismiss();
    // Whatever went wrong: what was done before is told.
    let shown = console.show();
    if let Some(reason) = given_up() {
        anyhow::bail!("{reason}");
    }
    match ended {
        Err(error) if error.is::<Stopped>() => {
            note(format_args!("{error}; nothing was kept"));
            Ok(Ended::Stopped)
        }
        ended => {
            let ended = ended?;
            shown?;
            Ok(ended)
        }
    }
}

fn command(cli: Cli, console: &mut Console) -> anyhow::Result<Ended> {
    match cli.command {
        Command::Train(arguments) => train::run(&arguments, console),
        Command::Watch(arguments) => watch::run(&arguments, console),
        Command::Evaluate(arguments) => evaluate::run(&arguments, console),
        Command::Compare(arguments) => compare::run(&arguments, console),
        Command::Report(arguments) => report::run(&arguments, console),
        Command::Replay(arguments) => replay::run(&arguments, console),
        Command::Scenario(arguments) => scenario::run(&arguments, console),
        Command::Attack(arguments) => attack::run(&arguments, console),
        Command::Search(arguments) => search::run(&arguments, console),
        Command::Faults(arguments) => faults::run(&arguments, console),
        Command::Bench(arguments) => bench::run(&arguments, console),
        Command::Devices(arguments) => devices::run(&arguments, console),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "roadproof", &mut script);
            console.line(String::from_utf8_lossy(&script).trim_end());
            Ok(Ended::Held)
        }
        Command::Snapshot(arguments) => snapshot::run(&arguments, console),
    }
}

/// A driver's drive of a scenario at a time.
///
/// # Errors
/// A time that is none or comes after the drive's end, and a world that cannot be built.
fn drive_at(scenario: impl Build, at_s: f32, driver: &mut Driver) -> anyhow::Result<Episode> {
    anyhow::ensure!(at_s >= 0.0 && at_s.is_finite(), "--at = {at_s}, allowed are seconds from 0 on");
    let at = Clock::new(scenario.scenario().decision_hz).decision_at(at_s);
    driver.start(&[scenario.scenario().seed]);
    let mut episode = Episode::new(scenario)?;
    while episode.measures().step < at {
        if let Some(outcome) = episode.verdict().outcome {
            anyhow::bail!("--at = {at_s}, the drive ended at {:.1} s: {outcome:?}", episode.measures().time_s);
        }
        let controls = driver.act(episode.seen())[0];
        episode.step(controls);
    }
    Ok(episode)
}

/// What a program without bevy's renderer says to whoever asks for it.
#[cfg(not(feature = "watch"))]
fn without_renderer(command: &str) -> String {
    format!(
        "this program was built without bevy's renderer; build it with: cargo run --release --features watch -- {command}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_can_be_named_by_its_option_everywhere() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        for (typed, meant) in [
            ("roadproof attack --driver shipped a.ron --eps 1/255", "roadproof attack shipped a.ron --eps 1/255"),
            ("roadproof attack a.ron --driver=shipped", "roadproof attack shipped a.ron"),
            ("roadproof -q search a.ron --driver cmd:x", "roadproof -q search cmd:x a.ron"),
            ("roadproof report --driver latest --quick", "roadproof report latest --quick"),
            ("roadproof replay --driver shipped a.ron", "roadproof replay --driver shipped a.ron"),
            ("roadproof -j 2 replay --junit report --driver x", "roadproof -j 2 replay --junit report --driver x"),
            ("roadproof -j 2 report --driver x", "roadproof -j 2 report x"),
            ("roadproof attack shipped a.ron", "roadproof attack shipped a.ron"),
        ] {
            assert_eq!(with_driver_first(words(typed)).expect(typed), words(meant));
        }
        assert!(read(words("roadproof report --driver shipped --quick")).is_ok());
        assert!(read(words("roadproof report shipped --driver hardened")).is_err());
    }

    #[test]
    fn every_old_spelling_names_the_command_of_today() {
        let asked = |line: &str| moved(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        for line in ["evaluate --robustness x", "evaluate --robustness=x --quick", "evaluate --quick --robustness x"] {
            assert!(asked(line).is_some_and(|told| told.contains("roadproof report DRIVER")), "{line}");
        }
        for line in ["attack a b --random-search 3", "attack --random-search=3 a b", "attack a --random-search"] {
            assert!(asked(line).is_some_and(|told| told.contains("roadproof search DRIVER SCENARIO")), "{line}");
        }
        for line in ["evaluate --random-search 3", "attack a b -- --random-search", "report a --quick", "evaluate"] {
            assert_eq!(asked(line), None, "{line}");
        }
        // Nothing that is refused with this answer is an option once more.
        for (command, option, _) in MOVED {
            assert!(Cli::try_parse_from(["roadproof", command, "a", "b", option, "1"]).is_err(), "{command} {option}");
        }
    }
}
