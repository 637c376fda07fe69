// Asphalt with its lines, grass, walls with windows, leaves: what is painted and grown on a surface, under bevy's light or a
// simpler one. With LABELS, class and depth instead of colours. What a surface is not is not compiled for it: software renderers
// compute both sides of a branch.

#import bevy_pbr::{
    forward_io::{VertexOutput, FragmentOutput},
    mesh_view_bindings::{view, lights},
}
#ifdef SIMPLE_LIGHT
#import bevy_pbr::shadows::fetch_directional_shadow
#ifdef DISTANCE_FOG
#import bevy_pbr::mesh_view_bindings::fog
#endif
#else
#import bevy_pbr::{
    pbr_fragment::pbr_input_from_standard_material,
    pbr_functions::{apply_pbr_lighting, main_pass_post_lighting_processing},
}
#endif

struct Surface {
    // Light of its own, roughness.
    finish: vec4<f32>,
    // Code of a marking, number of lines.
    kind: vec4<f32>,
    // Offset, half of the width, length of a dash, its period.
    lines: array<vec4<f32>, 16>,
    paints: array<vec4<f32>, 16>,
}

@group(#{MATERIAL_BIND_GROUP}) @binding(100) var<uniform> surface: Surface;

// A number in 0..1 for each cell: PCG, "Hash Functions for GPU Rendering", Jarzynski and Olano 2020.
fn cell_number(cell: vec2<i32>) -> f32 {
    var state = bitcast<u32>(cell.x) * 747796405u + bitcast<u32>(cell.y) * 2891336453u + 2891336453u;
    let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
    return f32((word >> 22u) ^ word) / 4294967295.0;
}

// Smooth noise in -1..1, gone where a pixel is wider than a cell.
fn noise(at: vec2<f32>, cells_per_m: f32, pixel_m: f32) -> f32 {
    let place = at * cells_per_m;
    let cell = floor(place);
    let within = place - cell;
    let blend = within * within * (3.0 - 2.0 * within);
    let corner = vec2<i32>(cell);
    let low = mix(cell_number(corner), cell_number(corner + vec2(1, 0)), blend.x);
    let high = mix(cell_number(corner + vec2(0, 1)), cell_number(corner + vec2(1, 1)), blend.x);
    let fade = clamp(1.5 - pixel_m * cells_per_m, 0.0, 1.0);
    return (2.0 * mix(low, high, blend.y) - 1.0) * fade;
}

// Painted length between the road's start and s.
fn painted_to(s: f32, dash: f32, period: f32) -> f32 {
    let periods = floor(s / period);
    return periods * dash + min(s - periods * period, dash);
}

// Share of a pixel around (s, d), so long and wide, that a line covers.
fn covered(line: vec4<f32>, at: vec2<f32>, size: vec2<f32>) -> f32 {
    let left = min(at.y + 0.5 * size.y, line.x + line.y);
    let right = max(at.y - 0.5 * size.y, line.x - line.y);
    var share = clamp((left - right) / size.y, 0.0, 1.0);
    if line.w > 0.0 {
        let painted = painted_to(at.x + 0.5 * size.x, line.z, line.w) - painted_to(at.x - 0.5 * size.x, line.z, line.w);
        share *= clamp(painted / size.x, 0.0, 1.0);
    }
    return share;
}

#ifdef SIMPLE_LIGHT
// What bevy's ambient light leaves of a colour: EnvBRDFApprox with a roughness of one.
const SKY_SHARE: f32 = 0.45;

// Light of sun and sky on a surface, and haze before it: what bevy's own light comes to in this world, without what it has not.
fn lit(in: VertexOutput, colour: vec3<f32>, roughness: f32) -> vec3<f32> {
    let normal = normalize(in.world_normal);
    let to_eye = view.world_position - in.world_position.xyz;
    let distance_m = length(to_eye);
    let sun = lights.directional_lights[0];
    let facing = max(dot(normal, sun.direction_to_light), 0.0);
    let depth = (view.view_from_world * in.world_position).z;
    let shadow = fetch_directional_shadow(0u, in.world_position, normal, depth, in.position.xy);
    // Blinn's highlight, normalised: Akenine-Moeller et al., Real-Time Rendering, 4th edition, section 9.8.
    let halfway = normalize(sun.direction_to_light + to_eye / distance_m);
    let width = roughness * roughness;
    let power = 2.0 / (width * width) - 2.0;
    let gloss = 0.02 * (power + 2.0) / 8.0 * pow(max(dot(normal, halfway), 1e-4), power);
    let direct = sun.color.rgb * (facing * shadow * 0.31831) * (colour + gloss);
    // The sky in a smooth surface, more of it at a glancing view: Schlick 1994.
    let grazing = 1.0 - max(dot(normal, to_eye / distance_m), 0.0);
    let mirrored = (1.0 - roughness) * (0.04 + 0.5 * pow(grazing, 5.0));
    let sky = lights.ambient_color.rgb * (SKY_SHARE * colour + mirrored);
    let light = view.exposure * (direct + sky) + surface.finish.rgb;
#ifdef DISTANCE_FOG
    return mix(fog.base_color.rgb, light, exp(-distance_m * fog.be.x));
#else
    return light;
#endif
}
#endif

@fragment
fn fragment(in: VertexOutput, @builtin(front_facing) is_front: bool) -> FragmentOutput {
    let at = in.uv;
    let size = max(fwidth(at), vec2(0.001));
    let pixel_m = max(size.x, size.y);
    var colour = in.color.rgb;
    var class_code = in.color.a;
    var roughness = surface.finish.a;

#ifdef ASPHALT
    let stones = noise(at, 14.0, pixel_m) * 0.12 + noise(at, 47.0, pixel_m) * 0.14;
    let patches = noise(at, 0.35, pixel_m) * 0.07;
    let wear = 0.93 + 0.07 * noise(at, 9.0, pixel_m);
    colour *= 1.0 + stones + patches;
    var share = 0.0;
    for (var index = 0u; index < u32(surface.kind.y); index++) {
        let cover = covered(surface.lines[index], at, size);
        colour = mix(colour, surface.paints[index].rgb, cover * wear);
        share += cover;
    }
    roughness = mix(roughness, 0.6, min(share, 1.0));
    if share >= 0.5 {
        class_code = surface.kind.x;
    }
#endif
#ifdef GRASS
    let blades = noise(at, 6.0, pixel_m) * 0.16 + noise(at, 23.0, pixel_m) * 0.2;
    let patches = noise(at, 0.12, pixel_m) * 0.16 + noise(at, 0.9, pixel_m) * 0.1;
    colour *= 1.0 + blades + patches;
    colour = mix(colour, colour * vec3(1.25, 1.12, 0.7), clamp(0.5 * noise(at, 0.05, pixel_m), 0.0, 0.5));
#endif
#ifdef WALL
    let bay = fract(at.x * 0.4) - 0.5;
    let storey = fract(at.y * 0.36) - 0.55;
    let pane = abs(bay) < 0.24 && abs(storey) < 0.25;
    let frame = abs(bay) < 0.275 && abs(storey) < 0.29;
    let upright = abs(in.world_normal.y) < 0.5;
    if upright && pane {
        let number = cell_number(vec2<i32>(floor(vec2(at.x * 0.4, at.y * 0.36))) + vec2<i32>(in.world_normal.xz * 7.0));
        let cross = abs(bay) < 0.012 || abs(storey - 0.06) < 0.012;
        colour = select(mix(vec3(0.02, 0.03, 0.045), vec3(0.10, 0.12, 0.14), number * number), vec3(0.5), cross);
        roughness = 0.25;
    } else if upright && frame {
        colour = mix(colour, vec3(0.75), 0.6);
    } else {
        colour *= 1.0 + 0.06 * noise(at, 3.0, pixel_m) + 0.05 * noise(at, 0.4, pixel_m);
        // Ground floors are a shade darker, as plinths are.
        colour *= select(1.0, 0.72, upright && at.y < 0.5);
    }
#endif
#ifdef LEAVES
    colour *= 1.0 + 0.35 * noise(at, 3.2, pixel_m) + 0.3 * noise(at, 9.0, pixel_m);
#endif

    var out: FragmentOutput;
#ifdef LABELS
    let depth_m = -(view.view_from_world * in.world_position).z;
    out.color = vec4(class_code, depth_m, 0.0, 1.0);
#else
    colour = max(colour, vec3(0.0));
#ifdef SIMPLE_LIGHT
    out.color = vec4(lit(in, colour, roughness), 1.0);
#else
    var pbr_input = pbr_input_from_standard_material(in, is_front);
    pbr_input.material.base_color = vec4(colour, 1.0);
    pbr_input.material.perceptual_roughness = roughness;
    out.color = apply_pbr_lighting(pbr_input);
    out.color = main_pass_post_lighting_processing(pbr_input, out.color);
#endif
#endif
    return out;
}
