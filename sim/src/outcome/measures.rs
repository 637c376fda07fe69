//! What a decision led to, as numbers without opinions.

use crate::class::Class;
use crate::math::wrap_angle;
use crate::road::{LaneId, Road};
use crate::traffic::Traffic;
use crate::vehicle::EgoState;
use bevy::prelude::Component;

/// Curvature ahead is the mean over this stretch.
pub const CURVATURE_AHEAD_M: (f32, f32) = (5.0, 25.0);

/// The ego touched something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contact {
    /// What it touched.
    pub class: Class,
    /// Which car or which thing beside the road.
    pub index: usize,
    /// Difference of the two velocities.
    pub closing_speed_mps: f32,
}

/// Ground truth after a decision.
#[derive(Component, Clone, Copy, Debug, Default, PartialEq)]
pub struct Measures {
    /// Decisions so far.
    pub step: u32,
    /// Time of the drive.
    pub time_s: f32,
    /// The ego.
    pub ego: EgoState,
    /// Offset from the centre of the nearest lane of the ego's direction, positive to the left.
    pub lane_offset_m: f32,
    /// Offset from the centre of the lane that the scenario put the ego in, positive to the left.
    pub start_lane_offset_m: f32,
    /// Heading against the lane, positive to the left.
    pub heading_rad: f32,
    /// Mean curvature of the lane ahead, positive to the left.
    pub curvature_per_m: f32,
    /// From bumper to bumper, to the next car in the ego's path, however far ahead. What a sensor or a network can tell of it is
    /// theirs to cut off.
    pub gap_m: Option<f32>,
    /// Which of the other cars that is, in file order.
    pub lead: Option<usize>,
    /// That car's speed along the road.
    pub lead_speed_mps: f32,
    /// Time to collision with it at the present speeds; infinite if the gap does not close.
    pub time_to_collision_s: f32,
    /// The speed limit.
    pub speed_limit_mps: f32,
    /// Whether the ego's middle is outside the lanes of its direction.
    pub outside_lanes: bool,
    /// Share of the route driven, 0 to 1.
    pub route_completion: f32,
    /// Distance driven along the road in the drive.
    pub driven_m: f32,
    /// Part of it with the ego's middle outside its lanes.
    pub outside_m: f32,
    /// The first contact.
    pub contact: Option<Contact>,
    /// Mean speed of all other cars, whichever way they drive and wherever they are; `None` if there are none.
    pub traffic_speed_mps: Option<f32>,
    /// Where on the road the drive began, which is where the route begins.
    pub(crate) start_s_m: f32,
    /// The lane the scenario put the ego in.
    pub(crate) start_lane: LaneId,
}

/// The route ends this far before the road does.
pub(crate) const ROUTE_MARGIN_M: f32 = 5.0;
/// Shortest route that a scenario may ask for.
pub(crate) const LEAST_ROUTE_M: f32 = 1.0;

impl Measures {
    /// Measures before the first decision of an ego whose scenario puts it in `start_lane`.
    pub(crate) fn at_start(
        ego: EgoState,
        start_lane: LaneId,
        road: &Road,
        traffic: &Traffic,
        ego_size_m: (f32, f32),
    ) -> Self {
        let start = Self { start_s_m: ego.s_m, start_lane, ..Self::default() };
        start.next(ego, road, traffic, ego_size_m, 0.0, None)
    }

