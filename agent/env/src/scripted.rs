//! The scripted driver: knows the truth, keeps the lane by curvature feed-forward and feedback, and the distance by the
//! intelligent driver model. It collects the data and is the yardstick.

use crate::action::controls_for;
use roadproof_sim::traffic::Idm;
use roadproof_sim::vehicle::VehicleSettings;
use roadproof_sim::{Controls, Measures};

/// Controls for one world in the car that is there.
#[must_use]
pub fn scripted_controls(measures: &Measures, vehicle: &VehicleSettings) -> Controls {
    scripted_controls_beside(measures, vehicle, 0.0)
}

/// What the scripted driver wants of the car: a steering angle, radians, and an acceleration, m/s².
#[must_use]
pub fn scripted_intent(measures: &Measures, vehicle: &VehicleSettings) -> (f32, f32) {
    intent_beside(measures, vehicle, 0.0)
}

fn intent_beside(measures: &Measures, vehicle: &VehicleSettings, target_offset_m: f32) -> (f32, f32) {
    // Curvature wanted: the lane's, and a damped return to the target; gains fall with speed so that the return takes
    // the same distance, about 15 m, at any speed.
    let offset_m = (measures.lane_offset_m - target_offset_m).clamp(-1.5, 1.5);
    let feedback = -0.018 * offset_m - 0.26 * measures.heading_rad;
    (vehicle.steer_for_curvature(measures.curvature_per_m + feedback), follow_mps2(measures))
}

/// Controls that hold `target_offset_m` in the lane and the distance to the car ahead.
#[must_use]
pub fn scripted_controls_beside(measures: &Measures, vehicle: &VehicleSettings, target_offset_m: f32) -> Controls {
    let (steer_rad, acceleration_mps2) = intent_beside(measures, vehicle, target_offset_m);
    let controls = controls_for(steer_rad, acceleration_mps2, vehicle, &measures.ego);
    // A standing car holds the brake rather than rolls.
    let holding = controls.brake > 0.0 && measures.ego.speed_mps.abs() < 0.3;
    Controls { brake: if holding { controls.brake.max(0.3) } else { controls.brake }, ..controls }
}

/// How the scripted driver keeps its distance.
const FOLLOWING: Idm = Idm { time_headway_s: 1.4, accel_mps2: 1.8, decel_mps2: 2.0, min_gap_m: 2.5 };

/// Acceleration of the intelligent driver model with a driver's, not a planner's, emergency braking.
fn follow_mps2(measures: &Measures) -> f32 {
    let lead = measures.gap_m.map(|gap_m| (gap_m, measures.lead_speed_mps));
    FOLLOWING.acceleration_mps2(measures.ego.speed_mps.max(0.0), measures.speed_limit_mps, lead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_speed_limit_is_no_emergency() {
        let mut measures = Measures::default();
        measures.speed_limit_mps = 8.0;
        measures.ego.speed_mps = 14.0;
        let braking_mps2 = -follow_mps2(&measures);
        assert!(braking_mps2 > 0.5 * FOLLOWING.decel_mps2 && braking_mps2 <= FOLLOWING.decel_mps2, "{braking_mps2}");
        measures.gap_m = Some(3.0);
        assert_eq!(follow_mps2(&measures), -8.0, "but a car right ahead is");
    }
}
