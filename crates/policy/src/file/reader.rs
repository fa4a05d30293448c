//! Typed access to a TOML table: each wrong type, unknown word and unknown key becomes a diagnostic at its place.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use palisade_diag::{Diagnostic, Diagnostics, FileId, Span};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::place::Place;
use crate::suggest;
use crate::wording::shortened;

/// What was found while reading, and where everything stands.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    file: FileId,
    pub(super) found: Diagnostics,
    /// Where each key that was read has its value.
    pub(super) places: BTreeMap<Place, Span>,
    /// Keys whose value could not be read. What follows from that is not told again.
    pub(super) bad: BTreeSet<Place>,
    /// Lists of which some items could not be read. That something is missing from them is not told.
    pub(super) partial: BTreeSet<Place>,
}

/// What is wrong with a value.
pub(super) struct Wrong {
    pub(super) code: &'static str,
    pub(super) what: String,
    pub(super) fix: String,
    /// The value may be a secret.
    pub(super) secret: bool,
}

/// A table of the file.
pub(super) struct Table<'t> {
    place: Place,
    /// Whether it is the value of a key, and shares that key's place.
    inline: bool,
    title: String,
    entries: &'t DeTable<'t>,
    asked: Vec<&'static str>,
}

/// A value of the file.
#[derive(Clone, Copy)]
pub(super) struct Value<'t> {
    pub(super) place: Place,
    pub(super) span: Span,
    key: &'static str,
    value: &'t DeValue<'t>,
}

// === impl Wrong ===

impl Wrong {
    pub(super) fn new(code: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Wrong {
        Wrong { code, what: what.into(), fix: fix.into(), secret: false }
    }
}

// === impl Reader ===

impl Reader {
    pub(super) fn new(file: FileId) -> Reader {
        Reader {
            file,
            found: Diagnostics::new(),
            places: BTreeMap::new(),
            bad: BTreeSet::new(),
            partial: BTreeSet::new(),
        }
    }

    /// A range of the text. The text's size is capped far below 4 GiB.
    pub(super) fn span(&self, range: Range<usize>) -> Span {
        let at = |byte| u32::try_from(byte).unwrap_or(u32::MAX);
        Span { file: self.file, start: at(range.start), end: at(range.end) }
    }

    /// Tells what is wrong with a value, and that it could not be read. A secret is told once.
    pub(super) fn wrong(&mut self, place: Place, span: Span, wrong: Wrong) {
        self.bad.insert(place);
        self.tell(span, wrong);
    }

    fn tell(&mut self, span: Span, wrong: Wrong) {
        let known =
            self.found.iter().any(|item| item.labels.iter().any(|label| label.secret && within(label.span, span)));
        if wrong.secret && known {
            return;
        }
        let diagnostic = Diagnostic::error(wrong.code, wrong.what).fix(wrong.fix);
        let diagnostic = if wrong.secret { diagnostic.at_secret(span, "") } else { diagnostic.at(span, "") };
        self.found.push(diagnostic);
    }
}

fn within(inner: Span, outer: Span) -> bool {
    inner.file == outer.file && outer.start <= inner.start && inner.end <= outer.end
}

// === impl Table ===

impl<'t> Table<'t> {
    /// The whole file.
    pub(super) fn root(entries: &'t DeTable<'t>) -> Table<'t> {
        let place = Place { table: "", index: 0, key: "" };
        Table { place, inline: false, title: "the file".to_owned(), entries, asked: Vec::new() }
    }

