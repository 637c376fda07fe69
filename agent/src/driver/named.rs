//! Drivers by the names that people type.

use crate::driver::{Driver, LearnedDriver, LoadError, RandomDriver};
use crate::train::settings::Settings;
use roadproof_sim::CameraSettings;
use roadproof_sim::Scenario;
use std::path::Path;

impl Driver {
    /// Names of drivers that need no run folder.
    pub const NAMES: [&str; 5] = ["shipped", "hardened", "scripted", "random", "blind"];

    /// The driver of this name or run folder, with the settings it was trained under. `blind` covers the eyes of the driver of
    /// `blind_run`, or of the shipped one.
    ///
    /// # Errors
    /// An unknown name, or a run whose files cannot be used.
    pub fn named(name: &str, blind_run: Option<&Path>) -> anyhow::Result<(Self, Settings)> {
        let learned = |driver: Result<LearnedDriver, LoadError>| -> anyhow::Result<(Box<LearnedDriver>, Settings)> {
            let driver = driver?;
            let settings = driver.settings().clone();
            Ok((Box::new(driver), settings))
        };
        let driver = match name {
            "scripted" => return Ok((Self::Scripted, Settings::default())),
            "random" => return Ok((Self::Random(RandomDriver::default()), Settings::default())),
            "blind" => {
                let (driver, settings) = learned(blind_run.map_or_else(LearnedDriver::shipped, LearnedDriver::load))?;
                return Ok((Self::Blind(driver), settings));
            }
            "shipped" => LearnedDriver::shipped(),
            "hardened" => LearnedDriver::hardened(),
            folder => {
                let path = Path::new(folder);
                let names = Self::NAMES.join(", ");
                anyhow::ensure!(path.exists(), "no driver {folder:?}: allowed are {names}, or the folder of a run");
                LearnedDriver::load(path)
            }
        };
        let (driver, settings) = learned(driver)?;
        Ok((Self::Learned(driver), settings))
    }

    /// Refuses a scenario whose camera is not the one the driver was trained with: a network sees nothing meaningful through any
    /// other.
    ///
    /// # Errors
    /// Both cameras.
    pub fn check_camera(&self, scenario: &Scenario) -> anyhow::Result<()> {
        let (Self::Learned(driver) | Self::Blind(driver)) = self else { return Ok(()) };
        let trained: &CameraSettings = &driver.settings().drive.camera;
        anyhow::ensure!(
            scenario.camera == *trained,
            "the scenario's camera is {:?}, the driver was trained with {trained:?}",
            scenario.camera
        );
        Ok(())
    }
}
