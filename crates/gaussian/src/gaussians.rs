//! n diagonal Gaussians of one dimension D: means and variances, row-major float32.

use crate::lanes::trace;
use crate::{Error, ErrorCode, Result};

/// One borrowed Gaussian: `mean` and `variance` of length D.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row<'a> {
    /// Mean, length D.
    pub mean: &'a [f32],
    /// Variance of each coordinate, length D, finite and at least 0.
    pub variance: &'a [f32],
}

impl Row<'_> {
    /// Total variance Σ_d v_d, in float64 and in the fixed order of the scores.
    pub fn trace(&self) -> f64 {
        trace(self.variance)
    }

    /// Whether the mean is all zero: such a row has no direction, and an index refuses it.
    pub fn has_zero_mean(&self) -> bool {
        self.mean.iter().all(|x| *x == 0.0)
    }

    /// Whether mean and variance are all zero: the mark of a text that could not be embedded (method §3).
    pub fn is_zero(&self) -> bool {
        self.has_zero_mean() && self.variance.iter().all(|x| *x == 0.0)
    }
}

/// Borrowed n×D rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rows<'a> {
    /// Means, n×D row-major.
    pub mean: &'a [f32],
    /// Variances, n×D row-major.
    pub variance: &'a [f32],
    /// D, at least 1.
    pub dimension: usize,
}

impl<'a> Rows<'a> {
    /// Rows over two slices of equal length n·D. Checks shapes only; see [`Rows::validate`] for the values.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] if D is 0 or the lengths differ or are no multiple of D.
    pub fn new(mean: &'a [f32], variance: &'a [f32], dimension: usize) -> Result<Self> {
        if dimension == 0 {
            return Err(Error::invalid("dimension must be at least 1"));
        }
        if mean.len() != variance.len() {
            return Err(Error::invalid(format!(
                "mean has {} numbers and variance {}: both must be rows × dimension",
                mean.len(),
                variance.len()
            )));
        }
        if !mean.len().is_multiple_of(dimension) {
            return Err(Error::invalid(format!("{} numbers are no multiple of the dimension {dimension}", mean.len())));
        }
        Ok(Self { mean, variance, dimension })
    }

    /// Number of rows n.
    pub fn len(&self) -> usize {
        self.mean.len().checked_div(self.dimension).unwrap_or(0)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.mean.is_empty()
    }

    /// Row `index`, below [`Rows::len`].
    pub fn row(&self, index: usize) -> Row<'a> {
        let range = index * self.dimension..(index + 1) * self.dimension;
        Row { mean: &self.mean[range.clone()], variance: &self.variance[range] }
    }

    /// All rows in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Row<'a>> + use<'a> {
        let (mean, variance) = (self.mean.chunks_exact(self.dimension), self.variance.chunks_exact(self.dimension));
        mean.zip(variance).map(|(mean, variance)| Row { mean, variance })
    }

    /// # Errors
    /// [`ErrorCode::InvalidArgument`] naming the first row and column with a mean that is not finite or a variance
    /// that is not finite and at least 0.
    pub fn validate(&self) -> Result<()> {
        for (index, row) in self.iter().enumerate() {
            if let Some(column) = row.mean.iter().position(|x| !x.is_finite()) {
                let value = row.mean[column];
                return Err(Error::invalid(format!("mean of row {index}, column {column} is {value}: must be finite")));
            }
            if let Some(column) = row.variance.iter().position(|x| !(x.is_finite() && *x >= 0.0)) {
                let value = row.variance[column];
                return Err(Error::invalid(format!(
                    "variance of row {index}, column {column} is {value}: must be finite and at least 0"
                )));
            }
        }
        Ok(())
    }

    /// # Errors
    /// [`ErrorCode::DimensionMismatch`] if `other` has another dimension.
    pub fn same_dimension(&self, other: &Rows<'_>) -> Result<()> {
        if self.dimension == other.dimension {
            return Ok(());
        }
        let message = format!("dimensions {} and {} differ", self.dimension, other.dimension);
        Err(Error::new(ErrorCode::DimensionMismatch, message))
    }
}

/// Owned n×D Gaussians.
#[derive(Clone, Debug, PartialEq)]
pub struct Gaussians {
    /// Means, n×D row-major.
    pub mean: Vec<f32>,
    /// Variances, n×D row-major.
    pub variance: Vec<f32>,
    /// D, at least 1.
    pub dimension: usize,
}

impl Gaussians {
    /// n zero rows.
    pub fn zeros(rows: usize, dimension: usize) -> Self {
        Self { mean: vec![0.0; rows * dimension], variance: vec![0.0; rows * dimension], dimension }
    }

    /// The rows, borrowed.
    pub fn rows(&self) -> Rows<'_> {
        Rows { mean: &self.mean, variance: &self.variance, dimension: self.dimension }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_checked() {
        assert!(Rows::new(&[1.0; 4], &[1.0; 4], 0).is_err());
        assert!(Rows::new(&[1.0; 4], &[1.0; 3], 2).is_err());
        assert!(Rows::new(&[1.0; 5], &[1.0; 5], 2).is_err());
        assert_eq!(Rows::new(&[1.0; 6], &[1.0; 6], 2).unwrap().len(), 3);
        assert_eq!(Rows::new(&[], &[], 2).unwrap().len(), 0);
    }

    #[test]
    fn validation_names_row_and_column() {
        for bad in [f32::NAN, f32::INFINITY, -1.0, -f32::MIN_POSITIVE] {
            let variance = [0.0, 1.0, 0.0, bad];
            let error = Rows::new(&[0.0; 4], &variance, 2).unwrap().validate().unwrap_err();
            assert!(error.message.contains("row 1, column 1"), "{error}");
        }
        let error = Rows::new(&[0.0, f32::NEG_INFINITY], &[0.0; 2], 2).unwrap().validate().unwrap_err();
        assert!(error.message.contains("mean of row 0, column 1"), "{error}");
        assert!(Rows::new(&[-1.0; 2], &[-0.0, 0.0], 2).unwrap().validate().is_ok());
    }

    #[test]
    fn a_row_with_variance_but_no_mean_is_not_a_missing_text() {
        assert!(Row { mean: &[0.0, -0.0], variance: &[0.0, 0.0] }.is_zero());
        assert!(!Row { mean: &[0.0], variance: &[1.0] }.is_zero());
        assert!(!Row { mean: &[1.0], variance: &[0.0] }.is_zero());
    }
}
