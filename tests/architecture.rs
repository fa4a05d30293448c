//! The house rules that the compiler does not hold by itself: which crate may know which, what every crate carries,
//! and that no committed line speaks of one machine.
#![allow(clippy::expect_used, clippy::panic, reason = "a test stops where its ground is missing, and says why")]

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Crates that decide and never act: time and entropy are their arguments.
const SANS_IO: &[&str] = &["diag", "event", "policy", "guard", "detect", "check", "js"];

/// Calls that the `clippy.toml` of a sans-IO crate refuses by name.
const SANS_IO_REFUSES: &[&str] = &["Instant::now", "SystemTime::now", "File::open"];

/// What cargo writes for the public registry; any other source in a lock file is somebody's own machine or fork.
const REGISTRY: &str = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";

/// Lines that may look like a machine's path: (file, part of the line, why it is none).
const NOT_A_MACHINE: &[(&str, &str, &str)] = &[];

/// The arrows that must never exist, through any number of normal dependencies.
///
/// A pattern `crates/x` is a crate of ours by folder, any other a package by name; `*` at its end stands for any rest.
const FORBIDDEN: &[Arrow] = &[
    Arrow {
        from: Who::Folders(SANS_IO),
        to: &["tokio*", "hyper*", "tower*", "rustls*", "mio", "socket2", "getrandom", "rand"],
        because: "sans-IO: no runtime, no sockets, no randomness",
    },
    Arrow { from: Who::Folders(&["diag", "event"]), to: &["crates/*"], because: "the words know nobody" },
    Arrow {
        from: Who::Folders(&["policy"]),
        to: &["crates/guard", "crates/detect", "crates/check"],
        because: "data does not know the code that reads it",
    },
    Arrow { from: Who::Folders(&["guard"]), to: &["crates/detect"], because: "they meet only in event" },
    Arrow { from: Who::Folders(&["detect"]), to: &["crates/guard"], because: "they meet only in event" },
    Arrow {
        from: Who::Folders(&["check"]),
        to: &["crates/guard", "crates/tower", "crates/gateway"],
        because: "the examiner does not share the implementation it examines",
    },
    Arrow {
        from: Who::Folders(&["probe"]),
        to: &["crates/guard", "crates/tower", "crates/gateway"],
        because: "who collects facts does not share the implementation that is examined",
    },
    Arrow {
        from: Who::Folders(&["tower"]),
        to: &["crates/backend", "crates/gateway", "crates/watch", "tokio"],
        because: "the layer runs inside any app, on any runtime",
    },
    Arrow { from: Who::AllBut("palisade"), to: &["anyhow", "clap*"], because: "only the binary" },
    Arrow { from: Who::AllBut("testkit"), to: &["crates/testkit"], because: "a dev-dependency only" },
    Arrow { from: Who::AllBut("sim"), to: &["crates/sim"], because: "a dev-dependency only" },
];

struct Arrow {
    from: Who,
    to: &'static [&'static str],
    because: &'static str,
}

enum Who {
    Folders(&'static [&'static str]),
    AllBut(&'static str),
}

/// The packages of one build, and who depends on whom outside tests and build scripts.
#[derive(Default)]
struct Graph {
    packages: BTreeMap<String, Package>,
}

/// A package by what the rules call it: `crates/guard` for ours, its name for others.
struct Package {
    label: String,
    needs: Vec<String>,
}

#[test]
fn forbidden_arrows_do_not_exist() {
    let broken = house().broken_by(FORBIDDEN);
    assert!(broken.is_empty(), "arrows that must never exist (see ARCHITECTURE.md):\n{}", broken.join("\n"));
}

#[test]
fn a_planted_arrow_is_found_through_others() {
    let mut graph = Graph::default();
    graph.add("g", "crates/guard", &["e", "x"]);
    graph.add("e", "crates/event", &[]);
    graph.add("x", "innocent", &["t"]);
    graph.add("t", "tokio-util", &[]);
    let broken = graph.broken_by(FORBIDDEN);
    let expected = "  crates/guard -> innocent -> tokio-util (sans-IO: no runtime, no sockets, no randomness)";
    assert_eq!(broken, [expected]);
}

