//! Watching a driver: a window with the world, what the driver sees and thinks, and everything one may ask for; films of it; and
//! bevy's renderer as a second camera.
//!
//! [`drive`] remembers a drive moment by moment and goes on from any of them; it is always built. A session (`window/session.rs`)
//! is that with a place shown, a pace, and drivers and scenarios to choose from, under orders (`window/orders.rs`). Neither knows a
//! window: `window/app.rs` puts a session into a bevy app, on a screen or in memory (`offscreen.rs`, for films and the second
//! camera), with the world and its cameras from `stage/` and the panel. Nothing about a drive changes because somebody looks at it;
//! a test compares traces.
//!
//! The window is behind the feature `watch`, because bevy's renderer doubles a cold build: without it none of its
//! crates is compiled, and `roadproof watch` says how to build it. What it costs to draw stands in
//! `assets/results/window.md`, how far the two renderers agree in `assets/results/renderers.md`.

pub mod drive;

#[cfg(feature = "watch")]
pub mod window;

#[cfg(feature = "watch")]
pub mod stage;

#[cfg(feature = "watch")]
mod offscreen;

#[cfg(feature = "watch")]
pub mod film;

#[cfg(feature = "watch")]
pub mod second_camera;
