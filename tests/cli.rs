//! The command line, from outside: exit codes, what goes where, and the gate in front of an app.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]

#[path = "support/folder.rs"]
mod folder;
#[path = "support/http.rs"]
mod http;
#[path = "cli/wrong.rs"]
mod wrong;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};

use folder::{Folder, text};
use http::Running;
use palisade_testkit::free_address;
use serde_json::Value;

const SECRETS: [(&str, &str); 2] =
    [("CSRF_SECRET", "0f3c6a1b9d8e7f2a4c5b6d7e8f9a0b1c"), ("SESSION_SECRET", "9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d")];

/// An application that answers every request with the path it was asked for.
fn app() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
                    head.push(byte[0]);
                }
                let body = text(&head).split(' ').nth(1).unwrap_or_default().to_owned();
                let length = body.len();
                let _ =
                    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
            });
        }
    });
    address
}

const TEN_MISTAKES: &str = r#"[app]
name = "shop"
upstream = "ftp://127.0.0.1:3000"
public_origin = "https://shop.example/path"
mod = "observe"

[clients]
trusted_proxies = ["0.0.0.0/0"]

[[route]]
path = "/api/contact"
methods = ["POST"]
kind = "public-from"

[[route]]
path = "/api/posts"
methods = ["POST"]
kind = "public-form"
limit = "0/min"

[[route]]
path = "/api/posts"
methods = ["POST"]
kind = "public-form"

[[route]]
path = "/api/open"
methods = ["POST"]
kind = "public-form"
csrf = "none"

[[route]]
path = "/api/webhooks/stripe"
kind = "webhook"
signature = { scheme = "stripe", secrets = ["whsec_abcdefghijklmnopqrstuvwxyz012345"] }

[[route]]
path = "relative"
kind = "public-read"

[[route]]
path = "/api/login"
methods = ["POST"]
kind = "login"
"#;

#[test]
fn policy_check_names_every_mistake_with_its_place_and_fix() {
    let folder = Folder::new("mistakes");
    folder.file("palisade.toml", TEN_MISTAKES);
    let human = folder.run(&["policy", "check"]);
    assert_eq!(human.status.code(), Some(1));
    assert!(!text(&human.stderr).contains("whsec_"), "a secret is never repeated");
    let json = folder.run(&["policy", "check", "--json"]);
    let found: Vec<Value> = serde_json::from_slice(&json.stdout).expect("json");
    let places: Vec<(&str, u64, u64)> = found
        .iter()
        .map(|item| {
            assert!(!item["fix"].as_str().unwrap_or_default().is_empty(), "{item} has no fix");
            let number = |name: &str| item[name].as_u64().expect("number");
            (item["code"].as_str().expect("code"), number("line"), number("column"))
        })
        .collect();
    let expect = [
        ("origin-malformed", 3, 12),
        ("origin-malformed", 4, 17),
        ("unknown-key", 5, 1),
        ("trusted-proxies-wide", 8, 20),
        ("kind-unknown", 13, 8),
        ("limit-zero", 19, 9),
        ("route-duplicate", 22, 8),
        ("csrf-weakened", 30, 8),
        ("secret-in-file", 35, 46),
        ("path-malformed", 38, 8),
        ("success-missing", 44, 8),
    ];
    assert_eq!(places, expect);
    for (code, line, column) in expect {
        assert!(
            text(&human.stderr).contains(code)
                && text(&human.stderr).contains(&format!("palisade.toml:{line}:{column}"))
        );
    }
}

const POLICY: &str = r#"[app]
name = "shop"
upstream = "http://127.0.0.1:3000"
public_origin = "http://127.0.0.1:8080"

[[route]]
path = "/api/contact"
methods = ["POST"]
kind = "public-form"
"#;

#[test]
fn policy_explain_prints_each_stage_and_its_ruling() {
    let folder = Folder::new("explain");
    folder.file("palisade.toml", POLICY);
    let args =
        ["policy", "explain", "POST", "/api/contact", "-H", "Origin: https://evil.example", "--env", "development"];
    let output = folder.run(&args);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let stages: Vec<&str> = palisade_event::ORDER.iter().map(|stage| stage.id()).collect();
    let lines: Vec<&str> = told.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(stages.iter().all(|stage| lines.contains(stage)), "{told}");
    assert!(told.contains("refused at origin: 403 csrf-cross-origin"), "{told}");
    let json: Value = serde_json::from_slice(&folder.run(&[&args[..], &["--json"]].concat()).stdout).expect("json");
    assert_eq!(json["refusal"]["code"], "csrf-cross-origin");
    assert_eq!(json["stages"].as_array().map(Vec::len), Some(11));
    assert_eq!(json["route"]["kind"], "public-form");
}

