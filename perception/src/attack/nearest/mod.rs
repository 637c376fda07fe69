//! Attacks that look for the nearest frame of another class.

pub(super) mod minimum_norm;

pub(super) mod carlini_wagner;

pub(super) mod deepfool;

pub(super) mod fab;
