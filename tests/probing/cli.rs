//! The command itself: consent, rehearsal, exit codes, what it says of the demo.

use std::net::TcpListener;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use palisade_testkit::{Upstream, free_address, free_port, shop};
use serde_json::Value;

use crate::app::{self, App, Folder};
use crate::http::Running;

fn probe(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
    command.current_dir(std::env::temp_dir()).arg("probe").args(args).output().expect("the program runs")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("a code")
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn demo() -> Running {
    Running::start(Command::new(env!("CARGO_BIN_EXE_palisade")).args([
        "demo",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
    ]))
}

/// What the demo's form accepts.
const BODY: &str = "{\"title\":\"Hello\"}";

/// The ids that came to a status.
fn ids(report: &Value, wanted: &[&str]) -> Vec<String> {
    let all = report["findings"].as_array().expect("findings").iter();
    let is = |finding: &&Value| finding["status"].as_str().is_some_and(|status| wanted.contains(&status));
    all.filter(is).map(|finding| format!("{}: {}", finding["id"], finding["evidence"])).collect()
}

#[test]
fn what_is_not_the_users_is_not_asked() {
    for args in
        [&["headers", "https://shop.example"][..], &["headers", "http://169.254.169.254/"], &["tls", "192.0.2.1"]]
    {
        let output = probe(args);
        assert_eq!(code(&output), 64, "{args:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("--i-own"), "{args:?}");
    }
    assert_eq!(code(&probe(&["headers", "ftp://127.0.0.1"])), 64);
}

#[test]
fn a_rehearsal_sends_nothing() {
    let shop = shop("");
    let output = probe(&["csrf", &format!("http://{}/api/contact", shop.origin().authority), "--dry-run"]);
    assert_eq!(code(&output), 0);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("csrf: POST /api/contact (none)"), "{said}");
    assert_eq!(shop.connections(), 0);
}

#[test]
fn nobody_there_is_no_finding() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    drop(listener);
    for what in ["headers", "errors", "all"] {
        let output = probe(&[what, &url]);
        assert_eq!(code(&output), 2, "{what}: {}", String::from_utf8_lossy(&output.stdout));
        assert!(String::from_utf8_lossy(&output.stderr).contains("cannot be reached"));
    }
}

#[test]
fn redirects_to_other_hosts_are_said_and_not_followed() {
    let other = Upstream::fixed("not asked");
    let to = format!("http://{}/", other.origin().authority.replace("127.0.0.1", "localhost"));
    let first = Upstream::start(move |exchange| exchange.reply(302, &[("location", &to)], ""));
    let output = probe(&["headers", &format!("http://{}", first.origin().authority)]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("leads to localhost"), "{output:?}");
    assert_eq!(other.connections(), 0);
}

#[test]
fn d1_the_demos_limit_is_found_by_asking() {
    let demo = demo();
    let output = probe(&["rate-limit", &format!("http://{}/api/test-rate-limit", demo.address), "--json"]);
    let report = json(&output);
    assert_eq!(ids(&report, &["fail", "warn", "unknown"]), Vec::<String>::new());
    assert_eq!(code(&output), 0);
    let found = report["findings"][0]["evidence"].as_str().expect("evidence");
    assert!(found.contains("5 at once pass"), "{found}");
}

#[test]
fn d2_the_demos_tokens_hold() {
    let demo = demo();
    let output = probe(&[
        "csrf",
        &format!("http://{}/api/example-protected", demo.address),
        "--body",
        "{\"title\":\"Hello\"}",
        "--json",
    ]);
    assert_eq!(ids(&json(&output), &["fail", "warn", "unknown"]), Vec::<String>::new());
    assert_eq!(code(&output), 0);
}

#[test]
fn d3_the_demos_input_is_checked() {
    let demo = demo();
    let output = probe(&[
        "input",
        &format!("http://{}/api/example-protected", demo.address),
        "--body",
        "{\"title\":\"Hello\"}",
        "--json",
    ]);
    let report = json(&output);
    assert_eq!(ids(&report, &["fail", "unknown"]), Vec::<String>::new());
    assert_eq!(code(&output), 0);
}

#[test]
fn d4_the_demos_headers_are_an_a_plus_behind_https() {
    let demo = demo();
    let output = probe(&["headers", &format!("http://{}", demo.address), "--json"]);
    let report = json(&output);
    assert_eq!(report["grades"]["behind_https"]["raw"]["grade"], "A+", "{report}");
    assert_eq!(report["tests"].as_array().map(Vec::len), Some(12));
    assert_eq!(report["score"], 40, "as measured over plain http: no HSTS, no redirection, a cookie without Secure");
    assert_eq!(report["presence"]["grade"], "A+");
    assert_eq!(code(&output), 0);
    let bare = Upstream::fixed("hello");
    let output = probe(&["headers", &format!("http://{}", bare.origin().authority), "--json"]);
    assert_eq!(code(&output), 1);
}

