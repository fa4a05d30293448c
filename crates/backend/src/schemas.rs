//! JSON Schema (drafts 4 to 2020-12), compiled at load: nothing is fetched, and every pattern runs in linear time.

use std::sync::Arc;

use crate::verify::AwsLc;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{PatternOptions, Retrieve, Uri, ValidationError, Validator};
use palisade_diag::{Diagnostic, Diagnostics};
use palisade_guard::{Providers, Schema, Schemas, Violation, read_json};
use serde_json::{Map, Value, json};

/// The engine of JSON Schema.
#[derive(Debug, Clone, Copy, Default)]
pub struct JsonSchemas;

/// What compiles a plan natively: schemas and signatures. Keys of an issuer come from the configuration.
#[must_use]
pub fn providers() -> Providers {
    Providers { verify: Some(Arc::new(AwsLc)), schemas: Some(Arc::new(JsonSchemas)), ..Providers::default() }
}

/// The largest compiled pattern, in bytes.
const PATTERN_SIZE: usize = 1 << 20;
/// The longest name of a property that a message repeats, in characters.
const MAX_NAME: usize = 60;

#[derive(Debug)]
struct Compiled(Validator);

/// Documents elsewhere are never read: a schema is whole, or it does not load.
struct Nowhere;

impl Retrieve for Nowhere {
    fn retrieve(&self, _: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err("a schema refers to nothing outside itself".into())
    }
}

// === impl JsonSchemas ===

impl Schemas for JsonSchemas {
    fn compile(&self, source: &str) -> Result<Arc<dyn Schema>, Diagnostics> {
        let mut schema = read_json(source.as_bytes()).map_err(|_| {
            let what = "it is not JSON, lies more than 64 deep, or names a key twice";
            Diagnostics::from(Diagnostic::error("schema-malformed", what).fix("mend the JSON"))
        })?;
        if let Some(problem) = elsewhere(&schema).or_else(|| circle(&schema)) {
            return Err(problem.into());
        }
        linear(&mut schema);
        let built = jsonschema::options()
            .with_retriever(Nowhere)
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_SIZE).dfa_size_limit(PATTERN_SIZE))
            .should_validate_formats(true)
            .should_ignore_unknown_formats(true)
            .build(&schema);
        match built {
            Ok(validator) => Ok(Arc::new(Compiled(validator))),
            Err(error) => Err(broken(&error).into()),
        }
    }
}

fn broken(error: &ValidationError<'_>) -> Diagnostic {
    let place = error.instance_path().to_string();
    let place = if place.is_empty() { "it".to_owned() } else { format!("{place} of it") };
    match error.kind() {
        ValidationErrorKind::Format { format } if format == "regex" => {
            let what = format!("{place} is not a pattern that runs in linear time");
            let fix = "write it without back references, and look-around only right after a leading `^`";
            Diagnostic::error("schema-pattern", what).fix(fix)
        }
        ValidationErrorKind::Referencing(_) => {
            Diagnostic::error("schema-reference", format!("{place} refers to what is not there"))
                .fix("define it under `$defs` and refer to `#/$defs/NAME`")
        }
        _ => Diagnostic::error("schema-malformed", format!("{place} is not valid JSON Schema: {}", error.masked()))
            .fix("see https://json-schema.org/understanding-json-schema/reference"),
    }
}

/// A reference that leaves the document.
fn elsewhere(schema: &Value) -> Option<Diagnostic> {
    visit(schema, &mut |object| {
        let keys = ["$ref", "$dynamicRef", "$recursiveRef"];
        let out = keys.into_iter().filter_map(|key| object.get(key)?.as_str()).find(|to| !to.starts_with('#'))?;
        let what = format!("it refers to another document: {}", shown(out));
        let fix = "put the referred schema under `$defs` and refer to `#/$defs/NAME`; nothing is fetched";
        Some(Diagnostic::error("schema-remote", what).fix(fix))
    })
}

