//! Multipart forms (RFC 7578), read strictly: a part that two readers could cut or name differently refuses the whole.

use memchr::memmem;

use crate::form::parameter;

/// One part of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'b> {
    /// The field's name.
    pub name: String,
    /// The file's name as sent, if the part is a file. A stranger's text: it enters no event and no answer.
    pub filename: Option<String>,
    /// The media type the part claims, without parameters, in lower case.
    pub content_type: Option<String>,
    /// What it holds.
    pub content: &'b [u8],
}

/// A body that is no multipart form of that boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadMultipart;

/// The most parts of a form.
pub const MAX_PARTS: usize = 256;
/// The longest head of a part, in bytes.
const MAX_PART_HEAD: usize = 2048;

/// Reads a whole form. Linear in the body.
///
/// # Errors
/// No closing boundary, text before the first or after the last part, a part without exactly one name, parameters that
/// come twice or are quoted in a way that readers disagree about, transfer encodings, more than [`MAX_PARTS`] parts.
pub fn read_multipart<'b>(body: &'b [u8], boundary: &str) -> Result<Vec<Part<'b>>, BadMultipart> {
    let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
    let finder = memmem::Finder::new(&delimiter);
    let first = delimiter.get(2..).unwrap_or_default();
    let mut rest = body.strip_prefix(first).ok_or(BadMultipart)?;
    let mut parts = Vec::new();
    loop {
        if let Some(epilogue) = rest.strip_prefix(b"--") {
            return if matches!(epilogue, b"" | b"\r\n") { Ok(parts) } else { Err(BadMultipart) };
        }
        let part = rest.strip_prefix(b"\r\n").ok_or(BadMultipart)?;
        let end = finder.find(part).ok_or(BadMultipart)?;
        let text = part.get(..end).unwrap_or_default();
        if parts.len() == MAX_PARTS {
            return Err(BadMultipart);
        }
        parts.push(read_part(text)?);
        rest = part.get(end + delimiter.len()..).unwrap_or_default();
    }
}

fn read_part(text: &[u8]) -> Result<Part<'_>, BadMultipart> {
    let window = text.get(..text.len().min(MAX_PART_HEAD)).unwrap_or_default();
    let end = memmem::find(window, b"\r\n\r\n").ok_or(BadMultipart)?;
    let head = text.get(..end).and_then(|head| std::str::from_utf8(head).ok()).ok_or(BadMultipart)?;
    let content = text.get(end + 4..).unwrap_or_default();
    let (mut disposition, mut content_type) = (None, None);
    for line in head.split("\r\n") {
        // A line break that only some readers see.
        if line.contains(['\r', '\n', '\0']) {
            return Err(BadMultipart);
        }
        let (name, value) = line.split_once(':').ok_or(BadMultipart)?;
        let seen = match name.to_ascii_lowercase().as_str() {
            "content-disposition" => disposition.replace(value.trim()).is_some(),
            "content-type" => content_type.replace(value.trim()).is_some(),
            // RFC 7578 section 4.7 deprecates it: a reader that obeys it sees other bytes.
            "content-transfer-encoding" => !matches!(value.trim(), "7bit" | "8bit" | "binary"),
            _ => !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
        };
        if seen {
            return Err(BadMultipart);
        }
    }
    let mut parameters = disposition.and_then(|value| value.strip_prefix("form-data")).ok_or(BadMultipart)?;
    let (mut name, mut filename) = (None, None);
    while let Some((key, value, rest)) = next_parameter(parameters)? {
        let twice = match key {
            "name" => name.replace(value).is_some(),
            "filename" => filename.replace(value).is_some(),
            _ => true,
        };
        if twice {
            return Err(BadMultipart);
        }
        parameters = rest;
    }
    if filename.is_none() && !content_type.is_none_or(|value| is_text(value, content)) {
        return Err(BadMultipart);
    }
    let content_type = content_type.map(|value: &str| {
        let essence = value.split(';').next().unwrap_or_default();
        essence.trim().to_ascii_lowercase()
    });
    // busboy takes a part for a file by its name or by this type, and an empty name for none; others go by the name alone.
    let raw = content_type.as_deref() == Some("application/octet-stream");
    let clear = match filename.as_deref() {
        Some("") => raw && content.is_empty(),
        Some(_) => true,
        None => !raw,
    };
    if !clear {
        return Err(BadMultipart);
    }
    Ok(Part { name: name.ok_or(BadMultipart)?, filename, content_type, content })
}

/// Whether a field's text is the same in the charset it names as in UTF-8: busboy decodes by it, others do not.
fn is_text(content_type: &str, content: &[u8]) -> bool {
    let same = |charset: &str| {
        let is = |name: &str| charset.eq_ignore_ascii_case(name);
        is("utf-8") || (content.is_ascii() && (is("us-ascii") || is("iso-8859-1")))
    };
    parameter(content_type, "charset").is_ok_and(|charset| charset.is_none_or(same))
}

