//! From files and variables to a policy: all reading happens here.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, bail};
use palisade_diag::{Diagnostics, FileId, Sources as Texts};
use palisade_guard::Providers;
use palisade_policy::{Built, Draft, Environment, IdentityProvider, Overrides, Policy, Sources, Want, parse};

use crate::args::EnvironmentArgs;

/// The largest file that is read, in bytes: policies, schemas, manifests, env files.
const MAX_FILE: u64 = 8 << 20;

/// A policy file and the texts its diagnostics point into.
pub(crate) struct PolicyText {
    pub(crate) draft: Draft,
    pub(crate) texts: Texts,
    pub(crate) folder: PathBuf,
}

/// The variables and the environment they choose.
pub(crate) struct Surroundings {
    pub(crate) environment: Environment,
    pub(crate) variables: BTreeMap<String, String>,
}

/// Reads and parses the policy file.
pub(crate) fn policy(path: &Path) -> anyhow::Result<PolicyText> {
    if fs::symlink_metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        bail!(
            "there is no policy at {}: `palisade init` proposes one, --policy FILE names another place",
            path.display()
        );
    }
    let text = read(path).context("the policy cannot be read")?;
    // The same problems come again from building, beside those that need more than the text.
    let (draft, _) = parse(FileId(0), &text);
    let texts = Texts::new().with(FileId(0), path.display().to_string(), text);
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(PolicyText { draft, texts, folder: folder.to_owned() })
}

impl PolicyText {
    /// The files that [`PolicyText::build`] reads, or would if they were there.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let path = |want| match want {
            Want::Schema(path) => inside(&self.folder, &path).ok(),
            Want::Manifest(path) | Want::Routes(path) => Some(self.folder.join(path)),
            Want::Variable(_) => None,
        };
        self.draft.wants().into_iter().filter_map(path).collect()
    }

    /// Builds the policy, reading the schemas and the manifest it names.
    pub(crate) fn build(self, surroundings: &Surroundings, overrides: Overrides) -> Result<Built, Diagnostics> {
        let mut sources =
            Sources { variables: surroundings.variables.clone(), overrides, ..Sources::new(surroundings.environment) };
        for want in self.draft.wants() {
            match want {
                Want::Variable(_) => {}
                Want::Schema(path) => {
                    let text = inside(&self.folder, &path).and_then(|path| read(&path));
                    sources.files.insert(path, text.map_err(|error| format!("{error:#}")));
                }
                Want::Manifest(path) => sources.manifest = read(&self.folder.join(path)).ok(),
                Want::Routes(path) => sources.routes = read(&self.folder.join(path)).ok(),
            }
        }
        self.draft.build(&sources)
    }
}

/// What the guard takes from outside to verify identities.
pub(crate) fn providers(policy: &Policy, variables: &BTreeMap<String, String>) -> Providers {
    let clerk = policy.identity.as_ref().is_some_and(|identity| identity.provider == IdentityProvider::Clerk);
    let value = |name: &str| variables.get(name).filter(|value| clerk && !value.is_empty()).cloned();
    Providers {
        clerk_publishable_key: value("NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY"),
        jwt_key: value("CLERK_JWT_KEY"),
        ..palisade_backend::providers()
    }
}

/// Stands in for an environment where none is needed: `public_origin` may come from a variable, and a file can be
/// judged without it.
pub(crate) fn without_environment(draft: &Draft) -> Surroundings {
    let origin = Want::Variable("VERCEL_URL".to_owned());
    let variables = draft.wants().into_iter().filter(|want| *want == origin);
    let variables = variables.map(|_| ("VERCEL_URL".to_owned(), "preview.vercel.app".to_owned())).collect();
    Surroundings { environment: Environment::Production, variables }
}

/// The process's variables over those of the files, and the environment they choose.
pub(crate) fn surroundings(args: &EnvironmentArgs) -> anyhow::Result<Surroundings> {
    let mut variables: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    for path in &args.files {
        let text = read(path).with_context(|| format!("the variables of {} cannot be read", path.display()))?;
        for (name, value) in env_file(&text).with_context(|| format!("in {}", path.display()))? {
            variables.entry(name).or_insert(value);
        }
    }
    let environment = Environment::choose(args.name.as_deref(), &variables).map_err(|problem| {
        anyhow::anyhow!("{}{}", problem.message, problem.fix.map_or(String::new(), |fix| format!(": {fix}")))
    })?;
    Ok(Surroundings { environment, variables })
}

/// Reads `NAME=value` lines as dotenv does: `export`, comments, single and double quotes; no expansion.
fn env_file(text: &str) -> anyhow::Result<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        // The line itself may be a secret: only its number is told.
        let Some((name, value)) = line.split_once('=') else { bail!("line {} is not NAME=value", index + 1) };
        pairs.push((name.trim().to_owned(), unquote(value.trim())));
    }
    Ok(pairs)
}

fn unquote(value: &str) -> String {
    for quote in ['"', '\''] {
        if let Some((inner, _)) = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            return if quote == '"' { inner.replace("\\n", "\n") } else { inner.to_owned() };
        }
    }
    value.split(" #").next().unwrap_or_default().trim().to_owned()
}

/// A path that stays inside its folder: relative, without `..`.
fn inside(folder: &Path, path: &str) -> anyhow::Result<PathBuf> {
    let relative = Path::new(path);
    if relative.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
        bail!("the path leaves the policy's folder");
    }
    Ok(folder.join(relative))
}

/// Reads a regular file of bounded size; never through a link in its last step.
fn read(path: &Path) -> anyhow::Result<String> {
    let meta = fs::symlink_metadata(path).with_context(|| format!("{} cannot be opened", path.display()))?;
    if !meta.is_file() {
        bail!("{} is not a regular file", path.display());
    }
    if meta.len() > MAX_FILE {
        bail!("{} is larger than {} MiB", path.display(), MAX_FILE >> 20);
    }
    let mut text = String::new();
    let file = fs::File::open(path).with_context(|| format!("{} cannot be opened", path.display()))?;
    file.take(MAX_FILE).read_to_string(&mut text).with_context(|| format!("{} is not UTF-8", path.display()))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn env_files_are_read_as_dotenv_does() {
        let text = "# c\n\nA=1\nexport B = two words \nC=\"x\\ny # no\"\nD='#1' # c\nE=a#b # c\n";
        let pairs = env_file(text).expect("pairs");
        let expect = [("A", "1"), ("B", "two words"), ("C", "x\ny # no"), ("D", "#1"), ("E", "a#b")];
        assert_eq!(pairs, expect.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_broken_env_file_names_the_line_and_not_its_text() {
        let error = env_file("A=1\nhunter2\n").expect_err("broken");
        assert_eq!(error.to_string(), "line 2 is not NAME=value");
    }

    #[test]
    fn schemas_stay_inside_the_policys_folder() {
        for path in ["../x.json", "/etc/passwd", "a/../../b"] {
            assert!(inside(Path::new("p"), path).is_err(), "{path}");
        }
        assert_eq!(inside(Path::new("p"), "./s/x.json").expect("inside"), Path::new("p/./s/x.json"));
    }
}
