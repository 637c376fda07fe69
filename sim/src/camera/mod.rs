//! The ego's camera: a batched software rasteriser that writes colour, depth, class and instance in one pass.
//!
//! A frame is made in two steps: polygons are filled into a buffer of nearest surfaces, then every pixel is shaded once.

mod backdrop;
mod draw;
mod fill;
mod ground;
mod paint;
mod shade;
mod texture;

use crate::math::{Quat, Vec3, pitch_rotation, tan};
use crate::scenario::range;
use crate::vehicle::EgoState;
pub(crate) use draw::{Shown, draw_frame};
pub(crate) use fill::Canvas;
use serde::{Deserialize, Serialize};

/// Most pixels a frame may have.
pub const MAX_PIXELS: u32 = 1 << 20;
/// Depth written where nothing is, the far plane of CARLA's depth camera.
pub const FAR_M: f32 = 1000.0;
/// Instance number of everything that is neither a car nor a thing beside the road.
pub const NO_INSTANCE: u16 = 0;
/// Instance numbers of things beside the road begin here; cars are numbered from 1 in file order.
pub const FIRST_PROP_INSTANCE: u16 = 1000;

/// Where the camera sits and what it sees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CameraSettings {
    /// Width of the frame.
    #[serde(deserialize_with = "range::width_px")]
    pub width_px: u16,
    /// Height of the frame.
    #[serde(deserialize_with = "range::height_px")]
    pub height_px: u16,
    /// Horizontal angle of view.
    #[serde(deserialize_with = "range::fov_deg")]
    pub fov_deg: f32,
    /// Angle below the car's horizon.
    #[serde(deserialize_with = "range::pitch_deg")]
    pub pitch_deg: f32,
    /// Position in front of the centre of mass, to its left, and above the ground at rest.
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
    pub centre_px: (f32, f32),
}

impl View {
    /// The camera on a car whose centre of mass is `centre_of_mass_m` over the ground at rest.
    pub fn on_ego(settings: &CameraSettings, ego: &EgoState, centre_of_mass_m: f32) -> Self {
        let (x, y, z) = settings.mount_m;
        let eye = ego.position + ego.rotation * Vec3::new(x, y, z - centre_of_mass_m);
        let rotation: Quat = ego.rotation * pitch_rotation(settings.pitch_deg.to_radians());
        Self {
            eye,
            right: rotation * -Vec3::Y,
            down: rotation * -Vec3::Z,
            forward: rotation * Vec3::X,
            focal_px: settings.focal_px(),
            centre_px: (0.5 * f32::from(settings.width_px), 0.5 * f32::from(settings.height_px)),
        }
    }

    /// A world point in camera coordinates.
    pub fn to_camera(&self, point: Vec3) -> Vec3 {
        let offset = point - self.eye;
        Vec3::new(offset.dot(self.right), offset.dot(self.down), offset.dot(self.forward))
    }
}

/// The caller's buffers for one frame, row-major from the top left.
///
/// # Shapes
/// - `rgb`: `height × width × 3`; the others `height × width`
///
/// # Units
/// Depth is metres along the optical axis, [`FAR_M`] for the sky; class is [`crate::scene::Class`] as a number.
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