    /// Measures after one more decision.
    pub(crate) fn next(
        &self,
        ego: EgoState,
        road: &Road,
        traffic: &Traffic,
        (ego_length_m, ego_width_m): (f32, f32),
        decision_s: f32,
        contact: Option<Contact>,
    ) -> Self {
        let lane_centre_m = |id: LaneId| road.lane(id).map_or(0.0, |lane| lane.centre_d_m);
        let outside_lanes = road.lane_at(ego.d_m).is_none_or(|lane| lane.id.is_oncoming());
        let (ahead_from_m, ahead_to_m) = CURVATURE_AHEAD_M;
        let first = decision_s == 0.0;
        let advance_m = if first { 0.0 } else { (ego.s_m - self.ego.s_m).max(0.0) };
        let route_m = (road.length_m() - ROUTE_MARGIN_M - self.start_s_m).max(LEAST_ROUTE_M);
        let completion = ((ego.s_m - self.start_s_m) / route_m).clamp(0.0, 1.0);
        let lead = find_lead(&ego, traffic, ego_length_m, ego_width_m);
        let closing_mps = lead.map_or(0.0, |lead| ego.speed_mps - lead.speed_mps);
        Self {
            step: if first { 0 } else { self.step + 1 },
            time_s: if first { 0.0 } else { (self.step + 1) as f32 * decision_s },
            lane_offset_m: ego.d_m - lane_centre_m(ego.lane),
            start_lane_offset_m: ego.d_m - lane_centre_m(self.start_lane),
            heading_rad: wrap_angle(ego.heading_rad - road.line.point(ego.s_m).heading_rad),
            curvature_per_m: road.line.mean_curvature(ego.s_m + ahead_from_m, ego.s_m + ahead_to_m),
            gap_m: lead.map(|lead| lead.gap_m),
            lead: lead.map(|lead| lead.car),
            lead_speed_mps: lead.map_or(0.0, |lead| lead.speed_mps),
            time_to_collision_s: match lead {
                Some(lead) if closing_mps > 1e-3 => lead.gap_m.max(0.0) / closing_mps,
                _ => f32::INFINITY,
            },
            speed_limit_mps: road.speed_limit_mps(ego.s_m),
            outside_lanes,
            route_completion: completion.max(self.route_completion),
            driven_m: self.driven_m + advance_m,
            outside_m: self.outside_m + if outside_lanes { advance_m } else { 0.0 },
            contact,
            traffic_speed_mps: traffic_speed(traffic),
            start_s_m: self.start_s_m,
            start_lane: self.start_lane,
            ego,
        }
    }
}

/// The next car in the ego's path.
#[derive(Clone, Copy)]
struct Lead {
    /// Its number in file order.
    car: usize,
    gap_m: f32,
    /// Along the road.
    speed_mps: f32,
}

/// The next car in the ego's path, which is as wide as the ego and follows the road.
fn find_lead(ego: &EgoState, traffic: &Traffic, ego_length_m: f32, ego_width_m: f32) -> Option<Lead> {
    traffic
        .cars()
        .iter()
        .enumerate()
        .filter_map(|(index, car)| {
            let ahead_m = car.s_m - ego.s_m;
            let in_path = (car.d_m - ego.d_m).abs() < 0.5 * (car.width_m + ego_width_m);
            let gap_m = ahead_m - 0.5 * (car.length_m + ego_length_m);
            // Side by side in a bend, two bodies may overlap along the road without touching.
            let speed_mps = car.speed_mps * car.direction();
            (in_path && ahead_m > 0.0).then_some(Lead { car: index, gap_m: gap_m.max(0.0), speed_mps })
        })
        .min_by(|a, b| a.gap_m.total_cmp(&b.gap_m))
}

