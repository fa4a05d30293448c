//! What is left of an event once it has matched: 40 bytes that are put in order and counted.

use palisade_event::ClientKey;

/// An event that a rule takes, in one role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// Microseconds since the epoch.
    pub(crate) time: u64,
    /// Hash of the values that the rule groups by.
    pub(crate) group: u64,
    /// Hash of the value that the rule compares; of the client for baselines.
    pub(crate) value: u64,
    /// Which rule, in which role.
    pub(crate) feed: u32,
    /// How many events it stands for.
    pub(crate) count: u32,
    /// The place of the event among those kept for evidence; [`NO_EXHIBIT`] for sums.
    pub(crate) exhibit: u32,
    /// Hash of who vouches for the value; 0 for nobody.
    pub(crate) subject: u32,
}

/// A hit that stands for many events, of which none is kept.
pub(crate) const NO_EXHIBIT: u32 = u32::MAX;

const _: () = assert!(size_of::<Hit>() == 40, "hits are what waits in the reorder window: 40 bytes each");

/// An event as evidence shows it.
#[derive(Debug, Clone, Copy)]
pub struct Exhibit<'a> {
    /// As [`Seen::pack`](palisade_event::Seen::pack) wrote it: few of those that are kept are ever shown.
    pub(crate) packed: &'a [u8],
    /// The route, or the path.
    pub(crate) path: &'a [u8],
    pub(crate) client: Option<ClientKey>,
    pub(crate) attributable: bool,
}
