//! The rules: what keys of whom look like, and what proves them.
//!
//! Sources: each provider's documentation where it tells; otherwise what gitleaks, Betterleaks, Kingfisher and secretlint
//! agree on. Public keys (`pk_`, `whpk_`, `sb_publishable_`) are in no rule.

use super::find;
use super::proof::{self, Proof};
use super::shape::Class::{Alnum, AnyHex, Base32, Base64, Digit, Dotted, Hex, Pad, Upper, Url, Word};
use super::shape::Part::{self, Either, Run, Text};

/// One format of one provider.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// Stable, kebab-case.
    pub(super) id: &'static str,
    /// For people.
    pub(super) title: &'static str,
    /// Texts without which there is no such key; found first, in any case.
    pub(super) anchors: &'static [&'static str],
    /// Where the key begins and ends, from its anchor.
    pub(super) extent: Extent,
    /// The least entropy of what follows the anchor, in hundredths of bits for each byte.
    pub(super) entropy: u32,
    /// What proves or refutes it.
    pub(super) proof: Proof,
    /// Whether what has the shape and not the proof is no secret at all, whatever its name; else nothing is known of it.
    pub(super) refutes: bool,
    /// Whether the start of the key, its anchor, says nothing secret and is printed.
    pub(super) shown: bool,
}

/// Where a key lies: of a text, and the start and end of an anchor in it.
type Find = fn(&[u8], usize, usize) -> Option<(usize, usize)>;

/// How a key lies around its anchor.
#[derive(Debug, Clone, Copy)]
pub(super) enum Extent {
    /// It begins with its anchor.
    Shape(&'static [Part]),
    /// The function says where.
    Found(Find),
}

const fn rule(
    id: &'static str,
    title: &'static str,
    anchors: &'static [&'static str],
    shape: &'static [Part],
    entropy: u32,
) -> Rule {
    Rule {
        id,
        title,
        anchors,
        extent: Extent::Shape(shape),
        entropy,
        proof: proof::format,
        refutes: false,
        shown: true,
    }
}

const fn found(id: &'static str, title: &'static str, anchors: &'static [&'static str], find: Find) -> Rule {
    Rule {
        id,
        title,
        anchors,
        extent: Extent::Found(find),
        entropy: 0,
        proof: proof::format,
        refutes: false,
        shown: false,
    }
}

impl Rule {
    const fn by(mut self, proof: Proof) -> Rule {
        self.proof = proof;
        self
    }

    const fn or_none(mut self) -> Rule {
        self.refutes = true;
        self
    }
}

const STRIPE: &[&str] = &["sk_live_", "sk_test_", "rk_live_", "rk_test_"];
const GITHUB: &[&str] = &["ghp_", "gho_", "ghu_", "ghr_", "ghs_"];
const AWS: &[&str] = &["AKIA", "ASIA", "ABIA", "ACCA"];
const SLACK: &[&str] = &["xoxb-", "xoxp-", "xoxe-", "xoxo-", "xoxs-", "xoxa-", "xoxr-"];
const DATABASES: &[&str] = &[
    "postgres://",
    "postgresql://",
    "mysql://",
    "mariadb://",
    "mongodb://",
    "mongodb+srv://",
    "redis://",
    "rediss://",
    "amqp://",
    "amqps://",
    "smtp://",
    "smtps://",
    "mssql://",
    "sqlserver://",
    "clickhouse://",
];

