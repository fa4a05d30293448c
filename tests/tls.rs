//! TLS in the hands of an operator: the binary, certificate files, curl; and a server for shared state behind TLS.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]
#![allow(clippy::print_stdout, reason = "what is skipped is said")]

#[path = "support/app.rs"]
mod app;
#[path = "support/http.rs"]
mod http;

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use app::{App, Folder, HOST, serve};
use http::{Running, send};
use palisade_testkit::{Postgres, Redis, free_address};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

const OTHER: &str = "other.example";

/// Issues certificates that are written into a folder.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// Its own certificate is `ca.pem`.
    fn new(folder: &Folder) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority of tests");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("self-signed");
        folder.file("ca.pem", &issuer.pem());
        Authority(issuer)
    }

    /// Writes `NAME.pem` and `NAME.key` for a host or an address.
    fn issue(&self, folder: &Folder, name: &str, host: &str) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![host.to_owned()]).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.0).expect("signed");
        // As certbot does: others take their places.
        for (file, text) in [(format!("{name}.key"), key.serialize_pem()), (format!("{name}.pem"), certificate.pem())] {
            let next = folder.file("next", &text);
            std::fs::rename(next, folder.0.join(file)).expect("rename");
        }
    }
}

fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Asks for `https://HOST/free`, and trusts that authority alone; what curl says of it, or why it does not take it.
fn curl(folder: &Folder, gate: SocketAddr, host: &str, args: &[&str]) -> Result<String, String> {
    let resolve = format!("{host}:{}:127.0.0.1", gate.port());
    let mut command = Command::new("curl");
    command
        .args(["-sS", "--max-time", "20", "--noproxy", "*", "-o", "/dev/null", "--cacert"])
        .arg(folder.0.join("ca.pem"));
    command.args(["--resolve", &resolve, "-H", &format!("Host: {host}")]).args(args);
    let output = command.arg(format!("https://{host}:{}/free", gate.port())).output().expect("curl is installed");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// Names the version and the status.
const SAYS: [&str; 2] = ["-w", "%{http_version} %{http_code}"];

#[test]
fn a_gate_serves_https_by_name_redirects_http_and_takes_a_new_certificate() {
    let folder = Folder::new("tls");
    let (app, authority, redirect) = (App::start(), Authority::new(&folder), free_address());
    authority.issue(&folder, "shop", HOST);
    authority.issue(&folder, "other", OTHER);
    folder.file(
        "palisade.toml",
        &format!(
            "[app]\nname = \"shop\"\npublic_origin = [\"https://{HOST}\", \"https://{OTHER}\"]\n\
             upstream = \"http://{}\"\n\
             [listen]\nredirect = \"{redirect}\"\n\
             tls = [{{ cert = \"shop.pem\", key = \"shop.key\" }}, {{ cert = \"other.pem\", key = \"other.key\" }}]\n\
             [[route]]\npath = \"/free\"\nkind = \"public-read\"\n",
            app.address
        ),
    );
    let gate = Running::start(&mut serve(&folder, &["--threads", "2"]));
    let ask = |host: &str, args: &[&str]| curl(&folder, gate.address, host, args);
    for host in [HOST, OTHER] {
        assert_eq!(ask(host, &[&SAYS[..], &["--http2"]].concat()), Ok("2 200".to_owned()), "{host}");
        assert_eq!(ask(host, &[&SAYS[..], &["--http1.1"]].concat()), Ok("1.1 200".to_owned()), "{host}");
    }
    // A name that no certificate has gets the first, which is not taken for it.
    let stranger = ask("stranger.example", &SAYS).expect_err("not its name");
    assert!(stranger.contains("stranger.example"), "{stranger}");
    assert!(ask(HOST, &[&SAYS[..], &["--tls-max", "1.1"]].concat()).is_err(), "too old a version");

    let moved = send(redirect, HOST, "GET", "/free?a=b", &[], "");
    assert_eq!((moved.status, moved.header("location")), (308, &*format!("https://{HOST}/free?a=b")));

    // Of the second certificate only: the first goes on as it was.
    let certificates = || [HOST, OTHER].map(|host| ask(host, &["-w", "%{certs}"]).expect("served"));
    let before = certificates();
    authority.issue(&folder, "other", OTHER);
    eventually("the new certificate is served", || certificates()[1] != before[1]);
    assert_eq!(certificates()[0], before[0]);
    eventually("it says so", || gate.said().contains("the certificate changed"));
    folder.file("other.pem", "nonsense");
    eventually("it says why", || gate.said().contains("the certificate before it is served on"));
    assert_eq!(ask(OTHER, &SAYS), Ok("2 200".to_owned()));
}

/// Whether redis-server was built with TLS; Debian's is.
fn redis_speaks_tls() -> bool {
    let args = ["--port", "0", "--tls-port", "1", "--tls-cert-file", "/nowhere"];
    let mut tried = Command::new("redis-server").args(args).output().expect("redis-server is installed");
    tried.stdout.append(&mut tried.stderr);
    !String::from_utf8_lossy(&tried.stdout).contains("Bad directive")
}

#[test]
fn shared_state_behind_tls_is_asked_only_where_its_certificate_is_trusted() {
    if !redis_speaks_tls() {
        println!("skipped: this redis-server was built without TLS");
        return;
    }
    let folder = Folder::new("rediss");
    let (app, authority, tls) = (App::start(), Authority::new(&folder), free_address());
    authority.issue(&folder, "redis", "127.0.0.1");
    let path = |name: &str| folder.0.join(name).display().to_string();
    let (port, cert, key, ca) = (tls.port().to_string(), path("redis.pem"), path("redis.key"), path("ca.pem"));
    let files = ["--tls-cert-file", &cert, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
    let redis = Redis::with(&[&["--tls-port", &port, "--tls-auth-clients", "no"], &files[..]].concat());
    folder.file(
        "palisade.toml",
        &format!(
            "[app]\nname = \"shop\"\npublic_origin = \"https://{HOST}\"\nupstream = \"http://{}\"\n\
             [state]\nredis = \"REDIS_URL\"\ntimeout = \"5s\"\n\
             [[route]]\npath = \"/few\"\nkind = \"public-read\"\nlimit = \"3/min\"\n",
            app.address
        ),
    );
    let start = |roots: Option<&str>| {
        let mut command = serve(&folder, &[]);
        command.env("REDIS_URL", format!("rediss://{tls}")).envs(roots.map(|roots| ("SSL_CERT_FILE", roots)));
        Running::start(&mut command)
    };
    let gates = [start(Some(&ca)), start(Some(&ca))];
    redis.wait_for_gates(2);
    let get = |gate: &Running| send(gate.address, HOST, "GET", "/few", &[], "").status;
    let told: Vec<u16> = (0..6).map(|turn| get(&gates[turn % 2])).collect();
    // Each alone would have let three pass.
    assert_eq!(told, [200, 200, 200, 429, 429, 429]);
    let stranger = start(None);
    stranger.event(|event| event["palisade.notice"] == "state-outage");
    assert_eq!(get(&stranger), 200, "it counts alone");
}

#[test]
fn a_store_behind_tls_is_written_only_where_its_certificate_is_trusted() {
    let folder = Folder::new("postgres-tls");
    let authority = Authority::new(&folder);
    authority.issue(&folder, "postgres", "127.0.0.1");
    let read = |name: &str| std::fs::read_to_string(folder.0.join(name)).expect("a file");
    let postgres = Postgres::behind_tls(&read("postgres.pem"), &read("postgres.key")).expect("PostgreSQL");
    let database = postgres.database("tls");
    let line = "203.0.113.9 - - [02/Nov/2026:10:00:00 +0000] \"GET /a HTTP/1.1\" 429 5 \"-\" \"test\"\n";
    folder.file("access.log", &line.repeat(30));
    let run = |args: &[&str], store: &str, roots: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
        command.current_dir(&folder.0).args(args).args(["--store", store]).env_clear();
        command.envs(roots.map(|roots| ("SSL_CERT_FILE", roots))).output().expect("runs")
    };
    let ca = folder.0.join("ca.pem").display().to_string();
    let (watch, trusted) = (["watch", "--log", "access.log", "--once"], Some(&*ca));
    let secure = format!("{database}?sslmode=require");
    // Nobody vouches for it, or nothing is encrypted: nothing is sent.
    for (store, roots) in [(&*secure, None), (&*format!("{database}?sslmode=disable"), trusted)] {
        let refused = run(&watch, store, roots);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("cannot be used"), "{refused:?}");
    }
    let written = run(&watch, &secure, trusted);
    assert!(written.status.success(), "{written:?}");
    let told = run(&["events", "--since", "2026-11-01T00:00:00Z", "--json"], &secure, trusted);
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).expect("json");
    assert_eq!(told["total"], 30, "{told}");
}

