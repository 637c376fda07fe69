//! The bevy app around a [`Session`]: a window, or a picture in memory, with the world, its cameras and the panel.

use crate::formats::pictures::Picture;
use crate::watch::offscreen;
use crate::watch::stage::rig::{Handling, Rig};
use crate::watch::stage::{self, Drawn, OnStage, SkyCentre, StageAssets, StagePlugin, Staging, Tableaux};
use crate::watch::window::display::Graphics;
use crate::watch::window::orders::{CameraMode, key_orders};
use crate::watch::window::panel::{self, Pictures};
use crate::watch::window::physics_lines::PhysicsLinesPlugin;
use crate::watch::window::session::{Session, Watched};
use bevy::asset::RenderAssetUsages;
use bevy::camera::visibility::RenderLayers;
use bevy::camera::{CameraOutputMode, RenderTarget, Viewport};
use bevy::core_pipeline::tonemapping::{DebandDither, Tonemapping};
use bevy::input::mouse::{AccumulatedMouseMotion, AccumulatedMouseScroll};
use bevy::light::ShadowFilteringMethod;
use bevy::log::{Level, LogPlugin};
use bevy::prelude::*;
use bevy::render::render_resource::{BlendState, Extent3d, TextureDimension, TextureFormat};
use bevy::render::view::NoIndirectDrawing;
use bevy::window::WindowResolution;
use bevy_egui::egui::{self, UiBuilder};
use bevy_egui::{
    EguiContexts, EguiGlobalSettings, EguiPlugin, EguiPrimaryContextPass, EguiTextureHandle, PrimaryEguiContext,
};

/// Time that passes with every picture; `None` follows the clock.
#[derive(Resource, Default)]
pub struct Step(pub Option<f64>);

/// The picture in memory, where there is no window.
#[derive(Resource, Clone)]
pub struct Target(pub Handle<Image>);

/// Where the picture goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// A window of this size.
    Window(u32, u32),
    /// A picture in memory of this size.
    Memory(u32, u32),
}

/// How much is spent on a pixel.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quality {
    /// bevy's own light, soft shadows, smooth edges.
    Full,
    /// A simpler light and harder shadows, and in a window no smoothing of edges: on a renderer that runs on a processor three to
    /// four times as many pictures.
    Simple,
}

impl Quality {
    /// What suits this machine's renderer.
    #[must_use]
    pub fn for_graphics(graphics: Graphics) -> Self {
        match graphics {
            Graphics::Card => Self::Full,
            Graphics::Processor => Self::Simple,
        }
    }
}

#[derive(Resource, Default)]
struct View {
    rig: Rig,
    handling: Handling,
    /// The drive that is on stage.
    raised: Option<u64>,
    /// What the panel leaves of the screen, in pixels.
    rest: Option<(UVec2, UVec2)>,
}

#[derive(Component)]
struct WorldCamera;

/// The panel's pictures: ours to draw, bevy's to bring to the graphics card, egui's to show. egui's own textures would come a picture
/// late.
#[derive(Resource, Default)]
struct PanelPictures {
    pictures: Pictures,
    images: Option<[(Handle<Image>, egui::TextureId); 2]>,
}

/// What the renderer may say: that a driver is a software one, or does without something, helps nobody.
const QUIET: &str = "warn,winit=error,wgpu=error,naga=error,bevy_render::renderer=error,bevy_egui::render=error";

/// Builds the app.
///
/// # Panics
/// If there is no display or no graphics driver: [`crate::watch::window::display`] finds that out beforehand.
pub fn build(session: Session, screen: Screen, quality: Quality) -> App {
    let mut app = App::new();
    let log = LogPlugin { level: Level::WARN, filter: QUIET.to_owned(), ..LogPlugin::default() };
    let plugins = DefaultPlugins.set(log).set(offscreen::whole_pictures());
    match screen {
        Screen::Window(width, height) => {
            let window = Window {
                title: "Roadproof".to_owned(),
                resolution: WindowResolution::new(width, height),
                ..Window::default()
            };
            app.add_plugins(plugins.set(WindowPlugin { primary_window: Some(window), ..WindowPlugin::default() }));
        }
        Screen::Memory(..) => {
            app.add_plugins(offscreen::without_window(plugins));
        }
    }
    app.add_plugins((EguiPlugin::default(), StagePlugin, PhysicsLinesPlugin))
        .insert_resource(Watched(session))
        .insert_resource(quality)
        .init_resource::<Step>()
        .init_resource::<View>()
        .init_resource::<PanelPictures>()
        .add_systems(
            Startup,
            move |commands: Commands, images: ResMut<Assets<Image>>, settings: ResMut<EguiGlobalSettings>| {
                add_cameras((screen, quality), commands, images, settings);
            },
        )
        .add_systems(Update, (obey_keys, steer, handle_cameras, pass_time, draw_pictures, raise_world, shoot).chain())
        .add_systems(EguiPrimaryContextPass, draw_panel);
    app
}

