//! Which route a request means. The gate, `advise` and `explain` ask here and nowhere else.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::model::{Framework, Method, Methods, Route};
use crate::policy::{Found, Policy, RouteId};
use crate::template;
use crate::tree::Tree;

/// Routes by path and method, in exact and in folded spelling.
#[derive(Debug, Clone, Default)]
pub(crate) struct Matcher {
    exact: Tree,
    folded: Tree,
    entries: Vec<Entry>,
    /// A template itself has upper case or a trailing slash, so that a plain path may be its misspelling.
    odd_templates: bool,
}

/// One path template with its routes.
#[derive(Debug, Clone, Default)]
struct Entry {
    path: String,
    by_method: [Option<RouteId>; Method::ALL.len()],
    methods: Methods,
}

/// Why a route cannot stand beside the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// An earlier route has the same path and these of its methods.
    Duplicate(RouteId, Methods),
    /// An earlier route's path differs only by the names of its parameters.
    ParameterNames(String),
    /// An earlier route's path differs only by case or a trailing slash.
    Spelling(String),
    /// There are more paths than numbers for them.
    Full,
}

// === impl Matcher ===

impl Matcher {
    /// Adds a route. On a conflict the route answers nothing.
    pub(crate) fn insert(&mut self, id: RouteId, route: &Route) -> Result<(), Conflict> {
        let at = match self.entries.iter().position(|entry| entry.path == route.path) {
            Some(at) => at,
            None => self.insert_path(&route.path)?,
        };
        let Some(entry) = self.entries.get_mut(at) else { return Err(Conflict::Full) };
        entry.add(id, route.methods)
    }

    /// Adds a path without routes.
    fn insert_path(&mut self, path: &str) -> Result<usize, Conflict> {
        let at = self.entries.len();
        let value = u16::try_from(at).map_err(|_| Conflict::Full)?;
        let folded = template::fold(path);
        if let Some(first) = self.exact.same(path) {
            return Err(Conflict::ParameterNames(self.path(first)));
        }
        if let Some(first) = self.folded.same(&folded) {
            return Err(Conflict::Spelling(self.path(first)));
        }
        let inserted = self.exact.insert(path, value).and_then(|()| self.folded.insert(&folded, value));
        inserted.map_err(|first| Conflict::ParameterNames(self.path(first)))?;
        self.odd_templates |= template::has_odd_literals(path);
        self.entries.push(Entry { path: path.to_owned(), ..Entry::default() });
        Ok(at)
    }

    fn path(&self, at: u16) -> String {
        self.entries.get(usize::from(at)).map(|entry| entry.path.clone()).unwrap_or_default()
    }

    /// See [`Policy::find`].
    pub(crate) fn find<'p>(&self, policy: &'p Policy, method: Option<Method>, path: &str) -> Found<'p> {
        let page = page_path(policy.app.framework, path);
        let at = self.exact.find(&page);
        // Frameworks read page variants only; whatever else arrives there must not borrow the page's rules.
        let foreign = page != path && method.is_some_and(|method| !method.is_safe());
        if foreign && self.exact.find(path) != at {
            return Found::Method(Methods::READ);
        }
        if self.is_misspelled(at, &page) {
            return Found::Misspelled;
        }
        match at.and_then(|at| self.entries.get(usize::from(at))) {
            Some(entry) => entry.find(policy, method),
            None => undeclared(policy, method),
        }
    }

    /// See [`Policy::allowed`].
    pub(crate) fn allowed(&self, policy: &Policy, path: &str) -> Methods {
        match self.find(policy, None, path) {
            Found::Method(methods) => methods,
            Found::Route(_, route) => route.methods,
            Found::Misspelled | Found::Undeclared => Methods::NONE,
        }
    }

    /// Whether the folded path is that of a declared route other than the one it matches exactly.
    fn is_misspelled(&self, exact: Option<u16>, path: &str) -> bool {
        if !self.odd_templates && !template::has_other_spelling(path) {
            return false;
        }
        self.folded.find(&template::fold(path)).is_some_and(|found| Some(found) != exact)
    }
}

// === impl Entry ===

impl Entry {
    /// Gives the methods to a route, unless another route has one of them.
    fn add(&mut self, id: RouteId, methods: Methods) -> Result<(), Conflict> {
        let [get, head, ..] = self.by_method;
        let taken = explicit(self.methods, head == get).intersection(explicit(methods, methods.has(Method::Get)));
        if let Some(first) = taken.iter().find_map(|method| self.of(method)) {
            return Err(Conflict::Duplicate(first, taken));
        }
        // A HEAD of its own stays; the one that GET brings along gives way.
        let gives_way = head.is_some() && methods.has(Method::Get);
        for method in methods.iter().filter(|method| *method != Method::Head || !gives_way) {
            if let Some(slot) = self.by_method.get_mut(method as usize) {
                *slot = Some(id);
            }
        }
        self.methods = self.methods.union(methods);
        Ok(())
    }

    fn of(&self, method: Method) -> Option<RouteId> {
        self.by_method.get(method as usize).copied().flatten()
    }

    fn find<'p>(&self, policy: &'p Policy, method: Option<Method>) -> Found<'p> {
        let id = method.and_then(|method| self.of(method));
        match id.and_then(|id| Some((id, policy.route(id)?))) {
            Some((id, route)) => Found::Route(id, route),
            None => Found::Method(self.methods),
        }
    }
}

/// What holds for a path that no route names.
fn undeclared(policy: &Policy, method: Option<Method>) -> Found<'_> {
    let id = policy.undeclared_route();
    let route = match policy.route(id) {
        Some(route) if !policy.undeclared.deny => route,
        _ => return Found::Undeclared,
    };
    match method {
        Some(method) if route.methods.has(method) => Found::Route(id, route),
        _ => Found::Method(route.methods),
    }
}

/// The methods without the HEAD that GET implies.
fn explicit(methods: Methods, head_is_implied: bool) -> Methods {
    if head_is_implied { methods.without(Method::Head) } else { methods }
}

/// The page whose data, component payload or segment a path asks for; the path itself where it is none.
///
/// Next.js serves a page under more than one path: `/_next/data/BUILD/x.json`, `/x.rsc` and
/// `/x.segments/....segment.rsc` all mean `/x`; `index` stands for `/`. A page that really lies under `/index/...`
/// is asked for as `/index/index/...` (Next.js `denormalizePagePath`).
#[must_use]
pub fn page_path(framework: Option<Framework>, path: &str) -> Cow<'_, str> {
    let Some(Framework::NextJs) = framework else { return Cow::Borrowed(path) };
    Cow::Borrowed(next_page(path).map_or(path, denormalized))
}

/// The page of a variant's path, as Next.js writes it.
fn next_page(path: &str) -> Option<&str> {
    if let Some(rest) = path.strip_prefix("/_next/data/") {
        // The first segment is the build; what follows it starts with `/`.
        let page = rest.get(rest.find('/')?..)?.strip_suffix(".json")?;
        return (page.len() > 1).then_some(page);
    }
    if path.starts_with("/_next/") {
        return None;
    }
    let page = path.strip_suffix(".rsc")?;
    let page = match page.strip_suffix(".segment") {
        Some(segment) => segment.rfind(".segments/").and_then(|at| segment.get(..at)).unwrap_or(page),
        None => page,
    };
    (page.len() > 1).then_some(page)
}

/// `/index` is `/`, `/index/x` is `/x`.
fn denormalized(page: &str) -> &str {
    match page.strip_prefix("/index") {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => page,
    }
}
