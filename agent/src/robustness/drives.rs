//! Which drives a report is made of: held-out roads, and the scenario files that the driver can see.
//!
//! Where there are more files than a report has drives for, they are spread evenly over families and over the files of each, so
//! that no file is left out for its name. Generated roads have always other cars on them; some are driven without, because what
//! an empty road does to a driver who is shown a car that is not there is hidden among roads with cars.

use super::plan::{Part, Plan};
use crate::drive::library::says_nothing;
use crate::drive::replay::Case;
use crate::driver::Driver;
use crate::host::console::note;
use roadproof_sim::clock::Span;
use roadproof_sim::fault::{Fault, FaultKind, Perturbation, Severity};
use roadproof_sim::scenario::find;
use roadproof_sim::{Scenario, Seed, Split, generate_drive};
use serde::Serialize;

/// Name of the family of generated roads.
pub(super) const HELD_OUT: &str = "held_out";

/// Drives that have something in common.
pub(super) struct Family {
    pub name: String,
    pub drives: Vec<FamilyDrive>,
}

/// One drive without faults.
#[derive(Clone)]
pub(super) struct FamilyDrive {
    pub name: String,
    pub scenario: Scenario,
}

/// A scenario file, or the folder of all of them, that the report leaves out.
#[derive(Clone, Debug, Serialize)]
pub struct Skipped {
    /// The file.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// Every scenario file that fits a driver, by folder.
pub(super) struct Library {
    families: Vec<Family>,
    pub skipped: Vec<Skipped>,
}

impl Library {
    /// Reads the folder of a plan.
    ///
    /// # Errors
    /// The first scenario file that cannot be read, with line and column.
    pub fn read(driver: &Driver, plan: &Plan) -> anyhow::Result<Self> {
        let (mut families, mut skipped): (Vec<Family>, _) = (Vec::new(), Vec::new());
        // Single decisions are taken from held-out roads alone.
        let wanted = plan.scenarios.as_deref().filter(|_| plan.makes(Part::Faults) || plan.makes(Part::Attacks));
        if let Some(folder) = wanted.filter(|folder| !folder.is_dir()) {
            let reason = "there is no such folder here, so that scenario files are in no figure: make the report where the folder is, or \
                          name it with --scenarios FOLDER";
            note(format_args!("note: {}: {reason}", folder.display()));
            skipped.push(Skipped { file: folder.display().to_string(), reason: reason.to_owned() });
        }
        let folder = wanted.filter(|folder| folder.is_dir());
        for path in folder.map(|folder| find(&[folder.to_owned()])).transpose()?.unwrap_or_default() {
            let case = Case::read(&path, false)?;
            if let Some(reason) = unfit(&case, driver) {
                skipped.push(Skipped { file: path.display().to_string(), reason });
                continue;
            }
            let (family, name) = (case.family(), case.name());
            let drive = FamilyDrive { name, scenario: case.scenario.into_scenario() };
            match families.iter_mut().find(|own| own.name == family) {
                Some(own) => own.drives.push(drive),
                None => families.push(Family { name: family, drives: vec![drive] }),
            }
        }
        Ok(Self { families, skipped })
    }

    /// The drives under faults: of every family as many as the plan says, held-out roads first.
    pub fn under_faults(&self, plan: &Plan) -> Vec<Family> {
        let roads = (0..plan.roads).map(|index| road(plan, index)).collect();
        let chosen = self.families.iter().map(|family| family.part(plan.roads));
        [Family { name: HELD_OUT.to_owned(), drives: roads }].into_iter().chain(chosen).collect()
    }

