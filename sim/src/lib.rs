//! The world of Roadproof: roads, cars, physics, camera, sensor faults, verdicts and traces.
//!
//! A [`Scenario`] goes in; frames, labels, [`Measures`], a [`Verdict`] and a [`Trace`] come out. This crate knows no
//! network and no reward.
//!
//! World frame: x and y in the ground plane, z up, right-handed, metres. Car frame: x forward, y left, z up (ISO 8855).
//! Angles are radians, anticlockwise seen from above.

pub mod seed;

pub mod road;

pub mod scenario;

pub mod vehicle;

pub mod traffic;

pub mod scene;

pub mod camera;

pub mod fault;

pub mod measure;

pub mod judge;

pub mod score;

pub mod trace;

pub mod expect;

mod crew;

pub mod fleet;

pub mod episode;

pub mod math;
mod physics;
mod schedule;
pub mod text;

pub use camera::CameraSettings;
pub use episode::Episode;
pub use expect::Judgement;
pub use fleet::{Fleet, FleetError, Observations};
pub use judge::{Outcome, Verdict};
pub use measure::Measures;
pub use scenario::{DriveStyle, ReadError, Scenario, generate_drive, parse, read};
pub use scene::Class;
pub use score::Score;
pub use seed::{Purpose, Seed, Split};
pub use trace::Trace;
pub use vehicle::Controls;
