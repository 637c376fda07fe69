//! Puts the cars and the things beside the road that the camera can see onto the canvas.

mod ground;

use crate::camera::draw::ground::draw_ground;
use crate::camera::raster::fill::{Canvas, Corner};
use crate::camera::surface::{Look, Material};
use crate::camera::{CameraSettings, FIRST_PROP_INSTANCE, Frame, SIGHT_M, View, car_instance, shade};
use crate::class::Class;
use crate::math::{Vec3, sin_cos};
use crate::road::Road;
use crate::scene::{
    BODY_SHARE, CABIN, CLEARANCE_M, CROWN_FOOT, CROWN_WIDEST, ONE_BLOCK_M, PLATE_FOOT_M, POST_M, Prop, Scene, TRUNK_M,
    brightness_towards,
};
use crate::traffic::{Car, Traffic};
use crate::vehicle::EgoState;
use bevy_rapier3d::rapier::prelude::Pose;

/// Everything a frame shows.
pub(crate) struct Shown<'a> {
    pub road: &'a Road,
    pub scene: &'a Scene,
    pub traffic: &'a Traffic,
    pub ego: &'a EgoState,
    pub centre_of_mass_m: f32,
}

/// Draws one frame into the caller's buffers.
pub(crate) fn draw_frame(canvas: &mut Canvas, settings: &CameraSettings, shown: &Shown<'_>, frame: &mut Frame<'_>) {
    let view = View::on_ego(settings, shown.ego, shown.centre_of_mass_m);
    canvas.clear(usize::from(settings.width_px), usize::from(settings.height_px));
    let lit_view = LitView { view: &view, sun_in_camera: view.rotated(shown.scene.sun) };
    draw_cars(canvas, &lit_view, shown);
    draw_ground(canvas, &view, shown.scene, shown.ego.s_m, settings.mount_m.0);
    draw_props(canvas, &lit_view, shown);
    shade::shade(canvas, &view, shown.scene, shown.road.line.height_m(shown.ego.s_m), frame);
}

fn draw_props(canvas: &mut Canvas, lit_view: &LitView<'_>, shown: &Shown<'_>) {
    let from_s_m = shown.ego.s_m - SIGHT_M;
    let props = shown.scene.props_between(from_s_m, shown.ego.s_m + SIGHT_M);
    let first = shown.scene.first_prop(from_s_m);
    for (index, prop) in props.iter().enumerate() {
        let radius_m = 0.5 * prop.size.length();
        let middle = lit_view.view.in_camera(prop.base + Vec3::Z * (0.5 * prop.size.z));
        if visible(lit_view.view, canvas, middle, radius_m, 1.2) {
            let instance = FIRST_PROP_INSTANCE.saturating_add((first + index) as u16);
            draw_prop(canvas, lit_view, prop, instance);
        }
    }
}

/// Whether a sphere around a point in camera coordinates is in view and larger than a pixel or so.
fn visible(view: &View, canvas: &Canvas, middle: Vec3, radius_m: f32, least_px: f32) -> bool {
    let (half_width, focal) = (0.5 * canvas.width as f32, view.focal_px);
    // Distance to the side planes, not normalised: `slack` is the sphere's radius along the same vector.
    let slack = radius_m * (focal * focal + half_width * half_width).sqrt();
    middle.z > -radius_m
        && middle.x.abs() * focal - middle.z * half_width < slack
        && 2.0 * radius_m * focal > least_px * middle.z.max(1.0)
}

/// Where the camera is, and where the sun stands as seen from it.
struct LitView<'a> {
    view: &'a View,
    sun_in_camera: Vec3,
}

impl LitView<'_> {
    /// Whether a thing this wide at this depth would be lost between the pixels' centres.
    fn too_thin(&self, width_m: f32, depth_m: f32) -> bool {
        width_m * self.view.focal_px < 0.4 * depth_m
    }
}

