//! Readers of lines, one for each format of logs: from bytes to [`Seen`](palisade_event::Seen), without a clock or a file.