fn traffic_speed(traffic: &Traffic) -> Option<f32> {
    let cars = traffic.cars();
    (!cars.is_empty()).then(|| cars.iter().map(|car| car.speed_mps.abs()).sum::<f32>() / cars.len() as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Controls, Episode, parse};

    fn drive(text: &str) -> Episode {
        let text = format!("Scenario(format: 1, title: \"t\", duration_s: 40.0, {text})");
        Episode::new(parse(&text, "t.ron".as_ref()).unwrap()).unwrap()
    }

    #[test]
    fn time_to_collision_is_the_gap_over_the_closing_speed_at_any_distance() {
        // Lane, speed and place of the other car; at the ego's speed of 30 m/s.
        for (speed_mps, s_m) in [(0.0, 60.0), (0.0, 300.0), (12.0, 95.0), (29.0, 700.0)] {
            let episode = drive(&format!(
                "road: Straight(length_m: 900.0), ego: (s_m: 10.0, speed_mps: 30.0), \
                 actors: [(name: \"ahead\", start: (lane: 0, s_m: {s_m:?}, speed_mps: {speed_mps:?}))]"
            ));
            let measures = episode.measures();
            let gap_m = s_m - 10.0 - 0.5 * (4.3 + 4.4);
            assert!((measures.gap_m.unwrap() - gap_m).abs() < 1e-2, "{measures:?}");
            let expected_s = gap_m / (30.0 - speed_mps);
            assert!((measures.time_to_collision_s - expected_s).abs() < 1e-3 * expected_s, "{measures:?}");
        }
    }

    #[test]
    fn an_oncoming_car_in_the_egos_lane_counts_however_far() {
        let mut episode = drive(
            "road: Straight(length_m: 900.0), ego: (s_m: 20.0, speed_mps: 40.0), \
             actors: [(name: \"overtaker\", start: (lane: -1, s_m: 500.0, speed_mps: 40.0), \
             script: [ChangeLane(when: At(at_s: 0.0), to_lane: 0, over_s: 0.5)])]",
        );
        (0..10).for_each(|_| episode.step(Controls::default()));
        let measures = episode.measures();
        // Both have driven for a second towards each other.
        let gap_m = 480.0 - 80.0 - 0.5 * (4.3 + 4.4);
        assert!((measures.gap_m.unwrap() - gap_m).abs() < 0.5, "{measures:?}");
        assert!((measures.time_to_collision_s - gap_m / 80.0).abs() < 0.01, "{measures:?}");
    }

    #[test]
    fn the_lane_to_keep_is_the_one_the_drive_began_in() {
        let mut episode = drive(
            "road: Straight(length_m: 400.0, lanes: 3), \
             ego: (s_m: 20.0, speed_mps: 12.0, heading_deg: 12.0, vehicle: (tyre_friction: 0.05))",
        );
        (0..30).for_each(|_| episode.step(Controls::default()));
        let measures = episode.measures();
        assert_eq!(measures.ego.lane, LaneId(2), "it slides over two lanes");
        assert!((measures.start_lane_offset_m - measures.lane_offset_m - 7.0).abs() < 1e-4, "{measures:?}");
    }

    #[test]
    fn all_other_cars_are_the_traffic() {
        // A slow lead and four oncoming cars, two of them further than any camera sees, and a parked one behind.
        let oncoming = [60.0, 120.0, 350.0, 480.0]
            .map(|s_m: f32| format!("(name: \"{s_m}\", start: (lane: -1, s_m: {s_m:?}, speed_mps: 13.0))"));
        let lead = "(name: \"lead\", start: (lane: 0, s_m: 60.0, speed_mps: 5.0))";
        let parked = "(name: \"parked\", start: (lane: 0, s_m: 4.0, speed_mps: 0.0))";
        let speed_mps = |actors: &str| {
            let text = format!("road: Straight(length_m: 500.0), ego: (s_m: 20.0), actors: [{actors}]");
            drive(&text).measures().traffic_speed_mps
        };
        let oncoming = oncoming.join(", ");
        assert_eq!(speed_mps(&format!("{lead}, {oncoming}")), Some((5.0 + 4.0 * 13.0) / 5.0));
        assert_eq!(speed_mps(&format!("{lead}, {parked}")), Some(2.5));
        assert_eq!(speed_mps(""), None);
    }

    /// Measures of an ego at this offset from the reference line of a road, among these actors.
    fn measured(road: &str, s_m: f32, d_m: f32, heading_deg: f32, actors: &str) -> Measures {
        // Lane 0 of a road of one lane each way, 3.5 m wide, lies 1.75 m to the right of the line.
        let offset_m = d_m + 1.75;
        let ego = format!("(s_m: {s_m:?}, offset_m: {offset_m:?}, heading_deg: {heading_deg:?}, speed_mps: 10.0)");
        *drive(&format!("road: {road}, ego: {ego}, actors: [{actors}]")).measures()
    }

    #[test]
    fn offsets_headings_and_curvatures_are_positive_to_the_left() {
        let straight = "Straight(length_m: 300.0)";
        for (d_m, heading_deg) in [(-1.35, 4.0), (-2.25, -4.0)] {
            let measures = measured(straight, 50.0, d_m, heading_deg, "");
            assert!((measures.lane_offset_m - (d_m + 1.75)).abs() < 1e-3, "{measures:?}");
            assert!((measures.heading_rad - heading_deg.to_radians()).abs() < 1e-3, "{measures:?}");
            assert!(measures.curvature_per_m.abs() < 1e-6, "{measures:?}");
        }
        for (to, sign) in [("Left", 1.0), ("Right", -1.0)] {
            let bend = format!(
                "Segments(speed_limit_mps: 12.0, segments: [Line(length_m: 40.0), Clothoid(length_m: 20.0), \
                 Arc(length_m: 150.0, radius_m: 80.0, to: {to}), Clothoid(length_m: 20.0), Line(length_m: 40.0)])"
            );
            // Well inside the arc: the heading is taken against the road, which has turned by then.
            let measures = measured(&bend, 100.0, -1.45, 3.0, "");
            assert!((measures.curvature_per_m - sign / 80.0).abs() < 1e-5, "{measures:?}");
            assert!((measures.heading_rad - 3.0_f32.to_radians()).abs() < 2e-3, "{measures:?}");
            assert!((measures.lane_offset_m - 0.3).abs() < 1e-2, "{measures:?}");
        }
    }

    #[test]
    fn what_is_ahead_is_in_the_path_along_the_bend() {
        let arc = |to: &str| {
            format!(
                "Segments(speed_limit_mps: 12.0, segments: [Line(length_m: 20.0), Clothoid(length_m: 20.0), \
                 Arc(length_m: 120.0, radius_m: 60.0, to: {to}), Clothoid(length_m: 20.0), Line(length_m: 60.0)])"
            )
        };
        let car =
            |lane: i32, s_m: f32| format!("(name: \"{s_m}\", start: (lane: {lane}, s_m: {s_m:?}, speed_mps: 4.0))");
        for to in ["Left", "Right"] {
            // 60 m along an arc of 60 m turn the road by 57 degrees: straight ahead there is nothing.
            let measures = measured(&arc(to), 60.0, -1.75, 0.0, &car(0, 120.0));
            let gap_m = 60.0 - 0.5 * (4.3 + 4.4);
            assert!((measures.gap_m.unwrap() - gap_m).abs() < 0.05, "{measures:?}");
            assert!((measures.time_to_collision_s - gap_m / 6.0).abs() < 0.05, "{measures:?}");
            assert_eq!(measures.lead_speed_mps, 4.0);
            // Beside the path, and behind.
            assert_eq!(measured(&arc(to), 60.0, -1.75, 0.0, &car(-1, 80.0)).gap_m, None);
            assert_eq!(measured(&arc(to), 60.0, -1.75, 0.0, &car(0, 30.0)).gap_m, None);
        }
        let straight = "Straight(length_m: 300.0)";
        // The path is as wide as the two cars: 1.8 m and 1.8 m, with their middles 1.8 m apart at most.
        let beside = |d_m: f32| measured(straight, 60.0, d_m, 0.0, &car(-1, 90.0)).gap_m.is_some();
        assert!(
            beside(1.75 - 1.75) && !beside(1.75 - 1.9),
            "the oncoming car's middle is 1.75 m to the left of the line"
        );
        // Two cars ahead: the nearer one counts, and an oncoming one closes at both speeds.
        let two = format!("{}, {}", car(0, 120.0), car(0, 90.0));
        assert!((measured(straight, 50.0, -1.75, 0.0, &two).gap_m.unwrap() - 35.65).abs() < 0.05);
        let oncoming = measured(straight, 50.0, 1.25, 0.0, &car(-1, 120.0));
        assert_eq!(oncoming.lead_speed_mps, -4.0);
        assert!((oncoming.time_to_collision_s - (70.0 - 4.35) / 14.0).abs() < 0.02, "{oncoming:?}");
    }

    #[test]
    fn the_route_begins_at_the_start_and_ends_before_the_road_does() {
        let mut episode = drive("road: Straight(length_m: 125.0), ego: (s_m: 20.0, speed_mps: 10.0)");
        assert_eq!((episode.measures().route_completion, episode.measures().driven_m), (0.0, 0.0));
        (0..50).for_each(|_| episode.step(Controls::default()));
        let half = *episode.measures();
        // 100 m of route, at 10 m/s.
        assert!((half.route_completion - 0.5).abs() < 0.01 && (half.driven_m - 50.0).abs() < 0.5, "{half:?}");
        // Who rolls back keeps what was driven.
        let (road, traffic) = (episode.fleet().road(0), Traffic::default());
        let back = EgoState { s_m: half.ego.s_m - 20.0, ..half.ego };
        let back = half.next(back, &road, &traffic, (4.3, 1.8), 0.1, None);
        assert_eq!((back.route_completion, back.driven_m), (half.route_completion, half.driven_m));
        let beyond = EgoState { s_m: 124.0, ..half.ego };
        assert_eq!(half.next(beyond, &road, &traffic, (4.3, 1.8), 0.1, None).route_completion, 1.0);
    }

    #[test]
    fn only_the_way_outside_the_lanes_is_outside() {
        let episode = drive("road: Straight(length_m: 300.0), ego: (s_m: 20.0, speed_mps: 10.0)");
        let (road, traffic) = (episode.fleet().road(0), Traffic::default());
        let mut measures = *episode.measures();
        // A metre a decision: in the lane, in the oncoming lane, back, on the right verge, back.
        let places =
            [(-1.75, false), (-0.1, false), (0.1, true), (1.75, true), (-1.0, false), (-3.4, false), (-3.6, true)];
        for (d_m, outside) in places {
            let ego = EgoState { s_m: measures.ego.s_m + 1.0, d_m, ..measures.ego };
            measures = measures.next(ego, &road, &traffic, (4.3, 1.8), 0.1, None);
            assert_eq!(measures.outside_lanes, outside, "{d_m} m");
        }
        assert!((measures.outside_m - 3.0).abs() < 1e-4 && (measures.driven_m - 7.0).abs() < 1e-4, "{measures:?}");
    }
}
