//! What things are: the label of a pixel, and of what was touched.

/// What a pixel or a contact belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[repr(u8)]
pub enum Class {
    /// Nothing: the sky.
    Sky,
    /// Grass and soil.
    Terrain,
    /// Asphalt.
    Road,
    /// Paint on the asphalt.
    Marking,
    /// Kerb stones.
    Kerb,
    /// Houses.
    Building,
    /// Trees.
    Tree,
    /// Traffic signs.
    Sign,
    /// Other cars.
    Vehicle,
}

impl Class {
    /// All classes by index.
    pub const ALL: [Self; 9] = [
        Self::Sky,
        Self::Terrain,
        Self::Road,
        Self::Marking,
        Self::Kerb,
        Self::Building,
        Self::Tree,
        Self::Sign,
        Self::Vehicle,
    ];

    /// The class with this number; numbers beyond the last are [`Class::Sky`].
    #[must_use]
    pub fn from_index(index: u8) -> Self {
        Self::ALL.get(usize::from(index)).copied().unwrap_or(Self::Sky)
    }
}
