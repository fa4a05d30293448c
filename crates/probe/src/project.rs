//! What the project's manifests say about it.

use std::collections::BTreeMap;

use palisade_check::Unknown;
use palisade_check::facts::project::Project;
use serde_json::Value;

use crate::root::{Root, Unread};

/// The largest manifest that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// Packages whose use means that a service is used.
const SERVICES: [(&str, &[&str]); 4] = [
    ("clerk", &["@clerk/nextjs", "@clerk/backend", "@clerk/clerk-react", "@clerk/express", "@clerk/clerk-sdk-node"]),
    ("convex", &["convex"]),
    ("stripe", &["stripe", "@stripe/stripe-js"]),
    ("svix", &["svix"]),
];

/// Reads `package.json`, and `Cargo.toml` by its presence alone.
///
/// # Errors
/// There is no manifest, or it cannot be read.
pub fn collect(root: &Root) -> Result<Project, Unknown> {
    let manifest = match manifest(root) {
        Ok(Some(manifest)) => manifest,
        Ok(None) if root.has("Cargo.toml") => return Ok(Project::default()),
        Ok(None) => {
            return Err(Unknown::new("there is no package.json and no Cargo.toml", "run it in the project's root"));
        }
        Err(unknown) => return Err(unknown),
    };
    let dependencies = strings(&manifest, "dependencies");
    let services = SERVICES.iter().filter(|(_, packages)| packages.iter().any(|it| dependencies.contains_key(*it)));
    let services = services.map(|(service, _)| (*service).to_owned()).collect();
    Ok(Project { services, scripts: strings(&manifest, "scripts").into_keys().collect(), dependencies })
}

/// `package.json` as JSON, if there is one.
pub(crate) fn manifest(root: &Root) -> Result<Option<Value>, Unknown> {
    let text = match root.text("package.json", MAX_FILE) {
        Ok(text) => text,
        Err(Unread::Absent) => return Ok(None),
        Err(why) => return Err(Unknown::new(format!("package.json was not read: {why}"), "make it a plain file")),
    };
    let manifest = serde_json::from_str(text.trim_start_matches('\u{feff}'));
    manifest.map(Some).map_err(|error| Unknown::new(format!("package.json is not JSON: {error}"), "mend it"))
}

/// The members of an object that are strings.
pub(crate) fn strings(value: &Value, name: &str) -> BTreeMap<String, String> {
    let members = value.get(name).and_then(Value::as_object);
    members.into_iter().flatten().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}
