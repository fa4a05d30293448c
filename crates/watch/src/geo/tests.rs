//! The databases of these tests are made here: those that exist may not be copied.

use std::net::Ipv4Addr;

use super::*;

/// A record as it stands in a database.
enum Data<'a> {
    Text(&'a str),
    Number(u32),
    Short(u16),
    Map(&'a [(&'a str, Data<'a>)]),
}

impl Data<'_> {
    /// MaxMind DB File Format 2.0, "Output Data Section".
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Data::Text(text) => {
                out.push(2 << 5 | u8::try_from(text.len()).expect("short"));
                out.extend_from_slice(text.as_bytes());
            }
            Data::Number(number) => {
                out.push(6 << 5 | 4);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Data::Short(number) => {
                out.push(5 << 5 | 2);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Data::Map(pairs) => {
                out.push(7 << 5 | u8::try_from(pairs.len()).expect("small"));
                for (key, value) in *pairs {
                    Data::Text(key).encode(out);
                    value.encode(out);
                }
            }
        }
    }
}

/// A database of IPv4 networks, with records of 24 bits.
fn database(networks: &[(&str, u8, Data<'_>)]) -> Vec<u8> {
    let (mut nodes, mut data) = (vec![[Next::Nothing; 2]], Vec::new());
    for (network, length, record) in networks {
        let offset = u32::try_from(data.len()).expect("small");
        record.encode(&mut data);
        let bits = u32::from(network.parse::<Ipv4Addr>().expect("address"));
        let mut node = 0;
        for depth in 0..*length {
            let side = (bits >> (31 - depth) & 1) as usize;
            if depth + 1 == *length {
                nodes[node][side] = Next::Data(offset);
            } else if let Next::Node(next) = nodes[node][side] {
                node = next;
            } else {
                nodes.push([Next::Nothing; 2]);
                nodes[node][side] = Next::Node(nodes.len() - 1);
                node = nodes.len() - 1;
            }
        }
    }
    let count = u32::try_from(nodes.len()).expect("small");
    let mut file = Vec::new();
    for next in nodes.iter().flatten() {
        let number = match next {
            Next::Nothing => count,
            Next::Node(node) => u32::try_from(*node).expect("small"),
            Next::Data(offset) => count + 16 + offset,
        };
        file.extend_from_slice(&number.to_be_bytes()[1..]);
    }
    file.extend_from_slice(&[0; 16]);
    file.extend_from_slice(&data);
    file.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    metadata(count, &mut file);
    file
}

#[derive(Clone, Copy)]
enum Next {
    Nothing,
    Node(usize),
    Data(u32),
}

fn metadata(nodes: u32, file: &mut Vec<u8>) {
    let numbers = [
        ("record_size", 24),
        ("ip_version", 4),
        ("binary_format_major_version", 2),
        ("binary_format_minor_version", 0),
    ];
    file.push(7 << 5 | 9);
    Data::Text("node_count").encode(file);
    Data::Number(nodes).encode(file);
    for (key, number) in numbers {
        Data::Text(key).encode(file);
        Data::Short(number).encode(file);
    }
    Data::Text("database_type").encode(file);
    Data::Text("Test").encode(file);
    Data::Text("description").encode(file);
    Data::Map(&[]).encode(file);
    Data::Text("languages").encode(file);
    // An empty array, then a number of 64 bits: types above 7 stand in a second byte.
    file.extend_from_slice(&[0, 4]);
    Data::Text("build_epoch").encode(file);
    file.extend_from_slice(&[1, 2, 1]);
}

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
