//! Which account an attempt names. Every spelling that an application could take for the same account must count as the
//! same, and where two readers could read two accounts out of one request, none is read.

use palisade_event::Code;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::fold::Folds;
use crate::input::{Content, pairs};
use crate::ordered::Ordered;

/// There is not one text where the route says that the account stands. Holds the JSON pointer of that place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unnamed(pub(crate) String);

/// An account's name, hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name {
    /// In its normal form: what counts.
    pub(crate) folded: [u8; 32],
    /// As it was spelled. Spellings that share a count may be accounts of different people.
    pub(crate) spelled: [u8; 32],
}

/// The longest name, in bytes as sent. An address of mail has at most 254 (RFC 5321, errata 1690).
const MAX_NAME: usize = 512;

/// The account's name.
///
/// `place` is a JSON pointer or a field's name; a field stands at the top of a JSON object, and a pointer of one step is
/// a form's field. A key or a query field that some application would read as that one ([`resembles`]) is refused.
/// `folds` must know all [`letters`]; else nothing is named, as what is not known could resemble.
pub(crate) fn named(place: &str, content: &Content<'_>, query: Option<&str>, folds: &Folds) -> Result<Name, Unnamed> {
    let steps = steps(place);
    let unnamed = || {
        let pointer = steps.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1")));
        Unnamed(pointer.collect())
    };
    let first = steps.first().map_or("", String::as_str);
    let same = |key: &str, name: &str| resembles(key, name, folds);
    let elsewhere = pairs(query.unwrap_or_default().as_bytes(), Code::BodyMalformed)
        .map_or(true, |fields| fields.iter().any(|(key, _)| same(key, first)));
    let text = match content {
        _ if elsewhere => None,
        Content::Json(value) => {
            steps.iter().try_fold(value, |value, step| below(value, step, &same)).and_then(Value::as_str)
        }
        Content::Form(fields, files) if steps.len() == 1 => {
            let keys = fields.iter().map(|(key, _)| key).chain(files.iter().map(|part| &part.name));
            let alone = keys.filter(|key| same(key, first)).count() == 1;
            fields.iter().find(|(key, _)| alone && key == first).map(|(_, value)| value.as_str())
        }
        Content::Form(..) | Content::Other => None,
    };
    let known = letters(place, content, query).iter().all(|letter| folds.know(*letter));
    let text = text.filter(|text| known && text.len() <= MAX_NAME).ok_or_else(unnamed)?;
    let normal = normal(text, folds);
    let hash = |text: &str| Sha256::digest(text.as_bytes()).into();
    let name = Name { folded: hash(&normal), spelled: hash(text.trim()) };
    (!normal.is_empty()).then_some(name).ok_or_else(unnamed)
}

/// The letters beyond ASCII that [`named`] compares, in order, each once. Mostly there are none.
pub(crate) fn letters(place: &str, content: &Content<'_>, query: Option<&str>) -> Vec<char> {
    let steps = steps(place);
    let mut letters = Ordered::default();
    let mut see = |text: &str| {
        for c in text.chars().filter(|c| !c.is_ascii()) {
            letters.insert(c, ());
        }
    };
    steps.iter().for_each(|step| see(step));
    for (key, _) in pairs(query.unwrap_or_default().as_bytes(), Code::BodyMalformed).unwrap_or_default() {
        see(&key);
    }
    match content {
        Content::Json(value) => {
            let mut value = Some(value);
            for step in &steps {
                if let Some(Value::Object(entries)) = value {
                    entries.keys().for_each(|key| see(key));
                }
                value = value.and_then(|value| step_into(value, step));
            }
            see(value.and_then(Value::as_str).filter(|text| text.len() <= MAX_NAME).unwrap_or_default());
        }
        Content::Form(fields, files) => {
            for (key, value) in fields {
                see(key);
                if steps.first() == Some(key) && value.len() <= MAX_NAME {
                    see(value);
                }
            }
            files.iter().for_each(|part| see(&part.name));
        }
        Content::Other => {}
    }
    letters.iter().map(|(letter, ())| *letter).collect()
}

fn steps(place: &str) -> Vec<String> {
    match place.strip_prefix('/') {
        Some(pointer) => pointer.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect(),
        None => vec![place.to_owned()],
    }
}

/// One step of a pointer, if it leads to one place only.
fn below<'v>(value: &'v Value, step: &str, same: &impl Fn(&str, &str) -> bool) -> Option<&'v Value> {
    let alone = match value {
        Value::Object(entries) => entries.keys().filter(|key| same(key, step)).count() == 1,
        _ => true,
    };
    step_into(value, step).filter(|_| alone)
}

