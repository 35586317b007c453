//! The two files of an index, as `docs/index-format.md` describes them: the base, which is only ever replaced as a whole,
//! and the journal of the changes since.

mod blocks;
mod damage;
mod disk;
mod head;
mod header;
mod journal;
mod map;
mod mapped;
mod numbers;
mod open;
mod os;
mod read;
mod record;
mod replay;
mod save;
mod write;

pub use disk::{Disk, DiskFile, Map, Temporary};
pub(crate) use journal::Journal;
