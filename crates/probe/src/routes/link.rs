//! From file to file: which module a specifier names, what an exported name is in the end, and what all of it shows.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use palisade_check::facts::routes::{Shown, Unread};

use super::module::{Import, Module, Signs, Value};
use super::parse;
use super::signs::note;
use super::words::Names;
use crate::root::Root;

/// How many steps a name is followed: imports, re-exports, wrappers.
const STEPS: u32 = 10;

/// How many functions deep a body's own calls are followed.
const CALLS: u32 = 2;

/// Endings that a specifier may leave out.
const ENDINGS: [&str; 8] = ["ts", "tsx", "js", "jsx", "mts", "mjs", "cts", "cjs"];

/// The source files of a project, read when asked for, each once.
pub(super) struct Sources<'r> {
    root: &'r Root,
    names: &'r Names,
    /// Every source file, from the root, with `/`.
    pub(super) files: BTreeSet<String>,
    aliases: Vec<Alias>,
    /// Packages of this repository: name -> folder.
    packages: BTreeMap<String, String>,
    cache: RefCell<BTreeMap<String, Option<Rc<Module>>>>,
    unread: RefCell<BTreeSet<Unread>>,
}

/// `"@/*": ["./src/*"]` of a tsconfig, for the files beneath it.
#[derive(Debug)]
struct Alias {
    folder: String,
    prefix: String,
    targets: Vec<String>,
    star: bool,
}

/// What a name is, and in which file its own names have a meaning.
pub(super) type Placed = (String, Value);

// === impl Sources ===

