//! Files of a project that is examined: anybody may have written them.

#[path = "../../crates/probe/src/git/pack/delta.rs"]
mod delta;
// The probe's own readers: its crate would bring a parser of TypeScript along.
#[path = "../../crates/probe/src/env/dotenv.rs"]
mod dotenv;
#[path = "../../crates/probe/src/git/index.rs"]
#[allow(dead_code)]
mod index;
#[path = "../../crates/probe/src/dependencies/lock.rs"]
mod lock;

// Its reader of words and calls; the parser behind the routes is oxc's, and fuzzed there.
#[path = "../../crates/probe/src/source"]
mod source {
    mod calls;
    mod lexer;

    /// TypeScript as the source of a hostile project: three forms of one length, calls within the text, lines that it has.
    pub(crate) fn read(text: &str) {
        let lexed = lexer::Lexed::new(text);
        assert_eq!((lexed.text.len(), lexed.code.len()), (text.len(), text.len()));
        let lines = u32::try_from(text.matches('\n').count()).unwrap_or(u32::MAX).saturating_add(1);
        for call in calls::calls(&lexed) {
            assert!(lexed.code.get(call.at..).is_some_and(|rest| rest.starts_with(call.name)));
            let line = lexed.line(call.at);
            assert!((1..=lines).contains(&line));
            let _ = (lexed.is_allowed(line, "logs"), call.receiver, call.arguments);
            assert!(lexed.caught(call.at).iter().all(|name| !name.is_empty()));
        }
    }
}

/// Source files: see `source::read`.
pub fn source_text(data: &[u8]) {
    source::read(&String::from_utf8_lossy(data));
}

/// Env files: names are names, lines only grow, and a value in quotes comes back as it was.
pub fn env_file(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let assignments = dotenv::assignments(&text);
    let lines = text.replace("\r\n", "\n").replace('\r', "\n").matches('\n').count() + 1;
    let mut before = 0;
    for assignment in &assignments {
        let name = &assignment.name;
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)));
        assert!(assignment.line > before && assignment.line as usize <= lines);
        before = assignment.line;
        if !assignment.value.contains(['\'', '\\', '\r']) {
            let again = dotenv::assignments(&format!("A='{}'\n", assignment.value));
            assert_eq!(again.first().map(|it| it.value.as_str()), Some(assignment.value.as_str()));
        }
    }
}

/// Lock files of every manager: packages are sorted, each once, none without a name or a version.
pub fn lock_file(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for file in ["package-lock.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock", "Cargo.lock"] {
        let Ok(packages) = lock::packages(file, &text) else { continue };
        assert!(packages.is_sorted());
        assert!(packages.iter().all(|package| !package.name.is_empty() && !package.version.is_empty()));
    }
}

/// Git's files: an index gives paths or nothing, a change makes exactly as many bytes as it says.
pub fn git_file(data: &[u8]) {
    if let Some(paths) = index::paths(data) {
        assert!(paths.len() <= data.len());
    }
    let (base, change) = data.split_at(data.len() / 2);
    if let Some(made) = delta::apply(base, change) {
        assert_eq!(Some(made.len()), delta::size(change));
    }
}
