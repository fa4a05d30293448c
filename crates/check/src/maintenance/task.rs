//! The seventeen tasks.

/// How often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// Each day.
    Daily,
    /// Each week, from Monday to Sunday (ISO 8601).
    Weekly,
    /// Each month of the calendar.
    Monthly,
    /// Each quarter: from January, April, July and October on.
    Quarterly,
}

/// Who can do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// A command of ours, by its arguments, gives the evidence.
    Run(&'static [&'static str]),
    /// The same, but it asks a running site, which a person must have named (`--live URL`).
    Live(&'static [&'static str]),
    /// The alerts that GitHub keeps, where its own tool is signed in; else a person looks.
    Dependabot,
    /// Only a person can: what to look at, or to do.
    Person,
}

/// One recurring task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// Stable: the period, then a name.
    pub id: &'static str,
    /// How often.
    pub period: Period,
    /// What is to be done.
    pub title: &'static str,
    /// What a person does where no command can, or with what the command found.
    pub steps: &'static str,
    /// Who can do it.
    pub how: How,
    /// Where OWASP speaks of it.
    pub owasp: &'static str,
}

// === impl Period ===

impl Period {
    /// From the shortest to the longest.
    pub const ALL: [Period; 4] = [Period::Daily, Period::Weekly, Period::Monthly, Period::Quarterly];

    /// As typed and written.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Period::Daily => "daily",
            Period::Weekly => "weekly",
            Period::Monthly => "monthly",
            Period::Quarterly => "quarterly",
        }
    }
}

/// The task with an id.
#[must_use]
pub fn task(id: &str) -> Option<&'static Task> {
    TASKS.iter().find(|task| task.id == id)
}

const LOGGING: &str = "A09:2021";
const SUPPLY: &str = "A06:2021";
const SETTINGS: &str = "A05:2021";
const SECRETS: &str = "A02:2021; Secrets Management Cheat Sheet";
const TESTING: &str = "WSTG 4.2";
const DESIGN: &str = "A04:2021";

/// The guide's tasks: three a day, four a week, five a month, five a quarter.
pub const TASKS: [Task; 17] = [
    Task {
        id: "daily/error-logs",
        period: Period::Daily,
        title: "Look at the errors of the day",
        steps: "Look at answers with status 500 and what the platform's own log says of them.",
        how: How::Run(&["events", "--status", "500", "--since", "1d"]),
        owasp: LOGGING,
    },
    Task {
        id: "daily/failed-sign-ins",
        period: Period::Daily,
        title: "Look at failed sign-ins",
        steps: "Look at refused sign-ins here; those that go from the browser to the identity provider stand in its own dashboard.",
        how: How::Run(&["events", "--status", "401", "--since", "1d"]),
        owasp: "A07:2021",
    },
    Task {
        id: "daily/security-alerts",
        period: Period::Daily,
        title: "Go through open incidents",
        steps: "Acknowledge what is being looked at, resolve what is over.",
        how: How::Run(&["incidents", "list", "--state", "open"]),
        owasp: LOGGING,
    },
    Task {
        id: "weekly/dependency-audit",
        period: Period::Weekly,
        title: "Audit production dependencies",
        steps: "Update what has an advisory; where there is no fixed version, write down why it is bearable.",
        how: How::Run(&["check", "--section", "dependencies", "--online"]),
        owasp: SUPPLY,
    },
    Task {
        id: "weekly/dependabot-alerts",
        period: Period::Weekly,
        title: "Go through Dependabot's alerts",
        steps: "Open the repository's Security tab; close each alert or give it an owner.",
        how: How::Dependabot,
        owasp: SUPPLY,
    },
    Task {
        id: "weekly/error-patterns",
        period: Period::Weekly,
        title: "Look for patterns in the week's errors",
        steps: "Read the report's errors by route and status, beside the week before.",
        how: How::Run(&["report", "--since", "7d"]),
        owasp: LOGGING,
    },
    Task {
        id: "weekly/rate-limit-trend",
        period: Period::Weekly,
        title: "Look at the trend of rate-limit violations",
        steps: "See who is refused and where; a limit that refuses customers is too low, one that refuses nobody may be too high.",
        how: How::Run(&["events", "--status", "429", "--since", "7d"]),
        owasp: "API4:2023",
    },
    Task {
        id: "monthly/security-audit",
        period: Period::Monthly,
        title: "Run the whole checklist",
        steps: "Mend what failed; what is unknown needs evidence or an attestation.",
        how: How::Run(&["check"]),
        owasp: SETTINGS,
    },
    Task {
        id: "monthly/update-dependencies",
        period: Period::Monthly,
        title: "Update dependencies, and test",
        steps: "Update within the declared ranges, run the app's own tests, commit the lock file.",
        how: How::Person,
        owasp: SUPPLY,
    },
    Task {
        id: "monthly/compromised-secrets",
        period: Period::Monthly,
        title: "Look for secrets that leaked, and rotate them",
        steps: "A secret that was ever committed is rotated at its provider, not only deleted.",
        how: How::Run(&["secrets", "scan", "--history"]),
        owasp: SECRETS,
    },
    Task {
        id: "monthly/security-tests",
        period: Period::Monthly,
        title: "Run the probes against the running site",
        steps: "Mend what failed before the next release.",
        how: How::Live(&["probe", "all"]),
        owasp: TESTING,
    },
    Task {
        id: "monthly/security-headers",
        period: Period::Monthly,
        title: "Grade the response headers",
        steps: "The grade should be A+ but for exceptions that are named.",
        how: How::Live(&["probe", "headers"]),
        owasp: "A05:2021; HTTP Headers Cheat Sheet",
    },
    Task {
        id: "quarterly/rotate-secrets",
        period: Period::Quarterly,
        title: "Rotate CSRF_SECRET and SESSION_SECRET",
        steps: "palisade secrets rotate CSRF_SECRET, the same for SESSION_SECRET, in each environment; then deploy.",
        how: How::Run(&["secrets", "status"]),
        owasp: SECRETS,
    },
    Task {
        id: "quarterly/framework-updates",
        period: Period::Quarterly,
        title: "Update the framework to its current major version",
        steps: "Read its migration notes, update, run the app's tests and the probes.",
        how: How::Person,
        owasp: SUPPLY,
    },
    Task {
        id: "quarterly/penetration-test",
        period: Period::Quarterly,
        title: "Test by hand: scripts, forged requests, sign-in bypasses",
        steps: "The probes go first; then a person tries what no probe can know: the app's own rules.",
        how: How::Person,
        owasp: TESTING,
    },
    Task {
        id: "quarterly/review-policies",
        period: Period::Quarterly,
        title: "Review the policy",
        steps: "Read palisade.toml from top to bottom: each limit, each exception, each reason. Remove what is no longer so.",
        how: How::Person,
        owasp: DESIGN,
    },
    Task {
        id: "quarterly/awareness-training",
        period: Period::Quarterly,
        title: "Train the team",
        steps: "Go through the last incidents and one topic of the guide together.",
        how: How::Person,
        owasp: DESIGN,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guides_counts_hold_and_ids_are_unique() {
        let count = |period| TASKS.iter().filter(|task| task.period == period).count();
        assert_eq!(Period::ALL.map(count), [3, 4, 5, 5]);
        for (at, task) in TASKS.iter().enumerate() {
            assert!(task.id.starts_with(task.period.id()), "{}", task.id);
            assert!(TASKS.iter().skip(at + 1).all(|other| other.id != task.id), "{} twice", task.id);
        }
    }
}
