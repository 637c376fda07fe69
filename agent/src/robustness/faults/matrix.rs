//! The matrix: every family of drives under every fault in every severity, each drive held against itself without the fault.
//!
//! # Source
//! Mean resilience rate: `mRR = mean over kinds i of Σ_s m_{i,s} / (S · m_clean)`, Kong et al. 2023, "`Robo3D`", arXiv:2303.17597,
//! here with the driving score for m.

use crate::attack::found::KEPT;
use crate::drive::rollout::{DriveEnd, drive_many};
use crate::driver::LearnedDriver;
use crate::host::interrupt::Interrupt;
use crate::host::progress::LongWork;
use crate::host::threads::all_cores;
use crate::robustness::drives::{Family, with_fault};
use crate::robustness::kept::{is_broken, mean, ratio};
use crate::robustness::plan::{MIDDLE_SEVERITY, Plan};
use roadproof_sim::fault::{FaultKind, Severity};
use roadproof_sim::{FleetError, Outcome};
use serde::Serialize;
use std::collections::BTreeMap;

/// Name of all families together.
pub(in crate::robustness) const ALL: &str = "all";

/// Every cell, and what they add up to.
#[derive(Clone, Debug, Serialize)]
pub struct Matrix {
    /// The drives without faults, family by family.
    pub clean: Vec<CleanFamily>,
    /// Family by family, then kind by kind, then severity by severity; all families together come first, as `all`.
    pub cells: Vec<Cell>,
    /// What each kind leaves.
    pub kinds: Vec<KindResult>,
    /// What each severity leaves, over all kinds.
    pub severities: Vec<SeverityResult>,
    /// Mean of all kinds' resilience rates.
    pub mrr: f32,
    /// Mean relative score over all kinds at severity 3; left out if that severity was not driven.
    pub relative_at_severity_3: Option<f32>,
}

/// The clean drives of a family.
#[derive(Clone, Debug, Serialize)]
pub struct CleanFamily {
    /// Its name.
    pub family: String,
    /// Mean driving score.
    pub driving_score: f32,
    /// Its drives; scores of cells stand in the same order.
    pub drives: Vec<CleanDrive>,
}

/// A drive without faults.
#[derive(Clone, Debug, Serialize)]
pub struct CleanDrive {
    /// Its name.
    pub name: String,
    /// Its seed.
    pub seed: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Its driving score.
    pub driving_score: f32,
}

/// One family under one fault in one severity.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    /// The family, or `all`.
    pub family: String,
    /// The fault.
    pub kind: FaultKind,
    /// Its severity.
    pub severity: Severity,
    /// Mean driving score, 0 to 100.
    pub driving_score: f32,
    /// Mean share of the route driven, 0 to 1.
    pub route_completion: f32,
    /// Mean driving score over that of the same drives without the fault; null where that is zero.
    pub relative: f32,
    /// Share of drives that end otherwise than without the fault, or keep less than nine tenths of its score.
    pub broken: f32,
    /// How the drives ended.
    pub outcomes: BTreeMap<String, usize>,
    /// Driving score of each drive.
    pub scores: Vec<f32>,
}

/// What is left under one kind of fault, over all severities.
#[derive(Clone, Debug, Serialize)]
pub struct KindResult {
    /// The fault.
    pub kind: FaultKind,
    /// Its group.
    pub group: String,
    /// Resilience rate over all drives.
    pub resilience: f32,
    /// Resilience rate of each family, in the order of [`Matrix::clean`].
    pub by_family: Vec<f32>,
}

/// What is left at one severity, over all kinds.
#[derive(Clone, Debug, Serialize)]
pub struct SeverityResult {
    /// The severity.
    pub severity: Severity,
    /// Mean relative score over all kinds.
    pub relative: f32,
    /// Mean relative score over the kinds of each group.
    pub by_group: BTreeMap<String, f32>,
}

/// Drives the matrix; `None` if somebody interrupted.
///
/// # Errors
/// [`FleetError`] for a drive that cannot be built.
pub(in crate::robustness) fn measure(
    driver: &LearnedDriver,
    families: &[Family],
    plan: &Plan,
    interrupt: &Interrupt,
) -> Result<Option<Matrix>, FleetError> {
    let drives: Vec<_> = families.iter().flat_map(|family| &family.drives).collect();
    let faults: Vec<(FaultKind, Severity)> =
        plan.kinds.iter().flat_map(|kind| plan.severities.iter().map(|severity| (*kind, *severity))).collect();
    let count = drives.len() * (1 + faults.len());
    // The clean drives first, then all drives of one fault after those of another.
    let scenario = |number: usize| {
        let clean = &drives[number % drives.len()].scenario;
        match (number / drives.len()).checked_sub(1) {
            None => clean.clone(),
            Some(fault) => with_fault(clean, faults[fault].0, faults[fault].1),
        }
    };
    let mut stage = LongWork::start("faults", count as u64, "drives");
    let ended = drive_many(driver, count, scenario, all_cores(), interrupt, |done| stage.set(done as u64, ""))?;
    let Some(ended) = ended else { return Ok(None) };
    let matrix = add_up(families, &faults, &ended);
    stage.finish(format_args!("{} cells, mRR {:.3}", matrix.cells.len(), matrix.mrr));
    Ok(Some(matrix))
}

