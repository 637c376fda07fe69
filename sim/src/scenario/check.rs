//! What no single field can know: whether the parts of a scenario fit together.

use crate::camera::{CameraSettings, MAX_PIXELS};
use crate::math::{Vec2, sin_cos};
use crate::outcome::measures::{LEAST_ROUTE_M, ROUTE_MARGIN_M};
use crate::road::{LaneId, Road};
use crate::scenario::Scenario;
use crate::scenario::build::BuiltScenario;
use crate::scenario::error::CheckError;
use crate::scene::Scene;
use crate::traffic::Manoeuvre;

/// A camera is at most so far from the car's middle in each direction.
const MAX_MOUNT_M: f32 = 10.0;
/// Clearance between two cars behind each other at the start; side by side there may be none.
const CLEARANCE_M: f32 = 0.5;
/// Pixels a side of a frame may have, as `range` says them for a file; here for cameras that no file describes.
const SIDE_PX: std::ops::RangeInclusive<u16> = 8..=2048;
/// Least physics steps per second.
const MIN_STEP_HZ: f32 = 10.0;

/// Checks what no single field of a camera can know.
///
/// # Errors
/// [`CheckError::CameraSide`], [`CheckError::CameraTooLarge`] and [`CheckError::CameraMount`].
pub fn check_camera(camera: &CameraSettings) -> Result<(), CheckError> {
    for (side, px) in [("width", camera.width_px), ("height", camera.height_px)] {
        if !SIDE_PX.contains(&px) {
            return Err(CheckError::CameraSide { side, px, min_px: *SIDE_PX.start(), max_px: *SIDE_PX.end() });
        }
    }
    let pixels = u32::from(camera.width_px) * u32::from(camera.height_px);
    if pixels > MAX_PIXELS {
        let CameraSettings { width_px, height_px, .. } = *camera;
        return Err(CheckError::CameraTooLarge { width_px, height_px, max_pixels: MAX_PIXELS });
    }
    let (x, y, z) = camera.mount_m;
    if [x, y, z].iter().any(|offset_m| !(-MAX_MOUNT_M..=MAX_MOUNT_M).contains(offset_m)) {
        return Err(CheckError::CameraMount { mount_m: camera.mount_m, max_m: MAX_MOUNT_M });
    }
    Ok(())
}

/// A car on the road before anything moves, for the test that no two share a place.
struct Standing {
    who: String,
    lane: LaneId,
    s_m: f32,
    body: Rectangle,
}

/// What a body covers of the ground, in the world.
#[derive(Clone, Copy)]
struct Rectangle {
    middle: Vec2,
    /// Unit vector along its length.
    along: Vec2,
    half_length_m: f32,
    half_width_m: f32,
}

impl Rectangle {
    /// A body at a place of the road, turned against it by an angle to the left.
    fn on_road(road: &Road, (s_m, d_m): (f32, f32), turned_rad: f32, (length_m, width_m): (f32, f32)) -> Self {
        let (sin, cos) = sin_cos(turned_rad);
        Self {
            middle: road.line.to_world(s_m, d_m),
            along: road.line.point(s_m).direction.rotate(Vec2::new(cos, sin)),
            half_length_m: 0.5 * length_m,
            half_width_m: 0.5 * width_m,
        }
    }

    /// The same, longer by so much at both ends.
    fn longer_by(self, by_m: f32) -> Self {
        Self { half_length_m: self.half_length_m + by_m, ..self }
    }

    /// Whether two rectangles share ground: no side of either separates them.
    fn overlaps(&self, other: &Self) -> bool {
        let apart = other.middle - self.middle;
        [self.along, self.along.perp(), other.along, other.along.perp()]
            .into_iter()
            .all(|axis| apart.dot(axis).abs() < self.reach_m(axis) + other.reach_m(axis))
    }

    /// Half of its extent along a unit vector.
    fn reach_m(&self, axis: Vec2) -> f32 {
        self.half_length_m * self.along.dot(axis).abs() + self.half_width_m * self.along.perp_dot(axis).abs()
    }
}

