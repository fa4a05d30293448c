use super::*;

const HOSTILE: &[&str] = &[
    "\u{1b}]52;c;ZXZpbA==\u{7}",
    "<script>alert(1)</script>",
    "<!channel> <https://evil.example|click>",
    "[x](javascript:alert(1)) ![i](http://evil.example/p.png)",
    "=HYPERLINK(\"http://evil.example\")",
    " \t@SUM(1)",
    "]]><evil/>",
    "a\r\nEND:VEVENT\r\nBEGIN:VEVENT",
    "a\n\nevent: evil\ndata: 1",
    "a | b ` c `` d",
    "\u{202e}txt.exe\u{2066}\u{feff}",
    "\" onmouseover='x' `y`=z",
    "</script><script>",
    "",
    "é 日本 😀",
];

type Encoding = (&'static str, fn(Untrusted<'_>) -> String);
const ALL: &[Encoding] = &[
    ("terminal", |text| text.terminal().to_string()),
    ("html", |text| text.html().to_string()),
    ("json", |text| text.json().to_string()),
    ("csv", |text| text.csv().to_string()),
    ("slack", |text| text.slack().to_string()),
    ("markdown", |text| text.markdown().to_string()),
    ("xml", |text| text.xml().to_string()),
    ("ics", |text| text.ics().to_string()),
];

#[test]
fn nothing_that_acts_passes_any_encoding() {
    for text in HOSTILE {
        for (name, encode) in ALL {
            let encoded = encode(Untrusted::new(text));
            assert!(!encoded.chars().any(acts), "{name}: {encoded:?}");
        }
    }
}

#[test]
fn each_place_sees_text_and_no_syntax() {
    for text in HOSTILE {
        let text = Untrusted::new(text);
        assert!(text.terminal().to_string().bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        let html = text.html().to_string();
        assert!(!html.contains(['<', '>', '"', '\'', '`']), "{html}");
        let xml = text.xml().to_string();
        assert!(!xml.contains(['<', '>', '"', '\'']), "{xml}");
        let slack = text.slack().to_string();
        assert!(!slack.contains(['<', '>']) && slack.matches('`').count() == 2, "{slack}");
        let markdown = text.markdown().to_string();
        assert!(!markdown.contains(['<', '>', '|', '&']) && markdown.matches('`').count() == 2, "{markdown}");
        let csv = text.csv().to_string();
        let inside = csv.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).expect("quoted");
        assert!(!inside.replace("\"\"", "").contains('"'), "{csv}");
        assert!(!inside.trim_start().starts_with(['=', '+', '-', '@']), "{csv}");
        let json = text.json().to_string();
        assert_eq!(serde_json::from_str::<String>(&json).expect("json"), text.as_written());
        assert!(!json.contains(['<', '>', '&']), "{json}");
    }
}

#[test]
fn commas_and_semicolons_are_text_in_a_calendar() {
    assert_eq!(Untrusted::new("a,b;c\\d\ne").ics().to_string(), "a\\,b\\;c\\\\d e");
}

#[test]
fn it_is_cut_at_characters_and_debug_is_encoded() {
    assert_eq!(Untrusted::new("éaé").cut(2).as_written(), "éa");
    assert_eq!(Untrusted::new("éaé").cut(9).as_written(), "éaé");
    assert_eq!(format!("{:?}", Untrusted::new("\u{1b}<")), "Untrusted(\"\\u001b\\u003c\")");
}
