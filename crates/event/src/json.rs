//! A walk over one JSON object, for lines that are read by the million: nothing is built, and text is borrowed unless it
//! carries an escape.

use std::borrow::Cow;

use memchr::memchr2;

use crate::BadLine;

/// A value that is neither an object nor an array.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar<'a> {
    /// A string.
    Text(Cow<'a, str>),
    /// A whole number that fits.
    Number(i64),
    /// Any other number.
    Decimal(f64),
    /// `true` or `false`.
    Flag(bool),
    /// `null`.
    Null,
}

/// Objects and arrays within one another, at most.
pub const MAX_DEPTH: usize = 16;

/// Calls `each` for every scalar of the object in `line`, in order, with its path: the keys from the outermost one on,
/// joined by dots. The elements of an array share its path.
///
/// White space after the object is allowed, anything else is not. A key that occurs twice is told twice.
///
/// # Errors
///
/// If the line is not one JSON object in UTF-8, or nests deeper than [`MAX_DEPTH`]. What stands before the fault may
/// have been told already.
pub fn walk<'a>(line: &'a [u8], mut each: impl FnMut(&str, Scalar<'a>)) -> Result<(), BadLine> {
    let text = str::from_utf8(line).map_err(|_| BadLine::NotUtf8)?;
    let mut reader = Reader { text, at: 0 };
    reader.space();
    if reader.peek() != Some(b'{') {
        return Err(BadLine::NotJson);
    }
    let mut path = String::new();
    reader.object(&mut path, 0, &mut each)?;
    reader.space();
    if reader.at == text.len() { Ok(()) } else { Err(BadLine::NotJson) }
}

