//! What the source does with secrets, errors and cards.

use serde::{Deserialize, Serialize};

use crate::facts::Place;

/// Statements that a reader should see.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Source {
    /// How many files were read.
    pub files: u32,
    /// Files that were not read: too large, not text, or links.
    pub skipped: u32,
    /// Sensitive data in log statements.
    pub logged: Vec<Statement>,
    /// Variables of the environment in log statements.
    pub logged_environment: Vec<Statement>,
    /// Answers that carry an error's own text or stack.
    pub raw_errors: Vec<Statement>,
    /// Fields for card numbers that the app itself handles.
    pub card_fields: Vec<Statement>,
    /// Card data in log statements.
    pub logged_cards: Vec<Statement>,
    /// Where a component of the browser asks for the visitor's plan.
    pub browser_plans: Vec<Statement>,
}

/// A statement and why it is listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Where it stands.
    pub place: Place,
    /// What gave it away: a name such as `password`, never a value.
    pub what: String,
}
