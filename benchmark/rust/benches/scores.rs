//! cargo bench -p uec-bench: each score of a pair, with nothing around it. For work on one kernel; goals are judged by
//! `npm run bench`, which alternates subject and yardstick.
#![allow(clippy::unwrap_used, missing_docs)]

use divan::Bencher;
use divan::counter::BytesCount;
use uec_gaussian::{Gaussians, Rows, Score, score_pair};

fn main() {
    divan::main();
}

fn rows(dimension: usize) -> Gaussians {
    let numbers = |phase: f32| (0..2 * dimension).map(move |i| (i as f32 * 0.7 + phase).sin());
    Gaussians { mean: numbers(0.0).collect(), variance: numbers(1.0).map(|x| x * x * 0.01).collect(), dimension }
}

#[divan::bench(args = ["uec", "cosine", "wasserstein2", "jeffreys", "kl", "bhattacharyya", "expected-likelihood", "csd", "prob-cosine"])]
fn pair(bencher: Bencher<'_, '_>, score: &str) {
    const DIMENSION: usize = 384;
    let (score, rows) = (score.parse::<Score>().unwrap(), rows(DIMENSION));
    let rows = Rows::new(&rows.mean, &rows.variance, DIMENSION).unwrap();
    bencher
        .counter(BytesCount::of_many::<f32>(2 * DIMENSION))
        .bench(|| score_pair(score, 1.0, rows.row(0), divan::black_box(rows.row(1))));
}
