//! Secrets that are none: made at run time, so that none stands in this repository, with the truth about each.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// One line of one file, and whether a secret is in it.
pub(crate) struct Planted {
    pub(crate) what: String,
    pub(crate) file: String,
    pub(crate) text: String,
    pub(crate) secret: Option<String>,
}

/// SplitMix64: small, and the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn of(&mut self, alphabet: &str, length: usize) -> String {
        let all: Vec<char> = alphabet.chars().collect();
        let count = all.len() as u64;
        (0..length).map(|_| all[usize::try_from(self.next() % count).expect("below the count")]).collect()
    }

    fn alnum(&mut self, length: usize) -> String {
        self.of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", length)
    }

    fn url(&mut self, length: usize) -> String {
        let text = self.of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", length);
        // The last character of a token is a letter or digit more often than not; a `-` there is ambiguous in prose.
        format!("{}{}", &text[..length - 1], self.alnum(1))
    }

    fn hex(&mut self, length: usize) -> String {
        self.of("0123456789abcdef", length)
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

/// CRC-32 of zlib, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0_u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

fn github(random: &mut Random) -> String {
    let body = random.alnum(30);
    let mut number = crc32(body.as_bytes());
    let digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".as_bytes();
    let mut check = [b'0'; 6];
    for digit in check.iter_mut().rev() {
        *digit = digits[(number % 62) as usize];
        number /= 62;
    }
    format!("{body}{}", String::from_utf8_lossy(&check))
}

fn jwt(random: &mut Random, claims: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(r#"{"alg":"HS256","typ":"JWT"}"#), part(claims), random.url(43))
}

fn pem(random: &mut Random) -> String {
    let body = STANDARD.encode(random.bytes(300));
    let lines: Vec<&str> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("base64")).collect();
    format!("-----BEGIN {0} KEY-----\n{1}\n-----END {0} KEY-----", "PRIVATE", lines.join("\n"))
}

/// Every format, by the rule that should name it; `{}` of a line is the secret.
#[allow(clippy::too_many_lines, reason = "a table")]
fn formats(random: &mut Random) -> Vec<(&'static str, &'static str, String)> {
    let r = random;
    let b32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    vec![
        ("stripe-secret-key", "STRIPE_SECRET_KEY={}", format!("sk_{}_51{}", "live", r.alnum(97))),
        ("stripe-secret-key", "const stripe = new Stripe('{}');", format!("rk_{}_{}", "live", r.alnum(24))),
        ("stripe-secret-key", "stripe: \"{}\"", format!("sk_{}_{}", "test", r.alnum(24))),
        ("clerk-secret-key", "CLERK_SECRET_KEY={}", format!("sk_{}_{}", "live", r.alnum(42))),
        ("clerk-secret-key", "createClerkClient({ secretKey: '{}' })", format!("sk_{}_{}", "test", r.alnum(43))),
        ("webhook-secret", "CLERK_WEBHOOK_SECRET={}", format!("whsec_{}", STANDARD.encode(r.bytes(24)))),
        ("webhook-secret", "constructEvent(body, sig, '{}')", format!("whsec_{}", r.alnum(32))),
        ("webhook-private-key", "sign('{}')", format!("whsk_{}", STANDARD.encode(r.bytes(64)))),
        (
            "convex-deploy-key",
            "CONVEX_DEPLOY_KEY=\"{}\"",
            format!("prod:happy-animal-123|{}", STANDARD.encode(format!("{{\"v2\":\"{}\"}}", r.hex(32)))),
        ),
        (
            "convex-deploy-key",
            "key = '{}'",
            format!("preview:team:project|{}", STANDARD.encode(format!("{{\"v2\":\"{}\"}}", r.hex(40)))),
        ),
        (
            "aws-access-key-id",
            "AWS_ACCESS_KEY_ID={}",
            format!("AKIA{}", format_args!("{}{}", r.of("ABCDEFGHIJKLM", 2), r.of(b32, 14))),
        ),
        (
            "aws-access-key-id",
            "accessKeyId: '{}',",
            format!("ASIA{}", format_args!("{}{}", r.of("ABCDEFGHIJKLM", 2), r.of(b32, 14))),
        ),
        (
            "aws-secret-access-key",
            "AWS_SECRET_ACCESS_KEY={}",
            r.of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 40),
        ),
        ("github-token", "GITHUB_TOKEN={}", format!("ghp_{}", github(r))),
        ("github-token", "token: '{}'", format!("gho_{}", github(r))),
        ("github-fine-grained-token", "auth: \"{}\"", format!("github_pat_{}_{}", r.alnum(22), r.alnum(59))),
        ("github-app-token", "export TOKEN={}", format!("ghs_{}_{}", 123_456, jwt(r, r#"{"iss":"github"}"#))),
        ("gitlab-token", "GITLAB={}", format!("glpat-{}", r.url(20))),
        ("npm-token", "//registry.npmjs.org/:_authToken={}", format!("npm_{}", r.alnum(36))),
        ("openai-key", "OPENAI_API_KEY={}", format!("sk-proj-{}T3Blbk{}{}", r.url(74), "FJ", r.url(74))),
        ("openai-key", "new OpenAI({ apiKey: '{}' })", format!("sk-{}T3Blbk{}{}", r.alnum(20), "FJ", r.alnum(20))),
        ("anthropic-key", "ANTHROPIC_API_KEY={}", format!("sk-ant-{}-{}AA", "api03", r.url(93))),
        ("google-api-key", "const key = \"{}\"", format!("AIza{}", r.url(35))),
        ("google-auth-key", "GEMINI={}", format!("AQ.Ab{}", r.url(48))),
        ("google-oauth-secret", "client: '{}'", format!("GOCSPX-{}", r.url(28))),
        (
            "slack-token",
            "SLACK_BOT={}",
            format!("xoxb-{}-{}-{}", r.of("123456789", 12), r.of("123456789", 12), r.alnum(24)),
        ),
        (
            "slack-app-token",
            "app('{}')",
            format!("xapp-1-A{}-{}-{}", r.of("ABCDEFGH0123456789", 10), r.of("123456789", 13), r.hex(64)),
        ),
        (
            "slack-webhook",
            "post('https://{}')",
            format!(
                "hooks.slack.com/services/T{}/B{}/{}",
                r.of("ABCDEFGH0123456789", 10),
                r.of("ABCDEFGH0123456789", 10),
                r.alnum(24)
            ),
        ),
        ("twilio-key", "TWILIO_KEY={}", format!("SK{}", r.hex(32))),
        ("sendgrid-key", "SENDGRID={}", format!("SG.{}.{}", r.url(22), r.url(43))),
        ("vercel-token", "VERCEL={}", format!("vcp_{}", r.alnum(56))),
        ("supabase-secret-key", "createClient(url, '{}')", format!("sb_secret_{}", r.url(31))),
        ("supabase-access-token", "SUPABASE={}", format!("sbp_{}", r.hex(40))),
        ("neon-key", "NEON={}", format!("napi_{}", r.of("abcdefghijklmnopqrstuvwxyz0123456789", 64))),
        ("doppler-token", "DOPPLER={}", format!("dp.pt.{}", r.alnum(43))),
        ("private-key", "const key = `{}`", pem(r)),
        ("json-web-token", "Authorization: Bearer {}", jwt(r, r#"{"sub":"1","admin":true}"#)),
        ("json-web-token", "createClient(url, '{}')", jwt(r, r#"{"iss":"supabase","role":"service_role"}"#)),
        ("database-password", "DATABASE_URL=postgres://shop:{}@db.prod.internal.net:5432/shop", r.alnum(16)),
        ("named-secret", "const api_key = \"{}\";", r.alnum(32)),
        ("named-secret", "SESSION_SECRET={}", r.url(43)),
        ("named-secret", "  password: '{}',", format!("{}!{}", r.alnum(8), r.of("0123456789", 3))),
        ("named-secret", "auth_token = \"{}\"", r.hex(40)),
    ]
}

/// What looks like a secret and is none.
fn innocents(random: &mut Random) -> Vec<(&'static str, String)> {
    let r = random;
    let wrong = |token: String| {
        let last = if token.ends_with('a') { 'b' } else { 'a' };
        format!("{}{last}", &token[..token.len() - 1])
    };
    vec![
        ("publishable key", format!("NEXT_PUBLIC_STRIPE_KEY=pk_{}_{}", "live", r.alnum(24))),
        (
            "publishable Clerk key",
            format!(
                "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY=pk_{}_{}",
                "test",
                URL_SAFE_NO_PAD.encode("happy.clerk.accounts.dev$")
            ),
        ),
        ("GitHub token with a wrong checksum", format!("token: 'ghp_{}'", wrong(github(r)))),
        ("GitHub token in prose", "Tokens begin with ghp_ and have 36 more characters.".to_owned()),
        ("Stripe placeholder", format!("STRIPE_SECRET_KEY=sk_{}_{}", "test", "x".repeat(24))),
        ("Stripe placeholder in words", format!("STRIPE_SECRET_KEY=sk_{}_your_key_here", "test")),
        ("AWS's own example", format!("AWS_ACCESS_KEY_ID=AKIA{}{}", "IOSFODNN7", "EXAMPLE")),
        ("AWS's own example secret", format!("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCY{}", "EXAMPLEKEY")),
        ("impossible AWS account", format!("AWS_ACCESS_KEY_ID=AKIA7{}", r.of("7654", 15))),
        (
            "Supabase's anonymous key",
            format!("NEXT_PUBLIC_SUPABASE_ANON_KEY={}", jwt(r, r#"{"iss":"supabase","role":"anon"}"#)),
        ),
        ("UUID", "token = \"3f2504e0-4f89-41d3-9a0c-0305e82c3301\"".to_owned()),
        ("hash of a lock file", format!("integrity = \"sha512-{}\"", STANDARD.encode(r.bytes(64)))),
        ("commit id", format!("commit = \"{}\"", r.hex(40))),
        ("words", "password = \"correct-horse-battery-staple\"".to_owned()),
        ("placeholder", "api_key = \"your-api-key-here-123456\"".to_owned()),
        ("read from the environment", "const apiKey = process.env.API_KEY ?? '';".to_owned()),
        ("interpolated", "const token = `${prefix}_${Date.now()}_abc123def456`;".to_owned()),
        ("name of a cookie", "const sessionTokenName = 'next-auth.session-token.v2';".to_owned()),
        ("address without a password", "DATABASE_URL=postgres://shop@db.prod.internal.net/shop".to_owned()),
        ("address of this machine", "DATABASE_URL=postgres://postgres:S3cretPw91@localhost:5432/shop".to_owned()),
        ("address with a variable", "DATABASE_URL=postgres://shop:${DB_PASSWORD}@db.prod.internal.net/shop".to_owned()),
        ("colour and class names", "className=\"sk_loading token-list api-key-field\"".to_owned()),
        ("max tokens", "const max_tokens = \"4096abcd1234efgh\";".to_owned()),
        (
            "public PEM",
            format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", STANDARD.encode(r.bytes(200))),
        ),
        ("empty private PEM", format!("-----BEGIN {0} KEY-----\n...\n-----END {0} KEY-----", "PRIVATE")),
        ("JWT header alone", format!("header = \"{}\"", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#))),
        ("Twilio shape elsewhere", format!("id: 'SK{}'", r.hex(32))),
        ("counting", "secret = \"abcdefghijklmnop12345678\"".to_owned()),
        ("data address", format!("src = \"data:image/png;base64,{}\"", STANDARD.encode(r.bytes(90)))),
        ("validator", "const passwordSchema = z.string().min(12).regex(/[A-Z][a-z]+[0-9]/);".to_owned()),
        ("Convex deployment's name", "CONVEX_DEPLOYMENT=prod:happy-animal-123".to_owned()),
        ("translation key", "t('settings.security.token.refresh_token_expires2')".to_owned()),
    ]
}

/// The corpus: each format in several files, and what only looks so.
pub(crate) fn planted(seed: u64, rounds: usize) -> Vec<Planted> {
    let mut random = Random(seed);
    let mut all = Vec::new();
    for round in 0..rounds {
        for (at, (rule, line, secret)) in formats(&mut random).into_iter().enumerate() {
            let ending = if line.contains("={}") || line.contains("authToken") { "env/.env.sample" } else { "ts" };
            let file = format!("src/planted/p{round}-{at}.{ending}");
            let file = if ending == "ts" { file } else { format!("src/planted/p{round}-{at}/.env.staging") };
            let text = format!("// line one\n{}\n", line.replace("{}", &secret));
            all.push(Planted { what: rule.to_owned(), file, text, secret: Some(secret) });
        }
        for (at, (what, line)) in innocents(&mut random).into_iter().enumerate() {
            all.push(Planted {
                what: what.to_owned(),
                file: format!("src/innocent/i{round}-{at}.ts"),
                text: format!("{line}\n"),
                secret: None,
            });
        }
    }
    all
}
