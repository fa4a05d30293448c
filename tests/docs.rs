//! The commands of the documentation: run, or marked with the reason why not. `docs/page.rs` says how pages are read.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]

#[path = "support/app.rs"]
mod app;
#[path = "docs/handbook.rs"]
mod handbook;
#[path = "docs/page.rs"]
mod page;
#[path = "docs/shell.rs"]
mod shell;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use page::Script;
use shell::Shell;

/// Pages at work at once: they mostly wait for processes to start.
const AT_ONCE: usize = 3;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

/// The pages whose path contains what `PALISADE_DOCS` says, all without it; the path is what a failure names.
fn pages() -> BTreeMap<String, String> {
    let root = repository();
    let wanted = std::env::var("PALISADE_DOCS").unwrap_or_default();
    let named = |path: &PathBuf| path.strip_prefix(&root).expect("below the root").display().to_string();
    let all = page::pages(&root).into_iter().map(|path| (named(&path), fs::read_to_string(&path).expect("a page")));
    all.filter(|(name, _)| name.contains(&wanted)).collect()
}

#[test]
fn every_command_of_the_documentation_is_run_or_says_why_not() {
    let pages = pages();
    let (waiting, failed) = (Mutex::new(pages.iter().collect::<Vec<_>>()), Mutex::new(Vec::new()));
    let counts = Mutex::new((0, 0, 0));
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let next = || waiting.lock().expect("lock").pop();
                while let Some((name, text)) = next() {
                    let began = Instant::now();
                    let shell = Shell::new(&name.replace('/', "-"));
                    let script = Script::of(text, &shell.places, false);
                    {
                        let mut counts = counts.lock().expect("lock");
                        *counts = (counts.0 + script.run, counts.1 + script.norun, counts.2 + script.pieces);
                    }
                    if script.text.is_empty() {
                        continue;
                    }
                    if let Err(why) = shell.run(&script) {
                        failed.lock().expect("lock").push(format!("{name}: {why}"));
                    }
                    println!("{name}: {} run, {} norun, {:?}", script.run, script.norun, began.elapsed());
                }
            });
        }
    });
    let failed = failed.into_inner().expect("lock");
    assert!(failed.is_empty(), "{} pages failed\n\n{}", failed.len(), failed.join("\n\n"));
    let (run, norun, pieces) = counts.into_inner().expect("lock");
    println!(
        "{run} command lines run, {norun} norun with a reason, {pieces} pieces of policies checked, {:?}",
        started.elapsed()
    );
    assert!(pages.len() < 20 || run > norun && run >= 60, "{run} run, {norun} norun");
}

/// A command in a sentence has no place to be run, but it exists, and so do its options.
#[test]
fn every_command_in_a_sentence_exists_with_its_options() {
    let mut wrong = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for (name, text) in pages() {
        for (line, command) in page::inline(&text) {
            if !seen.insert(command.clone()) {
                continue;
            }
            let asked = command.replacen("palisade", "\"$REAL\"", 1) + " --help";
            let output = Command::new("bash").args(["-c", &asked]).env("REAL", env!("CARGO_BIN_EXE_palisade")).output();
            if !output.as_ref().is_ok_and(|output| output.status.success()) {
                let said = output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
                wrong.push(format!("{name}:{line}: `{command}`: {}", said.unwrap_or_default()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} commands in sentences", seen.len());
}

#[test]
fn h2_every_line_of_the_quick_reference_is_run_and_finds_what_it_should() {
    let page = fs::read_to_string(repository().join("docs/handbook.md")).expect("the handbook");
    let rows =
        handbook::every_line_finds_what_the_guides_command_looks_for(&page).unwrap_or_else(|why| panic!("{why}"));
    println!("{rows} lines of the table run");
}
