//! What names of functions say. Frameworks, libraries and people name what protects a route alike; a project's own names
//! can be added.

use std::collections::BTreeMap;

/// What a wrapper or a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Checks a CSRF token.
    Csrf,
    /// Limits how often.
    RateLimit,
    /// Asks who is calling.
    Identity,
    /// Verifies the sender's signature.
    Signature,
    /// Checks input.
    Validation,
    /// Compares the caller with an owner.
    Ownership,
    /// Compares the caller's plan.
    Plan,
    /// Catches errors.
    Errors,
}

/// Names of a project's own wrappers and what they are for, beside those that are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    own: BTreeMap<String, Vec<Purpose>>,
}

/// Calls that ask who is calling, by their last word or in whole.
const IDENTITY: [&str; 34] = [
    "auth",
    "protect",
    "currentUser",
    "getAuth",
    "getServerSession",
    "getSession",
    "getUser",
    "getCurrentUser",
    "getToken",
    "getUserIdentity",
    "getAuthUserId",
    "getAuthUser",
    "authenticateRequest",
    "authenticate",
    "jwtVerify",
    "verifyToken",
    "verifySession",
    "validateSession",
    "validateRequest",
    "requireUser",
    "requireAuth",
    "requireSession",
    "getIronSession",
    "verifyIdToken",
    "verifySessionCookie",
    "getKindeServerSession",
    "withAuth",
    "withSession",
    "withUser",
    "withWorkspace",
    "withAdmin",
    "safeGetSession",
    "unstable_getServerSession",
    "getCurrentSession",
];

/// Calls that verify a provider's signature.
const SIGNATURE: [&str; 14] = [
    "constructEvent",
    "constructEventAsync",
    "verifyWebhook",
    "verifyQstashSignature",
    "verifySignatureAppRouter",
    "verifySignature",
    "verifyVercelSignature",
    "verifySlackRequest",
    "verifyWebhookSignature",
    "validateWebhook",
    "verifyAndReceive",
    "verifyHmac",
    "isValidSignature",
    "validateSignature",
];

/// Calls that check input by a schema.
const VALIDATION: [&str; 12] = [
    "safeParse",
    "safeParseAsync",
    "parseAsync",
    "validateSync",
    "validateAsync",
    "zValidator",
    "assertValid",
    "validateBody",
    "validateInput",
    "parseBody",
    "parseWithZod",
    "valiParse",
];

/// What `.parse` is called on where it is no schema.
const OTHER_PARSERS: [&str; 14] = [
    "JSON",
    "Date",
    "path",
    "url",
    "URL",
    "qs",
    "querystring",
    "cookie",
    "cookies",
    "superjson",
    "yaml",
    "YAML",
    "Papa",
    "dotenv",
];

// === impl Names ===

impl Names {
    /// Adds a name: `withGuard=csrf+rate-limit`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let (name, purposes) = text.split_once('=').ok_or_else(|| format!("{text} is not NAME=PURPOSE"))?;
        let purposes = purposes.split('+').map(|word| {
            Purpose::from_id(word.trim()).ok_or_else(|| {
                format!(
                    "{word} is no purpose: csrf, rate-limit, identity, signature, validation, ownership, plan or errors"
                )
            })
        });
        let purposes = purposes.collect::<Result<Vec<Purpose>, String>>()?;
        self.own.insert(name.trim().to_owned(), purposes);
        Ok(())
    }

    /// What a wrapper or a call of that dotted name is for.
    pub(super) fn purposes(&self, path: &str) -> Vec<Purpose> {
        let last = path.rsplit('.').next().unwrap_or(path);
        if let Some(own) = self.own.get(path).or_else(|| self.own.get(last)) {
            return own.clone();
        }
        known(path, last)
    }
}

impl Purpose {
    /// The purpose of that name.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Purpose> {
        Some(match id {
            "csrf" => Purpose::Csrf,
            "rate-limit" => Purpose::RateLimit,
            "identity" => Purpose::Identity,
            "signature" => Purpose::Signature,
            "validation" => Purpose::Validation,
            "ownership" => Purpose::Ownership,
            "plan" => Purpose::Plan,
            "errors" => Purpose::Errors,
            _ => return None,
        })
    }
}

