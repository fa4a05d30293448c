//! A draft and what lies outside the file become a policy.

use std::collections::BTreeMap;

use palisade_diag::{Diagnostics, Span};
use serde::de::IgnoredAny;

use crate::app_routes;
use crate::builder::named;
use crate::file::draft::{Draft, OriginSource, SchemaFrom, VERCEL};
use crate::file::values;
use crate::manifest;
use crate::model::{Environment, Framework, Origin, Schema};
use crate::place::{Place, Problems};
use crate::policy::Policy;
use crate::wording::shortened;

/// What lies outside the file.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Where the app runs.
    pub environment: Environment,
    /// Variables by name. None needs be there: `policy check` builds without any.
    pub variables: BTreeMap<String, String>,
    /// Files that [`Draft::wants`] named, by the path written there: the text, or why it could not be read.
    pub files: BTreeMap<String, Result<String, String>>,
    /// The framework's manifest of server actions, when there is one.
    pub manifest: Option<String>,
    /// The framework's list of routes, when there is one: what the policy does not declare of it is warned of.
    pub routes: Option<String>,
    /// Flags and `PALISADE_*` variables.
    pub overrides: Overrides,
}

/// Where things are, from flags and `PALISADE_*` variables. They override the file; no protection can be overridden.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--upstream`, `PALISADE_UPSTREAM`.
    pub upstream: Option<String>,
    /// `--listen`, `PALISADE_LISTEN`.
    pub listen: Option<String>,
    /// `--admin`, `PALISADE_ADMIN`.
    pub admin: Option<String>,
    /// `--intake`, `PALISADE_INTAKE`.
    pub intake: Option<String>,
}

/// A policy, and what is worth knowing about it.
#[derive(Debug, Clone)]
pub struct Built {
    /// The policy.
    pub policy: Policy,
    /// Warnings only, in the order of their places.
    pub warnings: Diagnostics,
}

// === impl Sources ===

impl Sources {
    /// Nothing outside the file but the environment's name.
    #[must_use]
    pub fn new(environment: Environment) -> Sources {
        Sources {
            environment,
            variables: BTreeMap::new(),
            files: BTreeMap::new(),
            manifest: None,
            routes: None,
            overrides: Overrides::default(),
        }
    }
}

// === impl Draft ===

impl Draft {
    /// Builds the policy.
    ///
    /// # Errors
    /// Every problem of the file, those of [`parse`](crate::parse) included, in the order of their places; warnings
    /// too.
    pub fn build(mut self, sources: &Sources) -> Result<Built, Diagnostics> {
        let mut problems = Problems::default();
        self.builder.environment = sources.environment;
        self.override_places(&sources.overrides, &mut problems);
        let origins_told = self.find_origins(sources, &mut problems);
        self.read_schemas(sources, &mut problems);
        self.list_variables(sources.environment);
        self.builder = self.builder.presets(&sources.variables);
        self.read_manifest(sources, &mut problems);
        let Draft { builder, places, bad, partial, mut found, textless, .. } = self;
        let (policy, mut more) = builder.build_with_places();
        more.items.retain(|problem| !(origins_told && problem.diagnostic.code == "public-origin-missing"));
        problems.items.extend(more.items);
        if let Some(routes) = &sources.routes {
            app_routes::compare(&policy, routes, &mut problems);
        }
        for problem in problems.items {
            let place = problem.place;
            let absent = partial.contains(&place) && problem.diagnostic.code.ends_with("-missing");
            let kind_is_bad = bad.contains(&Place { key: "kind", ..place });
            if absent || bad.contains(&place) || (kind_is_bad && follows_from_kind(place)) {
                continue;
            }
            let mut diagnostic = problem.diagnostic;
            if textless {
                diagnostic = named(&policy, place, diagnostic);
            } else if let Some(span) = span_of(&places, place) {
                diagnostic = diagnostic.at(span, "");
            }
            if let Some((span, text)) = problem.related.and_then(|(place, text)| Some((span_of(&places, place)?, text)))
            {
                diagnostic = diagnostic.at(span, text);
            }
            found.push(diagnostic);
        }
        found.sort();
        if found.has_errors() { Err(found) } else { Ok(Built { policy, warnings: found }) }
    }

