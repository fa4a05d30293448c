//! `secrets scan`.

use std::collections::BTreeSet;

use base64::Engine as _;
use serde_json::Value;

use crate::corpus::{Random, planted};
use crate::folder::{Folder, text};

fn scan(folder: &Folder, arguments: &[&str]) -> (Value, String) {
    let output = folder.run(&[&["secrets", "scan", "--json"], arguments].concat());
    let out = text(&output.stdout);
    (serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out} {}", text(&output.stderr))), out)
}

fn findings(value: &Value) -> Vec<&Value> {
    value["findings"].as_array().expect("findings").iter().collect()
}

#[test]
fn every_format_is_found_and_what_looks_so_is_not() {
    let folder = Folder::new("corpus");
    let corpus = planted(7, 6);
    for planted in &corpus {
        folder.file(&planted.file, &planted.text);
    }
    let (value, out) = scan(&folder, &[]);
    let found: BTreeSet<(String, String)> = findings(&value)
        .iter()
        .map(|one| (one["path"].as_str().expect("path").to_owned(), one["rule"].as_str().expect("rule").to_owned()))
        .collect();
    let mut wrong = Vec::new();
    for planted in &corpus {
        let rules: Vec<&str> =
            found.iter().filter(|(file, _)| *file == planted.file).map(|(_, rule)| rule.as_str()).collect();
        match &planted.secret {
            Some(secret) => {
                if !rules.contains(&planted.what.as_str()) {
                    wrong.push(format!("missed {} ({} bytes), found {rules:?}", planted.what, secret.len()));
                }
                let middle = &secret[secret.len() / 2..];
                assert!(!out.contains(middle), "{} is printed", planted.what);
            }
            None if !rules.is_empty() => wrong.push(format!("{}: taken for {rules:?}", planted.what)),
            None => {}
        }
    }
    // A password of letters that happen to look like words is left alone: chance, about one in fifty.
    assert!(wrong.len() * 50 <= corpus.len(), "{} of {}:\n{}", wrong.len(), corpus.len(), wrong.join("\n"));
}

#[test]
fn two_runs_say_the_same_byte_for_byte() {
    let folder = Folder::new("twice");
    for planted in planted(3, 2) {
        folder.file(&planted.file, &planted.text);
    }
    folder.git(&["init", "-q"]);
    folder.git(&["add", "-A"]);
    folder.git(&["commit", "-qm", "all"]);
    let runs: BTreeSet<String> = (0..3).map(|_| scan(&folder, &["--history", "--built"]).1).collect();
    assert_eq!(runs.len(), 1);
}

#[test]
fn the_projects_own_secrets_are_found_wherever_they_lie() {
    let mut random = Random(11);
    let own = random.of("abcdefghkmnpqrstuvwxyz23456789", 24);
    let encoded = base64::engine::general_purpose::STANDARD.encode(&own);
    let folder = Folder::with(
        "own",
        &[
            (".gitignore", ".env*.local\n.next\n"),
            (".env.local", &format!("INTERNAL_SALT={own}\nNEXT_PUBLIC_NAME=visible-to-all-{own}\n")),
            ("lib/raw.ts", &format!("export const x = ['{own}'];\n")),
            (".next/static/chunks/a.js", &format!("var a=\"{encoded}\";")),
            ("lib/clean.ts", "export const x = 1;\n"),
        ],
    );
    let (value, _) = scan(&folder, &["--built"]);
    let found: Vec<(&str, &str, &str)> = findings(&value)
        .iter()
        .map(|one| {
            (
                one["path"].as_str().expect("path"),
                one["variable"].as_str().unwrap_or_default(),
                one["source"].as_str().expect("source"),
            )
        })
        .collect();
    assert_eq!(
        found,
        [("lib/raw.ts", "INTERNAL_SALT", "tree"), (".next/static/chunks/a.js", "INTERNAL_SALT", "built")]
    );
}

#[test]
fn a_secret_that_was_removed_is_still_in_the_history_and_the_repository_runs_nothing() {
    let mut random = Random(5);
    let key = format!("sk_{}_{}", "live", random.of("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghkmnpqrstuvwxyz23456789", 24));
    let folder = Folder::with("history", &[("lib/pay.ts", &format!("export const key = '{key}';\n"))]);
    folder.git(&["init", "-q"]);
    folder.git(&["add", "-A"]);
    folder.git(&["commit", "-qm", "one"]);
    folder.file("lib/pay.ts", "export const key = process.env.KEY;\n");
    folder.git(&["commit", "-qam", "two"]);
    // A folder that says it is larger than any memory: git would end over it.
    let bomb = folder.file(".git/objects/ab/01234567890123456789012345678901234567", "");
    let content = b"tree 4611686018427387904\0";
    // zlib (RFC 1950) of one stored block, and its checksum.
    let packed = [&[0x78, 0x01, 0x01, 25, 0, !25_u8, !0][..], content, &[0x55, 0x29, 0x05, 0xb6]].concat();
    std::fs::write(bomb, packed).expect("file");
    // A hostile repository: each of these would leave a mark if git read its configuration.
    let mark = folder.path().join("mark");
    let run = format!("touch {}", mark.display());
    for (name, value) in [
        ("core.fsmonitor", run.as_str()),
        ("core.sshCommand", &run),
        ("core.pager", &run),
        ("core.alternateRefsCommand", &run),
    ] {
        folder.git(&["config", name, value]);
    }
    std::fs::remove_file(&mark).ok();
    let (value, out) = scan(&folder, &["--history"]);
    let all = findings(&value);
    assert_eq!(all.len(), 1, "{out}");
    assert_eq!((all[0]["source"].as_str(), all[0]["path"].as_str()), (Some("history"), Some("lib/pay.ts")));
    assert!(!mark.exists(), "something of the repository was run");
    let (tree, _) = scan(&folder, &[]);
    assert!(findings(&tree).is_empty(), "it is gone from the tree");
}

