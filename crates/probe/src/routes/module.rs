//! One source file in short: what it imports, declares and exports, and what its functions show. Owned, without the
//! parser's memory, so that many files can be kept.

use std::collections::{BTreeMap, BTreeSet};

use palisade_check::facts::routes::{Allowance, Shown};

/// A file in short.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Module {
    /// Whether `'use server'` stands at its top: each exported function is a server action.
    pub(super) use_server: bool,
    /// Whether `'use client'` does.
    pub(super) use_client: bool,
    /// Local name -> where it comes from.
    pub(super) imports: BTreeMap<String, Import>,
    /// Local name -> what it is.
    pub(super) locals: BTreeMap<String, Value>,
    /// Exported name -> what it is, and on which line. The default export is `default`.
    pub(super) exports: BTreeMap<String, Export>,
    /// `export * from`.
    pub(super) stars: Vec<String>,
    /// Functions with `'use server'` inside.
    pub(super) actions: Vec<Action>,
    /// `router.method(...)` calls at the top: Convex's `http.route`, Hono and Express are told apart by whoever asks.
    pub(super) routes: Vec<RouteCall>,
    /// Literal strings of object properties that configure: `basePath`.
    pub(super) settings: BTreeMap<String, String>,
    /// `palisade-ok(check): reason`.
    pub(super) allowances: Vec<Allowance>,
}

/// Where an imported name comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Import {
    pub(super) source: String,
    /// `None`: the whole module, `import * as`.
    pub(super) name: Option<String>,
}

/// An exported name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Export {
    pub(super) line: u32,
    pub(super) value: Value,
}

/// A function with `'use server'` inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Action {
    pub(super) name: String,
    pub(super) line: u32,
    pub(super) signs: Signs,
}

/// `http.route({ path, method, handler })`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RouteCall {
    pub(super) callee: String,
    pub(super) line: u32,
    pub(super) arguments: Vec<Value>,
}

/// What an expression is, as far as routes need to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A function, and what its body shows.
    Function(Box<Signs>),
    /// A call: a wrapper around its arguments, or a maker of handlers.
    Call { callee: String, arguments: Vec<Value> },
    /// A name of this file.
    Name(String),
    /// A property of a value: `handlers.POST`, `const { POST } = handlers`.
    Member(Box<Value>, String),
    /// What another file exports under that name.
    Elsewhere(Import),
    /// An object.
    Object(Vec<(String, Value)>),
    /// A list.
    List(Vec<Value>),
    /// A string.
    Text(String),
    /// Anything else.
    Opaque,
}

/// What the body of a function shows, and which functions it calls by a plain name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Signs {
    pub(super) shown: Shown,
    pub(super) calls: BTreeSet<String>,
}
