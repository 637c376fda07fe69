//! What `attack` and `search` share: the scenario that is to be broken, and the place where what broke it is kept.

use super::scenarios::scenarios;
use crate::attack::found::{self, Place};
use crate::driver::Driver;
use crate::host::console::Console;
use crate::host::program::quoted;
use anyhow::Context;
use clap::Args;
use roadproof_sim::outcome::score::Score;
use roadproof_sim::scenario::read_text;
use roadproof_sim::{Episode, Outcome, Scenario};
use std::path::PathBuf;

/// What is to be broken, and where what broke it goes.
#[derive(Args, Debug)]
pub(super) struct Subject {
    /// The scenario, whose camera and decision rate must be the driver's; - is standard input.
    #[arg(value_parser = scenarios())]
    pub scenario: PathBuf,
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

impl Subject {
    /// The scenario, if the driver can drive there, and its text.
    pub fn source(&self, driver: &Driver) -> anyhow::Result<(String, Scenario)> {
        let path = &self.scenario;
        anyhow::ensure!(!path.is_dir(), "one scenario is wanted, and this is a folder of them: {path:?}");
        let text = read_text(path).with_context(|| format!("cannot read the scenario {path:?}"))?;
        let scenario = roadproof_sim::parse(&text, path)?;
        driver.fits(&scenario).with_context(|| format!("{path:?} is not for this driver"))?;
        anyhow::ensure!(
            scenario.recorded.is_none(),
            "the scenario has a recorded perturbation already: attack the one that it was found in: {path:?}"
        );
        Ok((text, scenario.into_scenario()))
    }

    /// How the clean drive ends, if there is anything left to break.
    pub fn check_clean(&self, driver: &str, clean: Option<Outcome>) -> anyhow::Result<Outcome> {
        clean.filter(|outcome| found::breakable(Some(*outcome))).with_context(|| {
            let outcome = clean.map_or_else(String::new, |outcome| format!("{outcome:?}"));
            let path = &self.scenario;
            format!("the clean drive of {driver:?} ends {outcome} by itself: nothing is left to break in {path:?}")
        })
    }

    /// Where a find is kept; nothing that another command found is lost by it.
    pub fn place(&self, driver: &str, how: &str, command: String) -> anyhow::Result<Place> {
        let usual = || found::name(&self.scenario, driver, how);
        let place = Place::new(&self.out, self.name.clone().unwrap_or_else(usual), command)?.forced(self.force);
        place.check()?;
        Ok(place)
    }

    /// A command that takes a driver and this scenario, as one would type it in a shell.
    pub fn command(&self, name: &str, driver: &str, options: &str) -> String {
        let scenario = quoted(&self.scenario.to_string_lossy());
        format!("roadproof {name} {} {scenario} {options}", quoted(driver))
    }
}

/// Writes what broke the drive, and says so.
pub(super) fn keep(
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
