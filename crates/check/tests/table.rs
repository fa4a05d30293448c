//! The list is the guide's, and every check is tried on facts that pass, fail and say nothing.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test stops where its ground is missing"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use palisade_check::{CHECKS, Case, Check, Facts, Finding, Item, Section, Status, run};
use palisade_diag::FileId;
use palisade_policy::{Environment, Policy, Sources, parse};
use serde_json::Value;

/// How many boxes each section of the guide has.
const BOXES: [(Section, usize); 7] = [
    (Section::Environment, 8),
    (Section::Dependencies, 5),
    (Section::Security, 6),
    (Section::Authentication, 6),
    (Section::Api, 6),
    (Section::Payments, 5),
    (Section::Testing, 6),
];

const TODAY: &str = "2026-11-22";

#[test]
fn the_list_is_the_guides_42_boxes_and_four_groups() {
    for (section, count) in BOXES {
        let numbers: Vec<u8> = CHECKS
            .iter()
            .filter(|check| check.section == section)
            .filter_map(|check| match check.item {
                Item::Box(number) => Some(number),
                _ => None,
            })
            .collect();
        let expected: Vec<u8> = (1..).take(count).collect();
        assert_eq!(numbers, expected, "{}", section.title());
    }
    assert_eq!(BOXES.iter().map(|(_, count)| count).sum::<usize>(), 42);
    let groups = CHECKS.iter().filter(|check| matches!(check.item, Item::Final(_))).count();
    assert_eq!(groups, 4);
}

#[test]
fn ids_are_unique_and_titles_are_sentences() {
    let ids: BTreeSet<_> = CHECKS.iter().map(|check| check.id).collect();
    assert_eq!(ids.len(), CHECKS.len());
    for check in CHECKS.iter() {
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        assert!(check.id.split('/').count() == 2 && check.id.split('/').all(plain), "{}", check.id);
        assert!(check.reference.starts_with('A') && check.reference.contains("; ASVS "), "{}", check.id);
        assert!(!check.title.ends_with('.') && check.title.starts_with(char::is_uppercase), "{}", check.id);
    }
}

/// Each case of `facts/SECTION/NAME.json` comes to what it is called: `pass`, `fail`, `unknown` and others beside them. A
/// check that only a person can decide has no `pass` and no `fail` of its own.
#[test]
fn every_check_is_tried_on_facts_that_pass_fail_and_say_nothing() {
    let mut wrong = Vec::new();
    for check in CHECKS.iter() {
        let cases = cases(check);
        let by_person = finding(check, &Facts::default(), None).fix.contains("attest") || asks_the_site(check);
        let needed: &[&str] = match check.id {
            _ if by_person => &["unknown"],
            _ => &["pass", "fail", "unknown"],
        };
        for name in needed {
            if !(cases.contains_key(*name) || *name == "fail" && cases.contains_key("warn")) {
                wrong.push(format!("{}: no case `{name}`", check.id));
            }
        }
        for (name, case) in &cases {
            let policy = case.get("policy").and_then(Value::as_str).map(policy);
            let facts = case.get("facts").cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
            let facts: Facts =
                serde_json::from_value(facts).unwrap_or_else(|error| panic!("{} {name}: {error}", check.id));
            let finding = finding(check, &facts, policy.as_ref());
            let expected = name.split(':').next().unwrap_or(name);
            if finding.status.id() != expected {
                wrong.push(format!("{} `{name}`: {} ({})", check.id, finding.status.id(), finding.evidence));
            }
            if finding.evidence.is_empty() {
                wrong.push(format!("{} `{name}`: no evidence", check.id));
            }
            if matches!(finding.status, Status::Fail | Status::Warn | Status::Unknown) && finding.fix.is_empty() {
                wrong.push(format!("{} `{name}`: no fix", check.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_a_pass_where_nothing_is_known() {
    for check in CHECKS.iter() {
        let finding = finding(check, &Facts::default(), None);
        assert_eq!(finding.status, Status::Unknown, "{}", check.id);
    }
}

#[test]
fn an_attestation_fills_in_what_is_unknown_until_its_day_and_never_covers_a_failure() {
    let with = |until: &str, more: &str| {
        let text = format!(
            r#"{{"attestations":{{"known":{{"env/secret-manager":{{"by":"Ann","until":"{until}","note":"seen"}},
            "deps/lockfile-committed":{{"by":"Ann","until":"{until}","note":"seen"}}}}}}{more}}}"#
        );
        serde_json::from_str::<Facts>(&text).expect("facts")
    };
    let check = |id: &str| palisade_check::find(id).expect("check");
    assert_eq!(finding(check("env/secret-manager"), &with(TODAY, ""), None).status, Status::Attested);
    let lapsed = finding(check("env/secret-manager"), &with("2026-11-21", ""), None);
    assert_eq!(lapsed.status, Status::Fail);
    assert!(lapsed.evidence.contains("lapsed on 2026-11-21"), "{}", lapsed.evidence);
    let failing = r#","dependencies":{"known":{"locks":[]}}"#;
    assert_eq!(finding(check("deps/lockfile-committed"), &with(TODAY, failing), None).status, Status::Fail);
}

fn finding(check: &'static Check, facts: &Facts, policy: Option<&Policy>) -> Finding {
    let case = Case { facts, policy, environment: "production", today: TODAY };
    let mut found = Vec::new();
    run(&case, &[check], &mut |finding| found.push(finding));
    found.pop().expect("one finding for one check")
}

fn asks_the_site(check: &Check) -> bool {
    matches!(check.section, Section::Security | Section::Testing)
}

fn cases(check: &Check) -> BTreeMap<String, Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("facts").join(format!("{}.json", check.id));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn policy(text: &str) -> Policy {
    let (draft, _) = parse(FileId(0), text);
    let built = draft.build(&Sources::new(Environment::Production));
    built.unwrap_or_else(|problems| panic!("{problems:?}")).policy
}
