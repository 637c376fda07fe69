//! The two shaders of the window: surfaces with what is painted and grown on them, and the sky with the ground far away.
//!
//! A renderer that runs on the processor computes both sides of every branch of a shader. So shaders are compiled for
//! what a surface is rather than told, and the simple quality replaces bevy's general light with the terms that this
//! world has: sun, sky, shadow, haze. No shader here branches on a uniform at all: lavapipe of Mesa 22.3 compiles such
//! a shader anew whenever the branch turns and never frees one, which cost 0.7 MB a picture.

use super::mesh::{class_code, linear};
use bevy::asset::{Asset, Assets, Handle, uuid_handle};
use bevy::color::{ColorToComponents, LinearRgba};
use bevy::math::Vec4;
use bevy::mesh::MeshVertexBufferLayoutRef;
use bevy::pbr::{
    ExtendedMaterial, Material, MaterialExtension, MaterialExtensionKey, MaterialExtensionPipeline, MaterialPipeline,
    MaterialPipelineKey, MaterialPlugin, StandardMaterial,
};
use bevy::prelude::{AlphaMode, App, Plugin};
use bevy::reflect::TypePath;
use bevy::render::render_resource::{AsBindGroup, RenderPipelineDescriptor, ShaderType, SpecializedMeshPipelineError};
use bevy::shader::{Shader, ShaderDefVal, ShaderRef};
use roadproof_sim::Class;
use roadproof_sim::scene::Scene;

const SURFACE_SHADER: Handle<Shader> = uuid_handle!("5c1a7f0e-6f1d-4d0b-9a57-0b1c6f3f2a11");
const BACKDROP_SHADER: Handle<Shader> = uuid_handle!("f0b8b2f4-61c1-4a55-9c67-7a3d5c2b9e22");

/// Most lines that one road carries: three lanes a side have seven.
const MAX_LINES: usize = 16;

/// bevy's own material with what this world paints and grows on it.
pub type SurfaceMaterial = ExtendedMaterial<StandardMaterial, Surface>;

/// What grows, or is painted, on a surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Grain {
    /// Nothing.
    Plain,
    /// Stones and patches, and the road's lines.
    Asphalt,
    /// Blades and patches.
    Grass,
    /// Windows.
    Wall,
    /// Leaves.
    Leaves,
}

/// How pixels of a surface are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Drawn {
    /// Coloured, under bevy's light.
    Full,
    /// Coloured, under a simpler light for renderers that run on a processor.
    Simple,
    /// Class and depth.
    Labels,
}

/// How smooth a surface is, how light it is by itself.
#[derive(Clone, Copy, Default)]
pub struct Finish {
    /// Perceptual roughness, 0 to 1.
    pub roughness: f32,
    /// Light of its own.
    pub glow: LinearRgba,
}

/// The extension of the material.
#[derive(Asset, TypePath, AsBindGroup, Clone, Debug)]
#[bind_group_data(SurfaceKey)]
pub struct Surface {
    #[uniform(100)]
    uniform: SurfaceUniform,
    key: SurfaceKey,
}

/// What a surface's shader is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct SurfaceKey {
    grain: Grain,
    drawn: Drawn,
}

impl From<&Surface> for SurfaceKey {
    fn from(surface: &Surface) -> Self {
        surface.key
    }
}

#[derive(ShaderType, Clone, Copy, Debug)]
struct SurfaceUniform {
    /// Light of its own, roughness.
    finish: Vec4,
    /// Code of a marking, number of lines.
    kind: Vec4,
    /// Offset, half of the width, length of a dash, its period (0 for a solid line).
    lines: [Vec4; MAX_LINES],
    /// Linear colour of each line.
    paints: [Vec4; MAX_LINES],
}

impl Surface {
    /// A surface of this kind in a world.
    #[must_use]
    pub fn new(grain: Grain, finish: Finish, scene: &Scene, drawn: Drawn) -> Self {
        let markings = if grain == Grain::Asphalt { &scene.markings[..] } else { &[] };
        let (mut lines, mut paints) = ([Vec4::ZERO; MAX_LINES], [Vec4::ZERO; MAX_LINES]);
        for ((line, paint), marking) in lines.iter_mut().zip(&mut paints).zip(markings) {
            let (length_m, period_m) = marking.dash.map_or((0.0, 0.0), |dash| (dash.length_m, dash.period_m));
            *line = Vec4::new(marking.d_m, 0.5 * marking.width_m, length_m, period_m);
            let [r, g, b] = linear(if marking.yellow { scene.palette.yellow } else { scene.palette.white });
            *paint = Vec4::new(r, g, b, 1.0);
        }
        let count = markings.len().min(MAX_LINES) as f32;
        let kind = Vec4::new(class_code(Class::Marking), count, 0.0, 0.0);
        let finish = finish.glow.to_vec3().extend(finish.roughness);
        Self { uniform: SurfaceUniform { finish, kind, lines, paints }, key: SurfaceKey { grain, drawn } }
    }
}

