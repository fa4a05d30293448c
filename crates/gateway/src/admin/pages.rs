//! What the admin listener shows beside its own endpoints. Who made the pages knows nothing of sessions, and who keeps the
//! sessions knows nothing of the pages.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use http_body::Frame;
use tokio::sync::mpsc;

/// Pages for operators. Answers must not block: they are made on the thread that hears signals.
pub trait Pages: Send + Sync {
    /// Whether a path may be had without signing in: the sign-in page itself, and what it looks like.
    fn is_open(&self, path: &str) -> bool;
    /// The answer. Who asks may do so: Host, site, session and, for a form, its token have been looked at.
    fn answer(&self, asked: Asked) -> Pin<Box<dyn Future<Output = Page> + Send + '_>>;
}

/// What is asked for.
#[derive(Debug)]
pub struct Asked {
    /// The path.
    pub path: String,
    /// The query, without its `?`.
    pub query: String,
    /// The fields of a form that was posted; none of a GET.
    pub form: Option<Form>,
    /// Who asks.
    pub visitor: Visitor,
}

/// Who asks.
#[derive(Debug, Clone)]
pub enum Visitor {
    /// Somebody who has not signed in; and why not, if it was tried.
    Stranger(Option<&'static str>),
    /// Somebody who has.
    SignedIn {
        /// How they call themselves; their own word.
        name: String,
        /// Goes into every form, as the field `csrf`.
        csrf: String,
    },
}

/// The fields of a posted form, decoded.
#[derive(Debug, Default)]
pub struct Form(Vec<(String, String)>);

/// An answer.
#[derive(Debug)]
pub struct Page {
    /// The status.
    pub status: StatusCode,
    /// The media type.
    pub media: &'static str,
    /// The content.
    pub content: Content,
    /// Where to go instead: a path of this listener.
    pub location: Option<String>,
}

/// What an answer holds.
#[derive(Debug)]
pub enum Content {
    /// All of it.
    Whole(Bytes),
    /// Piece after piece, until the sender is gone.
    Pieces(mpsc::Receiver<Bytes>),
}

/// The body of an answer.
pub(crate) struct Body(Content);

// === impl Form ===

impl Form {
    /// Reads `application/x-www-form-urlencoded`.
    pub(crate) fn read(body: &[u8]) -> Form {
        let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        Form(
            pairs
                .map(|pair| {
                    let mut halves = pair.splitn(2, |byte| *byte == b'=');
                    let mut half = || decoded(halves.next().unwrap_or_default());
                    (half(), half())
                })
                .collect(),
        )
    }

    /// The value of a field; none where it is missing, or there twice.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(key, _)| key == name);
        let first = found.next()?;
        found.next().is_none().then_some(first.1.as_str())
    }
}

// === impl Page ===

impl Page {
    /// A page of text.
    #[must_use]
    pub fn text(status: StatusCode, text: String) -> Page {
        let media = "text/plain; version=0.0.4; charset=utf-8";
        Page { status, media, content: Content::Whole(text.into()), location: None }
    }

    /// Sends the visitor there by a GET.
    #[must_use]
    pub fn elsewhere(path: &str) -> Page {
        let page = Page::text(StatusCode::SEE_OTHER, format!("see {path}\n"));
        Page { location: Some(path.to_owned()), ..page }
    }
}

// === impl Body ===

impl Body {
    pub(crate) fn new(content: Content) -> Body {
        Body(content)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut self.get_mut().0 {
            Content::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::Pieces(pieces) => pieces.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Content::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match &self.0 {
            Content::Whole(bytes) => http_body::SizeHint::with_exact(bytes.len() as u64),
            Content::Pieces(_) => http_body::SizeHint::default(),
        }
    }
}

fn decoded(text: &[u8]) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text);
    while let [first, after @ ..] = rest {
        rest = after;
        let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (first, after) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, beyond @ ..]) => match hex(*high).zip(hex(*low)) {
                Some((high, low)) => {
                    bytes.push(high << 4 | low);
                    rest = beyond;
                }
                None => bytes.push(b'%'),
            },
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_and_a_field_that_is_there_twice_is_not() {
        let form = Form::read(b"name=Ann+Lee&note=50%25%0A%zz%&twice=1&twice=2&empty=&=x");
        assert_eq!(form.field("name"), Some("Ann Lee"));
        assert_eq!(form.field("note"), Some("50%\n%zz%"));
        assert_eq!(form.field("empty"), Some(""));
        assert_eq!((form.field("twice"), form.field("missing")), (None, None));
        assert_eq!(Form::read(b"a=%ff").field("a"), Some("\u{fffd}"));
    }
}
