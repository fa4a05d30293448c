//! One connection to the server, and one question over it.

use std::fmt;
use std::time::Duration;

use palisade_guard::shared::Call;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError, RedisFuture, RedisResult, ServerErrorKind, TlsMode, Value,
};
use tokio::time::timeout;

use super::address::{Address, Layout};

/// A connection. Any number of questions share it; a clone is the same connection.
#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    // Large, and rare.
    Cluster(Box<ClusterConnection>),
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// None came in time.
    Late,
    /// The connection broke, or the server wants to be asked over another one.
    Broken(RedisError),
    /// The server refused.
    Refused(RedisError),
    /// The answer is none to the question.
    Odd,
}

/// How long a connection may take to be made; no request waits longer than its own time for it.
const DIAL: Duration = Duration::from_secs(2);

// === impl Connection ===

impl Connection {
    /// Connects. `patience` is how long a cluster's node may take for one answer.
    pub(super) async fn dial(address: &Address, patience: Duration) -> Result<Connection, Failure> {
        match timeout(DIAL, dial(address, patience)).await {
            Ok(dialled) => dialled.map_err(Failure::of),
            Err(_) => Err(Failure::Late),
        }
    }

    /// Runs a script. The answer is a list of integers.
    pub(super) async fn run(&mut self, call: &Call) -> Result<Vec<i64>, Failure> {
        let answer = match self.ask(&eval(call, "EVALSHA", call.script.digest())).await {
            // Unknown to this server: it keeps what it is given in full.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.ask(&eval(call, "EVAL", call.script.text())).await
            }
            answer => answer,
        };
        redis::from_redis_value(answer.map_err(Failure::of)?).map_err(|_| Failure::Odd)
    }

    /// The server's `maxmemory-policy`, where it tells: of several servers the first that may evict.
    pub(super) async fn eviction(&mut self) -> Result<Option<String>, Failure> {
        let info = self.ask(redis::cmd("INFO").arg("memory")).await.map_err(Failure::of)?;
        let mut policies = Vec::new();
        collect(&info, &mut policies);
        Ok(policies.into_iter().find(|policy| policy != "noeviction"))
    }

    async fn ask(&mut self, command: &Cmd) -> RedisResult<Value> {
        let answering: RedisFuture<'_, Value> = match self {
            Connection::One(connection) => connection.req_packed_command(command),
            Connection::Cluster(connection) => connection.req_packed_command(command),
        };
        answering.await.and_then(Value::extract_error)
    }
}

fn eval(call: &Call, how: &str, script: &str) -> Cmd {
    let mut command = redis::cmd(how);
    command.arg(script).arg(call.keys.len()).arg(&call.keys).arg(&call.arguments);
    command
}

/// `maxmemory_policy` in `INFO`, whose text comes alone or, from a cluster, once a node.
fn collect(value: &Value, policies: &mut Vec<String>) {
    match value {
        Value::BulkString(text) => {
            let text = String::from_utf8_lossy(text);
            let found = text.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"));
            policies.extend(found.map(|policy| policy.trim().to_owned()));
        }
        Value::VerbatimString { text, .. } => collect(&Value::BulkString(text.clone().into_bytes()), policies),
        Value::Array(values) => values.iter().for_each(|value| collect(value, policies)),
        Value::Map(pairs) => pairs.iter().for_each(|(_, value)| collect(value, policies)),
        _ => {}
    }
}

async fn dial(address: &Address, patience: Duration) -> RedisResult<Connection> {
    let tcp = TcpSettings::default().set_nodelay(true);
    let addresses = address.nodes.iter().map(|node| connection_addr(address, node));
    match &address.layout {
        Layout::Single => {
            let Some(address_of) = addresses.into_iter().next() else { return Err(nowhere()) };
            let info = information(address, address_of)?.set_tcp_settings(tcp);
            let connection = Client::open(info)?.get_multiplexed_async_connection_with_config(&config()).await?;
            Ok(Connection::One(connection))
        }
        Layout::Sentinel { master } => {
            let mut client = sentinel(address, master, addresses, tcp)?;
            Ok(Connection::One(client.get_async_connection_with_config(&config()).await?))
        }
        Layout::Cluster => {
            let nodes = addresses.map(|node| information(address, node)).collect::<RedisResult<Vec<_>>>()?;
            let mut builder = ClusterClientBuilder::new(nodes)
                .tcp_settings(tcp)
                // A question that a moved slot answers "elsewhere" is asked there; its time is bounded outside.
                .retries(3)
                .connection_timeout(DIAL)
                .response_timeout(patience);
            if let Some(user) = &address.user {
                builder = builder.username(user);
            }
            if let Some(password) = &address.password {
                builder = builder.password(password);
            }
            if address.tls {
                builder = builder.tls(TlsMode::Secure);
            }
            Ok(Connection::Cluster(Box::new(builder.build()?.get_async_connection().await?)))
        }
    }
}

fn sentinel(
    address: &Address,
    master: &str,
    nodes: impl Iterator<Item = ConnectionAddr>,
    tcp: TcpSettings,
) -> RedisResult<SentinelClient> {
    let mut builder = SentinelClientBuilder::new(nodes, master, SentinelServerType::Master)?
        .set_client_to_redis_db(address.db)
        .set_client_to_redis_tcp_settings(tcp.clone())
        .set_client_to_sentinel_tcp_settings(tcp);
    if let Some(user) = &address.user {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(password) = &address.password {
        builder = builder.set_client_to_redis_password(password);
    }
    if address.tls {
        builder =
            builder.set_client_to_redis_tls_mode(TlsMode::Secure).set_client_to_sentinel_tls_mode(TlsMode::Secure);
    }
    builder.build()
}

/// Waiting is bounded by whoever asks.
fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(Some(DIAL))
}

fn connection_addr(address: &Address, (host, port): &(String, u16)) -> ConnectionAddr {
    let (host, port) = (host.clone(), *port);
    if address.tls {
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    }
}

fn information(address: &Address, node: ConnectionAddr) -> RedisResult<ConnectionInfo> {
    let mut settings = RedisConnectionInfo::default().set_db(address.db);
    if let Some(user) = &address.user {
        settings = settings.set_username(user);
    }
    if let Some(password) = &address.password {
        settings = settings.set_password(password);
    }
    Ok(node.into_connection_info()?.set_redis_settings(settings))
}

fn nowhere() -> RedisError {
    RedisError::from((ErrorKind::InvalidClientConfig, "no host"))
}

// === impl Failure ===

impl Failure {
    fn of(error: RedisError) -> Failure {
        let elsewhere =
            matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown));
        if elsewhere || error.is_unrecoverable_error() || error.is_io_error() {
            Failure::Broken(error)
        } else {
            Failure::Refused(error)
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Late => f.write_str("no answer in time"),
            Failure::Broken(error) | Failure::Refused(error) => error.fmt(f),
            Failure::Odd => f.write_str("an answer that is none to the question"),
        }
    }
}
