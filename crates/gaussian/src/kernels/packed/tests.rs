//! Every instruction set against float64, within the stated roundings.

use super::{PANEL, Products, Queries, ROWS, mean_roundings, row_roundings, variance_roundings};
use crate::simd::Level;
use crate::{Gaussians, Rows};

fn gaussians(rows: usize, dimension: usize, seed: u32) -> Gaussians {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut number = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    };
    Gaussians {
        mean: (0..rows * dimension).map(|_| number() - 0.5).collect(),
        variance: (0..rows * dimension).map(|_| number() * 0.1).collect(),
        dimension,
    }
}

/// Relative error after so many roundings, and the least that one underflow can cost.
fn gamma(roundings: usize) -> f64 {
    let errors = roundings as f64 * 2_f64.powi(-24);
    errors / (1.0 - errors)
}

fn check(level: Level, queries: Rows<'_>, rows: Rows<'_>, what: &str) {
    let dimension = rows.dimension;
    let underflow = 4.0 * dimension as f64 * 2_f64.powi(-149);
    let packed = Queries::new(queries, true);
    Products::with(|products| {
        products.compute(level, &packed, rows.mean, Some(rows.variance));
        for (q, query) in queries.iter().enumerate() {
            for (r, row) in rows.iter().enumerate() {
                let (mut mean, mut variance, mut scale) = (0.0, 0.0, 0.0);
                for d in 0..dimension {
                    let [a, v, b, w] = [query.mean[d], query.variance[d], row.mean[d], row.variance[d]].map(f64::from);
                    mean += a * b;
                    scale += (a * b).abs();
                    variance += (a * a + v) * w + v * b * b;
                }
                let got = f64::from(products.means(q / PANEL)[r].0[q % PANEL]);
                let bound = gamma(mean_roundings(dimension)) * scale + underflow;
                assert!((got - mean).abs() <= bound, "{what}: mean of {q}, {r}: {got} {mean}");
                let got = f64::from(products.variances(q / PANEL)[r].0[q % PANEL]);
                let bound = gamma(variance_roundings(dimension)) * variance + underflow;
                assert!((got - variance).abs() <= bound, "{what}: variance of {q}, {r}: {got} {variance}");
            }
        }
        for (r, row) in rows.iter().enumerate() {
            let norm: f64 = row.mean.iter().map(|b| f64::from(*b).powi(2)).sum();
            let trace: f64 = row.variance.iter().map(|w| f64::from(*w)).sum();
            for (got, want) in [(products.norms()[r], norm), (products.traces()[r], trace)] {
                let bound = gamma(row_roundings(dimension)) * want + underflow;
                assert!((f64::from(got) - want).abs() <= bound, "{what}: row {r}: {got} {want}");
            }
        }
    });
}

fn part(all: &Gaussians, rows: usize) -> Rows<'_> {
    let size = rows * all.dimension;
    Rows { mean: &all.mean[..size], variance: &all.variance[..size], dimension: all.dimension }
}

#[test]
fn every_level_is_within_its_roundings_at_every_dimension() {
    for dimension in (1..=130).chain([384, 768, 1024, 4096, 5000]) {
        let (queries, rows) = (gaussians(70, dimension, 1), gaussians(ROWS, dimension, 2));
        let (queries, rows) =
            if dimension > 400 { (part(&queries, 3), part(&rows, 5)) } else { (part(&queries, 21), part(&rows, 7)) };
        for level in Level::available() {
            check(*level, queries, rows, &format!("{} {dimension}", level.name()));
        }
    }
}

#[test]
fn every_number_of_queries_and_rows() {
    let (queries, rows) = (gaussians(70, 67, 3), gaussians(ROWS, 67, 4));
    for level in Level::available() {
        for count in 0..=70 {
            check(*level, part(&queries, count), part(&rows, count % 9), &format!("{} {count} queries", level.name()));
        }
        for count in 0..=ROWS {
            check(*level, part(&queries, 17), part(&rows, count), &format!("{} {count} rows", level.name()));
        }
    }
}

#[test]
fn extremes_are_within_the_roundings_too() {
    let numbers = [0.0, -0.0, 1e-18, -1e-12, 1e-6, 3e-7, -1.0, 1e5, 4e7, -1e9];
    let dimension = 37;
    let pick = |rows: usize, step: usize| -> Vec<f32> {
        (0..rows * dimension).map(|i| numbers[(i * step + i / dimension) % numbers.len()]).collect()
    };
    let make = |rows, step: usize| Gaussians {
        mean: pick(rows, step),
        variance: pick(rows, step + 2).into_iter().map(f32::abs).collect(),
        dimension,
    };
    let (queries, rows) = (make(19, 3), make(11, 7));
    for level in Level::available() {
        check(*level, queries.rows(), rows.rows(), level.name());
    }
}

#[test]
fn a_pair_has_the_same_bits_wherever_it_stands() {
    for dimension in [1, 100, 384, 2500] {
        let (queries, rows) = (gaussians(37, dimension, 5), gaussians(ROWS, dimension, 6));
        // The first number is left out: vectors begin where they like.
        let mean: Vec<f32> = std::iter::once(0.0).chain(rows.mean.iter().copied()).collect();
        for level in Level::available() {
            let all = Queries::new(queries.rows(), true);
            let alone: Vec<_> = queries
                .rows()
                .iter()
                .map(|q| Queries::new(Rows::new(q.mean, q.variance, dimension).unwrap(), true))
                .collect();
            let mut together = Products::default();
            together.compute(*level, &all, &mean[1..], Some(&rows.variance));
            let mut means = Products::default();
            means.compute(*level, &all, &mean[1..], None);
            for (q, query) in alone.iter().enumerate() {
                for r in [0, 5, 13, 47] {
                    let row = rows.rows().row(r);
                    let mut one = Products::default();
                    one.compute(*level, query, row.mean, Some(row.variance));
                    let of = |products: &Products| products.means(q / PANEL)[r].0[q % PANEL].to_bits();
                    assert_eq!(one.means(0)[0].0[0].to_bits(), of(&together), "{} {dimension}", level.name());
                    assert_eq!(of(&means), of(&together));
                    assert_eq!(
                        one.variances(0)[0].0[0].to_bits(),
                        together.variances(q / PANEL)[r].0[q % PANEL].to_bits()
                    );
                    assert_eq!(one.norms()[0].to_bits(), together.norms()[r].to_bits());
                }
            }
        }
    }
}
