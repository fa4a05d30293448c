//! `palisade probe` against servers that do well, and against servers that do badly in one way each.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where its ground is missing, and says why"
)]

#[path = "support/app.rs"]
mod app;
#[path = "probing/cli.rs"]
mod cli;
#[path = "probing/faults.rs"]
mod faults;
#[path = "support/http.rs"]
mod http;
#[path = "probing/tls.rs"]
mod tls;
