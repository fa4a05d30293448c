//! The table of what the gate answers, for the documentation: written from the codes, so that it cannot differ from them.

use std::fmt::Write as _;

use palisade_event::Code;

use crate::answer::sentence;

/// The page `docs/answers.md`: every code with its status, its `error` text, what a person reads, and OWASP's reference.
#[must_use]
pub fn answers() -> String {
    let mut page = HEAD.to_owned();
    for code in Code::ALL {
        let text = sentence(*code).trim_end_matches('.');
        let _ = writeln!(page, "| {} | `{code}` | {} | {text} | {} |", code.status(), code.error(), code.owasp());
    }
    page.push_str(TAIL);
    page
}

const HEAD: &str = "\
# Answers and codes

Made by `palisade policy answers`.

What the gate says by itself is a problem document (RFC 9457) with the operations guide's fields beside: `code` is stable, for
programs; `error` is the guide's text; `message` is for people; `requestId` finds the event.

```json
{\"type\":\"about:blank\",\"title\":\"Forbidden\",\"status\":403,\"code\":\"csrf-token-invalid\",
 \"error\":\"CSRF token invalid\",\"message\":\"...\",\"requestId\":\"01J...\"}
```

A browser that navigates gets a page with the same message. On routes with `[identity] sign_in_url` it is sent there instead of
`auth-required` and `token-expired`. No answer of the gate's own may be cached.

| status | `code` | `error` | says | OWASP |
|---|---|---|---|---|
";

const TAIL: &str = "
Beside them:

- 429 carries `retryAfter` in seconds, `Retry-After`, `RateLimit-Policy`, `RateLimit` and `X-RateLimit-*`; its `type` is
  `https://iana.org/assignments/http-problem-types#quota-exceeded`, with `violated-policies`.
- 400 `validation-failed` carries `details`: JSON pointer to what is wrong there.
- In production the body of an application's own 5xx is replaced by `internal` with the application's status; elsewhere it passes.
- A copy of a webhook that was accepted and comes with a fresh signature is answered 200 and not forwarded.
- `[csrf] path` answers `{\"csrfToken\":\"...\"}`; OPTIONS is answered by `[cors]`, else 204 with `Allow`.

In events the code is `palisade.code`; `palisade events --code csrf-token-invalid` finds them.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_the_documentation_is_current() {
        let page = include_str!("../../../docs/answers.md");
        assert_eq!(page, answers(), "run: palisade policy answers > docs/answers.md");
    }

    #[test]
    fn h3_every_denial_has_an_owasp_reference_of_its_form_and_one_row() {
        let page = answers();
        for code in Code::ALL {
            let reference = code.owasp();
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let (list, year) = reference.split_once(':').expect("a year");
            let number = list.strip_prefix("API").or_else(|| list.strip_prefix('A')).expect("one of two lists");
            assert!(digits(number) && matches!(year, "2021" | "2023"), "{code}: {reference}");
            assert_eq!(page.matches(&format!("| `{code}` |")).count(), 1, "{code}");
        }
    }
}
