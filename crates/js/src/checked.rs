//! Input that the app's own schema judges (Zod, or anything that parses as it does). JavaScript checks the body as it
//! hands it over; the guard asks for the verdict in its own turn, so a refused input spends no token.

use std::sync::{Arc, Mutex, PoisonError};

use palisade_diag::Diagnostics;
use palisade_guard::{Schema, Schemas, Violation};
use serde_json::Value;

/// The verdict on the request that is being decided. A module decides one at a time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checked(Arc<Mutex<Verdict>>);

/// What the app's schema says.
#[derive(Debug, Clone, Default)]
pub(crate) enum Verdict {
    /// The policy wants a schema here, and the handler has none.
    #[default]
    Nobody,
    /// The handler has one, and looks at what the guard does not read.
    Later,
    /// It found this; nothing is good.
    Found(Vec<Violation>),
}

// === impl Checked ===

impl Checked {
    pub(crate) fn set(&self, verdict: Verdict) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = verdict;
    }
}

impl Schemas for Checked {
    /// Whatever the policy says, the handler's schema judges.
    fn compile(&self, _: &str) -> Result<Arc<dyn Schema>, Diagnostics> {
        Ok(Arc::new(self.clone()))
    }
}

impl Schema for Checked {
    fn violations(&self, _: &Value, most: usize) -> Vec<Violation> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Verdict::Found(found) => found.iter().take(most).cloned().collect(),
            Verdict::Later => Vec::new(),
            Verdict::Nobody => {
                let text = "the policy names a schema and nothing checks it here: wrap the handler in withValidation";
                vec![Violation { pointer: String::new(), text: text.to_owned() }]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_that_nobody_checks_lets_nothing_through() {
        let checked = Checked::default();
        let schema = checked.compile("{}").expect("a schema");
        assert_eq!(schema.violations(&Value::Null, 20).len(), 1);
        checked.set(Verdict::Later);
        assert!(schema.violations(&Value::Null, 20).is_empty());
        let wrong = Violation { pointer: "/a".to_owned(), text: "no".to_owned() };
        checked.set(Verdict::Found(vec![wrong.clone(), wrong.clone()]));
        assert_eq!(schema.violations(&Value::Null, 1), [wrong]);
    }
}
