//! Watching, from outside: logs and the gate's own traffic go in; incidents and counts come out of the store.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]

#[path = "support/app.rs"]
mod app;
#[path = "watching/assembly.rs"]
mod assembly;
#[path = "support/http.rs"]
mod http;

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use app::{App, Folder};
use http::Running;
use palisade_testkit::mmdb::{Data, database};
use palisade_watch::store::{Place, Store};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

fn palisade(folder: &Folder, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
    command.current_dir(&folder.0).args(args).env_clear().env("USER", "ann");
    command
}

fn output(folder: &Folder, args: &[&str]) -> Output {
    palisade(folder, args).output().expect("runs")
}

fn json(folder: &Folder, args: &[&str]) -> Value {
    let output = output(folder, args);
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {} {}", text(&output.stdout), text(&output.stderr)))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn total(folder: &Folder, args: &[&str]) -> u64 {
    let all = [&["events", "--since", "2000-01-01T00:00:00Z", "--json"], args].concat();
    json(folder, &all)["total"].as_u64().expect("a total")
}

fn incidents(folder: &Folder) -> Vec<Value> {
    let list = json(folder, &["incidents", "list", "--since", "2000-01-01T00:00:00Z", "--limit", "10000", "--json"]);
    list["incidents"].as_array().expect("a list").clone()
}

/// A line of nginx, a tenth of a second after the one before.
fn line(number: u64) -> String {
    let (second, client) = (number / 10, number % 200);
    let (hour, minute, second) = (second / 3600 % 24, second / 60 % 60, second % 60);
    // One client is refused again and again, in every other hour of it all.
    let (client, status) =
        if number.is_multiple_of(7) && (number / 6000).is_multiple_of(2) { (250, 429) } else { (client, 200) };
    format!(
        "203.0.113.{client} - - [02/Nov/2026:{hour:02}:{minute:02}:{second:02} +0000] \"GET /p/{} HTTP/1.1\" {status} 512 \"-\" \"test\"\n",
        number % 13
    )
}

#[test]
fn a_log_that_exists_is_read_once_and_a_second_time_adds_nothing() {
    let folder = Folder::new("watch-once");
    let log: String = (0..12_000).map(line).collect();
    folder.file("access.log", &log);
    let watched = output(&folder, &["watch", "--log", "access.log", "--once"]);
    assert!(watched.status.success(), "{}", text(&watched.stderr));
    assert!(text(&watched.stdout).contains("rate-limit-client"), "{}", text(&watched.stdout));
    let refused = log.lines().filter(|line| line.contains(" 429 ")).count() as u64;
    let found = incidents(&folder);
    assert!(!found.is_empty());
    for _ in 0..2 {
        assert_eq!(total(&folder, &[]), 12_000);
        assert_eq!(total(&folder, &["--status", "429"]), refused);
        assert_eq!(incidents(&folder), found);
        assert!(output(&folder, &["watch", "--log", "access.log", "--once"]).status.success());
    }
    let top =
        json(&folder, &["events", "--since", "2026-11-01T00:00:00Z", "--status", "429", "--top", "client", "--json"]);
    assert_eq!(top["top"][0]["value"], "203.0.113.250");
}

