//! `--build`: the project's own commands, run only when somebody agreed, and ended with everything that they started.

use std::net::TcpStream;
use std::process::Command;

use crate::project::{Project, Seen};

/// A project whose build and server are one line of node each.
fn project(build: &str, start: &str) -> Project {
    let it = Project::shop();
    let scripts = serde_json::json!({ "build": "node build.cjs", "start": "node start.cjs" });
    let mut manifest: serde_json::Value = serde_json::from_str(&it.read("package.json")).expect("json");
    manifest["scripts"] = scripts;
    it.file("package.json", &manifest.to_string());
    it.file("build.cjs", build);
    it.file("start.cjs", start);
    it
}

const SERVER: &str =
    "require('http').createServer((_, answer) => answer.end('ok')).listen(process.env.PORT, '127.0.0.1');
    require('fs').writeFileSync('port', process.env.PORT + ' ' + process.env.NODE_ENV);";

fn built(it: &Project) -> (String, Vec<String>) {
    let mut seen: Seen = it.seen(&["--section", "final", "--build", "--yes"]);
    seen.remove("final/production-build").expect("the check")
}

#[test]
fn c8_the_final_checks_are_decided_the_build_is_made_and_its_server_started_and_stopped() {
    if !Command::new("npm").arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("npm is not installed here: nothing to build with");
        return;
    }
    let it = project("require('fs').writeFileSync('built', process.env.NODE_ENV);", SERVER);
    let unasked = &it.seen(&["--section", "final"])["final/production-build"];
    assert_eq!(unasked.0, "unknown", "{unasked:?}");
    // Nobody is at a terminal to agree.
    let alone = &it.seen(&["--section", "final", "--build"])["final/production-build"];
    assert!(alone.0 == "unknown" && !it.path.join("built").exists(), "{alone:?}");

    let fine = it.seen(&["--section", "final", "--build", "--yes", "--osv", "osv"]);
    let statuses: Vec<&str> = fine.values().map(|(status, _)| status.as_str()).collect();
    assert_eq!(statuses, ["pass"; 4], "{fine:?}");
    let details = &fine["final/production-build"].1;
    assert!(details.iter().any(|it| it.contains("it started and answered `HTTP/1.1 200 OK`")), "{details:?}");
    assert_eq!(it.read("built"), "production");
    let text = it.read("port");
    let (port, mode) = text.split_once(' ').expect("two words");
    assert_eq!(mode, "production");
    let port: u16 = port.parse().expect("a port");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "its server is still there");

    let broken = built(&project("process.exit(3)", SERVER));
    assert!(broken.0 == "fail" && broken.1.len() == 1 && broken.1[0].contains("npm run build"), "{broken:?}");
    let dies = built(&project("", "process.exit(4)"));
    assert!(dies.0 == "fail" && dies.1.iter().any(|it| it.contains("before it answered")), "{dies:?}");
}
