//! The checklist over a real project, from outside: the example shop with good secrets, and faults planted one at a time.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]

#[path = "support/app.rs"]
mod app;
#[path = "checking/build.rs"]
mod build;
#[path = "checking/canary.rs"]
mod canary;
#[path = "checking/exposure.rs"]
mod exposure;
#[path = "checking/faults.rs"]
mod faults;
#[path = "checking/git.rs"]
mod git;
#[path = "support/http.rs"]
mod http;
#[path = "checking/online.rs"]
mod online;
#[path = "checking/project.rs"]
mod project;
#[path = "checking/rows.rs"]
mod rows;
#[path = "checking/scanners.rs"]
mod scanners;