    fn override_places(&mut self, overrides: &Overrides, problems: &mut Problems) {
        let Overrides { upstream, listen, admin, intake } = overrides;
        let app = &mut self.builder.app;
        match upstream.as_deref().map(|text| (text, Origin::parse(text))) {
            Some((text, Some(origin))) if origin.https => {
                let what = format!("--upstream: {}: the gate speaks plain http to its upstreams", shortened(text));
                problems.error(
                    Place::key("(outside)", "--upstream"),
                    "upstream-https",
                    what,
                    "write it like http://127.0.0.1:3000",
                );
            }
            Some((_, Some(origin))) => app.upstreams = vec![origin.into()],
            Some((text, None)) => outside(problems, "--upstream", text, "write it like http://127.0.0.1:3000"),
            None => {}
        }
        let own = &mut self.builder.listen;
        let places: [(_, _, _, fn(&str) -> _); 3] = [
            ("--listen", listen, &mut own.address, values::listen_address),
            ("--admin", admin, &mut own.admin, values::admin_address),
            ("--intake", intake, &mut own.intake, values::listen_address),
        ];
        for (flag, given, slot, read) in places {
            match given.as_deref().map(|text| (text, read(text))) {
                Some((_, Ok(address))) => *slot = Some(address),
                Some((text, Err(_))) => outside(problems, flag, text, "write it like 127.0.0.1:8080"),
                None => {}
            }
        }
    }

    /// The origins as written, or as Vercel tells them. Whether it has told why there is none.
    fn find_origins(&mut self, sources: &Sources, problems: &mut Problems) -> bool {
        let place = Place::key("app", "public_origin");
        let origins = &mut self.builder.app.public_origins;
        // Vercel sets its variables where it runs the app, and nowhere else: there the others are all there are.
        let here = |source: &OriginSource| match source {
            OriginSource::Written(_) => true,
            OriginSource::Variable(name) => sources.variables.contains_key(name),
        };
        let others = self.origins.iter().any(here);
        let elsewhere = |source: &OriginSource| match source {
            OriginSource::Variable(name) => others && VERCEL.contains(&name.as_str()) && !here(source),
            OriginSource::Written(_) => false,
        };
        for source in self.origins.iter().filter(|source| !elsewhere(source)) {
            match source {
                OriginSource::Written(origin) => origins.push(origin.clone()),
                OriginSource::Variable(name) => match sources.variables.get(name).map(|value| told(value)) {
                    Some(Some(origin)) => origins.push(origin),
                    Some(None) => problems.error(
                        place,
                        "origin-malformed",
                        format!("{name} holds no origin"),
                        "set it to the app's address",
                    ),
                    None => problems.error(
                        place,
                        "public-origin-missing",
                        format!("{name} is not set"),
                        "set it, or write the origin itself",
                    ),
                },
            }
        }
        if self.origins.is_empty() && !self.bad.contains(&place) {
            let names = if sources.environment == Environment::Production { VERCEL.get(..2) } else { VERCEL.get(1..) };
            let values = names.unwrap_or_default().iter().filter_map(|name| sources.variables.get(*name));
            origins.extend(values.filter_map(|value| told(value)));
        }
        let mut seen = Vec::new();
        origins.retain(|origin| {
            let new = !seen.contains(origin);
            seen.push(origin.clone());
            new
        });
        origins.is_empty() && !self.origins.is_empty()
    }

    fn read_schemas(&mut self, sources: &Sources, problems: &mut Problems) {
        for schema in &self.schemas {
            let place = Place::route(schema.route, "schema");
            let span = span_of(&self.places, place);
            let found = match &schema.from {
                SchemaFrom::Preset(name) => Schema::Preset(name.clone()),
                SchemaFrom::Inline(text) => {
                    is_schema("the text", text, place, problems);
                    Schema::Inline { text: text.clone(), span }
                }
                SchemaFrom::File(path) => {
                    let Some(text) = schema_file(path, sources, place, problems) else { continue };
                    is_schema(path, text, place, problems);
                    Schema::File { path: path.clone(), text: text.to_owned(), span }
                }
            };
            if let Some(route) = self.builder.routes.get_mut(schema.route) {
                route.schema = Some(found);
            }
        }
    }

