//! Where the picture is taken from: five cameras, moved by the car, the mouse and the keys.

use crate::watch::drive::Pose;
use crate::watch::stage::{place, rotation};
use crate::watch::window::orders::CameraMode;
use bevy::math::{Quat, Vec2, Vec3};
use bevy::transform::components::Transform;
use roadproof_sim::CameraSettings;
use roadproof_sim::math::Vec3 as Place;

/// How fast the chase camera swings behind the car: the time after which a third of the angle is left.
const SWING_S: f32 = 0.4;
/// Angles of view, from top to bottom.
const CHASE_RAD: f32 = 0.85;
const SEAT_RAD: f32 = 0.9;
/// Eyes of the driver, from the centre of mass: forward, to the left, up.
const EYES_M: Place = Place::new(0.05, 0.34, 0.68);
/// Speed of the free camera, and how many times faster it is in a hurry.
const FLY_MPS: f32 = 12.0;
const HURRY: f32 = 5.0;
/// Radians per pixel of the mouse.
const TURN_PER_PX: f32 = 0.005;

/// What moves the cameras besides the car.
#[derive(Clone, Copy, Debug, Default)]
pub struct Handling {
    /// Pixels that the mouse was dragged.
    pub dragged: Vec2,
    /// Notches of the mouse wheel, positive is nearer.
    pub zoomed: f32,
    /// Flight to the right, up and forwards, -1 to 1.
    pub fly: Vec3,
    /// In a hurry.
    pub fast: bool,
}

/// The state of all cameras.
#[derive(Clone, Debug)]
pub struct Rig {
    /// Direction in which the chase camera looks.
    heading_rad: Option<f32>,
    /// How far it has been turned around the car, and up.
    orbit_rad: Vec2,
    /// How many times further away than usual.
    distance: f32,
    free: Option<Transform>,
}

impl Default for Rig {
    fn default() -> Self {
        Self { heading_rad: None, orbit_rad: Vec2::ZERO, distance: 1.0, free: None }
    }
}

/// Where a camera is, and its angle of view from top to bottom.
#[derive(Clone, Copy, Debug)]
pub struct Shot {
    /// Place and direction.
    pub transform: Transform,
    /// Angle of view from top to bottom.
    pub fov_rad: f32,
}

impl Rig {
    /// Forgets the last drive; the free camera stays where it is.
    pub fn settle(&mut self) {
        self.heading_rad = None;
    }

    /// Lets time pass and takes the picture of a car.
    pub fn shoot(
        &mut self,
        mode: CameraMode,
        ego: &Pose,
        camera: (&CameraSettings, f32),
        aspect: f32,
        handling: Handling,
        seconds: f32,
    ) -> Shot {
        let forward = ego.rotation * Place::X;
        let heading = forward.y.atan2(forward.x);
        let before = self.heading_rad.unwrap_or(heading);
        let behind = roadproof_sim::math::wrap_angle(heading - before);
        let swung = before + behind * (1.0 - (-seconds / SWING_S).exp());
        self.heading_rad = Some(swung);
        if mode != CameraMode::Free {
            self.distance = (self.distance * 0.88_f32.powf(handling.zoomed)).clamp(0.3, 8.0);
        }
        match mode {
            CameraMode::Chase => self.chase(ego, swung, handling),
            CameraMode::Seat => Shot {
                transform: Transform::from_translation(place(ego.position + ego.rotation * EYES_M))
                    .looking_to(place(ego.rotation * Place::new(1.0, 0.0, -0.06)), Vec3::Y),
                fov_rad: SEAT_RAD,
            },
            CameraMode::Free => self.fly(ego, handling, seconds),
            CameraMode::Top => {
                let eye = place(ego.position + Place::new(swung.cos(), swung.sin(), 0.0) * 12.0);
                let up = Vec3::new(swung.cos(), 0.0, -swung.sin());
                let transform =
                    Transform::from_translation(eye + Vec3::Y * (42.0 * self.distance)).looking_to(-Vec3::Y, up);
                Shot { transform, fov_rad: CHASE_RAD }
            }
            CameraMode::Sensor => sensor(ego, camera, aspect),
        }
    }

    fn chase(&mut self, ego: &Pose, heading_rad: f32, handling: Handling) -> Shot {
        self.orbit_rad += handling.dragged * TURN_PER_PX;
        self.orbit_rad.y = self.orbit_rad.y.clamp(-0.25, 1.2);
        let (turn, rise) = (heading_rad - self.orbit_rad.x, 0.24 + self.orbit_rad.y);
        let back = Place::new(-turn.cos() * rise.cos(), -turn.sin() * rise.cos(), rise.sin());
        let target = ego.position + Place::Z * 1.0;
        let eye = place(target + back * (8.2 * self.distance));
        // A little past the car, so that the road ahead has the room.
        let ahead = place(target + Place::new(turn.cos(), turn.sin(), 0.0) * 5.0);
        Shot { transform: Transform::from_translation(eye).looking_at(ahead, Vec3::Y), fov_rad: CHASE_RAD }
    }

