//! "Did you mean": the known word that is nearest to a mistyped one.

/// Longer words are not compared: the cost grows with the square of the length.
const MAX_WORD: usize = 40;

/// The nearest of `known`, if it is near enough to be a slip: a third of the letters at most, no more than three.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_WORD {
        return None;
    }
    let word = word.to_ascii_lowercase().replace('_', "-");
    let most = (word.len() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|other| (distance(&word, &other.to_ascii_lowercase().replace('_', "-")), other))
        .filter(|(far, _)| *far <= most)
        .min_by_key(|(far, _)| *far)
        .map(|(_, other)| other)
}

/// How many letters must be inserted, removed, changed or swapped with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], k: usize| row.get(k).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        let known = ["path", "methods", "kind", "limit", "media_types", "public-form"];
        for (word, meant) in [
            ("metods", Some("methods")),
            ("method", Some("methods")),
            ("knid", Some("kind")),
            ("Path", Some("path")),
            ("media-types", Some("media_types")),
            ("public_form", Some("public-form")),
            ("colour", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
        assert_eq!(nearest(&"methods".repeat(20), known), None);
    }

    #[test]
    fn distance_counts_edits() {
        for (a, b, far) in [("", "", 0), ("a", "", 1), ("kitten", "sitting", 3), ("knid", "kind", 1), ("ab", "ba", 1)] {
            assert_eq!(distance(a, b), far, "{a} {b}");
        }
    }
}
