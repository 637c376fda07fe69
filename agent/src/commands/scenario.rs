//! `roadproof scenario`

use super::Ended;
use super::scenarios::scenarios;
use crate::drive::replay::title;
use crate::host::console::Console;
use crate::host::files::{check_folder, check_writable, write_atomically};
use crate::host::program::quoted;
use clap::{Args, Subcommand};
use roadproof_sim::BuiltScenario;
use roadproof_sim::scenario::{REFERENCE, find, read_all};
use std::path::PathBuf;

/// A scenario that says what everything in it is.
const TEMPLATE: &str = include_str!("template.ron");

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  roadproof scenario new scenarios/mine/bend_in_fog.ron
  roadproof scenario check scenarios/mine
  roadproof scenario reference | less
  roadproof replay scenarios/mine

Every field of a scenario, its default, what it may be and what it means: roadproof scenario reference.

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
    /// Print every field of a scenario: its default, what it may be, what it means.
    Reference,
    /// Tell every mistake in each file, or that it can be used, without driving.
    Check {
        /// Scenario files or folders, or names of the library; - is standard input.
        #[arg(default_value = "scenarios", value_parser = scenarios())]
        paths: Vec<PathBuf>,
    },
}

pub(super) fn run(arguments: &Arguments, console: &mut Console) -> anyhow::Result<Ended> {
    match &arguments.what {
        What::New { file } => new(file, console),
        What::Reference => {
            console.line(REFERENCE.trim_end());
            Ok(Ended::Held)
        }
        What::Check { paths } => check(paths, console),
    }
}

fn new(file: &PathBuf, console: &mut Console) -> anyhow::Result<Ended> {
    if file.as_os_str() == "-" {
        console.line(TEMPLATE.trim_end());
        return Ok(Ended::Held);
    }
    let with_end = file.with_extension("ron");
    anyhow::ensure!(file == &with_end, "the file of a scenario ends in .ron, or nobody finds it: name it {with_end:?}");
    anyhow::ensure!(!file.exists(), "there is something already, choose another name: {file:?}");
    if let Some(folder) = file.parent() {
        check_folder(folder)?;
        std::fs::create_dir_all(folder)
            .map_err(|cause| anyhow::anyhow!("cannot make the folder {folder:?}: {cause}"))?;
    }
    check_writable(file)?;
    write_atomically(file, TEMPLATE.as_bytes())?;
    let name = quoted(&file.to_string_lossy());
    console.line(format_args!("Written. Change it, then: roadproof scenario check {name}; roadproof replay {name}"));
    Ok(Ended::Held)
}

/// What of a scenario says nothing, or asks for what no drive can do, for any class of drivers.
fn idle(scenario: &BuiltScenario) -> Vec<String> {
    let by = &scenario.expect_by;
    let classes = [("expect_by.camera: ", by.camera.as_ref()), ("expect_by.hardened: ", by.hardened.as_ref())];
    let of_classes = classes.into_iter().flat_map(|(place, expect)| {
        let own = expect.map(|expect| scenario.idle_bounds(expect)).unwrap_or_default();
        own.into_iter().map(move |told| format!("{place}{told}"))
    });
    scenario.idle_bounds(&scenario.expect).into_iter().chain(of_classes).chain(scenario.idle_parts()).collect()
}

fn check(paths: &[PathBuf], console: &mut Console) -> anyhow::Result<Ended> {
    let files = find(paths)?;
    let (mut mistakes, mut unusable) = (0, 0);
    for file in &files {
        match read_all(file) {
            Ok(scenario) => {
                console.line(format_args!("ok     {:<36} {}", title(file), scenario.title));
                idle(&scenario).iter().for_each(|told| console.line(format_args!("       {told}")));
            }
            Err(all) => {
                unusable += 1;
                mistakes += all.len();
                for error in all {
                    console.line(format_args!("error  {error}"));
                }
            }
        }
    }
    let some = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    anyhow::ensure!(mistakes == 0, "{} in {unusable} of {}", some(mistakes, "mistake"), some(files.len(), "file"));
    Ok(Ended::Held)
}
