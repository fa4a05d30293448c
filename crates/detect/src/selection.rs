//! Sigma's detection section: named selections of fields with modifiers, and a condition over their names.

use std::collections::BTreeMap;

use palisade_diag::{Diagnostic, Diagnostics, Span};
use palisade_event::Field;

use crate::atom::{Atom, Order, Test};
use crate::column::Column;
use crate::condition::{Condition, is_among};
use crate::expr::{Atoms, Expr};
use crate::modifier::{Modifiers, Shape};
use crate::pattern::Pattern;
use crate::read::expected;
use crate::yaml::{Entry, Node, Value};

/// Where keywords, which name no field, are looked for.
const KEYWORD_COLUMNS: [Column; 6] = [
    Column::Target,
    Column::Field(Field::UserAgent),
    Column::Field(Field::Referrer),
    Column::Field(Field::Host),
    Column::Field(Field::Method),
    Column::Field(Field::User),
];

/// A detection section as expressions over the atoms of all rules.
#[derive(Debug, Default)]
pub(crate) struct Detection {
    pub(crate) selections: BTreeMap<String, Expr>,
    /// What the condition says; `None` where the section has none.
    pub(crate) condition: Option<Expr>,
}

/// Reads a detection section.
pub(crate) fn detection(node: &Node, atoms: &mut Atoms, found: &mut Diagnostics) -> Detection {
    let Value::Map(entries) = &node.value else {
        expected(node, "detection", "a map of selections and a condition", found);
        return Detection::default();
    };
    let mut detection = Detection::default();
    for entry in entries.iter().filter(|entry| entry.key != "condition" && entry.key != "timeframe") {
        detection.selections.insert(entry.key.clone(), selection(&entry.node, atoms, found));
    }
    if let Some(entry) = entries.iter().find(|entry| entry.key == "timeframe") {
        let message = "`timeframe` is Sigma's old form";
        let fix = "write a `correlation` with a `timespan`";
        found.push(Diagnostic::error("timeframe-old", message).at(entry.span, "").fix(fix));
    }
    if let Some(entry) = entries.iter().find(|entry| entry.key == "condition") {
        detection.condition = conditions(entry, &detection.selections, found);
    }
    detection
}

/// One condition, or a list of which any holds.
fn conditions(entry: &Entry, known: &BTreeMap<String, Expr>, found: &mut Diagnostics) -> Option<Expr> {
    let nodes = match &entry.node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(&entry.node),
    };
    let mut any = Vec::new();
    for node in nodes {
        let Some(text) = node.text() else {
            expected(node, "condition", "a text", found);
            continue;
        };
        any.extend(resolved(text, node.span, known, found));
    }
    (!any.is_empty()).then(|| Expr::any(any))
}

/// A condition over expressions that have names.
pub(crate) fn resolved(
    text: &str,
    span: Span,
    known: &BTreeMap<String, Expr>,
    found: &mut Diagnostics,
) -> Option<Expr> {
    let condition = match Condition::read(text) {
        Ok(condition) => condition,
        Err(malformed) => {
            let problem = Diagnostic::error("condition-malformed", malformed.to_string()).at(span, "");
            found.push(
                problem.fix("write names with `and`, `or`, `not`, `1 of x_*`, `all of them`; count in `correlation`"),
            );
            return None;
        }
    };
    let missing: Vec<_> = condition
        .names()
        .into_iter()
        .filter(|name| !known.keys().any(|key| key == name || is_among(key, name)))
        .collect();
    for name in &missing {
        let fix = format!("known here: {}", known.keys().cloned().collect::<Vec<_>>().join(", "));
        let message = format!("there is no selection `{name}`");
        found.push(Diagnostic::error("selection-unknown", message).at(span, "").fix(fix));
    }
    missing.is_empty().then(|| expression(&condition, known))
}

fn expression(condition: &Condition, known: &BTreeMap<String, Expr>) -> Expr {
    match condition {
        Condition::Name(name) => known.get(name).cloned().unwrap_or(Expr::Never),
        Condition::Not(inner) => Expr::negated(expression(inner, known)),
        Condition::All(items) => Expr::all(items.iter().map(|item| expression(item, known)).collect()),
        Condition::Any(items) => Expr::any(items.iter().map(|item| expression(item, known)).collect()),
        Condition::Of(least, pattern) => {
            let among: Vec<_> =
                known.iter().filter(|(name, _)| is_among(name, pattern)).map(|(_, expr)| expr.clone()).collect();
            match least {
                None => Expr::all(among),
                Some(1) => Expr::any(among),
                Some(least) => Expr::AtLeast(*least, among.into()),
            }
        }
    }
}

