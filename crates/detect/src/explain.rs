//! Why a rule did, or did not, fire: what it asked of an event, and what it remembers of the event's group.

use palisade_event::{Field, Seen};

use crate::atom::{Atom, Order, Test};
use crate::column::Column;
use crate::engine::Engine;
use crate::expr::{AtomId, Expr};
use crate::rule::{Correlation, Input, Rule};
use crate::rules::Rules;

/// What a rule says of one event.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// One for each input, in the rule's order.
    pub inputs: Vec<Asked>,
    /// What the event is grouped by: the field, and its value if the event has one.
    pub group: Vec<(String, Option<String>)>,
    /// What the rule remembers of the group: names and numbers, such as `within` of `wanted`.
    pub window: Vec<(&'static str, f64)>,
}

/// One input of a rule, asked of one event.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Its name in the rule.
    pub name: String,
    /// Whether the event is one.
    pub holds: bool,
    /// Every comparison in it.
    pub comparisons: Vec<Compared>,
}

/// One comparison of one field.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The field.
    pub field: String,
    /// What the rule wants of it.
    pub wanted: String,
    /// What the event has: a stranger's text.
    pub found: Option<String>,
    /// Whether it is as wanted.
    pub holds: bool,
}

impl Rules {
    /// What a rule says of an event, without what it remembers.
    #[must_use]
    pub fn explain(&self, rule: &Rule, seen: &Seen<'_>) -> Explanation {
        let group = rule.inputs.first().map(|input| &input.group).into_iter().flatten();
        let group = group
            .map(|column| (column.name().to_owned(), column.text(seen).map(std::borrow::Cow::into_owned)))
            .collect();
        let inputs = rule.inputs.iter().map(|input| self.asked(input, seen)).collect();
        Explanation { inputs, group, window: Vec::new() }
    }

    /// Whether an event is one that the rule takes.
    #[must_use]
    pub fn takes(&self, rule: &Rule, seen: &Seen<'_>) -> bool {
        rule.inputs.iter().any(|input| input.expr.holds(&mut |id| self.atom_holds(id, seen)))
    }

    /// The rules that can never fire on events that have only some fields.
    pub fn never_fire(&self, carries: impl Fn(Field) -> bool) -> Vec<&Rule> {
        let column = |column: &Column| match column {
            Column::Field(field) => carries(*field),
            Column::Target | Column::Decoded | Column::Shape => carries(Field::Path),
            Column::Unknown(_) => false,
        };
        let atom = |id: AtomId| self.atoms.get(id).is_some_and(|atom| column(&atom.column));
        let possible =
            |input: &Input| (input.from.is_some() || input.expr.can_hold(&atom)) && input.group.iter().all(column);
        let can = |rule: &&Rule| match &rule.correlation {
            Correlation::Ordered { .. } => rule.inputs.iter().all(possible),
            Correlation::Distinct { of, .. } => of.iter().all(column) && rule.inputs.iter().any(possible),
            Correlation::NewValue(new) => new.of.iter().all(column) && rule.inputs.iter().any(possible),
            Correlation::Temporal { condition, .. } => {
                condition.holds(&|role| rule.inputs.get(role).is_some_and(possible))
                    || rule.inputs.first().is_some_and(possible)
            }
            _ => rule.inputs.first().is_some_and(possible),
        };
        self.rules().iter().filter(|rule| !can(rule)).collect()
    }

    fn asked(&self, input: &Input, seen: &Seen<'_>) -> Asked {
        let mut ids = Vec::new();
        input.expr.atoms(&mut ids);
        let comparisons =
            ids.into_iter().filter_map(|id| self.atoms.get(id)).map(|atom| compared(atom, seen)).collect();
        let holds = match input.expr {
            Expr::Always => true,
            ref expr => expr.holds(&mut |id| self.atom_holds(id, seen)),
        };
        Asked { name: input.name.as_ref().to_owned(), holds, comparisons }
    }

    fn atom_holds(&self, id: AtomId, seen: &Seen<'_>) -> bool {
        self.atoms.get(id).is_some_and(|atom| atom.holds(seen))
    }
}

impl Engine {
    /// What a rule says of an event, with what it remembers of the event's group now.
    #[must_use]
    pub fn explain(&mut self, rule: &str, seen: &Seen<'_>) -> Option<Explanation> {
        let rules = std::sync::Arc::clone(self.rules());
        let at = rules.rules().iter().position(|known| known.id() == rule)?;
        let rule = rules.rules().get(at)?;
        let mut explanation = rules.explain(rule, seen);
        explanation.window = self.window(u16::try_from(at).ok()?, seen);
        Some(explanation)
    }
}

fn compared(atom: &Atom, seen: &Seen<'_>) -> Compared {
    let found = atom.column.text(seen).map(std::borrow::Cow::into_owned);
    Compared { field: atom.column.name().to_owned(), wanted: wanted(&atom.test), found, holds: atom.holds(seen) }
}

fn wanted(test: &Test) -> String {
    let order = |order: &Order| match order {
        Order::Less => "<",
        Order::AtMost => "<=",
        Order::Equal => "=",
        Order::AtLeast => ">=",
        Order::Greater => ">",
        Order::Unequal => "!=",
    };
    match test {
        Test::Text(pattern) => pattern.described(),
        Test::Number(by, number) => format!("{} {number}", order(by)),
        Test::Length(by, number) => format!("length {} {number}", order(by)),
        Test::Regex(regex) => format!("/{}/", regex.as_str()),
        Test::Network(network) => network.to_string(),
        Test::Present => "present".to_owned(),
        Test::Same { other, .. } => format!("the same as {}", other.name()),
    }
}
