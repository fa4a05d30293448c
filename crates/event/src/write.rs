//! The JSON line of an event that was read: the same fields in the same order as the gate writes them.

use std::borrow::Cow;

use crate::encode::{address, digits, display, key, names, number, rfc3339, text};
use crate::{Code, Decision, Field, Kind, Outcome, Seen, Signal, Source, Stage, Tag};

pub(crate) fn seen(seen: &Seen<'_>, line: &mut Vec<u8>) {
    line.reserve(512);
    line.push(b'{');
    line.extend_from_slice(Field::Timestamp.key().get(1..).unwrap_or_default().as_bytes());
    line.push(b'"');
    rfc3339(seen.time.micros(), line);
    line.push(b'"');
    for field in Field::ALL {
        one(seen, *field, line);
    }
    line.extend_from_slice(b"}\n");
}

fn one(seen: &Seen<'_>, field: Field, line: &mut Vec<u8>) {
    match field {
        Field::Timestamp => {}
        Field::Service => cow(line, field, seen.service.as_ref()),
        Field::Decision => id(line, field, seen.decision.map(Decision::id)),
        Field::Stage => id(line, field, seen.stage.map(Stage::id)),
        Field::Code => id(line, field, seen.code.map(Code::id)),
        Field::Kind => id(line, field, seen.kind.map(Kind::id)),
        Field::Route => cow(line, field, seen.route.as_ref()),
        Field::Method => cow(line, field, seen.method.as_ref()),
        Field::Path => cow(line, field, seen.path.as_ref()),
        Field::Status => size(line, field, seen.status.map(u64::from)),
        Field::ClientAddress => {
            if let Some(client) = seen.client_address {
                address(line, field, client);
            }
        }
        Field::ClientKey => match seen.client.map(|client| (client, client.v4())) {
            Some((_, Some(v4))) => address(line, field, v4.into()),
            Some((client, None)) => display(line, field, client),
            None => {}
        },
        Field::RequestId => cow(line, field, seen.request_id.as_ref()),
        Field::UserAgent => cow(line, field, seen.user_agent.as_ref()),
        Field::Session => cow(line, field, seen.session.as_ref()),
        Field::User => cow(line, field, seen.user.as_ref()),
        Field::Outcome => id(line, field, seen.outcome.map(Outcome::id)),
        Field::Duration => size(line, field, seen.duration_micros),
        Field::Tags => names(line, field, seen.tags, Tag::ALL.map(|tag| (tag.bit(), tag.id()))),
        Field::Signals => names(line, field, seen.signals, Signal::ALL.map(|signal| (signal.bit(), signal.id()))),
        Field::Fields => cow(line, field, seen.fields.as_ref()),
        // Only what a gate says is attributable unless it says otherwise.
        Field::Attributable if !seen.attributable && seen.decision.is_some() => {
            key(line, field);
            line.extend_from_slice(b"false");
        }
        Field::Attributable => {}
        Field::Run => cow(line, field, seen.run.as_ref()),
        Field::Query => cow(line, field, seen.query.as_ref()),
        Field::Referrer => cow(line, field, seen.referrer.as_ref()),
        Field::Host => cow(line, field, seen.host.as_ref()),
        Field::Country => cow(line, field, seen.country.as_ref()),
        Field::RequestBytes => size(line, field, seen.request_bytes),
        Field::ResponseBytes => size(line, field, seen.response_bytes),
        Field::Action => cow(line, field, seen.action.as_ref()),
        Field::Type => cow(line, field, seen.kind_of_report.as_ref()),
        Field::Error => cow(line, field, seen.error.as_ref()),
        Field::Replay => cow(line, field, seen.replay.as_ref()),
        Field::Environment => cow(line, field, seen.environment.as_ref()),
        Field::Notice => cow(line, field, seen.notice.as_ref()),
        Field::Source if seen.source == Source::Gate => {}
        Field::Source => text(line, field, seen.source.id()),
        Field::Id => cow(line, field, seen.id.as_ref()),
        Field::Count if seen.count == 1 => {}
        Field::Count => number(line, field, u64::from(seen.count)),
    }
}

fn cow(line: &mut Vec<u8>, field: Field, value: Option<&Cow<'_, str>>) {
    if let Some(value) = value {
        text(line, field, value);
    }
}

fn id(line: &mut Vec<u8>, field: Field, value: Option<&str>) {
    if let Some(value) = value {
        text(line, field, value);
    }
}

fn size(line: &mut Vec<u8>, field: Field, value: Option<u64>) {
    if let Some(value) = value {
        key(line, field);
        digits(line, value);
    }
}