#[test]
fn a6_advise_answers_with_and_without_a_policy() {
    let folder = Folder::new("advise");
    let ask = |args: &[&str]| -> Value {
        let output = folder.run(&[args, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("json")
    };
    let guessed = ask(&["advise", "POST", "/api/contact"]);
    assert_eq!(guessed["kind"], "public-form");
    let stages: Vec<&str> =
        guessed["protections"].as_array().expect("list").iter().filter_map(|p| p["stage"].as_str()).collect();
    assert!(stages.contains(&"rate") && stages.contains(&"csrf-token"));
    let matrix = ask(&["advise", "--matrix"]);
    assert_eq!(matrix["kinds"].as_array().map(Vec::len), Some(18));
    assert!(matrix["guide"].as_array().is_some_and(|rows| rows.len() >= 6));
    folder.file("palisade.toml", POLICY);
    assert_eq!(ask(&["advise", "GET", "/api/contact"])["method"], "GET");
}

#[test]
fn b6_serve_names_every_problem_at_once_and_does_not_start() {
    let folder = Folder::new("b6");
    folder.file("palisade.toml", &format!("{POLICY}\n[env.production]\nrequired = [\"DATABASE_URL\"]\n"));
    let output = folder.palisade(&["serve", "--env", "production"]).env("CSRF_SECRET", "short").output().expect("runs");
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    for wanted in ["CSRF_SECRET has 5 characters", "SESSION_SECRET is not set", "DATABASE_URL is not set"] {
        assert!(told.contains(wanted), "{wanted} is missing from:\n{told}");
    }
    assert!(!told.contains("short\""), "values are never told");
    let fine =
        folder.palisade(&["serve", "--check", "--env", "production"]).envs(SECRETS).env("DATABASE_URL", "x").output();
    assert_eq!(fine.expect("runs").status.code(), Some(0));
}

#[test]
fn an_address_of_shared_state_that_is_none_is_named_without_its_password() {
    let folder = Folder::new("state");
    folder.file("palisade.toml", &format!("{POLICY}\n[state]\nredis = \"REDIS_URL\"\n"));
    let serve = |url: &str| {
        let mut command = folder.palisade(&["serve", "--check", "--env", "production"]);
        command.envs(SECRETS).env("REDIS_URL", url).output().expect("runs")
    };
    let output = serve("redis://:hunter2@a,b");
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(told.contains("REDIS_URL is not the address of a server") && !told.contains("hunter2"), "{told}");
    assert_eq!(serve("redis+cluster://:hunter2@a,b").status.code(), Some(0));
}

#[test]
fn serve_starts_without_its_shared_state_and_says_so() {
    let folder = Folder::new("state-out");
    folder.file("palisade.toml", &format!("{POLICY}\n[state]\nredis = \"REDIS_URL\"\n"));
    let nowhere = free_address();
    let app = app();
    let arguments =
        ["serve", "--env", "development", "--listen", "127.0.0.1:0", "--upstream", &format!("http://{app}")];
    let mut command = folder.palisade(&arguments);
    let gate = Running::start(command.envs(SECRETS).env("REDIS_URL", format!("redis://{nowhere}")));
    gate.event(|event| event["palisade.notice"] == "state-outage");
    assert_eq!(ask(&gate, "GET", "/some/page", &[]).status, 200);
}

#[test]
fn b6_an_invalid_policy_never_serves() {
    let folder = Folder::new("invalid");
    folder.file("palisade.toml", TEN_MISTAKES);
    let output = folder.palisade(&["serve"]).envs(SECRETS).output().expect("runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}

#[test]
fn exit_codes_and_streams_are_what_scripts_expect() {
    let folder = Folder::new("codes");
    for (args, code) in [
        (&["--version"][..], 0),
        (&["--help"], 0),
        (&["nonsense"], 64),
        (&["advise"], 64),
        (&["policy", "check"], 2),
        (&["policy", "check", "--policy", "missing.toml"], 2),
        (&["completions", "bash"], 0),
        (&["completions", "nushell"], 64),
        (&["man"], 0),
        (&["--version", "--verbose"], 0),
        (&["--verbose", "--version"], 0),
        (&["secrets", "new", "lower"], 2),
    ] {
        let output = folder.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output.stderr));
        assert_eq!(output.stdout.is_empty(), code != 0, "{args:?}");
    }
}

#[test]
fn the_program_says_how_it_was_made_and_what_its_commands_are() {
    let folder = Folder::new("about");
    let made = text(&folder.run(&["--version", "--verbose"]).stdout);
    let said = |name: &str| made.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or_default();
    assert!(made.starts_with(concat!("palisade ", env!("CARGO_PKG_VERSION"), "\n")), "{made}");
    assert!(said("rustc").starts_with("rustc 1.") && said("target").contains('-'), "{made}");
    assert_eq!(said("msrv"), env!("CARGO_PKG_RUST_VERSION"));
    assert!(said("commit") == "unknown" || said("commit").len() >= 7, "{made}");
    assert_eq!(text(&folder.run(&["--version"]).stdout).lines().count(), 1);

    let page = text(&folder.run(&["man"]).stdout);
    assert!(page.contains(".TH PALISADE 1"), "{}", page.get(..200).unwrap_or_default());
    for command in ["PALISADE SERVE", "PALISADE POLICY EXPLAIN", "PALISADE MAINTENANCE RUN"] {
        assert!(page.contains(&format!(".SH {command}\n")), "{command}");
    }
    let complete = text(&folder.run(&["completions", "zsh"]).stdout);
    assert!(complete.starts_with("#compdef palisade") && complete.contains("maintenance"));
}

#[test]
fn secrets_are_32_random_bytes() {
    let folder = Folder::new("secrets");
    let told = text(&folder.run(&["secrets", "new", "CSRF_SECRET", "SESSION_SECRET"]).stdout);
    let values: Vec<&str> = told.lines().filter_map(|line| line.split_once('=')).map(|(_, value)| value).collect();
    assert!(values.len() == 2 && values[0] != values[1], "{told}");
    assert!(values.iter().all(|value| value.len() == 43 && !value.contains(['+', '/', '='])));
}

fn serve(folder: &Folder, policy: &str) -> Running {
    // The origin is one any Host may be checked against; requests name it, wherever the gate listens.
    folder.file("palisade.toml", policy);
    let app = app();
    Running::start(
        folder
            .palisade(&[
                "serve",
                "--env",
                "development",
                "--listen",
                "127.0.0.1:0",
                "--upstream",
                &format!("http://{app}"),
            ])
            .envs(SECRETS),
    )
}

fn ask(gate: &Running, method: &str, target: &str, headers: &[(&str, &str)]) -> http::Answer {
    http::send(gate.address, "127.0.0.1:8080", method, target, headers, "")
}

#[test]
fn serve_stands_in_front_of_an_app() {
    let folder = Folder::new("serve");
    let gate = serve(&folder, POLICY);
    let answer = ask(&gate, "GET", "/some/page?q=1", &[]);
    assert_eq!((answer.status, answer.body.as_str()), (200, "/some/page?q=1"));
    assert_eq!(ask(&gate, "POST", "/api/contact", &[("origin", "https://evil.example")]).status, 403);
    let event = gate.event(|event| event["palisade.decision"] == "refuse");
    assert_eq!(event["palisade.code"], "csrf-cross-origin");
}

#[test]
fn observe_refuses_nothing_and_tells_what_it_would_have() {
    let folder = Folder::new("observe");
    let gate = serve(&folder, &POLICY.replace("[[route]]", "mode = \"observe\"\n\n[[route]]"));
    let cases = [
        ("POST", "/api/contact", Some("https://evil.example"), "csrf-cross-origin"),
        ("POST", "/api/contact", None, "csrf-token-missing"),
        ("GET", "/API/contact", None, "path-malformed"),
        ("POST", "/undeclared", None, "method-not-allowed"),
    ];
    for (method, target, origin, code) in cases {
        let headers: Vec<(&str, &str)> = origin.map(|origin| ("origin", origin)).into_iter().collect();
        assert_eq!(ask(&gate, method, target, &headers).status, 200, "{target}");
        let event = gate.event(|event| event["palisade.code"] == code);
        assert_eq!(event["palisade.decision"], "would-refuse");
    }
    for _ in 0..10 {
        assert_eq!(ask(&gate, "POST", "/api/contact", &[]).status, 200);
    }
    gate.event(|event| event["palisade.code"] == "rate-limited" && event["palisade.decision"] == "would-refuse");
}

#[test]
fn two_gates_do_not_share_a_port() {
    let folder = Folder::new("port");
    let gate = serve(&folder, POLICY);
    let taken = gate.address.to_string();
    let second =
        folder.palisade(&["serve", "--env", "development", "--listen", &taken]).envs(SECRETS).output().expect("runs");
    assert_eq!(second.status.code(), Some(2));
    assert!(text(&second.stderr).contains(&taken), "{}", text(&second.stderr));
}

/// A log in nginx's combined format: a client that guesses passwords, and one that reads.
fn guessing_log() -> String {
    let mut log = String::new();
    for second in 0..30 {
        let line = |address: &str, request: &str, status: u16| {
            format!(
                "{address} - - [01/Jun/2026:12:00:{second:02} +0000] \"{request} HTTP/1.1\" {status} 12 \"-\" \"curl/8\"\n"
            )
        };
        log.push_str(&line("203.0.113.7", "POST /login", 401));
        log.push_str(&line("198.51.100.1", "GET /", 200));
    }
    log
}

#[test]
fn replay_finds_what_is_in_a_log_and_says_the_same_each_time() {
    let folder = Folder::new("replay");
    folder.file("access.log", &(guessing_log() + "no line of a log\n"));
    let json = folder.run(&["replay", "access.log", "--json"]);
    assert_eq!(json.status.code(), Some(1), "{}", text(&json.stderr));
    let found: Value = serde_json::from_slice(&json.stdout).expect("json");
    assert_eq!(
        (found["lines"].as_u64(), found["events"].as_u64(), found["skipped"].as_u64()),
        (Some(61), Some(60), Some(1))
    );
    let incident = &found["incidents"][0];
    assert_eq!(incident["rule"], "login-failures-client");
    assert_eq!(incident["group"]["client.key"], "203.0.113.7");
    assert_eq!(incident["count"], 30);
    assert_eq!(incident["evidence"]["paths"][0]["value"], "/login");
    assert_eq!(found["incidents"].as_array().map(Vec::len), Some(1), "{found}");
    assert_eq!(folder.run(&["replay", "access.log", "--json"]).stdout, json.stdout);
    let log = guessing_log();
    let half = log.match_indices('\n').nth(29).map_or(0, |(at, _)| at + 1);
    folder.file("a.log", &log[..half]);
    folder.file("b.log", &log[half..]);
    let parts = folder.run(&["replay", "b.log", "a.log", "--json"]);
    let parts: Value = serde_json::from_slice(&parts.stdout).expect("json");
    assert_eq!(parts["incidents"], found["incidents"], "two logs, in the order of time");
    let quiet = folder.file("quiet.log", &guessing_log().replace(" 401 ", " 200 "));
    assert_eq!(folder.run(&["replay", &quiet.display().to_string()]).status.code(), Some(0));
    assert_eq!(folder.run(&["replay", "nowhere.log"]).status.code(), Some(2));
}

#[test]
fn rules_are_listed_tested_and_explained() {
    let folder = Folder::new("rules");
    let list: Vec<Value> = serde_json::from_slice(&folder.run(&["rules", "list", "--json"]).stdout).expect("json");
    assert!(list.len() >= 23 && list.iter().all(|rule| rule["tests"].as_u64() >= Some(2)), "{list:?}");
    let own = "id: mine\nlevel: high\ndetection: {s: {url.path: /x}, condition: s}\ntests:\n  - {name: wrong, expect: 1, events: [{client.address: 203.0.113.7, url.path: /y}]}\n";
    folder.file("mine.yml", own);
    let test = folder.run(&["rules", "test", "--rules", "mine.yml", "--no-built-in"]);
    assert_eq!(test.status.code(), Some(1));
    assert!(text(&test.stdout).contains("mine: wrong (mine.yml:5): 0 incidents, expected 1"), "{}", text(&test.stdout));
    folder.file("broken.yml", "id: b\nlevl: high\n");
    let broken = folder.run(&["rules", "list", "--rules", "broken.yml"]);
    assert_eq!(broken.status.code(), Some(2));
    assert!(text(&broken.stderr).contains("did you mean `level`?"), "{}", text(&broken.stderr));
    folder.file("access.log", &guessing_log());
    let why = folder.run(&["rules", "explain", "login-failures-client", "access.log", "--line", "10", "--json"]);
    let why: Value = serde_json::from_slice(&why.stdout).expect("json");
    assert_eq!((&why["incidents"], &why["inputs"][0]["holds"]), (&Value::from(0), &Value::from(true)), "{why}");
    assert_eq!(
        (&why["window"][0]["value"], &why["window"][1]["value"]),
        (&Value::from(5.0), &Value::from(10.0)),
        "{why}"
    );
}
