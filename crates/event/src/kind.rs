use std::fmt;

/// What a route is for. Every default of a route follows from its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An HTML page.
    Page,
    /// A file that never depends on who asks.
    Static,
    /// A liveness or readiness answer.
    Health,
    /// Data anyone may read.
    PublicRead,
    /// Data only a signed-in caller may read.
    ProtectedRead,
    /// A form anyone may send: contact, newsletter, support.
    PublicForm,
    /// A change made by a signed-in caller.
    ProtectedWrite,
    /// A change of many things at once.
    Bulk,
    /// A change of the account itself: password, e-mail, deletion.
    Account,
    /// Money moves.
    Payment,
    /// A sign-in attempt.
    Login,
    /// A search over data.
    Search,
    /// A download of much data.
    Export,
    /// A report that is computed on request.
    Report,
    /// A call that costs much: AI models, paid interfaces.
    Expensive,
    /// A file sent by a signed-in caller.
    Upload,
    /// A call by a provider that signs what it sends.
    Webhook,
    /// A route whose limits are kept by another provider.
    Delegated,
}

impl Kind {
    /// Every kind, in the order of the decision matrix.
    pub const ALL: [Kind; 18] = [
        Kind::Page,
        Kind::Static,
        Kind::Health,
        Kind::PublicRead,
        Kind::ProtectedRead,
        Kind::PublicForm,
        Kind::ProtectedWrite,
        Kind::Bulk,
        Kind::Account,
        Kind::Payment,
        Kind::Login,
        Kind::Search,
        Kind::Export,
        Kind::Report,
        Kind::Expensive,
        Kind::Upload,
        Kind::Webhook,
        Kind::Delegated,
    ];

    /// The name in policy files, events and headers.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Kind::Page => "page",
            Kind::Static => "static",
            Kind::Health => "health",
            Kind::PublicRead => "public-read",
            Kind::ProtectedRead => "protected-read",
            Kind::PublicForm => "public-form",
            Kind::ProtectedWrite => "protected-write",
            Kind::Bulk => "bulk",
            Kind::Account => "account",
            Kind::Payment => "payment",
            Kind::Login => "login",
            Kind::Search => "search",
            Kind::Export => "export",
            Kind::Report => "report",
            Kind::Expensive => "expensive",
            Kind::Upload => "upload",
            Kind::Webhook => "webhook",
            Kind::Delegated => "delegated",
        }
    }

    /// The kind of that name; `ai` is another name of [`Kind::Expensive`].
    #[must_use]
    pub fn from_id(id: &str) -> Option<Kind> {
        if id == "ai" {
            return Some(Kind::Expensive);
        }
        Kind::ALL.into_iter().find(|kind| kind.id() == id)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_reads_back_and_is_unique() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_id(kind.id()), Some(kind));
        }
        assert_eq!(Kind::from_id("ai"), Some(Kind::Expensive));
        assert_eq!(Kind::from_id("Page"), None);
    }
}
