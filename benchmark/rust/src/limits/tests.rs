//! A limit is one only if the kernels do the work that they are credited with.
#![allow(clippy::unwrap_used)]

use super::{GRAIN, Memory, sets};

#[test]
fn every_reader_reads_every_number() {
    // 16 · 256 sums of multiples of 1/256 are exact in float32.
    let memory = Memory::new(4 * GRAIN * 4).unwrap();
    let expected: f32 = memory.numbers().iter().sum();
    for set in sets() {
        for (name, read) in set.read {
            assert_eq!(read(memory.numbers()), expected, "{} {name}", set.name);
        }
    }
}

#[test]
fn every_loop_runs_every_iteration_in_every_lane() {
    // x ← 0.999 x + 0.001·1 has the fixed point 1; n iterations from 1 stay there, in every lane and chain.
    for set in sets() {
        for (name, operations, fma) in set.fma {
            let lanes = (operations / 2) as f32;
            assert!((fma(1000) - lanes).abs() < 1e-3 * lanes, "{} {name}", set.name);
        }
    }
}

#[test]
fn threads_share_the_memory_without_rest() {
    let memory = Memory::new(7 * GRAIN * 4).unwrap();
    for threads in 1..4 {
        let parts = memory.parts(threads);
        assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), memory.numbers().len());
    }
}
