//! A shell for a page: a folder of its own, the program on its path, an app where the examples have one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use palisade_testkit::free_port;

use super::app::{App, Folder};
use super::page::{Script, place};

/// Findings are no failure of a page. `exec` where the program's own pid matters, which is where it serves.
const PALISADE: &str = r#"#!/bin/bash
case " $* " in *" serve "* | *" demo "*) exec "$REAL" "$@" ;; esac
"$REAL" "$@" || [ $? -eq 1 ]
"#;

/// Seconds that a page may take: seconds as a rule, minutes on a machine that builds beside.
const PATIENCE: &str = "400";

const BEGIN: &str = r#"set -euo pipefail
server=
trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
served() {
    if [ -n "$server" ]; then kill "$server"; wait "$server" || true; fi
    local number=$1 line="${*:2}"
    eval "exec $line" > "served-$number.jsonl" 2> "served-$number.log" &
    server=$!
    for _ in $(seq 2400); do
        if grep -q '://' "served-$number.log"; then return; fi
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    cat "served-$number.log" >&2
    return 1
}
"#;

/// Where a page is tried.
pub(crate) struct Shell {
    pub(crate) folder: Folder,
    pub(crate) places: BTreeMap<&'static str, String>,
    _app: App,
}

impl Shell {
    pub(crate) fn new(name: &str) -> Shell {
        let (folder, app) = (Folder::new(&format!("docs-{name}")), App::start());
        let free = || format!(":{}", free_port());
        let places = BTreeMap::from([
            (":3000", format!(":{}", app.address.port())),
            (":8080", free()),
            (":9180", free()),
            (":9280", free()),
            (":8443", free()),
            ("/var/log/nginx/access.log", "access.log".to_owned()),
        ]);
        for name in ["bin", "home", "page"] {
            fs::create_dir_all(folder.0.join(name)).expect("folder");
        }
        let program = folder.file("bin/palisade", PALISADE);
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).expect("executable");
        Shell { folder, places, _app: app }
    }

    /// A text with the addresses of this shell.
    pub(crate) fn placed(&self, text: &str) -> String {
        place(text, &self.places)
    }

    /// Where the page's commands are typed.
    pub(crate) fn here(&self) -> std::path::PathBuf {
        self.folder.0.join("page")
    }

    /// Runs a script to its end; what it said if it failed.
    pub(crate) fn run(&self, script: &Script) -> Result<(), String> {
        for (name, text) in &script.files {
            let path = self.here().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
            fs::write(path, text).expect("file");
        }
        let said = |name: &str| File::create(self.folder.0.join(name)).expect("a file for what is said");
        let path =
            format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/bin", self.folder.0.join("bin").display());
        // `timeout` leads a group of its own, and what a page left running goes with it.
        let mut leader = Command::new("timeout")
            .args(["--kill-after=5", PATIENCE, "bash", "-c", &format!("{BEGIN}{}", script.text)])
            .current_dir(self.here())
            .env_clear()
            .env("PATH", path)
            .env("REAL", Path::new(env!("CARGO_BIN_EXE_palisade")))
            .env("HOME", self.folder.0.join("home"))
            .env("USER", "ann")
            .env("PALISADE_LISTEN", format!("127.0.0.1{}", self.places[":8080"]))
            .env("PALISADE_ADMIN", format!("127.0.0.1{}", self.places[":9180"]))
            .stdout(said("stdout"))
            .stderr(said("stderr"))
            .spawn()
            .expect("timeout and bash are there");
        let status = leader.wait().expect("it ends");
        let _ =
            Command::new("kill").args(["-KILL", "--", &format!("-{}", leader.id())]).stderr(said("killed")).status();
        if status.success() {
            return Ok(());
        }
        let tail = |name: &str| {
            let text = self.folder.read(name);
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(40)..].join("\n")
        };
        Err(format!("{status:?}\n{}\n{}", tail("stdout"), tail("stderr")))
    }
}
