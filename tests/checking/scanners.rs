//! `--online` and `Cargo.lock`: cargo-audit and osv-scanner, played by scripts that keep how they were started.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::project::{Project, Seen, seen};

const LOCK: &str = "version = 4\n\n[[package]]\nname = \"shop\"\nversion = \"0.1.0\"\ndependencies = [\"smallvec\"]\n\n\
    [[package]]\nname = \"smallvec\"\nversion = \"0.6.9\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n\
    checksum = \"c4488ae950c49d403731982257768f48fada354a5203fe81f9bb6f43ca9002be\"\n";

/// A Rust project, and a folder of tools beside it.
struct Shop {
    project: Project,
    tools: PathBuf,
}

impl Shop {
    fn new() -> Shop {
        let project = Project::empty();
        project.file("Cargo.toml", "[package]\nname = \"shop\"\nversion = \"0.1.0\"\n");
        project.file("Cargo.lock", LOCK);
        // What the scanners would take for their configuration if they were started here.
        project.file(".cargo/audit.toml", "[advisories]\nignore = [\"RUSTSEC-2021-0003\"]\n");
        project.file("osv-scanner.toml", "[[IgnoredVulns]]\nid = \"RUSTSEC-2021-0003\"\n");
        project.git(&["init", "--quiet", "--initial-branch=main"]);
        project.commit();
        let tools = project.path.with_file_name("tools");
        fs::create_dir_all(&tools).expect("folder");
        Shop { project, tools }
    }

    /// Installs a tool that answers so, and writes down its arguments, folder, files, variables and lock file.
    fn install(&self, name: &str, code: i32, answer: &str) {
        let seen = self.tools.join(format!("{name}.seen"));
        fs::write(self.tools.join(format!("{name}.answer")), answer).expect("file");
        let text = format!(
            "#!/bin/sh\nexec 3>'{seen}'\nprintf 'argument %s\\n' \"$@\" >&3\nprintf 'folder %s\\n' \"$(pwd)\" >&3\n\
             for it in * .[!.]*; do [ -e \"$it\" ] && printf 'file %s\\n' \"$it\" >&3; done\nexport -p >&3\n\
             /bin/cat Cargo.lock >'{seen}.lock'\n/bin/cat '{folder}/{name}.answer'\nexit {code}\n",
            seen = seen.display(),
            folder = self.tools.display(),
        );
        program(&self.tools.join(name), &text);
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.tools.join(name)).expect("removed");
    }

    /// The section of packages, where PATH is a folder of the project and then these.
    fn report(&self, args: &[&str], places: &[&Path]) -> Value {
        let own = self.project.path.join("node_modules/.bin");
        let places = [own.as_path()].into_iter().chain(places.iter().copied());
        let path: OsString = env::join_paths(places).expect("path");
        let canary = OsString::from("canary-of-the-environment");
        let config = self.project.path.join(".cargo").into_os_string();
        let args = [&["check", "--json", "--section", "dependencies"], args].concat();
        let variables = [("PATH", path), ("STRIPE_SECRET_KEY", canary), ("CARGO_HOME", config)];
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_os_str())).collect();
        let output = self.project.palisade_with(&args, &variables);
        serde_json::from_slice(&output.stdout).expect("json")
    }

    fn online(&self) -> Seen {
        seen(&self.report(&["--online"], &[&self.tools]))
    }

    fn written(&self, name: &str) -> String {
        fs::read_to_string(self.tools.join(format!("{name}.seen"))).expect("it was started")
    }

    /// What a tool was started with, all of it.
    fn was_started_apart(&self, name: &str, arguments: &[&str]) {
        let written = self.written(name);
        let of = |start: &str| written.lines().filter_map(|line| line.strip_prefix(start)).collect::<Vec<_>>();
        assert_eq!(of("argument "), arguments, "{written}");
        assert_eq!(of("file "), ["Cargo.lock"], "{written}");
        assert_eq!(fs::read_to_string(self.tools.join(format!("{name}.seen.lock"))).expect("file"), LOCK);
        let folder = PathBuf::from(of("folder ")[0]);
        assert!(!folder.starts_with(&self.project.path), "{written}");
        assert!(!folder.exists(), "the folder is left behind: {written}");
        let given: BTreeSet<&str> = of("export ").iter().filter_map(|it| it.split('=').next()).collect();
        // What the shell sets itself.
        let given: Vec<&str> =
            given.into_iter().filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name)).collect();
        assert_eq!(given, ["HOME", "PATH"], "{written}");
        assert!(!written.contains("canary"), "{written}");
        assert!(!written.contains(&self.project.path.display().to_string()), "{written}");
    }
}

