//! The policy: a small network over what memory tells it, and what its numbers mean.

mod heads;

mod network;

pub use heads::{HeadsAre, OUTPUTS, QValues, q_gradient};
pub use network::{PolicySettings, QNetwork};

pub(crate) use heads::{ACCELERATION_HEADS, STEER_HEADS};
pub(crate) use network::{VARIANCE_FLOOR, numbers};
