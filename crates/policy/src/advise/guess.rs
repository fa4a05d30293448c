//! The kind a route probably has, from its method and the words of its path. A guess, and told as one: `advise` without
//! a policy and `init` start from it, the gate never does.

use palisade_event::Kind;

use crate::defaults::KindDefaults;
use crate::model::{Method, Methods};
use crate::template;

/// A guessed kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guess {
    /// The kind.
    pub kind: Kind,
    /// Why: `as the path says "contact"`.
    pub because: String,
}

/// Words of a path that name what a change is, the first row that fits wins.
const CHANGES: [(Kind, &[&str]); 11] = [
    (Kind::Webhook, &["webhook", "webhooks", "hook", "hooks", "svix"]),
    (Kind::Login, &["login", "signin", "authenticate", "otp", "mfa", "2fa", "session", "sessions"]),
    (
        Kind::Payment,
        &["pay", "payment", "payments", "checkout", "charge", "charges", "billing", "refund", "invoice", "purchase"],
    ),
    (
        Kind::Upload,
        &["upload", "uploads", "avatar", "attachment", "attachments", "file", "files", "media", "photo", "photos"],
    ),
    (Kind::Bulk, &["bulk", "batch", "import", "mass"]),
    (Kind::Export, &["export", "exports", "download", "downloads"]),
    (Kind::Report, &["report", "reports"]),
    (
        Kind::Expensive,
        &[
            "ai",
            "llm",
            "chat",
            "generate",
            "completion",
            "completions",
            "embedding",
            "embeddings",
            "assistant",
            "summarize",
            "translate",
        ],
    ),
    (Kind::Search, &["search", "query", "find", "autocomplete"]),
    (
        Kind::PublicForm,
        &[
            "contact",
            "support",
            "feedback",
            "newsletter",
            "subscribe",
            "waitlist",
            "inquiry",
            "signup",
            "register",
            "forgot",
            "reset",
        ],
    ),
    (Kind::Account, &["account", "password", "email", "profile", "settings", "me"]),
];

/// Words of a path that name what a read is.
const READS: [(Kind, &[&str]); 6] = [
    (Kind::Health, &["health", "healthz", "readyz", "livez", "ready", "live", "ping"]),
    (Kind::Search, &["search", "query", "find", "autocomplete"]),
    (Kind::Export, &["export", "exports", "download", "downloads"]),
    (Kind::Report, &["report", "reports"]),
    (
        Kind::ProtectedRead,
        &["me", "account", "admin", "profile", "user", "users", "settings", "orders", "billing", "invoice", "invoices"],
    ),
    (Kind::Static, &["static", "assets"]),
];

/// Endings of files that never depend on who asks.
const FILES: [&str; 14] =
    ["js", "css", "png", "jpg", "jpeg", "gif", "svg", "webp", "avif", "ico", "woff", "woff2", "txt", "map"];

/// The kind a route probably has.
#[must_use]
pub fn guess(method: &str, path: &str) -> Guess {
    let words: Vec<String> = words(path);
    let reads = Method::from_id(method).is_some_and(Method::is_safe);
    let ending = path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    if let Some(ending) = ending.filter(|ending| reads && FILES.contains(&ending.as_str())) {
        return Guess { kind: Kind::Static, because: format!("as the path ends in \".{ending}\"") };
    }
    let table: &[(Kind, &[&str])] = if reads { &READS } else { &CHANGES };
    for (kind, names) in table {
        if let Some(word) = words.iter().find(|word| names.contains(&word.as_str())) {
            return Guess { kind: *kind, because: format!("as the path says \"{word}\"") };
        }
    }
    let api = words.first().is_some_and(|word| word == "api");
    let (kind, because) = match (reads, api) {
        (true, true) => {
            (Kind::PublicRead, "as it reads under /api; if only some may read it, it is a `protected-read`")
        }
        (true, false) => (Kind::Page, "as it is read by a browser"),
        (false, _) => (
            Kind::ProtectedWrite,
            "as it changes something, and nothing says that anyone may; if anyone may, it is a `public-form`",
        ),
    };
    Guess { kind, because: because.to_owned() }
}

/// The words of a path, in lower case; `sign-in` and `signIn` are one word, as is `log_in`.
fn words(path: &str) -> Vec<String> {
    let literal = path.split('/').filter(|segment| !segment.starts_with('{'));
    let mut words: Vec<String> = Vec::new();
    for segment in literal {
        let parts: Vec<String> = segment
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|part| !part.is_empty())
            .map(str::to_ascii_lowercase)
            .collect();
        let joined = parts.concat();
        if parts.len() > 1 && ["signin", "login", "signup"].contains(&joined.as_str()) {
            words.push(joined);
        }
        words.extend(parts);
    }
    words
}

/// The entry for the policy file; `None` where the method or the path cannot be declared.
pub(super) fn entry(method: &str, path: &str, kind: Kind) -> Option<String> {
    let method = Method::from_id(method)?;
    if template::problem(path).is_some() {
        return None;
    }
    let row = KindDefaults::of(kind);
    let fixed = row.methods.is_some_and(|methods| methods.has(method));
    let methods = if fixed || (kind == Kind::Page && Methods::READ.has(method)) {
        String::new()
    } else {
        format!("methods = [\"{}\"]\n", method.id())
    };
    let more = match kind {
        Kind::Login => {
            "success = { status = 302 }              # how a login that succeeded is told\nidentifier = \"email\"                    # where it names the account\n"
        }
        Kind::Webhook => {
            "signature = { scheme = \"standard\", secrets = [\"WEBHOOK_SECRET\"] }   # the provider's scheme\n"
        }
        Kind::Upload => "media_types = [\"image/png\", \"image/jpeg\"]   # what the app takes\n",
        _ => "",
    };
    Some(format!("[[route]]\npath = \"{path}\"\n{methods}kind = \"{kind}\"\n{more}"))
}
