//! From an event to the inputs that may want it, looking at every text once.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use foldhash::quality::FixedState;
use palisade_event::{Field, Seen, Value};
use std::hash::BuildHasher as _;

use crate::atom::{Atom, Test};
use crate::column::Column;
use crate::expr::{AtomId, Atoms, Expr};
use crate::pattern::Edge;

/// Statuses that are looked up in a table.
const STATUSES: usize = 1000;

/// Beyond so many bytes of literals the automaton is the compact one.
const DFA_LITERALS: usize = 30_000;

/// User agents whose matches are remembered. They are long, few, and come again and again.
const REMEMBERED: usize = 512;

/// The longest user agent that is remembered, in bytes.
const REMEMBERED_LEN: usize = 512;

/// What is prepared once for all events.
#[derive(Debug)]
pub(crate) struct Index {
    /// By status, the atoms that hold.
    statuses: Vec<Box<[AtomId]>>,
    texts: Vec<TextIndex>,
    /// Whether an atom's truth is known after [`Index::look`]; others are decided when an expression asks.
    eager: Vec<bool>,
    /// By atom, the inputs that cannot match unless one of their atoms holds.
    wanted_by: Vec<Box<[u16]>>,
    /// Inputs that may match without any.
    always: Box<[u16]>,
    inputs: usize,
}

#[derive(Debug)]
struct TextIndex {
    column: Column,
    /// Literals that stand at the end of a text, or are all of it, by their last byte.
    last: Edges,
    /// Literals that stand at the start, by their first byte.
    first: Edges,
    /// Everything else; `None` where there is nothing else.
    automaton: Option<AhoCorasick>,
    /// By pattern of the automaton, what to look at again.
    triggers: Vec<Box<[Trigger]>>,
}

#[derive(Debug, Default)]
struct Edges {
    /// By byte, in lower case; empty where there are none.
    by_byte: Vec<Vec<(AtomId, Edge)>>,
}

#[derive(Debug, Clone, Copy)]
struct Trigger {
    atom: AtomId,
    /// The literal was all there is to find.
    certain: bool,
}

/// What one thread needs to look at events: nothing of one event is seen by the next.
#[derive(Debug)]
pub(crate) struct Desk {
    round: u32,
    /// By atom: the round in which it was decided, and how.
    truth: Vec<u32>,
    /// By input: the round in which it was put among the candidates.
    noted: Vec<u32>,
    pub(crate) candidates: Vec<u16>,
    held: Vec<AtomId>,
    remembered: Vec<Remembered>,
    hasher: FixedState,
}

#[derive(Debug, Clone, Default)]
struct Remembered {
    text: Vec<u8>,
    held: Vec<AtomId>,
}

// === impl Index ===

impl Index {
    pub(crate) fn new(atoms: &Atoms, inputs: &[&Expr]) -> Index {
        let mut eager = vec![false; atoms.len()];
        let mut columns: Vec<(Column, Vec<(AtomId, &Atom)>)> = Vec::new();
        for (id, atom) in atoms.iter() {
            let on_status = atom.column == Column::Field(Field::Status);
            let literal = matches!(&atom.test, Test::Text(pattern) if !pattern.longest_literal().is_empty());
            let known = if on_status { !matches!(atom.test, Test::Same { .. } | Test::Present) } else { literal };
            if let Some(slot) = eager.get_mut(id as usize) {
                *slot = known;
            }
            if known && !on_status {
                match columns.iter_mut().find(|(column, _)| *column == atom.column) {
                    Some((_, list)) => list.push((id, atom)),
                    None => columns.push((atom.column.clone(), vec![(id, atom)])),
                }
            }
        }
        let mut wanted_by: Vec<Vec<u16>> = vec![Vec::new(); atoms.len()];
        let mut always = Vec::new();
        for (at, expr) in inputs.iter().enumerate() {
            let at = u16::try_from(at).unwrap_or(u16::MAX);
            let is_eager = |id: &AtomId| eager.get(*id as usize).copied().unwrap_or(false);
            match expr.needs(&|id| if is_eager(&id) { atoms.cost(id) } else { 1_000_000 }) {
                Some(needed) if needed.iter().all(is_eager) => {
                    for id in needed {
                        if let Some(list) = wanted_by.get_mut(id as usize) {
                            list.push(at);
                        }
                    }
                }
                _ => always.push(at),
            }
        }
        Index {
            statuses: statuses(atoms),
            texts: columns.into_iter().filter_map(|(column, list)| TextIndex::new(column, &list)).collect(),
            eager,
            wanted_by: wanted_by.into_iter().map(Vec::into_boxed_slice).collect(),
            always: always.into(),
            inputs: inputs.len(),
        }
    }

