//! `secrets status`: how old each secret is, by what `env fingerprint` wrote down.

use std::path::Path;

use anyhow::Context as _;
use palisade_check::date;
use palisade_probe::Root;
use palisade_probe::env::committed;
use serde_json::json;

use crate::check::today;
use crate::output::{self, Exit, Format};

/// A quarter.
const MAX_DAYS: i64 = 92;

pub(super) fn run(folder: &Path, format: Format) -> anyhow::Result<Exit> {
    let root = Root::new(folder).with_context(|| format!("{} cannot be entered", folder.display()))?;
    let environments = committed(&root).map_err(|unknown| anyhow::anyhow!("{}: {}", unknown.why, unknown.remedy))?;
    let now = date::days(&today()).unwrap_or_default();
    let mut rows = Vec::new();
    for (environment, committed) in &environments {
        for (name, variable) in &committed.variables {
            let Some(since) = variable.since.as_ref().filter(|_| is_rotated(name)) else { continue };
            let Some(start) = date::days(since) else { continue };
            rows.push((environment, name, since, now - start, date::written(start + MAX_DAYS)));
        }
    }
    let overdue = rows.iter().any(|(.., days, _)| *days > MAX_DAYS);
    if format == Format::Json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(environment, name, since, days, due)| {
                json!({ "environment": environment, "name": name, "since": since, "days": days, "due": due, "overdue": *days > MAX_DAYS })
            })
            .collect();
        output::result(&serde_json::to_string_pretty(&json!({ "secrets": rows }))?);
    } else {
        for (environment, name, since, days, due) in &rows {
            let state = if *days > MAX_DAYS { "OVERDUE since" } else { "due" };
            output::result(&format!("{environment:<12} {name:<36} {days:>4} days, since {since}, {state} {due}"));
        }
    }
    if rows.is_empty() {
        output::note(
            "Nobody has written down since when secrets are in use: run `palisade env fingerprint`, and commit what it writes",
        );
    }
    Ok(if overdue || rows.is_empty() { Exit::Findings } else { Exit::Fine })
}

/// What a quarter is meant for: secrets, and not public names or the halves of a rotation.
fn is_rotated(name: &str) -> bool {
    let secret = ["SECRET", "PASSWORD", "TOKEN", "PRIVATE", "API_KEY"].iter().any(|part| name.contains(part));
    secret && !name.starts_with("NEXT_PUBLIC_") && !name.ends_with("_PREVIOUS") && !name.ends_with("_PREVIOUS_UNTIL")
}
