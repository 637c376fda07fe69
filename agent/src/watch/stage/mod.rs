//! A world as bevy's renderer shows it, built from the same description that the simulator's own camera draws.
//!
//! Shapes are the same, so that both cameras agree on what is where (a test holds their silhouettes together); light, shadows
//! and what is on the surfaces are bevy's and ours. All models are made here from a few dozen polygons: nothing is loaded.
//!
//! What is painted and grown on surfaces is computed in `surface.wgsl` from places along the road, lines with the same
//! box filter as the raster camera's. The same shader writes class and depth instead of colours when it is compiled for
//! that, which is what the test compares.

mod cars;
mod ground;
mod look;
mod mesh;
mod props;
pub mod rig;

pub use look::{Backdrop, Drawn, LookPlugin, SurfaceMaterial};
pub use mesh::{linear, place, rotation};

use crate::watch::drive::Pose;
use bevy::camera::visibility::{NoFrustumCulling, RenderLayers};
use bevy::ecs::system::SystemParam;
use bevy::light::{CascadeShadowConfigBuilder, NotShadowCaster, NotShadowReceiver};
use bevy::pbr::{DistanceFog, ExtendedMaterial, FogFalloff};
use bevy::prelude::*;
use cars::CarMeshes;
use ground::{PIECE_ROWS, ground};
use look::{Finish, Grain, Surface};
use mesh::MeshBuilder;
use props::PropPiece;
use roadproof_sim::scene::{ROW_M, Scene};
use roadproof_sim::traffic::Car;
use roadproof_sim::vehicle::VehicleSettings;

/// Light of the sun on a surface that faces it, and of the sky on every surface, in lux and cd/m²: with the default exposure a
/// white road under a sun of medium height is just white.
const SUN_LUX: f32 = 2300.0;
const SKY_CD_PER_M2: f32 = 1300.0;
/// Half of the box that carries the sky.
const BACKDROP_M: f32 = 900.0;
/// Paint of the ego.
const EGO_COLOUR: [f32; 3] = [214.0, 84.0, 32.0];

/// Where everything is that moves in one world.
#[derive(Clone, Debug, Default)]
pub struct Tableau {
    /// The ego; its position is its centre of mass.
    pub ego: Option<Pose>,
    /// The other cars; the position is the middle of the body.
    pub cars: Vec<Pose>,
}

/// All worlds that are shown.
#[derive(Resource, Default)]
pub struct Tableaux(pub Vec<Tableau>);

/// A thing of one world.
#[derive(Component)]
pub struct OnStage(pub usize);

/// A car that is moved to where the tableau has it.
#[derive(Component)]
struct Actor {
    /// Which of the other cars; `None` is the ego.
    car: Option<usize>,
    /// How far under the tableau's position its foot is.
    foot_m: f32,
}

/// A lamp that is shown while its car brakes, or while it does not.
#[derive(Component)]
struct TailLamp {
    lit: bool,
}

/// The box that carries the sky, around the camera of its world.
#[derive(Component)]
struct SkyBox;

/// How a world is to be shown.
#[derive(Clone, Debug)]
pub struct Staging {
    /// Its place in [`Tableaux`].
    pub stage: usize,
    /// The layer that its cameras look at.
    pub layers: RenderLayers,
    /// What is drawn of it.
    pub drawn: Drawn,
    /// Whether the sun throws shadows.
    pub shadows: bool,
    /// Whether the ego's own body is there.
    pub ego: bool,
}

/// Where meshes and materials are kept.
#[derive(SystemParam)]
pub struct StageAssets<'w> {
    meshes: ResMut<'w, Assets<Mesh>>,
    surfaces: ResMut<'w, Assets<SurfaceMaterial>>,
    backdrops: ResMut<'w, Assets<Backdrop>>,
}

/// Puts a world on stage.
pub fn raise(
    commands: &mut Commands,
    assets: &mut StageAssets,
    scene: &Scene,
    vehicle: &VehicleSettings,
    cars: &[Car],
    staging: &Staging,
) {
    let mut builder = Builder { commands, assets, scene, staging };
    builder.ground();
    builder.props();
    if staging.ego {
        let size = roadproof_sim::math::Vec3::new(vehicle.length_m, vehicle.width_m, vehicle.height_m);
        builder.car(Actor { car: None, foot_m: vehicle.centre_of_mass_m }, size, EGO_COLOUR);
    }
    for (index, car) in cars.iter().enumerate() {
        let size = roadproof_sim::math::Vec3::new(car.length_m, car.width_m, car.height_m);
        builder.car(Actor { car: Some(index), foot_m: 0.5 * car.height_m }, size, car.colour.map(f32::from));
    }
    builder.sky();
}