/// A map is an `and` over its fields, a list an `or` over its items; texts without a field are keywords.
pub(crate) fn selection(node: &Node, atoms: &mut Atoms, found: &mut Diagnostics) -> Expr {
    match &node.value {
        Value::Map(entries) => Expr::all(entries.iter().map(|entry| field(entry, atoms, found)).collect()),
        Value::List(items) => Expr::any(items.iter().map(|item| selection(item, atoms, found)).collect()),
        Value::Scalar { .. } => keyword(node, &Modifiers::keyword(), atoms, found),
    }
}

/// `field|modifier: values`.
fn field(entry: &Entry, atoms: &mut Atoms, found: &mut Diagnostics) -> Expr {
    let mut words = entry.key.split('|');
    let name = words.next().unwrap_or_default();
    let modifiers = match Modifiers::read(words) {
        Ok(modifiers) => modifiers,
        Err(problem) => {
            found.push(problem.at(entry.span, ""));
            return Expr::Never;
        }
    };
    let column = Column::of(name);
    if let Column::Unknown(name) = &column
        && !name.is_empty()
    {
        let message = format!("no event has a field `{name}`: what asks for it never matches");
        found.push(
            Diagnostic::warning("field-unknown", message).at(entry.span, "").fix("see `palisade rules list --fields`"),
        );
    }
    let nodes = match &entry.node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(&entry.node),
    };
    let exprs = nodes.iter().map(|node| match name {
        "" => keyword(node, &modifiers, atoms, found),
        _ => value(&column, node, &modifiers, atoms, found),
    });
    let exprs: Vec<_> = exprs.collect();
    if modifiers.all { Expr::all(exprs) } else { Expr::any(exprs) }
}

fn keyword(node: &Node, modifiers: &Modifiers, atoms: &mut Atoms, found: &mut Diagnostics) -> Expr {
    let columns = KEYWORD_COLUMNS.iter();
    let modifiers = Modifiers { open: (true, true), ..modifiers.clone() };
    Expr::any(columns.map(|column| value(column, node, &modifiers, atoms, found)).collect())
}

/// One value of a field.
fn value(column: &Column, node: &Node, modifiers: &Modifiers, atoms: &mut Atoms, found: &mut Diagnostics) -> Expr {
    if let Column::Unknown(_) = column
        && node.text().is_some()
        && !(node.is_null() || modifiers.shape == Shape::Exists)
    {
        return Expr::Never;
    }
    let mut atom = |test| Expr::Atom(atoms.intern(Atom { column: column.clone(), test }));
    if node.is_null() {
        return Expr::negated(atom(Test::Present));
    }
    let Some(text) = node.text() else {
        expected(node, column.name(), "a text, a number, or a list of them", found);
        return Expr::Never;
    };
    let tests = match tests(text, node, modifiers) {
        Ok(tests) => tests,
        Err(problem) => {
            found.push(problem.at(node.span, ""));
            return Expr::Never;
        }
    };
    match modifiers.shape {
        Shape::Exists if text == "false" => Expr::negated(atom(Test::Present)),
        _ => Expr::any(tests.into_iter().map(&mut atom).collect()),
    }
}

/// The tests of which any must hold.
fn tests(text: &str, node: &Node, modifiers: &Modifiers) -> Result<Vec<Test>, Diagnostic> {
    let (start, end) = modifiers.open;
    Ok(match modifiers.shape {
        Shape::Exists => vec![Test::Present],
        Shape::Network => vec![Test::Network(text.parse().map_err(|_| {
            Diagnostic::error("network-malformed", format!("`{text}` is no network"))
                .fix("write one such as 10.0.0.0/8")
        })?)],
        Shape::Compare(order) => vec![Test::Number(order, wanted(node)?)],
        Shape::Length(order) => vec![Test::Length(order, wanted(node)?)],
        Shape::Field => {
            let Some(other) = Field::from_name(text) else {
                let problem = Diagnostic::error("field-unknown", format!("no event has a field `{text}`"));
                return Err(problem.fix("name a field of events"));
            };
            vec![Test::Same { other, open_start: start, open_end: end, cased: modifiers.cased }]
        }
        Shape::Regex => vec![Test::Regex(Box::new(modifiers.regex(text)?))],
        Shape::Text if modifiers.is_plain() && node.number().is_some() => {
            vec![Test::Number(Order::Equal, wanted(node)?)]
        }
        Shape::Text => modifiers
            .spellings(text)
            .into_iter()
            .map(|(text, literal)| {
                let pattern = if literal {
                    Pattern::literal(&text, modifiers.cased)
                } else {
                    Pattern::wild(&text, modifiers.cased)
                };
                Test::Text(pattern.open(start, end))
            })
            .collect(),
    })
}

fn wanted(node: &Node) -> Result<f64, Diagnostic> {
    let number = node.text().and_then(|text| text.parse().ok()).filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| Diagnostic::error("number-malformed", "a number should stand here").fix("write a number"))
}
