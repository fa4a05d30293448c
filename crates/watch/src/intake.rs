//! The port at which others report: Vercel's log drain, Clerk's webhooks, applications.
//!
//! | path | who may | body |
//! |---|---|---|
//! | `POST /intake/vercel` | `x-vercel-signature` (HMAC-SHA1 of the body), or the token | NDJSON or an array, 4 MiB |
//! | `POST /intake/clerk` | `svix-signature` (Standard Webhooks), or the token | one webhook, 256 KiB |
//! | `POST /intake/events` | the token, as `Authorization: Bearer` | an object, an array or lines, 1 MiB |
//!
//! What no secret is known for answers 401. A report that cannot be taken now answers 503, and its sender tries again;
//! copies (by Vercel's entry ids and `svix-id`) are taken once. Nobody is blocked for a report.
//!
//! It listens on an address of its own, never on the gate's or the admin's port. What it does not do: TLS; senders on
//! other machines reach it through a proxy that has it.

mod listener;
mod receive;
mod signature;

pub use listener::IntakeListener;
pub use receive::{BadSecret, Full, Intake, Reply, Secrets, Sink, Told};
