//! What a topic's messages look like, as JSON schema.

use serde_json::{Map, Value, json};

/// A topic: its name, its schema, and its fields with their kind and what they are.
pub(super) struct Topic {
    pub name: &'static str,
    pub schema: &'static str,
    pub fields: &'static [(&'static str, &'static str, &'static str)],
}

/// The schema of a topic; readers ask for what is inside of objects and arrays.
pub(super) fn schema(topic: &Topic, reward_terms: &[&str]) -> String {
    let field = |&(name, kind, words): &(&str, &str, &str)| {
        let mut field = match kind {
            "time" => json!({ "type": "object", "properties": {
                "sec": { "type": "integer" }, "nsec": { "type": "integer" },
            }}),
            "base64" => json!({ "type": "string", "contentEncoding": "base64" }),
            "array" => json!({ "type": "array", "items": { "type": "number" } }),
            "terms" => {
                let terms = reward_terms.iter().map(|term| ((*term).to_owned(), json!({ "type": "number" })));
                json!({ "type": "object", "properties": terms.collect::<Map<_, _>>() })
            }
            plain => json!({ "type": plain }),
        };
        field["description"] = json!(words);
        (name.to_owned(), field)
    };
    let properties: Map<String, Value> = topic.fields.iter().map(field).collect();
    json!({ "title": topic.schema, "type": "object", "properties": properties }).to_string()
}
