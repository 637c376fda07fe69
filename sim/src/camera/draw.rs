//! Puts the cars and the things beside the road that the camera can see onto the canvas.

use super::fill::{Canvas, Corner, Look, Material};
use super::ground::draw_ground;
use super::{CameraSettings, FIRST_PROP_INSTANCE, Frame, View, shade};
use crate::math::{Vec3, sin_cos};
use crate::road::Road;
use crate::scene::{Class, Prop, Scene};
use crate::traffic::{Car, Traffic};
use crate::vehicle::EgoState;

/// How far the camera looks along the road.
pub(super) const SIGHT_M: f32 = 190.0;

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
    draw_cars(canvas, &view, shown);
    draw_ground(canvas, &view, shown.scene, shown.ego.s_m);
    draw_props(canvas, &view, shown);
    shade::shade(canvas, &view, shown.scene, shown.road.line.height_m(shown.ego.s_m), frame);
}

fn draw_props(canvas: &mut Canvas, view: &View, shown: &Shown<'_>) {
    let from_s_m = shown.ego.s_m - 15.0;
    let props = shown.scene.props_between(from_s_m, shown.ego.s_m + SIGHT_M);
    let first = shown.scene.first_prop(from_s_m);
    for (index, prop) in props.iter().enumerate() {
        let radius_m = 0.5 * prop.size.length();
        let middle = prop.base + Vec3::Z * (0.5 * prop.size.z);
        if visible(view, canvas, middle, radius_m, 1.2) {
            let instance = FIRST_PROP_INSTANCE.saturating_add((first + index) as u16);
            draw_prop(canvas, view, shown.scene, prop, instance);
        }
    }
}

/// Whether a sphere is in view and larger than a pixel or so.
fn visible(view: &View, canvas: &Canvas, middle: Vec3, radius_m: f32, least_px: f32) -> bool {
    let at = view.in_camera(middle);
    let (half_width, focal) = (0.5 * canvas.width as f32, view.focal_px);
    // Distance to the side planes, not normalised: `slack` is the sphere's radius along the same vector.
    let slack = radius_m * (focal * focal + half_width * half_width).sqrt();
    at.z > -radius_m
        && at.x.abs() * focal - at.z * half_width < slack
        && 2.0 * radius_m * focal > least_px * at.z.max(1.0)
}

fn draw_prop(canvas: &mut Canvas, view: &View, scene: &Scene, prop: &Prop, instance: u16) {
    let mut look =
        Look { material: Material::Plain, class: prop.class, instance, colour: prop.colour, brightness: 1.0 };
    let mut block = Block::new(prop.base, prop.yaw_rad, prop.size);
    match prop.class {
        Class::Building => {
            look.material = Material::Wall;
            block.draw(canvas, view, scene, look, Skin::Same);
        }
        Class::Tree => {
            let trunk_m = 0.3 * prop.size.z;
            look.colour = [82.0, 64.0, 48.0];
            Block::new(prop.base, prop.yaw_rad, Vec3::new(0.3, 0.3, trunk_m)).draw(
                canvas,
                view,
                scene,
                look,
                Skin::Same,
            );
            look.colour = prop.colour;
            draw_crown(canvas, view, scene, prop, trunk_m * 0.8, look);
        }
        _ => {
            look.colour = [110.0; 3];
            Block::new(prop.base, prop.yaw_rad, Vec3::new(0.08, 0.08, 1.9)).draw(canvas, view, scene, look, Skin::Same);
            look.colour = prop.colour;
            block.base += Vec3::Z * 1.9;
            block.size.z = prop.size.z - 1.9;
            block.draw(canvas, view, scene, look, Skin::Same);
        }
    }
}

/// An octahedron: eight faces, four of them seen.
fn draw_crown(canvas: &mut Canvas, view: &View, scene: &Scene, prop: &Prop, foot_m: f32, look: Look) {
    let (low, high) = (prop.base + Vec3::Z * foot_m, prop.base + Vec3::Z * prop.size.z);
    let middle = low.lerp(high, 0.4);
    let (sin, cos) = sin_cos(prop.yaw_rad);
    let reach = 0.5 * prop.size.x;
    let around =
        [(cos, sin), (-sin, cos), (-cos, -sin), (sin, -cos)].map(|(x, y)| middle + Vec3::new(x, y, 0.0) * reach);
    let corner = |point: Vec3| Corner { at: view.in_camera(point), first: 0.0, second: 0.0 };
    for index in 0..4 {
        let (a, b) = (around[index], around[(index + 1) % 4]);
        for (tip, from, to) in [(high, b, a), (low, a, b)] {
            let normal = (to - tip).cross(from - tip).normalize_or_zero();
            let look = Look { brightness: scene.brightness(normal), ..look };
            canvas.polygon(view, &[corner(tip), corner(from), corner(to)], look);
        }
    }
}

