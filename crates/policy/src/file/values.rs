//! Texts of the file that mean a quantity, an address or a name.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use palisade_event::{ClientKey, Kind};

use crate::file::draft::SchemaFrom;
use crate::file::reader::Reader;
use crate::file::reader::{Value, Wrong, word};
use crate::model::{ForwardingHeader, Limit, Method, Origin};
use crate::schemas::{PRESET_SCHEMAS, preset_schema};
use crate::wording::shortened;
use crate::{rules, secret};

pub(super) fn kind(text: &str) -> Result<Kind, Wrong> {
    if let Some(kind) = Kind::from_id(text) {
        return Ok(kind);
    }
    let words = Kind::ALL.map(|kind| (kind.id(), kind));
    word(text, "kind-unknown", &words)
}

pub(super) fn method(text: &str) -> Result<Method, Wrong> {
    if let Some(method) = Method::from_id(text) {
        return Ok(method);
    }
    let upper = text.to_ascii_uppercase();
    let (what, fix) = match (upper.as_str(), Method::from_id(&upper)) {
        (_, Some(meant)) => ("methods are written in capitals".to_owned(), format!("write \"{}\"", meant.id())),
        ("OPTIONS", _) => {
            ("the gate itself answers OPTIONS".to_owned(), "remove it; preflights follow [cors]".to_owned())
        }
        ("CONNECT" | "TRACE", _) => (format!("the gate refuses {upper} always"), "remove it".to_owned()),
        _ => {
            (format!("`{}` is not a method", shortened(text)), "write GET, HEAD, POST, PUT, PATCH or DELETE".to_owned())
        }
    };
    Err(Wrong::new("method-unknown", what, fix))
}

pub(super) fn limit(text: &str) -> Result<Limit, Wrong> {
    Limit::parse(text).map_err(|what| {
        let number = text.split('/').next().unwrap_or_default();
        let (code, fix) = match number.parse::<u64>() {
            Ok(0) => ("limit-zero", "write at least 1, or close paths with [undeclared] deny = true"),
            Ok(_) if what.contains("1,000") => ("limit-too-high", "write a limit that a client could exceed"),
            _ => ("limit-malformed", "write it like \"5/min\""),
        };
        Wrong::new(code, format!("`{}`: {what}", shortened(text)), fix)
    })
}

/// `scheme://host[:port]` and nothing else.
pub(super) fn origin(text: &str) -> Result<Origin, Wrong> {
    Origin::parse(text).ok_or_else(|| {
        let what = format!("`{}` is not an origin", shortened(text));
        let mut wrong = Wrong::new(
            "origin-malformed",
            what,
            "write scheme://host[:port] and nothing else: \"https://shop.example\"",
        );
        if secret::is_secret(text) {
            wrong.what = "this is not an origin".to_owned();
            wrong.secret = true;
        }
        wrong
    })
}

/// A network, or one address; not so wide that strangers are among the trusted.
pub(super) fn network(text: &str) -> Result<IpNet, Wrong> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    match text.parse::<IpNet>().ok().or_else(address) {
        Some(net) if rules::is_wide(&net) => {
            Err(Wrong::new("trusted-proxies-wide", rules::wide(&net), rules::WIDE_FIX))
        }
        Some(net) => Ok(net),
        None => {
            let what = format!("`{}` is not a network", shortened(text));
            Err(Wrong::new("network-malformed", what, "write it like \"10.0.0.0/8\" or \"2001:db8::/32\""))
        }
    }
}

pub(super) fn forwarding_header(text: &str) -> Result<ForwardingHeader, Wrong> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "x-forwarded-for" => ForwardingHeader::XForwardedFor,
        "forwarded" => ForwardingHeader::Forwarded,
        other => ForwardingHeader::Single(other.to_owned()),
    })
}

/// The name of a variable. What is no name may be the secret itself, so it is never repeated.
pub(super) fn variable(text: &str) -> Result<String, Wrong> {
    if secret::is_variable_name(text) {
        return Ok(text.to_owned());
    }
    let mut wrong = Wrong::new(
        "secret-in-file",
        "the name of a variable is expected here, and this is none",
        "write the variable's name, like \"STRIPE_WEBHOOK_SECRET\", and keep its value out of the file",
    );
    wrong.secret = true;
    Err(wrong)
}

/// Where to listen: `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`.
pub(super) fn listen_address(text: &str) -> Result<String, Wrong> {
    let host_and_port = || {
        text.rsplit_once(':').is_some_and(|(host, port)| {
            let host_fits =
                !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
            host_fits && port.parse::<u16>().is_ok()
        })
    };
    if text.parse::<SocketAddr>().is_ok() || host_and_port() {
        return Ok(text.to_owned());
    }
    let what = format!("`{}` is not an address with a port", shortened(text));
    Err(Wrong::new("address-malformed", what, "write it like \"127.0.0.1:8080\""))
}

