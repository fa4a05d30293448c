//! `rules list|test|explain`, and how rules are loaded.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use palisade_detect::{BUILT_IN, BadThreshold, Engine, Explanation, Rule, Rules, Settings};
use palisade_diag::{FileId, Sources};
use palisade_event::{Seen, Untrusted};
use palisade_policy::{Policy, Threshold};
use serde_json::json;

use crate::args::{RulesExplain, RulesFiles};
use crate::output::{self, Exit, Format};
use crate::replay::Logs;

/// Rules and the texts they stand in.
pub(crate) struct Loaded {
    pub(crate) rules: Arc<Rules>,
    pub(crate) sources: Sources,
}

/// The built-in rules and those of `--rules`; a file of one's own with the id of a built-in rule replaces it.
pub(crate) fn load(files: &RulesFiles) -> anyhow::Result<Loaded> {
    let mut own = Vec::new();
    for path in &files.rules {
        collect(path, &mut own)?;
    }
    let texts = |list: &[(String, String)]| list.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>();
    let replaced = ids(&texts(&own));
    let built_in =
        BUILT_IN.iter().filter(|(name, _)| !replaced.iter().any(|id| name.strip_suffix(".yml") == Some(id.as_str())));
    let built_in =
        built_in.filter(|_| !files.no_built_in).map(|(name, text)| (format!("built-in/{name}"), (*text).to_owned()));
    let all: Vec<_> = built_in.chain(own).collect();
    let numbered: Vec<_> = all
        .iter()
        .enumerate()
        .map(|(at, (name, text))| (FileId(u16::try_from(at).unwrap_or(u16::MAX)), name, text))
        .collect();
    let sources = numbered.iter().fold(Sources::new(), |sources, (id, name, text)| sources.with(*id, *name, *text));
    match Rules::parse(&numbered.iter().map(|(id, _, text)| (*id, text.as_str())).collect::<Vec<_>>()) {
        Ok((rules, warnings)) => {
            output::diagnostics(&warnings, &sources);
            Ok(Loaded { rules: Arc::new(rules), sources })
        }
        Err(found) => {
            output::diagnostics(&found, &sources);
            bail!("the rules are not valid; mend the above and run again");
        }
    }
}

/// The same beside those that the policy names, which lie below its folder, with the policy's thresholds.
pub(crate) fn load_with(files: &RulesFiles, policy: &Policy, path: &Path) -> anyhow::Result<Arc<Rules>> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let named = policy.alerting.detect.rules.iter().map(|rules| folder.join(rules));
    let files = RulesFiles { rules: named.chain(files.rules.iter().cloned()).collect(), ..files.clone() };
    let mut rules = load(&files)?.rules;
    let mut wrong = Vec::new();
    for (id, threshold) in &policy.alerting.detect.thresholds {
        let wanted = match threshold {
            Threshold::Count(count) => palisade_detect::Threshold::Count(*count),
            Threshold::Percent(percent) => palisade_detect::Threshold::Share(f64::from(*percent) / 100.0),
        };
        let tuned = Arc::get_mut(&mut rules).map(|rules| rules.tune(id, wanted));
        if let Some(Err(bad)) = tuned {
            wrong.push(format!("[detect] thresholds, {id}: {}", untunable(bad)));
        }
    }
    if wrong.is_empty() { Ok(rules) } else { bail!(wrong.join("; ")) }
}

fn untunable(bad: BadThreshold) -> &'static str {
    match bad {
        BadThreshold::NoRule => "there is no such rule; `palisade rules list` names them",
        BadThreshold::Kind => "the rule has no such threshold: write a count for what counts, and \"5%\" for a share",
        _ => "the count is zero, or too large",
    }
}

fn ids(texts: &[String]) -> Vec<String> {
    let files: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(at, text)| (FileId(u16::try_from(at).unwrap_or(u16::MAX)), text.as_str()))
        .collect();
    // Their problems are told when all rules are read together.
    Rules::parse_leniently(&files).0.rules().iter().map(|rule| rule.id().to_owned()).collect()
}

/// A file, or every `.yml` and `.yaml` of a folder and its folders, in the order of names.
fn collect(path: &Path, out: &mut Vec<(String, String)>) -> anyhow::Result<()> {
    let named = || path.display().to_string();
    if path.is_dir() {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(path).with_context(named)?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
        entries.sort();
        for entry in entries {
            let rule = entry.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
            if entry.is_dir() && !entry.is_symlink() || rule {
                collect(&entry, out)?;
            }
        }
        return Ok(());
    }
    out.push((named(), fs::read_to_string(path).with_context(named)?));
    Ok(())
}

pub(crate) fn list(files: &RulesFiles, format: Format) -> anyhow::Result<Exit> {
    let loaded = load(files)?;
    match format {
        Format::Json => {
            let rules: Vec<_> = loaded.rules.rules().iter().map(|rule| described(rule, &loaded.sources)).collect();
            output::result(&serde_json::to_string_pretty(&rules)?);
        }
        Format::Human => {
            for rule in loaded.rules.rules() {
                let (id, priority, kind) = (rule.id(), rule.priority().id(), rule.kind());
                output::result(&format!("{priority}  {id:<32} {kind:<16} {}", rule.title()));
            }
        }
    }
    Ok(Exit::Fine)
}

fn described(rule: &Rule, sources: &Sources) -> serde_json::Value {
    json!({
        "id": rule.id(), "level": rule.level().id(), "title": rule.title(), "tests": rule.tests().len(),
        "priority": rule.priority().id(), "type": rule.kind(), "mode": rule.mode().id(), "owasp": rule.owasp(),
        "tags": rule.tags(), "steps": rule.steps(), "file": sources.name(rule.file()),
    })
}

