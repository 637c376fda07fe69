//! The driver of Roadproof: environment, learning, evaluation and the command line.
//!
//! This crate joins the simulator and perception; neither of them knows of it or of the other.
//!
//! How the drivers that it makes drive stands in `assets/results/nominal.md` and `assets/results/hardened.md`, each
//! table with its command.

// A `println!` panics where its reader has left: what is said goes through `host::console`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

// The main job, and the stages it is made of.
pub mod train;

pub mod learn;

pub mod harden;

// Who drives, and what a driver is made of.
pub mod driver;

pub mod policy;

pub mod memory;

// Whole drives.
pub mod drive;

pub mod about;

// What breaks a driver, what that leaves of its driving, and what cannot break it.
pub mod attack;

pub mod robustness;

pub mod proof;

// Looking at it.
pub mod watch;

// The command line, and what it stands on.
pub mod commands;

pub mod formats;

pub mod host;
