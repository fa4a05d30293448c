//! The variables of each environment, from env files in Next.js's load order and from this process, without their values.
//!
//! Source: `@next/env`'s `loadEnvConfig`: what the process has wins, then `.env.MODE.local`, `.env.local`, `.env.MODE`,
//! `.env`. `.env.local` is counted as development's alone, as the guide uses it: the copy on a developer's machine is not
//! what production sees.

mod dotenv;
mod expand;
mod fingerprint;
mod value;

use std::collections::BTreeMap;

use palisade_check::facts::env::{Committed, Env, EnvSet};
use palisade_check::{Fact, Place, Unknown};

pub use dotenv::{Assignment, assignments};
pub use fingerprint::{FINGERPRINTS, read as committed, written};
pub use value::{Keys, describe, key_id};

use crate::root::{Root, Unread};

/// The largest env file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Env files that may hold secrets, by their whole names.
pub(crate) const FILES: [&str; 13] = [
    ".env",
    ".env.local",
    ".env.development",
    ".env.development.local",
    ".env.test",
    ".env.test.local",
    ".env.staging",
    ".env.staging.local",
    ".env.preview",
    ".env.preview.local",
    ".env.production",
    ".env.production.local",
    ".env.vercel",
];

/// What is asked, and what this process brings.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// The environment that is about to be deployed: `production`.
    pub environment: &'a str,
    /// Files that the user named for it, by name and text; the first that sets a variable wins.
    pub files: &'a [(String, String)],
    /// This process's variables, where they are those of that environment.
    pub process: Option<&'a BTreeMap<String, String>>,
}

/// A variable with its value. It stays in this process.
#[derive(Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Expanded.
    pub value: String,
    /// Where it is set; none for the process's own.
    pub place: Option<Place>,
}

/// Collects what may be said of every environment.
#[must_use]
pub fn collect(root: &Root, asked: &Asked<'_>, keys: &Keys) -> Env {
    let mut sets = BTreeMap::new();
    for environment in ["development", "staging", "production"] {
        sets.insert(environment.to_owned(), Fact::from(set(root, environment, asked, keys)));
    }
    let committed: BTreeMap<String, Committed> = fingerprint::read(root).unwrap_or_default();
    Env { sets, committed, key: keys.fingerprint.as_ref().map(key_id) }
}

/// The files of an environment in the order in which they are asked; `.env.local` among them where `local`.
#[must_use]
pub fn files(environment: &str, local: bool) -> Vec<String> {
    let modes: &[&str] = match environment {
        "staging" => &["staging", "preview"],
        other => &[other],
    };
    let own = modes.iter().map(|mode| format!(".env.{mode}.local"));
    let shared = local.then(|| ".env.local".to_owned());
    let modes = modes.iter().map(|mode| format!(".env.{mode}"));
    own.chain(shared).chain(modes).chain([".env".to_owned()]).collect()
}

/// Loads variables with their values: the process's, then those of the texts in their order.
#[must_use]
pub fn load(process: Option<&BTreeMap<String, String>>, texts: &[(String, String)]) -> BTreeMap<String, Loaded> {
    let mut loaded: BTreeMap<String, Loaded> = process
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), Loaded { value: value.clone(), place: None }))
        .collect();
    let mut environment: BTreeMap<String, String> = process.cloned().unwrap_or_default();
    for (file, text) in texts {
        let assignments = assignments(text);
        let own: BTreeMap<String, String> = assignments.iter().map(|it| (it.name.clone(), it.value.clone())).collect();
        let lines: BTreeMap<String, u32> = assignments.iter().map(|it| (it.name.clone(), it.line)).collect();
        for (name, value) in &own {
            if loaded.contains_key(name) {
                continue;
            }
            let value = expand::expand(value, &environment, &own);
            let place = Place { file: file.clone(), line: lines.get(name).copied() };
            loaded.insert(name.clone(), Loaded { value, place: Some(place) });
        }
        for name in own.keys() {
            if let Some(known) = loaded.get(name) {
                environment.insert(name.clone(), known.value.clone());
            }
        }
    }
    loaded
}

