//! Markup and schemes that would run as a script.

use palisade_event::Signal;

use crate::signals::MAX_VALUE;
use crate::signals::normal::{Normal, has, hex};

const BIT: u8 = Signal::Xss.bit();

/// Elements that run, load or submit something by themselves.
const ACTIVE: &[&str] = &[
    "script",
    "iframe",
    "object",
    "embed",
    "applet",
    "svg",
    "math",
    "base",
    "meta",
    "link",
    "style",
    "form",
    "frameset",
    "frame",
    "isindex",
    "xss",
    "template",
    "noscript",
    "portal",
    "foreignobject",
    "animate",
    "set",
];

/// Words that follow `on` in the name of an event handler.
const EVENTS: &[&str] = &[
    "abort",
    "activate",
    "after",
    "animation",
    "auxclick",
    "before",
    "begin",
    "blur",
    "bounce",
    "canplay",
    "change",
    "click",
    "close",
    "contextmenu",
    "copy",
    "cuechange",
    "cut",
    "dblclick",
    "drag",
    "drop",
    "durationchange",
    "end",
    "ended",
    "error",
    "finish",
    "focus",
    "formdata",
    "fullscreenchange",
    "gotpointercapture",
    "hashchange",
    "input",
    "invalid",
    "key",
    "load",
    "lostpointercapture",
    "message",
    "mouse",
    "offline",
    "online",
    "page",
    "paste",
    "pause",
    "play",
    "pointer",
    "popstate",
    "progress",
    "propertychange",
    "ratechange",
    "readystatechange",
    "repeat",
    "reset",
    "resize",
    "scroll",
    "search",
    "seek",
    "select",
    "show",
    "slotchange",
    "stalled",
    "start",
    "storage",
    "submit",
    "suspend",
    "timeupdate",
    "toggle",
    "touch",
    "transition",
    "unhandledrejection",
    "unload",
    "volumechange",
    "waiting",
    "webkit",
    "wheel",
];

/// Calls and names that scripts of attackers use, where a quote was closed before them.
const CALLS: &[&str] = &[
    "alert",
    "confirm",
    "prompt",
    "eval",
    "fetch",
    "print",
    "settimeout",
    "setinterval",
    "function",
    "constructor",
    "document",
    "window",
    "location",
    "import",
    "top",
    "self",
    "parent",
    "globalthis",
    "this",
    "console",
    "import",
    "xmlhttprequest",
    "navigator",
    "open",
    "postmessage",
    "localstorage",
    "atob",
    "require",
];

pub(super) fn look(normal: &Normal<'_>) -> u8 {
    let low = normal.low();
    let found = tags(normal)
        || scheme(low)
        || attribute(normal)
        || (low.iter().any(|byte| matches!(byte, b'\'' | b'"' | b'`' | b'\\' | b'<')) && breakout(low))
        || template(low)
        || escaped(low);
    if found { BIT } else { 0 }
}

/// `<script`, or any element with an event handler: one pass, as a browser would cut it into tags and attributes.
fn tags(normal: &Normal<'_>) -> bool {
    let (low, raw) = (normal.low(), normal.raw());
    // Within a tag: nothing, or the quote its attribute's value stands in.
    let mut tag: Option<Option<u8>> = None;
    let mut before = 0;
    for (at, &byte) in low.iter().enumerate() {
        let last = std::mem::replace(&mut before, byte);
        let rest = low.get(at + 1..).unwrap_or_default();
        match (tag, byte) {
            (None | Some(None), b'<') => match opens(rest) {
                Opens::Active => return true,
                Opens::Tag => tag = Some(None),
                Opens::Nothing => {}
            },
            (None, _) => {}
            (Some(None), b'>') => tag = None,
            (Some(None), b'"' | b'\'' | b'`') if is_value(low, at) => tag = Some(Some(byte)),
            (Some(Some(quote)), _) if byte == quote => tag = Some(None),
            (Some(Some(_)), _) => {}
            (Some(None), b'o' | b's') if !last.is_ascii_alphanumeric() && !b"-_.$".contains(&last) => {
                let text = low.get(at..).unwrap_or_default();
                let cased = raw.get(at..).unwrap_or_default();
                if is_handler(text, cased) || text.starts_with(b"srcdoc") || runs_style(text) {
                    return true;
                }
            }
            (Some(None), _) => {}
        }
    }
    false
}

/// What begins behind a `<`.
enum Opens {
    Nothing,
    Tag,
    Active,
}

fn opens(rest: &[u8]) -> Opens {
    let slashed = rest.strip_prefix(b"/").unwrap_or(rest);
    let name = word(slashed);
    if name.is_empty() {
        // Conditional comments and server-side includes.
        let odd = [b"!--[if".as_slice(), b"!--#", b"![cdata["].iter().any(|start| rest.starts_with(start));
        return if odd { Opens::Active } else { Opens::Nothing };
    }
    let after = slashed.get(name.len()..).unwrap_or_default();
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"\x0b>/<;=\"'".contains(byte);
    let local = name.rsplit(|byte| *byte == b':').next().unwrap_or(name);
    let known = ACTIVE.iter().any(|known| known.as_bytes() == local);
    let active = known && after.first().is_none_or(ends) && !prose(local, after);
    if active { Opens::Active } else { Opens::Tag }
}

