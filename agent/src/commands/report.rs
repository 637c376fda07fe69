//! `roadproof report`

use super::Ended;
use super::choices::{PartName, fault_kind, named};
use super::devices::DeviceOption;
use super::drivers::{DriverOption, driver_name, note_unfinished};
use super::trained::{settings_known, trained_under};
use crate::about::{About, as_written};
use crate::driver::Driver;
use crate::host::console::{Console, note};
use crate::host::files::write_atomically;
use crate::host::folder_lock::FolderLock;
use crate::host::interrupt;
use crate::host::run_folder::new_folder;
use crate::robustness::{self, FORMAT, Part, Plan};
use anyhow::Context;
use clap::Args;
use roadproof_sim::DriveStyle;
use roadproof_sim::fault::FaultKind;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  roadproof report shipped                            every fault and attack, with a page to read: about half an hour
                                                      on two cores
  roadproof report runs/seven --quick --kinds Fog,Rain --out seven
  roadproof report hardened --only attacks            attacks on forty whole drives, and nothing else
  roadproof report hardened --scenarios my/scenarios  with other scenario files
  roadproof report hardened --roads 6 --seed 1        six drives of each family under faults, other roads

Drives families of drives under every fault in every severity; forty whole drives, scenario files and held-out roads with and
without other cars, under attacks on every decision; and single decisions under attacks. The strongest attack counts, drive by
drive: every attack is tried on every drive with one budget, the strongest three of each drive are run with more steps, the
strongest two with twice these from two other starts, and the strongest with twice those again where that changes a drive; the
strongest three with the other budgets as well.
On eight drives every attack is run with these steps, to see whether the trial left a stronger one out.
Then it holds the attacks against a check-list of
signs that they are weaker than they seem. Beside the share of the score that is kept stand drives broken, collisions, roads left
and cars that are blocked or late, each with an interval over drives, and how long the slowest arrivals take. Without faults
and attacks it counts the scenario files whose bounds the driver keeps. Writes report.html and robustness.json.

Exit codes: 0 the attacks can be believed as far as the checks go, 1 a check found a sign that they are weaker than they seem,
2 bad input, 130 stopped by Ctrl-C or another signal.")]
pub(super) struct Arguments {
    /// shipped, hardened, the folder of a run, latest, or, for faults alone, any other driver.
    #[arg(value_parser = driver_name())]
    driver: String,
    #[command(flatten)]
    _option: DriverOption,
    /// Folder of the report [default: robustness/<time>-<driver>].
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// A small report, in about two minutes on two cores: a few held-out roads alone, half as long and so with denser traffic, fewer
    /// severities, budgets, steps and decisions. Good for a glance, not for figures: its intervals say how little a few drives can.
    #[arg(long)]
    quick: bool,
    /// One part only, to compare drivers by.
    #[arg(long, value_enum)]
    only: Option<PartName>,
    /// Drives of each family under each fault [default: 2].
    #[arg(long)]
    roads: Option<usize>,
    /// Attacked drives: half of them scenario files, as far as there are so many [default: 40].
    #[arg(long)]
    drives: Option<usize>,
    #[command(flatten)]
    device: DeviceOption,
    /// Folder of the scenario files [default: scenarios, and none with --quick].
    #[arg(long, value_name = "FOLDER")]
    scenarios: Option<PathBuf>,
    /// Faults, with commas between them [default: all].
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = fault_kind)]
    kinds: Vec<FaultKind>,
    /// Seed of the roads and of the attacks [default: 2027].
    #[arg(long)]
    seed: Option<u64>,
}

