//! The reference as a JSON Schema, for editors.

use serde_json::{Map, Value, json};

use super::table::TABLES;
use super::{Absent, Key, Shape};

/// A JSON Schema (draft 2020-12) of the file. It is an editor's help: what it lets pass, `palisade policy check` still judges.
#[must_use]
pub fn schema() -> Value {
    let tables: Map<String, Value> = TABLES
        .iter()
        .map(|table| {
            let mut one = object(table.keys);
            if table.many {
                one = json!({ "type": "array", "items": one });
            }
            described(&mut one, table.what);
            (table.name.to_owned(), one)
        })
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "palisade.toml",
        "description": "Each route of a web app, declared once by its kind",
        "type": "object",
        "properties": tables,
        "additionalProperties": false,
    })
}

fn object(keys: &[Key]) -> Value {
    let properties: Map<String, Value> = keys
        .iter()
        .map(|key| {
            let mut one = of(&key.shape);
            described(&mut one, key.what);
            (key.name.to_owned(), one)
        })
        .collect();
    let demanded: Vec<&str> = keys.iter().filter(|key| key.absent == Absent::Demanded).map(|key| key.name).collect();
    json!({ "type": "object", "properties": properties, "required": demanded, "additionalProperties": false })
}

fn described(schema: &mut Value, what: &str) {
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), Value::from(what));
    }
}

fn of(shape: &Shape) -> Value {
    let one_or_list = |one: Value| json!({ "anyOf": [one.clone(), { "type": "array", "items": one }] });
    match shape {
        Shape::Text => json!({ "type": "string" }),
        Shape::Texts => one_or_list(json!({ "type": "string" })),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Number => json!({ "type": "integer", "minimum": 0 }),
        Shape::Size => json!({ "type": ["string", "integer"], "examples": ["64KiB", "5MiB"] }),
        Shape::Duration => json!({ "type": "string", "examples": ["50ms", "30s", "10min", "4h"] }),
        Shape::Limit => json!({ "type": "string", "pattern": "^[0-9]+ */ *[a-z]+$", "examples": ["5/min"] }),
        Shape::Word(words) => json!({ "enum": words() }),
        Shape::Words(words) => one_or_list(json!({ "enum": words() })),
        Shape::Table(keys) => object(keys),
        Shape::Named(shape) => json!({ "type": "object", "additionalProperties": of(shape) }),
        Shape::List(shape) => one_or_list(of(shape)),
        Shape::Any(shapes) => json!({ "anyOf": shapes.iter().map(of).collect::<Vec<_>>() }),
    }
}