impl MaterialExtension for Surface {
    fn fragment_shader() -> ShaderRef {
        SURFACE_SHADER.into()
    }

    fn specialize(
        _: &MaterialExtensionPipeline,
        descriptor: &mut RenderPipelineDescriptor,
        _: &MeshVertexBufferLayoutRef,
        key: MaterialExtensionKey<Self>,
    ) -> Result<(), SpecializedMeshPipelineError> {
        let SurfaceKey { grain, drawn } = key.bind_group_data;
        let grain = match grain {
            Grain::Plain => None,
            Grain::Asphalt => Some("ASPHALT"),
            Grain::Grass => Some("GRASS"),
            Grain::Wall => Some("WALL"),
            Grain::Leaves => Some("LEAVES"),
        };
        let drawn = match drawn {
            Drawn::Full => None,
            Drawn::Simple => Some("SIMPLE_LIGHT"),
            Drawn::Labels => Some("LABELS"),
        };
        if let Some(fragment) = &mut descriptor.fragment {
            fragment.shader_defs.extend([grain, drawn].into_iter().flatten().map(ShaderDefVal::from));
        }
        Ok(())
    }
}

/// The sky, and the ground beyond what is laid out, on the inside of a box around the camera.
#[derive(Asset, TypePath, AsBindGroup, Clone, Debug)]
#[bind_group_data(BackdropKey)]
pub struct Backdrop {
    #[uniform(0)]
    uniform: BackdropUniform,
    key: BackdropKey,
}

/// What a backdrop's shader is compiled for. Shaders here branch on no uniform: lavapipe (Mesa 22.3, `update_inline_shader_state`)
/// compiles a shader anew whenever such a branch takes another way, and keeps all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct BackdropKey {
    drawn: Drawn,
}

impl From<&Backdrop> for BackdropKey {
    fn from(backdrop: &Backdrop) -> Self {
        backdrop.key
    }
}

#[derive(ShaderType, Clone, Copy, Debug)]
struct BackdropUniform {
    zenith: Vec4,
    horizon: Vec4,
    /// Colour of the ground as the sun lights it; its height.
    ground: Vec4,
    /// Direction to the sun.
    sun: Vec4,
    /// How often haze halves what is seen of a colour, per metre; codes of sky and terrain.
    haze: Vec4,
}

impl Backdrop {
    /// That of a world, whose ground far away is at this height.
    #[must_use]
    pub fn new(scene: &Scene, ground_m: f32, drawn: Drawn) -> Self {
        let colour = |colour, w| {
            let [r, g, b] = linear(colour);
            Vec4::new(r, g, b, w)
        };
        let sun = super::mesh::place(scene.sun).extend(0.0);
        let brightness = scene.brightness(roadproof_sim::math::Vec3::Z);
        let ground = colour(scene.palette.terrain.map(|channel| channel * brightness), ground_m);
        let haze = Vec4::new(scene.halvings_per_m, class_code(Class::Sky), class_code(Class::Terrain), 0.0);
        let uniform = BackdropUniform {
            zenith: colour(scene.palette.zenith, 1.0),
            horizon: colour(scene.palette.horizon, 1.0),
            ground,
            sun,
            haze,
        };
        Self { uniform, key: BackdropKey { drawn } }
    }
}

impl Material for Backdrop {
    fn fragment_shader() -> ShaderRef {
        BACKDROP_SHADER.into()
    }

    fn alpha_mode(&self) -> AlphaMode {
        AlphaMode::Opaque
    }

    fn enable_prepass() -> bool {
        false
    }

    fn enable_shadows() -> bool {
        false
    }

    fn specialize(
        _: &MaterialPipeline,
        descriptor: &mut RenderPipelineDescriptor,
        _: &MeshVertexBufferLayoutRef,
        key: MaterialPipelineKey<Self>,
    ) -> Result<(), SpecializedMeshPipelineError> {
        if let (Drawn::Labels, Some(fragment)) = (key.bind_group_data.drawn, &mut descriptor.fragment) {
            fragment.shader_defs.push("LABELS".into());
        }
        // It is seen from inside.
        descriptor.primitive.cull_mode = None;
        Ok(())
    }
}

/// Adds both materials and their shaders.
pub struct LookPlugin;

impl Plugin for LookPlugin {
    fn build(&self, app: &mut App) {
        let mut shaders = app.world_mut().resource_mut::<Assets<Shader>>();
        for (handle, text, name) in [
            (SURFACE_SHADER, include_str!("surface.wgsl"), "surface.wgsl"),
            (BACKDROP_SHADER, include_str!("backdrop.wgsl"), "backdrop.wgsl"),
        ] {
            shaders.insert(handle.id(), Shader::from_wgsl(text, name)).expect("a fixed number takes any asset");
        }
        app.add_plugins((MaterialPlugin::<SurfaceMaterial>::default(), MaterialPlugin::<Backdrop>::default()));
    }
}
