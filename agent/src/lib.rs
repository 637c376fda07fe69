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
//! | learned, driving score | 97.8 | 98.0 | 94.5 | 96.8 ± 2.0 |
//! | learned, route completion | 100.0 % | 100.0 % | 98.2 % | 99.4 ± 1.0 % |
//! | blind (the same, camera black), driving score | 3.0 | 7.9 | 7.8 | 6.2 ± 2.8 |
//! | random, driving score | 5.7 | 5.7 | 5.7 | 5.7 |
//! | scripted (ground truth), driving score | 97.6 | 97.6 | 97.6 | 97.6 |
//! | learned, hits cars per km | 0.00 | 0.00 | 0.12 | 0.04 ± 0.07 |
//!
//! | perception on 4000 frames of validation roads, mean absolute error | seed 1 | seed 2 | seed 3 |
//! |---|---|---|---|
//! | lane offset | 0.075 m | 0.078 m | 0.078 m |
//! | heading | 0.0137 rad | 0.0136 rad | 0.0134 rad |
//! | curvature ahead | 0.0014 1/m | 0.0013 1/m | 0.0013 1/m |
//! | gap ahead, below 60 m | 3.6 m | 3.2 m | 3.3 m |
//! | gap ahead, below 30 m | 1.8 m | 1.9 m | 2.0 m |
//! | mean `IoU` (road 0.95, marking 0.79, vehicle 0.61 for seed 1) | 0.838 | 0.834 | 0.832 |
//!
//! A run took 342 to 409 s while the machine was about half as fast as it can be (collect 23 to 31, perceive 214 to 240, learn
//! 95 to 124, evaluate 10 to 17) and 1.2 GB of memory. The three runs were given `--minutes 20`, so that the clock had no say
//! in them. The three drives of the learned driver that did not arrive, of 180, ended in a collision.
//!
//! These 60 roads were looked at while the training was laid out. So the same three drivers were driven once more, after
//! everything was settled, on 100 other held-out roads (`roadproof evaluate --driver RUN --seed 1 --roads 100`):
//!
//! | driver | seed 1 | seed 2 | seed 3 | over seeds |
//! |---|---|---|---|---|
//! | learned, driving score | 97.2 | 97.0 | 88.9 | 94.4 ± 4.7 |
//! | learned, route completion | 99.8 % | 99.3 % | 92.6 % | 97.2 ± 4.0 % |
//! | blind, driving score | 2.9 | 8.6 | 6.7 | 6.1 ± 2.9 |
//! | scripted, driving score | 97.4 | 97.4 | 97.4 | 97.4 |
//!
//! Seed 3 is the weakest of the three and hits 0.27 cars per km there: how much seeds differ is what to improve next.

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

pub mod contact_sheet;
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
