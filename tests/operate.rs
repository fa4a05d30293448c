//! The gate in an operator's hands: reload, stop, the admin listener, a socket from systemd.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]

#[path = "support/app.rs"]
mod app;
#[path = "support/http.rs"]
mod http;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use app::{App, Folder, HOST, TOKEN, serve};
use http::{Running, send};
use palisade_testkit::free_address;

fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn policy(upstream: SocketAddr, more: &str) -> String {
    format!(
        "[app]\nname = \"shop\"\npublic_origin = \"https://{HOST}\"\nupstream = \"http://{upstream}\"\n\
         [[route]]\npath = \"/free\"\nkind = \"public-read\"\n{more}"
    )
}

/// A route of its own limit.
fn limited(limit: &str) -> String {
    format!("[[route]]\npath = \"/limited\"\nkind = \"public-read\"\nlimit = \"{limit}\"\n")
}

fn get(gate: &Running, path: &str) -> u16 {
    send(gate.address, HOST, "GET", path, &[], "").status
}

fn metric(gate: &Running, sample: &str) -> u64 {
    let admin = gate.admin();
    let bearer = format!("Bearer {TOKEN}");
    let page = send(admin, &admin.to_string(), "GET", "/metrics", &[("authorization", &bearer)], "").body;
    let value = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {sample} in {page}"))
}

#[test]
fn a_changed_file_is_taken_up_and_a_broken_one_changes_nothing_and_says_why() {
    let folder = Folder::new("reload");
    let app = App::start();
    let file = folder.file("palisade.toml", &policy(app.address, &limited("2/min")));
    let gate = Running::start(&mut serve(&folder, &[]));
    assert_eq!([200, 200, 429], [(); 3].map(|()| get(&gate, "/limited")));

    // As editors do: another file takes its place.
    let other = folder.file("next.toml", &policy(app.address, &format!("{}limit = \"0/min\"\n", &limited("2/min"))));
    fs::rename(other, &file).expect("rename");
    let event = gate.event(|event| event["palisade.notice"] == "reload-failed");
    assert_eq!(event["palisade.codes"][0], "key-duplicate", "{event}");
    eventually("it says so", || gate.said().contains("the policy before it stays in force"));
    assert!(gate.said().contains("palisade.toml:12:1"), "{}", gate.said());
    assert_eq!(get(&gate, "/limited"), 429, "what was counted stays");
    assert_eq!(get(&gate, "/free"), 200);

    fs::write(&file, policy(app.address, &format!("{}{}", limited("2/min"), "[undeclared]\ndeny = true\n")))
        .expect("file");
    let event = gate.event(|event| event["palisade.notice"] == "reloaded");
    assert_eq!(event["palisade.generation"], 2);
    eventually("all threads have it", || metric(&gate, "palisade_policy_generation") == 2);
    assert_eq!((get(&gate, "/else"), get(&gate, "/limited"), get(&gate, "/free")), (404, 429, 200));
    assert_eq!(metric(&gate, "palisade_policy_reloads_total{outcome=\"failed\"}"), 1);
}

