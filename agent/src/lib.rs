//! The driver of Roadproof: environment, learning, evaluation and the command line.
//!
//! This crate joins the simulator and perception; neither of them knows of it or of the other.

pub mod settings;

pub mod train;

pub mod collect;

pub mod perceive;

pub mod environment;

pub mod features;

pub mod lead;

pub mod action;

pub mod reward;

pub mod policy;

pub mod learn;

pub mod drivers;

pub mod evaluate;

pub mod replay;

pub mod bench;

pub mod pictures;

pub mod commands;

pub mod checkpoint;

pub mod run_folder;

pub mod files;

pub mod tensorboard;

pub mod progress;

pub mod interrupt;

pub mod junit;

mod gradients;
mod shipped;
