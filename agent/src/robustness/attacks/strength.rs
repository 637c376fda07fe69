//! What all attacks together leave of drives, each drive under the one that is strongest on it.
//!
//! # Source
//! Carlini et al. 2019, "On Evaluating Adversarial Robustness", arXiv:1902.06705: what counts is the mean over examples of the
//! least score over attacks, not the least mean of any one attack. A frame within a budget is within every larger one, so that an
//! attack with a smaller budget counts as one with a larger.

use crate::drive::interval::Estimate;
use crate::robustness::attacks::attacked::Driven;
use crate::robustness::attacks::run::Run;
use crate::robustness::kept::{Failure, is_broken, ratio_of_sums};
use roadproof_sim::Outcome;
use serde::Serialize;

/// What all attacks within a budget can do to one drive.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorstDrive {
    /// The least driving score.
    pub driving_score: f32,
    /// How the drive ended with that score.
    pub outcome: Outcome,
    /// The attack that left it; none where no attack left less than there is without.
    pub attack: Option<&'static str>,
    /// The steps or tries of that attack.
    pub effort: usize,
    /// Whether some attack made it end otherwise, or left less than nine tenths of its score.
    pub broken: bool,
    /// Whether some attack made the car hit something.
    pub collision: bool,
    /// Whether some attack made it leave the road, or turn back.
    pub off_road: bool,
    /// Whether some attack made it stand for good with nothing in front of it.
    pub standstill: bool,
}

/// Some drives under all attacks within one budget. Shares of drives are of those that some attack can make end so; they need not
/// add up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DrivePoint {
    /// The budget in grey levels, Linf.
    pub eps_levels: u8,
    /// Mean driving score.
    pub driving_score: Estimate,
    /// The same over the clean drives' mean.
    pub kept: Estimate,
    /// Share of drives that are broken.
    pub broken: Estimate,
    /// Share of drives in which something is hit.
    pub collisions: Estimate,
    /// Share of drives that leave the road, or turn back.
    pub off_road: Estimate,
    /// Share of drives that stand for good with nothing in front of them.
    pub standstills: Estimate,
}

impl WorstDrive {
    fn clean(clean: &Driven) -> Self {
        Self {
            driving_score: clean.driving_score,
            outcome: clean.outcome,
            attack: None,
            effort: 0,
            broken: false,
            collision: false,
            off_road: false,
            standstill: false,
        }
    }

    /// Takes in one attack.
    fn note(&mut self, clean: &Driven, run: &Run, (outcome, driving_score): (Outcome, f32)) {
        self.broken |= is_broken((clean.outcome, clean.driving_score), (outcome, driving_score));
        let failure = Failure::of(outcome);
        self.collision |= failure == Some(Failure::Collision);
        self.off_road |= failure == Some(Failure::OffRoad);
        self.standstill |= failure == Some(Failure::Standstill);
        if driving_score < self.driving_score {
            (self.driving_score, self.outcome) = (driving_score, outcome);
            (self.attack, self.effort) = (Some(run.attack), run.effort);
        }
    }

    /// Whether more can be done to a drive than this says: by how much of its clean score, or in how it ends.
    pub(in crate::robustness) fn beaten_by(&self, other: &Self, clean: &Driven, tolerance: f32) -> bool {
        let more = |own: bool, others: bool| others && !own;
        self.driving_score - other.driving_score > tolerance * clean.driving_score
            || more(self.broken, other.broken)
            || more(self.collision, other.collision)
            || more(self.off_road, other.off_road)
            || more(self.standstill, other.standstill)
    }
}

/// For each drive what the runs within a budget can do to it.
pub(in crate::robustness) fn worst(clean: &[Driven], runs: &[Run], eps_levels: u8) -> Vec<WorstDrive> {
    let mut worst: Vec<WorstDrive> = clean.iter().map(WorstDrive::clean).collect();
    for run in runs.iter().filter(|run| run.eps_levels <= eps_levels) {
        for (drive, outcome, score) in run.ends() {
            worst[drive].note(&clean[drive], run, (outcome, score));
        }
    }
    worst
}

/// The attacks that were run on a drive with a budget, the strongest first.
pub(in crate::robustness) fn ranked(runs: &[Run], drive: usize, eps_levels: u8) -> Vec<&'static str> {
    let mut least: Vec<(&'static str, f32)> = Vec::new();
    for run in runs.iter().filter(|run| run.eps_levels == eps_levels) {
        let Some((_, _, score)) = run.ends().find(|(own, ..)| *own == drive) else { continue };
        match least.iter_mut().find(|(attack, _)| *attack == run.attack) {
            Some((_, least)) => *least = least.min(score),
            None => least.push((run.attack, score)),
        }
    }
    least.sort_by(|a, b| a.1.total_cmp(&b.1));
    least.into_iter().map(|(attack, _)| attack).collect()
}

