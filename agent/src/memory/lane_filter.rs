//! Follows the lane over time: a Kalman filter over offset, heading and curvature, which goes on by what the car knows of its own
//! movement while the camera shows nothing useful.
//!
//! Each percept counts by its own expected error, and none moves the belief by more than a few standard deviations at once:
//! a black frame, which perception knows to be worthless, hardly counts, and a single wrong one cannot throw the car about.

use roadproof_perception::Percept;
use roadproof_perception::proof::interval::{Interval, ROUNDING};
use roadproof_perception::proof::network::PerceptBounds;

/// Spread that a decision of a tenth of a second adds to offset (m), heading (rad) and curvature (1/m): what the model leaves
/// out, mostly that perception's curvature is that of the road ahead rather than under the wheels.
const PROCESS_SIGMA: [f32; 3] = [0.02, 0.01, 0.003];
/// Percepts are never believed to be better than this.
const LEAST_SIGMA: [f32; 3] = [0.05, 0.008, 0.0015];
/// Surprises beyond so many standard deviations count as this many.
///
/// # Source
/// Huber 1964, "Robust Estimation of a Location Parameter": the usual bound is 1.345 for identically distributed errors; errors
/// of neighbouring frames are alike, so more is let through here.
pub(crate) const MOST_SURPRISE: f32 = 2.0;

/// The filter of one world.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LaneTracker {
    lane: Option<Lane>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Lane {
    /// Offset (m), heading (rad), curvature (1/m).
    state: [f32; 3],
    covariance: [[f32; 3]; 3],
}

impl LaneTracker {
    /// Goes on by `dt_s` and takes in a percept, if there is one; returns offset, heading and curvature.
    ///
    /// # Units
    /// Metres, radians, 1/m.
    pub fn observe(
        &mut self,
        percept: Option<&Percept>,
        speed_mps: f32,
        yaw_rate_rad_per_s: f32,
        dt_s: f32,
    ) -> [f32; 3] {
        let seen = percept.map(measured);
        let lane = match (&mut self.lane, seen) {
            (None, None) => return [0.0; 3],
            (slot @ None, Some((state, sigma))) => slot.insert(Lane::first(state, sigma)),
            (Some(lane), seen) => {
                lane.predict(speed_mps, yaw_rate_rad_per_s, dt_s);
                if let Some((value, sigma)) = seen {
                    (0..3).for_each(|index| lane.correct(index, value[index], sigma[index]));
                }
                lane
            }
        };
        lane.state
    }

    /// Bounds of what [`Self::observe`] returns for every percept within bounds; the filter stays as it is.
    #[must_use]
    pub fn bounds(
        &self,
        percept: Option<&PerceptBounds>,
        speed_mps: f32,
        yaw_rate_rad_per_s: f32,
        dt_s: f32,
    ) -> [Interval; 3] {
        let value = percept.map(|percept| [percept.lane_offset_m, percept.heading_rad, percept.curvature_per_m]);
        let Some(mut lane) = self.lane else { return value.unwrap_or([Interval::exactly(0.0); 3]) };
        lane.predict(speed_mps, yaw_rate_rad_per_s, dt_s);
        let mut bounds = LaneBounds {
            state: lane.state.map(Interval::exactly),
            covariance: lane.covariance.map(|line| line.map(Interval::exactly)),
        };
        if let (Some(percept), Some(value)) = (percept, value) {
            let scale = [percept.lane_offset_scale_m, percept.heading_scale_rad, percept.curvature_scale_per_m];
            for index in 0..3 {
                let sigma = (scale[index] * std::f32::consts::SQRT_2).at_least(LEAST_SIGMA[index]);
                bounds.correct(index, value[index], sigma);
            }
        }
        bounds.state
    }
}

/// What a percept says, and the standard deviation of that: of a Laplace distribution with the predicted scale.
fn measured(percept: &Percept) -> ([f32; 3], [f32; 3]) {
    let value = [percept.lane_offset_m, percept.heading_rad, percept.curvature_per_m];
    let scale = [percept.lane_offset_scale_m, percept.heading_scale_rad, percept.curvature_scale_per_m];
    let sigma = |index: usize| (std::f32::consts::SQRT_2 * scale[index]).max(LEAST_SIGMA[index]);
    (value, [sigma(0), sigma(1), sigma(2)])
}

impl Lane {
    fn first(state: [f32; 3], sigma: [f32; 3]) -> Self {
        let mut covariance = [[0.0; 3]; 3];
        (0..3).for_each(|index| covariance[index][index] = sigma[index] * sigma[index]);
        Self { state, covariance }
    }

    /// The car moves along its heading and turns by its yaw rate, the lane under it by its curvature.
    fn predict(&mut self, speed_mps: f32, yaw_rate_rad_per_s: f32, dt_s: f32) {
        let step_m = speed_mps * dt_s;
        let [offset, heading, curvature] = self.state;
        let turn = yaw_rate_rad_per_s * dt_s - step_m * curvature;
        self.state = [offset + step_m * (heading + 0.5 * turn), heading + turn, curvature];
        let motion = [[1.0, step_m, -0.5 * step_m * step_m], [0.0, 1.0, -step_m], [0.0, 0.0, 1.0]];
        let mut moved = product(&product(&motion, &self.covariance), &transposed(&motion));
        // Noise of a decision of another length grows with its time.
        let decisions = dt_s / 0.1;
        (0..3).for_each(|index| moved[index][index] += PROCESS_SIGMA[index] * PROCESS_SIGMA[index] * decisions);
        self.covariance = moved;
    }

