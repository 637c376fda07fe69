//! Everything a training run depends on, but for the weights it may begin with and the found scenarios themselves, as RON.
//! `train` writes the resolved settings into the run folder.

use crate::drive::evaluate::EvaluateSettings;
use crate::driver::{DriverSpec, Unmatched};
use crate::formats::ron_file::{self, RonError};
use crate::harden::{HardenSettings, Hardening};
use crate::host::threads::all_cores;
use crate::learn::{
    Algorithm, Dagger, DaggerSettings, Dqn, DqnSettings, Learner, Ppo, PpoSettings, Pqn, PqnSettings, Start,
};
use crate::memory::MemorySettings;
use crate::policy::{PolicySettings, QNetwork};
use roadproof_env::reward::RewardSettings;
use roadproof_perception::device::{ComputeBackend, DeviceError};
use roadproof_perception::{HardBatch, PerceptionSettings, TrainingSettings};
use roadproof_sim::scenario::{CheckError, check_camera};
use roadproof_sim::{DriveStyle, Seed, generate_drive};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What is allowed.
mod range {
    roadproof_range::bounded! {
        threads: usize = 0 to 512;
        frames: usize = 1 to 2000000;
        validation_frames: usize = 1 to 200000;
        worlds: usize = 1 to 4096;
        every: usize = 1 to 1000;
        drive_s: f32 = 1.0 to 600.0;
        gust: f32 = 0.0 to 1.0;
        steps: usize = 1 to 10000000;
        save_every_s: f64 = 0.0 to 86400.0;
    }
    roadproof_range::bounded_option! {
        minutes: f64 = 0.05 to 100000.0;
        close: f32 = 0.0 to 1.0;
    }
}

/// Settings of a whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where all randomness of the run starts.
    pub seed: u64,
    /// Minutes that the run is wished to take, over all its sessions; `None` for as long as its work takes. Stages are planned to
    /// fit, but for the evaluation at the end, which is never cut. Only a run whose work fits anyway is repeatable to the bit.
    #[serde(deserialize_with = "range::minutes")]
    pub minutes: Option<f64>,
    /// Threads that simulate in training and evaluation; zero takes as many as there are cores. Results do not depend on it.
    #[serde(deserialize_with = "range::threads")]
    pub threads: usize,
    /// Seconds between two checkpoints of a stage: what a machine that fails costs at most.
    #[serde(deserialize_with = "range::save_every_s")]
    pub save_every_s: f64,
    /// Roads, traffic and camera of generated drives.
    pub drive: DriveStyle,
    /// Whether the driver sees. Without percepts nothing is collected and no perception is trained: the policy learns on what its car
    /// tells of itself, and the driver is the baseline of all who look.
    pub percepts: bool,
    /// Where networks learn: `Flex`, `Cuda`, `Wgpu` or `Tch`, as far as they were built in. On `Flex`, which always is, the same settings give
    /// the same bits on every machine.
    pub device: ComputeBackend,
    /// Where they see and decide meanwhile, and in the evaluation; left out it is the same.
    pub actor_device: Option<ComputeBackend>,
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
    /// How the policy is trained: `Pqn`, `Ppo`, `Dqn` or `Dagger`. The settings of each stand in a section of its own; those of the
    /// others have no effect.
    pub algorithm: Algorithm,
    /// How the policy is trained by `Pqn`.
    pub learn: PqnSettings,
    /// How the policy is trained by `Ppo`.
    pub ppo: PpoSettings,
    /// How the policy is trained by `Dqn`.
    pub dqn: DqnSettings,
    /// How the policy is trained by `Dagger`.
    pub dagger: DaggerSettings,
    /// What the policy is rewarded for. Progress is paid for; all other terms are costs, which are taken off.
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
    #[serde(deserialize_with = "range::frames")]
    pub frames: usize,
    /// Frames from validation roads.
    #[serde(deserialize_with = "range::validation_frames")]
    pub validation_frames: usize,
    /// Drives at once.
    #[serde(deserialize_with = "range::worlds")]
    pub worlds: usize,
    /// One frame of so many decisions is kept; neighbours in time teach little.
    #[serde(deserialize_with = "range::every")]
    pub every: usize,
    /// Mean length of a drive.
    #[serde(deserialize_with = "range::drive_s")]
    pub drive_s: f32,
    /// Chance per decision that a gust pushes the car.
    #[serde(deserialize_with = "range::gust")]
    pub gust: f32,
    /// Share of the drives that begin right behind another car. The scripted driver never comes so close; a hardened one, whose filters
    /// let it go on for a while, does, and has to see by then how close it is. Left out it is 0.15 in a hardening and nought otherwise.
    #[serde(deserialize_with = "range::close")]
    pub close: Option<f32>,
}

