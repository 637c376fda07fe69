//! Scenarios: the RON schema of one drive, its checks, and drives generated from a seed.
//!
//! Units stand in the field names; unknown fields are refused; `format` names the version of the schema.
//! Times are seconds, and mean decisions: [`crate::clock`] says which.

mod check;
mod generate;
mod read;

pub use check::{CheckError, check_camera};
pub use generate::{DriveStyle, generate_drive};
pub use read::{ReadError, find, parse, read, to_ron};

use crate::camera::CameraSettings;
use crate::clock::Span;
use crate::fault::{Fault, Recorded};
use crate::outcome::verdict::Outcome;
use crate::range::{self, option};
use crate::road::{LaneId, RoadStyle};
use crate::scene::light::Light;
use crate::seed::Seed;
use crate::trigger::Trigger;
use crate::vehicle::VehicleSettings;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// The scenario format this version reads and writes.
pub const FORMAT: u32 = 1;

/// One drive: the world it happens in, who else is there, what the sensors suffer, and what must come of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Version of this schema, [`FORMAT`].
    #[serde(deserialize_with = "format")]
    pub format: u32,
    /// What the drive tests, in a sentence.
    pub title: String,
    /// Where scenery, light, faults and generated roads take their randomness from.
    #[serde(default)]
    pub seed: Seed,
    /// The drive is truncated after this time.
    #[serde(deserialize_with = "range::duration_s")]
    pub duration_s: f32,
    /// Decisions per second.
    #[serde(default = "decision_hz", deserialize_with = "range::decision_hz")]
    pub decision_hz: f32,
    /// Physics steps per decision.
    #[serde(default = "substeps", deserialize_with = "range::substeps")]
    pub substeps: u8,
    /// The road.
    pub road: RoadSpec,
    /// Sun and haze; drawn from the seed if left out.
    #[serde(default)]
    pub light: Option<Light>,
    /// Where the ego starts.
    #[serde(default)]
    pub ego: EgoStart,
    /// Other cars, in the order they are spawned.
    #[serde(default)]
    pub actors: Vec<ActorSpec>,
    /// The ego's camera.
    #[serde(default)]
    pub camera: CameraSettings,
    /// Sensor faults and when they act; later ones act on what earlier ones left.
    #[serde(default)]
    pub perturbations: Vec<Perturbation>,
    /// A recorded change of the frames, on top of all perturbations: the name of a file in the scenario's folder.
    #[serde(default)]
    pub recorded: Option<Recorded>,
    /// Bounds that the drive must keep.
    #[serde(default)]
    pub expect: Expect,
}

/// Where the road comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum RoadSpec {
    /// One straight.
    Straight {
        /// Its length.
        #[serde(deserialize_with = "range::length_m")]
        length_m: f32,
        /// Lanes in the ego's direction.
        #[serde(default = "one_lane", deserialize_with = "range::lanes")]
        lanes: u8,
        /// Lanes against it.
        #[serde(default = "one_lane", deserialize_with = "range::oncoming_lanes")]
        oncoming_lanes: u8,
        /// Width of each lane.
        #[serde(default = "lane_width_m", deserialize_with = "range::lane_width_m")]
        lane_width_m: f32,
        /// Speed limit.
        #[serde(default = "speed_limit_mps", deserialize_with = "range::speed_limit_mps")]
        speed_limit_mps: f32,
    },
    /// Listed segments, one after the other.
    Segments {
        /// Straights, arcs and clothoids.
        segments: Vec<Segment>,
        /// Sine waves of height.
        #[serde(default)]
        hills: Vec<Hill>,
        /// Lanes in the ego's direction.
        #[serde(default = "one_lane", deserialize_with = "range::lanes")]
        lanes: u8,
        /// Lanes against it.
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
        /// Speed limit.
        #[serde(default = "speed_limit_mps", deserialize_with = "range::speed_limit_mps")]
        speed_limit_mps: f32,
    },
    /// Drawn from a seed: the scenario's, or this one.
    Generated {
        /// At least this long.
        #[serde(deserialize_with = "range::length_m")]
        length_m: f32,
        /// Another seed than the scenario's.
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
        /// Its radius.
        #[serde(deserialize_with = "range::radius_m")]
        radius_m: f32,
        /// Where it turns to.
        to: Side,
    },
    /// Curvature that grows or falls linearly, from the last piece's to the next one's.
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
    /// Height of the crest over the mean.
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
    /// Its place along the road.
    #[serde(default = "ego_s_m", deserialize_with = "range::s_m")]
    pub s_m: f32,
    /// Its speed.
    #[serde(default, deserialize_with = "range::speed_mps")]
    pub speed_mps: f32,
    /// Offset from the lane's centre, positive to the left.
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

