//! A content security policy in depth: what it lets through in spite of what it says.
//!
//! The questions are those of google/csp-evaluator (1.1.8, commit of 2026): its types and severities, so that results can be
//! compared, in our words. A policy is judged as browsers of level 3 read it: a nonce or a hash ends `'unsafe-inline'`,
//! `'strict-dynamic'` ends lists of hosts.
//!
//! Hosts that are known to serve JSONP or AngularJS are a short table here, by host alone; theirs is long, by path. For a host
//! that is in neither, the advice is the same: look.

mod allowlist;
mod checks;
mod directive;

/// How bad it is; a lower number is worse. The numbers are csp-evaluator's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// An attacker's script runs.
    High = 10,
    /// Browsers read something else than was meant.
    Syntax = 20,
    /// A weakness.
    Medium = 30,
    /// High, if something else is so too.
    HighMaybe = 40,
    /// What a strict policy would have.
    Strict = 45,
    /// Medium, if something else is so too.
    MediumMaybe = 50,
    /// Good to know.
    Info = 60,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weakness {
    /// Our name of it: `csp/unsafe-inline`.
    pub id: &'static str,
    /// csp-evaluator's number of the type.
    pub number: u16,
    /// How bad it is.
    pub severity: Severity,
    /// The directive where it stands, or should.
    pub directive: String,
    /// The value, where one is to blame.
    pub value: Option<String>,
    /// What it means.
    pub says: String,
}

/// A policy: directives in their order, each with its values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    directives: Vec<(String, Vec<String>)>,
}

/// Everything that is weak in a policy, the worst first; the wishes of a strict policy ([`Severity::Strict`]) included.
#[must_use]
pub fn weaknesses(policy: &str) -> Vec<Weakness> {
    let policy = Policy::parse(policy).effective();
    let mut found: Vec<_> = checks::CHECKS.iter().flat_map(|check| check(&policy)).collect();
    found.sort_by_key(|weakness| weakness.severity);
    found
}

// === impl Severity ===

impl Severity {
    /// The word for it.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Severity::High => "high",
            Severity::Syntax => "syntax",
            Severity::Medium => "medium",
            Severity::HighMaybe => "high-maybe",
            Severity::Strict => "strict",
            Severity::MediumMaybe => "medium-maybe",
            Severity::Info => "info",
        }
    }
}

// === impl Policy ===

impl Policy {
    /// Reads a policy. Of two directives of a name the first counts, as in browsers.
    #[must_use]
    pub fn parse(text: &str) -> Policy {
        let mut directives = Vec::<(String, Vec<String>)>::new();
        for mut words in text.split(';').map(str::split_whitespace) {
            let Some(name) = words.next().map(str::to_ascii_lowercase) else { continue };
            if directives.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let mut values = Vec::<String>::new();
            for word in words {
                let lower = word.to_ascii_lowercase();
                let word =
                    if directive::is_keyword(&lower) || directive::is_scheme(word) { lower } else { word.to_owned() };
                if !values.contains(&word) {
                    values.push(word);
                }
            }
            directives.push((name, values));
        }
        Policy { directives }
    }

    /// The policy as browsers of level 3 read it.
    fn effective(mut self) -> Policy {
        let mut done = Vec::new();
        for wanted in ["script-src", "script-src-attr", "script-src-elem"] {
            let name = self.directive_for(wanted).to_owned();
            if done.contains(&name) {
                continue;
            }
            let proven = self.values(&name).iter().any(|value| directive::proves(value));
            let strict = self.values(&name).iter().any(|value| value == "'strict-dynamic'");
            if let Some((_, values)) = self.directives.iter_mut().find(|(known, _)| *known == name) {
                values.retain(|value| {
                    let inline = proven && value == "'unsafe-inline'";
                    let listed = !value.starts_with('\'') || matches!(value.as_str(), "'self'" | "'unsafe-inline'");
                    !(inline || strict && listed)
                });
            }
            done.push(name);
        }
        self
    }

    fn has(&self, name: &str) -> bool {
        self.directives.iter().any(|(known, _)| known == name)
    }

