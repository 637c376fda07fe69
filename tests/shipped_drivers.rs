//! The drivers that ship drive as well as they did: on roads, under the faults of sensors, under attack. Bounds have room for weights of
//! another training, and none for a driver that has lost what it was trained for.

use crate::program::repository;
use roadproof_agent::attack::drive::{Drive, DriveAttack, drive_all, to_the_end};
use roadproof_agent::attack::goal::Goal;
use roadproof_agent::attack::method::{LossMethod, Method};
use roadproof_agent::drive::evaluate::{EvaluateSettings, evaluate};
use roadproof_agent::drive::replay::{Case, CaseReport, closed_loop, drive_case};
use roadproof_agent::drive::result::DriverResult;
use roadproof_agent::driver::{Driver, DriverSpec, LearnedDriver};
use roadproof_agent::host::interrupt::Interrupt;
use roadproof_agent::memory::MemorySettings;
use roadproof_perception::attack::{Budget, Norm};
use roadproof_sim::{DriveStyle, DriverClass, Outcome, Scenario, scenario};
use std::path::{Path, PathBuf};

fn named(name: &str) -> Driver {
    Driver::named(name, None).expect("a driver by its name")
}

fn hardened() -> LearnedDriver {
    LearnedDriver::hardened().expect("it is built in")
}

/// Held-out roads of the seed that was looked at while the training was laid out. Those that figures are quoted of have another.
fn drives_roads(name: &str) -> DriverResult {
    let roads = EvaluateSettings { roads: 20, seed: 0, ..EvaluateSettings::default() };
    let result = evaluate(name, &mut named(name), &roads, &DriveStyle::default(), 2, &Interrupt::never());
    result.expect("such roads can be built").expect("nobody interrupts")
}

/// A driver that has forgotten to keep its lane, to follow or to get on ends roads early or late, and scores less. The score is held
/// against that of the driver who knows the truth on the same roads, so that what a score is made of has no say in it.
#[test]
fn what_ships_arrives_and_scores_nearly_as_who_knows_the_truth() {
    let arrived = |result: &DriverResult| result.outcomes.get("Arrived").copied().unwrap_or(0);
    let scripted = drives_roads("scripted");
    assert_eq!(arrived(&scripted), 20, "{:?}", scripted.outcomes);
    for name in ["shipped", "hardened"] {
        let result = drives_roads(name);
        let share = result.driving_score / scripted.driving_score;
        assert!(arrived(&result) >= 19, "{name}: {:?}", result.outcomes);
        assert!(share > 0.96, "{name}: {:.1}, scripted {:.1}", result.driving_score, scripted.driving_score);
    }
}

fn sensor_faults() -> Vec<PathBuf> {
    scenario::find(&[repository().join("scenarios/sensor_faults")]).expect("there are scenarios")
}

fn case(path: &Path) -> Case {
    Case::read(path, false).unwrap_or_else(|error| panic!("{error:#}"))
}

fn drive(case: &Case, driver: &mut Driver) -> CaseReport {
    drive_case(case, driver).unwrap_or_else(|error| panic!("{error:#}"))
}

