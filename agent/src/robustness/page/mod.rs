//! The report for people.

mod chart;

mod markup;

mod figures;

mod faults;

mod attacks;

mod sections;

pub(super) mod html;

pub(super) mod summary;
