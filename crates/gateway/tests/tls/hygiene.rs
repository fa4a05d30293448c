//! SECURITY.md, test 8, over HTTP/2 and two gates that share a server: what a hostile client sends through one spoils no
//! request of the other.

use super::*;

use palisade_event::Kind;
use palisade_policy::{Limit, Route};
use palisade_testkit::{Redis, route, shared_state};

type Sender = h2::client::SendRequest<Bytes>;

fn at(method: Method, path: &str) -> http::request::Builder {
    request(method, &format!("https://shop.example{path}"))
}

async fn ask(sender: &mut Sender, request: http::request::Builder) -> (StatusCode, String, http::HeaderMap) {
    let (response, _) = sender.send_request(request.body(()).expect("request"), true).expect("sent");
    said(response).await
}

/// An application that is hostile, too, where it is asked to be.
fn application() -> Upstream {
    Upstream::start(|exchange| match exchange.request.target.as_str() {
        // Answers before the body has come.
        "/in/early" => exchange.reply(200, &[], "early"),
        "/free/101" => {
            exchange.raw("HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
        }
        "/free/103" => {
            exchange.raw("HTTP/1.1 103 Early Hints\r\nSet-Cookie: hint=1\r\nLink: </x>\r\n\r\n");
            exchange.reply(200, &[], "after hints");
        }
        _ => {
            let _ = exchange.try_body();
            exchange.reply(200, &[], "clean");
        }
    })
}

/// Two gates over TLS; `/few` is limited to 5/min over both.
fn pair(redis: &Redis, folder: &Folder, upstream: &Upstream) -> [RunningGate; 2] {
    let few = Route { limit: Some(Limit::parse("5/min").expect("limit")), ..route("/few", Kind::PublicRead, &[]) };
    [(); 2].map(|()| {
        let policy = open().state(shared_state(Duration::from_secs(5))).route(few.clone());
        RunningGate::sharing_behind(policy, &upstream.origin(), 1, &redis.url(), over_tls(folder))
    })
}

/// What hostile clients send, each over a connection of its own; what of it comes back is looked at here.
async fn hostile(sender: &mut Sender, number: usize) {
    match number {
        0 => {
            let aliases = at(Method::GET, "/free/alias")
                .header("x_palisade_user", "root")
                .header("x-palisade-admitted", "forged")
                .header("x-middleware-subrequest", "a")
                .header("x-forwarded-for", "6.6.6.6")
                .header("x-original-url", "/admin")
                .header("te", "trailers");
            assert_eq!(ask(sender, aliases).await.1, "clean");
        }
        1 => {
            let trailed = at(Method::POST, "/in/trailed").header("trailer", "x-palisade-user");
            let (response, mut body) = sender.send_request(trailed.body(()).expect("request"), false).expect("sent");
            body.send_data(Bytes::from_static(b"x"), false).expect("data");
            let mut trailers = http::HeaderMap::new();
            trailers.insert("x-palisade-user", http::HeaderValue::from_static("root"));
            body.send_trailers(trailers).expect("trailers");
            assert_eq!(said(response).await.1, "clean");
        }
        2 => {
            let early = at(Method::POST, "/in/early").body(()).expect("request");
            let (response, mut body) = sender.send_request(early, false).expect("sent");
            let smuggled = Bytes::from_static(b"GET /free/smuggled HTTP/1.1\r\nHost: shop.example\r\n\r\n");
            let _ = body.send_data(smuggled, false);
            assert_eq!(said(response).await.1, "early");
        }
        3 => assert_eq!(ask(sender, at(Method::GET, "/free/101")).await.0, StatusCode::BAD_GATEWAY),
        4 => {
            let (_, text, headers) = ask(sender, at(Method::GET, "/free/103")).await;
            assert!(text == "after hints" && !headers.contains_key("set-cookie"), "{text} {headers:?}");
        }
        _ => {
            // Cancelled while the application is at it.
            let left = at(Method::POST, "/in/left").body(()).expect("request");
            let (_, mut body) = sender.send_request(left, false).expect("sent");
            let _ = body.send_data(Bytes::from_static(b"GET /free/smuggled HTTP/1.1\r\n"), false);
            body.send_reset(h2::Reason::CANCEL);
        }
    }
}

const HOSTILE: usize = 6;

#[test]
fn nobody_speaks_in_the_gates_name_over_http2_and_the_next_request_of_either_gate_is_clean() {
    let (authority, upstream, redis) = (Authority::new(), application(), Redis::start());
    let folder = authority.issue("hygiene");
    let gates = pair(&redis, &folder, &upstream);
    for number in 0..HOSTILE {
        let bad = &gates[number % 2];
        http2(&authority, bad.address, async |sender| {
            let mut sender = sender.ready().await.expect("ready");
            hostile(&mut sender, number).await;
            // The same connection is as good as before.
            assert_eq!(ask(&mut sender, at(Method::GET, "/free/next")).await.1, "clean");
        });
        for gate in &gates {
            http2(&authority, gate.address, async |sender| {
                let mut sender = sender.ready().await.expect("ready");
                let (status, text, headers) = ask(&mut sender, at(Method::GET, "/free/next")).await;
                assert_eq!((status, text.as_str()), (StatusCode::OK, "clean"), "after {number}");
                assert!(!headers.contains_key("set-cookie"));
            });
            let mut older = authority.connect(gate.address, &["http/1.1"]).expect("handshake");
            let answer = super::ask(&mut older, GET).expect("answer");
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("clean"), "after {number}: {answer}");
        }
    }
    for request in upstream.requests() {
        let names = request.head.names();
        assert!(request.target.starts_with("/free/") || request.target.starts_with("/in/"), "{}", request.target);
        assert_ne!(request.target, "/free/smuggled");
        let forbidden = ["x_palisade_user", "x-palisade-user", "x-middleware-subrequest", "x-original-url", "te"];
        assert!(!names.iter().any(|name| forbidden.contains(name)), "{names:?}");
        assert_ne!(request.head.field("x-palisade-admitted"), Some("forged"));
        assert_eq!(request.head.field("x-forwarded-for"), Some("127.0.0.1"));
    }
}

#[test]
fn ten_requests_over_http2_to_two_gates_in_turn_are_one_clients_ten() {
    let (authority, upstream, redis) = (Authority::new(), Upstream::fixed("ok"), Redis::start());
    let folder = authority.issue("shared");
    let gates = pair(&redis, &folder, &upstream);
    let asked = (0..10).map(|turn| {
        http2(&authority, gates[turn % 2].address, async |sender| {
            let mut sender = sender.ready().await.expect("ready");
            ask(&mut sender, at(Method::GET, "/few")).await.0
        })
    });
    let statuses: Vec<StatusCode> = asked.collect();
    assert_eq!(statuses.iter().filter(|status| **status == StatusCode::OK).count(), 5, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == StatusCode::TOO_MANY_REQUESTS).count(), 5);
}
