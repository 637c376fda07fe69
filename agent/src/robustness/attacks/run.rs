//! Runs attacks on drives, and keeps of each which drives it was run on, with what effort, and what became of them.

use crate::attack::drive::to_the_end;
use crate::attack::end_to_end::EndToEnd;
use crate::driver::LearnedDriver;
use crate::host::interrupt::Interrupt;
use crate::host::progress::LongWork;
use crate::host::threads::all_cores;
use crate::robustness::agenda::{Agenda, Stage};
use crate::robustness::attacks::attacked::{DrivePlan, Driven, Spent, drive_attacked, effort};
use rayon::prelude::*;
use roadproof_sim::{FleetError, Outcome, Scenario, Seed};
use serde::Serialize;
use std::ops::ControlFlow;
use std::sync::Mutex;

/// Parts of the work for each core: enough that none is idle for long at the end.
const PARTS_A_CORE: usize = 4;

/// What is to be run.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::robustness) struct Order {
    pub attack: DrivePlan,
    pub eps_levels: u8,
    pub walks: Walks,
    /// The drives, by number.
    pub drives: Vec<usize>,
}

/// How hard each decision is attacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::robustness) struct Walks {
    /// Steps of a gradient method; others have twice as many tries.
    pub steps: usize,
    /// Walks over each frame, of which the strongest counts.
    pub starts: usize,
    /// Walks with another number begin elsewhere.
    pub number: u64,
}

/// An attack that was run on some drives.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    /// The attack.
    pub attack: &'static str,
    /// What it wants of each decision.
    pub goal: String,
    /// The budget in grey levels, Linf.
    pub eps_levels: u8,
    /// Steps or tries for each decision.
    pub effort: usize,
    /// Walks over each frame, of which the strongest counts.
    pub starts: usize,
    /// Runs with another number began elsewhere.
    pub number: u64,
    /// The drives it was run on, by their number among the attacked ones.
    pub drives: Vec<usize>,
    /// Driving score of each.
    pub scores: Vec<f32>,
    /// How each ended.
    pub outcomes: Vec<Outcome>,
    /// Decisions that each took.
    pub decisions: Vec<usize>,
    /// The greatest offset of each from the centre of the lane that it began in, in metres.
    pub lane_offsets_m: Vec<f32>,
}

/// What became of a drive under an attack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::robustness) struct End {
    /// The drive, by its number.
    pub drive: usize,
    pub outcome: Outcome,
    pub driving_score: f32,
    pub decisions: usize,
    pub max_lane_offset_m: f32,
}

impl Run {
    /// Whether it did to a drive what an order asks for, or more of it.
    pub(in crate::robustness) fn covers(&self, order: &Order, drive: usize) -> bool {
        let same = self.attack == order.attack.name && self.eps_levels == order.eps_levels;
        same && self.effort >= order.effort() && self.drives.contains(&drive)
    }

    /// What became of each drive it was run on.
    pub(in crate::robustness) fn ends(&self) -> impl Iterator<Item = End> {
        self.drives.iter().enumerate().map(|(place, &drive)| End {
            drive,
            outcome: self.outcomes[place],
            driving_score: self.scores[place],
            decisions: self.decisions[place],
            max_lane_offset_m: self.lane_offsets_m[place],
        })
    }
}

/// Drives that can be attacked.
pub(in crate::robustness) struct Targets<'a> {
    pub driver: &'a LearnedDriver,
    pub scenarios: Vec<Scenario>,
    /// Seed of the attacks.
    pub seed: u64,
    pub agenda: &'a Agenda,
    pub interrupt: &'a Interrupt,
}

