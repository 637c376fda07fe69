//! Files that other programs read: TensorBoard's events, JUnit's reports, pictures and films.

pub mod tensorboard;

pub mod junit;

pub mod pictures;

pub mod contact_sheet;

#[cfg(feature = "watch")]
pub mod film;
#[cfg(feature = "watch")]
pub(crate) mod gif;
#[cfg(feature = "watch")]
pub(crate) mod mp4;
