//! Memory that a search works in: kept by each thread from one search to the next, so that nothing is allocated per
//! query and tile.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};

use uec_gaussian::Gaussians;

use super::survivors::Survivor;

/// The buffers of one thread.
#[derive(Debug)]
pub(super) struct Scratch {
    /// Of each query and row of a tile.
    pub(super) bounds: Vec<f32>,
    /// Rows of a tile that are searched.
    pub(super) mask: Vec<bool>,
    /// Rows of a tile.
    pub(super) tile: Gaussians,
    /// Tiles still to go before the means are tried again.
    pub(super) skip: usize,
    pub(super) rest: Rest,
}

/// What is left of a tile for one query.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) survivors: Vec<Survivor>,
    /// Of consecutive survivors, as their rows.
    pub(super) bounds: Vec<f32>,
    pub(super) rows: Gaussians,
}

impl Default for Scratch {
    fn default() -> Self {
        let none = || Gaussians::zeros(0, 1);
        let rest = Rest { survivors: Vec::new(), bounds: Vec::new(), rows: none() };
        Self { bounds: Vec::new(), mask: Vec::new(), tile: none(), skip: 0, rest }
    }
}

thread_local! {
    static KEPT: Cell<Scratch> = Cell::default();
}

/// [`Scratch`] that goes back to the thread.
#[derive(Debug)]
pub(super) struct Borrowed(Scratch);

/// The buffers of this thread, or new ones if they are in use: a thread that waits within a search takes up others.
pub(super) fn borrow() -> Borrowed {
    Borrowed(Scratch { skip: 0, ..KEPT.take() })
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        KEPT.set(std::mem::take(&mut self.0));
    }
}

impl Deref for Borrowed {
    type Target = Scratch;

    fn deref(&self) -> &Scratch {
        &self.0
    }
}

impl DerefMut for Borrowed {
    fn deref_mut(&mut self) -> &mut Scratch {
        &mut self.0
    }
}
