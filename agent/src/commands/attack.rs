//! `roadproof attack`

use crate::attacked_drive::{Drive, DriveAttack, Method, drive};
use crate::decision_loss::Goal;
use crate::drivers::Driver;
use crate::progress::Stage;
use anyhow::Context;
use clap::{Args, ValueEnum};
use roadproof_perception::attack::{Budget, Norm};
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  roadproof attack shipped scenarios/following/slow_lead.ron --method pgd --eps 2/255
  roadproof attack runs/seven scenarios/cut_in/from_left.ron --method apgd --eps 4/255 --steps 50 --goal worst
  roadproof attack shipped scenarios/lane_keeping/s_bend.ron --method square --steps 500 --share 0.25
  roadproof attack shipped scenarios/following/slow_lead.ron --method apgd --goal hide
  roadproof attack shipped scenarios/lane_keeping/straight.ron --method auto --steps 20

The scenario is driven clean, then under attack: in each decision the frame is changed within the budget before the driver
sees it. Exits with 1 if the attacked drive ends otherwise or keeps less than nine tenths of the clean driving score.")]
pub(super) struct Arguments {
    /// shipped, or the folder of a run.
    driver: String,
    /// The scenario; its camera must be the driver's.
    scenario: PathBuf,
    /// How the strongest frame is looked for.
    #[arg(long, value_enum, default_value_t = Method::Pgd)]
    method: Method,
    /// The budget, as a number or a fraction; 2/255 is two grey levels.
    #[arg(long, default_value = "2/255", value_parser = fraction)]
    eps: f32,
    /// How the budget is measured.
    #[arg(long, value_enum, default_value_t = NormName::Linf)]
    norm: NormName,
    /// Steps of a gradient method, tries of square and noise, for each decision.
    #[arg(long, default_value_t = 20)]
    steps: usize,
    /// Attack at most this share of the decisions, those on which the most hangs of the drive so far.
    #[arg(long, default_value_t = 1.0)]
    share: f32,
    /// What the attack wants.
    #[arg(long, value_enum, default_value_t = Goal::Worst)]
    goal: Goal,
    /// Seed of the attack.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum NormName {
    /// The greatest change of any value.
    Linf,
    /// The square root of the sum of all changes squared.
    L2,
}

/// A number, or two with a stroke between them.
fn fraction(text: &str) -> Result<f32, String> {
    let number = |text: &str| text.trim().parse::<f32>().map_err(|error| format!("{text:?}: {error}"));
    match text.split_once('/') {
        None => number(text),
        Some((over, under)) => Ok(number(over)? / number(under)?),
    }
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let norm = match arguments.norm {
        NormName::Linf => Norm::Linf,
        NormName::L2 => Norm::L2,
    };
    let budget = Budget::new(norm, arguments.eps).map_err(anyhow::Error::msg).context("--eps")?;
    anyhow::ensure!(
        norm == Norm::L2 || budget.eps >= 1.0 / 255.0,
        "--eps = {}, a camera that delivers bytes shows nothing below 1/255",
        arguments.eps
    );
    anyhow::ensure!(arguments.steps > 0, "--steps = 0, allowed is 1 or more");
    anyhow::ensure!((0.0..=1.0).contains(&arguments.share), "--share = {}, allowed is 0 to 1", arguments.share);
    let name = arguments.method.to_possible_value().map_or_else(String::new, |name| name.get_name().to_owned());
    let only = if norm == Norm::Linf { "l2" } else { "linf" };
    anyhow::ensure!(arguments.method.takes(norm), "--method {name} takes --norm {only} only");
    let (driver, settings) = super::evaluate::driver(&arguments.driver, None)?;
    let Driver::Learned(mut driver) = driver else {
        anyhow::bail!(
            "the driver {:?} has no gradients to attack: allowed are shipped and run folders",
            arguments.driver
        );
    };
    let scenario = roadproof_sim::read(&arguments.scenario)?;
    anyhow::ensure!(
        scenario.camera == settings.drive.camera,
        "the scenario's camera is {:?}, the driver was trained with {:?}: {:?}",
        scenario.camera,
        settings.drive.camera,
        arguments.scenario
    );
    let clean = drive(&mut driver, scenario.clone(), None, &mut |_| {})?;
    let attack = DriveAttack {
        method: arguments.method,
        budget,
        steps: arguments.steps,
        share: arguments.share,
        goal: arguments.goal,
        seed: arguments.seed,
        keep_changes: false,
    };
    let mut stage = Stage::start("attack", 100, "% of the route");
    let attacked = drive(&mut driver, scenario, Some(&attack), &mut |completion| {
        stage.set((100.0 * completion) as u64, "");
    })?;
    stage.finish(format_args!("{} of {} decisions attacked", attacked.attacked, attacked.decisions));
    println!("{}", table(&clean, &attacked));
    let outcome = |drive: &Drive| drive.outcome;
    let score = |drive: &Drive| drive.score.driving_score;
    let kept = if score(&clean) > 0.0 { score(&attacked) / score(&clean) } else { 1.0 };
    println!("The attacked drive keeps {:.0} % of the clean driving score.", 100.0 * kept);
    Ok(outcome(&clean) == outcome(&attacked) && kept >= KEPT)
}

/// Share of the clean driving score that a driver who held keeps.
const KEPT: f32 = 0.9;

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
        assert_eq!(fraction("0.5"), Ok(0.5));
        assert_eq!(fraction("2/255"), Ok(2.0 / 255.0));
        assert!(fraction("two").is_err() && fraction("2/").is_err());
        assert!(Budget::new(Norm::Linf, fraction("1/0").unwrap()).is_err());
    }
}