fn known(path: &str, last: &str) -> Vec<Purpose> {
    let lower = path.to_ascii_lowercase().replace('_', "");
    let word = last.to_ascii_lowercase().replace('_', "");
    let makes =
        ["get", "generate", "create", "new", "use", "set", "fetch", "is", "has", "clear", "log"].iter().any(|verb| {
            last.strip_prefix(verb).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase() || c == '_'))
        });
    let mut purposes = Vec::new();
    if word.contains("csrf") && !makes {
        purposes.push(Purpose::Csrf);
    }
    if (lower.contains("ratelimit") || lower.contains("throttle") || word == "limit" && lower.contains("limit."))
        && (!makes || word.starts_with("is"))
        && !word.starts_with("ratelimiter")
    {
        purposes.push(Purpose::RateLimit);
    }
    if is_identity(path, last, &word) {
        purposes.push(Purpose::Identity);
    }
    if SIGNATURE.contains(&last) || (lower.contains("webhook") && matches!(word.as_str(), "verify" | "unwrap")) {
        purposes.push(Purpose::Signature);
    }
    let object =
        path.strip_suffix(last).unwrap_or_default().trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let schema =
        matches!(last, "parse" | "validate" | "cast") && !object.is_empty() && !OTHER_PARSERS.contains(&object);
    if schema
        || VALIDATION.contains(&last)
        || (word.starts_with("with") && (word.contains("valid") || word.contains("schema")))
    {
        purposes.push(Purpose::Validation);
    }
    if ["owner", "belongsto", "canaccess", "canedit", "authorizeresource"].iter().any(|sign| word.contains(sign)) {
        purposes.push(Purpose::Ownership);
    }
    if !makes
        && ["subscription", "requireplan", "hasplan", "checkplan", "withplan", "entitle", "haspro", "ispro"]
            .iter()
            .any(|sign| word.contains(sign))
    {
        purposes.push(Purpose::Plan);
    }
    if word.contains("error") && (word.starts_with("with") || word.starts_with("handle") || word.starts_with("catch")) {
        purposes.push(Purpose::Errors);
    }
    purposes
}

fn is_identity(path: &str, last: &str, word: &str) -> bool {
    let listed = IDENTITY.contains(&last) && (last != "protect" || path.contains("auth"));
    let made = ["require", "with", "ensure", "assert", "check", "verify"]
        .iter()
        .filter_map(|verb| word.strip_prefix(verb))
        .any(|rest| {
            [
                "auth",
                "user",
                "session",
                "admin",
                "login",
                "loggedin",
                "signedin",
                "member",
                "workspace",
                "permission",
                "role",
            ]
            .iter()
            .any(|noun| rest.starts_with(noun))
        });
    listed || made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_they_are_for() {
        for (name, purposes) in [
            ("withCsrf", &[Purpose::Csrf][..]),
            ("verifyCsrfToken", &[Purpose::Csrf]),
            ("generateCsrfToken", &[]),
            ("withRateLimit", &[Purpose::RateLimit]),
            ("ratelimit.limit", &[Purpose::RateLimit]),
            ("auth", &[Purpose::Identity]),
            ("auth.protect", &[Purpose::Identity]),
            ("ctx.auth.getUserIdentity", &[Purpose::Identity]),
            ("requireAdmin", &[Purpose::Identity]),
            ("stripe.webhooks.constructEvent", &[Purpose::Signature]),
            ("schema.safeParse", &[Purpose::Validation]),
            ("bodySchema.parse", &[Purpose::Validation]),
            ("JSON.parse", &[]),
            ("withValidation", &[Purpose::Validation]),
            ("withErrors", &[Purpose::Errors]),
            ("console.error", &[]),
            ("request.json", &[]),
        ] {
            assert_eq!(Names::default().purposes(name), purposes, "{name}");
        }
    }

    #[test]
    fn a_projects_own_names_count() {
        let mut names = Names::default();
        names.add("withGuard=csrf+rate-limit").expect("a name");
        assert_eq!(names.purposes("withGuard"), [Purpose::Csrf, Purpose::RateLimit]);
        assert!(names.add("withGuard=magic").is_err() && names.add("withGuard").is_err());
    }
}
