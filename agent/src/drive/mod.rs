//! Drives from start to end: held-out roads, scenario files and how many of them are kept, and how many decisions a second the
//! machine makes.

pub mod evaluate;

pub mod result;

pub mod interval;

pub mod table;

pub mod replay;

pub mod library;

pub mod bench;

pub mod rollout;
