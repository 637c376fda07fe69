//! Follows the lane over time: a Kalman filter over offset, heading and curvature, which goes on by what the car knows of its own
//! movement while the camera shows nothing useful.
//!
//! Each percept counts by its own expected error, and none moves the belief by more than a few standard deviations at once:
//! a black frame, which perception knows to be worthless, hardly counts, and a single wrong one cannot throw the car about.

use roadproof_perception::Percept;

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
const MOST_SURPRISE: f32 = 2.0;

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
