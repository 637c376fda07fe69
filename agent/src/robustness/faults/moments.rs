//! The worst moments: drives that a weak fault ended, with what the driver saw just before.

use crate::drive::rollout::drive_recorded;
use crate::driver::Driver;
use crate::host::interrupt::Interrupt;
use crate::robustness::drives::{Family, with_fault};
use crate::robustness::faults::matrix::{ALL, Matrix};
use crate::robustness::plan::Plan;
use roadproof_sim::fault::{FaultKind, Severity};
use roadproof_sim::{Episode, FleetError, Outcome};
use serde::Serialize;

/// A drive that a fault ended.
#[derive(Clone, Debug, Serialize)]
pub struct BreakingMoment {
    /// The family.
    pub family: String,
    /// The drive.
    pub drive: String,
    /// The fault.
    pub kind: FaultKind,
    /// Its severity.
    pub severity: Severity,
    /// How the drive ended.
    pub outcome: Outcome,
    /// When.
    pub ended_s: f32,
    /// Its driving score.
    pub driving_score: f32,
    /// Its driving score without the fault.
    pub clean_score: f32,
    /// What the driver saw before the end.
    pub views: Vec<MomentView>,
}

/// What the driver saw at one decision.
#[derive(Clone, Debug, Serialize)]
pub struct MomentView {
    /// Decisions before the end; one is the last that was taken.
    pub decisions_before: usize,
    /// The frame without the fault; none where the world without it has gone another way.
    #[serde(skip)]
    pub clean: Option<Vec<u8>>,
    /// The frame as the driver got it.
    #[serde(skip)]
    pub faulty: Vec<u8>,
}

/// Decisions before the end that are shown.
const BEFORE: [usize; 2] = [10, 1];

/// One drive of a cell that ended badly although its clean twin did not.
struct Candidate {
    family: usize,
    drive: usize,
    kind: FaultKind,
    severity: Severity,
    score: f32,
}

/// For each kind the weakest fault that made a drive crash or leave the road; the weakest of all first.
fn candidates(matrix: &Matrix) -> Vec<Candidate> {
    let fatal = |outcome: &str| ["Collision", "OffRoad", "WrongWay"].contains(&outcome);
    let mut found: Vec<Candidate> = Vec::new();
    for cell in matrix.cells.iter().filter(|cell| cell.family != ALL) {
        // Which drive of the cell it was shows when it is driven again; the one with the least score is the best guess.
        if !cell.outcomes.keys().any(|outcome| fatal(outcome)) {
            continue;
        }
        let Some(family) = matrix.clean.iter().position(|family| family.family == cell.family) else { continue };
        let own = cell.scores.iter().zip(&matrix.clean[family].drives).enumerate();
        let held = own.filter(|(_, (_, clean))| !fatal(&format!("{:?}", clean.outcome)));
        let worst = held.min_by(|(_, (a, _)), (_, (b, _))| a.total_cmp(b));
        if let Some((drive, (score, _))) = worst {
            let (kind, severity, score) = (cell.kind, cell.severity, *score);
            found.push(Candidate { family, drive, kind, severity, score });
        }
    }
    found.sort_by(|a, b| a.severity.cmp(&b.severity).then(a.score.total_cmp(&b.score)));
    let mut kinds = Vec::new();
    found.retain(|candidate| {
        let first = !kinds.contains(&candidate.kind);
        kinds.push(candidate.kind);
        first
    });
    found
}

/// Drives the worst moments once more and keeps their frames; `None` if somebody interrupted.
///
/// # Errors
/// [`FleetError`] for a drive that cannot be built.
pub(in crate::robustness) fn collect(
    driver: &mut Driver,
    families: &[Family],
    matrix: &Matrix,
    plan: &Plan,
    interrupt: &Interrupt,
) -> Result<Option<Vec<BreakingMoment>>, FleetError> {
    let mut moments = Vec::new();
    for candidate in candidates(matrix).into_iter().take(plan.moments) {
        if interrupt.requested() {
            return Ok(None);
        }
        moments.push(moment(driver, families, matrix, &candidate)?);
    }
    Ok(Some(moments))
}

fn moment(
    driver: &mut Driver,
    families: &[Family],
    matrix: &Matrix,
    candidate: &Candidate,
) -> Result<BreakingMoment, FleetError> {
    let Candidate { family, drive, kind, severity, .. } = *candidate;
    let clean = &families[family].drives[drive];
    let scenario = with_fault(&clean.scenario, kind, severity);
    let mut frames: Vec<Vec<u8>> = Vec::new();
    let faulty = drive_recorded(scenario, driver, |episode| frames.push(episode.rgb().to_vec()))?;
    let mut twin = Episode::new(clean.scenario.clone())?;
    let mut views = Vec::new();
    for (step, (frame, controls)) in frames.iter().zip(faulty.trace().controls()).enumerate() {
        let decisions_before = frames.len() - step;
        if BEFORE.contains(&decisions_before) {
            // The clean world was driven by the same controls: it shows what the driver would have seen, as long as the
            // fault has not kept the controls from the car.
            let digest = |episode: &Episode| episode.trace().rows.get(step.wrapping_sub(1)).map(|row| row.state_digest);
            let same = digest(&twin) == digest(&faulty);
            views.push(MomentView {
                decisions_before,
                clean: same.then(|| twin.rgb().to_vec()),
                faulty: frame.clone(),
            });
        }
        twin.step(controls);
    }
    let outcome = faulty.verdict().outcome.unwrap_or(Outcome::TimeUp);
    Ok(BreakingMoment {
        family: families[family].name.clone(),
        drive: clean.name.clone(),
        kind,
        severity,
        outcome,
        ended_s: faulty.measures().time_s,
        driving_score: faulty.score().driving_score,
        clean_score: matrix.clean[family].drives[drive].driving_score,
        views,
    })
}
