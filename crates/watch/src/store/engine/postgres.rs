//! PostgreSQL, for several nodes that share one store. Waits for answers on a runtime of its own: never call it from
//! a thread that runs another one (`spawn_blocking` is the way).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::future::try_join_all;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Runtime;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Config, NoTls, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Row, Value};
use crate::store::fault::{StoreFault, Trouble};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// No statement of ours takes that long; a server that hangs must not hold events back for ever.
const STATEMENT_TIMEOUT: &str =
    "SET statement_timeout = '60s'; SET lock_timeout = '10s'; SET client_min_messages = 'warning'";

pub(crate) struct Postgres {
    config: Config,
    runtime: Runtime,
    link: Option<Link>,
}

/// A connection, and what it has prepared.
struct Link {
    client: Client,
    prepared: HashMap<&'static str, Statement>,
}

// === impl Postgres ===

impl Postgres {
    pub(super) fn open(url: &str) -> Result<Postgres, StoreFault> {
        // The address may hold a password, and its parser's errors may repeat it.
        let bad =
            |_| StoreFault::new(Trouble::Unusable, "not an address of PostgreSQL: write postgres://user@host/name");
        let mut config: Config = url.parse().map_err(bad)?;
        config.connect_timeout(CONNECT_TIMEOUT).application_name("palisade");
        if config.get_ssl_mode() == SslMode::Prefer && !config.get_hosts().iter().all(is_here) {
            config.ssl_mode(SslMode::Require);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| StoreFault::new(Trouble::Unusable, error.to_string()))?;
        let mut postgres = Postgres { config, runtime, link: None };
        postgres.linked()?;
        Ok(postgres)
    }

    pub(super) fn script(&mut self, text: &str) -> Result<(), StoreFault> {
        self.with(async |link| link.client.batch_execute(text).await)
    }

    pub(super) fn execute(&mut self, sql: &'static str, values: &[Value]) -> Result<u64, StoreFault> {
        self.with(async |link| {
            let statement = link.prepared(sql).await?;
            link.client.execute_raw(&statement, values).await
        })
    }

    /// All are sent before the first answer is awaited.
    pub(super) fn each(&mut self, sql: &'static str, rows: &[Vec<Value>]) -> Result<(), StoreFault> {
        self.with(async |link| {
            let statement = link.prepared(sql).await?;
            try_join_all(rows.iter().map(|row| link.client.execute_raw(&statement, row))).await.map(drop)
        })
    }

    pub(super) fn query(&mut self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, StoreFault> {
        let found = self.with(async |link| {
            let statement = link.prepared(sql).await?;
            let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
            link.client.query(&statement, &values).await
        })?;
        found.iter().map(|row| (0..row.len()).map(|at| value(row, at)).collect::<Result<_, _>>().map(Row)).collect()
    }

    fn with<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Link) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, StoreFault> {
        self.linked()?;
        let Postgres { runtime, link: Some(link), .. } = self else {
            return Err(StoreFault::new(Trouble::Unusable, "not connected"));
        };
        let done = runtime.block_on(work(link));
        if link.client.is_closed() {
            // The next statement connects anew; a transaction that was open has ended, and is tried again as a whole.
            self.link = None;
        }
        Ok(done?)
    }

    fn linked(&mut self) -> Result<(), StoreFault> {
        if self.link.is_none() {
            let client = self.runtime.block_on(connect(&self.config))?;
            self.link = Some(Link { client, prepared: HashMap::new() });
        }
        Ok(())
    }
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Postgres(..)")
    }
}

impl Link {
    async fn prepared(&mut self, sql: &'static str) -> Result<Statement, tokio_postgres::Error> {
        if let Some(statement) = self.prepared.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(&sql.replace('?', "$")).await?;
        self.prepared.insert(sql, statement.clone());
        Ok(statement)
    }
}

/// A socket or a loopback address: nobody listens in between.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
        Host::Unix(_) => true,
    }
}

async fn connect(config: &Config) -> Result<Client, StoreFault> {
    let client = if config.get_ssl_mode() == SslMode::Disable {
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        client
    } else {
        let (client, connection) = config.connect(MakeRustlsConnect::new(tls()?)).await?;
        tokio::spawn(connection);
        client
    };
    client.batch_execute(STATEMENT_TIMEOUT).await?;
    Ok(client)
}

/// Certificates judged by the system's roots (`SSL_CERT_FILE` names others), as those of the shared state are.
fn tls() -> Result<ClientConfig, StoreFault> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| StoreFault::new(Trouble::Unusable, error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn value(row: &tokio_postgres::Row, at: usize) -> Result<Value, StoreFault> {
    let Some(column) = row.columns().get(at) else { return Ok(Value::Nothing) };
    Ok(match *column.type_() {
        Type::INT8 => row.try_get::<_, Option<i64>>(at)?.into(),
        Type::INT4 => row.try_get::<_, Option<i32>>(at)?.map(i64::from).into(),
        Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(at)?.into(),
        _ => row.try_get::<_, Option<&str>>(at)?.into(),
    })
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Value::Number(number) => number.to_sql_checked(ty, out),
            Value::Text(text) => text.to_sql_checked(ty, out),
            Value::Bytes(bytes) => bytes.to_sql_checked(ty, out),
            Value::Nothing => Ok(IsNull::Yes),
        }
    }

    fn accepts(_: &Type) -> bool {
        // Each value looks for itself.
        true
    }

    to_sql_checked!();
}

impl From<tokio_postgres::Error> for StoreFault {
    fn from(error: tokio_postgres::Error) -> StoreFault {
        use tokio_postgres::error::SqlState;
        let trouble = match error.code() {
            Some(&SqlState::DISK_FULL | &SqlState::OUT_OF_MEMORY | &SqlState::INSUFFICIENT_RESOURCES) => Trouble::Full,
            Some(&SqlState::LOCK_NOT_AVAILABLE | &SqlState::QUERY_CANCELED | &SqlState::T_R_DEADLOCK_DETECTED) => {
                Trouble::Locked
            }
            Some(_) => Trouble::Unusable,
            None => Trouble::Away,
        };
        // The server's own words: of statements, columns and files, never of values.
        let text = error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
        StoreFault::new(trouble, text)
    }
}
