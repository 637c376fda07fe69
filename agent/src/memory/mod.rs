//! What the policy is told: the lane in the last three decisions, the tracked lead, and what the car knows of itself.

mod correction;
pub mod feature;
pub mod lane_filter;
pub mod lead_filter;
mod odometry;
mod second_look;
pub mod situation;

use crate::memory::feature::{HISTORY, Known, LANE_FEATURES};
use crate::memory::lane_filter::LaneTracker;
use crate::memory::lead_filter::{Lead, LeadTracker};
use roadproof_perception::Percept;
use roadproof_perception::proof::network::PerceptBounds;
use roadproof_perception::proof::number::Number;
use serde::{Deserialize, Serialize};

pub use feature::{FEATURES, Feature, FeatureBounds};
pub use odometry::Odometry;

/// Slower than this, two equal frames in a row are no wonder.
const STANDING_MPS: f32 = 0.5;

/// How the driver puts frames together; all off is the nominal driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MemorySettings {
    /// The lane is tracked by a filter that goes on without the camera.
    pub track_lane: bool,
    /// The car ahead is believed in or not by what many frames say, rather than by each, and is looked at again by who has stood
    /// before it for a while.
    pub believe_lead: bool,
    /// A frame that is the last one to the bit, while the car moves, is taken for none.
    pub refuse_stale: bool,
}

impl MemorySettings {
    /// All on: the hardened driver.
    pub const STEADY: Self = Self { track_lane: true, believe_lead: true, refuse_stale: true };
    /// The one that does something without a frame: the driver without a camera.
    pub const RECKONING: Self = Self { track_lane: true, believe_lead: false, refuse_stale: false };
}

/// What one world's driver remembers between decisions.
///
/// # Example
/// ```
/// use roadproof_agent::memory::{FEATURES, Memory, MemorySettings, Odometry};
/// use roadproof_perception::Percept;
///
/// let mut memory = Memory::new(MemorySettings::STEADY);
/// let odometry = Odometry { speed_mps: 10.0, ..Odometry::default() };
/// let frame = [0; 12];
/// let mut features = [0.0; FEATURES];
/// memory.look(&frame, &Percept { lane_offset_m: 0.3, ..Percept::default() }, odometry, 0.1, &mut features);
/// assert!(features.iter().all(|feature| feature.is_finite()));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Memory {
    settings: MemorySettings,
    /// Offset (m), heading (rad) and curvature (1/m) of the lane in the last decisions, the newest first.
    lanes: [Option<[f32; LANE_FEATURES]>; HISTORY],
    lane: LaneTracker,
    lead: LeadTracker,
    /// Digest of the last frame.
    frame: Option<u64>,
}

impl Memory {
    /// The memory of a drive that begins.
    #[must_use]
    pub fn new(settings: MemorySettings) -> Self {
        let lead = if settings.believe_lead { LeadTracker::believing() } else { LeadTracker::default() };
        Self { settings, lead, ..Self::default() }
    }

    /// Takes in a frame's percept unless the frame is stale, and writes the policy's input.
    ///
    /// # Shapes
    /// - `rgb`: the frame's bytes; `features`: [`FEATURES`]
    pub fn look(&mut self, rgb: &[u8], percept: &Percept, ego: Odometry, dt_s: f32, features: &mut [f32]) {
        if self.settings.refuse_stale {
            let digest = xxhash_rust::xxh3::xxh3_64(rgb);
            let stale = self.frame.replace(digest) == Some(digest) && ego.speed_mps > STANDING_MPS;
            if stale {
                return self.go_on(None, percept, ego, dt_s, features);
            }
        }
        self.observe(percept, ego, dt_s, features);
    }

    /// Takes in a percept and writes the policy's input.
    ///
    /// # Shapes
    /// - `features`: [`FEATURES`]
    ///
    /// # Units
    /// Everything is scaled to about `-1..=1`, see [`Feature::TABLE`].
    pub fn observe(&mut self, percept: &Percept, ego: Odometry, dt_s: f32, features: &mut [f32]) {
        self.go_on(Some(percept), percept, ego, dt_s, features);
    }

