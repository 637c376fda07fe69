//! What a file says of another car: its build, where it starts, how it follows others, and what it does apart from that.

use crate::range::{self, option};
use crate::road::LaneId;
use crate::trigger::Trigger;
use serde::{Deserialize, Serialize};

/// Another car.
///
/// Where two other cars touch, they crash: both have one speed from then on, slide to a stand, and their scripts are over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActorSpec {
    /// Its name in messages; no other may have the same.
    pub name: String,
    /// Its build and size.
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
    /// Paint, red, green and blue; drawn from the seed if left out.
    #[serde(default)]
    pub colour: Option<(u8, u8, u8)>,
    /// What it does apart from following its lane.
    #[serde(default)]
    pub script: Vec<Manoeuvre>,
}

/// Build of another car.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ActorKind {
    /// 4.4 m long, 1.8 m wide, 1.5 m high.
    #[default]
    Car,
    /// 5.2 m long, 2.0 m wide, 2.2 m high.
    Van,
    /// 8.5 m long, 2.4 m wide, 3.2 m high.
    Truck,
}

impl ActorKind {
    /// Length, width and height.
    #[must_use]
    pub fn size_m(self) -> (f32, f32, f32) {
        match self {
            Self::Car => (4.4, 1.8, 1.5),
            Self::Van => (5.2, 2.0, 2.2),
            Self::Truck => (8.5, 2.4, 3.2),
        }
    }
}

/// Where another car starts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActorStart {
    /// Its lane.
    pub lane: LaneId,
    /// The place of its middle along the road, from the road's start, whichever way its lane runs.
    #[serde(deserialize_with = "range::s_m")]
    pub s_m: f32,
    /// Its speed, in the direction of its lane.
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
    /// Time gap kept to the car ahead, besides `min_gap_m`.
    #[serde(deserialize_with = "range::time_headway_s")]
    pub time_headway_s: f32,
    /// Greatest acceleration.
    #[serde(deserialize_with = "range::accel_mps2")]
    pub accel_mps2: f32,
    /// Comfortable braking; in an emergency it brakes with up to 8.
    #[serde(deserialize_with = "range::decel_mps2")]
    pub decel_mps2: f32,
    /// Gap kept at standstill, from bumper to bumper.
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
pub enum Manoeuvre {
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
        /// How long it stands before it drives on; for ever if left out.
        #[serde(default, deserialize_with = "option::hold_s")]
        hold_s: Option<f32>,
    },
}

impl Manoeuvre {
    /// When it begins.
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
