//! Whom a car may meet, as far as it needs to know them.

/// What a car needs to know of whom it may meet: the others and the ego.
#[derive(Clone, Copy, Debug)]
pub(super) struct Neighbour {
    pub s_m: f32,
    pub d_m: f32,
    pub half_length_m: f32,
    pub half_width_m: f32,
    /// Speed along the reference line, negative for oncoming cars.
    pub along_mps: f32,
    /// The offset it moves to, or where it is.
    pub towards_d_m: f32,
}
