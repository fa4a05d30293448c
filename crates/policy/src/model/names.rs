//! The words of the policy file.

use crate::model::{
    CspProfile, CsrfStrength, Environment, Framework, IdentityNeed, IdentityProvider, Mode, Outage, Service, Signals,
    SignatureScheme,
};

impl Environment {
    /// Every environment, from the most talkative to the strictest.
    pub const ALL: [Environment; 3] = [Environment::Development, Environment::Staging, Environment::Production];

    /// The name in flags, files and events.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Environment::Development => "development",
            Environment::Staging => "staging",
            Environment::Production => "production",
        }
    }
}

impl Service {
    /// Every service.
    pub const ALL: [Service; 4] = [Service::Clerk, Service::Convex, Service::Stripe, Service::Svix];

    /// The name in policy files.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Service::Clerk => "clerk",
            Service::Convex => "convex",
            Service::Stripe => "stripe",
            Service::Svix => "svix",
        }
    }
}

impl Framework {
    /// Every framework.
    pub const ALL: [Framework; 1] = [Framework::NextJs];

    /// The name in policy files.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Framework::NextJs => "nextjs",
        }
    }
}

impl Mode {
    /// Every mode.
    pub const ALL: [Mode; 2] = [Mode::Enforce, Mode::Observe];

    /// The name in policy files.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Mode::Enforce => "enforce",
            Mode::Observe => "observe",
        }
    }
}

impl CsrfStrength {
    /// Every strength, weakest first.
    pub const ALL: [CsrfStrength; 3] = [CsrfStrength::None, CsrfStrength::Origin, CsrfStrength::Token];

    /// The name in policy files.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            CsrfStrength::None => "none",
            CsrfStrength::Origin => "origin",
            CsrfStrength::Token => "token",
        }
    }
}

impl IdentityNeed {
    /// The word in the decision matrix.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            IdentityNeed::None => "none",
            IdentityNeed::Optional => "optional",
            IdentityNeed::Required => "required",
        }
    }
}

impl IdentityProvider {
    /// Every provider.
    pub const ALL: [IdentityProvider; 2] = [IdentityProvider::Clerk, IdentityProvider::Oidc];

    /// The name in policy files.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            IdentityProvider::Clerk => "clerk",
            IdentityProvider::Oidc => "oidc",
        }
    }
}

impl Signals {
    /// Every choice.
    pub const ALL: [Signals; 2] = [Signals::Observe, Signals::Block];

    /// The name in policy files.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Signals::Observe => "observe",
            Signals::Block => "block",
        }
    }
}

impl CspProfile {
    /// Every profile.
    pub const ALL: [CspProfile; 3] = [CspProfile::Auto, CspProfile::Static, CspProfile::Data];

    /// The name in policy files.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            CspProfile::Auto => "auto",
            CspProfile::Static => "static",
            CspProfile::Data => "data",
        }
    }
}

impl Outage {
    /// Every choice.
    pub const ALL: [Outage; 2] = [Outage::ByKind, Outage::Closed];

    /// The name in policy files.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Outage::ByKind => "by-kind",
            Outage::Closed => "closed",
        }
    }
}

impl SignatureScheme {
    /// Every scheme.
    pub const ALL: [SignatureScheme; 6] = [
        SignatureScheme::Standard,
        SignatureScheme::Svix,
        SignatureScheme::Stripe,
        SignatureScheme::GitHub,
        SignatureScheme::Slack,
        SignatureScheme::Vercel,
    ];

    /// The name in policy files.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            SignatureScheme::Standard => "standard",
            SignatureScheme::Svix => "svix",
            SignatureScheme::Stripe => "stripe",
            SignatureScheme::GitHub => "github",
            SignatureScheme::Slack => "slack",
            SignatureScheme::Vercel => "vercel",
        }
    }

    /// The scheme of that name. `clerk` signs as Svix, `standard-webhooks` is the long name of `standard`.
    #[must_use]
    pub fn from_id(id: &str) -> Option<SignatureScheme> {
        match id {
            "clerk" => Some(SignatureScheme::Svix),
            "standard-webhooks" => Some(SignatureScheme::Standard),
            _ => SignatureScheme::ALL.into_iter().find(|scheme| scheme.id() == id),
        }
    }
}
