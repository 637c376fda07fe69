//! What no single field can know: whether the parts of a scenario fit together. All that does not is told, with the field it is about.

use crate::camera::{CameraSettings, MAX_PIXELS};
use crate::outcome::measures::{LEAST_ROUTE_M, ROUTE_MARGIN_M};
use crate::road::{LaneId, Road};
use crate::scenario::body::Rectangle;
use crate::scenario::build::BuiltScenario;
use crate::scenario::error::CheckError;
use crate::scenario::{RoadSpec, Scenario};
use crate::scene::Scene;
use crate::traffic::{ActorSpec, Manoeuvre};

/// A camera is at most so far from the car's middle in each direction.
const MAX_MOUNT_M: f32 = 10.0;
/// Clearance between two cars behind each other at the start; side by side there may be none.
const CLEARANCE_M: f32 = 0.5;
/// Pixels a side of a frame may have, as `range` says them for a file; here for cameras that no file describes.
pub const SIDE_PX: std::ops::RangeInclusive<u16> = 8..=2048;
/// Least physics steps per second.
const MIN_STEP_HZ: f32 = 10.0;

/// Checks what no single field of a camera can know.
///
/// # Errors
/// [`CheckError::CameraSide`], [`CheckError::CameraTooLarge`] and [`CheckError::CameraMount`].
pub fn check_camera(camera: &CameraSettings) -> Result<(), CheckError> {
    camera_contradictions(camera).into_iter().next().map_or(Ok(()), |(cause, _)| Err(cause))
}

/// What does not fit, each with the field of the camera that it is about.
fn camera_contradictions(camera: &CameraSettings) -> Vec<(CheckError, &'static str)> {
    let CameraSettings { width_px, height_px, mount_m, .. } = *camera;
    let mut found = Vec::new();
    for (side, px, field) in [("width", width_px, ".width_px"), ("height", height_px, ".height_px")] {
        if !SIDE_PX.contains(&px) {
            let (min_px, max_px) = (*SIDE_PX.start(), *SIDE_PX.end());
            found.push((CheckError::CameraSide { side, px, min_px, max_px }, field));
        }
    }
    if found.is_empty() && u32::from(width_px) * u32::from(height_px) > MAX_PIXELS {
        found.push((CheckError::CameraTooLarge { width_px, height_px, max_pixels: MAX_PIXELS }, ""));
    }
    let (x, y, z) = mount_m;
    if [x, y, z].iter().any(|offset_m| !(-MAX_MOUNT_M..=MAX_MOUNT_M).contains(offset_m)) {
        found.push((CheckError::CameraMount { mount_m, max_m: MAX_MOUNT_M }, ".mount_m"));
    }
    found
}

/// Two parts of a scenario that do not fit together.
#[derive(Debug)]
pub(super) struct Contradiction {
    pub cause: CheckError,
    /// The field that would have to change: names and numbers from the outermost on, joined by points.
    pub at: String,
}

/// Fields that something is wrong with already: what they are held against says nothing.
#[derive(Debug, Default)]
pub(super) struct Doubts(pub Vec<String>);

impl Doubts {
    /// Whether there is no doubt about a field, anything in it, or what it is part of.
    pub fn spare(&self, at: &str) -> bool {
        self.spare_but_for(at, None)
    }

    /// The same, whatever one field in it is.
    fn spare_but_for(&self, at: &str, but: Option<&str>) -> bool {
        let is_in = |inner: &str, outer: &str| {
            outer.is_empty() || inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        !self.0.iter().any(|doubt| (is_in(doubt, at) || is_in(at, doubt)) && Some(doubt.as_str()) != but)
    }
}

/// A car on the road before anything moves.
struct Standing {
    who: String,
    lane: LaneId,
    s_m: f32,
    body: Rectangle,
}

impl Scenario {
    /// Checks that the parts fit together, and hands on what it built for that.
    ///
    /// # Errors
    /// [`CheckError`] for the first contradiction found.
    pub fn check(self) -> Result<BuiltScenario, CheckError> {
        self.check_all(&Doubts::default()).map_err(|mut all| all.swap_remove(0).cause)
    }

