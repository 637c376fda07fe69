//! What all attacks together leave of drives, each drive under the one that is strongest on it.
//!
//! # Source
//! Carlini et al. 2019, "On Evaluating Adversarial Robustness", arXiv:1902.06705: what counts is the mean over examples of the
//! least score over attacks, not the least mean of any one attack. A frame within a budget is within every larger one, so that an
//! attack with a smaller budget counts as one with a larger.

use crate::drive::interval::Estimate;
use crate::robustness::attacks::attacked::Driven;
use crate::robustness::attacks::run::{End, Run};
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
    /// Whether some attack made it stand for good with nothing in front of it, or not arrive in time.
    pub blocked_or_late: bool,
    /// The longest that it took to arrive under an attack, over how long it takes without; none if it arrives under none.
    pub slowest_arrival: Option<f32>,
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
    /// Share of drives that stand for good with nothing in front of them, or do not arrive in time.
    pub blocked_or_late: Estimate,
    /// Mean over the drives that arrive under some attack of the longest that they take, over how long they take without.
    pub slowest_arrival: Option<Estimate>,
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
            blocked_or_late: false,
            slowest_arrival: None,
        }
    }

    /// Takes in one attack.
    fn note(&mut self, clean: &Driven, run: &Run, end: End) {
        let End { outcome, driving_score, decisions, .. } = end;
        self.broken |= is_broken((clean.outcome, clean.driving_score), (outcome, driving_score));
        let failure = Failure::of(outcome, clean.outcome);
        self.collision |= failure == Some(Failure::Collision);
        self.off_road |= failure == Some(Failure::OffRoad);
        self.blocked_or_late |= failure == Some(Failure::BlockedOrLate);
        if (clean.outcome, outcome) == (Outcome::Arrived, Outcome::Arrived) {
            let slowness = decisions as f32 / clean.decisions as f32;
            self.slowest_arrival = Some(self.slowest_arrival.map_or(slowness, |slowest| slowest.max(slowness)));
        }
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
            || more(self.blocked_or_late, other.blocked_or_late)
    }
}

/// For each drive what the runs within a budget can do to it.
pub(in crate::robustness) fn worst(clean: &[Driven], runs: &[Run], eps_levels: u8) -> Vec<WorstDrive> {
    let mut worst: Vec<WorstDrive> = clean.iter().map(WorstDrive::clean).collect();
    for run in runs.iter().filter(|run| run.eps_levels <= eps_levels) {
        for end in run.ends() {
            worst[end.drive].note(&clean[end.drive], run, end);
        }
    }
    worst
}

