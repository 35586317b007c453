//! The first 64 bytes of a journal.

use std::io;

use super::damage::{Damage, Result};
use super::disk::DiskFile;
use super::header::{u32_at, u64_at};
use super::read::Identity;

const MAGIC: &[u8; 8] = b"UECJRNAL";
const VERSION: u32 = 1;
/// Length in bytes; the first record stands behind.
pub(super) const HEAD: u64 = 64;
/// Checksum of the committed length, and that length.
const COMMITTED: usize = 52;

/// As read and checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Head {
    /// Of the base that the records change.
    pub(super) identity: Identity,
    /// Up to here the journal had reached the disk when this was written.
    pub(super) committed: u64,
}

impl Head {
    /// Of a journal without records.
    pub(super) fn encode(identity: &Identity) -> [u8; HEAD as usize] {
        let mut bytes = [0; HEAD as usize];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..48].copy_from_slice(identity);
        let checksum = crc32fast::hash(&bytes[..48]);
        bytes[48..52].copy_from_slice(&checksum.to_le_bytes());
        bytes[COMMITTED..].copy_from_slice(&encode_committed(HEAD).0);
        bytes
    }

    /// The head of a journal; `None` if it is a new one.
    ///
    /// # Errors
    /// [`Damage`].
    pub(super) fn read(file: &dyn DiskFile) -> Result<Option<Self>> {
        let length = file.length().map_err(Damage::Read)?;
        let mut bytes = [0; HEAD as usize];
        let bytes = &mut bytes[..length.min(HEAD) as usize];
        file.read_at(bytes, 0).map_err(Damage::Read)?;
        if length == 0 || length == HEAD && bytes.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        if length < 12 || bytes[..8] != *MAGIC {
            return Err(Damage::Corrupt("it is not a journal"));
        }
        if u32_at(bytes, 8) != VERSION {
            return Err(Damage::Version { found: u32_at(bytes, 8), known: VERSION });
        }
        let sound = length >= HEAD
            && crc32fast::hash(&bytes[..48]) == u32_at(bytes, 48)
            && crc32fast::hash(&bytes[56..]) == u32_at(bytes, COMMITTED)
            && u32_at(bytes, 12) == 0;
        if !sound {
            return Err(Damage::Corrupt("its header is damaged"));
        }
        let mut identity = Identity::default();
        identity.copy_from_slice(&bytes[16..48]);
        let committed = u64_at(bytes, 56);
        // Asked for again: a writer may have been at work since.
        if committed < HEAD || committed > file.length().map_err(Damage::Read)? {
            return Err(Damage::Corrupt("it is cut off"));
        }
        Ok(Some(Self { identity, committed }))
    }
}

/// A committed length with its checksum.
pub(super) struct Committed([u8; 12]);

pub(super) fn encode_committed(length: u64) -> Committed {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&length.to_le_bytes());
    let checksum = crc32fast::hash(&bytes[4..]);
    bytes[..4].copy_from_slice(&checksum.to_le_bytes());
    Committed(bytes)
}

impl Committed {
    pub(super) fn write(&self, file: &dyn DiskFile) -> io::Result<()> {
        file.write_at(&self.0, COMMITTED as u64)
    }
}