/// Another car.
///
/// Where two other cars touch, they crash: both have one speed from then on, slide to a stand, and their scripts are over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActorSpec {
    /// Its name in messages.
    pub name: String,
    /// Its build.
    #[serde(default)]
    pub kind: ActorKind,
    /// Where it starts.
    pub start: ActorStart,
    /// The speed it wants to hold; its starting speed if left out.
    #[serde(default, deserialize_with = "option::desired_speed_mps")]
    pub desired_speed_mps: Option<f32>,
    /// How it follows others.
    #[serde(default)]
    pub idm: Idm,
    /// Paint, RGB; drawn from the seed if left out.
    #[serde(default)]
    pub colour: Option<(u8, u8, u8)>,
    /// What it does apart from following its lane.
    #[serde(default)]
    pub script: Vec<Action>,
}

/// Build of another car.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ActorKind {
    /// 4.4 × 1.8 × 1.5 m.
    #[default]
    Car,
    /// 5.2 × 2.0 × 2.2 m.
    Van,
    /// 8.5 × 2.4 × 3.2 m.
    Truck,
}

/// Where another car starts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActorStart {
    /// Its lane.
    pub lane: LaneId,
    /// Its place along the road.
    #[serde(deserialize_with = "range::s_m")]
    pub s_m: f32,
    /// Its speed.
    #[serde(deserialize_with = "range::speed_mps")]
    pub speed_mps: f32,
}

/// Settings of the intelligent driver model.
///
/// # Source
/// Treiber, Hennecke and Helbing 2000, Physical Review E 62, 1805, table I, with the acceleration of a passenger car.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Idm {
    /// Time gap kept to the car ahead.
    #[serde(deserialize_with = "range::time_headway_s")]
    pub time_headway_s: f32,
    /// Greatest acceleration.
    #[serde(deserialize_with = "range::accel_mps2")]
    pub accel_mps2: f32,
    /// Comfortable braking.
    #[serde(deserialize_with = "range::decel_mps2")]
    pub decel_mps2: f32,
    /// Distance kept at standstill.
    #[serde(deserialize_with = "range::min_gap_m")]
    pub min_gap_m: f32,
}

impl Default for Idm {
    fn default() -> Self {
        Self { time_headway_s: 1.5, accel_mps2: 1.4, decel_mps2: 2.0, min_gap_m: 2.0 }
    }
}

