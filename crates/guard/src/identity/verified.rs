//! A verified caller: what its token says, in one shape whoever issued it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use palisade_policy::{Identity as Declared, IdentityProvider};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::env::WallMicros;
use crate::identity::fault::TokenFault;
use crate::identity::issuer::text;

/// A verified caller. Cheap to clone; an app behind the layer finds it in the request's extensions.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    subject: String,
    session: Option<String>,
    organization: Option<String>,
    roles: Vec<String>,
    permissions: Vec<String>,
    plans: Vec<String>,
    features: Vec<String>,
    owner: Option<String>,
    /// Plans and features are Clerk's: `u:pro`, `o:pro`; roles have an optional prefix `org:`.
    scoped: bool,
    /// When the token is over, leeway included, in seconds.
    expires: f64,
    claims: Map<String, Value>,
    key: u128,
    headers: Vec<(HeaderName, HeaderValue)>,
}

const USER: &str = "x-palisade-user";

/// A part of the caller that `[identity].claims` may place elsewhere.
#[derive(Clone, Copy)]
struct Place<'a> {
    claims: &'a Map<String, Value>,
    declared: &'a Declared,
}

impl Identity {
    /// Reads the claims of a verified token.
    pub(crate) fn of(claims: Map<String, Value>, expires: f64, declared: &Declared) -> Result<Identity, TokenFault> {
        let subject = text(&claims, "sub")?.unwrap_or_default().to_owned();
        let session = text(&claims, "sid")?.map(str::to_owned);
        let scoped = declared.provider == IdentityProvider::Clerk;
        let mut inner = Inner {
            key: subject_key(&subject),
            subject,
            session,
            organization: None,
            roles: Vec::new(),
            permissions: Vec::new(),
            plans: Vec::new(),
            features: Vec::new(),
            owner: None,
            scoped,
            expires,
            claims: Map::new(),
            headers: Vec::new(),
        };
        match declared.provider {
            IdentityProvider::Clerk => clerk(&mut inner, &claims),
            IdentityProvider::Oidc => oidc(&mut inner, &claims),
        }
        let place = Place { claims: &claims, declared };
        for (name, list) in [
            ("role", &mut inner.roles),
            ("permission", &mut inner.permissions),
            ("plan", &mut inner.plans),
            ("feature", &mut inner.features),
        ] {
            if let Some(found) = place.list(name) {
                *list = found;
            }
        }
        inner.owner = match declared.claims.contains_key("owner") {
            // A claim that is not there owns nothing.
            true => Some(place.find("owner").and_then(Value::as_str).unwrap_or_default().to_owned()),
            false => None,
        };
        inner.claims = claims;
        inner.headers = headers(&inner);
        Ok(Identity(Arc::new(inner)))
    }

