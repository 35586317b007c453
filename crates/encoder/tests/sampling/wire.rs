//! As much of protobuf as it takes to find a weight in an ONNX file by its values, and to make it an input.
//!
//! An initializer that is listed as an input, too, is a default that a run may replace. Where the file has the weight in
//! float16 behind a Cast, it is put there in float32, which the Cast leaves as it is.

use half::f16;

/// The weight that became an input.
pub(crate) struct Weight {
    pub(crate) name: String,
    /// I×D instead of D×I.
    pub(crate) transposed: bool,
}

const MODEL_GRAPH: u64 = 7;
const GRAPH_INITIALIZER: u64 = 5;
const GRAPH_INPUT: u64 = 11;
const TENSOR_NAME: u64 = 8;
const TENSOR_RAW: u64 = 9;
const FLOAT: u8 = 1;

/// The model with W, which is given as D×I and may lie in the file as I×D, as an input.
pub(crate) fn expose(model: &[u8], weight: &[f32], features: usize) -> (Vec<u8>, Weight) {
    let forms = [(transpose(weight, features), true), (weight.to_vec(), false)];
    let mut found = None;
    let mut exposed = Vec::with_capacity(model.len());
    for part in fields(model) {
        if part.number != MODEL_GRAPH {
            exposed.extend(part.whole);
            continue;
        }
        let mut graph = Vec::with_capacity(part.content.len());
        for part in fields(part.content) {
            let values = if part.number == GRAPH_INITIALIZER { decode(part.content) } else { Vec::new() };
            let Some((_, transposed)) = forms.iter().find(|(form, _)| *form == values) else {
                graph.extend(part.whole);
                continue;
            };
            let name = fields(part.content).find(|part| part.number == TENSOR_NAME).unwrap().content;
            let (rows, columns) = (weight.len() / features, features);
            let shape = if *transposed { [columns, rows] } else { [rows, columns] };
            graph.extend(field(GRAPH_INITIALIZER, &tensor(name, shape, &values)));
            graph.extend(field(GRAPH_INPUT, &input(name, shape)));
            found = Some(Weight { name: String::from_utf8(name.to_vec()).unwrap(), transposed: *transposed });
        }
        exposed.extend(field(MODEL_GRAPH, &graph));
    }
    (exposed, found.expect("the weight of the last layer is no initializer of the file"))
}

/// rows × columns → columns × rows.
pub(crate) fn transpose(matrix: &[f32], columns: usize) -> Vec<f32> {
    let rows = matrix.len() / columns;
    (0..columns).flat_map(|column| (0..rows).map(move |row| matrix[row * columns + column])).collect()
}

/// The values of a TensorProto with raw data, of float32 or float16.
fn decode(tensor: &[u8]) -> Vec<f32> {
    let raw = fields(tensor).find(|part| part.number == TENSOR_RAW).map_or(&[][..], |part| part.content);
    match tensor_type(tensor) {
        1 => raw.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        10 => raw.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect(),
        _ => Vec::new(),
    }
}

/// data_type, field 2.
fn tensor_type(tensor: &[u8]) -> u64 {
    fields(tensor).find(|part| part.number == 2).map_or(0, |mut part| read(&mut part.content))
}

/// A TensorProto.
fn tensor(name: &[u8], shape: [usize; 2], values: &[f32]) -> Vec<u8> {
    let dims = shape.map(|length| [vec![8], varint(length as u64)].concat()).concat();
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    [dims, vec![16, FLOAT], field(TENSOR_NAME, name), field(TENSOR_RAW, &raw)].concat()
}

/// A ValueInfoProto.
fn input(name: &[u8], shape: [usize; 2]) -> Vec<u8> {
    let shape = shape.map(|length| field(1, &[vec![8], varint(length as u64)].concat())).concat();
    let kind = field(1, &[vec![8, FLOAT], field(2, &shape)].concat());
    [field(1, name), field(2, &kind)].concat()
}

struct Field<'a> {
    number: u64,
    content: &'a [u8],
    /// With key and length.
    whole: &'a [u8],
}

fn fields(mut bytes: &[u8]) -> impl Iterator<Item = Field<'_>> {
    std::iter::from_fn(move || {
        let start = bytes;
        if start.is_empty() {
            return None;
        }
        let key = read(&mut bytes);
        let length = match key & 7 {
            0 => {
                let mut rest = bytes;
                read(&mut rest);
                bytes.len() - rest.len()
            }
            1 => 8,
            2 => read(&mut bytes) as usize,
            _ => 4,
        };
        let (content, rest) = bytes.split_at(length);
        bytes = rest;
        Some(Field { number: key >> 3, content, whole: &start[..start.len() - rest.len()] })
    })
}

fn read(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 127) << shift;
        shift += 7;
        if byte < 128 {
            return value;
        }
    }
}

fn field(number: u64, content: &[u8]) -> Vec<u8> {
    [&varint(number << 3 | 2), &varint(content.len() as u64), content].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 127 {
        bytes.push(value as u8 | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
