//! `secrets new`: 32 random bytes, base64url.

use anyhow::bail;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use palisade_backend::SystemEntropy;
use palisade_guard::Entropy as _;

use crate::output::{self, Exit};

pub(crate) fn new(names: &[String]) -> anyhow::Result<Exit> {
    if let Some(name) = names.iter().find(|name| !is_variable(name)) {
        bail!("{name} is not a variable's name: capitals, digits and _ alone");
    }
    if names.is_empty() {
        output::result(&secret());
    }
    for name in names {
        output::result(&format!("{name}={}", secret()));
    }
    Ok(Exit::Fine)
}

pub(crate) fn secret() -> String {
    let mut bytes = [0; 32];
    SystemEntropy.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}
