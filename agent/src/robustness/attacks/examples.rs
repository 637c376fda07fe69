//! Frames that are attacked one by one, whatever the objective: in blocks that the network takes at once, spread over threads.

use crate::attack::method::LossMethod;
use crate::robustness::attacks::attacked::{budget, strongest};
use crate::robustness::attacks::curve::{Point, Trial};
use crate::robustness::kept::mean;
use rayon::prelude::*;
use roadproof_perception::attack::{Differentiable, Effect, Objective, to_bytes, to_numbers};

/// Frames that are attacked together; each fares the same in any block.
const BLOCK_FRAMES: usize = Differentiable::BLOCK_FRAMES;

/// An objective over several frames, of which some can be picked out.
pub(in crate::robustness) trait Rows: Objective + Send + Sync + Sized {
    /// The same over some of the frames.
    fn rows(&self, rows: &[usize]) -> Self;
}

/// Frames, what attacks on them raise, and the same through another network.
pub(in crate::robustness) struct Examples<O> {
    /// All frames, one after another.
    pub rgb: Vec<u8>,
    /// The random numbers of each; the same for all methods and budgets.
    pub seeds: Vec<u64>,
    pub objective: O,
    pub substitute: Option<O>,
}

impl<O: Rows> Examples<O> {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.seeds.len()
    }

    /// Some of them.
    pub fn rows(&self, rows: &[usize]) -> Self {
        let length = self.rgb.len() / self.count().max(1);
        Self {
            rgb: rows.iter().flat_map(|row| &self.rgb[row * length..][..length]).copied().collect(),
            seeds: rows.iter().map(|&row| self.seeds[row]).collect(),
            objective: self.objective.rows(rows),
            substitute: self.substitute.as_ref().map(|substitute| substitute.rows(rows)),
        }
    }

    /// The same with other random numbers.
    pub fn again(&self, number: u64) -> Self {
        let all: Vec<usize> = (0..self.count()).collect();
        let seeds = self.seeds.iter().map(|&seed| roadproof_sim::Seed(seed).child(number).0).collect();
        Self { seeds, ..self.rows(&all) }
    }

    /// The strongest frames that a method finds against an objective: as a camera delivers them, or as numbers where the budget is
    /// less than a camera can show.
    pub fn attacked(
        &self,
        against: &impl Objective,
        (method, eps_levels, effort): (LossMethod, f32, usize),
        trial: &Trial,
    ) -> Vec<f32> {
        let clean = to_numbers(&self.rgb);
        let found = strongest(method, against, &clean, trial.size, eps_levels, effort, &self.seeds);
        match eps_levels {
            eps_levels if eps_levels < 1.0 => found,
            _ => to_numbers(&to_bytes(&found, &self.rgb, &budget(eps_levels))),
        }
    }

    /// Runs something over blocks of them, one result for each example.
    pub fn on_blocks<T: Send>(&self, run: impl Fn(&Self) -> Vec<T> + Sync) -> Vec<T> {
        let all: Vec<usize> = (0..self.count()).collect();
        all.par_chunks(BLOCK_FRAMES).with_max_len(1).flat_map_iter(|rows| run(&self.rows(rows))).collect()
    }

    /// What one method does with a budget.
    pub fn effects(&self, attack: (LossMethod, f32, usize), trial: &Trial) -> Vec<Effect> {
        self.on_blocks(|block| block.objective.evaluate(&block.attacked(&block.objective, attack, trial)))
    }

    /// The same, added up.
    pub fn point(&self, attack: (LossMethod, f32, usize), trial: &Trial) -> Point {
        point(attack.1, &self.effects(attack, trial))
    }
}

/// What attacks with one budget do.
pub(in crate::robustness) fn point(eps_levels: f32, effects: &[Effect]) -> Point {
    Point {
        eps_levels,
        success: mean(effects.iter().map(|effect| f32::from(u8::from(effect.broken)))),
        loss: mean(effects.iter().map(|effect| effect.loss)),
        broken: effects.iter().map(|effect| effect.broken).collect(),
    }
}
