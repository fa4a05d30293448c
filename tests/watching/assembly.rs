//! Every way into the detector, through the program: reports, the application's own word, a pipe, countries, a stream that
//! several gates and detectors share; and what it remembers over a restart.

use std::fs;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use palisade_testkit::Redis;
use palisade_testkit::mmdb::{Data, database};
use serde_json::Value;

use crate::app::{self, App, Folder};
use crate::http::{self, Running};
use crate::{PATIENCE, incidents, json, palisade, text};

const TOKEN: &str = "a-token-of-tests-for-the-intake-0123456789";

/// A folder with a policy over `app`.
fn shop(name: &str, app: &App, more: &str) -> Folder {
    let folder = Folder::new(name);
    let (address, host) = (app.address, app::HOST);
    let policy = format!(
        "[app]\nname = \"shop\"\nupstream = \"http://{address}\"\npublic_origin = \"https://{host}\"\n\
         [[route]]\npath = \"/api/limited\"\nmethods = [\"GET\"]\nkind = \"public-read\"\nlimit = \"5/min\"\n\
         [[route]]\npath = \"/provider\"\nmethods = [\"GET\"]\nkind = \"delegated\"\n{more}"
    );
    folder.file("palisade.toml", &policy);
    folder
}

fn get(gate: &Running, path: &str) -> http::Answer {
    http::send(gate.address, app::HOST, "GET", path, &[], "")
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What was found, once it has come to `wanted` of that rule.
fn found(folder: &Folder, rule: &str) -> Value {
    let mut last = Value::Null;
    until(rule, || {
        // Until the first commit there is no store.
        let list = palisade(folder, &["incidents", "list", "--json"]).output().expect("runs");
        let list: Value = serde_json::from_slice(&list.stdout).unwrap_or_default();
        let mut all = list["incidents"].as_array().into_iter().flatten();
        last = all.find(|incident| incident["rule"] == rule).cloned().unwrap_or_default();
        !last.is_null()
    });
    last
}

#[test]
fn the_application_says_what_happened_and_only_the_gate_hears_it() {
    let app = App::start();
    let folder = shop("assembly-event", &app, "");
    let gate = Running::start(&mut app::serve(&folder, &[]));
    for _ in 0..10 {
        let answer = get(&gate, "/in?fails");
        assert_eq!((answer.status, answer.header("x-palisade-event")), (200, ""), "it does not leave");
    }
    let event = gate.event(|event| event["url.path"] == "/in");
    assert_eq!(
        (event["palisade.type"].as_str(), event["event.outcome"].as_str()),
        (Some("AUTH_FAILURE"), Some("failure"))
    );
    assert_eq!(found(&folder, "login-failures-client")["attributable"], true);
    assert_eq!(get(&gate, "/provider?fails").header("x-palisade-event"), "");
    let event = gate.event(|event| event["url.path"] == "/provider");
    assert_eq!(
        (event.get("palisade.type"), event.get("event.outcome")),
        (None, None),
        "another's answers are not read"
    );
}

#[test]
fn security_10_forged_reports_blame_nobody_and_a_flood_hides_no_sign_in() {
    let app = App::start();
    let folder = shop("assembly-intake", &app, "");
    let mut serve = app::serve(&folder, &["--intake", "127.0.0.1:0"]);
    let gate = Running::start(serve.env("PALISADE_INTAKE_TOKEN", TOKEN));
    let said = gate.said();
    let intake =
        said.lines().find_map(|line| line.split("reports are taken at ").nth(1)).expect("where reports are taken");
    let intake = intake.parse().expect("an address");
    let report = |token: &str, body: &str| {
        let bearer = format!("Bearer {token}");
        http::send(intake, "intake", "POST", "/intake/events", &[("authorization", &bearer)], body).status
    };
    // A line that claims to be a gate's, and that it is the victim's own doing.
    let forged = "{\"client.address\":\"198.51.100.7\",\"url.path\":\"/.env\",\"palisade.signals\":[\"known-exploit\"],\
                  \"palisade.decision\":\"admit\",\"palisade.attributable\":true,\"http.response.status_code\":404}";
    assert_eq!(report("wrong", forged), 401);
    for _ in 0..5 {
        assert_eq!(report(TOKEN, forged), 204);
    }
    let address = gate.address;
    std::thread::scope(|scope| {
        let flood = || http::send(address, app::HOST, "GET", "/api/limited", &[], "");
        scope.spawn(move || (0..1500).for_each(|_| drop(flood())));
        for _ in 0..10 {
            assert_eq!(get(&gate, "/in?fails").status, 200);
        }
    });
    assert_eq!(
        found(&folder, "login-failures-client")["attributable"],
        true,
        "the sign-ins are seen through the flood"
    );
    let forged = found(&folder, "exploit-probes");
    assert_eq!(forged["group"]["client.key"], "198.51.100.7", "{forged}");
    assert_eq!(forged["attributable"], false, "a report blames nobody");
    let flood = found(&folder, "rate-limit-client");
    assert_eq!(flood["group"]["client.key"], "127.0.0.1", "{flood}");
}

#[test]
fn reports_are_watched_without_a_gate_and_their_countries_are_known() {
    let folder = Folder::new("assembly-reports");
    let mmdb = database(&[("203.0.0.0", 8, Data::Map(&[("country", Data::Map(&[("iso_code", Data::Text("DE"))]))]))]);
    fs::write(folder.0.join("countries.mmdb"), mmdb).expect("database");
    let mut command = palisade(&folder, &["watch", "--intake", "127.0.0.1:0", "--geo", "countries.mmdb"]);
    let unarmed = command.output().expect("runs");
    assert_eq!(unarmed.status.code(), Some(2), "no token, nobody who may report: {}", text(&unarmed.stderr));
    let mut command = palisade(&folder, &["watch", "--intake", "127.0.0.1:0", "--geo", "countries.mmdb"]);
    let command = command.env("PALISADE_INTAKE_TOKEN", TOKEN).stderr(Stdio::piped()).stdout(Stdio::null());
    let mut watch = command.spawn().expect("runs");
    let mut said = std::io::BufRead::lines(std::io::BufReader::new(watch.stderr.take().expect("stderr")));
    let place = said.find_map(|line| Some(line.ok()?.split("reports are taken at ").nth(1)?.to_owned()));
    let intake = place.expect("where reports are taken").parse().expect("an address");
    let rest = std::thread::spawn(move || said.for_each(drop));
    let report = |token: &str, body: &str| {
        let bearer = format!("Bearer {token}");
        http::send(intake, "intake", "POST", "/intake/events", &[("authorization", &bearer)], body).status
    };
    let lines: String =
        (0..12).map(|_| "{\"type\":\"RATE_LIMIT\",\"ip\":\"203.0.113.9\",\"endpoint\":\"/a\"}\n").collect();
    assert_eq!((report("wrong", &lines), report(TOKEN, &lines)), (401, 204));
    assert_eq!(found(&folder, "rate-limit-client")["group"]["client.key"], "203.0.113.9");
    let all = json(&folder, &["events", "--since", "1h", "--top", "country", "--json"]);
    assert_eq!((&all["top"][0]["value"], &all["top"][0]["count"]), (&"DE".into(), &12.into()), "{all}");
    let status = Command::new("kill").args(["-s", "TERM", &watch.id().to_string()]).status().expect("kill");
    assert!(status.success() && watch.wait().expect("its end").success());
    rest.join().expect("the end of its words");
}

#[test]
fn a_pipe_is_a_log_and_a_database_knows_its_countries() {
    let folder = Folder::new("assembly-pipe");
    let mmdb = database(&[("203.0.0.0", 8, Data::Map(&[("country", Data::Map(&[("iso_code", Data::Text("DE"))]))]))]);
    fs::write(folder.0.join("countries.mmdb"), mmdb).expect("database");
    folder.file("not.mmdb", "no database");
    let wrong = palisade(&folder, &["watch", "--log", "-", "--geo", "not.mmdb"]).output().expect("runs");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("not.mmdb is no database of countries"), "{}", text(&wrong.stderr));
    let mut command = palisade(&folder, &["watch", "--log", "-", "--geo", "countries.mmdb"]);
    let mut watch = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("runs");
    let mut pipe = watch.stdin.take().expect("stdin");
    let lines: Vec<_> = (0..30)
        .map(|second| {
            format!("203.0.113.9 - - [02/Nov/2026:10:00:{second:02} +0000] \"GET /a HTTP/1.1\" 429 5 \"-\" \"test\"")
        })
        .collect();
    // The last line has no end but the pipe's.
    pipe.write_all(lines.join("\n").as_bytes()).expect("write");
    drop(pipe);
    let output = watch.wait_with_output().expect("it ends with the pipe");
    assert!(output.status.success());
    assert!(text(&output.stdout).contains("rate-limit-client"), "{}", text(&output.stdout));
    let all = json(&folder, &["events", "--since", "2000-01-01T00:00:00Z", "--json"]);
    assert_eq!(all["total"], 30);
    assert_eq!(all["events"][0]["country"], "DE", "{all}");
}

