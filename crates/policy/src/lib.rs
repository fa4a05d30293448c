//! The policy of an app as data: every route by its kind, the defaults that follow from it with their reasons, and
//! the one matcher that the gate, `advise` and `explain` all ask.
//!
//! Nothing here reads a file, a variable, a clock or a socket: texts and values are arguments.

mod advise;
mod app_routes;
mod builder;
mod compiled;
mod defaults;
mod environment;
mod file;
pub mod json;
mod manifest;
mod matcher;
mod model;
mod place;
mod policy;
mod preset;
pub mod reference;
mod rules;
mod schemas;
mod secret;
mod services;
mod suggest;
mod template;
mod tree;
mod wording;

pub use advise::{
    Advice, Guess, Guide, GuideLimit, GuideRow, KindRow, Outcome, Protection, guess, guide_matrix, matrix, matrix_json,
};
pub use builder::PolicyBuilder;
pub use defaults::{KindDefaults, Reason, SIGN_IN, SignIn};
pub use environment::{
    ADMIN_TOKEN, admin_problems, dated_secrets, environment_problems, is_placeholder, live_secrets, start_problems,
};
pub use file::{Built, Draft, Overrides, Sources, Want, parse};
pub use matcher::page_path;
pub use model::{
    Access, ActionRule, Alerting, App, Channel, ChannelKind, Clients, Cors, CspProfile, CspSources, Csrf, CsrfStrength,
    DEFAULT_BUFFERED, Datadog, Detect, Environment, Export, ForwardingHeader, Framework, HealthCheck, Identity,
    IdentityNeed, IdentityProvider, Limit, Limits, Listen, Method, Methods, Mode, Notify, Origin, Otlp, Outage,
    Pattern, Respond, Route, RouteSource, Schema, Service, SharedState, Signals, Signature, SignatureScheme, Silence,
    Success, Threshold, Tls, Undeclared, Upstream,
};
pub use policy::{Found, ManifestAction, Policy, RouteId};
pub use schemas::{PRESET_SCHEMAS, preset_schema};
pub use services::{ALWAYS, Variables, variables};