    /// The drives under attack, each with its family.
    pub fn under_attack(&self, plan: &Plan) -> Vec<(String, FamilyDrive)> {
        let files =
            shared_out(plan.attacked_drives / 2, self.families.iter().map(|family| family.drives.len()).collect());
        let of_family = |(family, count): (&Family, usize)| {
            let part = family.part(count);
            part.drives.into_iter().map(move |drive| (part.name.clone(), drive)).collect::<Vec<_>>()
        };
        let mut drives: Vec<_> = self.families.iter().zip(files).flat_map(of_family).collect();
        let roads = (0..plan.attacked_drives - drives.len()).map(|index| match index % 2 {
            0 => road(plan, index),
            _ => emptied(road(plan, index)),
        });
        drives.extend(roads.map(|road| (HELD_OUT.to_owned(), road)));
        drives
    }
}

impl Library {
    /// Every drive of the parts that are made, once.
    pub fn all(&self, plan: &Plan) -> Vec<(String, FamilyDrive)> {
        let mut drives = if plan.makes(Part::Attacks) { self.under_attack(plan) } else { Vec::new() };
        let under_faults = if plan.makes(Part::Faults) { self.under_faults(plan) } else { Vec::new() };
        for Family { name: family, drives: own } in under_faults {
            for drive in own {
                if !drives.iter().any(|(other, known)| (other, &known.name) == (&family, &drive.name)) {
                    drives.push((family.clone(), drive));
                }
            }
        }
        drives
    }
}

impl Family {
    /// So many of its drives, spread evenly; all if there are no more.
    fn part(&self, count: usize) -> Self {
        let (all, count) = (self.drives.len(), count.min(self.drives.len()));
        let drives = (0..count).map(|place| self.drives[place * all / count].clone());
        Self { name: self.name.clone(), drives: drives.collect() }
    }
}

/// A number shared out among those who have so many, one at a time in turn, until it is gone or nobody has more.
fn shared_out(number: usize, have: Vec<usize>) -> Vec<usize> {
    let mut given = vec![0; have.len()];
    let mut left = number.min(have.iter().sum());
    while left > 0 {
        for (given, have) in given.iter_mut().zip(&have) {
            if *given < *have && left > 0 {
                *given += 1;
                left -= 1;
            }
        }
    }
    given
}

/// A held-out road by its number.
pub(super) fn road(plan: &Plan, index: usize) -> FamilyDrive {
    let seed = Seed::of_split(Split::HeldOut, plan.seed, index as u64);
    FamilyDrive { name: format!("road {index}"), scenario: generate_drive(seed, &plan.drive) }
}

/// The same road without other cars.
pub(super) fn emptied(road: FamilyDrive) -> FamilyDrive {
    let scenario = Scenario { actors: Vec::new(), ..road.scenario };
    FamilyDrive { name: format!("{}, emptied", road.name), scenario }
}

/// Why a driver cannot drive a file, or why nothing would come of it.
fn unfit(case: &Case, driver: &Driver) -> Option<String> {
    let scenario = &case.scenario;
    let own_faults = !scenario.perturbations.is_empty() || scenario.recorded.is_some();
    says_nothing(case, driver.fits(scenario), driver.class())
        .or_else(|| own_faults.then(|| "it has faults of its own".to_owned()))
}

/// The same drive, all of it under a fault.
pub(super) fn with_fault(scenario: &Scenario, kind: FaultKind, severity: Severity) -> Scenario {
    let during_s = Span(0.0, scenario.duration_s + 1.0);
    let fault = Fault::Graded { kind, severity };
    Scenario { perturbations: vec![Perturbation { during_s, when: None, fault }], ..scenario.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn files_that_say_nothing_of_a_driver_are_left_out_with_the_reason() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
        let plan = Plan { scenarios: Some(folder), ..Plan::standard() };
        let hardened = Driver::named("hardened", None).expect("it is built in");
        let library = Library::read(&hardened, &plan).expect("files that can be read");
        let reason = |file: &str| {
            let skipped = library.skipped.iter().find(|skipped| skipped.file.ends_with(file));
            skipped.unwrap_or_else(|| panic!("{file} is not left out")).reason.as_str()
        };
        assert_eq!(reason("regression/sign_in_the_way.ron"), "it is to end with Collision, whoever drives");
        assert_eq!(reason("sensor_faults/noise.ron"), "it has faults of its own");
        assert!(library.families.iter().any(|family| family.name == "cut_in" && family.drives.len() == 3));
    }

    #[test]
    fn a_folder_that_is_not_there_is_said_to_be_left_out() {
        let plan = Plan { scenarios: Some("no/such/folder".into()), ..Plan::standard() };
        let hardened = Driver::named("hardened", None).expect("it is built in");
        let skipped = |plan: &Plan| Library::read(&hardened, plan).expect("nothing to read").skipped;
        let told = skipped(&plan);
        assert!(
            told.len() == 1 && told[0].file == "no/such/folder" && told[0].reason.contains("--scenarios FOLDER"),
            "{told:?}"
        );
        assert!(
            skipped(&Plan { only: Some(Part::Decisions), ..plan }).is_empty(),
            "decisions ask for no scenario file"
        );
    }

    #[test]
    fn drives_are_spread_over_families_and_over_the_files_of_each() {
        assert_eq!(shared_out(9, vec![3, 7, 1]), [3, 5, 1]);
        assert_eq!(shared_out(20, vec![3, 7, 1]), [3, 7, 1]);
        let plan = Plan { attacked_drives: 10, ..Plan::standard() };
        let family = |name: &str, count: usize| Family {
            name: name.to_owned(),
            drives: (0..count).map(|index| FamilyDrive { name: format!("{index}"), ..road(&plan, index) }).collect(),
        };
        let library = Library { families: vec![family("one", 2), family("two", 9)], skipped: Vec::new() };
        let attacked = library.under_attack(&plan);
        let names: Vec<String> = attacked.iter().map(|(family, drive)| format!("{family} {}", drive.name)).collect();
        assert_eq!(names[..5], ["one 0", "one 1", "two 0", "two 3", "two 6"]);
        assert_eq!(names[5..7], ["held_out road 0", "held_out road 1, emptied"]);
        let empty = attacked.iter().filter(|(_, drive)| drive.scenario.actors.is_empty()).count();
        assert!(attacked.len() == 10 && empty == 2, "{names:?}");
        let under_faults = library.under_faults(&Plan { roads: 3, ..plan });
        let all = library.all(&Plan { attacked_drives: 10, ..Plan::standard() });
        let twice = |(family, drive): &(String, FamilyDrive)| {
            all.iter().filter(|(other, known)| (other, &known.name) == (family, &drive.name)).count() > 1
        };
        assert!(all.len() > 10 && !all.iter().any(twice));
        let sizes: Vec<usize> = under_faults.iter().map(|family| family.drives.len()).collect();
        assert_eq!(sizes, [3, 2, 3]);
    }
}
