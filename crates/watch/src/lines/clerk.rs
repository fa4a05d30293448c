//! What Clerk reports by webhook: sessions and users. Failed sign-ins are not among it.

use std::borrow::Cow;

use palisade_event::json::{Scalar, walk};
use palisade_event::{BadLine, EventTime, Outcome, Seen, Source};

use super::text::address;

/// Reads the body of a webhook. What signed it, and its id (`svix-id`), is the intake's.
///
/// The session's id does not become part of the event: it is a key to the account.
///
/// # Errors
///
/// [`BadLine`], if it is no JSON object, not an event of Clerk's, or without a time.
pub fn clerk(body: &[u8]) -> Result<Seen<'_>, BadLine> {
    let mut seen = Seen::at(EventTime::default(), Source::Clerk);
    let (mut time, mut event, mut id, mut user) = (None, false, None, None);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century fit")]
    walk(body, |path, scalar| match (path, scalar) {
        ("type", Scalar::Text(text)) => seen.kind_of_report = Some(text),
        ("object", Scalar::Text(text)) => event = text == "event",
        ("timestamp", Scalar::Number(millis)) => time = EventTime::from_number(millis as f64),
        ("instance_id", Scalar::Text(text)) => seen.service = Some(text),
        ("data.id", Scalar::Text(text)) => id = Some(text),
        ("data.user_id", Scalar::Text(text)) => user = Some(text),
        ("event_attributes.http_request.client_ip", Scalar::Text(text)) => {
            if let Some(address) = address(text.as_bytes()) {
                seen.set_client(address);
            }
        }
        ("event_attributes.http_request.user_agent", Scalar::Text(text)) => seen.user_agent = Some(text),
        _ => {}
    })?;
    let Some(kind) = seen.kind_of_report.as_deref().filter(|_| event) else { return Err(BadLine::Unrelated) };
    let of_user = kind.starts_with("user.");
    let action = action(kind);
    if action == "login" {
        seen.outcome = Some(Outcome::Success);
    }
    seen.action = Some(action);
    seen.user = user.or(if of_user { id } else { None });
    seen.time = time.ok_or(BadLine::NoTime)?;
    Ok(seen)
}

/// The words that rules use, and for everything else Clerk's own with dashes.
fn action(kind: &str) -> Cow<'static, str> {
    match kind {
        "session.created" => Cow::Borrowed("login"),
        "session.ended" | "session.removed" => Cow::Borrowed("logout"),
        "session.revoked" => Cow::Borrowed("session-revoked"),
        "user.created" => Cow::Borrowed("sign-up"),
        "user.deleted" => Cow::Borrowed("account-deleted"),
        other => Cow::Owned(other.replace(['.', '_'], "-").to_ascii_lowercase()),
    }
}
