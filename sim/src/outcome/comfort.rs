//! How a drive feels and how it brakes: bounds of comfort, hard braking, emergency stops for nothing, time to collision.
//!
//! The driving score does not see any of it: whoever arrives among slower traffic has the same score, smoothly or not. A log of a
//! drive takes in one decision after the other and says at the end what the drive was like; simulations that want no such answer
//! keep none.
//!
//! # Source
//! Bounds and smoothing are those of nuPlan's `ego_is_comfortable` (nuplan-devkit, `state_extractors.py`): accelerations go through a
//! Savitzky-Golay filter of second order over 8 samples, jerks are its derivative over 15 more, and yaw rate and acceleration are the
//! derivatives of the heading over 5 samples, of second and third order; ends are fitted as scipy's `savgol_filter` does. nuPlan's
//! samples are a tenth of a second apart, as decisions are here unless a scenario says otherwise. Its drives last 15 s and those of
//! generated roads half a minute and more, which makes the same bounds harder to keep. The acceleration to the side is taken as
//! speed times yaw rate, which leaves out what a sliding car feels.

use crate::outcome::measures::Measures;
use serde::Serialize;
use std::f64::consts::TAU;

/// Least and greatest acceleration along the car, nuPlan's.
const LONGITUDINAL_ACCELERATION_MPS2: (f32, f32) = (-4.05, 2.40);
/// Greatest acceleration to either side, nuPlan's.
const LATERAL_ACCELERATION_MPS2: f32 = 4.89;
/// Greatest change of the magnitude of the acceleration, nuPlan's.
const JERK_MPS3: f32 = 8.37;
/// Greatest change of the acceleration along the car, nuPlan's.
const LONGITUDINAL_JERK_MPS3: f32 = 4.13;
/// Greatest turning speed, nuPlan's.
const YAW_RATE_RAD_PER_S: f32 = 0.95;
/// Greatest change of the turning speed, nuPlan's.
const YAW_ACCELERATION_RAD_PER_S2: f32 = 1.93;

/// Braking harder than this is hard, m/s².
pub const HARD_BRAKING_MPS2: f32 = 4.0;
/// Braking at least this hard is what UN Regulation No. 152 asks of emergency braking systems, m/s².
pub const EMERGENCY_BRAKING_MPS2: f32 = 5.0;
/// With no car nearer than this ahead, there is nothing to brake for in an emergency.
pub const NOTHING_WITHIN_M: f32 = 60.0;
/// Emergency braking that goes on after a shorter pause is the same stop.
const PAUSE_S: f32 = 1.0;

/// What a drive was like.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Comfort {
    /// Least acceleration along the car, smoothed: the hardest braking.
    pub min_longitudinal_acceleration_mps2: f32,
    /// Greatest acceleration along the car, smoothed.
    pub max_longitudinal_acceleration_mps2: f32,
    /// Greatest acceleration to either side, smoothed.
    pub max_lateral_acceleration_mps2: f32,
    /// Greatest change of the magnitude of the acceleration.
    pub max_jerk_mps3: f32,
    /// Greatest change of the acceleration along the car.
    pub max_longitudinal_jerk_mps3: f32,
    /// Greatest turning speed.
    pub max_yaw_rate_rad_per_s: f32,
    /// Greatest change of the turning speed.
    pub max_yaw_acceleration_rad_per_s2: f32,
    /// Decisions in which the car braked harder than [`HARD_BRAKING_MPS2`].
    pub hard_braking: u32,
    /// Stops at [`EMERGENCY_BRAKING_MPS2`] and harder that began with no car within [`NOTHING_WITHIN_M`] ahead.
    pub needless_emergency_stops: u32,
    /// Least time to collision; infinite if no gap ever closed.
    pub min_ttc_s: f32,
}