fn add_cameras(
    (screen, quality): (Screen, Quality),
    mut commands: Commands,
    mut images: ResMut<Assets<Image>>,
    mut settings: ResMut<EguiGlobalSettings>,
) {
    settings.auto_create_primary_context = false;
    let target = match screen {
        Screen::Window(..) => RenderTarget::default(),
        Screen::Memory(width, height) => {
            let image = offscreen::target(&mut images, width, height, TextureFormat::Rgba8UnormSrgb);
            commands.insert_resource(Target(image.clone()));
            RenderTarget::Image(image.into())
        }
    };
    let mut world = commands.spawn((
        Camera3d::default(),
        WorldCamera,
        SkyCentre(0),
        target.clone(),
        Tonemapping::None,
        DebandDither::Disabled,
        Projection::Perspective(PerspectiveProjection { near: 0.1, far: 2000.0, ..PerspectiveProjection::default() }),
    ));
    if quality == Quality::Simple {
        // A processor that draws needs no help from a graphics card in choosing what to draw.
        world.insert((ShadowFilteringMethod::Hardware2x2, NoIndirectDrawing));
        if matches!(screen, Screen::Window(..)) {
            world.insert(Msaa::Off);
        }
    }
    commands.spawn((
        PrimaryEguiContext,
        Camera2d,
        Msaa::Off,
        RenderLayers::none(),
        Camera {
            order: 1,
            output_mode: CameraOutputMode::Write {
                blend_state: Some(BlendState::ALPHA_BLENDING),
                clear_color: ClearColorConfig::None,
            },
            clear_color: ClearColorConfig::Custom(Color::NONE),
            ..Camera::default()
        },
        target,
    ));
}

/// Keys become orders.
fn obey_keys(keys: Res<ButtonInput<KeyCode>>, mut watched: ResMut<Watched>, mut exit: MessageWriter<AppExit>) {
    for key in key_orders() {
        if keys.just_pressed(key.key) {
            watched.0.give(key.order);
        }
    }
    if watched.0.quit() {
        exit.write(AppExit::Success);
    }
}

/// Share of the greatest steering angle that a held key asks for, and how fast it gets there.
const KEY_STEER: f32 = 0.22;
const KEY_STEER_PER_S: f32 = 0.9;

/// Arrow keys, or a gamepad, turn the wheel.
fn steer(
    keys: Res<ButtonInput<KeyCode>>,
    time: Res<Time>,
    step: Res<Step>,
    #[cfg(feature = "gamepad")] pads: Query<&bevy::input::gamepad::Gamepad>,
    mut watched: ResMut<Watched>,
) {
    let held = |key| f32::from(u8::from(keys.pressed(key)));
    let wheel = &mut watched.0.wheel;
    let asked = KEY_STEER * (held(KeyCode::ArrowLeft) - held(KeyCode::ArrowRight));
    let most = KEY_STEER_PER_S * step.0.map_or_else(|| time.delta_secs(), |seconds| seconds as f32);
    wheel.steer += (asked - wheel.steer).clamp(-most, most);
    wheel.throttle = 0.6 * held(KeyCode::ArrowUp);
    wheel.brake = 0.6 * held(KeyCode::ArrowDown);
    #[cfg(feature = "gamepad")]
    for pad in &pads {
        use bevy::input::gamepad::{GamepadAxis, GamepadButton};
        let stick = pad.get(GamepadAxis::LeftStickX).unwrap_or(0.0);
        let pedals =
            [GamepadButton::RightTrigger2, GamepadButton::LeftTrigger2].map(|pedal| pad.get(pedal).unwrap_or(0.0));
        if stick != 0.0 || pedals != [0.0; 2] {
            // The stick's square: fine around the middle.
            *wheel =
                roadproof_sim::Controls { steer: -0.5 * stick * stick.abs(), throttle: pedals[0], brake: pedals[1] };
        }
    }
}