#[test]
fn what_is_accepted_is_kept_out_until_its_day_and_moves_with_no_line() {
    let mut random = Random(9);
    let key = format!("sk_{}_{}", "test", random.of("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghkmnpqrstuvwxyz23456789", 24));
    let folder = Folder::with("baseline", &[("a.ts", &format!("const a = '{key}';\n"))]);
    let accept = ["secrets", "scan", "--baseline", "b.json", "--accept", "revoked", "--until", "2999-01-01"];
    assert_eq!(folder.run(&accept).status.code(), Some(0));
    let first = folder.read("b.json");
    assert!(!first.contains(&key[8..]) && first.contains("revoked"), "{first}");
    folder.file("a.ts", &format!("\n\n\nconst a = '{key}';\n"));
    let check = ["secrets", "scan", "--baseline", "b.json"];
    assert_eq!(folder.run(&check).status.code(), Some(0), "a moved line is the same secret");
    assert_eq!(folder.run(&accept).status.code(), Some(0));
    assert_eq!(folder.read("b.json"), first, "and changes no baseline");
    folder.file("b.json", &first.replace("2999-01-01", "2001-01-01"));
    assert_eq!(folder.run(&check).status.code(), Some(1), "a day that is over allows nothing");
    folder.file("b.json", &first.replace("\"reason\"", "\"why\""));
    assert_eq!(folder.run(&check).status.code(), Some(2), "a baseline without reasons is none");
    folder.file("b.json", &first);
    folder.file("c.ts", &format!("const c = '{key}';\n"));
    assert_eq!(folder.run(&check).status.code(), Some(1), "another file is another decision");
    folder.file("c.ts", &format!("// palisade-ok(secret): a key of the documentation\nconst c = '{key}';\n"));
    assert_eq!(folder.run(&check).status.code(), Some(0));
    folder.file("c.ts", &format!("// palisade-ok(secret):\nconst c = '{key}';\n"));
    assert_eq!(folder.run(&check).status.code(), Some(1), "no reason, no allowance");
}

#[cfg(unix)]
#[test]
fn links_and_pipes_are_not_followed() {
    let outside =
        Folder::with("outside", &[("key.ts", &format!("const k = 'sk_{}_{}';\n", "live", "9fK2mXq7Lr4Tz8BvWc3Dn6Hj"))]);
    let folder = Folder::with("links", &[("a.ts", "export {};\n")]);
    std::os::unix::fs::symlink(outside.path(), folder.path().join("way")).expect("link");
    std::os::unix::fs::symlink(outside.path().join("key.ts"), folder.path().join("link.ts")).expect("link");
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe.ts")).status().expect("mkfifo");
    assert!(made.success());
    let (value, out) = scan(&folder, &[]);
    assert!(findings(&value).is_empty(), "{out}");
    assert_eq!(value["coverage"]["skipped"]["links"], 2);
    // A baseline is written where it was said, and nowhere else.
    let away = outside.path().join("written.json");
    std::os::unix::fs::symlink(&away, folder.path().join("b.json")).expect("link");
    let accept = ["secrets", "scan", "--baseline", "b.json", "--accept", "fine", "--until", "2999-01-01"];
    assert_eq!(folder.run(&accept).status.code(), Some(2));
    assert!(!away.exists(), "a link was followed");
    // An ignore file that never ends, which a clone may bring.
    std::os::unix::fs::symlink("/dev/zero", folder.path().join(".gitignore")).expect("link");
    folder.file("b.ts", &format!("const k = 'sk_{}_{}';\n", "live", "9fK2mXq7Lr4Tz8BvWc3Dn6Hj"));
    let (value, out) = scan(&folder, &[]);
    assert_eq!(findings(&value).len(), 1, "{out}");
}

#[cfg(unix)]
#[test]
fn a_pipe_a_link_or_a_strangers_store_among_gits_objects_is_neither_waited_for_nor_followed() {
    let other = Folder::with(
        "other-store",
        &[("key.ts", &format!("const k = 'sk_{}_{}';\n", "live", "9fK2mXq7Lr4Tz8BvWc3Dn6Hj"))],
    );
    let folder = Folder::with("store", &[("a.ts", "export {};\n")]);
    for folder in [&other, &folder] {
        folder.git(&["init", "-q"]);
        folder.git(&["add", "-A"]);
        folder.git(&["commit", "-qm", "one"]);
    }
    let (value, out) = scan(&folder, &["--history"]);
    assert!(findings(&value).is_empty(), "{out}");
    let objects = folder.path().join(".git/objects");
    let refused = |why: &str| {
        let output = folder.run(&["secrets", "scan", "--history"]);
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(why), "{why}: {said}");
    };
    // Git waits for whoever writes into each of these.
    for name in ["ab/01234567890123456789012345678901234567", "info/alternates", "pack/multi-pack-index"] {
        let pipe = objects.join(name);
        std::fs::create_dir_all(pipe.parent().expect("a folder")).expect("folder");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
        assert!(made.success());
        refused(if name == "info/alternates" { "alternates" } else { name });
        std::fs::remove_file(&pipe).expect("removed");
    }
    let theirs = other.path().join(".git/objects");
    std::fs::write(objects.join("info/alternates"), format!("{}\n", theirs.display())).expect("file");
    refused("alternates");
    std::fs::remove_dir_all(&objects).expect("removed");
    std::os::unix::fs::symlink(theirs, &objects).expect("link");
    refused("`objects` is a link");
}
