//! The same work on several threads at once.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// From the first thread's start to the last one's end. `work` gets the number of its thread.
pub(crate) fn run(threads: usize, work: impl Fn(usize) -> f32 + Sync) -> Duration {
    let barrier = Barrier::new(threads);
    let once = |thread: usize| {
        barrier.wait();
        let start = Instant::now();
        black_box(work(thread));
        (start, Instant::now())
    };
    let spans: Vec<(Instant, Instant)> = thread::scope(|scope| {
        let once = &once;
        let others: Vec<_> = (1..threads).map(|thread| scope.spawn(move || once(thread))).collect();
        let mut spans = vec![once(0)];
        spans.extend(others.into_iter().filter_map(|thread| thread.join().ok()));
        spans
    });
    let start = spans.iter().map(|(start, _)| *start).min();
    let end = spans.iter().map(|(_, end)| *end).max();
    start.zip(end).map_or(Duration::ZERO, |(start, end)| end - start)
}
