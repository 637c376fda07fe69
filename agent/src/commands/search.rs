//! `roadproof search`

use super::Ended;
use super::drivers::{DriverOption, driver_name, note_unfinished};
use super::finds::{Subject, keep};
use crate::attack::found;
use crate::attack::search::{Search, SearchError};
use crate::drive::replay::closed_loop;
use crate::driver::Driver;
use crate::host::console::Console;
use crate::host::interrupt;
use crate::host::threads::all_cores;
use clap::Args;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  roadproof search shipped scenarios/lane_keeping/tight_arc.ron
  roadproof search scripted scenarios/cut_in/from_left.ron --faults 500 --seed 3
  roadproof search runs/seven scenarios/following/slow_lead.ron --out finds

There are no gradients: so many of the faults that `roadproof faults` lists are drawn, each with a severity and a time span, and
the smallest that breaks the drive (the lowest severity, then the shortest span) is shrunk until nothing smaller does.

What broke the drive is kept as a scenario that `roadproof replay` holds every driver against: the fault, the bounds of a driver
who holds, and the trace of the drive.

Exit codes: 0 none of the faults breaks the drive, 1 some do, 2 bad input, 130 stopped by Ctrl-C or another signal.")]
pub(super) struct Arguments {
    /// A run folder, or one of shipped, hardened, scripted, straight, random, blind, odometry, latest, cmd:PROGRAM.
    #[arg(value_parser = driver_name())]
    driver: String,
    #[command(flatten)]
    _option: DriverOption,
    #[command(flatten)]
    subject: Subject,
    /// How many faults are drawn.
    #[arg(long, value_name = "N", default_value_t = 256)]
    faults: usize,
    /// Seed of the search.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// The most faults that a search draws.
const MAX_DRAWN: usize = 1_000_000;

pub(super) fn run(arguments: &Arguments, console: &mut Console) -> anyhow::Result<Ended> {
    let Arguments { driver: name, subject, faults: count, seed, .. } = arguments;
    anyhow::ensure!((1..=MAX_DRAWN).contains(count), "--faults = {count}, allowed is 1 to {MAX_DRAWN}");
    note_unfinished(name)?;
    let mut driver = Driver::named(name, None)?;
    let (text, scenario) = subject.source(&driver)?;
    let command = subject.command("search", name, &format!("--faults {count} --seed {seed}"));
    let place = subject.place(name, "random_search", command)?;
    let clean = closed_loop(scenario.clone(), &mut driver)?;
    let outcome = subject.check_clean(name, clean.verdict().outcome)?;
    let interrupt = interrupt::install()?;
    let mut search = Search {
        driver: &mut driver,
        scenario: &scenario,
        bounds: found::bounds(outcome, clean.score()),
        decisions: clean.trace().rows.len(),
        threads: all_cores(),
        interrupt: &interrupt,
    };
    let found = match search.run(*count, *seed) {
        Err(SearchError::Stopped(stopped)) => return Err(stopped.into()),
        found => found?,
    };
    let Some(found) = found else {
        console.line(format_args!("None of {count} faults breaks the drive; nothing is kept."));
        return Ok(Ended::Held);
    };
    let scenario = search.with(&found.candidate);
    let broken = closed_loop(scenario.clone(), &mut driver)?;
    anyhow::ensure!(
        !found::holds(&scenario.expect, broken.verdict().outcome, broken.score()),
        "alone, the drive does not end as it did beside others; nothing was kept"
    );
    let fault = &found.candidate;
    console.line(format_args!(
        "{} of {count} faults break the drive. The smallest: {:?} of severity {} on {} decisions from {} on.",
        found.broken,
        fault.kind,
        fault.severity.get(),
        fault.end - fault.first,
        fault.first
    ));
    keep(&place, &text, &scenario, clean.score(), &broken, console)?;
    Ok(Ended::FellShort)
}
