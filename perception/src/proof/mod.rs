//! What the network can be brought to say at most: intervals, and how they go through it. How much of that is a proof stands at the top
//! of [`network`].

pub mod interval;

pub mod number;

pub mod network;
