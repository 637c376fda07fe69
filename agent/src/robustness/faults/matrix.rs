//! The matrix: every family of drives under every fault in every severity, each drive held against itself without the fault.
//!
//! # Source
//! Mean resilience rate: `mRR = mean over kinds i of Σ_s m_{i,s} / (S · m_clean)`, Kong et al. 2023, "`Robo3D`", arXiv:2303.17597,
//! here with the driving score for m.

use crate::about::as_text;
use crate::attack::found::KEPT;
use crate::drive::interval::Estimate;
use crate::drive::rollout::{DriveEnd, drive_many};
use crate::driver::Driver;
use crate::host::interrupt::Interrupt;
use crate::host::progress::LongWork;
use crate::host::threads::all_cores;
use crate::robustness::drives::{Family, with_fault};
use crate::robustness::kept::{Failure, is_broken, mean, ratio, ratio_of_sums};
use crate::robustness::plan::{MIDDLE_SEVERITY, Plan};
use roadproof_sim::fault::{FaultKind, Severity};
use roadproof_sim::{FleetError, Outcome};
use serde::Serialize;
use std::collections::BTreeMap;

/// Name of all families together.
pub(in crate::robustness) const ALL: &str = "all";

/// Every cell, and what they add up to. The sample are the drives: intervals are over them, the faults are all there are.
#[derive(Clone, Debug, Serialize)]
pub struct Matrix {
    /// The drives without faults, family by family.
    pub clean: Vec<CleanFamily>,
    /// Mean driving score of all of them.
    pub clean_score: Estimate,
    /// Family by family, then kind by kind, then severity by severity; all families together come first, as `all`.
    pub cells: Vec<Cell>,
    /// What each kind leaves.
    pub kinds: Vec<KindResult>,
    /// What each severity leaves, over all kinds that act.
    pub severities: Vec<SeverityResult>,
    /// Mean of the resilience rates of all kinds that act; left out if none does.
    pub mrr: Option<Estimate>,
    /// Mean relative score over all kinds that act at severity 3; left out if that severity was not driven.
    pub relative_at_severity_3: Option<Estimate>,
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
    #[serde(serialize_with = "as_text")]
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
    /// Whether it acts on this driver at all: some drive ends otherwise than without it, be it in the last bit of its score or of the
    /// way driven. A kind that does not says nothing of how well the driver holds, and counts in no mean.
    pub acts: bool,
    /// Resilience rate over all drives.
    pub resilience: Estimate,
    /// Resilience rate of each family, in the order of [`Matrix::clean`].
    pub by_family: Vec<f32>,
}

/// What is left at one severity, over all kinds that act.
#[derive(Clone, Debug, Serialize)]
pub struct SeverityResult {
    /// The severity.
    pub severity: Severity,
    /// Mean relative score.
    pub relative: Estimate,
    /// Mean relative score over the kinds of each group.
    pub by_group: BTreeMap<String, f32>,
    /// Mean driving score.
    pub driving_score: Estimate,
    /// Share of drives that are broken.
    pub broken: Estimate,
    /// Share of drives in which something is hit.
    pub collisions: Estimate,
    /// Share of drives that leave the road, or turn back.
    pub off_road: Estimate,
    /// Share of drives that stand for good with nothing in front of them, or do not arrive in time.
    pub blocked_or_late: Estimate,
}

/// Drives the matrix; `None` if somebody interrupted.
///
/// # Errors
/// [`FleetError`] for a drive that cannot be built.
pub(in crate::robustness) fn measure(
    driver: &mut Driver,
    families: &[Family],
    plan: &Plan,
    later: f64,
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
    let mut stage = LongWork::start("faults", count as u64, "drives").with_later(later);
    let ended = drive_many(driver, count, scenario, all_cores(), interrupt, |done| stage.set(done as u64, ""))?;
    let Some(ended) = ended else { return Ok(None) };
    let matrix = add_up(families, &faults, &ended);
    let mrr = matrix.mrr.map_or_else(|| "no fault acts".to_owned(), |mrr| format!("mRR {:.3}", mrr.value));
    stage.finish(format_args!("{} cells, {mrr}", matrix.cells.len()));
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
    let rows = Rows { clean: &ended[..width], faulty: ended[width..].chunks_exact(width).collect(), faults };
    let kinds = kinds(&rows, &cells, &clean);
    let acting: Vec<FaultKind> = kinds.iter().filter(|kind| kind.acts).map(|kind| kind.kind).collect();
    let severities = severities(&rows, &cells, &acting);
    let mrr = (!acting.is_empty()).then(|| rows.kept(|(kind, _)| acting.contains(&kind)));
    let clean_score = Estimate::mean(&rows.scores());
    let mut matrix = Matrix { clean, clean_score, mrr, relative_at_severity_3: None, cells, kinds, severities };
    matrix.relative_at_severity_3 = matrix.middle().map(|result| result.relative);
    matrix
}

