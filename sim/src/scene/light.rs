//! Sun and haze.

use crate::range;
use crate::seed::{Purpose, Seed};
use serde::{Deserialize, Serialize};

/// What lights the scene and how far one sees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Light {
    /// Where the sun stands, anticlockwise from the road's first direction.
    #[serde(deserialize_with = "range::sun_azimuth_deg")]
    pub sun_azimuth_deg: f32,
    /// How high it stands over the horizon.
    #[serde(deserialize_with = "range::sun_elevation_deg")]
    pub sun_elevation_deg: f32,
    /// Distance at which contrast has fallen to 5 %, the meteorological optical range.
    #[serde(deserialize_with = "range::visibility_m")]
    pub visibility_m: f32,
}

impl Default for Light {
    fn default() -> Self {
        Self { sun_azimuth_deg: 60.0, sun_elevation_deg: 45.0, visibility_m: 1500.0 }
    }
}

impl Light {
    /// Draws a light: mostly clear, sometimes hazy.
    #[must_use]
    pub fn draw(seed: Seed) -> Self {
        let mut stream = seed.stream(Purpose::Appearance);
        Self {
            sun_azimuth_deg: stream.uniform(-180.0, 180.0),
            sun_elevation_deg: stream.uniform(15.0, 75.0),
            visibility_m: if stream.chance(0.25) {
                stream.uniform(200.0, 500.0)
            } else {
                stream.uniform(800.0, 4000.0)
            },
        }
    }
}