    /// Who it is: the token's `sub`.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The sign-in session, where the token names one (`sid`).
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.0.session.as_deref()
    }

    /// The active organization's id.
    #[must_use]
    pub fn organization(&self) -> Option<&str> {
        self.0.organization.as_deref()
    }

    /// The roles, as the token spells them; Clerk's have the prefix `org:`.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.0.roles
    }

    /// Whether it has the role. For Clerk `admin` and `org:admin` are one.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        let bare = |role: &'_ str| -> String {
            if self.0.scoped { role.strip_prefix("org:").unwrap_or(role).to_owned() } else { role.to_owned() }
        };
        !role.is_empty() && self.0.roles.iter().any(|own| bare(own) == bare(role))
    }

    /// Whether it has the permission: `org:feature:permission` for Clerk.
    #[must_use]
    pub fn has_permission(&self, permission: &str) -> bool {
        let own = |wanted: &str| self.0.permissions.iter().any(|own| own == wanted);
        own(permission) || (self.0.scoped && !permission.starts_with("org:") && own(&format!("org:{permission}")))
    }

    /// Whether it is on the plan. For Clerk `pro` is a user's or an organization's, `u:pro` and `o:pro` are one's alone.
    #[must_use]
    pub fn has_plan(&self, plan: &str) -> bool {
        self.has_scoped(&self.0.plans, plan)
    }

    /// Whether its plan has the feature; scopes as for plans.
    #[must_use]
    pub fn has_feature(&self, feature: &str) -> bool {
        self.has_scoped(&self.0.features, feature)
    }

    /// A caller of whom only the subject is proven. Where the policy places what it owns or may do in claims, it has
    /// none of that.
    pub(crate) fn vouched(subject: &str, own_claims: bool) -> Identity {
        let headers = HeaderValue::from_str(subject).ok().map(|value| (HeaderName::from_static(USER), value));
        Identity(Arc::new(Inner {
            subject: subject.to_owned(),
            session: None,
            organization: None,
            roles: Vec::new(),
            permissions: Vec::new(),
            plans: Vec::new(),
            features: Vec::new(),
            // What nobody is equal to.
            owner: own_claims.then(String::new),
            scoped: false,
            expires: 0.0,
            claims: Map::new(),
            key: subject_key(subject),
            headers: headers.into_iter().collect(),
        }))
    }

    /// Whether what belongs to `owner` is its own: its subject, or the claim that `[identity].claims` names for
    /// `owner`.
    #[must_use]
    pub fn owns(&self, owner: &str) -> bool {
        !owner.is_empty() && owner == self.0.owner.as_deref().unwrap_or(&self.0.subject)
    }

    /// A claim, by name or JSON pointer.
    #[must_use]
    pub fn claim(&self, path: &str) -> Option<&Value> {
        find(&self.0.claims, path)
    }

    /// How long the token is good yet, with the leeway for clocks that differ (5 s).
    #[must_use]
    pub fn life(&self, now: WallMicros) -> Duration {
        let left = self.0.expires - now.0 as f64 / 1e6;
        Duration::try_from_secs_f64(left.max(0.0)).unwrap_or(Duration::MAX)
    }

    /// Whether the token is over, in seconds since the epoch.
    pub(crate) fn is_over(&self, seconds: f64) -> bool {
        self.0.expires <= seconds
    }

    /// The subject as a number, for counting.
    pub(crate) fn key(&self) -> u128 {
        self.0.key
    }

    /// What CSRF tokens are bound to: the session, or without one the subject.
    pub(crate) fn binding(&self) -> (u8, &[u8]) {
        match &self.0.session {
            Some(session) => (1, session.as_bytes()),
            None => (2, self.0.subject.as_bytes()),
        }
    }

    /// What the application is told.
    pub(crate) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0.headers
    }

    /// Clerk's rule: a bare name matches in any scope, a scoped one in that scope, an unknown scope never.
    fn has_scoped(&self, own: &[String], wanted: &str) -> bool {
        if !self.0.scoped {
            return own.iter().any(|own| own == wanted);
        }
        let (scope, name) = match wanted.split_once(':') {
            None => (None, wanted),
            Some(("u" | "user", name)) => (Some('u'), name),
            Some(("o" | "org" | "organization", name)) => (Some('o'), name),
            Some(_) => return false,
        };
        !name.is_empty()
            && own.iter().any(|own| match own.split_once(':') {
                Some((scopes, own)) => own == name && scope.is_none_or(|scope| scopes.contains(scope)),
                // A claim of the app's own has no scopes.
                None => own == name && scope.is_none(),
            })
    }
}

/// Clerk's claims, version 2 (`v: 2`) and version 1.
fn clerk(inner: &mut Inner, claims: &Map<String, Value>) {
    let string = |object: &Map<String, Value>, name: &str| object.get(name)?.as_str().map(str::to_owned);
    if claims.get("v").and_then(Value::as_u64) != Some(2) {
        inner.organization = string(claims, "org_id");
        inner.roles = string(claims, "org_role").into_iter().collect();
        inner.permissions = claims.get("org_permissions").map(strings).unwrap_or_default();
        return;
    }
    let listed = |name: &str| commas(claims.get(name).and_then(Value::as_str).unwrap_or_default());
    inner.plans = listed("pla");
    inner.features = listed("fea");
    let Some(org) = claims.get("o").and_then(Value::as_object) else { return };
    inner.organization = string(org, "id");
    inner.roles = string(org, "rol").map(|role| format!("org:{role}")).into_iter().collect();
    let (Some(per), Some(fpm)) = (string(org, "per"), string(org, "fpm")) else { return };
    inner.permissions = feature_permissions(&inner.features, &commas(&per), &commas(&fpm));
}

