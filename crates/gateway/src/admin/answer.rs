//! What is answered to whom (SECURITY.md 20): first whether the request is another site's doing, then who asks, then what for.

use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body as Read;
use tokio::time::timeout;

use super::access::{Access, only};
use super::desk::{ATTEMPT_WINDOW, Desk, Refused, SESSION_LIFE, same_text};
use super::pages::{Asked, Body, Form, Page, Pages, Visitor};
use crate::control::Common;

/// What a connection of an operator is answered by.
pub(super) struct Office {
    pub(super) access: Access,
    pub(super) desk: Desk,
    pub(super) pages: Option<Arc<dyn Pages>>,
    pub(super) common: Arc<Common>,
}

/// Bytes of a form.
const FORM: usize = 16 << 10;
/// Time for a form.
const FORM_TIME: Duration = Duration::from_secs(5);

/// On every answer. Styles, scripts and pictures come from the listener itself, and nothing else does; `same-origin` keeps
/// `Origin` on its own forms.
const FIELDS: [(header::HeaderName, &str); 8] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=()"),
];
const HSTS: &str = "max-age=63072000";

// === impl Office ===

impl Office {
    /// An answer with the headers that every one has.
    pub(super) async fn respond<B: Read + Unpin>(&self, request: Request<B>) -> Response<Body> {
        let bearer = !request.headers().contains_key(header::COOKIE);
        let mut signed = None;
        let page = self.answer(request, &mut signed).await.unwrap_or_else(|refusal| refusal);
        let Page { status, media, content, location } = page;
        let mut response = Response::new(Body::new(content));
        *response.status_mut() = status;
        let fields = response.headers_mut();
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        for (name, value) in FIELDS {
            fields.insert(name, HeaderValue::from_static(value));
        }
        if self.access.tls() {
            fields.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
        }
        let mut put = |name, text: Option<String>| {
            if let Some(Ok(value)) = text.map(HeaderValue::try_from) {
                fields.insert(name, value);
            }
        };
        put(header::LOCATION, location);
        put(header::SET_COOKIE, signed);
        if status == StatusCode::UNAUTHORIZED && bearer {
            fields.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            fields.insert(header::RETRY_AFTER, HeaderValue::from(ATTEMPT_WINDOW.as_secs()));
        }
        response
    }