    /// Variables that `[env.NAME]` lists for this environment.
    fn list_variables(&mut self, environment: Environment) {
        let Some(listed) = self.environments.get(&environment) else { return };
        self.builder.required_variables.extend(listed.required.iter().cloned());
        self.builder.optional_variables.extend(listed.optional.iter().cloned());
    }

    fn read_manifest(&mut self, sources: &Sources, problems: &mut Problems) {
        let Some(Framework::NextJs) = self.builder.app.framework else { return };
        let place = Place::key("app", "framework");
        match sources.manifest.as_deref().map(manifest::parse) {
            Some(Ok(actions)) => self.builder.manifest = Some(actions),
            Some(Err(why)) => {
                let what = format!("the manifest of server actions cannot be used: {why}");
                problems.error(place, "manifest-malformed", what, "build the app again: `next build`");
            }
            None => {
                let path = self.manifest_path().unwrap_or_default();
                let what = format!("{path} is not there, so no server action is known: in production each is refused");
                problems.warn(
                    place,
                    "manifest-missing",
                    what,
                    "build the app before the gate starts, or set [app] directory",
                );
            }
        }
        let Some(known) = &self.builder.manifest else { return };
        for (index, action) in self.builder.actions.iter().enumerate() {
            let named = known.iter().any(|(id, found)| *id == action.name || found.name.as_ref() == Some(&action.name));
            if !named {
                let what = format!("the app has no server action `{}`", shortened(&action.name));
                let place = Place { table: "action", index, key: "name" };
                problems.warn(place, "action-unknown", what, "remove the entry, or build the app again");
            }
        }
    }
}

/// An origin as a variable tells it: Vercel's have no scheme, and are https.
fn told(value: &str) -> Option<Origin> {
    let value = value.trim().trim_end_matches('/');
    if value.contains("://") { Origin::parse(value) } else { Origin::parse(&format!("https://{value}")) }
}

/// A problem of a flag or a variable, which has no place in the file.
fn outside(problems: &mut Problems, flag: &'static str, text: &str, fix: &str) {
    let what = format!("{flag}: `{}` is not an address", shortened(text));
    problems.error(Place::key("(outside)", flag), "address-malformed", what, fix);
}

/// Where a place is: the key's value; for what a route lacks, its kind; else the table.
fn span_of(places: &BTreeMap<Place, Span>, place: Place) -> Option<Span> {
    let at = |key| places.get(&Place { key, ..place }).copied();
    at(place.key).or_else(|| at("kind")).or_else(|| at(""))
}

/// Whether a problem follows from the kind of a route or an action.
fn follows_from_kind(place: Place) -> bool {
    let own = matches!(place.key, "path" | "limit" | "cost" | "schema" | "because");
    matches!(place.table, "route" | "action") && !own
}

const SCHEMA_FIX: &str = "write a JSON Schema there; Zod exports to it: z.toJSONSchema(schema, { io: \"input\" })";

/// The text of a schema file, or why there is none.
fn schema_file<'s>(path: &str, sources: &'s Sources, place: Place, problems: &mut Problems) -> Option<&'s str> {
    let what = match sources.files.get(path) {
        Some(Ok(text)) => return Some(text),
        Some(Err(why)) => format!("{path} cannot be read: {why}"),
        None => format!("{path} is not there"),
    };
    problems.error(place, "schema-unreadable", what, SCHEMA_FIX);
    None
}

/// Tells where a text cannot be a schema. What its keywords mean is checked when a plan is compiled.
fn is_schema(name: &str, text: &str, place: Place, problems: &mut Problems) {
    let what = match serde_json::from_slice::<IgnoredAny>(text.as_bytes()) {
        Ok(_) if matches!(text.trim_ascii_start().as_bytes(), [b'{' | b't' | b'f', ..]) => return,
        Ok(_) => format!("{name} is not a schema but another JSON value"),
        Err(error) => format!("{name} is not JSON: {error}"),
    };
    problems.error(place, "schema-malformed", what, SCHEMA_FIX);
}
