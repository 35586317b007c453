//! topk.json: all ten rankings of ten queries over 200 documents with exact ties, computed without this project's code.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use serde::Deserialize;
use uec_gaussian::{Cancel, Gaussians, Score};
use uec_index::{GaussianIndex, IndexOptions, SearchOptions};

#[derive(Deserialize)]
struct File {
    d: usize,
    k: usize,
    documents: Vec<Point>,
    queries: Vec<Point>,
    results: Vec<Expected>,
}

#[derive(Deserialize)]
struct Point {
    mu: Vec<f32>,
    v: Vec<f32>,
}

#[derive(Deserialize)]
struct Expected {
    query: usize,
    rankings: HashMap<String, Ranking>,
}

#[derive(Deserialize)]
struct Ranking {
    index: Vec<u32>,
    score: Vec<f64>,
    mu_s: Option<Vec<f64>>,
    sigma: Option<Vec<f64>>,
}

fn gaussians(points: &[Point], dimension: usize) -> Gaussians {
    Gaussians {
        mean: points.iter().flat_map(|p| p.mu.iter().copied()).collect(),
        variance: points.iter().flat_map(|p| p.v.iter().copied()).collect(),
        dimension,
    }
}

fn assert_close(got: &[f64], expected: &[f64], what: &str) {
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() <= 1e-12 * expected.abs(), "{what}: {got} instead of {expected}");
    }
}

#[test]
fn all_ten_rankings_match() {
    let path = format!("{}/../../__test__/fixtures/golden/topk.json", env!("CARGO_MANIFEST_DIR"));
    let file: File = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let (documents, queries) = (gaussians(&file.documents, file.d), gaussians(&file.queries, file.d));
    let ids: Vec<String> = (0..file.documents.len()).map(|i| format!("document {i}")).collect();
    let index = GaussianIndex::new(IndexOptions { dimension: file.d, ..IndexOptions::default() }).unwrap();
    index.add(&ids, documents.rows()).unwrap();
    let index = index.snapshot();

    let mut compared = 0;
    for expected in &file.results {
        assert_eq!(expected.rankings.len(), 10);
        for (name, ranking) in &expected.rankings {
            let (score, beta) = match name.as_str() {
                "uec(beta=1)" => (Score::Uec, 1.0),
                "uec(beta=10)" => (Score::Uec, 10.0),
                other => (other.replace('_', "-").parse().unwrap(), 1.0),
            };
            let options = SearchOptions { score, beta, k: file.k, ..SearchOptions::default() };
            let hits = index.search(queries.rows(), &options, &Cancel::default()).unwrap();
            let cells = expected.query * file.k..(expected.query + 1) * file.k;
            let what = format!("{name}, query {}", expected.query);
            assert_eq!(hits.positions[cells.clone()], ranking.index, "{what}");
            let found: Vec<_> =
                hits.positions[cells.clone()].iter().map(|p| index.id(*p).unwrap().to_owned()).collect();
            assert_eq!(found, ranking.index.iter().map(|i| format!("document {i}")).collect::<Vec<_>>());
            assert_close(&hits.scores[cells.clone()], &ranking.score, &what);
            if let (Some(similarity), Some(sigma)) = (&ranking.mu_s, &ranking.sigma) {
                assert_close(&hits.similarities[cells.clone()], similarity, &what);
                assert_close(&hits.deviations[cells], sigma, &what);
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 100);
}
