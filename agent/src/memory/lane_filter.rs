//! Follows the lane over time: a Kalman filter over offset, heading and curvature, which goes on by what the car knows of its own
//! movement while the camera shows nothing useful.
//!
//! Who has not seen a frame yet, and may never see one, goes on from the middle of a straight lane and along it, as drives begin, and
//! never gives up: what it says then is how far the car has moved and turned since, which is all there is to go by.
//!
//! Each percept counts by its own expected error, and none moves the belief by more than a few standard deviations at once:
//! a black frame, which perception knows to be worthless, hardly counts, and a single wrong one cannot throw the car about.

use crate::memory::correction::{Estimate, MOST_SURPRISE};
use roadproof_perception::Percept;
use roadproof_perception::proof::interval::Interval;
use roadproof_perception::proof::network::PerceptBounds;
use roadproof_perception::proof::number::Number;

/// Spread that a decision of a tenth of a second adds to offset (m), heading (rad) and curvature (1/m): what the model leaves
/// out, mostly that perception's curvature is that of the road ahead rather than under the wheels.
const PROCESS_SIGMA: [f32; 3] = [0.02, 0.01, 0.003];
/// How far from the middle of its lane, from its heading and from a straight line a drive may begin.
const START_SIGMA: [f32; 3] = [0.5, 0.05, 0.01];
/// Percepts are never believed to be better than this.
const LEAST_SIGMA: [f32; 3] = [0.05, 0.008, 0.0015];

/// The filter of one world.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LaneTracker {
    lane: Option<Lane<f32>>,
}

/// A lane as it is believed to be.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Lane<N> {
    /// Offset (m), heading (rad), curvature (1/m).
    state: [N; 3],
    covariance: [[N; 3]; 3],
}

/// What a frame says of the three numbers.
struct Measured<N> {
    value: [N; 3],
    /// Scale of the Laplace distribution that perception expects its errors to have.
    scale: [N; 3],
}

impl From<&Percept> for Measured<f32> {
    fn from(percept: &Percept) -> Self {
        Self {
            value: [percept.lane_offset_m, percept.heading_rad, percept.curvature_per_m],
            scale: [percept.lane_offset_scale_m, percept.heading_scale_rad, percept.curvature_scale_per_m],
        }
    }
}

impl From<&PerceptBounds> for Measured<Interval> {
    fn from(percept: &PerceptBounds) -> Self {
        Self {
            value: [percept.lane_offset_m, percept.heading_rad, percept.curvature_per_m],
            scale: [percept.lane_offset_scale_m, percept.heading_scale_rad, percept.curvature_scale_per_m],
        }
    }
}

impl<N: Number> Measured<N> {
    /// Variance of a number: that of the distribution, with a floor.
    fn noise(&self, index: usize) -> N {
        let sigma = (self.scale[index] * N::from(std::f32::consts::SQRT_2)).at_least(LEAST_SIGMA[index]);
        sigma * sigma
    }
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
        let next = self.next(percept.map(Measured::from), speed_mps, yaw_rate_rad_per_s, dt_s);
        self.lane = Some(next);
        next.state
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
        self.next(percept.map(Measured::from), speed_mps, yaw_rate_rad_per_s, dt_s).state
    }

    /// The lane after `dt_s` and what was measured, if anything was; at the start of a drive what was measured, or as drives begin.
    fn next<N: Estimate>(
        &self,
        measured: Option<Measured<N>>,
        speed_mps: f32,
        yaw_rate_rad_per_s: f32,
        dt_s: f32,
    ) -> Lane<N> {
        let Some(mut lane) = self.lane else { return measured.as_ref().map_or_else(Lane::unseen, Lane::first) };
        lane.predict(speed_mps, yaw_rate_rad_per_s, dt_s);
        let mut lane =
            Lane { state: lane.state.map(N::from), covariance: lane.covariance.map(|line| line.map(N::from)) };
        if let Some(measured) = measured {
            (0..3).for_each(|index| lane.correct(index, measured.value[index], measured.noise(index)));
        }
        lane
    }
}

impl Lane<f32> {
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
}

impl<N: Estimate> Lane<N> {
    fn first(measured: &Measured<N>) -> Self {
        Self::new(measured.value, |index| measured.noise(index))
    }

    /// The lane of a drive of which no frame was seen.
    fn unseen() -> Self {
        Self::new([N::from(0.0); 3], |index| N::from(START_SIGMA[index] * START_SIGMA[index]))
    }

    fn new(state: [N; 3], variance: impl Fn(usize) -> N) -> Self {
        let mut covariance = [[N::from(0.0); 3]; 3];
        (0..3).for_each(|index| covariance[index][index] = variance(index));
        Self { state, covariance }
    }

    /// Takes in one number. They come one after the other: their errors are taken to be independent.
    fn correct(&mut self, index: usize, value: N, noise: N) {
        let (row, state) = (self.covariance[index], self.state[index]);
        let variance = row[index] + noise;
        for (other, covariance) in self.state.iter_mut().zip(row) {
            *other = *other + N::correction(covariance, variance, value - state, MOST_SURPRISE);
        }
        self.state[index] = N::corrected(state, value, row[index], noise, MOST_SURPRISE);
        let gain = row.map(|covariance| covariance / variance);
        for (line, gain) in self.covariance.iter_mut().zip(gain) {
            line.iter_mut().zip(row).for_each(|(covariance, own)| *covariance = *covariance - gain * own);
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

    /// Where the start left the lane, by speed and yaw rate alone: v ω t² / 2 to the side and ω t around after a bend, as far again
    /// along the new heading for each second of straight driving, and nothing while it stands, for however long.
    #[test]
    fn who_never_saw_a_frame_reckons_from_the_middle_of_the_lane() {
        let mut tracker = LaneTracker::default();
        let mut go_on = |decisions, speed_mps, yaw_rate_rad_per_s| {
            (0..decisions).fold([f32::NAN; 3], |_, _| tracker.observe(None, speed_mps, yaw_rate_rad_per_s, 0.1))
        };
        assert_eq!(go_on(1, 10.0, 0.1), [0.0; 3], "at the start nothing has been driven yet");
        let near = |state: [f32; 3], by_hand: [f32; 3]| {
            assert!(
                state.iter().zip(by_hand).all(|(own, by_hand)| (own - by_hand).abs() < 1e-3),
                "{state:?}, {by_hand:?}"
            );
        };
        near(go_on(20, 10.0, 0.1), [2.0, 0.2, 0.0]);
        near(go_on(30, 10.0, 0.0), [8.0, 0.2, 0.0]);
        near(go_on(6000, 0.0, 0.0), [8.0, 0.2, 0.0]);
        near(go_on(10, 5.0, -0.2), [8.5, 0.0, 0.0]);
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
