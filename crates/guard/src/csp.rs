//! Content-Security-Policy: four profiles, written once per plan.
//!
//! *page*: scripts run by nonce (CSP Level 3, `'strict-dynamic'`), for what is rendered per request. *fixed*: for
//! prerendered documents, which cannot carry a nonce: inline scripts are allowed, foreign ones are not. *plain*: for
//! pages that answer a form: scripts from files alone. *data*: nothing loads at all, for answers that are not documents.

use http::HeaderValue;
use palisade_policy::{CspSources, Environment, Framework, Policy};

/// The characters of a nonce: 128 bits as base64 without padding.
pub(crate) const NONCE_CHARS: usize = 22;

/// The directives that cost an application nothing and are sent beside a policy of its own.
pub(crate) const BASELINE: HeaderValue =
    HeaderValue::from_static("object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'");

pub(crate) const DATA: HeaderValue =
    HeaderValue::from_static("default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");

/// The profiles of one plan.
#[derive(Debug)]
pub(crate) struct Csp {
    before_nonce: String,
    after_nonce: String,
    fixed: HeaderValue,
    plain: HeaderValue,
}

impl Csp {
    pub(crate) fn compile(policy: &Policy, https: bool) -> Csp {
        let dev = policy.environment == Environment::Development;
        let next = policy.app.framework == Some(Framework::NextJs);
        // React's and Next's development builds evaluate strings and talk to the dev server over a WebSocket.
        let dev_script = if dev && next { " 'unsafe-eval'" } else { "" };
        let dev_connect = if dev { " ws:" } else { "" };
        let rest = directives(&policy.csp, dev_connect, https);
        let script = join(&policy.csp.script);
        Csp {
            before_nonce: "default-src 'none'; script-src 'self' 'nonce-".to_owned(),
            after_nonce: format!("' 'strict-dynamic'{dev_script}{script}; {rest}"),
            plain: header(&format!("default-src 'none'; script-src 'self'{script}; {rest}")),
            fixed: header(&format!(
                "default-src 'none'; script-src 'self' 'unsafe-inline'{dev_script}{script}; {rest}"
            )),
        }
    }

    pub(crate) fn page(&self, nonce: &str) -> HeaderValue {
        header(&[self.before_nonce.as_str(), nonce, &self.after_nonce].concat())
    }

    pub(crate) fn fixed(&self) -> HeaderValue {
        self.fixed.clone()
    }

    pub(crate) fn plain(&self) -> HeaderValue {
        self.plain.clone()
    }
}

/// Everything but `default-src` and `script-src`.
fn directives(sources: &CspSources, dev_connect: &str, https: bool) -> String {
    let CspSources { script: _, style, connect, img, font, frame, worker, form } = sources;
    // Style attributes cannot carry a nonce, and frameworks write them.
    let mut all = vec![
        format!("style-src 'self' 'unsafe-inline'{}", join(style)),
        format!("img-src 'self' data: blob:{}", join(img)),
        format!("font-src 'self' data:{}", join(font)),
        format!("connect-src 'self'{dev_connect}{}", join(connect)),
        "media-src 'self'".to_owned(),
        "manifest-src 'self'".to_owned(),
        format!("worker-src 'self' blob:{}", join(worker)),
        format!("frame-src 'self'{}", join(frame)),
        "object-src 'none'".to_owned(),
        "base-uri 'self'".to_owned(),
        format!("form-action 'self'{}", join(form)),
        "frame-ancestors 'none'".to_owned(),
    ];
    if https {
        all.push("upgrade-insecure-requests".to_owned());
    }
    all.join("; ")
}

fn join(sources: &[String]) -> String {
    sources.iter().map(|source| format!(" {source}")).collect()
}

/// Sources come from presets and checked configuration; a byte that no header may carry yields the strictest policy.
fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(DATA)
}
