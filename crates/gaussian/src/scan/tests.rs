//! No bound lies below the canonical score: every score, storage and instruction set, on rows that rounding, overflow,
//! underflow and cancellation make as hard as they get.

mod roundings;

use super::*;
use crate::{Gaussians, score_pair};

/// Deterministic noise in [−1, 1).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// Any magnitude that float32 has.
    fn wild(&mut self) -> f32 {
        self.next() * (self.next() * 126.0).exp2()
    }

    fn unit(&mut self, dimension: usize) -> Vec<f32> {
        let x: Vec<f32> = (0..dimension).map(|_| self.next()).collect();
        let norm = x.iter().map(|x| x * x).sum::<f32>().sqrt();
        x.iter().map(|x| x / norm).collect()
    }
}

/// Queries and rows of one dimension: the first half ordinary.
fn rows(dimension: usize) -> Gaussians {
    let mut noise = Noise(dimension as u64);
    let mut out = Gaussians { mean: Vec::new(), variance: Vec::new(), dimension };
    let mut push = |mean: Vec<f32>, variance: Vec<f32>| {
        out.mean.extend(mean);
        out.variance.extend(variance);
    };
    let first = noise.unit(dimension);
    for _ in 0..5 {
        let mean = noise.unit(dimension);
        push(mean, (0..dimension).map(|_| noise.next().abs() * 1e-2).collect());
    }
    push(first.clone(), vec![1e-3; dimension]);
    push(first.iter().map(|x| -x).collect(), vec![0.0; dimension]);
    push(
        first.iter().enumerate().map(|(d, x)| if d % 2 == 0 { 1.0 / x } else { -1.0 / x }).collect(),
        vec![1.0; dimension],
    );
    push(vec![0.0; dimension], vec![0.0; dimension]);
    for size in [1e-45_f32, 1e-38, 1e-30, 1e-20, 1e10, 1e19, 3e38] {
        for sign in [1.0, -1.0] {
            let mean = first.iter().map(|x| x.signum() * sign * size).collect();
            push(mean, vec![size; dimension]);
            push(first.iter().map(|x| x * sign * size).collect(), vec![1.0 / size.max(1e-38); dimension]);
            push(first.iter().map(|x| x * sign).collect(), vec![size; dimension]);
        }
    }
    for _ in 0..6 {
        let mean = (0..dimension).map(|_| noise.wild()).collect();
        push(mean, (0..dimension).map(|_| noise.wild().abs()).collect());
    }
    out
}

/// The codes of float16 storage and what they stand for: a power of two of each row, then binary16.
fn float16(rows: Rows<'_>) -> (Vec<u16>, Vec<f32>, Vec<f32>) {
    let (mut codes, mut scales, mut means) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows.iter() {
        let max = row.mean.iter().fold(0.0_f32, |max, x| max.max(x.abs()));
        let exponent = f64::from(max).log2().floor() - 14.0;
        let scale = if max == 0.0 { 1.0 } else { exponent.max(-126.0).exp2() as f32 };
        for x in row.mean {
            let code = binary16(f64::from(*x) / f64::from(scale));
            codes.push(code);
            means.push((f64::from(scale) * binary16_value(code)) as f32);
        }
        scales.push(scale);
    }
    (codes, scales, means)
}

fn binary16_value(code: u16) -> f64 {
    let (exponent, fraction) = (i32::from(code >> 10 & 31), f64::from(code & 1023));
    let magnitude = match exponent {
        0 => fraction * (-24.0_f64).exp2(),
        _ => (1024.0 + fraction) * f64::from(exponent - 25).exp2(),
    };
    if code >> 15 == 1 { -magnitude } else { magnitude }
}

/// Of |x| < 2¹⁵.
fn binary16(x: f64) -> u16 {
    let step = (x.abs().log2().floor().max(-14.0) - 10.0).exp2();
    let rounded = (x.abs() / step).round_ties_even();
    let magnitude = if rounded == 0.0 { 0 } else { (rounded + 1024.0 * (step.log2() + 24.0)) as u16 };
    magnitude | if x < 0.0 { 0x8000 } else { 0 }
}

/// The codes of int8 storage, scales, what they stand for, and how far that is from the rows.
fn int8(rows: Rows<'_>) -> (Vec<i8>, Vec<f32>, Vec<f32>, Vec<f32>) {
    let (mut codes, mut scales, mut means, mut errors) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in rows.iter() {
        let max = row.mean.iter().fold(0.0_f32, |max, x| max.max(x.abs()));
        let scale = if max == 0.0 { 1.0 } else { (max / 127.0).max(f32::MIN_POSITIVE) };
        let mut error = 0.0;
        for x in row.mean {
            let code = (x / scale).round_ties_even().clamp(-127.0, 127.0);
            codes.push(code as i8);
            means.push((scale * code).clamp(-f32::MAX, f32::MAX));
            error += (f64::from(*x) - f64::from(scale) * f64::from(code)).powi(2);
        }
        scales.push(scale);
        errors.push((error.sqrt() as f32).next_up());
    }
    (codes, scales, means, errors)
}

/// A copy that starts one element off whatever alignment a vector has.
struct Unaligned<T>(Vec<T>);

impl<T: Copy> Unaligned<T> {
    fn new(from: &[T]) -> Self {
        Self(from.first().into_iter().chain(from).copied().collect())
    }

    fn get(&self) -> &[T] {
        self.0.get(1..).unwrap_or(&[])
    }
}

