//! `init`: look at a project, propose its policy, make development secrets. Runs none of its code.

mod propose;
mod render;

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use palisade_policy::{Origin, Overrides, environment_problems};
use palisade_probe::Root;
use palisade_probe::routes::{self, Names};
use serde_json::json;

use crate::args::{EnvironmentArgs, Init};
use crate::load;
use crate::output::{self, Exit, Format};
use propose::Proposal;

const POLICY: &str = "palisade.toml";
const UPSTREAM: &str = "http://127.0.0.1:3000";

/// The largest file that is added to, in bytes.
const LARGEST: u64 = 1 << 20;

/// What should not be committed, and one line of those that already keep it out.
const IGNORED: [(&str, &[&str]); 2] = [
    (".env*.local", &[".env*.local", ".env.local", ".env*", ".env.*", "*.local", "/.env*.local", "/.env*", ".env*/"]),
    ("palisade.db*", &["palisade.db*", "/palisade.db*"]),
];

/// Palisade's own secrets, made here for development; the last opens the dashboard.
const SECRETS: [&str; 3] = ["CSRF_SECRET", "SESSION_SECRET", palisade_policy::ADMIN_TOKEN];

pub(crate) fn run(args: &Init, format: Format) -> anyhow::Result<Exit> {
    let root = Root::new(&args.root).with_context(|| format!("{} is no folder", args.root.display()))?;
    let mut names = Names::default();
    for text in &args.wrappers {
        names.add(text).map_err(anyhow::Error::msg)?;
    }
    let found = routes::collect(&root, &names);
    let proposal = propose::propose(&found);
    let name = name(&root);
    let place = render::Place { name: &name, upstream: args.upstream.as_deref().unwrap_or(UPSTREAM) };
    let text = render::policy(&proposal, &place);
    if let Some(typed) = args.upstream.as_deref().filter(|typed| Origin::parse(typed).is_none_or(|origin| origin.https))
    {
        bail!("--upstream: {typed} is not where an app listens: write it like {UPSTREAM}");
    }
    check(&text)?;
    if format == Format::Json {
        output::result(&serde_json::to_string_pretty(&data(&proposal, &text))?);
        if !args.yes {
            return Ok(Exit::Fine);
        }
    } else {
        told(&proposal);
    }
    write(args, &root, &text, &proposal)
}

/// The policy that would be written is valid; anything else is a fault of ours, said before a file is touched.
fn check(text: &str) -> anyhow::Result<()> {
    let (draft, _) = palisade_policy::parse(palisade_diag::FileId(0), text);
    let texts = palisade_diag::Sources::new().with(palisade_diag::FileId(0), POLICY.to_owned(), text.to_owned());
    let surroundings = load::without_environment(&draft);
    let sources = palisade_policy::Sources {
        overrides: Overrides::default(),
        ..palisade_policy::Sources::new(surroundings.environment)
    };
    if let Err(problems) = draft.build(&sources) {
        output::diagnostics(&problems, &texts);
        bail!("the proposed policy is not valid; this is a fault of `init`, and nothing was written");
    }
    Ok(())
}

/// The project's name, as a policy takes it.
fn name(root: &Root) -> String {
    let manifest = root.text("package.json", LARGEST).ok();
    let manifest: Option<serde_json::Value> = manifest.and_then(|text| serde_json::from_str(&text).ok());
    let named = manifest.as_ref().and_then(|value| value.get("name")?.as_str()).map(str::to_owned);
    let named = named.or_else(|| crate_name(&root.text("Cargo.toml", LARGEST).ok()?));
    let folder = || root.path().file_name().map(|name| name.to_string_lossy().into_owned());
    let name = named.or_else(folder).unwrap_or_default();
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).take(60).collect();
    let plain = plain.trim_matches('-').to_owned();
    if plain.is_empty() { "app".to_owned() } else { plain }
}

/// `name` of the table `[package]`.
fn crate_name(manifest: &str) -> Option<String> {
    let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[package]").skip(1);
    let name = lines.by_ref().take_while(|line| !line.starts_with('[')).find_map(|line| line.strip_prefix("name"))?;
    Some(name.trim_start().strip_prefix('=')?.trim().trim_matches('"').to_owned())
}

