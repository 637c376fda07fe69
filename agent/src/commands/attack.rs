//! `roadproof attack`

use super::Ended;
use crate::attack::drive::{Drive, DriveAttack, Method, drive};
use crate::attack::found::{self, Place};
use crate::attack::goal::Goal;
use crate::attack::search::{Search, SearchError};
use crate::drive::replay::closed_loop;
use crate::driver::{Driver, LearnedDriver};
use crate::host::console::Console;
use crate::host::interrupt::{self, Interrupt};
use crate::host::progress::Stage;
use anyhow::Context;
use clap::{Args, ValueEnum};
use roadproof_perception::attack::{Budget, Norm};
use roadproof_sim::fault::{Recorded, Recording};
use roadproof_sim::outcome::score::Score;
use roadproof_sim::{CameraSettings, Episode, Scenario, text};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  roadproof attack shipped scenarios/following/slow_lead.ron --method pgd --eps 2/255
  roadproof attack runs/seven scenarios/cut_in/from_left.ron --method apgd --eps 4/255 --steps 50 --goal worst
  roadproof attack shipped scenarios/lane_keeping/s_bend.ron --method square --steps 500 --share 0.25
  roadproof attack shipped scenarios/following/slow_lead.ron --method apgd --goal hide
  roadproof attack shipped scenarios/lane_keeping/straight.ron --method auto --steps 20
  roadproof attack scripted scenarios/cut_in/from_left.ron --random-search 500

The scenario is driven clean, then under attack: in each decision the frame is changed within the budget before the driver
sees it. Exits with 1 if the attacked drive ends otherwise or keeps less than nine tenths of the clean driving score.

With --random-search there are no gradients: so many of the faults that `roadproof faults` lists are drawn, each with a
severity and a time span, and the smallest that breaks the drive (the lowest severity, then the shortest span) is shrunk
until nothing smaller does.

What broke the drive is kept as a scenario that `roadproof replay` holds every driver against: the perturbation, the bounds
of a driver who holds, and the trace of the drive.")]
pub(super) struct Arguments {
    /// shipped, hardened, or the folder of a run; with --random-search scripted, random and blind too.
    driver: String,
    /// The scenario; its camera must be the driver's.
    scenario: PathBuf,
    /// How the strongest frame is looked for.
    #[arg(long, value_enum, default_value_t = Method::Pgd)]
    method: Method,
    /// The budget, as a number or a fraction; 2/255 is two grey levels.
    #[arg(long, default_value = "2/255", value_parser = fraction)]
    eps: Fraction,
    /// How the budget is measured.
    #[arg(long, value_enum, default_value_t = NormName::Linf)]
    norm: NormName,
    /// Steps of a gradient method, tries of square and noise, for each decision [default: 20].
    #[arg(long)]
    steps: Option<usize>,
    /// Attack at most this share of the decisions, those on which the most hangs of the drive so far.
    #[arg(long, default_value_t = 1.0)]
    share: f32,
    /// What the attack wants [default: worst, or other for methods that want another action whatever the goal].
    #[arg(long, value_enum)]
    goal: Option<Goal>,
    /// Seed of the attack or of the search [default: 0].
    #[arg(long)]
    seed: Option<u64>,
    /// Draw so many faults instead and look for the smallest that breaks the drive.
    #[arg(long, value_name = "N", conflicts_with_all = ["method", "eps", "norm", "steps", "share", "goal"])]
    random_search: Option<usize>,
    /// Where what broke the drive is kept.
    #[arg(long, value_name = "FOLDER", default_value = "scenarios/found")]
    out: PathBuf,
    /// What it is called there [default: the scenario, the driver unless it is the shipped one, and how it was found].
    #[arg(long)]
    name: Option<String>,
    /// Overwrite what another command found.
    #[arg(long)]
    force: bool,
}