fn draw_prop(canvas: &mut Canvas, lit_view: &LitView<'_>, prop: &Prop, instance: u16) {
    let plain = Look { material: Material::Plain, class: prop.class, instance, colour: prop.colour, brightness: 1.0 };
    let (sin, cos) = sin_cos(prop.yaw_rad);
    let axes = [Vec3::new(cos, sin, 0.0), Vec3::new(-sin, cos, 0.0), Vec3::Z];
    let block = Block::new(lit_view.view, prop.base, axes, prop.size);
    match prop.class {
        Class::Building => {
            block.draw(canvas, lit_view, Look { material: Material::Wall, ..plain }, Skin::Same);
        }
        Class::Tree => {
            if !lit_view.too_thin(TRUNK_M, block.foot.z) {
                let bark = Look { colour: [82.0, 64.0, 48.0], ..plain };
                let size = Vec3::new(TRUNK_M, TRUNK_M, 0.3 * prop.size.z);
                Block::new(lit_view.view, prop.base, axes, size).draw(canvas, lit_view, bark, Skin::Same);
            }
            draw_crown(canvas, lit_view, &block, plain);
        }
        _ => {
            if !lit_view.too_thin(POST_M, block.foot.z) {
                let post = Look { colour: [110.0; 3], ..plain };
                let size = Vec3::new(POST_M, POST_M, PLATE_FOOT_M);
                Block::new(lit_view.view, prop.base, axes, size).draw(canvas, lit_view, post, Skin::Same);
            }
            let size = Vec3::new(prop.size.x, prop.size.y, prop.size.z - PLATE_FOOT_M);
            let base = prop.base + Vec3::Z * PLATE_FOOT_M;
            Block::new(lit_view.view, base, axes, size).draw(canvas, lit_view, plain, Skin::Same);
        }
    }
}

/// Crowns lower than this on the screen are drawn flat: their faces would be a pixel or two each.
const FLAT_CROWN_PX: f32 = 10.0;

/// An octahedron in the upper three quarters of a tree's block: eight faces, four of them seen; far away, its outline.
fn draw_crown(canvas: &mut Canvas, lit_view: &LitView<'_>, block: &Block, look: Look) {
    let [x, y, z] = block.half;
    let (low, high) = (block.foot + z * (2.0 * CROWN_FOOT), block.foot + z * 2.0);
    let middle = low.lerp(high, CROWN_WIDEST);
    let corner = |at: Vec3| Corner { at, first: 0.0, second: 0.0 };
    if (low.y - high.y) * lit_view.view.focal_px < FLAT_CROWN_PX * middle.z {
        let half_m = x.x.abs().max(y.x.abs());
        let at = |across_m: f32, y: f32| corner(Vec3::new(middle.x + across_m, y, middle.z));
        let corners = [at(0.0, high.y), at(half_m, middle.y), at(0.0, low.y), at(-half_m, middle.y)];
        let brightness = brightness_towards(-middle.normalize().dot(lit_view.sun_in_camera));
        canvas.polygon(lit_view.view, &corners, Look { brightness, ..look });
        return;
    }
    let around = [middle + x, middle + y, middle - x, middle - y];
    for index in 0..4 {
        let (a, b) = (around[index], around[(index + 1) % 4]);
        for (tip, from, to) in [(high, b, a), (low, a, b)] {
            let normal = (to - tip).cross(from - tip);
            if normal.dot(tip) < 0.0 {
                let brightness = brightness_towards(normal.normalize_or_zero().dot(lit_view.sun_in_camera));
                canvas.polygon(lit_view.view, &[corner(tip), corner(from), corner(to)], Look { brightness, ..look });
            }
        }
    }
}

fn draw_cars(canvas: &mut Canvas, lit_view: &LitView<'_>, shown: &Shown<'_>) {
    for (index, car) in shown.traffic.cars().iter().enumerate() {
        // A car that was hit is where physics has pushed it, not at its place along the road.
        if !car.hit && (car.s_m - shown.ego.s_m).abs() >= SIGHT_M {
            continue;
        }
        let pose = car.pose();
        let middle = lit_view.view.in_camera(pose.translation);
        if visible(lit_view.view, canvas, middle, 0.5 * car.length_m + 1.0, 1.0) {
            draw_car(canvas, lit_view, car, &pose, car_instance(index));
        }
    }
}

/// A lower body, and a cabin on it; a van or truck is one block.
fn draw_car(canvas: &mut Canvas, lit_view: &LitView<'_>, car: &Car, pose: &Pose, instance: u16) {
    let view = lit_view.view;
    let axes = [pose.rotation * Vec3::X, pose.rotation * Vec3::Y, pose.rotation * Vec3::Z];
    let foot = pose.translation - axes[2] * (0.5 * car.height_m);
    let colour = car.colour.map(f32::from);
    let look = Look { material: Material::Plain, class: Class::Vehicle, instance, colour, brightness: 1.0 };
    let lamps = Skin::Car { braking: car.braking() };
    let size = Vec3::new(car.length_m, car.width_m, car.height_m - CLEARANCE_M);
    let body_m = if car.height_m > ONE_BLOCK_M { size.z } else { BODY_SHARE * size.z };
    let base = foot + axes[2] * CLEARANCE_M;
    Block::new(view, base, axes, Vec3::new(size.x, size.y, body_m)).draw(canvas, lit_view, look, lamps);
    if body_m < size.z {
        let (length, width, back) = CABIN;
        let cabin = Vec3::new(length * size.x, width * size.y, size.z - body_m);
        let base = base + axes[2] * body_m - axes[0] * (back * size.x);
        Block::new(view, base, axes, cabin).draw(canvas, lit_view, look, Skin::Cabin);
    }
    // The dark gap under the body is what shows best where a car meets the road.
    let under = Vec3::new(0.96 * size.x, 0.94 * size.y, CLEARANCE_M);
    let under = Block::new(view, foot, axes, under);
    if !lit_view.too_thin(CLEARANCE_M, under.foot.z) {
        under.draw(canvas, lit_view, Look { colour: [22.0; 3], ..look }, Skin::Same);
    }
}

