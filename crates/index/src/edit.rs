//! The next state: what adding and removing make of the chunks, aside from those that are read.
//!
//! New rows become new chunks. At the end, a chunk joins those before it while the one before is at most twice as long and
//! both fit one chunk: as when counting in binary, so that a row is copied O(log R) times and no call copies more than R.
//! An owned chunk of which more than 1/64 is dead is written again without them, and neighbours that together fill no
//! more than half a chunk join.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use uec_gaussian::{Error, Result, Rows};

use crate::buffer::{no_memory, reserved};
use crate::builder::Builder;
use crate::chunk::Chunk;
use crate::ids::{IdTable, Ids};
use crate::state::State;

/// Of so many rows one may be dead before a chunk is written again.
const DEAD: usize = 64;
/// A table with more than so many places per row is made anew, if it is not small.
const LOOSE: usize = 3;
const SMALL: usize = 1 << 10;

impl State {
    /// The state with these rows, which its table does not have yet.
    ///
    /// # Errors
    /// As [`crate::GaussianIndex::add`].
    pub(crate) fn with_added<S: AsRef<str>>(&self, ids: &[S], rows: Rows<'_>) -> Result<Self> {
        self.check(ids, rows)?;
        // Places of known ids: chunk, row there, row here.
        let (mut known, mut new) = (reserved::<(usize, usize, usize)>(ids.len())?, reserved::<usize>(ids.len())?);
        for (row, id) in ids.iter().enumerate() {
            match self.position(id.as_ref()).and_then(|position| self.locate(position)) {
                Some((chunk, there)) => known.push((chunk, there, row)),
                None => new.push(row),
            }
        }
        let end = u32::try_from(new.len()).ok().and_then(|count| self.end.checked_add(count)).ok_or_else(|| {
            Error::invalid(
                "2³² − 1 ids were added to this index in its life: save it and open it again, or use several",
            )
        })?;
        known.sort_unstable();
        let mut chunks = self.copy_chunks(new.len())?;
        for replaced in known.chunk_by(|left, right| left.0 == right.0) {
            let changed = replaced.iter().map(|(_, there, here)| (*there, rows.row(*here)));
            chunks[replaced[0].0] = self.chunks[replaced[0].0]
                .with_replaced(changed)?
                .map_err(|index| unstorable(replaced[index].2, ids[replaced[index].2].as_ref()))?;
        }
        let mut position = self.end;
        for part in self.split(&new, ids) {
            let text_bytes = part.iter().map(|row| ids[*row].as_ref().len()).sum();
            let mut builder = Builder::new(self.settings.layout, part.len(), text_bytes)?;
            for row in part {
                if !builder.push(ids[*row].as_ref(), position, rows.row(*row)) {
                    return Err(unstorable(*row, ids[*row].as_ref()));
                }
                position += 1;
            }
            chunks.push(builder.finish());
        }
        let tail = self.tail(&chunks);
        if !tail.is_empty() {
            let joined = self.join(&chunks[tail.clone()])?;
            chunks.truncate(tail.start);
            chunks.push(joined);
        }
        let table = self.table_for(self, new.len())?;
        Ok(self.next(chunks, self.len + new.len(), end, table))
    }

    /// The state without the rows of these ids.
    ///
    /// # Errors
    /// As [`crate::GaussianIndex::remove`]; [`uec_gaussian::ErrorCode::FileCorrupt`].
    pub(crate) fn without<S: AsRef<str>>(&self, ids: &[S]) -> Result<Self> {
        let mut gone = reserved(ids.len())?;
        gone.extend(ids.iter().filter_map(|id| self.locate(self.position(id.as_ref())?)));
        gone.sort_unstable();
        gone.dedup();
        let mut chunks = self.copy_chunks(0)?;
        for gone in gone.chunk_by(|left, right| left.0 == right.0) {
            let rows: Vec<usize> = gone.iter().map(|(_, row)| *row).collect();
            chunks[gone[0].0] = self.chunks[gone[0].0].without(&rows);
        }
        if !gone.is_empty() {
            chunks.retain(|chunk| chunk.live() > 0);
            chunks = self.tidy(&chunks)?;
        }
        let mut new = self.next(chunks, self.len - gone.len(), self.end, self.table.clone());
        new.table = self.table_for(&new, 0)?;
        Ok(new)
    }
}

impl State {
    fn next(&self, chunks: Vec<Chunk>, len: usize, end: u32, table: Arc<IdTable>) -> Self {
        Self { settings: self.settings.clone(), chunk_rows: self.chunk_rows, chunks, table, len, end }
    }

