//! A driver before it looks: what attacks change the frame of, hardening measures, and certificates bound.

use crate::memory::{FEATURES, Memory, Odometry};
use roadproof_perception::Percept;
use roadproof_sim::Observations;

/// What one world's driver has before it when it is about to look.
#[derive(Clone, Debug)]
pub struct Situation {
    /// What it remembers.
    pub memory: Memory,
    /// What the car knows of itself.
    pub odometry: Odometry,
    /// Time since the last decision.
    pub decision_s: f32,
    /// The frame as the camera delivers it, `height × width × 3` bytes.
    pub frame: Vec<u8>,
}

impl Situation {
    /// That of one world's driver with this memory.
    #[must_use]
    pub fn new(memory: &Memory, seen: &Observations, world: usize) -> Self {
        Self {
            memory: memory.clone(),
            odometry: Odometry::from(&seen.sensed[world]),
            decision_s: seen.decision_s[world],
            frame: seen.frame(world).to_vec(),
        }
    }

    /// The policy's input if perception makes this of a frame; what is remembered stays as it is.
    #[must_use]
    pub fn features(&self, percept: &Percept) -> [f32; FEATURES] {
        self.features_after(percept, 1)
    }

    /// The policy's input once perception has made this of the frames of so many decisions in a row, while the car goes on as it does
    /// now. Who has seen nothing tells the policy noughts.
    #[must_use]
    pub fn features_after(&self, percept: &Percept, decisions: usize) -> [f32; FEATURES] {
        let (mut memory, mut features) = (self.memory.clone(), [0.0; FEATURES]);
        (0..decisions).for_each(|_| memory.observe(percept, self.odometry, self.decision_s, &mut features));
        features
    }
}
