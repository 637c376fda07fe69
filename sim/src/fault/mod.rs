//! Sensor faults: what goes wrong between the scene and the driver, replayable from the scenario alone.
//!
//! Faults know pixels, depth and time, and no model. What they draw at random comes from the scenario's seed and, for the graded
//! ones, the fault's place in the list, so that the same scenario suffers the same to the bit. What is on the lens or broken in the sensor stays
//! the same for a whole drive; noise, rain and snow differ from frame to frame.
//!
//! Each graded fault has a random stream of its own: what stays is drawn again from the same start in each frame or
//! kept, what moves goes on. What the car itself measures comes out as
//! [`Observations::sensed`](crate::Observations::sensed), ground truth with the faults of the car's own sensors and its map; drivers
//! read that, rewards and scores the truth.
//!
//! What each costs, and how far the 19 corruptions agree with another implementation (`tests/referee/corruptions.py`,
//! which runs by hand where that is installed, never in the gate), stands in `assets/results/faults.md`.

mod car;
mod filter;
mod frame;
mod kind;
mod memory;
mod perturbation;
mod recorded;
mod state;

pub use frame::FrameFault;
pub(crate) use kind::did_you_mean;
pub use kind::{FaultKind, Group, Severity};
pub use perturbation::{Fault, Perturbation};
pub use recorded::{Recorded, RecordedError, Recording};
pub(crate) use state::FaultState;