/// Haze of a world, for its cameras.
#[must_use]
pub fn haze(scene: &Scene) -> DistanceFog {
    let [r, g, b] = linear(scene.palette.horizon);
    DistanceFog {
        color: Color::linear_rgb(r, g, b),
        falloff: FogFalloff::Exponential { density: scene.halvings_per_m * std::f32::consts::LN_2 },
        ..DistanceFog::default()
    }
}

/// Takes a world off the stage.
pub fn strike(commands: &mut Commands, things: impl Iterator<Item = Entity>) {
    for thing in things {
        commands.entity(thing).try_despawn();
    }
}

struct Builder<'a, 'w, 's, 'c, 'd> {
    commands: &'a mut Commands<'w, 's>,
    assets: &'a mut StageAssets<'c>,
    scene: &'d Scene,
    staging: &'d Staging,
}

const MATT: Finish = Finish { roughness: 0.9, glow: LinearRgba::BLACK };
const ENAMEL: Finish = Finish { roughness: 0.35, glow: LinearRgba::BLACK };
const PANE: Finish = Finish { roughness: 0.12, glow: LinearRgba::BLACK };

impl Builder<'_, '_, '_, '_, '_> {
    fn material(&mut self, grain: Grain, finish: Finish) -> MeshMaterial3d<SurfaceMaterial> {
        let base = StandardMaterial {
            perceptual_roughness: finish.roughness,
            emissive: finish.glow,
            reflectance: 0.35,
            ..StandardMaterial::default()
        };
        let extension = Surface::new(grain, finish, self.scene, self.staging.drawn);
        MeshMaterial3d(self.assets.surfaces.add(ExtendedMaterial { base, extension }))
    }

    /// What every thing of this world carries.
    fn common(&self) -> (OnStage, RenderLayers) {
        (OnStage(self.staging.stage), self.staging.layers.clone())
    }

    fn still(&mut self, mesh: MeshBuilder, material: &MeshMaterial3d<SurfaceMaterial>, throws_shadow: bool) {
        if mesh.is_empty() {
            return;
        }
        let mesh = Mesh3d(self.assets.meshes.add(mesh.build()));
        let mut thing = self.commands.spawn((mesh, material.clone(), self.common()));
        if !throws_shadow {
            thing.insert(NotShadowCaster);
        }
    }

    fn ground(&mut self) {
        let (road, grass) = (self.material(Grain::Asphalt, MATT), self.material(Grain::Grass, MATT));
        let kerb = self.material(Grain::Plain, MATT);
        for piece in ground(self.scene) {
            self.still(piece.road, &road, false);
            self.still(piece.grass, &grass, false);
            self.still(piece.kerb, &kerb, false);
        }
    }

    fn props(&mut self) {
        let (walls, leaves) = (self.material(Grain::Wall, MATT), self.material(Grain::Leaves, MATT));
        let plain = self.material(Grain::Plain, MATT);
        let piece_m = PIECE_ROWS as f32 * ROW_M;
        let stretch = |s_m: f32| (s_m / piece_m).floor();
        for props in self.scene.props.chunk_by(|a, b| stretch(a.s_m) == stretch(b.s_m)) {
            let mut piece = PropPiece::default();
            props.iter().for_each(|prop| piece.add(prop));
            self.still(piece.walls, &walls, true);
            self.still(piece.leaves, &leaves, true);
            self.still(piece.plain, &plain, true);
        }
    }

    fn car(&mut self, actor: Actor, size: roadproof_sim::math::Vec3, colour: [f32; 3]) {
        let lit = Finish { glow: LinearRgba::rgb(0.9, 0.03, 0.02), ..ENAMEL };
        let head = Finish { glow: LinearRgba::rgb(0.2, 0.19, 0.16), ..ENAMEL };
        let meshes = CarMeshes::new(size, colour);
        let parts = [(meshes.body, ENAMEL), (meshes.glass, PANE), (meshes.plain, MATT), (meshes.head_lamps, head)];
        let mut children: Vec<Entity> = Vec::new();
        for (mesh, finish) in parts {
            let (material, mesh) = (self.material(Grain::Plain, finish), self.assets.meshes.add(mesh.build()));
            children.push(self.commands.spawn((Mesh3d(mesh), material, self.common())).id());
        }
        let lamps = self.assets.meshes.add(meshes.tail_lamps.build());
        for (finish, lit) in [(ENAMEL, false), (lit, true)] {
            let material = self.material(Grain::Plain, finish);
            let lamp = (Mesh3d(lamps.clone()), material, TailLamp { lit }, self.common());
            children.push(self.commands.spawn(lamp).id());
        }
        let body = (actor, Transform::default(), Visibility::default(), self.common());
        self.commands.spawn(body).add_children(&children);
    }

    fn sky(&mut self) {
        let ground_m = self.scene.rows.first().map_or(0.0, |row| row.centre.z);
        let material = self.assets.backdrops.add(Backdrop::new(self.scene, ground_m, self.staging.drawn));
        let side_m = 2.0 * BACKDROP_M;
        let mesh = self.assets.meshes.add(Cuboid::new(side_m, side_m, side_m));
        let nothing = (NoFrustumCulling, NotShadowCaster, NotShadowReceiver);
        self.commands.spawn((Mesh3d(mesh), MeshMaterial3d(material), SkyBox, nothing, self.common()));
        if self.staging.drawn == Drawn::Labels {
            return;
        }
        let cascades = CascadeShadowConfigBuilder {
            num_cascades: 2,
            maximum_distance: 90.0,
            first_cascade_far_bound: 22.0,
            ..CascadeShadowConfigBuilder::default()
        };
        let sun = DirectionalLight {
            illuminance: SUN_LUX,
            shadow_maps_enabled: self.staging.shadows,
            color: Color::srgb(1.0, 0.97, 0.91),
            ..DirectionalLight::default()
        };
        let shining = Transform::IDENTITY.looking_to(-place(self.scene.sun), Vec3::Y);
        self.commands.spawn((sun, cascades.build(), shining, self.common()));
    }
}

