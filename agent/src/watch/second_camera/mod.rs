//! bevy's renderer as the car's camera: many worlds side by side in one picture, read back at once. A driver that learnt on the
//! simulator's own frames meets another look of the same world, which is a held-out domain; and both renderers are held against each
//! other.
//!
//! Up to eight worlds are tiled into one picture, each on a render layer of its own with its own sun, because bevy
//! takes ten lights of that kind; a test holds the tiles against pictures of one world each, and prints what tiling
//! gains.

pub mod agreement;
pub mod evaluate;

use crate::watch::drive::Pose;
use crate::watch::offscreen;
use crate::watch::stage::rig::sensor;
use crate::watch::stage::{self, Drawn, SkyCentre, StageAssets, StagePlugin, Staging, Tableau, Tableaux};
use bevy::camera::visibility::RenderLayers;
use bevy::camera::{Hdr, RenderTarget, Viewport};
use bevy::core_pipeline::tonemapping::{DebandDither, Tonemapping};
use bevy::ecs::system::SystemState;
use bevy::light::DirectionalLightShadowMap;
use bevy::log::LogPlugin;
use bevy::prelude::*;
use bevy::render::render_resource::TextureFormat;
use bevy::render::view::NoIndirectDrawing;
use roadproof_sim::Class;
use roadproof_sim::{CameraSettings, Fleet, Measures};

/// Worlds in one picture: bevy lights a picture with ten suns at most, and each world has its own.
pub const MOST_WORLDS: usize = 8;

/// What the second camera is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// What a camera sees.
    Colours,
    /// Class and depth of each pixel.
    Labels,
}

/// Cameras of some worlds, tiled into one picture.
pub struct SecondCamera {
    app: App,
    target: Handle<Image>,
    shows: Shows,
    camera: CameraSettings,
    worlds: usize,
}

#[derive(Component)]
struct Tile(usize);

/// Tiles in a row of the picture.
const COLUMNS: usize = 4;
/// Side of a shadow map: frames of a few hundred pixels need no more, and a processor draws it for every world.
const SHADOW_MAP_PX: usize = 512;

impl SecondCamera {
    /// Puts all worlds of a fleet on stage.
    ///
    /// # Panics
    /// If the fleet has more than [`MOST_WORLDS`] worlds, or there is no graphics driver.
    #[must_use]
    pub fn new(fleet: &Fleet, shows: Shows) -> Self {
        let (camera, worlds) = (*fleet.camera(), fleet.len());
        assert!(worlds <= MOST_WORLDS, "{worlds} worlds in one picture");
        let mut app = App::new();
        let plugins = DefaultPlugins.set(offscreen::whole_pictures()).disable::<LogPlugin>();
        app.add_plugins((offscreen::without_window(plugins), StagePlugin));
        app.insert_resource(DirectionalLightShadowMap { size: SHADOW_MAP_PX });
        let (columns, rows) = (worlds.min(COLUMNS), worlds.div_ceil(COLUMNS));
        let format = match shows {
            Shows::Colours => TextureFormat::Rgba8UnormSrgb,
            Shows::Labels => TextureFormat::Rgba16Float,
        };
        let (width, height) = (u32::from(camera.width_px), u32::from(camera.height_px));
        let mut images = app.world_mut().resource_mut::<Assets<Image>>();
        let target = offscreen::target(&mut images, width * columns as u32, height * rows as u32, format);
        offscreen::finish(&mut app);
        let mut second = Self { app, target, shows, camera, worlds };
        (0..worlds).for_each(|world| second.add_tile(fleet, world));
        offscreen::warm_up(&mut second.app);
        second
    }