fn program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("parent")).expect("folder");
    fs::write(path, text).expect("file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("rights");
}

/// As `cargo-audit audit --json` 0.22 writes it (the `Report` of rustsec), shortened.
fn audit(list: &[Value]) -> String {
    json!({
        "database": { "advisory-count": 1280, "last-commit": "117edb3bed98e9be112f277b7615eea3252e7c43",
            "last-updated": "2026-10-02T10:58:33+02:00" },
        "lockfile": { "dependency-count": 2 },
        "settings": { "target_arch": [], "target_os": [], "severity": null, "ignore": [],
            "informational_warnings": ["unmaintained", "unsound", "notice"] },
        "vulnerabilities": { "found": !list.is_empty(), "count": list.len(), "list": list },
        "warnings": {},
    })
    .to_string()
}

fn smallvec() -> Value {
    json!({
        "advisory": { "id": "RUSTSEC-2021-0003", "package": "smallvec",
            "title": "Buffer overflow in SmallVec::insert_many", "description": "", "date": "2021-01-08",
            "aliases": ["CVE-2021-25900", "GHSA-43w2-9j62-hq99"], "related": [], "collection": "crates",
            "categories": ["memory-corruption"], "cvss": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
            "informational": null, "references": [], "source": null, "url": null, "withdrawn": null },
        "versions": { "patched": [">=0.6.14, <1.0.0", ">=1.6.1"], "unaffected": ["<0.6.3"] },
        "affected": null,
        "package": { "name": "smallvec", "version": "0.6.9",
            "source": "registry+https://github.com/rust-lang/crates.io-index", "checksum": null, "replace": null },
    })
}

/// As `osv-scanner --format json` 2 writes it, shortened.
fn scan(packages: &[Value]) -> String {
    let results = packages
        .iter()
        .map(|package| json!({ "source": { "path": "Cargo.lock", "type": "lockfile" }, "packages": [package] }));
    json!({ "results": results.collect::<Vec<_>>(), "experimental_config": { "licenses": { "summary": false } } })
        .to_string()
}

fn weak(name: &str, version: &str, rustsec: &str, score: &str) -> Value {
    let of = |id: &str| {
        json!({ "id": id, "summary": format!("a weakness of {name}"), "modified": "2026-01-01T00:00:00Z",
            "affected": [{ "package": { "ecosystem": "crates.io", "name": name },
                "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0" }, { "fixed": "9.0.0" }] }],
                "database_specific": { "informational": null } }] })
    };
    json!({
        "package": { "name": name, "version": version, "ecosystem": "crates.io" },
        "vulnerabilities": [of("GHSA-43w2-9j62-hq99"), of(rustsec)],
        "groups": [{ "ids": ["GHSA-43w2-9j62-hq99", rustsec], "aliases": [], "max_severity": score }],
    })
}

#[test]
fn scanners_are_asked_about_a_copy_of_the_lock_file_and_told_nothing_else() {
    let shop = Shop::new();
    shop.install("cargo-audit", 1, &audit(&[smallvec()]));
    let scanned = scan(&[
        weak("smallvec", "0.6.9", "RUSTSEC-2021-0003", "9.8"),
        weak("regex", "1.5.1", "RUSTSEC-2022-0013", "5.3"),
    ]);
    shop.install("osv-scanner", 1, &scanned);

    let offline = seen(&shop.report(&[], &[&shop.tools]));
    assert_eq!(offline["deps/audit"].0, "unknown", "{offline:?}");
    assert!(!shop.tools.join("cargo-audit.seen").exists() && !shop.tools.join("osv-scanner.seen").exists());

    let report = shop.report(&["--online"], &[&shop.tools]);
    shop.was_started_apart("cargo-audit", &["audit", "--json", "--file", "Cargo.lock"]);
    shop.was_started_apart("osv-scanner", &["--format", "json", "--lockfile", "Cargo.lock"]);
    let found = seen(&report);
    let regex = "fail regex@1.5.1: a weakness of regex (moderate, RUSTSEC-2022-0013)";
    let smallvec = "fail smallvec@0.6.9: Buffer overflow in SmallVec::insert_many (critical, RUSTSEC-2021-0003)";
    assert_eq!(found["deps/audit"].1, [regex, smallvec], "what both found is told once: {found:?}");
    assert_eq!(found["deps/critical-updated"].1, [smallvec], "{found:?}");
    assert!(report.to_string().contains("`cargo update -p smallvec@0.6.9`"), "{report}");
}

