//! The report for people.

mod chart;

pub(super) mod html;

mod sections;

pub(super) mod summary;
