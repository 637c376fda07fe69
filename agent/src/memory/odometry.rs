//! What the car knows of itself.

use roadproof_sim::Measures;

/// What a car knows of itself without a camera, and the speed limit its map gives. Nothing else of the ground truth reaches
/// the policy.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Odometry {
    /// Speed along the body's axis.
    pub speed_mps: f32,
    /// Change of that speed.
    pub acceleration_mps2: f32,
    /// Turning speed about the up axis.
    pub yaw_rate_rad_per_s: f32,
    /// Steering angle of the front wheels.
    pub steer_rad: f32,
    /// The speed limit.
    pub speed_limit_mps: f32,
}

impl From<&Measures> for Odometry {
    fn from(measures: &Measures) -> Self {
        Self {
            speed_mps: measures.ego.speed_mps,
            acceleration_mps2: measures.ego.acceleration_mps2,
            yaw_rate_rad_per_s: measures.ego.yaw_rate_rad_per_s,
            steer_rad: measures.ego.steer_rad,
            speed_limit_mps: measures.speed_limit_mps,
        }
    }
}
