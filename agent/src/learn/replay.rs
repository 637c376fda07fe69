//! Decisions that are learnt from more than once: rewards of several decisions put together, kept in a ring, and drawn by how wrong the
//! network was about them.
//!
//! # Source
//! Schaul et al. 2016, "Prioritized Experience Replay", arXiv:1511.05952: proportional priorities in a sum tree, what was not yet learnt
//! from at the greatest priority so far, and importance weights over the greatest of the batch. Sutton 1988: n-step returns, which stop
//! where a drive does.

use crate::formats::parts::floats;
use crate::learn::descent::rows;
use crate::memory::FEATURES;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use roadproof_env::Action;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// A decision, what it brought over the next few, and where that led.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Transition {
    pub features: Vec<f32>,
    pub action: Action,
    /// Rewards of up to n decisions, discounted.
    pub reward: f32,
    /// What the value of `next` counts for: the discount over those decisions, zero where the drive ended by itself.
    pub discount: f32,
    /// The observation after them.
    pub next: Vec<f32>,
}

/// How a decision ended a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By itself: nothing comes after it.
    Terminated,
    /// It was cut off: its last observation is worth something.
    Truncated,
}

/// Puts the rewards of several decisions together, in each world by itself.
#[derive(Serialize, Deserialize)]
pub(super) struct NSteps {
    n: usize,
    gamma: f32,
    worlds: Vec<VecDeque<(Vec<f32>, Action, f32)>>,
}

impl NSteps {
    pub fn new(n: usize, gamma: f32, worlds: usize) -> Self {
        Self { n, gamma, worlds: vec![VecDeque::new(); worlds] }
    }

    /// Takes in a decision that led to `next`; gives what is complete by it.
    pub fn add(
        &mut self,
        world: usize,
        (features, action, reward): (&[f32], Action, f32),
        next: &[f32],
        end: Option<End>,
        mut complete: impl FnMut(Transition),
    ) {
        let (n, gamma, waiting) = (self.n, self.gamma, &mut self.worlds[world]);
        waiting.push_back((features.to_vec(), action, reward));
        while waiting.len() == n || end.is_some() && !waiting.is_empty() {
            let reward = waiting.iter().rev().fold(0.0, |later, (.., reward)| reward + gamma * later);
            let discount = if end == Some(End::Terminated) { 0.0 } else { gamma.powi(waiting.len() as i32) };
            if let Some((features, action, _)) = waiting.pop_front() {
                complete(Transition { features, action, reward, discount, next: next.to_vec() });
            }
        }
    }
}

/// Decisions that were made, the oldest overwritten first.
#[derive(Serialize, Deserialize)]
pub(super) struct Replay {
    capacity: usize,
    #[serde(with = "floats")]
    features: Vec<f32>,
    #[serde(with = "floats")]
    next: Vec<f32>,
    actions: Vec<Action>,
    #[serde(with = "floats")]
    rewards: Vec<f32>,
    #[serde(with = "floats")]
    discounts: Vec<f32>,
    priorities: SumTree,
    greatest: f64,
    /// How much priorities count, 0 for not at all.
    alpha: f64,
    overwritten: usize,
}

/// Some decisions that were drawn, and what each counts for.
pub(super) struct Drawn {
    pub numbers: Vec<usize>,
    pub weights: Vec<f32>,
}

/// Added to an error, so that no decision is never drawn again.
const LEAST_ERROR: f64 = 1e-4;

