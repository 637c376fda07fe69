//! Sensor faults: what goes wrong between the scene and the driver, replayable from the scenario alone.
//!
//! Faults know pixels, depth and time, and no model. What they draw at random comes from the scenario's seed and, for the graded
//! ones, the fault's place in the list, so that the same scenario suffers the same to the bit. What is on the lens or broken in the sensor stays
//! the same for a whole drive; noise, rain and snow differ from frame to frame.

//!
//! # Cost
//! `roadproof faults` measures it. A frame of 84×84 on one core, worst severity: at most 50 µs, but 51 to 90 µs for pixelate,
//! speckle and impulse noise, low light, elastic transform, camera rotation, saturate, water drops, motion and Gaussian blur,
//! ISO noise, intrinsic drift and condensation; 122 µs for chromatic aberration (two maps of the picture), 173 for glass blur
//! (a blur, a walk over the pixels, a blur), 189 for snow (noise enlarged, then a stroke), 196 for JPEG (its transform both
//! ways), 209 for defocus (a kernel that does not separate) and 1041 for zoom blur (up to sixteen maps). The machine was at
//! the slower of its two paces, about two thirds of the other.
//!
//! # Held against another implementation
//! `tests/referee/corruptions.py` gives the 19 corruptions and those of the Python package imagecorruptions 1.1.2 the same
//! picture of 224×224. Differences in grey levels, the greatest over five severities: of each pixel on average, for what is
//! deterministic, contrast 0.3, brightness 0.3, saturate 0.2, Gaussian blur 0.3, pixelate 0.4, JPEG 1.1, zoom blur 1.4,
//! defocus 1.8 (a smoother edge of the disk); of the mean and the spread of the change, for what is random, Gaussian, speckle,
//! shot and impulse noise 0.2, motion blur 0.1, glass blur 0.5, snow 0.5, fog 2.1 over forty clouds, frost 5.6 (drawn here,
//! photographed there), spatter 12 (edges from a relief here, from an edge detector there), elastic transform 5 but 40 in the
//! first two severities, where the package bends pictures less than ImageNet-C does.

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
