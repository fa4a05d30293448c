//! What looks at a project's files: `init` and `secrets scan`, over projects that the tests write.
#![allow(clippy::expect_used, clippy::panic, reason = "a test stops where its ground is missing, and says why")]

#[path = "project/corpus.rs"]
mod corpus;
#[path = "project/folder.rs"]
mod folder;
#[path = "project/init.rs"]
mod init;
#[path = "project/scan.rs"]
mod scan;
