//! What looks at a project's files: `init` and `secrets scan`, over projects that the tests write.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]

#[path = "project/corpus.rs"]
mod corpus;
#[path = "support/folder.rs"]
mod folder;
#[path = "project/init.rs"]
mod init;
#[path = "project/scan.rs"]
mod scan;