/// Decodes `fpm`: its i-th number belongs to the i-th feature of an organization's scope, and its k-th bit says whether
/// that feature has the k-th permission. Numbers may exceed any machine's integers.
fn feature_permissions(features: &[String], permissions: &[String], masks: &[String]) -> Vec<String> {
    let names = features.iter().filter_map(|feature| {
        let (scopes, name) = feature.split_once(':')?;
        matches!(scopes, "o" | "uo" | "ou").then_some(name)
    });
    let mut granted = Vec::new();
    for (feature, mask) in names.zip(masks) {
        for (permission, bit) in permissions.iter().zip(bits(mask)) {
            if bit {
                granted.push(format!("org:{feature}:{permission}"));
            }
        }
    }
    granted
}

/// The bits of a decimal number, lowest first; none where it is no number.
fn bits(decimal: &str) -> Vec<bool> {
    let mut digits: Vec<u32> = match decimal.chars().map(|c| c.to_digit(10)).collect() {
        Some(digits) => digits,
        None => return Vec::new(),
    };
    let mut bits = Vec::new();
    while !digits.iter().all(|digit| *digit == 0) && bits.len() < 1024 {
        let mut carry = 0;
        for digit in &mut digits {
            let value = carry * 10 + *digit;
            *digit = value / 2;
            carry = value % 2;
        }
        bits.push(carry == 1);
    }
    bits
}

/// What most issuers of OpenID Connect say: `roles` or `role`, `permissions`, `org_id`.
fn oidc(inner: &mut Inner, claims: &Map<String, Value>) {
    let list = |name: &str| claims.get(name).map(strings);
    inner.organization = claims.get("org_id").and_then(Value::as_str).map(str::to_owned);
    inner.roles = list("roles").or_else(|| list("role")).unwrap_or_default();
    inner.permissions = list("permissions").unwrap_or_default();
}

impl Place<'_> {
    fn find(&self, name: &str) -> Option<&Value> {
        find(self.claims, self.declared.claims.get(name)?)
    }

    /// The texts where the policy says they lie; nothing where it says nothing.
    fn list(&self, name: &str) -> Option<Vec<String>> {
        self.declared.claims.contains_key(name).then(|| self.find(name).map(strings).unwrap_or_default())
    }
}

/// A claim by JSON pointer (RFC 6901) when the path begins with `/`, else by its very name.
fn find<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let Some(rest) = path.strip_prefix('/') else { return claims.get(path) };
    let unescape = |token: &str| token.replace("~1", "/").replace("~0", "~");
    let (first, rest) = rest.split_once('/').map_or((rest, None), |(first, rest)| (first, Some(rest)));
    let top = claims.get(&unescape(first))?;
    match rest {
        None => Some(top),
        Some(rest) => top.pointer(&format!("/{rest}")),
    }
}

/// A text is a list of words, as OAuth's `scope` is; a list is its texts.
fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn commas(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The fields of a verified caller, set on the request that goes up. What no header can carry is left out; the subject
/// always can.
fn headers(inner: &Inner) -> Vec<(HeaderName, HeaderValue)> {
    let actor = inner.claims.get("act").and_then(|act| act.get("sub")).and_then(Value::as_str);
    let lists = |list: &[String]| list.join(",");
    let fields = [
        (USER, Some(inner.subject.clone())),
        ("x-palisade-session", inner.session.clone()),
        ("x-palisade-org", inner.organization.clone()),
        ("x-palisade-role", Some(lists(&inner.roles))),
        ("x-palisade-permissions", Some(lists(&inner.permissions))),
        ("x-palisade-plans", Some(lists(&inner.plans))),
        ("x-palisade-features", Some(lists(&inner.features))),
        ("x-palisade-actor", actor.map(str::to_owned)),
    ];
    let set = fields.into_iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)));
    set.filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))).collect()
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("subject", &self.0.subject).finish_non_exhaustive()
    }
}

