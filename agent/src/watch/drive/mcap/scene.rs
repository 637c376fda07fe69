//! A drive as tools show it in space: where world, car and camera are to each other, how the camera projects, the road, the cars,
//! and what perception believes in.
//!
//! `world` is the simulator's frame: x and y in the ground plane, z up. The origin of `ego` is the car's centre of mass, in the
//! middle of its length and width, x forward, y left, z up. The origin of `camera`, the frame of the pictures, is the camera's eye,
//! x to the right in the picture, y down, z into it.
//!
//! Camera and calibration are those of the scenario: a fault of lens or mounting moves the picture against them, as it does for
//! whoever drives.
//!
//! A tool that jumps in time forgets what it has drawn and gets the latest message of each topic. So the road, which is written
//! once, has a topic of its own, and every other message is whole.
//!
//! # Source
//! Foxglove's conventions for frames, cameras and scenes: <https://docs.foxglove.dev/docs/visualization/message-schemas>.

use super::primitive::{colour, cube, entity, label, line, pose, quaternion, vector};
use super::schema::{Field, LINE_LIST, LINE_STRIP, MATCHING_ID, Topic};
use crate::watch::drive::{Moment, WatchedDrive, lane_centre_m};
use roadproof_perception::Percept;
use roadproof_sim::math::{Quat, Vec3, atan2, sin_cos};
use roadproof_sim::road::Marking;
use roadproof_sim::scene::{ROW_M, Scene, Strip};
use roadproof_sim::traffic::ActorKind;
use roadproof_sim::vehicle::{EgoState, VehicleSettings};
use roadproof_sim::{CameraSettings, Class};
use serde_json::{Value, json};
use std::sync::Arc;

const SCENE_FIELDS: &[Field] = &[
    ("deletions", "deletions", "what is there no more"),
    ("entities", "entities", "what is there, instead of what had the same name"),
];

/// Topics for panels that show space, in the order of [`Space::messages`].
pub(super) const TOPICS: [Topic; 5] = [
    Topic {
        name: "/tf",
        schema: "foxglove.FrameTransforms",
        fields: &[("transforms", "transforms", "the car in the world, the camera on the car")],
    },
    Topic {
        name: "/camera/calibration",
        schema: "foxglove.CameraCalibration",
        fields: &[
            ("timestamp", "time", "start of the drive"),
            ("frame_id", "string", "the camera"),
            ("width", "integer", "width of a picture"),
            ("height", "integer", "height of a picture"),
            ("distortion_model", "string", "plumb_bob"),
            ("D", "array", "distortion, none"),
            ("K", "array", "projection, 3 × 3; the first pixel's middle is at 0.5, 0.5"),
            ("R", "array", "rectification, none"),
            ("P", "array", "projection, 3 × 4"),
        ],
    },
    Topic { name: "/scene/road", schema: "foxglove.SceneUpdate", fields: SCENE_FIELDS },
    Topic { name: "/scene", schema: "foxglove.SceneUpdate", fields: SCENE_FIELDS },
    Topic { name: "/scene/perceived", schema: "foxglove.SceneUpdate", fields: SCENE_FIELDS },
];

const WORLD: &str = "world";
const EGO: &str = "ego";
/// The frame of the pictures.
pub(super) const CAMERA: &str = "camera";

/// Turns the axes of a picture (right, down, into it) into those of a camera on a car (forward, left, up).
const CAMERA_FROM_PICTURE: Quat = Quat::from_xyzw(-0.5, 0.5, -0.5, 0.5);

/// Paint of the ego, as the window has it.
const EGO_COLOUR: [f32; 3] = [214.0, 84.0, 32.0];
/// Colour of what the driver believes.
const BELIEF: [f32; 3] = [255.0, 150.0, 40.0];
/// How far paint lies over the asphalt, so that one does not flicker through the other.
const PAINT_M: f32 = 0.02;
/// Where the lane that perception believes in is drawn: from here on, at this distance, so many points.
const LANE: (f32, f32, u8) = (4.0, 4.0, 11);

