//! Attacks on the driver's decisions: what a frame leads to as a function of its pixels, what an attack wants of it, whole drives
//! under attack, and the scenarios that are left of those that broke a driver.

pub mod end_to_end;

pub mod goal;

pub mod method;

pub mod drive;

pub mod search;

pub mod found;