    /// One number after the other: their errors are taken to be independent.
    fn correct(&mut self, index: usize, value: f32, sigma: f32) {
        let variance = self.covariance[index][index] + sigma * sigma;
        let most = MOST_SURPRISE * variance.sqrt();
        let surprise = (value - self.state[index]).clamp(-most, most);
        let row = self.covariance[index];
        let gain = row.map(|covariance| covariance / variance);
        for (state, gain) in self.state.iter_mut().zip(gain) {
            *state += gain * surprise;
        }
        for (line, gain) in self.covariance.iter_mut().zip(gain) {
            line.iter_mut().zip(row).for_each(|(covariance, own)| *covariance -= gain * own);
        }
    }
}

/// A lane that is known to lie within bounds.
struct LaneBounds {
    state: [Interval; 3],
    covariance: [[Interval; 3]; 3],
}

impl LaneBounds {
    /// As [`Lane::correct`].
    ///
    /// The corrected number itself is `s + p / v * clamp(z - s)`, where `v = p + sigma²` and the clamp is at plus or minus
    /// [`MOST_SURPRISE`] roots of `v`. It grows with `s` and with `z`; the correction grows with `p` and falls with `sigma`,
    /// both in magnitude. So its ends are at corners. The others add `c * clamp(z - s) / v` with their covariance `c`; the
    /// fraction grows with `z - s` and falls with `v` in magnitude.
    fn correct(&mut self, index: usize, value: Interval, sigma: Interval) {
        let (row, state) = (self.covariance[index], self.state[index]);
        let variance = row[index] + sigma * sigma;
        let pull = pull(value - state, variance);
        for (other, own) in self.state.iter_mut().zip(row) {
            *other = *other + own * pull;
        }
        if row[index].low > 0.0 {
            self.state[index] = corrected(state, value, row[index], sigma);
        }
        let gain = row.map(|covariance| covariance / variance);
        for (line, gain) in self.covariance.iter_mut().zip(gain) {
            line.iter_mut().zip(row).for_each(|(covariance, own)| *covariance = *covariance - gain * own);
        }
    }
}

/// A surprise, cut, over its variance.
fn pull(surprise: Interval, variance: Interval) -> Interval {
    if variance.low <= 0.0 {
        return Interval::ALL;
    }
    let at = |surprise: f64, variance: f64| cut(surprise, variance) / variance;
    let ends = |variance: f64| [at(surprise.low, variance), at(surprise.high, variance)];
    let found = Interval::around(ends(variance.low).into_iter().chain(ends(variance.high)));
    found.widened(ROUNDINGS * found.magnitude())
}

/// The number that a percept corrects.
fn corrected(state: Interval, value: Interval, own: Interval, sigma: Interval) -> Interval {
    let at = |state: f64, value: f64, own: f64, sigma: f64| {
        let variance = own + sigma * sigma;
        state + own / variance * cut(value - state, variance)
    };
    let ends = |state: f64, value: f64| {
        [own.low, own.high]
            .into_iter()
            .flat_map(move |own| [at(state, value, own, sigma.low), at(state, value, own, sigma.high)])
    };
    let found = Interval::around(ends(state.low, value.low).chain(ends(state.high, value.high)));
    found.widened(ROUNDINGS * (state.magnitude() + value.magnitude()))
}

fn cut(surprise: f64, variance: f64) -> f64 {
    let most = f64::from(MOST_SURPRISE) * variance.sqrt();
    surprise.clamp(-most, most)
}

/// More than the handful of operations of a correction lose in f32, as a share of its operands.
const ROUNDINGS: f64 = 16.0 * ROUNDING;

fn product(a: &[[f32; 3]; 3], b: &[[f32; 3]; 3]) -> [[f32; 3]; 3] {
    let entry = |row: usize, column: usize| (0..3).map(|inner| a[row][inner] * b[inner][column]).sum();
    std::array::from_fn(|row| std::array::from_fn(|column| entry(row, column)))
}

fn transposed(a: &[[f32; 3]; 3]) -> [[f32; 3]; 3] {
    std::array::from_fn(|row| std::array::from_fn(|column| a[column][row]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percept(offset_m: f32, scale: f32) -> Percept {
        Percept {
            lane_offset_m: offset_m,
            heading_rad: 0.02,
            lane_offset_scale_m: scale,
            heading_scale_rad: 0.1 * scale,
            curvature_scale_per_m: 0.02 * scale,
            ..Percept::default()
        }
    }

    #[test]
    fn goes_on_by_its_own_movement_when_there_is_nothing_to_see() {
        let mut tracker = LaneTracker::default();
        (0..30).for_each(|_| {
            tracker.observe(Some(&percept(0.5, 0.05)), 0.0, 0.0, 0.1);
        });
        // Two seconds at 10 m/s and 0.02 rad, with nothing, or with frames that say themselves that they are worthless.
        for worthless in [None, Some(percept(-2.0, 20.0))] {
            let mut tracker = tracker;
            let mut state = [0.0; 3];
            for _ in 0..20 {
                state = tracker.observe(worthless.as_ref(), 10.0, 0.0, 0.1);
            }
            assert!((state[0] - 0.9).abs() < 0.15, "{worthless:?}: {state:?}");
        }
    }

    #[test]
    fn a_single_wrong_percept_moves_little_and_many_right_ones_all_the_way() {
        let mut tracker = LaneTracker::default();
        let still =
            |tracker: &mut LaneTracker, offset_m| tracker.observe(Some(&percept(offset_m, 0.1)), 0.0, 0.0, 0.1)[0];
        (0..30).for_each(|_| {
            still(&mut tracker, 0.0);
        });
        let moved = still(&mut tracker, 3.0);
        assert!(moved > 0.0 && moved < 0.2, "{moved}");
        for _ in 0..60 {
            still(&mut tracker, 1.0);
        }
        assert!((still(&mut tracker, 1.0) - 1.0).abs() < 0.05);
    }
}