impl Comfort {
    /// nuPlan's bounds by name, and whether the drive kept each.
    #[must_use]
    pub fn bounds(&self) -> [(&'static str, bool); 6] {
        let (least_mps2, greatest_mps2) = LONGITUDINAL_ACCELERATION_MPS2;
        let along = self.min_longitudinal_acceleration_mps2 > least_mps2
            && self.max_longitudinal_acceleration_mps2 < greatest_mps2;
        [
            ("longitudinal_acceleration", along),
            ("lateral_acceleration", self.max_lateral_acceleration_mps2 < LATERAL_ACCELERATION_MPS2),
            ("jerk", self.max_jerk_mps3 < JERK_MPS3),
            ("longitudinal_jerk", self.max_longitudinal_jerk_mps3 < LONGITUDINAL_JERK_MPS3),
            ("yaw_rate", self.max_yaw_rate_rad_per_s < YAW_RATE_RAD_PER_S),
            ("yaw_acceleration", self.max_yaw_acceleration_rad_per_s2 < YAW_ACCELERATION_RAD_PER_S2),
        ]
    }

    /// Whether the drive kept all of them.
    #[must_use]
    pub fn is_comfortable(&self) -> bool {
        self.bounds().iter().all(|(_, kept)| *kept)
    }
}

/// What is needed of one decision.
#[derive(Clone, Copy, Debug)]
struct Sample {
    time_s: f64,
    longitudinal_mps2: f64,
    lateral_mps2: f64,
    heading_rad: f64,
}

/// A drive as far as it has come.
///
/// # Example
/// ```
/// use roadproof_sim::outcome::comfort::ComfortLog;
/// use roadproof_sim::{Controls, Episode, parse};
///
/// let text = r#"Scenario(format: 1, title: "t", duration_s: 9.0, road: Straight(length_m: 300.0), ego: (speed_mps: 20.0))"#;
/// let mut episode = Episode::new(parse(text, "t.ron".as_ref())?)?;
/// let mut log = ComfortLog::default();
/// while episode.verdict().outcome.is_none() {
///     log.note(episode.measures());
///     let braking = (2.0..3.0).contains(&episode.measures().time_s);
///     episode.step(Controls { brake: if braking { 0.9 } else { 0.0 }, ..Controls::default() });
/// }
/// let comfort = log.comfort();
/// assert!(!comfort.is_comfortable() && comfort.needless_emergency_stops == 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ComfortLog {
    samples: Vec<Sample>,
    hard_braking: u32,
    needless_emergency_stops: u32,
    /// When the car last braked as in an emergency.
    emergency_s: Option<f32>,
    min_ttc_s: f32,
}

impl Default for ComfortLog {
    fn default() -> Self {
        Self {
            samples: Vec::new(),
            hard_braking: 0,
            needless_emergency_stops: 0,
            emergency_s: None,
            min_ttc_s: f32::INFINITY,
        }
    }
}

impl ComfortLog {
    /// Takes in the start of a drive or one decision. What a contact does to the car is not how it was driven, and is left out.
    pub fn note(&mut self, measures: &Measures) {
        self.min_ttc_s = self.min_ttc_s.min(measures.time_to_collision_s);
        if measures.contact.is_some() {
            return;
        }
        let ego = &measures.ego;
        let braking_mps2 = -ego.acceleration_mps2;
        self.hard_braking += u32::from(braking_mps2 > HARD_BRAKING_MPS2);
        if braking_mps2 >= EMERGENCY_BRAKING_MPS2 {
            let begins = self.emergency_s.is_none_or(|last_s| measures.time_s - last_s > PAUSE_S);
            let nothing_ahead = measures.gap_m.is_none_or(|gap_m| gap_m > NOTHING_WITHIN_M);
            self.needless_emergency_stops += u32::from(begins && nothing_ahead);
            self.emergency_s = Some(measures.time_s);
        }
        let turned_rad = |last: &Sample| {
            let change_rad = f64::from(ego.heading_rad) - last.heading_rad;
            last.heading_rad + change_rad - TAU * (change_rad / TAU).round()
        };
        self.samples.push(Sample {
            time_s: f64::from(measures.time_s),
            longitudinal_mps2: f64::from(ego.acceleration_mps2),
            lateral_mps2: f64::from(ego.speed_mps * ego.yaw_rate_rad_per_s),
            heading_rad: self.samples.last().map_or(f64::from(ego.heading_rad), turned_rad),
        });
    }

