//! The dashboard and the report, from outside: who may come in, what they see, and what a week comes to.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]

#[path = "support/app.rs"]
mod app;
#[path = "support/http.rs"]
mod http;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use app::{App, Folder, HOST, TOKEN, serve};
use http::{Answer, Running, send};
use palisade_testkit::Postgres;

const PATIENCE: Duration = Duration::from_secs(30);
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Somebody at the dashboard.
struct Operator {
    admin: SocketAddr,
    cookie: String,
}

impl Operator {
    fn signed_in(admin: SocketAddr, token: &str) -> Operator {
        let answer = sign_in(admin, token, &[]);
        assert_eq!(answer.status, 303, "{}", answer.body);
        let cookie = answer.header("set-cookie");
        assert!(cookie.starts_with("palisade-admin=") && cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
        Operator { admin, cookie: cookie.split(';').next().expect("a cookie").to_owned() }
    }

    fn get(&self, path: &str) -> Answer {
        ask(self.admin, "GET", path, &[("cookie", &self.cookie)], "")
    }

    /// The page once it holds a text: what was counted is written within a second.
    fn sees(&self, path: &str, wanted: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let body = self.get(path).body;
            if body.contains(wanted) {
                return body;
            }
            assert!(Instant::now() < deadline, "{path} has no {wanted}: {body}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn csrf(&self) -> String {
        let body = self.get("/").body;
        body.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token").to_owned()
    }

    fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = [&[FORM, ("cookie", self.cookie.as_str())], headers].concat();
        ask(self.admin, "POST", path, &headers, body)
    }
}

fn ask(admin: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    send(admin, &admin.to_string(), method, path, headers, body)
}

fn sign_in(admin: SocketAddr, token: &str, headers: &[(&str, &str)]) -> Answer {
    ask(admin, "POST", "/sign-in", &[&[FORM], headers].concat(), &format!("token={token}&name=Ann"))
}

fn demo(more: &[&str]) -> (Running, SocketAddr, String) {
    let mut args = vec!["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    args.extend(more);
    let demo = Running::start(Command::new(env!("CARGO_BIN_EXE_palisade")).args(args));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let said = demo.said();
        if let Some(link) = said.lines().find_map(|line| line.trim().strip_prefix("watch     http://")) {
            let (admin, code) = link.split_once("/sign-in#").expect("a link");
            return (demo, admin.parse().expect("an address"), code.to_owned());
        }
        assert!(Instant::now() < deadline, "no link: {said}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn shop(app: &App, folder: &Folder, args: &[&str]) -> Running {
    let policy = format!(
        "[app]\nname = \"shop\"\npublic_origin = \"https://{HOST}\"\nupstream = \"http://{}\"\n\
         [[route]]\npath = \"/limited\"\nkind = \"public-read\"\nlimit = \"1/min\"\n",
        app.address
    );
    folder.file("palisade.toml", &policy);
    Running::start(&mut serve(folder, args))
}

#[test]
fn the_demos_link_signs_in_once_by_a_form_and_never_by_an_address() {
    let (_demo, admin, code) = demo(&[]);
    for path in [format!("/?token={code}"), format!("/sign-in?token={code}"), format!("/?code={code}")] {
        let answer = ask(admin, "GET", &path, &[("sec-fetch-mode", "navigate")], "");
        assert_eq!(answer.header("set-cookie"), "", "{path}");
    }
    assert_eq!(ask(admin, "GET", "/", &[], "").status, 401);
    let to = ask(admin, "GET", "/", &[("sec-fetch-mode", "navigate"), ("sec-fetch-site", "none")], "");
    assert_eq!((to.status, to.header("location")), (303, "/sign-in"));
    let operator = Operator::signed_in(admin, &code);
    assert!(operator.get("/").body.contains("Traffic, by minute"));
    assert_eq!(sign_in(admin, &code, &[]).status, 403, "a code is for one sign-in");
    let page = operator.get("/");
    assert!(!page.body.contains(&code) && !page.body.contains(operator.cookie.split_once('=').expect("a value").1));
}

#[test]
fn other_sites_other_names_and_other_origins_do_not_sign_in_nor_change_anything() {
    let (_demo, admin, code) = demo(&[]);
    for attack in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")],
        &[("origin", "http://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://127.0.0.1:1")],
    ] {
        let answer = sign_in(admin, &code, attack);
        assert_eq!((answer.status, answer.header("set-cookie")), (403, ""), "{attack:?}");
    }
    let rebound = send(admin, "rebound.evil.example", "POST", "/sign-in", &[FORM], &format!("token={code}"));
    assert_eq!(rebound.status, 403);
    let operator = Operator::signed_in(admin, &code);
    let csrf = operator.csrf();
    let path = "/incidents/00000000000000000000000000000000/resolve";
    for (headers, body, status) in [
        (&[][..], "note=x".to_owned(), 403),
        (&[], format!("csrf={csrf}x"), 403),
        (&[], format!("csrf={csrf}&csrf={csrf}"), 403),
        (&[("origin", "http://evil.example")], format!("csrf={csrf}"), 403),
        (&[("sec-fetch-site", "cross-site")], format!("csrf={csrf}"), 403),
        (&[], format!("csrf={csrf}"), 404),
    ] {
        assert_eq!(operator.post(path, headers, &body).status, status, "{headers:?} {body}");
    }
    let json = [("content-type", "application/json"), ("cookie", operator.cookie.as_str())];
    assert_eq!(ask(admin, "POST", path, &json, "{}").status, 415);
    assert_eq!(operator.post(path, &[], &"x".repeat(20_000)).status, 413);
    assert_eq!(operator.get(path).status, 404, "reading changes nothing");
    // Two cookies of one name are nobody's: a neighbour on another port may have set one.
    let tossed = format!("palisade-admin=tossed; {}", operator.cookie);
    assert_eq!(ask(admin, "GET", "/", &[("cookie", &tossed)], "").status, 401);
    let leave = operator.post("/sign-out", &[], &format!("csrf={csrf}"));
    assert_eq!((leave.status, leave.header("location")), (303, "/sign-in"));
    assert_eq!(operator.get("/").status, 401, "signed out on the server, not in the browser alone");
}

#[test]
fn guesses_are_counted_and_then_nothing_is_compared() {
    let (_demo, admin, code) = demo(&[]);
    for _ in 0..5 {
        assert_eq!(sign_in(admin, "guess", &[]).status, 403);
    }
    let late = sign_in(admin, &code, &[]);
    assert_eq!((late.status, late.header("retry-after"), late.header("set-cookie")), (429, "60", ""));
}

#[test]
fn a12_every_answer_of_the_dashboard_carries_headers_that_grade_a_plus() {
    let (_demo, admin, code) = demo(&[]);
    let operator = Operator::signed_in(admin, &code);
    let pages = ["/", "/incidents", "/events", "/normal", "/rules", "/readiness", "/report", "/nothing", "/style.css"];
    for answer in pages.map(|path| operator.get(path)).iter().chain([&ask(admin, "GET", "/sign-in", &[], "")]) {
        let csp = answer.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ] {
            assert!(csp.contains(part), "{csp}");
        }
        assert!(!csp.contains("unsafe"), "{csp}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
            ("access-control-allow-origin", ""),
        ] {
            assert_eq!(answer.header(name), value);
        }
        assert!(
            !answer.body.contains(" style=") && !answer.body.contains("<script>") && !answer.body.contains(" onclick")
        );
    }
}

#[test]
fn g6_events_are_filtered_by_status_and_time_on_the_dashboard_and_by_command() {
    let (app, folder) = (App::start(), Folder::new("board-g6"));
    let gate = shop(&app, &folder, &[]);
    let operator = Operator::signed_in(gate.admin(), TOKEN);
    let get = |path: &str, headers: &[(&str, &str)]| send(gate.address, HOST, "GET", path, headers, "").status;
    assert_eq!([(); 4].map(|()| get("/limited", &[])), [200, 429, 429, 429]);
    // What a stranger wrote is text on every page.
    assert_eq!(get("/%61%3Cscript%3Ealert(1)%3C/script%3E", &[("user-agent", "<img src=x onerror=alert(2)>")]), 400);
    let held = operator.sees("/events?status=429&since=1h", "<b>3</b> events");
    assert!(held.contains("/limited") && held.contains("rate-limited"));
    for (query, wanted) in [
        ("status=403&since=1h", "<b>0</b> events"),
        ("status=401", "<b>0</b> events"),
        ("status=429&from=2020-01-01T00:00&to=2020-01-02T00:00", "<b>0</b> events"),
        ("status=429&from=2020-01-01T00:00", "<b>3</b> events"),
        ("code=rate-limited", "<b>3</b> events"),
        ("route=%2Flimited&status=429", "<b>3</b> events"),
        ("client=127.0.0.1&status=429", "<b>3</b> events"),
        ("client=%27%22%3E%3Cscript%3E", "<b>0</b> events"),
    ] {
        let page = operator.get(&format!("/events?{query}"));
        assert!(page.status == 200 && page.body.contains(wanted), "{query}: {}", page.body);
        assert!(!page.body.contains("><script>"), "{query}");
    }
    let hostile = operator.sees("/events?status=400", "<b>1</b> events");
    assert!(
        !hostile.contains("<img") && !hostile.contains("<script>alert") && hostile.contains("&lt;img"),
        "{hostile}"
    );
    let told = Command::new(env!("CARGO_BIN_EXE_palisade"))
        .current_dir(&folder.0)
        .args(["events", "--status", "429", "--since", "1h", "--json"])
        .output()
        .expect("runs");
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).expect("json");
    assert_eq!(told["total"], 3);
    assert_eq!(told["events"][0]["status"], 429);
}

