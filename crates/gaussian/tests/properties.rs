//! Facts about the mathematics that hold for every input (method §4–§6).
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use uec_gaussian::{
    Cancel, Coefficients, ErrorCode, Gaussians, Row, Rows, Score, all_pairs, coefficients, convolve, pairwise,
    score_pair,
};

fn any_mean() -> impl Strategy<Value = f32> {
    prop_oneof![4 => -1.0f32..1.0, 1 => Just(0.0), 1 => Just(1e-45), 1 => Just(-f32::MAX), 1 => Just(1e30)]
}

fn any_variance() -> impl Strategy<Value = f32> {
    prop_oneof![4 => 0.0f32..0.1, 1 => Just(0.0), 1 => Just(1e-45), 1 => Just(f32::MAX), 1 => Just(1e-20)]
}

fn gaussians(
    mean: impl Strategy<Value = f32>,
    variance: impl Strategy<Value = f32>,
    rows: usize,
    dimension: usize,
) -> impl Strategy<Value = Gaussians> {
    let (n, m) = (rows * dimension, rows * dimension);
    (prop::collection::vec(mean, n), prop::collection::vec(variance, m)).prop_map(move |(mean, variance)| Gaussians {
        mean,
        variance,
        dimension,
    })
}

fn sane(rows: usize, dimension: usize) -> impl Strategy<Value = Gaussians> {
    gaussians(-1.0f32..1.0, 1e-6f32..0.1, rows, dimension)
}

