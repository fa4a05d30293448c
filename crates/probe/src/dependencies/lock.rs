//! The packages that a lock file pins: npm (versions 1 to 3), pnpm (every document of the file), yarn (1 and berry),
//! bun (text), cargo. Bounded by the text; nothing is resolved or fetched.

use serde_json::Value;

/// A package that is pinned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Its name, with its scope.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Whether only development needs it, where the file says so.
    pub dev: bool,
}

/// The manager that writes a file of that name.
pub(super) fn manager(file: &str) -> &'static str {
    match file {
        "pnpm-lock.yaml" => "pnpm",
        "yarn.lock" => "yarn",
        "bun.lock" | "bun.lockb" => "bun",
        "Cargo.lock" => "cargo",
        _ => "npm",
    }
}

/// The packages of a lock file, sorted, each once. What comes from this machine or from git is left out: advisories about
/// a package of its name do not speak of it.
///
/// # Errors
/// What is wrong with the text, without repeating it.
pub fn packages(file: &str, text: &str) -> Result<Vec<Package>, &'static str> {
    let text = text.trim_start_matches('\u{feff}');
    let mut packages = match manager(file) {
        "npm" => npm(text)?,
        "pnpm" => pnpm(text)?,
        "yarn" => yarn(text),
        "bun" => bun(text)?,
        _ => cargo(text),
    };
    packages.retain(|package| !package.version.is_empty() && !package.name.is_empty());
    packages.sort();
    packages.dedup_by(|one, other| one.name == other.name && one.version == other.version);
    Ok(packages)
}

fn npm(text: &str) -> Result<Vec<Package>, &'static str> {
    let lock: Value = serde_json::from_str(text).map_err(|_| "it is not JSON")?;
    let mut found = Vec::new();
    if let Some(packages) = lock.get("packages").and_then(Value::as_object) {
        for (path, entry) in packages {
            let Some((_, name)) = path.rsplit_once("node_modules/") else { continue };
            // An alias has its real name beside it.
            let name = entry.get("name").and_then(Value::as_str).unwrap_or(name);
            if !is_true(entry, "link") && is_published(entry.get("resolved").and_then(Value::as_str)) {
                let dev = is_true(entry, "dev");
                found.push(Package { name: name.to_owned(), version: text_of(entry, "version"), dev });
            }
        }
        return Ok(found);
    }
    // Version 1 nests the packages in each other.
    let mut open: Vec<&Value> = lock.get("dependencies").into_iter().collect();
    while let Some(level) = open.pop() {
        for (name, entry) in level.as_object().into_iter().flatten() {
            let version = text_of(entry, "version");
            if is_published(Some(&version)) {
                found.push(Package { name: name.clone(), version, dev: is_true(entry, "dev") });
            }
            open.extend(entry.get("dependencies"));
        }
    }
    if lock.get("lockfileVersion").is_none() { Err("it names no lockfileVersion") } else { Ok(found) }
}

/// The keys under `packages:` of every document, read by line: pnpm writes them so, and no more of YAML is needed.
fn pnpm(text: &str) -> Result<Vec<Package>, &'static str> {
    if !text.lines().any(|line| line.starts_with("lockfileVersion:")) {
        return Err("it names no lockfileVersion");
    }
    let (mut found, mut inside) = (Vec::new(), false);
    for line in text.lines() {
        if !line.starts_with(' ') && !line.is_empty() {
            inside = line.trim_end() == "packages:";
        }
        let Some(key) = line.strip_prefix("  ").filter(|rest| inside && !rest.starts_with([' ', '#'])) else {
            continue;
        };
        let Some(key) = key.trim_end().strip_suffix(':').or_else(|| key.split_once(": {").map(|(key, _)| key)) else {
            continue;
        };
        let key = key.trim_matches(['\'', '"']).trim_start_matches('/');
        let key = key.split('(').next().unwrap_or(key);
        // `@scope/name@1.2.3`; before version 6, `@scope/name/1.2.3`.
        let peers = key.rfind('/').and_then(|slash| Some(slash + key.get(slash..)?.find('_')?));
        let key = peers.and_then(|at| key.get(..at)).unwrap_or(key);
        let at = key.rfind('@').filter(|at| *at > 0).or_else(|| key.rfind('/'));
        let Some((name, version)) =
            at.map(|at| (key.get(..at).unwrap_or_default(), key.get(at + 1..).unwrap_or_default()))
        else {
            continue;
        };
        if version.starts_with(|first: char| first.is_ascii_digit()) {
            let version = version.split('_').next().unwrap_or(version);
            found.push(Package { name: name.to_owned(), version: version.to_owned(), dev: false });
        }
    }
    Ok(found)
}