/// A number, and how it was typed.
#[derive(Clone, Debug, PartialEq)]
struct Fraction {
    text: String,
    value: f32,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum NormName {
    /// The greatest change of any value.
    Linf,
    /// The square root of the sum of all changes squared.
    L2,
}

/// A number, or two with a stroke between them.
fn fraction(text: &str) -> Result<Fraction, String> {
    let number = |text: &str| text.trim().parse::<f32>().map_err(|error| format!("{text:?}: {error}"));
    let value = match text.split_once('/') {
        None => number(text)?,
        Some((over, under)) => number(over)? / number(under)?,
    };
    Ok(Fraction { text: text.to_owned(), value })
}

/// The most steps of an attack on a decision.
const MAX_STEPS: usize = 1_000_000;
/// The most faults that a search draws.
const MAX_DRAWN: usize = 1_000_000;

/// What is taken where nothing is said.
const DEFAULT_STEPS: usize = 20;

pub(super) fn run(arguments: &Arguments, console: &mut Console) -> anyhow::Result<Ended> {
    let held = match arguments.random_search {
        None => attack(arguments, console),
        Some(count) => search(arguments, count, console),
    };
    held.map(Ended::held)
}

fn attack(arguments: &Arguments, console: &mut Console) -> anyhow::Result<bool> {
    let budget = arguments.budget()?;
    let (mut driver, settings) = Driver::named(&arguments.driver, None)?;
    let Driver::Learned(learned) = &mut driver else {
        anyhow::bail!(
            "the driver {:?} has no gradients to attack: allowed are shipped, hardened and run folders, or --random-search N",
            arguments.driver
        );
    };
    let (text, scenario) = arguments.source(Some(&settings.drive.camera))?;
    let place = arguments.place(&arguments.way())?;
    let interrupt = interrupt::install()?;
    let clean = drive(learned, scenario.clone(), None, &mut |_| go_on(&interrupt))?;
    interrupt.check()?;
    let attack = DriveAttack {
        method: arguments.method,
        budget,
        steps: arguments.steps(),
        share: arguments.share,
        goal: arguments.goal(),
        seed: arguments.seed(),
        keep_changes: true,
    };
    let attacked = under_attack(learned, &scenario, &attack, &interrupt)?;
    console.line(table(&clean, &attacked));
    let (before, after) = (&clean.score, &attacked.score);
    let kept = if before.driving_score > 0.0 { after.driving_score / before.driving_score } else { 1.0 };
    console.line(format_args!("The attacked drive keeps {:.0} % of the clean driving score.", 100.0 * kept));
    let Some(outcome) = clean.outcome else { return Ok(true) };
    let bounds = found::bounds(outcome, before);
    if found::holds(&bounds, attacked.outcome, after) {
        return Ok(true);
    }
    if !found::breakable(Some(outcome)) {
        console.line(format_args!("Nothing is kept: the clean drive ends {outcome:?} by itself."));
        return Ok(false);
    }
    let CameraSettings { width_px, height_px, .. } = scenario.camera;
    let recording = Arc::new(Recording::new(width_px, height_px, &attacked.changes));
    let recorded = Some(Recorded::new(place.recorded_file(), recording));
    let scenario = Scenario { recorded, expect: bounds, ..scenario };
    let repeated = closed_loop(scenario.clone(), &mut driver)?;
    anyhow::ensure!(
        found::same_way(repeated.trace(), &attacked.controls) && repeated.score() == after,
        "the recorded perturbation does not repeat the attacked drive; nothing was kept"
    );
    keep(&place, &text, &scenario, before, &repeated, console)?;
    Ok(false)
}

fn search(arguments: &Arguments, count: usize, console: &mut Console) -> anyhow::Result<bool> {
    anyhow::ensure!((1..=MAX_DRAWN).contains(&count), "--random-search = {count}, allowed is 1 to {MAX_DRAWN}");
    let (mut driver, settings) = Driver::named(&arguments.driver, None)?;
    let sees = matches!(driver, Driver::Learned(_) | Driver::Blind(_));
    let (text, scenario) = arguments.source(sees.then_some(&settings.drive.camera))?;
    let place = arguments.place("random_search")?;
    let clean = closed_loop(scenario.clone(), &mut driver)?;
    let outcome = clean.verdict().outcome.filter(|outcome| found::breakable(Some(*outcome)));
    let outcome = outcome.with_context(|| {
        let (driver, outcome) = (&arguments.driver, clean.verdict().outcome);
        let outcome = outcome.map_or_else(String::new, |outcome| format!("{outcome:?}"));
        format!(
            "the clean drive of {driver:?} ends {outcome} by itself: nothing is left to break in {:?}",
            arguments.scenario
        )
    })?;
    let interrupt = interrupt::install()?;
    let mut search = Search {
        driver: &mut driver,
        scenario: &scenario,
        bounds: found::bounds(outcome, clean.score()),
        decisions: clean.trace().rows.len(),
        threads: settings.threads(),
        interrupt: &interrupt,
    };
    let found = match search.run(count, arguments.seed()) {
        Err(SearchError::Stopped(stopped)) => return Err(stopped.into()),
        found => found?,
    };
    let Some(found) = found else {
        console.line(format_args!("None of {count} faults breaks the drive."));
        return Ok(true);
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
    Ok(false)
}

/// Writes what broke the drive, and says so.
fn keep(
    place: &Place,
    source: &str,
    found: &Scenario,
    clean: &Score,
    broken: &Episode,
    console: &mut Console,
) -> anyhow::Result<()> {
    let paths = place.keep(source, found, clean, broken)?;
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    console.line(format_args!("Kept as {}.", names.join(", ")));
    Ok(())
}

fn go_on(interrupt: &Interrupt) -> ControlFlow<()> {
    if interrupt.requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

fn under_attack(
    driver: &mut LearnedDriver,
    scenario: &Scenario,
    attack: &DriveAttack,
    interrupt: &Interrupt,
) -> anyhow::Result<Drive> {
    let mut stage = Stage::start("attack", 100, "% of the route");
    let attacked = drive(driver, scenario.clone(), Some(attack), &mut |completion| {
        stage.set((100.0 * completion) as u64, "");
        go_on(interrupt)
    })?;
    interrupt.check()?;
    stage.finish(format_args!("{} of {} decisions attacked", attacked.attacked, attacked.decisions));
    Ok(attacked)
}

impl Arguments {
    /// The budget, checked together with what else an attack with gradients takes.
    fn budget(&self) -> anyhow::Result<Budget> {
        let norm = match self.norm {
            NormName::Linf => Norm::Linf,
            NormName::L2 => Norm::L2,
        };
        let budget = Budget::new(norm, self.eps.value).map_err(anyhow::Error::msg).context("--eps")?;
        anyhow::ensure!(
            norm == Norm::L2 || budget.eps >= 1.0 / 255.0,
            "--eps = {}, a camera that delivers bytes shows nothing below 1/255",
            self.eps.value
        );
        anyhow::ensure!(
            (1..=MAX_STEPS).contains(&self.steps()),
            "--steps = {}, allowed is 1 to {MAX_STEPS}",
            self.steps()
        );
        let share = self.share;
        anyhow::ensure!(share > 0.0 && share <= 1.0, "--share = {share}, allowed is more than 0 and at most 1");
        let only = if norm == Norm::Linf { "l2" } else { "linf" };
        let method = named(self.method);
        anyhow::ensure!(self.method.takes(norm), "--method {method} takes --norm {only} only");
        let without_effect = [
            (self.steps.is_some() && !self.method.takes_steps(), "--steps: it makes one step"),
            (
                self.goal.is_some_and(|goal| goal != self.usual_goal()) && self.method.is_untargeted(),
                "--goal: it wants another action",
            ),
            (self.seed.is_some() && !self.method.draws(), "--seed: it draws nothing at random"),
        ];
        if let Some((_, why)) = without_effect.iter().find(|(given, _)| *given) {
            anyhow::bail!("--method {method} takes no {why}");
        }
        Ok(budget)
    }

    fn steps(&self) -> usize {
        self.steps.unwrap_or(DEFAULT_STEPS)
    }

    fn goal(&self) -> Goal {
        self.goal.unwrap_or(self.usual_goal())
    }

    fn usual_goal(&self) -> Goal {
        if self.method.is_untargeted() { Goal::Other } else { Goal::Worst }
    }

    fn seed(&self) -> u64 {
        self.seed.unwrap_or(0)
    }

    /// The scenario and its text; its camera must be the one the driver was trained with, if any.
    fn source(&self, trained: Option<&CameraSettings>) -> anyhow::Result<(String, Scenario)> {
        let path = &self.scenario;
        let text = text::read(path).with_context(|| format!("cannot read the scenario {path:?}"))?;
        let scenario = roadproof_sim::parse(&text, path)?;
        if let Some(trained) = trained.filter(|trained| **trained != scenario.camera) {
            let camera = scenario.camera;
            anyhow::bail!("the scenario's camera is {camera:?}, the driver was trained with {trained:?}: {path:?}");
        }
        anyhow::ensure!(
            scenario.recorded.is_none(),
            "the scenario has a recorded perturbation already: attack the one that it was found in: {path:?}"
        );
        Ok((text, scenario.into_scenario()))
    }

    /// Where a find is kept; nothing that another command found is lost by it.
    fn place(&self, how: &str) -> anyhow::Result<Place> {
        let usual = || found::name(&self.scenario, &self.driver, how);
        let place = Place::new(&self.out, self.name.clone().unwrap_or_else(usual), self.command())?.forced(self.force);
        place.check()?;
        Ok(place)
    }

    /// Method, norm and budget in a file's name.
    fn way(&self) -> String {
        let levels = self.eps.value * 255.0;
        let eps = match self.norm {
            NormName::Linf if (levels - levels.round()).abs() < 1e-3 => format!("{}", levels.round()),
            NormName::Linf => format!("{levels:.2}"),
            NormName::L2 => format!("{}", self.eps.value),
        };
        format!("{}_{}_{eps}", named(self.method), named(self.norm))
    }

    /// The command that finds the same again, whatever the defaults will be.
    fn command(&self) -> String {
        let (driver, scenario) = (found::quoted(&self.driver), found::quoted(&self.scenario.to_string_lossy()));
        let mut how = match self.random_search {
            Some(count) => format!("--random-search {count}"),
            None => {
                let eps = found::quoted(&self.eps.text);
                format!("--method {} --norm {} --eps {eps}", named(self.method), named(self.norm))
            }
        };
        // What has no effect is refused, and so not said.
        let gradients = self.random_search.is_none();
        if gradients && self.method.takes_steps() {
            how += &format!(" --steps {}", self.steps());
        }
        if gradients {
            how += &format!(" --share {} --goal {}", self.share, named(self.goal()));
        }
        if !gradients || self.method.draws() {
            how += &format!(" --seed {}", self.seed());
        }
        format!("roadproof attack {driver} {scenario} {how}")
    }
}

/// A choice as the command line spells it.
fn named(choice: impl ValueEnum) -> String {
    choice.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn table(clean: &Drive, attacked: &Drive) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::UTF8_FULL_CONDENSED).set_header([
        "drive",
        "outcome",
        "driving score",
        "route completion",
        "greatest lane offset",
        "least time to collision",
        "decisions",
        "attacked",
        "goal reached",
    ]);
    for (name, drive) in [("clean", clean), ("attacked", attacked)] {
        let score = drive.score;
        let outcome = drive.outcome.map_or_else(String::new, |outcome| format!("{outcome:?}"));
        let ttc = if drive.min_ttc_s.is_finite() { format!("{:.1} s", drive.min_ttc_s) } else { "-".to_owned() };
        table.add_row([
            name.to_owned(),
            outcome,
            format!("{:.1}", score.driving_score),
            format!("{:.1} %", 100.0 * score.route_completion),
            format!("{:.2} m", drive.max_lane_offset_m),
            ttc,
            drive.decisions.to_string(),
            drive.attacked.to_string(),
            drive.changed.to_string(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_numbers_or_fractions() {
        let value = |text| fraction(text).map(|fraction| fraction.value);
        assert_eq!(value("0.5"), Ok(0.5));
        assert_eq!(value("2/255"), Ok(2.0 / 255.0));
        assert!(value("two").is_err() && value("2/").is_err());
        assert!(Budget::new(Norm::Linf, value("1/0").unwrap()).is_err());
    }
}
