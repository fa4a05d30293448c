//! How letters are compared where an account is named. That takes tables of Unicode; whoever drives the guard has them,
//! and is asked only where there are letters beyond ASCII.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::canonical_combining_class;

/// What these letters are compared as: the compatibility decomposition of each (NFKD, [UAX #15]), in lower, upper and
/// lower case again, each letter by itself, so that `ß`, `ẞ` and `SS` agree, and `σ` and `ς`; decomposed once more, without
/// marks that combine (a canonical combining class other than 0).
///
/// [UAX #15]: https://www.unicode.org/reports/tr15/
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// In order, each once, none of ASCII; at most so many as a body holds.
    pub letters: Vec<char>,
}

/// The answer to [`Fold`]: one text for each letter. Of another length it is none, and nobody is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded(pub Vec<String>);

/// What is known of letters.
#[derive(Debug, Default)]
pub(crate) struct Folds {
    letters: Vec<char>,
    texts: Vec<String>,
}

// === impl Fold ===

impl Fold {
    /// The answer by the tables of this crate. A module that never asks for it is linked without them.
    #[must_use]
    pub fn here(&self) -> Folded {
        let starters = |c: &char| canonical_combining_class(*c) == 0;
        let fold = |c: &char| -> String {
            let cased = std::iter::once(*c)
                .nfkd()
                .flat_map(char::to_lowercase)
                .flat_map(char::to_uppercase)
                .flat_map(char::to_lowercase);
            cased.nfkd().filter(starters).collect()
        };
        Folded(self.letters.iter().map(fold).collect())
    }
}

// === impl Folds ===

impl Folds {
    pub(crate) fn new(letters: Vec<char>, Folded(texts): Folded) -> Folds {
        if letters.len() == texts.len() { Folds { letters, texts } } else { Folds::default() }
    }

    /// A text's letters as they are compared, without what is not shown.
    pub(crate) fn of(&self, text: &str) -> impl Iterator<Item = char> {
        text.chars().flat_map(|c| self.chars(c)).filter(|c| !c.is_control() && !is_ignorable(*c))
    }

    pub(crate) fn know(&self, letter: char) -> bool {
        self.letters.binary_search(&letter).is_ok()
    }

    fn chars(&self, c: char) -> impl Iterator<Item = char> {
        let known = self.letters.binary_search(&c).ok().and_then(|at| self.texts.get(at));
        let alone = known.is_none().then(|| c.to_ascii_lowercase());
        alone.into_iter().chain(known.map_or("", String::as_str).chars())
    }
}

/// What is not shown and has no weight in comparisons (Unicode, `Default_Ignorable_Code_Point`, the greater part).
const fn is_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fff8}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(c: char) -> String {
        Fold { letters: vec![c] }.here().0.concat()
    }

    /// The package for Next.js, whose letters JavaScript compares, is held to the same file.
    #[test]
    fn the_corpus_of_letters_holds() {
        let text = include_str!("../../../../tests/support/folds.json");
        let corpus: std::collections::BTreeMap<String, String> = serde_json::from_str(text).expect("a corpus");
        assert!(corpus.len() > 1_000);
        for (letter, text) in corpus {
            assert_eq!(fold(letter.chars().next().expect("a letter")), text, "{letter}");
        }
    }

    #[test]
    fn what_was_folded_is_folded() {
        // Where letters with other forms are, without the thousands of ideographs and syllables.
        let blocks =
            ['\u{80}'..='\u{33ff}', '\u{a640}'..='\u{abff}', '\u{f900}'..='\u{ffff}', '\u{1d400}'..='\u{1f2ff}'];
        for c in blocks.into_iter().flatten() {
            let once = fold(c);
            let twice: String = once.chars().map(|c| if c.is_ascii() { c.to_string() } else { fold(c) }).collect();
            assert_eq!(once, twice, "{c:?}");
        }
    }

    #[test]
    fn texts_that_nfkc_and_case_make_equal_are_equal() {
        let folds = |text: &str| {
            let mut letters: Vec<char> = text.chars().filter(|c| !c.is_ascii()).collect();
            letters.sort_unstable();
            letters.dedup();
            let folded = Fold { letters: letters.clone() }.here();
            Folds::new(letters, folded).of(text).collect::<String>()
        };
        let canonical = |text: &str| text.nfkc().flat_map(char::to_lowercase).nfkc().collect::<String>();
        for text in
            ["Straße", "ＡＢＣ１２３", "ﬁn", "Ångström", "한글", "ｶﾞｷﾞ", "İstanbul", "ǅungla", "ᾳ", "x\u{315}\u{300}"]
        {
            assert_eq!(folds(text), folds(&canonical(text)), "{text}");
        }
        assert_eq!((folds("Ünï-CODE_9"), folds("ΣΊΣΥΦΟΣ")), ("uni-code_9".to_owned(), "σισυφοσ".to_owned()));
    }
}
