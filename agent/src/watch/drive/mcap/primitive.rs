//! What Foxglove's scenes are made of, as messages: entities, cubes, lines, words.

use roadproof_sim::math::{Quat, Vec3};
use serde_json::{Value, json};

/// Colour of words.
const INK: [f32; 3] = [255.0; 3];
/// Height of words in a panel's pixels.
const WORDS_PX: u32 = 14;

/// Something that stays until something of the same name comes.
pub(super) fn entity(id: &str, frame: &str, time: &Value, parts: Vec<(&str, Vec<Value>)>) -> Value {
    let mut entity = json!({
        "timestamp": time,
        "frame_id": frame,
        "id": id,
        "lifetime": { "sec": 0, "nsec": 0 },
        "frame_locked": false,
        "metadata": [],
        "arrows": [],
        "cubes": [],
        "spheres": [],
        "cylinders": [],
        "lines": [],
        "triangles": [],
        "texts": [],
        "models": [],
    });
    for (kind, parts) in parts {
        entity[kind] = Value::Array(parts);
    }
    entity
}

pub(super) fn cube(middle: Vec3, turned: Quat, size_m: Vec3, colour: Value) -> Value {
    json!({ "pose": pose(middle, turned), "size": vector(size_m), "color": colour })
}

pub(super) fn line(kind: u32, width_m: f32, points: impl Iterator<Item = Vec3>, colour: Value) -> Value {
    json!({
        "type": kind,
        "pose": pose(Vec3::ZERO, Quat::IDENTITY),
        "thickness": rounded(width_m, 3),
        "scale_invariant": false,
        "points": points.map(vector).collect::<Vec<_>>(),
        "color": colour,
        "colors": [],
        "indices": [],
    })
}

/// Words that face whoever looks, as large from afar as from near.
pub(super) fn label(middle: Vec3, text: &str) -> Value {
    json!({
        "pose": pose(middle, Quat::IDENTITY),
        "billboard": true,
        "font_size": WORDS_PX,
        "scale_invariant": true,
        "color": colour(INK, 1.0),
        "text": text,
    })
}

pub(super) fn pose(position: Vec3, orientation: Quat) -> Value {
    json!({ "position": vector(position), "orientation": quaternion(orientation) })
}

/// A place to the millimetre.
pub(super) fn vector(at: Vec3) -> Value {
    json!({ "x": rounded(at.x, 3), "y": rounded(at.y, 3), "z": rounded(at.z, 3) })
}

pub(super) fn quaternion(turned: Quat) -> Value {
    let [x, y, z, w] = turned.to_array().map(|value| rounded(value, 6));
    json!({ "x": x, "y": y, "z": z, "w": w })
}

/// A colour in `0..=255` sRGB as Foxglove has it.
pub(super) fn colour(colour: [f32; 3], opacity: f32) -> Value {
    let [r, g, b] = colour.map(|channel| rounded(channel / 255.0, 3));
    json!({ "r": r, "g": g, "b": b, "a": rounded(opacity, 3) })
}

/// A number with as few digits as say what is meant: there are many in a file.
fn rounded(value: f32, decimals: i32) -> f64 {
    let scale = 10.0_f64.powi(decimals);
    (f64::from(value) * scale).round() / scale
}
