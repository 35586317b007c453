//! As much of protobuf as it takes to find a weight in an ONNX file by its values, and to make it an input.
//!
//! An initializer that is listed as an input, too, is a default that a run may replace. A message of the same field that
//! comes later is merged with the first, so that the list is appended.

/// An initializer.
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

/// The initializer that holds W, which is given as D×I, in this or the other order.
pub(crate) fn find(model: &[u8], weight: &[f32], features: usize) -> Weight {
    let bytes = |values: &[f32]| values.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
    let forms = [(bytes(&transpose(weight, features)), true), (bytes(weight), false)];
    for graph in messages(model, MODEL_GRAPH) {
        for tensor in messages(graph, GRAPH_INITIALIZER) {
            let raw = messages(tensor, TENSOR_RAW).next().unwrap_or_default();
            if let Some((_, transposed)) = forms.iter().find(|(form, _)| form == raw) {
                let name = messages(tensor, TENSOR_NAME).next().unwrap();
                return Weight { name: String::from_utf8(name.to_vec()).unwrap(), transposed: *transposed };
            }
        }
    }
    panic!("the weight of the last layer is no initializer of the file");
}

/// Lists the initializer as an input.
pub(crate) fn make_input(model: &mut Vec<u8>, weight: &Weight, rows: usize, columns: usize) {
    let (rows, columns) = if weight.transposed { (columns, rows) } else { (rows, columns) };
    let dimension = |length: usize| field(1, &[&[8], varint(length as u64).as_slice()].concat());
    let shape = [dimension(rows), dimension(columns)].concat();
    // TypeProto.tensor_type: elem_type FLOAT, shape.
    let kind = field(1, &[vec![8, 1], field(2, &shape)].concat());
    let value = [field(1, weight.name.as_bytes()), field(2, &kind)].concat();
    model.extend(field(MODEL_GRAPH, &field(GRAPH_INPUT, &value)));
}

/// rows × columns → columns × rows.
pub(crate) fn transpose(matrix: &[f32], columns: usize) -> Vec<f32> {
    let rows = matrix.len() / columns;
    (0..columns).flat_map(|column| (0..rows).map(move |row| matrix[row * columns + column])).collect()
}

/// The fields of this number, which have a length.
fn messages(mut bytes: &[u8], number: u64) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        while !bytes.is_empty() {
            let key = read(&mut bytes);
            let length = match key & 7 {
                0 => {
                    read(&mut bytes);
                    continue;
                }
                1 => 8,
                2 => read(&mut bytes) as usize,
                _ => 4,
            };
            let (content, rest) = bytes.split_at(length);
            bytes = rest;
            if key == number << 3 | 2 {
                return Some(content);
            }
        }
        None
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
    [varint(number << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
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