/// A detector of the stream, killed at the end.
struct Detector(Child);

impl Detector {
    fn start(folder: &Folder, redis: &Redis) -> Detector {
        let mut command = palisade(folder, &["watch", "--stream", "shop-events"]);
        command.env("REDIS_URL", redis.url()).stdout(Stdio::null()).stderr(Stdio::null());
        Detector(command.spawn().expect("runs"))
    }
}

impl Drop for Detector {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn three_gates_and_two_detectors_tell_one_incident_and_lose_nothing_to_a_kill() {
    let (app, redis) = (App::start(), Redis::start());
    let folder = shop("assembly-stream", &app, "");
    let start = |_| {
        let mut serve = app::serve(&folder, &["--stream", "shop-events"]);
        Running::start(serve.env("REDIS_URL", redis.url()))
    };
    let gates: Vec<Running> = (0..3).map(start).collect();
    let mut one = Detector::start(&folder, &redis);
    let total = || {
        let output = palisade(&folder, &["events", "--since", "1h", "--json"]).output().expect("runs");
        serde_json::from_slice::<Value>(&output.stdout).map_or(0, |all| all["total"].as_u64().unwrap_or(0))
    };
    // Each gate sees two probes: the three make one pattern, and no gate alone does.
    for gate in &gates {
        get(gate, "/.env");
    }
    let first = found(&folder, "exploit-probes");
    assert_eq!(first["count"], 3, "{first}");
    let two = Detector::start(&folder, &redis);
    one.0.kill().expect("kill");
    for gate in &gates {
        get(gate, "/.git/config");
        for _ in 0..20 {
            get(gate, "/page");
        }
    }
    until("the other detector reads on, and counts each event once", || total() == 3 + 3 + 60);
    let probes: Vec<_> = incidents(&folder).into_iter().filter(|it| it["rule"] == "exploit-probes").collect();
    assert_eq!(probes.len(), 1, "one incident, over gates and detectors: {probes:?}");
    assert_eq!(probes[0]["key"], first["key"]);
    drop(two);
    for mut gate in gates {
        gate.signal("TERM");
        assert!(gate.wait().success());
    }
    assert_eq!(total(), 66);
}

#[test]
fn windows_outlive_a_restart_and_a_damaged_file_is_left_out() {
    let app = App::start();
    let folder = shop("assembly-restart", &app, "");
    let stop = |mut gate: Running| {
        gate.signal("TERM");
        assert!(gate.wait().success());
    };
    let gate = Running::start(&mut app::serve(&folder, &[]));
    get(&gate, "/.env");
    get(&gate, "/.git/config");
    stop(gate);
    assert!(incidents(&folder).iter().all(|it| it["rule"] != "exploit-probes"), "two probes are no pattern");
    let windows = folder.0.join("palisade.db-gate-windows");
    let mode = Command::new("stat").args(["-c", "%a"]).arg(&windows).output().expect("stat");
    assert_eq!(text(&mode.stdout).trim(), "600");
    let gate = Running::start(&mut app::serve(&folder, &[]));
    // Two more at most, and the second only if the first came in a second that was already closed: alone they are no pattern.
    let (begun, mut asked) = (Instant::now(), 0);
    until("the third probe", || {
        if asked < 2 && begun.elapsed() >= asked * Duration::from_secs(4) {
            asked += 1;
            get(&gate, "/.aws/credentials");
        }
        incidents(&folder).iter().any(|it| it["rule"] == "exploit-probes")
    });
    stop(gate);
    let mut bytes = fs::read(&windows).expect("windows");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&windows, bytes).expect("write");
    let gate = Running::start(&mut app::serve(&folder, &[]));
    until("it says so", || gate.said().contains("cannot be used, so it begins anew: it is damaged"));
    assert_eq!(get(&gate, "/").status, 200);
    stop(gate);
}
