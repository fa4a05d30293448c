//! From the text of rule files to rules: every document first, then the correlations, which may name other rules.

use std::collections::BTreeMap;
use std::time::Duration;

use palisade_diag::{Diagnostic, Diagnostics, FileId, Span};
use palisade_event::{BLOCK_LASTS, Field, Priority};

use crate::column::Column;
use crate::correlation::{self, Known};
use crate::expr::{Atoms, Expr};
use crate::read::{Map, expected};
use crate::rule::{Correlation, Input, Level, Mode, Rule};
use crate::selection::{self, Detection};
use crate::trial;
use crate::yaml::{self, Node, Value};

/// Keys of Sigma that say nothing to an engine.
const SILENT: &[&str] = &[
    "related",
    "taxonomy",
    "status",
    "description",
    "license",
    "author",
    "references",
    "date",
    "modified",
    "fields",
    "falsepositives",
    "scope",
    "simulation",
    "regression_tests_path",
];

/// What of Sigma's log sources this engine has events for.
const CATEGORIES: &[&str] = &["webserver", "proxy", "application"];

/// How many rules there may be.
const RULES_CAP: usize = 4096;

/// A document, read but for its correlation.
pub(crate) struct Draft<'n> {
    pub(crate) file: FileId,
    pub(crate) span: Span,
    pub(crate) id: &'n str,
    pub(crate) id_span: Span,
    pub(crate) names: Vec<&'n str>,
    pub(crate) detection: Option<Detection>,
    pub(crate) correlation: Option<&'n Node>,
    /// Says so even if a correlation uses it.
    generate: bool,
    map: Map<'n>,
}

/// Reads all files. Rules with a problem are left out; the problems say so.
pub(crate) fn rules(files: &[(FileId, &str)], atoms: &mut Atoms, found: &mut Diagnostics) -> Vec<Rule> {
    let documents: Vec<_> = files
        .iter()
        .flat_map(|(file, text)| yaml::documents(*file, text, found).into_iter().map(|node| (*file, node)))
        .collect();
    let drafts: Vec<_> = documents.iter().filter_map(|(file, node)| draft(*file, node, atoms, found)).collect();
    duplicates(&drafts, found);
    if drafts.len() > RULES_CAP {
        found.push(Diagnostic::error("rules-too-many", format!("more than {RULES_CAP} rules")).fix("load fewer"));
    }
    let used = correlation::used(&drafts, found);
    let known = Known { matching: by_name(&drafts), counting: counting(&drafts) };
    let mut rules = Vec::new();
    for draft in drafts {
        let silent = !draft.generate && draft.names.iter().any(|name| used.contains(name));
        let counts = draft.correlation.is_some();
        if let Some(rule) = rule(draft, &known, atoms, found).filter(|_| counts || !silent) {
            rules.push(Rule { silent, ..rule });
        }
    }
    chains(&mut rules, found);
    rules
}

