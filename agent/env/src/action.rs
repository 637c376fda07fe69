//! What the learned driver can do: a steering angle and an acceleration, each from a short list, chosen independently.
//!
//! # Source
//! One advantage head per choice, as in Tavakoli, Pardo and Kormushev 2018, "Action Branching Architectures for Deep
//! Reinforcement Learning": the greatest Q-value is the sum of the heads' greatest, so the list of pairs is never walked.

use roadproof_sim::Controls;
use roadproof_sim::vehicle::{EgoState, GRAVITY_MPS2, VehicleSettings};
use serde::{Deserialize, Serialize};

/// Steering angles of the front wheels, radians, positive to the left. Fine around the middle, where a lane is kept.
pub const STEER_RAD: [f32; 11] = [-0.12, -0.065, -0.035, -0.018, -0.007, 0.0, 0.007, 0.018, 0.035, 0.065, 0.12];
/// Accelerations, m/s²; the first is an emergency stop.
pub const ACCELERATION_MPS2: [f32; 5] = [-7.0, -2.5, -0.8, 0.4, 2.0];

/// One choice from each list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Index into [`STEER_RAD`].
    pub steer: usize,
    /// Index into [`ACCELERATION_MPS2`].
    pub acceleration: usize,
}

impl Action {
    /// The choices that are nearest to a steering angle, radians, and an acceleration, m/s².
    #[must_use]
    pub fn nearest(steer_rad: f32, acceleration_mps2: f32) -> Self {
        Self { steer: nearest(&STEER_RAD, steer_rad), acceleration: nearest(&ACCELERATION_MPS2, acceleration_mps2) }
    }

    /// The controls that carry the action out in a car as it senses itself.
    #[must_use]
    pub fn controls(self, vehicle: &VehicleSettings, ego: &EgoState) -> Controls {
        controls_for(STEER_RAD[self.steer], ACCELERATION_MPS2[self.acceleration], vehicle, ego)
    }
}

fn nearest(of: &[f32], value: f32) -> usize {
    let away = |index: &usize| (of[*index] - value).abs();
    (0..of.len()).min_by(|a, b| away(a).total_cmp(&away(b))).unwrap_or_default()
}

/// Slower than this, a car that shall not speed up is held by its brake.
const HOLD_MPS: f32 = 0.3;

/// Controls for a steering angle and an acceleration along the road; there is no drag, so force is mass times acceleration, and
/// against gravity's part of it.
///
/// A car that has all but stopped and shall not speed up is held by the brake, up or down: it never rolls back.
#[must_use]
pub fn controls_for(steer_rad: f32, acceleration_mps2: f32, vehicle: &VehicleSettings, ego: &EgoState) -> Controls {
    let uphill_mps2 = GRAVITY_MPS2 * ego.slope / (1.0 + ego.slope * ego.slope).sqrt();
    let held = acceleration_mps2 <= 0.0 && ego.speed_mps < HOLD_MPS;
    let wheels_mps2 = acceleration_mps2 + if held { -uphill_mps2.abs() } else { uphill_mps2 };
    let force_n = wheels_mps2 * vehicle.mass_kg;
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
    use roadproof_sim::{Episode, parse};

    #[test]
    fn the_nearest_choices_are_found() {
        let found = |steer_rad, acceleration_mps2| {
            let Action { steer, acceleration } = Action::nearest(steer_rad, acceleration_mps2);
            (STEER_RAD[steer], ACCELERATION_MPS2[acceleration])
        };
        assert_eq!(found(0.004, 1.3), (0.007, 2.0));
        assert_eq!(found(-9.0, -9.0), (-0.12, -7.0));
        assert_eq!(found(0.003, -1.6), (0.0, -0.8));
    }

    #[test]
    fn controls_carry_the_acceleration_out() {
        let vehicle = VehicleSettings::default();
        let braking = Action { steer: 0, acceleration: 1 }.controls(&vehicle, &EgoState::default());
        assert_eq!(braking.throttle, 0.0);
        assert!((braking.brake * vehicle.brake_force_n / vehicle.mass_kg - 2.5).abs() < 1e-4);
        assert!((braking.steer * vehicle.max_steer_rad - STEER_RAD[0]).abs() < 1e-6);
    }

    /// A drive on a slope of 19 %, up around its start and down around s = 1000 m.
    fn on_a_hill(s_m: f32, speed_mps: f32) -> Episode {
        let text = format!(
            "Scenario(format: 1, title: \"t\", duration_s: 60.0, \
             road: Segments(segments: [Line(length_m: 1600.0)], speed_limit_mps: 14.0, \
             hills: [{}]), ego: (s_m: {s_m:?}, speed_mps: {speed_mps:?}))",
            "(amplitude_m: 10.0, wavelength_m: 2000.0), ".repeat(6)
        );
        Episode::new(parse(&text, "t.ron".as_ref()).unwrap()).unwrap()
    }

    #[test]
    fn a_car_gets_the_acceleration_asked_for_on_a_hill() {
        let vehicle = VehicleSettings::default();
        for (s_m, asked_mps2) in
            [(20.0, 1.0), (20.0, -1.0), (20.0, -3.0), (1000.0, 1.0), (1000.0, -1.0), (1000.0, -4.0)]
        {
            let mut episode = on_a_hill(s_m, 8.0);
            (0..5).for_each(|_| episode.step(controls_for(0.0, 0.0, &vehicle, &episode.measures().ego)));
            let before_mps = episode.measures().ego.speed_mps;
            (0..15).for_each(|_| episode.step(controls_for(0.0, asked_mps2, &vehicle, &episode.measures().ego)));
            let got_mps2 = (episode.measures().ego.speed_mps - before_mps) / 1.5;
            assert!((got_mps2 - asked_mps2).abs() < 0.1, "{got_mps2} m/s2 at {s_m} m, asked {asked_mps2} m/s2");
        }
    }

    #[test]
    fn a_car_that_shall_not_speed_up_stands_on_a_hill() {
        let vehicle = VehicleSettings::default();
        for (s_m, asked_mps2) in [(20.0, -0.8), (20.0, -2.5), (20.0, -0.01), (1000.0, -0.8), (1000.0, -0.01)] {
            let mut episode = on_a_hill(s_m, 0.5);
            let step =
                |episode: &mut Episode| episode.step(controls_for(0.0, asked_mps2, &vehicle, &episode.measures().ego));
            (0..50).for_each(|_| step(&mut episode));
            let stood_m = episode.measures().ego.position;
            (0..100).for_each(|_| step(&mut episode));
            let ego = &episode.measures().ego;
            let crept_m = ego.position.distance(stood_m);
            assert!(asked_mps2 > -0.1 || crept_m < 0.05, "crept {crept_m} m at {s_m} m, asked {asked_mps2} m/s2");
            assert!(ego.speed_mps > -0.02, "{} m/s at {s_m} m", ego.speed_mps);
        }
    }
}
