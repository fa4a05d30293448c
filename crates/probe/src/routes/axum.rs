//! axum: routers with literal paths, nested and merged, within one crate.
//!
//! A router that is built in a loop, by a macro, or from a path in a variable is not seen, and is told as such.

use std::collections::{BTreeMap, BTreeSet};

use palisade_check::facts::routes::{Endpoint, Shown, Surface};
use syn::{Block, Expr, ExprMethodCall, Item, Lit, Pat, Stmt};

use super::link::Sources;

const METHODS: [&str; 8] = ["get", "post", "put", "delete", "patch", "head", "options", "trace"];

/// How deep routers are followed into each other.
const DEPTH: u32 = 12;

/// The most routes of one project.
const MOST: usize = 5_000;

/// One route as it stands in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Route {
    path: String,
    methods: Vec<String>,
    file: String,
    line: u32,
}

/// Functions of the crate that may return routers.
#[derive(Default)]
struct Functions {
    all: BTreeMap<String, (String, Block)>,
    /// Named inside another router: no root of its own.
    nested: std::cell::RefCell<BTreeSet<String>>,
}

/// Reads every Rust file of `files` that names axum.
pub(super) fn read(sources: &Sources<'_>, files: &[String]) -> Vec<Endpoint> {
    let mut functions = Functions::default();
    for file in files {
        let Some(text) = sources.text(file) else { continue };
        if !text.contains("axum") && !text.contains("Router") {
            continue;
        }
        if super::parse::is_too_deep(&text) {
            sources.left_out(file, "it is nested too deeply");
            continue;
        }
        match syn::parse_file(&text) {
            Ok(parsed) => collect(parsed.items, file, &mut functions),
            Err(_) => sources.left_out(file, "it does not parse"),
        }
    }
    let evaluated: Vec<(String, Vec<Route>)> =
        functions.all.iter().map(|(name, (file, block))| (name.clone(), functions.block(file, block, 0))).collect();
    let nested = functions.nested.borrow();
    let roots = evaluated.into_iter().filter(|(name, _)| !nested.contains(name)).flat_map(|(_, routes)| routes);
    roots.take(MOST).map(endpoint).collect()
}

fn endpoint(route: Route) -> Endpoint {
    let Route { path, methods, file, line } = route;
    Endpoint { surface: Surface::Axum, path, methods, file, line, shown: Shown::default(), allowances: Vec::new() }
}

fn collect(items: Vec<Item>, file: &str, functions: &mut Functions) {
    for item in items {
        match item {
            Item::Fn(function) => {
                functions.all.insert(function.sig.ident.to_string(), (file.to_owned(), *function.block));
            }
            Item::Impl(block) => {
                for item in block.items {
                    if let syn::ImplItem::Fn(function) = item {
                        functions.all.insert(function.sig.ident.to_string(), (file.to_owned(), function.block));
                    }
                }
            }
            Item::Mod(module) if !module.attrs.iter().any(|attribute| attribute.path().is_ident("cfg")) => {
                collect(module.content.map(|(_, items)| items).unwrap_or_default(), file, functions);
            }
            _ => {}
        }
    }
}

impl Functions {
    /// The routes of every router that a block builds; those that are bound to a name and used again count once.
    fn block(&self, file: &str, block: &Block, depth: u32) -> Vec<Route> {
        let mut bound: BTreeMap<String, Vec<Route>> = BTreeMap::new();
        let mut used = BTreeSet::new();
        let mut routes = Vec::new();
        for statement in &block.stmts {
            match statement {
                Stmt::Local(local) => {
                    let Some(init) = &local.init else { continue };
                    let found = self.router(file, &init.expr, &bound, &mut used, depth);
                    match &local.pat {
                        Pat::Ident(name) => drop(bound.insert(name.ident.to_string(), found)),
                        Pat::Type(typed) => {
                            if let Pat::Ident(name) = &*typed.pat {
                                bound.insert(name.ident.to_string(), found);
                            }
                        }
                        _ => routes.extend(found),
                    }
                }
                Stmt::Expr(expression, _) => routes.extend(self.router(file, expression, &bound, &mut used, depth)),
                Stmt::Item(_) | Stmt::Macro(_) => {}
            }
        }
        routes.extend(bound.into_iter().filter(|(name, _)| !used.contains(name)).flat_map(|(_, found)| found));
        routes
    }