#[test]
fn what_ships_keeps_its_bounds_under_the_faults_of_sensors() {
    let mut broken = Vec::new();
    for name in ["shipped", "hardened"] {
        let reports = sensor_faults().into_iter().map(|path| drive(&case(&path), &mut named(name)));
        broken.extend(reports.filter(|report| !report.failures.is_empty()).map(|report| (name, report.line())));
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// A file about a fault of the camera is about nothing else: whoever looks through it drives otherwise than without the fault, and
/// whoever sees nothing, with the same networks, breaks the bounds.
#[test]
fn bounds_of_the_cameras_faults_hold_for_who_sees_and_for_no_one_else() {
    let mut files = 0;
    for path in sensor_faults() {
        let case = case(&path);
        if !case.scenario.faults_are_the_cameras() {
            continue;
        }
        files += 1;
        let name = case.title();
        let mut clean = case.scenario.clone().into_scenario();
        clean.perturbations.clear();
        for who in ["shipped", "hardened"] {
            let faulty = closed_loop(case.scenario.clone(), &mut named(who)).expect("checked");
            let without = closed_loop(clean.clone(), &mut named(who)).expect("checked");
            assert!(faulty.trace() != without.trace(), "{name}: {who} drives as if nothing were wrong");
        }
        let mut blind = named("blind");
        assert!(
            case.unseen_by(&blind) && !case.unseen_by(&named("shipped")),
            "{name} is not skipped for who looks at no frame"
        );
        let blind = closed_loop(case.scenario.clone(), &mut blind).expect("checked");
        for class in [DriverClass::Camera, DriverClass::Hardened] {
            let judgement = blind.judged_by(case.scenario.bounds(Some(class))).expect("it has ended");
            assert!(!judgement.passed(), "{name}: who sees nothing keeps the bounds of {class:?}");
        }
    }
    assert!(files >= 6, "{files} files are about the camera");
}

/// The same networks without one of the memory's filters break a bound that they keep with it. The belief in a car ahead is not among
/// them: of all faults of the camera none was found in which it decides, it is for attacks.
#[test]
fn the_hardened_driver_needs_its_filters() {
    let (with, steady) = (hardened(), MemorySettings::STEADY);
    let case = case(&repository().join("scenarios/hardening/dark_in_the_bend.ron"));
    for without in [MemorySettings { track_lane: false, ..steady }, MemorySettings { refuse_stale: false, ..steady }] {
        let spec = DriverSpec { memory: without, ..*with.spec() };
        let lesser = LearnedDriver::new(with.perception().clone(), with.policy().clone(), spec);
        for (driver, holds) in [(lesser, false), (with.twin(), true)] {
            let memory = driver.spec().memory;
            let driven = closed_loop(case.scenario.clone(), &mut Driver::Learned(Box::new(driver))).expect("checked");
            let judgement = driven.judged_by(case.scenario.bounds(Some(DriverClass::Hardened))).expect("it has ended");
            assert_eq!(judgement.passed(), holds, "with {memory:?}: {:?}", judgement.failures(&case.scenario.actors));
        }
    }
}

/// The first fifteen seconds of a bend, of a cut-in, and of a straight road behind nobody.
fn short_drives() -> Vec<Scenario> {
    let files = ["lane_keeping/tight_arc", "cut_in/from_left", "lane_keeping/straight"];
    let short = |file: &str| {
        let path = repository().join(format!("scenarios/{file}.ron"));
        Scenario { duration_s: 15.0, ..scenario::read(&path).expect("checked").into_scenario() }
    };
    files.into_iter().map(short).collect()
}

/// The drives with every frame changed by at most two grey levels for a goal, or with none changed.
fn attacked(driver: &LearnedDriver, goal: Option<Goal>) -> Vec<Drive> {
    let attack = goal.map(|goal| DriveAttack {
        method: Method::Loss(LossMethod::Apgd),
        budget: Budget { norm: Norm::Linf, eps: 2.0 / 255.0 },
        steps: 10,
        starts: 1,
        ahead: 0,
        share: 1.0,
        goal,
        seed: 0,
        keep_changes: false,
    });
    let drives = short_drives();
    let seeds = vec![0; drives.len()];
    drive_all(&mut driver.twin(), drives, attack.as_ref(), &seeds, &mut to_the_end).expect("checked")
}

/// Whether a drive goes on to its end or to the end of its time.
fn goes_on(drive: &Drive) -> bool {
    matches!(drive.outcome, Some(Outcome::Arrived | Outcome::TimeUp))
}

/// What is left of the score of each clean drive under the strongest of some attacks.
fn kept(driver: &LearnedDriver, goals: &[Goal]) -> Vec<f32> {
    let clean = attacked(driver, None);
    assert!(clean.iter().all(goes_on), "{:?}", clean.iter().map(|drive| drive.outcome).collect::<Vec<_>>());
    let under: Vec<Vec<Drive>> = goals.iter().map(|goal| attacked(driver, Some(*goal))).collect();
    let least = |(index, clean): (usize, &Drive)| {
        let scores = under.iter().map(|drives| drives[index].score.driving_score);
        scores.fold(f32::INFINITY, f32::min) / clean.score.driving_score
    };
    clean.iter().enumerate().map(least).collect()
}

/// The attacks take most of the nominal driver's score, so that what the hardened one keeps is its own doing: a weaker attack, or a network
/// that holds no better than any other, breaks one bound or the other.
#[test]
fn the_hardened_driver_keeps_its_score_under_attacks_that_take_most_of_the_nominal_ones() {
    let nominal = kept(&LearnedDriver::shipped().expect("it is built in"), &[Goal::OffsetRight, Goal::SteerLeft]);
    assert!(nominal.iter().sum::<f32>() < 0.6 * 3.0, "the nominal driver keeps {nominal:?}");
    let hardened = kept(&hardened(), &[Goal::OffsetRight, Goal::SteerLeft, Goal::Ghost]);
    assert!(hardened.iter().all(|share| *share > 0.7), "the hardened driver keeps {hardened:?}");
    assert!(hardened.iter().sum::<f32>() > 0.85 * 3.0, "the hardened driver keeps {hardened:?}");
}
