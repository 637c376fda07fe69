//! The loss of a decision over the pixels it was made from: through perception, memory and policy, end to end.

use crate::action::{ACCELERATION_MPS2, Action, STEER_RAD};
use crate::features::{FEATURES, Memory, Odometry};
use crate::policy::{OUTPUTS as HEADS, QNetwork, QValues};
use burn::module::Module;
use burn::prelude::*;
use roadproof_perception::attack::{Differentiable, Objective, Outcome};
use roadproof_perception::{OUTPUTS, percept};

/// What an attack wants of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Goal {
    /// Another action than the one chosen on the clean frame: the margin of that one is taken away.
    Other,
    /// The action that the clean frame's Q-values rate lowest: Huang et al. 2017, arXiv:1702.02284, aimed as the critic attack
    /// of Zhang et al. 2020, arXiv:2003.08938.
    Worst,
}

/// The state of one world's driver before it looks, and the loss of what it then decides.
pub struct DecisionLoss<'a> {
    network: &'a Differentiable,
    policy: &'a QNetwork,
    /// The same weights, with gradients of the input.
    policy_gradients: QNetwork,
    memory: Memory,
    odometry: Odometry,
    decision_s: f32,
    goal: Goal,
    clean: Action,
    worst: Action,
    importance: f32,
}

impl<'a> DecisionLoss<'a> {
    /// Looks at the clean frame first: what it leads to is what the attack wants changed.
    ///
    /// # Shapes
    /// - `clean`: `height × width × 3`, 0 to 1
    pub fn new(
        network: &'a Differentiable,
        policy: &'a QNetwork,
        memory: &Memory,
        odometry: Odometry,
        decision_s: f32,
        goal: Goal,
        clean: &[f32],
    ) -> Self {
        let mut loss = Self {
            network,
            policy,
            policy_gradients: policy.clone().train().no_grad(),
            memory: memory.clone(),
            odometry,
            decision_s,
            goal,
            clean: Action::default(),
            worst: Action::default(),
            importance: 0.0,
        };
        let heads = policy.heads(&loss.features(&network.outputs(clean)));
        let q = QValues(&heads);
        (loss.clean, loss.worst) = (q.best(), q.worst());
        loss.importance = q.of(loss.clean) - q.of(loss.worst);
        loss
    }

    /// How much hangs on this decision: the greatest Q-value less the least.
    ///
    /// # Source
    /// Liang et al. 2022, "Efficient Adversarial Training without Attacking" (`WocaR`), arXiv:2210.05927.
    #[must_use]
    pub fn importance(&self) -> f32 {
        self.importance
    }

    /// The policy's input if the network gave these outputs.
    fn features(&self, outputs: &[f32]) -> [f32; FEATURES] {
        let mut features = [0.0; FEATURES];
        self.memory.clone().observe(&percept(outputs), self.odometry, self.decision_s, &mut features);
        features
    }

    /// The loss of these heads, and its slopes over them.
    fn loss(&self, heads: &[f32], slopes: &mut [f32]) -> Outcome {
        slopes.fill(0.0);
        let steer = 1..1 + STEER_RAD.len();
        let acceleration = steer.end..steer.end + ACCELERATION_MPS2.len();
        match self.goal {
            Goal::Other => {
                // The head that is nearest to another choice.
                let [one, two] =
                    [(steer, self.clean.steer), (acceleration, self.clean.acceleration)].map(|(head, own)| {
                        let (own, first) = (head.start + own, head.start);
                        let other = head.filter(|&index| index != own).max_by(|&a, &b| heads[a].total_cmp(&heads[b]));
                        let other = other.unwrap_or(first);
                        (heads[other] - heads[own], own, other)
                    });
                let (loss, own, other) = if one.0 >= two.0 { one } else { two };
                (slopes[own], slopes[other]) = (-1.0, 1.0);
                Outcome { loss, broken: loss > 0.0 }
            }
            Goal::Worst => {
                let mut outcome = Outcome { loss: 0.0, broken: true };
                for (head, wanted) in [(steer, self.worst.steer), (acceleration, self.worst.acceleration)] {
                    let wanted = head.start + wanted;
                    let rival = head.filter(|&index| index != wanted).max_by(|&a, &b| heads[a].total_cmp(&heads[b]));
                    let rival = rival.unwrap_or(wanted);
                    let margin = heads[wanted] - heads[rival];
                    // A head that already chooses what is wanted needs no more.
                    if margin <= 0.0 {
                        outcome = Outcome { loss: outcome.loss + margin, broken: false };
                        slopes[wanted] += 1.0;
                        slopes[rival] -= 1.0;
                    }
                }
                outcome
            }
        }
    }

