//! Faults of the frame, by what they act on: the picture as a whole, its geometry, the lens, the sensor, its timing, the weather.

pub(in crate::fault) mod corruption;

pub(in crate::fault) mod geometry;

mod jpeg;

pub(in crate::fault) mod lens;

pub(in crate::fault) mod sensor;

pub(in crate::fault) mod timing;

pub(in crate::fault) mod weather;
