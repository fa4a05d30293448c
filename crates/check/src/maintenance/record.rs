//! What was done, as a file that people commit and merge.
//!
//! ```toml
//! since = "2026-11-02"
//!
//! [[done]]
//! task = "weekly/dependency-audit"
//! on = "2026-11-23"
//! by = "ann"
//! evidence = "palisade check --section dependencies: 5 pass"
//! ```
//!
//! Entries stand in the order in which they were added, the newest last, so that two branches merge by keeping both.

use std::fmt::Write as _;

use super::{Day, Task, task};

/// One task, done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The task's id.
    pub task: String,
    /// The day.
    pub on: Day,
    /// Who did it.
    pub by: String,
    /// What shows it: what a command said, or what a person looked at.
    pub evidence: String,
}

/// All that was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    since: Option<Day>,
    done: Vec<Done>,
}

/// What begins each file.
const HEAD: &str = "# What was done of the recurring tasks, and on what evidence: `palisade maintenance` reads and writes it. Commit it.\n";

/// Longer evidence is cut: it is a line in a file, not a log.
const EVIDENCE_CHARS: usize = 400;

// === impl Record ===

impl Record {
    /// An empty record of a team that begins on a day.
    #[must_use]
    pub fn begun(since: Day) -> Record {
        Record { since: Some(since), done: Vec::new() }
    }

    /// The day from which tasks are asked for.
    #[must_use]
    pub fn since(&self) -> Option<Day> {
        self.since.or_else(|| self.done.iter().map(|done| done.on).min())
    }

    /// Everything that was done, in the order of the file.
    #[must_use]
    pub fn done(&self) -> &[Done] {
        &self.done
    }

    /// The last time that a task was done, up to a day.
    #[must_use]
    pub fn last(&self, task: &str, until: Day) -> Option<&Done> {
        self.done.iter().filter(|done| done.task == task && done.on <= until).max_by_key(|done| done.on)
    }

    /// Adds what was done.
    pub fn add(&mut self, done: Done) {
        self.done.push(done);
    }

    /// The whole file: [`Record::head`] and each entry's text.
    #[must_use]
    pub fn text(&self) -> String {
        self.done.iter().fold(Record::head(self.since()), |text, done| text + &done.text())
    }

    /// How a file begins.
    #[must_use]
    pub fn head(since: Option<Day>) -> String {
        since.map_or(HEAD.to_owned(), |day| format!("{HEAD}since = \"{day}\"\n"))
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Every problem of it, each with its line: a file that is not understood whole is not written over either.
    pub fn read(text: &str) -> Result<Record, Vec<String>> {
        let table = toml::de::DeTable::parse(text).map_err(|error| {
            vec![format!("line {}: {}", line(text, error.span().map_or(0, |span| span.start)), error.message())]
        })?;
        let mut reading = Reading { text, problems: Vec::new() };
        let mut record = Record::default();
        for (name, value) in table.get_ref() {
            match name.get_ref().as_ref() {
                "since" => record.since = reading.day(value),
                "done" => record.done = reading.entries(value),
                other => reading
                    .problem(name.span().start, &format!("unknown key '{}'; known: since, done", other.escape_debug())),
            }
        }
        if reading.problems.is_empty() { Ok(record) } else { Err(reading.problems) }
    }
}

// === impl Done ===

impl Done {
    /// What was done, today; evidence beyond 400 characters is cut.
    #[must_use]
    pub fn new(task: &Task, on: Day, by: &str, evidence: &str) -> Done {
        let mut evidence = evidence.to_owned();
        if let Some((end, _)) = evidence.char_indices().nth(EVIDENCE_CHARS) {
            evidence.truncate(end);
            evidence.push('\u{2026}');
        }
        Done { task: task.id.to_owned(), on, by: by.to_owned(), evidence }
    }

