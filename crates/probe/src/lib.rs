//! Collects facts about a project: its routes, from its source, and the secrets that lie in it.

mod files;
pub mod routes;
pub mod secrets;
