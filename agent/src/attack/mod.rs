//! Attacks on the driver's decisions: what a frame leads to as a function of its pixels, what an attack wants of it, whole drives
//! under attack, and the scenarios that are left of those that broke a driver.
//!
//! The slopes of a decision over the pixels come in three pieces: the policy's over its features by autodiff, the
//! features' over the network's outputs by small differences, since they are a few products and Kalman filters, and the
//! outputs' over the pixels by autodiff again. What the car gets is rounded to bytes within the budget, and only that
//! counts.
//!
//! Of drivers that have no slopes, or are to be taken as if they had none, only whole drives are asked for.

pub mod end_to_end;

pub mod goal;

pub mod method;

pub mod spending;

pub mod undisturbed;

pub mod drive;

pub mod black_box;

pub mod search;

pub mod found;
