//! The rows and their ids.
//!
//! A row's position is the order in which its id was first added; removing rows closes the gaps and keeps the order.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use uec_gaussian::{Error, ErrorCode, Result, Row, Rows};

/// An in-memory index of diagonal Gaussians of one dimension, each under an id.
#[derive(Clone, Debug)]
pub struct GaussianIndex {
    pub(crate) dimension: usize,
    pub(crate) fingerprint: Option<String>,
    pub(crate) ids: Vec<Arc<str>>,
    pub(crate) mean: Vec<f32>,
    pub(crate) variance: Vec<f32>,
    positions: HashMap<Arc<str>, u32>,
}

impl GaussianIndex {
    /// An empty index of rows of `dimension`. `fingerprint` names what made the rows.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] unless `dimension` is of 1..2³².
    pub fn new(dimension: usize, fingerprint: Option<String>) -> Result<Self> {
        if dimension == 0 || u32::try_from(dimension).is_err() {
            return Err(Error::invalid(format!("dimension {dimension}: must be an integer of at least 1")));
        }
        let (ids, mean, variance, positions) = Default::default();
        Ok(Self { dimension, fingerprint, ids, mean, variance, positions })
    }

    /// From rows that were checked before; `None` if an id occurs twice.
    pub(crate) fn from_parts(
        dimension: usize,
        fingerprint: Option<String>,
        ids: Vec<Arc<str>>,
        mean: Vec<f32>,
        variance: Vec<f32>,
    ) -> Option<Self> {
        let positions: HashMap<_, _> = ids.iter().cloned().zip(0..).collect();
        (positions.len() == ids.len()).then_some(Self { dimension, fingerprint, ids, mean, variance, positions })
    }

    /// D.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// What made the rows, if known.
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Bytes of the rows and ids, without the allocator's reserve.
    pub fn bytes(&self) -> usize {
        let numbers = (self.mean.len() + self.variance.len()) * size_of::<f32>();
        let entries = self.ids.len() * (2 * size_of::<Arc<str>>() + size_of::<u32>());
        numbers + entries + self.ids.iter().map(|id| id.len()).sum::<usize>()
    }

    /// The ids by position.
    pub fn ids(&self) -> &[Arc<str>] {
        &self.ids
    }

    /// The position of `id`.
    pub fn position(&self, id: &str) -> Option<u32> {
        self.positions.get(id).copied()
    }

    /// Whether `id` is there.
    pub fn has(&self, id: &str) -> bool {
        self.positions.contains_key(id)
    }

    /// The row of `id`.
    pub fn get(&self, id: &str) -> Option<Row<'_>> {
        self.position(id).map(|position| self.rows().row(position as usize))
    }

    /// All rows by position.
    pub fn rows(&self) -> Rows<'_> {
        Rows { mean: &self.mean, variance: &self.variance, dimension: self.dimension }
    }

    /// Adds row i of `rows` under `ids[i]`; a known id keeps its position and gets the new row. All or nothing.
    ///
    /// # Errors
    /// [`ErrorCode::DimensionMismatch`]; [`ErrorCode::InvalidArgument`] if numbers of ids and rows differ, an id occurs
    /// twice, or a row is invalid (not finite, a negative variance, a mean of zeros); [`ErrorCode::OutOfMemory`].
    pub fn add(&mut self, ids: &[String], rows: Rows<'_>) -> Result<()> {
        self.check_dimension(&rows)?;
        if ids.len() != rows.len() {
            return Err(Error::invalid(format!("{} ids for {} rows", ids.len(), rows.len())));
        }
        let mut seen = HashSet::with_capacity(ids.len());
        if let Some(twice) = ids.iter().find(|id| !seen.insert(id.as_str())) {
            return Err(Error::invalid(format!("id \"{twice}\" occurs twice in one call")));
        }
        rows.validate()?;
        if let Some(row) = rows.iter().position(|row| row.has_zero_mean()) {
            let id = &ids[row];
            return Err(Error::invalid(format!(
                "row {row} (id \"{id}\") has a mean of zeros: leave invalid texts out"
            )));
        }
        let added = ids.iter().filter(|id| !self.has(id)).count();
        self.reserve(added)?;
        for (id, row) in ids.iter().zip(rows.iter()) {
            if let Some(position) = self.position(id) {
                let start = position as usize * self.dimension;
                self.mean[start..start + self.dimension].copy_from_slice(row.mean);
                self.variance[start..start + self.dimension].copy_from_slice(row.variance);
            } else {
                let id: Arc<str> = id.as_str().into();
                self.positions.insert(id.clone(), self.ids.len() as u32);
                self.ids.push(id);
                self.mean.extend_from_slice(row.mean);
                self.variance.extend_from_slice(row.variance);
            }
        }
        Ok(())
    }

    /// Removes the rows of these ids and returns how many there were. Unknown ids are ignored.
    pub fn remove<S: AsRef<str>>(&mut self, ids: &[S]) -> usize {
        let gone: HashSet<u32> = ids.iter().filter_map(|id| self.position(id.as_ref())).collect();
        if gone.is_empty() {
            return 0;
        }
        let (mut kept, dimension) = (0, self.dimension);
        for position in (0..self.ids.len()).filter(|position| !gone.contains(&(*position as u32))) {
            self.ids.swap(kept, position);
            let source = position * dimension..(position + 1) * dimension;
            self.mean.copy_within(source.clone(), kept * dimension);
            self.variance.copy_within(source, kept * dimension);
            kept += 1;
        }
        self.ids.truncate(kept);
        self.mean.truncate(kept * dimension);
        self.variance.truncate(kept * dimension);
        self.positions = self.ids.iter().cloned().zip(0..).collect();
        gone.len()
    }

    /// Checks every stored row and id.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`] if the index contradicts itself.
    pub fn verify(&self) -> Result<()> {
        let internal = |what: String| Error::new(ErrorCode::Internal, format!("the index is damaged: {what}"));
        self.rows().validate().map_err(|error| internal(error.message))?;
        if let Some(row) = self.rows().iter().position(|row| row.has_zero_mean()) {
            return Err(internal(format!("row {row} has a mean of zeros")));
        }
        let sound = self.mean.len() == self.len() * self.dimension
            && self.variance.len() == self.mean.len()
            && self.positions.len() == self.len()
            && self.ids.iter().zip(0..).all(|(id, position)| self.position(id) == Some(position));
        if sound { Ok(()) } else { Err(internal("ids and rows do not belong together".into())) }
    }

    pub(crate) fn check_dimension(&self, rows: &Rows<'_>) -> Result<()> {
        if rows.dimension == self.dimension {
            return Ok(());
        }
        let message = format!("rows of dimension {} in an index of dimension {}", rows.dimension, self.dimension);
        Err(Error::new(ErrorCode::DimensionMismatch, message))
    }

    /// Room for `added` rows more, before anything changes.
    fn reserve(&mut self, added: usize) -> Result<()> {
        let memory = || Error::new(ErrorCode::OutOfMemory, format!("no memory for {added} more rows"));
        if self.len() + added >= u32::MAX as usize {
            return Err(Error::invalid("an index holds fewer than 2³² − 1 rows: use several"));
        }
        let numbers = added.checked_mul(self.dimension).ok_or_else(memory)?;
        self.mean.try_reserve(numbers).map_err(|_| memory())?;
        self.variance.try_reserve(numbers).map_err(|_| memory())?;
        self.ids.try_reserve(added).map_err(|_| memory())?;
        self.positions.try_reserve(added).map_err(|_| memory())
    }
}
