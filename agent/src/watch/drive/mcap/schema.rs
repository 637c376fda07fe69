//! What a topic's messages look like, as JSON schema: own fields by their kinds, and what is inside of Foxglove's.
//!
//! # Source
//! Names, kinds and numbers of Foxglove's messages: <https://github.com/foxglove/foxglove-sdk>, `schemas/jsonschema`.

use serde_json::{Map, Value, json};

/// A field: its name, its kind and what it is.
pub(super) type Field = (&'static str, &'static str, &'static str);

/// A topic: its name, its schema, and its fields.
pub(super) struct Topic {
    pub name: &'static str,
    pub schema: &'static str,
    pub fields: &'static [Field],
}

/// `SceneEntityDeletion.type`: the entity of that name, rather than all.
pub(super) const MATCHING_ID: u32 = 0;
/// `LinePrimitive.type`: from each point to the next.
pub(super) const LINE_STRIP: u32 = 0;
/// `LinePrimitive.type`: from the first to the second, from the third to the fourth.
pub(super) const LINE_LIST: u32 = 2;

/// The schema of a topic; readers ask for what is inside of objects and arrays.
pub(super) fn schema(topic: &Topic, reward_terms: &[&str]) -> String {
    let field = |&(name, kind, words): &Field| {
        let mut field = match kind {
            "time" => time("time"),
            "base64" => json!({ "type": "string", "contentEncoding": "base64" }),
            "array" => list(plain("number")),
            "transforms" => list(transform()),
            "deletions" => list(deletion()),
            "entities" => list(entity()),
            "terms" => {
                let terms = reward_terms.iter().map(|term| ((*term).to_owned(), plain("number")));
                json!({ "type": "object", "properties": terms.collect::<Map<_, _>>() })
            }
            kind => plain(kind),
        };
        field["description"] = json!(words);
        (name.to_owned(), field)
    };
    let properties: Map<String, Value> = topic.fields.iter().map(field).collect();
    let mut schema = json!({ "title": topic.schema, "type": "object", "properties": properties });
    // Fields of our own may be null.
    if topic.schema.starts_with("foxglove.") {
        schema["required"] = topic.fields.iter().map(|(name, ..)| *name).collect();
    }
    schema.to_string()
}

fn plain(kind: &str) -> Value {
    json!({ "type": kind })
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

/// A point in time, or how long something takes.
fn time(title: &str) -> Value {
    json!({ "title": title, "type": "object", "properties": { "sec": plain("integer"), "nsec": plain("integer") } })
}

/// Numbers that stand for something.
fn choice(names: &[&str]) -> Value {
    let meanings = names.iter().enumerate().map(|(number, name)| json!({ "title": name, "const": number }));
    // Older readers know no `oneOf`, and take it for the number that it is.
    json!({ "type": "integer", "oneOf": meanings.collect::<Vec<_>>() })
}

/// An object all of whose fields must be there.
fn record<const N: usize>(title: &str, fields: [(&str, Value); N]) -> Value {
    let required = fields.each_ref().map(|(name, _)| *name).to_vec();
    let properties: Map<String, Value> = fields.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect();
    json!({ "title": format!("foxglove.{title}"), "type": "object", "properties": properties, "required": required })
}

fn numbers<const N: usize>(title: &str, names: [&str; N]) -> Value {
    record(title, names.map(|name| (name, plain("number"))))
}

fn vector() -> Value {
    numbers("Vector3", ["x", "y", "z"])
}

fn quaternion() -> Value {
    numbers("Quaternion", ["x", "y", "z", "w"])
}

fn pose() -> Value {
    record("Pose", [("position", vector()), ("orientation", quaternion())])
}

fn points() -> Value {
    list(numbers("Point3", ["x", "y", "z"]))
}

fn colour() -> Value {
    numbers("Color", ["r", "g", "b", "a"])
}

fn transform() -> Value {
    record(
        "FrameTransform",
        [
            ("timestamp", time("time")),
            ("parent_frame_id", plain("string")),
            ("child_frame_id", plain("string")),
            ("translation", vector()),
            ("rotation", quaternion()),
        ],
    )
}

fn deletion() -> Value {
    let kind = choice(&["MATCHING_ID", "ALL"]);
    record("SceneEntityDeletion", [("timestamp", time("time")), ("type", kind), ("id", plain("string"))])
}

fn entity() -> Value {
    record(
        "SceneEntity",
        [
            ("timestamp", time("time")),
            ("frame_id", plain("string")),
            ("id", plain("string")),
            ("lifetime", time("duration")),
            ("frame_locked", plain("boolean")),
            ("metadata", list(record("KeyValuePair", [("key", plain("string")), ("value", plain("string"))]))),
            ("arrows", list(arrow())),
            ("cubes", list(record("CubePrimitive", [("pose", pose()), ("size", vector()), ("color", colour())]))),
            ("spheres", list(record("SpherePrimitive", [("pose", pose()), ("size", vector()), ("color", colour())]))),
            ("cylinders", list(cylinder())),
            ("lines", list(line())),
            ("triangles", list(triangles())),
            ("texts", list(text())),
            ("models", list(model())),
        ],
    )
}

fn arrow() -> Value {
    record(
        "ArrowPrimitive",
        [
            ("pose", pose()),
            ("shaft_length", plain("number")),
            ("shaft_diameter", plain("number")),
            ("head_length", plain("number")),
            ("head_diameter", plain("number")),
            ("color", colour()),
        ],
    )
}

fn cylinder() -> Value {
    record(
        "CylinderPrimitive",
        [
            ("pose", pose()),
            ("size", vector()),
            ("bottom_scale", plain("number")),
            ("top_scale", plain("number")),
            ("color", colour()),
        ],
    )
}

fn line() -> Value {
    record(
        "LinePrimitive",
        [
            ("type", choice(&["LINE_STRIP", "LINE_LOOP", "LINE_LIST"])),
            ("pose", pose()),
            ("thickness", plain("number")),
            ("scale_invariant", plain("boolean")),
            ("points", points()),
            ("color", colour()),
            ("colors", list(colour())),
            ("indices", list(plain("integer"))),
        ],
    )
}

fn triangles() -> Value {
    record(
        "TriangleListPrimitive",
        [
            ("pose", pose()),
            ("points", points()),
            ("color", colour()),
            ("colors", list(colour())),
            ("indices", list(plain("integer"))),
        ],
    )
}

fn text() -> Value {
    record(
        "TextPrimitive",
        [
            ("pose", pose()),
            ("billboard", plain("boolean")),
            ("font_size", plain("number")),
            ("scale_invariant", plain("boolean")),
            ("color", colour()),
            ("text", plain("string")),
        ],
    )
}

fn model() -> Value {
    record(
        "ModelPrimitive",
        [
            ("pose", pose()),
            ("scale", vector()),
            ("color", colour()),
            ("override_color", plain("boolean")),
            ("url", plain("string")),
            ("media_type", plain("string")),
            ("data", json!({ "type": "string", "contentEncoding": "base64" })),
        ],
    )
}
