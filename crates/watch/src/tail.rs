//! Follows a growing log through every way that logs are rotated, and says up to where it was read.
//!
//! A file is known by its device and inode, and by a hash of how it begins; what was not read yet when it was renamed,
//! copied and truncated, compressed or replaced behind a hard link is found again by either. A [`Checkpoint`] that is
//! committed together with what was made of the lines makes every line count once, over a kill at any moment.
//!
//! Not found again: what was written between the copy and the truncation of `copytruncate` (nobody has it), and files
//! that were rotated more than once behind names that do not begin with the log's.

mod checkpoint;
mod files;
mod follow;
mod source;
mod splitter;
mod wake;

pub use checkpoint::{BadCheckpoint, Checkpoint};
pub use files::{each_line, open};
pub use follow::{Begin, Losses, Tail};
pub use splitter::{Line, Splitter};
pub use wake::Wake;