    async fn answer<B: Read + Unpin>(&self, request: Request<B>, signed: &mut Option<String>) -> Result<Page, Page> {
        self.access.enter(&request)?;
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let get = matches!(head.method, Method::GET | Method::HEAD);
        match path {
            "/healthz" if get => return Ok(said(StatusCode::OK, "ok")),
            "/readyz" if get => {
                let ready = self.common.ready();
                let status = if ready.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                return Ok(said(status, ready.err().unwrap_or("ready")));
            }
            _ => {}
        }
        let query = head.uri.query().unwrap_or_default().to_owned();
        let ask = |form, visitor| Asked { path: path.to_owned(), query, form, visitor };
        match (&self.pages, &head.method) {
            (Some(pages), &Method::POST) => {
                let form = read(&head.headers, body).await?;
                self.post(&**pages, &head.headers, ask(Some(form), Visitor::Stranger(None)), signed).await
            }
            (Some(pages), &Method::GET) if pages.is_open(path) => {
                Ok(pages.answer(ask(None, Visitor::Stranger(None))).await)
            }
            (Some(pages), &Method::GET) if path != "/metrics" => match self.visitor(&head.headers) {
                Some((_, visitor)) => Ok(pages.answer(ask(None, visitor)).await),
                None if self.access.navigates(&head.headers) => Ok(Page::elsewhere("/sign-in")),
                None => Err(said(StatusCode::UNAUTHORIZED, "sign in at /sign-in")),
            },
            _ if !get => Err(said(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD")),
            _ => self.plain(path, &head.headers),
        }
    }

    /// Who may not come in is not told what there is.
    fn plain(&self, path: &str, headers: &HeaderMap) -> Result<Page, Page> {
        self.access.unlock(headers)?;
        match path {
            "/metrics" => Ok(Page::text(StatusCode::OK, self.common.metrics())),
            _ => Err(said(StatusCode::NOT_FOUND, "here are /healthz, /readyz and /metrics")),
        }
    }

    /// A form: who sends one has signed in and has its token, or is about to sign in.
    async fn post(
        &self,
        pages: &dyn Pages,
        headers: &HeaderMap,
        asked: Asked,
        signed: &mut Option<String>,
    ) -> Result<Page, Page> {
        let field = |name| asked.form.as_ref().and_then(|form| form.field(name)).unwrap_or_default();
        if asked.path == "/sign-in" {
            return match self.desk.sign_in(field("token").trim(), field("name"), self.access.token()) {
                Ok(key) => {
                    *signed = Some(self.cookie(&key, SESSION_LIFE));
                    Ok(Page::elsewhere("/"))
                }
                Err(refused) => {
                    let (status, why) = match refused {
                        Refused::Wrong => (StatusCode::FORBIDDEN, "That is not the token, or the code was used."),
                        Refused::Often => (StatusCode::TOO_MANY_REQUESTS, "Too many attempts. Wait a minute."),
                    };
                    let page = pages.answer(Asked { form: None, visitor: Visitor::Stranger(Some(why)), ..asked }).await;
                    Ok(Page { status, ..page })
                }
            };
        }
        let Some((key, visitor)) = self.visitor(headers) else {
            return Err(said(StatusCode::UNAUTHORIZED, "sign in at /sign-in"));
        };
        let Visitor::SignedIn { csrf, .. } = &visitor else {
            return Err(said(StatusCode::UNAUTHORIZED, "sign in at /sign-in"));
        };
        if !same_text(csrf, field("csrf")) {
            return Err(said(StatusCode::FORBIDDEN, "the form is not one of this session; load the page again"));
        }
        if asked.path == "/sign-out" {
            self.desk.sign_out(&key);
            *signed = Some(self.cookie("", Duration::ZERO));
            return Ok(Page::elsewhere("/sign-in"));
        }
        Ok(pages.answer(Asked { visitor, ..asked }).await)
    }

    /// Who has signed in, with what their cookie holds. Two cookies of that name are nobody's.
    fn visitor(&self, headers: &HeaderMap) -> Option<(String, Visitor)> {
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
        let mut own = pairs.filter(|(name, _)| name.trim() == self.access.cookie()).map(|(_, value)| value.trim());
        let key = own.next().filter(|_| own.next().is_none())?;
        Some((key.to_owned(), self.desk.visitor(key)?))
    }

    fn cookie(&self, key: &str, life: Duration) -> String {
        let secure = if self.access.tls() { "; Secure" } else { "" };
        let (name, life) = (self.access.cookie(), life.as_secs());
        format!("{name}={key}; Path=/; Max-Age={life}; HttpOnly; SameSite=Strict{secure}")
    }
}

/// Reads a form, up to [`FORM`] bytes within [`FORM_TIME`].
async fn read<B: Read + Unpin>(headers: &HeaderMap, mut body: B) -> Result<Form, Page> {
    let media = only(headers, &header::CONTENT_TYPE).ok().flatten().unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(said(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send a form"));
    }
    let reading = async {
        let mut bytes = Vec::new();
        while let Some(frame) = std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await
        {
            let Ok(frame) = frame else { return Err(said(StatusCode::BAD_REQUEST, "the form breaks off")) };
            let Ok(mut data) = frame.into_data() else { continue };
            while bytes::Buf::has_remaining(&data) {
                let chunk = bytes::Buf::chunk(&data);
                bytes.extend_from_slice(chunk);
                let taken = chunk.len();
                bytes::Buf::advance(&mut data, taken);
            }
            if bytes.len() > FORM {
                return Err(said(StatusCode::PAYLOAD_TOO_LARGE, "the form is too large"));
            }
        }
        Ok(Form::read(&bytes))
    };
    timeout(FORM_TIME, reading).await.unwrap_or_else(|_| Err(said(StatusCode::REQUEST_TIMEOUT, "the form is too slow")))
}

pub(super) fn said(status: StatusCode, text: &str) -> Page {
    Page::text(status, format!("{text}\n"))
}
