//! The decision matrix for people: ours by kind, and the operations guide's two tables as ours answers them.

use palisade_event::Kind;
use serde_json::{Value, json};

use crate::advise::setting::size;
use crate::defaults::KindDefaults;
use crate::model::{CsrfStrength, IdentityNeed, Limit};

/// A row of the decision matrix, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindRow {
    /// The kind.
    pub kind: Kind,
    /// What a route of this kind is.
    pub meaning: &'static str,
    /// Its methods.
    pub methods: String,
    /// Its rate limit per client.
    pub limit: String,
    /// Its CSRF strength.
    pub csrf: &'static str,
    /// Its identity need.
    pub identity: &'static str,
    /// Its body cap.
    pub body: String,
    /// Why this limit, CSRF strength and identity need.
    pub because: [String; 3],
}

/// The guide's tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guide {
    /// "Decision Matrix": six route types (row A6).
    pub routes: Vec<GuideRow>,
    /// "`withRateLimit()` - Apply to": eleven cases (row A1), then the four where it is usually not needed (row A2).
    pub limits: Vec<GuideLimit>,
}

/// A route type of the guide's decision matrix, with what its kind does here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuideRow {
    /// The guide's words.
    pub route_type: &'static str,
    /// The kind to declare.
    pub kind: Kind,
    /// `Yes`, `No`, or `Maybe`: on, and looser than for writes.
    pub rate_limit: &'static str,
    /// `Yes` or `No`.
    pub csrf: &'static str,
    /// `Yes`, `No` or `Signature`.
    pub authentication: &'static str,
}

/// A case of the guide's list of routes to limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuideLimit {
    /// The guide's words.
    pub case: &'static str,
    /// The kind to declare.
    pub kind: Kind,
    /// Its limit.
    pub limit: Option<Limit>,
}

/// The decision matrix, one row a kind.
#[must_use]
pub fn matrix() -> Vec<KindRow> {
    Kind::ALL.into_iter().map(|kind| KindRow::of(KindDefaults::of(kind))).collect()
}

/// The guide's tables, answered from the same defaults that the gate enforces.
#[must_use]
pub fn guide_matrix() -> Guide {
    let routes = [
        ("Public form submission", Kind::PublicForm),
        ("Protected data modification", Kind::ProtectedWrite),
        ("Public read-only API", Kind::PublicRead),
        ("Protected read-only API", Kind::ProtectedRead),
        ("Webhook endpoint", Kind::Webhook),
        ("File upload", Kind::Upload),
    ];
    let limits = [
        // The strictest kind that fits: five a minute, and a token.
        ("Any route that could be abused (spam, brute force)", Kind::PublicForm),
        ("Login-like operations", Kind::Login),
        ("Data creation/modification endpoints", Kind::ProtectedWrite),
        ("Contact/support form endpoints", Kind::PublicForm),
        ("Webhooks (to prevent DoS)", Kind::Webhook),
        ("File upload endpoints", Kind::Upload),
        ("Search endpoints", Kind::Search),
        ("Data export endpoints", Kind::Export),
        ("Any expensive AI/API operations", Kind::Expensive),
        ("Report generation", Kind::Report),
        ("Bulk operations", Kind::Bulk),
        ("Static asset requests", Kind::Static),
        ("Simple GET endpoints that only read public data", Kind::PublicRead),
        ("Health check endpoints", Kind::Health),
        ("Endpoints already protected by authentication rate limits", Kind::Delegated),
    ];
    Guide {
        routes: routes.into_iter().map(|(route_type, kind)| GuideRow::of(route_type, kind)).collect(),
        limits: limits
            .into_iter()
            .map(|(case, kind)| GuideLimit { case, kind, limit: KindDefaults::of(kind).limit })
            .collect(),
    }
}

/// The shape of `advise --matrix --format json`: `{kinds: [...], guide: [...], limits: [...]}`.
#[must_use]
pub fn matrix_json() -> Value {
    let kinds: Vec<Value> = matrix().iter().map(KindRow::json).collect();
    let Guide { routes, limits } = guide_matrix();
    let guide: Vec<Value> = routes.iter().map(GuideRow::json).collect();
    let limits: Vec<Value> = limits.iter().map(GuideLimit::json).collect();
    json!({ "kinds": kinds, "guide": guide, "limits": limits })
}

// === impl KindRow ===

impl KindRow {
    fn of(row: &'static KindDefaults) -> KindRow {
        let declared = || "declared".to_owned();
        let mut methods = row.methods.map_or_else(declared, |methods| methods.to_string());
        if row.kind == Kind::Page {
            methods.push_str(" (+ declared)");
        }
        KindRow {
            kind: row.kind,
            meaning: row.meaning,
            methods,
            limit: row.limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string()),
            csrf: match row.csrf {
                CsrfStrength::None if row.kind == Kind::Webhook => "never (signature)",
                strength => strength.id(),
            },
            identity: if row.kind == Kind::Webhook { "signature" } else { row.identity.id() },
            body: size(row.body),
            because: [row.because_limit, row.because_csrf, row.because_identity].map(|reason| reason.to_string()),
        }
    }

    fn json(&self) -> Value {
        let [limit, csrf, identity] = &self.because;
        json!({
            "kind": self.kind.id(),
            "meaning": self.meaning,
            "methods": self.methods,
            "limit": self.limit,
            "csrf": self.csrf,
            "identity": self.identity,
            "body": self.body,
            "because": { "limit": limit, "csrf": csrf, "identity": identity },
        })
    }
}

// === impl GuideRow ===

impl GuideRow {
    fn of(route_type: &'static str, kind: Kind) -> GuideRow {
        let row = KindDefaults::of(kind);
        GuideRow {
            route_type,
            kind,
            rate_limit: match row.limit {
                None => "No",
                Some(_) if row.is_read_only() => "Maybe",
                Some(_) => "Yes",
            },
            csrf: if row.csrf == CsrfStrength::None { "No" } else { "Yes" },
            authentication: match row.identity {
                _ if kind == Kind::Webhook => "Signature",
                IdentityNeed::Required => "Yes",
                IdentityNeed::None | IdentityNeed::Optional => "No",
            },
        }
    }

    fn json(&self) -> Value {
        json!({
            "route_type": self.route_type,
            "kind": self.kind.id(),
            "rate_limit": self.rate_limit,
            "csrf": self.csrf,
            "authentication": self.authentication,
        })
    }
}

// === impl GuideLimit ===

impl GuideLimit {
    fn json(&self) -> Value {
        json!({
            "case": self.case,
            "kind": self.kind.id(),
            "limit": self.limit.map(|limit| limit.to_string()),
        })
    }
}
