use std::fmt;

/// A step every request passes, in [`ORDER`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Canonical path, host, method, the route they name.
    Target,
    /// Clients that an operator or an incident has shut out.
    Block,
    /// The rate limit, by address.
    Rate,
    /// Fetch metadata and Origin prove where a request comes from.
    Origin,
    /// The single-use CSRF token is genuine (it is spent in [`Stage::Claim`]).
    CsrfToken,
    /// The webhook signature.
    Signature,
    /// Who is asking.
    Identity,
    /// The rate limit, by verified subject.
    Quota,
    /// Role, plan, feature, owner.
    Access,
    /// Size, media type, schema, attack signals.
    Body,
    /// The token is spent, the webhook id reserved: atomically, and last.
    Claim,
}

/// The order of the stages. It is code and never configuration: a limited request costs no token check, and a
/// refused request spends nothing.
pub const ORDER: [Stage; 11] = [
    Stage::Target,
    Stage::Block,
    Stage::Rate,
    Stage::Origin,
    Stage::CsrfToken,
    Stage::Signature,
    Stage::Identity,
    Stage::Quota,
    Stage::Access,
    Stage::Body,
    Stage::Claim,
];

impl Stage {
    /// The name in events and explanations.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Stage::Target => "target",
            Stage::Block => "block",
            Stage::Rate => "rate",
            Stage::Origin => "origin",
            Stage::CsrfToken => "csrf-token",
            Stage::Signature => "signature",
            Stage::Identity => "identity",
            Stage::Quota => "quota",
            Stage::Access => "access",
            Stage::Body => "body",
            Stage::Claim => "claim",
        }
    }

    /// The stage of that name.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Stage> {
        ORDER.into_iter().find(|stage| stage.id() == id)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_names_each_stage_once_and_in_declaration_order() {
        assert!(ORDER.is_sorted());
        assert!(ORDER.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn rate_precedes_every_check_that_costs_more_and_claim_is_last() {
        assert!(Stage::Rate < Stage::Origin && Stage::Origin < Stage::CsrfToken);
        assert_eq!(ORDER.last(), Some(&Stage::Claim));
    }
}
