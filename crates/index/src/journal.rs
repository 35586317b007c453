//! Where changes of an opened index are made durable.

use uec_gaussian::{Result, Rows};

/// The changes since a file was written.
#[derive(Debug)]
pub(crate) enum Journal {}

impl Journal {
    /// Rows as given.
    pub(crate) fn append_add<S: AsRef<str>>(&mut self, _ids: &[S], _rows: Rows<'_>) -> Result<()> {
        match *self {}
    }

    /// Ids as given.
    pub(crate) fn append_remove<S: AsRef<str>>(&mut self, _ids: &[S]) -> Result<()> {
        match *self {}
    }
}
