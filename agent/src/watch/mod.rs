//! Watching a driver: a window with the world, what the driver sees and thinks, and everything one may ask for; films of it; and
//! bevy's renderer as a second camera.
//!
//! [`crate::watched_drive`] remembers a drive moment by moment and goes on from any of them; [`session`] is that with a place shown,
//! a pace, and drivers and scenarios to choose from, under [`orders`]. Neither knows a window: [`theatre`] puts a session into a bevy
//! app, on a screen or in memory (`offscreen.rs`, for [`film`]s and the [`second_camera`]), with the world from [`stage`], cameras
//! from [`rig`] and the [`panel`]. Nothing about a drive changes because somebody looks at it; a test compares traces.

pub mod agreement;
pub mod display;
pub mod film;
mod gif;
mod mp4;
mod offscreen;
pub mod orders;
pub mod overlay;
pub mod panel;
pub mod rig;
pub mod second_camera;
pub mod second_view;
pub mod session;
pub mod stage;
pub mod theatre;
