//! Several upstreams: who gets what, what happens when one dies, and what is never sent twice.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use std::net::{Shutdown, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use palisade_testkit::{Client, Exchange, HOST, RunningGate, Upstream, eventually, metric, open};
use palisade_tower::policy::{HealthCheck, Limits, Origin, Upstream as Target};

/// An application that can die and come back on the same port: dead, nobody listens, and every connection is closed.
struct Mortal {
    origin: Origin,
    dead: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    stop: Option<std::sync::mpsc::Sender<()>>,
}

impl Mortal {
    fn start(name: &'static str) -> Mortal {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("port");
        let origin = Origin::parse(&format!("http://{}", listener.local_addr().expect("address"))).expect("origin");
        let mut mortal = Mortal { origin, dead: Arc::default(), served: Arc::default(), stop: None };
        mortal.serve(listener, name);
        mortal
    }

    fn serve(&mut self, listener: TcpListener, name: &'static str) {
        use std::io::{BufRead as _, BufReader, Write as _};
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let (dead, served) = (Arc::clone(&self.dead), Arc::clone(&self.served));
        listener.set_nonblocking(true).expect("nonblocking");
        std::thread::spawn(move || {
            let mut open = Vec::new();
            while stopped.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
                let Ok((stream, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                };
                stream.set_nonblocking(false).expect("blocking");
                open.push(stream.try_clone().expect("clone"));
                let (dead, served) = (Arc::clone(&dead), Arc::clone(&served));
                std::thread::spawn(move || {
                    let mut lines = BufReader::new(stream.try_clone().expect("clone")).lines();
                    let mut stream = stream;
                    while let Some(Ok(line)) = lines.next() {
                        if dead.load(Relaxed) {
                            return;
                        }
                        if line.is_empty() {
                            served.fetch_add(1, Relaxed);
                            let length = name.len();
                            let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{name}");
                        }
                    }
                });
            }
            drop(listener);
            for stream in open {
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
        self.stop = Some(stop);
    }

    fn die(&mut self) {
        self.dead.store(true, Relaxed);
        self.stop = None;
        let address = self.origin.authority.clone();
        eventually("nobody listens", || std::net::TcpStream::connect(&address).is_err());
    }

    fn rise(&mut self, name: &'static str) {
        let listener = TcpListener::bind(&self.origin.authority).expect("the same port");
        self.dead.store(false, Relaxed);
        self.serve(listener, name);
    }

    fn served(&self) -> usize {
        self.served.load(Relaxed)
    }
}

fn targets(origins: &[(&Origin, u16)]) -> Vec<Target> {
    origins.iter().map(|(origin, weight)| Target { origin: (*origin).clone(), weight: *weight }).collect()
}

#[test]
fn weights_hold() {
    let (light, heavy) = (Upstream::fixed("light"), Upstream::fixed("heavy"));
    let gate = RunningGate::of(open(), targets(&[(&light.origin(), 1), (&heavy.origin(), 3)]), 1);
    let mut client = gate.client();
    for _ in 0..80 {
        assert_eq!(client.get("/free/a").status, 200);
    }
    assert_eq!((light.requests().len(), heavy.requests().len()), (20, 60));
}

#[test]
fn the_least_loaded_is_asked() {
    let (slow, fast) = (Upstream::start(Exchange::await_close), Upstream::fixed("fast"));
    let gate = RunningGate::of(open(), targets(&[(&slow.origin(), 1), (&fast.origin(), 1)]), 1);
    let mut stuck: Vec<Client> = Vec::new();
    // Of the first two requests one hangs; from then on everybody is sent to the other.
    while slow.requests().is_empty() {
        let mut client = gate.client();
        client.send(format!("GET /free/a HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
        stuck.push(client);
        let sent = stuck.len();
        eventually("it arrives", || slow.requests().len() + fast.requests().len() == sent);
    }
    for _ in 0..20 {
        assert_eq!(gate.client().get("/free/a").text(), "fast");
    }
    assert_eq!(slow.requests().len(), 1);
}

#[test]
fn one_of_two_dies_under_load_and_only_what_it_was_answering_is_lost() {
    const CLIENTS: usize = 8;
    let (mut mortal, steady) = (Mortal::start("mortal"), Upstream::fixed("steady"));
    let gate = RunningGate::of(open(), targets(&[(&mortal.origin, 1), (&steady.origin(), 1)]), 2);
    let (over, failed, answered) =
        (Arc::new(AtomicBool::new(false)), Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (address, over) = (gate.address, Arc::clone(&over));
            let (failed, answered) = (Arc::clone(&failed), Arc::clone(&answered));
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                while !over.load(Relaxed) {
                    let count = if client.get("/free/a").status == 200 { &answered } else { &failed };
                    count.fetch_add(1, Relaxed);
                }
            })
        })
        .collect();
    eventually("both are asked", || mortal.served() > 100 && steady.requests().len() > 100);
    mortal.die();
    let before = answered.load(Relaxed);
    eventually("requests go on", || answered.load(Relaxed) > before + 500);
    assert!(failed.load(Relaxed) <= CLIENTS, "{} failed, {CLIENTS} could be in flight", failed.load(Relaxed));
    let (lost, served) = (failed.load(Relaxed), mortal.served());
    mortal.rise("mortal");
    eventually("it is asked again", || mortal.served() > served + 100);
    assert_eq!(failed.load(Relaxed), lost, "its return costs nothing");
    over.store(true, Relaxed);
    clients.into_iter().for_each(|client| client.join().expect("client"));
    let told = format!("palisade_upstream_connect_failures_total{{upstream=\"{}\"}}", mortal.origin.authority);
    let failures = metric(gate.admin, &told);
    assert!((1..=40).contains(&failures), "it was left alone while it was out: {failures}");
}

#[test]
fn what_changes_something_is_never_sent_twice() {
    // Takes the request, and closes without an answer.
    let closing = || {
        Upstream::start(|exchange| {
            let _ = exchange.try_body();
            exchange.close();
        })
    };
    let (one, two) = (closing(), closing());
    let gate = RunningGate::of(open(), targets(&[(&one.origin(), 1), (&two.origin(), 1)]), 1);
    let sent = |method: &str| {
        let body = if method == "GET" { "" } else { "ab" };
        let path = if method == "GET" { "/free/a" } else { "/in/a" };
        let length = body.len();
        let mut client = gate.client();
        client.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nOrigin: https://{HOST}\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        client.response().status
    };
    for (method, total) in [("POST", 1), ("PUT", 2), ("GET", 3)] {
        assert_eq!(sent(method), 502);
        assert_eq!(one.requests().len() + two.requests().len(), total, "{method}, over a new connection");
    }
}

#[test]
fn a_kept_connection_that_closes_unanswered_costs_an_idempotent_request_nothing() {
    // Answers the first request of each connection, and closes on the second without a word.
    let upstream = Upstream::start({
        let seen = std::sync::Mutex::new(std::collections::HashSet::new());
        move |exchange| {
            if seen.lock().expect("lock").insert(exchange.request.connection) {
                exchange.reply(200, &[], "ok");
            } else {
                let _ = exchange.try_body();
                exchange.close();
            }
        }
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    let idle = || std::thread::sleep(Duration::from_millis(20));
    for _ in 0..3 {
        assert_eq!(client.get("/free/a").status, 200);
        idle();
    }
    // One, then twice over two connections each.
    assert_eq!(upstream.requests().len(), 5);
    client
        .send(format!("POST /in/a HTTP/1.1\r\nHost: {HOST}\r\nOrigin: https://{HOST}\r\nContent-Length: 2\r\n\r\nab"));
    assert_eq!(client.response().status, 502);
    assert_eq!(upstream.requests().len(), 6, "a POST that was sent is not sent again");
    assert_eq!(metric(gate.admin, "palisade_upstream_retries_total"), 2);
}

#[test]
fn a_request_that_could_not_be_sent_goes_to_another_whatever_it_is() {
    let (nobody, there) = (Upstream::nowhere(), Upstream::fixed("there"));
    let gate = RunningGate::of(open(), targets(&[(&nobody, 1000), (&there.origin(), 1)]), 1);
    for _ in 0..5 {
        let mut client = gate.client();
        client.send(format!(
            "POST /in/a HTTP/1.1\r\nHost: {HOST}\r\nOrigin: https://{HOST}\r\nContent-Length: 2\r\n\r\nab"
        ));
        assert_eq!(client.response().text(), "there");
    }
    assert_eq!(there.requests().len(), 5);
}

#[test]
fn a_sick_upstream_is_found_by_asking_and_comes_back_when_it_is_well() {
    let sick = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&sick);
    let moody = Upstream::start(move |exchange| {
        let health = exchange.request.target == "/up";
        assert!(!health || exchange.request.head.field("host") == Some(HOST), "it asks for the public host");
        exchange.reply(if health && told.load(Relaxed) { 503 } else { 200 }, &[], "moody");
    });
    let steady = Upstream::fixed("steady");
    let health = HealthCheck { path: "/up".to_owned(), interval: Duration::from_millis(100) };
    let gate = RunningGate::of(open().health(health), targets(&[(&moody.origin(), 1), (&steady.origin(), 1)]), 1);
    let up = format!("palisade_upstream_up{{upstream=\"{}\"}}", moody.origin().authority);
    eventually("it is found sick", || metric(gate.admin, &up) == 0);
    let asked = || moody.requests().iter().filter(|request| request.target == "/free/a").count();
    let before = asked();
    for _ in 0..10 {
        assert_eq!(gate.client().get("/free/a").text(), "steady");
    }
    assert_eq!(asked(), before);
    sick.store(false, Relaxed);
    eventually("it is asked again", || gate.client().get("/free/a").text() == "moody");
}

#[test]
fn a_silent_upstream_does_not_hold_up_the_others() {
    // Accepts, and never answers: connecting tells nothing of it.
    let (slow, there) = (Upstream::start(Exchange::await_close), Upstream::fixed("there"));
    let limits = Limits { upstream_timeout: Duration::from_millis(200), ..Limits::default() };
    let gate = RunningGate::of(open().limits(limits), targets(&[(&slow.origin(), 1), (&there.origin(), 1)]), 1);
    let statuses: Vec<u16> = (0..6).map(|_| gate.client().get("/free/a").status).collect();
    assert!(statuses.iter().all(|status| matches!(status, 200 | 504)), "{statuses:?}");
    assert!(statuses.iter().filter(|status| **status == 200).count() >= 3, "{statuses:?}");
}
