//! What the checks of secrets share.

use crate::check::{Case, Ruled};
use crate::facts::secrets::{Leak, LeakSource};
use crate::facts::{Place, Unknown};

/// Rules for what lets a person or a program in, rather than for a provider's key.
const CREDENTIALS: [&str; 5] = ["named-secret", "database-password", "private-key", "json-web-token", "own-secret"];

/// The most that is told one by one.
const MOST: usize = 100;

/// Whether it is a credential rather than a provider's key.
pub(super) fn is_credential(leak: &Leak) -> bool {
    CREDENTIALS.contains(&leak.rule.as_str())
}

/// One ruling for each open leak that `wanted` takes; a pass where files were read and none was found.
pub(super) fn judge(case: &Case<'_>, wanted: impl Fn(&Leak) -> bool) -> Result<Vec<Ruled>, Unknown> {
    let secrets = case.facts.secrets.known()?;
    if secrets.coverage.files == 0 {
        return Err(Unknown::new("no file was looked at", "run it in the project's root"));
    }
    let mut ruled: Vec<Ruled> = secrets.open().filter(|leak| wanted(leak)).take(MOST).map(one).collect();
    if ruled.is_empty() {
        let history = if secrets.coverage.history {
            format!(" and {} objects of the history", secrets.coverage.blobs)
        } else {
            String::new()
        };
        ruled.push(Ruled::pass(format!("none in {} files{history}", secrets.coverage.files)));
    }
    let left_out = secrets.coverage.unreadable + secrets.coverage.too_large;
    if left_out > 0 {
        ruled.push(Ruled::warn(
            format!("{left_out} files were not read: too large, or unreadable"),
            "look at them by hand: `palisade secrets scan` counts them",
        ));
    }
    Ok(ruled)
}

fn one(leak: &Leak) -> Ruled {
    let variable = leak.variable.as_ref().map(|name| format!(", the value of {name}")).unwrap_or_default();
    let start = if leak.prefix.is_empty() { String::new() } else { format!(" {}...", leak.prefix) };
    let place = match leak.source {
        LeakSource::Tree => "stands in a file",
        LeakSource::Built => "goes to browsers",
        LeakSource::History => "stands in the git history",
    };
    let evidence = format!("{}{start}{variable} {place}", leak.title);
    let fix = "revoke it at its provider, then take it from a variable; `// palisade-ok(secret): reason` where it opens nothing";
    let place = if leak.source == LeakSource::History {
        Place::file(leak.path.clone())
    } else {
        Place::line(leak.path.clone(), leak.line)
    };
    Ruled::fail(evidence, fix).at(Some(place))
}
