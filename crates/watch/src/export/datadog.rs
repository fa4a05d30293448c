//! Datadog's intake of logs: <https://docs.datadoghq.com/api/latest/logs/#send-logs>.
//!
//! At most 1,000 entries and 5 MB in a request; an entry beyond 1 MB would be cut, and ours are far smaller.

use serde_json::{Value, json};

use super::{Entry, Origin, Severity, exact};

/// A body of the lines; those that are no objects are left out.
#[must_use]
pub fn logs<'l>(lines: impl IntoIterator<Item = &'l [u8]>, origin: &Origin) -> Vec<u8> {
    let Origin { service, environment, version } = origin;
    let entries = lines.into_iter().filter_map(Entry::of).map(|entry| {
        let status = match entry.severity {
            Severity::Info => "info",
            Severity::Warn => "warn",
            Severity::Error => "error",
        };
        let message = entry.message();
        let mut object = entry.object;
        for (name, value) in [
            ("ddsource", json!("palisade")),
            ("ddtags", json!(format!("env:{},version:{version}", tag(environment)))),
            ("service", json!(service)),
            ("status", json!(status)),
            ("message", json!(message)),
            ("timestamp", json!(exact(entry.time))),
        ] {
            object.insert(name.to_owned(), value);
        }
        Value::Object(object)
    });
    serde_json::to_vec(&entries.collect::<Vec<_>>()).unwrap_or_default()
}

/// A comma would begin another tag.
fn tag(text: &str) -> String {
    text.chars().map(|char| if char.is_ascii_alphanumeric() || "-_./".contains(char) { char } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_have_the_documented_shape() {
        let lines: [&[u8]; 3] = [
            br#"{"timestamp":"2026-11-22T07:00:00.000001Z","http.request.method":"POST","http.route":"/api/contact","http.response.status_code":429,"palisade.code":"rate-limited"}"#,
            br#"{"key":"aa","rule":"r","title":"Too many","priority":"P1","last_seen":"2026-11-22T07:00:01.000000Z"}"#,
            b"no object",
        ];
        let origin = Origin { service: "shop".to_owned(), environment: "a,b:c".to_owned(), version: "1" };
        let body: Value = serde_json::from_slice(&logs(lines, &origin)).expect("json");
        let entries = body.as_array().expect("a list");
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0]["message"], "POST /api/contact 429 rate-limited");
        assert_eq!((&entries[0]["status"], &entries[1]["status"]), (&json!("warn"), &json!("error")));
        assert_eq!(
            (&entries[0]["ddsource"], &entries[0]["ddtags"]),
            (&json!("palisade"), &json!("env:a_b_c,version:1"))
        );
        assert_eq!((&entries[1]["service"], &entries[1]["message"]), (&json!("shop"), &json!("P1 Too many")));
    }
}
