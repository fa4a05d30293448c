//! `--online`, with a registry of our own on loopback.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::project::Project;

/// Answers npm's bulk audit with what `report` says, and everything else with 404. Keeps the heads it was sent.
struct Registry {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Registry {
    fn start(status: &'static str, report: &'static str) -> Registry {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(stream, status, report, &kept));
            }
        });
        Registry { address, heads }
    }

    fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    fn heads(&self) -> String {
        self.heads.lock().expect("lock").join("\n")
    }
}

fn serve(mut stream: TcpStream, status: &str, report: &str, kept: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().expect("clone"));
    loop {
        let mut head = String::new();
        while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
        if head.is_empty() {
            return;
        }
        let length = head.to_ascii_lowercase();
        let length = length.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let (status, answer) = match head.starts_with("POST /-/npm/v1/security/advisories/bulk") {
            true => (status, report),
            false => ("200 OK", ""),
        };
        let answer = if answer.is_empty() { document(&head) } else { answer.to_owned() };
        kept.lock().expect("lock").push(head);
        let length = answer.len();
        let written = write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{answer}"
        );
        if written.is_err() {
            return;
        }
    }
}

/// What a registry says of a package: every version that the shop pins, and a much later one.
fn document(head: &str) -> String {
    let name = head.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').replace("%2f", "/");
    let manifest = include_str!("../../examples/nextjs-shop/package.json");
    let manifest: serde_json::Value = serde_json::from_str(manifest).expect("json");
    let pinned = manifest["dependencies"][&name].as_str().unwrap_or("1.0.0");
    let version = |version: &str| serde_json::json!({ "name": name, "version": version, "dist": { "tarball": "" } });
    let versions = serde_json::json!({ pinned: version(pinned), "99.0.0": version("99.0.0") });
    serde_json::json!({ "name": name, "dist-tags": { "latest": "99.0.0" }, "versions": versions }).to_string()
}

const WEAK: &str = r#"{"stripe":[{"id":1,"url":"https://example/GHSA-1","title":"a weakness","severity":"high",
    "vulnerable_versions":"<99.0.0","cwe":[],"cvss":{"score":8,"vectorString":null}}]}"#;

fn has_npm() -> bool {
    Command::new("npm").arg("--version").output().is_ok_and(|output| output.status.success())
}

#[test]
fn c2_the_registry_is_asked_about_the_lock_file_and_its_refusal_is_unknown() {
    if !has_npm() {
        eprintln!("npm is not installed here: nothing to ask a registry with");
        return;
    }
    let shop = Project::shop();
    // Neither the repository's configuration nor a variable may reach the registry.
    shop.append(".npmrc", "\nregistry=http://127.0.0.1:9/\n//127.0.0.1/:_authToken=canary-of-npmrc\n");
    let section = |url: &str| shop.seen(&["--section", "dependencies", "--online", "--registry", url]);

    let registry = Registry::start("200 OK", WEAK);
    let weak = section(&registry.url());
    assert_eq!(weak["deps/audit"].0, "fail", "{weak:?}");
    assert!(weak["deps/audit"].1[0].contains("stripe: a weakness (high"), "{weak:?}");
    assert_eq!(weak["deps/critical-updated"].0, "fail", "{weak:?}");
    assert_eq!(weak["deps/framework-current"].0, "fail", "{weak:?}");
    assert_eq!(weak["deps/outdated"].0, "warn", "{weak:?}");
    assert!(weak["deps/outdated"].1.iter().any(|it| it.contains("stripe") && it.contains("behind 99.0.0")), "{weak:?}");
    assert!(!registry.heads().contains("canary"), "{}", registry.heads());

    let registry = Registry::start("200 OK", "{}");
    let clean = section(&registry.url());
    assert_eq!(clean["deps/audit"].0, "pass", "{clean:?}");
    assert_eq!(clean["deps/critical-updated"].0, "pass", "{clean:?}");

    let registry = Registry::start("405 Method Not Allowed", r#"{"message":"no audit here"}"#);
    let refused = section(&registry.url());
    assert_eq!(refused["deps/audit"].0, "unknown", "{refused:?}");
    assert_eq!(refused["deps/critical-updated"].0, "unknown", "{refused:?}");
}
