//! Every sum of every kernel against float64, at every length and instruction set: off by at most γ Σ|terms|,
//! γ = m 2⁻²⁴/(1 − m 2⁻²⁴) with the m that the kernel states; integers exactly.

use std::ops::Range;

use super::distance::Distances;
use super::dot::Dots;
use super::int8::Codes;
use super::moments::{Moments, Query};
use super::stream::{BLOCK, Finish, Groups, stream};
use crate::Rows;
use crate::simd::{Level, Simd};

/// More than one block of rows side by side, and some left over.
const ROWS: usize = 4 * BLOCK + 4 + 3;

fn lengths() -> impl Iterator<Item = usize> {
    (1..=130).chain([384, 768, 1024, 1536, 4096])
}

/// Both signs and many magnitudes, one element off any alignment.
fn values(n: usize, seed: f32) -> Vec<f32> {
    (0..=n).map(|i| (i as f32 * 12.9898 + seed).sin() * 10_f32.powi((i * 7 % 13) as i32 - 6)).collect()
}

const NUMBERS: [fn(usize, f32) -> Vec<f32>; 2] = [values, extremes];

fn positive(x: Vec<f32>) -> Vec<f32> {
    x.into_iter().map(f32::abs).collect()
}

/// The same with zeros, numbers below the normal ones and large ones in between.
fn extremes(n: usize, seed: f32) -> Vec<f32> {
    let numbers = [0.0, 1e-45, 1e12, -1e-39, -0.0, 1e-41, -1e12, 1e-30];
    let extreme = |(i, x)| if i % 3 == 0 { numbers[(i / 3 + (seed * 10.0) as usize) % numbers.len()] } else { x };
    values(n, seed).into_iter().enumerate().map(extreme).collect()
}

/// Hands every row on by itself.
struct Each<F>(F);

impl<T: Copy, F: FnMut(usize, [T; N]), const N: usize> Finish<T, N> for Each<F> {
    fn begin<S: Simd>(&self, _row: usize) {}

    fn finish<S: Simd>(&mut self, rows: Range<usize>, sums: &[[T; BLOCK]; N]) {
        assert!(rows.len() <= BLOCK);
        for (i, row) in rows.enumerate() {
            (self.0)(row, sums.map(|sums| sums[i]));
        }
    }
}

/// Compares with sums of terms in float64; `extra` is m − ⌈D/lanes⌉. Two products below the normal numbers are off by
/// 2⁻¹⁵⁰ each, one of them times a number up to 10¹².
fn check<const N: usize, const R: usize>(
    level: Level,
    dimension: usize,
    extra: usize,
    kernel: &impl Groups<f32, N, R>,
    terms: impl Fn(usize, usize) -> [f64; N],
) {
    let roundings = (dimension.div_ceil(level.lanes()) + extra) as f64 * (-24.0_f64).exp2();
    let underflow = dimension as f64 * (-150.0_f64).exp2() * (1.0 + 1e12);
    let mut seen = [0; ROWS];
    let each = |row: usize, sums: [f32; N]| {
        seen[row] += 1;
        for (index, sum) in sums.into_iter().enumerate() {
            let (mut exact, mut size) = (0.0, 0.0);
            for d in 0..dimension {
                exact += terms(row, d)[index];
                size += terms(row, d)[index].abs();
            }
            let error = (f64::from(sum) - exact).abs();
            assert!(
                error <= roundings / (1.0 - roundings) * size + underflow,
                "{level:?} D={dimension} row {row} sum {index}: {sum} for {exact}"
            );
        }
    };
    stream(level, kernel, Each(each));
    assert_eq!(seen, [1; ROWS], "every row once");
}

#[test]
fn sums_are_as_near_as_stated() {
    let levels = || Level::available().iter().copied();
    for (dimension, level, numbers) in
        lengths().flat_map(|d| levels().flat_map(move |level| NUMBERS.map(|numbers| (d, level, numbers))))
    {
        let rows = ROWS * dimension;
        let (a, b) = (numbers(dimension, 0.1), numbers(rows, 0.4));
        let [v, p, w] = [(dimension, 0.2), (dimension, 0.3), (rows, 0.5)].map(|(n, seed)| positive(numbers(n, seed)));
        let [a, v, p, b, w] = [&a, &v, &p, &b, &w].map(|x| &x[1..]);
        let rows = Rows::new(b, w, dimension).unwrap();
        let at = |x: &[f32], row: usize, d: usize| f64::from(x[row * dimension + d]);
        let terms = |row: usize, d: usize| {
            let (a, b) = (f64::from(a[d]), at(b, row, d));
            [a * b, b * b]
        };
        check(level, dimension, 5, &Dots::<_, 2>::new(a, b), terms);
        check(level, dimension, 5, &Dots::<_, 1>::new(a, b), |row, d| [terms(row, d)[0]]);
        let query = Query { mean: a, second: p, variance: v };
        check(level, dimension, 6, &Moments::<5>::new(query, rows), |row, d| {
            let ([a, p, v], b, w) = ([a[d], p[d], v[d]].map(f64::from), at(b, row, d), at(w, row, d));
            [b * a, w * p, v * b * b, b * b, w]
        });
        // √v and √w count as exact here: that of w is taken from float32 as the kernel does.
        check(level, dimension, 7, &Distances::<3>::new(a, v, rows), |row, d| {
            let (difference, w) = (f64::from(a[d]) - at(b, row, d), at(w, row, d));
            let root = f64::from(v[d]) - f64::from(w as f32).sqrt() as f32 as f64;
            [difference * difference, w, root * root]
        });
    }
}