/// The mouse and the flying keys move the cameras.
fn handle_cameras(
    keys: Res<ButtonInput<KeyCode>>,
    buttons: Res<ButtonInput<MouseButton>>,
    motion: Res<AccumulatedMouseMotion>,
    scroll: Res<AccumulatedMouseScroll>,
    mut contexts: EguiContexts,
    mut view: ResMut<View>,
) {
    let over_panel = contexts.ctx_mut().is_ok_and(|context| context.egui_wants_pointer_input());
    let axis = |more, less| f32::from(u8::from(keys.pressed(more))) - f32::from(u8::from(keys.pressed(less)));
    view.handling = Handling {
        dragged: if buttons.pressed(MouseButton::Right) { motion.delta } else { Vec2::ZERO },
        zoomed: if over_panel { 0.0 } else { scroll.delta.y.clamp(-5.0, 5.0) },
        fly: Vec3::new(
            axis(KeyCode::KeyD, KeyCode::KeyA),
            axis(KeyCode::KeyE, KeyCode::KeyQ),
            axis(KeyCode::KeyW, KeyCode::KeyS),
        ),
        fast: keys.any_pressed([KeyCode::ShiftLeft, KeyCode::ShiftRight]),
    };
}

/// How often a run in training is looked at.
const LOOK_EVERY_S: f64 = 1.0;

fn pass_time(time: Res<Time>, step: Res<Step>, mut looked_s: Local<f64>, mut watched: ResMut<Watched>) {
    match step.0 {
        Some(seconds) => watched.0.advance(seconds),
        None => watched.0.advance_by_clock(time.delta_secs_f64()),
    }
    *looked_s += step.0.unwrap_or_else(|| time.delta_secs_f64());
    if *looked_s >= LOOK_EVERY_S {
        *looked_s = 0.0;
        watched.0.look_for_weights();
    }
}

/// Builds the world anew when another drive is watched.
fn raise_world(
    mut commands: Commands,
    mut assets: StageAssets,
    watched: Res<Watched>,
    quality: Res<Quality>,
    mut view: ResMut<View>,
    things: Query<(Entity, &OnStage), Without<ChildOf>>,
    camera: Single<Entity, With<WorldCamera>>,
) {
    let drives = watched.0.drives();
    if view.raised.replace(drives) == Some(drives) {
        return;
    }
    stage::strike(&mut commands, things.iter().map(|(thing, _)| thing));
    let drive = watched.0.drive();
    let fleet = drive.episode().fleet();
    let scene = fleet.scene(0);
    let drawn = match *quality {
        Quality::Full => Drawn::Full,
        Quality::Simple => Drawn::Simple,
    };
    let staging = Staging { stage: 0, layers: RenderLayers::default(), drawn, shadows: true, ego: true };
    let vehicle = drive.scenario().ego.vehicle;
    stage::raise(&mut commands, &mut assets, &scene, &vehicle, fleet.traffic(0).cars(), &staging);
    commands.entity(*camera).insert(stage::haze(&scene));
    view.rig.settle();
}

/// Moves everything to where it is, and the camera to where it sees that.
fn shoot(
    time: Res<Time>,
    step: Res<Step>,
    watched: Res<Watched>,
    mut view: ResMut<View>,
    mut tableaux: ResMut<Tableaux>,
    camera: Single<(&mut Camera, &mut Transform, &mut Projection), With<WorldCamera>>,
) {
    let session = &watched.0;
    let mut tableau = session.tableau();
    let Some(ego) = tableau.ego else { return };
    let mode = session.shows.camera;
    if matches!(mode, CameraMode::Seat | CameraMode::Sensor) {
        tableau.ego = None;
    }
    tableaux.0 = vec![tableau];
    let (mut camera, mut transform, mut projection) = camera.into_inner();
    let rest = view.rest.filter(|_| session.shows.panel);
    camera.viewport =
        rest.map(|(from, size)| Viewport { physical_position: from, physical_size: size, ..Viewport::default() });
    let size = rest.map_or_else(|| camera.physical_target_size().unwrap_or(UVec2::ONE), |(_, size)| size);
    let aspect = size.x as f32 / size.y.max(1) as f32;
    let scenario = session.drive().scenario();
    let sensor = (&scenario.camera, scenario.ego.vehicle.centre_of_mass_m);
    let seconds = step.0.map_or_else(|| time.delta_secs(), |seconds| seconds as f32);
    let handling = view.handling;
    let shot = view.rig.shoot(mode, &ego, sensor, aspect, handling, seconds);
    *transform = shot.transform;
    if let Projection::Perspective(perspective) = &mut *projection {
        perspective.fov = shot.fov_rad;
    }
}

