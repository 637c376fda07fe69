//! Bounds of the numbers in a scenario: each function reads one field and refuses a value outside of them where it stands in the file.

roadproof_range::bounded! {
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

/// Optional numbers.
pub(crate) mod option {
    roadproof_range::bounded_option! {
        desired_speed_mps: f32 = 0.0 to 60.0;
        hold_s: f32 = 0.0 to 3600.0;
        min_ttc_s: f32 = 0.0 to 60.0;
        max_lane_offset_m: f32 = 0.0 to 50.0;
        max_nearest_lane_offset_m: f32 = 0.0 to 50.0;
        min_driving_score: f32 = 0.0 to 100.0;
        min_route_completion: f32 = 0.0 to 1.0;
        arrive_within_s: f32 = 0.1 to 3600.0;
        min_gap_m: f32 = 0.0 to 500.0;
        max_speed_mps: f32 = 0.0 to 100.0;
        max_decel_mps2: f32 = 0.0 to 50.0;
    }
}
