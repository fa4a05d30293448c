//! Every key of `palisade.toml`, for people and for editors.
//!
//! The reader decides what is accepted; this table says it. A test holds that both know the same keys.

mod markdown;
mod schema;
mod table;

pub use markdown::markdown;
pub use schema::schema;

/// A table of the file.
#[derive(Debug)]
struct Table {
    /// As it is written, without brackets; empty for none.
    name: &'static str,
    /// Whether it may stand more than once: `[[route]]`.
    many: bool,
    what: &'static str,
    keys: &'static [Key],
}

/// A key of a table.
#[derive(Debug)]
struct Key {
    name: &'static str,
    shape: Shape,
    /// What holds without it, or that it must be there.
    absent: Absent,
    what: &'static str,
}

/// What holds where a key is not written.
#[derive(Debug, PartialEq, Eq)]
enum Absent {
    /// The key must be there.
    Demanded,
    /// In words, or as a value in backquotes.
    Is(&'static str),
}

/// What may stand after the equals sign.
#[derive(Debug)]
enum Shape {
    Text,
    /// A text or a list of texts.
    Texts,
    Flag,
    Number,
    /// `"64MiB"`, or a number of bytes.
    Size,
    /// `"30s"`, `"10min"`.
    Duration,
    /// `"5/min"`.
    Limit,
    /// One of these words.
    Word(fn() -> Vec<&'static str>),
    /// Any of these words, one or a list.
    Words(fn() -> Vec<&'static str>),
    /// An inline table.
    Table(&'static [Key]),
    /// A table whose keys are names of the user's.
    Named(&'static Shape),
    /// One of several.
    Any(&'static [Shape]),
    /// One or a list of these.
    List(&'static Shape),
}

#[cfg(test)]
mod tests;
