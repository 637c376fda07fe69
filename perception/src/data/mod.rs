//! Labelled frames.

pub(crate) mod dataset;

#[cfg(test)]
pub(crate) mod synthetic;
