//! Diagnostics: what is wrong, where, and how to mend it.
//!
//! Every reader of text (policy, environment, rules) reports through [`Diagnostics`], so that all problems are seen at
//! once and none hides another. [`human`] shows them to people with the line underlined, [`json`] to machines.

mod diagnostic;
mod json;
mod render;
mod sources;

pub use diagnostic::{Diagnostic, Diagnostics, FileId, Label, Severity, Span};
pub use json::json;
pub use render::{Colour, human};
pub use sources::{Position, Sources};