/// References that lead back to themselves without going into the instance: checking would never end.
fn circle(schema: &Value) -> Option<Diagnostic> {
    visit(schema, &mut |object| {
        let start = object.get("$ref")?.as_str()?;
        let mut seen: Vec<&str> = Vec::new();
        let mut queue = vec![start];
        while let Some(at) = queue.pop() {
            if seen.contains(&at) {
                continue;
            }
            seen.push(at);
            let Some(target) = at.strip_prefix('#').and_then(|pointer| schema.pointer(pointer)) else { continue };
            if in_place(target).contains(&start) {
                let what = format!("{} refers to itself without end", shown(start));
                return Some(Diagnostic::error("schema-circular", what).fix("refer to it from a property or an item"));
            }
            queue.extend(in_place(target));
        }
        None
    })
}

/// The references of a schema that apply to the very same value.
fn in_place(schema: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    let mut queue = vec![schema];
    while let Some(schema) = queue.pop() {
        let Some(object) = schema.as_object() else { continue };
        found.extend(object.get("$ref").and_then(Value::as_str));
        queue.extend(["not", "if", "then", "else"].into_iter().filter_map(|key| object.get(key)));
        let lists = ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| object.get(key)?.as_array());
        queue.extend(lists.flatten());
        let dependent = object.get("dependentSchemas").and_then(Value::as_object);
        queue.extend(dependent.into_iter().flat_map(Map::values));
    }
    found
}

/// Calls `look` on every object of a value, until it finds something.
fn visit<T>(value: &Value, look: &mut impl FnMut(&Map<String, Value>) -> Option<T>) -> Option<T> {
    match value {
        Value::Object(object) => look(object).or_else(|| object.values().find_map(|value| visit(value, look))),
        Value::Array(items) => items.iter().find_map(|value| visit(value, look)),
        _ => None,
    }
}