impl Default for CollectSettings {
    fn default() -> Self {
        Self { frames: 44_000, validation_frames: 4_000, worlds: 96, every: 14, drive_s: 18.0, gust: 0.01, close: None }
    }
}

/// Share of the drives that begin right behind another car in a hardening.
pub const HARDENED_CLOSE: f32 = 0.15;

/// How perception is trained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PerceiveSettings {
    /// Optimiser steps.
    #[serde(deserialize_with = "range::steps")]
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
            save_every_s: 60.0,
            drive: DriveStyle::default(),
            percepts: true,
            device: ComputeBackend::default(),
            actor_device: None,
            collect: CollectSettings::default(),
            perception: PerceptionSettings::default(),
            perceive: PerceiveSettings::default(),
            memory: MemorySettings::default(),
            policy: PolicySettings::default(),
            algorithm: Algorithm::default(),
            learn: PqnSettings::default(),
            ppo: PpoSettings::default(),
            dqn: DqnSettings::default(),
            dagger: DaggerSettings::default(),
            reward: RewardSettings::default(),
            harden: None,
            found: Vec::new(),
            evaluate: EvaluateSettings::default(),
        }
    }
}

/// How much learning is asked for, whatever the algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LearnAmount {
    /// Drives at once.
    pub worlds: usize,
    /// Decisions of each drive between two updates.
    pub rollout: usize,
    /// Updates in all.
    pub updates: usize,
}