/// Something a car does apart from following its lane; each is done once.
///
/// Actions may go on side by side. Of several brakings, those of `Brake` and `Stop` and the car's own for whoever is ahead, the
/// hardest acts. Of two desired speeds or two lane changes that begin in one decision, the later in the file stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Action {
    /// Takes another desired speed; a lower one is reached by braking comfortably.
    SetSpeed {
        /// When.
        when: Trigger,
        /// The new desired speed.
        #[serde(deserialize_with = "range::speed_mps")]
        speed_mps: f32,
    },
    /// Changes lane on a smooth curve; one that breaks off another goes on from its sideways speed.
    ///
    /// A car goes across by half a metre for each metre along at most, so that one that stands does not move, and a slow one takes
    /// longer than it is told. It waits where it is as long as another car is beside it that it would touch, and then begins anew
    /// from there; for the ego it does not wait.
    ChangeLane {
        /// When.
        when: Trigger,
        /// Where to.
        to_lane: LaneId,
        /// How long it takes if nothing holds it up.
        #[serde(deserialize_with = "range::over_s")]
        over_s: f32,
    },
    /// Brakes, whatever is ahead.
    Brake {
        /// When.
        when: Trigger,
        /// How hard.
        #[serde(deserialize_with = "range::decel_mps2")]
        decel_mps2: f32,
        /// For how long.
        #[serde(deserialize_with = "range::for_s")]
        for_s: f32,
    },
    /// Brakes to a stop and stays, for ever unless `hold_s` is given.
    Stop {
        /// When.
        when: Trigger,
        /// How hard.
        #[serde(deserialize_with = "range::decel_mps2")]
        decel_mps2: f32,
        /// How long it stands before it drives on.
        #[serde(default, deserialize_with = "option::hold_s")]
        hold_s: Option<f32>,
    },
}

impl Action {
    /// When the action begins.
    #[must_use]
    pub fn trigger(&self) -> Trigger {
        match *self {
            Self::SetSpeed { when, .. }
            | Self::ChangeLane { when, .. }
            | Self::Brake { when, .. }
            | Self::Stop { when, .. } => when,
        }
    }
}

/// A sensor fault over a time span.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Perturbation {
    /// From and to, in seconds of the drive, or of the time since its trigger.
    pub during_s: Span,
    /// What it waits for; `EgoWithin` means the gap to the car ahead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Trigger>,
    /// The fault.
    pub fault: Fault,
}

/// Bounds of a drive; what is left out is not checked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// How the drive must end.
    pub outcome: Outcome,
    /// Time to collision with what is ahead never falls below this.
    #[serde(deserialize_with = "option::min_ttc_s")]
    pub min_ttc_s: Option<f32>,
    /// The gap to what is ahead never falls below this.
    #[serde(deserialize_with = "option::min_gap_m")]
    pub min_gap_m: Option<f32>,
    /// The ego never is further from the centre of the lane it started in: the lane it was to keep.
    #[serde(deserialize_with = "option::max_lane_offset_m")]
    pub max_lane_offset_m: Option<f32>,
    /// The ego never is further from the centre of whichever lane of its direction is nearest, for drives in which it may change
    /// lane.
    #[serde(deserialize_with = "option::max_nearest_lane_offset_m")]
    pub max_nearest_lane_offset_m: Option<f32>,
    /// The ego never is faster.
    #[serde(deserialize_with = "option::max_speed_mps")]
    pub max_speed_mps: Option<f32>,
    /// The ego never brakes harder.
    #[serde(deserialize_with = "option::max_decel_mps2")]
    pub max_decel_mps2: Option<f32>,
    /// Driving score at the end, 0 to 100.
    #[serde(deserialize_with = "option::min_driving_score")]
    pub min_driving_score: Option<f32>,
    /// Share of the route driven at the end, 0 to 1.
    #[serde(deserialize_with = "option::min_route_completion")]
    pub min_route_completion: Option<f32>,
    /// The route's end is reached by this time.
    #[serde(deserialize_with = "option::arrive_within_s")]
    pub arrive_within_s: Option<f32>,
    /// Whether the drive of the golden trace must keep these bounds too. Not where an attack was recorded: the trace is of a
    /// driver who broke, the bounds are for those who hold.
    pub golden_holds: bool,
}

impl Default for Expect {
    fn default() -> Self {
        Self {
            outcome: Outcome::Arrived,
            min_ttc_s: None,
            min_gap_m: None,
            max_lane_offset_m: None,
            max_nearest_lane_offset_m: None,
            max_speed_mps: None,
            max_decel_mps2: None,
            min_driving_score: None,
            min_route_completion: None,
            arrive_within_s: None,
            golden_holds: true,
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