fn check(name: &str, rows: Rows<'_>, query: Row<'_>, scan: &Scan, beta: f64, bounds: &[f32]) {
    for (index, (row, bound)) in rows.iter().zip(bounds).enumerate() {
        let score = score_pair(scan.score, beta, query, row).score;
        assert!(
            f64::from(*bound) >= score,
            "{name} {} {:?} D={} row {index}: bound {bound} below {score}",
            scan.score.name(),
            scan.level,
            rows.dimension
        );
    }
}

fn check_dimension(dimension: usize) {
    let all = rows(dimension);
    let rows = all.rows();
    let (means, variances) = (Unaligned::new(rows.mean), Unaligned::new(rows.variance));
    let (codes16, scales16, means16) = float16(rows);
    let (codes8, scales8, means8, errors8) = int8(rows);
    let (codes16, codes8) = (Unaligned::new(&codes16), Unaligned::new(&codes8));
    let unaligned = Rows::new(means.get(), variances.get(), dimension).unwrap();
    let decoded16 = Rows::new(&means16, rows.variance, dimension).unwrap();
    let decoded8 = Rows::new(&means8, rows.variance, dimension).unwrap();
    let mut bounds = vec![f32::NAN; rows.len()];
    // Every row is a query at some length.
    for query in rows.iter().skip(dimension % 11).step_by(11) {
        for (score, beta) in Score::ALL.iter().flat_map(|score| [0.0, 1.0, 1e3, 1e300].map(|beta| (*score, beta))) {
            if beta != 1.0 && !matches!(score, Score::Uec | Score::ProbCosine) {
                continue;
            }
            for level in Level::available() {
                let scan = Scan::with_level(query, score, beta, *level);
                scan.bounds(unaligned, &mut bounds);
                check("fused", rows, query, &scan, beta, &bounds);
                if !scan.bounds_from_means(Encoded::Float32(means.get()), &mut bounds) {
                    assert!(is_divergence(score));
                    continue;
                }
                check("float32", rows, query, &scan, beta, &bounds);
                scan.bounds_from_means(Encoded::Float16 { codes: codes16.get(), scales: &scales16 }, &mut bounds);
                check("float16", decoded16, query, &scan, beta, &bounds);
                let copy = Encoded::Int8 { codes: codes8.get(), scales: &scales8, errors: Some(&errors8) };
                scan.bounds_from_means(copy, &mut bounds);
                check("int8 copy", rows, query, &scan, beta, &bounds);
                let own = Encoded::Int8 { codes: codes8.get(), scales: &scales8, errors: None };
                scan.bounds_from_means(own, &mut bounds);
                check("int8", decoded8, query, &scan, beta, &bounds);
            }
        }
    }
}

#[test]
fn no_bound_lies_below_the_score_at_any_length() {
    (1..=130).for_each(check_dimension);
}

#[test]
fn no_bound_lies_below_the_score_at_usual_lengths() {
    [384, 768, 1024, 1536, 4096].into_iter().for_each(check_dimension);
}

#[test]
fn bounds_of_ordinary_rows_are_tight() {
    // What the margins come to: γ ≈ 60 · 2⁻²⁴ for float32; the query's int16 codes for int8; the errors of a copy.
    for dimension in [96, 384, 768] {
        let all = rows(dimension);
        let ordinary = 5 * dimension;
        let rows = Rows::new(&all.mean[..ordinary], &all.variance[..ordinary], dimension).unwrap();
        let (codes16, scales16, means16) = float16(rows);
        let (codes8, scales8, means8, errors8) = int8(rows);
        let mut bounds = vec![0.0; rows.len()];
        for (query, level) in rows.iter().flat_map(|query| Level::available().iter().map(move |level| (query, *level)))
        {
            let excess = |score: Score, means: &[f32], bounds: &[f32]| {
                let rows = Rows::new(means, rows.variance, dimension).unwrap();
                let scores = rows.iter().map(|row| score_pair(score, 1.0, query, row).score);
                let excess = |(score, bound): (f64, &f32)| (f64::from(*bound) - score) / score.abs().max(1.0);
                scores.zip(bounds).map(excess).fold(0.0, f64::max)
            };
            for score in [Score::Uec, Score::Cosine, Score::ProbCosine, Score::Wasserstein2, Score::Csd] {
                let scan = Scan::with_level(query, score, 1.0, level);
                scan.bounds(rows, &mut bounds);
                assert!(excess(score, rows.mean, &bounds) < 4e-5, "{score:?}");
                if matches!(score, Score::Uec | Score::Cosine) && dimension <= 384 && level.lanes() > 4 {
                    assert!(excess(score, rows.mean, &bounds) < 1e-5, "{score:?}");
                }
            }
            let scan = Scan::with_level(query, Score::Cosine, 1.0, level);
            scan.bounds_from_means(Encoded::Float16 { codes: &codes16, scales: &scales16 }, &mut bounds);
            // As if every code were the largest.
            assert!(excess(Score::Cosine, &means16, &bounds) < 1e-4);
            scan.bounds_from_means(Encoded::Int8 { codes: &codes8, scales: &scales8, errors: None }, &mut bounds);
            assert!(excess(Score::Cosine, &means8, &bounds) < 4e-4);
            let copy = Encoded::Int8 { codes: &codes8, scales: &scales8, errors: Some(&errors8) };
            scan.bounds_from_means(copy, &mut bounds);
            assert!(excess(Score::Cosine, rows.mean, &bounds) < 0.03);
        }
    }
}

#[test]
fn the_binary16_of_these_tests_is_binary16() {
    for code in (0..0x7c00).chain(0x8001..0xfc00) {
        assert_eq!(binary16(binary16_value(code)), code);
    }
    assert_eq!((binary16_value(0x3c00), binary16_value(0xc000), binary16_value(1)), (1.0, -2.0, (-24.0_f64).exp2()));
}
