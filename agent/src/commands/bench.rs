//! `roadproof bench`

use super::Ended;
use crate::about::is_result;
use crate::drive::bench::{BenchPlan, Figure, measure};
use crate::host::console::{Console, table};
use crate::host::files::{check_result, write_atomically};
use clap::Args;
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  roadproof bench
  roadproof bench --json bench.json
  roadproof bench --quick                  a second or so, to see that everything runs

Figures move with the machine and with what else runs on it: each is the median of five rounds over the whole table.
Compare ratios within one table.")]
pub(super) struct Arguments {
    /// Write the figures there as JSON; - is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure each figure only briefly.
    #[arg(long)]
    quick: bool,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console) -> anyhow::Result<Ended> {
    console.give_way_to(arguments.json.as_deref());
    arguments.json.as_deref().map(|path| check_result(path, is_result)).transpose()?;
    let figures = measure(&BenchPlan::new(arguments.quick))?;
    let mut table = table(["what", "per second", "slowest to fastest round", "each"]);
    for Figure { name, per_second, slowest, fastest } in &figures {
        table.add_row([
            name.clone(),
            format!("{per_second:.0}"),
            format!("{slowest:.0} to {fastest:.0}"),
            format!("{:.1} µs", 1e6 / per_second),
        ]);
    }
    console.line(table);
    if let Some(megabytes) = crate::drive::bench::peak_memory_mb() {
        console.line(format_args!("peak memory {megabytes} MB"));
    }
    if let Some(path) = &arguments.json {
        write_atomically(path, &serde_json::to_vec_pretty(&figures)?)?;
    }
    Ok(Ended::Held)
}