#[test]
fn an_arrow_to_a_crate_of_ours_is_found_by_folder() {
    let mut graph = Graph::default();
    graph.add("c", "crates/check", &["p"]);
    graph.add("p", "crates/policy", &["g"]);
    graph.add("g", "crates/guard", &["k"]);
    graph.add("k", "crates/testkit", &[]);
    let broken = graph.broken_by(FORBIDDEN);
    let heads: Vec<_> = broken.iter().filter_map(|line| line.split(" (").next()).collect();
    let expected = [
        "  crates/policy -> crates/guard",
        "  crates/check -> crates/policy -> crates/guard",
        "  crates/check -> crates/policy -> crates/guard -> crates/testkit",
        "  crates/guard -> crates/testkit",
        "  crates/policy -> crates/guard -> crates/testkit",
    ];
    assert_eq!(heads, expected);
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    for folder in crate_folders() {
        let manifest = read(&format!("crates/{folder}/Cargo.toml"));
        let table = manifest.split("\n[lints]\n").nth(1).and_then(|rest| rest.split("\n[").next());
        let taken = table.is_some_and(|table| table.lines().any(|line| line.trim() == "workspace = true"));
        assert!(taken, "crates/{folder}/Cargo.toml lacks `[lints]` with `workspace = true`");
    }
}

#[test]
fn sans_io_crates_refuse_clock_and_files_by_name() {
    for folder in crate_folders().iter().filter(|folder| SANS_IO.contains(&folder.as_str())) {
        let rules = read(&format!("crates/{folder}/clippy.toml"));
        for call in SANS_IO_REFUSES {
            assert!(rules.contains(&format!("{call}\"")), "crates/{folder}/clippy.toml does not refuse {call}");
        }
    }
}

/// Who collects facts does not judge them.
#[test]
fn the_probe_does_not_name_findings() {
    let judging: Vec<_> = committed_texts()
        .into_iter()
        .filter(|(name, text)| name.starts_with("crates/probe/src/") && text.contains("Finding"))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(judging, Vec::<String>::new(), "crates/probe names `Finding`");
}

#[test]
fn the_architecture_page_names_every_crate_and_no_other() {
    let page = read("ARCHITECTURE.md");
    let mut named: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("- `crates/"))
        .filter_map(|rest| rest.split('`').next())
        .map(String::from)
        .collect();
    named.sort();
    assert_eq!(named, crate_folders(), "ARCHITECTURE.md (left) and crates/ (right) differ");
}

#[test]
fn no_committed_line_names_a_path_of_one_machine() {
    let mut found = Vec::new();
    for (name, text) in committed_texts() {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| names_a_machine(line)) {
            if !NOT_A_MACHINE.iter().any(|(file, part, _)| *file == name && line.contains(part)) {
                found.push(format!("  {name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "lines that name a path of one machine:\n{}", found.join("\n"));
}

#[test]
fn only_absolute_paths_count_as_a_machines() {
    let (work, root) = (format!("/{}/", "work"), format!("/{}/", "root"));
    assert!(names_a_machine(&format!("cd {work}main")));
    assert!(names_a_machine(&format!("\"{root}.cargo\"")));
    assert!(!names_a_machine(&format!("https://shop.example{work}1 and crates{root}x")));
    assert!(!names_a_machine("the work/life balance"));
}

/// What others run of ours was made from what stands here, by nobody else's code that could change overnight.
#[test]
fn security_25_releases_are_built_twice_and_take_nothing_that_may_change() {
    let mut loose = Vec::new();
    for (name, text) in committed_texts() {
        let workflow = name.starts_with(".github/workflows/") || name.starts_with(".gitlab-ci");
        for line in text.lines().map(str::trim) {
            let used = line.trim_start_matches("- ").strip_prefix("uses: ").filter(|_| workflow);
            let image = line.strip_prefix("FROM ").filter(|_| name.ends_with("Dockerfile"));
            let pinned = |it: &str| is_pinned(it.split(' ').next().unwrap_or_default());
            if used.is_some_and(|it| !pinned(it)) || image.is_some_and(|it| it != "scratch" && !pinned(it)) {
                loose.push(format!("{name}: {line}"));
            }
        }
    }
    assert!(loose.is_empty(), "pin by commit or digest:\n{}", loose.join("\n"));

    let package: Value = serde_json::from_str(&read("packages/next/package.json")).expect("JSON");
    assert!(text(&package, "/name").starts_with('@'), "a scoped name, which nobody else can take");
    assert!(package.get("dependencies").is_none(), "no dependency");
    for script in ["preinstall", "install", "postinstall", "prepare", "prepublish"] {
        assert!(
            package.pointer(&format!("/scripts/{script}")).is_none(),
            "nothing runs where it is installed: {script}"
        );
    }

    let release = read(".github/workflows/release.yml");
    for part in [
        "time: [first, second]",
        "cmp sums-first.txt sums-second.txt",
        "--locked",
        "scripts/sbom",
        "palisade-next.tgz",
        "permissions: {}",
    ] {
        assert!(release.contains(part), "the release does without `{part}`");
    }
    let deny = read("deny.toml");
    for part in ["unknown-registry = \"deny\"", "unknown-git = \"deny\"", "yanked = \"deny\""] {
        assert!(deny.contains(part), "deny.toml does without `{part}`");
    }
    let ci = read(".ci/run");
    assert!(
        ci.contains("check bans licenses sources") && ci.contains("check --disable-fetch advisories"),
        "CI asks cargo deny"
    );
}

/// Whether an action or an image is named by what it is, and not by a name that its owner may move.
fn is_pinned(name: &str) -> bool {
    let hex = |text: &str, len: usize| text.len() == len && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    name.starts_with("./")
        || name
            .split_once('@')
            .is_some_and(|(_, at)| hex(at, 40) || at.strip_prefix("sha256:").is_some_and(|sum| hex(sum, 64)))
}

#[test]
fn only_a_commit_or_a_digest_pins() {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    assert!(is_pinned(&format!("actions/checkout@{commit}")) && is_pinned("./.github/actions/own"));
    assert!(is_pinned(&format!("debian@sha256:{commit}{}", &commit[..24])));
    for moved in ["actions/checkout@v4", "actions/checkout", "debian:13", "debian@sha256:12"] {
        assert!(!is_pinned(moved), "{moved}");
    }
}

/// `cargo run -- demo`, the first command of the README, must know which of several binaries is meant.
#[test]
fn cargo_run_runs_the_program() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| String::from("cargo"));
    let metadata = run(&cargo, &["metadata", "--format-version", "1", "--locked", "--no-deps"]);
    let metadata: Value = serde_json::from_str(&metadata).expect("cargo metadata prints JSON");
    let run_by_default = items(&metadata, "/workspace_default_members");
    let packages = items(&metadata, "/packages").iter();
    let packages = packages.filter(|package| run_by_default.iter().any(|id| package.pointer("/id") == Some(id)));
    let targets = packages.flat_map(|package| items(package, "/targets"));
    let programs = targets.filter(|target| items(target, "/kind").iter().any(|kind| kind == "bin"));
    assert_eq!(programs.map(|program| text(program, "/name")).collect::<Vec<_>>(), ["palisade"]);
}

/// A file that no target names is never compiled, and its tests never run: a merge lost one once.
#[test]
fn every_test_file_is_a_test_of_the_binary() {
    let manifest = read("crates/palisade/Cargo.toml");
    let mut files: Vec<String> = fs::read_dir(root().join("tests"))
        .expect("tests/")
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".rs"))
        .collect();
    files.retain(|name| !manifest.contains(&format!("path = \"../../tests/{name}\"")));
    assert!(files.is_empty(), "no [[test]] in crates/palisade/Cargo.toml names {files:?}");
}