fn in_pool<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn uec_shrinks_towards_zero_and_falls_with_beta(pair in (1usize..40).prop_flat_map(|d| sane(2, d)), beta in 0.0f64..20.0, more in 0.0f64..20.0) {
        let (query, candidate) = (pair.rows().row(0), pair.rows().row(1));
        let score = |beta| score_pair(Score::Uec, beta, query, candidate);
        let folded = score(beta);
        prop_assert!(folded.score.abs() <= folded.similarity.abs());
        prop_assert!(folded.score * folded.similarity >= 0.0);
        prop_assert_eq!(score(0.0).score, folded.similarity);
        if folded.similarity > 0.0 {
            prop_assert!(score(beta + more).score <= folded.score);
        } else {
            prop_assert!(folded.score >= folded.similarity);
        }
    }

    #[test]
    fn symmetric_scores_are_symmetric_to_the_bit(pair in (1usize..40).prop_flat_map(|d| sane(2, d))) {
        let (query, candidate) = (pair.rows().row(0), pair.rows().row(1));
        for score in [Score::Uec, Score::Cosine, Score::Wasserstein2, Score::ExpectedLikelihood, Score::Csd, Score::ProbCosine] {
            prop_assert_eq!(score_pair(score, 1.0, query, candidate), score_pair(score, 1.0, candidate, query));
        }
        for score in [Score::Jeffreys, Score::Bhattacharyya] {
            let (there, back) = (score_pair(score, 1.0, query, candidate).score, score_pair(score, 1.0, candidate, query).score);
            prop_assert!((there - back).abs() <= 1e-12 * (1.0 + there.abs()));
        }
        let kl = |q, c| score_pair(Score::Kl, 1.0, q, c).score;
        let jeffreys = score_pair(Score::Jeffreys, 1.0, query, candidate).score;
        prop_assert!((kl(query, candidate) + kl(candidate, query) - jeffreys).abs() <= 1e-9 * (1.0 + jeffreys.abs()));
    }

    #[test]
    fn no_score_is_ever_nan(pair in (1usize..20).prop_flat_map(|d| gaussians(any_mean(), any_variance(), 2, d)), beta in prop_oneof![Just(0.0), Just(1.0), Just(f64::MAX)]) {
        let (query, candidate) = (pair.rows().row(0), pair.rows().row(1));
        for score in Score::ALL {
            let scored = score_pair(*score, beta, query, candidate);
            prop_assert!(!scored.score.is_nan() && !scored.similarity.is_nan() && !scored.deviation.is_nan(), "{score:?} {scored:?}");
            let one = |row: Row<'_>| Gaussians { mean: row.mean.to_vec(), variance: row.variance.to_vec(), dimension: row.mean.len() };
            let matrix = all_pairs(one(query).rows(), one(candidate).rows(), *score, beta, &Cancel::default()).unwrap();
            prop_assert!(!matrix.scores[0].is_nan() && !matrix.deviations[0].is_nan());
        }
    }

    #[test]
    fn matrices_depend_neither_on_threads_nor_on_neighbours(queries in sane(19, 21), candidates in sane(150, 21)) {
        for score in [Score::Uec, Score::Wasserstein2, Score::ProbCosine] {
            let run = |threads| in_pool(threads, || all_pairs(queries.rows(), candidates.rows(), score, 1.0, &Cancel::default()).unwrap());
            let matrix = run(1);
            prop_assert_eq!(&matrix, &run(4));
            for (q, query) in queries.rows().iter().enumerate() {
                let single = Rows::new(query.mean, query.variance, 21).unwrap();
                let row = all_pairs(single, candidates.rows(), score, 1.0, &Cancel::default()).unwrap();
                prop_assert_eq!(&matrix.scores[q * 150..(q + 1) * 150], &row.scores[..]);
                for (c, candidate) in candidates.rows().iter().enumerate() {
                    let exact = score_pair(score, 1.0, query, candidate);
                    let scale: f64 = query.mean.iter().zip(candidate.mean).map(|(a, b)| f64::from(a * b).abs()).sum::<f64>();
                    let got = f64::from(matrix.similarities[q * 150 + c]);
                    prop_assert!((got - exact.similarity).abs() <= 1e-5 * scale);
                    prop_assert!((f64::from(matrix.deviations[q * 150 + c]) - exact.deviation).abs() <= 1e-5 * exact.deviation);
                }
            }
        }
    }

    #[test]
    fn coefficients_of_a_row_ignore_the_other_rows(
        members in prop::collection::vec(gaussians(any_mean(), any_variance(), 7, 5), 1..5), temperature in prop_oneof![Just(1e-300), Just(1.0), Just(1e300)],
    ) {
        let rows: Vec<_> = members.iter().map(Gaussians::rows).collect();
        let weights: Vec<f64> = (0..members.len()).map(|k| (k + 1) as f64).collect();
        for rule in [
            Coefficients::SoftmaxTrace, Coefficients::InverseVariance, Coefficients::SoftmaxPrecision, Coefficients::Uniform,
            Coefficients::Power(0.3), Coefficients::Power(7.0), Coefficients::Fixed(&weights),
        ] {
            let get = |rows: &[Rows<'_>]| coefficients(rule, temperature, rows, None, &Cancel::default()).unwrap();
            let all = get(&rows);
            prop_assert!(all.iter().all(|c| (0.0..=1.0).contains(c)), "{all:?}");
            for (index, row) in all.chunks_exact(members.len()).enumerate() {
                prop_assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12 || rows.iter().all(|m| m.row(index).is_zero()));
                let single: Vec<_> = rows.iter().map(|m| m.row(index)).map(|r| Rows::new(r.mean, r.variance, 5).unwrap()).collect();
                prop_assert_eq!(row, &get(&single)[..]);
            }
            let mixed = convolve(&rows, &all, true, &Cancel::default()).unwrap();
            mixed.gaussians.rows().validate().unwrap();
            convolve(&rows, &all, false, &Cancel::default()).unwrap().gaussians.rows().validate().unwrap();
        }
    }

    #[test]
    fn the_order_of_the_members_does_not_matter(members in prop::collection::vec(sane(3, 6), 2..5)) {
        let rows: Vec<_> = members.iter().map(Gaussians::rows).collect();
        let reversed: Vec<_> = rows.iter().rev().copied().collect();
        for rule in [Coefficients::SoftmaxTrace, Coefficients::InverseVariance, Coefficients::SoftmaxPrecision] {
            let get = |rows: &[Rows<'_>]| coefficients(rule, 0.5, rows, None, &Cancel::default()).unwrap();
            let (there, back) = (get(&rows), get(&reversed));
            for (there, back) in there.chunks_exact(rows.len()).zip(back.chunks_exact(rows.len())) {
                for (x, y) in there.iter().zip(back.iter().rev()) {
                    prop_assert!((x - y).abs() <= 1e-15);
                }
            }
        }
    }
}

