//! How drivers choose their speed: the intelligent driver model, for other cars and for the scripted driver of the ego.

use super::actor::Idm;
use super::car::Car;
use super::neighbour::Neighbour;
use crate::math::pow;

/// Hardest braking of a car that follows others.
const EMERGENCY_DECEL_MPS2: f32 = 8.0;
/// How far a car looks ahead.
const LOOK_AHEAD_M: f32 = 120.0;
/// The model's exponent δ.
const EXPONENT: f32 = 4.0;

impl Idm {
    /// Acceleration of a car at a speed that wants another and has, if there is one, a gap to a car ahead and that car's speed.
    ///
    /// Up to the desired speed this is the intelligent driver model. Above it the model would brake the harder the faster the car
    /// is, without a bound, as if there were an emergency; there the free term is that of the improved model, which brakes
    /// comfortably, and a car ahead counts from where the gap to it is shorter than desired.
    ///
    /// # Source
    /// Treiber, Hennecke and Helbing 2000, Physical Review E 62, 1805, equations 1 and 3; Treiber and Kesting 2013, "Traffic Flow
    /// Dynamics", section 11.3.7.
    #[must_use]
    pub fn acceleration_mps2(&self, speed_mps: f32, desired_mps: f32, lead: Option<(f32, f32)>) -> f32 {
        let interaction = lead.map_or(0.0, |(gap_m, lead_mps)| {
            let closing_mps = speed_mps - lead_mps;
            let braking_m = speed_mps * closing_mps / (2.0 * (self.accel_mps2 * self.decel_mps2).sqrt());
            let desired_gap_m = self.min_gap_m + (speed_mps * self.time_headway_s + braking_m).max(0.0);
            let ratio = desired_gap_m / gap_m.max(0.1);
            ratio * ratio
        });
        let wanted_mps2 = if speed_mps > desired_mps {
            let exponent = self.accel_mps2 * EXPONENT / self.decel_mps2;
            let free_mps2 = -self.decel_mps2 * (1.0 - pow(desired_mps / speed_mps, exponent));
            free_mps2 + self.accel_mps2 * (1.0 - interaction).min(0.0)
        } else {
            let share = speed_mps / desired_mps;
            let free = if desired_mps > 0.0 { 1.0 - share * share * share * share } else { -speed_mps };
            self.accel_mps2 * (free - interaction)
        };
        wanted_mps2.clamp(-EMERGENCY_DECEL_MPS2, self.accel_mps2)
    }
}

impl Car {
    /// Acceleration towards its desired speed and behind whoever is next in its path.
    pub(super) fn follow(&self, others: impl Iterator<Item = Neighbour>) -> f32 {
        let direction = self.direction();
        let lead = others
            .filter_map(|other| {
                let ahead_m = (other.s_m - self.s_m) * direction;
                let in_path = (other.d_m - self.d_m).abs() < other.half_width_m + 0.5 * self.width_m + 0.2;
                let gap_m = ahead_m - other.half_length_m - 0.5 * self.length_m;
                (in_path && ahead_m > 0.0 && gap_m < LOOK_AHEAD_M).then_some((gap_m, other.along_mps * direction))
            })
            .min_by(|(a, _), (b, _)| a.total_cmp(b));
        self.idm.acceleration_mps2(self.speed_mps, self.desired_mps, lead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_car_above_its_desired_speed_brakes_comfortably() {
        for (idm, fast_mps) in [
            (Idm { decel_mps2: 2.0, ..Idm::default() }, 16.0),
            (Idm { decel_mps2: 3.5, accel_mps2: 0.8, ..Idm::default() }, 50.0),
            (Idm { decel_mps2: 1.0, accel_mps2: 3.0, ..Idm::default() }, 30.0),
        ] {
            let mut last_mps2 = 0.0;
            for desired_mps in [15.99, 14.0, 9.0, 3.0, 0.5, 0.05, 0.0] {
                let braking_mps2 = -idm.acceleration_mps2(fast_mps, desired_mps, None);
                assert!(braking_mps2 > last_mps2 || braking_mps2 == idm.decel_mps2, "{desired_mps}: {braking_mps2}");
                assert!(braking_mps2 <= idm.decel_mps2, "{desired_mps} m/s: {braking_mps2} m/s²");
                last_mps2 = braking_mps2;
            }
            assert_eq!(idm.acceleration_mps2(1.0, 0.0, None), -idm.decel_mps2, "to a stop");
            assert_eq!(idm.acceleration_mps2(0.0, 0.0, None), 0.0, "and stays there");
        }
    }

    #[test]
    fn above_the_desired_speed_a_car_ahead_counts_from_the_desired_gap_on() {
        let idm = Idm::default();
        let free_mps2 = idm.acceleration_mps2(16.0, 12.0, None);
        let desired_m = idm.min_gap_m + 16.0 * idm.time_headway_s;
        let behind = |gap_m| idm.acceleration_mps2(16.0, 12.0, Some((gap_m, 16.0)));
        assert_eq!([behind(100.0), behind(desired_m + 0.01)], [free_mps2; 2]);
        let nearer_mps2 = free_mps2 + idm.accel_mps2 * (1.0 - 1.2 * 1.2);
        assert!((behind(desired_m / 1.2) - nearer_mps2).abs() < 1e-4, "{} {nearer_mps2}", behind(desired_m / 1.2));
        assert_eq!(behind(1.0), -EMERGENCY_DECEL_MPS2);
    }

    #[test]
    fn up_to_the_desired_speed_it_is_the_plain_model() {
        let idm = Idm::default();
        let share = 10.0 / 15.0_f32;
        let gap = (2.0 + 10.0 * 1.5) / 40.0_f32;
        let expected = 1.4 * (1.0 - share * share * share * share - gap * gap);
        assert_eq!(idm.acceleration_mps2(10.0, 15.0, Some((40.0, 10.0))), expected);
        assert_eq!(idm.acceleration_mps2(10.0, 10.0, None), 0.0);
    }
}
