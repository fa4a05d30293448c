use std::collections::{BTreeMap, BTreeSet};

use palisade_diag::{Diagnostics, Span};

use crate::builder::PolicyBuilder;
use crate::file::reader::Reader;
use crate::model::{Environment, Framework, Origin};
use crate::place::Place;
use crate::policy::Policy;
use crate::services;

/// A policy file that was read, before what lies outside it is known.
#[derive(Debug, Clone)]
pub struct Draft {
    pub(crate) builder: PolicyBuilder,
    /// Origins as written; those of variables are known when the policy is built.
    pub(crate) origins: Vec<OriginSource>,
    /// Schema files by route.
    pub(crate) schemas: Vec<SchemaSource>,
    pub(crate) environments: BTreeMap<Environment, Variables>,
    pub(crate) found: Diagnostics,
    pub(crate) places: BTreeMap<Place, Span>,
    pub(crate) bad: BTreeSet<Place>,
    pub(crate) partial: BTreeSet<Place>,
    /// It comes without its text: places are named in words.
    pub(crate) textless: bool,
}

/// Something outside the file that [`Draft::build`] wants to know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Want {
    /// The text of a JSON Schema, by its path relative to the policy file.
    Schema(String),
    /// The text of the framework's manifest of server actions, by its path relative to the policy file.
    Manifest(String),
    /// The text of the framework's list of routes, by its path relative to the policy file.
    Routes(String),
    /// The value of a variable, if it is set.
    Variable(String),
}

/// Where an origin comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OriginSource {
    Written(Origin),
    Variable(String),
}

/// A schema that a route names.
#[derive(Debug, Clone)]
pub(crate) struct SchemaSource {
    pub(crate) route: usize,
    pub(crate) from: SchemaFrom,
}

/// Where a schema is.
#[derive(Debug, Clone)]
pub(crate) enum SchemaFrom {
    /// In a file, relative to the policy's.
    File(String),
    /// In the policy itself.
    Inline(String),
    /// Among those that ship with Palisade.
    Preset(String),
}

/// `[env.NAME]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variables {
    pub(crate) required: Vec<String>,
    pub(crate) optional: Vec<String>,
}

impl SchemaSource {
    fn file(&self) -> Option<String> {
        match &self.from {
            SchemaFrom::File(path) => Some(path.clone()),
            SchemaFrom::Inline(_) | SchemaFrom::Preset(_) => None,
        }
    }
}

/// Where Next.js puts the list of server actions, below the project's directory.
const MANIFEST: &str = ".next/server/server-reference-manifest.json";
/// And the list of the App Router's routes.
const ROUTES: &str = ".next/app-path-routes-manifest.json";

/// Variables by which Vercel tells an app where it is served.
pub(super) const VERCEL: [&str; 3] = ["VERCEL_PROJECT_PRODUCTION_URL", "VERCEL_URL", "VERCEL_BRANCH_URL"];

impl Draft {
    /// A draft of nothing, and of no file.
    pub(crate) fn empty() -> Draft {
        Draft {
            builder: Policy::builder("app", Vec::new()),
            origins: Vec::new(),
            schemas: Vec::new(),
            environments: BTreeMap::new(),
            found: Diagnostics::new(),
            places: BTreeMap::new(),
            bad: BTreeSet::new(),
            partial: BTreeSet::new(),
            textless: true,
        }
    }

    /// A draft of nothing.
    pub(super) fn new(reader: Reader) -> Draft {
        let Reader { found, places, bad, partial, .. } = reader;
        Draft { found, places, bad, partial, textless: false, ..Draft::empty() }
    }

    /// A file that was not read at all: nothing that follows from its emptiness is told.
    pub(super) fn unread(mut reader: Reader) -> Draft {
        reader.bad.insert(Place::key("app", "public_origin"));
        Draft::new(reader)
    }

    /// What [`Draft::build`] wants to know, each once: files relative to the policy file, and variables. Whoever
    /// collects it opens files without following links, inside the policy's folder (what was built: below
    /// `[app] directory`).
    #[must_use]
    pub fn wants(&self) -> Vec<Want> {
        let mut wants: BTreeSet<Want> = self.schemas.iter().filter_map(SchemaSource::file).map(Want::Schema).collect();
        wants.extend(self.manifest_path().map(Want::Manifest));
        wants.extend(self.built_path(ROUTES).map(Want::Routes));
        wants.extend(self.variables().into_iter().map(Want::Variable));
        wants.into_iter().collect()
    }

    /// The files of JSON Schema that routes name, relative to the policy file.
    pub fn schema_files(&self) -> impl Iterator<Item = String> {
        self.schemas.iter().filter_map(SchemaSource::file)
    }

    /// The manifest of the framework, if it has one.
    pub(super) fn manifest_path(&self) -> Option<String> {
        self.built_path(MANIFEST)
    }

    fn built_path(&self, file: &str) -> Option<String> {
        let Framework::NextJs = self.builder.app.framework?;
        let directory = self.builder.app.directory.as_deref().unwrap_or(".").trim_end_matches('/');
        Some(if matches!(directory, "" | ".") { file.to_owned() } else { format!("{directory}/{file}") })
    }

    /// Every variable that the file or its presets speak of, in any environment.
    fn variables(&self) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = services::ALWAYS.iter().map(|name| (*name).to_owned()).collect();
        names.extend(VERCEL.iter().map(|name| (*name).to_owned()));
        for service in &self.builder.app.services {
            let preset = services::variables(*service);
            names.extend(preset.required.iter().chain(preset.optional).map(|name| (*name).to_owned()));
        }
        for listed in self.environments.values() {
            names.extend(listed.required.iter().chain(&listed.optional).cloned());
        }
        for signature in self.builder.routes.iter().filter_map(|route| route.signature.as_ref()) {
            names.extend(signature.secrets.iter().cloned());
        }
        for origin in &self.origins {
            if let OriginSource::Variable(name) = origin {
                names.insert(name.clone());
            }
        }
        if self.builder.identity.is_some() {
            names.extend([services::CLERK_KEY.to_owned(), "CLERK_JWT_KEY".to_owned()]);
        }
        names.extend(self.builder.state.redis.clone());
        names.extend(self.builder.alerting.variables().into_iter().map(str::to_owned));
        names
    }
}