    /// Goes on without a frame and writes the policy's input, for whoever has no camera: the lane is where dead reckoning from the
    /// start of the drive puts it, or right under the car if lanes are not tracked, and there is no car ahead.
    ///
    /// # Shapes
    /// - `features`: [`FEATURES`]
    pub fn coast(&mut self, ego: Odometry, dt_s: f32, features: &mut [f32]) {
        self.go_on(None, &Percept::default(), ego, dt_s, features);
    }

    /// Goes on by one decision with a percept or without one; `stand_in` is what a memory that does not track has to go by.
    fn go_on(&mut self, seen: Option<&Percept>, stand_in: &Percept, ego: Odometry, dt_s: f32, features: &mut [f32]) {
        let lane = if self.settings.track_lane {
            self.lane.observe(seen, ego.speed_mps, ego.yaw_rate_rad_per_s, dt_s)
        } else {
            [stand_in.lane_offset_m, stand_in.heading_rad, stand_in.curvature_per_m]
        };
        self.lead.observe(seen, ego.speed_mps, dt_s);
        let known = self.known(lane, self.lead.lead(), ego);
        features.iter_mut().zip(known.features()).for_each(|(slot, feature)| *slot = feature);
        self.lanes.rotate_right(1);
        self.lanes[0] = Some(lane);
    }

    /// What is known with the newest lane, which is not remembered yet, and the car ahead.
    fn known<N: Number>(&self, lane: [N; LANE_FEATURES], lead: Option<Lead<N>>, ego: Odometry) -> Known<N> {
        // At the start of a drive the newest stands for those that are not there yet.
        let before = |decisions: usize| self.lanes[decisions - 1].map_or(lane, |lane| lane.map(N::from));
        Known { lanes: [lane, before(1), before(2)], lead: lead.map(|lead| [lead.gap_m, lead.speed_mps]), ego }
    }
}

impl Memory {
    /// What [`Self::look`] may write for every percept within bounds: one box for each case of a car ahead, so that whatever it
    /// writes lies in one of them. The memory stays as it is.
    ///
    /// `repeated` says whether the frame may be the last one to the bit, which a memory that refuses stale frames takes for none.
    #[must_use]
    pub fn bounds(&self, percept: &PerceptBounds, ego: Odometry, dt_s: f32, repeated: bool) -> Vec<FeatureBounds> {
        let mut cases = self.bounds_of(Some(percept), percept, ego, dt_s);
        let stale = self.settings.refuse_stale && self.frame.is_some() && ego.speed_mps > STANDING_MPS;
        if stale && repeated {
            cases.extend(self.bounds_of(None, percept, ego, dt_s));
        }
        cases
    }