impl<'r> Sources<'r> {
    pub(super) fn new(
        root: &'r Root,
        names: &'r Names,
        files: BTreeSet<String>,
        packages: BTreeMap<String, String>,
    ) -> Sources<'r> {
        let cache = RefCell::default();
        let unread = RefCell::default();
        let mut sources = Sources { root, names, files, aliases: Vec::new(), packages, cache, unread };
        sources.aliases = sources.configured();
        sources
    }

    /// How many files were parsed.
    pub(super) fn parsed(&self) -> u64 {
        self.cache.borrow().values().filter(|module| module.is_some()).count() as u64
    }

    pub(super) fn unread(&self) -> Vec<Unread> {
        self.unread.borrow().iter().cloned().collect()
    }

    pub(super) fn text(&self, file: &str) -> Option<String> {
        match self.root.text(file, parse::LARGEST) {
            Ok(text) => Some(text),
            Err(why) => {
                self.left_out(file, &why.to_string());
                None
            }
        }
    }

    /// A file whose routes are not known.
    pub(super) fn left_out(&self, file: &str, why: &str) {
        self.unread.borrow_mut().insert(Unread { file: file.to_owned(), why: why.to_owned() });
    }

    /// A file in short; `None` where it cannot be read, which is remembered and told.
    pub(super) fn module(&self, file: &str) -> Option<Rc<Module>> {
        if let Some(known) = self.cache.borrow().get(file) {
            return known.clone();
        }
        let module = self.text(file).and_then(|text| match parse::module(file, &text, self.names) {
            Ok(module) => Some(Rc::new(module)),
            Err(why) => {
                self.left_out(file, &why);
                None
            }
        });
        self.cache.borrow_mut().insert(file.to_owned(), module.clone());
        module
    }

    /// Paths of every tsconfig; they are JSON with comments, which is JavaScript.
    fn configured(&self) -> Vec<Alias> {
        let mut folders: BTreeSet<&str> = self.packages.values().map(String::as_str).collect();
        folders.insert("");
        let mut aliases = Vec::new();
        for folder in folders {
            for name in ["tsconfig.json", "jsconfig.json"] {
                let Ok(text) = self.root.text(&joined(folder, name), parse::LARGEST) else { continue };
                let Ok(module) = parse::module("tsconfig.ts", &format!("export default {text}"), self.names) else {
                    continue;
                };
                let Some(Value::Object(all)) = module.exports.get("default").map(|export| export.value.clone()) else {
                    continue;
                };
                let Some(options) = property(&all, "compilerOptions") else { continue };
                let base = match property_of(options, "baseUrl") {
                    Some(Value::Text(base)) => base.clone(),
                    _ => ".".to_owned(),
                };
                if let Some(Value::Object(paths)) = property_of(options, "paths") {
                    aliases
                        .extend(paths.iter().filter_map(|(pattern, targets)| alias(folder, &base, pattern, targets)));
                }
            }
        }
        // The tsconfig nearest to a file counts, and of its patterns the longest.
        aliases.sort_by_key(|alias: &Alias| {
            (std::cmp::Reverse(alias.folder.len()), std::cmp::Reverse(alias.prefix.len()))
        });
        aliases
    }

    /// The file that a specifier names.
    pub(super) fn resolve(&self, from: &str, specifier: &str) -> Option<String> {
        if specifier.starts_with('.') {
            let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
            return self.existing(&normal(&joined(folder, specifier))?);
        }
        for alias in self
            .aliases
            .iter()
            .filter(|alias| alias.folder.is_empty() || from.starts_with(&format!("{}/", alias.folder)))
        {
            let Some(rest) = specifier.strip_prefix(alias.prefix.as_str()).filter(|rest| alias.star || rest.is_empty())
            else {
                continue;
            };
            let found = alias.targets.iter().find_map(|target| self.existing(&normal(&format!("{target}{rest}"))?));
            if found.is_some() {
                return found;
            }
        }
        let (name, folder) = self
            .packages
            .iter()
            .filter(|(name, _)| {
                specifier.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
            .max_by_key(|(name, _)| name.len())?;
        let rest = specifier.strip_prefix(name.as_str()).unwrap_or_default().trim_start_matches('/');
        let places = [joined(folder, rest), joined(&joined(folder, "src"), rest), joined(&joined(folder, "lib"), rest)];
        places.iter().find_map(|place| self.existing(&normal(place)?))
    }

    /// The path itself, with an ending, or the index of the folder.
    fn existing(&self, path: &str) -> Option<String> {
        if self.files.contains(path) {
            return Some(path.to_owned());
        }
        let stem = path.strip_suffix(".js").or_else(|| path.strip_suffix(".mjs")).or_else(|| path.strip_suffix(".jsx"));
        let stems = [Some(path.to_owned()), stem.map(str::to_owned), Some(joined(path, "index"))];
        stems.into_iter().flatten().find_map(|stem| {
            ENDINGS.iter().map(|ending| format!("{stem}.{ending}")).find(|name| self.files.contains(name))
        })
    }

    /// Everything that a file exports by value: name -> (line in this file, what it is). Stars are followed.
    pub(super) fn exports(&self, file: &str) -> BTreeMap<String, (u32, Placed)> {
        let mut all = BTreeMap::new();
        self.add_exports(file, 0, &mut all);
        all
    }

    fn add_exports(&self, file: &str, steps: u32, all: &mut BTreeMap<String, (u32, Placed)>) {
        let Some(module) = self.module(file) else { return };
        for (name, export) in &module.exports {
            if steps == 0 || name != "default" {
                all.entry(name.clone()).or_insert_with(|| {
                    (if steps == 0 { export.line } else { 1 }, (file.to_owned(), export.value.clone()))
                });
            }
        }
        for source in module.stars.iter().filter(|_| steps < STEPS) {
            match self.resolve(file, source) {
                Some(next) => self.add_exports(&next, steps + 1, all),
                None => self.left_out(file, "it re-exports all of a package, whose routes are not known"),
            }
        }
    }

    /// What an import is, in the file that declares it.
    fn imported(&self, from: &str, import: &Import, steps: u32) -> Option<Placed> {
        let file = self.resolve(from, &import.source)?;
        let Some(name) = &import.name else {
            let module = self.module(&file)?;
            let all = module.exports.iter().map(|(name, export)| (name.clone(), export.value.clone()));
            return Some((file, Value::Object(all.collect())));
        };
        let exports = self.exports(&file);
        let (_, (at, value)) = exports.get(name)?.clone();
        self.settled(&at, &value, steps + 1)
    }

    /// A value without names: what stands behind them. Calls and functions stay as they are.
    pub(super) fn settled(&self, file: &str, value: &Value, steps: u32) -> Option<Placed> {
        if steps > STEPS {
            return None;
        }
        match value {
            Value::Name(name) => {
                let module = self.module(file)?;
                match (module.locals.get(name), module.imports.get(name)) {
                    (Some(local), _) => self.settled(file, &local.clone(), steps + 1),
                    (None, Some(import)) => self.imported(file, &import.clone(), steps + 1),
                    (None, None) => None,
                }
            }
            Value::Elsewhere(import) => self.imported(file, import, steps + 1),
            Value::Member(inner, name) => match self.settled(file, inner, steps + 1)? {
                (at, Value::Object(properties)) => {
                    let found = property(&properties, name)?.clone();
                    self.settled(&at, &found, steps + 1)
                }
                (at, Value::List(items)) => {
                    let found = items.get(name.parse::<usize>().ok()?)?.clone();
                    self.settled(&at, &found, steps + 1)
                }
                // `const { POST } = serve(...)`: what made it says what it is.
                (at, call @ Value::Call { .. }) => Some((at, call)),
                _ => None,
            },
            other => Some((file.to_owned(), other.clone())),
        }
    }

    /// Everything that a handler shows: its wrappers, the outermost first, its body, and the functions that it calls.
    pub(super) fn shown(&self, file: &str, value: &Value) -> Shown {
        let mut shown = Shown::default();
        self.show(file, value, 0, &mut shown);
        shown.unresolved.sort();
        shown.unresolved.dedup();
        shown
    }

    fn show(&self, file: &str, value: &Value, steps: u32, shown: &mut Shown) {
        if steps > STEPS {
            return;
        }
        let Some((file, value)) = self.settled(file, value, steps) else {
            if let Value::Name(name) | Value::Elsewhere(Import { name: Some(name), .. }) = value {
                shown.unresolved.push(name.clone());
            }
            return;
        };
        match &value {
            Value::Function(signs) => self.body(&file, signs, CALLS, shown),
            Value::Call { callee, arguments } => {
                self.wrapper(&file, callee, shown);
                for argument in arguments.iter().filter(|argument| self.handles(&file, argument, steps + 1)) {
                    self.show(&file, argument, steps + 1, shown);
                }
            }
            Value::Object(properties) => {
                for (_, inner) in properties.iter().filter(|(_, inner)| self.handles(&file, inner, steps + 1)) {
                    self.show(&file, inner, steps + 1, shown);
                }
            }
            _ => {}
        }
    }

    /// Whether a function is in it somewhere: options and schemas are no handlers.
    fn handles(&self, file: &str, value: &Value, steps: u32) -> bool {
        if steps > STEPS {
            return false;
        }
        match value {
            Value::Function(_) => true,
            Value::Call { callee, arguments } => {
                let schema = callee
                    .split('.')
                    .next()
                    .is_some_and(|first| matches!(first, "z" | "v" | "yup" | "Joi" | "t" | "S"));
                !schema && arguments.iter().any(|argument| self.handles(file, argument, steps + 1))
            }
            Value::Object(properties) => properties.iter().any(|(_, inner)| self.handles(file, inner, steps + 1)),
            Value::List(items) => items.iter().any(|inner| self.handles(file, inner, steps + 1)),
            Value::Name(_) | Value::Member(..) | Value::Elsewhere(_) => match self.settled(file, value, steps + 1) {
                Some((at, settled)) if settled != *value => self.handles(&at, &settled, steps + 1),
                _ => false,
            },
            Value::Text(_) | Value::Opaque => false,
        }
    }

    /// A wrapper: by its name, and by its own body, one hop away.
    fn wrapper(&self, file: &str, callee: &str, shown: &mut Shown) {
        if callee.is_empty() {
            return;
        }
        shown.wrappers.push(callee.to_owned());
        let purposes = self.names.purposes(callee);
        for purpose in &purposes {
            note(shown, *purpose, callee);
        }
        match self.function(file, callee) {
            Some((at, signs)) => self.body(&at, &signs, 1, shown),
            None if purposes.is_empty() => shown.unresolved.push(callee.to_owned()),
            None => {}
        }
    }

    /// The function of that dotted name.
    fn function(&self, file: &str, path: &str) -> Option<(String, Signs)> {
        let mut parts = path.split('.');
        let first = Value::Name(parts.next()?.to_owned());
        let value = parts.fold(first, |value, part| Value::Member(Box::new(value), part.to_owned()));
        match self.settled(file, &value, 0)? {
            (at, Value::Function(signs)) => Some((at, *signs)),
            _ => None,
        }
    }

    fn body(&self, file: &str, signs: &Signs, calls: u32, shown: &mut Shown) {
        merge(shown, &signs.shown);
        for name in signs.calls.iter().filter(|_| calls > 0) {
            // What a name says of itself was noted where it was called; here, what its body says.
            if let Some((at, inner)) = self.function(file, name) {
                self.body(&at, &inner, calls - 1, shown);
            }
        }
    }
}

/// Adds what is not known yet.
fn merge(to: &mut Shown, from: &Shown) {
    let Shown {
        wrappers: _,
        rate_limit,
        csrf,
        identity,
        signature,
        weak_signature,
        shared_secret,
        input,
        validation,
        ownership,
        plan,
        raw_error,
        catches,
        writes,
        unresolved: _,
    } = from;
    let pairs = [
        (&mut to.rate_limit, rate_limit),
        (&mut to.csrf, csrf),
        (&mut to.identity, identity),
        (&mut to.signature, signature),
        (&mut to.weak_signature, weak_signature),
        (&mut to.shared_secret, shared_secret),
        (&mut to.input, input),
        (&mut to.validation, validation),
        (&mut to.ownership, ownership),
        (&mut to.plan, plan),
        (&mut to.raw_error, raw_error),
    ];
    for (to, from) in pairs {
        if to.is_none() {
            to.clone_from(from);
        }
    }
    to.catches |= catches;
    to.writes |= writes;
}

fn alias(folder: &str, base: &str, pattern: &str, targets: &Value) -> Option<Alias> {
    let Value::List(targets) = targets else { return None };
    let (prefix, star) = pattern.strip_suffix('*').map_or((pattern, false), |prefix| (prefix, true));
    let targets = targets.iter().filter_map(|target| match target {
        Value::Text(target) => Some(joined(&joined(folder, base), target.strip_suffix('*').unwrap_or(target))),
        _ => None,
    });
    Some(Alias { folder: folder.to_owned(), prefix: prefix.to_owned(), targets: targets.collect(), star })
}

/// The property of that name.
pub(super) fn property<'v>(properties: &'v [(String, Value)], name: &str) -> Option<&'v Value> {
    properties.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// The property of that name, if it is an object.
pub(super) fn property_of<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Object(properties) => property(properties, name),
        _ => None,
    }
}

/// Two paths, the second below the first.
pub(super) fn joined(folder: &str, path: &str) -> String {
    match (folder, path) {
        ("", path) => path.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, path) => format!("{folder}/{path}"),
    }
}

/// Without `.` and `..`; `None` where it leaves the root.
fn normal(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