fn step_into<'v>(value: &'v Value, step: &str) -> Option<&'v Value> {
    match value {
        Value::Object(entries) => entries.get(step),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// Whether some application would read `key` as `name`: by case, as a part of it (`name[]`, `name.0`), or as PHP does,
/// which drops spaces before a name, cuts it at NUL, and reads ` `, `.` and `[` as `_`.
///
/// Keys are as long as bodies: nothing is copied, and the first difference ends it.
fn resembles(key: &str, name: &str, folds: &Folds) -> bool {
    // qs takes `[name]` for `name`.
    let mut rest = folds.of(key.split('\0').next().unwrap_or_default()).skip_while(|c| c.is_whitespace() || *c == '[');
    let plain = |c: char| if matches!(c, ' ' | '.' | '[') { '_' } else { c };
    let head = folds.of(name).all(|c| rest.next().is_some_and(|other| plain(other) == plain(c)));
    head && matches!(rest.next(), None | Some('[' | ']' | '.'))
}

/// Trimmed, without compatibility forms, case, accents, and what cannot be seen: databases compare so, MySQL unless
/// told otherwise. All that merges more than an application may, which only makes such accounts share a count.
fn normal(text: &str, folds: &Folds) -> String {
    let folded: String = folds.of(text).collect();
    folded.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::fold::{Fold, Folded};
    use super::*;

    /// As a gate with tables of its own asks itself.
    fn named(place: &str, content: &Content<'_>, query: Option<&str>) -> Result<Name, Unnamed> {
        let letters = letters(place, content, query);
        let folded = Fold { letters: letters.clone() }.here();
        super::named(place, content, query, &Folds::new(letters, folded))
    }

    fn json(text: &str) -> Content<'static> {
        Content::Json(serde_json::from_str(text).expect("json"))
    }

    fn form(fields: &[(&str, &str)]) -> Content<'static> {
        Content::Form(fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(), Vec::new())
    }

    #[test]
    fn spellings_of_one_account_share_a_hash() {
        let read = |text: &str| named("email", &form(&[("email", text)]), None).expect("named").folded;
        let plain = read("anna@shop.example");
        for spelling in
            ["Anna@Shop.Example", " anna@shop.example\t", "ａｎｎａ＠shop.example", "anna@shop.example\u{a0}"]
        {
            assert_eq!(read(spelling), plain, "{spelling:?}");
        }
        assert_ne!(read("anne@shop.example"), plain);
        assert_eq!(read("STRASSE"), read("Straße"));
        assert_eq!(read("e\u{301}"), read("É"));
        assert_eq!(read("ΟΔΟΣ"), read("οδος"));
        assert_eq!(read("K"), read("\u{212a}"));
    }

    /// MySQL's default collation finds `anna` by each of these, so that every one of them is a guess at `anna`.
    #[test]
    fn spellings_that_a_database_takes_for_one_account_share_a_hash() {
        let read = |text: &str| named("email", &form(&[("email", text)]), None).expect("named").folded;
        for spelling in ["änna", "ànñá", "a\u{301}nna", "an\u{200b}na", "a\u{ad}nna", "anna\u{1}", "\u{feff}anna"] {
            assert_eq!(read(spelling), read("anna"), "{spelling:?}");
        }
        assert_ne!(read("anne"), read("anna"));
        assert!(named("email", &form(&[("email", "\u{200b}")]), None).is_err(), "nothing is left of it");
    }

    /// PHP drops spaces before a name, cuts it at NUL, and reads ` `, `.` and `[` as `_`; qs drops brackets around it;
    /// Go reads `ſ` as `s` in keys of JSON.
    #[test]
    fn a_field_that_an_application_reads_under_that_name_is_another_of_it() {
        for other in [" user_name", "user_name\0x", "user.name", "user name", "user[name", "[user_name]", "uſer_name"]
        {
            let fields = [("user_name", "decoy"), (other, "anna")];
            assert!(named("user_name", &form(&fields), None).is_err(), "{other:?}");
        }
        assert!(named("user", &json("{\"user\":\"decoy\",\"uſer\":\"anna\"}"), None).is_err());
        for other in ["user_name2", "username", "my_user_name"] {
            let fields = [("user_name", "anna"), (other, "x")];
            assert!(named("user_name", &form(&fields), None).is_ok(), "{other:?}");
        }
    }

    #[test]
    fn a_field_and_a_pointer_find_it_in_both_syntaxes() {
        let plain = named("email", &form(&[("email", "a")]), None);
        assert!(plain.is_ok());
        assert_eq!(named("/email", &form(&[("email", "a")]), None), plain);
        assert_eq!(named("email", &json(r#"{"email":" a "}"#), Some("next=/home")), plain);
        assert_eq!(named("/user/0/e~1mail", &json(r#"{"user":[{"e/mail":"a"}]}"#), None), plain);
        let other = named("email", &form(&[("email", " A")]), None).expect("named");
        assert!(plain.is_ok_and(|plain| plain.folded == other.folded && plain.spelled != other.spelled));
    }

    #[test]
    fn without_an_answer_a_name_beyond_ascii_is_no_name() {
        let content = form(&[("email", "änna")]);
        let letters = letters("email", &content, None);
        assert_eq!(letters, ['ä']);
        let unanswered = Folds::new(letters, Folded(Vec::new()));
        assert!(super::named("email", &content, None, &unanswered).is_err());
        assert!(super::named("email", &form(&[("email", "anna")]), None, &Folds::default()).is_ok());
    }

    #[test]
    fn whatever_is_not_one_text_is_no_name() {
        for body in [
            r#"{"email":["a"]}"#,
            r#"{"email":{"$ne":""}}"#,
            r#"{"email":7}"#,
            r#"{"email":null}"#,
            r#"{"email":"  "}"#,
            r#"{"email":"a","Email":"b"}"#,
            r#"{"email":"a","email[]":"b"}"#,
            r#"{"mail":"a"}"#,
            r#"["a"]"#,
            r#""a""#,
        ] {
            assert_eq!(named("/email", &json(body), None), Err(Unnamed("/email".to_owned())), "{body}");
        }
        for fields in
            [&[("email", "a"), ("email", "b")][..], &[("email", "a"), ("EMAIL", "b")], &[("email[]", "a")], &[]]
        {
            assert!(named("email", &form(fields), None).is_err(), "{fields:?}");
        }
        assert!(named("email", &form(&[("email", "a")]), Some("email=b")).is_err(), "some read the query first");
        assert!(named("email", &form(&[("email", "a")]), Some("%zz")).is_err());
        assert!(named("email", &form(&[("email", &"a".repeat(513))]), None).is_err());
        assert!(named("email", &Content::Other, None).is_err());
    }
}