impl Scenario {
    /// Checks that the parts fit together, and hands on what it built for that.
    ///
    /// # Errors
    /// [`CheckError`] for the first contradiction found.
    pub fn check(self) -> Result<BuiltScenario, CheckError> {
        let road = self.build_road()?;
        // Compared by its inverse, in which ten steps a second are exactly ten.
        if self.decision_hz * f32::from(self.substeps) < MIN_STEP_HZ {
            return Err(CheckError::LongStep {
                decision_hz: self.decision_hz,
                substeps: self.substeps,
                max_s: 1.0 / MIN_STEP_HZ,
            });
        }
        check_camera(&self.camera)?;
        self.check_recorded()?;
        self.check_bounds()?;
        self.ego.vehicle.check().map_err(CheckError::Vehicle)?;
        let scene = self.build_scene(&road);
        self.check_places(&road, &scene)?;
        self.check_scripts(&road)?;
        Ok(BuiltScenario::new(self, road, scene))
    }

    fn check_bounds(&self) -> Result<(), CheckError> {
        let classes = [("camera", self.expect_by.camera), ("hardened", self.expect_by.hardened)];
        let of_golden = classes.into_iter().find(|(_, bounds)| bounds.is_some_and(|bounds| !bounds.golden_holds));
        of_golden.map_or(Ok(()), |(class, _)| Err(CheckError::GoldenOfClass { class }))
    }

    fn check_places(&self, road: &Road, scene: &Scene) -> Result<(), CheckError> {
        let place = |who: String, lane: LaneId, s_m: f32, offset_m: f32, turned_rad: f32, size_m: (f32, f32)| {
            check_lane(road, &who, lane)?;
            if s_m > road.length_m() {
                return Err(CheckError::BeyondRoad { who, s_m, length_m: road.length_m() });
            }
            let d_m = road.lane(lane).map_or(0.0, |lane| lane.centre_d_m) + offset_m;
            Ok(Standing { who, lane, s_m, body: Rectangle::on_road(road, (s_m, d_m), turned_rad, size_m) })
        };
        let (ego, vehicle) = (&self.ego, &self.ego.vehicle);
        let (turned_rad, size_m) = (ego.heading_deg.to_radians(), (vehicle.length_m, vehicle.width_m));
        let ego_car = place("the ego".to_owned(), ego.lane, ego.s_m, ego.offset_m, turned_rad, size_m)?;
        let end_m = road.length_m() - ROUTE_MARGIN_M;
        if ego.s_m > end_m - LEAST_ROUTE_M {
            let (margin_m, least_m) = (ROUTE_MARGIN_M, LEAST_ROUTE_M);
            return Err(CheckError::NoRoute { s_m: ego.s_m, end_m, margin_m, least_m });
        }
        self.check_props(scene, &ego_car.body)?;
        let mut cars = vec![ego_car];
        for actor in &self.actors {
            let who = format!("{:?}", actor.name);
            if cars.iter().any(|other| other.who == who) {
                return Err(CheckError::SameName { name: actor.name.clone() });
            }
            let (length_m, width_m, _) = actor.kind.size_m();
            let car = place(who, actor.start.lane, actor.start.s_m, 0.0, 0.0, (length_m, width_m))?;
            let with_clearance = car.body.longer_by(CLEARANCE_M);
            if let Some(other) = cars.iter().find(|other| with_clearance.overlaps(&other.body)) {
                return Err(CheckError::Overlap {
                    first: car.who,
                    second: other.who.clone(),
                    first_s_m: car.s_m,
                    second_s_m: other.s_m,
                    lane: car.lane.0,
                });
            }
            cars.push(car);
        }
        Ok(())
    }

