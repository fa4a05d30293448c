//! Databases of countries in MaxMind's format, made here: those that exist may not be copied.
#![allow(clippy::indexing_slicing, reason = "nodes point at nodes that were made")]

use std::net::Ipv4Addr;

/// A record as it stands in a database.
#[derive(Debug)]
pub enum Data<'a> {
    /// UTF-8.
    Text(&'a str),
    /// 32 bits.
    Number(u32),
    /// 16 bits.
    Short(u16),
    /// Keys and values.
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
///
/// # Panics
/// If a network is none.
#[must_use]
pub fn database(networks: &[(&str, u8, Data<'_>)]) -> Vec<u8> {
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
