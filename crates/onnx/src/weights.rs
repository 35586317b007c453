//! Constants of the graph as float32: sizes that must match the dimensions, and the number formats of weights.

use std::borrow::Cow;
use std::path::Path;

use half::{bf16, f16};
use uec_gaussian::{Error, ErrorCode, Result};

use crate::external::External;
use crate::proto::{DataLocation, DataType, TensorProto};

/// Where the data of a checked tensor lies.
pub(crate) enum Stored<'a> {
    Raw(&'a [u8]),
    Typed,
    External(External),
}

/// Number of elements by the dimensions.
///
/// # Errors
/// [`ErrorCode::ModelInvalid`] for a negative dimension or a product beyond 2⁶³.
pub(crate) fn elements(tensor: &TensorProto, path: &Path) -> Result<u64> {
    tensor
        .dims
        .iter()
        .try_fold(1u64, |product, &dim| product.checked_mul(u64::try_from(dim).ok()?))
        .filter(|&product| product <= i64::MAX as u64)
        .ok_or_else(|| invalid(tensor, path, format!("has impossible dimensions {:?}", tensor.dims)))
}

/// Checks that the data has exactly the size that type and dimensions ask for; allocates nothing. `None` for types
/// that this crate does not know.
///
/// # Errors
/// [`ErrorCode::ModelInvalid`].
pub(crate) fn check<'a>(tensor: &'a TensorProto, path: &Path) -> Result<Option<Stored<'a>>> {
    let count = elements(tensor, path)?;
    let Ok(kind) = DataType::try_from(tensor.data_type()) else { return Ok(None) };
    let external = tensor.data_location() == DataLocation::External;
    let Some(bits) = bits(kind) else {
        let strings = kind == DataType::String && !external;
        if strings && tensor.string_data.len() as u64 != count {
            return Err(mismatch(tensor, path, tensor.string_data.len() as u64, "strings"));
        }
        return Ok(None);
    };
    let expected = u64::try_from((u128::from(count) * u128::from(bits)).div_ceil(8))
        .map_err(|_| invalid(tensor, path, format!("has impossible dimensions {:?}", tensor.dims)))?;
    if external {
        return External::check(tensor, expected, path).map(|range| Some(Stored::External(range)));
    }
    if let Some(raw) = &tensor.raw_data {
        if raw.len() as u64 != expected {
            return Err(mismatch(tensor, path, raw.len() as u64, "bytes"));
        }
        return Ok(Some(Stored::Raw(raw)));
    }
    let (held, per_element) = match kind {
        DataType::Float => (tensor.float_data.len(), 1),
        DataType::Complex64 => (tensor.float_data.len(), 2),
        DataType::Double => (tensor.double_data.len(), 1),
        DataType::Complex128 => (tensor.double_data.len(), 2),
        DataType::Int64 => (tensor.int64_data.len(), 1),
        DataType::Uint32 | DataType::Uint64 => (tensor.uint64_data.len(), 1),
        _ => (tensor.int32_data.len(), 1),
    };
    let wanted = if bits < 8 { Some(expected) } else { count.checked_mul(per_element) };
    if wanted != Some(held as u64) {
        return Err(mismatch(tensor, path, held as u64, "values"));
    }
    Ok(Some(Stored::Typed))
}

/// The values as float32.
///
/// # Errors
/// [`ErrorCode::ModelInvalid`] for damaged data or values that are not finite, [`ErrorCode::ModelUnsupported`] for a
/// type that is no floating-point type.
pub(crate) fn decode(tensor: &TensorProto, path: &Path) -> Result<Vec<f32>> {
    let stored = check(tensor, path)?;
    let unsupported = || {
        let kind = DataType::try_from(tensor.data_type()).map_or("unknown", |kind| kind.as_str_name());
        Error::new(
            ErrorCode::ModelUnsupported,
            format!("{}: the type of the weight `{}`, {kind}, is not supported", path.display(), tensor.name()),
        )
    };
    let raw: Cow<'_, [u8]> = match stored.ok_or_else(unsupported)? {
        Stored::Raw(raw) => raw.into(),
        Stored::External(range) if floating(tensor.data_type()) => range.read()?.into(),
        Stored::External(_) => return Err(unsupported()),
        Stored::Typed => match tensor.data_type() {
            t if t == DataType::Float as i32 => return finite(tensor, path, tensor.float_data.clone()),
            t if t == DataType::Double as i32 => {
                return finite(tensor, path, tensor.double_data.iter().map(|&x| x as f32).collect());
            }
            _ => tensor.int32_data.iter().flat_map(|&x| (x as u16).to_le_bytes()).collect(),
        },
    };
    let values = match DataType::try_from(tensor.data_type()) {
        Ok(DataType::Float) => chunks(&raw, f32::from_le_bytes),
        Ok(DataType::Double) => chunks(&raw, |bytes| f64::from_le_bytes(bytes) as f32),
        Ok(DataType::Float16) => chunks(&raw, |bytes| f16::from_le_bytes(bytes).to_f32()),
        Ok(DataType::Bfloat16) => chunks(&raw, |bytes| bf16::from_le_bytes(bytes).to_f32()),
        _ => return Err(unsupported()),
    };
    finite(tensor, path, values)
}

/// Whether this is one of the four floating-point types that weights may have.
pub(crate) fn floating(kind: i32) -> bool {
    [DataType::Float, DataType::Double, DataType::Float16, DataType::Bfloat16].iter().any(|&known| known as i32 == kind)
}

fn chunks<const N: usize>(raw: &[u8], read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    raw.as_chunks::<N>().0.iter().map(|&bytes| read(bytes)).collect()
}

fn finite(tensor: &TensorProto, path: &Path, values: Vec<f32>) -> Result<Vec<f32>> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(invalid(tensor, path, format!("is damaged: value {at} is {}", values[at]))),
        None => Ok(values),
    }
}

/// Bits of one element; `None` for strings.
fn bits(kind: DataType) -> Option<u32> {
    Some(match kind {
        DataType::Undefined | DataType::String => return None,
        DataType::Uint2 | DataType::Int2 => 2,
        DataType::Uint4 | DataType::Int4 | DataType::Float4e2m1 => 4,
        DataType::Uint16 | DataType::Int16 | DataType::Float16 | DataType::Bfloat16 => 16,
        DataType::Float | DataType::Int32 | DataType::Uint32 => 32,
        DataType::Double | DataType::Int64 | DataType::Uint64 | DataType::Complex64 => 64,
        DataType::Complex128 => 128,
        _ => 8,
    })
}

fn mismatch(tensor: &TensorProto, path: &Path, held: u64, what: &str) -> Error {
    let found = format!("holds {held} {what}, which does not match its dimensions {:?}", tensor.dims);
    invalid(tensor, path, format!("{found}: the file is damaged"))
}

fn invalid(tensor: &TensorProto, path: &Path, what: String) -> Error {
    Error::new(ErrorCode::ModelInvalid, format!("{}: weight `{}` {what}", path.display(), tensor.name()))
}