    /// The cases of [`Self::bounds`] with a frame or without one; `stand_in` is what a memory that does not track has to go by.
    fn bounds_of(
        &self,
        seen: Option<&PerceptBounds>,
        stand_in: &PerceptBounds,
        ego: Odometry,
        dt_s: f32,
    ) -> Vec<FeatureBounds> {
        let lane = if self.settings.track_lane {
            self.lane.bounds(seen, ego.speed_mps, ego.yaw_rate_rad_per_s, dt_s)
        } else {
            [stand_in.lane_offset_m, stand_in.heading_rad, stand_in.curvature_per_m]
        };
        let leads = self.lead.bounds(seen, ego.speed_mps, dt_s);
        leads.into_iter().map(|lead| self.known(lane, lead, ego).features()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::feature::FEATURE_MAX;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    /// Digest of the bits of all features over histories drawn at random, with frames that stand still among them.
    fn digest_of_features(settings: MemorySettings) -> u64 {
        let mut random = Pcg64Mcg::seed_from_u64(24);
        let mut written = Vec::new();
        for _ in 0..40 {
            let mut memory = Memory::new(settings);
            let dt_s = if random.random::<bool>() { 0.1 } else { 0.05 };
            let (limit_mps, start_mps) = (random.random_range(5.0..30.0), random.random_range(-0.5..25.0_f32));
            for _ in 0..25 {
                let mut draw = |low: f32, high: f32| random.random_range(low..high);
                let percept = Percept {
                    lane_offset_m: draw(-3.0, 3.0),
                    heading_rad: draw(-0.5, 0.5),
                    curvature_per_m: draw(-0.05, 0.05),
                    gap_m: draw(0.0, 60.0),
                    lead_probability: draw(0.0, 1.4).min(1.0),
                    lane_offset_scale_m: draw(0.0, 1.0),
                    heading_scale_rad: draw(0.0, 0.2),
                    curvature_scale_per_m: draw(0.0, 0.02),
                    gap_scale_m: draw(0.0, 6.0),
                };
                let odometry = Odometry {
                    speed_mps: start_mps + draw(-2.0, 2.0),
                    acceleration_mps2: draw(-8.0, 4.0),
                    yaw_rate_rad_per_s: draw(-0.4, 0.4),
                    steer_rad: draw(-0.5, 0.5),
                    speed_limit_mps: limit_mps,
                };
                let frame = [draw(0.0, 4.0) as u8];
                let mut features = [f32::NAN; FEATURES];
                memory.look(&frame, &percept, odometry, dt_s, &mut features);
                written.extend(features.into_iter().flat_map(|feature| feature.to_bits().to_le_bytes()));
            }
        }
        xxhash_rust::xxh3::xxh3_64(&written)
    }

    /// A policy has learned these numbers as they are: another order of operations is another driver.
    #[test]
    fn features_keep_their_bits() {
        let digests = [MemorySettings::default(), MemorySettings::STEADY].map(digest_of_features);
        assert_eq!(digests.map(|digest| format!("{digest:016x}")), ["62e3279a14751f18", "923442d84d138478"]);
    }

    /// What three frames and three states of the car come to, by hand: `feature` holds each formula, this holds what goes into them.
    #[test]
    fn the_policy_is_told_the_last_three_lanes_and_the_car_as_it_is_now() {
        let mut memory = Memory::default();
        let mut features = [f32::NAN; FEATURES];
        for decision in 1..=3_u8 {
            let now = f32::from(decision);
            let percept = Percept {
                lane_offset_m: 0.1 * now,
                heading_rad: 0.02 * now,
                curvature_per_m: 0.003 * now,
                gap_m: 24.0,
                lead_probability: 1.0,
                gap_scale_m: 0.1,
                ..Percept::default()
            };
            let ego = Odometry {
                speed_mps: 10.0,
                acceleration_mps2: 0.4 * now,
                yaw_rate_rad_per_s: 0.01 * now,
                steer_rad: 0.005 * now,
                speed_limit_mps: 12.0 + now,
            };
            memory.observe(&percept, ego, 0.1, &mut features);
        }
        let told = |name: &str| {
            let place = Feature::<f32>::TABLE.iter().position(|feature| feature.name == name);
            features[place.expect("there is such a feature")]
        };
        let by_hand = [
            ("lane_offset", 0.3),
            ("lane_offset_before", 0.2),
            ("lane_offset_two_before", 0.1),
            ("heading", 0.6),
            ("heading_before", 0.4),
            ("heading_two_before", 0.2),
            ("curvature", 0.45),
            ("curvature_before", 0.3),
            ("curvature_two_before", 0.15),
            ("lead", 1.0),
            ("speed", 10.0 / 15.0),
            ("acceleration", 0.3),
            ("yaw_rate", 0.15),
            ("steering_angle", 0.3),
            ("speed_limit", 1.0),
        ];
        for (name, wanted) in by_hand {
            assert!((told(name) - wanted).abs() < 1e-5, "{name} is {}, by hand {wanted}", told(name));
        }
        assert!((told("gap") - 24.0 / 30.0).abs() < 0.01, "a gap seen three times: {}", told("gap"));
        // However far off a percept is, the policy is told no more than the greatest number there is.
        let far = Percept { lane_offset_m: 100.0, heading_rad: -100.0, ..Percept::default() };
        memory.observe(&far, Odometry::default(), 0.1, &mut features);
        assert_eq!((features[0], features[1]), (FEATURE_MAX, -FEATURE_MAX));
    }
}
