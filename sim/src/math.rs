//! The few transcendental functions a step needs, from `libm`, so that a drive has the same bits on every machine.
//!
//! The standard library calls the platform's C library, whose results differ between versions and processors by a unit in
//! the last place; one such unit is a replay that differs a minute later.

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

/// Natural logarithm.
#[must_use]
pub(crate) fn ln(x: f32) -> f32 {
    libm::logf(x)
}

/// Wraps an angle into `-π..=π`.
#[must_use]
pub fn wrap_angle(angle_rad: f32) -> f32 {
    let turns = (angle_rad / std::f32::consts::TAU).round();
    angle_rad - turns * std::f32::consts::TAU
}

/// The greatest whole number not above `x`, for magnitudes below 2³¹.
///
/// Without SSE 4.1, which builds for every x86-64 may not use, the standard library's is a function call.
#[inline(always)]
pub(crate) fn floor(x: f32) -> f32 {
    let towards_zero = x as i32 as f32;
    if towards_zero > x { towards_zero - 1.0 } else { towards_zero }
}

/// The nearest whole number modulo 2²², for magnitudes below 2²²: an addition puts it into the lowest bits of the sum.
#[inline(always)]
pub(crate) fn nearest_index(x: f32) -> u32 {
    const THREE_HALVES_OF_2_POW_23: f32 = 12_582_912.0;
    (x + THREE_HALVES_OF_2_POW_23).to_bits() & 0x003f_ffff
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
