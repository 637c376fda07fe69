//! The report for people.

mod chart;

mod figures;

mod faults;

mod attacks;

mod sections;

pub(super) mod html;

pub(super) mod summary;
