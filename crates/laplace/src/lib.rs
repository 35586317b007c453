//! The Laplace approximation over an encoder's last linear layer: diagonal curvature of a contrastive loss, prior
//! precision, posterior variance, its file, and the variance that it gives a text.
//!
//! ```text
//! texts' (a, u) ──► Curvature (H, a sum over samples) ──► λ ──► V = 1/(H/T_l + λ) ──► v_d = Σ_i V_di h_i²
//! ```
//!
//! Formulas: Lim et al., "Uncertainty-driven Embedding Convolution", ICLR 2026 (arXiv 2507.20718), and the pages
//! named "method §n" in docs/method.md. Nothing here knows of ONNX or of tokens' text: a text is the matrix of what
//! enters the last linear layer, the matrix of what leaves it, and its pooling weights.
//!
//! Parallel routines run in whichever rayon pool the caller installs; no result depends on its number of threads.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod activation;
mod contrast;
mod curvature;
mod gradient;
mod head;
mod pooling;
mod posterior;
mod prior;
mod reference;
mod running;
mod sample;
mod sealed;
mod variance;

pub use activation::Activation;
pub use contrast::{Contrast, Similarity};
pub use curvature::{BatchReport, Curvature, CurvatureOptions, Estimator, Sides};
pub use gradient::token_gradient;
pub use head::{Forward, Head, Norm, Text};
pub use pooling::{Pooling, pooling_weights};
pub use posterior::{Changes, Posterior, PosteriorOptions, Scale};
pub use prior::{
    MIN_PRIOR_PRECISION, Prior, effective_parameters, log_marginal_likelihood, marglik_precision, relative_precision,
};
pub use running::RunningSum;
pub use sample::{SAMPLE_CAPACITY, TraceSample};
pub use variance::{TailKind, features, normalized_trace, normalized_variance, propagate};
