//! Next.js: the App Router, the Pages Router, server actions, and what runs before them.
//!
//! Source: Next.js 16's documentation of file conventions; `tests/packages/inventory.test.js` compares what is read here with
//! a build's own manifests and with what the started app answers. Images that code draws (`icon.tsx`,
//! `opengraph-image.tsx`) and what `next.config` rewrites are not seen.

use palisade_check::facts::routes::{Endpoint, Interceptor, Shown, Surface};

use super::link::{Sources, joined, property_of};
use super::module::Value;

/// The methods that a `route.ts` may export.
const METHODS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"];

/// What a handler of `pages/api` answers: its default export gets every method.
const EVERY: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"];

/// Files of the App Router that answer by a name of their own.
const NAMED: [(&str, &str); 3] =
    [("robots", "robots.txt"), ("sitemap", "sitemap.xml"), ("manifest", "manifest.webmanifest")];

const ENDINGS: [&str; 4] = [".tsx", ".ts", ".jsx", ".js"];

/// What a Next.js app declares.
#[derive(Default)]
pub(super) struct Found {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) interceptors: Vec<Interceptor>,
}

/// Reads the app in `folder`.
pub(super) fn read(sources: &Sources<'_>, folder: &str) -> Found {
    let mut found = Found::default();
    let base = base_path(sources, folder);
    let mut beside: Vec<String> = Vec::new();
    for inner in ["", "src"] {
        let place = joined(folder, inner);
        let (app, pages) = (joined(&place, "app"), joined(&place, "pages"));
        let (app, pages) = (format!("{app}/"), format!("{pages}/"));
        let files: Vec<String> = sources.files.iter().cloned().collect();
        let mut here = false;
        for file in files {
            if let Some(rest) = file.strip_prefix(&app) {
                here |= app_file(sources, &file, rest, &base, &mut found);
            } else if let Some(rest) = file.strip_prefix(&pages) {
                here |= pages_file(sources, &file, rest, &base, &mut found);
            }
        }
        if here {
            beside.push(place);
        }
    }
    for place in &beside {
        interceptors(sources, place, &mut found);
    }
    actions(sources, folder, &mut found);
    found
}

/// `basePath` of the configuration, where it is a literal.
fn base_path(sources: &Sources<'_>, folder: &str) -> String {
    let names = ["next.config.ts", "next.config.js", "next.config.mjs", "next.config.cjs", "next.config.mts"];
    let file = names.iter().map(|name| joined(folder, name)).find(|file| sources.files.contains(file));
    let module = file.and_then(|file| sources.module(&file));
    module.and_then(|module| module.settings.get("basePath").cloned()).unwrap_or_default()
}

/// The name without its ending, if it is one of a script.
fn stem(name: &str) -> Option<&str> {
    ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).filter(|stem| !stem.ends_with(".d"))
}

fn app_file(sources: &Sources<'_>, file: &str, rest: &str, base: &str, found: &mut Found) -> bool {
    let (folders, name) = rest.rsplit_once('/').unwrap_or(("", rest));
    let Some(stem) = stem(name) else { return false };
    let paths = app_paths(folders, base);
    if let Some((_, answers)) = NAMED.iter().find(|(named, _)| *named == stem) {
        let made = |path: &String| Endpoint {
            surface: Surface::RouteHandler,
            ..page(sources, file, &format!("{}/{answers}", path.trim_end_matches('/')))
        };
        found.endpoints.extend(paths.iter().map(made));
        return !paths.is_empty();
    }
    if !matches!(stem, "route" | "page") {
        return false;
    }
    for path in &paths {
        let endpoint = if stem == "route" { handler(sources, file, path) } else { Some(page(sources, file, path)) };
        found.endpoints.extend(endpoint);
    }
    !paths.is_empty()
}

/// A route handler, with the methods that it exports; none is no route.
fn handler(sources: &Sources<'_>, file: &str, path: &str) -> Option<Endpoint> {
    let exports = sources.exports(file);
    let mut methods = Vec::new();
    let mut line = 1;
    let mut shown = Shown::default();
    // What changes something decides what is shown: a GET without a guard beside it is common.
    let mut order: Vec<&str> = METHODS.into_iter().filter(|method| exports.contains_key(*method)).collect();
    order.sort_by_key(|method| matches!(*method, "GET" | "HEAD" | "OPTIONS"));
    for (at, method) in order.into_iter().enumerate() {
        let Some((declared, (place, value))) = exports.get(method) else { continue };
        let one = sources.shown(place, value);
        if at == 0 {
            line = *declared;
            shown = one;
        } else if !matches!(method, "GET" | "HEAD" | "OPTIONS") {
            weaker(&mut shown, &one);
        }
        methods.push(method.to_owned());
    }
    if methods.is_empty() {
        return None;
    }
    if methods.iter().any(|method| method == "GET") && !methods.iter().any(|method| method == "HEAD") {
        methods.push("HEAD".to_owned());
    }
    methods.sort();
    Some(endpoint(sources, Surface::RouteHandler, path, methods, file, line, shown))
}

