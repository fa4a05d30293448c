//! OpenAPI 3 and Swagger 2 documents, in JSON or YAML: paths and methods, for an app in any language.

use palisade_check::facts::routes::{Endpoint, Shown, Surface};
use saphyr_parser::{Event, Parser};
use serde_json::{Map, Value};

use super::link::Sources;

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// The deepest and the largest document that is read.
const DEPTH: usize = 64;
const NODES: usize = 200_000;

/// Whether a file is such a document, by its name.
pub(super) fn is_document(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file).to_ascii_lowercase();
    let ending = [".json", ".yaml", ".yml"].iter().any(|ending| name.ends_with(ending));
    ending && (name.starts_with("openapi") || name.starts_with("swagger")) && file.matches('/').count() <= 4
}

/// Reads a document.
pub(super) fn read(sources: &Sources<'_>, file: &str) -> Vec<Endpoint> {
    let Some(text) = sources.text(file) else { return Vec::new() };
    let value = if file.ends_with(".json") { serde_json::from_str(&text).ok() } else { yaml(&text) };
    let Some(value) = value.filter(|value| value.get("openapi").is_some() || value.get("swagger").is_some()) else {
        sources.left_out(file, "it is no OpenAPI document");
        return Vec::new();
    };
    let base = base(&value);
    let secured = value.get("security").is_some_and(needs_someone);
    let mut found = Vec::new();
    for (path, item) in value.get("paths").and_then(Value::as_object).into_iter().flatten() {
        let Some(item) = item.as_object() else { continue };
        for (method, operation) in item.iter().filter(|(method, _)| METHODS.contains(&method.as_str())) {
            let own = operation.get("security").map(needs_someone);
            let body = operation.get("requestBody").is_some()
                || operation.get("parameters").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
            let shown = Shown {
                identity: own.unwrap_or(secured).then(|| "security".to_owned()),
                input: body.then(|| "requestBody or parameters".to_owned()),
                ..Shown::default()
            };
            let path = format!("{base}{}", path.trim_end_matches('/'));
            found.push(Endpoint {
                surface: Surface::OpenApi,
                path: if path.is_empty() { "/".to_owned() } else { path },
                methods: vec![method.to_ascii_uppercase()],
                file: file.to_owned(),
                line: 1,
                shown,
                allowances: Vec::new(),
            });
        }
    }
    found
}

/// The path of the first server: `https://api.example/v1` is `/v1`.
fn base(value: &Value) -> String {
    let swagger = value.get("basePath").and_then(Value::as_str);
    let server = value.get("servers").and_then(|servers| servers.get(0)?.get("url")?.as_str());
    let server = server.map(|url| {
        url.split_once("://").map_or(url, |(_, rest)| rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default())
    });
    let base = swagger.or(server).unwrap_or_default().trim_end_matches('/');
    if base.starts_with('/') && !base.contains('{') { base.to_owned() } else { String::new() }
}

/// `security: []` and an empty requirement let anyone in.
fn needs_someone(security: &Value) -> bool {
    security
        .as_array()
        .is_some_and(|list| !list.is_empty() && !list.iter().any(|one| one.as_object().is_some_and(Map::is_empty)))
}

/// YAML as JSON: mappings, lists and scalars as text; aliases are null. `None` where it is no YAML, too deep or too large.
fn yaml(text: &str) -> Option<Value> {
    let mut open: Vec<(Value, Option<String>)> = Vec::new();
    let mut done = None;
    for (nodes, event) in Parser::new_from_str(text).enumerate() {
        let (event, _) = event.ok()?;
        if open.len() > DEPTH || nodes > NODES {
            return None;
        }
        let finished = match event {
            Event::MappingStart(..) => {
                open.push((Value::Object(Map::new()), None));
                continue;
            }
            Event::SequenceStart(..) => {
                open.push((Value::Array(Vec::new()), None));
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => open.pop()?.0,
            Event::Scalar(text, ..) => Value::String(text.into_owned()),
            Event::Alias(_) => Value::Null,
            _ => continue,
        };
        match open.last_mut() {
            None => done = done.or(Some(finished)),
            Some((Value::Array(list), _)) => list.push(finished),
            Some((Value::Object(map), key)) => match key.take() {
                Some(key) => drop(map.insert(key, finished)),
                None => *key = Some(finished.as_str().unwrap_or_default().to_owned()),
            },
            Some(_) => return None,
        }
    }
    done
}
