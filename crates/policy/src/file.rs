//! `palisade.toml`: text to [`Draft`] with all problems at their places, then, with what lies outside the file,
//! to a [`Policy`](crate::Policy).

mod alerting;
mod build;
pub(crate) mod draft;
mod reader;
mod route;
mod tables;
#[cfg(test)]
mod tests;
mod values;

pub use build::{Built, Overrides, Sources};
pub use draft::{Draft, Want};

use palisade_diag::{Diagnostic, Diagnostics, FileId, Span};
use toml::de::DeTable;

use crate::secret;
use reader::{Reader, Table};

/// The most bytes of a policy file. Ten thousand routes take less.
const MAX_BYTES: usize = 2 << 20;

/// Reads the text of a policy file.
///
/// Reading goes on after every problem, so that one run names all of them. The same problems come with
/// [`Draft::build`], in the order of their places: whoever builds needs not keep those returned here.
#[must_use]
pub fn parse(file: FileId, text: &str) -> (Draft, Diagnostics) {
    let mut reader = Reader::new(file);
    if text.len() > MAX_BYTES {
        let what = format!("the file has {} bytes; at most {MAX_BYTES} are read", text.len());
        reader.found.push(Diagnostic::error("file-too-large", what).fix("join routes of one kind by a parameter"));
        let draft = Draft::unread(reader);
        let found = draft.found.clone();
        return (draft, found);
    }
    for range in secret::find(text) {
        reader.found.push(leaked(reader.span(range)));
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = reader.span(error.span().unwrap_or(0..0));
        let code = if error.message() == "duplicate key" { "key-duplicate" } else { "syntax" };
        let fix = if code == "syntax" {
            "mend this line; https://toml.io shows how TOML is written"
        } else {
            "keep one of the two"
        };
        reader.found.push(Diagnostic::error(code, format!("not TOML: {}", error.message())).at(span, "").fix(fix));
    }
    let root = Table::root(table.get_ref());
    let draft = tables::read(reader, root);
    let found = draft.found.clone();
    (draft, found)
}

/// A secret that stands in the file, which nothing may repeat.
fn leaked(span: Span) -> Diagnostic {
    Diagnostic::error("secret-in-file", "a secret is written into the policy file").at_secret(span, "a secret").fix(
        "replace the secret at its provider (this one is known to whoever saw the file), put the new one into a \
         variable, and name the variable here",
    )
}
