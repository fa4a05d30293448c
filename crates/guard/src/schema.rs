//! JSON Schema without its engine: what a route's input must look like, and how form and query fields become values.
//!
//! The engine stands behind [`Schemas`] and is chosen by whoever compiles the plan: it would take ten times the code of
//! the guard into a browser's or an edge worker's module.

use std::fmt;
use std::sync::Arc;

use palisade_diag::{Diagnostic, Diagnostics};
use palisade_policy::{Policy, Route, Schema as Source, preset_schema};
use serde_json::{Map, Value};

use crate::ordered::Ordered;
use palisade_policy::json::read_json;

/// Compiles schemas. Called while a plan is compiled, never for a request.
pub trait Schemas: Send + Sync {
    /// Compiles the text of a JSON Schema.
    ///
    /// # Errors
    /// What is wrong with it: not a schema, a reference to another document, a pattern that cannot run in linear time.
    fn compile(&self, source: &str) -> Result<Arc<dyn Schema>, Diagnostics>;
}

/// A compiled schema.
pub trait Schema: fmt::Debug + Send + Sync {
    /// What is wrong with an instance: nothing, or up to `most` violations. Texts never repeat a value.
    fn violations(&self, instance: &Value, most: usize) -> Vec<Violation>;
}

/// One thing that is wrong with an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where, as a JSON pointer (RFC 6901); empty for the whole.
    pub pointer: String,
    /// What is wrong, without the value.
    pub text: String,
}

/// No engine: a policy with schemas does not compile.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSchemas;

/// The most violations that an answer tells.
pub(crate) const MAX_VIOLATIONS: usize = 20;
/// The longest pointer that an answer tells, in bytes: its keys come from the client.
const MAX_POINTER: usize = 200;
/// The schema keyword that says what the instance is: `"body"`, or `"request"` for path, query and body together.
const SCOPE: &str = "x-palisade-input";

/// A route's schema with what the guard must know of it to build an instance.
#[derive(Debug)]
pub(crate) struct SchemaPlan {
    schema: Arc<dyn Schema>,
    pub(crate) scope: Scope,
    pub(crate) shapes: Shapes,
    /// Under [`Scope::Request`]: of the parts.
    pub(crate) path: Shapes,
    pub(crate) query: Shapes,
    pub(crate) body: Shapes,
}

/// What the instance of a schema is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The body; of a request without one, its query and path parameters.
    Body,
    /// `{ "path": {..}, "query": {..}, "body": .. }`.
    Request,
}

/// The types of an object's properties, for fields that arrive as text.
#[derive(Debug, Default)]
pub(crate) struct Shapes(Ordered<String, Shape>);

/// What a field's text becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Shape {
    kind: Scalar,
    /// The property is an array: the field may come any number of times.
    list: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Scalar {
    #[default]
    Text,
    Integer,
    Number,
    Boolean,
}

// === impl NoSchemas ===

impl Schemas for NoSchemas {
    fn compile(&self, _: &str) -> Result<Arc<dyn Schema>, Diagnostics> {
        let what = "schemas cannot be checked here: no engine of JSON Schema was given";
        Err(Diagnostic::error("schema-unsupported", what).fix("give one to Plan::compile").into())
    }
}

// === impl SchemaPlan ===

impl SchemaPlan {
    /// Compiles a schema's text.
    pub(crate) fn compile(text: &str, schemas: &dyn Schemas) -> Result<Arc<SchemaPlan>, Diagnostics> {
        let schema = schemas.compile(text)?;
        let root = palisade_policy::json::read_json(text.as_bytes()).map_err(|_| {
            Diagnostics::from(Diagnostic::error("schema-malformed", "the schema is not JSON, or names a key twice"))
        })?;
        let scope = match root.get(SCOPE).and_then(Value::as_str) {
            None if root.get(SCOPE).is_none() => Scope::Body,
            Some("body") => Scope::Body,
            Some("request") => Scope::Request,
            _ => {
                let problem =
                    Diagnostic::error("schema-input", format!("`{SCOPE}` is neither \"body\" nor \"request\""));
                return Err(problem.fix("remove it: the body is what a schema describes by itself").into());
            }
        };
        let part = |name: &str| property(&root, &root, name).map(|part| Shapes::of(&root, part)).unwrap_or_default();
        let (path, query, body) = (part("path"), part("query"), part("body"));
        let shapes = Shapes::of(&root, &root);
        Ok(Arc::new(SchemaPlan { schema, scope, shapes, path, query, body }))
    }

    /// What is wrong with an instance, as it may be told.
    pub(crate) fn violations(&self, instance: &Value) -> Vec<Violation> {
        let mut found = self.schema.violations(instance, MAX_VIOLATIONS);
        found.truncate(MAX_VIOLATIONS);
        for violation in &mut found {
            let end = violation.pointer.floor_char_boundary(MAX_POINTER);
            violation.pointer.truncate(end);
        }
        found
    }
}

