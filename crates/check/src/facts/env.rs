//! Variables of each environment, without their values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::facts::{Fact, Place};

/// What is known of the variables of each environment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Env {
    /// By the environment's name: `development`, `staging`, `production`.
    pub sets: BTreeMap<String, Fact<EnvSet>>,
    /// Which key this machine has for fingerprints, if any.
    pub key: Option<String>,
    /// What other machines have committed of theirs, by environment.
    pub committed: BTreeMap<String, Committed>,
}

/// The variables that an app would see in one environment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnvSet {
    /// Where they were read: files from the project's root, or `the process`.
    pub sources: Vec<String>,
    /// Whether a variable that is not here is missing there. False where only a file of defaults was seen, and the
    /// secrets lie in a secret manager.
    pub complete: bool,
    /// By name.
    pub variables: BTreeMap<String, Variable>,
}

/// A variable, and what may be said of its value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Where it is set; none for the process's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What kind of value it is, by its form.
    pub form: Form,
    /// The part of it that may be shown: a vendor's prefix such as `sk_live_`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// Characters.
    pub length: u32,
    /// Bytes of what it encodes, where it is base64 or hexadecimal; else the characters.
    #[serde(default)]
    pub decoded: u32,
    /// An estimate of how many bits a guesser must find.
    #[serde(default)]
    pub bits: u32,
    /// Keyed hash of the value, by a key of this run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hash: String,
    /// Keyed hash of the value by the key that `env fingerprint` uses, where this machine has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The first day on which this value was seen: `2027-01-31`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Set, and empty.
    Empty,
    /// Copied from an example.
    Placeholder,
    /// `sk_live_`, `rk_live_`: Stripe's or Clerk's secret key for the real thing.
    SecretKeyLive,
    /// `sk_test_`, `rk_test_`.
    SecretKeyTest,
    /// `pk_live_`.
    PublishableLive,
    /// `pk_test_`.
    PublishableTest,
    /// `whsec_`, `whsk_`: a webhook's secret.
    WebhookSecret,
    /// `prod:name`, or a deploy key of production.
    ConvexProduction,
    /// `dev:name`, or a deploy key of development.
    ConvexDevelopment,
    /// `preview:name`.
    ConvexPreview,
    /// A key of some other vendor, known by its form, that no browser should see.
    OtherSecret,
    /// A private key in PEM.
    PrivateKey,
    /// A JSON Web Token.
    Token,
    /// An address with a user's password in it.
    AddressWithPassword,
    /// An address at one of Clerk's development hosts (`*.clerk.accounts.dev`).
    ClerkDevelopmentAddress,
    /// An address of this machine.
    LocalAddress,
    /// Any other address.
    Address,
    /// Random characters: long and of high entropy.
    Random,
    /// Anything else.
    Text,
}

/// What `env fingerprint` wrote on a machine that has the variables of one environment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Committed {
    /// Which key made the fingerprints; those of two keys say nothing about each other.
    pub key: String,
    /// The day they were written: `2027-01-31`.
    pub on: String,
    /// By name, with `fingerprint` and without `hash` and `place`.
    pub variables: BTreeMap<String, Variable>,
}
