//! Ids across the border: in as bytes, out in portions, so that neither direction holds the event loop for long.

use napi::bindgen_prelude::{Uint8Array, Uint32Array};
use napi_derive::napi;
use uec_gaussian::{Error, Result};
use uec_index::Snapshot;

/// Ids that JavaScript encoded: their UTF-8 bytes one after the other, and the length of each.
pub(crate) struct Ids {
    bytes: Uint8Array,
    lengths: Uint32Array,
}

impl Ids {
    pub(crate) fn new(bytes: Uint8Array, lengths: Uint32Array) -> Self {
        Self { bytes, lengths }
    }

    /// # Errors
    /// [`uec_gaussian::ErrorCode::InvalidArgument`] if bytes and lengths do not belong together or are no UTF-8.
    pub(crate) fn texts(&self) -> Result<Vec<&str>> {
        let mut rest: &[u8] = &self.bytes;
        let mut next = |length: &u32| {
            let (id, after) = rest.split_at_checked(*length as usize)?;
            rest = after;
            std::str::from_utf8(id).ok()
        };
        let texts: Option<Vec<&str>> = self.lengths.iter().map(&mut next).collect();
        texts.filter(|_| rest.is_empty()).ok_or_else(|| Error::invalid("the ids are not UTF-8 of the given lengths"))
    }
}

/// The ids of an index at one moment, by position.
#[napi]
pub struct IdPortions {
    /// With the position of the next id; let go at the end, because a snapshot keeps its rows in memory and JavaScript
    /// collects this object when it likes.
    rest: Option<(Snapshot, u32)>,
}

impl IdPortions {
    pub(crate) fn new(rows: Snapshot) -> Self {
        Self { rest: Some((rows, 0)) }
    }
}

#[napi]
impl IdPortions {
    /// The next ids, at most so many; none at the end.
    #[napi(catch_unwind)]
    pub fn next(&mut self, most: u32) -> Vec<String> {
        let Some((rows, start)) = self.rest.take() else { return Vec::new() };
        let mut last = None;
        let ids = rows.entries(start).take(most as usize).map(|(id, position)| {
            last = Some(position);
            id.to_owned()
        });
        let ids = ids.collect();
        self.rest = last.and_then(|position| position.checked_add(1)).map(|next| (rows, next));
        ids
    }

    /// Lets the rows go before the end.
    #[napi(catch_unwind)]
    pub fn close(&mut self) {
        self.rest = None;
    }
}
