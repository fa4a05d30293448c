//! The Observatory's reading of content security policies: several are merged into one, then one result is chosen.
//!
//! It is coarse, and strange where policies are merged; `crate::csp` looks deeper. Here its results are kept as they are.

use std::collections::{BTreeMap, BTreeSet};

use super::html::tags;
use super::outcome::{
    CSP_DUPLICATE, CSP_EVAL, CSP_INLINE, CSP_INSECURE, CSP_INVALID, CSP_MISSING, CSP_NONE, CSP_PASSIVE, CSP_REPORTING,
    CSP_SAFE, CSP_STYLE, Outcome,
};
use super::site::Page;

/// Directives with their sources, as the Observatory merges them.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    directives: BTreeMap<String, BTreeSet<String>>,
    duplicates: bool,
}

/// The result, and what was merged; `None` where the policy could not be read or is not there.
pub(crate) struct Judged {
    pub(crate) outcome: &'static Outcome,
    pub(crate) merged: Option<Merged>,
}

/// The policies of a page: those of the header and those of its meta elements, each split at commas (RFC 9110, 5.3).
pub(crate) fn policies(page: &Page) -> (Vec<String>, Vec<String>) {
    let split = |value: &str| value.split(',').map(|one| one.trim().to_owned()).collect::<Vec<_>>();
    let header = page.all("content-security-policy").flat_map(split).collect();
    (header, equivalents(page).iter().flat_map(|value| split(value)).collect())
}

pub(crate) fn judge(page: &Page) -> Judged {
    let alone = |outcome| Judged { outcome, merged: None };
    let (header, meta) = policies(page);
    let both: Vec<_> = header.iter().chain(&meta).cloned().collect();
    let Some(merged) = Merged::of(&both) else { return alone(&CSP_INVALID) };
    let in_header = Merged::of(&header).unwrap_or_default().directives.len();
    if in_header + in_meta(&meta) == 0 {
        let reports = page.first("content-security-policy-report-only").is_some_and(|value| !value.is_empty());
        return alone(if reports { &CSP_REPORTING } else { &CSP_MISSING });
    }
    let (outcome, merged) = choose(merged, page.place.https);
    Judged { outcome, merged: Some(merged) }
}

/// Policies in meta elements of an HTML page.
fn equivalents(page: &Page) -> Vec<String> {
    let typed = page.first("content-type").is_some_and(|value| !value.is_empty());
    if !typed || !page.is_html() {
        return Vec::new();
    }
    let wanted = |name: &str| name.trim().eq_ignore_ascii_case("content-security-policy");
    let metas =
        tags(&page.body).into_iter().filter(|tag| tag.name == "meta" && tag.get("http-equiv").is_some_and(wanted));
    metas.filter_map(|tag| tag.get("content").filter(|content| !content.is_empty()).map(str::to_owned)).collect()
}

/// How many directives of meta elements count there.
fn in_meta(policies: &[String]) -> usize {
    let merged = Merged::of(policies).unwrap_or_default();
    merged
        .directives
        .keys()
        .filter(|name| !matches!(name.as_str(), "frame-ancestors" | "report-uri" | "sandbox"))
        .count()
}

// === impl Merged ===

#[derive(Debug, Clone)]
struct Source {
    text: String,
    policy: usize,
    keep: bool,
}

impl Merged {
    /// Whether it has a directive.
    pub(crate) fn has(&self, directive: &str) -> bool {
        self.directives.contains_key(directive)
    }

    /// Merges policies: a source counts where all have it. `None` where one is too short or repeats a directive.
    fn of(policies: &[String]) -> Option<Merged> {
        let clean: Vec<_> = policies.iter().map(|policy| policy.replace(['\r', '\n'], "").trim().to_owned()).collect();
        if clean.iter().any(|policy| policy.len() < SHORTEST) {
            return None;
        }
        let mut csp = BTreeMap::<String, Vec<Source>>::new();
        let mut duplicates = false;
        for (index, policy) in clean.iter().enumerate() {
            let mut seen = BTreeSet::new();
            for mut words in policy.split(';').map(str::split_whitespace) {
                let Some(name) = words.next().map(str::to_ascii_lowercase) else { continue };
                if !seen.insert(name.clone()) {
                    if !matches!(name.as_str(), "report-uri" | "report-to") {
                        return None;
                    }
                    duplicates = true;
                }
                merge(&mut csp, name, words, index, clean.len());
            }
        }
        let flat = |sources: Vec<Source>| match sources.is_empty() {
            true => BTreeSet::from(["'none'".to_owned()]),
            false => sources.into_iter().map(|source| source.text).collect(),
        };
        Some(Merged { directives: csp.into_iter().map(|(name, sources)| (name, flat(sources))).collect(), duplicates })
    }

    fn first_of(&self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().copied().find(|name| self.has(name))
    }

    fn sources(&self, directive: Option<&str>) -> Vec<String> {
        match directive.and_then(|name| self.directives.get(name)) {
            Some(sources) => sources.iter().cloned().collect(),
            None => vec!["*".to_owned()],
        }
    }

