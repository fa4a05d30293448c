//! Git's files, read by our own code, beside git itself.

use std::process::Command;

use palisade_probe::Root;
use palisade_probe::git::{Kind, Repository};

use crate::project::Project;

/// What git prints, line by line.
fn git(it: &Project, args: &[&str]) -> Vec<String> {
    let output = Command::new("git").args(args).current_dir(&it.path).env("GIT_CONFIG_GLOBAL", "/dev/null").output();
    let text = String::from_utf8(output.expect("git runs").stdout).expect("utf-8");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Every object by its id and kind, as git lists them.
fn objects(it: &Project) -> Vec<String> {
    git(it, &["cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype) %(objectsize)"])
}

fn ours(it: &Project) -> Vec<String> {
    let repository = Repository::find(&Root::new(&it.path).expect("root")).expect("repository");
    let mut found = Vec::new();
    let passed = repository.objects(&|_| true, 1 << 30, &mut |object| {
        let kind = match object.kind {
            Kind::Commit => "commit",
            Kind::Tree => "tree",
            Kind::Blob => "blob",
            Kind::Tag => "tag",
        };
        found.push(format!("{} {kind} {}", palisade_probe::git::hex(&object.id), object.data.len()));
    });
    assert_eq!(passed.expect("read").broken, 0);
    found.sort();
    found.dedup();
    found
}

#[test]
fn every_object_is_read_loose_and_packed() {
    let it = Project::shop();
    assert_eq!(ours(&it), objects(&it));
    // Many versions of one file become a chain of changes.
    for round in 0..12 {
        it.append("lib/products.ts", &format!("\nexport const round{round} = '{}';\n", "x".repeat(round * 40)));
        it.commit();
    }
    it.git(&["tag", "--annotate", "v1", "--message", "x"]);
    it.git(&["gc", "--quiet", "--aggressive"]);
    it.append("lib/products.ts", "\nexport const last = 1;\n");
    it.commit();
    let expected = objects(&it);
    assert!(expected.len() > 60);
    assert_eq!(ours(&it), expected);
}

#[test]
fn the_index_is_read_in_its_versions_from_the_project_and_from_a_work_tree() {
    let it = Project::shop();
    let tracked = |root: &std::path::Path| {
        let mut paths =
            Repository::find(&Root::new(root).expect("root")).expect("repository").tracked().expect("index");
        paths.sort();
        paths
    };
    for version in ["2", "3", "4"] {
        it.git(&["update-index", "--index-version", version]);
        assert_eq!(tracked(&it.path), git(&it, &["ls-files"]), "version {version}");
    }
    let inner: Vec<String> = git(&it, &["ls-files", "app"])
        .into_iter()
        .filter_map(|path| path.strip_prefix("app/").map(str::to_owned))
        .collect();
    assert_eq!(tracked(&it.path.join("app")), inner, "a project in a folder of its repository");
    let beside = it.path.with_file_name("tree");
    it.git(&["worktree", "add", "--quiet", &beside.display().to_string()]);
    assert_eq!(tracked(&beside), git(&it, &["ls-files"]));
    // A file that names somebody else's repository is not believed.
    let stranger = Project::empty();
    stranger.file(".git", &format!("gitdir: {}\n", it.path.join(".git").display()));
    assert!(Repository::find(&Root::new(&stranger.path).expect("root")).is_err());
}

#[test]
fn what_is_ignored_is_what_git_ignores() {
    let it = Project::shop();
    it.file(".gitignore", "*.log\n/.env*\n!/.env.example\nbuild/\nsub/*\n!sub/kept\n");
    it.file("app/.gitignore", "!deep.log\nsecret\n");
    let repository = Repository::find(&Root::new(&it.path).expect("root")).expect("repository");
    for path in [
        ".env",
        ".env.local",
        ".env.example",
        "app/.env",
        "a.log",
        "app/deep.log",
        "app/secret",
        "secret",
        "build/x",
        "sub/x",
        "sub/kept",
        "sub/other/kept",
    ] {
        let output =
            Command::new("git").args(["check-ignore", "--quiet", "--no-index", path]).current_dir(&it.path).status();
        let expected = output.expect("git runs").success();
        assert_eq!(repository.ignores(path), expected, "{path}");
    }
}
