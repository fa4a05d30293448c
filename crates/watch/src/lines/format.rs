use std::fmt;

use palisade_event::Field;

use super::{BadLogFormat, LogFormat};

/// A format of logs.
#[derive(Debug, Clone, PartialEq)]
pub enum Format {
    /// The gate's own events.
    Palisade,
    /// `logSecurityEvent` lines and reports of applications: JSON in any schema that [`Field::from_name`] knows.
    Application,
    /// nginx's and Apache's combined and common formats.
    Combined,
    /// A `log_format` of nginx.
    Custom(LogFormat),
    /// Caddy's JSON.
    Caddy,
    /// Traefik's JSON.
    Traefik,
    /// Vercel's log drain.
    Vercel,
    /// AWS Application Load Balancer.
    Alb,
    /// Clerk's webhooks, one body a line.
    Clerk,
}

// === impl Format ===

impl Format {
    /// The format of a name as `--log-format` takes it: `nginx`, `apache`, `combined`, `caddy`, `traefik`, `vercel`, `alb`,
    /// `clerk`, `palisade`, `guide`, or an nginx `log_format`, which has a `$`.
    ///
    /// # Errors
    ///
    /// If it is neither, or the `log_format` cannot be read unambiguously.
    pub fn from_name(name: &str) -> Result<Format, BadLogFormat> {
        Ok(match name {
            "nginx" | "apache" | "combined" | "common" => Format::Combined,
            "caddy" => Format::Caddy,
            "traefik" => Format::Traefik,
            "vercel" => Format::Vercel,
            "alb" => Format::Alb,
            "clerk" => Format::Clerk,
            "palisade" => Format::Palisade,
            "guide" | "application" => Format::Application,
            format if format.contains('$') => Format::Custom(LogFormat::parse(format)?),
            _ => return Err(BadLogFormat::Unknown),
        })
    }

    /// The name, as `--log-format` takes it; `custom` for a `log_format`.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Format::Palisade => "palisade",
            Format::Application => "guide",
            Format::Combined => "combined",
            Format::Custom(_) => "custom",
            Format::Caddy => "caddy",
            Format::Traefik => "traefik",
            Format::Vercel => "vercel",
            Format::Alb => "alb",
            Format::Clerk => "clerk",
        }
    }

    /// Whether lines of the format can say what the field holds. A rule that asks for a field that cannot be there never
    /// fires on such a log.
    #[must_use]
    pub fn carries(&self, field: Field) -> bool {
        use Field as F;
        let always = matches!(
            field,
            F::Timestamp | F::Source | F::Count | F::Attributable | F::ClientAddress | F::ClientKey | F::Country
        );
        // What is found out from method, path and status.
        let request = matches!(
            field,
            F::Method | F::Path | F::Query | F::Status | F::UserAgent | F::Kind | F::Route | F::Signals | F::Outcome
        );
        always
            || match self {
                Format::Application => !matches!(field, F::Decision | F::Stage | F::Tags | F::Notice),
                Format::Palisade => !matches!(field, F::Query | F::Referrer | F::Host | F::Action | F::Type | F::Error),
                Format::Custom(format) => format.carries(field),
                Format::Combined => request || matches!(field, F::Referrer | F::User | F::ResponseBytes | F::Host),
                Format::Caddy | Format::Traefik => {
                    request
                        || matches!(
                            field,
                            F::Referrer | F::User | F::ResponseBytes | F::RequestBytes | F::Host | F::Duration
                        )
                }
                Format::Alb => {
                    request
                        || matches!(field, F::ResponseBytes | F::RequestBytes | F::Host | F::Duration | F::RequestId)
                }
                // The application's own events come inside.
                Format::Vercel => true,
                Format::Clerk => {
                    matches!(field, F::User | F::UserAgent | F::Action | F::Type | F::Outcome | F::Service | F::Id)
                }
            }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}