#[test]
fn sighup_reloads_schemas_manifest_and_env_files_and_tokens_survive() {
    let folder = Folder::new("sighup");
    let app = App::start();
    folder.file("schema.json", r#"{"type":"object","required":["a"]}"#);
    folder.file(".env", "CSRF_SECRET=0f3c6a1b9d8e7f2a4c5b6d7e8f9a0b1c\n");
    let form = "[[route]]\npath = \"/form\"\nmethods = [\"POST\"]\nkind = \"public-form\"\nschema = \"schema.json\"\nlimit = \"100/min\"\n";
    let text = policy(app.address, form).replace("[app]", "[app]\nframework = \"nextjs\"");
    folder.file("palisade.toml", &text);
    let manifest = ".next/server/server-reference-manifest.json";
    fs::create_dir_all(folder.0.join(".next/server")).expect("folder");
    let action = |id: &str| format!(r#"{{"node":{{"{id}":{{"workers":{{"app/page":{{}}}}}}}},"edge":{{}}}}"#);
    let (first, second) = ("7f".repeat(21), "60".repeat(21));
    folder.file(manifest, &action(&first));
    let gate = Running::start(serve(&folder, &["--no-watch", "--env-file", ".env"]).env_remove("CSRF_SECRET"));
    let post = |body: &str, cookie: &str, token: &str| {
        let origin = format!("https://{HOST}");
        let fields = [
            ("origin", origin.as_str()),
            ("content-type", "application/json"),
            ("cookie", cookie),
            ("x-csrf-token", token),
        ];
        let answer = send(gate.address, HOST, "POST", "/form", &fields, body);
        let code = if answer.status == 200 {
            String::new()
        } else {
            answer.json()["code"].as_str().unwrap_or_default().to_owned()
        };
        (answer.status, code)
    };
    let token = || {
        let answer = send(gate.address, HOST, "GET", "/api/csrf", &[], "");
        let cookie = answer.header("set-cookie").split(';').next().expect("cookie").to_owned();
        (cookie, answer.json()["csrfToken"].as_str().expect("token").to_owned())
    };
    let (cookie, spent) = token();
    let (other_cookie, kept) = token();
    assert_eq!(post("{\"a\":1}", &cookie, &spent).0, 200);
    let run = |id: &str| {
        let fields = [("next-action", id), ("origin", "https://shop.example"), ("content-type", "text/plain")];
        send(gate.address, HOST, "POST", "/", &fields, "[]").status
    };
    assert_eq!(run(&second), 404, "no such action");
    folder.file(manifest, &action(&second));
    folder.file("schema.json", r#"{"type":"object","required":["b"]}"#);
    assert_eq!(run(&second), 404, "nothing is watched here");
    gate.signal("HUP");
    gate.event(|event| event["palisade.notice"] == "reloaded");
    eventually("all threads have it", || metric(&gate, "palisade_policy_generation") == 2);
    assert_eq!(post("{\"b\":1}", &cookie, &spent), (403, "csrf-token-reused".to_owned()));
    assert_eq!(post("{\"a\":1}", &other_cookie, &kept), (400, "validation-failed".to_owned()), "the new schema");
    assert_eq!(post("{\"b\":1}", &other_cookie, &kept).0, 200, "a token made before holds");
    assert_ne!(run(&second), 404, "the new build's action is known");
    assert_eq!(run(&first), 404, "the old one's is not");
}

#[test]
fn what_a_reload_cannot_change_is_said() {
    let folder = Folder::new("frozen");
    let app = App::start();
    let file = folder.file("palisade.toml", &policy(app.address, ""));
    let gate = Running::start(&mut serve(&folder, &["--no-watch"]));
    fs::write(&file, policy(app.address, "[limits]\nconnections = 7\n")).expect("file");
    gate.signal("HUP");
    gate.event(|event| event["palisade.notice"] == "reloaded");
    eventually("it is said", || {
        gate.said().contains("[limits] connections has changed, and holds from the next start on")
    });
    fs::remove_file(&file).expect("remove");
    gate.signal("HUP");
    let event = gate.event(|event| event["palisade.notice"] == "reload-failed");
    assert_eq!(event["palisade.codes"][0], "unreadable");
    assert_eq!(get(&gate, "/free"), 200);
}

#[test]
fn check_validates_all_that_serve_needs() {
    let folder = Folder::new("check");
    let app = App::start();
    let fine = policy(app.address, "");
    let run = |text: &str, args: &[&str]| {
        folder.file("palisade.toml", text);
        let output = serve(&folder, &[&["--check"], args].concat()).output().expect("runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(run(&fine, &[]).0, Some(0));
    let without = fine.replace(&format!("upstream = \"http://{}\"\n", app.address), "");
    for (text, args, told) in [
        (without.as_str(), &[][..], "upstream-missing"),
        (&fine, &["--admin", "0.0.0.0:9180"], "admin-exposed"),
        (&fine, &["--admin", &app.address.to_string()], "upstream-loop"),
        (&fine, &["--upstream", "https://127.0.0.1:1"], "upstream-https"),
        (&fine.replace("public-read", "public-raed"), &[], "kind-unknown"),
    ] {
        let (code, said) = run(text, args);
        assert!(code == Some(2) && said.contains(told), "{told}: {code:?} {said}");
    }
}

#[test]
fn two_gates_on_one_machine_and_an_admin_port_that_was_asked_for() {
    let folder = Folder::new("two");
    let app = App::start();
    folder.file("palisade.toml", &policy(app.address, ""));
    let taken = TcpListener::bind("127.0.0.1:0").expect("port");
    let address = taken.local_addr().expect("address").to_string();
    let output = serve(&folder, &["--admin", &address]).output().expect("runs");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--admin") && said.contains(&address), "{said}");
    // Whoever has the usual port, or nobody: both start.
    let plain = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
        let policy = folder.0.join("palisade.toml");
        command.args(["serve", "--listen", "127.0.0.1:0", "--policy"]).arg(policy).env_clear().envs(app::SECRETS);
        command
    };
    let (one, two) = (Running::start(&mut plain()), Running::start(&mut plain()));
    assert_ne!(one.admin(), two.admin());
    for gate in [&one, &two] {
        let admin = gate.admin();
        eventually("it is ready", || send(admin, &admin.to_string(), "GET", "/readyz", &[], "").status == 200);
    }
    let off = Running::start(&mut serve(&folder, &["--admin", "off"]));
    assert!(off.said().contains("admin off"));
}

#[test]
fn sigterm_under_load_loses_no_request_of_clients_that_keep_their_connections() {
    let folder = Folder::new("sigterm");
    let app = App::start();
    folder.file("palisade.toml", &policy(app.address, ""));
    let mut gate = Running::start(&mut serve(&folder, &["--threads", "2"]));
    let (answered, lost) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (address, answered, lost) = (gate.address, Arc::clone(&answered), Arc::clone(&lost));
            std::thread::spawn(move || {
                // Until nobody listens any more; a connection that says that it closes is followed by another.
                while let Ok(stream) = TcpStream::connect(address) {
                    if let Err(error) = converse(stream, &answered) {
                        eprintln!("lost: {error}");
                        lost.fetch_add(1, Relaxed);
                    }
                }
            })
        })
        .collect();
    eventually("requests are answered", || answered.load(Relaxed) > 500);
    gate.signal("TERM");
    assert!(gate.wait().success());
    clients.into_iter().for_each(|client| client.join().expect("client"));
    assert_eq!(lost.load(Relaxed), 0, "of {}", answered.load(Relaxed));
    assert!(!gate.said().contains("cut "), "{}", gate.said());
}

/// Asks over one connection until the gate says that it closes. A connection that is closed before it has answered
/// anything was never accepted.
fn converse(stream: TcpStream, answered: &AtomicUsize) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    let mut first = true;
    loop {
        let sent = stream.write_all(format!("GET /free HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes());
        match sent.and_then(|()| response(&mut reader)) {
            Ok(closes) => {
                answered.fetch_add(1, Relaxed);
                first = false;
                if closes {
                    return Ok(());
                }
            }
            Err(_) if first => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Reads a response; whether it says that the connection closes.
fn response(reader: &mut impl std::io::BufRead) -> std::io::Result<bool> {
    let (mut closes, mut length) = (false, 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        closes |= line == "connection: close";
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().expect("a length");
        }
        if line.is_empty() {
            reader.read_exact(&mut vec![0; length])?;
            return Ok(closes);
        }
    }
}

#[test]
fn a_second_signal_cuts_what_does_not_end() {
    let folder = Folder::new("cut");
    let app = App::start();
    folder.file("palisade.toml", &policy(app.address, ""));
    let mut gate = Running::start(&mut serve(&folder, &[]));
    let mut stuck = TcpStream::connect(gate.address).expect("connect");
    write!(stuck, "GET /free?hang HTTP/1.1\r\nHost: {HOST}\r\n\r\n").expect("send");
    eventually("it is asked", || app.hanging() == 1);
    gate.signal("TERM");
    let admin = gate.admin();
    let draining = || send(admin, &admin.to_string(), "GET", "/readyz", &[], "");
    eventually("it drains", || draining().status == 503);
    assert!(draining().body.contains("draining"));
    let begun = Instant::now();
    gate.signal("TERM");
    assert!(gate.wait().success());
    assert!(begun.elapsed() < Duration::from_secs(15), "long before the drain's time is over");
    assert!(gate.said().contains("cut 1 connections"), "{}", gate.said());
}

#[test]
fn systemd_hands_over_the_socket_and_is_told_when_it_is_served() {
    let activate = "/usr/bin/systemd-socket-activate";
    assert!(fs::metadata(activate).is_ok(), "{activate} is needed: apt-get install systemd");
    let folder = Folder::new("systemd");
    let app = App::start();
    folder.file("palisade.toml", &policy(app.address, ""));
    let told = UnixDatagram::bind(folder.0.join("notify")).expect("socket");
    told.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
    // systemd-socket-activate takes no 0.
    let port = free_address();
    let mut command = Command::new(activate);
    command.current_dir(&folder.0).env_clear().envs(app::SECRETS).env("PALISADE_ADMIN", "127.0.0.1:0");
    command.env("NOTIFY_SOCKET", folder.0.join("notify"));
    command.args(["--listen", &port.to_string(), "-E", "NOTIFY_SOCKET", "-E", "PALISADE_ADMIN"]);
    command.args(app::SECRETS.iter().flat_map(|(name, _)| ["-E", name])).arg(env!("CARGO_BIN_EXE_palisade"));
    command.args(["serve", "--threads", "2"]);
    command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
    let mut child = command.spawn().expect("starts");
    let stderr = child.stderr.take().expect("stderr");
    let said =
        std::thread::spawn(move || BufReader::new(stderr).lines().map_while(Result::ok).collect::<Vec<_>>().join("\n"));
    eventually("systemd listens", || TcpStream::connect(port).is_ok());
    // The first connection starts the gate; it and those after are answered.
    for _ in 0..10 {
        assert_eq!(send(port, HOST, "GET", "/free", &[], "").status, 200);
    }
    let mut state = [0; 64];
    let read = told.recv(&mut state).expect("a state");
    assert_eq!(&state[..read], b"READY=1");
    assert!(Command::new("kill").arg(child.id().to_string()).status().expect("kill").success());
    assert!(child.wait().expect("exit").success());
    let read = told.recv(&mut state).expect("a state");
    assert_eq!(&state[..read], b"STOPPING=1");
    let said = said.join().expect("stderr");
    assert!(said.contains(&format!("http://{port}")), "{said}");
}
