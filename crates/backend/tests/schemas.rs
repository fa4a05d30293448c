//! The engine of JSON Schema behind the guard's trait: what it takes, what it refuses to load, what it tells.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::too_many_lines,
    reason = "a test may panic, and tables are long"
)]

use std::sync::Arc;

use palisade_backend::JsonSchemas;
use palisade_guard::{Schema, Schemas, Violation};
use palisade_policy::{PRESET_SCHEMAS, preset_schema};
use serde_json::{Value, json};

fn compile(schema: &Value) -> Arc<dyn Schema> {
    let text = schema.to_string();
    JsonSchemas.compile(&text).unwrap_or_else(|found| panic!("{text}: {found}"))
}

fn refused(text: &str) -> &'static str {
    let found = JsonSchemas.compile(text).map(|_| text.to_owned()).expect_err("refused");
    found.iter().next().expect("a problem").code
}

fn valid(schema: &Arc<dyn Schema>, instance: &Value) -> bool {
    schema.violations(instance, 20).is_empty()
}

fn preset(name: &str) -> Arc<dyn Schema> {
    JsonSchemas.compile(preset_schema(name).expect("a preset")).expect("compiles")
}

#[test]
fn a10_presets_take_what_they_say_and_nothing_else() {
    let long = |count| "x".repeat(count);
    let rows: Vec<(&str, Value, bool)> = vec![
        ("email", json!({ "email": "jo@shop.example" }), true),
        ("email", json!({ "email": "jo+tag@mail.shop.example" }), true),
        ("email", json!({ "email": "Jo@shop.example" }), false),
        ("email", json!({ "email": "jo" }), false),
        ("email", json!({ "email": "jo@shop.example\n" }), false),
        ("email", json!({ "email": format!("{}@shop.example", long(250)) }), false),
        ("email", json!({ "email": ["jo@shop.example"] }), false),
        ("email", json!({}), false),
        ("email", json!({ "email": "jo@shop.example", "admin": true }), false),
        ("safe-text", json!({ "text": "O'Neal & sons" }), true),
        ("safe-text", json!({ "text": "" }), false),
        ("safe-text", json!({ "text": long(100) }), true),
        ("safe-text", json!({ "text": long(101) }), false),
        ("safe-text", json!({ "text": "<b>" }), false),
        ("safe-text", json!({ "text": "a\nb" }), false),
        ("safe-text", json!({ "text": "ü".repeat(100) }), true),
        ("safe-long-text", json!({ "text": "a\nb\tc" }), true),
        ("safe-long-text", json!({ "text": long(5000) }), true),
        ("safe-long-text", json!({ "text": long(5001) }), false),
        ("safe-long-text", json!({ "text": "\u{0}" }), false),
        ("username", json!({ "username": "jo_1-x" }), true),
        ("username", json!({ "username": "jo" }), false),
        ("username", json!({ "username": long(31) }), false),
        ("username", json!({ "username": "jo jo" }), false),
        ("username", json!({ "username": "jöjö" }), false),
        ("username", json!({ "username": "joe\n" }), false),
        ("https-url", json!({ "url": "https://shop.example/a?b=c" }), true),
        ("https-url", json!({ "url": "http://shop.example" }), false),
        ("https-url", json!({ "url": "javascript:alert(1)" }), false),
        ("https-url", json!({ "url": "https://user@evil.example" }), false),
        ("https-url", json!({ "url": format!("https://shop.example/{}", long(2048)) }), false),
        ("contact-form", json!({ "name": "Jo", "email": "Jo@shop.example", "subject": "Hi", "message": "a\nb" }), true),
        ("contact-form", json!({ "name": "Jo", "email": "jo@shop.example", "subject": "Hi" }), false),
        ("post", json!({ "title": "T", "content": "c", "tags": ["a"] }), true),
        ("post", json!({ "title": "T", "content": "c", "tags": vec!["a"; 11] }), false),
        ("post", json!({ "title": "T", "content": "c", "published": true }), false),
        ("profile", json!({ "displayName": "Jo", "bio": "", "website": "https://jo.example" }), true),
        ("profile", json!({ "role": "admin" }), false),
        ("id", json!({ "id": "user_29w83sxmDNGwOuEthce5gg56FcC" }), true),
        ("id", json!({ "id": "../x" }), false),
        ("id", json!({ "id": { "$ne": "" } }), false),
        ("positive-integer", json!({ "value": 1 }), true),
        ("positive-integer", json!({ "value": 0 }), false),
        ("positive-integer", json!({ "value": 1.5 }), false),
        ("positive-integer", json!({ "value": 9_007_199_254_740_992_u64 }), false),
        ("positive-integer", json!({ "value": "1" }), false),
        ("pagination", json!({}), true),
        ("pagination", json!({ "page": 2, "limit": 100 }), true),
        ("pagination", json!({ "page": 0 }), false),
        ("pagination", json!({ "limit": 101 }), false),
        ("pagination", json!({ "cursor": "a b" }), false),
    ];
    for (name, instance, expect) in rows {
        assert_eq!(valid(&preset(name), &instance), expect, "{name} {instance}");
    }
    for name in PRESET_SCHEMAS {
        for hostile in [json!(null), json!([]), json!("x"), json!(1), json!(true), json!({ "__proto__": {} })] {
            assert!(!valid(&preset(name), &hostile), "{name} {hostile}");
        }
    }
}

