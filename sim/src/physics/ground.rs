//! The ground: for wheels the road's own surface, computed under each ray; for cars that were hit, which touch it with their
//! bodies, a mesh laid piece by piece around them.
//!
//! Rays through a mesh were a fifth of all physics; so the mesh is laid when a car is hit, and wheels never see it.

use crate::math::{Vec2, Vec3};
use crate::road::{self, Road};
use rapier3d::parry::bounding_volume::{Aabb, BoundingSphere};
use rapier3d::parry::query::{PointProjection, PointQuery, Ray, RayCast, RayIntersection};
use rapier3d::parry::shape::{FeatureId, Shape, ShapeType, TypedShape};
use rapier3d::prelude::{ColliderBuilder, MassProperties};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The surface along a road, as far as anyone can drive.
pub(super) struct GroundSurface {
    road: Arc<Road>,
    /// Where the last ray met it, as bits of a number: the next is close by. Rays of one world come one after the other, so
    /// what they find depends on nothing else.
    last_s_m: AtomicU32,
}

impl GroundSurface {
    /// The surface of a road, first looked for near `s`.
    pub fn new(road: Arc<Road>, s_m: f32) -> Self {
        Self { road, last_s_m: AtomicU32::new(s_m.to_bits()) }
    }

    /// Height and gradient of the surface at a place.
    fn at(&self, place: Vec2) -> (f32, Vec2) {
        let line = &self.road.line;
        let (s_m, d_m) = line.to_line(place, f32::from_bits(self.last_s_m.load(Ordering::Relaxed)));
        self.last_s_m.store(s_m.to_bits(), Ordering::Relaxed);
        let (point, (height_m, slope)) = (line.point(s_m), line.height_and_slope(s_m));
        // Beside the line, a metre of the ground is more or less than a metre of the line.
        let metres_per_metre = (1.0 - point.curvature_per_m * d_m).max(0.2);
        (height_m, point.direction * (slope / metres_per_metre))
    }

    /// No place of a road is farther from its start than it is long.
    fn half_m(&self) -> f32 {
        self.road.length_m() + road::RUN_IN_M + road::RUN_OUT_M + 1000.0
    }
}

impl RayCast for GroundSurface {
    /// Meets the plane that touches the surface under the ray's origin: rays of wheels are short and steep.
    fn cast_local_ray_and_get_normal(
        &self,
        ray: &Ray,
        max_time_of_impact: f32,
        _solid: bool,
    ) -> Option<RayIntersection> {
        let (height_m, gradient) = self.at(ray.origin.truncate());
        let sinking = gradient.dot(ray.dir.truncate()) - ray.dir.z;
        if sinking <= 0.0 {
            return None;
        }
        let time = ((ray.origin.z - height_m) / sinking).max(0.0);
        let normal = (Vec3::Z - gradient.extend(0.0)).normalize();
        (time <= max_time_of_impact).then(|| RayIntersection::new(time, normal, FeatureId::Unknown))
    }
}

impl PointQuery for GroundSurface {
    fn project_local_point(&self, point: Vec3, _solid: bool) -> PointProjection {
        let height_m = self.at(point.truncate()).0;
        PointProjection::new(point.z <= height_m, point.truncate().extend(height_m))
    }

    fn project_local_point_and_get_feature(&self, point: Vec3) -> (PointProjection, FeatureId) {
        (self.project_local_point(point, true), FeatureId::Unknown)
    }
}

impl Shape for GroundSurface {
    fn compute_local_aabb(&self) -> Aabb {
        let half = Vec3::splat(self.half_m());
        Aabb::new(-half, half)
    }

    fn compute_local_bounding_sphere(&self) -> BoundingSphere {
        self.compute_local_aabb().bounding_sphere()
    }

    fn clone_dyn(&self) -> Box<dyn Shape> {
        Box::new(Self::new(self.road.clone(), f32::from_bits(self.last_s_m.load(Ordering::Relaxed))))
    }

