//! The body: its size and media type by the head; then, of what was read, the form field that may carry the token, the
//! files, the schema, and what looks like an attack.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, header};
use palisade_event::{Code, Kind, Stage};
use palisade_policy::{Framework, Signals};

use crate::env::Env;
use crate::exchange::{CsrfState, Exchange, Gathered};
use crate::form::{self, Encoding};
use crate::input::{self, Content, Syntax};
use crate::login::{self, Folds, Unnamed};
use crate::media;
use crate::plan::RoutePlan;
use crate::schema::{SchemaPlan, Violation};
use crate::signals;
use crate::stage::{csrf_token, identity};
use crate::step::{Collect, Denial, Flow, Query};
use crate::view::{BodyHint, View};

/// How far into a form its token may stand, in bytes.
pub(crate) const FIELD_WITHIN: usize = 16 << 10;
/// How long those bytes may take.
const FIELD_TIME: Duration = Duration::from_secs(5);
/// How many bytes a second a client must send of a body that is read whole, beyond [`FIELD_TIME`].
const SLOWEST: u64 = 64 << 10;
/// When a client may try again whose body found no room, in seconds.
const OVERLOADED_RETRY: u32 = 1;
/// The most files of one form.
const MAX_FILES: usize = 20;
/// The query field that Next.js adds to its own fetches.
const NEXT_RSC: &str = "_rsc";

/// What the stage wants to see of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Read {
    Nothing,
    /// The first bytes, to tell what it is.
    Start,
    /// As far as a form's token may stand.
    Field,
    /// All of it.
    Whole,
}

pub(crate) fn check(exchange: &mut Exchange, view: &View<'_>, env: &Env<'_>) -> Flow {
    let Some(plan) = exchange.route() else { return Flow::refuse(Stage::Body, Code::Internal) };
    let field = exchange.csrf == CsrfState::Needed;
    let read = match head(plan, view, field) {
        Ok(read) => read,
        Err(denial) => return Flow::Refuse(denial),
    };
    let cap = plan.route.body;
    if exchange.signals != 0 && plan.route.signals == Signals::Block {
        return suspicious();
    }
    if read == Read::Nothing {
        return if plan.route.schema.is_some() { validate(exchange, view, None) } else { Flow::Pass };
    }
    if let Some(mut gathered) = exchange.gathered.take() {
        let limit = limit(read, cap);
        let enough = gathered.complete || gathered.read.as_ref().map_or(true, |bytes| bytes.len() >= limit);
        let flow = if enough {
            content(exchange, view, env, &mut gathered, read)
        } else {
            // Another stage has read less than is wanted, and a body is read once.
            Flow::refuse(Stage::Body, Code::Internal)
        };
        exchange.gathered = Some(gathered);
        return flow;
    }
    ask(exchange, view, read, cap)
}

/// What the head alone tells: whether the body may come, and how much of it must be seen.
fn head(plan: &RoutePlan, view: &View<'_>, field: bool) -> Result<Read, Denial> {
    let deny = |code| Err(Denial::new(Stage::Body, code));
    let route = &plan.route;
    let empty = view.body == BodyHint::Empty;
    let fits = match view.body {
        BodyHint::Empty => true,
        BodyHint::Sized(bytes) => bytes <= route.body,
        BodyHint::Chunked => route.body > 0,
    };
    if !fits {
        return deny(Code::BodyTooLarge);
    }
    if !empty && !takes(plan, view) {
        return deny(Code::MediaType);
    }
    let schema = plan.route.schema.is_some();
    let named = plan.login.as_ref().is_some_and(|login| login.identifier.is_some());
    if empty && !schema && !named && !field {
        return Ok(Read::Nothing);
    }
    if named && (empty || Syntax::of(view) == Syntax::Other) {
        // Nothing names an account there.
        return deny(Code::MediaType);
    }
    let reads = matches!(*view.method, Method::GET | Method::HEAD);
    if schema && empty && !reads && *view.method != Method::DELETE {
        // A schema describes a body here, and nothing has none of its properties.
        return deny(Code::MediaType);
    }
    if schema && !empty && reads {
        return deny(Code::BodyMalformed);
    }
    let syntax = Syntax::of(view);
    if schema && !empty && syntax == Syntax::Other {
        return deny(Code::MediaType);
    }
    let block = route.signals == Signals::Block && !empty;
    let field_here = field && !empty && Encoding::of(view.headers).is_some();
    if field && !field_here {
        // Only observe mode comes here without a form: the token stage has noted the refusal.
        return Err(Denial::new(Stage::CsrfToken, Code::CsrfTokenMissing));
    }
    let files = !empty && (route.kind == Kind::Upload || !route.media_types.is_empty());
    let read = if empty {
        Read::Nothing
    } else if schema || named || (block && syntax != Syntax::Other) || (files && syntax == Syntax::Form) {
        Read::Whole
    } else if field_here {
        Read::Field
    } else if files {
        Read::Start
    } else {
        Read::Nothing
    };
    if (read >= Read::Field || block) && !plain_utf8(view) {
        return deny(Code::MediaType);
    }
    Ok(read)
}

