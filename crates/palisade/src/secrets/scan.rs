//! `secrets scan`: what lies in the project, its history and what it ships.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use palisade_backend::SystemEntropy;
use palisade_check::facts::secrets::{Coverage, Leak, LeakSource, Secrets};
use palisade_guard::Entropy as _;
use palisade_probe::secrets::{self, Baseline, Wanted, is_day};
use palisade_probe::{Root, write_regular};
use serde_json::json;

use crate::args::Scan;
use crate::output::{self, Exit, Format};

/// The largest baseline, in bytes.
const LARGEST: u64 = 8 << 20;

pub(crate) fn run(args: &Scan, format: Format) -> anyhow::Result<Exit> {
    let root = Root::new(&args.root).with_context(|| format!("{} is no folder", args.root.display()))?;
    if args.until.as_deref().is_some_and(|until| !is_day(until)) {
        bail!("--until is a day: 2027-06-30");
    }
    let today = crate::check::today();
    let (key, baseline) = baseline(args)?;
    let wanted = Wanted { history: args.history, built: args.built };
    let mut found = secrets::scan(&root, wanted, key).map_err(anyhow::Error::msg)?;
    let lapsed = baseline.lapsed(&found.leaks, &today);
    baseline.apply(&mut found.leaks, &today);
    if let (Some(path), Some(reason), Some(until)) = (&args.baseline, &args.accept, &args.until) {
        let accepted = baseline.accept(&found.leaks, key, reason, until, &today);
        write_regular(path, accepted.text().as_bytes(), 0o644)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        accepted.apply(&mut found.leaks, &today);
    }
    match format {
        Format::Json => output::result(&serde_json::to_string_pretty(&data(&found, lapsed))?),
        Format::Human => output::result(text(&found, lapsed).trim_end()),
    }
    Ok(if found.open().next().is_some() { Exit::Findings } else { Exit::Fine })
}

/// The key of the fingerprints, and what was accepted. Without a baseline the key is one of this run.
fn baseline(args: &Scan) -> anyhow::Result<([u8; 32], Baseline)> {
    let Some(path) = &args.baseline else {
        let mut key = [0; 32];
        SystemEntropy.fill(&mut key);
        return Ok((key, Baseline::default()));
    };
    let key = crate::env::fingerprint_key(true)?.context("there is no place for the key of fingerprints")?;
    if args.accept.is_some() && !path.exists() {
        return Ok((key, Baseline::default()));
    }
    let text = read(path).with_context(|| format!("no baseline can be read from {}", path.display()))?;
    Ok((key, Baseline::parse(&text, key)?))
}

fn read(path: &Path) -> anyhow::Result<String> {
    let about = std::fs::metadata(path)?;
    if !about.is_file() || about.len() > LARGEST {
        bail!("it is no file of at most {LARGEST} bytes");
    }
    Ok(std::fs::read_to_string(path)?)
}

/// For machines. No time, no key: two runs over the same project say the same.
fn data(found: &Secrets, lapsed: usize) -> serde_json::Value {
    let Coverage { files, bytes, blobs, too_large, binary, unreadable, links, dropped, history, shallow } =
        found.coverage;
    let leaks: Vec<_> = found
        .leaks
        .iter()
        .map(|leak| {
            json!({
                "rule": leak.rule,
                "title": leak.title,
                "source": leak.source,
                "path": leak.path,
                "line": leak.line,
                "column": leak.column,
                "blob": leak.blob,
                "masked": masked(leak),
                "variable": leak.variable,
                "length": leak.length,
                "certainty": leak.certainty,
                "test": leak.test,
                "allowed": leak.allowed,
            })
        })
        .collect();
    json!({
        "summary": { "open": found.open().count(), "allowed": found.leaks.len() - found.open().count(), "lapsed": lapsed },
        "findings": leaks,
        "coverage": {
            "files": files, "bytes": bytes, "blobs": blobs, "history": history, "shallow": shallow,
            "skipped": { "too_large": too_large, "binary": binary, "unreadable": unreadable, "links": links, "findings": dropped },
        },
    })
}

/// What may be shown of a secret.
fn masked(leak: &Leak) -> String {
    format!("{}...", leak.prefix)
}

fn text(found: &Secrets, lapsed: usize) -> String {
    let mut out = String::new();
    for leak in found.open() {
        let place = match leak.source {
            LeakSource::History => format!("{} (history, {})", leak.path, leak.blob.as_deref().unwrap_or_default()),
            LeakSource::Tree => format!("{}:{}:{}", leak.path, leak.line, leak.column),
            LeakSource::Built => format!("{}:{}:{} (goes to browsers)", leak.path, leak.line, leak.column),
        };
        let place: String = place.chars().filter(|c| !c.is_control()).collect();
        let variable = leak.variable.as_ref().map(|name| format!(", the value of {name}")).unwrap_or_default();
        let test = if leak.test { ", for testing" } else { "" };
        let _ = writeln!(
            out,
            "{place}\n    {}{variable}{test}: {} ({} bytes) [{}]",
            leak.title,
            masked(leak),
            leak.length,
            leak.rule
        );
    }
    let Coverage { files, blobs, too_large, binary, unreadable, links, dropped, history, shallow, bytes: _ } =
        found.coverage;
    let open = found.open().count();
    let _ = writeln!(
        out,
        "{open} open, {} allowed, in {files} files{}",
        found.leaks.len() - open,
        if history { format!(" and {blobs} objects of the history") } else { String::new() }
    );
    let skipped = [
        (too_large, "too large"),
        (binary, "not text"),
        (unreadable, "unreadable"),
        (links, "links"),
        (dropped, "findings beyond the most"),
    ];
    let skipped: Vec<String> =
        skipped.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if !skipped.is_empty() {
        let _ = writeln!(out, "left out: {}", skipped.join(", "));
    }
    if shallow {
        let _ = writeln!(out, "the clone is shallow: earlier commits are not here");
    }
    if lapsed > 0 {
        let _ = writeln!(out, "{lapsed} entries of the baseline allow nothing any more");
    }
    if open > 0 {
        let _ = writeln!(
            out,
            "A key that was committed or shipped is known: revoke it at its provider first, then remove it."
        );
    }
    out
}
