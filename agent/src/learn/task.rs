//! What is learnt on: many worlds that are decided about side by side.

use roadproof_env::Action;
use roadproof_env::vector::Replaced;
use roadproof_sim::FleetError;
use std::ops::Range;

/// Worlds that are decided about together, as a policy sees them now.
pub struct Group<'g> {
    /// Which they are.
    pub worlds: Range<usize>,
    /// Policy inputs, `worlds × FEATURES`.
    pub features: &'g [f32],
    /// What a teacher who knows the truth would do.
    pub teacher: &'g dyn Fn() -> Vec<Action>,
}

/// What one decision of some worlds led to.
#[derive(Clone, Debug, Default)]
pub struct Experience {
    /// Reward of each world.
    pub reward: Vec<f32>,
    /// What the rewards are the sums of, in the mean over worlds.
    pub terms: Vec<(&'static str, f32)>,
    /// Mean speed over worlds.
    pub speed_mps: f32,
    /// Drives that failed.
    pub terminated: Vec<bool>,
    /// Last observations of drives that arrived or whose time was up: world and policy input.
    pub truncated: Vec<(usize, Vec<f32>)>,
    /// Drives that ended, for statistics.
    pub ended: Vec<Replaced>,
}

/// Who decides in the worlds of a task, and is told what came of it.
pub trait Actor {
    /// An action for each world of a group.
    fn decide(&mut self, group: &Group<'_>) -> Vec<Action>;

    /// What the last decision in these worlds led to, with the policy inputs afterwards. Its numbers of worlds count within the group.
    fn learn_of(&mut self, group: &Group<'_>, experience: &Experience);
}

/// Many worlds in one group or several. The drives of an [`Environment`](crate::learn::environment::Environment) are one; tests have
/// smaller ones, whose best policy is known.
pub trait Task {
    /// So many decisions of every world. The groups are asked for their decisions one after the other, always in the same order, and
    /// what came of a decision is told right before the group is asked again, or at the end: so what an actor draws and gathers does not
    /// depend on how many groups there are, nor on which of them was simulated meanwhile.
    ///
    /// # Errors
    /// [`FleetError`] if a new drive cannot be built.
    fn drive(&mut self, decisions: usize, actor: &mut dyn Actor) -> Result<(), FleetError>;
}
