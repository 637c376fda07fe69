//! The scripted driver: knows the truth, keeps the lane by curvature feed-forward and feedback, and the distance by the
//! intelligent driver model. It collects the data and is the yardstick.

use crate::action::controls_for;
use roadproof_sim::vehicle::VehicleSettings;
use roadproof_sim::{Controls, Measures};

/// Drives on ground truth.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScriptedDriver {
    vehicle: VehicleSettings,
}

impl ScriptedDriver {
    /// A driver for this car.
    #[must_use]
    pub fn new(vehicle: VehicleSettings) -> Self {
        Self { vehicle }
    }

    /// Controls for one world.
    #[must_use]
    pub fn act(&self, measures: &Measures) -> Controls {
        scripted_controls(measures, &self.vehicle, 0.0)
    }
}

/// Controls that hold `target_offset_m` in the lane and the distance to the car ahead.
#[must_use]
pub fn scripted_controls(measures: &Measures, vehicle: &VehicleSettings, target_offset_m: f32) -> Controls {
    // Curvature wanted: the lane's, and a damped return to the target; gains fall with speed so that the return takes
    // the same distance, about 15 m, at any speed.
    let offset_m = (measures.lane_offset_m - target_offset_m).clamp(-1.5, 1.5);
    let feedback = -0.018 * offset_m - 0.26 * measures.heading_rad;
    let steer_rad = vehicle.steer_for_curvature(measures.curvature_per_m + feedback);
    let controls = controls_for(steer_rad, follow_mps2(measures), vehicle, &measures.ego);
    // A standing car holds the brake rather than rolls.
    let holding = controls.brake > 0.0 && measures.ego.speed_mps.abs() < 0.3;
    Controls { brake: if holding { controls.brake.max(0.3) } else { controls.brake }, ..controls }
}

/// Acceleration of the intelligent driver model with a driver's, not a planner's, emergency braking.
///
/// # Source
/// Treiber, Hennecke and Helbing 2000, Physical Review E 62, 1805, equations 1 and 3.
fn follow_mps2(measures: &Measures) -> f32 {
    const ACCELERATION: f32 = 1.8;
    const BRAKING: f32 = 2.0;
    const HEADWAY_S: f32 = 1.4;
    const STANDSTILL_M: f32 = 2.5;
    let speed_mps = measures.ego.speed_mps.max(0.0);
    let share = speed_mps / measures.speed_limit_mps;
    let free = 1.0 - share * share * share * share;
    let interaction = measures.gap_m.map_or(0.0, |gap_m| {
        let closing_mps = speed_mps - measures.lead_speed_mps;
        let braking_m = speed_mps * closing_mps / (2.0 * (ACCELERATION * BRAKING).sqrt());
        let desired_m = STANDSTILL_M + (speed_mps * HEADWAY_S + braking_m).max(0.0);
        let ratio = desired_m / gap_m.max(0.2);
        ratio * ratio
    });
    (ACCELERATION * (free - interaction)).clamp(-8.0, ACCELERATION)
}
