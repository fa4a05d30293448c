//! Expressions over atoms, and the list in which atoms are kept once.

use crate::atom::{Atom, Test};
use crate::column::Column;

/// An atom by its place in [`Atoms`].
pub(crate) type AtomId = u32;

/// What must hold of an event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    Always,
    Never,
    Atom(AtomId),
    Not(Box<Expr>),
    All(Box<[Expr]>),
    Any(Box<[Expr]>),
    AtLeast(usize, Box<[Expr]>),
}

/// All comparisons of all rules, each once.
#[derive(Debug, Default)]
pub(crate) struct Atoms {
    atoms: Vec<Atom>,
}

// === impl Expr ===

impl Expr {
    /// All of them; of none, always.
    pub(crate) fn all(items: Vec<Expr>) -> Expr {
        let mut kept = Vec::new();
        for item in items {
            match item {
                Expr::Always => {}
                Expr::Never => return Expr::Never,
                Expr::All(inner) => kept.extend(inner),
                item => kept.push(item),
            }
        }
        match kept.len() {
            0 => Expr::Always,
            1 => kept.remove(0),
            _ => Expr::All(kept.into()),
        }
    }

    /// Any of them; of none, never.
    pub(crate) fn any(items: Vec<Expr>) -> Expr {
        let mut kept = Vec::new();
        for item in items {
            match item {
                Expr::Never => {}
                Expr::Always => return Expr::Always,
                Expr::Any(inner) => kept.extend(inner),
                item => kept.push(item),
            }
        }
        match kept.len() {
            0 => Expr::Never,
            1 => kept.remove(0),
            _ => Expr::Any(kept.into()),
        }
    }

    pub(crate) fn negated(inner: Expr) -> Expr {
        match inner {
            Expr::Always => Expr::Never,
            Expr::Never => Expr::Always,
            Expr::Not(inner) => *inner,
            inner => Expr::Not(Box::new(inner)),
        }
    }

    /// Whether it holds, given whether each atom does.
    pub(crate) fn holds(&self, atom: &mut impl FnMut(AtomId) -> bool) -> bool {
        match self {
            Expr::Always => true,
            Expr::Never => false,
            Expr::Atom(id) => atom(*id),
            Expr::Not(inner) => !inner.holds(atom),
            Expr::All(items) => items.iter().all(|item| item.holds(atom)),
            Expr::Any(items) => items.iter().any(|item| item.holds(atom)),
            Expr::AtLeast(least, items) => {
                let mut held = 0;
                items.iter().any(|item| {
                    held += usize::from(item.holds(atom));
                    held >= *least
                })
            }
        }
    }

    /// Atoms of which at least one holds whenever the expression does: the rarest such set by `cost`. `None` where the
    /// expression can hold without any.
    pub(crate) fn needs(&self, cost: &impl Fn(AtomId) -> u32) -> Option<Vec<AtomId>> {
        let sum = |needed: &Vec<AtomId>| needed.iter().fold(0u32, |sum, id| sum.saturating_add(cost(*id)));
        match self {
            Expr::Never => Some(Vec::new()),
            Expr::Atom(id) => Some(vec![*id]),
            Expr::All(items) => items.iter().filter_map(|item| item.needs(cost)).min_by_key(sum),
            Expr::Any(items) | Expr::AtLeast(_, items) => {
                let mut union = Vec::new();
                for item in items {
                    union.extend(item.needs(cost)?);
                }
                union.sort_unstable();
                union.dedup();
                Some(union)
            }
            Expr::Always | Expr::Not(_) => None,
        }
    }

    /// Every atom in it, in the order in which it is written, each once.
    pub(crate) fn atoms(&self, out: &mut Vec<AtomId>) {
        match self {
            Expr::Always | Expr::Never => {}
            Expr::Atom(id) if out.contains(id) => {}
            Expr::Atom(id) => out.push(*id),
            Expr::Not(inner) => inner.atoms(out),
            Expr::All(items) | Expr::Any(items) | Expr::AtLeast(_, items) => {
                items.iter().for_each(|item| item.atoms(out));
            }
        }
    }

    /// Whether it can hold of any event at all, if only some atoms can.
    pub(crate) fn can_hold(&self, atom: &impl Fn(AtomId) -> bool) -> bool {
        match self {
            Expr::Always | Expr::Not(_) => true,
            Expr::Never => false,
            Expr::Atom(id) => atom(*id),
            Expr::All(items) => items.iter().all(|item| item.can_hold(atom)),
            Expr::Any(items) => items.iter().any(|item| item.can_hold(atom)),
            Expr::AtLeast(least, items) => items.iter().filter(|item| item.can_hold(atom)).count() >= *least,
        }
    }
}

// === impl Atoms ===

impl Atoms {
    /// The place of an atom, new or known.
    pub(crate) fn intern(&mut self, atom: Atom) -> AtomId {
        let at = self.atoms.iter().position(|known| *known == atom).unwrap_or_else(|| {
            self.atoms.push(atom);
            self.atoms.len() - 1
        });
        AtomId::try_from(at).unwrap_or(AtomId::MAX)
    }

    pub(crate) fn get(&self, id: AtomId) -> Option<&Atom> {
        self.atoms.get(id as usize)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (AtomId, &Atom)> {
        self.atoms.iter().enumerate().map(|(at, atom)| (AtomId::try_from(at).unwrap_or(AtomId::MAX), atom))
    }

    pub(crate) fn len(&self) -> usize {
        self.atoms.len()
    }

    /// How often an atom holds of usual traffic, by a guess that only speed hangs on.
    pub(crate) fn cost(&self, id: AtomId) -> u32 {
        let Some(atom) = self.get(id) else { return 0 };
        match (&atom.column, &atom.test) {
            (_, Test::Regex(_) | Test::Same { .. }) => 100_000,
            (_, Test::Present | Test::Length(..)) => 50_000,
            (Column::Field(palisade_event::Field::Status), Test::Number(_, status)) if *status < 400.0 => 40_000,
            (Column::Field(palisade_event::Field::Method), _) => 30_000,
            (Column::Field(palisade_event::Field::Status), Test::Number(crate::atom::Order::Equal, _)) => 10,
            (_, Test::Number(..)) => 1_000,
            (_, Test::Network(_)) => 60_000,
            (_, Test::Text(pattern)) => match pattern.longest_literal().len() {
                0 => 100_000,
                1..=2 => 10_000,
                _ => 20,
            },
        }
    }
}
