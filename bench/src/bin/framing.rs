//! framing CASE COUNT: what it costs to look at a request before hyper does, in nanoseconds for each.
//!
//! CASE: small (a head as load generators send it), page (as Chrome does), chunks (64 KiB in 16 chunks).

#[path = "../../../crates/gateway/src/framing.rs"]
#[allow(dead_code)]
mod framing;

use std::hint::black_box;
use std::time::Instant;

/// As Chrome sends it to a page: 15 fields.
const PAGE: &str = "GET /products/blue-teapot?utm_source=mail&page=2 HTTP/1.1\r\nHost: shop.example\r\nConnection: keep-alive\r\n\
    sec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\"\r\nsec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Linux\"\r\n\
    Upgrade-Insecure-Requests: 1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/140.0.0.0 Safari/537.36\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
    Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\n\
    Referer: https://shop.example/products\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9\r\n\
    Cookie: __Host-palisade-sid=0123456789012345678901234567890123456789012345678901234567890123; theme=dark\r\n\r\n";
/// As load generators send it.
const SMALL: &str = "GET /api/items HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: wrk\r\nAccept: */*\r\n\r\n";

fn main() {
    let mut args = std::env::args().skip(1);
    let case = args.next().unwrap_or_default();
    let count: u32 = args.next().and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    let chunks = format!(
        "POST /in HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        format!("1000\r\n{}\r\n", "x".repeat(4096)).repeat(16)
    );
    let bytes = match case.as_str() {
        "small" => SMALL,
        "page" => PAGE,
        "chunks" => &chunks,
        _ => panic!("no such case: {case}"),
    };
    let mut scanner = framing::Scanner::new(framing::Bounds { bytes: 16 << 10 });
    let start = Instant::now();
    for _ in 0..count {
        assert_eq!(black_box(scanner.scan(black_box(bytes.as_bytes()))), framing::Found::All);
    }
    let nanos = start.elapsed().as_nanos() as f64 / f64::from(count);
    println!("{case}: bytes={} ns={nanos:.0}", bytes.len());
}
