//! A copy of the example shop in a folder of its own, under git, with variables of development and production.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

/// A project, gone at the end.
pub(crate) struct Project {
    pub(crate) path: PathBuf,
    home: PathBuf,
}

/// What was seen of each check: its status, and each thing that was judged.
pub(crate) type Seen = BTreeMap<String, (String, Vec<String>)>;

impl Project {
    /// The shop as it should be: nothing fails that can be seen without its site.
    pub(crate) fn shop() -> Project {
        let project = Project::empty();
        let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/nextjs-shop");
        copy(&shop, &project.path, false);
        // Fails on purpose, and would hide that another handler does.
        fs::remove_dir_all(project.path.join("app/api/boom")).expect("removed");
        project.append(".gitignore", ".env\n.env.*\n!.env.example\n");
        project.file(".env.local", &variables("test", "dev", "happy-otter-1.clerk.accounts.dev"));
        project.file(".env.production", &variables("live", "prod", "clerk.shop.example"));
        project.file("osv/unrelated.json", &advisory("leftpad", "1.0.0"));
        project.git(&["init", "--quiet", "--initial-branch=main"]);
        project.commit();
        project
    }

    pub(crate) fn empty() -> Project {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let base = std::env::temp_dir().join(format!("palisade-checking-{}-{number}", std::process::id()));
        let (path, home) = (base.join("project"), base.join("home"));
        fs::create_dir_all(&path).expect("folder");
        fs::create_dir_all(&home).expect("folder");
        Project { path: path.canonicalize().expect("path"), home }
    }

    /// Another project that begins as this one is.
    pub(crate) fn again(&self) -> Project {
        let other = Project::empty();
        copy(&self.path, &other.path, true);
        other
    }

    pub(crate) fn file(&self, name: &str, text: &str) {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        fs::write(path, text).expect("file");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path.join(name)).expect("file")
    }

    pub(crate) fn append(&self, name: &str, text: &str) {
        let before = fs::read_to_string(self.path.join(name)).unwrap_or_default();
        self.file(name, &format!("{before}{text}"));
    }

    pub(crate) fn replace(&self, name: &str, from: &str, to: &str) {
        let before = self.read(name);
        assert!(before.contains(from), "{name} has no {from}");
        self.file(name, &before.replacen(from, to, 1));
    }

    /// Sets a variable in an env file.
    pub(crate) fn set(&self, file: &str, name: &str, value: &str) {
        let kept: Vec<String> =
            self.read(file).lines().filter(|line| !line.starts_with(&format!("{name}="))).map(str::to_owned).collect();
        self.file(file, &format!("{}\n{name}={value}\n", kept.join("\n")));
    }

    /// Removes a variable from an env file.
    pub(crate) fn unset(&self, file: &str, name: &str) {
        let kept: Vec<String> =
            self.read(file).lines().filter(|line| !line.starts_with(&format!("{name}="))).map(str::to_owned).collect();
        self.file(file, &format!("{}\n", kept.join("\n")));
    }

    pub(crate) fn git(&self, args: &[&str]) {
        let output = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example", "-c", "commit.gpgsign=false"])
            .args(args)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .current_dir(&self.path)
            .output()
            .expect("git runs");
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    pub(crate) fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "x"]);
    }

    pub(crate) fn palisade(&self, args: &[&str]) -> Output {
        let path = std::env::var_os("PATH").unwrap_or_default();
        self.palisade_with(args, &[("PATH", &path)])
    }

    /// With these variables, and no other but HOME.
    pub(crate) fn palisade_with(&self, args: &[&str], variables: &[(&str, &OsStr)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
        command.args(args).env_clear().env("HOME", &self.home).current_dir(&self.path);
        command.envs(variables.iter().copied()).output().expect("palisade runs")
    }

    /// The checklist as JSON, with its exit code.
    pub(crate) fn check(&self, args: &[&str]) -> (Value, i32) {
        let output = self.palisade(&[&["check", "--json"], args].concat());
        let text = String::from_utf8(output.stdout).expect("utf-8");
        let value = serde_json::from_str(&text).unwrap_or_else(|error| {
            panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr));
        });
        (value, output.status.code().expect("ended by itself"))
    }

    /// What each check came to.
    pub(crate) fn seen(&self, args: &[&str]) -> Seen {
        seen(&self.check(args).0)
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if let Some(base) = self.path.parent() {
            let _ = fs::remove_dir_all(base);
        }
    }
}

/// What each check came to, by its id.
pub(crate) fn seen(report: &Value) -> Seen {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let findings = report["findings"].as_array().expect("findings");
    findings
        .iter()
        .map(|finding| {
            let details = finding["details"].as_array().expect("details");
            let mut details: Vec<String> =
                details.iter().map(|it| format!("{} {}", text(&it["status"]), text(&it["evidence"]))).collect();
            details.sort();
            (text(&finding["id"]), (text(&finding["status"]), details))
        })
        .collect()
}

/// 32 random bytes as the product makes them: nothing that looks like a key is written in this repository.
pub(crate) fn secret() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_palisade")).args(["secrets", "new"]).env_clear().output();
    let output = output.expect("palisade runs");
    String::from_utf8(output.stdout).expect("utf-8").trim().to_owned()
}

/// The alphabet of Stripe's and Clerk's keys has no `-` and no `_`.
pub(crate) fn key(prefix: &str) -> String {
    format!("{prefix}{}", secret().replace(['-', '_'], "x"))
}

/// The variables of one environment, all as they should be.
fn variables(mode: &str, deployment: &str, clerk: &str) -> String {
    let lines = [
        format!("CSRF_SECRET={}", secret()),
        format!("SESSION_SECRET={}", secret()),
        format!("NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY={}", key(&format!("pk_{mode}_"))),
        format!("CLERK_SECRET_KEY={}", key(&format!("sk_{mode}_"))),
        format!("NEXT_PUBLIC_CLERK_FRONTEND_API_URL=https://{clerk}"),
        format!("STRIPE_SECRET_KEY={}", key(&format!("sk_{mode}_"))),
        format!("STRIPE_WEBHOOK_SECRET={}", key("whsec_")),
        format!("CONVEX_DEPLOYMENT={deployment}:happy-otter-1"),
        "NEXT_PUBLIC_CONVEX_URL=https://happy-otter-1.convex.cloud".to_owned(),
    ];
    lines.join("\n") + "\n"
}

/// An advisory of the OSV database about every version of a package below one.
pub(crate) fn advisory(package: &str, fixed: &str) -> String {
    serde_json::json!({
        "id": format!("GHSA-{package}"),
        "summary": "a weakness",
        "database_specific": { "severity": "HIGH" },
        "affected": [{ "package": { "ecosystem": "npm", "name": package },
            "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0" }, { "fixed": fixed }] }] }],
    })
    .to_string()
}

/// Copies a folder; what a build or a developer left there only where `all`.
fn copy(from: &Path, to: &Path, all: bool) {
    for entry in fs::read_dir(from).expect("folder") {
        let entry = entry.expect("entry");
        let name = entry.file_name();
        let left = name == "node_modules" || name == ".next" || name.to_string_lossy().starts_with(".env");
        if left && !all {
            continue;
        }
        let (path, target) = (entry.path(), to.join(&name));
        let kind = entry.file_type().expect("kind");
        if kind.is_dir() {
            fs::create_dir_all(&target).expect("folder");
            copy(&path, &target, all);
        } else if kind.is_file() {
            fs::copy(&path, &target).expect("copied");
        }
    }
}
