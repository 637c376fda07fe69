//! Which drives a report is made of: held-out roads, and the scenario files that the driver can see.

use super::plan::Plan;
use crate::drive::replay::Case;
use crate::driver::DriverSpec;
use roadproof_sim::clock::Span;
use roadproof_sim::fault::{Fault, FaultKind, Perturbation, Severity};
use roadproof_sim::scenario::find;
use roadproof_sim::{Scenario, Seed, Split, generate_drive};
use serde::Serialize;
use std::path::Path;

/// Name of the family of generated roads.
pub(super) const HELD_OUT: &str = "held_out";

/// Drives that have something in common.
pub(super) struct Family {
    pub name: String,
    pub drives: Vec<FamilyDrive>,
}

/// One drive without faults.
pub(super) struct FamilyDrive {
    pub name: String,
    pub scenario: Scenario,
}

/// A scenario file that the report leaves out.
#[derive(Clone, Debug, Serialize)]
pub struct Skipped {
    /// The file.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// Every family, held-out roads first, then folders by name.
///
/// # Errors
/// The first scenario file that cannot be read, with line and column.
pub(super) fn families(driver: &DriverSpec, plan: &Plan) -> anyhow::Result<(Vec<Family>, Vec<Skipped>)> {
    let road = |index: u64| {
        let seed = Seed::of_split(Split::HeldOut, plan.seed, index);
        FamilyDrive { name: format!("road {index}"), scenario: generate_drive(seed, &plan.drive) }
    };
    let mut families = vec![Family { name: HELD_OUT.to_owned(), drives: (0..plan.roads as u64).map(road).collect() }];
    let mut skipped = Vec::new();
    let folder = plan.scenarios.as_deref().filter(|folder| folder.is_dir());
    for path in folder.map(|folder| find(&[folder.to_owned()])).transpose()?.unwrap_or_default() {
        let case = Case::read(&path, false)?;
        let reason = unfit(&case, driver, &path);
        if let Some(reason) = reason {
            skipped.push(Skipped { file: path.display().to_string(), reason });
            continue;
        }
        let name = case.family();
        let place = families.iter().position(|family| family.name == name);
        let place = place.unwrap_or_else(|| {
            families.push(Family { name, drives: Vec::new() });
            families.len() - 1
        });
        if families[place].drives.len() == plan.roads {
            let reason = format!("its family has {} already", plan.roads);
            skipped.push(Skipped { file: path.display().to_string(), reason });
        } else {
            families[place].drives.push(FamilyDrive { name: case.name(), scenario: case.scenario.into_scenario() });
        }
    }
    Ok((families, skipped))
}

/// Why a driver cannot drive a file, or why nothing would come of it.
fn unfit(case: &Case, driver: &DriverSpec, path: &Path) -> Option<String> {
    let scenario = &case.scenario;
    if let Err(misfit) = driver.fits(scenario) {
        Some(misfit.to_string())
    } else if !scenario.perturbations.is_empty() || scenario.recorded.is_some() {
        Some("it has faults of its own".to_owned())
    } else if path.with_extension("trace").exists() {
        Some("it replays recorded actions".to_owned())
    } else {
        None
    }
}

/// The same drive, all of it under a fault.
pub(super) fn with_fault(scenario: &Scenario, kind: FaultKind, severity: Severity) -> Scenario {
    let during_s = Span(0.0, scenario.duration_s + 1.0);
    let fault = Fault::Graded { kind, severity };
    Scenario { perturbations: vec![Perturbation { during_s, when: None, fault }], ..scenario.clone() }
}
