//! What this machine can do at most: bytes read per second, fused multiply-adds per second.
//!
//! Several kernels do the same work and the fastest counts, so that a limit is the machine's and not one loop's.

mod kernels;
mod memory;
mod parallel;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;
use std::time::Duration;

pub(crate) use memory::Memory;

/// Reads every number of the slice, whose length is a multiple of [`GRAIN`], and returns something made of all of them.
pub(crate) type Read = fn(&[f32]) -> f32;
/// Runs this many iterations of the loop and returns something made of all of them.
pub(crate) type Fma = fn(usize) -> f32;

/// Numbers per step of the widest kernel: 4 streams of 4 vectors of 16.
pub(crate) const GRAIN: usize = 256;

/// The kernels of one instruction set.
pub(crate) struct Set {
    pub(crate) name: &'static str,
    pub(crate) read: &'static [(&'static str, Read)],
    /// With the floating-point operations of one iteration: two for a multiply-add of one lane.
    pub(crate) fma: &'static [(&'static str, usize, Fma)],
}

/// The fastest of several kernels.
pub(crate) struct Best {
    pub(crate) kernel: String,
    pub(crate) time: Duration,
    /// Bytes or operations.
    pub(crate) work: usize,
}

/// The sets that this CPU can run, widest first.
pub(crate) fn sets() -> Vec<&'static Set> {
    let mut sets = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        sets.extend(avx512::set());
        sets.extend(avx2::set());
    }
    #[cfg(target_arch = "aarch64")]
    sets.extend(neon::set());
    sets.push(&portable::SET);
    sets
}

/// The widest set.
pub(crate) fn set() -> &'static Set {
    static SET: OnceLock<&'static Set> = OnceLock::new();
    SET.get_or_init(|| sets().first().copied().unwrap_or(&portable::SET))
}

/// The features of this CPU that kernels may use.
pub(crate) fn features() -> Vec<&'static str> {
    let mut features = Vec::new();
    macro_rules! ask {
        ($detect:ident: $($name:tt),*) => { $(if std::arch::$detect!($name) { features.push($name); })* };
    }
    #[cfg(target_arch = "x86_64")]
    ask!(is_x86_feature_detected: "sse4.2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512vnni", "avx512bf16", "avx512fp16", "avxvnni");
    #[cfg(target_arch = "aarch64")]
    ask!(is_aarch64_feature_detected: "neon", "fp16", "dotprod", "i8mm", "bf16", "sve");
    features
}

/// Each thread reads its part of `memory` once.
pub(crate) fn read(memory: &Memory, threads: usize) -> Best {
    read_times(memory, threads, 1)
}

/// Each thread reads its part of `memory` until 2³¹ bytes are read.
pub(crate) fn read_cached(memory: &Memory, threads: usize) -> Best {
    read_times(memory, threads, ((1 << 31) / (memory.bytes() / threads).max(1)).max(1))
}

fn read_times(memory: &Memory, threads: usize, times: usize) -> Best {
    let parts = memory.parts(threads);
    let work = parts.iter().map(|part| size_of_val(*part)).sum::<usize>() * times;
    // Reads of more sets than the widest: narrower vectors are sometimes the faster readers.
    let kernels = sets().into_iter().flat_map(|set| set.read.iter().map(move |kernel| (set.name, kernel)));
    let runs = kernels.map(|(set, (name, read))| {
        let time = parallel::run(threads, |thread| (0..times).map(|_| read(parts[thread])).sum());
        Best { kernel: format!("{set} {name}"), time, work }
    });
    fastest(runs)
}

/// Each thread runs the loops for some tens of milliseconds.
pub(crate) fn fma(threads: usize) -> Best {
    const OPERATIONS: usize = 4_000_000_000;
    let runs = set().fma.iter().map(|(name, operations, fma)| {
        let iterations = OPERATIONS / operations;
        let time = parallel::run(threads, |_| fma(iterations));
        Best { kernel: format!("{} {name}", set().name), time, work: iterations * operations * threads }
    });
    fastest(runs)
}

fn fastest(runs: impl Iterator<Item = Best>) -> Best {
    let rate = |best: &Best| best.work as f64 / best.time.as_secs_f64();
    let none = Best { kernel: String::new(), time: Duration::MAX, work: 0 };
    runs.max_by(|a, b| rate(a).total_cmp(&rate(b))).unwrap_or(none)
}