pub(crate) fn test(files: &RulesFiles, format: Format) -> anyhow::Result<Exit> {
    let loaded = load(files)?;
    let (mut results, mut failed) = (Vec::new(), 0);
    for rule in loaded.rules.rules() {
        for test in rule.tests() {
            let tried = test.run(&loaded.rules, rule.id());
            let pass = tried.found == test.expected() && tried.unreadable.is_none();
            failed += usize::from(!pass);
            if format == Format::Human && !pass {
                let line = loaded.sources.position(test.span()).map_or(0, |position| position.line);
                let file = loaded.sources.name(rule.file()).unwrap_or_default();
                let found = match tried.unreadable {
                    Some((at, bad)) => format!("event {at} cannot be read: {bad}"),
                    None => format!("{} incidents, expected {}", tried.found, test.expected()),
                };
                output::result(&format!("FAIL  {}: {} ({file}:{line}): {found}", rule.id(), test.name()));
            }
            results.push(json!({
                "rule": rule.id(), "test": test.name(), "expected": test.expected(), "found": tried.found, "pass": pass,
            }));
        }
    }
    match format {
        Format::Json => output::result(&serde_json::to_string_pretty(&results)?),
        Format::Human => {
            let untested: Vec<_> =
                loaded.rules.rules().iter().filter(|rule| rule.tests().is_empty()).map(Rule::id).collect();
            if !untested.is_empty() {
                output::note(&format!("without a test: {}", untested.join(", ")));
            }
            output::result(&format!("{} tests, {failed} failed", results.len()));
        }
    }
    Ok(if failed == 0 { Exit::Fine } else { Exit::Findings })
}

/// Runs a log up to its end, or to a line, and says what the rule makes of the last event that it takes, or of the last.
pub(crate) fn explain(args: &RulesExplain, format: Format) -> anyhow::Result<Exit> {
    let loaded = load(&args.files)?;
    let rules = loaded.rules;
    let Some(rule) = rules.find(&args.rule) else {
        bail!("there is no rule `{}`; see `palisade rules list`", args.rule);
    };
    let mut engine = Engine::new(Arc::clone(&rules), Settings::default());
    let (mut out, mut last, mut taken): (_, Option<Seen<'static>>, Option<Seen<'static>>) = (Vec::new(), None, None);
    let mut logs = Logs::open(&args.log)?;
    logs.each(args.line, |seen| {
        engine.observe(seen, None, &mut out);
        if rules.takes(rule, seen) {
            taken = Some(seen.clone().into_owned());
        } else if taken.is_none() {
            last = Some(seen.clone().into_owned());
        }
    })?;
    engine.finish(&mut out);
    let Some(seen) = taken.or(last) else { bail!("the log has no event") };
    let Some(explanation) = engine.explain(rule.id(), &seen) else { bail!("the rule does not run") };
    let fired: std::collections::BTreeSet<_> =
        out.iter().filter(|incident| *incident.rule == *rule.id()).map(|incident| incident.key).collect();
    match format {
        Format::Json => {
            output::result(&serde_json::to_string_pretty(&as_json(rule, &seen, &explanation, fired.len()))?);
        }
        Format::Human => people(rule, &seen, &explanation, fired.len()),
    }
    Ok(Exit::Fine)
}

fn as_json(rule: &Rule, seen: &Seen<'_>, explanation: &Explanation, incidents: usize) -> serde_json::Value {
    let inputs: Vec<_> = explanation
        .inputs
        .iter()
        .map(|input| {
            let comparisons: Vec<_> = input
                .comparisons
                .iter()
                .map(|one| json!({ "field": one.field, "wanted": one.wanted, "found": one.found, "holds": one.holds }))
                .collect();
            json!({ "name": input.name, "holds": input.holds, "comparisons": comparisons })
        })
        .collect();
    let window: Vec<_> =
        explanation.window.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    let group: Vec<_> =
        explanation.group.iter().map(|(field, value)| json!({ "field": field, "value": value })).collect();
    json!({
        "rule": rule.id(), "type": rule.kind(), "incidents": incidents, "event": event(seen), "inputs": inputs,
        "group": group, "window": window,
    })
}

fn event(seen: &Seen<'_>) -> serde_json::Value {
    let mut line = Vec::new();
    seen.encode(&mut line);
    serde_json::from_slice(&line).unwrap_or_default()
}

fn people(rule: &Rule, seen: &Seen<'_>, explanation: &Explanation, incidents: usize) {
    let mut line = Vec::new();
    seen.encode(&mut line);
    output::result(&format!("{} ({}): {incidents} incidents in this log\n", rule.id(), rule.kind()));
    output::result(&format!("event   {}", String::from_utf8_lossy(&line).trim_end()));
    for input in &explanation.inputs {
        output::result(&format!("input   {}: {}", input.name, if input.holds { "yes" } else { "no" }));
        for one in &input.comparisons {
            let found = one
                .found
                .as_deref()
                .map_or_else(|| "-".to_owned(), |text| Untrusted::new(text).cut(80).terminal().to_string());
            let mark = if one.holds { "+" } else { "-" };
            output::result(&format!("        {mark} {} {} (here: {found})", one.field, one.wanted));
        }
    }
    for (field, value) in &explanation.group {
        let value = value.as_deref().map_or_else(
            || "missing, so the event is in no group".to_owned(),
            |text| Untrusted::new(text).cut(80).terminal().to_string(),
        );
        output::result(&format!("group   {field} = {value}"));
    }
    for (name, value) in &explanation.window {
        output::result(&format!("window  {name} = {value}"));
    }
}
