//! The rules that come with the program, by the tests that stand in them.
#![allow(clippy::expect_used, clippy::panic, reason = "a test stops where its ground is missing, and says why")]

use std::sync::Arc;

use palisade_detect::{BUILT_IN, Rules};
use palisade_diag::{Colour, FileId, Sources, human};

fn built_in() -> Arc<Rules> {
    let files: Vec<_> =
        BUILT_IN.iter().enumerate().map(|(at, (_, text))| (FileId(u16::try_from(at).expect("few")), *text)).collect();
    match Rules::parse(&files) {
        Ok((rules, warnings)) => {
            assert!(warnings.is_empty(), "{warnings}");
            Arc::new(rules)
        }
        Err(found) => {
            let sources = files
                .iter()
                .zip(BUILT_IN)
                .fold(Sources::new(), |all, ((id, text), (name, _))| all.with(*id, *name, *text));
            panic!("{}", human(&found, &sources, Colour::Off));
        }
    }
}

#[test]
fn every_rule_has_firing_and_quiet_tests_that_hold() {
    let rules = built_in();
    let mut wrong = Vec::new();
    for rule in rules.rules() {
        assert!(rule.tests().iter().any(|test| test.expected() > 0), "{} has no test in which it fires", rule.id());
        assert!(rule.tests().iter().any(|test| test.expected() == 0), "{} has no test in which it is quiet", rule.id());
        for test in rule.tests() {
            let tried = test.run(&rules, rule.id());
            if tried.found != test.expected() || tried.unreadable.is_some() {
                wrong.push(format!("{}: {}: expected {}, {tried:?}", rule.id(), test.name(), test.expected()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_pattern_has_a_rule_with_steps_and_a_reference() {
    let rules = built_in();
    for row in 1..=23 {
        let tag = format!("palisade.e{row}");
        assert!(rules.rules().iter().any(|rule| rule.tags().iter().any(|known| **known == *tag)), "no rule for {tag}");
    }
    for rule in rules.rules() {
        assert!(!rule.steps().is_empty() && !rule.owasp().is_empty(), "{} lacks steps or a reference", rule.id());
    }
}

#[test]
fn every_file_of_the_folder_is_built_in() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rules");
    #[allow(clippy::disallowed_methods, reason = "a test looks at the folder")]
    let mut names: Vec<_> =
        std::fs::read_dir(folder).expect("rules/").map(|entry| entry.expect("entry").file_name()).collect();
    names.sort();
    assert_eq!(names, BUILT_IN.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}
