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
//! | learned, driving score | 93.9 | 94.6 | 97.8 | 95.4 ± 2.1 |
//! | learned, route completion | 97.1 % | 97.7 % | 100.0 % | 98.3 ± 1.5 % |
//! | blind (the same, camera black), driving score | 12.7 | 10.9 | 6.9 | 10.1 ± 3.0 |
//! | random, driving score | 5.7 | 5.7 | 5.7 | 5.7 |
//! | scripted (ground truth), driving score | 97.6 | 97.6 | 97.6 | 97.6 |
//! | learned, hits cars per km | 0.08 | 0.12 | 0.00 | 0.07 ± 0.06 |
//!
//! | perception on 4000 frames of validation roads, mean absolute error | seed 1 | seed 2 | seed 3 |
//! |---|---|---|---|
//! | lane offset | 0.074 m | 0.078 m | 0.076 m |
//! | heading | 0.0134 rad | 0.0132 rad | 0.0133 rad |
//! | curvature ahead | 0.0014 1/m | 0.0013 1/m | 0.0013 1/m |
//! | gap ahead, below 60 m | 3.4 m | 3.1 m | 3.3 m |
//! | gap ahead, below 30 m | 1.8 m | 1.8 m | 2.0 m |
//! | mean `IoU` (road 0.95, marking 0.79, vehicle 0.61 for seed 1) | 0.837 | 0.838 | 0.832 |
//!
//! A run took 243 to 292 s (collect 22 to 25, perceive 109 to 151, learn 96 to 117, evaluate 12 to 20) and 1.2 GB of memory.
//! All six drives of the learned driver that did not arrive, of 180, ended in a collision.
//!
//! These 60 roads were looked at while the budgets were shortened from nine minutes to five. So the same three drivers were
//! driven once more, after everything was settled, on 100 held-out roads that nobody had seen
//! (`roadproof evaluate --driver RUN --seed 1 --roads 100`):
//!
//! | driver | seed 1 | seed 2 | seed 3 | over seeds |
//! |---|---|---|---|---|
//! | learned, driving score | 90.3 | 92.4 | 97.4 | 93.4 ± 3.7 |
//! | learned, route completion | 93.9 % | 95.2 % | 99.8 % | 96.3 ± 3.1 % |
//! | blind, driving score | 12.4 | 10.1 | 8.4 | 10.3 ± 2.0 |
//! | scripted, driving score | 97.4 | 97.4 | 97.4 | 97.4 |

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