    fn add_tile(&mut self, fleet: &Fleet, world: usize) {
        let layers = RenderLayers::layer(1 + world);
        let labels = self.shows == Shows::Labels;
        let size = UVec2::new(u32::from(self.camera.width_px), u32::from(self.camera.height_px));
        let at = UVec2::new((world % COLUMNS) as u32, (world / COLUMNS) as u32) * size;
        let camera = Camera {
            order: world as isize,
            viewport: Some(Viewport { physical_position: at, physical_size: size, ..Viewport::default() }),
            ..Camera::default()
        };
        let projection = PerspectiveProjection { near: 0.1, far: 2000.0, ..PerspectiveProjection::default() };
        let scene = fleet.scene(world);
        let mut tile = self.app.world_mut().spawn((
            Camera3d::default(),
            camera,
            RenderTarget::Image(self.target.clone().into()),
            Tile(world),
            SkyCentre(world),
            layers.clone(),
            Projection::Perspective(projection),
            Tonemapping::None,
            DebandDither::Disabled,
            // One sample per pixel, as the simulator's own camera takes it.
            Msaa::Off,
            // Frames are small: choosing on the graphics card what to draw costs more than it saves, most of all without a card.
            NoIndirectDrawing,
        ));
        if labels {
            // Codes and metres, not light: nothing may be cut off at one.
            tile.insert(Hdr);
        } else {
            tile.insert(stage::haze(&scene));
        }
        let drawn = if labels { Drawn::Labels } else { Drawn::Full };
        let staging = Staging { stage: world, layers, drawn, shadows: !labels, ego: false };
        let vehicle = fleet.scenario(world).ego.vehicle;
        let traffic = fleet.traffic(world);
        let mut state: SystemState<(Commands, StageAssets)> = SystemState::new(self.app.world_mut());
        let (mut commands, mut assets) = state.get_mut(self.app.world_mut()).expect("the stage is set up");
        stage::raise(&mut commands, &mut assets, &scene, &vehicle, traffic.cars(), &staging);
        state.apply(self.app.world_mut());
    }

    /// Leaves a world out of the picture, or takes it in again.
    pub fn set_shown(&mut self, world: usize, shown: bool) {
        let mut tiles = self.app.world_mut().query::<(&Tile, &mut Camera)>();
        for (_, mut camera) in tiles.iter_mut(self.app.world_mut()).filter(|(tile, _)| tile.0 == world) {
            if camera.is_active != shown {
                camera.is_active = shown;
            }
        }
    }

    /// Shows every world as it is now.
    fn update(&mut self, fleet: &Fleet, measures: &[Measures]) -> anyhow::Result<Vec<u8>> {
        let pose = |measures: &Measures| Pose {
            position: measures.ego.position,
            rotation: measures.ego.rotation,
            braking: false,
        };
        let tableaux = (0..self.worlds).map(|world| {
            let cars = fleet.traffic(world).cars().iter().map(Pose::of_car).collect();
            Tableau { ego: Some(pose(&measures[world])), cars }
        });
        let tableaux: Vec<Tableau> = tableaux.collect();
        let aspect = f32::from(self.camera.width_px) / f32::from(self.camera.height_px);
        let mut tiles = self.app.world_mut().query::<(&Tile, &mut Transform, &mut Projection)>();
        for (tile, mut transform, mut projection) in tiles.iter_mut(self.app.world_mut()) {
            let centre_of_mass_m = fleet.scenario(tile.0).ego.vehicle.centre_of_mass_m;
            let shot = sensor(&pose(&measures[tile.0]), (&self.camera, centre_of_mass_m), aspect);
            *transform = shot.transform;
            if let Projection::Perspective(perspective) = &mut *projection {
                perspective.fov = shot.fov_rad;
            }
        }
        self.app.world_mut().resource_mut::<Tableaux>().0 = tableaux;
        self.app.update();
        offscreen::read_back(&self.app, &self.target, if self.shows == Shows::Labels { 8 } else { 4 })
    }