/// An application that tells how it failed, alone and behind a gate in production.
#[test]
fn d6_what_an_application_tells_of_its_failures_the_gate_does_not() {
    let told = "TypeError: x is undefined\n    at load (/srv/shop/users.js:41:17)\n";
    let app = Upstream::start(move |exchange| exchange.reply(500, &[("content-type", "text/plain")], told));
    let alone = probe(&["errors", &format!("http://{}/api/boom", app.origin().authority), "--json"]);
    let found = ids(&json(&alone), &["fail"]);
    assert!(found.iter().any(|found| found.contains("errors/stack-trace")), "{found:?}");
    assert_eq!(code(&alone), 1);

    let folder = Folder::new("probing-errors");
    let port = free_port();
    let policy = format!(
        "[app]\nname = \"shop\"\nupstream = \"{}\"\npublic_origin = \"http://127.0.0.1:{port}\"\n",
        app.origin()
    );
    folder.file("palisade.toml", &policy);
    let mut serve = Command::new(env!("CARGO_BIN_EXE_palisade"));
    serve.current_dir(&folder.0).env_clear().envs(app::SECRETS);
    serve.args(["serve", "--env", "production", "--store", "off", "--admin", "127.0.0.1:0", "--listen"]);
    let gate = Running::start(serve.arg(format!("127.0.0.1:{port}")));
    let behind = probe(&["errors", &format!("http://{}/api/boom", gate.address), "--json"]);
    assert_eq!(ids(&json(&behind), &["fail"]), Vec::<String>::new());
}

#[test]
fn d7_the_demos_account_is_closed() {
    let demo = demo();
    let output = probe(&[
        "auth",
        &format!("http://{}/api/example-account", demo.address),
        "-X",
        "POST",
        "--body",
        "{}",
        "--json",
    ]);
    assert_eq!(ids(&json(&output), &["fail", "warn", "unknown"]), Vec::<String>::new());
    assert_eq!(code(&output), 0);
}

#[test]
fn d9_webhooks_are_tried_unsigned_wrong_stale_and_replayed() {
    for (fault, expected) in
        [("", 0), ("webhook/unsigned", 1), ("webhook/wrong", 1), ("webhook/stale", 1), ("webhook/replayed", 1)]
    {
        let shop = shop(fault);
        let url = format!("http://{}/api/hook", shop.origin().authority);
        let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
        command.env("HOOK_SECRET", palisade_testkit::SHOP_SECRET);
        let output = command
            .args(["probe", "webhook", &url, "--scheme", "stripe", "--secret-env", "HOOK_SECRET", "--json"])
            .output();
        let output = output.expect("the program runs");
        assert_eq!(code(&output), expected, "{fault}");
        assert!(!String::from_utf8_lossy(&output.stdout).contains(palisade_testkit::SHOP_SECRET));
        if !fault.is_empty() {
            assert!(ids(&json(&output), &["fail"]).iter().any(|found| found.contains(fault)), "{fault}");
        }
    }
}

#[test]
fn d8_everything_at_once_asks_by_the_policys_routes() {
    let demo = demo();
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/src/demo/palisade.toml");
    let started = Instant::now();
    let output = probe(&["all", &format!("http://{}", demo.address), "--policy", policy, "--body", BODY, "--json"]);
    let report = json(&output);
    let fine = ids(&report, &["pass"]).len();
    assert!(fine > 60, "{report}");
    assert_eq!(ids(&report, &["fail"]), Vec::<String>::new());
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let written = std::fs::read_to_string(readme).expect("the README");
    let told = format!("{fine} hold, {} warns, none fails", ids(&report, &["warn"]).len());
    assert!(written.contains(&told), "the README does not say of the demo: {told}");
    println!("probe all on the demo: {fine} pass in {:?}", started.elapsed());
}

