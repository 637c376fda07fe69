//! The ego's camera: a batched software rasteriser that writes colour, depth, class and instance in one pass.
//!
//! A frame is made in two steps: polygons are filled into a buffer of nearest surfaces, then every pixel is shaded once.
//!
//! Pixels are shaded eight at a time in vectors of `fearless_simd`, which picks the processor's instruction set at run
//! time.

mod draw;
mod lanes_of_eight;
mod raster;
mod shade;
mod surface;

use crate::math::{Quat, Vec3, pitch_rotation, tan};
use crate::range;
use crate::vehicle::EgoState;
pub(crate) use draw::{Shown, draw_frame};
pub(crate) use raster::fill::Canvas;
use serde::{Deserialize, Serialize};

/// Most pixels a frame may have.
pub const MAX_PIXELS: u32 = 1 << 20;
/// Depth written where nothing is, the far plane of CARLA's depth camera.
pub const FAR_M: f32 = 1000.0;
/// Instance number of everything that is neither a car nor a thing beside the road.
pub const NO_INSTANCE: u16 = 0;
/// Instance numbers of things beside the road begin here; cars are numbered from 1 in file order.
pub const FIRST_PROP_INSTANCE: u16 = 1000;

/// Instance of one of the other cars, by its number in file order.
#[must_use]
pub fn car_instance(car: usize) -> u16 {
    1 + car as u16
}

/// Where the camera sits and what it sees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CameraSettings {
    /// Width of the frame; it may have 1048576 pixels in all.
    #[serde(deserialize_with = "range::width_px")]
    pub width_px: u16,
    /// Height of the frame.
    #[serde(deserialize_with = "range::height_px")]
    pub height_px: u16,
    /// Horizontal angle of view.
    #[serde(deserialize_with = "range::fov_deg")]
    pub fov_deg: f32,
    /// Angle that it looks down from the car's horizon.
    #[serde(deserialize_with = "range::pitch_deg")]
    pub pitch_deg: f32,
    /// Position in front of the centre of mass, to its left, and above the ground at rest, each at most 10 m.
    pub mount_m: (f32, f32, f32),
}

impl Default for CameraSettings {
    /// The driver's camera: as many pixels as 84×84, spent on the band where road and traffic are, so that a car 40 m
    /// ahead is still six pixels wide.
    fn default() -> Self {
        Self { width_px: 160, height_px: 48, fov_deg: 65.0, pitch_deg: 4.0, mount_m: (0.4, 0.0, 1.35) }
    }
}

impl CameraSettings {
    /// The camera benchmarks use, 90° wide.
    #[must_use]
    pub fn square(size_px: u16) -> Self {
        Self { width_px: size_px, height_px: size_px, fov_deg: 90.0, ..Self::default() }
    }

    /// Pixels of a frame.
    #[must_use]
    pub fn pixels(&self) -> usize {
        usize::from(self.width_px) * usize::from(self.height_px)
    }

    /// Where the camera of a car is whose centre of mass is `centre_of_mass_m` over the ground at rest: its eye in the world, and
    /// the rotation from its own axes (x forward, y left, z up) into the world's.
    #[must_use]
    pub fn pose(&self, ego: &EgoState, centre_of_mass_m: f32) -> (Vec3, Quat) {
        let (x, y, z) = self.mount_m;
        let eye = ego.position + ego.rotation * Vec3::new(x, y, z - centre_of_mass_m);
        (eye, ego.rotation * pitch_rotation(self.pitch_deg.to_radians()))
    }

    /// The near plane: half as deep as the ground can be in the frame's corners, and never so near that depths lose their meaning.
    fn near_m(&self) -> f32 {
        let (across, down) = (f32::from(self.width_px), f32::from(self.height_px));
        let corner_px = Vec3::new(self.focal_px(), 0.5 * across, 0.5 * down).length();
        (0.5 * self.mount_m.2 * self.focal_px() / corner_px).clamp(1e-3, NEAR_M)
    }

    /// Focal length in pixels.
    #[must_use]
    pub fn focal_px(&self) -> f32 {
        0.5 * f32::from(self.width_px) / tan(0.5 * self.fov_deg.to_radians())
    }
}

