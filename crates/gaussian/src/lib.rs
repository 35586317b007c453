//! Diagonal Gaussians: scores, coefficients, convolution, top-k selection, log-linear calibration; and the matrix product
//! of the curvature, because the vector kernels are here.
//!
//! Formulas: Lim et al., "Uncertainty-driven Embedding Convolution", ICLR 2026 (arXiv 2507.20718). No I/O and no
//! threads of its own: parallel routines run in whichever rayon pool the caller installs.
#![deny(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod alignment;
mod all_pairs;
mod calibration;
mod cancel;
mod coefficients;
mod convolution;
mod error;
mod gaussians;
#[allow(unsafe_code, reason = "vector instructions over checked slices")]
mod kernels;
mod lanes;
mod normalize;
mod scan;
mod scores;
#[allow(unsafe_code, reason = "vector instructions")]
mod simd;
mod similarity;
mod temperature;
mod topk;

pub use alignment::{Alignment, MIN_ANCHORS, Procrustes, procrustes};
pub use all_pairs::all_pairs;
pub use calibration::{
    Calibration, CalibrationPairs, MAX_SOURCES, MIN_PAIRS, TRACE, choose_calibration, fit_calibration,
};
pub use cancel::Cancel;
pub use coefficients::{Coefficients, coefficients};
pub use convolution::{Convolved, convolve, mix_row};
pub use error::{Error, ErrorCode, Result};
pub use gaussians::{Gaussians, Row, Rows};
pub use kernels::product::{MatrixProduct, PackedMatrix};
pub use normalize::{Normalized, normalize, normalize_row};
pub use scan::{Encoded, Scan, ScanBlock};
pub use scores::{Score, Scored, score_pair, validate_beta};
pub use simd::simd_level;
pub use similarity::{Scores, pairwise};
pub use temperature::{Moments, auto_temperature, auto_temperature_from_moments};
pub use topk::{Candidate, TopK};
