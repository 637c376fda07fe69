//! The world of Roadproof: roads, cars, physics, camera, sensor faults, verdicts and traces.
//!
//! A [`Scenario`] goes in; frames, labels, [`Measures`], a [`Verdict`] and a [`Trace`] come out. This crate knows no
//! network and no reward.
//!
//! World frame: x and y in the ground plane, z up, right-handed, metres. Car frame: x forward, y left, z up (ISO 8855).
//! Angles are radians, anticlockwise seen from above.
//!
//! What it hands out are flat buffers and plain structs: whoever sees or learns takes slices of them, so that no crate
//! of shared types is needed.

// The ground that everything stands on.
pub mod seed;

pub mod math;

pub mod clock;

pub mod trigger;

pub mod class;

pub(crate) mod range;

pub mod text;

pub mod mistake;

// The parts of a world.
pub mod road;

pub mod vehicle;

pub mod traffic;

pub mod scene;

pub mod camera;

pub mod fault;

mod physics;

pub mod outcome;

// A file that says how they are put together, and the worlds made of it.
pub mod scenario;

mod world;

pub mod trace;

pub mod fleet;

pub mod episode;

pub use camera::CameraSettings;
pub use class::Class;
pub use clock::Clock;
pub use episode::Episode;
pub use fleet::{Fleet, FleetError, Observations};
pub use outcome::comfort::Comfort;
pub use outcome::expectations::{DriverClass, Judgement};
pub use outcome::measures::Measures;
pub use outcome::score::Score;
pub use outcome::verdict::{Outcome, Verdict};
pub use physics::{ContextBundle, PhysicsShown};
pub use scenario::{Build, BuiltScenario, DriveStyle, ReadError, Scenario, generate_drive, parse, read};
pub use seed::{Purpose, Seed, Split};
pub use trace::Trace;
pub use vehicle::Controls;
