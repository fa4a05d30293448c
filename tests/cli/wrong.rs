//! What people type wrong: each error names the place and the fix, and nothing is started, read past or written.

use crate::folder::{Folder, text};
use crate::{POLICY, SECRETS};

/// Arguments, the exit code, and what standard error must say.
type Wrong = (&'static [&'static str], i32, &'static [&'static str]);

const TYPED: [Wrong; 27] = [
    (&["policy", "check", "--policy", "no.toml"], 2, &["no policy at no.toml", "palisade init", "--policy FILE"]),
    (
        &["policy", "explain", "POST", "api/contact", "--policy", "good.toml"],
        2,
        &["api/contact is not a path", "begins with /"],
    ),
    (&["policy", "explain", "POST", "/", "-H", "Origin", "--policy", "good.toml"], 2, &["Origin is not NAME: VALUE"]),
    (&["serve", "--listen", "8080"], 64, &["--listen", "127.0.0.1:8080"]),
    (&["serve", "--threads", "0"], 64, &["--threads", "1 or more"]),
    (&["serve", "--store", "mysql://db/x"], 64, &["mysql is no store", "postgres://user@host/name"]),
    (&["serve", "--env", "prd"], 2, &["no environment `prd`", "development, staging or production"]),
    (&["serve", "--env-file", "no.env"], 2, &["no.env cannot be opened"]),
    (&["watch", "--log", "no.log", "--once"], 2, &["no.log is not there"]),
    (&["watch", "--log", "junk.log", "--once"], 2, &["format of junk.log is not known", "--log-format"]),
    (&["watch", "--log", "access.log", "--login", "login"], 64, &["--login", "write /login"]),
    (&["replay", "access.log", "--lateness", "601"], 64, &["--lateness", "600"]),
    (&["replay", "empty.log"], 2, &["empty.log is empty"]),
    (&["replay", "access.log", "--format", "sarif"], 64, &["--format takes human or json"]),
    (&["report", "--format", "sarif"], 64, &["--format takes markdown, html or json"]),
    (&["events", "--status", "999"], 64, &["--status", "100..=599"]),
    (&["events", "--code", "rate-limit"], 64, &["--code", "palisade policy answers"]),
    (&["events", "--limit", "0"], 64, &["--limit", "1 or more"]),
    (&["incidents", "list", "--since", "yesterday"], 2, &["\"yesterday\" is no time", "24h"]),
    (&["blocks", "export"], 2, &["--format nginx", "--format nft"]),
    (&["blocks", "list", "--format", "nft"], 64, &["--format takes human or json"]),
    (&["check", "--section", "enviroment"], 64, &["no section `enviroment`", "environment"]),
    (&["check", "--policy", "broken.toml"], 2, &["broken.toml:1:", "broken.toml is not valid"]),
    (&["probe", "webhook", "http://127.0.0.1:1/", "--scheme", "strip"], 64, &["--scheme", "stripe"]),
    (&["probe", "all", "https://shop.example"], 64, &["--i-own shop.example"]),
    (&["init", "--upstream", "localhost"], 2, &["--upstream", "http://127.0.0.1:3000"]),
    (&["init", "--upstream", "https://shop.example"], 2, &["--upstream", "http://127.0.0.1:3000"]),
];

#[test]
fn what_is_typed_wrong_is_told_with_its_place_and_what_to_write() {
    let folder = Folder::new("wrong");
    for (file, text) in [
        ("junk.log", "one\ntwo\n"),
        ("empty.log", ""),
        ("broken.toml", "[app\n"),
        ("access.log", LINE),
        ("good.toml", POLICY),
    ] {
        folder.file(file, text);
    }
    for (args, code, wanted) in TYPED {
        let output = folder.run(args);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
        for wanted in wanted {
            assert!(told.contains(wanted), "{args:?} does not say {wanted:?}:\n{told}");
        }
        assert!(!folder.path().join("palisade.toml").exists(), "{args:?}");
    }
}

const LINE: &str = "203.0.113.7 - - [22/Nov/2026:07:00:00 +0000] \"GET / HTTP/1.1\" 200 9 \"-\" \"curl/8.1\"\n";

#[test]
fn serve_checks_what_stands_beside_the_gate_all_at_once() {
    let folder = Folder::new("beside");
    folder.file("palisade.toml", POLICY);
    let check = |args: &[&str]| {
        let output =
            folder.palisade(&[&["serve", "--check", "--env", "development"], args].concat()).envs(SECRETS).output();
        let output = output.expect("runs");
        (output.status.code(), text(&output.stderr))
    };
    assert_eq!(check(&[]).0, Some(0));
    let wrong = ["--rules", "no-rules", "--geo", "no.mmdb", "--store", "no/palisade.db", "--intake", "0.0.0.0:9280"];
    let (code, told) = check(&wrong);
    assert_eq!(code, Some(2), "{told}");
    for wanted in
        ["no-rules: ", "no.mmdb is no database", "there is no folder no", "loopback address", "PALISADE_INTAKE_TOKEN"]
    {
        assert!(told.contains(wanted), "{wanted:?} is missing from:\n{told}");
    }
    let (code, told) = check(&["--upstream", "https://shop.example"]);
    assert!(
        code == Some(2) && told.contains("--upstream: https://shop.example") && !told.contains("palisade.toml:"),
        "{told}"
    );
}

#[test]
fn secrets_that_init_has_made_are_pointed_at() {
    let folder = Folder::new("pointed");
    folder.file("palisade.toml", POLICY);
    let told = text(&folder.run(&["serve", "--env", "development"]).stderr);
    assert!(told.contains("palisade secrets new CSRF_SECRET") && !told.contains(".env.local"), "{told}");
    folder.file(".env.local", "CSRF_SECRET=x\n");
    let told = text(&folder.run(&["serve", "--env", "development"]).stderr);
    assert!(told.contains("--env development --env-file .env.local"), "{told}");
}

#[test]
fn a_policy_that_observes_is_said_wherever_its_refusals_are_looked_at() {
    let folder = Folder::new("observes");
    folder.file("palisade.toml", &POLICY.replace("[[route]]", "mode = \"observe\"\n\n[[route]]"));
    let told = text(&folder.run(&["policy", "explain", "POST", "/api/contact"]).stdout);
    assert!(told.contains("refused at csrf-token: 403") && told.contains("mode = \"observe\""), "{told}");
    let told = text(&folder.run(&["policy", "explain", "POST", "/nowhere"]).stdout);
    assert!(told.contains("refuse method-not-allowed") && told.contains("observe"), "{told}");
    assert_eq!(told.matches("not asked").count(), 10, "{told}");
    let told = text(&folder.run(&["probe", "all", "http://127.0.0.1:1"]).stderr);
    assert!(told.contains("mode = \"observe\""), "{told}");
}