/// The bill of materials names what the lock file does, and nothing that only tests use.
#[test]
fn the_bill_of_materials_is_that_of_the_lock_file() {
    let bill: Value = serde_json::from_str(&run("bash", &["scripts/sbom", "x86_64-unknown-linux-gnu"])).expect("JSON");
    assert_eq!((text(&bill, "/bomFormat"), text(&bill, "/metadata/component/name")), ("CycloneDX", "palisade"));
    let lock = read("Cargo.lock");
    let components = items(&bill, "/components");
    for one in components {
        let sum = one.pointer("/hashes/0/content").and_then(Value::as_str).unwrap_or("none: it is ours");
        assert!(
            text(one, "/name").starts_with("palisade-") != lock.contains(&format!("checksum = \"{sum}\"")),
            "{one}"
        );
    }
    let named = |name: &str| components.iter().any(|one| text(one, "/name") == name);
    assert!(named("hyper") && named("rustls") && named("palisade-guard"));
    assert!(!named("palisade-testkit") && !named("insta") && !named("proptest"));
}

#[test]
fn lock_files_record_no_download_addresses() {
    for (name, text) in committed_texts() {
        let allowed: fn(&str) -> bool = match name.rsplit('/').next() {
            Some("Cargo.lock") => |line| !line.starts_with("source = ") || line == REGISTRY,
            Some("package-lock.json") => |line| !line.trim_start().starts_with("\"resolved\": \"http"),
            _ => continue,
        };
        let other = text.lines().find(|line| !allowed(line));
        assert_eq!(other, None, "{name} names a place of its own to download from");
    }
}

// === impl Graph ===

impl Graph {
    fn add(&mut self, id: &str, label: &str, needs: &[&str]) {
        let needs = needs.iter().map(ToString::to_string).collect();
        self.packages.insert(String::from(id), Package { label: String::from(label), needs });
    }

    /// Every forbidden arrow that exists, as the shortest way from its crate, with the reason it is forbidden.
    fn broken_by(&self, arrows: &[Arrow]) -> Vec<String> {
        let mut broken = Vec::new();
        for arrow in arrows {
            for id in self.packages.iter().filter(|(_, package)| arrow.from.holds(package)).map(|(id, _)| id) {
                let ways = self.ways_from(id).into_iter().filter(|way| way.last().is_some_and(|to| arrow.reaches(to)));
                broken.extend(ways.map(|way| format!("  {} ({})", way.join(" -> "), arrow.because)));
            }
        }
        broken
    }