#[test]
fn binary16_rows_are_as_near_as_stated() {
    for (dimension, level) in lengths().flat_map(|d| Level::available().iter().map(move |level| (d, *level))) {
        let a = values(dimension, 0.6);
        // Powers of two of both signs and subnormals: what they stand for needs no decoder here.
        let code = |i: usize| ((i * 5 % 31) as u16) << 10 | ((i * 3 % 2) as u16) << 15;
        let value = |i: usize| {
            let size = match i * 5 % 31 {
                0 => 0.0,
                exponent => (exponent as f64 - 15.0).exp2(),
            };
            if i * 3 % 2 == 1 { -size } else { size }
        };
        let codes: Vec<u16> = (0..=ROWS * dimension).map(code).collect();
        let terms = |row: usize, d: usize| {
            let x = value(1 + row * dimension + d);
            [f64::from(a[1 + d]) * x, x * x]
        };
        check(level, dimension, 5, &Dots::<_, 2>::new(&a[1..], &codes[1..]), terms);
        check(level, dimension, 5, &Dots::<_, 1>::new(&a[1..], &codes[1..]), |row, d| [terms(row, d)[0]]);
    }
}

#[test]
fn integers_are_exact_and_the_query_is_near_its_codes() {
    for (dimension, level) in lengths().flat_map(|d| Level::available().iter().map(move |level| (d, *level))) {
        let query = &values(dimension, 0.7)[1..];
        let codes = Codes::new(query).unwrap();
        let rows: Vec<i8> = (0..=ROWS * dimension).map(|i| [127, -128, 3, -77, 0][i % 5]).collect();
        let mut seen = [0; ROWS];
        let mut dots = [0; ROWS];
        stream(level, &codes.dots::<1>(&rows[1..]), Each(|row, [dot]: [i32; 1]| dots[row] = dot));
        let each = |row: usize, [dot, square]: [i32; 2]| {
            seen[row] += 1;
            assert_eq!(dots[row], dot);
            let row = &rows[1 + row * dimension..1 + (row + 1) * dimension];
            assert_eq!(i64::from(square), row.iter().map(|c| i64::from(*c).pow(2)).sum::<i64>());
            let exact: f64 = query.iter().zip(row).map(|(a, c)| f64::from(*a) * f64::from(*c)).sum();
            let error = codes.residual * f64::from(square).sqrt();
            assert!((codes.scale * f64::from(dot) - exact).abs() <= error * (1.0 + 1e-9) + 1e-9);
        };
        stream(level, &codes.dots::<2>(&rows[1..]), Each(each));
        assert_eq!(seen, [1; ROWS], "every row once");
        let norm = query.iter().map(|a| f64::from(*a).powi(2)).sum::<f64>().sqrt();
        assert!(codes.residual <= 1e-4 * norm * (dimension as f64).sqrt(), "{} of {norm}", codes.residual);
    }
}

#[test]
fn no_query_overflows_the_integers() {
    for dimension in [1, 127, 128, 4096, (1 << 17) - 1] {
        let codes = Codes::new(&vec![f32::MAX; dimension]).unwrap();
        let rows = vec![i8::MIN; dimension];
        let exact = -128.0 * f64::from(f32::MAX) * dimension as f64;
        for level in Level::available() {
            let each = |_, [dot, square]: [i32; 2]| {
                assert!((codes.scale * f64::from(dot) / exact - 1.0).abs() < 1e-2);
                assert_eq!(square as usize, dimension << 14);
            };
            stream(*level, &codes.dots::<2>(&rows), Each(each));
        }
    }
    assert!(Codes::new(&vec![1.0; 1 << 17]).is_none());
}

#[test]
fn nothing_is_no_row() {
    for level in Level::available() {
        let none = |row: usize, _: [f32; 2]| panic!("row {row}");
        stream(*level, &Dots::<f32, 2>::new(&[], &[]), Each(none));
        stream(*level, &Dots::<f32, 2>::new(&[1.0], &[]), Each(none));
        stream(*level, &Codes::new(&[]).unwrap().dots::<1>(&[]), Each(|row: usize, _: [i32; 1]| panic!("row {row}")));
    }
}
