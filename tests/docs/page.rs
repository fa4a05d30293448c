//! A page of the documentation: its blocks, and the script that they make.
//!
//! | in the page | what becomes of it |
//! |---|---|
//! | ```` ```sh ```` | run, all blocks of a page in one shell and one folder |
//! | ```` ```LANGUAGE file=NAME ```` | written there before anything is run |
//! | ```` ```toml ```` | a piece of a policy: `palisade policy check` takes it |
//! | ```` ```LANGUAGE norun: reason ```` | shown alone |
//! | `<!-- sh`, `<!-- toml file=NAME` until `-->` | the same, and readers do not see it: what the page takes for granted |
//! | `` `palisade ...` `` in a sentence | its options exist: it is asked for `--help` |
//!
//! A reader looks at a server in one terminal and types in another: a line that begins with `palisade serve` or `palisade
//! demo` runs beside the next ones, once it listens, until another such line or the page's end. `palisade watch` is given
//! `--once`. Exit code 1 means findings, which a page may show; anything else but 0 fails.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A fenced block.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) line: usize,
    pub(crate) info: String,
    pub(crate) text: String,
    pub(crate) hidden: bool,
}

/// What is to be done with a page.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// Written before anything is run: name and text.
    pub(crate) files: Vec<(String, String)>,
    /// The shell's lines.
    pub(crate) text: String,
    /// Command lines that are run and seen by readers.
    pub(crate) run: usize,
    /// Those that are not run, for a reason.
    pub(crate) norun: usize,
    /// Pieces of policies.
    pub(crate) pieces: usize,
    served: usize,
}

/// Languages that show something and do nothing.
const SHOWN: [&str; 8] = ["text", "json", "rust", "ts", "tsx", "yaml", "html", "js"];
/// Languages of blocks that readers do not see.
const HIDDEN: [&str; 4] = ["sh", "toml", "json", "text"];

// === impl Block ===

impl Block {
    /// The blocks of a page, those that readers do not see among them.
    pub(crate) fn all(page: &str) -> Vec<Block> {
        let mut found: Vec<Block> = Vec::new();
        let mut end = None;
        for (number, line) in page.lines().enumerate() {
            match end {
                Some(mark) if line.trim() == mark => end = None,
                Some(_) => {
                    let block = found.last_mut().expect("an open block");
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                None => {
                    let Some((info, mark)) = opens(line) else { continue };
                    end = Some(mark);
                    let hidden = mark == "-->";
                    found.push(Block { line: number + 2, info: info.to_owned(), text: String::new(), hidden });
                }
            }
        }
        assert!(end.is_none(), "a block is not closed");
        found
    }
}

fn opens(line: &str) -> Option<(&str, &'static str)> {
    if let Some(info) = line.trim_start().strip_prefix("```") {
        return Some((info.trim(), "```"));
    }
    let info = line.strip_prefix("<!-- ").filter(|info| !info.contains("-->"))?.trim();
    HIDDEN.contains(&info.split(' ').next()?).then_some((info, "-->"))
}

// === impl Script ===

impl Script {
    /// What a page asks for; `hidden_only` leaves out what readers see.
    pub(crate) fn of(page: &str, places: &BTreeMap<&str, String>, hidden_only: bool) -> Script {
        let mut script = Script::default();
        for block in Block::all(page) {
            if hidden_only && !block.hidden {
                continue;
            }
            let placed = Block { text: place(&block.text, places), ..block };
            script.add(&placed);
        }
        script
    }

    fn add(&mut self, block: &Block) {
        let Block { line, info, text, hidden } = block;
        let (language, rest) = info.split_once(' ').unwrap_or((info, ""));
        let lines = commands(text).count();
        if let Some(name) = rest.strip_prefix("file=") {
            self.files.push((name.to_owned(), text.clone()));
        } else if let Some(reason) = rest.strip_prefix("norun:") {
            assert!(reason.trim().len() > 10, "line {line}: `norun` wants a reason");
            self.norun += if language == "sh" { lines } else { 0 };
        } else if language == "sh" {
            self.run += if *hidden { 0 } else { lines };
            self.text.push_str(&format!("echo '--- line {line}' >&2\n"));
            for one in text.lines() {
                self.command(one);
            }
        } else if language == "toml" {
            self.piece(*line, text);
        } else {
            assert!(SHOWN.contains(&language), "line {line}: `{info}` is neither run, nor written, nor says why not");
        }
    }

    /// Adds a line of a shell.
    pub(crate) fn command(&mut self, line: &str) {
        let bare = line.split("  #").next().unwrap_or(line).trim_end();
        let serves = bare.starts_with("palisade serve") || bare.starts_with("palisade demo");
        if serves && !bare.ends_with('&') && !bare.contains(" --check") {
            self.served += 1;
            self.text.push_str(&format!("served {} {bare}\n", self.served));
        } else if bare.starts_with("palisade watch") && !bare.contains(" --once") {
            self.text.push_str(&format!("{bare} --once\n"));
        } else {
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    /// Has a piece of a policy checked, with an `[app]` where it has none.
    fn piece(&mut self, line: usize, text: &str) {
        self.pieces += 1;
        let app = if text.contains("[app]") { "" } else { "[app]\npublic_origin = \"https://shop.example\"\n\n" };
        let name = format!("piece-{line}.toml");
        self.text.push_str(&format!("echo '--- line {line}' >&2\npalisade policy check --policy {name} >&2\n"));
        self.files.push((name, format!("{app}{text}")));
    }
}

/// The lines that are commands, and no comments.
fn commands(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
}

pub(crate) fn place(text: &str, places: &BTreeMap<&str, String>) -> String {
    places.iter().fold(text.to_owned(), |text, (example, here)| text.replace(example, here))
}

/// The commands of ours that stand in sentences and tables, cut where a pipe or a redirection begins.
pub(crate) fn inline(page: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut end = None;
    for (number, line) in page.lines().enumerate() {
        match end {
            Some(mark) if line.trim() == mark => end = None,
            Some(_) => {}
            None => match opens(line) {
                Some((_, mark)) => end = Some(mark),
                None => {
                    let spans = line.split('`').skip(1).step_by(2).filter(|code| code.starts_with("palisade "));
                    found.extend(spans.map(|code| {
                        let command = code.split([';', '|', '>', '&']).next().unwrap_or(code);
                        (number + 1, command.trim().replace("\\", ""))
                    }));
                }
            },
        }
    }
    found
}

/// Every page that tells people what to type, from the repository's root.
pub(crate) fn pages(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![root.join("README.md"), root.join("CONTRIBUTING.md"), root.join("packages/next/README.md")];
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("folder").map(|entry| entry.expect("entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "md") {
                found.push(entry);
            }
        }
    }
    let examples = std::fs::read_dir(root.join("examples")).expect("examples");
    found.extend(examples.map(|entry| entry.expect("entry").path().join("README.md")).filter(|page| page.exists()));
    found.sort();
    found
}