#[test]
fn a10_nothing_outside_the_schema_is_read() {
    for reference in [
        "http://127.0.0.1:9/schema.json",
        "https://json-schema.org/draft/2020-12/schema",
        "file:///etc/passwd",
        "other.json",
        "/etc/passwd",
        "urn:x",
    ] {
        let text = json!({ "properties": { "a": { "$ref": reference } } }).to_string();
        assert_eq!(refused(&text), "schema-remote", "{reference}");
    }
    let local = json!({ "$defs": { "a": { "type": "string" } }, "properties": { "a": { "$ref": "#/$defs/a" } } });
    let local = compile(&local);
    assert!(valid(&local, &json!({ "a": "x" })) && !valid(&local, &json!({ "a": 1 })));
    assert_eq!(refused(r##"{"properties":{"a":{"$ref":"#/$defs/nosuch"}}}"##), "schema-reference");
    assert!(JsonSchemas.compile(r#"{"$schema":"http://127.0.0.1:9/meta.json"}"#).is_err());
    assert!(JsonSchemas.compile(r##"{"$id":"http://127.0.0.1:9/a.json","$ref":"#/$defs/x"}"##).is_err());
}

#[test]
fn a10_what_is_no_schema_does_not_load() {
    for (text, code) in [
        ("", "schema-malformed"),
        ("{", "schema-malformed"),
        (r#"{"type":"objekt"}"#, "schema-malformed"),
        (r#"{"minLength":"5"}"#, "schema-malformed"),
        (r#"{"type":"string","type":"object"}"#, "schema-malformed"),
        (r#"{"properties":[]}"#, "schema-malformed"),
        (r#"{"pattern":"("}"#, "schema-pattern"),
        (r#"{"pattern":"(a)\\1"}"#, "schema-pattern"),
        (r#"{"pattern":"(?<=a)b"}"#, "schema-pattern"),
        (r#"{"pattern":"a(?!b)c"}"#, "schema-pattern"),
        (r#"{"pattern":"^(?=a)b|c"}"#, "schema-pattern"),
        (r##"{"$ref":"#"}"##, "schema-circular"),
        (r##"{"allOf":[{"$ref":"#"}]}"##, "schema-circular"),
        (
            r##"{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"not":{"$ref":"#/$defs/a"}}},"$ref":"#/$defs/a"}"##,
            "schema-circular",
        ),
    ] {
        assert_eq!(refused(text), code, "{text}");
    }
    let tree = compile(&json!({ "properties": { "next": { "$ref": "#" } }, "additionalProperties": false }));
    assert!(valid(&tree, &json!({ "next": { "next": {} } })) && !valid(&tree, &json!({ "next": { "x": 1 } })));
}

/// A backtracking engine needs 2^n steps for these; here time is bounded by text times pattern, so that a text of a
/// hundred thousand characters ends at all.
#[test]
fn a10_no_pattern_runs_away() {
    let long = format!("{}!", "a".repeat(100_000));
    for pattern in ["^(a+)+$", "^(a|aa)+$", "^(a*)*b$", "(x+x+)+y", "^(([a-z])+.)+[A-Z]([a-z])+$"] {
        let schema = compile(&json!({ "type": "string", "pattern": pattern }));
        assert!(!valid(&schema, &json!(long)), "{pattern}");
    }
    assert!(JsonSchemas.compile(&json!({ "pattern": "((a{100}){100}){100}" }).to_string()).is_err(), "too large");
}

#[test]
fn a10_patterns_read_ascii_digits_and_whole_texts() {
    let digits = compile(&json!({ "pattern": "^\\d+$" }));
    assert!(valid(&digits, &json!("12")));
    assert!(!valid(&digits, &json!("١٢")), "ECMA-262 digits are ASCII");
    assert!(!valid(&digits, &json!("12\n")), "$ is the end, not before a line feed");
    assert!(!valid(&digits, &json!("12\n34")));
}

#[test]
fn a10_details_name_the_place_and_never_the_value() {
    let schema = compile(&json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["email", "age"],
        "properties": {
            "email": { "type": "string", "format": "email", "minLength": 5, "maxLength": 10, "pattern": "^[a-z@]+$" },
            "age": { "type": "integer", "minimum": 18, "maximum": 99, "multipleOf": 2 },
            "plan": { "enum": ["free", "pro"] },
            "kind": { "const": "x" },
            "tags": { "type": "array", "minItems": 1, "maxItems": 2, "uniqueItems": true, "items": { "type": "string" } },
            "any": { "anyOf": [{ "type": "string", "maxLength": 3 }, { "type": "integer", "maximum": 3 }] },
            "one": { "oneOf": [{ "minimum": 5 }, { "maximum": 1 }] },
            "not": { "not": { "type": "string" } },
            "map": { "propertyNames": { "pattern": "^[a-z]+$" } },
            "list": { "contains": { "const": 1 } },
        }
    }));
    let secret = "hunter2SECRET";
    let number = 31_337_000_001_u64;
    let instances = [
        json!(secret),
        json!([secret]),
        json!({ "email": secret, "age": number, "plan": secret, "kind": secret }),
        json!({ "email": number, "age": secret, "tags": [secret, secret, secret] }),
        json!({ "tags": [number], "any": secret, "one": 3, "not": secret, "map": { "HUNTER2": secret } }),
        json!({ "tags": [], "any": number, "list": [secret], "age": 17 }),
    ];
    for instance in &instances {
        let found = schema.violations(instance, 20);
        assert!(!found.is_empty(), "{instance}");
        for Violation { pointer, text } in &found {
            assert!(pointer.is_empty() || pointer.starts_with('/'));
            for leaked in [secret, "31337000001", "HUNTER2", "hunter2"] {
                assert!(!text.contains(leaked) && !pointer.contains(leaked), "{pointer}: {text}");
            }
        }
    }
    let told = |instance: &Value| -> Vec<(String, String)> {
        schema.violations(instance, 20).into_iter().map(|it| (it.pointer, it.text)).collect()
    };
    let found = told(&json!({ "age": 17, "extra": 1 }));
    let has = |pointer: &str, text: &str| found.contains(&(pointer.to_owned(), text.to_owned()));
    assert!(has("/email", "is required") && has("/age", "is less than 18"), "{found:?}");
    assert!(has("/extra", "is not expected here") && has("/age", "is not a multiple of 2"), "{found:?}");
}

#[test]
fn a10_details_are_capped() {
    let schema = compile(&json!({ "properties": { "a": true }, "additionalProperties": false }));
    let many: Value = (0..1000).map(|index| (format!("k{index}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
    assert_eq!(schema.violations(&many, 20).len(), 20);
    let items = compile(&json!({ "items": { "type": "string" } }));
    assert_eq!(items.violations(&json!(vec![1; 5000]), 20).len(), 20);
}

/// As `z.toJSONSchema(schema, { io: "input" })` of Zod 4.6.7 wrote it, and the look-ahead of earlier ones.
#[test]
fn a10_zod_exports_work_as_they_come() {
    let text = include_str!("data/zod-contact.json");
    let schema = JsonSchemas.compile(text).unwrap_or_else(|found| panic!("{found}"));
    let good = json!({
        "email": "jo.neal@shop.example", "id": "0b5cba18-8a3f-4f9d-9c2e-1f0d1a2b3c4d", "at": "2026-11-02T10:00:00Z",
        "host": "shop.example", "url": "https://shop.example/", "age": 40, "topic": { "kind": "order", "number": 7 },
        "tags": ["a"], "nick": null
    });
    assert_eq!(schema.violations(&good, 20), []);
    for (key, bad) in [
        ("email", json!(".jo@shop.example")),
        ("email", json!("jo..neal@shop.example")),
        ("email", json!("jo@shop")),
        ("id", json!("0b5cba18")),
        ("at", json!("yesterday")),
        ("host", json!("-bad-.example")),
        ("host", json!(format!("{}example", "a.".repeat(140)))),
        ("age", json!(1.5)),
        ("age", json!(9_007_199_254_740_993_u64)),
        ("topic", json!({ "kind": "other" })),
        ("topic", json!({ "kind": "order", "number": "7" })),
        ("tags", json!([1])),
        ("nick", json!(1)),
    ] {
        let mut instance = good.clone();
        instance[key] = bad;
        assert!(!schema.violations(&instance, 20).is_empty(), "{instance}");
    }
    let mut short = good;
    short.as_object_mut().expect("object").remove("nick");
    assert_eq!(schema.violations(&short, 20), [], "optional under io: input");
    let earlier = r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$";
    let earlier = compile(&json!({ "type": "string", "format": "email", "pattern": earlier }));
    for (text, expect) in [
        ("jo.neal@shop.example", true),
        (".jo@shop.example", false),
        ("jo..neal@shop.example", false),
        ("jo@shop..example", false),
        ("jo@shop", false),
    ] {
        assert_eq!(valid(&earlier, &json!(text)), expect, "{text}");
    }
}