    /// The value of a key, if the file has it and it could be read as TOML.
    pub(super) fn get(&mut self, reader: &mut Reader, key: &'static str) -> Option<Value<'t>> {
        self.asked.push(key);
        let found = self.entries.get(key)?;
        let place = if self.inline { self.place } else { Place { key, ..self.place } };
        let span = reader.span(found.span());
        reader.places.entry(place).or_insert(span);
        if span.start == span.end {
            reader.bad.insert(place); // a syntax error stands here, told already
            return None;
        }
        Some(Value { place, span, key, value: found.get_ref() })
    }

    /// A table below this one: `[app]`.
    pub(super) fn table(&mut self, reader: &mut Reader, key: &'static str) -> Option<Table<'t>> {
        let value = self.get(reader, key)?;
        let place = Place::key(key, "");
        reader.places.insert(place, value.span);
        let entries = value.entries(reader)?;
        Some(Table { place, inline: false, title: format!("[{key}]"), entries, asked: Vec::new() })
    }

    /// The tables of a list: `[[route]]`. A single `[route]` is told and read all the same.
    pub(super) fn tables(&mut self, reader: &mut Reader, key: &'static str) -> Vec<Table<'t>> {
        let Some(value) = self.get(reader, key) else { return Vec::new() };
        let found: Vec<(Span, &DeValue<'_>)> = match value.value {
            DeValue::Array(items) => items.iter().map(|item| (reader.span(item.span()), item.get_ref())).collect(),
            other => {
                let what = format!("`{key}` is a list of tables");
                reader.wrong(value.place, value.span, Wrong::new("type", what, format!("write [[{key}]]")));
                vec![(value.span, other)]
            }
        };
        let mut tables = Vec::new();
        for (index, (span, value)) in found.into_iter().enumerate() {
            let place = Place { table: key, index, key: "" };
            reader.places.insert(place, span);
            match value.as_table() {
                Some(entries) => {
                    tables.push(Table {
                        place,
                        inline: false,
                        title: format!("[[{key}]]"),
                        entries,
                        asked: Vec::new(),
                    });
                }
                None => {
                    let what = format!("each `{key}` is a table, not {}", article(value));
                    reader.wrong(place, span, Wrong::new("type", what, format!("write [[{key}]]")));
                }
            }
        }
        tables
    }

    /// A text.
    pub(super) fn text(&mut self, reader: &mut Reader, key: &'static str) -> Option<String> {
        self.get(reader, key)?.text(reader).map(str::to_owned)
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, reader: &mut Reader, key: &'static str) -> Option<bool> {
        let value = self.get(reader, key)?;
        match value.value {
            DeValue::Boolean(flag) => Some(*flag),
            _ => value.mistyped(reader, "true or false"),
        }
    }

    /// A text that means something else.
    pub(super) fn parsed<T>(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        read: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        let value = self.get(reader, key)?;
        let text = value.text(reader)?;
        read(text).map_err(|wrong| reader.wrong(value.place, value.span, wrong)).ok()
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        code: &'static str,
        words: &[(&str, T)],
    ) -> Option<T> {
        self.parsed(reader, key, |text| word(text, code, words))
    }

    /// A text or a list of texts, each of which means something else.
    pub(super) fn each<T>(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        read: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<Vec<T>> {
        let value = self.get(reader, key)?;
        let mut out = Vec::new();
        for (text, span) in value.texts(reader)? {
            match read(text) {
                Ok(item) => out.push(item),
                Err(wrong) => {
                    reader.partial.insert(value.place);
                    reader.tell(span, wrong);
                }
            }
        }
        Some(out)
    }

    /// Tells that a key is missing, or should be: at the key, else at the table; once.
    pub(super) fn tell(&self, reader: &mut Reader, key: &'static str, wrong: Wrong) {
        let place = Place { key, ..self.place };
        let span = reader.places.get(&place).or_else(|| reader.places.get(&self.place)).copied();
        if let (false, Some(span)) = (reader.bad.contains(&place), span) {
            reader.wrong(place, span, wrong);
        }
    }

    /// Tells every key that nobody asked for.
    pub(super) fn close(self, reader: &mut Reader) {
        for (key, value) in self.entries {
            let name = key.get_ref().as_ref();
            if self.asked.contains(&name) {
                continue;
            }
            let fix = match suggest::nearest(name, self.asked.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known here: {}", self.asked.join(", ")),
            };
            let what = format!("{} has no key `{}`", self.title, shortened(name));
            let span = reader.span(key.span());
            let mut diagnostic = Diagnostic::error("unknown-key", what).at(span, "unknown").fix(fix);
            if names_secret(name) {
                diagnostic = diagnostic.at_secret(reader.span(value.span()), "not shown, as it may be a secret");
            }
            reader.found.push(diagnostic);
        }
    }
}

// === impl Value ===

impl<'t> Value<'t> {
    pub(super) fn text(&self, reader: &mut Reader) -> Option<&'t str> {
        match self.value {
            DeValue::String(text) => Some(text.as_ref()),
            _ => self.mistyped(reader, "a text in quotes"),
        }
    }

    /// A whole number, not below zero.
    pub(super) fn number(&self, reader: &mut Reader) -> Option<u64> {
        let number = match self.value {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        if number.is_some() { number } else { self.mistyped(reader, "a whole number, not below zero") }
    }

    /// The texts of a list, or the one text.
    pub(super) fn texts(&self, reader: &mut Reader) -> Option<Vec<(&'t str, Span)>> {
        let items = match self.value {
            DeValue::Array(items) => items,
            DeValue::String(text) => return Some(vec![(text.as_ref(), self.span)]),
            _ => return self.mistyped(reader, "a list of texts"),
        };
        let mut texts = Vec::new();
        for item in items {
            let value = self.item(reader, item);
            texts.extend(value.text(reader).map(|text| (text, value.span)));
        }
        Some(texts)
    }

    /// The items of a list, or the one value.
    pub(super) fn items(&self, reader: &Reader) -> Vec<Value<'t>> {
        match self.value {
            DeValue::Array(items) => items.iter().map(|item| self.item(reader, item)).collect(),
            _ => vec![*self],
        }
    }

    /// The value as a table that shares this key's place.
    pub(super) fn inline(&self, reader: &mut Reader) -> Option<Table<'t>> {
        let entries = self.entries(reader)?;
        Some(Table { place: self.place, inline: true, title: format!("`{}`", self.key), entries, asked: Vec::new() })
    }

    /// The values of a table whose keys are names.
    pub(super) fn named(&self, reader: &mut Reader) -> Vec<(String, Value<'t>)> {
        let Some(entries) = self.entries(reader) else { return Vec::new() };
        entries.iter().map(|(key, value)| (key.get_ref().to_string(), self.item(reader, value))).collect()
    }

    /// The pairs of a table of texts.
    pub(super) fn pairs(&self, reader: &mut Reader) -> Vec<(String, String)> {
        let Some(entries) = self.entries(reader) else { return Vec::new() };
        let mut pairs = Vec::new();
        for (key, value) in entries {
            let value = self.item(reader, value);
            pairs.extend(value.text(reader).map(|text| (key.get_ref().to_string(), text.to_owned())));
        }
        pairs
    }

    pub(super) fn is_text(&self) -> bool {
        self.value.is_str()
    }

    pub(super) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    pub(super) fn is_number(&self) -> bool {
        self.value.is_integer()
    }

    pub(super) fn as_flag(&self) -> Option<bool> {
        self.value.as_bool()
    }

    fn entries(&self, reader: &mut Reader) -> Option<&'t DeTable<'t>> {
        match self.value {
            DeValue::Table(entries) => Some(entries),
            _ => self.mistyped(reader, "a table"),
        }
    }

    fn item(&self, reader: &Reader, item: &'t Spanned<DeValue<'t>>) -> Value<'t> {
        Value { span: reader.span(item.span()), value: item.get_ref(), ..*self }
    }

    /// Tells that the type is wrong.
    fn mistyped<T>(&self, reader: &mut Reader, wanted: &str) -> Option<T> {
        let what = format!("`{}` is {wanted}, not {}", self.key, article(self.value));
        let fix = format!("write {wanted}");
        reader.wrong(self.place, self.span, Wrong::new("type", what, fix));
        None
    }
}

/// One of a few words; the nearest is proposed.
pub(super) fn word<T: Copy>(text: &str, code: &'static str, words: &[(&str, T)]) -> Result<T, Wrong> {
    if let Some((_, meant)) = words.iter().find(|(name, _)| *name == text) {
        return Ok(*meant);
    }
    let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
    let fix = match suggest::nearest(text, names.iter().copied()) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => format!("write one of: {}", names.join(", ")),
    };
    Err(Wrong::new(code, format!("`{}` is not known here", shortened(text)), fix))
}

/// Whether a key's name says that its value is a secret.
fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["secret", "password", "passwd", "token", "apikey", "api_key", "api-key", "private"]
        .iter()
        .any(|word| name.contains(word))
}

fn article(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