    /// What the drive was like up to now.
    #[must_use]
    pub fn comfort(&self) -> Comfort {
        let series = |of: fn(&Sample) -> f64| -> Vec<f64> { self.samples.iter().map(of).collect() };
        let step_s = match &self.samples[..] {
            [first, .., last] => (last.time_s - first.time_s) / (self.samples.len() - 1) as f64,
            _ => 1.0,
        };
        let smooth = |values: &[f64]| Filter { window: 8, order: 2, derivative: 0 }.of(values, step_s);
        let change = |values: &[f64]| Filter { window: 15, order: 2, derivative: 1 }.of(values, step_s);
        let longitudinal_mps2 = smooth(&series(|sample| sample.longitudinal_mps2));
        let lateral_mps2 = smooth(&series(|sample| sample.lateral_mps2));
        let magnitude_mps2 = smooth(&series(|sample| {
            let (along, across) = (sample.longitudinal_mps2, sample.lateral_mps2);
            (along * along + across * across).sqrt()
        }));
        let heading_rad = series(|sample| sample.heading_rad);
        let least = |values: &[f64]| values.iter().copied().reduce(f64::min).unwrap_or(0.0) as f32;
        let greatest = |values: &[f64]| values.iter().copied().reduce(f64::max).unwrap_or(0.0) as f32;
        let either_way = |values: &[f64]| greatest(values).max(-least(values));
        Comfort {
            min_longitudinal_acceleration_mps2: least(&longitudinal_mps2),
            max_longitudinal_acceleration_mps2: greatest(&longitudinal_mps2),
            max_lateral_acceleration_mps2: either_way(&lateral_mps2),
            max_jerk_mps3: either_way(&change(&magnitude_mps2)),
            max_longitudinal_jerk_mps3: either_way(&change(&longitudinal_mps2)),
            max_yaw_rate_rad_per_s: either_way(&Filter { window: 5, order: 2, derivative: 1 }.of(&heading_rad, step_s)),
            max_yaw_acceleration_rad_per_s2: either_way(
                &Filter { window: 5, order: 3, derivative: 2 }.of(&heading_rad, step_s),
            ),
            hard_braking: self.hard_braking,
            needless_emergency_stops: self.needless_emergency_stops,
            min_ttc_s: self.min_ttc_s,
        }
    }
}

/// Most coefficients of a polynomial that is fitted here.
const COEFFICIENTS: usize = 4;

/// A Savitzky-Golay filter: a derivative of the polynomial of least squares through the neighbours of a value.
///
/// # Source
/// Savitzky and Golay 1964, "Smoothing and Differentiation of Data by Simplified Least Squares Procedures". Near the ends the
/// polynomial through the first or last window is taken, and an even window is centred between two values, as in scipy.
#[derive(Clone, Copy, Debug)]
struct Filter {
    window: usize,
    order: usize,
    derivative: usize,
}

impl Filter {
    /// The filtered values; as many neighbours as there are, and as many coefficients, where there are fewer than it asks for.
    fn of(self, values: &[f64], step: f64) -> Vec<f64> {
        let window = self.window.min(values.len());
        let (half, centre) = (window / 2, 0.5 * window.saturating_sub(1) as f64);
        let filtered = |index: usize| {
            let last = values.len() - window;
            let (first, at) = if index < half {
                (0, index as f64 - centre)
            } else if index >= values.len() - half {
                (last, (index - last) as f64 - centre)
            } else {
                (index - (window - 1) / 2, 0.0)
            };
            let coefficients = fit(&values[first..first + window], self.order.min(window - 1));
            derivative_at(&coefficients, self.derivative, at)
        };
        let scale = (0..self.derivative).fold(1.0, |scale, _| scale / step);
        (0..values.len()).map(|index| scale * filtered(index)).collect()
    }
}

/// Coefficients of the polynomial of least squares through values one apart, with the origin in their middle.
fn fit(values: &[f64], order: usize) -> [f64; COEFFICIENTS] {
    let size = order + 1;
    let centre = 0.5 * (values.len() - 1) as f64;
    let mut equations = [[0.0; COEFFICIENTS + 1]; COEFFICIENTS];
    for (index, value) in values.iter().enumerate() {
        let mut powers = [1.0; COEFFICIENTS];
        (1..size).for_each(|power| powers[power] = powers[power - 1] * (index as f64 - centre));
        for row in 0..size {
            (0..size).for_each(|column| equations[row][column] += powers[row] * powers[column]);
            equations[row][COEFFICIENTS] += powers[row] * value;
        }
    }
    // The matrix of normal equations is positive definite, so that elimination needs no pivots.
    for pivot in 0..size {
        let pivot_row = equations[pivot];
        for (_, equation) in equations.iter_mut().enumerate().take(size).filter(|(row, _)| *row != pivot) {
            let share = equation[pivot] / pivot_row[pivot];
            equation.iter_mut().zip(pivot_row).for_each(|(own, other)| *own -= share * other);
        }
    }
    let mut coefficients = [0.0; COEFFICIENTS];
    (0..size).for_each(|row| coefficients[row] = equations[row][COEFFICIENTS] / equations[row][row]);
    coefficients
}

