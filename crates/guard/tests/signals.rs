//! The detector of attack signals against our own collection of attacks and of what merely looks like them.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a test may panic and tell")]

use palisade_event::Signal;
use palisade_guard::{MAX_VALUE, signals_of_path, signals_of_query, signals_of_text};
use proptest::prelude::*;

const SQL: &str = include_str!("../../../corpus/attack/sql.txt");
const XSS: &str = include_str!("../../../corpus/attack/xss.txt");
const TRAVERSAL: &str = include_str!("../../../corpus/attack/traversal.txt");
const EXPLOIT: &str = include_str!("../../../corpus/attack/exploit.txt");
const PATHS: &str = include_str!("../../../corpus/attack/paths.txt");
const BENIGN: [&str; 5] = [
    include_str!("../../../corpus/benign/names.txt"),
    include_str!("../../../corpus/benign/prose.txt"),
    include_str!("../../../corpus/benign/code.txt"),
    include_str!("../../../corpus/benign/markdown.txt"),
    include_str!("../../../corpus/benign/values.txt"),
];
const BENIGN_PATHS: &str = include_str!("../../../corpus/benign/paths.txt");

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty())
}

/// A value as a browser writes it into a query.
fn query(value: &str) -> String {
    // A line with escapes is what was sent already.
    if value.contains('%') {
        return format!("q={}", value.replace(' ', "+"));
    }
    let mut query = String::from("q=");
    for byte in value.bytes() {
        match byte {
            b' ' => query.push('+'),
            _ if byte.is_ascii_alphanumeric() || b"*-._".contains(&byte) => query.push(char::from(byte)),
            _ => query.push_str(&format!("%{byte:02X}")),
        }
    }
    query
}

#[test]
fn a10_attacks_are_recognised_in_values_and_in_queries() {
    let groups = [
        ("sql", SQL, Signal::SqlInjection),
        ("xss", XSS, Signal::Xss),
        ("traversal", TRAVERSAL, Signal::Traversal),
        ("exploit", EXPLOIT, Signal::KnownExploit),
    ];
    let (mut all, mut found) = (0, 0);
    for (name, text, signal) in groups {
        let (mut in_group, mut hits) = (0, 0);
        for line in lines(text) {
            in_group += 1;
            let hit = signals_of_text(line) & signal.bit() != 0;
            let asked = signals_of_query(&query(line)) & signal.bit() != 0;
            if hit && asked {
                hits += 1;
            } else {
                println!("missed {name} ({hit} {asked}): {line}");
            }
        }
        assert!(hits * 100 >= in_group * 95, "{name}: {hits} of {in_group}");
        all += in_group;
        found += hits;
    }
    for path in lines(PATHS) {
        all += 1;
        if signals_of_path(path) & (Signal::KnownExploit.bit() | Signal::Traversal.bit()) == 0 {
            println!("missed path: {path}");
        } else {
            found += 1;
        }
    }
    println!("recall: {found} of {all}");
    assert!(all >= 150 && found * 100 >= all * 97, "{found} of {all}");
}

#[test]
fn a10_what_merely_looks_like_an_attack_is_left_alone() {
    let (mut all, mut alarms) = (0, 0);
    for line in BENIGN.into_iter().flat_map(lines) {
        all += 1;
        let bits = signals_of_text(line) | signals_of_query(&query(line));
        if bits != 0 {
            alarms += 1;
            println!("false alarm {bits:05b}: {line}");
        }
    }
    for path in lines(BENIGN_PATHS) {
        all += 1;
        if signals_of_path(path) != 0 {
            alarms += 1;
            println!("false alarm {:05b}: {path}", signals_of_path(path));
        }
    }
    println!("false alarms: {alarms} of {all}");
    assert!(all >= 150 && alarms * 100 <= all, "{alarms} of {all}");
}

#[test]
fn a10_whole_posts_made_of_benign_lines_are_left_alone() {
    for text in [BENIGN[1], BENIGN[3]] {
        let half = &text[..text.floor_char_boundary(2000)];
        assert_eq!(signals_of_text(half), 0, "{half}");
    }
}

#[test]
fn a10_excessive_lengths_are_told() {
    let long = Signal::ExcessiveLength.bit();
    assert_eq!(signals_of_path(&format!("/{}", "a".repeat(1100))), long);
    assert_eq!(signals_of_query(&format!("q={}", "a".repeat(5000))), long);
    assert_eq!(signals_of_text(&"a".repeat(65_537)), long);
    assert_eq!(signals_of_text(&"a".repeat(65_536)), 0);
}

#[test]
fn a10_an_attack_is_looked_for_in_the_first_bytes_of_each_value() {
    let attack = "<script>alert(1)</script>";
    assert_ne!(signals_of_text(&format!("{}{attack}", "a ".repeat(MAX_VALUE / 2 - 20))), 0);
    assert_ne!(signals_of_query(&format!("a=1&b=2&c={attack}")), 0);
    assert_ne!(signals_of_query(&format!("{attack}=1")), 0, "names too");
}

proptest! {
    #[test]
    fn a10_no_text_makes_it_panic(text in any::<String>()) {
        let _ = (signals_of_text(&text), signals_of_query(&text), signals_of_path(&text));
    }

    #[test]
    fn a10_no_hostile_text_makes_it_panic(
        text in "('|\"|`|or|union|select|/\\*|\\*/|--|#|\\(|\\)|[ =,;%<>&.\\\\/:]|on|error|script|%2|%u00|27|&#|x3c|javascript|\\$\\{|é|1){0,40}",
    ) {
        let _ = (signals_of_text(&text), signals_of_query(&text), signals_of_path(&text));
    }
}
