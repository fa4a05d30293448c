//! OTLP over HTTP in its JSON encoding: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>.
//!
//! 64-bit integers are texts, enums are numbers, names are in lowerCamelCase. Metrics are those of the page for Prometheus.

use std::collections::BTreeMap;

use palisade_event::EventTime;
use serde_json::{Map, Value, json};

use super::{Entry, Origin, Severity};

/// A sample of a page: its name, labels and value.
type Sample<'p> = (&'p str, Vec<Value>, f64);

/// A body for `/v1/logs`; lines that are no objects are left out.
#[must_use]
pub fn logs<'l>(lines: impl IntoIterator<Item = &'l [u8]>, origin: &Origin, now: EventTime) -> Vec<u8> {
    let records: Vec<Value> = lines.into_iter().filter_map(Entry::of).map(|entry| record(&entry, now)).collect();
    let scope = json!({ "scope": scope(origin), "logRecords": records });
    let body = json!({ "resourceLogs": [{ "resource": resource(origin), "scopeLogs": [scope] }] });
    serde_json::to_vec(&body).unwrap_or_default()
}

/// A body for `/v1/metrics`, from a page in the text format of Prometheus.
#[must_use]
pub fn metrics(page: &str, origin: &Origin, start: EventTime, now: EventTime) -> Vec<u8> {
    let mut families: Vec<(&str, &str, &str)> = Vec::new();
    let mut samples: BTreeMap<&str, Vec<Sample<'_>>> = BTreeMap::new();
    let mut help = "";
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').map_or("", |(_, text)| text);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            families.push((name, kind, help));
        } else if let (Some((name, labels, value)), Some((family, ..))) = (sample(line), families.last()) {
            samples.entry(*family).or_default().push((name, labels, value));
        }
    }
    let times = (nanos(start), nanos(now));
    let metric = |(name, kind, help): &(&str, &str, &str)| {
        let points = samples.get(name)?;
        let data = match *kind {
            "counter" => {
                json!({ "sum": { "aggregationTemporality": 2, "isMonotonic": true, "dataPoints": plain(points, &times) } })
            }
            "gauge" => json!({ "gauge": { "dataPoints": plain(points, &times) } }),
            "histogram" => {
                json!({ "histogram": { "aggregationTemporality": 2, "dataPoints": [histogram(points, &times)] } })
            }
            _ => return None,
        };
        let mut metric = Map::new();
        metric.insert("name".to_owned(), json!(name));
        metric.insert("description".to_owned(), json!(help));
        metric.extend(data.as_object().cloned().into_iter().flatten());
        Some(Value::Object(metric))
    };
    let metrics: Vec<Value> = families.iter().filter_map(metric).collect();
    let scope = json!({ "scope": scope(origin), "metrics": metrics });
    let body = json!({ "resourceMetrics": [{ "resource": resource(origin), "scopeMetrics": [scope] }] });
    serde_json::to_vec(&body).unwrap_or_default()
}

fn record(entry: &Entry, now: EventTime) -> Value {
    let (number, text) = match entry.severity {
        Severity::Info => (9, "INFO"),
        Severity::Warn => (13, "WARN"),
        Severity::Error => (17, "ERROR"),
    };
    let body = json!({ "stringValue": entry.message() });
    let attributes: Vec<Value> = entry.object.iter().filter_map(|(name, value)| attribute(name, value)).collect();
    json!({
        "timeUnixNano": nanos(entry.time),
        "observedTimeUnixNano": nanos(now),
        "severityNumber": number,
        "severityText": text,
        "body": body,
        "attributes": attributes,
    })
}

fn attribute(name: &str, value: &Value) -> Option<Value> {
    (name != "timestamp").then(|| json!({ "key": name, "value": any(value) }))
}

fn any(value: &Value) -> Value {
    match value {
        Value::String(text) => json!({ "stringValue": text }),
        Value::Bool(flag) => json!({ "boolValue": flag }),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => json!({ "intValue": whole.to_string() }),
            None => json!({ "doubleValue": number }),
        },
        Value::Array(items) => json!({ "arrayValue": { "values": items.iter().map(any).collect::<Vec<_>>() } }),
        Value::Object(_) | Value::Null => json!({ "stringValue": value.to_string() }),
    }
}

fn resource(origin: &Origin) -> Value {
    let Origin { service, environment, version: _ } = origin;
    let text = |name: &str, text: &str| json!({ "key": name, "value": { "stringValue": text } });
    json!({ "attributes": [text("service.name", service), text("deployment.environment.name", environment)] })
}

fn scope(origin: &Origin) -> Value {
    json!({ "name": "palisade", "version": origin.version })
}

fn nanos(time: EventTime) -> String {
    format!("{}000", time.micros())
}

