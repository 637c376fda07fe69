//! What the policy is told: the percepts of the last three decisions, the tracked lead, and what the car knows of itself.

pub mod lane_filter;
pub mod lead_filter;
pub mod situation;

use crate::memory::lane_filter::LaneTracker;
use crate::memory::lead_filter::{LeadBounds, LeadTracker};
use roadproof_perception::Percept;
use roadproof_perception::proof::interval::Interval;
use roadproof_perception::proof::network::PerceptBounds;
use roadproof_sim::Measures;
use serde::{Deserialize, Serialize};

/// What a car knows of itself without a camera, and the speed limit its map gives. Nothing else of the ground truth reaches
/// the policy.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Odometry {
    /// Speed along the body's axis.
    pub speed_mps: f32,
    /// Change of that speed.
    pub acceleration_mps2: f32,
    /// Turning speed about the up axis.
    pub yaw_rate_rad_per_s: f32,
    /// Steering angle of the front wheels.
    pub steer_rad: f32,
    /// The speed limit.
    pub speed_limit_mps: f32,
}

impl From<&Measures> for Odometry {
    fn from(measures: &Measures) -> Self {
        Self {
            speed_mps: measures.ego.speed_mps,
            acceleration_mps2: measures.ego.acceleration_mps2,
            yaw_rate_rad_per_s: measures.ego.yaw_rate_rad_per_s,
            steer_rad: measures.ego.steer_rad,
            speed_limit_mps: measures.speed_limit_mps,
        }
    }
}

/// Numbers in one policy input.
pub const FEATURES: usize = 24;
/// Percepts remembered, the newest first.
pub(crate) const HISTORY: usize = 3;
/// Slower than this, two equal frames in a row are no wonder.
const STANDING_MPS: f32 = 0.5;

/// How the driver puts frames together; all off is the nominal driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MemorySettings {
    /// The lane is tracked by a filter that goes on without the camera.
    pub track_lane: bool,
    /// The car ahead is believed in or not by what many frames say, rather than by each.
    pub believe_lead: bool,
    /// A frame that is the last one to the bit, while the car moves, is taken for none.
    pub refuse_stale: bool,
}

impl MemorySettings {
    /// All on: the hardened driver.
    pub const STEADY: Self = Self { track_lane: true, believe_lead: true, refuse_stale: true };
}

/// What one world's driver remembers between decisions.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    settings: MemorySettings,
    percepts: [Option<Percept>; HISTORY],
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
    /// Everything is scaled to about `-1..=1`.
    pub fn observe(&mut self, percept: &Percept, ego: Odometry, dt_s: f32, features: &mut [f32]) {
        self.go_on(Some(percept), percept, ego, dt_s, features);
    }

    /// Goes on by one decision with a percept or without one; `stand_in` is what a memory that does not track has to go by.
    fn go_on(&mut self, seen: Option<&Percept>, stand_in: &Percept, ego: Odometry, dt_s: f32, features: &mut [f32]) {
        let mut percept = *stand_in;
        let speed_mps = ego.speed_mps;
        if self.settings.track_lane {
            [percept.lane_offset_m, percept.heading_rad, percept.curvature_per_m] =
                self.lane.observe(seen, speed_mps, ego.yaw_rate_rad_per_s, dt_s);
        }
        self.percepts.rotate_right(1);
        self.percepts[0] = Some(percept);
        self.lead.observe(seen, speed_mps, dt_s);
        let mut values = features.iter_mut();
        let mut push = |value: f32| {
            if let Some(slot) = values.next() {
                *slot = value.clamp(-4.0, 4.0);
            }
        };
        for age in 0..HISTORY {
            // At the start of a drive the oldest percept there is stands for those before it.
            let percept = self.percepts[age].unwrap_or(percept);
            push(percept.lane_offset_m);
            push(percept.heading_rad / 0.1);
            push(percept.curvature_per_m / 0.02);
        }
        let lead = self.lead.lead();
        let gap_m = lead.map_or(60.0, |lead| lead.gap_m);
        let closing_mps = lead.map_or(0.0, |lead| speed_mps - lead.speed_mps);
        push(f32::from(u8::from(lead.is_some())));
        push(gap_m / 30.0);
        push(6.0 / (gap_m + 3.0));
        push(closing_mps / 5.0);
        push(3.0 * closing_mps.max(0.0) / (gap_m + 1.0));
        push((gap_m - 2.0 - 1.2 * speed_mps) / 15.0);
        let limit_mps = ego.speed_limit_mps;
        push(speed_mps / 15.0);
        push(limit_mps / 15.0);
        push((limit_mps - speed_mps) / 3.0);
        push(ego.steer_rad / 0.05);
        push(ego.yaw_rate_rad_per_s / 0.2);
        push(ego.acceleration_mps2 / 4.0);
        push(speed_mps * percept.heading_rad);
        push(20.0 * (percept.curvature_per_m - ego.yaw_rate_rad_per_s / speed_mps.max(2.0)));
        push(f32::from(u8::from(speed_mps < 0.5)));
    }
}