/// What stays as it is during a drive.
pub(super) struct Space {
    camera: CameraSettings,
    ego: VehicleSettings,
    cars: Vec<Body>,
    scene: Arc<Scene>,
}

/// Another car.
struct Body {
    name: String,
    size_m: Vec3,
    colour: [f32; 3],
}

impl Space {
    pub fn of(drive: &WatchedDrive) -> Self {
        let (scenario, fleet) = (drive.scenario(), drive.episode().fleet());
        let traffic = fleet.traffic(0);
        let cars = scenario.actors.iter().zip(traffic.cars()).map(|(actor, car)| Body {
            name: actor.name.clone(),
            size_m: Vec3::new(car.length_m, car.width_m, car.height_m),
            colour: car.colour.map(f32::from),
        });
        Self { camera: *fleet.camera(), ego: scenario.ego.vehicle, cars: cars.collect(), scene: fleet.scene(0) }
    }

    /// What a moment says on each of [`TOPICS`]; what never changes is said at the first alone.
    pub fn messages(&self, moment: &Moment, time: &Value) -> [Option<Value>; TOPICS.len()] {
        let first = moment.measures.step == 0;
        [
            Some(self.transforms(&moment.measures.ego, time)),
            first.then(|| self.calibration(time)),
            first.then(|| self.road(time)),
            Some(self.traffic(moment, time)),
            moment.thought.as_ref().map(|thought| self.perceived(&thought.percept, time)),
        ]
    }

    fn transforms(&self, ego: &EgoState, time: &Value) -> Value {
        let at_origin = EgoState { position: Vec3::ZERO, rotation: Quat::IDENTITY, ..EgoState::default() };
        let (eye, turned) = self.camera.pose(&at_origin, self.ego.centre_of_mass_m);
        let transform = |parent: &str, child: &str, at: Vec3, turned: Quat| {
            json!({
                "timestamp": time,
                "parent_frame_id": parent,
                "child_frame_id": child,
                "translation": vector(at),
                "rotation": quaternion(turned),
            })
        };
        json!({ "transforms": [
            transform(WORLD, EGO, ego.position, ego.rotation),
            transform(EGO, CAMERA, eye, turned * CAMERA_FROM_PICTURE),
        ] })
    }

    fn calibration(&self, time: &Value) -> Value {
        let focal_px = f64::from(self.camera.focal_px());
        let (width, height) = (self.camera.width_px, self.camera.height_px);
        let (x, y) = (0.5 * f64::from(width), 0.5 * f64::from(height));
        json!({
            "timestamp": time,
            "frame_id": CAMERA,
            "width": width,
            "height": height,
            "distortion_model": "plumb_bob",
            "D": [0, 0, 0, 0, 0],
            "K": [focal_px, 0, x, 0, focal_px, y, 0, 0, 1],
            "R": [1, 0, 0, 0, 1, 0, 0, 0, 1],
            "P": [focal_px, 0, x, 0, 0, focal_px, y, 0, 0, 0, 1, 0],
        })
    }

    /// The ego and the other cars.
    fn traffic(&self, moment: &Moment, time: &Value) -> Value {
        let ego = &moment.measures.ego;
        let size_m = Vec3::new(self.ego.length_m, self.ego.width_m, self.ego.height_m);
        let middle = ego.position + ego.rotation * Vec3::Z * (0.5 * size_m.z - self.ego.centre_of_mass_m);
        let body = cube(middle, ego.rotation, size_m, colour(EGO_COLOUR, 1.0));
        let mut entities = vec![entity("ego", WORLD, time, vec![("cubes", vec![body])])];
        entities.extend(self.cars.iter().zip(&moment.cars).map(|(car, pose)| {
            let body = cube(pose.position, pose.rotation, car.size_m, colour(car.colour, 1.0));
            let name = label(pose.position + Vec3::Z * (0.5 * car.size_m.z + 0.6), &car.name);
            let parts = vec![("cubes", vec![body]), ("texts", vec![name])];
            entity(&format!("car/{}", car.name), WORLD, time, parts)
        }));
        json!({ "deletions": [], "entities": entities })
    }

