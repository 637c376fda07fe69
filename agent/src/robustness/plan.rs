//! What a report measures, and how much of it.

use roadproof_sim::DriveStyle;
use roadproof_sim::fault::{FaultKind, Severity};
use serde::Serialize;
use std::path::PathBuf;

/// How much a report measures. Everything in it follows from this, the driver's weights and the scenario files.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// Seed of the held-out roads and of the attacks.
    pub seed: u64,
    /// How held-out roads are drawn: as the driver's own training drew them.
    pub drive: DriveStyle,
    /// Drives of each family in each cell of the matrix; families of fewer files give what they have.
    pub roads: usize,
    /// Folder of scenario families; none for held-out roads alone.
    pub scenarios: Option<PathBuf>,
    /// Faults.
    pub kinds: Vec<FaultKind>,
    /// Severities of each.
    pub severities: Vec<Severity>,
    /// Budgets of attacks on drives, in grey levels.
    pub drive_eps_levels: Vec<u8>,
    /// Budgets of attacks on single decisions, in grey levels. Below one they are no attacks on a camera that delivers bytes,
    /// but show the whole of a curve that would otherwise begin at its end.
    pub decision_eps_levels: Vec<f32>,
    /// Drives of each family that are attacked.
    pub attacked_drives: usize,
    /// Families of which drives are attacked, the first ones.
    pub attacked_families: usize,
    /// An attacked drive is cut off after this time.
    pub attacked_s: f32,
    /// Steps of gradient methods in each decision of a drive, and tries of the others times two.
    pub drive_steps: usize,
    /// Single decisions that are attacked.
    pub frames: usize,
    /// Steps of gradient methods on a single decision.
    pub steps: usize,
    /// Tries of methods without gradients on a single decision.
    pub tries: usize,
    /// Tries of the noise that gradients must beat.
    pub noise_tries: usize,
    /// Moments that are shown as pictures.
    pub moments: usize,
}

/// Severity at which kinds are compared by one figure.
pub(super) const MIDDLE_SEVERITY: u8 = 3;

impl Plan {
    /// The whole report: some minutes on two cores.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            seed: 0,
            drive: DriveStyle::default(),
            roads: 2,
            scenarios: Some(PathBuf::from("scenarios")),
            kinds: FaultKind::ALL.to_vec(),
            severities: Severity::ALL.to_vec(),
            drive_eps_levels: vec![1, 2, 4, 8, 16],
            decision_eps_levels: vec![0.0625, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0],
            attacked_drives: 2,
            attacked_families: usize::MAX,
            attacked_s: 12.0,
            drive_steps: 10,
            frames: 48,
            steps: 20,
            tries: 100,
            noise_tries: 2000,
            moments: 6,
        }
    }

    /// A small one, to see where a driver stands: less than a minute.
    #[must_use]
    pub fn quick() -> Self {
        Self {
            roads: 1,
            attacked_drives: 1,
            scenarios: None,
            drive_eps_levels: vec![1, 4, 16],
            decision_eps_levels: vec![0.0625, 0.25, 1.0, 4.0],
            attacked_s: 5.0,
            drive_steps: 5,
            frames: 12,
            steps: 10,
            tries: 40,
            noise_tries: 200,
            moments: 4,
            ..Self::standard()
        }
    }

    /// Checks what a user can set.
    ///
    /// # Errors
    /// A message with the value at fault.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=1000).contains(&self.roads) {
            return Err(format!("--roads = {}, allowed is 1 to 1000 drives of each family in each cell", self.roads));
        }
        if self.kinds.is_empty() {
            return Err("--kinds names no fault, `roadproof faults` lists all".to_owned());
        }
        match (1..self.kinds.len()).find(|&at| self.kinds[..at].contains(&self.kinds[at])) {
            Some(twice) => Err(format!("--kinds names {} twice", self.kinds[twice].name())),
            None => Ok(()),
        }
    }
}
