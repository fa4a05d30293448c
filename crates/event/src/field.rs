mod alias;

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)+) => {
        /// The names of an event's fields, as written. OpenTelemetry's names where it has one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field { $($(#[$doc])* $name,)+ }

        impl Field {
            /// Every field, in the order they are written.
            pub const ALL: &'static [Field] = &[$(Field::$name,)+];

            /// The field's name in the JSON line.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Field::$name => $text,)+ } }

            /// The name as it stands in a line: after a comma, quoted, before its value. In one piece, as an event is
            /// written for every request.
            pub(crate) const fn key(self) -> &'static str {
                match self { $(Field::$name => concat!(",\"", $text, "\":"),)+ }
            }

            /// As [`Field::key`], and the quote that opens a text.
            pub(crate) const fn opening(self) -> &'static str {
                match self { $(Field::$name => concat!(",\"", $text, "\":\""),)+ }
            }
        }
    };
}

fields! {
    /// RFC 3339, microseconds, UTC.
    Timestamp = "timestamp";
    /// [`Event::service`](crate::Event::service).
    Service = "service.name";
    /// [`Event::decision`](crate::Event::decision).
    Decision = "palisade.decision";
    /// [`Event::stage`](crate::Event::stage).
    Stage = "palisade.stage";
    /// [`Event::code`](crate::Event::code).
    Code = "palisade.code";
    /// [`Event::kind`](crate::Event::kind).
    Kind = "palisade.kind";
    /// [`Event::route`](crate::Event::route).
    Route = "http.route";
    /// [`Event::method`](crate::Event::method).
    Method = "http.request.method";
    /// [`Event::path`](crate::Event::path).
    Path = "url.path";
    /// [`Event::status`](crate::Event::status).
    Status = "http.response.status_code";
    /// [`Event::client_address`](crate::Event::client_address).
    ClientAddress = "client.address";
    /// [`Event::client`](crate::Event::client).
    ClientKey = "client.key";
    /// [`Event::request_id`](crate::Event::request_id).
    RequestId = "palisade.request_id";
    /// [`Event::user_agent`](crate::Event::user_agent).
    UserAgent = "user_agent.original";
    /// [`Event::session`](crate::Event::session).
    Session = "session.id";
    /// [`Event::user`](crate::Event::user).
    User = "user.id";
    /// [`Event::outcome`](crate::Event::outcome).
    Outcome = "event.outcome";
    /// [`Event::duration_micros`](crate::Event::duration_micros).
    Duration = "http.server.request.duration_us";
    /// [`Event::tags`](crate::Event::tags).
    Tags = "palisade.tags";
    /// [`Event::signals`](crate::Event::signals), by name.
    Signals = "palisade.signals";
    /// [`Event::fields`](crate::Event::fields).
    Fields = "palisade.fields";
    /// [`Event::attributable`](crate::Event::attributable), written only when false.
    Attributable = "palisade.attributable";
    /// [`Event::run`](crate::Event::run), as 16 hexadecimal digits.
    Run = "palisade.run";
    /// The query, without its `?`; values named like secrets are `***`. Never of the gate's own events.
    Query = "url.query";
    /// The page that linked here, without its query.
    Referrer = "http.request.header.referer";
    /// The host that was asked.
    Host = "server.address";
    /// ISO 3166-1 alpha-2, upper case, of the client's address.
    Country = "geo.country.iso_code";
    /// Bytes of the request's body.
    RequestBytes = "http.request.body.size";
    /// Bytes of the response's body.
    ResponseBytes = "http.response.body.size";
    /// What happened, in a word: `login`, `logout`, `admin-action`, `csrf-failure`.
    Action = "event.action";
    /// The type by which an application reported it, as the application spells it.
    Type = "palisade.type";
    /// What went wrong, as the application names its kinds of errors.
    Error = "error.type";
    /// Where the visit can be watched again, as the application says: an https address of LogRocket or its like, without a query.
    Replay = "session.replay.url";
    /// Where the application runs: `production`, `preview`.
    Environment = "deployment.environment.name";
    /// What a line says that is not about one request: `dropped`, `other`, `reloaded`.
    Notice = "palisade.notice";
    /// From what kind of log the event was read.
    Source = "log.source";
    /// Names the event among all; a second with the same id is the same event.
    Id = "event.id";
    /// [`Event::count`](crate::Event::count), written only above one, and last.
    Count = "palisade.count";
}

impl Field {
    /// The field of that name: ours, or what ECS, Sigma's web server rules, OCSF, older OpenTelemetry and the operations
    /// guide call it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Field> {
        Field::ALL.iter().copied().find(|field| field.name() == name).or_else(|| alias::of(name))
    }

    /// As [`Field::from_name`], for names that mostly come in the order of [`Field::ALL`]: looks from `hint` on.
    pub(crate) fn from_name_near(name: &str, hint: usize) -> Option<Field> {
        let (before, after) = Field::ALL.split_at_checked(hint)?;
        after.iter().chain(before).copied().find(|field| field.name() == name).or_else(|| alias::of(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        for (at, field) in Field::ALL.iter().enumerate() {
            assert_eq!(Field::from_name(field.name()), Some(*field));
            assert_eq!(*field as usize, at);
            for hint in 0..=Field::ALL.len() {
                assert_eq!(Field::from_name_near(field.name(), hint), Some(*field));
            }
        }
        assert_eq!(Field::from_name("cookie"), None);
    }
}
