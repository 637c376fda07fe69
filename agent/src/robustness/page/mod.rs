//! The report for people.

mod chart;

mod markup;

pub(super) mod html;

mod sections;

pub(super) mod summary;
