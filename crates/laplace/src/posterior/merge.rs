//! Posteriors of shards add up: H, losses and counts are sums, the trace samples unite.

use std::cmp::Ordering;

use uec_gaussian::{Error, ErrorCode, Result};

use super::{Evidence, Posterior};

impl Posterior {
    /// One posterior of the parts' data, equal to a single fit up to the rounding of H to float32. The order of the
    /// parts does not matter. λ and c are chosen anew by the parts' options.
    ///
    /// # Errors
    /// `InvalidArgument` without parts, or where the parts were fitted with different options; `PosteriorMismatch`
    /// where they belong to different encoders.
    pub fn merge(parts: &[Self]) -> Result<Self> {
        let mut parts: Vec<&Self> = parts.iter().collect();
        // Floating-point sums depend on their order; this one is given by the parts' contents alone.
        parts.sort_by(|x, y| order(&x.evidence, &y.evidence));
        let Some((first, rest)) = parts.split_first() else {
            return Err(Error::invalid("merging needs at least one posterior"));
        };
        for part in rest {
            compatible(first, part)?;
        }
        let mut h: Vec<f64> = vec![0.0; first.evidence.h.len()];
        let mut evidence = Evidence { loss: 0.0, pairs: 0, correct: 0, ..first.evidence.clone() };
        for part in parts.iter().map(|part| &part.evidence) {
            for (sum, &part) in h.iter_mut().zip(&part.h) {
                *sum += f64::from(part);
            }
            evidence.loss += part.loss;
            let pairs = evidence.pairs.checked_add(part.pairs);
            evidence.pairs =
                pairs.ok_or_else(|| Error::invalid("these posteriors claim more pairs than there can be"))?;
            // At most as many as pairs.
            evidence.correct += part.correct;
            evidence.sample.merge(&part.sample)?;
        }
        evidence.h = h.into_iter().map(|h| h as f32).collect();
        Self::resolve(evidence, first.options.clone())
    }
}

fn order(x: &Evidence, y: &Evidence) -> Ordering {
    x.loss
        .total_cmp(&y.loss)
        .then(x.pairs.cmp(&y.pairs))
        .then_with(|| x.weight_norm2().total_cmp(&y.weight_norm2()))
        .then_with(|| x.h.iter().zip(&y.h).map(|(x, y)| x.total_cmp(y)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal))
}

fn compatible(x: &Posterior, y: &Posterior) -> Result<()> {
    let (a, b) = (&x.evidence, &y.evidence);
    let same_encoder = a.fingerprint == b.fingerprint
        && (a.features, &a.norm, a.activation) == (b.features, &b.norm, b.activation)
        && a.gamma.iter().zip(&b.gamma).all(|(a, b)| a == b)
        // The same weights, summed on another machine.
        && a.weight_norm2.iter().zip(&b.weight_norm2).all(|(a, b)| (a - b).abs() <= 1e-9 * a.abs());
    if !same_encoder {
        return Err(Error::new(
            ErrorCode::PosteriorMismatch,
            "these posteriors belong to different encoders; merge fits of one encoder only",
        ));
    }
    if (a.dimension, a.compared) != (b.dimension, b.compared) {
        return Err(Error::invalid(format!(
            "these posteriors keep {} of {} and {} of {} compared dimensions; fit and truncate the parts alike",
            a.dimension, a.compared, b.dimension, b.compared
        )));
    }
    if a.curvature != b.curvature || x.options != y.options {
        return Err(Error::invalid("these posteriors were fitted with different options; fit the parts alike"));
    }
    Ok(())
}