/// Draws the panel's pictures, if they have changed.
fn draw_pictures(
    mut watched: ResMut<Watched>,
    mut panel: ResMut<PanelPictures>,
    mut images: ResMut<Assets<Image>>,
    mut contexts: EguiContexts,
) {
    if !watched.0.shows.panel {
        return;
    }
    let Some(pictures) = panel.pictures.renew(&mut watched.0) else { return };
    let image = |picture: &Picture| {
        let size = Extent3d { width: picture.width, height: picture.height, depth_or_array_layers: 1 };
        let rgba = picture.rgb.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]).collect();
        let usage = RenderAssetUsages::default();
        Image::new(size, TextureDimension::D2, rgba, TextureFormat::Rgba8UnormSrgb, usage)
    };
    match &panel.images {
        Some(known) => {
            for ((handle, _), picture) in known.iter().zip(&pictures) {
                // The handle was made here and is kept: there is always an image to replace.
                let _ = images.insert(handle.id(), image(picture));
            }
        }
        None => {
            let made = pictures.each_ref().map(|picture| images.add(image(picture)));
            panel.images = Some(made.map(|handle| {
                let texture = contexts.add_image(EguiTextureHandle::Strong(handle.clone()));
                (handle, texture)
            }));
        }
    }
}

/// Height of the screen, in points, at which letters have their own size.
const DESIGN_HEIGHT: f32 = 760.0;

fn draw_panel(
    mut contexts: EguiContexts,
    mut watched: ResMut<Watched>,
    pictures: Res<PanelPictures>,
    mut view: ResMut<View>,
    camera: Single<&Camera, With<PrimaryEguiContext>>,
) -> Result {
    let context = contexts.ctx_mut()?.clone();
    let Some(size) = camera.physical_target_size() else { return Ok(()) };
    context.set_zoom_factor((size.y as f32 / DESIGN_HEIGHT).clamp(0.55, 2.0));
    let textures = pictures.images.as_ref().map(|images| images.each_ref().map(|(_, texture)| *texture));
    let builder = UiBuilder::new().layer_id(egui::LayerId::background()).max_rect(context.viewport_rect());
    let mut ui = egui::Ui::new(context.clone(), "screen".into(), builder);
    let (rest, orders) = panel::draw(&mut ui, &watched.0, textures);
    for order in orders {
        watched.0.give(order);
    }
    // Keys are orders to the session: no button may take Tab or Space for itself.
    context.memory_mut(|memory| {
        if let Some(focused) = memory.focused() {
            memory.surrender_focus(focused);
        }
    });
    let pixels = context.pixels_per_point();
    let from = UVec2::new((rest.min.x * pixels) as u32, (rest.min.y * pixels) as u32).min(size - 1);
    let to = UVec2::new((rest.max.x * pixels) as u32, (rest.max.y * pixels) as u32).min(size);
    view.rest = to.cmpgt(from).all().then(|| (from, to - from));
    Ok(())
}

#[cfg(all(test, feature = "gamepad"))]
mod tests {
    use super::*;
    use crate::watch::window::session::Choice;
    use bevy::input::gamepad::{Gamepad, GamepadAxis, GamepadButton};

    #[test]
    fn a_gamepad_steers_and_brakes() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/cut_in/from_left.ron");
        let scenario = roadproof_sim::read(path.as_ref()).expect("a scenario of the repository").into_scenario();
        let choice = Choice { name: "a drive".to_owned(), scenario };
        let mut app = App::new();
        app.insert_resource(Watched(Session::new("scripted", vec![choice], None).expect("a session")))
            .init_resource::<ButtonInput<KeyCode>>()
            .init_resource::<Time>()
            .init_resource::<Step>()
            .add_systems(Update, steer);
        let mut pad = Gamepad::default();
        pad.analog_mut().set(GamepadAxis::LeftStickX, -0.5);
        pad.analog_mut().set(GamepadButton::LeftTrigger2, 0.25);
        let pad = app.world_mut().spawn(pad).id();
        app.update();
        let wheel = |app: &App| app.world().resource::<Watched>().0.wheel;
        let pressed = wheel(&app);
        // The stick to the left is a positive angle, a quarter of half of it.
        assert_eq!((pressed.steer, pressed.throttle, pressed.brake), (0.125, 0.0, 0.25));
        app.world_mut().entity_mut(pad).insert(Gamepad::default());
        app.update();
        assert_eq!(wheel(&app).brake, 0.0, "nothing is pressed any more");
    }
}
