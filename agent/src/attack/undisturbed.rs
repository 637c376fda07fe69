//! The driver as it would be had nobody changed a frame: what attacks take for the truth.

use crate::attack::end_to_end::{Decision, EndToEnd};
use crate::memory::situation::Situation;
use crate::memory::{FEATURES, Memory, MemorySettings};
use roadproof_perception::attack::to_numbers;
use roadproof_perception::{OUTPUTS, percept};

/// A memory for each world that takes in the clean frames only, where the car really goes. What it knows of its own car is what the
/// attacked driver knows.
#[derive(Clone, Debug)]
pub struct Undisturbed {
    settings: MemorySettings,
    memories: Vec<Memory>,
}

impl Undisturbed {
    /// One for each of so many worlds, of which none has been seen yet.
    #[must_use]
    pub fn new(settings: MemorySettings, worlds: usize) -> Self {
        Self { settings, memories: vec![Memory::new(settings); worlds] }
    }

    /// A drive begins in each of these worlds: what was seen there before is forgotten.
    pub fn begin(&mut self, worlds: &[usize]) {
        worlds.iter().for_each(|&world| self.memories[world] = Memory::new(self.settings));
    }

    /// Takes in the clean frame of each of these worlds, and decides.
    ///
    /// # Panics
    /// If there is not one situation for each world.
    pub fn decide(&mut self, end_to_end: &EndToEnd, worlds: &[usize], situations: &[Situation]) -> Vec<Decision> {
        assert_eq!(worlds.len(), situations.len(), "one situation for each world");
        let frames: Vec<&[u8]> = situations.iter().map(|situation| &situation.frame[..]).collect();
        let outputs = end_to_end.outputs(&to_numbers(&frames.concat()));
        let rows = worlds.iter().zip(situations).zip(outputs.chunks_exact(OUTPUTS));
        let features: Vec<[f32; FEATURES]> = rows
            .map(|((&world, Situation { odometry, decision_s, frame, .. }), outputs)| {
                let mut features = [0.0; FEATURES];
                self.memories[world].look(frame, &percept(outputs), *odometry, *decision_s, &mut features);
                features
            })
            .collect();
        end_to_end.decisions(&outputs, &features)
    }
}