#[test]
fn operators_from_elsewhere_come_by_tls_or_not_at_all() {
    let folder = Folder::new("admin-tls");
    let (app, authority) = (App::start(), Authority::new(&folder));
    authority.issue(&folder, "shop", HOST);
    let policy = |tls: &str| {
        let upstream = app.address;
        format!("[app]\nname = \"shop\"\npublic_origin = \"https://{HOST}\"\nupstream = \"http://{upstream}\"\n{tls}")
    };
    folder.file("palisade.toml", &policy(""));
    let bare = serve(&folder, &["--admin", "0.0.0.0:0"]).output().expect("runs");
    assert_eq!(bare.status.code(), Some(2), "no TLS, and beyond this machine: {bare:?}");
    folder.file("palisade.toml", &policy("[listen]\ntls = { cert = \"shop.pem\", key = \"shop.key\" }\n"));
    let gate = Running::start(&mut serve(&folder, &["--admin", "0.0.0.0:0"]));
    let admin = gate.admin();
    let ask = |args: &[&str], path: &str| {
        let resolve = format!("{HOST}:{}:127.0.0.1", admin.port());
        let mut command = Command::new("curl");
        command.args(["-sS", "-i", "--max-time", "20", "--noproxy", "*", "--resolve", &resolve, "--cacert"]);
        command.arg(folder.0.join("ca.pem")).args(args).arg(format!("https://{HOST}:{}{path}", admin.port()));
        let output = command.output().expect("curl is installed");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).to_ascii_lowercase()
    };
    assert!(ask(&[], "/incidents").contains(" 401"), "nobody comes in without the token");
    let token = format!("token={}&name=Ann", app::TOKEN);
    let signed_in = ask(&["--data", &token], "/sign-in");
    let cookie = signed_in.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
    assert!(cookie.starts_with("__host-palisade-admin=") && cookie.contains("secure"), "{cookie}");
    let jar = folder.0.join("jar").display().to_string();
    ask(&["--data", &token, "--cookie-jar", &jar], "/sign-in");
    let page = ask(&["--cookie", &jar], "/");
    assert!(page.contains(" 200") && page.contains("traffic, by minute"), "{page}");
    assert!(page.contains("strict-transport-security") || page.contains("content-security-policy"), "{page}");
    // By plain http, and for another's name, there is nothing.
    let mut plain = Command::new("curl");
    plain.args(["-sS", "--max-time", "5", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}"]);
    let mut plain = plain.arg(format!("http://127.0.0.1:{}/", admin.port())).output().expect("curl is installed");
    plain.stdout.retain(u8::is_ascii_digit);
    assert!(matches!(&*plain.stdout, b"000" | b"400" | b""), "{plain:?}");
    assert!(ask(&["-H", "Host: rebound.example"], "/healthz").contains(" 403"));
}
