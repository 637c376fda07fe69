//! The physics of the watched drive as lines over the picture: colliders and contacts, by `bevy_rapier3d`'s own debug renderer from a
//! copy of the components it knows, and the rays of the wheels.
//!
//! A drive has physics at its latest moment only, and while time passes the picture lies just before that: the last two copies are
//! kept. Between two decisions the lines stand where the first of them left everything; further back there are none.

use crate::watch::stage::place;
use crate::watch::window::session::Watched;
use bevy::prelude::*;
use bevy::transform::TransformSystems;
use bevy_rapier3d::rapier::prelude::Pose;
use bevy_rapier3d::render::{DebugRenderContext, DebugRenderMode, RapierDebugRenderPlugin};
use roadproof_sim::PhysicsShown;
use std::collections::VecDeque;

/// Draws the lines while the session shows physics.
pub struct PhysicsLinesPlugin;

impl Plugin for PhysicsLinesPlugin {
    fn build(&self, app: &mut App) {
        let mode = DebugRenderMode::COLLIDER_SHAPES | DebugRenderMode::CONTACTS;
        let in_front = GizmoConfig { depth_bias: -1.0, ..GizmoConfig::default() };
        app.add_plugins(RapierDebugRenderPlugin { mode, ..RapierDebugRenderPlugin::default() }.disabled())
            .insert_gizmo_config(DefaultGizmoConfigGroup, in_front)
            .init_resource::<Copies>()
            .add_systems(
                PostUpdate,
                (copy_physics, raise_physics, draw_wheel_rays).chain().before(TransformSystems::Propagate),
            );
    }
}

/// Which moment of which drive, as `Session::shown_version`.
type Version = (u64, u64, usize);

/// Copies of the latest moments, those that have not been shown.
#[derive(Resource, Default)]
struct Copies {
    latest: Option<Version>,
    waiting: VecDeque<(Version, PhysicsShown)>,
}

/// The copy that is shown, on the entity with its components.
#[derive(Component)]
struct Raised {
    version: Version,
    wheel_rays: [[roadproof_sim::math::Vec3; 2]; 4],
}

fn copy_physics(watched: Res<Watched>, mut copies: ResMut<Copies>, mut lines: ResMut<DebugRenderContext>) {
    let session = &watched.0;
    lines.enabled = session.shows.physics;
    if !session.shows.physics {
        *copies = Copies::default();
        return;
    }
    let drive = session.drive();
    let latest = (session.drives(), drive.rebuilt(), drive.last());
    if copies.latest.replace(latest) != Some(latest) {
        let mut physics = drive.episode().fleet().physics(0);
        turn(&mut physics);
        copies.waiting.push_back((latest, physics));
        if copies.waiting.len() > 2 {
            copies.waiting.pop_front();
        }
    }
}

/// Turns every collider to the renderer's axes, as [`place`] does with points.
fn turn(physics: &mut PhysicsShown) {
    let turned = Pose::from_rotation(Quat::from_rotation_x(-std::f32::consts::FRAC_PI_2));
    for (_, collider) in physics.context.colliders.colliders.iter_mut() {
        let pose = turned * *collider.position();
        collider.set_position(pose);
    }
}

/// Puts the copy of the shown moment where the debug renderer finds it.
fn raise_physics(
    mut commands: Commands,
    watched: Res<Watched>,
    mut copies: ResMut<Copies>,
    raised: Query<(Entity, &Raised)>,
) {
    let session = &watched.0;
    let shown = session.shown_version();
    if session.shows.physics && raised.iter().any(|(_, raised)| raised.version == shown) {
        return;
    }
    raised.iter().for_each(|(entity, _)| commands.entity(entity).despawn());
    let waiting = &mut copies.waiting;
    let found = waiting.iter().position(|(version, _)| *version == shown).and_then(|index| waiting.remove(index));
    if let Some((version, physics)) = found {
        commands.spawn((physics.context, Raised { version, wheel_rays: physics.wheel_rays }));
    }
}

fn draw_wheel_rays(raised: Query<&Raised>, mut gizmos: Gizmos) {
    for [from, to] in raised.iter().flat_map(|raised| raised.wheel_rays) {
        gizmos.line(place(from), place(to), Color::srgb(1.0, 0.85, 0.1));
    }
}
