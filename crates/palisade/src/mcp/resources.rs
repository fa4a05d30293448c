//! What an assistant may read: the decision matrix, and the guide's topics in our own words.

use palisade_policy::matrix_json;
use rmcp::model::{ReadResourceResult, Resource, ResourceContents};

struct Topic {
    name: &'static str,
    title: &'static str,
    text: &'static str,
}

const MATRIX: &str = "palisade://matrix";
const TOPIC: &str = "palisade://topics/";

macro_rules! topics {
    ($($name:literal: $title:literal),* $(,)?) => {
        &[$(Topic { name: $name, title: $title, text: include_str!(concat!("../../topics/", $name, ".md")) }),*]
    };
}

const TOPICS: &[Topic] = topics! {
    "rate-limiting": "Rate limiting",
    "csrf": "Cross-site request forgery",
    "authentication": "Who asks, and what they may",
    "webhooks": "Webhooks",
    "validation": "Validating input",
    "errors": "Errors",
    "headers": "Security headers",
    "secrets": "Secrets and configuration",
    "payments": "Payments",
    "monitoring": "Monitoring and response",
};

pub(super) fn all() -> Vec<Resource> {
    let matrix = Resource::new(MATRIX, "decision matrix")
        .with_title("Decision matrix")
        .with_description("Every kind of route with its limits, CSRF protection, identity and body cap, and why")
        .with_mime_type("application/json");
    let topics = TOPICS.iter().map(|topic| {
        Resource::new(format!("{TOPIC}{}", topic.name), topic.name)
            .with_title(topic.title)
            .with_mime_type("text/markdown")
    });
    std::iter::once(matrix).chain(topics).collect()
}

pub(super) fn read(uri: &str) -> Option<ReadResourceResult> {
    let contents = if uri == MATRIX {
        ResourceContents::text(matrix_json().to_string(), uri).with_mime_type("application/json")
    } else {
        let name = uri.strip_prefix(TOPIC)?;
        let topic = TOPICS.iter().find(|topic| topic.name == name)?;
        ResourceContents::text(topic.text, uri).with_mime_type("text/markdown")
    };
    Some(ReadResourceResult::new(vec![contents]))
}