/// Whether the route takes the media type. Files may come as a form: then the types are those of its parts.
fn takes(plan: &RoutePlan, view: &View<'_>) -> bool {
    let wanted = &plan.route.media_types;
    let Some(essence) = form::essence(view.headers) else { return wanted.is_empty() };
    let multipart = essence == "multipart/form-data" && plan.route.kind == Kind::Upload;
    // A form whose parts cannot be found has types that nobody has looked at.
    if essence == "multipart/form-data" && !wanted.is_empty() && Encoding::of(view.headers).is_none() {
        return false;
    }
    let named = |kind: &String| kind == essence || kind.strip_suffix('*').is_some_and(|top| essence.starts_with(top));
    wanted.is_empty() || multipart || wanted.iter().any(named)
}

fn limit(read: Read, cap: u64) -> usize {
    match read {
        Read::Nothing => 0,
        Read::Start => media::SNIFFED,
        Read::Field => FIELD_WITHIN,
        // One more than fits: a body that is cut there is too large.
        Read::Whole => usize::try_from(cap).unwrap_or(usize::MAX).saturating_add(1),
    }
}

fn ask(exchange: &mut Exchange, view: &View<'_>, read: Read, cap: u64) -> Flow {
    let limit = limit(read, cap);
    let (bytes, within) = match (read, view.body) {
        (Read::Whole, BodyHint::Sized(bytes)) => (bytes, FIELD_TIME + Duration::from_secs(bytes / SLOWEST)),
        (Read::Whole, _) => (cap, FIELD_TIME + Duration::from_secs(cap / SLOWEST)),
        _ => (limit as u64, FIELD_TIME),
    };
    let Some(reserved) = exchange.plan.state.reserve(bytes) else {
        return overloaded();
    };
    exchange.reserved = Some(Box::new(reserved));
    Flow::Ask(Query::Collect(Collect { limit, within }))
}

/// The memory budget is spent.
pub(crate) fn overloaded() -> Flow {
    let denial = Denial::new(Stage::Body, Code::Overloaded);
    Flow::Refuse(Denial { retry_after: Some(OVERLOADED_RETRY), ..denial })
}

