use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where the store is: a path, or `postgres://user:password@host/name`.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// A file of SQLite.
    File {
        /// The file.
        path: PathBuf,
        /// Pages of 4 KiB that it may have; none for as many as there is room for.
        max_pages: Option<u32>,
    },
    /// A database of PostgreSQL.
    Postgres(String),
}

// === impl Place ===

impl FromStr for Place {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Place, Self::Err> {
        Ok(if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            Place::Postgres(text.to_owned())
        } else {
            Place::from(PathBuf::from(text))
        })
    }
}

impl From<PathBuf> for Place {
    fn from(path: PathBuf) -> Place {
        Place::File { path, max_pages: None }
    }
}

/// Without the password.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { path, .. } => write!(f, "{}", path.display()),
            Place::Postgres(url) => {
                let host = url.rsplit_once('@').map_or("", |(_, rest)| rest.split('?').next().unwrap_or_default());
                write!(f, "PostgreSQL at {}", if host.is_empty() { "its address" } else { host })
            }
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}
