use std::future::Future;
use std::time::Duration;

use palisade_guard::shared::Lease;
use palisade_guard::{Ask, Claim, Entropy, Keyset, Now, Record, Resume, Settle};

/// Who answers what the guard asks: state in this process, or shared by many.
pub trait Backend {
    /// The answer to come.
    type Answer: Future<Output = Resume>;

    /// Spends a token or reserves a message, once over all who share the state.
    fn claim(&self, ask: Ask<Claim>) -> Self::Answer;

    /// Ends a reservation. Called at the response head; must not wait. What is lost ends by its time.
    fn settle(&self, settle: Settle);

    /// Asks whether a client is within a limit that gates share, for no longer than [`Ask::patience`].
    fn lease(&self, ask: Ask<Lease>) -> Self::Answer;

    /// Gets the issuer's keys: one fetch for all who ask at a time, and not again for a while.
    fn keys(&self, ask: Ask<Keyset>) -> Self::Answer;
}

/// What surrounds the gate: time, randomness, and somewhere to report to.
pub trait Ambient {
    /// A pause to come.
    type Sleep: Future<Output = ()>;

    /// Both clocks.
    fn now(&self) -> Now;

    /// Unpredictable bytes.
    fn entropy(&self) -> &dyn Entropy;

    /// Pauses.
    fn sleep(&self, time: Duration) -> Self::Sleep;

    /// Takes note of a request. Called at the response head; must not wait.
    fn record(&self, record: Record);

    /// Takes what the app itself has noticed: a line of JSON with its line feed, for where events go. Must not wait.
    fn report(&self, _line: &str) {}

    /// Hears once of each route that the app serves and the policy does not declare, where the framework tells the
    /// route.
    fn undeclared(&self, _route: &str) {}
}