/// `; key="value"`: browsers quote always and write `"` as `%22` (HTML standard, "multipart/form-data encoding
/// algorithm"). An escape within quotes is read in two ways, so it refuses.
fn next_parameter(text: &str) -> Result<Option<(&str, String, &str)>, BadMultipart> {
    let text = text.trim_start();
    if text.is_empty() {
        return Ok(None);
    }
    let text = text.strip_prefix(';').ok_or(BadMultipart)?.trim_start();
    let (key, value) = text.split_once('=').ok_or(BadMultipart)?;
    if let Some(quoted) = value.strip_prefix('"') {
        let (value, rest) = quoted.split_once('"').ok_or(BadMultipart)?;
        if value.ends_with('\\') || value.contains("\\\\") {
            return Err(BadMultipart);
        }
        return Ok(Some((key, value.to_owned(), rest)));
    }
    let end = value.find(';').unwrap_or(value.len());
    let (value, rest) = value.split_at(end);
    let value = value.trim_end();
    let token = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if token { Ok(Some((key, value.to_owned(), rest))) } else { Err(BadMultipart) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Name, file name, type, text.
    type Read = (String, Option<String>, Option<String>, String);

    fn read(body: &str) -> Option<Vec<Read>> {
        let parts = read_multipart(body.as_bytes(), "B").ok()?;
        let text = |part: Part<'_>| String::from_utf8_lossy(part.content).into_owned();
        let row = |part: Part<'_>| (part.name.clone(), part.filename.clone(), part.content_type.clone(), text(part));
        Some(parts.into_iter().map(row).collect())
    }

    const FIELD: &str = "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1";

    #[test]
    fn a10_forms_as_browsers_send_them_are_read() {
        let file = "Content-Disposition: form-data; name=\"f\"; filename=\"a;b %22 c.PNG\"\r\nContent-Type: Image/PNG";
        let body = format!("{FIELD}\r\n--B\r\n{file}\r\n\r\n\x01\r\n-\r\n--b\r\n--B--\r\n");
        let parts = read(&body).expect("parts");
        assert_eq!(parts[0], ("a".to_owned(), None, None, "1".to_owned()));
        let name = Some("a;b %22 c.PNG".to_owned());
        assert_eq!(parts[1], ("f".to_owned(), name, Some("image/png".to_owned()), "\x01\r\n-\r\n--b".to_owned()));
        let none =
            "Content-Disposition: form-data; name=\"f\"; filename=\"\"\r\nContent-Type: application/octet-stream";
        assert!(read(&format!("--B\r\n{none}\r\n\r\n\r\n--B--")).is_some(), "no file was chosen");
        assert_eq!(read("--B--"), Some(Vec::new()));
        assert!(read(&format!("{FIELD}\r\n--B--")).is_some());
        let typed = |charset: &str| {
            let kind = format!("name=\"a\"\r\nContent-Type: text/plain; charset={charset}");
            format!("{FIELD}\r\n--B--").replace("name=\"a\"", &kind)
        };
        assert!(read(&typed("UTF-8")).is_some() && read(&typed("ISO-8859-1")).is_some());
        assert!(read(&typed("iso-8859-1").replace("\r\n1", "\r\n\u{e9}")).is_none());
    }

    #[test]
    fn a10_what_two_readers_could_cut_differently_is_refused() {
        let part = |head: &str| format!("--B\r\n{head}\r\n\r\nx\r\n--B--");
        for body in [
            String::new(),
            FIELD.to_owned(),
            format!("{FIELD}\r\n--B"),
            format!("preamble\r\n{FIELD}\r\n--B--"),
            format!("{FIELD}\r\n--B--epilogue"),
            format!("{FIELD}\r\n--Bx\r\n\r\n--B--"),
            format!("{FIELD}\r\n--B \r\n\r\n--B--"),
            FIELD.replace("\r\n", "\n"),
            part(""),
            part("Content-Type: text/plain"),
            part("Content-Disposition: attachment; name=\"a\""),
            part("Content-Disposition: form-data"),
            part("Content-Disposition: form-data; filename=\"a\""),
            part("Content-Disposition: form-data; name=\"a\"; name=\"b\""),
            part("Content-Disposition: form-data; name=\"a\"; NAME=\"b\""),
            part("Content-Disposition: form-data; name=\"a\"; filename=\"x\"; filename*=utf-8''y"),
            part("Content-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; name=\"b\""),
            part("Content-Disposition: form-data; name=\"a\\\"; filename=\\\"b\""),
            part("Content-Disposition: form-data; name=\"a"),
            part("Content-Disposition: form-data; name=\"a\" x"),
            part("Content-Disposition: form-data; name=a b"),
            part("Content-Disposition: form-data; name=\"a\"\nX: y"),
            part("Content-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: base64"),
            part("Content-Disposition: form-data; name=\"a\"\r\n folded: y"),
            part("Content-Disposition: form-data; name=\"a\"\r\nContent-Type: text/plain; charset=utf-16le"),
            part("Content-Disposition: form-data; name=\"a\"\r\nContent-Type: text/plain; charset=\"x;charset=utf-8\""),
            part(&format!("Content-Disposition: form-data; name=\"{}\"", "a".repeat(4096))),
            part("Content-Disposition: form-data; name=\"a\"; filename=\"\""),
            part("Content-Disposition: form-data; name=\"a\"; filename=\"\"\r\nContent-Type: application/octet-stream"),
            part("Content-Disposition: form-data; name=\"a\"; filename=\"\"\r\nContent-Type: text/plain")
                .replace("x\r", "\r"),
            part("Content-Disposition: form-data; name=\"a\"\r\nContent-Type: application/octet-stream"),
        ] {
            assert_eq!(read(&body), None, "{body:?}");
        }
        let many = "\r\n".to_owned() + &format!("{FIELD}\r\n").repeat(MAX_PARTS + 1) + "--B--";
        assert_eq!(read(many.trim_start()), None);
    }

    proptest! {
        #[test]
        fn a10_no_bytes_make_it_panic(body in "(--B|\r\n|Content-Disposition: form-data|; name=|\"a\"|[a:;=\"\\\\-]){0,30}") {
            let _ = read_multipart(body.as_bytes(), "B");
        }
    }
}
