//! Cars of boxes, wheels and lamps: as large as the simulator's camera draws them, with more on their faces.

use super::mesh::{MeshBuilder, Paint};
use roadproof_sim::Class;
use roadproof_sim::math::{Vec3, sin_cos};
use roadproof_sim::scene::{BODY_SHARE, CABIN, CLEARANCE_M, ONE_BLOCK_M};

/// Radius of a wheel.
const WHEEL_M: f32 = 0.32;
/// Corners of a wheel.
const WHEEL_CORNERS: usize = 14;
/// How far lamps and glass stand out of the face they are on.
const PROUD_M: f32 = 0.012;

const GLASS: [f32; 3] = [30.0, 38.0, 48.0];
const TYRE: [f32; 3] = [24.0, 24.0, 26.0];
const RIM: [f32; 3] = [150.0, 152.0, 156.0];

/// A car at the origin, standing on its foot, its front towards x; each part has a material of its own.
#[derive(Debug, Default)]
pub struct CarMeshes {
    /// Painted metal.
    pub body: MeshBuilder,
    /// Windows.
    pub glass: MeshBuilder,
    /// Tyres, rims, plates, and the shade under the car.
    pub plain: MeshBuilder,
    /// Head lamps.
    pub head_lamps: MeshBuilder,
    /// Tail lamps.
    pub tail_lamps: MeshBuilder,
}

impl CarMeshes {
    /// A car of this length, width and height.
    #[must_use]
    pub fn new(size: Vec3, colour: [f32; 3]) -> Self {
        let mut car = Self::default();
        let axes = [Vec3::X, Vec3::Y, Vec3::Z];
        let paint = |colour| Paint { class: Class::Vehicle, colour };
        let upper_m = size.z - CLEARANCE_M;
        let body_m = if size.z > ONE_BLOCK_M { upper_m } else { BODY_SHARE * upper_m };
        let foot = Vec3::Z * CLEARANCE_M;
        car.body.block(foot, axes, Vec3::new(size.x, size.y, body_m), paint(colour));
        if body_m < upper_m {
            let (length, width, back) = CABIN;
            let cabin = Vec3::new(length * size.x, width * size.y, upper_m - body_m);
            car.cabin(foot + Vec3::Z * body_m - Vec3::X * (back * size.x), cabin, paint(colour));
        } else {
            car.windscreen(size, paint(GLASS));
        }
        car.plain.block(Vec3::ZERO, axes, Vec3::new(0.96 * size.x, 0.94 * size.y, CLEARANCE_M), paint([22.0; 3]));
        car.wheels(size, paint(TYRE), paint(RIM));
        car.ends(size, body_m, paint);
        car
    }

    /// Glass all around between posts, under a roof of metal.
    fn cabin(&mut self, base: Vec3, size: Vec3, paint: Paint) {
        let axes = [Vec3::X, Vec3::Y, Vec3::Z];
        self.body.block(base, axes, size, paint);
        let glass = Paint { colour: GLASS, ..paint };
        let (low, high) = (0.12 * size.z, 0.86 * size.z);
        for (outward, along, half_m, out_m) in [
            (Vec3::X, Vec3::Y, 0.5 * size.y, 0.5 * size.x),
            (-Vec3::X, -Vec3::Y, 0.5 * size.y, 0.5 * size.x),
            (Vec3::Y, -Vec3::X, 0.5 * size.x, 0.5 * size.y),
            (-Vec3::Y, Vec3::X, 0.5 * size.x, 0.5 * size.y),
        ] {
            let face = base + outward * (out_m + PROUD_M);
            let edge = half_m - 0.07;
            // Two panes on the sides, one at each end.
            let panes = if outward.y == 0.0 { vec![(-edge, edge)] } else { vec![(-edge, -0.04), (0.04, edge)] };
            for (from, to) in panes {
                self.glass.polygon(&quad(face, along, (from, to), (low, high)), glass);
            }
        }
    }

    /// The windscreen and side windows of a van or truck.
    fn windscreen(&mut self, size: Vec3, glass: Paint) {
        let (low, high) = (0.52 * size.z, 0.88 * size.z);
        let front = Vec3::X * (0.5 * size.x + PROUD_M);
        let half_m = 0.5 * size.y - 0.12;
        self.glass.polygon(&quad(front, Vec3::Y, (-half_m, half_m), (low, high)), glass);
        for side in [1.0, -1.0] {
            let face = Vec3::Y * (side * (0.5 * size.y + PROUD_M));
            let along = Vec3::X * -side;
            let (from, to) = (0.5 * size.x - 1.35, 0.5 * size.x - 0.2);
            let span = if side > 0.0 { (-to, -from) } else { (from, to) };
            self.glass.polygon(&quad(face, along, span, (low, high)), glass);
        }
    }

    fn wheels(&mut self, size: Vec3, tyre: Paint, rim: Paint) {
        let axle_m = 0.3 * size.x;
        for (along_m, side) in [(axle_m, 1.0), (axle_m, -1.0), (-axle_m, 1.0), (-axle_m, -1.0)] {
            let hub = Vec3::new(along_m, side * (0.5 * size.y + PROUD_M), WHEEL_M);
            for (radius_m, out_m, paint) in [(WHEEL_M, 0.0, tyre), (0.58 * WHEEL_M, PROUD_M, rim)] {
                let corner = |index: usize| {
                    let turn = std::f32::consts::TAU * index as f32 / WHEEL_CORNERS as f32;
                    // Anticlockwise as seen from the wheel's own side.
                    let (sin, cos) = sin_cos(-side * turn);
                    (hub + Vec3::new(radius_m * cos, side * out_m, radius_m * sin), [cos, sin])
                };
                let corners: Vec<_> = (0..WHEEL_CORNERS).map(corner).collect();
                self.plain.polygon(&corners, paint);
            }
        }
    }

    /// Lamps and plates at both ends.
    fn ends(&mut self, size: Vec3, body_m: f32, paint: impl Fn([f32; 3]) -> Paint) {
        let half_m = 0.5 * size.y;
        let rise = |share: f32| CLEARANCE_M + share * body_m;
        let (lamp, plate) = ((rise(0.5), rise(0.85)), (rise(0.3), rise(0.5)));
        for (outward, lamps, colour) in
            [(1.0, &mut self.head_lamps, [250.0, 248.0, 225.0]), (-1.0, &mut self.tail_lamps, [150.0, 20.0, 18.0])]
        {
            let face = Vec3::X * (outward * (0.5 * size.x + PROUD_M));
            let along = Vec3::Y * outward;
            for span in [(-half_m, -0.6 * half_m), (0.6 * half_m, half_m)] {
                lamps.polygon(&quad(face, along, span, lamp), paint(colour));
            }
            self.plain.polygon(&quad(face, along, (-0.32 * half_m, 0.32 * half_m), plate), paint([210.0; 3]));
        }
    }
}

/// A quad upright on a face: from and to along it, from and to above the ground, anticlockwise as seen from outside.
fn quad(face: Vec3, along: Vec3, (from, to): (f32, f32), (low, high): (f32, f32)) -> [(Vec3, [f32; 2]); 4] {
    let corner = |across: f32, rise: f32| (face + along * across + Vec3::Z * rise, [across, rise]);
    [corner(from, low), corner(to, low), corner(to, high), corner(from, high)]
}
