//! Collects the facts that [`palisade_check`] judges: what is in the project, its history, and the running site.
//!
//! By itself it starts no package manager and no script of the project, and follows no link out of it. It says what is
//! so, never whether that is good: the word for that belongs to the examiner.

pub mod attest;
pub mod dependencies;
pub mod env;
pub mod git;
pub mod live;
pub mod project;
mod root;
pub mod routes;
pub mod secrets;
pub mod source;
mod walk;

pub use root::{Root, Unread, write_regular};
