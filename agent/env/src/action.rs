//! What the learned driver can do: a steering angle and an acceleration, each from a short list, chosen independently.
//!
//! # Source
//! One advantage head per choice, as in Tavakoli, Pardo and Kormushev 2018, "Action Branching Architectures for Deep
//! Reinforcement Learning": the greatest Q-value is the sum of the heads' greatest, so the list of pairs is never walked.

use roadproof_sim::Controls;
use roadproof_sim::vehicle::VehicleSettings;

/// Steering angles of the front wheels, radians, positive to the left. Fine around the middle, where a lane is kept.
pub const STEER_RAD: [f32; 11] = [-0.12, -0.065, -0.035, -0.018, -0.007, 0.0, 0.007, 0.018, 0.035, 0.065, 0.12];
/// Accelerations, m/s²; the first is an emergency stop.
pub const ACCELERATION_MPS2: [f32; 5] = [-7.0, -2.5, -0.8, 0.4, 2.0];

/// One choice from each list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// Index into [`STEER_RAD`].
    pub steer: usize,
    /// Index into [`ACCELERATION_MPS2`].
    pub acceleration: usize,
}

impl Action {
    /// The controls that carry the action out in a car.
    #[must_use]
    pub fn controls(self, vehicle: &VehicleSettings) -> Controls {
        controls_for(STEER_RAD[self.steer], ACCELERATION_MPS2[self.acceleration], vehicle)
    }
}

/// Controls for a steering angle and an acceleration; there is no drag, so force is mass times acceleration.
#[must_use]
pub fn controls_for(steer_rad: f32, acceleration_mps2: f32, vehicle: &VehicleSettings) -> Controls {
    let force_n = acceleration_mps2 * vehicle.mass_kg;
    Controls {
        steer: steer_rad / vehicle.max_steer_rad,
        throttle: (force_n / vehicle.drive_force_n).max(0.0),
        brake: (-force_n / vehicle.brake_force_n).max(0.0),
    }
    .bounded()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_carry_the_acceleration_out() {
        let vehicle = VehicleSettings::default();
        let braking = Action { steer: 0, acceleration: 1 }.controls(&vehicle);
        assert_eq!(braking.throttle, 0.0);
        assert!((braking.brake * vehicle.brake_force_n / vehicle.mass_kg - 2.5).abs() < 1e-4);
        assert!((braking.steer * vehicle.max_steer_rad - STEER_RAD[0]).abs() < 1e-6);
    }
}
