//! Which numbers a column may have.

use crate::storage::{Column, Storage};

/// An infinite binary16, without its sign.
const INFINITE: u16 = 0x7c00;

/// The bits below the exponent of a float32: none are set in a power of two.
const MANTISSA: u32 = 0x007f_ffff;

fn is_scale(scale: f32) -> bool {
    scale.is_finite() && scale >= f32::MIN_POSITIVE
}

/// Whether each number of a part of `column` is in its range. The part holds whole numbers.
pub(super) fn sound(column: Column, storage: Storage, bytes: &[u8]) -> bool {
    match (column, storage) {
        (Column::Means, Storage::Float32) => floats(bytes, |x| x.is_finite()),
        (Column::Variances, Storage::Float32) => floats(bytes, |v| v.is_finite() && v >= 0.0),
        (Column::Means, Storage::Float16) => halves(bytes, |code| code & 0x7fff < INFINITE),
        // Zero may be negative.
        (Column::Variances, Storage::Float16) => halves(bytes, |code| code < INFINITE || code == 0x8000),
        (Column::Means, Storage::Int8) | (Column::PrefilterCodes, _) => bytes.iter().all(|code| *code != 0x80),
        (Column::Variances, Storage::Int8) => true,
        // The bounds of a search are proven for scales that the encoding makes.
        (Column::MeanScales | Column::VarianceScales, Storage::Float16) => {
            floats(bytes, |scale| is_scale(scale) && scale.to_bits() & MANTISSA == 0)
        }
        (Column::MeanScales | Column::VarianceScales | Column::PrefilterScales, _) => floats(bytes, is_scale),
        (Column::PrefilterErrors, _) => floats(bytes, |error| error >= 0.0),
    }
}

/// Without a branch per number, so that the compiler can take several at once.
fn floats(bytes: &[u8], is: impl Fn(f32) -> bool) -> bool {
    bytes.as_chunks::<4>().0.chunks(256).all(|part| part.iter().fold(true, |all, x| all & is(f32::from_le_bytes(*x))))
}

fn halves(bytes: &[u8], is: impl Fn(u16) -> bool) -> bool {
    bytes.as_chunks::<2>().0.chunks(256).all(|part| part.iter().fold(true, |all, x| all & is(u16::from_le_bytes(*x))))
}
