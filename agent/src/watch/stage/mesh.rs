//! Builds meshes from quads in the simulator's axes (x and y in the ground plane, z up) for a renderer whose y is up.

use bevy::asset::RenderAssetUsages;
use bevy::mesh::{Indices, Mesh, PrimitiveTopology};
use roadproof_sim::Class;
use roadproof_sim::math::{Quat, Vec3};

/// A place of the simulator as a place of the renderer.
#[must_use]
pub fn place(at: Vec3) -> bevy::math::Vec3 {
    bevy::math::Vec3::new(at.x, at.z, -at.y)
}

/// A rotation of the simulator as a rotation of the renderer, of things whose own axes were turned like places.
#[must_use]
pub fn rotation(turned: Quat) -> bevy::math::Quat {
    bevy::math::Quat::from_xyzw(turned.x, turned.z, -turned.y, turned.w)
}

/// A colour in `0..=255` sRGB as linear light.
#[must_use]
pub fn linear(colour: [f32; 3]) -> [f32; 3] {
    let channel = |value: f32| bevy::color::Srgba::gamma_function((value / 255.0).clamp(0.0, 1.0));
    colour.map(channel)
}

/// Vertices and triangles on their way to a mesh.
#[derive(Debug, Default)]
pub struct MeshBuilder {
    positions: Vec<[f32; 3]>,
    normals: Vec<[f32; 3]>,
    uvs: Vec<[f32; 2]>,
    colours: Vec<[f32; 4]>,
    indices: Vec<u32>,
}

/// What a face looks like.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    /// What it belongs to; the shader that draws classes reads it.
    pub class: Class,
    /// Colour in `0..=255` sRGB.
    pub colour: [f32; 3],
}

impl Paint {
    /// The vertex colour: linear light, and the class in the place of opacity.
    fn vertex(self) -> [f32; 4] {
        let [r, g, b] = linear(self.colour);
        [r, g, b, class_code(self.class)]
    }
}

/// A class as the number that stands for it in vertex colours and class pictures.
#[must_use]
pub fn class_code(class: Class) -> f32 {
    f32::from(class as u8) / 16.0
}

impl MeshBuilder {
    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Adds a polygon whose corners run anticlockwise as seen from its front, with two surface coordinates per corner.
    pub fn polygon(&mut self, corners: &[(Vec3, [f32; 2])], paint: Paint) {
        let [(a, _), (b, _), (c, _), ..] = corners else { return };
        let normal = (*b - *a).cross(*c - *a).normalize_or_zero();
        self.smooth_polygon(corners, &vec![normal; corners.len()], paint);
    }

    /// The same with a normal of its own for each corner.
    pub fn smooth_polygon(&mut self, corners: &[(Vec3, [f32; 2])], normals: &[Vec3], paint: Paint) {
        let first = self.positions.len() as u32;
        for ((at, uv), normal) in corners.iter().zip(normals) {
            self.positions.push(place(*at).to_array());
            self.normals.push(place(*normal).to_array());
            self.uvs.push(*uv);
            self.colours.push(paint.vertex());
        }
        for corner in 2..corners.len() as u32 {
            self.indices.extend([first, first + corner - 1, first + corner]);
        }
    }

    /// Adds a box standing on the middle of its base; `axes` are unit vectors along length, width and height. Surface
    /// coordinates are metres from the middle of a side and from its foot; the foot itself is left out.
    pub fn block(&mut self, base: Vec3, axes: [Vec3; 3], size: Vec3, paint: Paint) {
        let [x, y, z] = axes;
        let (length, width) = (x * (0.5 * size.x), y * (0.5 * size.y));
        let sides =
            [(length, width, size.y), (-length, -width, size.y), (width, -length, size.x), (-width, length, size.x)];
        for (outward, right, along_m) in sides {
            let corner = |across: f32, rise: f32| {
                (base + outward + right * across + z * (size.z * rise), [0.5 * along_m * across, size.z * rise])
            };
            self.polygon(&[corner(-1.0, 0.0), corner(1.0, 0.0), corner(1.0, 1.0), corner(-1.0, 1.0)], paint);
        }
        let top = base + z * size.z;
        let corner = |along: f32, across: f32| {
            (top + length * along + width * across, [0.5 * size.x * along, 0.5 * size.y * across])
        };
        self.polygon(&[corner(-1.0, -1.0), corner(1.0, -1.0), corner(1.0, 1.0), corner(-1.0, 1.0)], paint);
    }

    /// The finished mesh.
    #[must_use]
    pub fn build(self) -> Mesh {
        Mesh::new(PrimitiveTopology::TriangleList, RenderAssetUsages::RENDER_WORLD)
            .with_inserted_attribute(Mesh::ATTRIBUTE_POSITION, self.positions)
            .with_inserted_attribute(Mesh::ATTRIBUTE_NORMAL, self.normals)
            .with_inserted_attribute(Mesh::ATTRIBUTE_UV_0, self.uvs)
            .with_inserted_attribute(Mesh::ATTRIBUTE_COLOR, self.colours)
            .with_inserted_indices(Indices::U32(self.indices))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_renderers_axes_are_a_rotation_of_the_simulators() {
        let turned = Quat::from_rotation_z(0.7) * Quat::from_rotation_y(0.3) * Quat::from_rotation_x(-0.2);
        let at = Vec3::new(1.0, 2.0, 3.0);
        let difference = rotation(turned) * place(at) - place(turned * at);
        assert!(difference.length() < 1e-5, "{difference}");
        assert_eq!(place(Vec3::Z), bevy::math::Vec3::Y);
    }

    #[test]
    fn faces_of_a_block_look_outwards() {
        let mut mesh = MeshBuilder::default();
        let paint = Paint { class: Class::Building, colour: [255.0; 3] };
        mesh.block(Vec3::ZERO, [Vec3::X, Vec3::Y, Vec3::Z], Vec3::new(2.0, 4.0, 6.0), paint);
        let middle = place(Vec3::new(0.0, 0.0, 3.0));
        for triangle in mesh.indices.chunks_exact(3) {
            let [a, b, c] =
                [0, 1, 2].map(|corner| bevy::math::Vec3::from_array(mesh.positions[triangle[corner] as usize]));
            let outward = (b - a).cross(c - a);
            assert!(outward.dot((a + b + c) / 3.0 - middle) > 0.0);
            let normal = bevy::math::Vec3::from_array(mesh.normals[triangle[0] as usize]);
            assert!(outward.normalize().dot(normal) > 0.999);
        }
        assert_eq!(mesh.indices.len(), 3 * 10);
        assert_eq!(mesh.colours[0], [1.0, 1.0, 1.0, 5.0 / 16.0]);
    }
}
