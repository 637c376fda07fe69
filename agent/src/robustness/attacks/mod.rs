//! Attacks on drives and on single decisions, and whether to believe them.

pub(super) mod attacked;

pub(super) mod run;

pub(super) mod strength;

pub(super) mod deepen;

pub(super) mod closed_loop;

pub(super) mod curve;

pub(super) mod examples;

pub(super) mod decisions;

pub(super) mod sample;

pub(super) mod turned;

pub(super) mod substitute;

pub(super) mod planted;

pub(super) mod slopes;

pub(super) mod hidden;

pub(super) mod examine;

pub(super) mod checklist;

pub(super) mod certified;

#[cfg(test)]
mod deceptive;
