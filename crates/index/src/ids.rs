//! The ids of a chunk in one arena, and the table from ids to positions.

use std::hash::{BuildHasher, RandomState};
use std::sync::{PoisonError, RwLock};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use uec_gaussian::Result;

use crate::buffer::{no_memory, reserved};

/// Ids of consecutive rows: their text one after the other, and where each ends.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    text: String,
    ends: Vec<u32>,
}

impl Ids {
    /// Bytes of text that one chunk can hold.
    pub(crate) const MAX_BYTES: usize = u32::MAX as usize;

    /// No ids, with room for `count` of `bytes` (≤ [`Ids::MAX_BYTES`]) in all.
    ///
    /// # Errors
    /// [`uec_gaussian::ErrorCode::OutOfMemory`].
    pub(crate) fn with_capacity(count: usize, bytes: usize) -> Result<Self> {
        let mut text = String::new();
        text.try_reserve_exact(bytes).map_err(|_| no_memory(bytes))?;
        Ok(Self { text, ends: reserved(count)? })
    }

    /// Ids of which each ends at one of `ends`: rising, the last at the end of `text`. `None` if one is no text.
    pub(crate) fn from_parts(text: String, ends: Vec<u32>) -> Option<Self> {
        ends.iter().all(|end| text.is_char_boundary(*end as usize)).then_some(Self { text, ends })
    }

    /// Appends an id, for which there is room.
    pub(crate) fn push(&mut self, id: &str) {
        self.text.push_str(id);
        self.ends.push(self.text.len() as u32);
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn get(&self, row: usize) -> &str {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.text[start as usize..self.ends[row] as usize]
    }

    /// Bytes of all text.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text.len()
    }

    pub(crate) fn allocated(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<u32>()
    }
}

/// Ids inserted under one hold of the lock.
const SLICE: usize = 1000;

/// Positions by the hash of their id; the text is compared in the rows. It only grows: an entry of a removed row, or of a
/// row that a snapshot does not have yet, is told by the snapshot, which has no such row. A full table is replaced by a
/// new one that is filled aside.
#[derive(Debug)]
pub(crate) struct IdTable {
    hasher: RandomState,
    positions: RwLock<HashTable<u32>>,
}

impl IdTable {
    /// Room for `rows` and an eighth more, so that adding and removing in turn does not make a new table each time.
    ///
    /// # Errors
    /// [`uec_gaussian::ErrorCode::OutOfMemory`].
    pub(crate) fn with_capacity(rows: usize) -> Result<Self> {
        let mut positions = HashTable::new();
        let wanted = rows + rows / 8;
        positions.try_reserve(wanted, |_| 0).map_err(|_| no_memory(wanted * size_of::<u32>()))?;
        Ok(Self { hasher: RandomState::new(), positions: RwLock::new(positions) })
    }

    /// The position of `id`, of those that `is` confirms.
    pub(crate) fn find(&self, id: &str, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let positions = self.positions.read().unwrap_or_else(PoisonError::into_inner);
        positions.find(self.hasher.hash_one(id), |position| is(*position)).copied()
    }

    /// Inserts what there is room for. Readers wait for a slice of it at most.
    pub(crate) fn insert<'a>(&self, mut entries: impl Iterator<Item = (&'a str, u32)>) {
        let hash = |(id, position)| (self.hasher.hash_one(id), position);
        loop {
            let slice: Vec<(u64, u32)> = entries.by_ref().take(SLICE).map(hash).collect();
            if slice.is_empty() {
                return;
            }
            let mut positions = self.positions.write().unwrap_or_else(PoisonError::into_inner);
            for (hash, position) in slice {
                positions.insert_unique(hash, position, |_| hash);
            }
        }
    }

    /// Inserts the ids of a new table, for which there is room; false if one occurs twice. `id` is that of a position
    /// among them.
    pub(crate) fn fill<'a>(
        &self,
        mut entries: impl Iterator<Item = (&'a str, u32)>,
        id: impl Fn(u32) -> Option<&'a str>,
    ) -> bool {
        let mut positions = self.positions.write().unwrap_or_else(PoisonError::into_inner);
        entries.all(|(text, position)| {
            let hash = self.hasher.hash_one(text);
            match positions.entry(hash, |other| id(*other) == Some(text), |_| hash) {
                Entry::Occupied(_) => false,
                Entry::Vacant(place) => {
                    place.insert(position);
                    true
                }
            }
        })
    }

    /// Entries that it holds and could hold.
    pub(crate) fn load(&self) -> (usize, usize) {
        let positions = self.positions.read().unwrap_or_else(PoisonError::into_inner);
        (positions.len(), positions.capacity())
    }

    pub(crate) fn allocated(&self) -> usize {
        self.positions.read().unwrap_or_else(PoisonError::into_inner).allocation_size()
    }
}
