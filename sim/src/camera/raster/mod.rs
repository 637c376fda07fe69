//! From polygons to the nearest surface of each pixel.

pub(in crate::camera) mod attribute;

pub(in crate::camera) mod fill;
