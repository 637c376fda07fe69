//! Checked numbers: each function reads one field and refuses a value outside its bounds where it stands in the file.

use serde::Deserialize;
use serde::de::{Deserializer, Error};

macro_rules! bounded {
    ($($name:ident: $kind:ty = $low:literal to $high:literal;)+) => {$(
        pub(crate) fn $name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<$kind, D::Error> {
            let value = <$kind>::deserialize(deserializer)?;
            let bounds: std::ops::RangeInclusive<$kind> = $low..=$high;
            if bounds.contains(&value) {
                Ok(value)
            } else {
                let field = stringify!($name);
                Err(D::Error::custom(format!("{field} = {value}, allowed is {} to {}", $low, $high)))
            }
        }
    )+};
}

bounded! {
    duration_s: f32 = 0.1 to 3600.0;
    decision_hz: f32 = 1.0 to 50.0;
    substeps: u8 = 1 to 20;
    length_m: f32 = 0.1 to 5000.0;
    lanes: u8 = 1 to 3;
    oncoming_lanes: u8 = 0 to 3;
    lane_width_m: f32 = 2.5 to 5.0;
    shoulder_m: f32 = 0.0 to 4.0;
    speed_mps: f32 = 0.0 to 60.0;
    speed_limit_mps: f32 = 1.0 to 60.0;
    radius_m: f32 = 5.0 to 100000.0;
    amplitude_m: f32 = 0.0 to 10.0;
    wavelength_m: f32 = 50.0 to 2000.0;
    s_m: f32 = 0.0 to 5000.0;
    offset_m: f32 = -3.0 to 3.0;
    heading_deg: f32 = -45.0 to 45.0;
    at_s: f32 = 0.0 to 3600.0;
    for_s: f32 = 0.0 to 3600.0;
    over_s: f32 = 0.2 to 60.0;
    within_m: f32 = 0.0 to 500.0;
    decel_mps2: f32 = 0.1 to 10.0;
    time_headway_s: f32 = 0.1 to 10.0;
    accel_mps2: f32 = 0.1 to 6.0;
    min_gap_m: f32 = 0.5 to 20.0;
    sun_azimuth_deg: f32 = -360.0 to 360.0;
    sun_elevation_deg: f32 = 5.0 to 90.0;
    visibility_m: f32 = 30.0 to 100000.0;
    max_curvature_per_m: f32 = 0.0005 to 0.04;
    comfort_lateral_mps2: f32 = 0.5 to 6.0;
    max_slope: f32 = 0.0 to 0.1;
    max_lanes: u8 = 1 to 3;
    width_px: u16 = 8 to 2048;
    height_px: u16 = 8 to 2048;
    fov_deg: f32 = 10.0 to 150.0;
    pitch_deg: f32 = -60.0 to 60.0;
    sigma: f32 = 0.0 to 255.0;
    sigma_px: f32 = 0.1 to 20.0;
    probability: f32 = 0.0 to 1.0;
}

macro_rules! bounded_option {
    ($($name:ident: $low:literal to $high:literal;)+) => {$(
        pub(crate) fn $name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f32>, D::Error> {
            let value = Option::<f32>::deserialize(deserializer)?;
            match value {
                Some(number) if !($low..=$high).contains(&number) => {
                    let field = stringify!($name);
                    Err(D::Error::custom(format!("{field} = {number}, allowed is {} to {}", $low, $high)))
                }
                within => Ok(within),
            }
        }
    )+};
}

/// Optional numbers.
pub(crate) mod option {
    use super::{Deserialize, Deserializer, Error};

    bounded_option! {
        desired_speed_mps: 0.0 to 60.0;
        hold_s: 0.0 to 3600.0;
        min_ttc_s: 0.0 to 60.0;
        max_lane_offset_m: 0.0 to 50.0;
        max_nearest_lane_offset_m: 0.0 to 50.0;
        min_driving_score: 0.0 to 100.0;
        min_route_completion: 0.0 to 1.0;
        arrive_within_s: 0.1 to 3600.0;
        min_gap_m: 0.0 to 500.0;
        max_speed_mps: 0.0 to 100.0;
        max_decel_mps2: 0.0 to 50.0;
    }
}
