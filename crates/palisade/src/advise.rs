//! `advise`: which protections a route needs, and why.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::bail;
use palisade_policy::{Advice, Overrides, Policy, guide_matrix, matrix, matrix_json};
use serde_json::Value;

use crate::args::Advise;
use crate::load;
use crate::output::{self, Exit, Format};

const DEFAULT_POLICY: &str = "palisade.toml";

pub(crate) fn run(args: &Advise, format: Format) -> anyhow::Result<Exit> {
    let route = args.method.as_deref().zip(args.path.as_deref());
    let advice = match (route, policy(args.policy.as_deref())?) {
        (None, _) => None,
        (Some((method, path)), Some(policy)) => Some(policy.advise(method, path)),
        (Some((method, path)), None) => Some(Advice::without_policy(method, path)),
    };
    match format {
        Format::Json => {
            let mut answer = advice.map_or(Value::Object(serde_json::Map::new()), |advice| advice.json());
            if let (true, Some(fields), Value::Object(tables)) = (args.matrix, answer.as_object_mut(), matrix_json()) {
                fields.extend(tables);
            }
            output::result(&serde_json::to_string_pretty(&answer)?);
        }
        Format::Human => {
            if let Some(advice) = advice {
                output::result(advice.to_string().trim_end());
            }
            if args.matrix {
                output::result(tables().trim_end());
            }
        }
    }
    Ok(Exit::Fine)
}

/// The named policy, or the one that lies here, or none.
fn policy(named: Option<&Path>) -> anyhow::Result<Option<Policy>> {
    let path = match named {
        Some(path) => path.to_owned(),
        None if Path::new(DEFAULT_POLICY).is_file() => PathBuf::from(DEFAULT_POLICY),
        None => return Ok(None),
    };
    let file = load::policy(&path)?;
    let texts = file.texts.clone();
    let surroundings = load::without_environment(&file.draft);
    match file.build(&surroundings, Overrides::default()) {
        Ok(built) => Ok(Some(built.policy)),
        Err(found) => {
            output::diagnostics(&found, &texts);
            bail!("the policy is not valid, so no advice can be given by it")
        }
    }
}

fn tables() -> String {
    let mut out = String::new();
    let kinds = matrix().into_iter().map(|row| {
        [row.kind.id().to_owned(), row.methods, row.limit, row.csrf.to_owned(), row.identity.to_owned(), row.body]
    });
    table(&mut out, ["kind", "methods", "rate limit", "CSRF", "identity", "body"], kinds.collect());
    let guide = guide_matrix();
    let routes = guide
        .routes
        .into_iter()
        .map(|row| [row.route_type, row.kind.id(), row.rate_limit, row.csrf, row.authentication].map(str::to_owned));
    out.push('\n');
    table(&mut out, ["the guide's route type", "kind", "rate limit", "CSRF", "authentication"], routes.collect());
    let limits = guide.limits.into_iter().map(|row| {
        let limit = row.limit.map_or("none".to_owned(), |limit| limit.to_string());
        [row.case.to_owned(), row.kind.id().to_owned(), limit]
    });
    out.push('\n');
    table(&mut out, ["withRateLimit() in the guide", "kind", "limit"], limits.collect());
    out
}

/// Columns as wide as their widest cell.
fn table<const N: usize>(out: &mut String, head: [&str; N], rows: Vec<[String; N]>) {
    let mut rows = rows;
    rows.insert(0, head.map(str::to_owned));
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in &rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a6_the_matrix_is_printed_for_every_kind_and_the_guides_six_types() {
        let tables = tables();
        for kind in palisade_event::Kind::ALL {
            assert!(tables.lines().any(|line| line.starts_with(kind.id())), "{kind}");
        }
        let types = ["Public form submission", "Protected data modification", "Public read-only API"];
        let more = ["Protected read-only API", "Webhook endpoint", "File upload"];
        for name in types.into_iter().chain(more) {
            assert!(tables.contains(name), "{name}");
        }
    }
}
