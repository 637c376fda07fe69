//! What a driver is made of besides its weights: how it sees, how often it decides, in which car, with what networks.
//!
//! It is saved beside the weights as [`SPEC_FILE`]. Runs that were saved before there was such a file say the same in their settings.

use crate::formats::ron_file::{self, RonError};
use crate::host::run_folder::{RunFolder, RunFolderError, SETTINGS_FILE};
use crate::memory::MemorySettings;
use crate::policy::{HeadsAre, PolicySettings};
use roadproof_perception::PerceptionSettings;
use roadproof_sim::scenario::{CheckError, check_camera};
use roadproof_sim::vehicle::VehicleSettings;
use roadproof_sim::{CameraSettings, DriveStyle, DriverClass, Scenario, Seed, generate_drive};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// File of a driver's specification, beside its weights.
pub const SPEC_FILE: &str = "driver.ron";

/// What is allowed.
mod range {
    roadproof_range::bounded! {
        decision_hz: f32 = 1.0 to 50.0;
    }
}

/// What a driver is made of.
///
/// # Example
/// ```
/// use roadproof_agent::driver::LearnedDriver;
///
/// let driver = LearnedDriver::shipped()?;
/// let text = r#"Scenario(format: 1, title: "a square camera", duration_s: 9.0, road: Straight(length_m: 200.0),
///     camera: (width_px: 84, height_px: 84))"#;
/// let scenario = roadproof_sim::parse(text, "square.ron".as_ref())?;
/// let misfit = driver.spec().fits(&scenario).expect_err("it was trained with another camera");
/// assert!(misfit.to_string().contains("width_px: 84"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DriverSpec {
    /// The camera that its perception was trained with.
    pub camera: CameraSettings,
    /// Decisions a second.
    #[serde(deserialize_with = "range::decision_hz")]
    pub decision_hz: f32,
    /// The car that it learnt in. It drives others as well: it asks for a steering angle and an acceleration, and the car that is
    /// there turns them into controls.
    pub vehicle: VehicleSettings,
    /// Whether it sees at all. One that does not drives by what its car tells, and has no perception; its file says so, where those
    /// of all others say nothing.
    #[serde(skip_serializing_if = "is_usual")]
    pub percepts: bool,
    /// Shape of its perception.
    #[serde(default = "PerceptionSettings::without_frames")]
    pub perception: PerceptionSettings,
    /// How it puts frames together.
    pub memory: MemorySettings,
    /// Shape of its policy.
    pub policy: PolicySettings,
    /// What the policy's heads are; the file says nothing of advantages.
    #[serde(skip_serializing_if = "HeadsAre::is_usual")]
    pub heads: HeadsAre,
}

impl Default for DriverSpec {
    fn default() -> Self {
        Self::of_drives(
            &generate_drive(Seed(0), &DriveStyle::default()),
            PerceptionSettings::default(),
            MemorySettings::default(),
            PolicySettings::default(),
        )
    }
}

/// Whether a driver sees as drivers do.
fn is_usual(percepts: &bool) -> bool {
    *percepts
}

/// Why a driver cannot drive a scenario.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Misfit {
    /// A network sees nothing meaningful through another camera.
    #[error(
        "the scenario's camera has {}, the driver was trained with {}",
        beside(scenario, driver),
        beside(driver, scenario)
    )]
    Camera {
        /// The scenario's.
        scenario: CameraSettings,
        /// The driver's.
        driver: CameraSettings,
    },
    /// What is remembered of the last decisions, and how far a car has come between them, is another thing at another rate.
    #[error("the scenario has decision_hz = {scenario}, the driver was trained with {driver}")]
    DecisionRate {
        /// The scenario's.
        scenario: f32,
        /// The driver's.
        driver: f32,
    },
}

/// What a camera has that the other has not, as a scenario file says it.
fn beside(camera: &CameraSettings, other: &CameraSettings) -> String {
    let fields = |camera: &CameraSettings| {
        let CameraSettings { width_px, height_px, fov_deg, pitch_deg, mount_m } = camera;
        [
            format!("width_px: {width_px}"),
            format!("height_px: {height_px}"),
            format!("fov_deg: {fov_deg:?}"),
            format!("pitch_deg: {pitch_deg:?}"),
            format!("mount_m: {mount_m:?}"),
        ]
    };
    let pairs = fields(camera).into_iter().zip(fields(other));
    pairs.filter(|(own, other)| own != other).map(|(own, _)| own).collect::<Vec<_>>().join(", ")
}

