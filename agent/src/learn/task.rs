//! What is learnt on: many worlds that are decided about side by side.

use crate::learn::environment::{Environment, Experience};
use roadproof_env::Action;
use roadproof_sim::FleetError;

/// Many worlds, seen as a policy sees them. The drives of an [`Environment`] are one; tests have smaller ones, whose best policy is known.
pub trait Task {
    /// Policy inputs of all worlds now.
    ///
    /// # Shapes
    /// - returns: `worlds × FEATURES`
    fn features(&self) -> &[f32];

    /// What a teacher who knows the truth would do in each world now.
    fn taught(&self) -> Vec<Action>;

    /// One decision of every world.
    ///
    /// # Errors
    /// [`FleetError`] if a new drive cannot be built.
    fn step(&mut self, actions: &[Action]) -> Result<Experience, FleetError>;
}

impl Task for Environment {
    fn features(&self) -> &[f32] {
        self.features()
    }

    fn taught(&self) -> Vec<Action> {
        self.taught()
    }

    fn step(&mut self, actions: &[Action]) -> Result<Experience, FleetError> {
        self.step(actions)
    }
}