    /// The lane that perception believes in, and the car ahead if it believes in one, to whose rear its gap leads.
    fn perceived(&self, percept: &Percept, time: &Value) -> Value {
        let lane = [percept.lane_offset_m, percept.heading_rad, percept.curvature_per_m];
        let ground_m = -self.ego.centre_of_mass_m;
        let (from_m, step_m, steps) = LANE;
        let centre = (0..steps).map(|step| {
            let ahead_m = from_m + step_m * f32::from(step);
            Vec3::new(ahead_m, lane_centre_m(lane, ahead_m), ground_m + 2.0 * PAINT_M)
        });
        let centre = line(LINE_STRIP, 0.2, centre, colour(BELIEF, 0.8));
        let mut entities = vec![entity("lane", EGO, time, vec![("lines", vec![centre])])];
        if percept.lead_probability < 0.5 {
            let deletion = json!({ "timestamp": time, "type": MATCHING_ID, "id": "lead" });
            return json!({ "deletions": [deletion], "entities": entities });
        }
        let (length_m, width_m, height_m) = ActorKind::Car.size_m();
        let ahead_m = 0.5 * self.ego.length_m + percept.gap_m + 0.5 * length_m;
        let middle = Vec3::new(ahead_m, lane_centre_m(lane, ahead_m), ground_m + 0.5 * height_m);
        let slope = percept.curvature_per_m * ahead_m - percept.heading_rad;
        let (sin, cos) = sin_cos(0.5 * atan2(slope, 1.0));
        let paint = colour(BELIEF, 0.6 * percept.lead_probability);
        let body = cube(middle, Quat::from_xyzw(0.0, 0.0, sin, cos), Vec3::new(length_m, width_m, height_m), paint);
        let words = format!("{:.0} m, {:.0} %", percept.gap_m, 100.0 * percept.lead_probability);
        let words = label(middle + Vec3::Z * (0.5 * height_m + 1.2), &words);
        entities.push(entity("lead", EGO, time, vec![("cubes", vec![body]), ("texts", vec![words])]));
        json!({ "deletions": [], "entities": entities })
    }

    /// Asphalt, kerbs and paint.
    fn road(&self, time: &Value) -> Value {
        let palette = &self.scene.palette;
        let strips = |class: Class| self.scene.strips.iter().filter(move |strip| strip.class == class);
        let asphalt = strips(Class::Road).map(|strip| self.surface(strip, colour(palette.asphalt, 1.0))).collect();
        // The sides of a kerb are too low to be told apart from its top.
        let tops = strips(Class::Kerb).filter(|strip| strip.left.1 == strip.right.1);
        let kerbs = tops.map(|top| {
            let middle_m = 0.5 * (top.left.0 + top.right.0);
            self.along(middle_m, top.left.1, top.left.0 - top.right.0, colour(palette.kerb, 1.0))
        });
        let paint = self.scene.markings.iter().map(|marking| self.paint(marking));
        let lines = kerbs.chain(paint).collect();
        let road = entity("road", WORLD, time, vec![("triangles", asphalt), ("lines", lines)]);
        json!({ "deletions": [], "entities": [road] })
    }