fn add_up(families: &[Family], faults: &[(FaultKind, Severity)], ended: &[DriveEnd]) -> Matrix {
    let width: usize = families.iter().map(|family| family.drives.len()).sum();
    let mut first = 0;
    let mut clean = Vec::new();
    let mut parts = vec![(ALL.to_owned(), 0..width)];
    for family in families {
        let part = first..first + family.drives.len();
        let drives = family.drives.iter().zip(&ended[part.clone()]).map(|(drive, ended)| CleanDrive {
            name: drive.name.clone(),
            seed: drive.scenario.seed.0,
            outcome: ended.outcome,
            driving_score: ended.score.driving_score,
        });
        let driving_score = mean(ended[part.clone()].iter().map(|ended| ended.score.driving_score));
        clean.push(CleanFamily { family: family.name.clone(), driving_score, drives: drives.collect() });
        first = part.end;
        parts.push((family.name.clone(), part));
    }
    let mut cells = Vec::new();
    for (family, part) in &parts {
        for (row, (kind, severity)) in ended[width..].chunks_exact(width).zip(faults) {
            cells.push(cell(family, *kind, *severity, &ended[part.clone()], &row[part.clone()]));
        }
    }
    let kinds = kinds(&cells, &clean);
    let severities = severities(&cells);
    let middle = severities.iter().find(|result: &&SeverityResult| result.severity.get() == MIDDLE_SEVERITY);
    let (mrr, relative_at_severity_3) =
        (mean(kinds.iter().map(|kind| kind.resilience)), middle.map(|result| result.relative));
    Matrix { clean, mrr, relative_at_severity_3, cells, kinds, severities }
}

fn cell(family: &str, kind: FaultKind, severity: Severity, clean: &[DriveEnd], faulty: &[DriveEnd]) -> Cell {
    let scores: Vec<f32> = faulty.iter().map(|ended| ended.score.driving_score).collect();
    let pair = |ended: &DriveEnd| (ended.outcome, ended.score.driving_score);
    let broken = clean.iter().zip(faulty).filter(|(clean, faulty)| is_broken(pair(clean), pair(faulty))).count();
    let mut outcomes = BTreeMap::new();
    for ended in faulty {
        *outcomes.entry(format!("{:?}", ended.outcome)).or_insert(0) += 1;
    }
    let driving_score = mean(scores.iter().copied());
    Cell {
        family: family.to_owned(),
        kind,
        severity,
        driving_score,
        route_completion: mean(faulty.iter().map(|ended| ended.score.route_completion)),
        relative: ratio(driving_score, mean(clean.iter().map(|ended| ended.score.driving_score))),
        broken: broken as f32 / faulty.len() as f32,
        outcomes,
        scores,
    }
}

/// Resilience rates: of the sum over severities of the score, as a share of as many clean scores.
fn kinds(cells: &[Cell], clean: &[CleanFamily]) -> Vec<KindResult> {
    let resilience = |kind: FaultKind, family: &str| {
        mean(cells.iter().filter(|cell| cell.kind == kind && cell.family == family).map(|cell| cell.relative))
    };
    let mut seen: Vec<FaultKind> = Vec::new();
    for cell in cells {
        if !seen.contains(&cell.kind) {
            seen.push(cell.kind);
        }
    }
    seen.iter()
        .map(|&kind| KindResult {
            kind,
            group: format!("{:?}", kind.group()),
            resilience: resilience(kind, ALL),
            by_family: clean.iter().map(|family| resilience(kind, &family.family)).collect(),
        })
        .collect()
}

fn severities(cells: &[Cell]) -> Vec<SeverityResult> {
    let mut by_severity: BTreeMap<Severity, Vec<&Cell>> = BTreeMap::new();
    for cell in cells.iter().filter(|cell| cell.family == ALL) {
        by_severity.entry(cell.severity).or_default().push(cell);
    }
    by_severity
        .into_iter()
        .map(|(severity, cells)| {
            let mut groups: BTreeMap<String, Vec<f32>> = BTreeMap::new();
            for cell in &cells {
                groups.entry(format!("{:?}", cell.kind.group())).or_default().push(cell.relative);
            }
            let by_group = groups.into_iter().map(|(group, values)| (group, mean(values.into_iter()))).collect();
            SeverityResult { severity, relative: mean(cells.iter().map(|cell| cell.relative)), by_group }
        })
        .collect()
}