/// A derivative of a polynomial at a place.
fn derivative_at(coefficients: &[f64; COEFFICIENTS], derivative: usize, at: f64) -> f64 {
    let falling = |power: usize| (power - derivative + 1..=power).fold(1.0, |product, factor| product * factor as f64);
    let terms = (derivative..COEFFICIENTS).rev();
    terms.fold(0.0, |sum, power| sum * at + coefficients[power] * falling(power))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::Class;
    use crate::outcome::measures::Contact;
    use crate::vehicle::EgoState;

    const DECISION_S: f32 = 0.1;

    /// A log of so many decisions, each made of its time.
    fn log(decisions: usize, at: impl Fn(f32) -> Measures) -> ComfortLog {
        let mut log = ComfortLog::default();
        for step in 0..decisions {
            let time_s = step as f32 * DECISION_S;
            log.note(&Measures { time_s, time_to_collision_s: f32::INFINITY, ..at(time_s) });
        }
        log
    }

    fn ego(change: impl Fn(&mut EgoState)) -> Measures {
        let mut ego = EgoState { speed_mps: 10.0, ..EgoState::default() };
        change(&mut ego);
        Measures { ego, ..Measures::default() }
    }

    fn close(value: f32, expected: f32) -> bool {
        (value - expected).abs() < 1e-3 * expected.abs().max(1.0)
    }

    fn broken(comfort: &Comfort) -> Vec<&'static str> {
        comfort.bounds().into_iter().filter(|(_, kept)| !kept).map(|(name, _)| name).collect()
    }

    #[test]
    fn filters_are_those_of_scipy() {
        // The classical tables: smoothing over 5 by (-3 12 17 12 -3) / 35, the slope by (-2 -1 0 1 2) / 10.
        let pulse: Vec<f64> = (0..11).map(|index| f64::from(u8::from(index == 5))).collect();
        let smooth = Filter { window: 5, order: 2, derivative: 0 }.of(&pulse, 0.1);
        let slope = Filter { window: 5, order: 2, derivative: 1 }.of(&pulse, 0.1);
        let tables = [(3, -3.0, 2.0), (4, 12.0, 1.0), (5, 17.0, 0.0), (6, 12.0, -1.0), (7, -3.0, -2.0), (8, 0.0, 0.0)];
        for (index, smoothed, sloped) in tables {
            assert!((smooth[index] - smoothed / 35.0).abs() < 1e-12, "{index}: {}", smooth[index]);
            assert!((slope[index] - sloped / 10.0 / 0.1).abs() < 1e-11, "{index}: {}", slope[index]);
        }
        // A polynomial of its own order goes through every window, at the ends as well; an even one is half a step early.
        let cubic: Vec<f64> = (0..9).map(f64::from).map(|x| 2.0 - x + 0.5 * x * x * x).collect();
        let second = Filter { window: 5, order: 3, derivative: 2 }.of(&cubic, 0.5);
        for (index, value) in second.iter().enumerate() {
            assert!((value - 3.0 * index as f64 / (0.5 * 0.5)).abs() < 1e-9, "{index}: {value}");
        }
        let square: Vec<f64> = (0..12).map(|index| f64::from(index * index)).collect();
        let even = Filter { window: 8, order: 2, derivative: 0 }.of(&square, 1.0);
        for (index, value) in even.iter().enumerate() {
            let at = index as f64 + if (4..8).contains(&index) { 0.5 } else { 0.0 };
            assert!((value - at * at).abs() < 1e-9, "{index}: {value}");
        }
        assert!(Filter { window: 8, order: 2, derivative: 0 }.of(&[], 0.1).is_empty());
        assert_eq!(Filter { window: 5, order: 3, derivative: 2 }.of(&[1.0, 2.0], 0.1), [0.0, 0.0]);
    }

    #[test]
    fn accelerations_and_jerks_are_those_of_closed_forms() {
        // Acceleration that grows by 2 m/s3 from -3 m/s2, going straight on: to 1.8 m/s2 in 2.4 s.
        let comfort = log(25, |time_s| ego(|ego| ego.acceleration_mps2 = -3.0 + 2.0 * time_s)).comfort();
        assert!(close(comfort.min_longitudinal_acceleration_mps2, -3.0), "{comfort:?}");
        assert!(close(comfort.max_longitudinal_acceleration_mps2, 1.8), "{comfort:?}");
        assert!((comfort.max_longitudinal_jerk_mps3 - 2.0).abs() < 0.5, "{comfort:?}");
        assert_eq!(broken(&comfort), [""; 0]);
        // 10 m/s around a circle of 25 m: 4 m/s2 to the side; with 3 m/s2 along it, 5 m/s2 in all, without a jerk.
        let comfort = log(40, |time_s| {
            ego(|ego| {
                (ego.yaw_rate_rad_per_s, ego.acceleration_mps2) = (-0.4, -3.0);
                ego.heading_rad = crate::math::wrap_angle(-2.5 - 0.4 * time_s);
            })
        })
        .comfort();
        assert!(close(comfort.max_lateral_acceleration_mps2, 4.0) && comfort.max_jerk_mps3 < 1e-3, "{comfort:?}");
        assert!(close(comfort.max_yaw_rate_rad_per_s, 0.4), "also where the angle wraps: {comfort:?}");
        assert!(comfort.max_yaw_acceleration_rad_per_s2 < 1e-3, "{comfort:?}");
    }

    #[test]
    fn each_bound_is_broken_by_itself() {
        let steady = |change: fn(&mut EgoState)| log(60, |_| ego(change)).comfort();
        assert_eq!(broken(&steady(|ego| ego.acceleration_mps2 = -4.0)), [""; 0]);
        assert_eq!(broken(&steady(|ego| ego.acceleration_mps2 = -4.1)), ["longitudinal_acceleration"]);
        assert_eq!(broken(&steady(|ego| ego.acceleration_mps2 = 2.5)), ["longitudinal_acceleration"]);
        assert_eq!(broken(&steady(|ego| ego.yaw_rate_rad_per_s = -0.5)), ["lateral_acceleration"]);
        let rising = |decisions: usize, change: fn(&mut EgoState, f32)| {
            log(decisions, |time_s| ego(|ego| change(ego, time_s))).comfort()
        };
        // From -4 m/s2 up by 4.4 m/s3; and in a bend that closes, 10 m/s3 to the side up to 4 m/s2.
        assert_eq!(
            broken(&rising(10, |ego, time_s| ego.acceleration_mps2 = -4.0 + 4.4 * time_s)),
            ["longitudinal_jerk"]
        );
        assert_eq!(broken(&rising(5, |ego, time_s| ego.yaw_rate_rad_per_s = time_s)), ["jerk"]);
        assert_eq!(broken(&rising(25, |ego, time_s| ego.heading_rad = time_s)), ["yaw_rate"]);
        // From 0.9 rad/s one way to 0.9 rad/s the other, by 2 rad/s2.
        let twisting = rising(10, |ego, time_s| ego.heading_rad = (time_s - 0.45) * (time_s - 0.45));
        assert_eq!(broken(&twisting), ["yaw_acceleration"]);
    }

    #[test]
    fn an_emergency_stop_is_counted_once_and_only_for_nothing() {
        // Brakes at 6 m/s2 from 1 s to 2 s with a short release, and again at 4 s.
        let braking = |time_s: f32| (0.95..2.05).contains(&time_s) && !(1.35..1.55).contains(&time_s);
        let stops = |gap_m: Option<f32>| {
            let at = |time_s: f32| {
                let hard = braking(time_s) || (3.95..4.25).contains(&time_s);
                Measures { gap_m, ..ego(|ego| ego.acceleration_mps2 = if hard { -6.0 } else { 0.0 }) }
            };
            let comfort = log(60, at).comfort();
            assert_eq!(comfort.hard_braking, 11 - 2 + 3);
            comfort.needless_emergency_stops
        };
        assert_eq!((stops(None), stops(Some(60.5)), stops(Some(59.5))), (2, 2, 0));
        // 4.9 m/s2 is hard and no emergency; a contact is not braking.
        let hard = log(10, |_| ego(|ego| ego.acceleration_mps2 = -4.9)).comfort();
        assert_eq!((hard.hard_braking, hard.needless_emergency_stops), (10, 0));
        let contact = Some(Contact { class: Class::Tree, index: 0, closing_speed_mps: 9.0 });
        let hit = log(10, |_| Measures { contact, ..ego(|ego| ego.acceleration_mps2 = -90.0) }).comfort();
        assert_eq!((hit.hard_braking, hit.needless_emergency_stops), (0, 0));
        assert!(hit.is_comfortable(), "{hit:?}");
    }

    #[test]
    fn the_least_time_to_collision_is_kept() {
        let mut log = ComfortLog::default();
        assert_eq!(log.comfort().min_ttc_s, f32::INFINITY);
        for time_to_collision_s in [9.0, 2.5, f32::INFINITY, 4.0] {
            log.note(&Measures { time_to_collision_s, ..ego(|_| ()) });
        }
        assert_eq!(log.comfort().min_ttc_s, 2.5);
    }
}