/// The texts of those files that are there.
///
/// # Errors
/// One is there and cannot be read.
pub fn texts(root: &Root, files: &[String]) -> Result<Vec<(String, String)>, Unknown> {
    let mut texts = Vec::new();
    for file in files {
        match root.text(file, MAX_FILE) {
            Ok(text) => texts.push((file.clone(), text)),
            Err(Unread::Absent) => {}
            Err(why) => return Err(Unknown::new(format!("{file} was not read: {why}"), "make it a plain file")),
        }
    }
    Ok(texts)
}

fn set(root: &Root, environment: &str, asked: &Asked<'_>, keys: &Keys) -> Result<EnvSet, Unknown> {
    let wanted = environment == asked.environment;
    let process = asked.process.filter(|_| wanted);
    let named: Vec<(String, String)> = if wanted { asked.files.to_vec() } else { Vec::new() };
    let complete = process.is_some() || !named.is_empty();
    let own = texts(root, &files(environment, environment == "development"))?;
    let texts: Vec<(String, String)> = named.into_iter().chain(own).collect();
    if texts.is_empty() && process.is_none() {
        let why = format!("no variables of {environment} can be seen from here");
        let remedy = format!(
            "run `palisade env fingerprint --env {environment}` where they are and commit palisade.fingerprints.json, or name a file: `palisade check --env {environment} --env-file FILE`"
        );
        return Err(Unknown::new(why, remedy));
    }
    let sources =
        process.map(|_| "the process".to_owned()).into_iter().chain(texts.iter().map(|(file, _)| file.clone()));
    let sources = sources.collect();
    // What belongs to the machine and not to the app is nobody's business.
    let ours = |name: &str, loaded: &Loaded| loaded.place.is_some() || is_apps(name);
    let variables = load(process, &texts)
        .into_iter()
        .filter(|(name, loaded)| ours(name, loaded))
        .map(|(name, loaded)| (name, describe(&loaded.value, loaded.place, keys)))
        .collect();
    Ok(EnvSet { sources, complete, variables })
}

/// Whether a variable of the process looks like an app's: what shells and systems set is left out.
fn is_apps(name: &str) -> bool {
    let parts =
        ["SECRET", "KEY", "TOKEN", "PASSWORD", "CLERK", "CONVEX", "STRIPE", "SVIX", "DATABASE", "REDIS", "WEBHOOK"];
    palisade_policy::ALWAYS.contains(&name)
        || name.starts_with("NEXT_PUBLIC_")
        || (name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
            && parts.iter().any(|part| name.contains(part)))
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded").field("place", &self.place).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_file_that_sets_a_variable_wins_and_later_files_see_it() {
        let process = BTreeMap::from([("A".to_owned(), "process".to_owned())]);
        let texts = [
            (".env.production".to_owned(), "A=file\nB=first\n".to_owned()),
            (".env".to_owned(), "B=second\nC=$B-$A\n".to_owned()),
        ];
        let loaded = load(Some(&process), &texts);
        let value = |name: &str| loaded.get(name).map(|it| it.value.as_str());
        assert_eq!(value("A"), Some("process"));
        assert_eq!(value("B"), Some("first"));
        assert_eq!(value("C"), Some("first-process"));
        assert_eq!(loaded.get("C").and_then(|it| it.place.clone()), Some(Place::line(".env", 2)));
    }

    #[test]
    fn the_load_order_is_that_of_next() {
        assert_eq!(files("development", true), [".env.development.local", ".env.local", ".env.development", ".env"]);
        assert_eq!(files("production", true), [".env.production.local", ".env.local", ".env.production", ".env"]);
        assert_eq!(files("production", false), [".env.production.local", ".env.production", ".env"]);
    }
}
