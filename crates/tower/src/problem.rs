use std::collections::BTreeMap;
use std::fmt;

use http::{HeaderValue, Response, StatusCode, header};
use palisade_event::Code;
use palisade_policy::Environment;

/// An app's own error answers, in the shape of the gate's: `application/problem+json` with the operations guide's five
/// handlers as constructors. What an error says of the insides is shown in development alone.
///
/// ```
/// # use palisade_tower::{Problem, policy::Environment};
/// let answer: http::Response<bytes::Bytes> =
///     Problem::internal(Environment::Production, &"connection to 10.0.0.7 refused").into();
/// assert_eq!(answer.status(), 500);
/// assert!(!answer.body().windows(8).any(|part| part == b"10.0.0.7"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: u16,
    code: &'static str,
    error: &'static str,
    message: String,
    details: BTreeMap<String, String>,
}

impl Problem {
    /// 500: something failed that the caller cannot mend. `error` is shown in development, and nowhere else.
    #[must_use]
    pub fn internal(environment: Environment, error: &dyn fmt::Display) -> Problem {
        let message = match environment {
            Environment::Development => error.to_string(),
            Environment::Staging | Environment::Production => {
                "An unexpected error occurred. Please try again later.".into()
            }
        };
        Problem::of(Code::Internal, message)
    }

    /// 400: the input is wrong; `details` say where (JSON pointer) and how.
    #[must_use]
    pub fn invalid<K: Into<String>, V: Into<String>>(details: impl IntoIterator<Item = (K, V)>) -> Problem {
        let details = details.into_iter().map(|(pointer, text)| (pointer.into(), text.into())).collect();
        Problem { details, ..Problem::of(Code::ValidationFailed, "The input is not what this route takes.".into()) }
    }

    /// 401: the caller must sign in.
    #[must_use]
    pub fn unauthorized() -> Problem {
        Problem::of(Code::AuthRequired, "Please sign in to continue.".into())
    }

    /// 403: the caller may not do that.
    #[must_use]
    pub fn forbidden() -> Problem {
        let message = "You do not have permission to access this resource.".into();
        Problem { code: "forbidden", ..Problem::of(Code::ForbiddenOwner, message) }
    }

    /// 404: there is no such thing. `what` is the app's own word for it, not the caller's text.
    #[must_use]
    pub fn not_found(what: &'static str) -> Problem {
        let message = format!("The {what} was not found.");
        Problem { code: "not-found", error: "Not found", ..Problem::of(Code::RouteUndeclared, message) }
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn of(code: Code, message: String) -> Problem {
        Problem { status: code.status(), code: code.id(), error: code.error(), message, details: BTreeMap::new() }
    }

    fn json(&self) -> String {
        let title = self.status().canonical_reason().unwrap_or("Error");
        let mut json = format!(
            "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{},\"code\":\"{}\",\"error\":\"{}\",\"message\":{}",
            self.status,
            self.code,
            self.error,
            Quoted(&self.message)
        );
        if !self.details.is_empty() {
            let pairs: Vec<String> =
                self.details.iter().map(|(pointer, text)| format!("{}:{}", Quoted(pointer), Quoted(text))).collect();
            json.push_str(&format!(",\"details\":{{{}}}", pairs.join(",")));
        }
        json.push('}');
        json
    }
}

/// A JSON string of ASCII alone.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '<' | '>' | '&' => write!(f, "\\u{:04x}", u32::from(c))?,
                ' '..='~' => write!(f, "{c}")?,
                _ => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        write!(f, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        f.write_str("\"")
    }
}

impl<B: From<Vec<u8>>> From<Problem> for Response<B> {
    fn from(problem: Problem) -> Response<B> {
        let mut response = Response::new(B::from(problem.json().into_bytes()));
        *response.status_mut() = problem.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for Problem {
    fn into_response(self) -> axum_core::response::Response {
        let response: Response<bytes::Bytes> = self.into();
        response.map(axum_core::body::Body::from)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.error)
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn the_guides_five_answers_say_nothing_of_the_insides() {
        let secret = "SELECT * FROM users failed at /srv/app.rs:7";
        let shown = |problem: Problem| {
            let response: Response<Bytes> = problem.into();
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
            (response.status().as_u16(), String::from_utf8(response.into_body().to_vec()).expect("text"))
        };
        let (status, text) = shown(Problem::internal(Environment::Production, &secret));
        assert_eq!(status, 500);
        assert!(!text.contains("users") && text.contains("\"error\":\"Internal server error\""), "{text}");
        assert!(shown(Problem::internal(Environment::Development, &secret)).1.contains("users"));
        let (status, text) = shown(Problem::invalid([("/title", "must have 1 to 100 characters, \"not\" 0")]));
        assert_eq!(status, 400);
        assert!(text.contains("\"error\":\"Validation failed\""), "{text}");
        assert!(text.contains("\"details\":{\"/title\":\"must have 1 to 100 characters, \\\"not\\\" 0\"}"), "{text}");
        assert_eq!(shown(Problem::unauthorized()).0, 401);
        assert_eq!(shown(Problem::forbidden()).0, 403);
        let (status, text) = shown(Problem::not_found("post"));
        assert_eq!(status, 404);
        assert!(text.contains("\"message\":\"The post was not found.\""), "{text}");
    }
}