    /// The entry as it stands in the file, to be added at its end.
    #[must_use]
    pub fn text(&self) -> String {
        let Done { task, on, by, evidence } = self;
        let [task, by, evidence] = [task, by, evidence].map(|text| quoted(text));
        format!("\n[[done]]\ntask = {task}\non = \"{on}\"\nby = {by}\nevidence = {evidence}\n")
    }
}

type Value<'a> = toml::Spanned<toml::de::DeValue<'a>>;

struct Reading<'a> {
    text: &'a str,
    problems: Vec<String>,
}

// === impl Reading ===

impl Reading<'_> {
    fn problem(&mut self, at: usize, what: &str) {
        self.problems.push(format!("line {}: {what}", line(self.text, at)));
    }

    fn string(&mut self, value: &Value<'_>) -> Option<String> {
        let found = value.get_ref().as_str().map(str::to_owned);
        if found.is_none() {
            self.problem(value.span().start, "a text in quotes is wanted here");
        }
        found
    }

    fn day(&mut self, value: &Value<'_>) -> Option<Day> {
        let text = self.string(value)?;
        text.parse().map_err(|problem: String| self.problem(value.span().start, &problem)).ok()
    }

    fn entries(&mut self, value: &Value<'_>) -> Vec<Done> {
        let Some(array) = value.get_ref().as_array() else {
            self.problem(value.span().start, "[[done]] tables are wanted here");
            return Vec::new();
        };
        array.iter().filter_map(|entry| self.entry(entry)).collect()
    }

    fn entry(&mut self, value: &Value<'_>) -> Option<Done> {
        let at = value.span().start;
        let Some(table) = value.get_ref().as_table() else {
            self.problem(at, "a [[done]] table is wanted here");
            return None;
        };
        let (mut name, mut on, mut by, mut evidence) = (None, None, None, None);
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "task" => name = self.string(value),
                "on" => on = self.day(value),
                "by" => by = self.string(value),
                "evidence" => evidence = self.string(value),
                other => self.problem(
                    key.span().start,
                    &format!("unknown key '{}'; known: task, on, by, evidence", other.escape_debug()),
                ),
            }
        }
        if let Some(id) = name.as_deref().filter(|id| task(id).is_none()) {
            self.problem(at, &format!("no task is called '{}'; `palisade maintenance` lists them", id.escape_debug()));
        }
        let (Some(task), Some(on), Some(by), Some(evidence)) = (name, on, by, evidence) else {
            self.problem(at, "task, on, by and evidence are needed");
            return None;
        };
        Some(Done { task, on, by, evidence })
    }
}

fn line(text: &str, at: usize) -> usize {
    text.get(..at).map_or(0, |before| before.matches('\n').count()) + 1
}

/// A basic string of TOML 1.0.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            control if control.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_comes_back_whatever_is_in_it() {
        let mut record = Record::begun(Day::new(2026, 11, 2).expect("a day"));
        for evidence in ["plain", "quotes \" and \\ and \u{1b}[31m\nnext = 1\r\n[[done]]", "\u{85}\u{feff}", ""] {
            let on = Day::new(2026, 11, 22).expect("a day");
            record.add(Done {
                task: "daily/error-logs".to_owned(),
                on,
                by: "ann \"a\"".to_owned(),
                evidence: evidence.to_owned(),
            });
        }
        assert_eq!(Record::read(&record.text()), Ok(record));
    }

    #[test]
    fn every_problem_is_named_with_its_line() {
        let text = "since = \"2026-02-30\"\nother = 1\n[[done]]\ntask = \"daily/nothing\"\non = 5\nby = \"ann\"\n";
        let problems = Record::read(text).expect_err("problems");
        for part in [
            "line 1: '2026-02-30'",
            "line 2: unknown key 'other'",
            "line 3: no task is called 'daily/nothing'",
            "line 5: a text in quotes",
        ] {
            assert!(problems.iter().any(|problem| problem.starts_with(part)), "{part}: {problems:#?}");
        }
        assert!(
            Record::read("since = ")
                .expect_err("no TOML")
                .first()
                .is_some_and(|problem| problem.starts_with("line 1: "))
        );
    }
}
