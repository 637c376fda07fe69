//! What the network can be brought to say at most: intervals, and how they go through it.

pub mod interval;

pub mod number;

pub mod network;