/// A camera in the world: x to the right, y down, z forward.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub eye: Vec3,
    pub right: Vec3,
    pub down: Vec3,
    pub forward: Vec3,
    pub focal_px: f32,
    pub per_focal_px: f32,
    pub centre_px: (f32, f32),
    /// Surfaces nearer than this are cut off.
    pub near_m: f32,
}

/// How far the camera looks along the road, either way.
const SIGHT_M: f32 = 190.0;
/// Surfaces nearer than this are cut off by a camera that has no ground before it as near as that.
const NEAR_M: f32 = 0.15;

impl View {
    /// The camera on a car whose centre of mass is `centre_of_mass_m` over the ground at rest.
    pub fn on_ego(settings: &CameraSettings, ego: &EgoState, centre_of_mass_m: f32) -> Self {
        let (eye, rotation) = settings.pose(ego, centre_of_mass_m);
        let focal_px = settings.focal_px();
        Self {
            eye,
            right: rotation * -Vec3::Y,
            down: rotation * -Vec3::Z,
            forward: rotation * Vec3::X,
            focal_px,
            per_focal_px: 1.0 / focal_px,
            centre_px: (0.5 * f32::from(settings.width_px), 0.5 * f32::from(settings.height_px)),
            near_m: settings.near_m(),
        }
    }

    /// A world point in camera coordinates.
    pub fn in_camera(&self, point: Vec3) -> Vec3 {
        self.rotated(point - self.eye)
    }

    /// Depth of a world point along the optical axis, negative behind the camera.
    pub fn depth_m(&self, point: Vec3) -> f32 {
        (point - self.eye).dot(self.forward)
    }

    /// A direction of the world in camera coordinates.
    pub fn rotated(&self, direction: Vec3) -> Vec3 {
        Vec3::new(direction.dot(self.right), direction.dot(self.down), direction.dot(self.forward))
    }

    /// The linear function `g · p / z` of camera coordinates as gradients over the pixel and value at the first pixel.
    fn plane(&self, g: Vec3) -> [f32; 3] {
        let (x, y) = (g.x * self.per_focal_px, g.y * self.per_focal_px);
        [x, y, g.z + x * (0.5 - self.centre_px.0) + y * (0.5 - self.centre_px.1)]
    }
}

