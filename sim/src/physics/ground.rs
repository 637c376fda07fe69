//! The ground under the wheels: a mesh laid in front of the ego piece by piece, so that a drive begins at once and rays meet
//! few triangles.

use crate::math::Vec3;
use crate::road::{self, Road};
use rapier3d::prelude::ColliderBuilder;

/// Distance between the rows of the mesh.
const ROW_M: f32 = 3.0;
/// Rows of one piece.
const PIECE_ROWS: usize = 16;
const PIECE_M: f32 = ROW_M * PIECE_ROWS as f32;
/// The ground reaches this far beyond the paved strip; a drive ends at the decision that leaves the road.
const MARGIN_M: f32 = 12.0;
/// Greatest width of a cell. Boxes around long cells that lie across the axes of the world overlap, and the ray of a wheel
/// must look into each.
const CELL_M: f32 = 8.0;
/// Ground lies this far before and behind the ego, a car's length and more.
const NEAR_M: f32 = 25.0;
/// The mesh goes on this far behind the road's end.
const RUN_OUT_M: f32 = 60.0;

/// Which pieces have been laid.
pub(super) struct Ground {
    laid: Vec<bool>,
}

impl Ground {
    /// No ground yet.
    pub fn new(road: &Road) -> Self {
        let pieces = ((road.length_m() + road::RUN_IN_M + RUN_OUT_M) / PIECE_M).ceil() as usize;
        Self { laid: vec![false; pieces] }
    }

    /// Meshes of the pieces that an ego at `s` may reach within `reach_m` and that have not been laid yet.
    pub fn lay(&mut self, road: &Road, s_m: f32, reach_m: f32) -> Vec<ColliderBuilder> {
        let piece_at = |s_m: f32| ((s_m + road::RUN_IN_M) / PIECE_M).max(0.0) as usize;
        let last = self.laid.len() - 1;
        let (from, to) = (piece_at(s_m - NEAR_M - reach_m).min(last), piece_at(s_m + NEAR_M + reach_m).min(last));
        (from..=to)
            .filter(|&piece| !std::mem::replace(&mut self.laid[piece], true))
            .filter_map(|piece| mesh(road, piece))
            .collect()
    }
}

/// One piece, and one row of the next, so that no ray falls between two; `None` only for a road without width.
fn mesh(road: &Road, piece: usize) -> Option<ColliderBuilder> {
    let left_m = road.cross_section.left_edge_m() + MARGIN_M;
    let right_m = road.cross_section.right_edge_m() - MARGIN_M;
    let cells = ((left_m - right_m) / CELL_M).ceil() as u32;
    let points: Vec<Vec3> = (0..=PIECE_ROWS + 1)
        .flat_map(|row| {
            let s_m = (piece * PIECE_ROWS + row) as f32 * ROW_M - road::RUN_IN_M;
            let (left, right) = (road.surface_point(s_m, left_m), road.surface_point(s_m, right_m));
            (0..=cells).map(move |cell| left.lerp(right, cell as f32 / cells as f32))
        })
        .collect();
    let triangles = (0..=PIECE_ROWS as u32)
        .flat_map(|row| (0..cells).map(move |cell| row * (cells + 1) + cell))
        .flat_map(|a| {
            let (b, c, d) = (a + 1, a + cells + 1, a + cells + 2);
            [[a, b, c], [b, d, c]]
        })
        .collect();
    ColliderBuilder::trimesh(points, triangles).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario;
    use std::path::Path;

    #[test]
    fn every_piece_is_laid_once_and_before_it_is_reached() {
        let text = "Scenario(format: 1, title: \"t\", duration_s: 9.0, road: Straight(length_m: 300.0))";
        let road = scenario::parse(text, Path::new("t.ron")).unwrap().build_road().unwrap();
        let mut ground = Ground::new(&road);
        let mut laid = 0;
        for step in 0..330 {
            let s_m = step as f32 - 30.0;
            laid += ground.lay(&road, s_m, 2.0).len();
            let under_the_front = ((s_m + 5.0 + road::RUN_IN_M) / PIECE_M) as usize;
            assert!(ground.laid[under_the_front], "at {s_m} m");
        }
        assert_eq!(laid, ground.laid.iter().filter(|laid| **laid).count());
        assert!(ground.lay(&road, 1e9, 0.0).len() <= 1 && ground.lay(&road, -1e9, 0.0).is_empty());
    }
}
