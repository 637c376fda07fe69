//! What is drawn, before it is on the screen and after: the look of a polygon, and the surface that is left to be shaded.

use crate::class::Class;

/// How a surface is coloured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Material {
    /// Asphalt with paint; attributes are `(s, d)`.
    Road,
    /// Grass; attributes are `(s, d)`.
    Terrain,
    /// One colour.
    Plain,
    /// A wall with windows; attributes are metres along and up.
    Wall,
    /// The end of a car: lamps in its corners; attributes are `-1..=1` across and `0..=1` up.
    CarEnd {
        /// Colour of the lamps.
        lamp: [f32; 3],
    },
    /// The side of a car: a band of windows; attributes are metres along and `0..=1` up.
    CarSide,
}

/// A surface to be shaded, with its attributes as linear functions of the pixel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surface {
    pub material: Material,
    pub class: Class,
    pub instance: u16,
    /// Colour under the scene's light, no channel above 255, haze not yet applied.
    pub lit: [f32; 3],
    pub brightness: f32,
    /// Gradients over the pixel: `1/z`, and two attributes over `z`, as `(x, y, at the first pixel)`.
    pub inverse_depth: [f32; 3],
    pub first_over_depth: [f32; 3],
    pub second_over_depth: [f32; 3],
}

/// What a polygon looks like, apart from where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub material: Material,
    pub class: Class,
    pub instance: u16,
    pub colour: [f32; 3],
    pub brightness: f32,
}
