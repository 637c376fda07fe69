//! Learning a policy: algorithms, each in a file of its own, and the environment that they learn in. Whoever runs them keeps the
//! clock, saves what was learnt, and tells how it goes.

mod clip;
pub mod environment;
pub mod pqn;
mod returns;

pub use pqn::{Pqn, PqnSettings};
