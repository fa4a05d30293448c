//! What the commands promise beside the checklist: secrets, environments, attestations, formats, exit codes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use serde_json::Value;

use crate::project::{Project, secret, seen};

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("ended by itself")
}

/// The value of a variable in an env file.
fn value(it: &Project, file: &str, name: &str) -> String {
    let text = it.read(file);
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}=")).map(str::to_owned));
    line.unwrap_or_else(|| panic!("{name} is not in {file}"))
}

#[test]
fn b1_b8_env_check_names_every_problem_of_an_environment_and_no_value() {
    let it = Project::shop();
    let fine = it.palisade(&["env", "check", "--env", "production"]);
    assert_eq!(code(&fine), 0, "{}", text(&fine));
    let fine = it.palisade(&["env", "check", "--env", "development"]);
    assert_eq!(code(&fine), 0, "{}", text(&fine));

    let short = secret().get(..20).expect("ascii").to_owned();
    it.unset(".env.production", "CSRF_SECRET");
    it.set(".env.production", "SESSION_SECRET", &short);
    it.set(".env.production", "CONVEX_DEPLOYMENT", "dev:happy-otter-1");
    let bad = it.palisade(&["env", "check", "--env", "production"]);
    assert_eq!(code(&bad), 1);
    let said = text(&bad);
    for part in ["CSRF_SECRET is not set", "SESSION_SECRET has 20 characters", "CONVEX_DEPLOYMENT is `dev:...`"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    assert!(!said.contains(&short), "{said}");

    // Another file's variables go before those of the project's.
    let pulled = it.path.with_file_name("pulled.env");
    fs::write(&pulled, format!("CSRF_SECRET={}\nSESSION_SECRET={}\nCONVEX_DEPLOYMENT=prod:x\n", secret(), secret()))
        .expect("file");
    let output = it.palisade(&["env", "check", "--env", "production", "--env-file", &pulled.display().to_string()]);
    assert_eq!(code(&output), 0, "{}", text(&output));
}

#[test]
fn b2_secrets_are_made_and_written_without_being_shown() {
    let it = Project::empty();
    let shown = it.palisade(&["secrets", "new"]);
    assert_eq!(text(&shown).trim().len(), 43, "32 bytes as base64url");
    it.file(".env.local", "# mine\nKEPT='as it is' # c\nCSRF_SECRET=changeme\n");
    let output = it.palisade(&["secrets", "new", "CSRF_SECRET", "SESSION_SECRET", "--write", ".env.local"]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    let written = it.read(".env.local");
    assert!(written.starts_with("# mine\nKEPT='as it is' # c\nCSRF_SECRET="), "{written}");
    let (csrf, session) = (value(&it, ".env.local", "CSRF_SECRET"), value(&it, ".env.local", "SESSION_SECRET"));
    assert!(csrf.len() == 43 && session.len() == 43 && csrf != session);
    let said = text(&output);
    assert!(!said.contains(&csrf) && !said.contains(&session), "{said}");
    let mode = fs::metadata(it.path.join(".env.local")).expect("file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // What is set stays.
    let again = it.palisade(&["secrets", "new", "CSRF_SECRET", "--write", ".env.local"]);
    assert!(text(&again).contains("stays"), "{}", text(&again));
    assert_eq!(value(&it, ".env.local", "CSRF_SECRET"), csrf);
}

#[test]
fn b3_fingerprints_tell_two_machines_secrets_apart_without_holding_them() {
    let server = Project::shop();
    let written = server.palisade(&["env", "fingerprint", "--env", "production"]);
    assert_eq!(code(&written), 0, "{}", text(&written));
    let file = server.read("palisade.fingerprints.json");
    for name in ["CSRF_SECRET", "STRIPE_SECRET_KEY"] {
        let value = value(&server, ".env.production", name);
        assert!(!file.contains(value.trim_start_matches("sk_live_")), "{name} is in the file");
        assert!(file.contains(name));
    }
    // The same repository where production's variables are not, with the key of the first machine's user.
    fs::remove_file(server.path.join(".env.production")).expect("removed");
    let apart = server.seen(&["--section", "environment"]);
    assert_eq!(apart["env/secrets-differ"].0, "pass", "{apart:?}");
    assert_eq!(apart["env/variables-set"].0, "pass", "{apart:?}");
    assert_eq!(apart["env/clerk-production-keys"].0, "pass", "{apart:?}");
    // Now development has one of production's.
    let again = server.palisade(&["env", "fingerprint", "--env", "production", "--env-file", ".env.local"]);
    assert_eq!(code(&again), 0, "{}", text(&again));
    let same = server.seen(&["--section", "environment"]);
    assert_eq!(same["env/secrets-differ"].0, "fail", "{same:?}");
    // A machine with another key cannot compare, and says so.
    let output = server.palisade(&["secrets", "new"]);
    let other = text(&output).trim().to_owned();
    let home = server.path.with_file_name("home").join(".config/palisade/fingerprint.key");
    fs::write(home, other).expect("key");
    let other = server.seen(&["--section", "environment"]);
    assert_eq!(other["env/secrets-differ"].0, "unknown", "{other:?}");
}

#[test]
fn b5_a_rotation_keeps_the_old_secret_for_a_while_and_ages_are_told() {
    let it = Project::shop();
    let none = it.palisade(&["secrets", "status"]);
    assert_eq!(code(&none), 1, "an unknown age is a finding: {}", text(&none));
    let old = value(&it, ".env.local", "CSRF_SECRET");
    let output = it.palisade(&["secrets", "rotate", "CSRF_SECRET", "--grace", "3d"]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    let new = value(&it, ".env.local", "CSRF_SECRET");
    assert_ne!(new, old);
    assert_eq!(value(&it, ".env.local", "CSRF_SECRET_PREVIOUS"), old);
    assert!(value(&it, ".env.local", "CSRF_SECRET_PREVIOUS_UNTIL").ends_with('Z'));
    assert!(!text(&output).contains(&new) && !text(&output).contains(&old));
    // The gate takes both: it starts, and says nothing of the rotation.
    let serve = it.palisade(&["serve", "--check", "--env", "development", "--env-file", ".env.local"]);
    assert!(!text(&serve).contains("rotation-"), "{}", text(&serve));

    let status = it.palisade(&["secrets", "status", "--json"]);
    assert_eq!(code(&status), 0, "{}", text(&status));
    let rows: Value = serde_json::from_slice(&status.stdout).expect("json");
    let row = rows["secrets"].as_array().expect("rows").iter().find(|row| row["name"] == "CSRF_SECRET").expect("row");
    assert_eq!(row["days"], 0);
    let since = row["since"].as_str().expect("since").to_owned();
    let file = it.read("palisade.fingerprints.json");
    it.file("palisade.fingerprints.json", &file.replace(&since, "2025-01-01"));
    let late = it.palisade(&["secrets", "status"]);
    assert_eq!(code(&late), 1);
    assert!(text(&late).contains("OVERDUE"), "{}", text(&late));
    assert_eq!(it.seen(&["--section", "C1"])["env/secrets-rotated"].0, "warn");
    let wrong = it.palisade(&["secrets", "rotate", "CSRF_SECRET", "--grace", "1y"]);
    assert_eq!(code(&wrong), 64);
}

#[test]
fn b6_check_wants_bytes_where_startup_wants_characters() {
    let it = Project::shop();
    let hexadecimal = "0f3c6a1b9d8e7f2a4c5b6d7e8f9a0b1c";
    it.set(".env.production", "CSRF_SECRET", hexadecimal);
    let found = it.seen(&["--section", "environment"]);
    assert_eq!(found["env/csrf-secret-length"].0, "fail");
    assert!(
        found["env/csrf-secret-length"]
            .1
            .iter()
            .any(|it| it.contains("32 characters in production, which hold 16 bytes"))
    );
    it.unset(".env.production", "CSRF_SECRET");
    it.set(".env.production", "SESSION_SECRET", "short");
    let serve = it.palisade(&["serve", "--check", "--env", "production", "--env-file", ".env.production"]);
    assert_eq!(code(&serve), 2);
    let said = text(&serve);
    assert!(said.contains("CSRF_SECRET is not set") && said.contains("SESSION_SECRET has 5 characters"), "{said}");
}

#[test]
fn attestations_are_written_and_their_mistakes_refused() {
    let it = Project::shop();
    let far = [("--until", "2099-01-01"), ("--until", "2020-01-01"), ("--until", "soon")];
    for (flag, until) in far {
        let output = it.palisade(&["check", "attest", "env/secret-manager", "--by", "Ann", flag, until, "--note", "x"]);
        assert_eq!(code(&output), 64, "{until}: {}", text(&output));
    }
    let unknown =
        it.palisade(&["check", "attest", "env/nothing", "--by", "Ann", "--until", "2027-01-01", "--note", "x"]);
    assert_eq!(code(&unknown), 64);
    let (report, _) = it.check(&["--section", "environment"]);
    let year: i32 = report["date"].as_str().expect("date").get(..4).expect("year").parse().expect("number");
    let until = format!("{}-01-01", year + 1);
    let output =
        it.palisade(&["check", "attest", "env/secret-manager", "--by", "Ann", "--until", &until, "--note", "seen"]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert_eq!(it.seen(&[])["env/secret-manager"].0, "attested");
    it.file("palisade.attestations.json", "{\"env/nothing\":{\"by\":\"A\",\"until\":\"2027-01-01\",\"note\":\"x\"}}");
    assert_eq!(it.seen(&[])["env/secret-manager"].0, "unknown", "a broken file confirms nothing");
}

#[test]
fn facts_are_saved_and_judged_again_with_the_same_result() {
    let it = Project::shop();
    let path = it.path.with_file_name("facts.json").display().to_string();
    let (first, _) = it.check(&["--save-facts", &path]);
    let (second, _) = it.check(&["--facts", &path]);
    assert_eq!(seen(&first), seen(&second));
    let mode = fs::metadata(&path).expect("file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = fs::read_to_string(&path).expect("facts");
    for file in [".env.local", ".env.production"] {
        for line in it.read(file).lines() {
            let secret =
                line.split_once('=').map(|(_, value)| value.trim_start_matches(|c: char| !c.is_ascii_uppercase()));
            let secret = secret.unwrap_or_default();
            assert!(secret.len() < 20 || !text.contains(secret), "the facts hold a value of {file}");
        }
    }
}

#[test]
fn levels_sections_and_exit_codes() {
    let it = Project::shop();
    let (report, exit) = it.check(&["--section", "environment"]);
    assert_eq!(exit, 1, "what is unknown counts");
    let open: Vec<String> = report["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter(|finding| finding["status"] == "unknown")
        .flat_map(|finding| ["-A".to_owned(), finding["id"].as_str().expect("id").to_owned()])
        .collect();
    let allowed: Vec<&str> = ["--section", "environment"].into_iter().chain(open.iter().map(String::as_str)).collect();
    let (report, exit) = it.check(&allowed);
    assert_eq!(exit, 0, "{report}");
    it.set(".env.production", "SENTRY_DSN", "your-dsn-here");
    assert_eq!(it.check(&allowed).1, 0, "warnings alone are fine");
    assert_eq!(it.check(&[&allowed[..], &["-D", "env/variables-set"]].concat()).1, 1);
    it.unset(".env.production", "CSRF_SECRET");
    assert_eq!(it.check(&allowed).1, 1);
    assert_eq!(it.check(&[&allowed[..], &["-W", "env/variables-set", "-A", "env/csrf-secret-length"]].concat()).1, 0);
    for wrong in [["--section", "nothing"], ["-A", "env/nothing"], ["--env", "nowhere"]] {
        assert_eq!(code(&it.palisade(&["check", wrong[0], wrong[1]])), 64, "{wrong:?}");
    }
    assert_eq!(code(&it.palisade(&["check", "--root", "nowhere"])), 2);
    assert_eq!(code(&it.palisade(&["advise", "GET", "/", "--format", "sarif"])), 64);
}

#[test]
fn a_projects_own_wrappers_are_named_on_the_command_line() {
    let it = Project::empty();
    it.file("package.json", r#"{"dependencies":{"next":"16.0.0"}}"#);
    let route =
        "import { withGuard } from '@acme/guard';\nexport const POST = withGuard(async () => Response.json({}));\n";
    it.file("app/api/notes/route.ts", route);
    let guarded = ["--section", "api", "--wrapper", "withGuard=csrf+rate-limit"];
    for (args, status) in [(&guarded[..2], "fail"), (&guarded[..], "pass")] {
        let seen = it.seen(args);
        assert_eq!((seen["api/csrf"].0.as_str(), seen["api/rate-limit"].0.as_str()), (status, status), "{seen:?}");
    }
    let wrong = it.palisade(&["check", "--wrapper", "withGuard", "--wrapper", "x=magic"]);
    assert_eq!(code(&wrong), 64);
    assert!(text(&wrong).contains("withGuard is not NAME=PURPOSE") && text(&wrong).contains("magic is no purpose"));
}

/// What the schemas do not say; those themselves are held in `tests/peers/reports`.
#[test]
fn sarif_junit_html_and_markdown_have_their_shapes() {
    let it = Project::shop();
    it.unset(".env.production", "CSRF_SECRET");
    let output = it.palisade(&["check", "--format", "sarif"]);
    let log: Value = serde_json::from_slice(&output.stdout).expect("json");
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    for result in run["results"].as_array().expect("results") {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().expect("index")).expect("index")];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(["pass", "fail", "open", "notApplicable"].contains(&result["kind"].as_str().expect("kind")));
        // Section 3.27.10: a level other than none belongs to failures alone.
        assert_eq!(result["kind"] == "fail", result["level"] != "none", "{result}");
        assert!(!result["message"]["text"].as_str().expect("text").is_empty());
        let place = &result["locations"][0]["physicalLocation"];
        assert!(place["region"]["startLine"].as_u64().expect("line") >= 1);
        let uri = place["artifactLocation"]["uri"].as_str().expect("uri");
        assert!(!uri.starts_with('/') && !uri.contains([' ', '\\']), "{uri}");
    }
    let failures = run["results"].as_array().expect("results").iter().filter(|it| it["level"] == "error").count();
    assert!(failures >= 1);

    let junit = text(&it.palisade(&["check", "--format", "junit"]));
    assert_eq!(junit.matches("<testcase ").count(), rules.len());
    assert_eq!(junit.matches("<testsuite ").count(), 8);
    let head = junit.lines().nth(1).expect("head");
    let failed = junit.matches("<failure ").count();
    assert!(head.contains(&format!("tests=\"{}\" failures=\"{failed}\"", rules.len())), "{head}");

    let html = text(&it.palisade(&["check", "--format", "html"]));
    assert!(html.starts_with("<!doctype html>") && html.contains("env/csrf-secret-length"));
    assert!(
        !html.contains("<script") && !html.contains("http://") && !html.contains("src="),
        "a page that needs nothing"
    );
    let markdown = text(&it.palisade(&["check", "--format", "markdown"]));
    assert!(markdown.starts_with("## Palisade check"), "{markdown}");
    let human = text(&it.palisade(&["check"]));
    assert!(human.contains("Next\n  1. ") && human.contains("% of the checklist holds in production"), "{human}");
}