/// The plans of all routes' schemas, each text compiled once. Every route's problems are told.
pub(crate) fn compile_all(policy: &Policy, schemas: &dyn Schemas) -> Result<Vec<Option<Arc<SchemaPlan>>>, Diagnostics> {
    let mut known: Ordered<&str, Arc<SchemaPlan>> = Ordered::default();
    let mut bad = Ordered::default();
    let mut found = Diagnostics::new();
    let mut plans = Vec::new();
    for route in policy.routes() {
        let text = route.schema.as_ref().and_then(text);
        let Some(text) = text else {
            if route.schema.is_some() {
                found.push(Diagnostic::error("schema-unknown", format!("{}: there is no such preset", name(route))));
            }
            plans.push(None);
            continue;
        };
        if let Some(plan) = known.get(text) {
            plans.push(Some(Arc::clone(plan)));
            continue;
        }
        plans.push(None);
        if bad.insert(text, ()).is_some() {
            continue;
        }
        match SchemaPlan::compile(text, schemas) {
            Err(problems) => {
                for problem in problems.iter() {
                    found.push(placed(problem.clone(), route));
                }
            }
            Ok(plan) => {
                bad.remove(&text);
                known.insert(text, Arc::clone(&plan));
                plans.pop();
                plans.push(Some(plan));
            }
        }
    }
    if found.is_empty() { Ok(plans) } else { Err(found) }
}

fn text(source: &Source) -> Option<&str> {
    match source {
        Source::File { text, .. } | Source::Inline { text, .. } => Some(text),
        Source::Preset(name) => preset_schema(name),
    }
}

/// The problem with the route's schema named, and its place where the policy was read from a file.
fn placed(problem: Diagnostic, route: &Route) -> Diagnostic {
    let problem = Diagnostic { message: format!("{}: {}", name(route), problem.message), ..problem };
    match &route.schema {
        Some(Source::File { span: Some(span), .. } | Source::Inline { span: Some(span), .. }) => problem.at(*span, ""),
        _ => problem,
    }
}

fn name(route: &Route) -> String {
    match &route.schema {
        Some(Source::File { path, .. }) => format!("{path}, the schema of {}", route.path),
        Some(Source::Preset(name)) => format!("`{name}`, the schema of {}", route.path),
        Some(Source::Inline { .. }) | None => format!("the schema of {}", route.path),
    }
}

// === impl Shapes ===

impl Shapes {
    /// The properties of an object schema, through local references and `allOf`.
    fn of(root: &Value, schema: &Value) -> Shapes {
        let mut shapes = Ordered::default();
        collect(root, schema, &mut shapes, 0);
        Shapes(shapes)
    }

    pub(crate) fn of_field(&self, name: &str) -> Shape {
        self.0.get(name).copied().unwrap_or_default()
    }
}

/// How many steps of `$ref`, `allOf` and the like are followed.
const MAX_STEPS: usize = 8;

fn collect(root: &Value, schema: &Value, shapes: &mut Ordered<String, Shape>, step: usize) {
    if step > MAX_STEPS {
        return;
    }
    let schema = resolve(root, schema);
    for key in ["allOf", "anyOf", "oneOf"] {
        for part in schema.get(key).and_then(Value::as_array).into_iter().flatten() {
            collect(root, part, shapes, step + 1);
        }
    }
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        shapes.insert(name.clone(), shape(root, property));
    }
}

fn shape(root: &Value, property: &Value) -> Shape {
    match kind(root, property, 0) {
        Some("array") => {
            let items = resolve(root, property).get("items").and_then(|items| kind(root, items, 0));
            Shape { kind: Scalar::of(items), list: true }
        }
        other => Shape { kind: Scalar::of(other), list: false },
    }
}

/// The declared type of a property; of several, the first that is not `null`.
fn kind<'v>(root: &'v Value, schema: &'v Value, step: usize) -> Option<&'v str> {
    let schema = resolve(root, schema);
    let named = match schema.get("type") {
        Some(Value::String(kind)) => Some(kind.as_str()),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        _ => None,
    };
    let parts = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    let of_parts = || {
        let mut kinds = parts.filter_map(|part| kind(root, part, step + 1));
        kinds.find(|kind| *kind != "null")
    };
    named.or_else(|| if step < MAX_STEPS { of_parts() } else { None })
}

fn property<'v>(root: &'v Value, schema: &'v Value, name: &str) -> Option<&'v Value> {
    resolve(root, schema).get("properties")?.get(name)
}

/// Follows `$ref` within the document.
fn resolve<'v>(root: &'v Value, schema: &'v Value) -> &'v Value {
    let mut schema = schema;
    for _ in 0..MAX_STEPS {
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix('#'));
        match target.and_then(|pointer| root.pointer(pointer)) {
            Some(next) => schema = next,
            None => break,
        }
    }
    schema
}

