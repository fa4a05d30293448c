use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use palisade_backend::Address;
use palisade_event::Kind;
use palisade_gateway::{Admin, Config, Control, Drained, EventSink, Front, Gateway};
use palisade_guard::{Plan, Secrets, State};
use palisade_policy::{self as policy, Limits, Method, Origin, Policy, PolicyBuilder, Route, SharedState};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::{Client, FixedEnv, PATIENCE};

/// The host that gates of tests answer for, under https.
pub const HOST: &str = "shop.example";

/// The token that opens the metrics of gates of tests.
pub const ADMIN_TOKEN: &str = "a-token-of-tests-for-the-metrics-0123456789";

/// The secret of every webhook.
pub const WEBHOOK_SECRET: &str = "a-secret-of-webhooks-with-32-chars";

/// A gate in this process.
#[derive(Debug)]
pub struct RunningGate {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it redirects plain http, if it does.
    pub redirect: Option<SocketAddr>,
    /// Where it answers operators who have [`ADMIN_TOKEN`].
    pub admin: SocketAddr,
    /// The hand that reloads and cuts.
    pub control: Control,
    /// What it counts in.
    pub state: Arc<State>,
    /// What it tells.
    pub events: Events,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<io::Result<Drained>>>,
}

/// The event lines of a gate, in the order they were written.
#[derive(Debug)]
pub struct Events {
    lines: Receiver<String>,
}

/// A policy for `https://shop.example` in production.
///
/// # Panics
/// Never.
pub fn builder() -> PolicyBuilder {
    Policy::builder("shop", vec![Origin::parse("https://shop.example").expect("origin")])
}

/// A policy with routes that want nothing but a well-formed request: `GET /free/{*rest}`, which is not limited, and
/// `POST` and `PUT /in/{*rest}`, up to a mebibyte.
pub fn open() -> PolicyBuilder {
    builder().route(route("/free/{*rest}", Kind::PublicRead, &[])).route(route(
        "/in/{*rest}",
        Kind::Delegated,
        &[Method::Post, Method::Put],
    ))
}

/// A route of that kind and those methods.
#[must_use]
pub fn route(path: &str, kind: Kind, methods: &[Method]) -> Route {
    let route = Route::new(path, kind);
    if methods.is_empty() { route } else { Route { methods: methods.iter().copied().collect(), ..route } }
}

// === impl RunningGate ===

impl RunningGate {
    /// Starts a gate of one thread with fixed secrets.
    ///
    /// # Panics
    /// If the policy is not valid.
    #[must_use]
    pub fn start(policy: PolicyBuilder, upstream: &Origin) -> RunningGate {
        RunningGate::with_threads(policy, upstream, 1)
    }

    /// Starts a gate of so many threads.
    ///
    /// # Panics
    /// If the policy is not valid.
    #[must_use]
    pub fn with_threads(policy: PolicyBuilder, upstream: &Origin, threads: usize) -> RunningGate {
        RunningGate::of(policy, vec![upstream.clone().into()], threads)
    }

    /// Starts a gate of so many threads, with something before HTTP.
    ///
    /// # Panics
    /// If the policy is not valid.
    #[must_use]
    pub fn behind(policy: PolicyBuilder, upstream: &Origin, threads: usize, front: Front) -> RunningGate {
        RunningGate::launch(policy, vec![upstream.clone().into()], threads, front, None)
    }

    /// Starts a gate of so many threads in front of several upstreams.
    ///
    /// # Panics
    /// If the policy is not valid.
    #[must_use]
    pub fn of(policy: PolicyBuilder, upstreams: Vec<policy::Upstream>, threads: usize) -> RunningGate {
        RunningGate::launch(policy, upstreams, threads, Front::default(), None)
    }

    /// Starts a gate of so many threads that shares its state with others by the server at `url`.
    ///
    /// # Panics
    /// If the policy or the URL is not valid.
    #[must_use]
    pub fn sharing(policy: PolicyBuilder, upstream: &Origin, threads: usize, url: &str) -> RunningGate {
        RunningGate::sharing_behind(policy, upstream, threads, url, Front::default())
    }

    /// As [`RunningGate::sharing`], with something before HTTP.
    ///
    /// # Panics
    /// If the policy or the URL is not valid.
    #[must_use]
    pub fn sharing_behind(
        policy: PolicyBuilder,
        upstream: &Origin,
        threads: usize,
        url: &str,
        front: Front,
    ) -> RunningGate {
        let shared = Some(url.parse().expect("a URL"));
        RunningGate::launch(policy, vec![upstream.clone().into()], threads, front, shared)
    }

