//! `roadproof scenario`

use super::Ended;
use super::scenarios::scenarios;
use crate::drive::replay::title;
use crate::host::console::Console;
use crate::host::files::{check_writable, write_atomically};
use crate::host::program::quoted;
use clap::{Args, Subcommand};
use roadproof_sim::scenario::find;
use std::path::PathBuf;

/// A scenario that says what everything in it is.
const TEMPLATE: &str = include_str!("template.ron");

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  roadproof scenario new scenarios/mine/bend_in_fog.ron
  roadproof scenario check scenarios/mine
  roadproof replay scenarios/mine

Every field of a scenario, its default and what it may be stands in scenarios/README.md.

Exit codes: 0 all can be used, 2 some cannot.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Write a scenario to begin with, every part of it explained.
    New {
        /// The file, which must not be there yet; - is standard output.
        file: PathBuf,
    },
    /// Say of each file whether it can be used, without driving.
    Check {
        /// Scenario files or folders, or names of the library.
        #[arg(default_value = "scenarios", value_parser = scenarios())]
        paths: Vec<PathBuf>,
    },
}

pub(super) fn run(arguments: &Arguments, console: &mut Console) -> anyhow::Result<Ended> {
    match &arguments.what {
        What::New { file } => new(file, console),
        What::Check { paths } => check(paths, console),
    }
}

fn new(file: &PathBuf, console: &mut Console) -> anyhow::Result<Ended> {
    if file.as_os_str() == "-" {
        console.line(TEMPLATE.trim_end());
        return Ok(Ended::Held);
    }
    anyhow::ensure!(!file.exists(), "there is something already, choose another name: {file:?}");
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|cause| anyhow::anyhow!("cannot make the folder {folder:?}: {cause}"))?;
    }
    check_writable(file)?;
    write_atomically(file, TEMPLATE.as_bytes())?;
    let name = quoted(&file.to_string_lossy());
    console.line(format_args!("Written. Change it, then: roadproof scenario check {name}; roadproof replay {name}"));
    Ok(Ended::Held)
}

fn check(paths: &[PathBuf], console: &mut Console) -> anyhow::Result<Ended> {
    let files = find(paths)?;
    let mut mistakes = 0;
    for file in &files {
        match roadproof_sim::read(file) {
            Ok(scenario) => console.line(format_args!("ok     {:<36} {}", title(file), scenario.title)),
            Err(error) => {
                mistakes += 1;
                console.line(format_args!("error  {error}"));
            }
        }
    }
    anyhow::ensure!(mistakes == 0, "{mistakes} of {} files cannot be used", files.len());
    Ok(Ended::Held)
}
