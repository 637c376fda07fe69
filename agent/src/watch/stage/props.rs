//! Houses, trees and signs, as the camera of the simulator draws them, with more on their faces.

use super::mesh::{MeshBuilder, Paint};
use roadproof_sim::Class;
use roadproof_sim::math::{Vec3, sin_cos};
use roadproof_sim::scene::{CROWN_FOOT, CROWN_WIDEST, PLATE_FOOT_M, POST_M, Prop, TRUNK_M};

/// Things beside a stretch of road, by the material they need.
#[derive(Debug, Default)]
pub struct PropPiece {
    /// Walls with windows; surface coordinates are metres.
    pub walls: MeshBuilder,
    /// Leaves.
    pub leaves: MeshBuilder,
    /// Plain faces: trunks, posts, plates, roofs.
    pub plain: MeshBuilder,
}

impl PropPiece {
    /// Adds one thing.
    pub fn add(&mut self, prop: &Prop) {
        let (sin, cos) = sin_cos(prop.yaw_rad);
        let axes = [Vec3::new(cos, sin, 0.0), Vec3::new(-sin, cos, 0.0), Vec3::Z];
        let paint = Paint { class: prop.class, colour: prop.colour };
        match prop.class {
            Class::Building => self.building(prop, axes, paint),
            Class::Tree => self.tree(prop, axes, paint),
            _ => self.sign(prop, axes, paint),
        }
    }

    fn building(&mut self, prop: &Prop, axes: [Vec3; 3], paint: Paint) {
        self.walls.block(prop.base, axes, prop.size, paint);
        // Tiles lie just over the top face, a little smaller, so that the wall ends in a rim.
        let roof = Paint { colour: [96.0, 74.0, 66.0], ..paint };
        let [x, y, z] = axes;
        let top = prop.base + z * (prop.size.z + 0.02);
        let (length, width) = (x * (0.5 * prop.size.x - 0.35), y * (0.5 * prop.size.y - 0.35));
        let corner = |along: f32, across: f32| (top + length * along + width * across, [along, across]);
        self.plain.polygon(&[corner(-1.0, -1.0), corner(1.0, -1.0), corner(1.0, 1.0), corner(-1.0, 1.0)], roof);
    }

    fn tree(&mut self, prop: &Prop, axes: [Vec3; 3], paint: Paint) {
        let bark = Paint { colour: [82.0, 64.0, 48.0], ..paint };
        self.plain.block(prop.base, axes, Vec3::new(TRUNK_M, TRUNK_M, 0.3 * prop.size.z), bark);
        let (x, y) = (axes[0] * (0.5 * prop.size.x), axes[1] * (0.5 * prop.size.y));
        let (low, high) = (prop.base + Vec3::Z * (CROWN_FOOT * prop.size.z), prop.base + Vec3::Z * prop.size.z);
        let middle = low.lerp(high, CROWN_WIDEST);
        let around = [middle + x, middle + y, middle - x, middle - y];
        for index in 0..4 {
            let (a, b) = (around[index], around[(index + 1) % 4]);
            for corners in [[a, b, high], [b, a, low]] {
                let normal = (corners[1] - corners[0]).cross(corners[2] - corners[0]).normalize_or_zero();
                // Half of the way to a round crown: facets stay, but soften.
                let normals =
                    corners.map(|corner| (normal + (corner - middle).normalize_or_zero()).normalize_or_zero());
                let corners = corners.map(|corner| (corner, [corner.x + corner.y, corner.z]));
                self.leaves.smooth_polygon(&corners, &normals, paint);
            }
        }
    }

    fn sign(&mut self, prop: &Prop, axes: [Vec3; 3], paint: Paint) {
        let post = Paint { colour: [110.0; 3], ..paint };
        self.plain.block(prop.base, axes, Vec3::new(POST_M, POST_M, PLATE_FOOT_M), post);
        let size = Vec3::new(prop.size.x, prop.size.y, prop.size.z - PLATE_FOOT_M);
        let foot = prop.base + Vec3::Z * PLATE_FOOT_M;
        self.plain.block(foot, axes, size, paint);
        // Both faces carry a field of another colour inside a rim.
        let dark = prop.colour[0] < 100.0;
        let field = Paint { colour: if dark { [240.0; 3] } else { [200.0, 30.0, 35.0] }, ..paint };
        let inner = Vec3::new(size.x + 0.01, 0.62 * size.y, 0.16 * size.z);
        self.plain.block(foot + Vec3::Z * (0.42 * size.z), axes, inner, field);
    }
}