/// `"name@range", "name@range":` at the line's start, and `version "1.2.3"` or `version: 1.2.3` below it.
fn yarn(text: &str) -> Vec<Package> {
    let (mut found, mut name) = (Vec::new(), None);
    for line in text.lines().map(str::trim_end).filter(|line| !line.starts_with('#')) {
        if let Some(header) = line.strip_suffix(':').filter(|line| !line.starts_with(' ')) {
            let first = header.split(',').next().unwrap_or_default().trim_matches('"');
            let at = first.get(1..).and_then(|rest| rest.find('@')).map(|at| at + 1);
            let range = at.and_then(|at| first.get(at + 1..)).unwrap_or_default();
            let away = ["workspace:", "file:", "link:", "portal:", "git", "patch:", "http"];
            let published = !away.iter().any(|start| range.starts_with(start));
            name = at.and_then(|at| first.get(..at)).filter(|_| published).map(str::to_owned);
        } else if let Some(version) = line.trim_start().strip_prefix("version").filter(|_| line.starts_with("  ")) {
            let version = version.trim_start_matches(':').trim().trim_matches('"');
            found.extend(name.take().map(|name| Package { name, version: version.to_owned(), dev: false }));
        }
    }
    found
}

/// `bun.lock` is JSON with commas before closing brackets; `packages` maps a name to `["name@1.2.3", ...]`.
fn bun(text: &str) -> Result<Vec<Package>, &'static str> {
    let lock: Value = serde_json::from_str(&without_last_commas(text)).map_err(|_| "it is not JSON")?;
    let packages = lock.get("packages").and_then(Value::as_object).ok_or("it has no packages")?;
    let spelled = packages.values().filter_map(|entry| entry.get(0)?.as_str());
    let found = spelled.filter_map(|spelled| {
        let at = spelled.rfind('@').filter(|at| *at > 0)?;
        let version = spelled.get(at + 1..)?;
        let published = version.starts_with(|first: char| first.is_ascii_digit());
        published.then(|| Package {
            name: spelled.get(..at).unwrap_or_default().to_owned(),
            version: version.to_owned(),
            dev: false,
        })
    });
    Ok(found.collect())
}

fn without_last_commas(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        if !quoted && c == ',' {
            let next = text.get(at + 1..).unwrap_or_default().trim_start().chars().next();
            if matches!(next, Some('}' | ']')) {
                continue;
            }
        }
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        out.push(c);
    }
    out
}

fn cargo(text: &str) -> Vec<Package> {
    let mut found: Vec<Package> = Vec::new();
    for block in text.split("[[package]]").skip(1) {
        let field = |name: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_prefix('='));
            line.map(|value| value.trim().trim_matches('"').to_owned())
        };
        // What has no source is the project's own.
        if let (Some(name), Some(version), Some(source)) = (field("name"), field("version"), field("source")) {
            let published = source.starts_with("registry+") || source.starts_with("sparse+");
            found.extend(published.then_some(Package { name, version, dev: false }));
        }
    }
    found
}

fn is_published(from: Option<&str>) -> bool {
    let away = ["file:", "link:", "git+", "git:", "github:", "git@"];
    from.is_none_or(|from| !away.iter().any(|start| from.starts_with(start)))
}