    fn scale_dyn(&self, _scale: Vec3, _subdivisions: u32) -> Option<Box<dyn Shape>> {
        None
    }

    fn mass_properties(&self, _density: f32) -> MassProperties {
        MassProperties::new(Vec3::ZERO, 0.0, Vec3::ZERO)
    }

    fn shape_type(&self) -> ShapeType {
        ShapeType::Custom
    }

    fn as_typed_shape(&self) -> TypedShape<'_> {
        TypedShape::Custom(self)
    }

    fn ccd_thickness(&self) -> f32 {
        0.0
    }

    fn ccd_angular_thickness(&self) -> f32 {
        0.0
    }
}

/// Distance between the rows of the mesh.
const ROW_M: f32 = 3.0;
/// Rows of one piece.
const PIECE_ROWS: usize = 16;
const PIECE_M: f32 = ROW_M * PIECE_ROWS as f32;
/// The mesh reaches this far beyond the paved strip.
const MARGIN_M: f32 = 12.0;
/// Greatest width of a cell. Boxes around long cells that lie across the axes of the world overlap.
const CELL_M: f32 = 8.0;
/// The mesh lies this far before and behind a car that was hit, more than its length.
const NEAR_M: f32 = 15.0;
/// The mesh goes on this far behind the road's end.
const RUN_OUT_M: f32 = 60.0;

/// The pieces of the mesh that have been laid.
pub(super) struct GroundMesh {
    laid: Vec<bool>,
}

impl GroundMesh {
    /// No piece yet.
    pub fn new(road: &Road) -> Self {
        let pieces = ((road.length_m() + road::RUN_IN_M + RUN_OUT_M) / PIECE_M).ceil() as usize;
        Self { laid: vec![false; pieces] }
    }

    /// The pieces that a car at `s` may touch within `reach_m` and that have not been laid yet.
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

/// One piece, and one row of the next, so that nothing falls between two; `None` only for a road without width.
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
    fn rays_meet_the_surface_of_a_hilly_bend() {
        let text = "Scenario(format: 1, title: \"t\", duration_s: 9.0, road: Generated(length_m: 400.0))";
        let road = Arc::new(scenario::parse(text, Path::new("t.ron")).unwrap().build_road().unwrap());
        let ground = GroundSurface::new(road.clone(), 0.0);
        for step in 0..4000 {
            let (s_m, d_m) = (0.1 * step as f32, 6.0 * ((step % 9) as f32 - 4.0) / 4.0);
            let under = road.surface_point(s_m, d_m);
            let lean = Vec3::new(0.05, -0.03, -1.0).normalize();
            let found = ground.cast_local_ray_and_get_normal(&Ray::new(under - lean * 0.4, lean), 1.0, true).unwrap();
            assert!((found.time_of_impact - 0.4).abs() < 2e-3, "{} m at {s_m} m", found.time_of_impact);
            let beside = [0.5, -0.5].map(|by_m| road.surface_point(s_m + by_m, d_m));
            assert!(found.normal.dot((beside[0] - beside[1]).normalize()).abs() < 2e-3, "at {s_m} m");
            assert!(ground.cast_local_ray_and_get_normal(&Ray::new(under - lean * 0.4, lean), 0.3, true).is_none());
        }
        let up = Ray::new(road.surface_point(50.0, 0.0) + Vec3::Z, Vec3::Z);
        assert!(ground.cast_local_ray_and_get_normal(&up, 10.0, true).is_none());
    }

    #[test]
    fn every_piece_is_laid_once_and_before_it_is_reached() {
        let text = "Scenario(format: 1, title: \"t\", duration_s: 9.0, road: Straight(length_m: 300.0))";
        let road = scenario::parse(text, Path::new("t.ron")).unwrap().build_road().unwrap();
        let mut ground = GroundMesh::new(&road);
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
