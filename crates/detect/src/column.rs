//! What rules compare: fields of the event, and texts made from them.

use std::borrow::Cow;

use palisade_event::{Field, Seen, Value};

use crate::decode;

/// A column of an event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Column {
    Field(Field),
    /// Path and query as they were sent: Sigma's `cs-uri`.
    Target,
    /// Path and query, percent-decoded at most twice, in lower case, comments and runs of blanks as one blank.
    Decoded,
    /// The route, or the path with every segment that looks like an id as `{}`.
    Shape,
    /// A name that no event carries.
    Unknown(String),
}

impl Column {
    /// The column that a rule calls `name`.
    pub(crate) fn of(name: &str) -> Column {
        match name {
            "url.original" | "cs-uri" | "c-uri" => Column::Target,
            "url.decoded" => Column::Decoded,
            "url.shape" => Column::Shape,
            _ => Field::from_name(name).map_or_else(|| Column::Unknown(name.to_owned()), Column::Field),
        }
    }

    /// The name of the column in what is written about it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Column::Field(field) => field.name(),
            Column::Target => "url.original",
            Column::Decoded => "url.decoded",
            Column::Shape => "url.shape",
            Column::Unknown(name) => name,
        }
    }

    /// Asks something of the column's value. A missing value answers no.
    pub(crate) fn with(&self, seen: &Seen<'_>, ask: impl FnOnce(Value<'_>) -> bool) -> bool {
        match self {
            Column::Field(field) => seen.field(*field).is_some_and(ask),
            _ => self.text(seen).is_some_and(|text| ask(Value::Text(&text))),
        }
    }

    /// The column as text.
    pub(crate) fn text<'s>(&self, seen: &'s Seen<'_>) -> Option<Cow<'s, str>> {
        match self {
            Column::Field(field) => seen.field(*field).map(crate::atom::spelled),
            Column::Target => target(seen),
            Column::Decoded => {
                decode::decoded(seen.path.as_deref().unwrap_or_default(), seen.query.as_deref().unwrap_or_default())
                    .map(Cow::Owned)
            }
            Column::Shape => seen
                .route
                .as_deref()
                .map(Cow::Borrowed)
                .or_else(|| seen.path.as_deref().map(|path| Cow::Owned(decode::shape(path)))),
            Column::Unknown(_) => None,
        }
    }
}

fn target<'s>(seen: &'s Seen<'_>) -> Option<Cow<'s, str>> {
    let path = seen.path.as_deref()?;
    Some(match seen.query.as_deref() {
        Some(query) => Cow::Owned(format!("{path}?{query}")),
        None => Cow::Borrowed(path),
    })
}