impl Replay {
    pub fn new(capacity: usize, alpha: f32) -> Self {
        Self {
            capacity,
            features: Vec::new(),
            next: Vec::new(),
            actions: Vec::new(),
            rewards: Vec::new(),
            discounts: Vec::new(),
            priorities: SumTree::new(capacity),
            greatest: 1.0,
            alpha: alpha.into(),
            overwritten: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.actions.len()
    }

    pub fn add(&mut self, transition: &Transition) {
        let Transition { features, action, reward, discount, next } = transition;
        let number = if self.len() < self.capacity {
            self.features.extend_from_slice(features);
            self.next.extend_from_slice(next);
            self.actions.push(*action);
            self.rewards.push(*reward);
            self.discounts.push(*discount);
            self.len() - 1
        } else {
            let number = self.overwritten;
            self.features[number * FEATURES..][..FEATURES].copy_from_slice(features);
            self.next[number * FEATURES..][..FEATURES].copy_from_slice(next);
            (self.actions[number], self.rewards[number], self.discounts[number]) = (*action, *reward, *discount);
            self.overwritten = (number + 1) % self.capacity;
            number
        };
        self.priorities.set(number, self.greatest);
    }

    /// Draws as many decisions, one from each of so many equal parts of all priorities; `beta` is how far that is made up for, 1 wholly.
    pub fn draw(&self, count: usize, beta: f32, random: &mut Pcg64Mcg) -> Drawn {
        let part = self.priorities.sum() / count as f64;
        let draw =
            |index: usize| self.priorities.find((index as f64 + random.random::<f64>()) * part).min(self.len() - 1);
        let numbers: Vec<usize> = (0..count).map(draw).collect();
        let share = |number: &usize| self.priorities.of(*number) / self.priorities.sum();
        let weight = |number: &usize| (self.len() as f64 * share(number)).powf(-f64::from(beta));
        let weights: Vec<f64> = numbers.iter().map(weight).collect();
        let most = weights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        Drawn { numbers, weights: weights.into_iter().map(|weight| (weight / most) as f32).collect() }
    }

    /// Notes how wrong the network was about a decision.
    pub fn note(&mut self, number: usize, error: f32) {
        let priority = (f64::from(error.abs()) + LEAST_ERROR).powf(self.alpha);
        self.greatest = self.greatest.max(priority);
        self.priorities.set(number, priority);
    }

    pub fn features(&self, numbers: &[usize]) -> Vec<f32> {
        rows(&self.features, numbers)
    }

    pub fn next(&self, numbers: &[usize]) -> Vec<f32> {
        rows(&self.next, numbers)
    }

    pub fn action(&self, number: usize) -> Action {
        self.actions[number]
    }

    pub fn reward(&self, number: usize) -> f32 {
        self.rewards[number]
    }

    pub fn discount(&self, number: usize) -> f32 {
        self.discounts[number]
    }
}

/// Numbers whose partial sums are at hand: a binary tree of sums over the leaves.
#[derive(Serialize, Deserialize)]
struct SumTree {
    leaves: usize,
    /// The root at 1, the children of i at 2 i and 2 i + 1, the leaves from `leaves` on.
    nodes: Vec<f64>,
}

impl SumTree {
    fn new(count: usize) -> Self {
        let leaves = count.next_power_of_two();
        Self { leaves, nodes: vec![0.0; 2 * leaves] }
    }

    fn set(&mut self, index: usize, value: f64) {
        let mut node = self.leaves + index;
        self.nodes[node] = value;
        while node > 1 {
            node /= 2;
            self.nodes[node] = self.nodes[2 * node] + self.nodes[2 * node + 1];
        }
    }

    fn of(&self, index: usize) -> f64 {
        self.nodes[self.leaves + index]
    }

    fn sum(&self) -> f64 {
        self.nodes[1]
    }