/// For people: what was found, and what the gate will not see.
fn told(proposal: &Proposal) {
    let services = match proposal.services.as_slice() {
        [] => String::new(),
        services => format!("; services: {}", services.join(", ")),
    };
    match proposal.routes.len() {
        0 => output::note(&format!(
            "Found no route to declare{services}. Next.js, Convex, axum and OpenAPI documents are understood; other apps write \
             their routes into palisade.toml (`palisade advise POST /path` proposes an entry)."
        )),
        1 => output::note(&format!("Found 1 route to declare{services}.")),
        count => output::note(&format!("Found {count} routes to declare{services}.")),
    }
    for route in &proposal.routes {
        let methods = if route.methods.is_empty() { String::new() } else { format!(" {}", route.methods.join(", ")) };
        output::note(&format!("  {}{methods}: {} - {}", route.path, route.kind, route.because));
    }
    if !proposal.unseen.is_empty() {
        output::note("What the gate cannot see:");
    }
    for line in &proposal.unseen {
        output::note(&format!("  {line}"));
    }
    for line in &proposal.notes {
        output::note(&format!("Look at this: {line}"));
    }
}

fn data(proposal: &Proposal, text: &str) -> serde_json::Value {
    let routes: Vec<_> = proposal
        .routes
        .iter()
        .map(|route| json!({ "path": route.path, "methods": route.methods, "kind": route.kind.id(), "because": route.because, "file": route.file }))
        .collect();
    json!({
        "services": proposal.services,
        "framework": if proposal.next { Some("nextjs") } else { None },
        "routes": routes,
        "unseen": proposal.unseen,
        "notes": proposal.notes,
        "policy": text,
    })
}

fn write(args: &Init, root: &Root, text: &str, proposal: &Proposal) -> anyhow::Result<Exit> {
    if root.has(POLICY) && !args.overwrite {
        let asked = "palisade.toml is there already. Replace it?";
        if args.yes || !agreed(asked)? {
            output::note("palisade.toml is there already and stays. To replace it: palisade init --yes --overwrite");
            return Ok(Exit::CouldNotRun);
        }
    } else if !args.yes && !agreed("Write palisade.toml, lines of .gitignore, and development secrets in .env.local?")?
    {
        output::note("Nothing was written.");
        return Ok(Exit::Fine);
    }
    save(&root.path().join(POLICY), text.as_bytes(), 0o644, 0o777)?;
    output::note("Wrote palisade.toml");
    ignore(root)?;
    secrets(root)?;
    output::note(&next(args, root, proposal));
    Ok(Exit::Fine)
}

/// What to do next, by commands that work in the folder in which they are typed.
fn next(args: &Init, root: &Root, proposal: &Proposal) -> String {
    let go = if args.root == Path::new(".") { String::new() } else { format!("  cd {}\n", args.root.display()) };
    let upstream = args.upstream.as_deref().unwrap_or(UPSTREAM);
    let files = env_files(root, proposal);
    let named: String = files.iter().map(|file| format!(" --env-file {file}")).collect();
    let missing: String = missing(root, &files).iter().map(|what| format!("  {what}\n")).collect();
    let missing = if missing.is_empty() {
        missing
    } else {
        format!("Before the gate can start, put what the app has, or should have, into .env.local:\n{missing}")
    };
    format!(
        "{missing}Next, with the app running at {upstream} (elsewhere: change `upstream`):\n{go}  palisade policy check\n  \
         palisade serve --env development{named}\n  palisade check\n\
         Visit the app at http://127.0.0.1:8080, and the dashboard at http://127.0.0.1:9180 with the PALISADE_ADMIN_TOKEN that \
         .env.local holds. The gate observes and refuses nothing. When its events show no \
         would-refuse that you did not expect, change one line: mode = \"enforce\"."
    )
}

/// The files with the variables of development that are there, in the order in which Next.js reads them. An app in a folder
/// of the project has its own there.
fn env_files(root: &Root, proposal: &Proposal) -> Vec<String> {
    let folders = [Some(String::new()), Some(format!("{}/", proposal.directory)).filter(|folder| folder != "/")];
    let names = [".env.development.local", ".env.local", ".env.development", ".env"];
    let all = folders.iter().flatten().flat_map(|folder| names.map(|name| format!("{folder}{name}")));
    all.filter(|file| root.has(file)).collect()
}

