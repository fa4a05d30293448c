//! The reference as a page.

use std::fmt::Write as _;

use super::table::TABLES;
use super::{Absent, Key, Shape, Table};

/// The page `docs/policy.md`.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from(
        "# The policy file, key by key\n\nMade by `palisade policy reference`. \
         [`crates/policy/examples/palisade.toml`](../crates/policy/examples/palisade.toml) shows every key in use, and \
         [`palisade.schema.json`](palisade.schema.json) tells editors. Unknown keys are errors. Secrets are names of variables, never \
         values.\n\nSizes are `\"64MiB\"` or a number of bytes; durations `\"50ms\"`, `\"30s\"`, `\"10min\"`, `\"4h\"`; limits `\"5/min\"`.\n",
    );
    for table in TABLES {
        section(&mut out, table);
    }
    out
}

fn section(out: &mut String, table: &Table) {
    let (open, close) = if table.many { ("[[", "]]") } else { ("[", "]") };
    let _ = write!(out, "\n## `{open}{}{close}`\n\n{}\n\n", table.name, table.what);
    out.push_str("| key | value | without it | what |\n|---|---|---|---|\n");
    rows(out, "", table.keys);
}

fn rows(out: &mut String, within: &str, keys: &[Key]) {
    for Key { name, shape, absent, what } in keys {
        let absent = match absent {
            Absent::Demanded => "**demanded**",
            Absent::Is(absent) => absent,
        };
        let _ = writeln!(out, "| `{within}{name}` | {} | {absent} | {what} |", named(shape));
        inner(out, &format!("{within}{name}."), shape);
    }
}

/// The keys of tables within.
fn inner(out: &mut String, within: &str, shape: &Shape) {
    match shape {
        Shape::Table(keys) => rows(out, within, keys),
        Shape::List(shape) | Shape::Named(shape) => inner(out, within, shape),
        Shape::Any(shapes) => shapes.iter().for_each(|shape| inner(out, within, shape)),
        _ => {}
    }
}

fn named(shape: &Shape) -> String {
    let quoted = |words: &fn() -> Vec<&'static str>| {
        words().into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
    };
    match shape {
        Shape::Text => "text".to_owned(),
        Shape::Texts => "text or list of texts".to_owned(),
        Shape::Flag => "true or false".to_owned(),
        Shape::Number => "number".to_owned(),
        Shape::Size => "size".to_owned(),
        Shape::Duration => "duration".to_owned(),
        Shape::Limit => "limit".to_owned(),
        Shape::Word(words) => quoted(words),
        Shape::Words(words) => format!("list of {}", quoted(words)),
        Shape::Table(_) => "table".to_owned(),
        Shape::Named(shape) => format!("table of {}", named(shape)),
        Shape::List(shape) => format!("{}, or a list", named(shape)),
        Shape::Any(shapes) => shapes.iter().map(named).collect::<Vec<_>>().join(" or "),
    }
}