    /// What can be known before anything is stored.
    fn check<S: AsRef<str>>(&self, ids: &[S], rows: Rows<'_>) -> Result<()> {
        self.settings.layout.check_dimension("rows", &rows)?;
        if ids.len() != rows.len() {
            return Err(Error::invalid(format!("{} ids for {} rows", ids.len(), rows.len())));
        }
        let mut seen = HashSet::new();
        seen.try_reserve(ids.len()).map_err(|_| no_memory(ids.len() * size_of::<&str>()))?;
        for id in ids.iter().map(AsRef::as_ref) {
            if !seen.insert(id) {
                return Err(Error::invalid(format!("id \"{id}\" occurs twice in one call")));
            }
            if id.len() > Ids::MAX_BYTES {
                return Err(Error::invalid("an id is longer than 4 GiB"));
            }
        }
        rows.validate()?;
        match rows.iter().position(|row| row.has_zero_mean()) {
            Some(row) => {
                let id = ids[row].as_ref();
                Err(Error::invalid(format!("row {row} (id \"{id}\") has a mean of zeros: leave invalid texts out")))
            }
            None => Ok(()),
        }
    }

    /// The chunks, with room for those of `added` rows.
    fn copy_chunks(&self, added: usize) -> Result<Vec<Chunk>> {
        let mut chunks = reserved(self.chunks.len() + added / self.chunk_rows + 1)?;
        chunks.extend_from_slice(&self.chunks);
        Ok(chunks)
    }

    /// `rows` in parts that fit one chunk.
    fn split<'a, S: AsRef<str>>(&self, mut rows: &'a [usize], ids: &[S]) -> impl Iterator<Item = &'a [usize]> {
        let most = self.chunk_rows;
        std::iter::from_fn(move || {
            let mut text_bytes = 0;
            let fits = |row: &&usize| {
                text_bytes += ids[**row].as_ref().len();
                text_bytes <= Ids::MAX_BYTES
            };
            let (part, rest) = rows.split_at(rows.iter().take(most).take_while(fits).count());
            rows = rest;
            (!part.is_empty()).then_some(part)
        })
    }

    /// The chunks at the end that become one: none, or two and more.
    fn tail(&self, chunks: &[Chunk]) -> Range<usize> {
        let most = self.chunk_rows;
        let (mut start, mut rows, mut text_bytes) = (chunks.len(), 0, 0);
        while let Some(chunk) = start.checked_sub(1).map(|previous| &chunks[previous]) {
            let last = start == chunks.len();
            rows += chunk.live();
            text_bytes += chunk.text_bytes();
            let balanced = last || chunk.live() <= 2 * (rows - chunk.live());
            if chunk.is_mapped() || !balanced || rows > most || text_bytes > Ids::MAX_BYTES {
                break;
            }
            start -= 1;
        }
        if chunks.len() - start == 1 { chunks.len()..chunks.len() } else { start..chunks.len() }
    }

    /// Chunks without too many dead rows, and without neighbours that are small.
    fn tidy(&self, chunks: &[Chunk]) -> Result<Vec<Chunk>> {
        let half = self.chunk_rows / 2;
        let mut tidied = reserved(chunks.len())?;
        let mut start = 0;
        while start < chunks.len() {
            let (mut end, mut rows, mut text_bytes) = (start, 0, 0);
            while let Some(chunk) = chunks.get(end).filter(|chunk| !chunk.is_mapped()) {
                rows += chunk.live();
                text_bytes += chunk.text_bytes();
                if rows > half || text_bytes > Ids::MAX_BYTES {
                    break;
                }
                end += 1;
            }
            let group = &chunks[start..end.max(start + 1)];
            let untidy = group.len() > 1 || group[0].dead() * DEAD > group[0].len() && !group[0].is_mapped();
            tidied.push(if untidy { self.join(group)? } else { group[0].clone() });
            start += group.len();
        }
        Ok(tidied)
    }

    /// One chunk of the living rows of several.
    fn join(&self, chunks: &[Chunk]) -> Result<Chunk> {
        let rows = chunks.iter().map(Chunk::live).sum();
        let ids = chunks.iter().flat_map(|chunk| chunk.live_ranges().flatten().map(|row| chunk.id(row)));
        let mut builder = Builder::new(self.settings.layout, rows, ids.map(str::len).sum())?;
        for chunk in chunks {
            builder.push_live(chunk)?;
        }
        Ok(builder.finish())
    }

    /// A table with room for `added` more ids that belongs to `len` rows: this one, or a new one with the ids of `state`.
    fn table_for(&self, state: &Self, added: usize) -> Result<Arc<IdTable>> {
        let (entries, capacity) = self.table.load();
        let len = state.len + added;
        if capacity - entries >= added && capacity <= (LOOSE * len).max(SMALL) {
            return Ok(self.table.clone());
        }
        let table = IdTable::with_capacity(len)?;
        table.insert(state.entries(0));
        Ok(Arc::new(table))
    }
}

/// A row of numbers that lossy storage cannot hold.
fn unstorable(row: usize, id: &str) -> Error {
    let message = "its storage makes its mean zero or one of its numbers infinite: they are too small or too large";
    Error::invalid(format!("row {row} (id \"{id}\"): {message}"))
}

#[cfg(test)]
mod tests;
