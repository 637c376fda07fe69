//! What a decision turned out to be worth: rewards to come, with what the network expects where it does not wait for them.

/// What the returns of one decision of all worlds are made of.
#[derive(Default)]
pub(crate) struct ReturnStep {
    /// Of each world.
    pub reward: Vec<f32>,
    /// Worlds whose drive ended by itself.
    pub terminated: Vec<bool>,
    /// Worlds whose drive was cut off, with the value of its last observation.
    pub truncated: Vec<(usize, f32)>,
    /// Value of the best action afterwards; where a drive ended, that of the next drive's first observation.
    pub next_best: Vec<f32>,
}

/// Returns from the end of the rollout backwards: reward, plus the discounted mix of the next value and the next return.
/// A terminated drive has no next; a truncated one has the value of its own last observation.
///
/// # Shapes
/// - returns: `steps × worlds`
pub(crate) fn lambda_returns(steps: &[ReturnStep], gamma: f32, lambda: f32) -> Vec<f32> {
    let mut later: Vec<f32> = steps.last().map_or_else(Vec::new, |step| step.next_best.clone());
    let worlds = later.len();
    let mut targets = vec![0.0; steps.len() * worlds];
    for (step, targets) in steps.iter().zip(targets.chunks_exact_mut(worlds.max(1))).rev() {
        let mut next: Vec<f32> =
            step.next_best.iter().zip(&later).map(|(value, later)| lambda * later + (1.0 - lambda) * value).collect();
        for &(world, value) in &step.truncated {
            next[world] = value;
        }
        for world in 0..worlds {
            let future = if step.terminated[world] { 0.0 } else { gamma * next[world] };
            later[world] = step.reward[world] + future;
        }
        targets.copy_from_slice(&later);
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAMMA: f32 = 0.5;
    const LAMBDA: f32 = 0.25;

    /// Returns of one world over three decisions with rewards 1, 2 and 4 and next values 8, 16 and 32.
    fn returns(terminated: [bool; 3], truncated: [Option<f32>; 3]) -> Vec<f32> {
        let step = |index: usize| ReturnStep {
            reward: vec![[1.0, 2.0, 4.0][index]],
            terminated: vec![terminated[index]],
            truncated: truncated[index].map(|value| (0, value)).into_iter().collect(),
            next_best: vec![[8.0, 16.0, 32.0][index]],
        };
        lambda_returns(&[step(0), step(1), step(2)], GAMMA, LAMBDA)
    }

    #[test]
    fn returns_mix_the_next_value_and_the_next_return() {
        // 4 + 32 / 2; 2 + (20 / 4 + 16 * 3 / 4) / 2; 1 + (10.5 / 4 + 8 * 3 / 4) / 2.
        assert_eq!(returns([false; 3], [None; 3]), [5.3125, 10.5, 20.0]);
    }

    #[test]
    fn a_terminated_drive_has_no_next() {
        // The middle reward alone; what comes after it belongs to another drive.
        assert_eq!(returns([false, true, false], [None; 3]), [4.25, 2.0, 20.0]);
        assert_eq!(returns([false, false, true], [None; 3]), [5.0625, 8.5, 4.0]);
    }

    #[test]
    fn a_truncated_drive_has_the_value_of_its_last_observation() {
        // 2 + 6 / 2, whatever the next drive is worth; then 1 + (5 / 4 + 8 * 3 / 4) / 2.
        assert_eq!(returns([false; 3], [None, Some(6.0), None]), [4.625, 5.0, 20.0]);
    }

    #[test]
    fn worlds_do_not_mix() {
        let step = |reward: [f32; 2], truncated| ReturnStep {
            reward: reward.to_vec(),
            terminated: vec![true, false],
            truncated,
            next_best: vec![100.0, 2.0],
        };
        let steps = [step([1.0, 3.0], vec![]), step([5.0, 7.0], vec![(1, 10.0)])];
        // 7 + 10 / 2; 3 + (12 / 4 + 2 * 3 / 4) / 2.
        assert_eq!(lambda_returns(&steps, GAMMA, LAMBDA), [1.0, 5.25, 5.0, 12.0]);
    }
}
