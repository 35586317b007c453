//! Weights in blocks of 2, 4 or 8 bits (operator `MatMulNBits` of ONNX Runtime): W_dk = scale·(q − zero point), with one
//! scale and zero point for each block of `block_size` neighbours in a row of W.
//!
//! Values are packed from the low bits of a byte upwards. The zero point of a block is 2^(bits−1), a packed integer, or a
//! number.

use uec_gaussian::Result;

use crate::constant::Constant;
use crate::graph::{Graph, describe};
use crate::linear::{Linear, Matrix, Weight};
use crate::proto::{DataType, NodeProto};
use crate::walk::{attribute, operand};
use crate::weights;

// Places of the operands.
const VALUES: usize = 1;
const SCALES: usize = 2;
const ZEROS: usize = 3;
const GROUPS: usize = 4;
const BIAS: usize = 5;

impl Graph {
    /// `None` with a permutation of the input's entries (`g_idx`), which W would have to undo.
    pub(crate) fn block_product<'a>(&'a self, node: &'a NodeProto) -> Option<Linear<'a>> {
        let input = operand(node, 0)?;
        let constant =
            self.constant(operand(node, VALUES)?).is_some() && self.constant(operand(node, SCALES)?).is_some();
        (constant && operand(node, GROUPS).is_none()).then_some(Linear {
            node,
            result: node.output.first()?,
            input,
            flat: false,
            matrix: Matrix::Blocks,
            added: operand(node, BIAS),
        })
    }

    pub(crate) fn blocks(&self, node: &NodeProto) -> Result<Weight> {
        let invalid = |what: String| self.invalid(&format!("{} {what}", describe(node)));
        let size = |name: &str| {
            let value = attribute(node, name).map(|attribute| attribute.i());
            value.and_then(|value| u32::try_from(value).ok()).filter(|&value| value > 0).map(|value| value as usize)
        };
        let (Some(dimension), Some(features), Some(block)) = (size("N"), size("K"), size("block_size")) else {
            return Err(invalid("needs N, K and block_size between 1 and 2³²".to_owned()));
        };
        let bits = attribute(node, "bits").map_or(4, |bits| bits.i());
        if ![2, 4, 8].contains(&bits) {
            return Err(
                self.unsupported(&format!("{} has weights of {bits} bits: 2, 4 and 8 are read", describe(node)))
            );
        }
        let packing = Packing { bits: bits as u32 };
        let per_row = features.div_ceil(block);
        let row = packing.bytes(block).checked_mul(per_row);
        let expect = |what: &str, found: usize, per_row: Option<usize>| match per_row
            .and_then(|size| size.checked_mul(dimension))
            == Some(found)
        {
            true => Ok(()),
            false => Err(invalid(format!(
                "has {found} {what}, which does not fit a weight of {dimension}×{features} in blocks of {block}"
            ))),
        };
        let constant = |at: usize| operand(node, at).and_then(|name| self.constant(name));
        let missing = || self.no_weight(node);
        let (stored, scale) = (constant(VALUES).ok_or_else(missing)?, constant(SCALES).ok_or_else(missing)?);
        let bytes = weights::bytes(&stored.tensor, &self.path)?;
        expect("bytes of values", bytes.len(), row)?;
        let scales = scale.decode(self)?;
        expect("scales", scales.len(), Some(per_row))?;
        let zeros = match (operand(node, ZEROS), constant(ZEROS)) {
            (None, _) => Zeros::Middle,
            (Some(name), None) => return Err(self.unsupported(&format!("the zero points `{name}` are no constant"))),
            (Some(_), Some(found)) => Zeros::read(self, &found)?,
        };
        match &zeros {
            Zeros::Middle => {}
            Zeros::Numbers(values) => expect("zero points", values.len(), Some(per_row))?,
            Zeros::Packed(bytes) => expect("bytes of zero points", bytes.len(), Some(packing.bytes(per_row)))?,
        }
        // Not more than the bytes hold, as was checked above.
        let mut values = Vec::with_capacity(dimension * features);
        let row_bytes = bytes.len() / dimension;
        for (output, row) in bytes.chunks_exact(row_bytes).enumerate() {
            for (at, block_bytes) in row.chunks_exact(packing.bytes(block)).enumerate() {
                let place = output * per_row + at;
                let zero = match &zeros {
                    Zeros::Middle => f32::from(1u8 << (bits - 1)),
                    Zeros::Numbers(values) => values[place],
                    Zeros::Packed(bytes) => packing.value(&bytes[output * packing.bytes(per_row)..], at),
                };
                let length = block.min(features - at * block);
                values.extend((0..length).map(|at| (packing.value(block_bytes, at) - zero) * scales[place]));
            }
        }
        Ok(Weight { values, dimension, features, element: scale.element })
    }
}

/// Small unsigned numbers in bytes.
struct Packing {
    bits: u32,
}

impl Packing {
    fn bytes(&self, count: usize) -> usize {
        count.div_ceil(8 / self.bits as usize)
    }

    fn value(&self, bytes: &[u8], at: usize) -> f32 {
        let per_byte = 8 / self.bits as usize;
        let shifted = bytes[at / per_byte] >> (at % per_byte * self.bits as usize);
        f32::from(shifted & (u8::MAX >> (8 - self.bits)))
    }
}

enum Zeros {
    Middle,
    Numbers(Vec<f32>),
    Packed(Vec<u8>),
}

impl Zeros {
    fn read(graph: &Graph, found: &Constant<'_>) -> Result<Self> {
        match found.tensor.data_type() == DataType::Uint8 as i32 {
            true => Ok(Self::Packed(weights::bytes(&found.tensor, &graph.path)?.into_owned())),
            false => Ok(Self::Numbers(found.decode(graph)?)),
        }
    }
}