/// Whether a quote opens an attribute's value.
fn is_value(low: &[u8], at: usize) -> bool {
    let before = low.get(at.saturating_sub(8)..at).unwrap_or_default();
    before.trim_ascii_end().last() == Some(&b'=')
}

/// `style=` with something in it that runs.
fn runs_style(text: &[u8]) -> bool {
    let value = text.get(..text.len().min(128)).unwrap_or_default();
    text.starts_with(b"style") && (has(value, "expression(") || has(value, "url(javascript"))
}

/// `<T extends object>` and its like: names of elements that are also words of code.
fn prose(name: &[u8], after: &[u8]) -> bool {
    let word = matches!(name, b"form" | b"link" | b"object" | b"base" | b"set" | b"style" | b"template" | b"frame");
    // Without attributes they load and run nothing.
    word && after.first().is_none_or(|byte| matches!(byte, b'>' | b';' | b'<')) && name != b"style"
}

/// `onerror=`, wherever an attribute could start.
fn handler(text: &[u8], raw: &[u8]) -> bool {
    memchr::memmem::find_iter(text, b"on").any(|at| {
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        let inside = before.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"-_.$".contains(byte));
        !inside && is_handler(text.get(at..).unwrap_or_default(), raw.get(at..).unwrap_or_default())
    })
}

/// Whether a text begins with `onerror=` and something that runs.
fn is_handler(text: &[u8], raw: &[u8]) -> bool {
    let Some(rest) = text.strip_prefix(b"on") else { return false };
    let name = word(rest);
    let after = rest.get(name.len()..).unwrap_or_default();
    let blanks = after.iter().take(64).take_while(|byte| byte.is_ascii_whitespace()).count();
    let Some(value) = after.get(blanks..).and_then(|after| after.strip_prefix(b"=")) else { return false };
    let value = value.get(..value.len().min(64)).unwrap_or_default().trim_ascii_start();
    // A handler of React's is camel case with braces, and is code that somebody shows.
    let react = raw.get(2).is_some_and(u8::is_ascii_uppercase) && value.starts_with(b"{");
    !react && !value.is_empty() && EVENTS.iter().any(|event| name.starts_with(event.as_bytes()))
}

/// A handler outside of a tag: `" onfocus=alert(1) x="`.
fn attribute(normal: &Normal<'_>) -> bool {
    let (low, raw) = (normal.low(), normal.raw());
    let quote = low.iter().position(|byte| matches!(byte, b'"' | b'\'' | b'`'));
    let from = match quote {
        Some(at) => at + 1,
        None if low.trim_ascii_start().starts_with(b"on") => 0,
        None => return false,
    };
    let text = low.get(from..).unwrap_or_default();
    if !handler(text, raw.get(from..).unwrap_or_default()) {
        return false;
    }
    // In prose and code a tag that is not dangerous by itself was looked at before.
    !has(low, "<") || low.iter().take(from).all(|byte| *byte != b'<')
}

/// `javascript:`, also with blanks, entities and controls within, where something is called or set after it.
fn scheme(low: &[u8]) -> bool {
    if !low.iter().any(|byte| matches!(byte, b':' | b'&'))
        || !(has(low, "scr") || low.contains(&b'&') || has(low, "data:"))
    {
        return false;
    }
    let mut plain = [0; MAX_VALUE];
    let mut len = 0;
    let mut rest = low;
    while let Some((&byte, after)) = rest.split_first() {
        let (byte, used) = if byte == b'&' { entity(after).unwrap_or((byte, 0)) } else { (byte, 0) };
        rest = after.get(used..).unwrap_or_default();
        // Browsers drop tabs and line ends in addresses; a blank ends a word.
        if byte.is_ascii_control() {
            continue;
        }
        let Some(place) = plain.get_mut(len) else { break };
        *place = byte.to_ascii_lowercase();
        len += 1;
    }
    let plain = plain.get(..len).unwrap_or_default();
    for name in ["javascript:", "vbscript:", "livescript:"] {
        for at in memchr::memmem::find_iter(plain, name) {
            let before = at.checked_sub(1).and_then(|before| plain.get(before));
            if before.is_some_and(u8::is_ascii_alphanumeric) {
                continue;
            }
            let code = plain.get(at + name.len()..).unwrap_or_default();
            let code = code.get(..code.len().min(128)).unwrap_or_default().trim_ascii_start();
            let called = word(code);
            let next = code.get(called.len()..).unwrap_or_default().first();
            if code.starts_with(b"//") || code.starts_with(b"/*") || code.starts_with(b"\"") || code.starts_with(b"'") {
                return true;
            }
            if next.is_some_and(|byte| matches!(byte, b'(' | b'.' | b'=' | b'[' | b'`' | b'%' | b'{' | b';' | b'!')) {
                return called.is_empty() || next != Some(&b'.') || CALLS.iter().any(|call| call.as_bytes() == called);
            }
        }
    }
    ["data:text/html", "data:image/svg+xml", "data:application/xhtml", "data:text/xml", "data:;base64"]
        .iter()
        .any(|data| has(plain, data))
}

