//! Rows and queries on which a shortcut that is not proven would show.

use uec_gaussian::Gaussians;

/// A data set.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) rows: Gaussians,
    pub(crate) queries: Gaussians,
}

const D: usize = 37;

/// Numbers that look random, of −1..1.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

fn gaussians(count: usize, mut row: impl FnMut(usize, &mut [f32], &mut [f32])) -> Gaussians {
    let mut gaussians = Gaussians::zeros(count, D);
    let rows = gaussians.mean.chunks_exact_mut(D).zip(gaussians.variance.chunks_exact_mut(D));
    rows.enumerate().for_each(|(index, (mean, variance))| row(index, mean, variance));
    gaussians
}

/// `n` rows and `q` queries of each kind.
pub(crate) fn cases(n: usize, q: usize) -> Vec<Case> {
    let mut noise = Noise(7);
    let mut ordinary = |mean: &mut [f32], variance: &mut [f32]| {
        mean.fill_with(|| noise.next() / 4.0);
        variance.fill_with(|| noise.next().abs() / 40.0);
    };
    let queries = gaussians(q, |_, mean, variance| ordinary(mean, variance));
    let rows = gaussians(n, |_, mean, variance| ordinary(mean, variance));
    let case = |name, rows| Case { name, rows, queries: queries.clone() };
    let of = |index: usize| (rows.rows().row(index).mean, rows.rows().row(index).variance);
    let copy = |index: usize, mean: &mut [f32], variance: &mut [f32]| {
        mean.copy_from_slice(of(index).0);
        variance.copy_from_slice(of(index).1);
    };
    // A number that jumps about, of 0..modulus.
    let jump = |index: usize, modulus: usize| index * 7919 % 10_007 % modulus;

    let mut similar: Vec<usize> = (0..n).collect();
    let similarity = |row: &usize| of(*row).0.iter().zip(&queries.mean).map(|(x, y)| x * y).sum::<f32>();
    similar.sort_by(|x, y| similarity(x).total_cmp(&similarity(y)));
    vec![
        case("ordinary", rows.clone()),
        case("ties", gaussians(n, |row, mean, variance| copy(jump(row, 7), mean, variance))),
        case("ascending", gaussians(n, |row, mean, variance| copy(similar[row], mean, variance))),
        case(
            "tiny margins",
            gaussians(n, |row, mean, variance| {
                copy(similar[n - 1], mean, variance);
                let (at, step) = (jump(row, D), jump(row, 11) as f32 - 5.0);
                mean[at] *= 1.0 + step * f32::EPSILON;
                variance[at] *= 1.0 + step * 1e-7;
            }),
        ),
        case(
            "variances of every size",
            gaussians(n, |row, mean, variance| {
                copy(row, mean, variance);
                let size = [0.0, 1e-42, 1e-30, 1e-7, 1.0, 1e5, 1e30, 3e38][jump(row, 8)];
                variance.iter_mut().skip(row % 2).step_by(1 + row % 3).for_each(|v| *v = size * (1.0 - *v));
            }),
        ),
        case("certain", gaussians(n, |row, mean, _| copy(row, mean, &mut [0.0; D]))),
        Case {
            name: "all dissimilar",
            rows: gaussians(n, |row, mean, variance| {
                copy(row, mean, variance);
                mean.iter_mut().for_each(|x| *x = -x.abs());
            }),
            queries: gaussians(q, |query, mean, variance| {
                mean.iter_mut().zip(queries.rows().row(query).mean).for_each(|(x, y)| *x = y.abs());
                variance.copy_from_slice(queries.rows().row(query).variance);
            }),
        },
        case(
            "one giant",
            gaussians(n, |row, mean, variance| {
                copy(row, mean, variance);
                if row == n / 2 {
                    mean.iter_mut().for_each(|x| *x *= 1e20);
                }
            }),
        ),
        case(
            "too large for float32",
            gaussians(n, |row, mean, variance| {
                copy(row, mean, variance);
                let size = [1.0, 1e18, 1e25, 1e38][jump(row, 4)];
                mean.iter_mut().for_each(|x| *x *= size);
                variance.iter_mut().for_each(|v| *v *= size);
            }),
        ),
        // Scores of −10⁵⁰: as float32, bounds and the score to reach are all the least there is.
        case(
            "distances too large for float32",
            gaussians(n, |row, mean, variance| {
                copy(row, mean, variance);
                mean.iter_mut().for_each(|x| *x *= 1e25);
            }),
        ),
        case(
            "too small for float32",
            gaussians(n, |row, mean, variance| {
                copy(row, mean, variance);
                let size = [1e-20, 1e-36, 1e-40, 1e-44][jump(row, 4)];
                mean.iter_mut().for_each(|x| *x *= size);
                variance.iter_mut().for_each(|v| *v *= size);
                mean[0] = size.max(1e-36);
            }),
        ),
        Case {
            name: "huge and tiny queries",
            rows: rows.clone(),
            queries: gaussians(q, |query, mean, variance| {
                let size = [1e-44, 1e-30, 1e20, 1e38][query % 4];
                mean.iter_mut().zip(queries.rows().row(query).mean).for_each(|(x, y)| *x = size * y);
                variance.iter_mut().zip(queries.rows().row(query).variance).for_each(|(x, y)| *x = size * y);
            }),
        },
        Case { name: "zero queries", rows: rows.clone(), queries: Gaussians::zeros(q.min(2), D) },
    ]
}
