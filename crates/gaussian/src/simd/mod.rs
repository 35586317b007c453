//! Vector instructions chosen at run time: kernels are written once, over [`Simd`], and compiled for each instruction
//! set.
//!
//! The fast kernels only select, with a proven margin; no result that a user sees depends on the level. This module and
//! `kernels` are the only places of the crate with unsafe code.

mod level;
mod portable;
mod vector;
mod wide;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;

pub(crate) use level::Level;
pub use level::simd_level;
pub(crate) use vector::{CODES_MAX, Simd};
pub(crate) use wide::{WIDE, Wide};

use level::Isa;

/// A computation written once for every instruction set.
pub(crate) trait Kernel {
    type Output;

    /// Implementations are `#[inline(always)]`, so that they are compiled within the function that turns the
    /// instructions of `S` on.
    ///
    /// # Safety
    /// The CPU has the instructions of `S`, and whatever the implementation asks for.
    unsafe fn run<S: Simd>(self) -> Self::Output;
}

/// Runs a kernel with the instructions of `level`.
///
/// # Safety
/// What the kernel's own `run` asks for beyond the instructions; those are here if there is a [`Level`] for them.
pub(crate) unsafe fn dispatch<K: Kernel>(level: Level, kernel: K) -> K::Output {
    match level.isa() {
        // SAFETY: no instructions beyond the target's; the rest is the caller's.
        Isa::Portable => unsafe { kernel.run::<portable::Portable>() },
        // SAFETY: a level exists for detected instructions only; the rest is the caller's.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { avx2::run(kernel) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { avx512::run(kernel) },
        // SAFETY: as above.
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => unsafe { neon::run(kernel) },
    }
}

#[cfg(test)]
mod tests;
