//! `roadproof compare`

use super::Ended;
use super::drivers::{RUNS_FOLDER, named_run, runs_in};
use crate::about::{About, is_result};
use crate::host::console::{Console, note, table};
use crate::host::files::{check_result, write_atomically};
use crate::train::checkpoint::PROGRESS_FILE;
use crate::train::compare::{Comparison, Figures, compare, has_ended};
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  roadproof compare                            all runs in runs/ that have ended
  roadproof compare runs/a runs/b latest
  roadproof compare experiments/rewards --json rewards.json

Figures are those of each run's own evaluation. Runs that began alike and whose settings differ in nothing but seed, time and threads are
one experiment: below them stand mean and standard deviation over its seeds. A run that was cut short, or has the bits of another, counts
in none. To hold drivers against each other on roads that
figures are quoted of: roadproof evaluate RUN RUN.")]
pub(super) struct Arguments {
    /// Runs, or folders of runs [default: runs].
    #[arg(value_name = "RUN")]
    runs: Vec<String>,
    /// Write the comparison there as JSON; - is standard output, and the tables then go to standard error.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console) -> anyhow::Result<Ended> {
    console.give_way_to(arguments.json.as_deref());
    arguments.json.as_deref().map(|path| check_result(path, is_result)).transpose()?;
    let runs = arguments.ended_runs()?;
    let comparison = compare(&runs)?;
    console.line(runs_tables(&comparison));
    if !comparison.differences.is_empty() {
        console.line(format_args!("Settings that differ:\n{}", differences_table(&comparison)));
    }
    if !comparison.same_roads() {
        let roads: Vec<String> = comparison.runs.iter().map(|run| format!("{} {}", run.run, run.roads)).collect();
        console.line(format_args!("Not all were evaluated on the same roads: {}", roads.join("; ")));
    }
    for run in &comparison.runs {
        if let Some(why) = &run.left_out {
            console.line(format_args!("{} is in no mean: {why}", run.run));
        }
    }
    if let Some(path) = &arguments.json {
        let file = ComparisonFile { about: About::this(JSON_FORMAT), comparison: &comparison };
        write_atomically(path, &serde_json::to_vec_pretty(&file)?)?;
    }
    Ok(Ended::Held)
}

/// Version of the shape of what `--json` writes.
const JSON_FORMAT: u32 = 1;

/// What `--json` writes.
#[derive(Serialize)]
struct ComparisonFile<'a> {
    about: About,
    #[serde(flatten)]
    comparison: &'a Comparison,
}

impl Arguments {
    /// The runs that are meant. Of a folder of runs those that have ended; one that is named must have.
    fn ended_runs(&self) -> anyhow::Result<Vec<String>> {
        let wanted = if self.runs.is_empty() { vec![RUNS_FOLDER.to_owned()] } else { self.runs.clone() };
        let mut runs = Vec::new();
        for name in wanted {
            let inside = runs_in(Path::new(&name));
            if inside.is_empty() {
                anyhow::ensure!(!self.runs.is_empty(), "there are no runs in {RUNS_FOLDER}/ here: name some");
                runs.push(named_run(&name, Path::new(RUNS_FOLDER)).map_err(anyhow::Error::msg)?);
                continue;
            }
            for run in inside.into_iter().rev() {
                let run = run.to_string_lossy().into_owned();
                match has_ended(&run) {
                    Ok(true) => runs.push(run),
                    Ok(false) if !Path::new(&run).join(PROGRESS_FILE).exists() => {
                        note(format_args!("note: {run} is a driver and no run"));
                    }
                    Ok(false) => note(format_args!("note: {run} has not ended and is left out")),
                    Err(error) => note(format_args!("note: {run} is left out: {error:#}")),
                }
            }
        }
        anyhow::ensure!(!runs.is_empty(), "no run has ended");
        // However a run is named, it is one.
        let mut known = Vec::new();
        runs.retain(|run| {
            let place = Path::new(run).canonicalize().unwrap_or_else(|_| PathBuf::from(run));
            let fresh = !known.contains(&place);
            known.push(place);
            fresh
        });
        Ok(runs)
    }
}

/// The name of settings by their place: A to Z, then numbers.
fn letter(place: usize) -> String {
    u8::try_from(place)
        .ok()
        .filter(|place| *place < 26)
        .map_or_else(|| (place + 1).to_string(), |place| char::from(b'A' + place).to_string())
}

/// Each run, and the spread over those that differ in nothing but the seed.
pub(super) fn runs_tables(comparison: &Comparison) -> String {
    let header = ["run", "set", "seed"].into_iter().chain(Figures::SHOWN.iter().map(|(name, _)| *name));
    let mut each = table(header.map(str::to_owned));
    for place in 0..comparison.settings {
        for run in comparison.runs.iter().filter(|run| run.settings == place) {
            let figures = Figures::SHOWN.iter().map(|(_, figure)| format!("{:.1}", figure(&run.figures)));
            each.add_row([run.run.clone(), letter(place), run.seed.to_string()].into_iter().chain(figures));
        }
    }
    let repeated: Vec<usize> =
        (0..comparison.settings).filter(|&place| comparison.of_settings(place).len() > 1).collect();
    if repeated.is_empty() {
        return each.to_string();
    }
    let title = |&place: &usize| format!("{}, {} runs", letter(place), comparison.of_settings(place).len());
    let mut over_seeds = table(std::iter::once("mean ± std".to_owned()).chain(repeated.iter().map(title)));
    for (name, figure) in Figures::SHOWN {
        let spread = |&place: &usize| mean_and_spread(comparison.of_settings(place).iter().map(figure));
        over_seeds.add_row(std::iter::once(name.to_owned()).chain(repeated.iter().map(spread)));
    }
    format!("{each}\n{over_seeds}")
}

/// Mean and standard deviation of a sample.
fn mean_and_spread(values: impl Iterator<Item = f32> + Clone) -> String {
    let count = values.clone().count() as f32;
    let mean = values.clone().sum::<f32>() / count;
    let variance = values.map(|value| (value - mean) * (value - mean)).sum::<f32>() / (count - 1.0);
    format!("{mean:.1} ± {:.1}", variance.sqrt())
}

fn differences_table(comparison: &Comparison) -> comfy_table::Table {
    let mut table = table(std::iter::once("setting".to_owned()).chain((0..comparison.settings).map(letter)));
    for (name, values) in &comparison.differences {
        let values = values.iter().map(|value| value.clone().unwrap_or_else(|| "-".to_owned()));
        table.add_row(std::iter::once(name.clone()).chain(values));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_that_of_a_sample() {
        assert_eq!(mean_and_spread([1.0, 2.0, 6.0].into_iter()), "3.0 ± 2.6");
        assert_eq!([letter(0), letter(25), letter(26)], ["A", "Z", "27"]);
    }
}