    /// The leaf in which a running sum over all leaves passes `at`.
    fn find(&self, mut at: f64) -> usize {
        let mut node = 1;
        while node < self.leaves {
            node *= 2;
            if at >= self.nodes[node] && self.nodes[node + 1] > 0.0 {
                at -= self.nodes[node];
                node += 1;
            }
        }
        node - self.leaves
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    const GO: Action = Action { steer: 5, acceleration: 3 };

    fn row(value: f32) -> Vec<f32> {
        vec![value; FEATURES]
    }

    /// What three-step returns make of rewards 1, 2, 4, 8 of a drive that ends like this after the last, where 9 is seen at last.
    fn returns(end: Option<End>) -> Vec<(f32, f32, f32, f32)> {
        let (mut steps, mut complete) = (NSteps::new(3, 0.5, 2), Vec::new());
        for (at, reward) in [1.0, 2.0, 4.0, 8.0].into_iter().enumerate() {
            let (seen, next) = (row(at as f32), row(if at == 3 { 9.0 } else { at as f32 + 1.0 }));
            // The other world is cut off all the time, and is nobody else's affair.
            steps.add(0, (&row(-1.0), GO, 100.0), &row(-1.0), Some(End::Truncated), |_| ());
            steps.add(1, (&seen, GO, reward), &next, end.filter(|_| at == 3), |transition| complete.push(transition));
        }
        complete.iter().map(|one| (one.features[0], one.reward, one.discount, one.next[0])).collect()
    }

    #[test]
    fn rewards_of_several_decisions_are_put_together() {
        // 1 + 2/2 + 4/4 and what is seen three decisions later, for an eighth; then 2 + 4/2 + 8/4.
        assert_eq!(returns(None), [(0.0, 3.0, 0.125, 3.0), (1.0, 6.0, 0.125, 9.0)]);
    }

    #[test]
    fn they_stop_where_the_drive_does() {
        // The rest is complete with the end: 4 + 8/2 over two decisions, 8 over one.
        let cut_off = [(0.0, 3.0, 0.125, 3.0), (1.0, 6.0, 0.125, 9.0), (2.0, 8.0, 0.25, 9.0), (3.0, 8.0, 0.5, 9.0)];
        assert_eq!(returns(Some(End::Truncated)), cut_off);
        let failed = [(0.0, 3.0, 0.125, 3.0), (1.0, 6.0, 0.0, 9.0), (2.0, 8.0, 0.0, 9.0), (3.0, 8.0, 0.0, 9.0)];
        assert_eq!(returns(Some(End::Terminated)), failed);
    }

    fn replay(alpha: f32, errors: &[f32]) -> Replay {
        let mut replay = Replay::new(errors.len(), alpha);
        for (number, error) in errors.iter().enumerate() {
            let value = number as f32;
            replay.add(&Transition {
                features: row(value),
                action: GO,
                reward: value,
                discount: 0.5,
                next: row(-value),
            });
            replay.note(number, *error);
        }
        replay
    }

    #[test]
    fn decisions_are_drawn_by_their_errors() {
        let (replay, mut random) = (replay(0.5, &[1.0, 4.0, 9.0, 0.0, 16.0]), Pcg64Mcg::seed_from_u64(1));
        let mut times = [0_usize; 5];
        for _ in 0..2000 {
            replay.draw(10, 0.4, &mut random).numbers.iter().for_each(|&number| times[number] += 1);
        }
        // With alpha one half priorities are the roots: 1, 2, 3, nearly none and 4 of ten.
        for (times, wanted) in times.iter().zip([2000.0, 4000.0, 6000.0, 20.0, 8000.0]) {
            assert!((*times as f64 - wanted).abs() < 0.05 * wanted + 40.0, "{times} for {wanted}");
        }
        let drawn = replay.draw(10, 1.0, &mut random);
        // Weights are one over the share: four times as likely counts for a quarter.
        let weight =
            |wanted: usize| drawn.weights[drawn.numbers.iter().position(|&n| n == wanted).expect("it is drawn")];
        assert!((weight(0) / weight(4) - 4.0).abs() < 1e-3, "{} {}", weight(0), weight(4));
        assert!(drawn.weights.iter().all(|weight| *weight > 0.0 && *weight <= 1.0));
    }

    #[test]
    fn without_priorities_all_are_alike() {
        let (replay, mut random) = (replay(0.0, &[1.0, 50.0, 0.0]), Pcg64Mcg::seed_from_u64(1));
        let drawn = replay.draw(300, 0.7, &mut random);
        assert!(drawn.weights.iter().all(|weight| *weight == 1.0));
        assert!((0..3).all(|number| drawn.numbers.iter().filter(|&&drawn| drawn == number).count() == 100));
    }

    #[test]
    fn the_ring_overwrites_the_oldest() {
        let mut replay = Replay::new(3, 0.6);
        for value in 0..5 {
            let value = value as f32;
            replay.add(&Transition { features: row(value), action: GO, reward: value, discount: 0.5, next: row(0.0) });
        }
        assert_eq!([0, 1, 2].map(|number| replay.reward(number)), [3.0, 4.0, 2.0]);
        assert_eq!((replay.len(), replay.features(&[1])[0]), (3, 4.0));
    }

    #[test]
    fn sums_are_found_leaf_by_leaf() {
        let mut tree = SumTree::new(5);
        [3.0, 0.0, 2.0, 1.0, 4.0].into_iter().enumerate().for_each(|(index, value)| tree.set(index, value));
        assert_eq!(tree.sum(), 10.0);
        let found = [0.0, 2.9, 3.0, 4.9, 5.5, 6.0, 9.9, 10.0].map(|at| tree.find(at));
        assert_eq!(found, [0, 0, 2, 2, 3, 4, 4, 4]);
    }
}
