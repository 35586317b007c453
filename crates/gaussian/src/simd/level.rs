//! Which vector instructions this CPU has.

use std::sync::OnceLock;

/// An instruction set that this CPU has. Only detection makes one, so whoever holds it may run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level(Isa);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Isa {
    /// What every CPU of the target has: plain Rust, left to the compiler.
    Portable,
    /// AVX2, FMA and F16C: 8 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F, BW, VL and DQ: 16 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// NEON: 4 lanes.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Level {
    /// Plain Rust.
    pub(crate) const PORTABLE: Self = Self(Isa::Portable);

    /// The widest instruction set of this CPU.
    pub(crate) fn detect() -> Self {
        Self::available().last().copied().unwrap_or(Self::PORTABLE)
    }

    /// Every instruction set of this CPU, narrowest first; never empty.
    pub(crate) fn available() -> &'static [Self] {
        static LEVELS: OnceLock<Vec<Level>> = OnceLock::new();
        LEVELS.get_or_init(|| {
            let mut levels = vec![Self::PORTABLE];
            #[cfg(target_arch = "x86_64")]
            {
                let avx2 = is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c");
                let avx512 = is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq");
                levels.extend(avx2.then_some(Self(Isa::Avx2)));
                levels.extend((avx2 && avx512).then_some(Self(Isa::Avx512)));
            }
            #[cfg(target_arch = "aarch64")]
            levels.extend(std::arch::is_aarch64_feature_detected!("neon").then_some(Self(Isa::Neon)));
            levels
        })
    }

    pub(crate) const fn name(self) -> &'static str {
        match self.0 {
            Isa::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => "avx512",
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => "neon",
        }
    }

    /// [`super::Simd::LANES`] of this level.
    pub(crate) const fn lanes(self) -> usize {
        match self.0 {
            Isa::Portable => 8,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => 8,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => 16,
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => 4,
        }
    }

    pub(super) const fn isa(self) -> Isa {
        self.0
    }
}

/// The vector instructions that the kernels use on this CPU: `avx512`, `avx2`, `neon` or `portable`.
pub fn simd_level() -> &'static str {
    Level::detect().name()
}