#[test]
fn a_lock_file_is_clean_only_where_every_scanner_says_so() {
    let shop = Shop::new();
    let nobody = shop.online();
    let (status, details) = &nobody["deps/audit"];
    assert_eq!(status, "unknown", "{nobody:?}");
    assert!(details[0].contains("neither cargo-audit nor osv-scanner"), "{nobody:?}");

    let (clean, nothing) = (audit(&[]), scan(&[]));
    shop.install("cargo-audit", 0, &clean);
    shop.install("osv-scanner", 0, &nothing);
    for both in [true, false] {
        let good = shop.online();
        assert_eq!(good["deps/audit"].0, "pass", "both: {both}: {good:?}");
        assert_eq!(good["deps/critical-updated"].0, "pass", "both: {both}: {good:?}");
        if both {
            shop.remove("osv-scanner");
        }
    }

    // No database, none of it, half of the file, an end that disagrees, another form, nothing at all.
    let empty = clean.replace("\"advisory-count\":1280", "\"advisory-count\":0");
    let part = clean.replace("\"dependency-count\":2", "\"dependency-count\":0");
    for (code, answer) in [(1, ""), (0, empty.as_str()), (0, &part), (1, &clean), (0, "{}"), (0, "")] {
        shop.install("cargo-audit", code, answer);
        shop.install("osv-scanner", 0, &nothing);
        let unsure = shop.online();
        assert_eq!(unsure["deps/audit"].0, "unknown", "{code} {answer}: {unsure:?}");
        assert!(unsure["deps/audit"].1[0].contains("cargo-audit gave no answer"), "{unsure:?}");
        assert_eq!(unsure["deps/critical-updated"].0, "unknown", "{unsure:?}");
    }
    shop.install("cargo-audit", 0, &clean);
    for (code, answer) in [(127, ""), (128, nothing.as_str()), (1, &nothing), (0, "{}"), (0, "")] {
        shop.install("osv-scanner", code, answer);
        let unsure = shop.online();
        assert_eq!(unsure["deps/audit"].0, "unknown", "{code} {answer}: {unsure:?}");
        assert!(unsure["deps/audit"].1[0].contains("osv-scanner gave no answer"), "{unsure:?}");
    }
    // What one has found is not unsaid by the other's failure.
    shop.install("cargo-audit", 1, &audit(&[smallvec()]));
    assert_eq!(shop.online()["deps/audit"].0, "fail");
}

#[test]
fn a_scanner_that_the_project_brings_is_never_started() {
    let shop = Shop::new();
    let canary = shop.tools.join("canary");
    let text = format!("#!/bin/sh\n: >'{}'\n", canary.display());
    let own = shop.project.path.join("node_modules/.bin");
    for name in ["cargo-audit", "osv-scanner", "npm", "cargo"] {
        program(&own.join(name), &text);
        program(&shop.project.path.join(name), &text);
    }
    // A link from outside into the project, and a folder of links that is one itself.
    symlink(own.join("osv-scanner"), shop.tools.join("osv-scanner")).expect("link");
    let linked = shop.project.path.with_file_name("linked");
    symlink(&own, &linked).expect("link");
    shop.project.file("package.json", "{ \"dependencies\": { \"next\": \"16.0.0\" } }");
    shop.project.file("package-lock.json", "{ \"lockfileVersion\": 3, \"packages\": {} }");
    let places = [Path::new("."), Path::new("node_modules/.bin"), Path::new(""), &linked, &shop.tools];
    let found = seen(&shop.report(&["--online"], &places));
    assert!(!canary.exists(), "something of the project was run");
    let (status, details) = &found["deps/audit"];
    assert_eq!(status, "unknown", "{found:?}");
    for tool in ["npm is not on PATH", "cargo-audit", "osv-scanner"] {
        assert!(details[0].contains(tool), "{tool}: {found:?}");
    }
    assert_eq!(found["deps/outdated"].0, "unknown", "{found:?}");

    // One of the user's further back is taken.
    shop.install("cargo-audit", 1, &audit(&[smallvec()]));
    let found = seen(&shop.report(&["--online"], &places));
    assert_eq!(found["deps/audit"].0, "fail", "{found:?}");
    assert!(!canary.exists(), "something of the project was run");
    shop.was_started_apart("cargo-audit", &["audit", "--json", "--file", "Cargo.lock"]);
}