#[test]
fn what_happens_comes_by_itself_and_again_after_the_connection_broke() {
    let (_demo, admin, code) = demo(&[]);
    let operator = Operator::signed_in(admin, &code);
    for _ in 0..2 {
        let mut stream = TcpStream::connect(admin).expect("connect");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let head = format!("GET /live HTTP/1.1\r\nhost: {admin}\r\ncookie: {}\r\n\r\n", operator.cookie);
        stream.write_all(head.as_bytes()).expect("sent");
        let mut lines = BufReader::new(stream).lines().map(|line| line.expect("a line"));
        let mut wait = |wanted: &str| lines.find(|line| line.contains(wanted)).expect("it comes");
        assert!(wait("content-type").contains("text/event-stream"));
        wait("retry: 2000");
        wait("event: live");
        wait("data: ");
        wait("event: open");
    }
    assert_eq!(ask(admin, "GET", "/live", &[], "").status, 401);
}

#[test]
fn an_incident_is_acknowledged_and_resolved_by_forms_and_the_report_tells_how_soon() {
    let (demo, admin, code) = demo(&["--attack"]);
    let operator = Operator::signed_in(admin, &code);
    let list = operator.sees("/incidents?state=open", "href=\"/incidents/");
    let key = list.split("href=\"/incidents/").nth(1).and_then(|rest| rest.get(..32)).expect("a key").to_owned();
    let page = operator.get(&format!("/incidents/{key}")).body;
    assert!(page.contains("What to do") && page.contains("Examples"), "{page}");
    let body = format!("csrf={}&note=looking+%3Cb%3E", operator.csrf());
    let done = operator.post(&format!("/incidents/{key}/acknowledge"), &[], &body);
    assert_eq!((done.status, done.header("location")), (303, format!("/incidents/{key}").as_str()), "{}", done.body);
    let page = operator.get(&format!("/incidents/{key}")).body;
    assert!(page.contains(" by Ann") && page.contains("looking &lt;b&gt;"), "{page}");
    assert_eq!(operator.post(&format!("/incidents/{key}/resolve"), &[], &body).status, 303);
    let store = demo.said().lines().find_map(|line| line.split("incidents list --store ").nth(1).map(str::to_owned));
    let report = |format: &str| {
        let args = ["report", "--store", store.as_deref().expect("a store"), "--format", format, "--app", "demo"];
        let output = Command::new(env!("CARGO_BIN_EXE_palisade")).args(args).output().expect("runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("utf-8")
    };
    let told: serde_json::Value = serde_json::from_str(&report("json")).expect("json");
    let incidents = told["incidents"].as_array().expect("a list");
    let sum = |name: &str| incidents.iter().filter_map(|it| it[name].as_u64()).sum::<u64>();
    assert_eq!(sum("acknowledged"), 1, "{told}");
    assert!(incidents.iter().any(|it| it["seconds_to_acknowledge"]["longest"].is_u64()), "{told}");
    assert!(report("markdown").starts_with("# Security report of `demo`"));
    let html = report("html");
    assert!(html.contains("@media print") && html.contains("default-src 'none'"));
    for reference in [" src=", "<link", "@import", "url("] {
        assert!(!html.contains(reference), "one file, and no {reference}");
    }
}

#[test]
fn two_gates_over_one_postgres_show_each_others_traffic() {
    let postgres = Postgres::start().expect("PostgreSQL");
    let (app, store) = (App::start(), postgres.database("board"));
    let folders = ["board-one", "board-two"].map(Folder::new);
    let gates = folders.each_ref().map(|folder| shop(&app, folder, &["--store", &store]));
    for gate in &gates {
        assert_eq!([(); 3].map(|()| send(gate.address, HOST, "GET", "/limited", &[], "").status), [200, 429, 429]);
    }
    for gate in &gates {
        let operator = Operator::signed_in(gate.admin(), TOKEN);
        operator.sees("/events?status=429", "<b>4</b> events");
        for path in ["/", "/incidents", "/normal", "/rules", "/report"] {
            assert_eq!(operator.get(path).status, 200, "{path}");
        }
    }
}
