//! Scenarios: the RON schema of one drive, its checks, and drives generated from a seed.
//!
//! Units stand in the field names; unknown fields are refused; `format` names the version of the schema.
//! Times are seconds, and mean decisions: [`crate::clock`] says which.

mod body;
mod build;
mod check;
mod error;
mod generate;
mod idle;
mod read;
mod reference;

pub use build::{Build, BuiltScenario};
pub use check::{SIDE_PX, check_camera};
pub use error::CheckError;
pub use generate::{DriveStyle, generate_drive};
pub use read::{ReadError, find, is_standard_input, parse, parse_all, read, read_all, read_text, to_ron};
pub use reference::REFERENCE;

use crate::camera::CameraSettings;
use crate::fault::{Perturbation, Recorded};
use crate::outcome::expectations::{DriverClass, Expect, ExpectBy};
use crate::range;
use crate::road::{LaneId, RoadStyle};
use crate::scene::light::Light;
use crate::seed::Seed;
use crate::traffic::ActorSpec;
use crate::vehicle::VehicleSettings;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// The scenario format this version reads and writes.
pub const FORMAT: u32 = 1;

/// One drive: the world it happens in, who else is there, what the sensors suffer, and what must come of it.
///
/// # Example
/// ```
/// use roadproof_sim::{Build, Scenario, parse};
///
/// let text = r#"Scenario(format: 1, title: "Behind a slower car", duration_s: 12.0,
///     road: Straight(length_m: 300.0),
///     ego: (speed_mps: 12.0),
///     actors: [(name: "lead", start: (lane: 0, s_m: 60.0, speed_mps: 8.0))],
///     expect: (outcome: TimeUp, min_gap_m: 2.0))"#;
/// let scenario: Scenario = parse(text, "behind.ron".as_ref())?.into_scenario();
/// assert_eq!((scenario.decision_hz, scenario.actors[0].name.as_str()), (10.0, "lead"));
///
/// let mistake = parse(&text.replace("12.0,", "-1.0,"), "behind.ron".as_ref()).expect_err("no drive lasts so long");
/// assert!(mistake.to_string().starts_with("behind.ron:1:"), "{mistake}");
/// # Ok::<(), roadproof_sim::ReadError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Version of the format, which is 1.
    #[serde(deserialize_with = "format")]
    pub format: u32,
    /// What the drive tests, in a sentence.
    pub title: String,
    /// Where scenery, light, faults and generated roads take their randomness from: the same seed, the same drive.
    #[serde(default)]
    pub seed: Seed,
    /// The drive is cut off after this time, and its outcome is `TimeUp`.
    #[serde(deserialize_with = "range::duration_s")]
    pub duration_s: f32,
    /// Decisions of the driver per second, each from a new frame. Other times mean decisions: a point in time the one nearest to it, a
    /// duration the nearest number of them, but at least one.
    #[serde(default = "decision_hz", deserialize_with = "range::decision_hz")]
    pub decision_hz: f32,
    /// Physics steps per decision; there must be ten of them in a second at least.
    #[serde(default = "substeps", deserialize_with = "range::substeps")]
    pub substeps: u8,
    /// The road: 20 m to 5000 m long, 4600 m if it is drawn from a seed.
    pub road: RoadSpec,
    /// Sun and haze; drawn from the seed if left out.
    #[serde(default)]
    pub light: Option<Light>,
    /// The car that is driven, and where it starts.
    #[serde(default)]
    pub ego: EgoStart,
    /// Other cars. No two may have one name, and none may stand in another or within half a metre behind or before one at the start.
    #[serde(default)]
    pub actors: Vec<ActorSpec>,
    /// The ego's camera. Drivers that learned with another one skip the file.
    #[serde(default)]
    pub camera: CameraSettings,
    /// Sensor faults and when they act; later ones act on what earlier ones left.
    #[serde(default)]
    pub perturbations: Vec<Perturbation>,
    /// A recorded change of the frames, on top of all perturbations: the name of a file in the scenario's folder.
    #[serde(default)]
    pub recorded: Option<Recorded>,
    /// Bounds that the drive must keep, whoever drives.
    #[serde(default)]
    pub expect: Expect,
    /// Bounds in place of those for classes of drivers.
    #[serde(default, skip_serializing_if = "ExpectBy::is_empty")]
    pub expect_by: ExpectBy,
}

impl Scenario {
    /// The bounds that a driver of this class must keep; `None` is one of no class, who looks through no camera. What an attack
    /// found is held against all of them alike.
    #[must_use]
    pub fn bounds(&self, class: Option<DriverClass>) -> &Expect {
        let own = class.filter(|_| self.expect.golden_holds).and_then(|class| self.expect_by.class(class));
        own.unwrap_or(&self.expect)
    }

    /// Whether something goes wrong in this drive, and all of it is the camera's: whoever looks at no frame drives it as if
    /// nothing were wrong.
    #[must_use]
    pub fn faults_are_the_cameras(&self) -> bool {
        let faulty = self.recorded.is_some() || !self.perturbations.is_empty();
        faulty && self.perturbations.iter().all(|perturbation| perturbation.fault.changes_the_frame())
    }
}