    /// Colour frames of all worlds.
    ///
    /// # Shapes
    /// - returns: `worlds × height × width × 3`
    ///
    /// # Errors
    /// If the picture cannot be read back.
    pub fn colours(&mut self, fleet: &Fleet, measures: &[Measures]) -> anyhow::Result<Vec<u8>> {
        let picture = self.update(fleet, measures)?;
        Ok(self.tiles(&picture, 4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect())
    }

    /// Class and depth of every pixel of all worlds.
    ///
    /// # Shapes
    /// - returns: `worlds × height × width`, twice
    ///
    /// # Errors
    /// If the picture cannot be read back.
    pub fn labels(&mut self, fleet: &Fleet, measures: &[Measures]) -> anyhow::Result<(Vec<u8>, Vec<f32>)> {
        let picture = self.update(fleet, measures)?;
        let half = |bytes: &[u8]| half_to_f32(u16::from_le_bytes([bytes[0], bytes[1]]));
        let class = |pixel: &[u8]| (half(&pixel[0..2]) * 16.0).round().clamp(0.0, Class::ALL.len() as f32) as u8;
        Ok(self.tiles(&picture, 8).map(|pixel| (class(pixel), half(&pixel[2..4]))).unzip())
    }

    /// Pixels of all tiles, tile by tile and row by row.
    fn tiles<'a>(&self, picture: &'a [u8], bytes: usize) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (width, height) = (usize::from(self.camera.width_px), usize::from(self.camera.height_px));
        let line = self.worlds.min(COLUMNS) * width;
        (0..self.worlds).flat_map(move |world| {
            let (left, top) = (world % COLUMNS * width, world / COLUMNS * height);
            (top..top + height)
                .flat_map(move |row| picture[bytes * (row * line + left)..][..bytes * width].chunks_exact(bytes))
        })
    }
}

/// A number of half precision.
///
/// # Source
/// IEEE 754-2019, binary16.
fn half_to_f32(bits: u16) -> f32 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023) / 1024.0);
    match exponent {
        0 => sign * fraction * 2.0_f32.powi(-14),
        31 => sign * if fraction == 0.0 { f32::INFINITY } else { f32::NAN },
        _ => sign * (1.0 + fraction) * 2.0_f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::window::display::check_graphics;
    use roadproof_sim::{Controls, Seed};
    use std::time::Instant;

    /// Decisions that are drawn, enough for a figure.
    const STEPS: usize = 12;

    #[test]
    fn worlds_look_the_same_side_by_side_and_alone() {
        check_graphics().expect("a graphics driver, which CI installs");
        let scenario = |seed| roadproof_sim::generate_drive(Seed(seed), &roadproof_sim::DriveStyle::default());
        let scenarios: Vec<_> = (0..MOST_WORLDS as u64).map(scenario).collect();
        let frames = |scenarios: &[_]| {
            let mut fleet = Fleet::new(scenarios.to_vec(), 2).expect("a fleet of generated drives");
            let mut seen = fleet.observe();
            let mut camera = SecondCamera::new(&fleet, Shows::Colours);
            let still = vec![Controls { throttle: 0.5, ..Controls::default() }; fleet.len()];
            let mut frames = Vec::new();
            let start = Instant::now();
            for _ in 0..STEPS {
                fleet.step(&still, &mut seen);
                frames = camera.colours(&fleet, &seen.measures).expect("a picture");
            }
            (frames, start.elapsed().as_secs_f64() / STEPS as f64)
        };
        let (together, together_s) = frames(&scenarios);
        let mut alone_s = 0.0;
        for (world, tile) in together.chunks_exact(together.len() / MOST_WORLDS).enumerate() {
            let (frame, seconds) = frames(&scenarios[world..=world]);
            alone_s += seconds;
            let differences = frame.iter().zip(tile).filter(|(a, b)| a.abs_diff(**b) > 1).count();
            // Shadows are drawn for a picture as a whole: their edges may fall a hair elsewhere.
            assert!(differences < frame.len() / 100, "world {world}: {differences} of {} values differ", frame.len());
            let mean = frame.iter().map(|value| u64::from(*value)).sum::<u64>() / frame.len() as u64;
            assert!((20..230).contains(&mean), "world {world} has a mean of {mean}");
        }
        println!(
            "{MOST_WORLDS} worlds in one picture: {:.1} frames/s; one after the other: {:.1} frames/s",
            MOST_WORLDS as f64 / together_s,
            MOST_WORLDS as f64 / alone_s
        );
    }

    #[test]
    fn numbers_of_half_precision_are_read() {
        for (bits, value) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333_251_95), (0x0001, 5.960_464_5e-8), (0x63d0, 1000.0)]
        {
            assert_eq!(half_to_f32(bits), value);
        }
        assert!(half_to_f32(0x7c00).is_infinite() && half_to_f32(0x7e00).is_nan());
    }
}