    pub(crate) fn desk(&self, seed: u64) -> Desk {
        Desk {
            round: 0,
            truth: vec![0; self.eager.len()],
            noted: vec![0; self.inputs],
            candidates: Vec::new(),
            held: Vec::new(),
            remembered: vec![Remembered::default(); REMEMBERED],
            hasher: FixedState::with_seed(seed),
        }
    }

    /// Decides every eager atom, and leaves in `desk` the inputs that may match.
    pub(crate) fn look(&self, atoms: &Atoms, seen: &Seen<'_>, desk: &mut Desk) {
        desk.begin();
        if let Some(held) = seen.status.and_then(|status| self.statuses.get(usize::from(status))) {
            desk.held.extend_from_slice(held);
        }
        for text in &self.texts {
            text.look(atoms, seen, desk);
        }
        let held = std::mem::take(&mut desk.held);
        for id in &held {
            if let Some(slot) = desk.truth.get_mut(*id as usize) {
                *slot = desk.round << 1 | 1;
            }
            for input in self.wanted_by.get(*id as usize).into_iter().flatten() {
                desk.note(*input);
            }
        }
        desk.held = held;
        desk.candidates.extend_from_slice(&self.always);
    }

    /// Whether an atom holds, decided now if nobody asked before.
    pub(crate) fn truth(&self, id: AtomId, atoms: &Atoms, seen: &Seen<'_>, desk: &mut Desk) -> bool {
        let (Some(slot), Some(eager)) = (desk.truth.get_mut(id as usize), self.eager.get(id as usize)) else {
            return false;
        };
        if *slot >> 1 == desk.round || *eager {
            return *slot == desk.round << 1 | 1;
        }
        let holds = atoms.get(id).is_some_and(|atom| atom.holds(seen));
        *slot = desk.round << 1 | u32::from(holds);
        holds
    }
}

fn statuses(atoms: &Atoms) -> Vec<Box<[AtomId]>> {
    let of = |status: usize| {
        let value = Value::Number(i64::try_from(status).unwrap_or(0));
        let on_status = atoms.iter().filter(|(_, atom)| atom.column == Column::Field(Field::Status));
        on_status
            .filter(|(_, atom)| !matches!(atom.test, Test::Present) && atom.test.holds(value))
            .map(|(id, _)| id)
            .collect()
    };
    (0..STATUSES).map(of).collect()
}

// === impl TextIndex ===

