//! Versions in their order (Semantic Versioning 2.0.0, section 11).

use std::cmp::Ordering;

/// A version as it compares: numbers, then what comes before a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    numbers: [u64; 3],
    before: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Word(String),
}

impl Version {
    /// `1.2.3`, `v1.2.3-rc.1+build`; missing numbers are 0. `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Version> {
        let text = text.trim().trim_start_matches('v').split('+').next()?;
        let (numbers, before) = text.split_once('-').unwrap_or((text, ""));
        let mut parts = numbers.split('.').map(|part| part.parse().ok());
        let mut next = || parts.next().unwrap_or(Some(0));
        let numbers = [next()?, next()?, next()?];
        let part = |part: &str| part.parse().map_or_else(|_| Part::Word(part.to_owned()), Part::Number);
        let before = if before.is_empty() { Vec::new() } else { before.split('.').map(part).collect() };
        parts.next().is_none().then_some(Version { numbers, before })
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        // A release comes after everything before it.
        let release = self.before.is_empty().cmp(&other.before.is_empty());
        self.numbers.cmp(&other.numbers).then(release).then_with(|| self.before.cmp(&other.before))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_specification() {
        let order = [
            "0.9.9",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.10",
            "1.10.0",
        ];
        let versions: Vec<_> = order.iter().map(|text| Version::parse(text).expect("version")).collect();
        assert!(versions.is_sorted(), "{versions:?}");
        assert_eq!(Version::parse("latest"), None);
        assert_eq!(Version::parse("1.2.3.4"), None);
        assert_eq!(Version::parse("v1.2+x"), Version::parse("1.2.0"));
    }
}