    /// A strip of the ground, seen from above.
    fn surface(&self, strip: &Strip, colour: Value) -> Value {
        let sides = [strip.left, strip.right];
        let rows = self.scene.rows.iter();
        let points = rows.flat_map(|row| sides.map(|(d_m, up_m)| vector(row.centre + row.left * d_m + Vec3::Z * up_m)));
        let quads = 0..self.scene.rows.len().saturating_sub(1);
        let corners = quads.flat_map(|row| [0, 1, 2, 2, 1, 3].map(|corner| 2 * row + corner));
        json!({
            "pose": pose(Vec3::ZERO, Quat::IDENTITY),
            "points": points.collect::<Vec<_>>(),
            "color": colour,
            "colors": [],
            "indices": corners.collect::<Vec<_>>(),
        })
    }

    fn paint(&self, marking: &Marking) -> Value {
        let palette = &self.scene.palette;
        let colour = colour(if marking.yellow { palette.yellow } else { palette.white }, 1.0);
        let Some(dash) = marking.dash else { return self.along(marking.d_m, PAINT_M, marking.width_m, colour) };
        let ends = self.scene.rows.first().zip(self.scene.rows.last());
        let (from_s_m, to_s_m) = ends.map_or((0.0, 0.0), |(first, last)| (first.s_m, last.s_m));
        let (first, end) = ((from_s_m / dash.period_m).ceil() as i32, (to_s_m / dash.period_m).floor() as i32);
        let points = (first..end).flat_map(|number| {
            let s_m = number as f32 * dash.period_m;
            [s_m, s_m + dash.length_m].map(|s_m| self.point(s_m, marking.d_m, PAINT_M))
        });
        line(LINE_LIST, marking.width_m, points, colour)
    }

    /// A line along the whole road.
    fn along(&self, d_m: f32, up_m: f32, width_m: f32, colour: Value) -> Value {
        let points = self.scene.rows.iter().map(|row| row.centre + row.left * d_m + Vec3::Z * up_m);
        line(LINE_STRIP, width_m, points, colour)
    }