    fn retain(&mut self, directive: Option<&str>, keep: impl Fn(&str) -> bool) {
        if let Some(sources) = directive.and_then(|name| self.directives.get_mut(name)) {
            sources.retain(|source| keep(source));
        }
    }
}

fn merge<'a>(
    csp: &mut BTreeMap<String, Vec<Source>>,
    name: String,
    words: impl Iterator<Item = &'a str>,
    index: usize,
    policies: usize,
) {
    let keep = index == 0;
    let mut all: Vec<_> = words.map(|word| Source { text: word.to_lowercase(), policy: index, keep }).collect();
    if all.is_empty() && name.ends_with("-src") {
        all.push(Source { text: "'none'".to_owned(), policy: index, keep });
    }
    if index > 0 {
        all.splice(0..0, csp.get(&name).cloned().unwrap_or_default());
    }
    all.sort_by(|a, b| a.text.cmp(&b.text));
    for at in 1..all.len() {
        let Some([before, source]) = all.get_mut(at - 1..=at) else { continue };
        // What is longer says nothing new beside what it begins with.
        if source.policy == before.policy && source.text.starts_with(&before.text) {
            source.keep = false;
        }
        if source.policy != before.policy && paths_match(&before.text, &source.text) {
            source.keep = true;
        }
    }
    all.retain(|source| source.keep);
    if index == 0 && policies > 1 {
        all.iter_mut().for_each(|source| source.keep = false);
    }
    csp.insert(name, all);
}

/// CSP's path-part match, without its decoding.
fn paths_match(a: &str, b: &str) -> bool {
    if a.is_empty() || a == "/" && b.is_empty() {
        return true;
    }
    match a.strip_suffix('/') {
        Some(folder) => b.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')),
        None => a == b,
    }
}

fn choose(mut csp: Merged, https: bool) -> (&'static Outcome, Merged) {
    let script = csp.first_of(&["script-src", "default-src"]);
    let style = csp.first_of(&["style-src", "default-src"]);
    for list in [script, style] {
        if csp.sources(list).iter().any(|source| proves(source)) {
            csp.retain(list, |source| source != "'unsafe-inline'");
        }
    }
    let scripts = csp.sources(script);
    let mut outcome = None;
    if scripts.iter().any(|source| source == "'strict-dynamic'") {
        if scripts.iter().any(|source| proves(source)) {
            let broad = |source: &str| BROAD.iter().any(|broad| source.starts_with(broad));
            csp.retain(script, |source| !broad(source) && source != "'self'" && source != "'unsafe-inline'");
        } else {
            outcome = Some(&CSP_INVALID);
        }
    }
    let outcome = outcome.unwrap_or_else(|| result(&csp, script, style, https));
    let reported = [&CSP_SAFE, &CSP_NONE, &CSP_STYLE, &CSP_PASSIVE].contains(&outcome) && csp.duplicates;
    (if reported { &CSP_DUPLICATE } else { outcome }, csp)
}

fn result(csp: &Merged, script: Option<&str>, style: Option<&str>, https: bool) -> &'static Outcome {
    let (scripts, styles) = (csp.sources(script), csp.sources(style));
    let objects = csp.sources(csp.first_of(&["object-src", "default-src"]));
    let broad = |source: &String| BROAD.contains(&source.as_str());
    let inline = |source: &String| broad(source) || matches!(source.as_str(), "'unsafe-inline'" | "data:");
    let plain = |source: &String| https && (source.starts_with("http:") || source.starts_with("ftp:"));
    let passive = ["img-src", "media-src"];
    let active = csp.directives.iter().filter(|(name, _)| !passive.contains(&name.as_str()) && *name != "script-src");
    let mut active = active.flat_map(|(_, sources)| sources).chain(&scripts);
    let shown = |name| csp.directives.get(name).or_else(|| csp.directives.get("default-src"));
    let evil = "'unsafe-eval'";
    if scripts.iter().any(inline) || objects.iter().any(broad) {
        &CSP_INLINE
    } else if active.any(plain) {
        &CSP_INSECURE
    } else if scripts.iter().chain(&styles).any(|source| source == evil) {
        &CSP_EVAL
    } else if passive.into_iter().filter_map(shown).flatten().any(plain) {
        &CSP_PASSIVE
    } else if styles.iter().any(inline) {
        &CSP_STYLE
    } else if csp.directives.get("default-src").is_some_and(|only| only.iter().eq(["'none'"])) {
        &CSP_NONE
    } else {
        &CSP_SAFE
    }
}

/// Whether it is a nonce or a hash.
fn proves(source: &str) -> bool {
    ["'sha256-", "'sha384-", "'sha512-", "'nonce-"].iter().any(|start| source.starts_with(start))
}

/// What may come from nearly everywhere.
const BROAD: [&str; 8] = ["ftp:", "http:", "https:", "*", "http://*", "http://*.*", "https://*", "https://*.*"];

/// Shorter is no policy.
const SHORTEST: usize = 6;
