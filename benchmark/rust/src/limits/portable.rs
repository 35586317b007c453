//! Plain arrays, for the compiler's baseline vectors. Multiply and add apart: without the instruction a fused one is a
//! library call.

use std::hint::black_box;

use super::{GRAIN, Set};

const LANES: usize = 4;

pub(super) static SET: Set = Set {
    name: "portable",
    read: &[("8 sums", sum::<8>), ("16 sums", sum::<16>)],
    fma: &[("8 chains", 2 * 8 * LANES, multiply_add::<8>), ("12 chains", 2 * 12 * LANES, multiply_add::<12>)],
};

fn sum<const UNROLL: usize>(data: &[f32]) -> f32 {
    const { assert!(GRAIN.is_multiple_of(UNROLL * LANES)) }
    let mut sums = [[0.0; LANES]; UNROLL];
    for step in data.chunks_exact(UNROLL * LANES) {
        for (sums, vector) in sums.iter_mut().zip(step.chunks_exact(LANES)) {
            for (sum, x) in sums.iter_mut().zip(vector) {
                *sum += x;
            }
        }
    }
    sums.into_iter().flatten().sum()
}

fn multiply_add<const CHAINS: usize>(iterations: usize) -> f32 {
    let (factor, term) = (black_box(0.999), black_box(0.001));
    let mut chains = [[black_box(1.0); LANES]; CHAINS];
    for _ in 0..iterations {
        for chain in chains.iter_mut().flatten() {
            *chain = *chain * factor + term;
        }
    }
    chains.into_iter().flatten().sum()
}