impl Matrix {
    /// Clean driving score over all drives.
    #[must_use]
    pub fn clean_score(&self) -> f32 {
        mean(self.clean.iter().flat_map(|family| &family.drives).map(|drive| drive.driving_score))
    }

    /// The cells of single families that keep least of the clean score, the worst first, as far as they lose a tenth of it.
    #[must_use]
    pub fn worst(&self, count: usize) -> Vec<&Cell> {
        let mut cells: Vec<&Cell> =
            self.cells.iter().filter(|cell| cell.family != ALL && cell.relative < KEPT).collect();
        // Of equals the weaker fault is the worse news.
        cells.sort_by(|a, b| a.relative.total_cmp(&b.relative).then(a.severity.cmp(&b.severity)));
        cells.truncate(count);
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::robustness::drives::FamilyDrive;
    use roadproof_sim::{DriveStyle, Score, Seed, generate_drive};

    fn ended(outcome: Outcome, driving_score: f32) -> DriveEnd {
        DriveEnd {
            outcome,
            score: Score { driving_score, route_completion: driving_score / 100.0, ..Score::default() },
        }
    }

    /// Two families of two drives and one, two kinds, two severities: every figure by hand.
    #[test]
    fn a_small_matrix_adds_up_as_by_hand() {
        let drive = |name: &str| FamilyDrive {
            name: name.to_owned(),
            scenario: generate_drive(Seed(name.len() as u64), &DriveStyle::default()),
        };
        let families = [
            Family { name: "one".to_owned(), drives: vec![drive("a"), drive("bb")] },
            Family { name: "two".to_owned(), drives: vec![drive("ccc")] },
        ];
        let [weak, middle] = [1, 3].map(|severity| Severity::new(severity).unwrap());
        let (fog, rain) = (FaultKind::Fog, FaultKind::Rain);
        let faults = [(fog, weak), (fog, middle), (rain, weak), (rain, middle)];
        use Outcome::{Arrived, Collision};
        let rows = [
            [(Arrived, 100.0), (Arrived, 80.0), (Arrived, 60.0)],
            [(Arrived, 100.0), (Arrived, 80.0), (Arrived, 60.0)],
            [(Arrived, 95.0), (Arrived, 40.0), (Collision, 15.0)],
            [(Arrived, 100.0), (Arrived, 80.0), (Arrived, 30.0)],
            [(Collision, 10.0), (Collision, 20.0), (Collision, 30.0)],
        ];
        let ended: Vec<DriveEnd> = rows.iter().flatten().map(|&(outcome, score)| ended(outcome, score)).collect();
        let matrix = add_up(&families, &faults, &ended);
        let near = |found: f32, by_hand: f32| assert!((found - by_hand).abs() < 1e-5, "{found}, by hand {by_hand}");
        near(matrix.clean_score(), 80.0);
        near(matrix.clean[0].driving_score, 90.0);
        assert_eq!(matrix.cells.len(), 3 * 4);
        let cell = |family: &str, kind, severity| {
            let found = matrix
                .cells
                .iter()
                .find(|cell| (&cell.family[..], cell.kind, cell.severity) == (family, kind, severity));
            found.unwrap()
        };
        near(cell(ALL, fog, weak).relative, 1.0);
        near(cell(ALL, fog, middle).driving_score, 50.0);
        near(cell(ALL, fog, middle).relative, 150.0 / 240.0);
        near(cell(ALL, fog, middle).broken, 2.0 / 3.0);
        near(cell("one", fog, middle).relative, 135.0 / 180.0);
        near(cell("one", fog, middle).broken, 0.5);
        assert_eq!(cell(ALL, fog, middle).outcomes["Collision"], 1);
        // Fog: (80 + 50) / (2 · 80); rain: (70 + 20) / (2 · 80).
        near(matrix.kinds[0].resilience, 0.8125);
        near(matrix.kinds[1].resilience, 0.5625);
        near(matrix.kinds[1].by_family[1], 0.5);
        near(matrix.mrr, 0.6875);
        near(matrix.severities[1].relative, (50.0 / 80.0 + 20.0 / 80.0) / 2.0);
        near(matrix.relative_at_severity_3.unwrap(), 0.4375);
        near(matrix.severities[1].by_group["Weather"], 0.25);
        let worst = matrix.worst(2);
        assert_eq!((&worst[0].family[..], worst[0].kind, worst[0].severity), ("one", rain, middle));
        near(worst[0].relative, 15.0 / 90.0);
        assert_eq!(worst[1].family, "two");
    }

    #[test]
    fn a_driver_without_a_score_has_no_ratio() {
        assert!(ratio(0.0, 0.0).is_nan() && ratio(1.0, 2.0) == 0.5 && mean([].into_iter()).is_nan());
    }
}
