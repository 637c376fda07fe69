//! Draws the ground: strips along the road, in pieces as long as the road's shape and the camera's sharpness allow.

use crate::camera::raster::fill::{Canvas, Corner};
use crate::camera::surface::{Look, Material};
use crate::camera::{NO_INSTANCE, SIGHT_M, View};
use crate::class::Class;
use crate::math::Vec3;
use crate::scene::{KERB_WIDTH_M, Row, Scene, Strip};
use std::ops::Range;

/// Ground behind the camera's place on the road that is drawn in one go with what lies ahead; see [`draw_behind`] for the rest.
const BEHIND_M: f32 = 6.0;
/// Longest piece, in rows; shorter ones are halves, quarters and so on, so that pieces stay where they are as the car
/// moves on.
const LONGEST_PIECE: usize = 32;
/// The first piece begins at a multiple of this many rows, so that none begins far behind the camera.
const FIRST_PIECE: usize = 8;
/// A piece may leave the road's true shape by this much on the screen.
const DEVIATION_PX: f32 = 0.25;
/// Most strips a scene has.
const MAX_STRIPS: usize = 8;

/// Kerbs narrower than this are left out; a rasteriser would show them here and there.
const LEAST_KERB_PX: f32 = 0.5;

/// Draws every strip that the camera may see, from the end of sight behind the ego to the one ahead.
///
/// `mount_x_m` is how far in front of the ego's middle the camera sits.
pub(in crate::camera) fn draw_ground(canvas: &mut Canvas, view: &View, scene: &Scene, ego_s_m: f32, mount_x_m: f32) {
    let kerbs_end_s_m = ego_s_m + KERB_WIDTH_M * view.focal_px / LEAST_KERB_PX;
    let last = scene.row_at(ego_s_m + SIGHT_M);
    let first = scene.row_at(ego_s_m + mount_x_m.min(0.0) - BEHIND_M) / FIRST_PIECE * FIRST_PIECE;
    draw_behind(canvas, view, scene, first, ego_s_m);
    let mut row = first;
    for (strips, end) in [(&scene.strips, scene.row_at(kerbs_end_s_m).min(last)), (&scene.far_strips, last)] {
        row = draw_strips(canvas, view, scene, strips, row..end, LONGEST_PIECE, ego_s_m);
    }
}

/// Draws what lies before a row and in front of the camera: of a camera that looks straight down or further, or of a car that
/// stands across the road.
///
/// It goes by pieces that end where the row's begin, so that those are what they are without it.
fn draw_behind(canvas: &mut Canvas, view: &View, scene: &Scene, before_row: usize, ego_s_m: f32) {
    let ends_m = scene.strips.iter().flat_map(|strip| [strip.left.0, strip.right.0]);
    let (least_m, most_m) = ends_m.fold((0.0_f32, 0.0_f32), |(least, most), end| (least.min(end), most.max(end)));
    let in_front = |row: &Row| {
        let (depth_m, per_m) = (view.depth_m(row.centre), row.left.dot(view.forward));
        depth_m + (per_m * least_m).max(per_m * most_m) > -KERB_WIDTH_M
    };
    let kerbs_m = KERB_WIDTH_M * view.focal_px / LEAST_KERB_PX;
    let mut block = scene.row_at(ego_s_m - SIGHT_M) / FIRST_PIECE * FIRST_PIECE;
    while block < before_row {
        let end = block + FIRST_PIECE;
        if scene.rows[block..=end].iter().any(in_front) {
            let strips = if scene.rows[end].s_m < ego_s_m - kerbs_m { &scene.far_strips } else { &scene.strips };
            draw_strips(canvas, view, scene, strips, block..end, FIRST_PIECE, ego_s_m);
        }
        block = end;
    }
}

/// Draws strips in pieces of at most `longest` rows, from a row to the first piece that ends at or after the last one; returns
/// where that is.
fn draw_strips(
    canvas: &mut Canvas,
    view: &View,
    scene: &Scene,
    strips: &[Strip],
    rows: Range<usize>,
    longest: usize,
    ego_s_m: f32,
) -> usize {
    let looks: [Look; MAX_STRIPS] =
        std::array::from_fn(|index| ground_look(scene, &strips[index.min(strips.len() - 1)]));
    let mut row = rows.start;
    let mut near = row_corners(view, scene, strips, row);
    while row < rows.end {
        let next = row + piece_rows(view, scene, row, longest, ego_s_m);
        let far = row_corners(view, scene, strips, next);
        let turned = (scene.rows[next].left - scene.rows[row].left).length();
        let allowed_m = allowed_m(view, scene, row, ego_s_m);
        for ((look, strip), (near, far)) in looks.iter().zip(strips).zip(near.iter().zip(&far)) {
            let ([a, b], [c, d]) = (near, far);
            if beside(view, canvas.width, &[a.at, b.at, c.at, d.at]) {
                continue;
            }
            // A parallelogram, or so close to one that a single plane will do.
            let flat = turned * strip.left.0.abs().max(strip.right.0.abs()) < allowed_m;
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
    row
}

/// Distance that stands for [`DEVIATION_PX`] at a row.
fn allowed_m(view: &View, scene: &Scene, row: usize, ego_s_m: f32) -> f32 {
    DEVIATION_PX * (scene.rows[row].s_m - ego_s_m).max(2.0) / view.focal_px
}

/// Rows from this one to the next that is drawn, `longest` at most.
fn piece_rows(view: &View, scene: &Scene, row: usize, longest: usize, ego_s_m: f32) -> usize {
    let from = &scene.rows[row];
    let allowed_m = allowed_m(view, scene, row, ego_s_m);
    let mut rows = longest;
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
fn row_corners(view: &View, scene: &Scene, strips: &[Strip], row: usize) -> [[Corner; 2]; MAX_STRIPS] {
    let row = &scene.rows[row];
    let (centre, left, up) = (view.in_camera(row.centre), view.rotated(row.left), view.rotated(Vec3::Z));
    let mut corners = [[Corner { at: Vec3::ZERO, first: row.s_m, second: 0.0 }; 2]; MAX_STRIPS];
    for (ends, strip) in corners.iter_mut().zip(strips) {
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
    points.iter().all(|at| at.z < view.near_m)
        || points.iter().all(|at| at.x > slope * at.z.max(0.0))
        || points.iter().all(|at| -at.x > slope * at.z.max(0.0))
}
