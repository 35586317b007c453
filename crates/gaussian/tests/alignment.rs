//! Orthogonal Procrustes: SciPy's result, and what makes it the right one.
#![allow(clippy::unwrap_used)]

use serde::Deserialize;
use uec_gaussian::{Alignment, Cancel, ErrorCode, Gaussians, Procrustes, Rows, procrustes};

/// Numbers of a normal distribution, by Box and Muller from a linear congruence.
struct Normal(u64);

impl Normal {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    fn next(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    fn rows(&mut self, n: usize, dimension: usize) -> Vec<f32> {
        (0..n * dimension).map(|_| self.next() as f32).collect()
    }

    /// `rows`×`columns`, row-major, with orthonormal rows or columns, whichever are fewer: Gram and Schmidt, twice.
    fn orthogonal(&mut self, rows: usize, columns: usize) -> Vec<f64> {
        let (short, long) = (rows.min(columns), rows.max(columns));
        let mut basis: Vec<Vec<f64>> = Vec::new();
        while basis.len() < short {
            let mut x: Vec<f64> = (0..long).map(|_| self.next()).collect();
            for _ in 0..2 {
                for known in &basis {
                    let along = dot(&x, known);
                    x.iter_mut().zip(known).for_each(|(x, k)| *x -= along * k);
                }
            }
            let length = dot(&x, &x).sqrt();
            basis.push(x.iter().map(|x| x / length).collect());
        }
        let at = |row: usize, column: usize| if rows <= columns { basis[row][column] } else { basis[column][row] };
        (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))).map(|(r, c)| at(r, c)).collect()
    }
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// A x of every row, in float64.
fn mapped(a: &[f64], columns: usize, x: &[f32]) -> Vec<f64> {
    x.chunks_exact(columns)
        .flat_map(|x| {
            let x: Vec<f64> = x.iter().copied().map(f64::from).collect();
            a.chunks_exact(columns).map(move |row| dot(row, &x)).collect::<Vec<_>>()
        })
        .collect()
}

fn residual(a: &[f64], columns: usize, x: &[f32], y: &[f32]) -> f64 {
    mapped(a, columns, x).iter().zip(y).map(|(got, y)| (got - f64::from(*y)).powi(2)).sum()
}

fn fit(x: &[f32], columns: usize, y: &[f32], rows: usize) -> Procrustes {
    procrustes(x, columns, y, rows, &Cancel::default()).unwrap()
}

fn matrix(fitted: &Procrustes) -> Vec<f64> {
    fitted.alignment.matrix().into_iter().map(f64::from).collect()
}

fn largest_difference(x: &[f64], y: &[f64]) -> f64 {
    assert_eq!(x.len(), y.len());
    x.iter().zip(y).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
}

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    columns: usize,
    rows: usize,
    x: Vec<Vec<f32>>,
    y: Vec<Vec<f32>>,
    a: Vec<Vec<f64>>,
    cosine: f64,
}

/// The file is made by python/procrustes.py.
#[test]
fn scipy_finds_the_same() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../__test__/fixtures/procrustes.json");
    let file: File = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(file.cases.len() >= 4);
    for case in file.cases {
        let fitted = fit(&case.x.concat(), case.columns, &case.y.concat(), case.rows);
        let difference = largest_difference(&matrix(&fitted), &case.a.concat());
        assert!(difference < 1e-7, "{}×{}: {difference}", case.rows, case.columns); // A is float32
        assert!((fitted.cosine - case.cosine).abs() < 1e-9, "{} instead of {}", fitted.cosine, case.cosine);
    }
}

#[test]
fn a_hidden_rotation_is_found() {
    for (columns, rows) in [(16, 16), (8, 20)] {
        let mut random = Normal(3);
        let hidden = random.orthogonal(rows, columns);
        let x = random.rows(100, columns);
        let y: Vec<f32> = mapped(&hidden, columns, &x).into_iter().map(|y| y as f32).collect();
        let fitted = fit(&x, columns, &y, rows);
        assert!(largest_difference(&matrix(&fitted), &hidden) < 1e-6);
        assert!(fitted.cosine > 1.0 - 1e-12 && fitted.cosine <= 1.0 + 1e-12 && fitted.anchors == 100);
    }
}

#[test]
fn no_random_rotation_has_a_smaller_residual() {
    for (columns, rows) in [(9, 9), (5, 9)] {
        let mut random = Normal(5);
        let (x, y) = (random.rows(30, columns), random.rows(30, rows));
        let fitted = matrix(&fit(&x, columns, &y, rows));
        let best = residual(&fitted, columns, &x, &y);
        for _ in 0..200 {
            assert!(residual(&random.orthogonal(rows, columns), columns, &x, &y) >= best);
        }
        // Nor one nearby: a small rotation of two coordinates of the result.
        for plane in 0..rows - 1 {
            for angle in [-1e-2_f64, 1e-2] {
                let mut turned = fitted.clone();
                let (above, below) = turned.split_at_mut((plane + 1) * columns);
                let (above, below) = (&mut above[plane * columns..], &mut below[..columns]);
                for (p, q) in above.iter_mut().zip(below) {
                    (*p, *q) = (angle.cos() * *p - angle.sin() * *q, angle.sin() * *p + angle.cos() * *q);
                }
                assert!(residual(&turned, columns, &x, &y) >= best);
            }
        }
    }
}

