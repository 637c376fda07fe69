//! The few transcendental functions a step needs, from `libm`, so that a drive has the same bits on every machine.
//!
//! The standard library calls the platform's C library, whose results differ between versions and processors by a unit in
//! the last place; one such unit is a replay that differs a minute later.
//!
//! rapier is built with `enhanced-determinism` for the same reason, and `clippy.toml` refuses the standard library's
//! versions in this crate.

pub use rapier3d::glamx::{Quat, Vec2, Vec3};

/// Sine and cosine of an angle in radians.
#[must_use]
pub fn sin_cos(angle_rad: f32) -> (f32, f32) {
    libm::sincosf(angle_rad)
}

/// Sine and cosine in double precision, for building roads.
#[must_use]
pub(crate) fn sin_cos_f64(angle_rad: f64) -> (f64, f64) {
    libm::sincos(angle_rad)
}

/// Tangent of an angle in radians.
#[must_use]
pub fn tan(angle_rad: f32) -> f32 {
    libm::tanf(angle_rad)
}

/// Angle of the vector `(x, y)` against the x axis, in radians.
#[must_use]
pub fn atan2(y: f32, x: f32) -> f32 {
    libm::atan2f(y, x)
}

/// Natural exponential.
#[must_use]
pub fn exp(x: f32) -> f32 {
    libm::expf(x)
}

/// A number to the power of another.
#[must_use]
pub(crate) fn pow(x: f32, exponent: f32) -> f32 {
    libm::powf(x, exponent)
}

/// Natural logarithm.
#[must_use]
pub(crate) fn ln(x: f32) -> f32 {
    libm::logf(x)
}

/// Natural exponential in double precision, for tables.
#[must_use]
pub(crate) fn exp_f64(x: f64) -> f64 {
    libm::exp(x)
}

/// Natural logarithm in double precision, for tables.
#[must_use]
pub(crate) fn ln_f64(x: f64) -> f64 {
    libm::log(x)
}

/// Wraps an angle into `-π..=π`.
#[must_use]
pub fn wrap_angle(angle_rad: f32) -> f32 {
    let turns = (angle_rad / std::f32::consts::TAU).round();
    angle_rad - turns * std::f32::consts::TAU
}

/// Cosine and sine of a small angle, up to a quarter of a radian, to the last place or so; far cheaper than [`sin_cos`].
#[must_use]
pub(crate) fn small_direction(angle_rad: f32) -> Vec2 {
    let square = angle_rad * angle_rad;
    let cos = 1.0 - square * (0.5 - square * (1.0 / 24.0 - square * (1.0 / 720.0)));
    let sin = angle_rad * (1.0 - square * (1.0 / 6.0 - square * (1.0 / 120.0)));
    Vec2::new(cos, sin)
}

/// Cosine and sine of half the angle, within `-π..=π`, of a unit vector against the x axis.
fn half_angle(direction: Vec2) -> Vec2 {
    if direction.x >= 0.0 {
        let cos = (0.5 * (1.0 + direction.x)).sqrt();
        Vec2::new(cos, 0.5 * direction.y / cos)
    } else {
        let sin = (0.5 * (1.0 - direction.x)).sqrt().copysign(direction.y);
        Vec2::new(0.5 * direction.y / sin, sin)
    }
}

/// Rotation that turns the x axis to a direction in the ground plane, given as a unit vector, and then tilts it up by a
/// slope, metres per metre.
#[must_use]
pub(crate) fn rotation_along(direction: Vec2, slope: f32) -> Quat {
    let level = half_angle(direction);
    let cos = 1.0 / (1.0 + slope * slope).sqrt();
    let tilt = half_angle(Vec2::new(cos, slope * cos));
    Quat::from_xyzw(0.0, 0.0, level.y, level.x) * Quat::from_xyzw(0.0, -tilt.y, 0.0, tilt.x)
}

/// Rotation about the up axis.
#[must_use]
pub(crate) fn yaw_rotation(yaw_rad: f32) -> Quat {
    let (sin, cos) = sin_cos(0.5 * yaw_rad);
    Quat::from_xyzw(0.0, 0.0, sin, cos)
}

/// Rotation about the left axis: positive pitches the nose down.
#[must_use]
pub(crate) fn pitch_rotation(pitch_rad: f32) -> Quat {
    let (sin, cos) = sin_cos(0.5 * pitch_rad);
    Quat::from_xyzw(0.0, sin, 0.0, cos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cheap_rotations_are_those_of_the_angles() {
        for step in -100..=100 {
            let small = 0.0025 * step as f32;
            let (sin, cos) = sin_cos(small);
            assert!(small_direction(small).distance(Vec2::new(cos, sin)) < 2e-7, "{small}");
            let (yaw, pitch) = (0.031_415 * step as f32, 0.004 * (step % 37) as f32);
            let (sin, cos) = sin_cos(yaw);
            let expected = yaw_rotation(yaw) * pitch_rotation(-pitch);
            let found = rotation_along(Vec2::new(cos, sin), tan(pitch));
            assert!(found.dot(expected).abs() > 1.0 - 1e-6, "{yaw} {pitch}");
        }
    }
}