/// What `serve` would miss in these files.
fn missing(root: &Root, files: &[String]) -> Vec<String> {
    let files = files.iter().map(|file| root.path().join(file)).collect();
    let surroundings = load::surroundings(&EnvironmentArgs { name: Some("development".to_owned()), files });
    // Where they cannot be read, `serve` says so itself.
    let Some((surroundings, file)) = surroundings.ok().zip(load::policy(&root.path().join(POLICY)).ok()) else {
        return Vec::new();
    };
    let Ok(built) = file.build(&surroundings, Overrides::default()) else { return Vec::new() };
    let seconds = i64::try_from(crate::stored::now().micros() / 1_000_000).unwrap_or(i64::MAX);
    let found = environment_problems(&built.policy, &surroundings.variables, seconds);
    found.iter().filter(|problem| problem.code == "variable-missing").map(|problem| problem.message.clone()).collect()
}

/// Asks a person; without a terminal the answer is no, and how to say yes is told.
fn agreed(question: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("{question} There is nobody to ask here: say --yes");
    }
    let _ = write!(std::io::stderr(), "{question} [y/N] ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Adds to `.gitignore` what is not kept out yet.
fn ignore(root: &Root) -> anyhow::Result<()> {
    let before = added_to(root, ".gitignore")?;
    let lines: Vec<&str> = before.lines().map(str::trim).collect();
    let missing: Vec<&str> = IGNORED
        .iter()
        .filter(|(_, known)| !known.iter().any(|line| lines.contains(line)))
        .map(|(line, _)| *line)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    save(&root.path().join(".gitignore"), appended(&before, &missing.join("\n")).as_bytes(), 0o644, 0o777)?;
    output::note(&format!("Added to .gitignore: {}", missing.join(", ")));
    Ok(())
}

/// Adds the secrets that no env file of development has.
fn secrets(root: &Root) -> anyhow::Result<()> {
    let before = added_to(root, ".env.local")?;
    let others = [".env.development.local", ".env.development", ".env"];
    let all: Vec<String> =
        others.iter().filter_map(|file| root.text(file, LARGEST).ok()).chain([before.clone()]).collect();
    let is_set = |name: &str| {
        all.iter().flat_map(|text| text.lines()).any(|line| {
            let line = line.trim().strip_prefix("export ").unwrap_or(line.trim());
            line.split_once('=').is_some_and(|(known, value)| {
                known.trim() == name && !value.trim().trim_matches(['"', '\'']).is_empty()
            })
        })
    };
    let missing: Vec<&str> = SECRETS.into_iter().filter(|name| !is_set(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = missing.iter().map(|name| format!("{name}={}", crate::secrets::secret())).collect();
    save(&root.path().join(".env.local"), appended(&before, &lines.join("\n")).as_bytes(), 0o600, 0o700)?;
    output::note(&format!("Wrote development secrets to .env.local: {}", missing.join(", ")));
    Ok(())
}

/// A file's text, empty where it is not there; one that cannot be added to is an error.
fn added_to(root: &Root, file: &str) -> anyhow::Result<String> {
    match root.text(file, LARGEST) {
        Ok(text) => Ok(text),
        Err(palisade_probe::Unread::Absent) => Ok(String::new()),
        Err(why) => bail!("{file} cannot be added to: {why}"),
    }
}

fn appended(before: &str, lines: &str) -> String {
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    format!("{before}{gap}{lines}\n")
}

/// Writes beside and renames, so that a crash leaves the old file; what is new gets `mode`, what is there keeps its own as far as
/// `kept` goes.
fn save(path: &Path, bytes: &[u8], mode: u32, kept: u32) -> anyhow::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    let cannot = || format!("{} cannot be written", path.display());
    let mode = std::fs::metadata(path).map_or(mode, |about| about.permissions().mode() & kept);
    let beside = path.with_file_name(format!(".palisade-{}", std::process::id()));
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside).with_context(cannot)?;
    let written = file.write_all(bytes).and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written.with_context(cannot)
}