/// What is left of some of the drives, given by number.
pub(in crate::robustness) fn point(
    eps_levels: u8,
    drives: &[usize],
    clean: &[Driven],
    worst: &[WorstDrive],
) -> DrivePoint {
    let scores: Vec<f32> = drives.iter().map(|&drive| worst[drive].driving_score).collect();
    let own: Vec<f32> = drives.iter().map(|&drive| clean[drive].driving_score).collect();
    let share = |is: fn(&WorstDrive) -> bool| {
        Estimate::share(drives.iter().filter(|&&drive| is(&worst[drive])).count(), drives.len())
    };
    DrivePoint {
        eps_levels,
        driving_score: Estimate::mean(&scores),
        kept: ratio_of_sums(&scores, &own),
        broken: share(|drive| drive.broken),
        collisions: share(|drive| drive.collision),
        off_road: share(|drive| drive.off_road),
        standstills: share(|drive| drive.standstill),
    }
}

#[cfg(test)]
pub(in crate::robustness) mod tests {
    use super::*;
    use Outcome::{Arrived, Blocked, Collision, OffRoad};

    pub(in crate::robustness) fn driven(outcome: Outcome, driving_score: f32) -> Driven {
        Driven { outcome, driving_score, route_completion: 1.0, min_ttc_s: f32::INFINITY }
    }

    pub(in crate::robustness) fn run(attack: &'static str, eps_levels: u8, ends: &[(usize, Outcome, f32)]) -> Run {
        Run {
            attack,
            goal: String::new(),
            eps_levels,
            effort: 5,
            start: 0,
            drives: ends.iter().map(|end| end.0).collect(),
            scores: ends.iter().map(|end| end.2).collect(),
            outcomes: ends.iter().map(|end| end.1).collect(),
        }
    }

    #[test]
    fn the_strongest_attack_is_chosen_drive_by_drive() {
        let clean = [driven(Arrived, 40.0), driven(Arrived, 60.0)];
        let runs = [
            run("one", 4, &[(0, OffRoad, 10.0), (1, Arrived, 60.0)]),
            run("other", 4, &[(0, Collision, 12.0), (1, Arrived, 30.0)]),
        ];
        // Each alone leaves less than half and breaks one drive or both; together, drive by drive, 20 of 50.
        let all = worst(&clean, &runs, 4);
        let point = point(4, &[0, 1], &clean, &all);
        assert_eq!((point.driving_score.value, point.kept.value, point.broken.value), (20.0, 0.4, 1.0));
        assert_eq!((all[0].attack, all[1].attack), (Some("one"), Some("other")));
        // The first drive can be made to end in two ways, although only one leaves the least score.
        assert_eq!((point.collisions.value, point.off_road.value, point.standstills.value), (0.5, 0.5, 0.0));
        assert!(point.broken.low < 1.0 && point.broken.high == 1.0, "two drives say little: {:?}", point.broken);
    }

    #[test]
    fn what_broke_at_a_smaller_budget_is_broken_at_a_larger_one() {
        let clean = [driven(Arrived, 100.0), driven(Arrived, 100.0)];
        let runs = [
            run("one", 2, &[(0, Blocked, 8.0), (1, Arrived, 100.0)]),
            run("one", 4, &[(0, Arrived, 99.0), (1, Collision, 40.0)]),
        ];
        let at = |eps_levels| worst(&clean, &runs, eps_levels);
        assert!(at(1).iter().all(|drive| !drive.broken && drive.attack.is_none()));
        assert!(at(2)[0].broken && !at(2)[1].broken);
        let four = at(4);
        assert!(four[0].standstill && four[0].driving_score == 8.0 && four[1].collision, "{four:?}");
    }

    #[test]
    fn attacks_are_ranked_by_the_least_score_they_left_with_a_budget() {
        let runs = [
            run("one", 2, &[(0, Arrived, 50.0)]),
            run("other", 2, &[(0, Arrived, 40.0)]),
            run("one", 2, &[(0, Arrived, 30.0)]),
            run("third", 4, &[(0, Arrived, 1.0)]),
        ];
        assert_eq!(ranked(&runs, 0, 2), ["one", "other"]);
        assert!(ranked(&runs, 1, 2).is_empty());
    }
}
