//! What others call our fields. Names that mean the same thing in another unit are not here.

use crate::Field;

/// Elastic Common Schema 9.
const ECS: &[(&str, Field)] = &[
    ("@timestamp", Field::Timestamp),
    ("client.geo.country_iso_code", Field::Country),
    ("client.ip", Field::ClientAddress),
    ("event.dataset", Field::Source),
    ("http.request.body.bytes", Field::RequestBytes),
    ("http.request.id", Field::RequestId),
    ("http.request.referrer", Field::Referrer),
    ("http.response.body.bytes", Field::ResponseBytes),
    ("service.environment", Field::Environment),
    ("source.geo.country_iso_code", Field::Country),
    ("source.ip", Field::ClientAddress),
    ("url.domain", Field::Host),
];

/// What Sigma's rules of the categories `webserver` and `proxy` say (W3C extended log format).
const SIGMA: &[(&str, Field)] = &[
    ("c-ip", Field::ClientAddress),
    ("c-uri-path", Field::Path),
    ("c-uri-query", Field::Query),
    ("c-uri-stem", Field::Path),
    ("c-useragent", Field::UserAgent),
    ("cs-bytes", Field::RequestBytes),
    ("cs-host", Field::Host),
    ("cs-method", Field::Method),
    ("cs-referer", Field::Referrer),
    ("cs-referrer", Field::Referrer),
    ("cs-uri-query", Field::Query),
    ("cs-uri-stem", Field::Path),
    ("cs-user-agent", Field::UserAgent),
    ("cs-username", Field::User),
    ("date-time", Field::Timestamp),
    ("sc-bytes", Field::ResponseBytes),
    ("sc-status", Field::Status),
    ("src_ip", Field::ClientAddress),
];

/// Open Cybersecurity Schema Framework, HTTP Activity (4002).
const OCSF: &[(&str, Field)] = &[
    ("actor.user.uid", Field::User),
    ("http_request.http_method", Field::Method),
    ("http_request.length", Field::RequestBytes),
    ("http_request.referrer", Field::Referrer),
    ("http_request.uid", Field::RequestId),
    ("http_request.url.hostname", Field::Host),
    ("http_request.url.path", Field::Path),
    ("http_request.url.query_string", Field::Query),
    ("http_request.user_agent", Field::UserAgent),
    ("http_response.code", Field::Status),
    ("http_response.length", Field::ResponseBytes),
    ("metadata.uid", Field::Id),
    ("src_endpoint.ip", Field::ClientAddress),
    ("src_endpoint.location.country", Field::Country),
    ("time", Field::Timestamp),
];

/// OpenTelemetry before its names were stable.
const OLD_OTEL: &[(&str, Field)] = &[
    ("deployment.environment", Field::Environment),
    ("enduser.id", Field::User),
    ("http.client_ip", Field::ClientAddress),
    ("http.host", Field::Host),
    ("http.method", Field::Method),
    ("http.status_code", Field::Status),
    ("http.target", Field::Path),
    ("http.user_agent", Field::UserAgent),
];

/// The operations guide's `logSecurityEvent`, and what people put beside its fields.
const GUIDE: &[(&str, Field)] = &[
    ("action", Field::Action),
    ("details.action", Field::Action),
    ("details.logRocketUrl", Field::Replay),
    ("details.method", Field::Method),
    ("details.status", Field::Status),
    ("details.userAgent", Field::UserAgent),
    ("endpoint", Field::Path),
    ("environment", Field::Environment),
    ("ip", Field::ClientAddress),
    ("logRocketUrl", Field::Replay),
    ("method", Field::Method),
    ("outcome", Field::Outcome),
    ("path", Field::Path),
    ("status", Field::Status),
    ("type", Field::Type),
    ("userAgent", Field::UserAgent),
    ("userId", Field::User),
];

const TABLES: [&[(&str, Field)]; 5] = [ECS, SIGMA, OCSF, OLD_OTEL, GUIDE];

/// The field that another schema calls `name`.
pub(super) fn of(name: &str) -> Option<Field> {
    TABLES.iter().find_map(|table| {
        let at = table.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
        table.get(at).map(|(_, field)| *field)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alias_is_found_once_and_none_hides_a_name_of_ours() {
        let mut all: Vec<_> = TABLES.iter().flat_map(|table| table.iter()).collect();
        for (name, field) in &all {
            assert_eq!(of(name), Some(*field), "{name}: tables are sorted");
            assert!(Field::ALL.iter().all(|ours| ours.name() != *name), "{name} is a name of ours");
        }
        all.sort();
        assert!(all.windows(2).all(|pair| pair[0].0 != pair[1].0), "a name stands in two tables");
    }

    #[test]
    fn a_rule_for_another_schema_means_our_field() {
        for (name, field) in [
            ("cs-uri-query", Field::Query),
            ("source.ip", Field::ClientAddress),
            ("http_response.code", Field::Status),
            ("userId", Field::User),
        ] {
            assert_eq!(of(name), Some(field));
        }
        assert_eq!(of("cs-cookie"), None);
    }
}
