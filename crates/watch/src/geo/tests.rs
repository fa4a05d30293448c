use palisade_testkit::mmdb::{Data, database};

use super::*;

#[test]
fn nested_and_flat_records_say_the_country() {
    let geo = Geo::from_bytes(database(&[
        ("100.64.0.0", 16, Data::Map(&[("country", Data::Map(&[("iso_code", Data::Text("DE"))]))])),
        ("100.65.0.0", 16, Data::Map(&[("country", Data::Text("France")), ("country_code", Data::Text("FR"))])),
        ("100.66.0.0", 16, Data::Map(&[("country", Data::Text("NL"))])),
        ("100.67.0.0", 16, Data::Map(&[("registered_country", Data::Map(&[("iso_code", Data::Text("US"))]))])),
        ("100.68.0.0", 16, Data::Map(&[("country", Data::Text("<b>"))])),
        ("100.69.0.0", 16, Data::Map(&[("country", Data::Number(7))])),
    ]))
    .expect("database");
    for (address, expect) in [
        ("100.64.1.2", Some("DE")),
        ("100.65.1.2", Some("FR")),
        ("100.66.255.255", Some("NL")),
        ("100.67.0.0", Some("US")),
        ("100.68.0.1", None),
        ("100.69.0.1", None),
        ("192.0.2.1", None),
        ("2001:db8::1", None),
    ] {
        let found = geo.country(address.parse().expect("address"));
        assert_eq!(found.as_ref().and_then(|code| std::str::from_utf8(code).ok()), expect, "{address}");
    }
}

#[test]
fn an_event_is_told_where_it_came_from() {
    let geo = Geo::from_bytes(database(&[("100.64.0.0", 16, Data::Map(&[("country_code", Data::Text("DE"))]))]))
        .expect("database");
    let enrich = crate::lines::Enrich::default().with_country(std::sync::Arc::new(geo));
    let mut reader = crate::lines::Reader::new(crate::lines::Format::Combined, enrich);
    let line = br#"100.64.0.9 - - [22/Nov/2026:07:15:00 +0000] "GET / HTTP/1.1" 200 1 "-" "-""#;
    let mut country = None;
    reader.read(line, |read| country = read.ok().and_then(|seen| seen.country.map(std::borrow::Cow::into_owned)));
    assert_eq!(country.as_deref(), Some("DE"));
}

#[test]
fn what_is_no_database_is_refused_and_a_damaged_one_knows_nothing() {
    assert!(Geo::from_bytes(b"not a database".to_vec()).is_err());
    let mut file = database(&[("100.64.0.0", 16, Data::Map(&[("country_code", Data::Text("DE"))]))]);
    let data = file.windows(12).position(|window| window == b"country_code").expect("data");
    file[data - 2] = 0xff;
    let geo = Geo::from_bytes(file);
    assert_eq!(geo.ok().and_then(|geo| geo.country("100.64.0.1".parse().expect("address"))), None);
}