    /// Slopes of the loss over the network's outputs.
    fn output_slopes(&self, outputs: &[f32], slopes: &mut [f32]) -> Outcome {
        let device = Device::flex().autodiff();
        let features = self.features(outputs).to_vec();
        let input = Tensor::<2>::from_data(TensorData::new(features, [1, FEATURES]), &device).require_grad();
        let heads = self.policy_gradients.forward(input.clone());
        let numbers: Vec<f32> = heads.clone().inner().into_data().try_to_vec().expect("the network computes in f32");
        let mut head_slopes = vec![0.0; HEADS];
        let outcome = self.loss(&numbers, &mut head_slopes);
        let descent = (heads * Tensor::from_data(TensorData::new(head_slopes, [1, HEADS]), &device)).sum();
        let gradient = input.grad(&descent.backward()).expect("the input asks for its gradient");
        let feature_slopes: Vec<f32> = gradient.into_data().try_to_vec().expect("the network computes in f32");
        // What a percept does to the features is a handful of products and a filter: measured rather than written out.
        const STEP: f32 = 1e-2;
        for (index, slope) in slopes.iter_mut().enumerate() {
            let moved = |by: f32| {
                let mut outputs: [f32; OUTPUTS] = outputs.try_into().expect("outputs of one frame");
                outputs[index] += by;
                self.features(&outputs)
            };
            let change = moved(STEP).into_iter().zip(moved(-STEP));
            *slope = change.zip(&feature_slopes).map(|((up, down), slope)| (up - down) / (2.0 * STEP) * slope).sum();
        }
        outcome
    }
}

impl Objective for DecisionLoss<'_> {
    fn evaluate(&self, pixels: &[f32]) -> Vec<Outcome> {
        self.network
            .evaluate(pixels, |_, outputs| self.loss(&self.policy.heads(&self.features(outputs)), &mut [0.0; HEADS]))
    }

    fn gradients(&self, pixels: &[f32], gradient: &mut [f32]) -> Vec<Outcome> {
        self.network.gradients(pixels, gradient, |_, outputs, slopes| self.output_slopes(outputs, slopes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::LearnedDriver;
    use roadproof_perception::attack::to_numbers;

    #[test]
    fn the_gradient_of_a_decision_is_that_of_small_changes() {
        let driver = LearnedDriver::shipped().unwrap();
        let network = Differentiable::new(driver.perception());
        let text = "Scenario(format: 1, title: \"t\", duration_s: 9.0, road: Straight(length_m: 300.0), \
                    ego: (speed_mps: 9.0, offset_m: 0.4))";
        let episode = roadproof_sim::Episode::new(roadproof_sim::parse(text, "t.ron".as_ref()).unwrap()).unwrap();
        let clean = to_numbers(episode.rgb());
        for goal in [Goal::Other, Goal::Worst] {
            let odometry = Odometry::from(episode.measures());
            let loss = DecisionLoss::new(&network, driver.policy(), &Memory::default(), odometry, 0.1, goal, &clean);
            let mut gradient = vec![0.0; clean.len()];
            let before = loss.gradients(&clean, &mut gradient)[0];
            assert!(!before.broken && before.loss < 0.0 && loss.importance() > 0.0, "{goal:?}: {before:?}");
            let norm = gradient.iter().map(|slope| slope * slope).sum::<f32>().sqrt();
            let moved = |by: f32| -> Vec<f32> { clean.iter().zip(&gradient).map(|(x, g)| x + by * g / norm).collect() };
            let value = |by: f32| loss.evaluate(&moved(by))[0].loss;
            let measured = (value(1e-3) - value(-1e-3)) / 2e-3;
            assert!((measured - norm).abs() < 0.1 * norm, "{goal:?}: measured {measured}, gradient {norm}");
        }
    }
}