/// Measures and writes a robustness report.
pub(super) fn run(arguments: &Arguments, console: &mut Console) -> anyhow::Result<Ended> {
    let name = &arguments.driver;
    let mut plan = arguments.plan()?;
    note_unfinished(name)?;
    let mut driver = Driver::named(name, None)?;
    arguments.device.check([&driver])?;
    driver = arguments.device.put(driver)?;
    let about = About::this(FORMAT).of(name, &driver);
    if driver.learned().is_none() && plan.only != Some(Part::Faults) {
        anyhow::ensure!(
            plan.only.is_none(),
            "the driver {name:?} has no gradients to attack: allowed are shipped, hardened and run folders"
        );
        anyhow::ensure!(arguments.drives.is_none(), "--drives: {name:?} has no gradients to attack its drives by");
        note(format_args!("note: {name:?} has no gradients to attack, so the report is of faults alone"));
        plan.only = Some(Part::Faults);
    }
    let settings = trained_under(name, None)?;
    plan.drive = DriveStyle { length_m: plan.road_share * settings.drive.length_m, ..settings.drive };
    let (out, made, lock) = match &arguments.out {
        Some(out) => own_folder(out)?,
        None => {
            let last = Path::new(name).file_name().map_or_else(|| "run".into(), |last| last.to_string_lossy());
            own_folder(&new_folder(Path::new("robustness"), &last)?).map(|(out, _, lock)| (out, true, lock))?
        }
    };
    let interrupt = interrupt::install()?;
    note(format_args!("report folder {}, seed {}", out.display(), plan.seed));
    let about = About { settings: settings_known(name, None).then(|| as_written(&settings)).transpose()?, ..about };
    let measured = robustness::measure(&mut driver, about, &plan, &interrupt);
    if made && !matches!(measured, Ok(Some(_))) {
        // Nothing has been written: an empty folder is no use to anybody.
        drop(lock);
        let _ = std::fs::remove_dir(&out);
    }
    let Some(report) = measured? else {
        console.line("Stopped before the report was complete; nothing was written.");
        return Ok(Ended::Stopped);
    };
    console.line(robustness::summary(&report));
    let page = out.join("report.html");
    write_atomically(&out.join("robustness.json"), &serde_json::to_vec_pretty(&report)?)?;
    write_atomically(&page, robustness::page(&report).as_bytes())?;
    console.line(format_args!("Report: {}", page.display()));
    Ok(Ended::held(report.headline.checks.1 == 0))
}

impl Arguments {
    /// What is to be measured.
    fn plan(&self) -> anyhow::Result<Plan> {
        self.check_effects()?;
        let mut plan = if self.quick { Plan::quick() } else { Plan::standard() };
        plan.seed = self.seed.unwrap_or(plan.seed);
        plan.only = self.only.map(Part::from);
        plan.roads = self.roads.unwrap_or(plan.roads);
        plan.attacked_drives = self.drives.unwrap_or(plan.attacked_drives);
        if !self.kinds.is_empty() {
            plan.kinds.clone_from(&self.kinds);
        }
        if let Some(folder) = &self.scenarios {
            anyhow::ensure!(folder.is_dir(), "--scenarios: not a folder: {folder:?}");
            plan.scenarios = Some(folder.clone());
        }
        plan.check().map_err(anyhow::Error::msg)?;
        Ok(plan)
    }

    /// Refuses what has no effect on the one part that is made.
    fn check_effects(&self) -> anyhow::Result<()> {
        let Some(only) = self.only else { return Ok(()) };
        let part = Part::from(only);
        let without_effect = [
            (self.drives.is_some() && part != Part::Attacks, "--drives: it attacks no whole drives"),
            (self.roads.is_some() && part != Part::Faults, "--roads: it drives nothing under faults"),
            (!self.kinds.is_empty() && part != Part::Faults, "--kinds: it drives nothing under faults"),
            (self.scenarios.is_some() && part == Part::Decisions, "--scenarios: its decisions are from held-out roads"),
        ];
        match without_effect.iter().find(|(given, _)| *given) {
            Some((_, why)) => anyhow::bail!("--only {} takes no {why}", named(only)),
            None => Ok(()),
        }
    }
}

/// Makes the folder of a report and locks it, and tells whether it was not there before; a report never mixes with other files.
fn own_folder(out: &Path) -> anyhow::Result<(PathBuf, bool, FolderLock)> {
    if let Some(parent) = out.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot create the folder {out:?}"))?;
    }
    let made = match std::fs::create_dir(out) {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
        Err(error) => return Err(error).with_context(|| format!("cannot create the folder {out:?}")),
    };
    anyhow::ensure!(out.is_dir(), "not a folder: {out:?}");
    let lock = FolderLock::take_empty(out)
        .with_context(|| format!("the folder of a report must be empty, choose another --out: {out:?}"))?;
    Ok((out.to_owned(), made, lock))
}
