//! The numbers that the policy is told, one row a number: name, unit, scale, whether the camera has a say, and the formula, over
//! plain numbers and over intervals. Their order is that of the table and stands nowhere else.

use crate::memory::odometry::Odometry;
use roadproof_perception::GAP_MAX_M;
use roadproof_perception::proof::interval::Interval;
use roadproof_perception::proof::number::Number;

/// Numbers in one policy input.
pub const FEATURES: usize = 24;
/// Bounds of one policy input.
pub type FeatureBounds = [Interval; FEATURES];
/// Decisions whose lane is told, the newest first.
pub(crate) const HISTORY: usize = 3;
/// Numbers told of each of those lanes. They come before all others, decision by decision.
pub(crate) const LANE_FEATURES: usize = 3;
/// However far off a number is, the policy is told no more than this, and no less than minus this.
pub const FEATURE_MAX: f32 = 4.0;

/// One number of the policy's input; `N` is what its formula is computed over.
#[derive(Clone, Copy, Debug)]
pub struct Feature<N = f32> {
    /// Its name.
    pub name: &'static str,
    /// The unit of the number before it is scaled; empty for one that has none.
    pub unit: &'static str,
    /// How the number comes to about -1 to 1.
    pub scale: Scale,
    /// Whether the camera has a say in it. What the car knows of itself is the same whatever a frame shows.
    pub seen: bool,
    value: fn(&Known<N>) -> N,
}

/// How a number comes to about -1 to 1. Dividing and multiplying round differently, and weights were learned with these.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// Told as it is.
    AsItIs,
    /// Divided by what becomes one.
    Over(f32),
    /// Multiplied by what one becomes.
    Times(f32),
}

impl Scale {
    /// The scaled number.
    pub fn of<N: Number>(self, value: N) -> N {
        match self {
            Self::AsItIs => value,
            Self::Over(one) => value / N::from(one),
            Self::Times(one) => value * N::from(one),
        }
    }
}

/// What the numbers are made of.
pub(super) struct Known<N> {
    /// Offset (m), heading (rad) and curvature (1/m) of the lane in the last decisions, the newest first.
    pub(super) lanes: [[N; LANE_FEATURES]; HISTORY],
    /// Gap (m) and speed (m/s) of the car ahead, if one is believed in.
    pub(super) lead: Option<[N; 2]>,
    pub(super) ego: Odometry,
}

impl<N: Number> Known<N> {
    fn heading_rad(&self) -> N {
        self.lanes[0][1]
    }

    fn curvature_per_m(&self) -> N {
        self.lanes[0][2]
    }

    /// A free lane is one whose next car is as far away as perception can tell.
    fn gap_m(&self) -> N {
        self.lead.map_or(N::from(GAP_MAX_M), |[gap_m, _]| gap_m)
    }

    fn closing_mps(&self) -> N {
        self.lead.map_or(N::from(0.0), |[_, speed_mps]| N::from(self.ego.speed_mps) - speed_mps)
    }

    /// Every number of the policy's input, in the order of the table.
    pub(super) fn features(&self) -> [N; FEATURES] {
        Feature::<N>::TABLE.map(|feature| feature.scale.of((feature.value)(self)).clamp(-FEATURE_MAX, FEATURE_MAX))
    }
}

/// A number that the camera has a say in.
const fn seen<N>(name: &'static str, unit: &'static str, scale: Scale, value: fn(&Known<N>) -> N) -> Feature<N> {
    Feature { name, unit, scale, seen: true, value }
}

/// A number that the car knows without it.
const fn sensed<N>(name: &'static str, unit: &'static str, scale: Scale, value: fn(&Known<N>) -> N) -> Feature<N> {
    Feature { name, unit, scale, seen: false, value }
}

fn one_if<N: Number>(condition: bool) -> N {
    N::from(f32::from(u8::from(condition)))
}

