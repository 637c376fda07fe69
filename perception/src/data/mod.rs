//! Labelled frames.

pub(crate) mod dataset;
