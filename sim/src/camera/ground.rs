//! Draws the ground: strips along the road, in pieces as long as the road's shape and the camera's sharpness allow.

use super::draw::SIGHT_M;
use super::fill::{Canvas, Corner, Look, Material};
use super::{NO_INSTANCE, View};
use crate::math::Vec3;
use crate::scene::{Class, Scene, Strip};

/// Ground behind the camera's place on the road, for wide views and turned cars.
const BEHIND_M: f32 = 6.0;
/// Longest piece, in rows; shorter ones are halves, quarters and so on, so that pieces stay where they are as the car
/// moves on.
const LONGEST_PIECE: usize = 8;
/// A piece may leave the road's true shape by this much on the screen.
const DEVIATION_PX: f32 = 0.25;
/// Most strips a scene has.
const MAX_STRIPS: usize = 8;

/// Draws every strip from behind the ego to the end of sight.
pub(super) fn draw_ground(canvas: &mut Canvas, view: &View, scene: &Scene, ego_s_m: f32) {
    let last = scene.row_at(ego_s_m + SIGHT_M);
    let looks: [Look; MAX_STRIPS] =
        std::array::from_fn(|index| ground_look(scene, &scene.strips[index.min(scene.strips.len() - 1)]));
    let mut row = scene.row_at(ego_s_m - BEHIND_M) / LONGEST_PIECE * LONGEST_PIECE;
    let mut near = row_corners(view, scene, row);
    while row < last {
        let next = (row + piece_rows(view, scene, row, ego_s_m)).min(last);
        let far = row_corners(view, scene, next);
        let flat = is_flat(view, scene, row, next, ego_s_m);
        for (look, (near, far)) in looks.iter().zip(near.iter().zip(&far)).take(scene.strips.len()) {
            let ([a, b], [c, d]) = (near, far);
            if beside(view, canvas.width, &[a.at, b.at, c.at, d.at]) {
                continue;
            }
            // Left near, left far, right far, right near: clockwise as seen from above.
            if flat {
                canvas.polygon(view, &[*a, *c, *d, *b], *look);
            } else {
                canvas.polygon(view, &[*a, *c, *b], *look);
                canvas.polygon(view, &[*b, *c, *d], *look);
            }
        }
        (row, near) = (next, far);
    }
}

/// Distance that stands for [`DEVIATION_PX`] at a row.
fn allowed_m(view: &View, scene: &Scene, row: usize, ego_s_m: f32) -> f32 {
    DEVIATION_PX * (scene.rows[row].s_m - ego_s_m).max(2.0) / view.focal_px
}

/// Whether what lies between two rows is a parallelogram, or so close to one that a single plane will do.
fn is_flat(view: &View, scene: &Scene, row: usize, next: usize, ego_s_m: f32) -> bool {
    let turned = (scene.rows[next].left - scene.rows[row].left).length();
    turned * scene.strips[0].left.0 < allowed_m(view, scene, row, ego_s_m)
}

/// Rows from this one to the next that is drawn.
fn piece_rows(view: &View, scene: &Scene, row: usize, ego_s_m: f32) -> usize {
    let from = &scene.rows[row];
    let allowed_m = allowed_m(view, scene, row, ego_s_m);
    let mut rows = LONGEST_PIECE;
    while rows > 1 {
        if row.is_multiple_of(rows) && row + rows < scene.rows.len() {
            let (middle, to) = (&scene.rows[row + rows / 2], &scene.rows[row + rows]);
            let deviation = middle.centre - 0.5 * (from.centre + to.centre);
            if deviation.length_squared() <= allowed_m * allowed_m {
                return rows;
            }
        }
        rows /= 2;
    }
    1
}

/// Both ends of every strip at one row, left and right.
fn row_corners(view: &View, scene: &Scene, row: usize) -> [[Corner; 2]; MAX_STRIPS] {
    let row = &scene.rows[row];
    let centre = view.in_camera(row.centre);
    let left = Vec3::new(row.left.dot(view.right), row.left.dot(view.down), row.left.dot(view.forward));
    let up = Vec3::new(view.right.z, view.down.z, view.forward.z);
    let mut corners = [[Corner { at: Vec3::ZERO, first: row.s_m, second: 0.0 }; 2]; MAX_STRIPS];
    for (ends, strip) in corners.iter_mut().zip(&scene.strips) {
        for (corner, (d_m, height_m)) in ends.iter_mut().zip([strip.left, strip.right]) {
            corner.at = centre + left * d_m + up * height_m;
            corner.second = d_m;
        }
    }
    corners
}

fn ground_look(scene: &Scene, strip: &Strip) -> Look {
    let upright = strip.left.0 == strip.right.0;
    let (material, colour) = match strip.class {
        Class::Road => (Material::Road, scene.palette.asphalt),
        Class::Kerb => (Material::Plain, scene.palette.kerb),
        _ => (Material::Terrain, scene.palette.terrain),
    };
    let brightness = if upright { 0.7 } else { scene.brightness(Vec3::Z) };
    Look { material, class: strip.class, instance: NO_INSTANCE, colour, brightness }
}

/// Whether all points lie left of the view, right of it, or behind it.
fn beside(view: &View, width: usize, points: &[Vec3; 4]) -> bool {
    let slope = 0.5 * width as f32 / view.focal_px;
    points.iter().all(|at| at.z < 0.1)
        || points.iter().all(|at| at.x > slope * at.z.max(0.0))
        || points.iter().all(|at| -at.x > slope * at.z.max(0.0))
}
