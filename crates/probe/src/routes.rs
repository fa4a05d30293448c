//! Routes from source: what an app answers, read from its code and not from its policy.
//!
//! Code is parsed, never run. What cannot be followed is told: files that do not parse, wrappers from packages, routers that
//! are computed. Caps: 512 KiB a file, 20,000 files; names are followed ten steps.

mod axum;
mod convex;
mod link;
mod module;
mod next;
mod openapi;
mod parse;
mod signs;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use palisade_check::facts::routes::{Routes, Stack, Unread};
use serde_json::Value;

use crate::root::Root;
use crate::walk;
use link::Sources;
pub use words::{Names, Purpose};

/// The most source files.
const FILES: usize = 20_000;

/// The largest manifest, in bytes.
const SMALL: u64 = 1024 * 1024;

/// What the walk has seen.
#[derive(Default)]
struct Seen {
    scripts: BTreeSet<String>,
    rust: Vec<String>,
    manifests: Vec<String>,
    documents: Vec<String>,
    left_out: Option<Unread>,
}

/// A `package.json`.
struct Package {
    folder: String,
    name: Option<String>,
    needs: BTreeSet<String>,
}

/// Reads the routes of a project. `names` are its own wrappers, beside those that are known.
#[must_use]
pub fn collect(root: &Root, names: &Names) -> Routes {
    // A thread with room: parsers call themselves as deep as a text is nested.
    let work = || std::thread::Builder::new().name("routes".to_owned()).stack_size(parse::STACK);
    let found = std::thread::scope(|scope| work().spawn_scoped(scope, || read(root, names)).ok()?.join().ok());
    found.unwrap_or_else(|| {
        let why = "the source could not be read: no thread for it".to_owned();
        Routes { unread: vec![Unread { file: ".".to_owned(), why }], ..Routes::default() }
    })
}

fn read(root: &Root, names: &Names) -> Routes {
    let seen = walk(root);
    let packages: Vec<Package> = seen.manifests.iter().filter_map(|file| package(root, file)).collect();
    let named = packages.iter().filter_map(|package| Some((package.name.clone()?, package.folder.clone())));
    let named: BTreeMap<String, String> = named.collect();
    let sources = Sources::new(root, names, seen.scripts, named);
    let mut routes = Routes::default();
    let mut frameworks = BTreeSet::new();
    for package in &packages {
        if package.needs.contains("next") {
            frameworks.insert(Stack::NextJs);
            let next::Found { endpoints, interceptors } = next::read(&sources, &package.folder);
            // A library may ask for Next.js as well, and is no app.
            if !endpoints.is_empty() {
                routes.apps.push(package.folder.clone());
            }
            routes.endpoints.extend(endpoints);
            routes.interceptors.extend(interceptors);
        }
        if package.needs.contains("convex") {
            frameworks.insert(Stack::Convex);
            routes.endpoints.extend(convex::read(&sources, &package.folder));
        }
        routes.packages.extend(package.needs.iter().cloned());
    }
    let axum = axum::read(&sources, &seen.rust);
    if !axum.is_empty() {
        frameworks.insert(Stack::Axum);
        routes.endpoints.extend(axum);
    }
    for document in &seen.documents {
        let operations = openapi::read(&sources, document);
        if !operations.is_empty() {
            frameworks.insert(Stack::OpenApi);
            routes.endpoints.extend(operations);
        }
    }
    routes.endpoints.sort();
    routes.endpoints.dedup();
    routes.packages.sort();
    routes.packages.dedup();
    routes.frameworks = frameworks.into_iter().collect();
    routes.unread = sources.unread();
    routes.unread.extend(seen.left_out);
    routes.files = sources.parsed();
    routes
}

fn walk(root: &Root) -> Seen {
    const NEVER: [&str; 8] = ["node_modules", ".git", ".next", "target", "dist", "build", "out", "coverage"];
    let mut seen = Seen::default();
    let walk = walk::walk(root.path(), root.path(), |name| name.starts_with('.') || NEVER.contains(&name))
        .sort_by_file_name(std::cmp::Ord::cmp)
        .build();
    for entry in walk.flatten().filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file())) {
        let path = entry.path().strip_prefix(root.path()).unwrap_or(entry.path());
        let Some(path) = path.to_str().map(str::to_owned) else { continue };
        let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
        match ending {
            "ts" | "tsx" | "js" | "jsx" | "mts" | "mjs" | "cts" | "cjs" => drop(seen.scripts.insert(path)),
            "rs" => seen.rust.push(path),
            "json" if path == "package.json" || path.ends_with("/package.json") => seen.manifests.push(path),
            "json" | "yaml" | "yml" if openapi::is_document(&path) => seen.documents.push(path),
            _ => {}
        }
        if seen.scripts.len() + seen.rust.len() >= FILES {
            let why = format!("the project has more than {FILES} source files; the rest was not read");
            seen.left_out = Some(Unread { file: ".".to_owned(), why });
            break;
        }
    }
    seen
}

fn package(root: &Root, file: &str) -> Option<Package> {
    let value: Value = serde_json::from_str(&root.text(file, SMALL).ok()?).ok()?;
    let needs = ["dependencies", "devDependencies", "peerDependencies"];
    let needs =
        needs.iter().filter_map(|list| value.get(list)?.as_object()).flat_map(|list| list.keys().cloned()).collect();
    let folder = file.strip_suffix("package.json").unwrap_or_default().trim_end_matches('/').to_owned();
    Some(Package { folder, name: value.get("name").and_then(Value::as_str).map(str::to_owned), needs })
}