/// A long sum: the bound of the float32 matrix must not grow with D.
#[test]
fn the_bound_of_all_pairs_holds_at_large_dimension() {
    let dimension = 20_000;
    let vector = |seed: f32, scale: f32| -> Vec<f32> {
        (0..dimension).map(|d| ((d as f32 * seed).sin() * scale).abs() + 1e-4).collect()
    };
    let (a, v, b, w) = (vector(1.1, 1.0), vector(2.3, 0.1), vector(0.7, 1.0), vector(3.1, 0.1));
    let (query, candidate) = (Rows::new(&a, &v, dimension).unwrap(), Rows::new(&b, &w, dimension).unwrap());
    let exact = score_pair(Score::Uec, 1.0, query.row(0), candidate.row(0));
    let got = all_pairs(query, candidate, Score::Uec, 1.0, &Cancel::default()).unwrap();
    assert!((f64::from(got.similarities[0]) - exact.similarity).abs() <= 1e-6 * exact.similarity);
    assert!((f64::from(got.deviations[0]) - exact.deviation).abs() <= 1e-6 * exact.deviation);
}

#[test]
fn an_invalid_member_counts_nothing_and_no_valid_member_gives_an_invalid_row() {
    // Row 0: both valid, row 1: the second member could not embed it, row 2: neither could.
    let first = Gaussians {
        mean: vec![1.0, 0.0, 0.0, 1.0, 0.0, 0.0],
        variance: vec![0.1, 0.1, 0.2, 0.2, 0.0, 0.0],
        dimension: 2,
    };
    let second = Gaussians {
        mean: vec![0.0, 1.0, 0.0, 0.0, 0.0, 0.0],
        variance: vec![0.1, 0.1, 0.0, 0.0, 0.0, 0.0],
        dimension: 2,
    };
    let rows = [first.rows(), second.rows()];
    for rule in [
        Coefficients::SoftmaxTrace,
        Coefficients::InverseVariance,
        Coefficients::Uniform,
        Coefficients::Fixed(&[3.0, 3.0]),
    ] {
        let pi = coefficients(rule, 1.0, &rows, None, &Cancel::default()).unwrap();
        assert_eq!(pi, [0.5, 0.5, 1.0, 0.0, 0.0, 0.0]);
        let mixed = convolve(&rows, &pi, true, &Cancel::default()).unwrap();
        assert_eq!(mixed.valid, [1, 1, 0]);
        assert_eq!(mixed.norm2, [0.5, 1.0, 0.0]);
        assert!(mixed.gaussians.rows().row(2).is_zero());
        assert_eq!(mixed.gaussians.rows().row(1).mean, [0.0, 1.0]);
    }
}

#[test]
fn cancelling_means_give_an_invalid_row() {
    let first = Gaussians { mean: vec![1.0, 0.0], variance: vec![0.1, 0.1], dimension: 2 };
    let second = Gaussians { mean: vec![-1.0, 0.0], variance: vec![0.1, 0.1], dimension: 2 };
    let mixed = convolve(&[first.rows(), second.rows()], &[0.5, 0.5], false, &Cancel::default()).unwrap();
    assert_eq!(mixed.valid, [0]);
    assert!(mixed.gaussians.rows().row(0).is_zero());
}

#[test]
fn coefficients_that_could_overflow_are_refused() {
    let first = Gaussians { mean: vec![f32::MAX], variance: vec![f32::MAX], dimension: 1 };
    let second = Gaussians { mean: vec![-f32::MAX], variance: vec![f32::MAX], dimension: 1 };
    let mix = |c: f64| convolve(&[first.rows(), second.rows()], &[c, c / 2.0], true, &Cancel::default());
    for bad in [f64::MAX, 1e39, f64::INFINITY, f64::NAN, -1e-300] {
        assert_eq!(mix(bad).unwrap_err().code, ErrorCode::InvalidArgument, "{bad}");
    }
    for fine in [3e38, 1.0, 1e-300] {
        mix(fine).unwrap().gaussians.rows().validate().unwrap();
    }
}

#[test]
fn extreme_temperatures_reach_the_limits() {
    let member = |v: f32| Gaussians { mean: vec![1.0], variance: vec![v], dimension: 1 };
    let (sure, unsure) = (member(0.1), member(0.2));
    let get = |t: f64| {
        coefficients(Coefficients::SoftmaxTrace, t, &[sure.rows(), unsure.rows()], None, &Cancel::default()).unwrap()
    };
    assert_eq!(get(f64::MIN_POSITIVE), [1.0, 0.0]);
    assert_eq!(get(f64::MAX), [0.5, 0.5]);
}