/// All drives, as they ended under each fault.
struct Rows<'a> {
    clean: &'a [DriveEnd],
    /// One row for each fault.
    faulty: Vec<&'a [DriveEnd]>,
    faults: &'a [(FaultKind, Severity)],
}

impl Rows<'_> {
    fn scores(&self) -> Vec<f32> {
        self.clean.iter().map(|ended| ended.score.driving_score).collect()
    }

    /// For each drive the mean of a figure over some of the faults.
    fn mean_of(
        &self,
        wanted: impl Fn((FaultKind, Severity)) -> bool,
        figure: impl Fn(&DriveEnd, &DriveEnd) -> f32,
    ) -> Vec<f32> {
        let rows: Vec<&&[DriveEnd]> =
            self.faulty.iter().zip(self.faults).filter(|(_, fault)| wanted(**fault)).map(|(row, _)| row).collect();
        let of_drive = |(drive, clean): (usize, &DriveEnd)| mean(rows.iter().map(|row| figure(clean, &row[drive])));
        self.clean.iter().enumerate().map(of_drive).collect()
    }

    /// The share of the clean score that is kept under some of the faults.
    fn kept(&self, wanted: impl Fn((FaultKind, Severity)) -> bool) -> Estimate {
        ratio_of_sums(&self.mean_of(wanted, |_, faulty| faulty.score.driving_score), &self.scores())
    }

    /// Whether a kind makes any difference to any drive.
    fn acts(&self, kind: FaultKind) -> bool {
        let own = self.faulty.iter().zip(self.faults).filter(|(_, fault)| fault.0 == kind);
        own.into_iter().any(|(row, _)| row.iter().zip(self.clean).any(|(faulty, clean)| faulty != clean))
    }
}