/// Bounds of one policy input.
pub type FeatureBounds = [Interval; FEATURES];

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

    /// As [`Self::go_on`].
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
        leads.into_iter().map(|lead| self.feature_bounds(lane, lead, ego)).collect()
    }

    /// The policy's input, operation for operation as [`Self::go_on`] writes it.
    fn feature_bounds(&self, lane: [Interval; 3], lead: Option<LeadBounds>, ego: Odometry) -> FeatureBounds {
        let (speed_mps, limit_mps) = (ego.speed_mps, ego.speed_limit_mps);
        let mut features = [Interval::exactly(0.0); FEATURES];
        let mut values = features.iter_mut();
        let mut push = |value: Interval| {
            if let Some(slot) = values.next() {
                *slot = value.clamp(-4.0, 4.0);
            }
        };
        for age in 0..HISTORY {
            let earlier = if age == 0 { None } else { self.percepts[age - 1] };
            let [offset, heading, curvature] = earlier.map_or(lane, |percept| {
                [percept.lane_offset_m, percept.heading_rad, percept.curvature_per_m].map(Interval::exactly)
            });
            push(offset);
            push(heading / 0.1);
            push(curvature / 0.02);
        }
        let gap_m = lead.map_or(Interval::exactly(60.0), |lead| lead.gap_m);
        let closing_mps = lead.map_or(Interval::exactly(0.0), |lead| Interval::exactly(speed_mps) - lead.speed_mps);
        push(Interval::exactly(f32::from(u8::from(lead.is_some()))));
        push(gap_m / 30.0);
        push(Interval::exactly(6.0) / (gap_m + 3.0));
        push(closing_mps / 5.0);
        push(closing_mps.at_least(0.0) * 3.0 / (gap_m + 1.0));
        push((gap_m - 2.0 - 1.2 * speed_mps) / 15.0);
        push(Interval::exactly(speed_mps / 15.0));
        push(Interval::exactly(limit_mps / 15.0));
        push(Interval::exactly((limit_mps - speed_mps) / 3.0));
        push(Interval::exactly(ego.steer_rad / 0.05));
        push(Interval::exactly(ego.yaw_rate_rad_per_s / 0.2));
        push(Interval::exactly(ego.acceleration_mps2 / 4.0));
        push(lane[1] * speed_mps);
        push((lane[2] - ego.yaw_rate_rad_per_s / speed_mps.max(2.0)) * 20.0);
        push(Interval::exactly(f32::from(u8::from(speed_mps < 0.5))));
        features
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_is_written_and_bounded() {
        let mut features = [f32::NAN; FEATURES];
        let percept = Percept { lane_offset_m: 100.0, gap_m: 5.0, lead_probability: 1.0, ..Percept::default() };
        Memory::default().observe(&percept, Odometry::default(), 0.1, &mut features);
        assert!(features.iter().all(|value| (-4.0..=4.0).contains(value)), "{features:?}");
        assert_eq!(features[0], 4.0);
    }
}
