//! One world: its components, and the order of a decision.

pub(crate) mod schedule;
