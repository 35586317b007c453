//! What a calibration may look at: one uncertainty per text and encoder, known by its name (method §4).
//!
//! The product computes three: the trace, 1/‖z‖² (`inverse-norm`) and tokens per word; a user may bring others.

/// The one source that the Gaussians hold themselves: their total variance.
pub const TRACE: &str = "trace";

/// log u with u clamped to [1e-6, 1e6].
pub(super) fn log_uncertainty(u: f64) -> f64 {
    u.clamp(1e-6, 1e6).ln()
}