/// The caller's buffers for one frame, row-major from the top left.
///
/// # Shapes
/// - `rgb`: `height × width × 3`; the others `height × width`
///
/// # Units
/// Depth is metres along the optical axis, [`FAR_M`] for the sky; class is [`crate::class::Class`] as a number.
pub struct Frame<'a> {
    /// Colour.
    pub rgb: &'a mut [u8],
    /// Depth.
    pub depth_m: &'a mut [f32],
    /// Class.
    pub class: &'a mut [u8],
    /// Instance.
    pub instance: &'a mut [u16],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::Class;
    use crate::seed::{Seed, Split};
    use crate::{DriveStyle, Episode, generate_drive, parse};

    fn straight(camera: CameraSettings, actors: &str) -> Episode {
        let text = format!(
            "Scenario(format: 1, title: \"t\", duration_s: 9.0, road: Straight(length_m: 400.0, lanes: 2), \
             light: Some((sun_azimuth_deg: 40.0, sun_elevation_deg: 50.0, visibility_m: 2000.0)), \
             ego: (s_m: 20.0), actors: [{actors}])"
        );
        let mut scenario = parse(&text, "t.ron".as_ref()).unwrap().into_scenario();
        scenario.camera = camera;
        Episode::new(scenario).unwrap()
    }

    #[test]
    fn depth_of_a_flat_road_is_that_of_the_ray_and_the_plane() {
        for camera in [CameraSettings::default(), CameraSettings::square(84)] {
            let episode = straight(camera, "");
            let view = View::on_ego(&camera, &episode.measures().ego, 0.55);
            let (mut roads, width) = (0, usize::from(camera.width_px));
            for (pixel, depth_m) in episode.seen().depth_frame(0).iter().enumerate() {
                let class = Class::from_index(episode.seen().class_frame(0)[pixel]);
                if !matches!(class, Class::Road | Class::Marking) {
                    continue;
                }
                roads += 1;
                let x = ((pixel % width) as f32 + 0.5 - view.centre_px.0) / view.focal_px;
                let y = ((pixel / width) as f32 + 0.5 - view.centre_px.1) / view.focal_px;
                let ray = view.forward + view.right * x + view.down * y;
                let expected_m = -view.eye.z / ray.z;
                assert!((depth_m - expected_m).abs() < 0.01 * expected_m, "{depth_m} m, expected {expected_m} m");
            }
            assert!(roads > camera.pixels() / 4, "{roads} pixels of road");
        }
    }

    #[test]
    fn a_car_40_m_ahead_is_seen_with_its_number_and_distance() {
        let other = "(name: \"beside\", start: (lane: -1, s_m: 380.0, speed_mps: 0.0)), ";
        let ahead = "(name: \"ahead\", start: (lane: 0, s_m: 60.0, speed_mps: 0.0))";
        let episode = straight(CameraSettings::default(), &format!("{other}{ahead}"));
        let seen = episode.seen();
        let car: Vec<usize> = (0..seen.instance.len()).filter(|&pixel| seen.instance[pixel] == 2).collect();
        assert!(car.len() >= 12, "{} pixels", car.len());
        assert!(car.iter().all(|&pixel| seen.class[pixel] == Class::Vehicle as u8));
        let nearest_m = car.iter().map(|&pixel| seen.depth_m[pixel]).fold(f32::INFINITY, f32::min);
        let rear_m = 40.0 - 2.2 - 0.4;
        assert!((nearest_m - rear_m).abs() < 1.0, "{nearest_m} m, expected {rear_m} m");
    }

    #[test]
    fn sky_is_above_road_below_and_paint_brighter_than_asphalt() {
        let episode = straight(CameraSettings::default(), "");
        let seen = episode.seen();
        let pixels = seen.class.len();
        let count = |class: Class, range: std::ops::Range<usize>| {
            seen.class[range].iter().filter(|&&found| found == class as u8).count()
        };
        let (above, below) = (0..pixels / 4, pixels / 2..pixels);
        let ground = count(Class::Road, above.clone()) + count(Class::Marking, above.clone());
        assert_eq!((ground, count(Class::Sky, below.clone())), (0, 0));
        let (sky, road) = (count(Class::Sky, above), count(Class::Road, below));
        assert!(sky > pixels / 50 && road > pixels / 5, "{sky} pixels of sky, {road} of road, {pixels} in all");
        let mean = |class: Class| {
            let of_class = (pixels / 2..pixels).filter(|&pixel| seen.class[pixel] == class as u8);
            let levels: Vec<f32> = of_class.map(|pixel| f32::from(seen.rgb[3 * pixel + 1])).collect();
            levels.iter().sum::<f32>() / levels.len() as f32
        };
        assert!(mean(Class::Marking) > 1.3 * mean(Class::Road), "{} {}", mean(Class::Marking), mean(Class::Road));
    }

    #[test]
    fn the_road_is_road_wherever_a_camera_looks() {
        let camera = |width_px, height_px, fov_deg, pitch_deg, mount_m| CameraSettings {
            width_px,
            height_px,
            fov_deg,
            pitch_deg,
            mount_m,
        };
        let cameras = [
            camera(96, 96, 150.0, 60.0, (0.0, 0.0, 10.0)),
            camera(96, 96, 150.0, 60.0, (-10.0, 0.0, 10.0)),
            camera(64, 96, 120.0, 60.0, (10.0, 10.0, 4.0)),
            camera(16, 160, 150.0, 60.0, (0.0, 0.0, 1.35)),
            camera(8, 256, 150.0, 0.0, (0.0, 0.0, 10.0)),
            camera(96, 96, 150.0, 20.0, (0.0, 0.0, 0.2)),
            camera(96, 48, 150.0, -30.0, (0.0, -5.0, 10.0)),
            CameraSettings::default(),
        ];
        for (camera, heading_deg) in cameras.into_iter().flat_map(|camera| [0.0, 45.0, -45.0].map(|deg| (camera, deg)))
        {
            let text = format!(
                "Scenario(format: 1, title: \"t\", duration_s: 9.0, road: Straight(length_m: 500.0, lanes: 2), \
                 ego: (s_m: 210.0, heading_deg: {heading_deg:?}))"
            );
            let mut scenario = parse(&text, "t.ron".as_ref()).unwrap().into_scenario();
            scenario.camera = camera;
            let episode = Episode::new(scenario).unwrap();
            let view = View::on_ego(&camera, &episode.measures().ego, 0.55);
            let (mut roads, width) = (0, usize::from(camera.width_px));
            for (pixel, &class) in episode.seen().class_frame(0).iter().enumerate() {
                let x = ((pixel % width) as f32 + 0.5 - view.centre_px.0) / view.focal_px;
                let y = ((pixel / width) as f32 + 0.5 - view.centre_px.1) / view.focal_px;
                let ray = view.forward + view.right * x + view.down * y;
                let depth_m = -view.eye.z / ray.z;
                let ground = view.eye + ray * depth_m;
                // A little inside the paved strip of 2 × 3.5 + 1 m and 3.5 + 1 m, and nearer than the end of sight.
                let edge_m = 0.05 + 0.02 * depth_m.abs();
                let paved = ground.y > -8.0 + edge_m && ground.y < 4.5 - edge_m;
                if ray.z < 0.0 && paved && (ground.x - 210.0).abs() < 160.0 {
                    roads += 1;
                    let class = Class::from_index(class);
                    assert!(
                        !matches!(class, Class::Sky | Class::Terrain),
                        "{class:?} at {ground}: {camera:?}, {heading_deg}"
                    );
                }
            }
            assert!(roads > 5, "{roads} pixels of road: {camera:?}");
        }
    }

    #[test]
    fn a_car_behind_is_seen_by_a_camera_that_looks_back() {
        let camera = CameraSettings {
            fov_deg: 150.0,
            pitch_deg: 60.0,
            mount_m: (-10.0, 0.0, 10.0),
            width_px: 48,
            height_px: 192,
        };
        let actors = "(name: \"behind\", start: (lane: 1, s_m: 1.5, speed_mps: 0.0))";
        let text = format!(
            "Scenario(format: 1, title: \"t\", duration_s: 9.0, road: Straight(length_m: 400.0, lanes: 2), \
             ego: (s_m: 24.0), actors: [{actors}])"
        );
        let mut scenario = parse(&text, "t.ron".as_ref()).unwrap().into_scenario();
        scenario.camera = camera;
        let seen = Episode::new(scenario).unwrap();
        let pixels = seen.seen().instance.iter().filter(|&&instance| instance == 1).count();
        assert!(pixels > 5, "{pixels} pixels of the car behind");
    }

    #[test]
    fn the_ground_has_no_holes() {
        for index in 0..50 {
            let camera = if index % 2 == 0 { CameraSettings::square(84) } else { CameraSettings::default() };
            let style = DriveStyle { camera, ..DriveStyle::default() };
            let mut scenario = generate_drive(Seed::of_split(Split::Train, 4, index), &style);
            scenario.ego.s_m += 5.0 * index as f32;
            scenario.ego.heading_deg = if index % 5 == 0 { 40.0 } else { 0.0 };
            scenario.actors.clear();
            let episode = Episode::new(scenario).unwrap();
            let (class, width) = (episode.seen().class_frame(0), usize::from(camera.width_px));
            let class = |pixel: usize| Class::from_index(class[pixel]);
            let paved = |pixel: usize| matches!(class(pixel), Class::Road | Class::Marking);
            for pixel in width..camera.pixels() - width {
                let around = [pixel - 1, pixel + 1, pixel - width, pixel + width];
                let hole = matches!(class(pixel), Class::Sky | Class::Terrain) && around.into_iter().all(paved);
                assert!(!hole, "world {index}: {:?} at {} {}", class(pixel), pixel % width, pixel / width);
            }
        }
    }
}