#[test]
fn a_negative_zero_is_as_certain_as_zero() {
    let member = |v: f32| Gaussians { mean: vec![1.0, 0.0], variance: vec![v, 0.1], dimension: 2 };
    let (sure, unsure) = (member(-0.0), member(0.1));
    for rule in [Coefficients::SoftmaxPrecision, Coefficients::SoftmaxTrace, Coefficients::InverseVariance] {
        let get = |sure: &Gaussians| {
            coefficients(rule, 1.0, &[sure.rows(), unsure.rows()], None, &Cancel::default()).unwrap()
        };
        assert_eq!(get(&sure), get(&member(0.0)), "{rule:?}");
    }
    let pi = coefficients(Coefficients::SoftmaxPrecision, 1.0, &[sure.rows(), unsure.rows()], None, &Cancel::default());
    assert_eq!(pi.unwrap(), [1.0, 0.0]);
}

#[test]
fn bad_arguments_are_named() {
    let one = Gaussians { mean: vec![1.0, 2.0], variance: vec![0.1, 0.2], dimension: 2 };
    let other = Gaussians { mean: vec![1.0, 2.0], variance: vec![0.1, 0.2], dimension: 1 };
    let cancel = Cancel::default();
    let code = |rule, temperature, members: &[Rows<'_>]| {
        coefficients(rule, temperature, members, None, &cancel).unwrap_err().code
    };
    for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(code(Coefficients::SoftmaxTrace, temperature, &[one.rows()]), ErrorCode::InvalidArgument);
    }
    for weights in [&[1.0, 2.0][..], &[0.0], &[-1.0], &[f64::NAN]] {
        assert_eq!(code(Coefficients::Fixed(weights), 1.0, &[one.rows()]), ErrorCode::InvalidArgument);
    }
    assert_eq!(code(Coefficients::Power(0.0), 1.0, &[one.rows()]), ErrorCode::InvalidArgument);
    assert_eq!(code(Coefficients::Uniform, 1.0, &[]), ErrorCode::InvalidArgument);
    assert_eq!(code(Coefficients::Uniform, 1.0, &[one.rows(), other.rows()]), ErrorCode::InvalidArgument);
    assert_eq!(
        convolve(&[one.rows(), other.rows()], &[0.5; 2], true, &cancel).unwrap_err().code,
        ErrorCode::DimensionMismatch
    );
    assert_eq!(
        pairwise(one.rows(), other.rows(), Score::Uec, 1.0, &cancel).unwrap_err().code,
        ErrorCode::DimensionMismatch
    );
    assert_eq!(
        all_pairs(one.rows(), one.rows(), Score::Uec, -1.0, &cancel).unwrap_err().code,
        ErrorCode::InvalidArgument
    );
    assert_eq!(convolve(&[one.rows()], &[0.5, 0.5], true, &cancel).unwrap_err().code, ErrorCode::InvalidArgument);
    assert_eq!("euclid".parse::<Score>().unwrap_err().code, ErrorCode::InvalidArgument);
    assert_eq!("expected-likelihood".parse::<Score>().unwrap(), Score::ExpectedLikelihood);
    cancel.cancel();
    assert_eq!(pairwise(one.rows(), one.rows(), Score::Uec, 1.0, &cancel).unwrap_err().code, ErrorCode::Aborted);
    assert_eq!(all_pairs(one.rows(), one.rows(), Score::Uec, 1.0, &cancel).unwrap_err().code, ErrorCode::Aborted);
}

#[test]
fn no_rows_are_no_error() {
    let none = Gaussians::zeros(0, 3);
    let cancel = Cancel::default();
    assert!(pairwise(none.rows(), none.rows(), Score::Uec, 1.0, &cancel).unwrap().scores.is_empty());
    assert!(all_pairs(none.rows(), none.rows(), Score::Uec, 1.0, &cancel).unwrap().scores.is_empty());
    let pi = coefficients(Coefficients::SoftmaxTrace, 1.0, &[none.rows()], None, &cancel).unwrap();
    assert!(convolve(&[none.rows()], &pi, true, &cancel).unwrap().valid.is_empty());
}
