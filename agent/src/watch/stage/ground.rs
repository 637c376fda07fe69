//! The road, its kerbs and the grass beside it, in pieces short enough to be left out when they are not in view.

use super::mesh::{MeshBuilder, Paint};
use roadproof_sim::Class;
use roadproof_sim::math::Vec3;
use roadproof_sim::scene::{Row, Scene, Strip};

/// Rows of the road in one piece.
pub const PIECE_ROWS: usize = 32;

/// One piece of the ground.
#[derive(Debug, Default)]
pub struct GroundPiece {
    /// Asphalt, its surface coordinates are `(s, d)` in metres: the shader paints the lines.
    pub road: MeshBuilder,
    /// Grass, with the same coordinates.
    pub grass: MeshBuilder,
    /// Kerb stones.
    pub kerb: MeshBuilder,
}

/// All pieces from the run-in to the run-out.
#[must_use]
pub fn ground(scene: &Scene) -> Vec<GroundPiece> {
    let pieces = scene.rows.len().saturating_sub(1).div_ceil(PIECE_ROWS);
    (0..pieces)
        .map(|piece| {
            let first = piece * PIECE_ROWS;
            let last = (first + PIECE_ROWS).min(scene.rows.len() - 1);
            let mut ground = GroundPiece::default();
            for rows in scene.rows[first..=last].windows(2) {
                for strip in &scene.strips {
                    lay(&mut ground, scene, strip, &rows[0], &rows[1]);
                }
            }
            ground
        })
        .collect()
}

fn lay(ground: &mut GroundPiece, scene: &Scene, strip: &Strip, near: &Row, far: &Row) {
    let palette = &scene.palette;
    let (mesh, colour) = match strip.class {
        Class::Road => (&mut ground.road, palette.asphalt),
        Class::Kerb => (&mut ground.kerb, palette.kerb),
        _ => (&mut ground.grass, palette.terrain),
    };
    let corner =
        |row: &Row, (d_m, height_m): (f32, f32)| (row.centre + row.left * d_m + Vec3::Z * height_m, [row.s_m, d_m]);
    let corners =
        [corner(near, strip.left), corner(near, strip.right), corner(far, strip.right), corner(far, strip.left)];
    mesh.polygon(&corners, Paint { class: strip.class, colour });
}
