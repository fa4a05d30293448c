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
