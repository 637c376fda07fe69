//! What came of a drive: ground truth read off, the verdict, the score, and whether the file's expectations were met.

pub mod measures;

pub mod verdict;

pub mod score;

pub mod expectations;