    /// Checks that the ego starts beside what stands beside the road.
    fn check_props(&self, scene: &Scene, ego: &Rectangle) -> Result<(), CheckError> {
        let in_ego = scene.props.iter().filter(|prop| prop.solid).find(|prop| {
            let (sin, cos) = sin_cos(prop.yaw_rad);
            let (middle, along) = (prop.base.truncate(), Vec2::new(cos, sin));
            let foot = Rectangle { middle, along, half_length_m: 0.5 * prop.size.x, half_width_m: 0.5 * prop.size.y };
            foot.overlaps(ego)
        });
        in_ego.map_or(Ok(()), |prop| {
            let (s_m, offset_m) = (self.ego.s_m, self.ego.offset_m);
            Err(CheckError::InProp { class: prop.class, prop_s_m: prop.s_m, s_m, offset_m })
        })
    }

    fn check_scripts(&self, road: &Road) -> Result<(), CheckError> {
        for actor in &self.actors {
            for manoeuvre in &actor.script {
                if let Manoeuvre::ChangeLane { to_lane, .. } = manoeuvre {
                    check_lane(road, &format!("a lane change of {:?}", actor.name), *to_lane)?;
                }
            }
        }
        Ok(())
    }
}

fn check_lane(road: &Road, who: &str, lane: LaneId) -> Result<(), CheckError> {
    if road.lane(lane).is_some() {
        return Ok(());
    }
    let numbers = || road.lanes.iter().map(|lane| lane.id.0);
    Err(CheckError::NoSuchLane {
        who: who.to_owned(),
        lane: lane.0,
        first: numbers().min().unwrap_or(0),
        last: numbers().max().unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use crate::scenario;
    use std::path::Path;

    /// What is wrong with a drive on a straight of two narrow lanes; empty if nothing is.
    fn complaint(parts: &str) -> String {
        let text = format!(
            "Scenario(format: 1, title: \"t\", duration_s: 60.0, \
             road: Straight(length_m: 300.0, lanes: 2, lane_width_m: 2.5), {parts})"
        );
        scenario::parse(&text, Path::new("t.ron")).err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn bodies_may_not_overlap_across_lanes() {
        let truck = "actors: [(name: \"truck\", kind: Truck, start: (lane: 1, s_m: 22.0, speed_mps: 0.0))]";
        let beside = |offset_m: &str| complaint(&format!("ego: (s_m: 20.0, offset_m: {offset_m}), {truck}"));
        assert_eq!(beside("0.0"), "");
        let overlap = "\"truck\" and the ego overlap at the start (s = 22 m and 20 m in lane 1)";
        assert!(beside("2.0").contains(overlap), "{}", beside("2.0"));
        assert_eq!(beside("-2.0"), "");
    }

    #[test]
    fn bodies_that_stand_turned_or_in_a_bend_may_not_overlap() {
        let beside = |ego: &str, s_m: f32| {
            let actor = format!("(name: \"beside\", start: (lane: 1, s_m: {s_m:?}, speed_mps: 0.0))");
            complaint(&format!("ego: (s_m: 50.0, {ego}), actors: [{actor}]"))
        };
        // Half of its extent across is 2.15 sin 45 + 0.9 cos 45 = 2.16 m, the other's 0.9 m, the lanes are 2.5 m apart.
        for heading_deg in ["45.0", "-45.0", "25.0"] {
            let turned = beside(&format!("heading_deg: {heading_deg}"), 50.0);
            assert!(turned.contains("\"beside\" and the ego overlap at the start"), "{heading_deg}: {turned}");
        }
        assert_eq!(beside("heading_deg: 5.0", 50.0), "");
        assert_eq!(beside("heading_deg: 45.0, offset_m: -1.0", 50.0), "", "half a metre beside it");
        assert_eq!(beside("heading_deg: -45.0", 56.0), "", "before it");
        // In the same lane, the clearance is along the lane.
        let behind = |s_m: f32| {
            let actor = format!("(name: \"ahead\", start: (lane: 0, s_m: {s_m:?}, speed_mps: 0.0))");
            complaint(&format!("ego: (s_m: 50.0), actors: [{actor}]"))
        };
        assert!(behind(54.8).contains("overlap") && behind(54.9).is_empty(), "{} {}", behind(54.8), behind(54.9));
        // In a bend of 20 m, the hind corner of a truck six metres ahead stands a quarter of a metre inside the other's flank.
        let bend = |radius_m: f32| {
            let text = format!(
                "Scenario(format: 1, title: \"t\", duration_s: 60.0, \
                 road: Segments(segments: [Arc(length_m: 60.0, radius_m: {radius_m:?}, to: Left)], lanes: 2, lane_width_m: 2.5), \
                 ego: (s_m: 30.0), actors: [ \
                 (name: \"one\", kind: Truck, start: (lane: -1, s_m: 16.0, speed_mps: 0.0)), \
                 (name: \"two\", kind: Truck, start: (lane: 1, s_m: 10.0, speed_mps: 0.0))])"
            );
            scenario::parse(&text, Path::new("t.ron")).err().map_or_else(String::new, |error| error.to_string())
        };
        assert!(bend(20.0).contains("\"two\" and \"one\" overlap") && bend(2000.0).is_empty(), "{}", bend(20.0));
    }

    #[test]
    fn the_ego_may_not_start_in_what_stands_beside_the_road() {
        let start = |s_m: f32, offset_m: f32| {
            let text = format!(
                "Scenario(format: 1, title: \"t\", seed: 5, duration_s: 14.0, \
                 road: Segments(segments: [Line(length_m: 800.0)], lane_width_m: 2.5, shoulder_m: 0.0, oncoming_lanes: 0), \
                 ego: (s_m: {s_m:?}, offset_m: {offset_m:?}))"
            );
            scenario::parse(&text, Path::new("t.ron")).err().map_or_else(String::new, |error| error.to_string())
        };
        let on_the_road = (0..400).filter(|step| !start(2.0 * *step as f32 * 0.99, 0.0).is_empty()).count();
        let at_the_edge: Vec<String> = (0..400)
            .map(|step| start(2.0 * step as f32 * 0.99, -2.5))
            .filter(|complaint| !complaint.is_empty())
            .collect();
        assert!(on_the_road <= 3 && at_the_edge.len() > 5, "{on_the_road} and {}", at_the_edge.len());
        assert!(at_the_edge.iter().any(|text| text.contains("the ego overlaps the Sign at s = ")), "{at_the_edge:?}");
    }

    #[test]
    fn an_ego_starts_before_the_end_of_its_route() {
        let start = |s_m: &str| complaint(&format!("ego: (s_m: {s_m})"));
        assert_eq!(start("294.0"), "");
        for s_m in ["294.5", "296", "300"] {
            let expected = format!(
                "the ego starts at s = {s_m} m, its route ends 5 m before the road does, at s = 295 m, and must be at least 1 m long"
            );
            assert!(start(s_m).contains(&expected), "{}", start(s_m));
        }
    }

    #[test]
    fn a_car_that_cannot_be_is_refused() {
        let vehicle = |fields: &str| complaint(&format!("ego: (vehicle: ({fields}))"));
        assert_eq!(vehicle("mass_kg: 2600.0, wheelbase_m: 3.0"), "");
        let heavy = vehicle("mass_kg: 90000.0");
        assert!(heavy.contains(":1:") && heavy.ends_with("mass_kg = 90000, allowed is 100 to 50000"), "{heavy}");
        assert!(vehicle("top_speed_mps: 0.5").ends_with("top_speed_mps = 0.5, allowed is 1 to 60"));
        let long = vehicle("wheelbase_m: 4.5");
        assert!(long.ends_with("wheelbase_m = 4.5, allowed is at most the car's length_m = 4.3"), "{long}");
    }

    #[test]
    fn a_physics_step_lasts_a_tenth_of_a_second_at_most() {
        assert_eq!(complaint("decision_hz: 1.0, substeps: 10"), "");
        assert_eq!(complaint("decision_hz: 10.0, substeps: 1"), "");
        let long = complaint("decision_hz: 2.0, substeps: 4");
        assert!(long.contains("1 / (2 x 4) s, allowed are at most 0.1 s"), "{long}");
    }
}