fn cell(family: &str, kind: FaultKind, severity: Severity, clean: &[DriveEnd], faulty: &[DriveEnd]) -> Cell {
    let scores: Vec<f32> = faulty.iter().map(|ended| ended.score.driving_score).collect();
    let broken = clean.iter().zip(faulty).filter(|(clean, faulty)| breaks(clean, faulty)).count();
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

fn breaks(clean: &DriveEnd, faulty: &DriveEnd) -> bool {
    let pair = |ended: &DriveEnd| (ended.outcome, ended.score.driving_score);
    is_broken(pair(clean), pair(faulty))
}

/// Resilience rates: of the sum over severities of the score, as a share of as many clean scores.
fn kinds(rows: &Rows<'_>, cells: &[Cell], clean: &[CleanFamily]) -> Vec<KindResult> {
    let of_family = |kind: FaultKind, family: &str| {
        mean(cells.iter().filter(|cell| cell.kind == kind && cell.family == family).map(|cell| cell.relative))
    };
    let mut seen: Vec<FaultKind> = Vec::new();
    for (kind, _) in rows.faults {
        if !seen.contains(kind) {
            seen.push(*kind);
        }
    }
    seen.iter()
        .map(|&kind| KindResult {
            kind,
            group: format!("{:?}", kind.group()),
            acts: rows.acts(kind),
            resilience: rows.kept(|fault| fault.0 == kind),
            by_family: clean.iter().map(|family| of_family(kind, &family.family)).collect(),
        })
        .collect()
}

fn severities(rows: &Rows<'_>, cells: &[Cell], acting: &[FaultKind]) -> Vec<SeverityResult> {
    let mut by_severity: BTreeMap<Severity, Vec<&Cell>> = BTreeMap::new();
    for cell in cells.iter().filter(|cell| cell.family == ALL && acting.contains(&cell.kind)) {
        by_severity.entry(cell.severity).or_default().push(cell);
    }
    by_severity
        .into_iter()
        .map(|(severity, cells)| {
            let mut groups: BTreeMap<String, Vec<f32>> = BTreeMap::new();
            for cell in &cells {
                groups.entry(format!("{:?}", cell.kind.group())).or_default().push(cell.relative);
            }
            let wanted = |fault: (FaultKind, Severity)| fault.1 == severity && acting.contains(&fault.0);
            let share = |is: &dyn Fn(&DriveEnd, &DriveEnd) -> bool| {
                Estimate::mean(&rows.mean_of(wanted, |clean, faulty| f32::from(u8::from(is(clean, faulty)))))
            };
            let fails =
                |failure| share(&move |clean, faulty| Failure::of(faulty.outcome, clean.outcome) == Some(failure));
            SeverityResult {
                severity,
                relative: rows.kept(wanted),
                by_group: groups.into_iter().map(|(group, values)| (group, mean(values.into_iter()))).collect(),
                driving_score: Estimate::mean(&rows.mean_of(wanted, |_, faulty| faulty.score.driving_score)),
                broken: share(&breaks),
                collisions: fails(Failure::Collision),
                off_road: fails(Failure::OffRoad),
                blocked_or_late: fails(Failure::BlockedOrLate),
            }
        })
        .collect()
}

impl Matrix {
    /// Whether any kind makes a difference to this driver. Without one there is nothing to add up.
    #[must_use]
    pub fn acts(&self) -> bool {
        self.kinds.iter().any(|kind| kind.acts)
    }

    /// The kinds that make no difference to this driver.
    #[must_use]
    pub fn without_effect(&self) -> Vec<&'static str> {
        self.kinds.iter().filter(|kind| !kind.acts).map(|kind| kind.kind.name()).collect()
    }

    /// What is left at the severity at which kinds are compared.
    #[must_use]
    pub fn middle(&self) -> Option<&SeverityResult> {
        self.severities.iter().find(|result| result.severity.get() == MIDDLE_SEVERITY)
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
        near(matrix.clean_score.value, 80.0);
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
        near(matrix.kinds[0].resilience.value, 0.8125);
        near(matrix.kinds[1].resilience.value, 0.5625);
        near(matrix.kinds[1].by_family[1], 0.5);
        let mrr = matrix.mrr.expect("both act");
        near(mrr.value, 0.6875);
        assert!(mrr.low < 0.6875 && 0.6875 < mrr.high, "{mrr:?}");
        near(matrix.severities[1].relative.value, (50.0 / 80.0 + 20.0 / 80.0) / 2.0);
        near(matrix.relative_at_severity_3.unwrap().value, 0.4375);
        // Fog at the middle severity breaks two of three and hits with one, rain breaks and hits with all.
        near(matrix.middle().unwrap().broken.value, 5.0 / 6.0);
        near(matrix.middle().unwrap().collisions.value, 4.0 / 6.0);
        near(matrix.middle().unwrap().driving_score.value, 35.0);
        near(matrix.severities[1].by_group["Weather"], 0.25);
        let worst = matrix.worst(2);
        assert_eq!((&worst[0].family[..], worst[0].kind, worst[0].severity), ("one", rain, middle));
        near(worst[0].relative, 15.0 / 90.0);
        assert_eq!(worst[1].family, "two");
    }

    /// A fault that changes nothing, to the bit, is no proof of resilience; one that changes the way driven by a hair acts.
    #[test]
    fn kinds_that_cannot_act_on_a_driver_count_in_no_mean() {
        let scenario = generate_drive(Seed(1), &DriveStyle::default());
        let families =
            [Family { name: "one".to_owned(), drives: vec![FamilyDrive { name: "a".to_owned(), scenario }] }];
        let middle = Severity::new(3).unwrap();
        let (place, fog, rain) = (FaultKind::LocalisationBias, FaultKind::Fog, FaultKind::Rain);
        let clean = ended(Outcome::Arrived, 80.0);
        let mut a_hair = clean;
        a_hair.score.driven_m += 1e-3;
        let faults = [(place, middle), (fog, middle), (rain, middle)];
        let matrix = add_up(&families, &faults, &[clean, clean, a_hair, ended(Outcome::Collision, 20.0)]);
        assert_eq!(matrix.kinds.iter().map(|kind| kind.acts).collect::<Vec<_>>(), [false, true, true]);
        assert_eq!(matrix.without_effect(), ["LocalisationBias"]);
        // Fog keeps all, rain a quarter: 5/8, not 3/4 with the fault that does nothing.
        assert!((matrix.mrr.expect("two act").value - 0.625).abs() < 1e-6, "{:?}", matrix.mrr);
        assert!((matrix.severities[0].relative.value - 0.625).abs() < 1e-6 && matrix.severities[0].broken.value == 0.5);
        assert!(!matrix.severities[0].by_group.contains_key(&format!("{:?}", place.group())));
        let idle = add_up(&families, &faults[..1], &[clean, clean]);
        assert!(idle.mrr.is_none() && idle.severities.is_empty(), "of nothing there is no mean: {:?}", idle.mrr);
    }

    #[test]
    fn a_driver_without_a_score_has_no_ratio() {
        assert!(ratio(0.0, 0.0).is_nan() && ratio(1.0, 2.0) == 0.5 && mean([].into_iter()).is_nan());
    }
}
