//! The gate as one middleware.
//!
//! [`Gate::handle`] takes a request through every stage of the guard and, if it is admitted, through a service; it
//! needs no runtime and asks for no `Send`. [`GateLayer`] is the same as a tower layer. The guard's questions go to a
//! [`Backend`], time and events to an [`Ambient`]. An app behind the layer finds the verified caller as [`Identity`] in
//! the request's extensions, any other service in its body ([`Guarded::identity`]). It answers errors with [`Problem`];
//! what it notices by itself it reports as a [`SecurityEvent`] or an [`Alert`], and [`validate_config`] names all that
//! its environment lacks before it starts.

mod ambient;
mod body;
mod gate;
mod layer;
mod problem;
mod report;
mod startup;

pub use ambient::{Ambient, Backend};
pub use body::{BodyError, GateBody, Guarded};
pub use gate::Gate;
pub use layer::{GateLayer, GateService, PeerOf, RouteOf};
pub use palisade_event as event;
pub use palisade_guard as guard;
pub use palisade_guard::Identity;
pub use palisade_policy as policy;
pub use problem::Problem;
pub use report::{Alert, Noticed, SecurityEvent, Severity};
pub use startup::validate_config;