/// Moves every car to where its tableau has it, and lights its lamps.
fn place_actors(
    tableaux: Res<Tableaux>,
    mut actors: Query<(&Actor, &OnStage, &Children, &mut Transform, &mut Visibility), Without<TailLamp>>,
    mut lamps: Query<(&TailLamp, &mut Visibility)>,
) {
    for (actor, stage, children, mut transform, mut visibility) in &mut actors {
        let tableau = tableaux.0.get(stage.0);
        let pose = tableau.and_then(|tableau| match actor.car {
            None => tableau.ego,
            Some(car) => tableau.cars.get(car).copied(),
        });
        let Some(pose) = pose else {
            *visibility = Visibility::Hidden;
            continue;
        };
        *visibility = Visibility::Inherited;
        let foot = pose.position - pose.rotation * roadproof_sim::math::Vec3::Z * actor.foot_m;
        *transform = Transform::from_translation(place(foot)).with_rotation(rotation(pose.rotation));
        let mut lamps = lamps.iter_many_mut(children);
        while let Some((lamp, mut visibility)) = lamps.fetch_next() {
            *visibility = if lamp.lit == pose.braking { Visibility::Inherited } else { Visibility::Hidden };
        }
    }
}

/// The camera of a world that its sky is drawn around.
#[derive(Component)]
pub struct SkyCentre(pub usize);

/// Keeps the box with the sky around the camera.
fn centre_sky(
    cameras: Query<(&SkyCentre, &Transform), Without<SkyBox>>,
    mut skies: Query<(&OnStage, &mut Transform), With<SkyBox>>,
) {
    for (centre, camera) in &cameras {
        for (_, mut sky) in skies.iter_mut().filter(|(stage, _)| stage.0 == centre.0) {
            sky.translation = camera.translation;
        }
    }
}

/// Materials, light and the cars' movement. Whoever shows worlds fills [`Tableaux`] and moves the cameras in `Update`.
pub struct StagePlugin;

impl Plugin for StagePlugin {
    fn build(&self, app: &mut App) {
        app.add_plugins(LookPlugin)
            .init_resource::<Tableaux>()
            .insert_resource(GlobalAmbientLight {
                color: Color::srgb(0.86, 0.92, 1.0),
                brightness: SKY_CD_PER_M2,
                ..GlobalAmbientLight::default()
            })
            .add_systems(PostUpdate, (place_actors, centre_sky).before(TransformSystems::Propagate));
    }
}