/// Calls `each` with the text of every element of the array in `text`, of whatever type.
///
/// # Errors
///
/// If the text is not one JSON array. What stands before the fault has been told already.
pub fn elements<'a>(text: &'a [u8], mut each: impl FnMut(&'a [u8])) -> Result<(), BadLine> {
    let whole = str::from_utf8(text).map_err(|_| BadLine::NotUtf8)?;
    let mut reader = Reader { text: whole, at: 0 };
    reader.space();
    if !reader.take(b'[') {
        return Err(BadLine::NotJson);
    }
    reader.space();
    if !reader.take(b']') {
        loop {
            reader.space();
            let from = reader.at;
            reader.value(&mut String::new(), 1, &mut |_, _| {})?;
            each(text.get(from..reader.at).unwrap_or_default());
            reader.space();
            if reader.take(b']') {
                break;
            }
            reader.expect(b',')?;
        }
    }
    reader.space();
    if reader.at == whole.len() { Ok(()) } else { Err(BadLine::NotJson) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    fn object<F>(&mut self, path: &mut String, depth: usize, each: &mut F) -> Result<(), BadLine>
    where
        F: FnMut(&str, Scalar<'a>),
    {
        self.expect(b'{')?;
        self.space();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            self.space();
            let key = self.string()?;
            self.space();
            self.expect(b':')?;
            self.space();
            self.member(path, &key, depth, each)?;
            self.space();
            if self.take(b'}') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    /// One value below `key`; the path is only put together where there is more than one key in it.
    fn member<F>(&mut self, path: &mut String, key: &str, depth: usize, each: &mut F) -> Result<(), BadLine>
    where
        F: FnMut(&str, Scalar<'a>),
    {
        let nested = matches!(self.peek(), Some(b'{' | b'['));
        if !nested && path.is_empty() {
            each(key, self.scalar()?);
            return Ok(());
        }
        let length = path.len();
        if length > 0 {
            path.push('.');
        }
        path.push_str(key);
        self.value(path, depth, each)?;
        path.truncate(length);
        Ok(())
    }

    fn value<F>(&mut self, path: &mut String, depth: usize, each: &mut F) -> Result<(), BadLine>
    where
        F: FnMut(&str, Scalar<'a>),
    {
        if depth >= MAX_DEPTH {
            return Err(BadLine::TooDeep);
        }
        match self.peek() {
            Some(b'{') => self.object(path, depth + 1, each),
            Some(b'[') => {
                self.at += 1;
                self.space();
                if self.take(b']') {
                    return Ok(());
                }
                loop {
                    self.space();
                    self.value(path, depth + 1, each)?;
                    self.space();
                    if self.take(b']') {
                        return Ok(());
                    }
                    self.expect(b',')?;
                }
            }
            _ => {
                each(path, self.scalar()?);
                Ok(())
            }
        }
    }

    fn scalar(&mut self) -> Result<Scalar<'a>, BadLine> {
        match self.peek() {
            Some(b'"') => self.string().map(Scalar::Text),
            Some(b't') => self.word("true", Scalar::Flag(true)),
            Some(b'f') => self.word("false", Scalar::Flag(false)),
            Some(b'n') => self.word("null", Scalar::Null),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str, scalar: Scalar<'a>) -> Result<Scalar<'a>, BadLine> {
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(BadLine::NotJson);
        }
        self.at += word.len();
        Ok(scalar)
    }

    fn number(&mut self) -> Result<Scalar<'a>, BadLine> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.bytes().take_while(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte)).count();
        let text = rest.get(..length).unwrap_or_default();
        // Rust also reads `+1`, `.5` and `inf`; the letters are out already.
        if !text.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            return Err(BadLine::NotJson);
        }
        self.at += length;
        if let Ok(number) = text.parse() {
            return Ok(Scalar::Number(number));
        }
        text.parse().map(Scalar::Decimal).map_err(|_| BadLine::NotJson)
    }

    fn string(&mut self) -> Result<Cow<'a, str>, BadLine> {
        self.expect(b'"')?;
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = memchr2(b'"', b'\\', rest.as_bytes()).ok_or(BadLine::NotJson)?;
        let plain = rest.get(..length).unwrap_or_default();
        self.at += length;
        if self.take(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = String::from(plain);
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let length = memchr2(b'"', b'\\', rest.as_bytes()).ok_or(BadLine::NotJson)?;
            text.push_str(rest.get(..length).unwrap_or_default());
            self.at += length;
            if self.take(b'"') {
                return Ok(Cow::Owned(text));
            }
            self.at += 1;
            text.push(self.escape()?);
        }
    }

    /// What stands after a backslash.
    fn escape(&mut self) -> Result<char, BadLine> {
        let byte = self.peek().ok_or(BadLine::NotJson)?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex4()?;
                let pair = (0xd800..0xdc00).contains(&unit)
                    && self.text.get(self.at..).is_some_and(|rest| rest.starts_with("\\u"));
                if !pair {
                    return Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                let after = self.at;
                self.at += 2;
                let low = self.hex4()?;
                if (0xdc00..0xe000).contains(&low) {
                    let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                    return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                // A half pair, and then an escape of its own.
                self.at = after;
                char::REPLACEMENT_CHARACTER
            }
            _ => return Err(BadLine::NotJson),
        })
    }

    fn hex4(&mut self) -> Result<u32, BadLine> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(BadLine::NotJson)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(BadLine::NotJson);
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| BadLine::NotJson)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let taken = self.peek() == Some(byte);
        self.at += usize::from(taken);
        taken
    }

    fn expect(&mut self, byte: u8) -> Result<(), BadLine> {
        if self.take(byte) { Ok(()) } else { Err(BadLine::NotJson) }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> Result<Vec<(String, Scalar<'_>)>, BadLine> {
        let mut told = Vec::new();
        walk(line.as_bytes(), |path, scalar| told.push((path.to_owned(), scalar)))?;
        Ok(told)
    }

    #[test]
    fn nested_keys_are_joined_and_arrays_share_their_path() {
        let line = r#" {"a":1,"b":{"c":"x","d":[true,null,{"e":-2.5}]},"f":[],"g":{}} "#;
        let told = told(line).expect("json");
        let expect = [
            ("a", Scalar::Number(1)),
            ("b.c", Scalar::Text(Cow::Borrowed("x"))),
            ("b.d", Scalar::Flag(true)),
            ("b.d", Scalar::Null),
            ("b.d.e", Scalar::Decimal(-2.5)),
        ];
        let told: Vec<_> = told.iter().map(|(path, scalar)| (path.as_str(), scalar.clone())).collect();
        assert_eq!(told, expect);
    }

    #[test]
    fn text_is_borrowed_unless_escaped_and_escapes_mean_what_json_says() {
        let line = r#"{"a":"plain é","b":"q\"\\\/\n\u00e9\ud83d\ude00\ud83dx\ud83d\u0041"}"#;
        let told = told(line).expect("json");
        assert!(matches!(&told[0].1, Scalar::Text(Cow::Borrowed("plain é"))));
        assert_eq!(told[1].1, Scalar::Text(Cow::Owned("q\"\\/\né😀\u{fffd}x\u{fffd}A".to_owned())));
    }

    #[test]
    fn what_is_not_one_object_is_refused() {
        for bad in [
            "",
            "[]",
            "{",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":1}x",
            "{\"a\":\"\\x\"}",
            "{\"a\":tru}",
            "{\"a\":+1}",
            "{\"a\":1e}",
            "{\"a\":\"",
            "{\"a\":\"\\u12\"}",
            "{a:1}",
            "{\"a\":1}{\"b\":2}",
            "{\"a\":inf}",
        ] {
            assert_eq!(told(bad), Err(BadLine::NotJson), "{bad}");
        }
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(40), "]".repeat(40));
        assert_eq!(told(&deep), Err(BadLine::TooDeep));
        assert_eq!(walk(b"{\"a\":\"\xff\"}", |_, _| {}), Err(BadLine::NotUtf8));
    }

    #[test]
    fn the_elements_of_an_array_are_its_texts() {
        let mut found = Vec::new();
        elements(br#" [ {"a":[1,2]} , "x,]" , 3] "#, |text| found.push(str::from_utf8(text).expect("utf-8")))
            .expect("array");
        assert_eq!(found, [r#"{"a":[1,2]}"#, r#""x,]""#, "3"]);
        assert_eq!(elements(b"[]", |_| {}), Ok(()));
        assert_eq!(elements(b"[1,]", |_| {}), Err(BadLine::NotJson));
        assert_eq!(elements(b"[1", |_| {}), Err(BadLine::NotJson));
    }
}
