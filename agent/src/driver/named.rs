//! Drivers by the names that people type.

use crate::driver::program::PREFIX;
use crate::driver::{Driver, DriverSpec, Drives, LearnedDriver, Misfit, OdometryDriver, ProgramDriver, RandomDriver};
use roadproof_sim::{DriverClass, Scenario};
use std::path::Path;

impl Driver {
    /// Names of drivers that need no run folder.
    pub const NAMES: [&str; 7] = ["shipped", "hardened", "scripted", "straight", "random", "blind", "odometry"];

    /// The driver of this name or folder, or the program behind `cmd:`. `blind` covers the eyes of the driver of `blind_run`, or of the shipped one.
    ///
    /// # Errors
    /// An unknown name, or a folder whose files cannot be used.
    pub fn named(name: &str, blind_run: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(command) = name.strip_prefix(PREFIX) {
            return Ok(Self::Program(Box::new(ProgramDriver::start(command)?)));
        }
        let driver = match name {
            "scripted" => return Ok(Self::Scripted),
            "straight" => return Ok(Self::Straight),
            "odometry" => return Ok(Self::Odometry(Box::new(OdometryDriver::shipped()?))),
            "random" => return Ok(Self::Random(RandomDriver::default())),
            "blind" => {
                let driver = blind_run.map_or_else(LearnedDriver::shipped, LearnedDriver::load)?;
                return Ok(Self::Blind(Box::new(driver)));
            }
            "shipped" => LearnedDriver::shipped(),
            "hardened" => LearnedDriver::hardened(),
            folder => {
                let path = Path::new(folder);
                let names = Self::NAMES.join(", ");
                anyhow::ensure!(
                    path.exists(),
                    "no driver {folder:?}: allowed are {names}, the folder of a run or driver, or cmd:PROGRAM"
                );
                if !DriverSpec::read(path)?.percepts {
                    return Ok(Self::Odometry(Box::new(OdometryDriver::load(path)?)));
                }
                LearnedDriver::load(path)
            }
        };
        Ok(Self::Learned(Box::new(driver?)))
    }

    /// Whether it can drive there; whoever knows the truth, or nothing, can drive anywhere.
    ///
    /// # Errors
    /// [`Misfit`], see [`DriverSpec::fits`](crate::driver::DriverSpec::fits).
    pub fn fits(&self, scenario: &Scenario) -> Result<(), Misfit> {
        match self {
            Self::Learned(driver) | Self::Blind(driver) => driver.spec().fits(scenario),
            Self::Odometry(driver) => driver.spec().fits(scenario),
            Self::Scripted | Self::Straight | Self::Random(_) | Self::Program(_) => Ok(()),
        }
    }

    /// Which bounds of a scenario are for it; `None` for whoever looks through no camera.
    #[must_use]
    pub fn class(&self) -> Option<DriverClass> {
        match self {
            Self::Learned(driver) => Some(driver.spec().class()),
            Self::Program(driver) => driver.needs_camera().then_some(DriverClass::Camera),
            _ => None,
        }
    }
}
