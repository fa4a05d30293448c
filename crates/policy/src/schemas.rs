//! Schemas that ship with Palisade, by name: what most apps ask of the same few inputs.

/// The names, as `schema = "..."` takes them.
pub const PRESET_SCHEMAS: [&str; 11] = [
    "email",
    "safe-text",
    "safe-long-text",
    "username",
    "https-url",
    "contact-form",
    "post",
    "profile",
    "id",
    "positive-integer",
    "pagination",
];

/// The JSON Schema of that name.
#[must_use]
pub fn preset_schema(name: &str) -> Option<&'static str> {
    Some(match name {
        "email" => include_str!("schemas/email.json"),
        "safe-text" => include_str!("schemas/safe-text.json"),
        "safe-long-text" => include_str!("schemas/safe-long-text.json"),
        "username" => include_str!("schemas/username.json"),
        "https-url" => include_str!("schemas/https-url.json"),
        "contact-form" => include_str!("schemas/contact-form.json"),
        "post" => include_str!("schemas/post.json"),
        "profile" => include_str!("schemas/profile.json"),
        "id" => include_str!("schemas/id.json"),
        "positive-integer" => include_str!("schemas/positive-integer.json"),
        "pagination" => include_str!("schemas/pagination.json"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_a_closed_object_schema() {
        for name in PRESET_SCHEMAS {
            let text = preset_schema(name).expect("a text");
            let schema: serde_json::Value = serde_json::from_str(text).expect("json");
            assert_eq!(schema["type"], "object", "{name}");
            assert_eq!(schema["additionalProperties"], false, "{name}");
        }
        assert_eq!(preset_schema("nosuch"), None);
    }
}
