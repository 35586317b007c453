//! Which records of a journal count, and what they make of a base.

use std::collections::HashSet;
use std::io::ErrorKind;

use uec_gaussian::{Cancel, Error, ErrorCode, Gaussians};

use crate::GaussianIndex;

use super::damage::{Damage, Result};
use super::disk::DiskFile;
use super::head::{HEAD, Head};
use super::read::Identity;
use super::record::{Read, Record, read_record};

/// Rows of neighbouring records that are added at once: each change of an index copies the chunks it touches.
const TOGETHER: usize = 4096;

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
    let mut pending = index.map(Pending::new);
    while scan.end < length {
        cancel.check()?;
        let committed = scan.end < head.committed;
        let read = match read_record(file, &head.identity, scan.end, length, dimension) {
            // A writer has cut off old records since a reader asked for the length.
            Err(Damage::Read(error)) if error.kind() == ErrorKind::UnexpectedEof => Read::Bad,
            read => read?,
        };
        match read {
            Read::Sound { record: Some(Record::Compacted(identity)), .. } if !committed => {
                scan.compacted = Some(identity);
                break;
            }
            Read::Bad | Read::Sound { record: Some(Record::Compacted(_)), .. } if committed => {
                return Err(Damage::Corrupt("a change that was acknowledged is damaged"));
            }
            Read::Sound { record, end } => {
                if let (Some(record), Some(pending)) = (record, &mut pending) {
                    pending.apply(record)?;
                }
                scan.changes = true;
                scan.end = end;
            }
            // Torn: nobody was told of it.
            Read::Bad => break,
        }
    }
    if let Some(pending) = &mut pending {
        pending.flush()?;
    }
    Ok(scan)
}

/// Applies records to an index; additions wait until they are many, or until their order matters.
struct Pending<'a> {
    index: &'a GaussianIndex,
    ids: Vec<String>,
    known: HashSet<String>,
    rows: Gaussians,
}

impl<'a> Pending<'a> {
    fn new(index: &'a GaussianIndex) -> Self {
        let rows = Gaussians::zeros(0, index.dimension());
        Self { index, ids: Vec::new(), known: HashSet::new(), rows }
    }

    fn apply(&mut self, record: Record) -> Result<()> {
        match record {
            Record::Add { ids, rows } => {
                if self.ids.len() + ids.len() > TOGETHER || ids.iter().any(|id| self.known.contains(id)) {
                    self.flush()?;
                }
                self.known.extend(ids.iter().cloned());
                self.ids.extend(ids);
                self.rows.mean.extend(rows.mean);
                self.rows.variance.extend(rows.variance);
                Ok(())
            }
            Record::Remove { ids } => {
                self.flush()?;
                self.index.remove(&ids).map(drop).map_err(damage)
            }
            Record::Compacted(_) => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.index.add(&self.ids, self.rows.rows()).map_err(damage)?;
        self.ids.clear();
        self.known.clear();
        self.rows.mean.clear();
        self.rows.variance.clear();
        Ok(())
    }
}

fn damage(error: Error) -> Damage {
    match error.code {
        ErrorCode::InvalidArgument | ErrorCode::DimensionMismatch => {
            Damage::Corrupt("one of its records contradicts the index")
        }
        _ => Damage::Coded(error),
    }
}
