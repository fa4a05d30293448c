//! The gate without IO: it decides each request and shapes each response.
//!
//! [`Plan::compile`] turns a policy into a plan; [`Plan::inspect`] runs the stages of [`palisade_event::ORDER`] over a
//! request head and returns a [`Step`]: [`Admitted`], an [`Answer`] of the gate's own, or a [`Need`], a typed question
//! that a driver answers and resumes. [`Admitted::forward`] shapes the request for the application and
//! [`Admitted::finish`] every response for the client. Time and randomness are arguments ([`Env`]); nothing here waits,
//! and nothing here panics on input.
//!
//! Counts and claims are kept in this process ([`State`]); where gates share them, [`shared`] has what the driver asks
//! the server that keeps them.
//!
//! What it does not do: it trusts its driver for the peer's address and for the framing of messages.

mod action;
mod admitted;
mod answer;
mod answers;
mod blocks;
mod client;
mod cookie;
mod csp;
mod dress;
mod env;
mod exchange;
mod explain;
mod finish;
mod form;
mod headers;
mod html;
mod id;
mod identity;
mod inbox;
mod input;
mod keys;
mod ledger;
mod limiter;
mod login;
mod media;
mod multipart;
mod ordered;
mod plan;
mod record;
mod report;
mod run;
mod schema;
pub mod shared;
mod signals;
mod stage;
mod state;
mod step;
mod target;
#[cfg(test)]
mod testing;
mod token;
mod view;
mod vouched;
mod webhook;
mod written;

pub use admitted::{Admitted, BodyFate, BodyPlan, Fault, Finish};
pub use answer::Answer;
pub use answers::answers;
pub use blocks::{BadNet, Blocks, Change, MAX_BLOCKS, Net};
pub use client::{Client, client};
pub use cookie::{Cookie, cookie};
pub use env::{Entropy, Env, MonoMicros, Now, WallMicros};
pub use explain::{Explanation, Ruling};
pub use headers::trailer_passes;
pub use id::RequestId;
pub use identity::{
    Alg, BadKeys, Identity, KeySet, Keyring, MAX_JWKS, MAX_TOKEN, Providers, PublicKey, TokenFault, Verify, open,
};
pub use inbox::{Held, Inbox, Reserve, Settle};
pub use keys::{MIN_SECRET, Secrets, SigningSecret, WeakSecret};
pub use ledger::{Ledger, Spend, Spent};
pub use limiter::{Charge, Limiter, Pressure, Seed};
pub use login::{Fold, Folded};
pub use multipart::{BadMultipart, MAX_PARTS, Part, read_multipart};
pub use palisade_policy::json::{BadJson, MAX_JSON_DEPTH, MAX_JSON_VALUES, read_json};
pub use plan::{Plan, signing_problems};
pub use record::{Lane, Record};
pub use run::{Run, X_PALISADE_RUN};
pub use schema::{NoSchemas, Schema, Schemas, Violation};
pub use signals::{MAX_VALUE, MAX_VALUES, signals_of_path, signals_of_query, signals_of_text};
pub use state::State;
pub use step::{Ask, Claim, Claimed, Collect, Collected, Denial, Keys, Keyset, Need, Pause, Paused, Resume, Step};
pub use target::{MAX_PATH, Malformed, canonical};
pub use token::{SESSION_CHARS, TOKEN_CHARS, TOKEN_LIFE_MILLIS};
pub use view::{BodyHint, Peer, View};
pub use vouched::Vouched;