#[test]
fn incidents_are_listed_shown_acknowledged_and_resolved() {
    let folder = Folder::new("watch-incidents");
    folder.file("access.log", &(0..3000).map(line).collect::<String>());
    let _ = output(&folder, &["watch", "--log", "access.log", "--once"]);
    let all = incidents(&folder);
    let key = all[0]["key"].as_str().expect("a key").to_owned();
    let shown = text(&output(&folder, &["incidents", "show", &key[..8]]).stdout);
    assert!(shown.contains("203.0.113.250") && shown.contains("to do"), "{shown}");
    let acked = json(&folder, &["incidents", "ack", &key, "--note", "looking", "--json"]);
    let acked = &acked["incidents"][0];
    assert_eq!(
        (&acked["state"], &acked["acknowledged"]["by"], &acked["note"]),
        (&"acknowledged".into(), &"ann".into(), &"looking".into())
    );
    let resolved = json(&folder, &["incidents", "resolve", &key[..12], "--by", "bob", "--json"]);
    assert_eq!(resolved["incidents"][0]["resolved"]["by"], "bob");
    let open = json(&folder, &["incidents", "list", "--state", "open", "--since", "2000-01-01T00:00:00Z", "--json"]);
    assert!(open["incidents"].as_array().expect("a list").iter().all(|it| it["key"] != key.as_str()));
    let unknown = output(&folder, &["incidents", "ack", "ffffffffffff"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("incidents list"), "{}", text(&unknown.stderr));
    let nowhere = output(&folder, &["incidents", "list", "--store", "nowhere.db"]);
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(!folder.0.join("nowhere.db").exists(), "asking makes no store");
}

#[test]
fn what_is_kept_is_told_in_the_words_of_ocsf() {
    let folder = Folder::new("watch-ocsf");
    folder.file("access.log", &(0..3000).map(line).collect::<String>());
    let _ = output(&folder, &["watch", "--log", "access.log", "--once"]);
    let lines = |args: &[&str]| -> Vec<Value> {
        let all = [args, &["--since", "2000-01-01T00:00:00Z", "--limit", "10000", "--format", "ocsf"]].concat();
        let told = text(&output(&folder, &all).stdout);
        told.lines().map(|line| serde_json::from_str(line).expect("an object in each line")).collect()
    };
    let activities = lines(&["events"]);
    assert!(activities.iter().all(|it| it["class_uid"] == 4002 && it["metadata"]["version"] == "1.1.0"));
    let counted = |status: u64| -> u64 {
        let of = activities.iter().filter(|it| it["http_response"]["code"] == status);
        of.map(|it| it["count"].as_u64().expect("a count")).sum()
    };
    assert_eq!(
        (counted(429), counted(200)),
        (total(&folder, &["--status", "429"]), total(&folder, &["--status", "200"]))
    );
    let (findings, kept) = (lines(&["incidents", "list"]), incidents(&folder));
    assert!(!kept.is_empty());
    assert_eq!(findings.len(), kept.len());
    for (finding, incident) in findings.iter().zip(&kept) {
        assert_eq!((&finding["class_uid"], &finding["count"]), (&2004.into(), &incident["count"]));
        assert_eq!(finding["finding_info"]["uid"], incident["key"]);
        assert_eq!(finding["unmapped"]["evidence"], incident["evidence"]);
    }
    let wrong = output(&folder, &["events", "--top", "client", "--format", "ocsf"]);
    assert_eq!(wrong.status.code(), Some(64));
}

#[test]
fn a_kill_in_the_middle_loses_no_line_and_counts_none_twice() {
    let folder = Folder::new("watch-kill");
    let (log, lines) = (folder.0.join("access.log"), 60_000);
    fs::write(&log, "").expect("a log");
    let writer = std::thread::spawn({
        let log = log.clone();
        move || write_and_rotate(&log, lines)
    });
    let watch = || -> Child {
        let args = ["watch", "--log", "access.log", "--log-format", "nginx"];
        let said = OpenOptions::new().create(true).append(true).open(folder.0.join("said")).expect("a file");
        palisade(&folder, &args).stdout(Stdio::null()).stderr(said).spawn().expect("starts")
    };
    // Each life ends when it has counted some more, in the middle of whatever it does then.
    let mut before = 0;
    for share in [1, 2, 3] {
        let mut child = watch();
        let deadline = Instant::now() + PATIENCE;
        while before < lines * share / 5 {
            assert!(Instant::now() < deadline, "{before} lines counted");
            std::thread::sleep(Duration::from_millis(20));
            before = if folder.0.join("palisade.db").exists() { total(&folder, &[]) } else { 0 };
        }
        child.kill().expect("kill -9");
        let _ = child.wait();
    }
    let mut child = watch();
    writer.join().expect("written");
    // The last life has something to count as well.
    let (before, lines) = (lines, lines + 1000);
    let mut file = OpenOptions::new().append(true).open(&log).expect("the log");
    file.write_all((before..lines).map(line).collect::<String>().as_bytes()).expect("written");
    let deadline = Instant::now() + PATIENCE;
    while total(&folder, &[]) < lines && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    let status = Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status().expect("kill");
    let said = || fs::read_to_string(folder.0.join("said")).expect("what it said");
    assert!(status.success() && child.wait().expect("ends").success(), "{}", said());
    assert_eq!(total(&folder, &[]), lines);
    let refused = (0..lines).filter(|number| line(*number).contains(" 429 ")).count() as u64;
    assert_eq!(total(&folder, &["--status", "429"]), refused);
    // The windows went over the kills as well: what was found is what one life would have found.
    folder.file("whole.log", &(0..lines).map(line).collect::<String>());
    let replayed = json(&folder, &["replay", "whole.log", "--log-format", "nginx", "--json"]);
    let keys = |list: &[Value]| {
        let mut keys: Vec<_> = list.iter().map(|it| (it["key"].to_string(), it["count"].as_u64())).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(&incidents(&folder)), keys(replayed["incidents"].as_array().expect("a list")));
}

/// Writes lines in small bites, half a line at times, and renames the log away twice.
fn write_and_rotate(log: &Path, lines: u64) {
    let open = || OpenOptions::new().create(true).append(true).open(log).expect("the log");
    let mut file = open();
    for number in 0..lines {
        let text = line(number);
        let (start, end) = text.split_at(text.len() / 2);
        file.write_all(start.as_bytes()).expect("written");
        file.write_all(end.as_bytes()).expect("written");
        if number.is_multiple_of(500) {
            std::thread::sleep(Duration::from_millis(20));
        }
        if number == lines / 3 || number == lines / 2 {
            fs::rename(log, log.with_extension(format!("log.{number}"))).expect("rotated");
            file = open();
        }
    }
}

#[test]
fn replay_of_the_gates_own_lines_equals_the_live_incidents() {
    let folder = Folder::new("watch-serve");
    let app = App::start();
    folder.file(
        "palisade.toml",
        &format!(
            "[app]\nname = \"shop\"\nupstream = \"http://{}\"\npublic_origin = \"https://{}\"\n\
             [[route]]\npath = \"/api/limited\"\nmethods = [\"GET\"]\nkind = \"public-read\"\nlimit = \"5/min\"\n",
            app.address,
            app::HOST
        ),
    );
    let mut gate = Running::start(&mut app::serve(&folder, &["--store", "live.db"]));
    let get = |path: &str| http::send(gate.address, app::HOST, "GET", path, &[], "").status;
    let refused = (0..60).filter(|_| get("/api/limited") == 429).count() as u64;
    for probe in ["/.env", "/.git/config", "/wp-login.php", "/.aws/credentials", "/phpmyadmin/index.php"] {
        get(probe);
    }
    for number in 0..6 {
        get(&format!("/?q=%3Cscript%3Ealert({number})%3C/script%3E"));
    }
    gate.signal("TERM");
    assert!(gate.wait().success());
    let lines = gate.rest();
    folder.file("gate.log", &(lines.join("\n") + "\n"));
    let live = |args: &[&str]| json(&folder, &[args, &["--store", "live.db", "--json"]].concat());
    let list = live(&["incidents", "list"]);
    let replayed = json(&folder, &["replay", "gate.log", "--json"]);
    let mut live_ones: Vec<_> = list["incidents"].as_array().expect("a list").iter().map(as_told).collect();
    let mut replayed: Vec<_> = replayed["incidents"].as_array().expect("a list").iter().map(as_told).collect();
    live_ones.sort_by_key(|it| it["key"].to_string());
    replayed.sort_by_key(|it| it["key"].to_string());
    assert!(live_ones.iter().any(|it| it["rule"] == "rate-limit-client"), "{live_ones:?}");
    assert_eq!(live_ones, replayed);
    let blames = |list: &Value| {
        list["incidents"].as_array().is_some_and(|list| list.iter().all(|it| it["attributable"] == true))
    };
    assert!(blames(&list), "what the gate saw is the client's own doing");
    assert_eq!(live(&["events", "--status", "429"])["total"].as_u64(), Some(refused), "no refusal is lost");
    let deadline = Instant::now() + PATIENCE;
    while !gate.said().contains("incident  ") {
        assert!(Instant::now() < deadline, "people are told: {}", gate.said());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An incident without what people, and the store, added to it, and without whether its client may be blocked: for a line of
/// a file nobody is, whoever wrote it.
fn as_told(incident: &Value) -> Value {
    let mut told = incident.clone();
    for sample in told["evidence"]["samples"].as_array_mut().expect("samples") {
        sample.as_object_mut().expect("an event").remove("palisade.attributable");
    }
    let object = told.as_object_mut().expect("an object");
    for added in ["attributable", "due", "acknowledged", "resolved", "note", "state"] {
        object.remove(added);
    }
    told
}

#[test]
fn a_store_that_cannot_be_written_keeps_nobody_from_serving() {
    let folder = Folder::new("watch-no-store");
    let app = App::start();
    let policy = format!(
        "[app]\nname = \"shop\"\nupstream = \"http://{}\"\npublic_origin = \"https://{}\"\n",
        app.address,
        app::HOST
    );
    folder.file("palisade.toml", &policy);
    let mut gate = Running::start(&mut app::serve(&folder, &["--store", "/proc/nowhere/palisade.db"]));
    assert_eq!(http::send(gate.address, app::HOST, "GET", "/", &[], "").status, 200);
    let deadline = Instant::now() + PATIENCE;
    while !gate.said().contains("cannot be written") {
        assert!(Instant::now() < deadline, "{}", gate.said());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(http::send(gate.address, app::HOST, "GET", "/", &[], "").status, 200);
    gate.signal("TERM");
    assert!(gate.wait().success());
    while !gate.said().contains("not kept") {
        assert!(Instant::now() < deadline, "{}", gate.said());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_attack_on_the_demo_is_told_while_it_runs_and_stops_by_itself() {
    let mut demo = Running::start(Command::new(env!("CARGO_BIN_EXE_palisade")).args([
        "demo",
        "--attack",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
    ]));
    let deadline = Instant::now() + PATIENCE;
    let expected = [
        "rate-limit-client",
        "rate-limit-distributed",
        "csrf-client",
        "exploit-probes",
        "server-error-volume",
        // The whole loop: found, told, answered.
        "channel: message  palisade.alert.opened [palisade-demo]",
        "blocked   203.0.113.9 for 60 s: exploit-probes",
        "attack: 203.0.113.9 is answered 403 blocked, others are served",
        "attack: over",
    ];
    while let Some(missing) = expected.iter().find(|word| !demo.said().contains(**word)) {
        assert!(Instant::now() < deadline, "no {missing}:\n{}", demo.said());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(demo.said().contains("client.key=203.0.113.7"), "documentation addresses alone:\n{}", demo.said());
    assert_eq!(demo.send("GET", "/", &[], "").status, 200, "others are served");
    let folder = demo.said().lines().find_map(|line| line.split("incidents list --store ").nth(1).map(str::to_owned));
    let store = folder.expect("the demo says where its store is");
    assert!(Path::new(&store).exists());
    demo.signal("TERM");
    assert!(demo.wait().success());
    assert!(!Path::new(&store).exists(), "nothing is left behind");
}

#[test]
fn a_replay_writes_only_when_told_and_the_same_logs_once() {
    let folder = Folder::new("replay-write");
    let log: String = (0..12_000).map(line).collect();
    folder.file("access.log", &log);
    let mmdb = database(&[("203.0.0.0", 8, Data::Map(&[("country", Data::Map(&[("iso_code", Data::Text("DE"))]))]))]);
    fs::write(folder.0.join("countries.mmdb"), mmdb).expect("database");
    let replay = |more: &[&str]| {
        let output = output(&folder, &[&["replay", "access.log", "--geo", "countries.mmdb", "--json"], more].concat());
        assert_eq!(output.status.code(), Some(1), "incidents: {}", text(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).expect("json")
    };
    let found = replay(&[]);
    assert!(!folder.0.join("palisade.db").exists(), "nothing is written unless told to");
    let refused = log.lines().filter(|line| line.contains(" 429 ")).count() as u64;
    for _ in 0..2 {
        assert_eq!(replay(&["--write"]), found, "and it tells the same");
        assert_eq!((total(&folder, &[]), total(&folder, &["--status", "429"])), (12_000, refused));
        let mut kept: Vec<_> = incidents(&folder).iter().map(|it| it["key"].clone()).collect();
        let mut told: Vec<_> =
            found["incidents"].as_array().expect("a list").iter().map(|it| it["key"].clone()).collect();
        kept.sort_by_key(Value::to_string);
        told.sort_by_key(Value::to_string);
        assert_eq!(kept, told);
    }
    let by_country = json(&folder, &["events", "--since", "2026-11-01T00:00:00Z", "--top", "country", "--json"]);
    assert_eq!((&by_country["top"][0]["value"], &by_country["top"][0]["count"]), (&"DE".into(), &12_000.into()));
    // Nobody is told: as far as messages go, all of it is told already.
    let mut store = Store::open(&Place::from(folder.0.join("palisade.db"))).expect("the store");
    assert!(store.untold(10).expect("a list").is_empty());
    // What came to the log since is another log.
    folder.file("access.log", &(log + &line(12_000)));
    let _ = replay(&["--write"]);
    assert_eq!(total(&folder, &[]), 24_001);
    let piped = output(&folder, &["replay", "-", "--write"]);
    assert_eq!(piped.status.code(), Some(2));
    assert!(text(&piped.stderr).contains("watch --log -"), "{}", text(&piped.stderr));
}
