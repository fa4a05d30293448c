//! The little of HTTP/1.1 that the scripts need, by hand.

use std::io::{self, BufRead};

/// A start line and the fields after it, in order, as written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The start line.
    pub start: String,
    /// Names lower case, values as written.
    pub fields: Vec<(String, String)>,
}

/// A response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The head.
    pub head: Head,
    /// The body, its framing removed.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: Vec<(String, String)>,
    /// Whether the body came to the end that its framing announced.
    pub complete: bool,
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
    Close,
}

/// The value of a field that must come at most once.
///
/// # Panics
/// If it comes twice.
#[must_use]
pub fn header<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut values = fields.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let value = values.next();
    assert_eq!(values.next(), None, "{name} comes twice");
    value
}

impl Head {
    /// Reads a head up to its empty line. `None` at the end of the stream.
    ///
    /// # Errors
    /// If the stream fails or ends within the head.
    pub fn read(from: &mut impl BufRead) -> io::Result<Option<Head>> {
        let Some(start) = line(from)? else { return Ok(None) };
        let mut head = Head { start, fields: Vec::new() };
        loop {
            let line = line(from)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if line.is_empty() {
                return Ok(Some(head));
            }
            let (name, value) = line.split_once(':').ok_or(io::ErrorKind::InvalidData)?;
            head.fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// The value of a field that comes at most once.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        header(&self.fields, name)
    }

    /// Every name, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.fields.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn framing(&self) -> Option<Framing> {
        if self.field("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            return Some(Framing::Chunked);
        }
        self.field("content-length").map(|length| Framing::Length(length.parse().expect("a length")))
    }
}

impl Response {
    /// The value of a field that comes at most once.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.field(name)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The `code` of a problem body.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn code(&self) -> String {
        let problem: serde_json::Value = serde_json::from_slice(&self.body).expect("a problem");
        problem["code"].as_str().expect("a code").to_owned()
    }
}

/// A line without its end; `None` at the end of the stream.
pub(crate) fn line(from: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if from.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}

/// The next piece of a body; empty at its end.
pub(crate) fn piece(
    from: &mut impl BufRead,
    framing: &mut Framing,
    trailers: &mut Vec<(String, String)>,
) -> io::Result<Vec<u8>> {
    match framing {
        Framing::Close => {
            let piece = from.fill_buf()?.to_vec();
            from.consume(piece.len());
            Ok(piece)
        }
        Framing::Length(0) => Ok(Vec::new()),
        Framing::Length(left) => {
            let ready = from.fill_buf()?;
            if ready.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let take = ready.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
            let piece = ready.iter().take(take).copied().collect();
            from.consume(take);
            *left -= take as u64;
            Ok(piece)
        }
        Framing::Chunked => chunk(from, framing, trailers),
    }
}

fn chunk(
    from: &mut impl BufRead,
    framing: &mut Framing,
    trailers: &mut Vec<(String, String)>,
) -> io::Result<Vec<u8>> {
    let size = line(from)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let digits = size.split(';').next().unwrap_or_default().trim();
    let size = usize::from_str_radix(digits, 16).map_err(|_| io::ErrorKind::InvalidData)?;
    if size > 0 {
        let mut piece = vec![0; size];
        from.read_exact(&mut piece)?;
        line(from)?;
        return Ok(piece);
    }
    while let Some(line) = line(from)?.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(io::ErrorKind::InvalidData)?;
        trailers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    *framing = Framing::Length(0);
    Ok(Vec::new())
}
