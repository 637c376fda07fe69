//! What can be wrong with a scenario whose text is one.

use crate::class::Class;
use crate::road::RoadError;

/// Parts of a scenario that contradict each other.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CheckError {
    /// The road cannot be built.
    #[error("the road cannot be built: {cause}")]
    Road {
        /// Why not.
        cause: RoadError,
    },
    /// A lane that the road does not have.
    #[error("{who} is in lane {lane}, the road has lanes {first} to {last}")]
    NoSuchLane {
        /// Whose lane it is.
        who: String,
        /// The lane asked for.
        lane: i8,
        /// Lowest lane number.
        first: i8,
        /// Highest lane number.
        last: i8,
    },
    /// A place beyond the road.
    #[error("{who} starts at s = {s_m} m, the road is {length_m:.1} m long")]
    BeyondRoad {
        /// Who starts there.
        who: String,
        /// The place asked for.
        s_m: f32,
        /// The road's length.
        length_m: f32,
    },
    /// An ego with nothing to drive.
    #[error(
        "the ego starts at s = {s_m} m, its route ends {margin_m} m before the road does, at s = {end_m} m, and must be at least \
         {least_m} m long"
    )]
    NoRoute {
        /// Where it starts.
        s_m: f32,
        /// Where the route ends.
        end_m: f32,
        /// How far the road goes on.
        margin_m: f32,
        /// The shortest route.
        least_m: f32,
    },
    /// An ego in a thing beside the road.
    #[error("the ego overlaps the {class:?} at s = {prop_s_m:.1} m at the start (s = {s_m} m, offset_m = {offset_m})")]
    InProp {
        /// What stands there.
        class: Class,
        /// Where it stands.
        prop_s_m: f32,
        /// Where the ego starts.
        s_m: f32,
        /// The ego's offset from its lane's centre.
        offset_m: f32,
    },
    /// Two cars in one place.
    #[error("{first} and {second} overlap at the start (s = {first_s_m} m and {second_s_m} m in lane {lane})")]
    Overlap {
        /// One car.
        first: String,
        /// The other.
        second: String,
        /// Where the one starts.
        first_s_m: f32,
        /// Where the other starts.
        second_s_m: f32,
        /// Their lane.
        lane: i8,
    },
    /// Two cars of one name.
    #[error("two actors are named {name:?}")]
    SameName {
        /// The name.
        name: String,
    },
    /// A clothoid needs something to lead to.
    #[error("segment {segment} is a clothoid between two clothoids: its curvature is not known")]
    Clothoid {
        /// Position in the list of segments.
        segment: usize,
    },
    /// A camera too narrow or too wide.
    #[error("camera.{side}_px = {px}, allowed is {min_px} to {max_px}")]
    CameraSide {
        /// Width or height.
        side: &'static str,
        /// Pixels asked for.
        px: u16,
        /// Fewest pixels.
        min_px: u16,
        /// Most pixels.
        max_px: u16,
    },
    /// A camera with more pixels than the frame limit.
    #[error("the camera has {width_px} x {height_px} pixels, allowed are at most {max_pixels} in all")]
    CameraTooLarge {
        /// Width asked for.
        width_px: u16,
        /// Height asked for.
        height_px: u16,
        /// The limit.
        max_pixels: u32,
    },
    /// A camera that is not on the car.
    #[error("camera.mount_m = {mount_m:?}, each number may be -{max_m} to {max_m}")]
    CameraMount {
        /// The mount asked for.
        mount_m: (f32, f32, f32),
        /// The bound.
        max_m: f32,
    },
    /// A physics step in which cars drive through each other.
    #[error(
        "a physics step lasts 1 / (decision_hz x substeps) = 1 / ({decision_hz} x {substeps}) s, \
         allowed are at most {max_s} s"
    )]
    LongStep {
        /// Decisions per second.
        decision_hz: f32,
        /// Physics steps per decision.
        substeps: u8,
        /// The limit.
        max_s: f32,
    },
    /// A vehicle that cannot be built.
    #[error("ego vehicle: {0}")]
    Vehicle(String),
    /// Bounds of one class of drivers that speak of the golden trace.
    #[error(
        "expect_by.{class}.golden_holds = false, allowed is in `expect` alone: the trace is of one drive, whoever replays it"
    )]
    GoldenOfClass {
        /// The class, as the file spells it.
        class: &'static str,
    },
    /// A recorded perturbation of other frames than the camera's.
    #[error(
        "the recorded perturbation {file:?} is of {} x {} pixels, the scenario's camera of {} x {}",
        recorded_px.0, recorded_px.1, camera_px.0, camera_px.1
    )]
    RecordedSize {
        /// The recorded perturbation's file.
        file: String,
        /// Width and height of its frames.
        recorded_px: (u16, u16),
        /// Width and height of the camera's.
        camera_px: (u16, u16),
    },
    /// A recorded perturbation that is a name only.
    #[error("the recorded perturbation {file:?} has not been read")]
    RecordedUnread {
        /// The recorded perturbation's file.
        file: String,
    },
}

impl CheckError {
    /// The segment of a listed road that it is about, if it is about one.
    pub(super) fn segment(&self) -> Option<usize> {
        match self {
            Self::Clothoid { segment } | Self::Road { cause: RoadError::TooTight { segment, .. } } => Some(*segment),
            _ => None,
        }
    }
}

impl From<RoadError> for CheckError {
    fn from(cause: RoadError) -> Self {
        Self::Road { cause }
    }
}