/// The status of every item of a section of the checklist, with the demo asked.
fn section(name: &str) -> Vec<(String, String, String)> {
    let demo = demo();
    let folder = std::env::temp_dir().join(format!("palisade-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("folder");
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/src/demo/palisade.toml");
    let url = format!("http://{}", demo.address);
    let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
    command.args([
        "check",
        "--section",
        name,
        "--policy",
        policy,
        "--env",
        "development",
        "--body",
        BODY,
        "--json",
        "--live",
        &url,
    ]);
    let output = command.arg("--root").arg(&folder).output().expect("the program runs");
    let _ = std::fs::remove_dir_all(&folder);
    let report = json(&output);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = report["findings"].as_array().expect("findings").iter();
    all.map(|one| (text(&one["id"]), text(&one["status"]), text(&one["evidence"]))).collect()
}

#[test]
fn c3_security_features_are_seen_on_the_running_site() {
    let items = section("C3");
    assert_eq!(items.len(), 6, "{items:?}");
    for (id, status, evidence) in items {
        // Plain http on this machine cannot show HSTS.
        let expected = if id == "security/hsts" { &["not_applicable"][..] } else { &["pass", "warn"] };
        assert!(expected.contains(&status.as_str()), "{id}: {status}: {evidence}");
    }
}

#[test]
fn c7_the_six_tests_of_the_guide_are_run_on_the_running_site() {
    let items = section("C7");
    assert_eq!(items.len(), 6, "{items:?}");
    for (id, status, evidence) in items {
        assert!(["pass", "warn"].contains(&status.as_str()), "{id}: {status}: {evidence}");
    }
}

/// A gate on an address that is known before it starts, as a policy must name it.
fn gate_at(folder: &Folder, app: &App) -> Running {
    let listen = free_address();
    let (upstream, origin) = (app.address, format!("http://{listen}"));
    folder.file(
        "palisade.toml",
        &format!(
            "[app]\nname = \"shop\"\nupstream = \"http://{upstream}\"\npublic_origin = \"{origin}\"\n\
             [[route]]\npath = \"/api/limited\"\nmethods = [\"GET\"]\nkind = \"public-read\"\nlimit = \"5/min\"\n\
             [undeclared]\nkind = \"page\"\n"
        ),
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
    command.current_dir(&folder.0).args(["serve", "--env", "development", "--admin", "127.0.0.1:0"]);
    Running::start(command.args(["--listen", &listen.to_string()]).env_clear().envs(app::SECRETS))
}

/// The rules with incidents in the folder's store.
fn incidents(folder: &Folder) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
    let list = command.current_dir(&folder.0).args(["incidents", "list", "--json"]).output().expect("runs");
    // Until the first commit there is no store.
    let list: Value = serde_json::from_slice(&list.stdout).unwrap_or_default();
    let all = list["incidents"].as_array().into_iter().flatten();
    all.filter_map(|incident| Some(format!("{} {}", incident["rule"].as_str()?, incident["count"]))).collect()
}

/// The owner's signature is all that tells a probe from an attack, and it is worth nothing but silence.
#[test]
fn security_24_a_signed_run_is_limited_as_anybody_and_makes_no_incident() {
    let (app, folder) = (App::start(), Folder::new("probing-run"));
    let gate = gate_at(&folder, &app);
    let url = |path: &str| format!("http://{}{path}", gate.address);
    let ask = |what: &str, path: &str, secret: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
        command.current_dir(std::env::temp_dir()).env_remove("SESSION_SECRET");
        command.args(["probe", what, &url(path), "--json"]).envs(secret.map(|secret| ("SESSION_SECRET", secret)));
        command.output().expect("the program runs")
    };
    let secret = app::SECRETS.iter().find(|(name, _)| *name == "SESSION_SECRET").map(|(_, secret)| *secret);

    let limited = json(&ask("rate-limit", "/api/limited", secret));
    assert!(limited["findings"][0]["evidence"].as_str().is_some_and(|it| it.contains("5 at once pass")), "{limited}");
    let refused = gate.event(|event| event["url.path"] == "/api/limited" && event["palisade.decision"] == "refuse");
    assert!(refused["palisade.run"].as_str().is_some_and(|run| run.len() == 16), "{refused}");
    ask("errors", "/", secret);
    let probed = gate.event(|event| event["url.path"] == "/.env");
    assert!(probed["palisade.run"].is_string() && probed["palisade.run"] != refused["palisade.run"], "{probed}");

    // Another's secret, and none: an attack like any other.
    ask("errors", "/", Some("a secret that is long enough, and not the gate's"));
    let forged = gate.event(|event| event["url.path"] == "/.env" && event.get("palisade.run").is_none());
    assert!(forged["palisade.signals"].is_array(), "{forged}");
    let deadline = Instant::now() + Duration::from_secs(60);
    let found = loop {
        let found = incidents(&folder);
        if found.iter().any(|one| one.starts_with("exploit-probes")) {
            break found;
        }
        assert!(Instant::now() < deadline, "no incident of an attack: {found:?}");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(!found.iter().any(|one| one.starts_with("rate-limit")), "the owner's own requests: {found:?}");
}

#[test]
fn a_probe_writes_what_a_check_writes() {
    let shop = shop("");
    let url = format!("http://{}/", shop.origin().authority);
    let report = |format: &str| {
        let output = probe(&["errors", &url, "--format", format]);
        String::from_utf8(output.stdout).unwrap_or_else(|_| panic!("{format} is text"))
    };
    let sarif: Value = serde_json::from_str(&report("sarif")).expect("JSON");
    assert_eq!(sarif["version"], "2.1.0");
    assert!(report("junit").contains("<testsuites name=\"palisade probe\""));
    assert!(report("html").contains(&format!("<h1>What {} answers</h1>", url.trim_end_matches('/'))));
    let heading = report("markdown").lines().next().map(str::to_owned);
    assert!(heading.as_deref().is_some_and(|line| line.starts_with("## Palisade probe: ")), "{heading:?}");
}
