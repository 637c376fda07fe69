// The sky, and the ground beyond what is laid out. With LABELS, class and depth instead of colours.

#import bevy_pbr::{
    forward_io::{VertexOutput, FragmentOutput},
    mesh_view_bindings::view,
}

const FAR_M: f32 = 1000.0;

struct Backdrop {
    zenith: vec4<f32>,
    horizon: vec4<f32>,
    // Colour of the ground; its height.
    ground: vec4<f32>,
    // Direction to the sun.
    sun: vec4<f32>,
    // Halvings per metre; codes of sky and terrain.
    haze: vec4<f32>,
}

@group(#{MATERIAL_BIND_GROUP}) @binding(0) var<uniform> backdrop: Backdrop;

@fragment
fn fragment(in: VertexOutput) -> FragmentOutput {
    let ray = in.world_position.xyz - view.world_position;
    let depth_per_ray = -(view.view_from_world * vec4(ray, 0.0)).z;
    // A ray that reaches one metre deep, as the other renderer measures it.
    let along = ray / depth_per_ray;
    let eye_m = max(view.world_position.y - backdrop.ground.w, 0.1);
    let below = along.y < -eye_m / FAR_M;
    let ground_m = select(FAR_M, -eye_m / min(along.y, -1e-6), below);
    var out: FragmentOutput;
#ifdef LABELS
    out.color = vec4(select(backdrop.haze.y, backdrop.haze.z, below), ground_m, 0.0, 1.0);
#else
    if below {
        let clear = exp2(-backdrop.haze.x * ground_m);
        out.color = vec4(mix(backdrop.horizon.rgb, backdrop.ground.rgb, clear), 1.0);
        return out;
    }
    let direction = normalize(ray);
    var sky = mix(backdrop.horizon.rgb, backdrop.zenith.rgb, clamp(direction.y * 2.2, 0.0, 1.0));
    // A disc half a degree wide would be lost: this one is four, with a glow around it.
    let towards = max(dot(direction, backdrop.sun.xyz), 0.0);
    sky += vec3(1.0, 0.92, 0.75) * (smoothstep(0.9992, 0.9998, towards) + 0.25 * pow(towards, 60.0));
    out.color = vec4(sky, 1.0);
#endif
    return out;
}
