//! Convex: HTTP actions, and the public functions that any browser may call. No request to them passes the gate.
//!
//! Source: Convex's documentation of functions, HTTP actions and custom functions (`convex-helpers`).

use palisade_check::facts::routes::{Endpoint, Surface};

use super::link::{Sources, joined, property_of};
use super::module::Value;

/// Reads the functions of the app in `folder`.
pub(super) fn read(sources: &Sources<'_>, folder: &str) -> Vec<Endpoint> {
    let place = format!("{}/", joined(folder, "convex"));
    let files = sources.files.iter().filter(|file| {
        file.strip_prefix(&place).is_some_and(|rest| !rest.starts_with("_generated/") && !rest.ends_with(".d.ts"))
    });
    let mut found = Vec::new();
    for file in files.cloned().collect::<Vec<_>>() {
        let name = file.strip_prefix(&place).unwrap_or(&file);
        if matches!(name, "http.ts" | "http.js") {
            found.extend(http(sources, &file));
        } else {
            let name = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
            found.extend(functions(sources, &file, name));
        }
    }
    found
}

/// `http.route({ path, method, handler })`.
fn http(sources: &Sources<'_>, file: &str) -> Vec<Endpoint> {
    let Some(module) = sources.module(file) else { return Vec::new() };
    let mut found = Vec::new();
    for call in &module.routes {
        let Some(options) = call.arguments.first() else { continue };
        let text = |name: &str| match property_of(options, name) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let prefix = text("pathPrefix").map(|prefix| format!("{}/{{*rest}}", prefix.trim_end_matches('/')));
        let (Some(path), Some(method)) = (text("path").or(prefix), text("method")) else {
            sources.left_out(file, "a route of it has a computed path or method");
            continue;
        };
        let shown = property_of(options, "handler").map(|handler| sources.shown(file, handler)).unwrap_or_default();
        found.push(Endpoint {
            surface: Surface::ConvexHttp,
            path,
            methods: vec![method],
            file: file.to_owned(),
            line: call.line,
            shown,
            allowances: module.allowances.clone(),
        });
    }
    found
}

/// Exported public functions: `query`, `mutation`, `action`, and a project's own makers of them.
fn functions(sources: &Sources<'_>, file: &str, name: &str) -> Vec<Endpoint> {
    let allowances = sources.module(file).map(|module| module.allowances.clone()).unwrap_or_default();
    let mut found = Vec::new();
    for (export, (line, (place, value))) in sources.exports(file) {
        let Some((place, Value::Call { callee, arguments })) = sources.settled(&place, &value, 0) else { continue };
        let maker = callee.rsplit('.').next().unwrap_or(&callee).to_ascii_lowercase();
        let public = ["query", "mutation", "action"].iter().any(|kind| maker.ends_with(kind));
        if !public || maker.starts_with("internal") || maker == "httpaction" {
            continue;
        }
        let call = Value::Call { callee: callee.clone(), arguments: arguments.clone() };
        let mut shown = sources.shown(&place, &call);
        if arguments.first().is_some_and(|options| property_of(options, "args").is_some()) {
            shown.validation.get_or_insert_with(|| "args".to_owned());
            shown.input.get_or_insert_with(|| "args".to_owned());
        }
        let guarded = ["auth", "protected", "user", "member", "admin", "tenant", "org", "session"]
            .iter()
            .any(|word| maker.starts_with(word));
        if guarded && shown.identity.is_none() {
            shown.identity = Some(callee);
        }
        shown.writes |= !maker.ends_with("query");
        found.push(Endpoint {
            surface: Surface::ConvexFunction,
            path: format!("{name}:{export}"),
            methods: Vec::new(),
            file: file.to_owned(),
            line,
            shown,
            allowances: allowances.clone(),
        });
    }
    found
}
