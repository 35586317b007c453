//! Temperature 'auto': the population standard deviation of the exponent's quantity, all encoders pooled, over a fixed
//! set of texts (method §4); 1 where that is 0.

/// Below this share of the mean size, a deviation is rounding.
const ROUNDING: f64 = 1e-12;

/// Moments of one encoder's sample: count, mean and Σ (x − mean)².
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    /// Number of texts.
    pub count: usize,
    /// Mean.
    pub mean: f64,
    /// Σ (x − mean)².
    pub m2: f64,
}

impl Moments {
    /// Of a sample, in two passes.
    pub fn of(sample: &[f64]) -> Self {
        let count = sample.len();
        if count == 0 {
            return Self::default();
        }
        let mean = sample.iter().sum::<f64>() / count as f64;
        Self { count, mean, m2: sample.iter().map(|x| (x - mean) * (x - mean)).sum() }
    }
}

/// T from the quantities of K encoders, each over its own number of texts. 1 for no or constant data; always finite
/// and positive.
pub fn auto_temperature(traces: &[&[f64]]) -> f64 {
    let moments: Vec<_> = traces.iter().map(|sample| Moments::of(sample)).collect();
    auto_temperature_from_moments(&moments)
}

/// [`auto_temperature`] from stored moments, one per encoder.
pub fn auto_temperature_from_moments(moments: &[Moments]) -> f64 {
    let count: f64 = moments.iter().map(|m| m.count as f64).sum();
    let mean = moments.iter().map(|m| m.count as f64 * m.mean).sum::<f64>() / count;
    let m2: f64 = moments.iter().map(|m| m.m2 + m.count as f64 * (m.mean - mean) * (m.mean - mean)).sum();
    let deviation = (m2 / count).sqrt();
    if deviation.is_finite() && deviation > ROUNDING * mean.abs() { deviation } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_or_missing_data_gives_one() {
        assert_eq!(auto_temperature(&[]), 1.0);
        assert_eq!(auto_temperature(&[&[], &[]]), 1.0);
        assert_eq!(auto_temperature(&[&[0.0, 0.0]]), 1.0);
        assert_eq!(auto_temperature(&[&[0.1; 7], &[0.1; 3]]), 1.0);
        assert_eq!(auto_temperature(&[&[f64::INFINITY, 0.0]]), 1.0);
    }

    #[test]
    fn pools_encoders_of_different_sizes() {
        let pooled = auto_temperature(&[&[1.0, 2.0, 3.0], &[10.0]]);
        assert!((pooled - auto_temperature(&[&[1.0, 2.0, 3.0, 10.0]])).abs() < 1e-14);
        assert!((pooled - 12.5_f64.sqrt()).abs() < 1e-14);
    }
}