/// Of several methods of one file, what the weakest shows: a guard that one of them lacks is not there.
fn weaker(to: &mut Shown, other: &Shown) {
    let pairs = [
        (&mut to.rate_limit, &other.rate_limit),
        (&mut to.csrf, &other.csrf),
        (&mut to.identity, &other.identity),
        (&mut to.signature, &other.signature),
        (&mut to.ownership, &other.ownership),
        (&mut to.plan, &other.plan),
        (&mut to.shared_secret, &other.shared_secret),
    ];
    for (to, other) in pairs {
        if other.is_none() {
            *to = None;
        }
    }
    // Whoever reads input must check it; whoever reads none needs no check.
    if other.input.is_some() && other.validation.is_none() {
        to.validation = None;
    }
    to.input = to.input.take().or_else(|| other.input.clone());
    to.raw_error = to.raw_error.take().or_else(|| other.raw_error.clone());
    to.weak_signature = to.weak_signature.take().or_else(|| other.weak_signature.clone());
    to.writes |= other.writes;
    to.catches &= other.catches;
    if other.wrappers.len() < to.wrappers.len() {
        to.wrappers.clone_from(&other.wrappers);
    }
}

fn page(sources: &Sources<'_>, file: &str, path: &str) -> Endpoint {
    let shown =
        sources.exports(file).get("default").map(|(_, (place, value))| sources.shown(place, value)).unwrap_or_default();
    endpoint(sources, Surface::Page, path, vec!["GET".to_owned(), "HEAD".to_owned()], file, 1, shown)
}

fn endpoint(
    sources: &Sources<'_>,
    surface: Surface,
    path: &str,
    methods: Vec<String>,
    file: &str,
    line: u32,
    shown: Shown,
) -> Endpoint {
    let allowances = sources.module(file).map(|module| module.allowances.clone()).unwrap_or_default();
    Endpoint { surface, path: path.to_owned(), methods, file: file.to_owned(), line, shown, allowances }
}

/// The paths of a folder of the App Router; none where a part of it is private.
///
/// Groups `(x)` and slots `@x` leave no trace; interception marks name the level from which the rest counts.
fn app_paths(folders: &str, base: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for segment in folders.split('/').filter(|segment| !segment.is_empty()) {
        if segment.starts_with('_') {
            return Vec::new();
        }
        let segment = intercepted(segment, &mut parts);
        let group = segment.starts_with('(') && segment.ends_with(')');
        if !segment.is_empty() && !group && !segment.starts_with('@') {
            parts.push(segment.replace("%5F", "_").replace("%5f", "_"));
        }
    }
    templates(&parts, base)
}

fn intercepted<'a>(segment: &'a str, parts: &mut Vec<String>) -> &'a str {
    let mut rest = segment;
    loop {
        if let Some(inner) = rest.strip_prefix("(...)") {
            parts.clear();
            rest = inner;
        } else if let Some(inner) = rest.strip_prefix("(..)") {
            parts.pop();
            rest = inner;
        } else if let Some(inner) = rest.strip_prefix("(.)") {
            rest = inner;
        } else {
            return rest;
        }
    }
}

/// Templates as a policy writes them; an optional catch-all is two.
fn templates(parts: &[String], base: &str) -> Vec<String> {
    let name = |inner: &str| {
        inner
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' })
            .collect::<String>()
    };
    let mut path = base.trim_end_matches('/').to_owned();
    let mut all = Vec::new();
    for part in parts {
        if let Some(inner) = part.strip_prefix("[[...").and_then(|rest| rest.strip_suffix("]]")) {
            all.push(if path.is_empty() { "/".to_owned() } else { path.clone() });
            path = format!("{path}/{{*{}}}", name(inner));
        } else if let Some(inner) = part.strip_prefix("[...").and_then(|rest| rest.strip_suffix(']')) {
            path = format!("{path}/{{*{}}}", name(inner));
        } else if let Some(inner) = part.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            path = format!("{path}/{{{}}}", name(inner));
        } else {
            path = format!("{path}/{part}");
        }
    }
    all.push(if path.is_empty() { "/".to_owned() } else { path });
    all
}