/// Every rule but those for names and for the project's own values. Where two fit one place, the first of these is told.
pub(super) const RULES: &[Rule] = &[
    rule("stripe-secret-key", "Stripe secret or restricted key", STRIPE, &[Either(STRIPE), Run(Alnum, 10, 247)], 250),
    rule(
        "webhook-secret",
        "signing secret of webhooks",
        &["whsec_"],
        &[Text("whsec_"), Run(Base64, 32, 96), Run(Pad, 0, 2)],
        350,
    )
    .by(proof::webhook),
    rule(
        "webhook-private-key",
        "private key that signs webhooks",
        &["whsk_"],
        &[Text("whsk_"), Run(Base64, 32, 128), Run(Pad, 0, 2)],
        350,
    ),
    found("convex-deploy-key", "Convex deploy key", &["|eyJ2"], find::convex).by(proof::convex),
    rule("aws-access-key-id", "AWS access key id", AWS, &[Either(AWS), Run(Base32, 16, 16)], 300)
        .by(proof::aws_id)
        .or_none(),
    found(
        "aws-secret-access-key",
        "AWS secret access key",
        &["aws_secret", "secret_access_key", "secretaccesskey"],
        find::aws_secret,
    )
    .by(proof::near_aws),
    rule("github-token", "GitHub token", GITHUB, &[Either(GITHUB), Run(Alnum, 36, 36)], 300)
        .by(proof::github)
        .or_none(),
    rule(
        "github-app-token",
        "GitHub App installation token",
        &["ghs_"],
        &[Text("ghs_"), Run(Digit, 1, 12), Text("_eyJ"), Run(Dotted, 40, 1200)],
        400,
    ),
    rule(
        "github-fine-grained-token",
        "GitHub fine-grained token",
        &["github_pat_"],
        &[Text("github_pat_"), Run(Alnum, 22, 22), Text("_"), Run(Alnum, 59, 59)],
        400,
    ),
    rule("gitlab-token", "GitLab token", &["glpat-"], &[Text("glpat-"), Run(Url, 20, 64)], 300),
    rule("npm-token", "npm token", &["npm_"], &[Text("npm_"), Run(Alnum, 36, 36)], 350).by(proof::npm),
    rule(
        "pypi-token",
        "PyPI token",
        &["pypi-AgEIcHlwaS5vcmc"],
        &[Text("pypi-AgEIcHlwaS5vcmc"), Run(Url, 50, 1000)],
        300,
    ),
    found("openai-key", "OpenAI key", &["T3BlbkFJ"], find::openai),
    rule(
        "anthropic-key",
        "Anthropic key",
        &["sk-ant-"],
        &[Text("sk-ant-"), Either(&["api03-", "admin01-", "sid01-", "oat01-"]), Run(Url, 80, 120)],
        400,
    ),
    rule("google-api-key", "Google API key", &["AIza"], &[Text("AIza"), Run(Url, 35, 35)], 400),
    rule("google-auth-key", "Google key of the new kind", &["AQ.Ab"], &[Text("AQ."), Run(Url, 40, 80)], 400),
    rule("google-oauth-secret", "Google OAuth client secret", &["GOCSPX-"], &[Text("GOCSPX-"), Run(Url, 28, 28)], 350),
    rule("groq-key", "Groq key", &["gsk_"], &[Text("gsk_"), Run(Alnum, 50, 54)], 400),
    rule("xai-key", "xAI key", &["xai-"], &[Text("xai-"), Run(Alnum, 70, 90)], 400),
    rule("perplexity-key", "Perplexity key", &["pplx-"], &[Text("pplx-"), Run(Alnum, 48, 56)], 400),
    rule("replicate-token", "Replicate token", &["r8_"], &[Text("r8_"), Run(Alnum, 37, 37)], 400),
    rule("huggingface-token", "Hugging Face token", &["hf_"], &[Text("hf_"), Run(Alnum, 34, 37)], 380),
    rule("slack-token", "Slack token", SLACK, &[Either(SLACK), Run(Digit, 8, 14), Text("-"), Run(Url, 10, 250)], 250),
    rule(
        "slack-app-token",
        "Slack app token",
        &["xapp-"],
        &[Text("xapp-"), Run(Digit, 1, 2), Text("-"), Run(Url, 30, 250)],
        300,
    ),
    rule(
        "slack-webhook",
        "Slack webhook address",
        &["hooks.slack.com/"],
        &[Text("hooks.slack.com/"), Either(&["services/", "workflows/", "triggers/"]), Run(Base64, 40, 80)],
        300,
    ),
    rule(
        "discord-webhook",
        "Discord webhook address",
        &["discord.com/api/webhooks/", "discordapp.com/api/webhooks/"],
        &[
            Either(&["discord.com/api/webhooks/", "discordapp.com/api/webhooks/"]),
            Run(Digit, 17, 20),
            Text("/"),
            Run(Url, 60, 72),
        ],
        350,
    ),
    found("telegram-token", "Telegram bot token", &[":AA"], find::telegram),
    rule("twilio-key", "Twilio API key", &["SK"], &[Text("SK"), Run(AnyHex, 32, 32)], 300).by(proof::near_twilio),
    rule("sendgrid-key", "SendGrid key", &["SG."], &[Text("SG."), Run(Url, 22, 22), Text("."), Run(Url, 43, 43)], 400),
    rule("resend-key", "Resend key", &["re_"], &[Text("re_"), Run(Alnum, 8, 8), Text("_"), Run(Alnum, 24, 24)], 350),
    rule("mailgun-key", "Mailgun key", &["key-"], &[Text("key-"), Run(Hex, 32, 32)], 300),
    rule(
        "vercel-token",
        "Vercel token",
        &["vck_", "vcp_", "vca_", "vcr_", "vci_"],
        &[Either(&["vck_", "vcp_", "vca_", "vcr_", "vci_"]), Run(Url, 56, 56)],
        400,
    ),
    rule("supabase-secret-key", "Supabase secret key", &["sb_secret_"], &[Text("sb_secret_"), Run(Url, 31, 36)], 350),
    rule("supabase-access-token", "Supabase access token", &["sbp_"], &[Text("sbp_"), Run(Hex, 40, 40)], 300),
    rule("neon-key", "Neon key", &["napi_"], &[Text("napi_"), Run(Alnum, 64, 64)], 400),
    rule("doppler-token", "Doppler token", &["dp.pt."], &[Text("dp.pt."), Run(Alnum, 43, 43)], 400),
    rule(
        "planetscale-token",
        "PlanetScale token or password",
        &["pscale_"],
        &[Text("pscale_"), Either(&["tkn_", "pw_", "oauth_"]), Run(Dotted, 32, 64)],
        350,
    ),
    rule(
        "digitalocean-token",
        "DigitalOcean token",
        &["dop_v1_", "doo_v1_", "dor_v1_"],
        &[Either(&["dop_v1_", "doo_v1_", "dor_v1_"]), Run(Hex, 64, 64)],
        300,
    ),
    rule("databricks-token", "Databricks token", &["dapi"], &[Text("dapi"), Run(Hex, 32, 32)], 300),
    rule(
        "shopify-token",
        "Shopify token",
        &["shpat_", "shpca_", "shppa_", "shpss_"],
        &[Either(&["shpat_", "shpca_", "shppa_", "shpss_"]), Run(AnyHex, 32, 32)],
        300,
    ),
    rule("linear-key", "Linear key", &["lin_api_"], &[Text("lin_api_"), Run(Alnum, 40, 40)], 350),
    rule("notion-token", "Notion token", &["ntn_"], &[Text("ntn_"), Run(Alnum, 46, 46)], 350),
    rule("figma-token", "Figma token", &["figd_"], &[Text("figd_"), Run(Url, 40, 48)], 350),
    rule(
        "postman-key",
        "Postman key",
        &["PMAK-"],
        &[Text("PMAK-"), Run(Hex, 24, 24), Text("-"), Run(Hex, 34, 34)],
        300,
    ),
    rule(
        "sentry-token",
        "Sentry token",
        &["sntryu_", "sntrya_"],
        &[Either(&["sntryu_", "sntrya_"]), Run(Hex, 64, 64)],
        300,
    ),
    rule("square-secret", "Square secret", &["sq0csp-"], &[Text("sq0csp-"), Run(Url, 43, 43)], 350),
    rule(
        "airtable-token",
        "Airtable token",
        &["pat"],
        &[Text("pat"), Run(Alnum, 14, 14), Text("."), Run(Hex, 64, 64)],
        300,
    ),
    rule(
        "atlassian-token",
        "Atlassian token",
        &["ATATT3"],
        &[Text("ATATT3"), Run(Url, 180, 200), Run(Pad, 0, 1), Run(Upper, 0, 8)],
        400,
    ),
    found("private-key", "private key", &["PRIVATE KEY-----"], find::pem).by(proof::pem),
    found("database-password", "address with a password", DATABASES, find::address),
    found("json-web-token", "JSON Web Token", &["eyJ"], find::jwt).by(proof::jwt).or_none(),
    rule(
        "age-secret-key",
        "age secret key",
        &["AGE-SECRET-KEY-1"],
        &[Text("AGE-SECRET-KEY-1"), Run(Upper, 58, 58)],
        350,
    ),
    rule("clickhouse-key", "ClickHouse Cloud key", &["4b1d"], &[Text("4b1d"), Run(Word, 38, 38)], 450),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_kebab_case() {
        let ids: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), RULES.len());
        assert!(
            ids.iter()
                .all(|id| id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'))
        );
    }

    #[test]
    fn every_rule_has_an_anchor() {
        for rule in RULES {
            assert!(!rule.anchors.is_empty() && rule.anchors.iter().all(|anchor| anchor.len() >= 2), "{}", rule.id);
        }
    }
}
