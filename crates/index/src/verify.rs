//! Checking an index: every stored row and id, every block of a mapped file, and that a prefilter is of its rows.

use uec_gaussian::{Cancel, Error, ErrorCode, Gaussians, Result};

use crate::GaussianIndex;
use crate::chunk::Chunk;
use crate::encoding::{encode_int8, error_norm};
use crate::storage::Column;

impl GaussianIndex {
    /// Checks every stored row and id.
    ///
    /// # Errors
    /// [`ErrorCode::FileCorrupt`] if a row is none that can be added, or its prefilter is of another;
    /// [`ErrorCode::Internal`] if the table of ids contradicts the rows;
    /// [`ErrorCode::Aborted`].
    pub fn verify(&self, cancel: &Cancel) -> Result<()> {
        let state = self.state();
        let mut scratch = Gaussians::zeros(0, state.settings.layout.dimension);
        // All mapped rows of an index lie in one file: the one that it was opened from.
        if let Some(file) = state.chunks.iter().find_map(Chunk::file) {
            file.verify(cancel)?;
        }
        for chunk in &state.chunks {
            cancel.check()?;
            let damaged = |what: &str| {
                Error::new(ErrorCode::FileCorrupt, format!("the index is damaged: {what}. Restore or rebuild it"))
            };
            let rows = chunk.rows(0..chunk.len(), &mut scratch)?;
            rows.validate().map_err(|error| damaged(&error.message))?;
            if rows.iter().any(|row| row.has_zero_mean()) {
                return Err(damaged("a row has a mean of zeros"));
            }
            if chunk.layout().prefilter && !prefilter_fits(chunk, rows.mean)? {
                return Err(damaged("its prefilter is of other rows"));
            }
        }
        let rising = state.entries(0).zip(state.entries(0).skip(1)).all(|(left, right)| left.1 < right.1);
        let found = state.entries(0).all(|(id, position)| state.position(id) == Some(position));
        if rising && found && state.entries(0).count() == state.len {
            return Ok(());
        }
        Err(Error::new(ErrorCode::Internal, "the index is damaged: ids and rows do not belong together"))
    }
}

/// Whether codes, scales and errors are those of `means`, to the bit.
fn prefilter_fits(chunk: &Chunk, means: &[f32]) -> Result<bool> {
    let dimension = chunk.layout().dimension;
    let all = 0..chunk.len();
    let stored = chunk.bytes(Column::PrefilterCodes, all.clone())?.chunks_exact(dimension);
    let scales = chunk.bytes(Column::PrefilterScales, all.clone())?.chunks_exact(4);
    let errors = chunk.bytes(Column::PrefilterErrors, all)?.chunks_exact(4);
    let mut codes = vec![0; dimension];
    Ok(means.chunks_exact(dimension).zip(stored).zip(scales.zip(errors)).all(|((mean, stored), (scale, error))| {
        let fitting = encode_int8(mean, &mut codes);
        bytemuck::cast_slice::<i8, u8>(&codes) == stored
            && fitting.to_le_bytes() == *scale
            && error_norm(mean, &codes, fitting).to_le_bytes() == *error
    }))
}
