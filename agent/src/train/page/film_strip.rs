//! What a driver saw on the road that it drove worst.

use crate::drive::result::DriverResult;
use crate::drive::rollout::drive_recorded;
use crate::driver::Drives;
use roadproof_sim::{DriveStyle, FleetError, Outcome, Seed, generate_drive};

/// Frames of a strip.
const FRAMES: usize = 9;

/// A few frames of a drive, the last one before its end.
#[derive(Clone, Debug)]
pub struct FilmStrip {
    /// The road's number.
    pub road: usize,
    /// Its seed.
    pub seed: u64,
    /// How the drive ended.
    pub outcome: Outcome,
    /// Its driving score.
    pub driving_score: f32,
    /// Width and height of a frame.
    pub size: (u16, u16),
    /// The frames.
    pub frames: Vec<StripFrame>,
}

/// What the driver was shown at a time.
#[derive(Clone, Debug)]
pub struct StripFrame {
    /// Time of the drive.
    pub time_s: f32,
    /// `height × width × 3` bytes.
    pub rgb: Vec<u8>,
}

impl FilmStrip {
    /// Drives the worst of these roads once more; none if there is none, or the driver looks at no frame.
    ///
    /// # Errors
    /// [`FleetError`] if the road cannot be built.
    pub fn of_worst(
        result: &DriverResult,
        driver: &mut impl Drives,
        style: &DriveStyle,
    ) -> Result<Option<Self>, FleetError> {
        let Some(worst) = result.worst(1).first().copied().filter(|_| driver.needs_camera()) else { return Ok(None) };
        let scenario = generate_drive(Seed(worst.seed), style);
        let size = (scenario.camera.width_px, scenario.camera.height_px);
        let decision_hz = scenario.decision_hz;
        let mut all: Vec<StripFrame> = Vec::new();
        drive_recorded(scenario, driver, |episode| {
            all.push(StripFrame { time_s: all.len() as f32 / decision_hz, rgb: episode.seen().rgb.clone() });
        })?;
        let last = all.len().saturating_sub(1);
        let mut shown: Vec<usize> = (0..FRAMES).map(|frame| frame * last / (FRAMES - 1)).collect();
        shown.dedup();
        let frames = shown.into_iter().filter_map(|frame| all.get(frame).cloned()).collect();
        let (outcome, driving_score) = (worst.outcome, worst.score.driving_score);
        Ok(Some(Self { road: worst.road, seed: worst.seed, outcome, driving_score, size, frames }))
    }
}