/// A box standing on its base, in camera coordinates.
struct Block {
    /// Middle of its base.
    foot: Vec3,
    /// Half of its length, width and height along its axes.
    half: [Vec3; 3],
    size: Vec3,
}

/// What is on the sides of a box.
#[derive(Clone, Copy)]
enum Skin {
    Same,
    Car { braking: bool },
    Cabin,
}

impl Block {
    /// A box of the world: middle of its base, unit axes, length along each.
    fn new(view: &View, base: Vec3, axes: [Vec3; 3], size: Vec3) -> Self {
        let [x, y, z] = axes;
        let half =
            [view.rotated(x * (0.5 * size.x)), view.rotated(y * (0.5 * size.y)), view.rotated(z * (0.5 * size.z))];
        Self { foot: view.in_camera(base), half, size }
    }

    /// Draws the faces turned to the camera, the foot excepted.
    fn draw(&self, canvas: &mut Canvas, lit_view: &LitView<'_>, look: Look, skin: Skin) {
        let [x, y, z] = self.half;
        let centre = self.foot + z;
        // From the centre to the face, the two halves that span it (right and up as seen from outside), its length, and
        // half of the box's extent through it.
        let faces = [
            (x, y, z, self.size.y, 0.5 * self.size.x, Side::Front),
            (-x, -y, z, self.size.y, 0.5 * self.size.x, Side::Back),
            (y, -x, z, self.size.x, 0.5 * self.size.y, Side::Flank),
            (-y, x, z, self.size.x, 0.5 * self.size.y, Side::Flank),
            (z, -y, x, self.size.y, 0.5 * self.size.z, Side::Top),
        ];
        for (outward, right, up, along_m, half_m, side) in faces {
            let middle = centre + outward;
            if middle.dot(outward) >= 0.0 {
                continue;
            }
            let (material, colour, scale) = side.look(look, skin, along_m, self.size.z);
            let brightness = brightness_towards(outward.dot(lit_view.sun_in_camera) / half_m);
            let corner = |across: f32, rise: f32| Corner {
                at: middle + right * across + up * rise,
                first: across * scale.0,
                second: 0.5 * (rise + 1.0) * scale.1,
            };
            let corners = [corner(1.0, -1.0), corner(-1.0, -1.0), corner(-1.0, 1.0), corner(1.0, 1.0)];
            canvas.polygon(lit_view.view, &corners, Look { material, colour, brightness, ..look });
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Front,
    Back,
    Flank,
    Top,
}

impl Side {
    /// Material, colour, and the scale of the two attributes.
    fn look(self, look: Look, skin: Skin, along_m: f32, height_m: f32) -> (Material, [f32; 3], (f32, f32)) {
        const GLASS: [f32; 3] = [38.0, 46.0, 56.0];
        match (skin, self) {
            (Skin::Same, Self::Top) | (Skin::Car { .. } | Skin::Cabin, Self::Top) => {
                (Material::Plain, look.colour, (1.0, 1.0))
            }
            (Skin::Same, _) => (look.material, look.colour, (0.5 * along_m, height_m)),
            (Skin::Cabin, _) => (Material::Plain, GLASS, (1.0, 1.0)),
            (Skin::Car { .. }, Self::Flank) => (Material::CarSide, look.colour, (0.5 * along_m, 1.0)),
            (Skin::Car { braking }, Self::Back) => {
                let lamp = if braking { [255.0, 40.0, 25.0] } else { [150.0, 20.0, 18.0] };
                (Material::CarEnd { lamp }, look.colour, (1.0, 1.0))
            }
            (Skin::Car { .. }, Self::Front) => {
                (Material::CarEnd { lamp: [250.0, 248.0, 225.0] }, look.colour, (1.0, 1.0))
            }
        }
    }
}