/// The attacks that were run on a drive with a budget, the strongest first.
///
/// On a road on which nobody else drives the score is full for whoever arrives, so a score alone tells nothing of most attacks. Those
/// that leave the same to a point take turns: who held the car up longest, then who pushed it furthest aside, and so on.
pub(in crate::robustness) fn ranked(runs: &[Run], drive: usize, eps_levels: u8) -> Vec<&'static str> {
    let own = runs.iter().filter(|run| run.eps_levels == eps_levels);
    let ends = own.flat_map(|run| run.ends().filter(|end| end.drive == drive).map(|end| (run.attack, end)));
    let ends: Vec<(&'static str, End)> = ends.collect();
    let sorted = |harm: fn(&End) -> f32| {
        let mut sorted: Vec<&(&'static str, End)> = ends.iter().collect();
        let points = |end: &End| end.driving_score.round();
        sorted.sort_by(|(_, a), (_, b)| points(a).total_cmp(&points(b)).then(harm(b).total_cmp(&harm(a))));
        sorted.into_iter().map(|(attack, _)| *attack)
    };
    let (slowest, furthest) = (sorted(|end| end.decisions as f32), sorted(|end| end.max_lane_offset_m));
    let mut ranked = Vec::new();
    for attack in slowest.zip(furthest).flat_map(<[&'static str; 2]>::from) {
        if !ranked.contains(&attack) {
            ranked.push(attack);
        }
    }
    ranked
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
    let slowest: Vec<f32> = drives.iter().filter_map(|&drive| worst[drive].slowest_arrival).collect();
    DrivePoint {
        eps_levels,
        driving_score: Estimate::mean(&scores),
        kept: ratio_of_sums(&scores, &own),
        broken: share(|drive| drive.broken),
        collisions: share(|drive| drive.collision),
        off_road: share(|drive| drive.off_road),
        blocked_or_late: share(|drive| drive.blocked_or_late),
        slowest_arrival: (!slowest.is_empty()).then(|| Estimate::mean(&slowest)),
    }
}

#[cfg(test)]
pub(in crate::robustness) mod tests {
    use super::*;
    use Outcome::{Arrived, Blocked, Collision, OffRoad, TimeUp};

    pub(in crate::robustness) fn driven(outcome: Outcome, driving_score: f32) -> Driven {
        Driven {
            outcome,
            driving_score,
            route_completion: 1.0,
            min_ttc_s: f32::INFINITY,
            decisions: 100,
            max_lane_offset_m: 0.2,
        }
    }

    pub(in crate::robustness) fn run(attack: &'static str, eps_levels: u8, ends: &[(usize, Outcome, f32)]) -> Run {
        Run {
            attack,
            goal: String::new(),
            eps_levels,
            effort: 5,
            starts: 1,
            number: 0,
            drives: ends.iter().map(|end| end.0).collect(),
            scores: ends.iter().map(|end| end.2).collect(),
            outcomes: ends.iter().map(|end| end.1).collect(),
            decisions: vec![100; ends.len()],
            lane_offsets_m: vec![0.2; ends.len()],
        }
    }

    /// An attack that leaves one drive its score.
    fn without_score(attack: &'static str, decisions: usize, max_lane_offset_m: f32) -> Run {
        let (decisions, lane_offsets_m) = (vec![decisions], vec![max_lane_offset_m]);
        Run { decisions, lane_offsets_m, ..run(attack, 2, &[(0, Arrived, 100.0)]) }
    }

    #[test]
    fn attacks_that_leave_the_same_score_are_ranked_by_turns_by_time_and_by_offset() {
        let runs = [
            without_score("nothing", 100, 0.2),
            without_score("brake", 180, 0.2),
            without_score("ghost", 220, 0.1),
            without_score("drift", 101, 1.4),
            without_score("steer", 102, 0.9),
        ];
        assert_eq!(ranked(&runs, 0, 2), ["ghost", "drift", "brake", "steer", "nothing"]);
        let mut collides = runs.to_vec();
        collides.push(run("hide", 2, &[(0, Collision, 40.0)]));
        assert_eq!(ranked(&collides, 0, 2)[..2], ["hide", "ghost"]);
    }

    /// Who creeps is not blocked and keeps the whole score of an empty road for as long as there is time.
    #[test]
    fn who_is_held_up_is_late_and_takes_longer() {
        let clean = [driven(Arrived, 100.0), driven(TimeUp, 30.0)];
        let slow = Run { decisions: vec![180, 100], ..run("ghost", 2, &[(0, Arrived, 100.0), (1, TimeUp, 30.0)]) };
        let after = worst(&clean, std::slice::from_ref(&slow), 2);
        assert_eq!((after[0].slowest_arrival, after[0].blocked_or_late), (Some(1.8), false));
        assert_eq!((after[1].slowest_arrival, after[1].blocked_or_late), (None, false), "it is late as it is");
        let late = run("ghost", 2, &[(0, TimeUp, 95.0)]);
        let after = worst(&clean, &[slow, late], 2);
        assert!(after[0].blocked_or_late && after[0].broken && after[0].slowest_arrival == Some(1.8));
        let both = point(2, &[0, 1], &clean, &after);
        assert_eq!((both.blocked_or_late.value, both.slowest_arrival.map(|mean| mean.value)), (0.5, Some(1.8)));
        assert_eq!(point(2, &[1], &clean, &after).slowest_arrival, None);
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
        assert_eq!((point.collisions.value, point.off_road.value, point.blocked_or_late.value), (0.5, 0.5, 0.0));
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
        assert!(four[0].blocked_or_late && four[0].driving_score == 8.0 && four[1].collision, "{four:?}");
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
