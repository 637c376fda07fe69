//! The subcommands and their arguments. Each returns whether everything held.

mod attack;
mod bench;
mod evaluate;
mod faults;
mod replay;
mod snapshot;
mod train;
mod watch;

use clap::{Parser, Subcommand};

/// An autonomous-driving simulator, a perception stack and a reinforcement-learning trainer in one program.
#[derive(Parser, Debug)]
#[command(name = "roadproof", version, after_help = "Exit codes: 0 all held, 1 something fell short, 2 bad input.")]
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

/// Runs a command line; `Ok(false)` if something fell short.
///
/// # Errors
/// Bad input, in one message.
pub fn run(cli: Cli) -> anyhow::Result<bool> {
    match cli.command {
        Command::Train(arguments) => train::run(&arguments),
        Command::Watch(arguments) => watch::run(&arguments),
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Attack(arguments) => attack::run(&arguments),
        Command::Faults(arguments) => faults::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Snapshot(arguments) => snapshot::run(&arguments),
    }
}

/// What a program without bevy's renderer says to whoever asks for it.
#[cfg(not(feature = "watch"))]
fn without_renderer(command: &str) -> String {
    format!(
        "this program was built without bevy's renderer; build it with: cargo run --release --features watch -- {command}"
    )
}
