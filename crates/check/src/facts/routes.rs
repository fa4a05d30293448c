//! Every address of an app that its source declares, and what the source shows of its protection.

use serde::{Deserialize, Serialize};

/// The routes of a project, read from its source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Routes {
    /// What answers, by surface, path and place.
    pub endpoints: Vec<Endpoint>,
    /// What runs before the routes: Next.js's `proxy.ts` or `middleware.ts`.
    pub interceptors: Vec<Interceptor>,
    /// Frameworks that were recognised.
    pub frameworks: Vec<Stack>,
    /// Folders of Next.js apps, from the root of the project; its own is empty.
    pub apps: Vec<String>,
    /// Packages of the project that say what it uses: `@clerk/nextjs`, `stripe`.
    pub packages: Vec<String>,
    /// Files that could not be read to their end, and why: what they declare is not known.
    pub unread: Vec<Unread>,
    /// Source files that were parsed.
    pub files: u64,
}

/// A framework.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stack {
    /// Next.js.
    NextJs,
    /// Convex.
    Convex,
    /// axum.
    Axum,
    /// Whatever an OpenAPI document describes.
    OpenApi,
}

/// What kind of address it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Surface {
    /// A page of the App or the Pages Router.
    Page,
    /// `route.ts` of the App Router.
    RouteHandler,
    /// `pages/api/**`: its default export answers every method.
    ApiRoute,
    /// A function under `'use server'`; its path is `file#name`.
    ServerAction,
    /// `http.route({ path, method, handler })` in `convex/http.ts`: at Convex's own address, never through the gate.
    ConvexHttp,
    /// An exported public `query`, `mutation` or `action` of Convex: called from browsers, never through the gate.
    ConvexFunction,
    /// A route of an axum router.
    Axum,
    /// An operation of an OpenAPI document.
    OpenApi,
}

/// One address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Its kind.
    pub surface: Surface,
    /// The path as a policy writes it: `/api/users/{id}`; a name for what has no path.
    pub path: String,
    /// The methods that it answers; empty for actions and functions.
    #[serde(default)]
    pub methods: Vec<String>,
    /// The file, from the root of the project.
    pub file: String,
    /// The line, from 1.
    #[serde(default)]
    pub line: u32,
    /// What its source shows.
    #[serde(default)]
    pub shown: Shown,
    /// Checks that an inline `palisade-ok(check): reason` excuses it from.
    #[serde(default)]
    pub allowances: Vec<Allowance>,
}

/// An inline allowance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowance {
    /// What is allowed: `csrf`, `rate-limit`, `validation` ...
    pub check: String,
    /// Why. Never empty.
    pub reason: String,
    /// Its line.
    pub line: u32,
}

/// What the source of a route shows of its protection. A sign is evidence, not proof: the code was read, not run.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shown {
    /// Names of the functions that wrap the handler, the outermost first.
    pub wrappers: Vec<String>,
    /// What limits it: the name of the call.
    pub rate_limit: Option<String>,
    /// What checks its CSRF token.
    pub csrf: Option<String>,
    /// What asks who is calling.
    pub identity: Option<String>,
    /// What verifies the sender's signature.
    pub signature: Option<String>,
    /// What verifies a signature in a way that leaks time: an HMAC compared with `===`.
    pub weak_signature: Option<String>,
    /// What compares a secret of the caller's with one of the app's: `CRON_SECRET`.
    pub shared_secret: Option<String>,
    /// What it reads of the request: `request.json`.
    pub input: Option<String>,
    /// What checks it: `safeParse`.
    pub validation: Option<String>,
    /// What compares the caller with the owner of the thing.
    pub ownership: Option<String>,
    /// What compares the caller's plan.
    pub plan: Option<String>,
    /// Where a raw error goes into the answer: `error.stack`.
    pub raw_error: Option<String>,
    /// Whether errors are caught, here or by a wrapper.
    pub catches: bool,
    /// Whether it writes: a database's verbs, `fetch` by POST and the like.
    pub writes: bool,
    /// Wrappers and calls that were not found in the project's source: what they do is known by their name alone.
    pub unresolved: Vec<String>,
}

/// What runs before the routes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interceptor {
    /// The file.
    pub file: String,
    /// The paths it runs for, as Next.js writes them; `None` where it runs for all or where they are computed.
    pub matchers: Option<Vec<String>>,
    /// Whether its matchers could be read.
    pub readable: bool,
    /// What its source shows.
    pub shown: Shown,
}

/// A file whose routes are not known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unread {
    /// The file.
    pub file: String,
    /// Why.
    pub why: String,
}

// === impl Surface ===

impl Surface {
    /// Whether requests to it pass the gate.
    #[must_use]
    pub fn behind_gate(self) -> bool {
        !matches!(self, Surface::ConvexHttp | Surface::ConvexFunction)
    }

    /// Whether it has a path that a policy can declare.
    #[must_use]
    pub fn has_path(self) -> bool {
        !matches!(self, Surface::ServerAction | Surface::ConvexFunction)
    }
}

// === impl Endpoint ===

impl Endpoint {
    /// Whether it answers a method that changes something.
    #[must_use]
    pub fn is_unsafe(&self) -> bool {
        self.methods.iter().any(|method| !matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS"))
    }

    /// Why it is excused from a check.
    #[must_use]
    pub fn excused(&self, check: &str) -> Option<&Allowance> {
        self.allowances.iter().find(|allowance| allowance.check == check)
    }
}