/// Where the admin listener is, or `off`.
pub(super) fn admin_address(text: &str) -> Result<String, Wrong> {
    if text == "off" {
        return Ok(text.to_owned());
    }
    listen_address(text)
        .map_err(|wrong| Wrong { fix: "write it like \"127.0.0.1:9180\", or \"off\"".to_owned(), ..wrong })
}

/// An upstream's share of the requests.
pub(super) fn weight(reader: &mut Reader, value: Value<'_>) -> Option<u16> {
    let number = value.number(reader)?;
    let found = u16::try_from(number).ok().filter(|weight| (1..=1000).contains(weight));
    if found.is_none() {
        let wrong = Wrong::new(
            "weight-range",
            format!("a weight is a number from 1 to 1,000, not {number}"),
            "write another weight, or remove the upstream that shall get nothing",
        );
        reader.wrong(value.place, value.span, wrong);
    }
    found
}

/// Bytes: `"64KiB"`, `"10MiB"`, or a number.
pub(super) fn size(reader: &mut Reader, value: Value<'_>) -> Option<u64> {
    if value.is_number() {
        return value.number(reader);
    }
    let text = value.text(reader)?;
    let units = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("KB", 1000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("B", 1),
    ];
    let bytes = quantity(text, &units);
    if bytes.is_none() {
        let what = format!("`{}` is not a size", shortened(text));
        reader.wrong(
            value.place,
            value.span,
            Wrong::new("size-malformed", what, "write it like \"64KiB\", \"10MiB\", or as bytes"),
        );
    }
    bytes
}

/// A time: `"500ms"`, `"10s"`, `"5min"`, `"1h"`, or a number of seconds.
pub(super) fn duration(reader: &mut Reader, value: Value<'_>) -> Option<Duration> {
    let millis = if value.is_number() {
        value.number(reader)?.checked_mul(1000)
    } else {
        let text = value.text(reader)?;
        quantity(text, &[("ms", 1), ("min", 60_000), ("m", 60_000), ("s", 1000), ("h", 3_600_000), ("d", 86_400_000)])
    };
    // A year bounds every sum that is made with it.
    let found = millis.filter(|millis| *millis <= 366 * 86_400_000).map(Duration::from_millis);
    if found.is_none() {
        let wrong = Wrong::new(
            "duration-malformed",
            "this is not a time, or longer than a year",
            "write it like \"10s\", \"500ms\" or \"5min\"",
        );
        reader.wrong(value.place, value.span, wrong);
    }
    found
}

/// A number with a unit.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// A path below the policy's folder: relative, without `..`, for any operating system.
pub(super) fn inside(text: &str) -> Result<String, Wrong> {
    let steps = text.split('/').all(|step| !step.is_empty() && step != "." && step != "..");
    if steps && !text.contains(['\\', ':']) && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    let what = format!("`{}` does not lie inside the policy's folder", shortened(text));
    Err(Wrong::new(
        "path-outside",
        what,
        "write a path relative to the policy file, without `..`: \"schemas/contact.json\"",
    ))
}

/// A schema: its text, the name of one that ships with Palisade, or a file.
pub(super) fn schema(text: &str) -> Result<SchemaFrom, Wrong> {
    if text.trim_start().starts_with('{') {
        return Ok(SchemaFrom::Inline(text.to_owned()));
    }
    if preset_schema(text).is_some() {
        return Ok(SchemaFrom::Preset(text.to_owned()));
    }
    if text.contains(['.', '/', '\\', ':']) {
        return inside(text).map(SchemaFrom::File);
    }
    let names = PRESET_SCHEMAS.map(|name| (name, ()));
    Err(word(text, "schema-unknown", &names).err().unwrap_or_else(|| Wrong::new("schema-unknown", "", "")))
}

/// A client as events name it: an IPv4 address, or the /64 of an IPv6 address.
pub(super) fn client(text: &str) -> Result<String, Wrong> {
    let (address, width) = text.split_once('/').map_or((text, None), |(address, width)| (address, Some(width)));
    match (address.parse::<IpAddr>(), width) {
        (Ok(address), None | Some("64" | "32")) => Ok(ClientKey::of(address).to_string()),
        _ => {
            let what = format!("`{}` is not a client", shortened(text));
            Err(Wrong::new("client-malformed", what, "write it like \"203.0.113.7\" or \"2001:db8::/64\""))
        }
    }
}

/// A text that may not be empty nor hold control characters.
pub(super) fn plain(text: &str) -> Result<String, Wrong> {
    if !text.is_empty() && text.len() <= 1000 && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new("text-malformed", "the text is empty, too long, or has control characters", "write a short text"))
}

/// The name of a header, in any case; kept in lower case.
pub(super) fn header(text: &str) -> Result<String, Wrong> {
    plain(text).map(|text| text.to_ascii_lowercase())
}
