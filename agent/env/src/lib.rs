//! The driving task of Roadproof without a network: many drives on roads by number, what a driver can do, what it is rewarded for,
//! and how one drives who knows the truth. It knows the simulator and nothing else; whoever learns, in this program or outside of it, stands on this crate.

pub mod action;

pub mod reward;

pub mod faults;

pub mod roads;

pub mod vector;

pub mod scripted;

pub use action::Action;
pub use reward::RewardSettings;
pub use roads::{HardRoads, Roads};
pub use scripted::{scripted_controls, scripted_controls_beside, scripted_intent};
pub use vector::VectorEnv;
