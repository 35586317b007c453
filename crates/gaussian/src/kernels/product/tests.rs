//! Every instruction set against float64, within the roundings of the chains.

use super::{DEPTH, MatrixProduct, PackedMatrix, TALL};
use crate::simd::Level;

/// Uniform in [−1, 1).
fn number(index: usize) -> f32 {
    let bits = (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((bits ^ (bits >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40) as f32 / (1 << 23) as f32 - 1.0
}

/// L and R of any content, of `depth` steps.
fn left(stack: usize, row: usize, step: usize) -> f32 {
    number((stack * 37 + row) * 5003 + step)
}

fn right(depth: usize, width: usize, seed: usize) -> Vec<f32> {
    (0..depth * width).map(|i| number(i + seed * 7_777_777)).collect()
}

fn packed(rows: &[f32], width: usize) -> PackedMatrix {
    PackedMatrix::new(rows.chunks_exact(width), width)
}

fn check(level: Level, stacks: usize, height: usize, width: usize, depth: usize) {
    let what = format!("{} {stacks}·{height}×{width}, {depth}", level.name());
    let mut product = MatrixProduct { level, ..MatrixProduct::default() };
    // A first use of another shape leaves nothing behind.
    product.start(2, 5, 3);
    product.add(&packed(&right(2, 3, 9), 3), 0..2, |_, _, _, to| to.fill(f32::NAN));
    product.start(stacks, height, width);
    let shared = right(depth, width, 1);
    let fill = |stack, row, range: std::ops::Range<usize>, to: &mut [f32]| {
        assert_eq!(range.len(), to.len());
        range.zip(to).for_each(|(step, to)| *to = left(stack, row, step));
    };
    product.add(&packed(&shared, width), 0..stacks, fill);
    // And one stack alone, with an operand of its own.
    let (own, last) = (right(3, width, 2), stacks - 1);
    product.add(&packed(&own, width), last..stacks, fill);
    let scales: Vec<f64> = (0..stacks).map(|stack| 0.5 + stack as f64).collect();
    let mut squares = vec![1.0; height * width];
    product.add_squares(&scales, &mut squares);
    let roundings = (depth.min(DEPTH) + depth.div_ceil(DEPTH) + 3 + 2) as f64 * 2_f64.powi(-24);
    for row in 0..height {
        let got: Vec<Vec<f32>> =
            (0..stacks).map(|stack| product.row(stack, row).flatten().copied().collect()).collect();
        for column in 0..width {
            let mut sum = 1.0;
            for (stack, got) in got.iter().enumerate() {
                assert_eq!(got.len(), width);
                let terms = (0..depth)
                    .map(|step| f64::from(left(stack, row, step)) * f64::from(shared[step * width + column]))
                    .chain(
                        (0..if stack == last { 3 } else { 0 })
                            .map(|step| f64::from(left(stack, row, step)) * f64::from(own[step * width + column])),
                    );
                let (exact, size) = terms.fold((0.0, 0.0), |(sum, size), x| (sum + x, size + x.abs()));
                let got = f64::from(got[column]);
                assert!((got - exact).abs() <= roundings * size, "{what}: {got} {exact}");
                sum += (scales[stack] * got).powi(2);
            }
            let got = squares[row * width + column];
            assert!((got / sum - 1.0).abs() < 1e-14, "{what}: squares {got} {sum}");
        }
    }
}

#[test]
fn any_shape_is_within_its_roundings() {
    for &level in Level::available() {
        for (stacks, height, width, depth) in [
            (1, 1, 1, 1),
            (1, TALL, 16, DEPTH),
            (4, TALL, 48, DEPTH + 1),
            (3, 5, 17, 2 * DEPTH + 3),
            (2, TALL + 1, 33, 40),
            (5, 2 * TALL, 8, 9),
            (1, 7, 100, 3),
            (2, 3, 30, 0),
        ] {
            check(level, stacks, height, width, depth);
        }
    }
}

#[test]
fn nothing_is_empty() {
    let mut product = MatrixProduct::default();
    product.start(0, 4, 5);
    product.add(&packed(&right(2, 5, 1), 5), 0..0, |_, _, _, _| unreachable!());
    let mut squares = vec![2.0; 20];
    product.add_squares(&[], &mut squares);
    assert_eq!(squares, [2.0; 20]);
}
