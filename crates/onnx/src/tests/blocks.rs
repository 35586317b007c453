use uec_gaussian::ErrorCode::{ModelInvalid, ModelUnsupported};
use uec_gaussian::Result;

use super::builder::{Builder, TOKENS};
use crate::Tail;

/// D = 2, I = 3, blocks of 2: two blocks in a row, the second half empty.
fn product(bits: i64, values: &[u8], inputs: &[&str]) -> Builder {
    let per_row = values.len() as i64 / 4;
    let all: Vec<&str> = ["a", "B", "scale"].iter().chain(inputs).copied().collect();
    Builder::default()
        .node("Tanh", &["x"], &["a"])
        .uint8("B", &[2, 2, per_row], values)
        .floats("scale", &[2, 2], &[1.0, 0.5, 2.0, 4.0])
        .floats("zeros", &[4], &[1.5, 0.0, 0.0, 0.0])
        .uint8("packed", &[2], &[0x21, 0x43])
        .floats("bias", &[2], &[1.0, 1.0])
        .node("ms.MatMulNBits", &all, &["y"])
        .int("bits", bits)
        .int("N", 2)
        .int("K", 3)
        .int("block_size", 2)
        .output("y", &TOKENS)
}

fn weight(tail: Result<Tail>) -> Vec<f32> {
    tail.unwrap().weight
}

#[test]
fn widths_of_2_4_and_8_bits() {
    // The middle is 2, 8 and 128; the unused value of each second block is not read.
    assert_eq!(weight(product(2, &[0b0111, 0b1101, 0b1000, 0b0010], &[]).tail()), [1.0, -1.0, -0.5, -4.0, 0.0, 0.0]);
    assert_eq!(weight(product(4, &[0x7f, 0xf9, 0x80, 0x06], &[]).tail()), [7.0, -1.0, 0.5, -16.0, 0.0, -8.0]);
    let bytes = [129, 0, 130, 255, 127, 128, 126, 255];
    assert_eq!(weight(product(8, &bytes, &[]).tail()), [1.0, -128.0, 1.0, -2.0, 0.0, -8.0]);
}

#[test]
fn zero_points_are_packed_or_numbers() {
    // Packed: 1 and 2 in the first row, 3 and 4 in the second.
    let values = [0x7f, 0xf9, 0x80, 0x06];
    assert_eq!(weight(product(4, &values, &["packed"]).tail()), [14.0, 6.0, 3.5, -6.0, 10.0, 8.0]);
    assert_eq!(weight(product(4, &values, &["zeros"]).tail()), [13.5, 5.5, 4.5, 0.0, 16.0, 24.0]);
    assert_eq!(weight(product(4, &values, &["zeros", "", "bias"]).tail()), [13.5, 5.5, 4.5, 0.0, 16.0, 24.0]);
}

#[test]
fn sizes_that_lie_and_permuted_inputs() {
    let code = |builder: Builder| builder.tail().unwrap_err().code;
    assert_eq!(code(product(4, &[0; 8], &[])), ModelInvalid);
    assert_eq!(code(product(8, &[0; 4], &[])), ModelInvalid);
    assert_eq!(code(product(3, &[0; 4], &[])), ModelUnsupported);
    assert_eq!(code(product(i64::MIN, &[0; 4], &[])), ModelUnsupported);
    assert_eq!(code(product(4, &[0; 4], &["bias"])), ModelInvalid);
    assert_eq!(code(product(4, &[0; 4], &["computed"])), ModelUnsupported);
    assert_eq!(code(product(4, &[0; 4], &["packed", "order"])), ModelUnsupported);
    for (name, lie) in [("N", 3), ("K", 5), ("K", u32::MAX.into()), ("N", 0), ("block_size", -2), ("N", i64::MAX)] {
        // The first attribute of a name counts.
        let base = Builder::default().node("Tanh", &["x"], &["a"]).uint8("B", &[2, 2, 1], &[0; 4]);
        let base = base.floats("scale", &[4], &[1.0; 4]).node("ms.MatMulNBits", &["a", "B", "scale"], &["y"]);
        let base = base.int(name, lie).int("N", 2).int("K", 3).int("block_size", 2);
        assert_eq!(code(base.output("y", &TOKENS)), ModelInvalid, "{name} {lie}");
    }
}
