//! The sums against float64.

use super::*;

type Reference = fn(f64, f64, f64) -> (f64, f64);

/// The sums of a form within the roundings that it states, of rows whose numbers lie anywhere in the range.
fn check<F: Form>(reference: Reference, dimension: usize) {
    let noise = |d: usize, seed: f64| ((d as f64 + seed) * 12.9898).sin();
    // A third of the coordinates at either end of the range, a third ordinary.
    let variance = |d: usize, seed: f64| match d % 3 {
        0 => (noise(d, seed) * 24.9).exp2() as f32,
        _ => (1e-3 + noise(d, seed).abs() / 100.0) as f32,
    };
    let rows = 3;
    let mean: Vec<f32> = (0..rows * dimension).map(|d| noise(d, 0.3) as f32).collect();
    let variances: Vec<f32> = (0..rows * dimension).map(|d| variance(d, 0.7)).collect();
    let a: Vec<f32> = (0..dimension).map(|d| noise(d, 0.1) as f32).collect();
    let v: Vec<f32> = (0..dimension).map(|d| variance(d, 0.9)).collect();
    let rows = Rows::new(&mean, &variances, dimension).unwrap();
    let query = Query::new::<F>(&a, &v).unwrap();
    for level in Level::available() {
        let mut seen = 0;
        divergences::<F>(*level, &query, rows, |index, sums| {
            let (row, sums) = (rows.row(index), sums.unwrap());
            let (mut sum, mut log) = (0.0, 0.0);
            for d in 0..dimension {
                let delta = f64::from(a[d]) - f64::from(row.mean[d]);
                let (term, factor) = reference(delta, v[d].into(), row.variance[d].into());
                sum += term;
                log += if F::LOG { factor.ln() } else { 0.0 };
            }
            let u = (-24.0_f64).exp2();
            let roundings = roundings(dimension, *level) as f64;
            let (error, bound) = ((sums.sum - sum).abs(), roundings * u * 1.001 * sum);
            assert!(error <= bound, "{level:?} D={dimension} Σ {sum}: {error} > {bound}");
            let (error, bound) = ((sums.log - log).abs(), (dimension * (F::ROUNDINGS + 1)) as f64 * u * 1.001);
            assert!(error <= bound, "{level:?} D={dimension} log {log}: {error} > {bound}");
            seen += 1;
        });
        assert_eq!(seen, rows.len());
    }
}

#[test]
fn the_sums_are_as_close_as_stated() {
    for dimension in (1..=130).chain([384, 768, 1024, 1536, 4096]) {
        check::<Jeffreys>(|t, v, w| ((t * t * (v + w) + (v - w) * (v - w)) / (v * w), w), dimension);
        check::<Kl>(|t, v, w| ((v + t * t) / w, w), dimension);
        check::<Bhattacharyya>(|t, v, w| (2.0 * t * t / (v + w), 4.0 * v * w / ((v + w) * (v + w))), dimension);
        check::<ExpectedLikelihood>(|t, v, w| (t * t / (v + w), v + w), dimension);
    }
}

#[test]
fn factors_out_of_range_are_told() {
    let query = Query::new::<Kl>(&[0.0; 70], &[1.0; 70]).unwrap();
    for (at, bad) in [(0, 0.0), (33, -0.0), (63, 1e-45), (69, f32::MAX), (68, RANGE.0.next_down())] {
        let mut variance = [1.0; 140];
        variance[70 + at] = bad;
        let rows = Rows::new(&[0.0; 140], &variance, 70).unwrap();
        for level in Level::available() {
            let mut told = Vec::new();
            divergences::<Kl>(*level, &query, rows, |_, sums| told.push(sums.is_none()));
            assert_eq!(told, [false, true], "{level:?} {bad}");
        }
    }
    assert!(Query::new::<Kl>(&[0.0], &[0.0]).is_none());
    assert!(Query::new::<ExpectedLikelihood>(&[0.0], &[0.0]).is_some());
}