    /// The labels on the shortest way to each package that `start` needs, in the order of their length.
    fn ways_from(&self, start: &str) -> Vec<Vec<&str>> {
        let mut ways = BTreeMap::from([(start, vec![self.label(start)])]);
        let mut queue = VecDeque::from([start]);
        let mut found = Vec::new();
        while let Some(at) = queue.pop_front() {
            let way = ways.get(at).cloned().unwrap_or_default();
            for next in self.packages.get(at).into_iter().flat_map(|package| &package.needs) {
                if ways.contains_key(next.as_str()) {
                    continue;
                }
                let longer: Vec<_> = way.iter().copied().chain([self.label(next)]).collect();
                found.push(longer.clone());
                ways.insert(next, longer);
                queue.push_back(next);
            }
        }
        found
    }

    fn label(&self, id: &str) -> &str {
        self.packages.get(id).map_or("?", |package| package.label.as_str())
    }
}

// === impl Arrow ===

impl Arrow {
    fn reaches(&self, label: &str) -> bool {
        self.to.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => label.starts_with(start),
            None => label == *pattern,
        })
    }
}

// === impl Who ===

impl Who {
    fn holds(&self, package: &Package) -> bool {
        let Some(folder) = package.label.strip_prefix("crates/") else { return false };
        match self {
            Who::Folders(folders) => folders.contains(&folder),
            Who::AllBut(exempt) => folder != *exempt,
        }
    }
}

/// The graph as cargo resolves it for this platform: crates for others are not even downloaded.
fn house() -> Graph {
    let platform = run("rustc", &["-vV"]);
    let host = platform.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| String::from("cargo"));
    let metadata = run(&cargo, &["metadata", "--format-version", "1", "--locked", "--filter-platform", host]);
    let metadata: Value = serde_json::from_str(&metadata).expect("cargo metadata prints JSON");
    let mut graph = Graph::default();
    for node in items(&metadata, "/resolve/nodes") {
        let needs: Vec<_> =
            items(node, "/deps").iter().filter(|need| is_normal(need)).map(|need| text(need, "/pkg")).collect();
        graph.add(text(node, "/id"), "?", &needs);
    }
    for package in items(&metadata, "/packages") {
        if let Some(known) = graph.packages.get_mut(text(package, "/id")) {
            known.label = label(package);
        }
    }
    graph
}

/// Whether the dependency is one of the product, not only of tests or build scripts.
fn is_normal(need: &Value) -> bool {
    items(need, "/dep_kinds").iter().any(|kind| kind.pointer("/kind").is_some_and(Value::is_null))
}

fn label(package: &Value) -> String {
    let manifest = Path::new(text(package, "/manifest_path"));
    let ours = manifest.strip_prefix(root().join("crates")).ok().and_then(Path::parent).map(Path::display);
    ours.map_or_else(|| String::from(text(package, "/name")), |folder| format!("crates/{folder}"))
}

fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("cargo metadata has no {pointer}"))
}

/// Whether a directory that only one machine has stands in the line as an absolute path.
fn names_a_machine(line: &str) -> bool {
    ["work", "root"].into_iter().any(|folder| {
        let path = format!("/{folder}/");
        line.match_indices(&path).any(|(at, _)| {
            let before = line.get(..at).and_then(|start| start.chars().next_back());
            before.is_none_or(|c| !c.is_alphanumeric() && !"_-./})>*$".contains(c))
        })
    })
}

/// Name and text of every file that is committed or about to be; nothing where the source came without its history.
fn committed_texts() -> Vec<(String, String)> {
    if !root().join(".git").exists() {
        return Vec::new();
    }
    let names = run("git", &["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let names = names.split('\0').filter(|name| !name.is_empty());
    let texts = names.filter_map(|name| Some((String::from(name), fs::read_to_string(root().join(name)).ok()?)));
    texts.filter(|(_, text)| !text.contains('\0')).collect()
}

fn crate_folders() -> Vec<String> {
    let entries = fs::read_dir(root().join("crates")).expect("crates/ is there");
    let paths = entries.map(|entry| entry.expect("crates/ can be read").path());
    let crates = paths.filter(|path| path.join("Cargo.toml").exists());
    let mut folders: Vec<_> = crates.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect();
    folders.sort();
    folders
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("the crate lies two folders deep").to_owned()
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(root()).output();
    let output = output.unwrap_or_else(|error| panic!("{program} does not start: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("the output is text")
}