    /// A point of the road as it is drawn: straight from row to row.
    fn point(&self, s_m: f32, d_m: f32, up_m: f32) -> Vec3 {
        let rows = &self.scene.rows;
        let near = &rows[self.scene.row_at(s_m)];
        let far = &rows[self.scene.row_at(s_m + ROW_M)];
        let at = |share: f32| near.centre.lerp(far.centre, share) + near.left.lerp(far.left, share) * d_m;
        at((s_m - near.s_m) / ROW_M) + Vec3::Z * up_m
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Driver;
    use crate::watch::drive::{BoxInFrame, Hands, mcap};
    use roadproof_sim::{Controls, parse};

    /// A camera of which nothing is zero or the same as something else.
    const OFF_CENTRE: &str =
        "camera: (width_px: 320, height_px: 160, fov_deg: 80.0, pitch_deg: 7.0, mount_m: (0.6, 0.5, 1.9))";
    const TWO_LANES: &str = "road: Straight(length_m: 400.0, lanes: 2)";

    fn drive(driver: Driver, decisions: usize, parts: &[&str]) -> WatchedDrive {
        let text = format!("Scenario(format: 1, title: \"t\", duration_s: 30.0, {})", parts.join(", "));
        let scenario = parse(&text, "t.ron".as_ref()).expect("a scenario").into_scenario();
        let mut drive = WatchedDrive::new(scenario, driver, Hands::Driver).expect("a world");
        (0..decisions).for_each(|_| drive.step(Controls::default()));
        drive
    }

    fn shipped() -> Driver {
        Driver::named("shipped", None).expect("the shipped driver")
    }

    /// What a file says at a moment on a topic, the topic's schema, and how many bytes that takes.
    struct Said {
        topic: String,
        moment: usize,
        content: Value,
        schema: Value,
        bytes: usize,
    }

    struct File(Vec<Said>);

    impl File {
        fn of(drive: &WatchedDrive) -> Self {
            let bytes = mcap::log(drive, "a driver", "a drive").expect("a log");
            let said = ::mcap::MessageStream::new(&bytes).expect("a log").map(|message| {
                let message = message.expect("a message");
                let schema = message.channel.schema.as_ref().expect("a schema");
                Said {
                    topic: message.channel.topic.clone(),
                    moment: message.sequence as usize,
                    content: serde_json::from_slice(&message.data).expect("JSON"),
                    schema: serde_json::from_slice(&schema.data).expect("JSON"),
                    bytes: message.data.len(),
                }
            });
            Self(said.collect())
        }

        fn said(&self, topic: &str, moment: usize) -> &Said {
            self.0.iter().find(|said| said.topic == topic && said.moment == moment).expect("a message")
        }

        fn entity(&self, topic: &str, moment: usize, id: &str) -> &Value {
            let entities = self.said(topic, moment).content["entities"].as_array().expect("entities");
            entities.iter().find(|entity| entity["id"] == id).expect("an entity of this name")
        }

        /// A point of the world in a frame of the file, by its transforms.
        fn within(&self, moment: usize, frame: &str, in_world: Vec3) -> Vec3 {
            let transforms = self.said("/tf", moment).content["transforms"].as_array().expect("transforms");
            let (mut inside, mut point) = ("world", in_world);
            while inside != frame {
                let next = transforms.iter().find(|next| next["parent_frame_id"] == inside).expect("a frame inside");
                point = turn(&next["rotation"]).inverse() * (point - place(&next["translation"]));
                inside = next["child_frame_id"].as_str().expect("a name");
            }
            point
        }

        /// Where a point of the world is in the picture, by the file's transforms and calibration.
        fn project(&self, moment: usize, in_world: Vec3) -> [f32; 2] {
            let calibration = &self.said("/camera/calibration", 0).content;
            let frame = calibration["frame_id"].as_str().expect("a frame");
            let at = self.within(moment, frame, in_world);
            let row = |row: usize| {
                let row = [0, 1, 2, 3].map(|column| number(&calibration["P"][4 * row + column]));
                row[0] * at.x + row[1] * at.y + row[2] * at.z + row[3]
            };
            [row(0) / row(2), row(1) / row(2)]
        }
    }

    fn number(value: &Value) -> f32 {
        value.as_f64().expect("a number") as f32
    }

    fn place(value: &Value) -> Vec3 {
        Vec3::new(number(&value["x"]), number(&value["y"]), number(&value["z"]))
    }

    fn turn(value: &Value) -> Quat {
        Quat::from_array(["x", "y", "z", "w"].map(|axis| number(&value[axis])))
    }

    /// The eight corners of a cube in its frame.
    fn corners(cube: &Value) -> Vec<Vec3> {
        let (at, turned) = (place(&cube["pose"]["position"]), turn(&cube["pose"]["orientation"]));
        let half = 0.5 * place(&cube["size"]);
        let sign = |corner: u8, bit: u8| if (corner >> bit) & 1 == 0 { -1.0 } else { 1.0 };
        (0..8)
            .map(|corner| at + turned * (half * Vec3::new(sign(corner, 0), sign(corner, 1), sign(corner, 2))))
            .collect()
    }

    #[test]
    fn cars_of_the_scene_lie_on_their_pixels() {
        let drive = drive(
            Driver::Scripted,
            50,
            &[
                "road: Segments(segments: [Line(length_m: 50.0), Arc(length_m: 150.0, radius_m: 120.0, to: Left), \
                 Line(length_m: 100.0)], hills: [(amplitude_m: 1.5, wavelength_m: 150.0)], lanes: 2)",
                "ego: (s_m: 20.0, speed_mps: 10.0, heading_deg: 4.0, vehicle: (centre_of_mass_m: 0.7))",
                "actors: [(name: \"truck\", kind: Truck, start: (lane: 0, s_m: 48.0, speed_mps: 10.0)), \
                 (name: \"beside\", start: (lane: 1, s_m: 40.0, speed_mps: 10.0))]",
                OFF_CENTRE,
            ],
        );
        let file = File::of(&drive);
        let (mut compared, mut agreed) = (0, 0);
        for (index, moment) in drive.moments().iter().enumerate() {
            for &BoxInFrame { instance, from, to } in &moment.boxes {
                let name = ["car/truck", "car/beside"][usize::from(instance) - 1];
                let cube = &file.entity("/scene", index, name)["cubes"][0];
                let seen = corners(cube).into_iter().map(|corner| file.project(index, corner));
                let empty = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
                let [left, top, right, bottom] = seen.fold(empty, |[left, top, right, bottom], [x, y]| {
                    [left.min(x), top.min(y), right.max(x), bottom.max(y)]
                });
                let expected = [left.max(0.0), top.max(0.0), right.min(320.0), bottom.min(160.0)];
                let found = [from[0], from[1], to[0] + 1, to[1] + 1].map(f32::from);
                let inside = |side: usize| (found[side] - expected[side]) * if side < 2 { 1.0 } else { -1.0 };
                let apart_px = [0, 1, 2, 3].map(inside);
                assert!(apart_px.iter().all(|&px| px > -1.0), "{name} {index}: {found:?}, expected {expected:?}");
                compared += 1;
                // A car may be hidden in part, but rarely.
                agreed += usize::from(apart_px.iter().all(|&px| px < 1.0));
            }
        }
        assert!(compared > 80 && 10 * agreed >= 9 * compared, "{agreed} of {compared} boxes");
    }

    #[test]
    fn paint_of_the_scene_lies_on_its_pixels() {
        let ego = "ego: (s_m: 20.0, speed_mps: 8.0, offset_m: 0.3, heading_deg: 3.0)";
        let (mut painted, mut bare) = (0, 0);
        for decisions in [2, 8, 14, 20] {
            let drive = drive(Driver::Scripted, decisions, &[TWO_LANES, ego, OFF_CENTRE]);
            let file = File::of(&drive);
            let class = |at: Vec3| {
                let [x, y] = file.project(decisions, at).map(|px| px as usize);
                Class::from_index(drive.episode().seen().class_frame(0)[320 * y + x])
            };
            // So near that paint is wider than a pixel, and not beside the picture.
            let near = |at: &Vec3| {
                let at = file.within(decisions, EGO, *at);
                (6.0..12.0).contains(&at.x) && at.y.abs() < 3.0
            };
            let road = file.entity("/scene/road", 0, "road");
            for line in road["lines"].as_array().expect("lines") {
                let points: Vec<Vec3> = line["points"].as_array().expect("points").iter().map(place).collect();
                for (number, ends) in points.windows(2).enumerate() {
                    let between = [0.2, 0.5, 0.8].map(|share| ends[0].lerp(ends[1], share));
                    let gap = line["type"] == LINE_LIST && number % 2 == 1;
                    for at in between.into_iter().filter(near) {
                        assert_eq!(class(at), if gap { Class::Road } else { Class::Marking }, "{at}");
                        *(if gap { &mut bare } else { &mut painted }) += 1;
                    }
                }
            }
        }
        assert!(painted > 20 && bare > 4, "{painted} points of paint, {bare} between dashes");
    }

    #[test]
    fn the_road_of_the_scene_is_the_one_that_is_driven() {
        let drive = drive(
            Driver::Scripted,
            1,
            &["road: Segments(segments: [Line(length_m: 40.0), Arc(length_m: 90.0, radius_m: 60.0, to: Right)], \
               hills: [(amplitude_m: 2.0, wavelength_m: 120.0)], kerb: true)"],
        );
        let file = File::of(&drive);
        let road = drive.episode().fleet().road(0);
        let surface = &file.entity("/scene/road", 0, "road")["triangles"][0];
        let points: Vec<Vec3> = surface["points"].as_array().expect("points").iter().map(place).collect();
        let rows = &drive.episode().fleet().scene(0).rows;
        assert_eq!(points.len(), 2 * rows.len());
        for (row, sides) in rows.iter().zip(points.chunks_exact(2)) {
            let edges = [road.cross_section.left_edge_m(), road.cross_section.right_edge_m()];
            let expected = edges.map(|d_m| road.surface_point(row.s_m, d_m));
            let apart_m = sides[0].distance(expected[0]).max(sides[1].distance(expected[1]));
            assert!(apart_m < 0.01, "{sides:?} at {} m, expected {expected:?}", row.s_m);
        }
        let indices: Vec<usize> =
            surface["indices"].as_array().expect("indices").iter().map(|index| number(index) as usize).collect();
        assert_eq!(indices.len(), 6 * (rows.len() - 1));
        for corners in indices.chunks_exact(3) {
            let [a, b, c] = [0, 1, 2].map(|corner| points[corners[corner]]);
            assert!((b - a).cross(c - a).z > 0.0, "{a} {b} {c}");
        }
        // Two kerbs, two edges and the line in the middle.
        assert_eq!(file.entity("/scene/road", 0, "road")["lines"].as_array().map(Vec::len), Some(5));
    }

    #[test]
    fn the_ego_and_a_scripted_car_move_as_in_the_drive() {
        let drive = drive(
            Driver::Scripted,
            80,
            &[
                TWO_LANES,
                "ego: (speed_mps: 12.0, vehicle: (length_m: 4.1, width_m: 1.7, height_m: 1.6))",
                "actors: [(name: \"cutter\", kind: Van, start: (lane: 1, s_m: 20.0, speed_mps: 16.0), \
                 script: [ChangeLane(when: At(at_s: 4.0), to_lane: 0, over_s: 2.0)])]",
            ],
        );
        let file = File::of(&drive);
        let cube = |moment: usize, id: &str| file.entity("/scene", moment, id)["cubes"][0].clone();
        let cutter = |moment| place(&cube(moment, "car/cutter")["pose"]["position"]);
        for (index, row) in drive.trace().rows.iter().enumerate() {
            let ego = &file.said("/tf", index + 1).content["transforms"][0];
            let at = place(&ego["translation"]);
            // Along a straight road the world's axes are those of the road.
            assert!((at.x - row.s_m).abs() < 2e-3 && (at.y - row.d_m).abs() < 2e-3, "{at} {}", row.s_m);
            let body = cube(index + 1, "ego");
            let foot = corners(&body).iter().map(|corner| corner.z).fold(f32::MAX, f32::min);
            assert!(foot.abs() < 0.1, "{foot} m over the road");
            let apart_m = cutter(index + 1).distance(drive.moments()[index + 1].cars[0].position);
            assert!(apart_m < 2e-3, "{apart_m} m");
        }
        assert_eq!(place(&cube(0, "ego")["size"]), Vec3::new(4.1, 1.7, 1.6));
        assert_eq!(place(&cube(0, "car/cutter")["size"]), Vec3::new(5.2, 2.0, 2.2));
        assert_eq!(file.entity("/scene", 7, "car/cutter")["texts"][0]["text"], "cutter");
        let (start, later, end) = (cutter(0), cutter(30), cutter(80));
        assert!((start.x - 20.0).abs() < 1e-3 && (later.x - 68.0).abs() < 0.5, "{start} {later}");
        assert!((later.y - start.y).abs() < 1e-3 && (start.y - end.y - 3.5).abs() < 0.1, "{start} {later} {end}");
    }

    #[test]
    fn a_believed_car_stands_where_its_gap_leads() {
        let drive = drive(Driver::Scripted, 1, &[TWO_LANES]);
        let space = Space::of(&drive);
        let time = json!({ "sec": 1, "nsec": 0 });
        let percept = Percept { lane_offset_m: 0.5, gap_m: 20.0, lead_probability: 0.9, ..Percept::default() };
        let perceived = space.perceived(&percept, &time);
        assert_eq!(perceived["deletions"].as_array().map(Vec::len), Some(0));
        let lead = &perceived["entities"][1];
        assert_eq!((&lead["id"], &lead["frame_id"]), (&json!("lead"), &json!("ego")));
        let rear = corners(&lead["cubes"][0]).iter().map(|corner| corner.x).fold(f32::MAX, f32::min);
        let at = place(&lead["cubes"][0]["pose"]["position"]);
        assert!((rear - 0.5 * 4.3 - 20.0).abs() < 1e-3 && (at.y + 0.5).abs() < 1e-3, "{rear} {at}");
        let unsure = space.perceived(&Percept { lead_probability: 0.4, ..percept }, &time);
        assert_eq!(unsure["deletions"][0]["id"], "lead");
        assert_eq!(unsure["entities"].as_array().map(Vec::len), Some(1), "the lane alone");
        // The lane bends and is left behind to where the percept says: to the left, and the car turns with it.
        let bend = space.perceived(&Percept { curvature_per_m: 0.01, heading_rad: 0.05, ..percept }, &time);
        let pose = &bend["entities"][1]["cubes"][0]["pose"];
        let (at, along) = (place(&pose["position"]), turn(&pose["orientation"]) * Vec3::X);
        let ahead_m = 0.5 * 4.3 + 20.0 + 0.5 * 4.4;
        assert!((at.y - (-0.5 - 0.05 * ahead_m + 0.005 * ahead_m * ahead_m)).abs() < 2e-3, "{at}");
        assert!((along.y / along.x - (0.01 * ahead_m - 0.05)).abs() < 1e-3, "{along}");
    }

    #[test]
    fn messages_are_as_their_schemas_say() {
        let ahead = "actors: [(name: \"ahead\", start: (lane: 0, s_m: 45.0, speed_mps: 14.0))]";
        let drive = drive(shipped(), 10, &[TWO_LANES, "ego: (s_m: 20.0, speed_mps: 10.0)", ahead]);
        let file = File::of(&drive);
        for said in &file.0 {
            if said.schema["title"].as_str().is_some_and(|title| title.starts_with("foxglove.")) {
                check(&said.content, &said.schema, &said.topic);
            }
        }
        let lead = &file.entity("/scene/perceived", 5, "lead")["cubes"][0];
        let found = place(&lead["pose"]["position"]);
        let truth = place(&file.entity("/scene", 5, "car/ahead")["cubes"][0]["pose"]["position"]);
        let apart = file.within(5, EGO, truth) - found;
        assert!(apart.x.abs() < 4.0 && apart.y.abs() < 0.8 && apart.z.abs() < 0.3, "{apart}");
        let bytes = file.said("/scene", 5).bytes;
        assert!(bytes < 1800, "{bytes} bytes for two cars");
    }

    fn check(value: &Value, schema: &Value, at: &str) {
        match schema["type"].as_str().expect("a type") {
            "object" => {
                let (fields, kinds) = (value.as_object().expect(at), schema["properties"].as_object().expect(at));
                let missing = kinds.keys().find(|name| !fields.contains_key(*name));
                let unknown = fields.keys().find(|name| !kinds.contains_key(*name));
                assert_eq!((missing, unknown), (None, None), "{at}");
                fields.iter().for_each(|(name, field)| check(field, &kinds[name], &format!("{at}.{name}")));
            }
            "array" => value.as_array().expect(at).iter().for_each(|item| check(item, &schema["items"], at)),
            "number" => assert!(value.is_number(), "{at}: {value}"),
            "integer" => assert!(value.is_u64(), "{at}: {value}"),
            "boolean" => assert!(value.is_boolean(), "{at}: {value}"),
            kind => assert!(kind == "string" && value.is_string(), "{at}: {value} is no {kind}"),
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            assert!(choices.iter().any(|choice| choice["const"] == *value), "{at}: {value}");
        }
    }
}