/// Where the road comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum RoadSpec {
    /// One straight, with 1 m of paved strip outside the outer lanes and no kerb.
    Straight {
        /// Its length.
        #[serde(deserialize_with = "range::length_m")]
        length_m: f32,
        /// Lanes in the ego's direction; lane 0 is the rightmost.
        #[serde(default = "one_lane", deserialize_with = "range::lanes")]
        lanes: u8,
        /// Lanes against it; lane -1 is the one beside the middle.
        #[serde(default = "one_lane", deserialize_with = "range::oncoming_lanes")]
        oncoming_lanes: u8,
        /// Width of each lane.
        #[serde(default = "lane_width_m", deserialize_with = "range::lane_width_m")]
        lane_width_m: f32,
        /// Speed limit, of the whole road.
        #[serde(default = "speed_limit_mps", deserialize_with = "range::speed_limit_mps")]
        speed_limit_mps: f32,
    },
    /// Listed segments, one after the other. No bend may be tighter than the paved width to its broader side and 4 m more, and the
    /// road may not run into itself.
    Segments {
        /// Straights, arcs and clothoids, from the road's start.
        segments: Vec<Segment>,
        /// Sine waves of height, which add up; the steepest slopes of all together may be 0.35 at most.
        #[serde(default)]
        hills: Vec<Hill>,
        /// Lanes in the ego's direction; lane 0 is the rightmost.
        #[serde(default = "one_lane", deserialize_with = "range::lanes")]
        lanes: u8,
        /// Lanes against it; lane -1 is the one beside the middle.
        #[serde(default = "one_lane", deserialize_with = "range::oncoming_lanes")]
        oncoming_lanes: u8,
        /// Width of each lane.
        #[serde(default = "lane_width_m", deserialize_with = "range::lane_width_m")]
        lane_width_m: f32,
        /// Paved strip outside the outer lanes.
        #[serde(default = "shoulder_m", deserialize_with = "range::shoulder_m")]
        shoulder_m: f32,
        /// Whether a kerb closes the paved strip.
        #[serde(default)]
        kerb: bool,
        /// Speed limit, of the whole road.
        #[serde(default = "speed_limit_mps", deserialize_with = "range::speed_limit_mps")]
        speed_limit_mps: f32,
    },
    /// Drawn from a seed: straights, bends, hills, lanes, paint and speed limit.
    Generated {
        /// Its length at least, from 20 to 4600; the last bend is drawn whole.
        #[serde(deserialize_with = "range::length_m")]
        length_m: f32,
        /// Another seed than the scenario's, so that one road can be driven under several.
        #[serde(default)]
        seed: Option<Seed>,
        /// Bounds of the draw.
        #[serde(default)]
        style: RoadStyle,
    },
}

/// A piece of a listed road.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Segment {
    /// No curvature.
    Line {
        /// Its length.
        #[serde(deserialize_with = "range::length_m")]
        length_m: f32,
    },
    /// Constant curvature to one side.
    Arc {
        /// Its length.
        #[serde(deserialize_with = "range::length_m")]
        length_m: f32,
        /// Its radius, to the middle between the ego's and the oncoming lanes.
        #[serde(deserialize_with = "range::radius_m")]
        radius_m: f32,
        /// Where it turns to.
        to: Side,
    },
    /// Curvature that grows or falls linearly, from the segment before it to the one behind it: no two may follow each other.
    Clothoid {
        /// Its length.
        #[serde(deserialize_with = "range::length_m")]
        length_m: f32,
    },
}

/// Left or right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    /// Anticlockwise.
    Left,
    /// Clockwise.
    Right,
}

/// One sine wave of the road's height.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hill {
    /// Height of the crests over the mean, half of what is between crest and trough.
    #[serde(deserialize_with = "range::amplitude_m")]
    pub amplitude_m: f32,
    /// Distance from crest to crest.
    #[serde(deserialize_with = "range::wavelength_m")]
    pub wavelength_m: f32,
}

/// Where and how the ego starts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgoStart {
    /// Its lane.
    #[serde(default)]
    pub lane: LaneId,
    /// The place of its middle along the road, from the road's start. The route ends 5 m before the road does, and must be 1 m long at
    /// least.
    #[serde(default = "ego_s_m", deserialize_with = "range::s_m")]
    pub s_m: f32,
    /// Its speed.
    #[serde(default, deserialize_with = "range::speed_mps")]
    pub speed_mps: f32,
    /// Offset of its middle from the lane's centre, positive to the left.
    #[serde(default, deserialize_with = "range::offset_m")]
    pub offset_m: f32,
    /// Heading against the lane, positive to the left.
    #[serde(default, deserialize_with = "range::heading_deg")]
    pub heading_deg: f32,
    /// The car itself.
    #[serde(default)]
    pub vehicle: VehicleSettings,
}

impl Default for EgoStart {
    fn default() -> Self {
        Self {
            lane: LaneId::default(),
            s_m: ego_s_m(),
            speed_mps: 0.0,
            offset_m: 0.0,
            heading_deg: 0.0,
            vehicle: VehicleSettings::default(),
        }
    }
}

fn format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let value = u32::deserialize(deserializer)?;
    if value == FORMAT {
        Ok(value)
    } else {
        Err(D::Error::custom(format!("format = {value}, this version reads format {FORMAT}")))
    }
}

fn decision_hz() -> f32 {
    10.0
}
fn substeps() -> u8 {
    4
}
fn one_lane() -> u8 {
    1
}
fn lane_width_m() -> f32 {
    3.5
}
fn shoulder_m() -> f32 {
    1.0
}
fn speed_limit_mps() -> f32 {
    50.0 / 3.6
}
fn ego_s_m() -> f32 {
    5.0
}