    /// Checks that the parts fit together where nothing is in doubt.
    ///
    /// # Errors
    /// All contradictions: at least one, but where the road is in doubt.
    pub(super) fn check_all(self, doubts: &Doubts) -> Result<BuiltScenario, Vec<Contradiction>> {
        let mut found = Checked { scenario: &self, doubts, found: Vec::new() };
        let road = found.road();
        found.settings();
        let world = road.map(|road| {
            let scene = self.build_scene(&road);
            found.places(&road, &scene);
            found.scripts(&road);
            (road, scene)
        });
        let found = found.found;
        match world {
            Some((road, scene)) if found.is_empty() => Ok(BuiltScenario::new(self, road, scene)),
            _ => Err(found),
        }
    }
}

/// A scenario, and what was found in it.
struct Checked<'s> {
    scenario: &'s Scenario,
    doubts: &'s Doubts,
    found: Vec<Contradiction>,
}

impl Checked<'_> {
    fn note(&mut self, cause: CheckError, at: impl Into<String>) {
        self.found.push(Contradiction { cause, at: at.into() });
    }

    /// The road, if there is no doubt about it.
    fn road(&mut self) -> Option<Road> {
        let drawn = matches!(self.scenario.road, RoadSpec::Generated { .. });
        // How fast one may drive on it is no part of its shape.
        if !self.doubts.spare_but_for("road", Some("road.speed_limit_mps")) || drawn && !self.doubts.spare("seed") {
            return None;
        }
        match self.scenario.try_road() {
            Ok(road) => Some(road),
            Err(causes) => {
                for cause in causes {
                    let at = cause.segment().map_or("road".to_owned(), |index| format!("road.segments.{index}"));
                    self.note(cause, at);
                }
                None
            }
        }
    }

    /// What does not depend on the road.
    fn settings(&mut self) {
        let Scenario { decision_hz, substeps, camera, expect_by, ego, .. } = self.scenario;
        // Compared by its inverse, in which ten steps a second are exactly ten.
        let long = decision_hz * f32::from(*substeps) < MIN_STEP_HZ;
        if long && self.doubts.spare("decision_hz") && self.doubts.spare("substeps") {
            let (decision_hz, substeps, max_s) = (*decision_hz, *substeps, 1.0 / MIN_STEP_HZ);
            self.note(CheckError::LongStep { decision_hz, substeps, max_s }, "decision_hz");
        }
        for (cause, field) in camera_contradictions(camera) {
            let at = format!("camera{field}");
            if self.doubts.spare(&at) {
                self.note(cause, at);
            }
        }
        let recorded = self.scenario.check_recorded();
        if let (Err(cause), true) = (recorded, self.doubts.spare("camera") && self.doubts.spare("recorded")) {
            self.note(cause, "recorded");
        }
        for (class, bounds) in [("camera", expect_by.camera), ("hardened", expect_by.hardened)] {
            let at = format!("expect_by.{class}.golden_holds");
            if bounds.is_some_and(|bounds| !bounds.golden_holds) && self.doubts.spare(&at) {
                self.note(CheckError::GoldenOfClass { class }, at);
            }
        }
        if self.doubts.spare("ego.vehicle") {
            for (field, message) in ego.vehicle.contradictions() {
                self.note(CheckError::Vehicle(message), format!("ego.vehicle.{field}"));
            }
        }
    }

    fn places(&mut self, road: &Road, scene: &Scene) {
        let mut cars: Vec<Standing> = self.ego(road, scene).into_iter().collect();
        let mut names: Vec<&str> = Vec::new();
        for (index, actor) in self.scenario.actors.iter().enumerate() {
            if self.doubts.spare(&format!("actors.{index}.name")) {
                if names.contains(&actor.name.as_str()) {
                    self.note(CheckError::SameName { name: actor.name.clone() }, format!("actors.{index}.name"));
                }
                names.push(&actor.name);
            }
            let Some(car) = self.actor(road, index, actor) else { continue };
            let with_clearance = car.body.longer_by(CLEARANCE_M);
            if let Some(other) = cars.iter().find(|other| with_clearance.overlaps(&other.body)) {
                let cause = CheckError::Overlap {
                    first: car.who.clone(),
                    second: other.who.clone(),
                    first_s_m: car.s_m,
                    second_s_m: other.s_m,
                    lane: car.lane.0,
                };
                self.note(cause, format!("actors.{index}.start.s_m"));
            }
            cars.push(car);
        }
    }

    /// The ego, if there is no doubt about where it stands.
    fn ego(&mut self, road: &Road, scene: &Scene) -> Option<Standing> {
        let (ego, vehicle) = (&self.scenario.ego, &self.scenario.ego.vehicle);
        let end_m = road.length_m() - ROUTE_MARGIN_M;
        // One that starts beyond the road is told of that alone.
        let too_far = ego.s_m > end_m - LEAST_ROUTE_M && ego.s_m <= road.length_m();
        if too_far && self.doubts.spare("ego.s_m") {
            let (margin_m, least_m) = (ROUTE_MARGIN_M, LEAST_ROUTE_M);
            self.note(CheckError::NoRoute { s_m: ego.s_m, end_m, margin_m, least_m }, "ego.s_m");
        }
        let d_m = self.place("the ego".to_owned(), "ego", (ego.lane, ego.s_m), road)? + ego.offset_m;
        if !self.doubts.spare("ego") || vehicle.check().is_err() {
            return None;
        }
        let (turned_rad, size_m) = (ego.heading_deg.to_radians(), (vehicle.length_m, vehicle.width_m));
        let body = Rectangle::on_road(road, (ego.s_m, d_m), turned_rad, size_m);
        if self.doubts.spare("seed") {
            self.props(scene, &body);
        }
        Some(Standing { who: "the ego".to_owned(), lane: ego.lane, s_m: ego.s_m, body })
    }

    /// Checks that the ego starts beside what stands beside the road.
    fn props(&mut self, scene: &Scene, ego: &Rectangle) {
        let mut solid = scene.props.iter().filter(|prop| prop.solid);
        if let Some(prop) = solid.find(|prop| Rectangle::of_prop(prop).overlaps(ego)) {
            let (s_m, offset_m) = (self.scenario.ego.s_m, self.scenario.ego.offset_m);
            self.note(CheckError::InProp { class: prop.class, prop_s_m: prop.s_m, s_m, offset_m }, "ego.s_m");
        }
    }

    /// Another car, if there is no doubt about where it stands.
    fn actor(&mut self, road: &Road, index: usize, actor: &ActorSpec) -> Option<Standing> {
        let (who, at) = (self.called(index, actor), format!("actors.{index}.start"));
        let (lane, s_m) = (actor.start.lane, actor.start.s_m);
        let d_m = self.place(who.clone(), &at, (lane, s_m), road)?;
        if !self.doubts.spare(&at) || !self.doubts.spare(&format!("actors.{index}.kind")) {
            return None;
        }
        let (length_m, width_m, _) = actor.kind.size_m();
        Some(Standing { who, lane, s_m, body: Rectangle::on_road(road, (s_m, d_m), 0.0, (length_m, width_m)) })
    }

    /// What another car is called.
    fn called(&self, index: usize, actor: &ActorSpec) -> String {
        let is_named = self.doubts.spare(&format!("actors.{index}.name"));
        if is_named { format!("{:?}", actor.name) } else { format!("car {} of the list", index + 1) }
    }

    /// Offset of the lane that a car starts in, if it has a lane and a place on the road.
    fn place(&mut self, who: String, at: &str, (lane, s_m): (LaneId, f32), road: &Road) -> Option<f32> {
        let (lane_at, s_at) = (format!("{at}.lane"), format!("{at}.s_m"));
        let (is_lane, is_s) = (self.doubts.spare(&lane_at), self.doubts.spare(&s_at));
        let centre_d_m = road.lane(lane).map(|lane| lane.centre_d_m);
        if is_lane && centre_d_m.is_none() {
            self.note(no_such_lane(road, who.clone(), lane), lane_at);
        }
        let beyond = s_m > road.length_m();
        if is_s && beyond {
            self.note(CheckError::BeyondRoad { who, s_m, length_m: road.length_m() }, s_at);
        }
        centre_d_m.filter(|_| is_lane && is_s && !beyond)
    }

    fn scripts(&mut self, road: &Road) {
        for (index, actor) in self.scenario.actors.iter().enumerate() {
            for (part, manoeuvre) in actor.script.iter().enumerate() {
                let at = format!("actors.{index}.script.{part}.to_lane");
                let Manoeuvre::ChangeLane { to_lane, .. } = manoeuvre else { continue };
                if road.lane(*to_lane).is_none() && self.doubts.spare(&at) {
                    let who = format!("a lane change of {}", self.called(index, actor));
                    self.note(no_such_lane(road, who, *to_lane), at);
                }
            }
        }
    }
}

fn no_such_lane(road: &Road, who: String, lane: LaneId) -> CheckError {
    let numbers = || road.lanes.iter().map(|lane| lane.id.0);
    CheckError::NoSuchLane {
        who,
        lane: lane.0,
        first: numbers().min().unwrap_or(0),
        last: numbers().max().unwrap_or(0),
    }
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