    fn values(&self, name: &str) -> &[String] {
        self.directives.iter().find(|(known, _)| known == name).map_or(&[], |(_, values)| values.as_slice())
    }

    /// The directive that decides in place of another.
    fn directive_for<'a>(&self, name: &'a str) -> &'a str {
        if self.has(name) {
            return name;
        }
        match name {
            "script-src-attr" | "script-src-elem" if self.has("script-src") => "script-src",
            "style-src-attr" | "style-src-elem" if self.has("style-src") => "style-src",
            _ if directive::is_fetch(name) => "default-src",
            _ => name,
        }
    }

    fn directives_for<'a>(&self, names: &[&'a str]) -> Vec<&'a str> {
        let mut found = Vec::new();
        for name in names.iter().map(|name| self.directive_for(name)) {
            if !found.contains(&name) {
                found.push(name);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(policy: &str) -> Vec<(&'static str, Severity)> {
        weaknesses(policy).into_iter().map(|weakness| (weakness.id, weakness.severity)).collect()
    }

    #[test]
    fn a_strict_policy_has_wishes_only() {
        let strict = "default-src 'none'; script-src 'nonce-0123456789abcdef' 'strict-dynamic'; base-uri 'none'; object-src 'none'";
        assert!(found(strict).iter().all(|(_, severity)| *severity >= Severity::Strict), "{:?}", found(strict));
    }

    #[test]
    fn each_weakness_is_found_by_its_name() {
        let cases = [
            ("script-src 'self' 'unsafe-inline'", "csp/unsafe-inline", Severity::High),
            ("script-src 'unsafe-hashes'", "csp/unsafe-hashes", Severity::MediumMaybe),
            ("script-src 'unsafe-eval'", "csp/unsafe-eval", Severity::MediumMaybe),
            ("script-src data:", "csp/plain-scheme", Severity::High),
            ("script-src *", "csp/wildcard", Severity::High),
            ("default-src", "csp/missing-directive", Severity::High),
            ("script-src ajax.googleapis.com", "csp/allowlist-bypass", Severity::High),
            ("script-src cdn.own.example", "csp/allowlist", Severity::MediumMaybe),
            ("object-src cdn.own.example", "csp/object-allowlist", Severity::MediumMaybe),
            ("img-src 192.0.2.1", "csp/address", Severity::Info),
            ("script-src 'nonce-abc'", "csp/nonce-length", Severity::Medium),
            ("script-src 'nonce-ab(cdefgh'", "csp/nonce-charset", Severity::Info),
            ("img-src http://a.example", "csp/plain-http", Severity::Medium),
            ("reflected-xss block", "csp/deprecated", Severity::Info),
            ("script-source 'self'", "csp/unknown-directive", Severity::Syntax),
            ("script-src 'self' object-src 'none'", "csp/missing-semicolon", Severity::Syntax),
            ("script-src self", "csp/keyword", Severity::Syntax),
            ("script-src 'nothing'", "csp/keyword", Severity::Syntax),
            ("script-src https://a.example", "csp/strict-dynamic", Severity::Strict),
            ("script-src 'strict-dynamic'", "csp/strict-dynamic-alone", Severity::Info),
            ("script-src 'nonce-0123456789'", "csp/inline-fallback", Severity::Strict),
            ("script-src 'nonce-0123456789' 'strict-dynamic'", "csp/allowlist-fallback", Severity::Strict),
            ("script-src 'self'", "csp/trusted-types", Severity::Info),
        ];
        for (policy, id, severity) in cases {
            assert!(found(policy).contains(&(id, severity)), "{policy}: {:?}", found(policy));
        }
    }

    #[test]
    fn what_browsers_ignore_is_no_weakness() {
        let ids = |policy| found(policy).into_iter().map(|(id, _)| id).collect::<Vec<_>>();
        assert!(!ids("script-src 'nonce-0123456789' 'unsafe-inline'").contains(&"csp/unsafe-inline"));
        assert!(!ids("script-src 'nonce-0123456789' 'strict-dynamic' https: *").contains(&"csp/wildcard"));
        assert!(ids("script-src 'self'; script-src 'unsafe-inline'").iter().all(|id| *id != "csp/unsafe-inline"));
    }
}
