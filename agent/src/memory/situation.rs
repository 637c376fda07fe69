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
        let mut features = [0.0; FEATURES];
        self.memory.clone().observe(percept, self.odometry, self.decision_s, &mut features);
        features
    }
}