fn pages_file(sources: &Sources<'_>, file: &str, rest: &str, base: &str, found: &mut Found) -> bool {
    let Some(stem) = stem(rest) else { return false };
    let parts: Vec<String> = stem.split('/').map(str::to_owned).collect();
    let first = parts.first().map(String::as_str).unwrap_or_default();
    if parts.len() == 1 && matches!(first, "_app" | "_document" | "_error" | "404" | "500") {
        return true;
    }
    let exports = sources.exports(file);
    let Some((line, (place, value))) = exports.get("default") else { return false };
    let parts = parts.strip_suffix(&["index".to_owned()]).unwrap_or(&parts);
    for path in templates(parts, base) {
        if first == "api" {
            let methods = EVERY.into_iter().map(str::to_owned).collect();
            found.endpoints.push(endpoint(
                sources,
                Surface::ApiRoute,
                &path,
                methods,
                file,
                *line,
                sources.shown(place, value),
            ));
        } else {
            found.endpoints.push(page(sources, file, &path));
        }
    }
    true
}

/// `proxy.ts` (Next.js 16) or `middleware.ts`, only where `app` or `pages` is.
fn interceptors(sources: &Sources<'_>, place: &str, found: &mut Found) {
    for name in ["proxy", "middleware"] {
        let Some(file) = ENDINGS
            .iter()
            .map(|ending| joined(place, &format!("{name}{ending}")))
            .find(|file| sources.files.contains(file))
        else {
            continue;
        };
        let exports = sources.exports(&file);
        let handler = exports.get("default").or_else(|| exports.get(name));
        let shown = handler.map(|(_, (at, value))| sources.shown(at, value)).unwrap_or_default();
        let matcher = exports.get("config").and_then(|(_, (at, value))| sources.settled(at, value, 0));
        let matcher = matcher.as_ref().and_then(|(_, value)| property_of(value, "matcher"));
        let (matchers, readable) = matcher.map_or((None, true), |value| {
            let read = matchers(value);
            (read.clone(), read.is_some())
        });
        found.interceptors.push(Interceptor { file, matchers, readable, shown });
    }
}

/// `'/x'`, `['/x', ...]`, `[{ source: '/x' }, ...]`; `None` where one of them is computed.
fn matchers(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Text(path) => Some(vec![path.clone()]),
        Value::List(items) => items.iter().map(matchers).collect::<Option<Vec<_>>>().map(|all| all.concat()),
        Value::Object(_) => match property_of(value, "source") {
            Some(Value::Text(path)) => Some(vec![path.clone()]),
            _ => None,
        },
        _ => None,
    }
}

/// Server actions: every exported function of a file that says `'use server'`, and every function that says so inside.
fn actions(sources: &Sources<'_>, folder: &str, found: &mut Found) {
    let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let files: Vec<String> = sources.files.iter().filter(|file| file.starts_with(&prefix)).cloned().collect();
    for file in files {
        let said =
            sources.text(&file).is_some_and(|text| memchr::memmem::find(text.as_bytes(), b"use server").is_some());
        let Some(module) = said.then(|| sources.module(&file)).flatten() else { continue };
        let mut add = |name: &str, line: u32, shown: Shown| {
            let path = format!("{file}#{name}");
            found.endpoints.push(endpoint(sources, Surface::ServerAction, &path, Vec::new(), &file, line, shown));
        };
        if module.use_server {
            for (name, (line, (place, value))) in sources.exports(&file) {
                add(&name, line, sources.shown(&place, &value));
            }
            continue;
        }
        for action in &module.actions {
            let value = Value::Function(Box::new(action.signs.clone()));
            add(&action.name, action.line, sources.shown(&file, &value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_become_paths() {
        for (folders, paths) in [
            ("", &["/"][..]),
            ("api/users/[id]", &["/api/users/{id}"]),
            ("(shop)/api/[...rest]", &["/api/{*rest}"]),
            ("docs/[[...slug]]", &["/docs", "/docs/{*slug}"]),
            ("api/_private/x", &[]),
            ("api/%5Fnot-private", &["/api/_not-private"]),
            ("feed/@modal/(.)photo/[photo.id]", &["/feed/photo/{photo_id}"]),
            ("feed/(..)photo", &["/photo"]),
        ] {
            assert_eq!(app_paths(folders, ""), paths, "{folders}");
        }
        assert_eq!(app_paths("api/x", "/shop"), ["/shop/api/x"]);
    }
}
