//! Diagonal Gaussians: scores, coefficients, convolution, top-k selection, log-linear calibration.
//!
//! Formulas: Lim et al., "Uncertainty-driven Embedding Convolution", ICLR 2026 (arXiv 2507.20718). No I/O and no
//! threads of its own: parallel routines run in whichever rayon pool the caller installs.
#![forbid(unsafe_code)]

mod cancel;
mod error;

pub use cancel::Cancel;
pub use error::{Error, ErrorCode, Result};
