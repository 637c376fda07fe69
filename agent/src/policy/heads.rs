//! What the policy's numbers mean: a value and the advantages of two heads, read as Q-values.

use roadproof_env::action::{ACCELERATION_MPS2, Action, STEER_RAD};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What the numbers of the two heads are. Whoever drives takes the greatest of each either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeadsAre {
    /// Advantages: parts of Q-values.
    #[default]
    Advantages,
    /// Logits: a softmax over them is how likely each choice is.
    Logits,
}

impl HeadsAre {
    /// Temperature of the softmax that makes a random policy of a head. That of advantages is a convention of ours, so that policies can be
    /// compared: it is of the order of the difference between the best Q-value of a head and the next.
    #[must_use]
    pub fn temperature(self) -> f32 {
        match self {
            Self::Advantages => 0.01,
            Self::Logits => 1.0,
        }
    }

    /// Whether they are what a driver's file says nothing of.
    #[must_use]
    pub(crate) fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// Values a network gives for one input: the state's value, then the advantages of each steering angle and acceleration.
pub const OUTPUTS: usize = ACCELERATION_HEADS.end;
/// Which heads stand for steering angles.
pub(crate) const STEER_HEADS: Range<usize> = 1..1 + STEER_RAD.len();
/// Which stand for accelerations.
pub(crate) const ACCELERATION_HEADS: Range<usize> = STEER_HEADS.end..STEER_HEADS.end + ACCELERATION_MPS2.len();

/// Q-values of one input, split by head.
#[derive(Clone, Copy, Debug)]
pub struct QValues<'a>(pub &'a [f32]);

impl QValues<'_> {
    /// Q-value of an action: value plus advantages, each advantage taken against the mean of its head.
    #[must_use]
    pub fn of(&self, action: Action) -> f32 {
        let (steer, acceleration) = (self.steer(), self.acceleration());
        self.0[0] + steer[action.steer] - mean(steer) + acceleration[action.acceleration] - mean(acceleration)
    }

    /// The best action.
    #[must_use]
    pub fn best(&self) -> Action {
        Action { steer: largest(self.steer()), acceleration: largest(self.acceleration()) }
    }

    /// The action with the least Q-value.
    #[must_use]
    pub fn worst(&self) -> Action {
        Action { steer: least(self.steer()), acceleration: least(self.acceleration()) }
    }

    /// Value of the state.
    #[must_use]
    pub fn value(&self) -> f32 {
        self.0[0]
    }

    /// Advantage of each steering angle, from right to left.
    #[must_use]
    pub fn steer(&self) -> &[f32] {
        &self.0[STEER_HEADS]
    }

    /// Advantage of each acceleration, from braking to going.
    #[must_use]
    pub fn acceleration(&self) -> &[f32] {
        &self.0[ACCELERATION_HEADS]
    }
}

/// Writes the gradient of one action's Q-value with respect to the heads, scaled.
pub fn q_gradient(action: Action, scale: f32, gradient: &mut [f32]) {
    let (value, advantages) = gradient.split_at_mut(1);
    let (steer, acceleration) = advantages.split_at_mut(STEER_RAD.len());
    value[0] = scale;
    for (head, chosen) in [(steer, action.steer), (acceleration, action.acceleration)] {
        head.fill(-scale / head.len() as f32);
        head[chosen] += scale;
    }
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

/// Index of the largest value, the first of equals.
fn largest(values: &[f32]) -> usize {
    values.iter().enumerate().fold(0, |best, (index, value)| if *value > values[best] { index } else { best })
}

/// Index of the smallest value, the first of equals.
fn least(values: &[f32]) -> usize {
    values.iter().enumerate().fold(0, |best, (index, value)| if *value < values[best] { index } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads() -> Vec<f32> {
        (0..OUTPUTS).map(|index| ((index * 7) % 5) as f32 - 1.3).collect()
    }

    #[test]
    fn the_best_action_has_the_greatest_q_value() {
        let heads = heads();
        let q = QValues(&heads);
        for steer in 0..STEER_RAD.len() {
            for acceleration in 0..ACCELERATION_MPS2.len() {
                assert!(q.of(Action { steer, acceleration }) <= q.of(q.best()) + 1e-6);
                assert!(q.of(Action { steer, acceleration }) >= q.of(q.worst()) - 1e-6);
            }
        }
    }

    #[test]
    fn the_gradient_is_that_of_the_q_value() {
        let action = Action { steer: 3, acceleration: 2 };
        let mut gradient = vec![0.0; OUTPUTS];
        q_gradient(action, 1.0, &mut gradient);
        for index in 0..OUTPUTS {
            let (mut up, mut down) = (heads(), heads());
            up[index] += 0.01;
            down[index] -= 0.01;
            let numeric = (QValues(&up).of(action) - QValues(&down).of(action)) / 0.02;
            assert!((numeric - gradient[index]).abs() < 1e-3, "{index}: {numeric} {}", gradient[index]);
        }
    }
}
