//! Countries of addresses, by a database that the operator brings: any MaxMind DB file (`.mmdb`), whether it nests the
//! country as MaxMind and DB-IP do (`country.iso_code`) or not, as IPinfo does (`country_code`, `country`).
//!
//! Palisade ships none and fetches none.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::Path;

use maxminddb::{PathElement, Reader};

use crate::lines::Country;

/// A database of addresses, read whole into memory.
pub struct Geo {
    reader: Reader<Vec<u8>>,
}

/// The largest file that is taken, in bytes.
const MAX_FILE: u64 = 1 << 30;

/// Where databases say the country, in the order they are asked.
const PATHS: [&[&str]; 4] =
    [&["country", "iso_code"], &["country_code"], &["country"], &["registered_country", "iso_code"]];

// === impl Geo ===

impl Geo {
    /// Reads a database.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is larger than 1 GiB, or is no MaxMind DB.
    pub fn open(path: &Path) -> io::Result<Geo> {
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "larger than 1 GiB; take a database of countries"));
        }
        Geo::from_bytes(bytes)
    }

    /// Takes a database that is in memory already.
    ///
    /// # Errors
    ///
    /// If it is no MaxMind DB.
    pub fn from_bytes(bytes: Vec<u8>) -> io::Result<Geo> {
        let reader = Reader::from_source(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Geo { reader })
    }
}

impl Country for Geo {
    fn country(&self, address: IpAddr) -> Option<[u8; 2]> {
        // A damaged record is an address that is not known.
        let found = self.reader.lookup(address).ok()?;
        PATHS.iter().find_map(|path| {
            let path: Vec<_> = path.iter().map(|key| PathElement::Key(key)).collect();
            let code: &str = found.decode_path(&path).ok()??;
            let code: [u8; 2] = code.as_bytes().try_into().ok()?;
            code.iter().all(u8::is_ascii_uppercase).then_some(code)
        })
    }
}

impl fmt::Debug for Geo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Geo(..)")
    }
}

#[cfg(test)]
mod tests;
