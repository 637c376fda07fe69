//! Faults: many drives, one table, and the moments in which they ended.

pub(super) mod matrix;

pub(super) mod moments;
