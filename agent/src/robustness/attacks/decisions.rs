//! The losses of sampled decisions, as attacks see them through a driver's networks.

use crate::attack::end_to_end::{Decision, EndToEnd};
use crate::attack::goal::{DecisionLoss, Goal};
use crate::memory::situation::Situation;
use crate::robustness::attacks::examples::Rows;
use roadproof_perception::attack::{Effect, Objective, to_numbers};

/// What attacks on single decisions want: any other action, so that there is a success or none.
const GOAL: Goal = Goal::Other;

/// Some decisions.
pub(in crate::robustness) struct Decisions<'a> {
    end_to_end: &'a EndToEnd,
    situations: Vec<&'a Situation>,
    clean: Vec<Decision>,
}

impl<'a> Decisions<'a> {
    /// Looks at the clean frames, which say what an attack wants changed.
    pub fn new(end_to_end: &'a EndToEnd, situations: Vec<&'a Situation>) -> Self {
        let frames: Vec<u8> = situations.iter().flat_map(|situation| &situation.frame).copied().collect();
        let clean = end_to_end.decide(&situations, &to_numbers(&frames));
        Self { end_to_end, situations, clean }
    }

    fn within<T>(&self, run: impl FnOnce(&DecisionLoss<'_>) -> T) -> T {
        let clean: Vec<&Decision> = self.clean.iter().collect();
        run(&DecisionLoss { end_to_end: self.end_to_end, situations: &self.situations, clean: &clean, goal: GOAL })
    }
}

impl Rows for Decisions<'_> {
    fn rows(&self, rows: &[usize]) -> Self {
        Self {
            end_to_end: self.end_to_end,
            situations: rows.iter().map(|&row| self.situations[row]).collect(),
            clean: rows.iter().map(|&row| self.clean[row].clone()).collect(),
        }
    }
}

impl Objective for Decisions<'_> {
    fn evaluate(&self, pixels: &[f32]) -> Vec<Effect> {
        self.within(|loss| loss.evaluate(pixels))
    }

    fn gradients(&self, pixels: &[f32], gradient: &mut [f32]) -> Vec<Effect> {
        self.within(|loss| loss.gradients(pixels, gradient))
    }
}
