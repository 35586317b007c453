//! Values of the graph's constants: sizes that must match the dimensions, and the number formats of weights.

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
    let kind = DataType::try_from(tensor.data_type());
    let raw = match data(tensor, path, floating)? {
        Data::Bytes(raw) => raw,
        Data::Typed => match kind {
            Ok(DataType::Float) => return finite(tensor, path, tensor.float_data.clone()),
            Ok(DataType::Double) => {
                return finite(tensor, path, tensor.double_data.iter().map(|&x| x as f32).collect());
            }
            _ => tensor.int32_data.iter().flat_map(|&x| (x as u16).to_le_bytes()).collect(),
        },
    };
    let values = match kind {
        Ok(DataType::Float) => chunks(&raw, f32::from_le_bytes),
        Ok(DataType::Double) => chunks(&raw, |bytes| f64::from_le_bytes(bytes) as f32),
        Ok(DataType::Float16) => chunks(&raw, |bytes| f16::from_le_bytes(bytes).to_f32()),
        _ => chunks(&raw, |bytes| bf16::from_le_bytes(bytes).to_f32()),
    };
    finite(tensor, path, values)
}

/// The values of a quantised tensor: integers of 4, 8, 16 or 32 bits.
///
/// # Errors
/// [`ErrorCode::ModelInvalid`] for damaged data, [`ErrorCode::ModelUnsupported`] for any other type.
pub(crate) fn integers(tensor: &TensorProto, path: &Path) -> Result<Vec<i32>> {
    let kind = DataType::try_from(tensor.data_type()).unwrap_or(DataType::Undefined);
    let raw = match data(tensor, path, quantised)? {
        Data::Bytes(raw) => raw,
        Data::Typed => match bits(kind) {
            Some(32) => return Ok(tensor.int32_data.clone()),
            Some(16) => tensor.int32_data.iter().flat_map(|&x| (x as u16).to_le_bytes()).collect(),
            _ => tensor.int32_data.iter().map(|&x| x as u8).collect(),
        },
    };
    Ok(match kind {
        DataType::Int32 => chunks(&raw, i32::from_le_bytes),
        DataType::Int16 => chunks(&raw, |bytes| i32::from(i16::from_le_bytes(bytes))),
        DataType::Uint16 => chunks(&raw, |bytes| i32::from(u16::from_le_bytes(bytes))),
        DataType::Int8 => chunks(&raw, |[byte]: [u8; 1]| i32::from(byte as i8)),
        DataType::Uint8 => chunks(&raw, |[byte]: [u8; 1]| i32::from(byte)),
        signed => {
            // Two values in a byte, the first in its low half; an odd number leaves a half unused.
            let mut values: Vec<i32> = raw.iter().flat_map(|&byte| [byte & 15, byte >> 4]).map(i32::from).collect();
            if signed == DataType::Int4 {
                values.iter_mut().for_each(|value| *value = (*value ^ 8) - 8);
            }
            values.truncate(elements(tensor, path)? as usize);
            values
        }
    })
}

/// The bytes of a tensor of `uint8`.
///
/// # Errors
/// As [`integers`].
pub(crate) fn bytes<'a>(tensor: &'a TensorProto, path: &Path) -> Result<Cow<'a, [u8]>> {
    Ok(match data(tensor, path, |kind| kind == DataType::Uint8 as i32)? {
        Data::Bytes(raw) => raw,
        Data::Typed => tensor.int32_data.iter().map(|&x| x as u8).collect(),
    })
}

enum Data<'a> {
    Bytes(Cow<'a, [u8]>),
    Typed,
}

/// # Errors
/// [`ErrorCode::ModelUnsupported`] for a type other than `wanted`, before anything is read.
fn data<'a>(tensor: &'a TensorProto, path: &Path, wanted: impl Fn(i32) -> bool) -> Result<Data<'a>> {
    let stored = check(tensor, path)?.filter(|_| wanted(tensor.data_type()));
    let stored = stored.ok_or_else(|| {
        let kind = DataType::try_from(tensor.data_type()).map_or("unknown", |kind| kind.as_str_name());
        Error::new(
            ErrorCode::ModelUnsupported,
            format!("{}: the type of the weight `{}`, {kind}, is not supported", path.display(), tensor.name()),
        )
    })?;
    Ok(match stored {
        Stored::Raw(raw) => Data::Bytes(raw.into()),
        Stored::External(range) => Data::Bytes(range.read()?.into()),
        Stored::Typed => Data::Typed,
    })
}

/// Whether quantised weights and zero points may have this type.
fn quantised(kind: i32) -> bool {
    use DataType::{Int4, Int8, Int16, Int32, Uint4, Uint8, Uint16};
    [Int4, Uint4, Int8, Uint8, Int16, Uint16, Int32].iter().any(|&known| known as i32 == kind)
}

/// Whether this is one of the four floating-point types that weights may have.
pub(crate) fn floating(kind: i32) -> bool {
    [DataType::Float, DataType::Double, DataType::Float16, DataType::Bfloat16].iter().any(|&known| known as i32 == kind)
}

fn chunks<const N: usize, T>(raw: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
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

pub(crate) fn invalid(tensor: &TensorProto, path: &Path, what: String) -> Error {
    Error::new(ErrorCode::ModelInvalid, format!("{}: weight `{}` {what}", path.display(), tensor.name()))
}
