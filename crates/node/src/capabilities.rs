//! What computes on this machine.

use napi_derive::napi;

/// Version, CPU features, threads, ONNX Runtime.
#[napi(object, object_from_js = false)]
pub struct NativeCapabilities {
    /// Version of this binary.
    pub version: String,
    /// Features of this CPU that kernels may use.
    pub simd: Vec<String>,
    /// Threads of the compute pool.
    pub threads: u32,
    /// Version and path of ONNX Runtime, once loaded.
    pub runtime: Option<String>,
}

/// What computes on this machine.
#[napi(catch_unwind)]
pub fn capabilities() -> NativeCapabilities {
    NativeCapabilities {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        simd: simd(),
        threads: crate::threads::count() as u32,
        runtime: uec_encoder::Runtime::loaded()
            .map(|runtime| format!("ONNX Runtime {} ({})", runtime.version(), runtime.path().display())),
    }
}

#[cfg(target_arch = "x86_64")]
fn simd() -> Vec<String> {
    let found = [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("f16c", is_x86_feature_detected!("f16c")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512vnni", is_x86_feature_detected!("avx512vnni")),
        ("avx512bf16", is_x86_feature_detected!("avx512bf16")),
    ];
    found.into_iter().filter(|(_, has)| *has).map(|(name, _)| name.to_owned()).collect()
}

#[cfg(target_arch = "aarch64")]
fn simd() -> Vec<String> {
    use std::arch::is_aarch64_feature_detected;
    let found = [
        ("neon", is_aarch64_feature_detected!("neon")),
        ("dotprod", is_aarch64_feature_detected!("dotprod")),
        ("i8mm", is_aarch64_feature_detected!("i8mm")),
        ("bf16", is_aarch64_feature_detected!("bf16")),
    ];
    found.into_iter().filter(|(_, has)| *has).map(|(name, _)| name.to_owned()).collect()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn simd() -> Vec<String> {
    Vec::new()
}