/// Under which a subject is counted.
fn subject_key(subject: &str) -> u128 {
    u128::from_be_bytes(*Sha256::digest(subject.as_bytes()).first_chunk().unwrap_or(&[0; 16]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use palisade_policy::json;

    fn declared(provider: IdentityProvider, claims: &[(&str, &str)]) -> Declared {
        Declared {
            provider,
            issuer: None,
            jwks: None,
            audience: Vec::new(),
            authorized_parties: Vec::new(),
            sign_in_url: None,
            claims: claims
                .iter()
                .map(|(name, path)| ((*name).to_owned(), (*path).to_owned()))
                .collect::<BTreeMap<_, _>>(),
        }
    }

    fn identity(declared: &Declared, claims: &str) -> Identity {
        Identity::of(json::object(claims.as_bytes()).expect("claims"), 1e12, declared).expect("identity")
    }

    #[test]
    fn a8_clerks_second_version_of_claims_is_decoded() {
        let declared = declared(IdentityProvider::Clerk, &[]);
        let caller = identity(
            &declared,
            r#"{"v":2,"sub":"user_1","sid":"sess_1","pla":"u:free,o:pro","fea":"u:export,o:dashboard,o:teams",
                "o":{"id":"org_1","slg":"acme","rol":"admin","per":"manage,read","fpm":"3,2"}}"#,
        );
        assert_eq!(
            caller.0.permissions,
            ["org:dashboard:manage", "org:dashboard:read", "org:teams:read"],
            "the vector of Clerk's own decoder"
        );
        assert!(caller.has_role("admin") && caller.has_role("org:admin") && !caller.has_role("member"));
        assert!(!caller.has_role("") && !caller.has_role("org:org:admin"));
        assert!(caller.has_permission("org:teams:read") && !caller.has_permission("org:teams:manage"));
        for (plan, has) in [
            ("pro", true),
            ("free", true),
            ("o:pro", true),
            ("org:pro", true),
            ("organization:pro", true),
            ("u:pro", false),
            ("user:free", true),
            ("o:free", false),
            ("x:pro", false),
            ("", false),
            ("o:", false),
            ("gold", false),
        ] {
            assert_eq!(caller.has_plan(plan), has, "{plan}");
        }
        assert!(caller.has_feature("teams") && caller.has_feature("u:export") && !caller.has_feature("o:export"));
        assert_eq!(caller.organization(), Some("org_1"));
    }

    #[test]
    fn a8_masks_larger_than_any_integer_are_decoded() {
        assert_eq!(bits("3"), [true, true]);
        assert_eq!(bits("2"), [false, true]);
        assert_eq!(bits("0"), [] as [bool; 0]);
        assert_eq!(bits("1x"), [] as [bool; 0]);
        let two_to_the_100 = bits("1267650600228229401496703205376");
        assert_eq!((two_to_the_100.len(), two_to_the_100.last()), (101, Some(&true)));
        assert!(two_to_the_100.iter().take(100).all(|bit| !bit));
        let features = ["uo:a", "x:b", "ou:c", "u:d"].map(str::to_owned);
        let permissions = ["read"].map(str::to_owned);
        let masks = ["1", "1", "1"].map(str::to_owned);
        assert_eq!(feature_permissions(&features, &permissions, &masks), ["org:a:read", "org:c:read"]);
    }

    #[test]
    fn a8_clerks_first_version_and_an_apps_own_claims_are_read() {
        let first = identity(
            &declared(IdentityProvider::Clerk, &[]),
            r#"{"sub":"user_1","org_id":"org_1","org_role":"org:admin","org_permissions":["org:teams:read"]}"#,
        );
        assert!(first.has_role("admin") && first.has_permission("org:teams:read") && !first.has_plan("pro"));
        let own = [
            ("role", "/metadata/roles/0"),
            ("permission", "scope"),
            ("plan", "https://shop.example/plan"),
            ("owner", "/tenant~1id"),
        ];
        let mapped = identity(
            &declared(IdentityProvider::Oidc, &own),
            r#"{"sub":"a","metadata":{"roles":["editor","x"]},"scope":"posts:read posts:write",
                "https://shop.example/plan":"pro","tenant/id":"t1","roles":["admin"]}"#,
        );
        assert!(mapped.has_role("editor") && !mapped.has_role("admin") && !mapped.has_role("x"));
        assert!(mapped.has_permission("posts:write") && !mapped.has_permission("org:posts:write"));
        assert!(mapped.has_plan("pro") && !mapped.has_plan("u:pro"));
        assert!(mapped.owns("t1") && !mapped.owns("a"), "the claim stands in for the subject");
        let absent = identity(&declared(IdentityProvider::Oidc, &own), r#"{"sub":"a"}"#);
        assert!(!absent.owns("") && !absent.owns("a") && !absent.has_role("editor"));
    }
}
