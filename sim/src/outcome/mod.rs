//! What came of a drive: ground truth read off, the verdict, the score, the comfort, and whether the file's expectations were met.
//!
//! Metrics measure here; rewards, which weigh, are the task's business and not the simulator's.

pub mod measures;

pub mod verdict;

pub mod score;

pub mod comfort;

pub mod expectations;
