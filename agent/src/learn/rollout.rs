//! Decisions of all worlds between two updates, with what they turned out to be worth: what on-policy algorithms learn from.

use crate::learn::returns::{ReturnStep, lambda_returns};
use crate::learn::task::{Actor, Experience, Group, Task};
use crate::policy::QNetwork;
use roadproof_env::Action;
use roadproof_sim::FleetError;

/// Gathers decisions while it makes them.
pub(super) struct Rollout<'r> {
    network: QNetwork,
    /// What observations are worth, by the network's heads.
    value: fn(&[f32]) -> Vec<f32>,
    /// Actions by the heads, in the order of worlds.
    choose: &'r mut dyn FnMut(&[f32]) -> Vec<Action>,
    note: &'r mut dyn FnMut(&Experience),
    /// The heads of the group that was told of last, which is asked next.
    heads: Option<Vec<f32>>,
    gathered: Gathered,
    steps: Vec<ReturnStep>,
}

/// What was gathered, decision by decision and world by world.
#[derive(Default)]
pub(super) struct Gathered {
    pub features: Vec<f32>,
    pub actions: Vec<Action>,
    pub reward: Vec<f32>,
    /// What each observation was worth when it was made.
    pub values: Vec<f32>,
    /// λ-returns.
    pub returns: Vec<f32>,
}

impl<'r> Rollout<'r> {
    pub fn new(
        network: QNetwork,
        value: fn(&[f32]) -> Vec<f32>,
        choose: &'r mut dyn FnMut(&[f32]) -> Vec<Action>,
        note: &'r mut dyn FnMut(&Experience),
    ) -> Self {
        Self { network, value, choose, note, heads: None, gathered: Gathered::default(), steps: Vec::new() }
    }

    /// Makes so many decisions in every world of a task.
    ///
    /// # Errors
    /// [`FleetError`] if a new drive cannot be built.
    pub fn gather(
        mut self,
        task: &mut dyn Task,
        decisions: usize,
        gamma: f32,
        lambda: f32,
    ) -> Result<Gathered, FleetError> {
        task.drive(decisions, &mut self)?;
        let returns = lambda_returns(&self.steps, gamma, lambda);
        Ok(Gathered { returns, ..self.gathered })
    }
}

impl Actor for Rollout<'_> {
    fn decide(&mut self, group: &Group<'_>) -> Vec<Action> {
        let heads = self.heads.take().unwrap_or_else(|| self.network.heads(group.features));
        let actions = (self.choose)(&heads);
        self.gathered.features.extend_from_slice(group.features);
        self.gathered.values.extend((self.value)(&heads));
        self.gathered.actions.extend_from_slice(&actions);
        actions
    }

    fn learn_of(&mut self, group: &Group<'_>, experience: &Experience) {
        (self.note)(experience);
        self.gathered.reward.extend_from_slice(&experience.reward);
        let heads = self.network.heads(group.features);
        if group.worlds.start == 0 {
            self.steps.push(ReturnStep::default());
        }
        let step = self.steps.last_mut().expect("the first group is told of first");
        let cut_off = experience.truncated.iter();
        let value = |last: &[f32]| (self.value)(&self.network.heads(last))[0];
        step.truncated.extend(cut_off.map(|(world, last)| (group.worlds.start + world, value(last))));
        step.reward.extend_from_slice(&experience.reward);
        step.terminated.extend_from_slice(&experience.terminated);
        step.next_best.extend((self.value)(&heads));
        self.heads = Some(heads);
    }
}