/// Chance of a random choice at the start, for a policy that can drive already.
const FINE_TUNING_EPSILON: f32 = 0.3;
/// Decisions of each drive that an update is timed on.
const TIMED_ROLLOUT: usize = 4;
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
    Driver(#[from] Unmatched),
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
        let DriverSpec { camera, percepts, perception, memory, policy, .. } = *driver;
        let drive = DriveStyle { camera, ..DriveStyle::default() };
        Self { drive, percepts, perception, memory, policy, ..Self::default() }
    }

    /// What the driver is made of that a run makes.
    #[must_use]
    pub fn driver(&self) -> DriverSpec {
        let drive = generate_drive(Seed(self.seed), &self.drive);
        let spec = DriverSpec::of_drives(&drive, self.perception, self.memory, self.policy);
        DriverSpec { percepts: self.percepts, heads: self.algorithm.heads(), ..spec }
    }

    /// The same for a driver that is to hold, from fresh weights or from `trained` ones.
    #[must_use]
    pub fn hardened(mut self, trained: bool) -> Self {
        self.harden = Some(self.harden.unwrap_or_default());
        // Whoever chose filters keeps the choice, and whoever chose some close starts.
        if self.memory == MemorySettings::default() {
            self.memory = MemorySettings::STEADY;
        }
        self.collect.close.get_or_insert(HARDENED_CLOSE);
        if trained {
            for start in [&mut self.learn.epsilon_start, &mut self.dqn.epsilon_start] {
                *start = start.min(FINE_TUNING_EPSILON);
            }
        }
        self
    }

    /// The same for a driver without a camera: the baseline of all who look knows by dead reckoning where it has come to.
    #[must_use]
    pub fn without_camera(mut self) -> Self {
        self.percepts = false;
        // Whoever chose filters keeps the choice.
        if self.memory == MemorySettings::default() {
            self.memory = MemorySettings::RECKONING;
        }
        self
    }

    /// How much the algorithm learns.
    #[must_use]
    pub fn amount(&self) -> LearnAmount {
        let Self { learn, ppo, dqn, dagger, .. } = self;
        let (worlds, rollout, updates) = match self.algorithm {
            Algorithm::Pqn => (learn.worlds, learn.rollout, learn.updates),
            Algorithm::Ppo => (ppo.worlds, ppo.rollout, ppo.updates),
            Algorithm::Dqn => (dqn.worlds, dqn.rollout, dqn.updates),
            Algorithm::Dagger => (dagger.worlds, dagger.rollout, dagger.updates),
        };
        LearnAmount { worlds, rollout, updates }
    }

    /// What no return is further from nought than: every decision at its most for good, and a failure.
    #[must_use]
    pub fn most_return(&self) -> f32 {
        let gamma = match self.algorithm {
            Algorithm::Pqn => self.learn.gamma,
            Algorithm::Ppo => self.ppo.gamma,
            Algorithm::Dqn => self.dqn.gamma,
            // It holds nothing to be worth anything.
            Algorithm::Dagger => return f32::INFINITY,
        };
        self.reward.most_per_decision() / (1.0 - gamma) + self.reward.failure
    }

    /// The algorithm at its beginning, or with a policy that has made so many updates.
    ///
    /// # Errors
    /// [`DeviceError`] if there is no such device.
    pub fn learner(&self, from: Option<(QNetwork, usize)>) -> Result<Box<dyn Learner>, DeviceError> {
        let updates = from.as_ref().map_or(0, |(_, updates)| *updates);
        let (learns_on, acts_on) = (self.device.device()?, self.acts_on().device()?);
        let from = from.map(|(policy, _)| policy);
        let start = Start { policy: self.policy, seed: self.seed, from, updates, learns_on, acts_on };
        Ok(match self.algorithm {
            Algorithm::Pqn => Box::new(Pqn::new(self.learn, start)),
            Algorithm::Ppo => Box::new(Ppo::new(self.ppo, start)),
            Algorithm::Dqn => Box::new(Dqn::new(self.dqn, start)),
            Algorithm::Dagger => Box::new(Dagger::new(self.dagger, start)),
        })
    }

    /// The same with updates that are a part of those, and how many of them go into one: to time one of them tells how long a whole one
    /// takes.
    #[must_use]
    pub(crate) fn in_parts(&self) -> (Self, f64) {
        let mut part = self.clone();
        let LearnAmount { worlds, rollout: whole, .. } = self.amount();
        // Of what is cut into minibatches one whole one, elsewhere a few decisions.
        let of_minibatch = |minibatches: usize| whole.div_ceil(minibatches).min(whole);
        let few = whole.min(TIMED_ROLLOUT);
        let share = |count: usize, rollout: usize| (count * rollout).div_ceil(whole);
        let rollout = match self.algorithm {
            Algorithm::Pqn => {
                let rollout = of_minibatch(self.learn.minibatches);
                (part.learn.rollout, part.learn.minibatches) = (rollout, share(self.learn.minibatches, rollout));
                rollout
            }
            Algorithm::Ppo => {
                let rollout = of_minibatch(self.ppo.minibatches);
                (part.ppo.rollout, part.ppo.minibatches) = (rollout, share(self.ppo.minibatches, rollout));
                rollout
            }
            Algorithm::Dqn => {
                (part.dqn.rollout, part.dqn.steps) = (few, share(self.dqn.steps, few));
                (part.dqn.n_step, part.dqn.warm_up) = (1, 0);
                few
            }
            Algorithm::Dagger => {
                (part.dagger.rollout, part.dagger.steps) = (few, share(self.dagger.steps, few));
                part.dagger.batch = self.dagger.batch.min(2 * worlds * few);
                few
            }
        };
        (part, whole as f64 / rollout as f64)
    }

    /// Sections of the algorithms that are not used: what they say has no effect.
    #[must_use]
    pub fn unused_sections(&self) -> Vec<&'static str> {
        Algorithm::ALL.into_iter().filter(|other| *other != self.algorithm).map(Algorithm::section).collect()
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

    /// Where networks see and decide.
    #[must_use]
    pub fn acts_on(&self) -> ComputeBackend {
        self.actor_device.unwrap_or(self.device)
    }

    /// Whether networks compute where the same settings give the same bits.
    #[must_use]
    pub fn computes_repeatably(&self) -> bool {
        [self.device, self.acts_on()].iter().all(|backend| *backend == ComputeBackend::Flex)
    }

    /// Threads to simulate with.
    #[must_use]
    pub fn threads(&self) -> usize {
        if self.threads == 0 { all_cores() } else { self.threads }
    }

    /// Checks what no number says by itself: whether they go together.
    ///
    /// # Errors
    /// [`SettingsError`] for the first that do not.
    pub fn check(&self) -> Result<(), SettingsError> {
        let value = |field, value: String, allowed: String| Err(SettingsError::Value { field, value, allowed });
        let (learn, ppo) = (self.learn, self.ppo);
        for (field, section, minibatches, most) in [
            ("learn.minibatches", "learn", learn.minibatches, learn.worlds * learn.rollout),
            ("ppo.minibatches", "ppo", ppo.minibatches, ppo.worlds * ppo.rollout),
        ] {
            if minibatches > most {
                let allowed = format!("1 to {most}, a decision of {section}.worlds x {section}.rollout in each");
                return value(field, minibatches.to_string(), allowed);
            }
        }
        if ppo.minibatches == ppo.worlds * ppo.rollout {
            let allowed =
                "fewer than ppo.worlds x ppo.rollout: the advantage of one decision cannot be normalised".to_owned();
            return value("ppo.minibatches", ppo.minibatches.to_string(), allowed);
        }
        if self.algorithm != Algorithm::Pqn && self.harden.is_some_and(|harden| harden.policy.on()) {
            let (field, weight) = ("harden.policy.hinge_weight", self.harden.map(|harden| harden.policy.hinge_weight));
            return value(field, weight.unwrap_or_default().to_string(), "0 unless algorithm is Pqn".to_owned());
        }
        if self.harden.is_some() && !self.percepts {
            return value("percepts", "false".to_owned(), "true for a driver that is hardened".to_owned());
        }
        if let Some(HardBatch { fault_share, attack_share, .. }) = self.harden.map(|harden| harden.perceive)
            && fault_share + attack_share > 1.0
        {
            let shares = format!("{fault_share} + {attack_share}");
            return value("harden.perceive.fault_share + attack_share", shares, "0 to 1".to_owned());
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
    fn who_has_no_camera_reckons_where_the_lane_is() {
        let driver = Settings::default().without_camera().driver();
        assert!(!driver.percepts && driver.memory == MemorySettings::RECKONING);
        let chosen = Settings { memory: MemorySettings::STEADY, ..Settings::default() };
        assert_eq!(chosen.without_camera().driver().memory, MemorySettings::STEADY);
        let read = DriverSpec::parse(&driver.to_ron(), "driver.ron".as_ref()).expect("own text");
        assert_eq!(read, driver, "the driver's file says so");
    }

    #[test]
    fn a_hardening_begins_some_drives_close_to_others_unless_the_settings_say_how_many() {
        let close = |text: &str| read(text).expect("settings").hardened(false).collect.close;
        assert_eq!([close("()"), close("(collect: (close: 0.0))")], [Some(HARDENED_CLOSE), Some(0.0)]);
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
        let both = message("(seed: 1,\n  sede: 2,\n  learn: (worlds: 0, gama: 0.9))");
        for mistake in
            [":2:3: unknown field \"sede\"", ":3:19: worlds = 0, allowed is 1 to", ":3:22: unknown field \"gama\""]
        {
            assert!(both.contains(mistake) && both.lines().count() == 3, "{both}");
        }
        assert!(message("(minutes: -1.0)").contains("minutes = -1"));
        assert!(message("(learn: (worlds: 0))").contains(":1:18: worlds = 0, allowed is 1 to 4096"));
        assert!(message("(learn: (gamma: NaN))").contains("gamma = NaN, allowed is 0 to 1"));
        assert!(message("(collect: (drive_s: -1.0))").contains("drive_s = -1, allowed is 1 to 600"));
        assert!(message("(drive: (road: (max_curvature_per_m: -1.0)))").contains("max_curvature_per_m = -1"));
        assert!(message("(harden: (policy: (hinge_steps: 0)))").contains("hinge_steps = 0, allowed is 1 to 1000"));
        assert!(message("(harden: (policy: (spread: (eps: 2.0, frames: 4))))").contains("eps = 2, allowed is 0 to 1"));
        assert!(message("(perception: (width: 80))").contains("the camera's 160 x 48"));
        assert!(message("(drive: (length_m: 99.0))").contains("length_m = 99, allowed is 100 to 2000"));
        assert!(
            message("(harden: (perceive: (loss: Trades(beta: -1.0))))").contains("beta = -1, allowed is 0 to 1000")
        );
        assert_eq!(
            message("(percepts: false, harden: ())"),
            "percepts = false, allowed is true for a driver that is hardened"
        );
        let batches = message("(learn: (worlds: 4, rollout: 2, minibatches: 9))");
        assert!(batches.starts_with("learn.minibatches = 9, allowed is 1 to 8"), "{batches}");
        let shares = message("(harden: (perceive: (fault_share: 0.75, attack_share: 0.5)))");
        assert_eq!(shares, "harden.perceive.fault_share + attack_share = 0.75 + 0.5, allowed is 0 to 1");
    }

    #[test]
    fn what_no_memory_holds_is_refused() {
        let message = |text: &str| read(text).expect_err("must be refused").to_string();
        for field in ["hidden", "stem_channels", "merge_channels"] {
            let refused = message(&format!("(perception: ({field}: 4097))"));
            assert!(refused.ends_with(&format!("{field} = 4097, allowed is 1 to 4096")), "{refused}");
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