impl TextIndex {
    fn new(column: Column, atoms: &[(AtomId, &Atom)]) -> Option<TextIndex> {
        let mut literals: Vec<String> = Vec::new();
        let mut triggers: Vec<Vec<Trigger>> = Vec::new();
        let (mut last, mut first) = (Edges::default(), Edges::default());
        for (id, atom) in atoms {
            let Test::Text(pattern) = &atom.test else { continue };
            if let Some(edge) = pattern.edge() {
                if edge.at_end {
                    last.add(*id, edge);
                } else {
                    first.add(*id, edge);
                }
                continue;
            }
            let literal = pattern.longest_literal().to_ascii_lowercase();
            let trigger = Trigger { atom: *id, certain: pattern.is_contains() };
            match literals.iter().position(|known| *known == literal).and_then(|at| triggers.get_mut(at)) {
                Some(list) => list.push(trigger),
                None => {
                    literals.push(literal);
                    triggers.push(vec![trigger]);
                }
            }
        }
        let size: usize = literals.iter().map(String::len).sum();
        let kind = if size < DFA_LITERALS { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
        let mut builder = AhoCorasick::builder();
        builder.ascii_case_insensitive(true).match_kind(MatchKind::Standard).kind(Some(kind));
        let automaton = if literals.is_empty() { None } else { Some(builder.build(&literals).ok()?) };
        let triggers = triggers.into_iter().map(Vec::into_boxed_slice).collect();
        Some(TextIndex { column, last, first, automaton, triggers })
    }

    fn look(&self, atoms: &Atoms, seen: &Seen<'_>, desk: &mut Desk) {
        match &self.column {
            Column::Field(Field::UserAgent) => {
                if let Some(agent) = seen.user_agent.as_deref() {
                    self.remember(agent, atoms, desk);
                }
            }
            Column::Field(field) => match seen.field(*field) {
                Some(Value::Text(text)) => self.find(text, atoms, &mut desk.held),
                Some(Value::Names(names)) => names.iter().for_each(|name| self.find(name, atoms, &mut desk.held)),
                Some(value) => self.find(&crate::atom::spelled(value), atoms, &mut desk.held),
                None => {}
            },
            column => {
                if let Some(text) = column.text(seen) {
                    self.find(&text, atoms, &mut desk.held);
                }
            }
        }
    }

    fn remember(&self, text: &str, atoms: &Atoms, desk: &mut Desk) {
        #[expect(clippy::cast_possible_truncation, reason = "below the number of places")]
        let place = (desk.hasher.hash_one(text.as_bytes()) % REMEMBERED as u64) as usize;
        let Some(slot) = desk.remembered.get_mut(place) else { return };
        if slot.text != text.as_bytes() || text.is_empty() {
            slot.text.clear();
            slot.held.clear();
            self.find(text, atoms, &mut slot.held);
            if text.len() <= REMEMBERED_LEN {
                slot.text.extend_from_slice(text.as_bytes());
            }
        }
        desk.held.extend_from_slice(&slot.held);
    }

    fn find(&self, text: &str, atoms: &Atoms, held: &mut Vec<AtomId>) {
        self.last.find(text.as_bytes().last(), text, held);
        self.first.find(text.as_bytes().first(), text, held);
        let Some(automaton) = &self.automaton else { return };
        for found in automaton.find_overlapping_iter(text) {
            for trigger in self.triggers.get(found.pattern().as_usize()).into_iter().flatten() {
                if trigger.certain || confirmed(trigger.atom, text, atoms) {
                    held.push(trigger.atom);
                }
            }
        }
    }
}

fn confirmed(id: AtomId, text: &str, atoms: &Atoms) -> bool {
    matches!(atoms.get(id).map(|atom| &atom.test), Some(Test::Text(pattern)) if pattern.matches(text))
}

// === impl Edges ===

impl Edges {
    fn add(&mut self, id: AtomId, edge: Edge) {
        self.by_byte.resize_with(256, Vec::new);
        if let Some(list) = self.by_byte.get_mut(usize::from(edge.key())) {
            list.push((id, edge));
        }
    }

    fn find(&self, byte: Option<&u8>, text: &str, held: &mut Vec<AtomId>) {
        let Some(list) = byte.and_then(|byte| self.by_byte.get(usize::from(byte.to_ascii_lowercase()))) else { return };
        held.extend(list.iter().filter(|(_, edge)| edge.matches(text)).map(|(id, _)| *id));
    }
}

// === impl Desk ===

impl Desk {
    fn begin(&mut self) {
        self.candidates.clear();
        self.held.clear();
        self.round += 1;
        if self.round >> 31 != 0 {
            self.round = 1;
            self.truth.fill(0);
            self.noted.fill(0);
        }
    }

    fn note(&mut self, input: u16) {
        if let Some(noted) = self.noted.get_mut(usize::from(input))
            && *noted != self.round
        {
            *noted = self.round;
            self.candidates.push(input);
        }
    }
}
