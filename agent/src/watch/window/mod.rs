//! The window: a session under orders, in a bevy app on a screen or in memory, with a panel of buttons, lists and curves.

pub mod session;

pub mod orders;

pub mod overlay;

pub mod panel;

pub mod display;

pub mod app;

mod physics_lines;
