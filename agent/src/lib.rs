//! The driver of Roadproof: environment, learning, evaluation and the command line.
//!
//! This crate joins the simulator and perception; neither of them knows of it or of the other.
//!
//! # The driver it makes
//!
//! `roadproof train --seed N` under the default settings, on two cores without a GPU; 60 held-out roads with traffic each,
//! the same for every seed. Driving score (0 to 100) and route completion are means over roads; the last column is mean and
//! standard deviation over the three training seeds.
//!
//! | driver | seed 1 | seed 2 | seed 3 | over seeds |
//! |---|---|---|---|---|
//! | learned, driving score | 97.7 | 97.5 | 97.8 | 97.7 ± 0.2 |
//! | learned, route completion | 100.0 % | 100.0 % | 100.0 % | 100.0 ± 0.0 % |
//! | blind (the same, camera black), driving score | 12.2 | 11.8 | 3.5 | 9.2 ± 4.9 |
//! | random, driving score | 5.7 | 5.7 | 5.7 | 5.7 |
//! | scripted (ground truth), driving score | 97.6 | 97.6 | 97.6 | 97.6 |
//! | learned, hits cars per km | 0.00 | 0.00 | 0.00 | 0.00 ± 0.00 |
//!
//! | perception on 4000 frames of validation roads, mean absolute error | seed 1 | seed 2 | seed 3 |
//! |---|---|---|---|
//! | lane offset | 0.076 m | 0.076 m | 0.077 m |
//! | heading | 0.0136 rad | 0.0134 rad | 0.0134 rad |
//! | curvature ahead | 0.0013 1/m | 0.0013 1/m | 0.0013 1/m |
//! | gap ahead, below 60 m | 3.4 m | 3.3 m | 3.3 m |
//! | gap ahead, below 30 m | 1.8 m | 2.0 m | 2.0 m |
//! | mean `IoU` (road 0.95, marking 0.79, vehicle 0.61 for seed 1) | 0.838 | 0.833 | 0.834 |
//!
//! A run took 408 s with the machine to itself (collect 21, perceive 219, learn 158, evaluate 10), 472 and 514 s beside other
//! work, and 1.2 GB of memory. No clock has a say in it: the work is the same wherever it runs.
//!
//! These 60 roads were looked at while the training was laid out. So the same three drivers were driven once more, after
//! everything was settled, on 100 other held-out roads (`roadproof evaluate --driver RUN --seed 1 --roads 100`):
//!
//! | driver | seed 1 | seed 2 | seed 3 | over seeds |
//! |---|---|---|---|---|
//! | learned, driving score | 96.4 | 96.3 | 97.6 | 96.8 ± 0.7 |
//! | learned, route completion | 99.1 % | 99.6 % | 100.0 % | 99.6 ± 0.5 % |
//! | learned, arrived | 98 of 100 | 98 of 100 | 100 of 100 | |
//! | blind, driving score | 11.6 | 11.4 | 3.5 | 8.8 ± 4.6 |
//! | scripted, driving score | 97.4 | 97.4 | 97.4 | 97.4 |
//!
//! Seeds used to differ: after 150 updates of learning instead of 250, seed 3 had a driving score of 90.7 on 200 validation
//! roads (`--split validation --roads 200`), the other two 96.5 and 98.0; after 250 the three have 97.4, 97.1 and 97.7.
//!
//! What makes a driver hold under sensor faults and attacks, with figures of nominal and hardened drivers side by side, stands in
//! [`harden`].

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
