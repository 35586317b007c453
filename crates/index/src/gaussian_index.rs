//! The index: a state that readers take as it is, and one writer at a time that makes the next one aside.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use uec_gaussian::{Error, Result, Rows};

use crate::file::Journal;
use crate::state::{Settings, Snapshot, State};
use crate::storage::{Layout, Storage};

/// What an index keeps for life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexOptions {
    /// D, of 1..2³².
    pub dimension: usize,
    /// Numbers that the rows are stored as.
    pub storage: Storage,
    /// Whether to keep an int8 copy of float32 means, which makes searches faster and changes no result.
    pub prefilter: bool,
    /// Names what made the rows.
    pub fingerprint: Option<String>,
}

/// How to open a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// Read rows when they are used, through a memory map, instead of all at once.
    pub mmap: bool,
    /// Take no lock and refuse changes.
    pub readonly: bool,
}

/// An index of diagonal Gaussians of one dimension, each under an id. Any number of threads may use it: reading never
/// waits for a change under way, changes wait for each other.
#[derive(Debug)]
pub struct GaussianIndex {
    state: RwLock<Arc<State>>,
    pub(crate) writer: Mutex<Writer>,
    readonly: bool,
}

/// What a change needs besides the state.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    /// Makes changes of an opened index durable.
    pub(crate) journal: Option<Journal>,
}

impl GaussianIndex {
    /// An empty index.
    ///
    /// # Errors
    /// [`uec_gaussian::ErrorCode::InvalidArgument`] unless `dimension` is of 1..2³², or for a prefilter of lossy rows.
    pub fn new(options: IndexOptions) -> Result<Self> {
        let IndexOptions { dimension, storage, prefilter, fingerprint } = options;
        if dimension == 0 || u32::try_from(dimension).is_err() {
            return Err(Error::invalid(format!("dimension {dimension}: must be an integer of at least 1")));
        }
        if prefilter && storage != Storage::Float32 {
            let name = storage.name();
            return Err(Error::invalid(format!("a prefilter is for float32 storage: {name} rows are small already")));
        }
        let settings = Settings { layout: Layout { dimension, storage, prefilter }, fingerprint };
        Ok(Self::from_state(State::empty(settings)?, Writer::default(), false))
    }

    /// From rows that were read.
    pub(crate) fn from_state(state: State, writer: Writer, readonly: bool) -> Self {
        Self { state: RwLock::new(Arc::new(state)), writer: Mutex::new(writer), readonly }
    }

    /// D.
    pub fn dimension(&self) -> usize {
        self.state().settings.layout.dimension
    }

    /// Numbers that the rows are stored as.
    pub fn storage(&self) -> Storage {
        self.state().settings.layout.storage
    }

    /// Whether there is an int8 copy of float32 means.
    pub fn prefilter(&self) -> bool {
        self.state().settings.layout.prefilter
    }

    /// What made the rows, if known.
    pub fn fingerprint(&self) -> Option<String> {
        self.state().settings.fingerprint.clone()
    }

    /// Whether changes are refused.
    pub fn readonly(&self) -> bool {
        self.readonly
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.state().len
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that rows and ids hold. What lies in a mapped file is not counted.
    pub fn bytes(&self) -> usize {
        self.state().allocated()
    }

    /// Whether changes are on the disk when they return: the index was opened from a file for writing.
    pub fn is_durable(&self) -> bool {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).journal.is_some()
    }

    /// Gives the file back that was opened for writing. What is added from then on lives in memory alone.
    pub fn close(&self) {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).journal = None;
    }

    /// The index as it is now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.state())
    }

    /// Adds row i of `rows` under `ids[i]`; a known id keeps its position and gets the new row. All or nothing, and
    /// durable when it returns if the index was opened from a file.
    ///
    /// # Errors
    /// [`uec_gaussian::ErrorCode::DimensionMismatch`]; [`uec_gaussian::ErrorCode::InvalidArgument`] if the index is
    /// read-only, numbers of ids and rows differ, an id occurs twice, a row is invalid (not finite, a negative variance,
    /// a mean that is stored as zeros), or 2³² − 1 ids were added before; [`uec_gaussian::ErrorCode::OutOfMemory`];
    /// [`uec_gaussian::ErrorCode::FileWrite`].
    pub fn add<S: AsRef<str>>(&self, ids: &[S], rows: Rows<'_>) -> Result<()> {
        let mut writer = self.writer()?;
        let old = self.state();
        let new = old.with_added(ids, rows)?;
        if let Some(journal) = &mut writer.journal {
            journal.append_add(ids, rows)?;
        }
        new.table.insert(new.entries(old.end));
        self.publish(new);
        Ok(())
    }

    /// Removes the rows of these ids and returns how many there were. Unknown ids are ignored. All or nothing, and
    /// durable when it returns if the index was opened from a file.
    ///
    /// # Errors
    /// [`uec_gaussian::ErrorCode::InvalidArgument`] if the index is read-only;
    /// [`uec_gaussian::ErrorCode::OutOfMemory`]; [`uec_gaussian::ErrorCode::FileWrite`].
    pub fn remove<S: AsRef<str>>(&self, ids: &[S]) -> Result<usize> {
        let mut writer = self.writer()?;
        let old = self.state();
        let new = old.without(ids)?;
        let removed = old.len - new.len;
        if removed == 0 {
            return Ok(0);
        }
        if let Some(journal) = &mut writer.journal {
            journal.append_remove(ids)?;
        }
        self.publish(new);
        Ok(removed)
    }

    /// Held for the copy of a pointer only. A panic cannot leave it half changed, so that its mark is ignored.
    pub(crate) fn state(&self) -> Arc<State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn publish(&self, state: State) {
        let new = Arc::new(state);
        // The old state is dropped after the lock.
        let _old = std::mem::replace(&mut *self.state.write().unwrap_or_else(PoisonError::into_inner), new);
    }

    /// The right to change. A change that panicked published nothing, so that its mark is ignored.
    fn writer(&self) -> Result<std::sync::MutexGuard<'_, Writer>> {
        if self.readonly {
            return Err(Error::invalid("the index was opened readonly: open it without to change it"));
        }
        Ok(self.writer.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
