//! What a file is by its first bytes (WHATWG MIME Sniffing, section 6), whatever it says it is.

/// Bytes that are looked at.
pub(crate) const SNIFFED: usize = 512;

/// A signature: where it stands, its bytes, and the media type they mean.
type Magic = (usize, &'static [u8], &'static str);

const MAGIC: &[Magic] = &[
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"\0\0\x01\0", "image/x-icon"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (8, b"AVI ", "video/x-msvideo"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypqt  ", "video/quicktime"),
    (4, b"ftypM4A ", "audio/mp4"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1a\x45\xdf\xa3", "video/webm"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"PK\x05\x06", "application/zip"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (0, b"wOFF", "font/woff"),
    (0, b"wOF2", "font/woff2"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"MZ", "application/x-msdownload"),
    (0, b"\xca\xfe\xba\xbe", "application/java-vm"),
    (0, b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
    (0, b"\0asm", "application/wasm"),
    (0, b"#!", "text/x-shellscript"),
    (0, b"{\\rtf", "application/rtf"),
];

/// Beginnings of text that a browser would run or render, in lower case, after white space.
const MARKUP: &[(&[u8], &str)] = &[
    (b"<!doctype html", "text/html"),
    (b"<html", "text/html"),
    (b"<head", "text/html"),
    (b"<body", "text/html"),
    (b"<script", "text/html"),
    (b"<iframe", "text/html"),
    (b"<svg", "image/svg+xml"),
    (b"<?php", "application/x-httpd-php"),
    (b"<?xml", "text/xml"),
    (b"<!--", "text/html"),
];

/// The type the first bytes mean; `None` where no signature fits, as for plain text.
pub(crate) fn sniff(content: &[u8]) -> Option<&'static str> {
    let content = content.get(..content.len().min(SNIFFED)).unwrap_or_default();
    let fits = |(at, bytes, _): &&Magic| content.get(*at..).is_some_and(|rest| rest.starts_with(bytes));
    if let Some((_, _, found)) = MAGIC.iter().find(fits) {
        return Some(found);
    }
    let text = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content).trim_ascii_start();
    let starts =
        |(start, _): &&(&[u8], &str)| text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start));
    let (_, found) = MARKUP.iter().find(starts)?;
    // An SVG file mostly begins with an XML declaration.
    let svg = *found == "text/xml" && memchr::memmem::find(text, b"<svg").is_some();
    Some(if svg { "image/svg+xml" } else { found })
}

/// Whether content that claims a type may come where only some types are taken. An empty list takes any.
pub(crate) fn suits(claimed: Option<&str>, content: &[u8], taken: &[String]) -> bool {
    if taken.is_empty() {
        return true;
    }
    // RFC 7578 section 4.4: a part without a type is plain text.
    let claimed = claimed.unwrap_or("text/plain");
    if !taken.iter().any(|kind| covers(kind, claimed)) {
        return false;
    }
    match sniff(content) {
        Some(found) => {
            let raw = claimed == "application/octet-stream";
            same(found, claimed) || (raw && !is_active(found)) || (raw && taken.iter().any(|kind| covers(kind, found)))
        }
        // A type with a signature whose content lacks it.
        None if MAGIC.iter().any(|(_, _, kind)| same(kind, claimed)) => content.is_empty(),
        None if claimed.starts_with("text/") => !content.contains(&0),
        None => true,
    }
}

/// `image/*` or the type itself.
fn covers(kind: &str, claimed: &str) -> bool {
    match kind.strip_suffix("/*") {
        Some(top) => claimed.split_once('/').is_some_and(|(claimed, _)| claimed == top),
        None => kind == claimed,
    }
}

/// What runs in a browser or on a machine: never mere bytes.
fn is_active(kind: &str) -> bool {
    matches!(
        kind,
        "text/html"
            | "image/svg+xml"
            | "text/xml"
            | "application/x-httpd-php"
            | "text/x-shellscript"
            | "application/x-executable"
            | "application/x-msdownload"
            | "application/x-mach-binary"
            | "application/java-vm"
    )
}

/// Whether content of type `found` is what `claimed` names: containers have many names.
fn same(found: &str, claimed: &str) -> bool {
    if found == claimed {
        return true;
    }
    match found {
        "application/zip" => {
            claimed.starts_with("application/vnd.openxmlformats-officedocument.")
                || claimed.starts_with("application/vnd.oasis.opendocument.")
                || matches!(
                    claimed,
                    "application/epub+zip" | "application/x-zip-compressed" | "application/java-archive"
                )
        }
        "application/x-ole-storage" => {
            matches!(claimed, "application/msword" | "application/vnd.ms-excel" | "application/vnd.ms-powerpoint")
        }
        "image/jpeg" => claimed == "image/jpg",
        "image/x-icon" => claimed == "image/vnd.microsoft.icon",
        "video/webm" => matches!(claimed, "audio/webm" | "video/x-matroska"),
        "audio/ogg" => matches!(claimed, "video/ogg" | "application/ogg"),
        "audio/wav" => matches!(claimed, "audio/x-wav" | "audio/wave"),
        "video/mp4" => matches!(claimed, "audio/mp4" | "image/heic" | "image/heif" | "image/avif" | "video/quicktime"),
        "text/xml" => claimed == "application/xml" || claimed.ends_with("+xml"),
        "application/gzip" => claimed == "application/x-gzip",
        "text/html" => claimed == "application/xhtml+xml",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n....";

    #[test]
    fn a10_content_must_be_what_it_claims_and_what_the_route_takes() {
        let images = ["image/png".to_owned(), "image/jpeg".to_owned()];
        let any_image = ["image/*".to_owned()];
        let texts = ["text/plain".to_owned(), "text/csv".to_owned()];
        let raw = ["application/octet-stream".to_owned()];
        let docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document".to_owned();
        let office = [docx.clone()];
        for (claimed, content, taken, expect) in [
            (Some("image/png"), PNG, &images[..], true),
            (Some("image/jpeg"), b"\xff\xd8\xff\xe0", &images, true),
            (Some("image/gif"), b"GIF89a", &images, false),
            (Some("image/png"), b"\xff\xd8\xff\xe0", &images, false),
            (Some("image/png"), b"<script>alert(1)</script>", &images, false),
            (Some("image/png"), b"plain", &images, false),
            (Some("image/png"), b"MZ\x90\0", &images, false),
            (Some("image/gif"), b"GIF89a", &any_image, true),
            (Some("image/svg+xml"), b"<?xml version=\"1.0\"?><svg onload=x>", &any_image, true),
            (Some("image/png"), b"<svg onload=alert(1)>", &any_image, false),
            (Some("text/plain"), b"hello", &texts, true),
            (None, b"hello", &texts, true),
            (Some("text/plain"), b"a\0b", &texts, false),
            (Some("text/plain"), b" \n<!DOCTYPE HTML><p>", &texts, false),
            (Some("text/csv"), PNG, &texts, false),
            (Some("application/octet-stream"), PNG, &raw, true),
            (Some("application/octet-stream"), b"\x7fELF", &raw, false),
            (Some("application/octet-stream"), b"<html>", &raw, false),
            (Some(docx.as_str()), b"PK\x03\x04", &office, true),
            (Some("application/zip"), b"PK\x03\x04", &office, false),
            (Some("image/png"), b"<html>", &[], true),
        ] {
            assert_eq!(suits(claimed, content, taken), expect, "{claimed:?} {taken:?}");
        }
    }
}