fn draw_cars(canvas: &mut Canvas, view: &View, shown: &Shown<'_>) {
    for (index, car) in shown.traffic.cars().iter().enumerate() {
        // A car that was hit is where physics has pushed it, not at its place along the road.
        if !car.hit && !(-20.0..SIGHT_M).contains(&(car.s_m - shown.ego.s_m)) {
            continue;
        }
        let pose = car.pose(shown.road);
        if visible(view, canvas, pose.translation, 0.5 * car.length_m + 1.0, 1.0) {
            draw_car(canvas, view, shown.scene, car, &pose, 1 + index as u16);
        }
    }
}

/// A lower body, and a cabin on it; a van or truck is one block.
fn draw_car(canvas: &mut Canvas, view: &View, scene: &Scene, car: &Car, pose: &rapier3d::prelude::Pose, instance: u16) {
    let axes = [pose.rotation * Vec3::X, pose.rotation * Vec3::Y, pose.rotation * Vec3::Z];
    let foot = pose.translation - axes[2] * (0.5 * car.height_m);
    let colour = car.colour.map(f32::from);
    let look = Look { material: Material::Plain, class: Class::Vehicle, instance, colour, brightness: 1.0 };
    let lamps = Skin::Car { braking: car.braking() };
    let clearance_m = 0.18;
    let size = Vec3::new(car.length_m, car.width_m, car.height_m - clearance_m);
    let body_m = if car.height_m > 2.0 { size.z } else { 0.58 * size.z };
    let base = foot + axes[2] * clearance_m;
    Block { base, axes, size: Vec3::new(size.x, size.y, body_m) }.draw(canvas, view, scene, look, lamps);
    if body_m < size.z {
        let cabin = Vec3::new(0.52 * size.x, 0.88 * size.y, size.z - body_m);
        let base = base + axes[2] * body_m - axes[0] * (0.05 * size.x);
        Block { base, axes, size: cabin }.draw(canvas, view, scene, look, Skin::Cabin);
    }
    // The dark gap under the body is what shows best where a car meets the road.
    let shadow = Look { colour: [22.0; 3], ..look };
    let under = Vec3::new(0.96 * size.x, 0.94 * size.y, clearance_m);
    Block { base: foot, axes, size: under }.draw(canvas, view, scene, shadow, Skin::Same);
}

/// A box standing on its base.
struct Block {
    base: Vec3,
    axes: [Vec3; 3],
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
    fn new(base: Vec3, yaw_rad: f32, size: Vec3) -> Self {
        let (sin, cos) = sin_cos(yaw_rad);
        Self { base, axes: [Vec3::new(cos, sin, 0.0), Vec3::new(-sin, cos, 0.0), Vec3::Z], size }
    }

    /// Draws the faces turned to the camera, the foot excepted.
    fn draw(&self, canvas: &mut Canvas, view: &View, scene: &Scene, look: Look, skin: Skin) {
        let [x, y, z] = self.axes;
        let half = 0.5 * self.size;
        let centre = self.base + z * half.z;
        let (ex, ey, ez) = (x * half.x, y * half.y, z * half.z);
        // Normal, the two edges that span the face (right and up as seen from outside), and their lengths.
        let faces = [
            (x, ey, ez, self.size.y, Side::Front),
            (-x, -ey, ez, self.size.y, Side::Back),
            (y, -ex, ez, self.size.x, Side::Flank),
            (-y, ex, ez, self.size.x, Side::Flank),
            (z, -ey, ex, self.size.y, Side::Top),
        ];
        for (normal, right, up, along_m, side) in faces {
            let middle = centre + normal * half.dot(Vec3::new(normal.dot(x), normal.dot(y), normal.dot(z)).abs());
            if (view.eye - middle).dot(normal) <= 0.0 {
                continue;
            }
            let (material, colour, scale) = side.look(look, skin, along_m, self.size.z);
            let face = Look { material, colour, brightness: scene.brightness(normal), ..look };
            let corner = |across: f32, rise: f32| Corner {
                at: view.in_camera(middle + right * across + up * rise),
                first: across * scale.0,
                second: 0.5 * (rise + 1.0) * scale.1,
            };
            canvas.polygon(view, &[corner(1.0, -1.0), corner(-1.0, -1.0), corner(-1.0, 1.0), corner(1.0, 1.0)], face);
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