/// Rewrites patterns that begin with look-ahead, as Zod's of e-mail addresses and host names do: `^(?!A)(?=B)C` is
/// "not `^A`, and `^B`, and `^C`", and each of these runs in linear time.
fn linear(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(linear);
            let split = object.get("pattern").and_then(Value::as_str).and_then(split_pattern);
            if let Some(mut parts) = split {
                object.remove("pattern");
                if let Some(Value::Array(all)) = object.get_mut("allOf") {
                    all.append(&mut parts);
                } else {
                    object.insert("allOf".to_owned(), Value::Array(parts));
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(linear),
        _ => {}
    }
}

/// The parts of a pattern with leading look-ahead; `None` where there is none, or the pattern has alternatives that it
/// does not govern.
fn split_pattern(pattern: &str) -> Option<Vec<Value>> {
    let mut rest = pattern.strip_prefix('^')?;
    let mut parts = Vec::new();
    loop {
        let (negative, inner) = match (rest.strip_prefix("(?!"), rest.strip_prefix("(?=")) {
            (Some(inner), _) => (true, inner),
            (_, Some(inner)) => (false, inner),
            _ => break,
        };
        let end = group_end(inner)?;
        let (ahead, after) = (inner.get(..end)?, inner.get(end + 1..)?);
        let pattern = format!("^(?:{ahead})");
        parts.push(if negative {
            json!({ "not": { "type": "string", "pattern": pattern } })
        } else {
            json!({ "pattern": pattern })
        });
        rest = after;
    }
    if parts.is_empty() || has_alternatives(rest) {
        return None;
    }
    parts.push(json!({ "pattern": format!("^{rest}") }));
    Some(parts)
}

/// Where the group that was just opened closes.
fn group_end(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    tokens(text).find_map(|(at, byte)| match byte {
        b'(' => {
            depth += 1;
            None
        }
        b')' if depth == 0 => Some(at),
        b')' => {
            depth -= 1;
            None
        }
        _ => None,
    })
}

fn has_alternatives(text: &str) -> bool {
    let mut depth = 0_i32;
    tokens(text).any(|(_, byte)| {
        depth += i32::from(byte == b'(') - i32::from(byte == b')');
        byte == b'|' && depth == 0
    })
}

/// The bytes of a pattern that are neither escaped nor within a class.
fn tokens(text: &str) -> impl Iterator<Item = (usize, u8)> {
    let (mut escaped, mut class) = (false, false);
    text.bytes().enumerate().filter(move |(_, byte)| {
        let plain = !escaped && !class;
        match byte {
            _ if escaped => escaped = false,
            b'\\' => {
                escaped = true;
                return false;
            }
            b'[' => class = true,
            b']' => class = false,
            _ => {}
        }
        plain
    })
}

// === impl Compiled ===

impl Schema for Compiled {
    fn violations(&self, instance: &Value, most: usize) -> Vec<Violation> {
        if self.0.is_valid(instance) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for error in self.0.iter_errors(instance).take(most) {
            tell(&error, &mut found);
        }
        if found.is_empty() {
            // Whatever the two ways of checking disagree about, the input did not pass.
            found.push(Violation { pointer: String::new(), text: "is not valid".to_owned() });
        }
        found.truncate(most);
        found
    }
}

/// What is wrong, in words that hold neither the value nor, where that is a secret of the app, the rule.
fn tell(error: &ValidationError<'_>, found: &mut Vec<Violation>) {
    use ValidationErrorKind as K;
    let pointer = error.instance_path().to_string();
    let text = match error.kind() {
        K::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            found.push(Violation { pointer: below(&pointer, name), text: "is required".to_owned() });
            return;
        }
        K::AdditionalProperties { unexpected } | K::UnevaluatedProperties { unexpected } => {
            let names = unexpected.iter().map(|name| below(&pointer, name));
            found.extend(names.map(|pointer| Violation { pointer, text: "is not expected here".to_owned() }));
            return;
        }
        K::Type { kind: TypeKind::Single(kind) } => format!("is not of type {kind}"),
        K::Type { kind: TypeKind::Multiple(_) } => "is of another type".to_owned(),
        K::MinLength { limit } => format!("is shorter than {limit} characters"),
        K::MaxLength { limit } => format!("is longer than {limit} characters"),
        K::Minimum { limit } => format!("is less than {limit}"),
        K::Maximum { limit } => format!("is greater than {limit}"),
        K::ExclusiveMinimum { limit } => format!("is not greater than {limit}"),
        K::ExclusiveMaximum { limit } => format!("is not less than {limit}"),
        K::MultipleOf { multiple_of } => format!("is not a multiple of {multiple_of}"),
        K::MinItems { limit } => format!("has fewer than {limit} items"),
        K::MaxItems { limit } => format!("has more than {limit} items"),
        K::MinProperties { limit } => format!("has fewer than {limit} properties"),
        K::MaxProperties { limit } => format!("has more than {limit} properties"),
        K::UniqueItems => "has equal items".to_owned(),
        K::Format { format } => format!("is not written as {}", shown(format)),
        K::Pattern { .. } | K::Not { .. } => "is not written in the form wanted".to_owned(),
        K::Enum { .. } | K::Constant { .. } => "is not one of the values taken".to_owned(),
        K::AnyOf { .. } | K::OneOfNotValid { .. } | K::OneOfMultipleValid { .. } => {
            "fits none of the forms taken, or several".to_owned()
        }
        K::Contains => "lacks a wanted item".to_owned(),
        K::AdditionalItems { .. } | K::UnevaluatedItems { .. } => "has items that are not expected".to_owned(),
        K::PropertyNames { .. } => "has a name that is not taken".to_owned(),
        K::FalseSchema => "is not expected here".to_owned(),
        _ => "is not valid".to_owned(),
    };
    found.push(Violation { pointer, text });
}

fn below(pointer: &str, name: &str) -> String {
    let name: String = name.chars().take(MAX_NAME).collect();
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// A text of a schema as a message may repeat it.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect()
}
