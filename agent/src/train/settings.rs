//! Everything a training run depends on, but for the weights it may begin with and the found scenarios themselves, as RON.
//! `train` writes the resolved settings into the run folder.

use crate::drive::evaluate::EvaluateSettings;
use crate::driver::{DriverSpec, SpecError};
use crate::formats::ron_file::{self, RonError};
use crate::harden::{HardenSettings, Hardening};
use crate::host::threads::all_cores;
use crate::learn::PqnSettings;
use crate::memory::MemorySettings;
use crate::policy::PolicySettings;
use roadproof_env::reward::RewardSettings;
use roadproof_perception::{AdversarialLoss, PerceptionSettings, TrainingSettings};
use roadproof_sim::scenario::{CheckError, check_camera};
use roadproof_sim::{DriveStyle, Seed, generate_drive};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Settings of a whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where all randomness of the run starts.
    pub seed: u64,
    /// Minutes that the run is wished to take, over all its sessions; `None` for as long as its work takes. Stages are planned to
    /// fit, but for the evaluation at the end, which is never cut. Only a run whose work fits anyway is repeatable to the bit.
    pub minutes: Option<f64>,
    /// Threads that simulate; zero takes as many as there are cores. Results do not depend on it.
    pub threads: usize,
    /// Roads, traffic and camera of generated drives.
    pub drive: DriveStyle,
    /// Data for perception.
    pub collect: CollectSettings,
    /// Shape of the perception network.
    #[serde(default = "PerceptionSettings::without_frames")]
    pub perception: PerceptionSettings,
    /// How perception is trained.
    pub perceive: PerceiveSettings,
    /// How frames are put together before the policy sees them.
    pub memory: MemorySettings,
    /// Shape of the Q-network.
    pub policy: PolicySettings,
    /// How the policy is trained.
    pub learn: PqnSettings,
    /// What the policy is rewarded for.
    pub reward: RewardSettings,
    /// What makes the driver hold under faults and attacks; nothing for a nominal one.
    pub harden: Option<HardenSettings>,
    /// Scenario files that broke a driver; a hardening learns on them as well. They count from the folder of the settings.
    pub found: Vec<PathBuf>,
    /// The final evaluation.
    pub evaluate: EvaluateSettings,
}

/// Data for perception.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CollectSettings {
    /// Frames to train on.
    pub frames: usize,
    /// Frames from validation roads.
    pub validation_frames: usize,
    /// Drives at once.
    pub worlds: usize,
    /// One frame of so many decisions is kept; neighbours in time teach little.
    pub every: usize,
    /// Mean length of a drive.
    pub drive_s: f32,
    /// Chance per decision that a gust pushes the car.
    pub gust: f32,
}

impl Default for CollectSettings {
    fn default() -> Self {
        Self { frames: 44_000, validation_frames: 4_000, worlds: 96, every: 14, drive_s: 18.0, gust: 0.01 }
    }
}

/// How perception is trained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PerceiveSettings {
    /// Optimiser steps.
    pub steps: usize,
    /// Batches, learning rate and augmentation.
    pub training: TrainingSettings,
}

impl Default for PerceiveSettings {
    fn default() -> Self {
        Self { steps: 3_600, training: TrainingSettings::default() }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            minutes: None,
            threads: 0,
            drive: DriveStyle::default(),
            collect: CollectSettings::default(),
            perception: PerceptionSettings::default(),
            perceive: PerceiveSettings::default(),
            memory: MemorySettings::default(),
            policy: PolicySettings::default(),
            learn: PqnSettings::default(),
            reward: RewardSettings::default(),
            harden: None,
            found: Vec::new(),
            evaluate: EvaluateSettings::default(),
        }
    }
}

/// Chance of a random choice at the start, for a policy that can drive already.
const FINE_TUNING_EPSILON: f32 = 0.3;
/// Most bytes of frames that perception's data may have.
const MAX_FRAME_BYTES: usize = 16_000_000_000;

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file.
    #[error(transparent)]
    File(#[from] RonError),
    /// A folder that no path can be counted from.
    #[error("the paths in the settings cannot be completed: {cause}: {path:?}")]
    Paths {
        /// What the system said.
        cause: std::io::Error,
        /// The file.
        path: PathBuf,
    },
    /// A value that makes no run.
    #[error("{field} = {value}, allowed is {allowed}")]
    Value {
        /// The setting.
        field: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// A camera that no drive can have.
    #[error("drive.camera: {cause}")]
    Camera {
        /// What is wrong with it.
        cause: CheckError,
    },
    /// No driver can be made as they say.
    #[error(transparent)]
    Driver(#[from] SpecError),
    /// More data than fits into memory.
    #[error(
        "collect.frames + collect.validation_frames = {frames}, at {frame_bytes} bytes each allowed is at most {max}"
    )]
    TooManyFrames {
        /// Frames asked for.
        frames: usize,
        /// Size of each.
        frame_bytes: usize,
        /// How many frames of this size are allowed.
        max: usize,
    },
}