/// The id of every rule that counts, by each of its names.
fn counting(drafts: &[Draft<'_>]) -> BTreeMap<String, Box<str>> {
    let drafts = drafts.iter().filter(|draft| draft.correlation.is_some());
    drafts.flat_map(|draft| draft.names.iter().map(|name| ((*name).to_owned(), Box::from(draft.id)))).collect()
}

/// A rule hears rules that hear events: what is longer, or leads to a rule that does not run, is left out and named.
fn chains(rules: &mut Vec<Rule>, found: &mut Diagnostics) {
    let heard = |rules: &[Rule], id: &str| rules.iter().any(|rule| *rule.id == *id && !rule.is_chained());
    let broken: Vec<bool> = rules
        .iter()
        .map(|rule| {
            let missing = rule.inputs.iter().filter_map(|input| input.from.as_deref()).find(|id| !heard(rules, id));
            if let Some(id) = missing {
                let message =
                    format!("rule `{}` hears `{id}`, which does not run, or hears other rules itself", rule.id);
                let fix = "name rules that count events, and no more than one step deep";
                found.push(Diagnostic::error("chain-broken", message).at(rule.span, "").fix(fix));
            }
            missing.is_some()
        })
        .collect();
    let mut broken = broken.into_iter();
    rules.retain(|_| !broken.next().unwrap_or(false));
}

/// The condition of every rule that only matches, by each of its names.
fn by_name(drafts: &[Draft<'_>]) -> BTreeMap<String, Expr> {
    let mut known = BTreeMap::new();
    for draft in drafts.iter().filter(|draft| draft.correlation.is_none()) {
        let Some(condition) = draft.detection.as_ref().and_then(|detection| detection.condition.clone()) else {
            continue;
        };
        for name in &draft.names {
            known.entry((*name).to_owned()).or_insert_with(|| condition.clone());
        }
    }
    known
}

fn duplicates(drafts: &[Draft<'_>], found: &mut Diagnostics) {
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for draft in drafts {
        if let Some(first) = seen.insert(draft.id, draft.id_span) {
            let problem = Diagnostic::error("rule-twice", format!("there are two rules `{}`", draft.id));
            found.push(problem.at(draft.id_span, "again").at(first, "first").fix("give one another id"));
        }
    }
}

fn draft<'n>(file: FileId, node: &'n Node, atoms: &mut Atoms, found: &mut Diagnostics) -> Option<Draft<'n>> {
    let mut map = Map::of(node, "rule", found)?;
    map.ignore(SILENT);
    let (title, id, name) = (map.text("title", found), map.text("id", found), map.text("name", found));
    let Some(id) = id.or(name).or(title) else {
        found
            .push(Diagnostic::error("rule-nameless", "a rule needs an `id`").at(map.span, "").fix("add `id: my-rule`"));
        return None;
    };
    let id_span =
        map.entries().iter().find(|entry| entry.node.text() == Some(id)).map_or(map.span, |entry| entry.node.span);
    let ours = map.take("logsource").is_none_or(|node| is_ours(node, id, found));
    let detection = map.take("detection").map(|node| selection::detection(node, atoms, found));
    let correlation = map.take("correlation");
    let generate = map.text("generate", found).is_some_and(|text| text == "true");
    let names = [Some(id), name, title].into_iter().flatten().collect();
    ours.then_some(Draft { file, span: node.span, id, id_span, names, detection, correlation, generate, map })
}

/// Whether the rule is about what web servers and applications log.
fn is_ours(node: &Node, id: &str, found: &mut Diagnostics) -> bool {
    let Value::Map(entries) = &node.value else {
        expected(node, "logsource", "a map", found);
        return true;
    };
    let category = entries.iter().find(|entry| entry.key == "category");
    let Some(category) = category.and_then(|entry| entry.node.text()) else { return true };
    let ours = CATEGORIES.contains(&category);
    if !ours {
        let problem =
            Diagnostic::warning("logsource-other", format!("rule `{id}` is about `{category}` and is left out"));
        found.push(problem.at(node.span, "").fix(format!("events here are of: {}", CATEGORIES.join(", "))));
    }
    ours
}

fn rule(draft: Draft<'_>, known: &Known, atoms: &mut Atoms, found: &mut Diagnostics) -> Option<Rule> {
    let errors = found.iter().count();
    let counted = correlation::read(&draft, known, found);
    let Draft { file, span, id, mut map, .. } = draft;
    let level = level(&mut map, found);
    let except = map.take("except").map(|node| Expr::negated(selection::selection(node, atoms, found)));
    let priority = priority(&mut map, found).unwrap_or_else(|| level.priority());
    let mut rule = Rule {
        id: id.into(),
        title: map.text("title", found).unwrap_or(id).into(),
        level,
        priority,
        owasp: map.text("owasp", found).unwrap_or_default().into(),
        steps: map.texts("steps", found).into_iter().map(|(text, _)| text.into()).collect(),
        tags: map.texts("tags", found).into_iter().map(|(text, _)| text.into()).collect(),
        mode: mode(&mut map, found),
        version: map.count("version", found).unwrap_or(1),
        file,
        span,
        inputs: Vec::new(),
        correlation: Correlation::Each,
        lasting: map.span_of_time("for", found).unwrap_or(0),
        keep: map.span_of_time("keep_firing_for", found).unwrap_or(300_000_000),
        cooldown: map.span_of_time("cooldown", found).unwrap_or(900_000_000),
        escalate: escalate(&mut map, found),
        block: respond(&mut map, found),
        silent: false,
        tests: map.take("tests").map(|node| trial::read(node, found)).unwrap_or_default(),
    };
    map.ignore(&["name", "id", "logsource", "detection", "correlation", "generate"]);
    map.finish(found);
    let (inputs, correlation) = counted?;
    rule.inputs =
        inputs.into_iter().map(|input| Input { expr: excepted(input.expr, except.as_ref()), ..input }).collect();
    rule.correlation = correlation;
    if rule.block.is_some() && !rule.inputs.iter().all(|input| input.group.contains(&Column::Field(Field::ClientKey))) {
        let problem =
            Diagnostic::error("respond-no-client", format!("rule `{id}` is about no client that could be blocked"));
        found.push(problem.at(span, "").fix("add `group-by: [client.key]` to its correlation, or take `respond` away"));
    }
    let broken = found.iter().skip(errors).any(|problem| problem.severity == palisade_diag::Severity::Error);
    (!broken && rule.mode != Mode::Off).then_some(rule)
}

fn excepted(expr: Expr, except: Option<&Expr>) -> Expr {
    except.map_or(expr.clone(), |except| Expr::all(vec![expr, except.clone()]))
}

fn level(map: &mut Map<'_>, found: &mut Diagnostics) -> Level {
    let Some(node) = map.take("level") else { return Level::Medium };
    node.text().and_then(Level::from_id).unwrap_or_else(|| {
        expected(node, "level", "informational, low, medium, high or critical", found);
        Level::Medium
    })
}

fn mode(map: &mut Map<'_>, found: &mut Diagnostics) -> Mode {
    let Some(node) = map.take("mode") else { return Mode::Alert };
    node.text().and_then(Mode::from_id).unwrap_or_else(|| {
        expected(node, "mode", "alert, simulate or off", found);
        Mode::Alert
    })
}

fn priority(map: &mut Map<'_>, found: &mut Diagnostics) -> Option<Priority> {
    let node = map.take("priority")?;
    let priority = node.text().and_then(Priority::from_id);
    if priority.is_none() {
        expected(node, "priority", "P1, P2 or P3", found);
    }
    priority
}

/// `{block: 10m}`.
fn respond(map: &mut Map<'_>, found: &mut Diagnostics) -> Option<u64> {
    let node = map.take("respond")?;
    let mut map = Map::of(node, "respond", found)?;
    let block = map.span_of_time("block", found);
    map.finish(found);
    let block = block.filter(|block| BLOCK_LASTS.contains(&Duration::from_micros(*block)));
    if block.is_none() {
        expected(node, "respond", "`{block: 10m}`, from ten seconds to a day", found);
    }
    block
}

/// `[{at: 50, level: high}]`, in rising order.
fn escalate(map: &mut Map<'_>, found: &mut Diagnostics) -> Vec<(u64, Priority)> {
    let Some(node) = map.take("escalate") else { return Vec::new() };
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut steps = Vec::new();
    for item in items {
        let Some(mut map) = Map::of(item, "escalate", found) else { continue };
        let (at, level, named) = (map.count("at", found), map.text("level", found), priority(&mut map, found));
        match (at, named.or_else(|| level.and_then(Level::from_id).map(Level::priority))) {
            (Some(at), Some(priority)) => steps.push((u64::from(at), priority)),
            _ => expected(item, "escalate", "a map with `at` and `level`", found),
        }
        map.finish(found);
    }
    steps.sort_unstable();
    steps
}