    fn launch(
        policy: PolicyBuilder,
        upstreams: Vec<policy::Upstream>,
        threads: usize,
        front: Front,
        shared: Option<Address>,
    ) -> RunningGate {
        let (tx, lines) = channel();
        let sink = EventSink::new(Lines { tx, partial: Vec::new() });
        let plan = plan(policy);
        let state = Arc::clone(plan.state());
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let admin = Admin::bind(listen, Some(ADMIN_TOKEN)).expect("bind");
        let at = admin.local_addr();
        let admin = Some(admin);
        let config = Config { listen, upstreams, threads, plan, sink };
        let gateway = Gateway::bind(config).expect("bind").with_admin(admin).with_shared(shared, |_| {});
        let gateway = gateway.with_front(front).expect("bind");
        let redirect = gateway.redirect_addr();
        let address = gateway.local_addr();
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = channel();
        let thread = std::thread::spawn(move || {
            gateway.run(|control| async move {
                let _ = tell.send(control);
                let _ = stopped.await;
            })
        });
        let control = told.recv_timeout(PATIENCE).expect("the gate starts");
        RunningGate {
            address,
            redirect,
            admin: at,
            state,
            control,
            events: Events { lines },
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// A connection to it.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Tells it to drain, and does not wait.
    pub fn shut_down(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// If it failed.
    pub fn join(&mut self) -> Drained {
        let thread = self.thread.take().expect("joined once");
        thread.join().expect("no panic").expect("no failure")
    }

    /// Drains it, and waits.
    pub fn stop(&mut self) -> Drained {
        self.shut_down();
        self.join()
    }
}

impl Drop for RunningGate {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// State shared by the server that `REDIS_URL` names, which may take so long to answer.
#[must_use]
pub fn shared_state(timeout: Duration) -> SharedState {
    SharedState { redis: Some("REDIS_URL".to_owned()), timeout, ..SharedState::default() }
}

/// Compiles a policy with fixed secrets.
///
/// # Panics
/// If it is not valid.
#[must_use]
pub fn plan(policy: PolicyBuilder) -> Arc<Plan> {
    let policy = policy.build().unwrap_or_else(|problems| panic!("{problems:?}"));
    let limits: &Limits = &policy.limits;
    let state = State::new(limits, &FixedEnv::at(SOME_TIME).env());
    compile(policy, &state)
}

/// Compiles a policy with the same secrets over the state of another plan, as a reload does.
///
/// # Panics
/// If it is not valid.
#[must_use]
pub fn plan_over(policy: PolicyBuilder, state: &Arc<State>) -> Arc<Plan> {
    compile(policy.build().unwrap_or_else(|problems| panic!("{problems:?}")), state)
}

const SOME_TIME: u64 = 1_793_577_600;

fn compile(policy: Policy, state: &Arc<State>) -> Arc<Plan> {
    let mut secrets = Secrets::ephemeral(&FixedEnv::at(SOME_TIME).env());
    for name in policy.routes().iter().filter_map(|route| route.signature.as_ref()).flat_map(|it| &it.secrets) {
        secrets.webhooks.insert(name.clone(), vec![WEBHOOK_SECRET.to_owned().into()]);
    }
    Plan::compile(policy, &secrets, state).unwrap_or_else(|problems| panic!("{problems:?}"))
}

// === impl Events ===

impl Events {
    /// The next event.
    ///
    /// # Panics
    /// If none comes, or what comes is not JSON.
    pub fn next(&self) -> Value {
        self.within(PATIENCE).expect("an event")
    }

    /// Events up to the one that `wanted` accepts, which comes last.
    ///
    /// # Panics
    /// If it does not come.
    pub fn until(&self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut seen = Vec::new();
        loop {
            seen.push(self.next());
            if seen.last().is_some_and(&wanted) {
                return seen;
            }
        }
    }

    /// What is left once the gate has ended.
    pub fn rest(&self) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        std::iter::from_fn(|| self.within(deadline.saturating_duration_since(Instant::now()))).collect()
    }

    fn within(&self, time: Duration) -> Option<Value> {
        match self.lines.recv_timeout(time) {
            Ok(line) => Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }
}

/// Cuts what is written into lines.
struct Lines {
    tx: Sender<String>,
    partial: Vec<u8>,
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            if *byte == b'\n' {
                let line = String::from_utf8(std::mem::take(&mut self.partial)).map_err(io::Error::other)?;
                self.tx.send(line).map_err(io::Error::other)?;
            } else {
                self.partial.push(*byte);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A sample of a gate's metrics, by its name with labels; 0 where it is not told.
///
/// # Panics
/// If the metrics cannot be had.
#[must_use]
pub fn metric(admin: SocketAddr, sample: &str) -> u64 {
    let page = metrics(admin);
    let line = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().expect("a whole number"))
}

/// The whole page of a gate's metrics.
///
/// # Panics
/// If it cannot be had.
#[must_use]
pub fn metrics(admin: SocketAddr) -> String {
    let mut client = Client::connect(admin);
    client.send(format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n\r\n"));
    let response = client.response();
    assert_eq!(response.status, 200, "{}", response.text());
    response.text()
}
