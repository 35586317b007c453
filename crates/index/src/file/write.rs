//! Writing a base: the living rows in the order of their positions. The same rows give the same bytes.

use std::io::{self, ErrorKind};

use crate::state::State;
use crate::storage::Column;

use super::blocks::{BlockWriter, encode_table};
use super::damage::{Damage, Result};
use super::disk::DiskFile;
use super::header::{Header, Sizes};
use super::read::{Identity, identity};

/// Writes the rows of `state` into an empty file and syncs it.
///
/// # Errors
/// [`Damage::Write`]; what reading the rows says if they lie in a damaged file.
pub(super) fn write_base(state: &State, file: &dyn DiskFile) -> Result<Identity> {
    let settings = &state.settings;
    let sizes = Sizes {
        layout: settings.layout,
        count: state.len as u64,
        fingerprint: settings.fingerprint.as_ref().map(|text| text.len() as u64),
        ids: state.entries(0).map(|(id, _)| id.len() as u64).sum(),
    };
    let mut header = Header::new(sizes).ok_or_else(|| Damage::Write(too_large()))?;
    let mut blocks = BlockWriter::new(file, header.data_start());
    write_sections(state, &header, &mut blocks)?;
    let table = encode_table(&header, &blocks.finish().map_err(Damage::Write)?);
    header.table = crc32fast::hash(&table);
    let bytes = header.encode();
    file.write_at(&[&bytes[..], &table].concat(), 0).map_err(Damage::Write)?;
    file.sync().map_err(Damage::Write)?;
    Ok(identity(&bytes, &table))
}

fn write_sections(state: &State, header: &Header, blocks: &mut BlockWriter<'_>) -> Result<()> {
    blocks.write(state.settings.fingerprint.as_deref().unwrap_or_default().as_bytes()).map_err(Damage::Write)?;
    blocks.pad(header.id_lengths().start).map_err(Damage::Write)?;
    for (id, _) in state.entries(0) {
        let length = u32::try_from(id.len()).map_err(|_| Damage::Write(too_large()))?;
        blocks.write(&length.to_le_bytes()).map_err(Damage::Write)?;
    }
    blocks.pad(header.ids().start).map_err(Damage::Write)?;
    for (id, _) in state.entries(0) {
        blocks.write(id.as_bytes()).map_err(Damage::Write)?;
    }
    for column in Column::ALL {
        blocks.pad(header.column(column).start).map_err(Damage::Write)?;
        for chunk in &state.chunks {
            for rows in chunk.live_ranges() {
                blocks.write(chunk.bytes(column, rows)?).map_err(Damage::Write)?;
            }
        }
    }
    Ok(())
}

fn too_large() -> io::Error {
    io::Error::new(ErrorKind::FileTooLarge, "the index is too large for a file")
}
