//! The loops of every instruction set, written once; a set's file says what its vectors are.

/// Defines `set()` for the vectors described: `zero`, `splat`, `add`, `multiply_add(x, factor, term)` and `reduce` (the
/// sum of the lanes) as functions, `load` and `prefetch` as unsafe ones, all of them available under `feature`.
macro_rules! kernels {
    ($name:literal, feature: $feature:literal, available: $available:expr, most_chains: $chains:literal) => {
        use super::{GRAIN, Set};
        use std::hint::black_box;

        /// The kernels, if this CPU has the instructions.
        pub(super) fn set() -> Option<&'static Set> {
            $available.then_some(&SET)
        }

        /// Numbers of a block in which streams begin: one huge page.
        const BLOCK: usize = 1 << 19;
        const _: () = assert!(BLOCK.is_multiple_of(GRAIN));

        static SET: Set = Set {
            name: $name,
            read: &[
                ("1 stream × 8", |data| read::<1, 8, false>(data)),
                ("1 stream × 8, prefetch", |data| read::<1, 8, true>(data)),
                ("4 streams × 4", |data| read::<4, 4, false>(data)),
                ("4 streams × 4, prefetch", |data| read::<4, 4, true>(data)),
                ("4 streams × 4, by 2 MiB", |data| data.chunks(BLOCK).map(read::<4, 4, false>).sum()),
                ("4 streams × 4, by 2 MiB, prefetch", |data| data.chunks(BLOCK).map(read::<4, 4, true>).sum()),
                ("8 streams × 2, by 2 MiB", |data| data.chunks(BLOCK).map(read::<8, 2, false>).sum()),
            ],
            fma: &[
                ("8 chains", 2 * 8 * LANES, |iterations| fma::<8>(iterations)),
                ("10 chains", 2 * 10 * LANES, |iterations| fma::<10>(iterations)),
                ("12 chains", 2 * 12 * LANES, |iterations| fma::<12>(iterations)),
                (concat!($chains, " chains"), 2 * $chains * LANES, |iterations| fma::<$chains>(iterations)),
            ],
        };

        fn read<const STREAMS: usize, const UNROLL: usize, const AHEAD: bool>(data: &[f32]) -> f32 {
            // SAFETY: `set` hands the kernels out only where the CPU has the instructions.
            unsafe { sum::<STREAMS, UNROLL, AHEAD>(data) }
        }

        fn fma<const CHAINS: usize>(iterations: usize) -> f32 {
            // SAFETY: `set` hands the kernels out only where the CPU has the instructions.
            unsafe { chains::<CHAINS>(iterations) }
        }

        /// STREAMS places of the slice are read in turn, UNROLL vectors at each.
        #[target_feature(enable = $feature)]
        fn sum<const STREAMS: usize, const UNROLL: usize, const AHEAD: bool>(data: &[f32]) -> f32 {
            const { assert!(GRAIN.is_multiple_of(STREAMS * UNROLL * LANES)) }
            let step = UNROLL * LANES;
            let stream = data.len() / STREAMS;
            let mut sums = [[zero(); UNROLL]; STREAMS];
            for at in (0..stream).step_by(step) {
                for (s, sums) in sums.iter_mut().enumerate() {
                    for (u, sum) in sums.iter_mut().enumerate() {
                        let place = data.as_ptr().wrapping_add(s * stream + at + u * LANES);
                        if AHEAD {
                            prefetch(place.wrapping_add(1024));
                        }
                        // SAFETY: data.len() is a multiple of GRAIN and so `stream` one of `step`: the vector ends at
                        // s * stream + at + step <= data.len().
                        *sum = add(*sum, unsafe { load(place) });
                    }
                }
            }
            reduce(sums.into_iter().flatten().fold(zero(), |a, b| add(a, b)))
        }

        /// CHAINS accumulators, so that none waits for its own latency.
        #[target_feature(enable = $feature)]
        fn chains<const CHAINS: usize>(iterations: usize) -> f32 {
            let (factor, term) = (splat(black_box(0.999)), splat(black_box(0.001)));
            let mut chains = [splat(black_box(1.0)); CHAINS];
            for _ in 0..iterations {
                for chain in &mut chains {
                    *chain = multiply_add(*chain, factor, term);
                }
            }
            reduce(chains.into_iter().fold(zero(), |a, b| add(a, b)))
        }
    };
}

pub(super) use kernels;
