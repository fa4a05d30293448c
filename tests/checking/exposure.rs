//! Never hardcode, never log, never expose: each way a secret gets out is found, and no way out is our own.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::app::{App, Folder, HOST, TOKEN, serve};
use crate::http::{Running, send};
use crate::project::{Project, key, secret};

/// What the scan found: source, file, rule.
fn scanned(it: &Project, args: &[&str]) -> (BTreeSet<(String, String, String)>, String) {
    let output = it.palisade(&[&["secrets", "scan", "--json"], args].concat());
    let text = String::from_utf8(output.stdout).expect("utf-8");
    let value: Value = serde_json::from_str(&text).expect("json");
    let part = |one: &Value, name: &str| one[name].as_str().expect("text").to_owned();
    let found = value["findings"].as_array().expect("findings").iter();
    (found.map(|one| (part(one, "source"), part(one, "path"), part(one, "rule"))).collect(), text)
}

/// The three greps of the guide: `sk_live`, `AKIA`, `api_key = "..."`. In files, and in the history when they are gone.
#[test]
fn b7_what_the_guides_greps_look_for_is_found_in_files_bundles_and_history_and_never_shown() {
    let it = Project::shop();
    assert!(scanned(&it, &["--history", "--built"]).0.is_empty(), "the shop itself");
    // Clerk's keys begin as Stripe's do; these have the length of Stripe's.
    let stripe = key("sk_live_").get(..40).expect("ascii").to_owned();
    let base32 = |text: String| -> String {
        text.to_ascii_uppercase().chars().filter(|c| c.is_ascii_uppercase() || matches!(c, '2'..='7')).collect()
    };
    let amazon = format!("AKIA{}", base32(secret() + &secret()).replace(['7', '6'], "A").get(..16).expect("ascii"));
    let named = secret();
    it.file("lib/pay.ts", &format!("export const stripe = new Stripe('{stripe}');\n"));
    it.file("lib/store.ts", &format!("export const accessKeyId = '{amazon}';\n"));
    it.file("lib/mail.ts", &format!("const api_key = \"{named}\";\n"));
    let expected = |source: &str| -> BTreeSet<(String, String, String)> {
        [("lib/pay.ts", "stripe-secret-key"), ("lib/store.ts", "aws-access-key-id"), ("lib/mail.ts", "named-secret")]
            .into_iter()
            .map(|(file, rule)| (source.to_owned(), file.to_owned(), rule.to_owned()))
            .collect()
    };
    let (found, tree) = scanned(&it, &[]);
    assert_eq!(found, expected("tree"));
    it.commit();
    it.git(&["rm", "--quiet", "lib/pay.ts", "lib/store.ts", "lib/mail.ts"]);
    it.commit();
    it.git(&["gc", "--quiet"]);
    assert!(scanned(&it, &[]).0.is_empty());
    let (found, history) = scanned(&it, &["--history"]);
    assert_eq!(found, expected("history"));
    // What goes to browsers: a value of the project's own, which has no form of its own.
    let session =
        it.read(".env.production").lines().find_map(|line| line.strip_prefix("SESSION_SECRET=").map(str::to_owned));
    let session = session.expect("a secret");
    it.file(".next/static/chunks/main.js", &format!("self.x=[\"{session}\"];"));
    let (found, built) = scanned(&it, &["--built"]);
    assert_eq!(found.into_iter().map(|(source, ..)| source).collect::<Vec<_>>(), ["built"]);
    let report = it.check(&[]).0.to_string();
    for value in [&stripe, &amazon, &named, &session] {
        let body = value.get(8..).expect("ascii");
        for text in [&tree, &history, &built, &report] {
            assert!(!text.contains(body), "a secret is shown");
        }
    }
}

