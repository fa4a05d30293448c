//! The commands of the documentation: run, or marked with the reason why not.
//!
//! ```` ```sh ```` is run, all blocks of a page in one shell and one folder, each line as it stands. ```` ```sh norun:
//! reason ```` is not. A block with `file=NAME` is written there before. The addresses of the examples stand for free
//! ports, and for an app of the test's.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]

#[path = "support/app.rs"]
mod app;

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use app::{App, Folder};

/// A fenced block of a page.
#[derive(Debug)]
struct Block {
    line: usize,
    info: String,
    text: String,
}

/// Languages that show something and do nothing.
const SHOWN: [&str; 4] = ["text", "json", "rust", "ts"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

fn blocks(page: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut open = false;
    for (number, line) in page.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(_) if open => open = false,
            Some(info) => {
                open = true;
                found.push(Block { line: number + 2, info: info.trim().to_owned(), text: String::new() });
            }
            None if open => {
                let block = found.last_mut().expect("an open block");
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {}
        }
    }
    assert!(!open, "a block is not closed");
    found
}

/// The addresses of the examples, and where they are in a test.
fn places(app: &App) -> BTreeMap<&'static str, String> {
    let free = || {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        port.port().to_string()
    };
    BTreeMap::from([(":3000", app.address.port().to_string()), (":8080", free()), (":9180", free()), (":8443", free())])
}

#[test]
fn the_commands_of_deploy_md_work() {
    let page = fs::read_to_string(repository().join("docs/deploy.md")).expect("docs/deploy.md");
    let (folder, app) = (Folder::new("docs"), App::start());
    let places = places(&app);
    let placed = |text: &str| {
        let port = |text: String, (example, port): (&&'static str, &String)| text.replace(example, &format!(":{port}"));
        places.iter().fold(text.to_owned(), port)
    };
    let mut script = String::from("set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n");
    let mut run = 0;
    for Block { line, info, text } in blocks(&page) {
        let (language, rest) = info.split_once(' ').unwrap_or((&info, ""));
        if let Some(name) = rest.strip_prefix("file=") {
            folder.file(name, &placed(&text));
        } else if let Some(reason) = rest.strip_prefix("norun:") {
            assert!(reason.trim().len() > 10, "line {line}: `norun` wants a reason");
        } else if language == "sh" {
            run += 1;
            script.push_str(&format!("echo '--- line {line}' >&2\n{}", placed(&text)));
        } else {
            assert!(SHOWN.contains(&language), "line {line}: `{info}` is neither run, nor written, nor says why not");
        }
    }
    assert!(run >= 8, "only {run} blocks are run");
    let binary = Path::new(env!("CARGO_BIN_EXE_palisade"));
    let path = format!("{}:/usr/local/sbin:/usr/sbin:/usr/bin:/bin", binary.parent().expect("folder").display());
    let output = Command::new("timeout")
        .args(["120", "bash", "-c", &script])
        .current_dir(&folder.0)
        .env_clear()
        .env("PATH", path)
        .env("HOME", &folder.0)
        .env("PALISADE_LISTEN", format!("127.0.0.1:{}", places[":8080"]))
        .env("PALISADE_ADMIN", format!("127.0.0.1:{}", places[":9180"]))
        .output()
        .expect("bash runs");
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{:?}\n{printed}\n{said}", output.status);
}
