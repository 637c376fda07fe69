//! The eye of Roadproof: pixels in, percept out. It knows no world, no scenario and no reward; labels come as plain
//! numbers from whoever painted the pixels.
//!
//! # Example
//! ```
//! use roadproof_perception::{Dataset, PerceptLabel, PerceptionSettings, Trainer, TrainingSettings};
//!
//! let settings = PerceptionSettings { width: 32, height: 16, ..PerceptionSettings::default() };
//! let mut dataset = Dataset::new(settings.width, settings.height);
//! let asphalt = vec![90; settings.frame_bytes()];
//! let classes = vec![2; settings.width * settings.height];
//! dataset.push(&asphalt, &classes, PerceptLabel { lane_offset_m: 0.4, ..PerceptLabel::default() })?;
//!
//! let mut trainer = Trainer::new(settings, TrainingSettings { batch: 8, ..TrainingSettings::default() }, 41)?;
//! for _ in 0..50 {
//!     trainer.train_batch(&dataset, 1e-2);
//! }
//! let percept = trainer.perception().see(&asphalt)[0];
//! assert!((percept.lane_offset_m - 0.4).abs() < 0.2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// What is learned: from labelled frames to percepts.
mod percept;

mod classes;

mod data;

// The way of a frame: bytes to patches, through the network, to what its outputs mean.
mod network;

mod heads;

mod perception;

#[cfg(test)]
mod synthetic;

pub mod device;

// Learning it, keeping it, measuring it.
mod train;

pub mod weights;

// Breaking it, and what it can be brought to say at most.
pub mod attack;

pub mod proof;

pub use classes::{CELL_PX, CLASS_NAMES, CLASSES, SegmentClass, cell_class};
pub use data::dataset::{Dataset, DatasetError};
pub use heads::output::{OUTPUTS, Output};
pub use heads::percept;
pub use network::{PerceptionSettings, ShapeError};
pub use percept::{GAP_MAX_M, Percept, PerceptLabel};
pub use perception::Perception;
pub use train::hard::{AdversarialLoss, HardBatch, loss_under_attack};
pub use train::metrics::{PerceptionReport, report};
pub use train::{PutFault, TrainLoss, Trainer, TrainerState, TrainingSettings};
pub use weights::WeightsError;