impl Settings {
    /// Reads settings; what the file leaves out keeps its default, and paths in it count from its folder.
    ///
    /// # Errors
    /// [`SettingsError`] with line and column.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let mut settings = ron_file::read::<Self>(path)?.complete()?;
        // Whoever goes on with the run may stand in another folder than the one who wrote the file.
        let folder = path.parent().unwrap_or(Path::new(""));
        for found in &mut settings.found {
            *found = std::path::absolute(folder.join(&found))
                .map_err(|cause| SettingsError::Paths { cause, path: path.to_owned() })?;
        }
        Ok(settings)
    }

    /// Parses settings; `path` is only named in errors.
    ///
    /// # Errors
    /// [`SettingsError`] with line and column.
    pub fn parse(text: &str, path: &Path) -> Result<Self, SettingsError> {
        ron_file::parse::<Self>(text, path)?.complete()
    }

    /// What a file leaves to the camera, and whether all of it goes together.
    fn complete(mut self) -> Result<Self, SettingsError> {
        let camera = &self.drive.camera;
        self.perception = self.perception.for_frames(camera.width_px.into(), camera.height_px.into());
        self.check()?;
        Ok(self)
    }

    /// The settings under which a run would make a driver such as this one; what they say of training is the default.
    #[must_use]
    pub fn of_driver(driver: &DriverSpec) -> Self {
        let DriverSpec { camera, perception, memory, policy, .. } = *driver;
        let drive = DriveStyle { camera, ..DriveStyle::default() };
        Self { drive, perception, memory, policy, ..Self::default() }
    }

    /// What the driver is made of that a run makes.
    #[must_use]
    pub fn driver(&self) -> DriverSpec {
        DriverSpec::of_drives(&generate_drive(Seed(self.seed), &self.drive), self.perception, self.memory, self.policy)
    }

    /// The same for a driver that is to hold, from fresh weights or from `trained` ones.
    #[must_use]
    pub fn hardened(mut self, trained: bool) -> Self {
        self.harden = Some(self.harden.unwrap_or_default());
        // Whoever chose filters keeps the choice.
        if self.memory == MemorySettings::default() {
            self.memory = MemorySettings::STEADY;
        }
        if trained {
            self.learn.epsilon_start = self.learn.epsilon_start.min(FINE_TUNING_EPSILON);
        }
        self
    }

    /// What a stage of the run asks how hard things are to be.
    #[must_use]
    pub fn hardening(&self) -> Hardening {
        Hardening::new(self.harden)
    }

    /// The settings as text that [`Settings::read`] reads back.
    #[must_use]
    pub fn to_ron(&self) -> String {
        ron_file::text_of("Resolved settings of a training run. `roadproof train --config` reads this file.", self)
    }

    /// Threads to simulate with.
    #[must_use]
    pub fn threads(&self) -> usize {
        if self.threads == 0 { all_cores() } else { self.threads }
    }

    /// Every real number of the settings that neither the scenario reader nor a network checks, with its bounds.
    fn numbers(&self) -> Vec<(&'static str, f64, f64, f64)> {
        let (learn, reward, training) = (&self.learn, &self.reward, &self.perceive.training);
        let number = |field, value: f32, low, high| (field, f64::from(value), low, high);
        let mut numbers = vec![
            number("drive.length_m", self.drive.length_m, 100.0, 2000.0),
            number("collect.drive_s", self.collect.drive_s, 1.0, 600.0),
            number("collect.gust", self.collect.gust, 0.0, 1.0),
            ("perceive.training.learning_rate", training.learning_rate, 0.0, 1.0),
            number("perceive.training.segmentation_weight", training.segmentation_weight, 0.0, 1000.0),
            number("perceive.training.weight_decay", training.weight_decay, 0.0, 10.0),
            number("perceive.training.gain_change", training.gain_change, 0.0, 1.0),
            number("perceive.training.offset_change", training.offset_change, 0.0, 1.0),
            number("perceive.training.noise", training.noise, 0.0, 1.0),
            number("learn.gamma", learn.gamma, 0.0, 1.0),
            number("learn.lambda", learn.lambda, 0.0, 1.0),
            ("learn.learning_rate", learn.learning_rate, 0.0, 1.0),
            number("learn.clip_norm", learn.clip_norm, 1e-6, 1e9),
            number("learn.epsilon_start", learn.epsilon_start, 0.0, 1.0),
            number("learn.epsilon_end", learn.epsilon_end, 0.0, 1.0),
            number("learn.epsilon_share", learn.epsilon_share, 1e-6, 1.0),
            number("reward.progress", reward.progress, -100.0, 100.0),
            number("reward.overspeed", reward.overspeed, -100.0, 100.0),
            number("reward.lane_offset", reward.lane_offset, -100.0, 100.0),
            number("reward.heading", reward.heading, -100.0, 100.0),
            number("reward.close_gap", reward.close_gap, -100.0, 100.0),
            number("reward.time_to_collision", reward.time_to_collision, -100.0, 100.0),
            number("reward.acceleration", reward.acceleration, -100.0, 100.0),
            number("reward.steer_change", reward.steer_change, -100.0, 100.0),
            number("reward.outside_lanes", reward.outside_lanes, -100.0, 100.0),
            number("reward.failure", reward.failure, -1000.0, 1000.0),
        ];
        numbers.extend(self.minutes.map(|minutes| ("minutes", minutes, 0.05, 100_000.0)));
        if let Some(harden) = self.harden {
            let HardenSettings { perceive, ramp, fault_drives, attack_drives, attack_eps, found_drives, policy } =
                harden;
            let shares = perceive.fault_share + perceive.attack_share;
            numbers.extend([
                number("harden.perceive.fault_share", perceive.fault_share, 0.0, 1.0),
                number("harden.perceive.attack_share", perceive.attack_share, 0.0, 1.0),
                number("harden.perceive.fault_share + attack_share", shares, 0.0, 1.0),
                number("harden.perceive.eps", perceive.eps, 0.0, 1.0),
                ("harden.perceive.steps", perceive.steps as f64, 1.0, 1000.0),
                number("harden.ramp", ramp, 0.0, 1.0),
                number("harden.fault_drives", fault_drives, 0.0, 1.0),
                number("harden.attack_drives", attack_drives, 0.0, 1.0),
                number("harden.attack_eps", attack_eps, 0.0, 1.0),
                number("harden.found_drives", found_drives, 0.0, 1.0),
            ]);
            numbers.extend([
                number("harden.policy.hinge_weight", policy.hinge_weight, 0.0, 1000.0),
                number("harden.policy.hinge_margin", policy.hinge_margin, 0.0, 1000.0),
                ("harden.policy.hinge_steps", policy.hinge_steps as f64, 1.0, 1000.0),
                number("harden.policy.spread.eps", policy.spread.eps, 0.0, 1.0),
                ("harden.policy.spread.frames", policy.spread.frames as f64, 1.0, 4096.0),
            ]);
            if let AdversarialLoss::Trades { beta } = perceive.loss {
                numbers.push(number("harden.perceive.loss.beta", beta, 0.0, 1000.0));
            }
        }
        numbers
    }

    /// Checks the values that types and the scenario reader do not.
    ///
    /// # Errors
    /// [`SettingsError`] for the first that is out of bounds.
    pub fn check(&self) -> Result<(), SettingsError> {
        let value = |field, value: String, allowed: String| Err(SettingsError::Value { field, value, allowed });
        let counts = [
            ("collect.frames", self.collect.frames, 1, 2_000_000),
            ("collect.validation_frames", self.collect.validation_frames, 1, 200_000),
            ("collect.worlds", self.collect.worlds, 1, 4096),
            ("collect.every", self.collect.every, 1, 1000),
            ("perceive.steps", self.perceive.steps, 1, 10_000_000),
            ("perceive.training.batch", self.perceive.training.batch, 1, 65_536),
            ("perception.stem_channels", self.perception.stem_channels, 1, 4096),
            ("perception.merge_channels", self.perception.merge_channels, 1, 4096),
            ("perception.hidden", self.perception.hidden, 1, 4096),
            ("policy.hidden", self.policy.hidden, 1, 4096),
            ("learn.worlds", self.learn.worlds, 1, 4096),
            ("learn.rollout", self.learn.rollout, 1, 4096),
            ("learn.epochs", self.learn.epochs, 1, 100),
            ("learn.minibatches", self.learn.minibatches, 1, self.learn.worlds * self.learn.rollout),
            ("learn.updates", self.learn.updates, 1, 10_000_000),
            ("evaluate.roads", self.evaluate.roads, 1, 10_000),
        ];
        for (field, count, low, high) in counts {
            if !(low..=high).contains(&count) {
                return value(field, count.to_string(), format!("{low} to {high}"));
            }
        }
        for (field, number, low, high) in self.numbers() {
            // A number that is not one is in no range.
            if !(low..=high).contains(&number) {
                return value(field, number.to_string(), format!("{low} to {high}"));
            }
        }
        if let Some(path) = self.found.iter().find(|path| path.to_str().is_none()) {
            return value("found", format!("{path:?}"), "paths in UTF-8, or the settings could not be kept".to_owned());
        }
        let camera = &self.drive.camera;
        check_camera(camera).map_err(|cause| SettingsError::Camera { cause })?;
        let (frames, frame_bytes) = (self.collect.frames + self.collect.validation_frames, 3 * camera.pixels());
        let max = MAX_FRAME_BYTES / frame_bytes.max(1);
        if frames > max {
            return Err(SettingsError::TooManyFrames { frames, frame_bytes, max });
        }
        self.driver().checked()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, SettingsError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("settings.ron");
        std::fs::write(&path, text).expect("a temporary file");
        Settings::read(&path)
    }

    #[test]
    fn settings_survive_being_written() {
        let settings = Settings { seed: 7, minutes: Some(3.5), ..Settings::default() };
        assert_eq!(read(&settings.to_ron()).expect("own text"), settings);
    }

    #[test]
    fn paths_count_from_the_folder_of_the_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("settings.ron");
        let far = std::path::absolute("far/away.ron").expect("a path");
        let text = format!("\u{feff}(found: [\"cases/near.ron\", \"../beside.ron\", {far:?}])");
        std::fs::write(&path, text).expect("a temporary file");
        let found = Settings::read(&path).expect("checked").found;
        assert_eq!(found, [folder.path().join("cases/near.ron"), folder.path().join("../beside.ron"), far]);
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_no_text_holds_is_refused_before_it_is_written() {
        use std::os::unix::ffi::OsStrExt;
        let found = vec![PathBuf::from(std::ffi::OsStr::from_bytes(b"cases/\xff.ron"))];
        let error = Settings { found, ..Settings::default() }.check().expect_err("must be refused").to_string();
        assert!(error.starts_with("found = ") && error.contains("UTF-8"), "{error}");
    }

    #[test]
    fn minutes_are_a_wish() {
        assert_eq!(read("()").expect("defaults").minutes, None);
        assert_eq!(read("(minutes: None)").expect("no clock").minutes, None);
        // As settings were written when every run had a clock.
        assert_eq!(read("(minutes: 10.0)").expect("a clock").minutes, Some(10.0));
    }

    #[test]
    fn mistakes_are_named() {
        let message = |text: &str| read(text).expect_err("must be refused").to_string();
        assert!(message("(seed: 1,\n  sede: 2)").contains(":2:"), "{}", message("(seed: 1,\n  sede: 2)"));
        assert!(message("(minutes: -1.0)").contains("minutes = -1"));
        assert!(message("(learn: (worlds: 0))").contains("learn.worlds = 0, allowed is 1 to 4096"));
        assert!(message("(learn: (gamma: NaN))").contains("learn.gamma = NaN, allowed is 0 to 1"));
        assert!(message("(collect: (drive_s: -1.0))").contains("collect.drive_s = -1"));
        assert!(message("(drive: (road: (max_curvature_per_m: -1.0)))").contains("max_curvature_per_m = -1"));
        assert!(message("(harden: (policy: (hinge_steps: 0)))").contains("harden.policy.hinge_steps = 0"));
        assert!(message("(harden: (policy: (spread: (eps: 2.0, frames: 4))))").contains("policy.spread.eps = 2"));
        assert!(message("(perception: (width: 80))").contains("the camera's 160 x 48"));
    }

    #[test]
    fn what_no_memory_holds_is_refused() {
        let message = |text: &str| read(text).expect_err("must be refused").to_string();
        for field in ["hidden", "stem_channels", "merge_channels"] {
            let refused = message(&format!("(perception: ({field}: 4097))"));
            assert_eq!(refused, format!("perception.{field} = 4097, allowed is 1 to 4096"));
        }
        let frames = message("(collect: (frames: 2000000))");
        assert!(frames.contains("= 2004000, at 23040 bytes each allowed is at most 694444"), "{frames}");
    }

    #[test]
    fn the_camera_is_checked_as_in_a_scenario() {
        let message = |text: &str| read(text).expect_err("must be refused").to_string();
        let mount = message("(drive: (camera: (mount_m: (0.4, inf, 1.3))))");
        assert!(mount.contains("drive.camera: camera.mount_m = (0.4, inf, 1.3)"), "{mount}");
        let size = message("(drive: (camera: (width_px: 2048, height_px: 2048)))");
        assert!(size.contains("drive.camera: the camera has 2048 x 2048 pixels"), "{size}");
    }
}