impl Scalar {
    fn of(kind: Option<&str>) -> Scalar {
        match kind {
            Some("integer") => Scalar::Integer,
            Some("number") => Scalar::Number,
            Some("boolean") => Scalar::Boolean,
            _ => Scalar::Text,
        }
    }
}

impl Shape {
    /// What a field's text becomes: the declared type where the text is written as one, else the text itself, which
    /// then fails the schema.
    fn read(self, text: String) -> Value {
        let read = match self.kind {
            Scalar::Text => None,
            Scalar::Integer if plain_integer(&text) => text.parse::<i64>().ok().map(Value::from),
            Scalar::Number if plain_number(&text) => read_json(text.as_bytes()).ok(),
            Scalar::Boolean => match text.as_str() {
                // `on` is what a browser sends for a checkbox without a value.
                "true" | "on" => Some(Value::Bool(true)),
                "false" => Some(Value::Bool(false)),
                _ => None,
            },
            Scalar::Integer | Scalar::Number => None,
        };
        read.unwrap_or(Value::String(text))
    }
}

fn plain_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let led_by_zero = digits.len() > 1 && digits.starts_with('0');
    !digits.is_empty() && !led_by_zero && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn plain_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'e' | b'E' | b'+'))
}

/// Makes an object of fields, by the shapes of its properties.
///
/// # Errors
/// The pointer of a field that came twice and is no list.
pub(crate) fn object(fields: Vec<(String, String)>, shapes: &Shapes) -> Result<Map<String, Value>, Violation> {
    let mut object = Map::new();
    for (name, text) in fields {
        let shape = shapes.of_field(&name);
        let value = shape.read(text);
        match object.get_mut(&name) {
            Some(Value::Array(list)) if shape.list => list.push(value),
            Some(_) => return Err(Violation { pointer: pointer(&name), text: "is given more than once".to_owned() }),
            None if shape.list => drop(object.insert(name, Value::Array(vec![value]))),
            None => drop(object.insert(name, value)),
        }
    }
    Ok(object)
}

/// The pointer to a property of the whole.
pub(crate) fn pointer(name: &str) -> String {
    let end = name.floor_char_boundary(MAX_POINTER / 2);
    format!("/{}", name.get(..end).unwrap_or_default().replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(text: &[(&str, &str)]) -> Vec<(String, String)> {
        text.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a10_fields_take_the_declared_types_and_nothing_else() {
        let schema = json!({
            "$defs": { "page": { "type": "integer" } },
            "properties": {
                "page": { "$ref": "#/$defs/page" },
                "size": { "anyOf": [{ "type": "integer" }, { "type": "null" }] },
                "price": { "type": ["null", "number"] },
                "agree": { "type": "boolean" },
                "tag": { "type": "array", "items": { "type": "string" } },
                "id": { "type": "array", "items": { "type": "integer" } },
                "name": { "type": "string" },
            }
        });
        let shapes = Shapes::of(&schema, &schema);
        let sent = fields(&[
            ("page", "2"),
            ("size", "-7"),
            ("price", "1.50"),
            ("agree", "on"),
            ("tag", "1"),
            ("tag", "b"),
            ("id", "1"),
            ("id", "x"),
            ("name", "42"),
            ("other", "true"),
        ]);
        let expect = json!({
            "page": 2, "size": -7, "price": 1.5, "agree": true, "tag": ["1", "b"], "id": [1, "x"], "name": "42",
            "other": "true"
        });
        assert_eq!(object(sent, &shapes).map(Value::Object), Ok(expect));
        for text in ["01", "+1", "1.0", "1e3", " 1", "", "-", "0x1", "99999999999999999999", "١"] {
            let read = object(fields(&[("page", text)]), &shapes).expect("object");
            assert_eq!(read.get("page"), Some(&json!(text)), "{text}");
        }
        for text in ["NaN", "Infinity", "1e999", "--1", ".5", "1,5"] {
            let read = object(fields(&[("price", text)]), &shapes).expect("object");
            assert_eq!(read.get("price"), Some(&json!(text)), "{text}");
        }
    }

    #[test]
    fn a10_a_field_that_comes_twice_is_told_by_its_pointer() {
        let twice = object(fields(&[("a/b~", "1"), ("a/b~", "2")]), &Shapes::default());
        assert_eq!(twice.expect_err("twice").pointer, "/a~1b~0");
    }

    #[test]
    fn a10_references_in_a_circle_end() {
        let schema = json!({ "$ref": "#", "allOf": [{ "$ref": "#/allOf/0" }] });
        assert!(Shapes::of(&schema, &schema).0.len() == 0);
    }
}
