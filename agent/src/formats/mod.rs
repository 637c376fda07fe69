//! Files: RON that people write, and what other programs read, such as TensorBoard's events, JUnit's reports, pictures and films.

pub mod parts;
pub mod ron_file;

pub mod event_file;
pub mod tensorboard;

pub(crate) mod html;

pub mod junit;

pub mod pictures;

pub mod contact_sheet;

#[cfg(feature = "watch")]
pub mod film;
#[cfg(feature = "watch")]
pub(crate) mod gif;
#[cfg(feature = "watch")]
pub(crate) mod mp4;
