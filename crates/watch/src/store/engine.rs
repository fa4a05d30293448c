//! Two databases behind one face: the same statements, values of three types, one transaction at a time.
//!
//! Statements number their places `?1`, `?2`; texts hold no other question mark. What both understand alike is little
//! and enough: BIGINT, TEXT, upserts, `RETURNING`. Sums are cast, as PostgreSQL makes them NUMERIC.

mod postgres;
mod sqlite;

use std::path::Path;

use super::fault::StoreFault;
use postgres::Postgres;
use sqlite::Sqlite;

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Value {
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
    Nothing,
}

/// A row, by the order of its columns.
#[derive(Debug, Clone)]
pub(crate) struct Row(pub(crate) Vec<Value>);

/// A connection.
#[derive(Debug)]
pub(crate) struct Engine {
    base: Base,
    /// Statements that were run, those of [`Engine::each`] once for each row.
    asked: u64,
}

#[derive(Debug)]
enum Base {
    Sqlite(Sqlite),
    Postgres(Box<Postgres>),
}

// === impl Engine ===

impl Engine {
    pub(crate) fn sqlite(path: &Path, max_pages: Option<u32>) -> Result<Engine, StoreFault> {
        Ok(Engine { base: Base::Sqlite(Sqlite::open(path, max_pages)?), asked: 0 })
    }

    pub(crate) fn postgres(url: &str) -> Result<Engine, StoreFault> {
        Ok(Engine { base: Base::Postgres(Box::new(Postgres::open(url)?)), asked: 0 })
    }

    /// Runs statements without values, as they stand in a migration.
    pub(crate) fn script(&mut self, text: &str) -> Result<(), StoreFault> {
        self.asked += 1;
        match &mut self.base {
            Base::Sqlite(sqlite) => sqlite.script(text),
            Base::Postgres(postgres) => postgres.script(&text.replace("BLOB", "BYTEA")),
        }
    }

    /// Runs a statement; says how many rows it changed.
    pub(crate) fn execute(&mut self, sql: &'static str, values: &[Value]) -> Result<u64, StoreFault> {
        self.asked += 1;
        match &mut self.base {
            Base::Sqlite(sqlite) => sqlite.execute(sql, values),
            Base::Postgres(postgres) => postgres.execute(sql, values),
        }
    }

    /// Runs a statement once for each of `rows`, in their order.
    pub(crate) fn each(&mut self, sql: &'static str, rows: &[Vec<Value>]) -> Result<(), StoreFault> {
        self.asked += rows.len() as u64;
        match &mut self.base {
            Base::Sqlite(sqlite) => rows.iter().try_for_each(|row| sqlite.execute(sql, row).map(|_| ())),
            Base::Postgres(postgres) => postgres.each(sql, rows),
        }
    }

    /// What a query finds.
    pub(crate) fn query(&mut self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, StoreFault> {
        self.asked += 1;
        match &mut self.base {
            Base::Sqlite(sqlite) => sqlite.query(sql, values),
            Base::Postgres(postgres) => postgres.query(sql, values),
        }
    }

    /// The one number that a query finds; zero for nothing.
    pub(crate) fn number(&mut self, sql: &'static str, values: &[Value]) -> Result<i64, StoreFault> {
        Ok(self.query(sql, values)?.first().map_or(0, |row| row.number(0)))
    }

    /// Everything of `work`, or nothing. Who writes meanwhile waits.
    pub(crate) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Engine) -> Result<T, StoreFault>,
    ) -> Result<T, StoreFault> {
        // SQLite takes its lock here, while waiting for it is still possible; a reader that turns writer cannot wait.
        self.script(match self.base {
            Base::Sqlite(_) => "BEGIN IMMEDIATE",
            Base::Postgres(_) => "BEGIN",
        })?;
        let done = work(self).and_then(|done| self.script("COMMIT").map(|()| done));
        if done.is_err() {
            // A full disk may have ended it already.
            let _ = self.script("ROLLBACK");
        }
        done
    }

    pub(crate) fn asked(&self) -> u64 {
        self.asked
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.base, Base::Postgres(_))
    }
}

// === impl Row ===

impl Row {
    pub(crate) fn number(&self, at: usize) -> i64 {
        match self.0.get(at) {
            Some(Value::Number(number)) => *number,
            _ => 0,
        }
    }

    /// A number that is never negative.
    pub(crate) fn count(&self, at: usize) -> u64 {
        u64::try_from(self.number(at)).unwrap_or_default()
    }

    pub(crate) fn text(&self, at: usize) -> String {
        match self.0.get(at) {
            Some(Value::Text(text)) => text.clone(),
            _ => String::new(),
        }
    }

    pub(crate) fn bytes(&self, at: usize) -> Vec<u8> {
        match self.0.get(at) {
            Some(Value::Bytes(bytes)) => bytes.clone(),
            _ => Vec::new(),
        }
    }

    /// A number, or none where there is nothing.
    pub(crate) fn number_if_any(&self, at: usize) -> Option<i64> {
        match self.0.get(at) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }
}

// === impl Value ===

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Number(number)
    }
}

/// Beyond 63 bits a number is the largest there is.
impl From<u64> for Value {
    fn from(number: u64) -> Value {
        Value::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// PostgreSQL knows no NUL in a text.
impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.replace('\0', "\u{fffd}"))
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Value {
        Value::Bytes(bytes)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Nothing, Into::into)
    }
}