    fn router(
        &self,
        file: &str,
        expression: &Expr,
        bound: &BTreeMap<String, Vec<Route>>,
        used: &mut BTreeSet<String>,
        depth: u32,
    ) -> Vec<Route> {
        if depth > DEPTH {
            return Vec::new();
        }
        match expression {
            Expr::MethodCall(call) => self.method(file, call, bound, used, depth),
            Expr::Path(path) => {
                let Some(name) = path.path.get_ident().map(ToString::to_string) else { return Vec::new() };
                used.insert(name.clone());
                bound.get(&name).cloned().unwrap_or_default()
            }
            Expr::Call(call) => {
                let Expr::Path(path) = &*call.func else { return Vec::new() };
                let Some(name) = path.path.segments.last().map(|segment| segment.ident.to_string()) else {
                    return Vec::new();
                };
                let inside = call
                    .args
                    .iter()
                    .flat_map(|argument| self.router(file, argument, bound, used, depth + 1))
                    .collect::<Vec<_>>();
                match self.all.get(&name).filter(|_| name != "new") {
                    Some((at, block)) => {
                        let routes = self.block(at, block, depth + 1);
                        if !routes.is_empty() {
                            self.nested.borrow_mut().insert(name);
                        }
                        routes.into_iter().chain(inside).collect()
                    }
                    None => inside,
                }
            }
            Expr::Await(inner) => self.router(file, &inner.base, bound, used, depth),
            Expr::Try(inner) => self.router(file, &inner.expr, bound, used, depth),
            Expr::Paren(inner) => self.router(file, &inner.expr, bound, used, depth),
            Expr::Reference(inner) => self.router(file, &inner.expr, bound, used, depth),
            Expr::Return(inner) => {
                inner.expr.as_ref().map(|inner| self.router(file, inner, bound, used, depth)).unwrap_or_default()
            }
            Expr::Block(inner) => self.block(file, &inner.block, depth + 1),
            Expr::Assign(inner) => self.router(file, &inner.right, bound, used, depth),
            _ => Vec::new(),
        }
    }

    fn method(
        &self,
        file: &str,
        call: &ExprMethodCall,
        bound: &BTreeMap<String, Vec<Route>>,
        used: &mut BTreeSet<String>,
        depth: u32,
    ) -> Vec<Route> {
        // A chain of a thousand routes is a thousand calls deep: the receiver is followed in a loop.
        let mut calls: Vec<&ExprMethodCall> = vec![call];
        let mut receiver = &*call.receiver;
        while let Expr::MethodCall(inner) = receiver {
            calls.push(inner);
            receiver = &inner.receiver;
        }
        let mut routes = self.router(file, receiver, bound, used, depth + 1);
        for call in calls.into_iter().rev() {
            let name = call.method.to_string();
            let first = call.args.first().and_then(literal);
            let second = call.args.iter().nth(1);
            match (name.as_str(), first, second) {
                ("route", Some(path), Some(handlers)) => {
                    let line = u32::try_from(call.method.span().start().line).unwrap_or_default();
                    routes.push(Route {
                        path: template(&path),
                        methods: methods(handlers),
                        file: file.to_owned(),
                        line,
                    });
                }
                ("nest", Some(prefix), Some(inner)) => {
                    let prefix = template(prefix.trim_end_matches('/'));
                    let inner = self.router(file, inner, bound, used, depth + 1);
                    routes.extend(inner.into_iter().map(|route| {
                        let path = if route.path == "/" { prefix.clone() } else { format!("{prefix}{}", route.path) };
                        Route { path, ..route }
                    }));
                }
                ("merge", ..) => {
                    let inner = call.args.first().map(|inner| self.router(file, inner, bound, used, depth + 1));
                    routes.extend(inner.unwrap_or_default());
                }
                _ => {}
            }
            routes.truncate(MOST);
        }
        routes
    }
}

fn literal(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

/// `:id` and `*rest` of axum 0.7 and before are `{id}` and `{*rest}` since 0.8.
fn template(path: &str) -> String {
    let segments = path.split('/').map(|segment| match (segment.strip_prefix(':'), segment.strip_prefix('*')) {
        (Some(name), _) => format!("{{{name}}}"),
        (_, Some(name)) if !name.is_empty() => format!("{{*{name}}}"),
        _ => segment.to_owned(),
    });
    segments.collect::<Vec<_>>().join("/")
}

/// `get(list).post(add)`, `routing::any(all)`.
fn methods(expression: &Expr) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut at = expression;
    loop {
        match at {
            Expr::MethodCall(call) => {
                names.push(call.method.to_string());
                at = &call.receiver;
            }
            Expr::Call(call) => {
                if let Expr::Path(path) = &*call.func {
                    names.extend(path.path.segments.last().map(|segment| segment.ident.to_string()));
                }
                break;
            }
            _ => break,
        }
    }
    let mut methods: BTreeSet<String> = BTreeSet::new();
    for name in names {
        let name = name.strip_suffix("_service").unwrap_or(&name);
        if name == "any" {
            methods.extend(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"].map(str::to_owned));
        } else if METHODS.contains(&name) {
            methods.insert(name.to_ascii_uppercase());
        }
    }
    if methods.contains("GET") {
        methods.insert("HEAD".to_owned());
    }
    methods.into_iter().collect()
}