impl<N: Number> Feature<N> {
    /// All of them, in the order in which the policy is told them.
    pub const TABLE: [Self; FEATURES] = [
        seen("lane_offset", "m", Scale::AsItIs, |known| known.lanes[0][0]),
        seen("heading", "rad", Scale::Over(0.1), |known| known.lanes[0][1]),
        seen("curvature", "1/m", Scale::Over(0.02), |known| known.lanes[0][2]),
        seen("lane_offset_before", "m", Scale::AsItIs, |known| known.lanes[1][0]),
        seen("heading_before", "rad", Scale::Over(0.1), |known| known.lanes[1][1]),
        seen("curvature_before", "1/m", Scale::Over(0.02), |known| known.lanes[1][2]),
        seen("lane_offset_two_before", "m", Scale::AsItIs, |known| known.lanes[2][0]),
        seen("heading_two_before", "rad", Scale::Over(0.1), |known| known.lanes[2][1]),
        seen("curvature_two_before", "1/m", Scale::Over(0.02), |known| known.lanes[2][2]),
        seen("lead", "", Scale::AsItIs, |known| one_if(known.lead.is_some())),
        seen("gap", "m", Scale::Over(30.0), Known::gap_m),
        seen("nearness", "", Scale::AsItIs, |known| N::from(6.0) / (known.gap_m() + N::from(3.0))),
        seen("closing_speed", "m/s", Scale::Over(5.0), Known::closing_mps),
        seen("urgency", "", Scale::AsItIs, |known| {
            N::from(3.0) * known.closing_mps().at_least(0.0) / (known.gap_m() + N::from(1.0))
        }),
        seen("gap_to_spare", "m", Scale::Over(15.0), |known| {
            known.gap_m() - N::from(2.0) - N::from(1.2 * known.ego.speed_mps)
        }),
        sensed("speed", "m/s", Scale::Over(15.0), |known| N::from(known.ego.speed_mps)),
        sensed("speed_limit", "m/s", Scale::Over(15.0), |known| N::from(known.ego.speed_limit_mps)),
        sensed("speed_to_spare", "m/s", Scale::Over(3.0), |known| {
            N::from(known.ego.speed_limit_mps - known.ego.speed_mps)
        }),
        sensed("steering_angle", "rad", Scale::Over(0.05), |known| N::from(known.ego.steer_rad)),
        sensed("yaw_rate", "rad/s", Scale::Over(0.2), |known| N::from(known.ego.yaw_rate_rad_per_s)),
        sensed("acceleration", "m/s²", Scale::Over(4.0), |known| N::from(known.ego.acceleration_mps2)),
        seen("drift", "m/s", Scale::AsItIs, |known| N::from(known.ego.speed_mps) * known.heading_rad()),
        seen("curvature_not_driven", "1/m", Scale::Times(20.0), |known| {
            known.curvature_per_m() - N::from(known.ego.yaw_rate_rad_per_s / known.ego.speed_mps.max(2.0))
        }),
        sensed("standing", "", Scale::AsItIs, |known| one_if(known.ego.speed_mps < 0.5)),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(far: f32) -> Known<f32> {
        let lane = |age: f32| [0.1 + age, 0.03 + 0.1 * age, 0.004 + 0.1 * age].map(|value| far * value);
        let ego = Odometry {
            speed_mps: 9.0 * far,
            acceleration_mps2: far,
            yaw_rate_rad_per_s: 0.06 * far,
            steer_rad: 0.02 * far,
            speed_limit_mps: 13.0 * far,
        };
        Known { lanes: [lane(0.0), lane(1.0), lane(2.0)], lead: Some([24.0 * far, 5.0]), ego }
    }

    /// A number far away is told as the greatest or the least there is, and ordinary ones are told as they are.
    #[test]
    fn the_table_says_of_every_number_what_it_is_and_bounds_it() {
        let names: std::collections::BTreeSet<&str> =
            Feature::<f32>::TABLE.iter().map(|feature| feature.name).collect();
        assert_eq!(names.len(), FEATURES, "no name twice");
        for far in [1.0, 1e6, -1e6] {
            let known = known(far);
            for (feature, told) in Feature::TABLE.iter().zip(known.features()) {
                let scaled = feature.scale.of((feature.value)(&known));
                assert!(scaled.clamp(-4.0, 4.0) == told, "{feature:?}: {scaled} is told as {told}");
                assert!(
                    far.abs() > 1.0 || scaled.abs() < FEATURE_MAX || feature.name.contains("before"),
                    "{feature:?}"
                );
            }
        }
    }

    /// Every number, and its place, held to what its unit and scale make of a situation by hand. No two are the same.
    #[test]
    fn every_number_is_what_its_name_says() {
        let ego = Odometry {
            speed_mps: 11.0,
            acceleration_mps2: -2.0,
            yaw_rate_rad_per_s: 0.05,
            steer_rad: 0.02,
            speed_limit_mps: 13.0,
        };
        let lanes = [[0.21, 0.031, 0.0044], [0.26, 0.037, 0.0054], [0.34, 0.045, 0.0064]];
        let behind = Known { lanes, lead: Some([24.0, 4.0]), ego };
        let nobody = Known { lead: None, ego: Odometry { speed_mps: 0.4, ..ego }, ..behind };
        // Behind a car 24 m ahead, 7 m/s slower; and with nobody ahead within 60 m, all but standing.
        let by_hand: [(&str, f32, f32); FEATURES] = [
            ("lane_offset", 0.21, 0.21),
            ("heading", 0.31, 0.31),
            ("curvature", 0.22, 0.22),
            ("lane_offset_before", 0.26, 0.26),
            ("heading_before", 0.37, 0.37),
            ("curvature_before", 0.27, 0.27),
            ("lane_offset_two_before", 0.34, 0.34),
            ("heading_two_before", 0.45, 0.45),
            ("curvature_two_before", 0.32, 0.32),
            ("lead", 1.0, 0.0),
            ("gap", 0.8, 2.0),
            ("nearness", 6.0 / 27.0, 6.0 / 63.0),
            ("closing_speed", 1.4, 0.0),
            ("urgency", 3.0 * 7.0 / 25.0, 0.0),
            ("gap_to_spare", (24.0 - 2.0 - 13.2) / 15.0, (60.0 - 2.0 - 0.48) / 15.0),
            ("speed", 11.0 / 15.0, 0.4 / 15.0),
            ("speed_limit", 13.0 / 15.0, 13.0 / 15.0),
            ("speed_to_spare", 2.0 / 3.0, 4.0),
            ("steering_angle", 0.4, 0.4),
            ("yaw_rate", 0.25, 0.25),
            ("acceleration", -0.5, -0.5),
            ("drift", 11.0 * 0.031, 0.4 * 0.031),
            ("curvature_not_driven", 20.0 * (0.0044 - 0.05 / 11.0), 20.0 * (0.0044 - 0.05 / 2.0)),
            ("standing", 0.0, 1.0),
        ];
        let told = Feature::<f32>::TABLE.iter().zip(behind.features().into_iter().zip(nobody.features()));
        for ((feature, (behind, nobody)), (name, wanted, wanted_alone)) in told.zip(by_hand) {
            assert_eq!(feature.name, name);
            let apart = f32::max((behind - wanted).abs(), (nobody - wanted_alone).abs());
            assert!(apart < 1e-5, "{name}: {behind} and {nobody}, by hand {wanted} and {wanted_alone}");
        }
        let mut values = by_hand.map(|(_, wanted, _)| wanted);
        values.sort_by(f32::total_cmp);
        assert!(values.windows(2).all(|pair| pair[1] - pair[0] > 1e-4), "two would pass for each other: {values:?}");
    }

    #[test]
    fn lanes_come_first_the_newest_before_the_older_ones() {
        for (index, feature) in Feature::<f32>::TABLE.iter().enumerate().take(HISTORY * LANE_FEATURES) {
            let newest = Feature::<f32>::TABLE[index % LANE_FEATURES];
            let when = ["", "_before", "_two_before"][index / LANE_FEATURES];
            assert_eq!(feature.name, format!("{}{when}", newest.name));
            assert_eq!((feature.unit, feature.scale, feature.seen), (newest.unit, newest.scale, true));
            let known = known(1.0);
            assert_eq!((feature.value)(&known), known.lanes[index / LANE_FEATURES][index % LANE_FEATURES]);
        }
    }

    /// A number has the camera's say in it if and only if another lane or another car ahead changes it.
    #[test]
    fn the_camera_has_a_say_where_the_table_says_so() {
        let known = known(1.0);
        let others = [
            Known { lanes: [[0.2, 0.1, 0.01]; HISTORY], ..known },
            Known { lead: Some([10.0, 2.0]), ..known },
            Known { lead: None, ..known },
        ];
        for (index, feature) in Feature::<f32>::TABLE.iter().enumerate() {
            let changes = others.iter().any(|other| other.features()[index] != known.features()[index]);
            assert_eq!(changes, feature.seen, "{}", feature.name);
        }
    }
}