/// What is compressed or in another charset would be read by the application as other text than by the gate.
fn plain_utf8(view: &View<'_>) -> bool {
    let identity = view.headers.get_all(header::CONTENT_ENCODING).iter().all(|value| value == "identity");
    let charset = form::charset(view.headers);
    identity && charset.is_ok_and(|charset| charset.is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8")))
}

/// Looks at what was read.
fn content(exchange: &mut Exchange, view: &View<'_>, env: &Env<'_>, gathered: &mut Gathered, read: Read) -> Flow {
    let bytes = match &gathered.read {
        Ok(bytes) => bytes.clone(),
        Err(code) => return Flow::refuse(Stage::Body, *code),
    };
    if read == Read::Whole && !gathered.complete {
        return Flow::refuse(Stage::Body, Code::BodyTooLarge);
    }
    if exchange.csrf == CsrfState::Needed {
        let flow = field(exchange, view, env, &bytes, gathered.complete);
        if !matches!(flow, Flow::Pass) {
            return flow;
        }
    }
    match read {
        Read::Nothing | Read::Field => Flow::Pass,
        Read::Start => start(exchange, view, &bytes),
        Read::Whole => whole(exchange, view, &bytes, gathered),
    }
}

/// The token stands in the beginning of the form that was asked for.
fn field(exchange: &mut Exchange, view: &View<'_>, env: &Env<'_>, bytes: &Bytes, complete: bool) -> Flow {
    let plan = Arc::clone(&exchange.plan);
    // No further than where a token may stand, however much was read.
    let beginning = bytes.get(..bytes.len().min(FIELD_WITHIN)).unwrap_or_default();
    let complete = complete && beginning.len() == bytes.len();
    let encoding = Encoding::of(view.headers);
    match encoding.and_then(|encoding| encoding.field(beginning, &plan.policy.csrf.field, complete)) {
        Some(token) => match csrf_token::verify(exchange, &token, env) {
            // The identity is known by now, so what it compares for tokens in a header is compared here.
            Flow::Pass => identity::compare(exchange),
            other => other,
        },
        None => Flow::refuse(Stage::CsrfToken, Code::CsrfTokenMissing),
    }
}

/// A file that is the whole body: is it what it claims?
fn start(exchange: &Exchange, view: &View<'_>, bytes: &Bytes) -> Flow {
    let Some(plan) = exchange.route() else { return Flow::refuse(Stage::Body, Code::Internal) };
    let suits = media::suits(form::essence(view.headers), bytes, &plan.route.media_types);
    if suits { Flow::Pass } else { Flow::refuse(Stage::Body, Code::MediaType) }
}

fn whole(exchange: &mut Exchange, view: &View<'_>, bytes: &Bytes, gathered: &mut Gathered) -> Flow {
    let plan = Arc::clone(&exchange.plan);
    let content = match input::content(view, bytes, &plan.policy.csrf.field) {
        Ok(content) => content,
        Err(code) => return Flow::refuse(Stage::Body, code),
    };
    exchange.signals |= signals::of_content(&content);
    let Some(route) = exchange.route() else { return Flow::refuse(Stage::Body, Code::Internal) };
    let block = route.route.signals == Signals::Block;
    if let Content::Form(_, files) = &content
        && let Err(denied) = check_files(route, files)
    {
        return match denied {
            Denied::Code(code) => Flow::refuse(Stage::Body, code),
            Denied::Violation(violation) => invalid(exchange, vec![violation]),
        };
    }
    if exchange.signals != 0 && block {
        return suspicious();
    }
    match account(exchange, view, &content, gathered) {
        Flow::Pass => {}
        other => return other,
    }
    if exchange.route().is_some_and(|plan| plan.route.schema.is_some()) {
        return validate(exchange, view, Some(&content));
    }
    Flow::Pass
}

/// Which account an attempt to sign in names. Letters beyond ASCII are asked for, once.
fn account(exchange: &mut Exchange, view: &View<'_>, content: &Content<'_>, gathered: &mut Gathered) -> Flow {
    let login = exchange.route().and_then(|plan| plan.login.as_ref());
    let Some(place) = login.and_then(|login| login.identifier.as_deref()) else { return Flow::Pass };
    let (query, none) = (view.uri.query(), Folds::default());
    if gathered.folds.is_none() {
        gathered.letters = login::letters(place, content, query);
        if !gathered.letters.is_empty() {
            return Flow::Ask(Query::Fold);
        }
    }
    match login::named(place, content, query, gathered.folds.as_ref().unwrap_or(&none)) {
        Ok(name) => {
            login::name(exchange, name);
            Flow::Pass
        }
        Err(Unnamed(pointer)) => {
            let text = "must be one text, and the only field of that name".to_owned();
            invalid(exchange, vec![Violation { pointer, text }])
        }
    }
}

/// Why the files of a form are not taken.
enum Denied {
    Code(Code),
    Violation(Violation),
}

fn check_files(plan: &RoutePlan, files: &[crate::multipart::Part<'_>]) -> Result<(), Denied> {
    let multipart = |kind: &&String| *kind != "multipart/form-data";
    let taken: Vec<String> = plan.route.media_types.iter().filter(multipart).cloned().collect();
    if files.len() > MAX_FILES {
        let name = files.last().map_or("", |part| part.name.as_str());
        let violation = input::field_violation(name, &format!("is one of more than {MAX_FILES} files"));
        return Err(Denied::Violation(violation));
    }
    for part in files {
        // A file input that was left empty sends a part without a name and without content.
        let absent = part.content.is_empty() && part.filename.as_deref() == Some("");
        if !absent && !media::suits(part.content_type.as_deref(), part.content, &taken) {
            return Err(Denied::Code(Code::MediaType));
        }
    }
    Ok(())
}

fn validate(exchange: &mut Exchange, view: &View<'_>, content: Option<&Content<'_>>) -> Flow {
    let Some(plan) = exchange.route() else { return Flow::refuse(Stage::Body, Code::Internal) };
    let Some(schema) = &plan.schema else { return Flow::refuse(Stage::Body, Code::Internal) };
    let dropped = (exchange.plan.policy.app.framework == Some(Framework::NextJs)).then_some(NEXT_RSC);
    let schema: &SchemaPlan = schema;
    let violations = match input::instance(schema, &plan.route, view, content, dropped) {
        Ok(instance) => schema.violations(&instance),
        Err(violation) => vec![violation],
    };
    if violations.is_empty() { Flow::Pass } else { invalid(exchange, violations) }
}

fn invalid(exchange: &mut Exchange, violations: Vec<Violation>) -> Flow {
    exchange.violations = Some(Box::new(violations));
    Flow::refuse(Stage::Body, Code::ValidationFailed)
}

/// Tells nothing of what was found: whoever tries should not learn what to change.
fn suspicious() -> Flow {
    Flow::refuse(Stage::Body, Code::ValidationFailed)
}
