//! The handbook's table: the guide's commands, and ours that take their place, each run and asked what it found.

use std::fs;

use super::page::Script;
use super::shell::Shell;

/// The guide's quick reference and its other commands, and what ours in their place must find in the handbook's project.
const FOUND: [(&str, &[&str]); 19] = [
    ("node -p", &["CSRF_SECRET="]),
    ("npm audit --production", &["deps/audit", "leftpad"]),
    ("npm outdated", &["deps/outdated", "9.0.0"]),
    ("node scripts/test-rate-limit.js", &["429", "5"]),
    ("bash scripts/security-check.sh", &["deps/lockfile-committed"]),
    ("bash scripts/security-test.sh", &["security/headers", "testing/rate-limit"]),
    ("grep -r \"sk_live\"", &["keys.js:1", "sk_live_"]),
    ("grep -r \"AKIA\"", &["keys.js:2", "AKIA"]),
    ("curl -I", &["content-security-policy", "as measured: "]),
    ("git status", &["final/env-file-untracked", ".env.local"]),
    ("npm run build", &["`npm run build`: it ended well"]),
    ("NODE_ENV=production npm start", &["pass     The production build is made, and starts"]),
    ("securityheaders.com", &["presence of the six headers", "behind https"]),
    ("SSL Labs", &["TLS 1.3"]),
    ("looking for attack patterns", &["3 lines"]),
    ("reading logs", &["203.0.113.7"]),
    ("the weekly review", &["429"]),
    ("daily, weekly", &["quarterly/review-policies"]),
    ("the weekly tasks", &["findings weekly/dependency-audit", "done     weekly/rate-limit-trend"]),
];

/// The rows of the table: the guide's cell, and the command in ours.
fn rows(page: &str) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    for line in page.lines().skip_while(|line| !line.starts_with("| the guide |")).skip(2) {
        let Some(cells) = line.strip_prefix("| ") else { break };
        let cells: Vec<&str> = cells.split(" | ").collect();
        let ours: Vec<&str> = cells[1].split('`').skip(1).step_by(2).collect();
        assert_eq!(ours.len(), 1, "one command in the row: {line}");
        rows.push((cells[0].replace('`', "").replace("\\|", "|"), ours[0].to_owned()));
    }
    rows
}

/// Every line is run in the project that the page's hidden part makes, and finds what was put there to be found.
pub(crate) fn every_line_finds_what_the_guides_command_looks_for(page: &str) -> Result<usize, String> {
    let rows = rows(page);
    let unknown: Vec<_> =
        rows.iter().filter(|(guide, _)| !FOUND.iter().any(|(begin, _)| guide.starts_with(begin))).collect();
    assert!(unknown.is_empty(), "nobody looks whether these do what they should: {unknown:?}");
    let shell = Shell::new("handbook-table");
    let mut script = Script::of(page, &shell.places, true);
    let commands: Vec<String> = {
        let mut all: Vec<String> = rows.iter().map(|(_, ours)| shell.placed(ours)).collect();
        all.dedup();
        all
    };
    for (number, command) in commands.iter().enumerate() {
        script.text.push_str(&format!("echo '--- {command}' >&2; {command} > out-{number} 2>&1\n"));
    }
    shell.run(&script)?;
    let said = |ours: &str| {
        let number = commands.iter().position(|command| *command == shell.placed(ours)).expect("it was run");
        fs::read_to_string(shell.here().join(format!("out-{number}"))).expect("its output")
    };
    let mut wrong = Vec::new();
    for (begin, wanted) in FOUND {
        let Some((_, ours)) = rows.iter().find(|(guide, _)| guide.starts_with(begin)) else {
            wrong.push(format!("the table says nothing of the guide's `{begin}`"));
            continue;
        };
        let said = said(ours);
        wrong.extend(
            wanted
                .iter()
                .filter(|text| !said.contains(**text))
                .map(|text| format!("`{ours}` does not say `{text}`, but:\n{}", said.get(..1500).unwrap_or(&said))),
        );
    }
    if wrong.is_empty() { Ok(rows.len()) } else { Err(wrong.join("\n\n")) }
}