#[test]
fn b7_public_variables_are_judged_by_name_form_and_value_and_the_environment_in_a_log_is_found() {
    let it = Project::shop();
    let value = secret();
    it.set(".env.production", "SESSION_SECRET", &value);
    it.set(".env.production", "NEXT_PUBLIC_NONCE", &value);
    it.set(".env.production", "NEXT_PUBLIC_PAYMENTS", &key("sk_live_"));
    it.set(".env.production", "NEXT_PUBLIC_API_SECRET", &secret());
    it.set(".env.production", "NEXT_PUBLIC_COLOUR", "blue");
    it.append("lib/journal.ts", "\nconsole.log('starting', process.env.SESSION_SECRET);\n");
    let seen = it.seen(&[]);
    let public = &seen["env/public-exposure"];
    assert_eq!(public.0, "fail");
    for name in ["NEXT_PUBLIC_NONCE", "NEXT_PUBLIC_PAYMENTS", "NEXT_PUBLIC_API_SECRET"] {
        assert_eq!(public.1.iter().filter(|it| it.starts_with(&format!("fail {name} "))).count(), 1, "{public:?}");
    }
    assert!(!public.1.iter().any(|it| it.contains("COLOUR")), "{public:?}");
    let logs = &seen["api/no-sensitive-logs"];
    assert!(logs.0 == "fail" && logs.1.iter().any(|it| it.contains("process.env.SESSION_SECRET")), "{logs:?}");
    // What no program can see, a person confirms.
    let year: i32 = it.check(&[]).0["date"].as_str().and_then(|date| date.get(..4)?.parse().ok()).expect("a year");
    for id in ["env/secret-manager", "env/secrets-not-shared"] {
        assert_eq!(seen[id].0, "unknown");
        let until = format!("{}-01-01", year + 1);
        let output = it.palisade(&["check", "attest", id, "--by", "Ann", "--until", &until, "--note", "looked"]);
        assert!(output.status.success());
        assert_eq!(it.seen(&[])[id].0, "attested");
    }
}

/// Everything that the gate writes while secrets pass it: events, what it says, its store's rows are made of the events.
#[test]
fn b7_no_secret_that_passes_the_gate_is_in_its_logs() {
    let folder = Folder::new("exposure");
    let app = App::start();
    let address = app.address;
    folder.file(
        "palisade.toml",
        &format!(
            "[app]\nname = \"shop\"\npublic_origin = \"https://{HOST}\"\nupstream = \"http://{address}\"\n\
             [[route]]\npath = \"/form\"\nmethods = [\"POST\"]\nkind = \"public-form\"\n"
        ),
    );
    let mut gate = Running::start(&mut serve(&folder, &["--store", "off"]));
    let origin = format!("https://{HOST}");
    let token = send(gate.address, HOST, "GET", "/api/csrf", &[], "");
    let cookie = token.header("set-cookie").split(';').next().expect("a cookie").to_owned();
    let token = token.json()["csrfToken"].as_str().expect("a token").to_owned();
    let (query, bearer, session, body) = (secret(), secret(), secret(), secret());
    let fields = [
        ("origin", origin.as_str()),
        ("authorization", &format!("Bearer {bearer}")),
        ("cookie", &format!("{cookie}; __session={session}")),
        ("x-csrf-token", &token),
        ("referer", &format!("https://{HOST}/reset?token={query}")),
        ("content-type", "application/json"),
    ];
    let target = format!("/form?access_token={query}&password={query}");
    let text = format!("{{\"password\":\"{body}\"}}");
    let passed = send(gate.address, HOST, "POST", &target, &fields, &text);
    assert_eq!(passed.status, 200, "{}", passed.body);
    // Once more: refused, as the token is spent.
    assert_eq!(send(gate.address, HOST, "POST", &target, &fields, &text).status, 403);
    gate.signal("TERM");
    gate.wait();
    let (events, said) = (gate.rest(), gate.said());
    assert!(events.iter().filter(|line| line.contains("\"/form\"")).count() >= 2, "{events:?}");
    let sid = cookie.split_once('=').expect("a value").1;
    let csrf = crate::app::SECRETS.map(|(_, value)| value);
    for secret in [query.as_str(), &bearer, &session, &body, &token, sid, TOKEN].into_iter().chain(csrf) {
        assert!(!events.join("\n").contains(secret), "an event holds a secret");
        assert!(!said.contains(secret), "stderr holds a secret");
    }
}
