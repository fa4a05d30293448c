//! SQLite in a file: WAL, so that readers never wait for the writer; other processes wait for each other.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, Value as Held, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql};

use super::{Row, Value};
use crate::store::fault::{StoreFault, Trouble};

/// How long a statement waits for another process that writes.
const BUSY: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Sqlite {
    connection: Connection,
}

// === impl Sqlite ===

impl Sqlite {
    /// A file, made if it is not there, and then readable by its owner alone.
    pub(super) fn open(path: &Path, max_pages: Option<u32>) -> Result<Sqlite, StoreFault> {
        private(path)?;
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        // NORMAL keeps the file whole over a crash of the process; the last second may go with a crash of the machine.
        connection.execute_batch(
            "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
             PRAGMA journal_size_limit = 16777216; PRAGMA temp_store = MEMORY;",
        )?;
        if let Some(pages) = max_pages {
            connection.pragma_update(None, "max_page_count", pages)?;
        }
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Sqlite { connection })
    }

    pub(super) fn script(&self, text: &str) -> Result<(), StoreFault> {
        Ok(self.connection.execute_batch(text)?)
    }

    pub(super) fn execute(&self, sql: &str, values: &[Value]) -> Result<u64, StoreFault> {
        let changed = self.connection.prepare_cached(sql)?.execute(rusqlite::params_from_iter(values))?;
        Ok(u64::try_from(changed).unwrap_or_default())
    }

    pub(super) fn query(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreFault> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query(rusqlite::params_from_iter(values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let row = (0..columns).map(|at| row.get_ref(at).map(Value::of)).collect::<Result<_, _>>()?;
            found.push(Row(row));
        }
        Ok(found)
    }
}

/// Events hold addresses and users: nobody else's business.
fn private(path: &Path) -> Result<(), StoreFault> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map(drop).map_err(|error| StoreFault::new(Trouble::Unusable, format!("{}: {error}", path.display())))
}

impl Value {
    fn of(value: ValueRef<'_>) -> Value {
        match value {
            ValueRef::Integer(number) => Value::Number(number),
            ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
            // No column holds a fraction.
            ValueRef::Null | ValueRef::Real(_) => Value::Nothing,
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Value::Number(number) => ToSqlOutput::Owned(Held::Integer(*number)),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Value::Nothing => ToSqlOutput::Owned(Held::Null),
        })
    }
}

impl From<rusqlite::Error> for StoreFault {
    fn from(error: rusqlite::Error) -> StoreFault {
        let trouble = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => Trouble::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Trouble::Locked,
            _ => Trouble::Unusable,
        };
        StoreFault::new(trouble, error.to_string())
    }
}