/// Also where it is no least squares: Σ ⟨A x, y⟩ is what A makes largest.
#[test]
fn a_projection_keeps_the_most() {
    let mut random = Normal(11);
    let (x, y) = (random.rows(40, 9), random.rows(40, 4));
    let along = |a: &[f64]| mapped(a, 9, &x).iter().zip(&y).map(|(got, y)| got * f64::from(*y)).sum::<f64>();
    let best = along(&matrix(&fit(&x, 9, &y, 4)));
    assert!((0..200).all(|_| along(&random.orthogonal(4, 9)) <= best));
}

#[test]
fn it_is_orthogonal_whatever_the_anchors() {
    let mut random = Normal(7);
    for (columns, rows, anchors) in
        [(12, 12, 40), (12, 12, 3), (12, 12, 2), (5, 12, 4), (12, 5, 40), (12, 5, 3), (1, 1, 2)]
    {
        let (x, y) = (random.rows(anchors, columns), random.rows(anchors, rows));
        let fitted = fit(&x, columns, &y, rows);
        assert!(fitted.alignment.deviation() < 1e-6, "{rows}×{columns} from {anchors}");
        assert_eq!(fitted, fit(&x, columns, &y, rows), "deterministic");
    }
    let same = random.rows(1, 6).repeat(5);
    assert!(fit(&same, 6, &same, 6).alignment.deviation() < 1e-6);
}

/// However few anchors there are: directions of which they say nothing stay where they are.
#[test]
fn equal_spaces_need_no_alignment() {
    let mut random = Normal(9);
    for anchors in [2, 5, 40] {
        let x = random.rows(anchors, 10);
        let identity: Vec<f64> = (0..100).map(|i| f64::from(i % 11 == 0)).collect();
        let difference = largest_difference(&matrix(&fit(&x, 10, &x, 10)), &identity);
        assert!(difference < 1e-3, "{anchors} anchors: {difference}");
    }
}

#[test]
fn a_rotation_keeps_length_and_trace() {
    let mut random = Normal(13);
    for (columns, rows) in [(24, 24), (10, 24)] {
        let fitted = fit(&random.rows(60, columns), columns, &random.rows(60, rows), rows);
        let mean = random.rows(5, columns);
        let variance: Vec<f32> = random.rows(5, columns).iter().map(|v| v.abs()).collect();
        let given = Rows::new(&mean, &variance, columns).unwrap();
        let Gaussians { mean, variance, dimension } = fitted.alignment.map(given, &Cancel::default()).unwrap();
        assert_eq!(dimension, rows);
        for (got, row) in Rows::new(&mean, &variance, rows).unwrap().iter().zip(given.iter()) {
            let norm2 = |x: &[f32]| x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
            assert!((norm2(got.mean) / norm2(row.mean) - 1.0).abs() < 1e-6);
            assert!((got.trace() / row.trace() - 1.0).abs() < 1e-6);
        }
    }
}

#[test]
fn texts_that_one_encoder_could_not_embed_do_not_count() {
    let mut random = Normal(17);
    let (mut x, mut y) = (random.rows(20, 6), random.rows(20, 6));
    let expected = fit(&x[12..], 6, &y[12..], 6);
    x[..6].fill(0.0);
    y[6..12].fill(0.0);
    let fitted = fit(&x, 6, &y, 6);
    assert_eq!(fitted.anchors, 18);
    assert!(largest_difference(&matrix(&fitted), &matrix(&expected)) < 1e-6);
}

#[test]
fn unusable_anchors_are_refused() {
    let refused = |x: &[f32], columns: usize, y: &[f32], rows: usize| {
        let error = procrustes(x, columns, y, rows, &Cancel::default()).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidArgument, "{error}");
        error.message
    };
    assert!(refused(&[], 2, &[], 2).contains("at least 2"));
    assert!(refused(&[1.0, 0.0], 2, &[1.0, 0.0], 2).contains("better 4"));
    assert!(refused(&[1.0, 0.0, 0.0, 0.0], 2, &[1.0; 4], 2).contains("1 anchors"));
    assert!(refused(&[1.0; 4], 2, &[1.0; 6], 2).contains("same anchors"));
    refused(&[1.0; 3], 2, &[1.0; 4], 2);
    refused(&[1.0; 4], 0, &[1.0; 4], 2);
    assert!(refused(&[1.0, f32::NAN, 1.0, 1.0], 2, &[1.0; 4], 2).contains("finite"));
    let cancel = Cancel::default();
    cancel.cancel();
    let aborted = procrustes(&[1.0; 4], 2, &[1.0; 4], 2, &cancel).unwrap_err();
    assert_eq!(aborted.code, ErrorCode::Aborted);
}

#[test]
fn a_matrix_that_is_no_rotation_is_seen() {
    let identity = |scale: f32| Alignment::new(vec![scale, 0.0, 0.0, scale], 2, 2).unwrap();
    assert_eq!(identity(1.0).deviation(), 0.0);
    assert!((identity(1.1).deviation() - 0.21).abs() < 1e-6);
    assert_eq!(Alignment::new(vec![1.0, 0.0], 1, 2).unwrap().deviation(), 0.0);
    assert_eq!(Alignment::new(vec![1.0, 0.0], 2, 1).unwrap().deviation(), 0.0);
    assert_eq!(identity(1.0).matrix(), [1.0, 0.0, 0.0, 1.0]);
}
