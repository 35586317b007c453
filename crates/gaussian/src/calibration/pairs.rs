//! The pairs a calibration learns from: what K encoders said about N queries and their documents.

use crate::{Error, Result};

/// Fewest pairs: two in each of five folds.
pub const MIN_PAIRS: usize = 10;

/// N pairs under K encoders of dimension D with J uncertainty sources. Query i belongs to document i.
#[derive(Clone, Copy, Debug)]
pub struct CalibrationPairs<'a> {
    /// D.
    pub dimension: usize,
    /// Means of the queries: K slices of N×D. A row of zeros is an invalid member and gets coefficient 0.
    pub query_means: &'a [&'a [f32]],
    /// Means of the documents: K slices of N×D.
    pub document_means: &'a [&'a [f32]],
    /// Uncertainties of the queries, N×K×J.
    pub query_uncertainties: &'a [f32],
    /// Uncertainties of the documents, N×K×J.
    pub document_uncertainties: &'a [f32],
    /// Names of the J sources the calibration may use, without repetition.
    pub sources: &'a [&'a str],
}

impl CalibrationPairs<'_> {
    /// N, after checking every shape and value.
    pub(super) fn check(&self) -> Result<usize> {
        let Some(first) = self.query_means.first() else {
            return Err(Error::invalid("no members: at least one encoder is needed"));
        };
        if self.dimension == 0 || !first.len().is_multiple_of(self.dimension) {
            return Err(Error::invalid(format!("{} numbers are no rows of dimension {}", first.len(), self.dimension)));
        }
        let pairs = first.len() / self.dimension;
        if pairs < MIN_PAIRS {
            return Err(Error::invalid(format!(
                "{pairs} pairs: a calibration needs at least {MIN_PAIRS}, better 100 or more"
            )));
        }
        let members = self.query_means.len();
        if self.document_means.len() != members {
            return Err(Error::invalid(format!(
                "{members} members for queries and {} for documents",
                self.document_means.len()
            )));
        }
        if self.sources.iter().enumerate().any(|(j, source)| self.sources[..j].contains(source)) {
            return Err(Error::invalid("a source is named twice"));
        }
        for (side, means, uncertainties) in [
            ("queries", self.query_means, self.query_uncertainties),
            ("documents", self.document_means, self.document_uncertainties),
        ] {
            self.check_side(side, means, uncertainties, pairs)?;
        }
        Ok(pairs)
    }

    fn check_side(&self, side: &str, means: &[&[f32]], uncertainties: &[f32], pairs: usize) -> Result<()> {
        if means.iter().any(|member| member.len() != pairs * self.dimension) {
            return Err(Error::invalid(format!("the members' {side} differ in number: {pairs} rows expected")));
        }
        if means.iter().any(|member| member.iter().any(|x| !x.is_finite())) {
            return Err(Error::invalid(format!("a mean of the {side} is not finite")));
        }
        let width = means.len() * self.sources.len();
        if uncertainties.len() != pairs * width {
            return Err(Error::invalid(format!(
                "{} uncertainties of the {side}: {pairs} rows × {} members × {} sources needed",
                uncertainties.len(),
                means.len(),
                self.sources.len()
            )));
        }
        for row in 0..pairs {
            let valid = |k: usize| means[k][row * self.dimension..(row + 1) * self.dimension].iter().any(|x| *x != 0.0);
            if !(0..means.len()).any(valid) {
                return Err(Error::invalid(format!(
                    "pair {row}: no encoder could embed its text ({side}): leave it out"
                )));
            }
            let own = &uncertainties[row * width..(row + 1) * width];
            let is_bad =
                |k: usize| own[k * self.sources.len()..(k + 1) * self.sources.len()].iter().any(|u| u.is_nan());
            if let Some(k) = (0..means.len()).find(|k| valid(*k) && is_bad(*k)) {
                return Err(Error::invalid(format!(
                    "pair {row}, member {k}: an uncertainty of the {side} is not a number"
                )));
            }
        }
        Ok(())
    }
}
