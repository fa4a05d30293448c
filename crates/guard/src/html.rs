//! The page a person sees when the gate answers a browser that navigates.

use std::fmt::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use sha2::{Digest as _, Sha256};

use crate::csp;

const STYLE: &str = "\
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}\
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;box-sizing:border-box}\
main{max-width:34rem}h1{font-size:1.5rem;margin:0 0 .5rem}p{margin:0 0 1rem}\
small{opacity:.7;overflow-wrap:anywhere}";

/// Allows exactly [`STYLE`] and nothing else.
static PAGE_CSP: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let csp = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&csp).unwrap_or(csp::DATA)
});

/// The policy of an answer of ours: of the page, or of data.
pub(crate) fn csp(page: bool) -> HeaderValue {
    if page { PAGE_CSP.clone() } else { csp::DATA }
}

/// The page. Nothing in it comes from the request but the id we made for it; it is escaped all the same.
pub(crate) fn page(status: u16, title: &str, message: &str, request_id: &str) -> String {
    let (title, message, request_id) = (Escaped(title), Escaped(message), Escaped(request_id));
    let mut html = String::with_capacity(1024);
    let _ = write!(
        html,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{status} {title}</title><style>{STYLE}</style>\
         </head><body><main><h1>{title}</h1><p>{message}</p><p><small>Error {status}, request {request_id}</small></p>\
         </main></body></html>"
    );
    html
}

/// Text made safe inside elements and quoted attributes.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for char in self.0.chars() {
            match char {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_escapes_what_it_is_given() {
        let html = page(403, "Forbidden", "<script>alert('1')</script> & \"x\"", "01J");
        assert!(!html.contains("<script>") && html.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp;"));
    }

    #[test]
    fn the_policy_names_the_style_by_its_hash() {
        let csp = csp(true);
        let csp = csp.to_str().expect("ascii");
        assert!(csp.contains("style-src 'sha256-") && !csp.contains("unsafe"), "{csp}");
    }
}
