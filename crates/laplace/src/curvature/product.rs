//! The float32 matrix product under the fast path.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};

/// out ← lhs · rhs, or out ← out + lhs · rhs with `add`; shapes m×k, k×n, m×n, all row-major.
pub(super) fn multiply(lhs: &[f32], rhs: &[f32], out: &mut [f32], (m, k, n): (usize, usize, usize), add: bool) {
    let lhs = ArrayView2::from_shape((m, k), lhs).expect("m×k values");
    let rhs = ArrayView2::from_shape((k, n), rhs).expect("k×n values");
    let mut out = ArrayViewMut2::from_shape((m, n), out).expect("m×n values");
    general_mat_mul(1.0, &lhs, &rhs, if add { 1.0 } else { 0.0 }, &mut out);
}

/// The first `length` values of a scratch buffer that grows once. Their content is unspecified.
pub(super) fn scratch(buffer: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    &mut buffer[..length]
}