/// One HTML character reference after its `&`: the byte, and how many bytes it takes.
fn entity(after: &[u8]) -> Option<(u8, usize)> {
    const NAMED: [(&str, u8); 12] = [
        ("colon;", b':'),
        ("tab;", b'\t'),
        ("newline;", b'\n'),
        ("lpar;", b'('),
        ("rpar;", b')'),
        ("quot;", b'"'),
        ("apos;", b'\''),
        ("lt;", b'<'),
        ("gt;", b'>'),
        ("amp;", b'&'),
        ("sol;", b'/'),
        ("nbsp;", b' '),
    ];
    if let Some(digits) = after.strip_prefix(b"#") {
        let sixteen = matches!(digits.first(), Some(b'x'));
        let digits = if sixteen { digits.get(1..)? } else { digits };
        let wanted = |byte: &&u8| if sixteen { byte.is_ascii_hexdigit() } else { byte.is_ascii_digit() };
        let count = digits.iter().take(10).take_while(wanted).count();
        let text = digits.get(..count).filter(|text| !text.is_empty())?;
        let code = if sixteen { hex(Some(text))? } else { std::str::from_utf8(text).ok()?.parse::<u32>().ok()? };
        let close = usize::from(digits.get(count) == Some(&b';'));
        return Some((u8::try_from(code).ok()?, 1 + usize::from(sixteen) + count + close));
    }
    let (name, byte) = NAMED.iter().find(|(name, _)| after.starts_with(name.as_bytes()))?;
    Some((*byte, name.len()))
}

/// A quote is closed and a script goes on: `';alert(1)//`, `"-alert(1)-"`, `</script><script>`.
fn breakout(low: &[u8]) -> bool {
    let marks = |byte: &u8| matches!(byte, b'\'' | b'"' | b'`');
    let Some(at) = low.iter().position(marks) else { return false };
    let mut rest = low.get(at + 1..).unwrap_or_default();
    // Brackets and operators that close an expression.
    let closing = rest.iter().take_while(|byte| b";-+*/,)}]&|^:!~?= \n\t".contains(byte)).count();
    let glued = closing == 0;
    let only_blank = rest.get(..closing).unwrap_or_default().trim_ascii().is_empty();
    rest = rest.get(closing..).unwrap_or_default();
    if glued || only_blank {
        return false;
    }
    // `name="` + ` or ` of code opens a quote that was not open: what comes before is an assignment or a call.
    let before = low.get(..at).unwrap_or_default().trim_ascii_end().last();
    if before.is_some_and(|byte| matches!(byte, b'=' | b'(' | b'[' | b'{' | b',' | b':')) {
        return false;
    }
    for _ in 0..4 {
        let name = word(rest);
        let after = rest.get(name.len()..).unwrap_or_default();
        let known = CALLS.iter().any(|call| call.as_bytes() == name);
        let runs = after.first().is_some_and(|byte| matches!(byte, b'(' | b'`' | b'.' | b'[' | b'='));
        if known && runs {
            return true;
        }
        // `;a=alert;a(1)`, `+(alert)(1)`
        let skip = after.iter().take_while(|byte| b"=;(){}[]+ ".contains(byte)).count();
        if skip == 0 {
            return false;
        }
        rest = after.get(skip..).unwrap_or_default();
    }
    false
}

/// `{{constructor.constructor('alert(1)')()}}`, `${alert(1)}`.
fn template(low: &[u8]) -> bool {
    let opens = ["{{", "${", "#{", "<%="].iter().find_map(|open| memchr::memmem::find(low, open.as_bytes()));
    let Some(at) = opens else { return false };
    let inner = low.get(at..).unwrap_or_default();
    ["constructor", "__proto__", "alert(", "eval(", "document.", "prompt(", "$on.", "$eval", "__class__"]
        .iter()
        .any(|name| has(inner, name))
}

/// Tags written with escapes of JavaScript or CSS: `\u003cscript`, `\x3cimg`.
fn escaped(low: &[u8]) -> bool {
    ["\\u003c", "\\x3c", "\\74", "&lt;script", "+adw-"].iter().any(|open| {
        memchr::memmem::find_iter(low, open.as_bytes()).any(|at| {
            let rest = low.get(at + open.len()..).unwrap_or_default();
            let name = word(rest.strip_prefix(b"/").unwrap_or(rest));
            let markup = ["script", "img", "svg", "iframe", "body", "object", "embed"];
            markup.iter().any(|tag| name.starts_with(tag.as_bytes()))
                || (*open == "&lt;script" && (has(rest, "alert(") || has(rest, "document.")))
        })
    })
}

/// The letters, digits and colons that a text begins with.
fn word(text: &[u8]) -> &[u8] {
    let first = text.first().is_some_and(u8::is_ascii_alphabetic);
    let len =
        text.iter().take(64).take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_')).count();
    if first { text.get(..len).unwrap_or_default() } else { &[] }
}
