//! The subcommands and their arguments. Each says how it ended, and leaves its text on the [`Console`], which is shown once all
//! files are written.

mod attack;
mod bench;
mod evaluate;
mod faults;
mod replay;
mod snapshot;
mod train;
mod watch;

use crate::host::console::{Console, note};
use crate::host::interrupt::Stopped;
use clap::{Parser, Subcommand};
use roadproof_env::scripted_controls;
use roadproof_sim::{Build, Clock, Episode};

const EXIT_CODES: &str =
    "Exit codes: 0 all held, 1 something fell short, 2 bad input, 130 stopped by Ctrl-C or another signal.";

/// An autonomous-driving simulator, a perception stack and a reinforcement-learning trainer in one program.
#[derive(Parser, Debug)]
#[command(name = "roadproof", version, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Train a driver from nothing: collect, perceive, learn, evaluate.
    Train(train::Arguments),
    /// Watch a driver in a window, or make a film of it.
    Watch(watch::Arguments),
    /// Drive held-out roads with one driver and score it.
    Evaluate(evaluate::Arguments),
    /// Drive scenario files and hold each against what it expects.
    Replay(replay::Arguments),
    /// Drive a scenario under attack and say what it did to the drive.
    Attack(attack::Arguments),
    /// List the sensor faults with their cost, draw them, or put them on a picture.
    Faults(faults::Arguments),
    /// Measure speed and memory on this machine.
    Bench(bench::Arguments),
    /// Save what the camera sees in a scenario: colour, depth, class and instance.
    Snapshot(snapshot::Arguments),
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
    let mut console = Console::default();
    let ended = command(cli, &mut console);
    // Whatever went wrong: what was done before is told.
    let shown = console.show();
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
        Command::Replay(arguments) => replay::run(&arguments, console),
        Command::Attack(arguments) => attack::run(&arguments, console),
        Command::Faults(arguments) => faults::run(&arguments, console),
        Command::Bench(arguments) => bench::run(&arguments, console),
        Command::Snapshot(arguments) => snapshot::run(&arguments, console),
    }
}

/// The scripted driver's drive of a scenario at a time.
///
/// # Errors
/// A time that is none or comes after the drive's end, and a world that cannot be built.
fn scripted_drive_at(scenario: impl Build, at_s: f32) -> anyhow::Result<Episode> {
    anyhow::ensure!(at_s >= 0.0 && at_s.is_finite(), "--at = {at_s}, allowed are seconds from 0 on");
    let vehicle = scenario.scenario().ego.vehicle;
    let at = Clock::new(scenario.scenario().decision_hz).decision_at(at_s);
    let mut episode = Episode::new(scenario)?;
    while episode.measures().step < at {
        if let Some(outcome) = episode.verdict().outcome {
            anyhow::bail!("--at = {at_s}, the drive ended at {:.1} s: {outcome:?}", episode.measures().time_s);
        }
        episode.step(scripted_controls(&episode.seen().sensed[0], &vehicle));
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