fn is_true(entry: &Value, name: &str) -> bool {
    entry.get(name).and_then(Value::as_bool).unwrap_or_default()
}

fn text_of(entry: &Value, name: &str) -> String {
    entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(file: &str, text: &str) -> Vec<String> {
        let packages = packages(file, text).expect("packages");
        packages
            .into_iter()
            .map(|it| format!("{}@{}{}", it.name, it.version, if it.dev { " dev" } else { "" }))
            .collect()
    }

    #[test]
    fn npm_of_three_versions() {
        let three = r#"{"lockfileVersion":3,"packages":{"":{"name":"x"},"node_modules/a":{"version":"1.0.0"},
            "node_modules/a/node_modules/@s/b":{"version":"2.0.0","dev":true},"node_modules/w":{"link":true,"resolved":"w"},
            "node_modules/g":{"version":"1.0.0","resolved":"git+ssh://git@x/y.git"}}}"#;
        assert_eq!(names("package-lock.json", three), ["@s/b@2.0.0 dev", "a@1.0.0"]);
        let one = r#"{"lockfileVersion":1,"dependencies":{"a":{"version":"1.0.0","dependencies":{"b":{"version":"2.0.0"}}}}}"#;
        assert_eq!(names("package-lock.json", one), ["a@1.0.0", "b@2.0.0"]);
        assert_eq!(packages("package-lock.json", "{"), Err("it is not JSON"));
        assert_eq!(packages("package-lock.json", "{}"), Err("it names no lockfileVersion"));
    }

    #[test]
    fn pnpm_of_two_documents() {
        let text = "---\nlockfileVersion: '9.0'\n\npackages:\n\n  pnpm@10.0.0:\n    resolution: {}\n\n---\nlockfileVersion: '9.0'\n\nimporters:\n\n  .:\n    dependencies:\n      a: {}\n\npackages:\n\n  '@s/b@2.0.0':\n    resolution: {}\n\n  a@1.0.0(react@19.0.0):\n    resolution: {}\n\nsnapshots:\n\n  z@1.0.0: {}\n";
        assert_eq!(names("pnpm-lock.yaml", text), ["@s/b@2.0.0", "a@1.0.0", "pnpm@10.0.0"]);
        assert_eq!(
            names(
                "pnpm-lock.yaml",
                "lockfileVersion: 5.4\npackages:\n\n  /@s/b/2.0.0_react@1.0.0:\n    dev: false\n  /c/1.0.0:\n"
            ),
            ["@s/b@2.0.0", "c@1.0.0"]
        );
        assert!(packages("pnpm-lock.yaml", "").is_err());
    }

    #[test]
    fn yarn_bun_and_cargo() {
        let classic = "# yarn lockfile v1\n\n\"@s/b@^2.0.0\", \"@s/b@^2.1.0\":\n  version \"2.1.0\"\n  resolved \"https://x\"\n\na@1:\n  version \"1.0.0\"\n";
        assert_eq!(names("yarn.lock", classic), ["@s/b@2.1.0", "a@1.0.0"]);
        let berry = "__metadata:\n  version: 8\n\n\"a@npm:^1.0.0\":\n  version: 1.0.0\n  resolution: \"a@npm:1.0.0\"\n\n\"me@workspace:.\":\n  version: 0.0.0-use.local\n";
        assert_eq!(names("yarn.lock", berry), ["a@1.0.0"]);
        let bun = "{\n  \"lockfileVersion\": 1,\n  \"packages\": {\n    \"a\": [\"a@1.0.0\", \"\", {}, \"sha512-x,}\"],\n    \"w\": [\"w@workspace:w\"],\n  },\n}\n";
        assert_eq!(names("bun.lock", bun), ["a@1.0.0"]);
        let cargo = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"registry+https://x\"\n\n[[package]]\nname = \"own\"\nversion = \"0.1.0\"\n";
        assert_eq!(names("Cargo.lock", cargo), ["a@1.0.0"]);
    }
}