impl Targets<'_> {
    /// All drives as they are without an attack.
    ///
    /// # Errors
    /// [`FleetError`] for a drive that cannot be built.
    pub fn clean(&self) -> Result<Vec<Driven>, FleetError> {
        drive_attacked(self.driver, &self.scenarios, None, self.seed, &mut to_the_end)
    }

    /// Runs every order of a stage; `None` if somebody interrupted.
    ///
    /// # Errors
    /// [`FleetError`] for a drive that cannot be built.
    pub fn run(&self, stage: Stage, name: &str, orders: &[Order]) -> Result<Option<Vec<Run>>, FleetError> {
        let count: usize = orders.iter().map(|order| order.drives.len()).sum();
        let later = self.agenda.later(stage);
        let stage = Mutex::new((LongWork::start(name, count as u64, "drives").with_later(later), 0.0));
        let part = count.div_ceil(PARTS_A_CORE * all_cores()).max(EndToEnd::BLOCK_FRAMES);
        let mut jobs: Vec<(usize, Vec<usize>)> = Vec::new();
        for (place, order) in orders.iter().enumerate() {
            let mut drives = order.drives.clone();
            // The longest first: who begins last goes on alone.
            drives.sort_by(|&a, &b| self.scenarios[b].duration_s.total_cmp(&self.scenarios[a].duration_s));
            jobs.extend(drives.chunks(part).map(|part| (place, part.to_vec())));
        }
        let drive = |(place, drives): &(usize, Vec<usize>)| {
            let (order, mut before) = (&orders[*place], 0.0);
            let mut report = |completion: f32| {
                let driven = f64::from(completion) * drives.len() as f64;
                let mut stage = stage.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                stage.1 += driven - std::mem::replace(&mut before, driven);
                let done = stage.1 as u64;
                stage.0.set(done, format_args!("{} at {} grey levels", order.attack.name, order.eps_levels));
                if self.interrupt.requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let driven = self.attacked(order, drives, &mut report)?;
            Ok((!self.interrupt.requested()).then_some(driven))
        };
        let driven: Result<Option<Vec<Vec<Driven>>>, FleetError> = jobs.par_iter().with_max_len(1).map(drive).collect();
        let Some(driven) = driven? else { return Ok(None) };
        let mut ends: Vec<Vec<(usize, Driven)>> = vec![Vec::new(); orders.len()];
        for ((place, drives), driven) in jobs.into_iter().zip(driven) {
            ends[place].extend(drives.into_iter().zip(driven));
        }
        let (stage, _) = stage.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        stage.finish(format_args!("{} attacks", orders.len()));
        Ok(Some(orders.iter().zip(ends).map(|(order, ends)| order.ended(ends)).collect()))
    }

    fn attacked(
        &self,
        order: &Order,
        drives: &[usize],
        report: &mut impl FnMut(f32) -> ControlFlow<()>,
    ) -> Result<Vec<Driven>, FleetError> {
        let scenarios: Vec<Scenario> = drives.iter().map(|&drive| self.scenarios[drive].clone()).collect();
        let spent = Spent { eps_levels: order.eps_levels, steps: order.effort(), starts: order.walks.starts };
        let seed = if order.walks.number == 0 { self.seed } else { Seed(self.seed).child(order.walks.number).0 };
        drive_attacked(self.driver, &scenarios, Some((order.attack, spent)), seed, report)
    }
}

impl Order {
    /// Steps of a gradient method, tries of the others.
    pub(in crate::robustness) fn effort(&self) -> usize {
        effort(self.attack.method, self.walks.steps, 2 * self.walks.steps)
    }

    fn ended(&self, mut ends: Vec<(usize, Driven)>) -> Run {
        ends.sort_by_key(|(drive, _)| *drive);
        Run {
            attack: self.attack.name,
            goal: format!("{:?}", self.attack.goal),
            eps_levels: self.eps_levels,
            effort: self.effort(),
            starts: self.walks.starts,
            number: self.walks.number,
            drives: ends.iter().map(|(drive, _)| *drive).collect(),
            scores: ends.iter().map(|(_, driven)| driven.driving_score).collect(),
            outcomes: ends.iter().map(|(_, driven)| driven.outcome).collect(),
            decisions: ends.iter().map(|(_, driven)| driven.decisions).collect(),
            lane_offsets_m: ends.iter().map(|(_, driven)| driven.max_lane_offset_m).collect(),
        }
    }
}
