//! Other places for external data, written into the bytes of a model. Everything else stays as it is, also what this crate
//! does not know: the message is walked field by field instead of being decoded and written anew.

use std::path::Path;

use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field};
use uec_gaussian::Result;

use crate::proto::StringStringEntryProto;
use crate::read;

/// The fields that lead from a model to the entries of external data: graph, initializer, external_data.
const WAY: [u32; 3] = [7, 5, 13];

/// The model in `bytes` with `to(location)` in place of each location of external data; `None` leaves it.
///
/// # Errors
/// [`uec_gaussian::ErrorCode::ModelInvalid`], naming `path`, if the bytes are no model.
pub fn relocate(bytes: &[u8], path: &Path, to: impl Fn(&str) -> Option<String>) -> Result<Vec<u8>> {
    walk(bytes, &WAY, &to).ok_or_else(|| read::invalid(path, "is truncated or damaged, or not an ONNX file"))
}

fn walk(message: &[u8], way: &[u32], to: &dyn Fn(&str) -> Option<String>) -> Option<Vec<u8>> {
    let Some((&next, rest)) = way.split_first() else { return entry(message, to) };
    let mut out = Vec::with_capacity(message.len());
    let mut left = message;
    while !left.is_empty() {
        let field = left;
        let (number, kind) = decode_key(&mut left).ok()?;
        if (number, kind) == (next, WireType::LengthDelimited) {
            let length = usize::try_from(decode_varint(&mut left).ok()?).ok()?;
            let (part, after) = left.split_at_checked(length)?;
            let part = walk(part, rest, to)?;
            encode_key(number, kind, &mut out);
            encode_varint(part.len() as u64, &mut out);
            out.extend_from_slice(&part);
            left = after;
        } else {
            skip_field(kind, number, &mut left, DecodeContext::default()).ok()?;
            out.extend_from_slice(&field[..field.len() - left.len()]);
        }
    }
    Some(out)
}

fn entry(message: &[u8], to: &dyn Fn(&str) -> Option<String>) -> Option<Vec<u8>> {
    let mut entry = StringStringEntryProto::decode(message).ok()?;
    match (entry.key(), to(entry.value())) {
        ("location", Some(place)) => entry.value = Some(place),
        _ => return Some(message.to_vec()),
    }
    Some(entry.encode_to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{GraphProto, ModelProto, TensorProto};

    fn model(location: &str) -> ModelProto {
        let entry = |key: &str, value: &str| StringStringEntryProto {
            key: Some(key.to_owned()),
            value: Some(value.to_owned()),
        };
        let tensor = |name: &str, entries| TensorProto {
            name: Some(name.to_owned()),
            external_data: entries,
            raw_data: Some(vec![7; 300].into()),
            ..TensorProto::default()
        };
        let external = vec![entry("location", location), entry("offset", "weights")];
        let graph =
            GraphProto { initializer: vec![tensor("a", Vec::new()), tensor("b", external)], ..GraphProto::default() };
        ModelProto { graph: Some(graph), metadata_props: vec![entry("location", "weights")], ..ModelProto::default() }
    }

    fn moved(bytes: &[u8]) -> Result<Vec<u8>> {
        relocate(bytes, Path::new("m.onnx"), |from| (from == "weights").then(|| "a longer name".repeat(30)))
    }

    #[test]
    fn the_location_alone_changes() {
        let bytes = moved(&model("weights").encode_to_vec()).unwrap();
        assert_eq!(ModelProto::decode(bytes.as_slice()).unwrap(), model(&"a longer name".repeat(30)));
        assert_eq!(moved(&model("others").encode_to_vec()).unwrap(), model("others").encode_to_vec());
    }

    #[test]
    fn unknown_fields_and_later_parts_stay() {
        // Field 2047, a varint; then a second part of the graph, which readers merge.
        let parts = [model("weights").encode_to_vec(), vec![0xf8, 0x7f, 5], model("weights").encode_to_vec()];
        let expected = parts.clone().map(|part| moved(&part).unwrap()).concat();
        assert_eq!(moved(&parts.concat()).unwrap(), expected);
        assert_eq!(&expected[moved(&parts[0]).unwrap().len()..][..3], parts[1]);
    }

    #[test]
    fn damage_is_an_error() {
        let bytes = model("weights").encode_to_vec();
        assert!(moved(&bytes[..bytes.len() - 1]).is_err());
        assert!(moved(b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").is_err());
    }
}