/// A specification of which no driver can be made.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The folder.
    #[error(transparent)]
    Folder(#[from] RunFolderError),
    /// The file.
    #[error(transparent)]
    File(#[from] RonError),
    /// What the file says goes not together.
    #[error("{path}: {cause}", path = path.display())]
    Parts {
        /// What does not.
        cause: Unmatched,
        /// The file.
        path: PathBuf,
    },
}

/// Parts of which no driver can be made.
#[derive(Debug, thiserror::Error)]
pub enum Unmatched {
    /// A camera that no drive can have.
    #[error(transparent)]
    Camera(#[from] CheckError),
    /// A car that cannot be built.
    #[error("vehicle: {0}")]
    Vehicle(String),
    /// A perception that is not for the camera.
    #[error("perception.width x perception.height = {} x {}, allowed is the camera's {} x {}", found.0, found.1, camera.0, camera.1)]
    Frame {
        /// Width and height of perception's frames, in pixels.
        found: (usize, usize),
        /// Those of the camera's.
        camera: (usize, usize),
    },
    /// Networks that cannot be.
    #[error("perception: {0}")]
    Perception(#[from] roadproof_perception::ShapeError),
}

/// What the settings of a run say of its driver, whatever else they say.
#[derive(Deserialize, Default)]
#[serde(default)]
struct RunSettings {
    drive: RunDrives,
    #[serde(default = "PerceptionSettings::without_frames")]
    perception: PerceptionSettings,
    memory: MemorySettings,
    policy: PolicySettings,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RunDrives {
    camera: CameraSettings,
}

impl DriverSpec {
    /// A driver with networks of these shapes, for drives like this one.
    #[must_use]
    pub fn of_drives(
        drive: &Scenario,
        perception: PerceptionSettings,
        memory: MemorySettings,
        policy: PolicySettings,
    ) -> Self {
        let Scenario { camera, decision_hz, ego, .. } = drive;
        let (decision_hz, vehicle) = (*decision_hz, ego.vehicle);
        let heads = HeadsAre::default();
        Self { camera: *camera, decision_hz, vehicle, percepts: true, perception, memory, policy, heads }
    }

    /// Reads the specification in the folder of a driver or of a run.
    ///
    /// # Errors
    /// [`SpecError`] with the file at fault.
    pub fn read(folder: &Path) -> Result<Self, SpecError> {
        let own = folder.join(SPEC_FILE);
        if own.exists() {
            return ron_file::read::<Self>(&own)?.checked_in(&own);
        }
        let settings = RunFolder::open(folder)?.path(SETTINGS_FILE);
        let RunSettings { drive, perception, memory, policy } = ron_file::read(&settings)?;
        Self { camera: drive.camera, perception, memory, policy, ..Self::default() }.checked_in(&settings)
    }

    /// Parses a specification; `path` is only named in errors.
    ///
    /// # Errors
    /// [`SpecError`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, SpecError> {
        ron_file::parse::<Self>(text, path)?.checked_in(path)
    }

    fn checked_in(self, path: &Path) -> Result<Self, SpecError> {
        self.checked().map_err(|cause| SpecError::Parts { cause, path: path.to_owned() })
    }

    /// The specification as text that [`DriverSpec::parse`] reads back.
    #[must_use]
    pub fn to_ron(&self) -> String {
        ron_file::text_of("What this driver is made of; its weights lie beside it.", self)
    }

    /// The same, if its parts go together; perception takes the size of its frames from the camera where it says none.
    ///
    /// # Errors
    /// [`Unmatched`] for the first that does not.
    pub fn checked(mut self) -> Result<Self, Unmatched> {
        check_camera(&self.camera)?;
        self.vehicle.check().map_err(Unmatched::Vehicle)?;
        let camera = (usize::from(self.camera.width_px), usize::from(self.camera.height_px));
        self.perception = self.perception.for_frames(camera.0, camera.1);
        let found = (self.perception.width, self.perception.height);
        if found != camera {
            return Err(Unmatched::Frame { found, camera });
        }
        self.perception.validate()?;
        Ok(self)
    }

    /// Which bounds of a scenario are for a driver of this kind who looks through the camera.
    #[must_use]
    pub fn class(&self) -> DriverClass {
        if self.memory == MemorySettings::STEADY { DriverClass::Hardened } else { DriverClass::Camera }
    }

    /// Whether this driver can drive there.
    ///
    /// # Errors
    /// [`Misfit`] says why not.
    pub fn fits(&self, scenario: &Scenario) -> Result<(), Misfit> {
        let Self { camera, decision_hz, percepts, .. } = *self;
        if percepts && scenario.camera != camera {
            return Err(Misfit::Camera { scenario: scenario.camera, driver: camera });
        }
        if scenario.decision_hz != decision_hz {
            return Err(Misfit::DecisionRate { scenario: scenario.decision_hz, driver: decision_hz });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(rest: &str) -> Scenario {
        let text =
            format!("Scenario(format: 1, title: \"t\", duration_s: 9.0, road: Straight(length_m: 200.0), {rest})");
        roadproof_sim::parse(&text, "t.ron".as_ref()).expect("a scenario").into_scenario()
    }

    fn parse(text: &str) -> Result<DriverSpec, String> {
        DriverSpec::parse(text, "driver.ron".as_ref()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_driver_fits_its_own_camera_and_rate_and_any_car() {
        let spec = DriverSpec::default();
        assert_eq!(spec.fits(&scenario("")), Ok(()));
        assert_eq!(spec.fits(&scenario("ego: (vehicle: (mass_kg: 2400.0))")), Ok(()));
        let other = spec.fits(&scenario("camera: (pitch_deg: 5.0)")).expect_err("another camera");
        let message = "the scenario's camera has pitch_deg: 5.0, the driver was trained with pitch_deg: 4.0";
        assert_eq!(other.to_string(), message);
        let slow = spec.fits(&scenario("decision_hz: 5.0, substeps: 8")).expect_err("another rate");
        assert_eq!(slow.to_string(), "the scenario has decision_hz = 5, the driver was trained with 10");
    }

    #[test]
    fn a_specification_survives_being_written() {
        let spec = DriverSpec { memory: MemorySettings::STEADY, ..DriverSpec::default() };
        assert_eq!(parse(&spec.to_ron()), Ok(spec));
    }

    #[test]
    fn frames_are_the_cameras() {
        let square = parse("(camera: (width_px: 96, height_px: 96))").expect("a driver");
        assert_eq!((square.perception.width, square.perception.height), (96, 96));
        assert!(!square.to_ron().contains("width: 96"), "one fact in one place");
        let refused = parse("(perception: (width: 80, height: 48))").expect_err("must be refused");
        assert_eq!(
            refused,
            "driver.ron: perception.width x perception.height = 80 x 48, allowed is the camera's 160 x 48"
        );
        let refused = parse("(camera: (width_px: 100))").expect_err("must be refused");
        assert!(refused.starts_with("driver.ron: ") && refused.contains("width is 100 pixels"), "{refused}");
        assert!(parse("(kamera: ())").expect_err("must be refused").starts_with("driver.ron:1:"));
    }

    #[test]
    fn a_driver_without_a_camera_says_so_and_drives_with_any() {
        assert!(!DriverSpec::default().to_ron().contains("percepts"), "files of drivers who look stay as they are");
        let sightless = parse("(percepts: false)").expect("a driver");
        assert!(!sightless.percepts && sightless.to_ron().contains("percepts: false"));
        sightless.fits(&scenario("camera: (width_px: 96, height_px: 96)")).expect("any camera will do");
        let refused = sightless.fits(&scenario("decision_hz: 20.0")).expect_err("must be refused");
        assert!(matches!(refused, Misfit::DecisionRate { .. }));
    }

    #[test]
    fn runs_of_before_say_it_in_their_settings() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let settings = "(seed: 3, drive: (length_m: 200.0, camera: (width_px: 96, height_px: 48)), \
            perception: (width: 96, height: 48, hidden: 64), memory: (track_lane: true), policy: (hidden: 32), \
            learn: (something: \"else\", or: Some(3.0)), minutes: 9.0)";
        std::fs::write(folder.path().join("settings.ron"), settings).expect("a file");
        let spec = DriverSpec::read(folder.path()).expect("a driver");
        assert_eq!((spec.camera.width_px, spec.perception.hidden, spec.decision_hz), (96, 64, 10.0));
        assert!(spec.memory.track_lane && !spec.memory.believe_lead);
        let own = DriverSpec { memory: MemorySettings::STEADY, ..spec };
        std::fs::write(folder.path().join(SPEC_FILE), own.to_ron()).expect("a file");
        assert_eq!(DriverSpec::read(folder.path()).expect("a driver"), own);
    }
}
