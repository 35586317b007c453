//! Which records of a journal count, and what they make of a base.

use uec_gaussian::{Cancel, ErrorCode};

use crate::GaussianIndex;

use super::damage::{Damage, Result};
use super::disk::DiskFile;
use super::head::{HEAD, Head};
use super::read::Identity;
use super::record::{Read, Record, read_record};

/// What stands in a journal.
#[derive(Debug)]
pub(super) struct Scan {
    /// Where the last sound change ends.
    pub(super) end: u64,
    /// Whether there are changes.
    pub(super) changes: bool,
    /// The base that was announced to hold them.
    pub(super) compacted: Option<Identity>,
}

impl Scan {
    /// Whether nothing is lost without this journal if the base has this identity: it holds all changes, or there are
    /// none.
    pub(super) fn is_spent(&self, base: &Identity) -> bool {
        self.compacted.as_ref() == Some(base) || !self.changes
    }
}

/// Reads a journal and applies its changes to `index`, if there is one.
///
/// # Errors
/// [`Damage`].
pub(super) fn replay(file: &dyn DiskFile, head: &Head, index: Option<&GaussianIndex>, cancel: &Cancel) -> Result<Scan> {
    let length = file.length().map_err(Damage::Read)?;
    let dimension = index.map(GaussianIndex::dimension);
    let mut scan = Scan { end: HEAD, changes: false, compacted: None };
    while scan.end < length {
        cancel.check()?;
        let committed = scan.end < head.committed;
        match read_record(file, &head.identity, scan.end, length, dimension)? {
            Read::Sound { record: Some(Record::Compacted(identity)), .. } if !committed => {
                scan.compacted = Some(identity);
                break;
            }
            Read::Bad | Read::Sound { record: Some(Record::Compacted(_)), .. } if committed => {
                return Err(Damage::Corrupt("a change that was acknowledged is damaged"));
            }
            Read::Sound { record, end } => {
                if let (Some(record), Some(index)) = (record, index) {
                    apply(record, index)?;
                }
                scan.changes = true;
                scan.end = end;
            }
            // Torn: nobody was told of it.
            Read::Bad => break,
        }
    }
    Ok(scan)
}

fn apply(record: Record, index: &GaussianIndex) -> Result<()> {
    let applied = match record {
        Record::Add { ids, rows } => index.add(&ids, rows.rows()),
        Record::Remove { ids } => index.remove(&ids).map(drop),
        Record::Compacted(_) => Ok(()),
    };
    applied.map_err(|error| match error.code {
        ErrorCode::InvalidArgument | ErrorCode::DimensionMismatch => {
            Damage::Corrupt("one of its records contradicts the index")
        }
        _ => Damage::Coded(error),
    })
}