/// `name{label="value"} 1`. Labels of ours hold no quote that is not escaped.
fn sample(line: &str) -> Option<Sample<'_>> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, labels)) = series.split_once('{') else { return Some((series, Vec::new(), value)) };
    let labels = labels.strip_suffix("\"}")?.split("\",").filter_map(|label| label.split_once("=\""));
    let labels = labels.map(|(name, text)| json!({ "key": name, "value": { "stringValue": text } }));
    Some((name, labels.collect(), value))
}

fn plain(points: &[Sample<'_>], (start, now): &(String, String)) -> Vec<Value> {
    let point = |(_, labels, value): &Sample<'_>| json!({ "startTimeUnixNano": start, "timeUnixNano": now, "asDouble": value, "attributes": labels });
    points.iter().map(point).collect()
}

/// Prometheus sums buckets up, OTLP does not.
fn histogram(points: &[Sample<'_>], (start, now): &(String, String)) -> Value {
    let ending = |suffix: &'static str| points.iter().filter(move |(name, ..)| name.ends_with(suffix));
    let single = |suffix| ending(suffix).map(|(.., value)| *value).next().unwrap_or_default();
    let (mut counts, mut bounds, mut before) = (Vec::new(), Vec::new(), 0.0);
    for (_, labels, value) in ending("_bucket") {
        let is = |label: &&Value| label.get("key").is_some_and(|key| key == "le");
        let bound = labels.iter().find(is).and_then(|label| label.pointer("/value/stringValue")?.as_str());
        bounds.extend(bound.and_then(|text| text.parse::<f64>().ok()).filter(|bound| bound.is_finite()));
        counts.push(format!("{:.0}", value - before));
        before = *value;
    }
    json!({
        "startTimeUnixNano": start, "timeUnixNano": now, "count": format!("{:.0}", single("_count")), "sum": single("_sum"),
        "bucketCounts": counts, "explicitBounds": bounds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin { service: "shop".to_owned(), environment: "production".to_owned(), version: "1" }
    }

    const NOW: EventTime = EventTime::from_micros(1_795_330_800_000_001);

    #[test]
    fn log_records_have_the_specified_shape() {
        let line = br#"{"timestamp":"2026-11-22T07:00:00.000001Z","http.request.method":"GET","http.response.status_code":500,"palisade.attributable":false,"palisade.tags":["a"],"x":1.5}"#;
        let body: Value = serde_json::from_slice(&logs([&line[..]], &origin(), NOW)).expect("json");
        let record = &body["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
        assert_eq!((&record["timeUnixNano"], &record["severityNumber"]), (&json!("1795330800000001000"), &json!(17)));
        let attributes = record["attributes"].as_array().expect("a list");
        let value = |name: &str| attributes.iter().find(|it| it["key"] == name).map(|it| it["value"].clone());
        assert_eq!(value("http.response.status_code"), Some(json!({ "intValue": "500" })));
        assert_eq!(value("palisade.attributable"), Some(json!({ "boolValue": false })));
        assert_eq!(value("palisade.tags"), Some(json!({ "arrayValue": { "values": [{ "stringValue": "a" }] } })));
        assert_eq!(value("x"), Some(json!({ "doubleValue": 1.5 })));
        assert_eq!(body["resourceLogs"][0]["resource"]["attributes"][0]["value"]["stringValue"], "shop");
    }

    #[test]
    fn metrics_of_the_page_keep_their_kinds_labels_and_sums() {
        let page = "# HELP a_total Help of a.\n# TYPE a_total counter\na_total{kind=\"page\",status=\"2xx\"} 3\na_total{kind=\"x\",status=\"5xx\"} 1\n\
                    # HELP b Help.\n# TYPE b gauge\nb 0.5\n\
                    # HELP c Help.\n# TYPE c histogram\nc_bucket{le=\"0.1\"} 2\nc_bucket{le=\"+Inf\"} 5\nc_sum 1.25\nc_count 5\n";
        let body: Value = serde_json::from_slice(&metrics(page, &origin(), NOW, NOW)).expect("json");
        let all = &body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
        assert_eq!((&all[0]["name"], &all[0]["description"]), (&json!("a_total"), &json!("Help of a.")));
        assert_eq!(all[0]["sum"]["dataPoints"][0]["asDouble"], 3.0);
        assert_eq!(all[0]["sum"]["dataPoints"][1]["attributes"][1]["value"]["stringValue"], "5xx");
        assert_eq!(
            (&all[0]["sum"]["isMonotonic"], &all[1]["gauge"]["dataPoints"][0]["asDouble"]),
            (&json!(true), &json!(0.5))
        );
        let point = &all[2]["histogram"]["dataPoints"][0];
        assert_eq!((&point["count"], &point["sum"]), (&json!("5"), &json!(1.25)));
        assert_eq!((&point["bucketCounts"], &point["explicitBounds"]), (&json!(["2", "3"]), &json!([0.1])));
    }
}
