//! What a report measures, and how much of it.

use crate::drive::evaluate::REPORT_SEED;
use roadproof_sim::DriveStyle;
use roadproof_sim::fault::{FaultKind, Severity};
use serde::Serialize;
use std::path::PathBuf;

/// A part of a report that can be made alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Part {
    /// Sensor faults.
    Faults,
    /// Attacks on whole drives.
    Attacks,
    /// Attacks on single decisions, with most of the check-list.
    Decisions,
}

/// How much a report measures. Everything in it follows from this, the driver's weights and the scenario files.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// Seed of the held-out roads and of the attacks.
    pub seed: u64,
    /// The only part that is made; all if left out.
    pub only: Option<Part>,
    /// How held-out roads are drawn: as the driver's own training drew them, but for their length.
    pub drive: DriveStyle,
    /// Folder of scenario families; none for held-out roads alone.
    pub scenarios: Option<PathBuf>,
    /// Drives of each family under faults; families of fewer files give what they have.
    pub roads: usize,
    /// Faults.
    pub kinds: Vec<FaultKind>,
    /// Severities of each.
    pub severities: Vec<Severity>,
    /// Drives that are attacked: half of them scenario files, as far as there are so many, the rest held-out roads, every second
    /// of them without other cars.
    pub attacked_drives: usize,
    /// Budgets of attacks on drives, in grey levels.
    pub drive_eps_levels: Vec<u8>,
    /// The one of them at which every attack is run on every drive.
    pub reference_eps_levels: u8,
    /// Length of held-out roads, over how long they were in the driver's own training.
    pub road_share: f32,
    /// Steps of gradient methods in each decision of a drive where every attack is tried, and tries of the others times two.
    ///
    /// # Source
    /// Most of the effort for the most promising: successive halving, Jamieson and Talwalkar 2016, arXiv:1502.07943.
    pub trial_steps: usize,
    /// The strongest attacks of each drive in that trial, which are run with every budget; with larger ones than that of reference none
    /// where they leave next to nothing already.
    pub strongest_attacks: usize,
    /// Steps of these, and of one of each kind of method on every drive.
    pub drive_steps: usize,
    /// Drives on which every attack is run with these steps, to see whether the trial left out what would have been stronger.
    pub rechecked_drives: usize,
    /// The strongest attacks of each drive whose steps are doubled the first time; half as many each time after, and one alone where next
    /// to nothing is left.
    pub doubled_attacks: usize,
    /// How often they are doubled at most, on those drives on which the last doubling found more.
    pub doublings: usize,
    /// Walks over each frame that doubled attacks take the first time, from starts of their own; half as many each time after, and one
    /// alone where next to nothing is left.
    pub doubling_starts: usize,
    /// Budgets of attacks on single decisions, in grey levels. Below one they are no attacks on a camera that delivers bytes,
    /// but show the whole of a curve that would otherwise begin at its end.
    pub decision_eps_levels: Vec<f32>,
    /// Single decisions that are attacked.
    pub frames: usize,
    /// Steps of gradient methods on a single decision.
    pub steps: usize,
    /// Tries of methods without gradients on a single decision.
    pub tries: usize,
    /// Decisions on which the check-list spends its many tries.
    pub searched_frames: usize,
    /// Queries of Square on each of them.
    pub square_queries: usize,
    /// Random frames that are tried on each of them.
    pub noise_tries: usize,
    /// Steps of the attack that plants a frame.
    pub planting_steps: usize,
    /// Moments that are shown as pictures.
    pub moments: usize,
}

/// Severity at which kinds are compared by one figure.
pub(super) const MIDDLE_SEVERITY: u8 = 3;

impl Plan {
    /// The whole report: 26 minutes on two cores for the hardened driver, see `assets/results/report.md`; more for one that breaks in
    /// many ways, because steps are doubled for as long as that finds another.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            seed: REPORT_SEED,
            only: None,
            drive: DriveStyle::default(),
            scenarios: Some(PathBuf::from("scenarios")),
            roads: 2,
            kinds: FaultKind::ALL.to_vec(),
            severities: Severity::ALL.to_vec(),
            attacked_drives: 40,
            drive_eps_levels: vec![1, 2, 4, 8],
            reference_eps_levels: 2,
            road_share: 1.0,
            trial_steps: 2,
            strongest_attacks: 3,
            drive_steps: 5,
            rechecked_drives: 8,
            doubled_attacks: 2,
            doublings: 2,
            doubling_starts: 2,
            decision_eps_levels: vec![0.0625, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0],
            frames: 48,
            steps: 40,
            tries: 100,
            searched_frames: 12,
            square_queries: 5000,
            noise_tries: 10_000,
            planting_steps: 100,
            moments: 6,
        }
    }

    /// A small one, to see where a driver stands: two minutes on two idle cores.
    #[must_use]
    pub fn quick() -> Self {
        Self {
            scenarios: None,
            roads: 1,
            severities: [1, 3, 5].into_iter().filter_map(Severity::new).collect(),
            attacked_drives: 4,
            drive_eps_levels: vec![2, 8],
            road_share: 0.5,
            strongest_attacks: 2,
            drive_steps: 4,
            rechecked_drives: 0,
            doubled_attacks: 1,
            doublings: 1,
            doubling_starts: 1,
            decision_eps_levels: vec![0.0625, 0.25, 1.0, 4.0],
            frames: 12,
            steps: 10,
            tries: 40,
            searched_frames: 4,
            square_queries: 1000,
            noise_tries: 2000,
            planting_steps: 40,
            moments: 4,
            ..Self::standard()
        }
    }

    /// Whether a part is made.
    #[must_use]
    pub fn makes(&self, part: Part) -> bool {
        self.only.is_none_or(|only| only == part)
    }

    /// Checks what a user can set.
    ///
    /// # Errors
    /// A message with the value at fault.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=1000).contains(&self.roads) {
            return Err(format!("--roads = {}, allowed is 1 to 1000 drives of each family in each cell", self.roads));
        }
        if !(1..=1000).contains(&self.attacked_drives) {
            return Err(format!("--drives = {}, allowed is 1 to 1000 attacked drives", self.attacked_drives));
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