    fn fly(&mut self, ego: &Pose, handling: Handling, seconds: f32) -> Shot {
        let start = || {
            let eye = place(ego.position + ego.rotation * Place::new(-10.0, 6.0, 6.0));
            Transform::from_translation(eye).looking_at(place(ego.position + ego.rotation * Place::X * 4.0), Vec3::Y)
        };
        let free = self.free.get_or_insert_with(start);
        let (yaw, pitch, _) = free.rotation.to_euler(bevy::math::EulerRot::YXZ);
        let turned = handling.dragged * TURN_PER_PX;
        free.rotation =
            Quat::from_euler(bevy::math::EulerRot::YXZ, yaw - turned.x, (pitch - turned.y).clamp(-1.5, 1.5), 0.0);
        let speed = FLY_MPS * if handling.fast { HURRY } else { 1.0 };
        let along = free.right() * handling.fly.x + Vec3::Y * handling.fly.y + free.forward() * handling.fly.z;
        free.translation += along * (speed * seconds) + free.forward() * (2.0 * handling.zoomed);
        Shot { transform: *free, fov_rad: CHASE_RAD }
    }
}

/// The car's own camera; its angle of view goes from side to side.
#[must_use]
pub fn sensor(ego: &Pose, (camera, centre_of_mass_m): (&CameraSettings, f32), aspect: f32) -> Shot {
    let state = roadproof_sim::vehicle::EgoState {
        position: ego.position,
        rotation: ego.rotation,
        ..roadproof_sim::vehicle::EgoState::default()
    };
    let (eye, turned) = camera.pose(&state, centre_of_mass_m);
    // The renderer's cameras look along -z with y up: the simulator's look along x with z up.
    let looks = Quat::from_rotation_y(-std::f32::consts::FRAC_PI_2);
    let half = (0.5 * camera.fov_deg.to_radians()).tan() / aspect;
    Shot {
        transform: Transform::from_translation(place(eye)).with_rotation(rotation(turned) * looks),
        fov_rad: 2.0 * half.atan(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roadproof_sim::math::Quat as Turn;

    fn ego() -> Pose {
        Pose { position: Place::new(10.0, 5.0, 0.6), rotation: Turn::from_rotation_z(0.5), braking: false }
    }

    fn shoot(rig: &mut Rig, mode: CameraMode, handling: Handling) -> Shot {
        let camera = CameraSettings::default();
        rig.shoot(mode, &ego(), (&camera, 0.55), 16.0 / 9.0, handling, 0.1)
    }

    #[test]
    fn every_camera_sees_the_road_ahead_of_the_car() {
        let forward = place(ego().rotation * Place::X);
        let ahead = place(ego().position) + forward * 12.0;
        for mode in CameraMode::ALL {
            let shot = shoot(&mut Rig::default(), mode, Handling::default());
            let towards = (ahead - shot.transform.translation).normalize();
            let angle = towards.dot(*shot.transform.forward()).min(1.0).acos();
            assert!(angle < 0.5 * shot.fov_rad, "{mode:?}: {angle} rad off, {} wide", shot.fov_rad);
        }
    }

    #[test]
    fn the_sensor_looks_where_the_car_looks() {
        let shot = shoot(&mut Rig::default(), CameraMode::Sensor, Handling::default());
        let camera = CameraSettings::default();
        let forward = place(ego().rotation * Place::X);
        let down = shot.transform.forward().dot(forward).acos().to_degrees();
        assert!((down - camera.pitch_deg).abs() < 0.01 && shot.transform.forward().y < 0.0, "{down}");
        let side = (0.5 * shot.fov_rad).tan() * 16.0 / 9.0;
        assert!((2.0 * side.atan() - camera.fov_deg.to_radians()).abs() < 1e-5);
        let right = shot.transform.right().dot(place(ego().rotation * -Place::Y));
        assert!(right > 0.9999, "{right}");
    }

    #[test]
    fn mouse_and_keys_move_the_cameras() {
        let mut rig = Rig::default();
        let still = shoot(&mut rig, CameraMode::Chase, Handling::default()).transform.translation;
        let near = Handling { zoomed: 5.0, ..Handling::default() };
        let nearer = shoot(&mut rig, CameraMode::Chase, near).transform.translation;
        let from = |eye: Vec3| eye.distance(place(ego().position));
        assert!(from(nearer) < 0.7 * from(still));
        let turned = Handling { dragged: Vec2::new(200.0, 0.0), ..Handling::default() };
        assert!(shoot(&mut rig, CameraMode::Chase, turned).transform.translation.distance(nearer) > 2.0);
        let first = shoot(&mut rig, CameraMode::Free, Handling::default()).transform;
        let ahead = Handling { fly: Vec3::Z, fast: true, ..Handling::default() };
        let flown = shoot(&mut rig, CameraMode::Free, ahead).transform;
        let way = flown.translation - first.translation;
        assert!((way.length() - 6.0).abs() < 1e-3 && way.normalize().dot(*first.forward()) > 0.999, "{way}");
    }
}
