//! The straight driver: straight on at the speed limit, whatever comes. What is left of a score where nothing is looked at and
//! nothing was learnt.

use roadproof_env::action::controls_for;
use roadproof_sim::vehicle::VehicleSettings;
use roadproof_sim::{Controls, Measures};

/// Accelerations it takes at most, those of the learned driver's list but for its emergency stop.
const ACCELERATION_MPS2: (f32, f32) = (-2.5, 2.0);
/// What is missing to the speed limit is made up for in this time.
const SETTLING_S: f32 = 1.0;

/// Controls for one world: the wheels straight, the speed that of the sign.
pub(super) fn straight_controls(sensed: &Measures, vehicle: &VehicleSettings) -> Controls {
    let (least_mps2, greatest_mps2) = ACCELERATION_MPS2;
    let missing_mps = sensed.speed_limit_mps - sensed.ego.speed_mps;
    controls_for(0.0, (missing_mps / SETTLING_S).clamp(least_mps2, greatest_mps2), vehicle, &sensed.ego)
}

#[cfg(test)]
mod tests {
    use crate::drive::rollout::drive_recorded;
    use crate::driver::Driver;
    use roadproof_sim::{Episode, Outcome, parse};

    fn drive(road: &str, speed_mps: f32) -> Episode {
        let text = format!(
            "Scenario(format: 1, title: \"t\", duration_s: 40.0, road: Segments(speed_limit_mps: 12.0, segments: [{road}]), \
             ego: (speed_mps: {speed_mps:?}))"
        );
        drive_recorded(parse(&text, "t.ron".as_ref()).expect("a scenario"), &mut Driver::Straight, |_| ())
            .expect("a world")
    }

    #[test]
    fn it_keeps_the_limit_on_a_straight_road_and_leaves_it_in_a_bend() {
        for speed_mps in [0.0, 12.0, 18.0] {
            let episode = drive("Line(length_m: 300.0)", speed_mps);
            assert_eq!(episode.verdict().outcome, Some(Outcome::Arrived));
            let ego = &episode.measures().ego;
            assert!((ego.speed_mps - 12.0).abs() < 0.1 && ego.steer_rad == 0.0, "{ego:?}");
        }
        let bend = "Line(length_m: 60.0), Clothoid(length_m: 20.0), Arc(length_m: 80.0, radius_m: 60.0, to: Left), \
                    Clothoid(length_m: 20.0), Line(length_m: 60.0)";
        assert!(drive(bend, 12.0).verdict().outcome != Some(Outcome::Arrived));
    }
}
