//! Long work stops soon after it is cancelled half way.
#![allow(clippy::unwrap_used)]

use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use uec_gaussian::{
    CalibrationPairs, Cancel, ErrorCode, Gaussians, Result, Rows, Score, all_pairs, choose_calibration, convolve,
    fit_calibration, normalize, pairwise,
};

/// Below what the whole work takes, far above what a block of it does, on a busy machine too.
const SOON: Duration = Duration::from_secs(1);
/// One test at a time: they are about time.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs `work`, which must take long, on one thread, cancels it after `delay`, and says how soon it then ended.
fn cancelled<R: Send>(delay: Duration, work: impl Fn(&Cancel) -> Result<R> + Sync) -> Duration {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let cancel = Cancel::default();
    let (begun, wait) = channel();
    let (outcome, since) = std::thread::scope(|scope| {
        let flag = &cancel;
        let canceller = scope.spawn(move || {
            wait.recv().unwrap();
            std::thread::sleep(delay);
            flag.cancel();
            Instant::now()
        });
        let outcome = pool.install(|| {
            begun.send(()).unwrap();
            work(&cancel)
        });
        (outcome, canceller.join().unwrap().elapsed())
    });
    assert_eq!(outcome.err().map(|error| error.code), Some(ErrorCode::Aborted));
    since
}

fn assert_soon<R: Send>(name: &str, work: impl Fn(&Cancel) -> Result<R> + Sync) {
    let since = cancelled(Duration::from_millis(10), work);
    assert!(since < SOON, "{name} went on for {since:?}");
}

fn gaussians(rows: usize, dimension: usize) -> Gaussians {
    let number = |i: usize| ((i * 7919 % 10_007) as f32 + 1.0) / 10_007.0;
    Gaussians {
        mean: (0..rows * dimension).map(number).collect(),
        variance: (0..rows * dimension).map(|i| number(i + 13)).collect(),
        dimension,
    }
}

#[test]
fn scores_are_given_up() {
    let many = gaussians(40_000, 256);
    assert_soon("pairwise", |cancel| pairwise(many.rows(), many.rows(), Score::Bhattacharyya, 1.0, cancel));
    let some = gaussians(1500, 256);
    assert_soon("all_pairs", |cancel| all_pairs(some.rows(), some.rows(), Score::Bhattacharyya, 1.0, cancel));
    assert_soon("all_pairs of one score", |cancel| all_pairs(some.rows(), some.rows(), Score::Uec, 1.0, cancel));
}

#[test]
fn mixing_is_given_up() {
    let texts = gaussians(4000, 256);
    let members: Vec<Rows<'_>> = vec![texts.rows(); 300];
    let uniform = vec![1.0 / 300.0; 4000 * 300];
    assert_soon("convolve", |cancel| convolve(&members, &uniform, true, cancel));
    let many = gaussians(60_000, 256);
    assert_soon("normalize", |cancel| normalize(many.rows(), cancel));
}

/// As many pairs as a calibration takes with one encoder: a single evaluation of its loss lasts seconds.
#[test]
fn calibrating_is_given_up() {
    let one = gaussians(8000, 16);
    let uncertainties: Vec<f32> = (0..8000).map(|i| 0.1 + (i % 17) as f32).collect();
    let pairs = CalibrationPairs {
        dimension: 16,
        query_means: &[&one.mean],
        document_means: &[&one.mean],
        query_uncertainties: &uncertainties,
        document_uncertainties: &uncertainties,
        sources: &["trace"],
    };
    for delay in [20, 400] {
        let delay = Duration::from_millis(delay);
        let since = cancelled(delay, |cancel| fit_calibration(&pairs, cancel));
        assert!(since < SOON, "fit_calibration went on for {since:?}");
        let since = cancelled(delay, |cancel| choose_calibration(&pairs, cancel));
        assert!(since < SOON, "choose_calibration went on for {since:?}");
    }
}
