//! What a file says of sensor faults: which, when, and how strong.

use crate::clock::Span;
use crate::fault::kind::{FaultKind, Group, Severity};
use crate::range;
use crate::trigger::Trigger;
use serde::{Deserialize, Serialize};

/// A sensor fault over a time span.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Perturbation {
    /// When it acts, in seconds from the start of the drive, or from when its trigger fires.
    pub during_s: Span,
    /// What it waits for; `EgoWithin` means the gap from bumper to bumper to the next car in the ego's path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Trigger>,
    /// The fault.
    pub fault: Fault,
}

/// Something that goes wrong between the lens and the driver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Fault {
    /// Gaussian noise on every channel.
    Noise {
        /// Standard deviation in grey levels, of which there are 256.
        #[serde(deserialize_with = "range::sigma")]
        sigma: f32,
    },
    /// Gaussian blur, edges continued.
    Blur {
        /// Standard deviation in pixels of the frame.
        #[serde(deserialize_with = "range::sigma_px")]
        sigma_px: f32,
    },
    /// Frames are lost: the driver gets black ones.
    Dropped {
        /// Chance of each frame to be lost.
        #[serde(deserialize_with = "range::probability")]
        probability: f32,
    },
    /// The driver gets the last frame it got before the fault again and again.
    Frozen {},
    /// One of the faults that come in five severities.
    Graded {
        /// Which.
        kind: FaultKind,
        /// How strong.
        severity: Severity,
    },
}

impl Fault {
    /// Whether it is the camera's, and nothing else of the car is wrong.
    #[must_use]
    pub fn changes_the_frame(&self) -> bool {
        match self {
            Self::Noise { .. } | Self::Blur { .. } | Self::Dropped { .. } | Self::Frozen {} => true,
            Self::Graded { kind, .. } => kind.group() != Group::Vehicle,
        }
    }
}
