//! What gets appended to a model: new nodes, constants and outputs, written with the rules of the graph's operator set.

use bytes::Bytes;
use half::f16;
use prost::Message;
use uec_gaussian::Result;

use crate::graph::Graph;
use crate::proto::{
    AttributeProto, AttributeType, DataType, Dimension, GraphProto, ModelProto, NodeProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, dimension, type_proto,
};
use crate::read::MAX_BYTES;

/// Every tensor and node that this crate adds starts like this.
const PREFIX: &str = "uec/";

/// A dimension of a new output.
#[derive(Clone)]
pub(crate) enum Dim {
    Named(String),
    Fixed(usize),
}

pub(crate) struct Delta<'a> {
    base: &'a Graph,
    graph: GraphProto,
    pub(crate) metadata: Vec<StringStringEntryProto>,
}

impl<'a> Delta<'a> {
    /// # Errors
    /// Model unsupported if the graph already has tensors of ours.
    pub(crate) fn new(base: &'a Graph) -> Result<Self> {
        let ours = |node: &NodeProto| node.output.iter().any(|output| output.starts_with(PREFIX));
        if base.graph.node.iter().any(ours) {
            return Err(base.unsupported("the file was baked before: bake from the original model"));
        }
        Ok(Self { base, graph: GraphProto::default(), metadata: Vec::new() })
    }

    /// Adds a node; returns its output, `uec/<name>`.
    pub(crate) fn node(&mut self, operator: &str, name: &str, inputs: &[&str]) -> String {
        self.node_with(operator, name, inputs, Vec::new())
    }

    /// As [`Delta::node`], with integer attributes.
    pub(crate) fn node_with(
        &mut self,
        operator: &str,
        name: &str,
        inputs: &[&str],
        attribute: Vec<AttributeProto>,
    ) -> String {
        let output = format!("{PREFIX}{name}");
        self.push(operator, output.clone(), inputs, attribute);
        output
    }

    fn push(&mut self, operator: &str, output: String, inputs: &[&str], attribute: Vec<AttributeProto>) {
        let name = if output.starts_with(PREFIX) { output.clone() } else { format!("{PREFIX}output/{output}") };
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![output],
            name: Some(name),
            op_type: Some(operator.to_owned()),
            domain: None,
            attribute,
        });
    }

    pub(crate) fn cast(&mut self, name: &str, input: &str, to: DataType) -> String {
        self.node_with("Cast", name, &[input], vec![int("to", to as i64)])
    }

    /// `ReduceSum`, `Unsqueeze` or `Squeeze` over one axis: an attribute before operator set 13, an input since.
    pub(crate) fn over_axis(&mut self, operator: &str, name: &str, input: &str, axis: i64) -> String {
        let mut attributes = if operator == "ReduceSum" { vec![int("keepdims", 1)] } else { Vec::new() };
        if self.base.opset < 13 {
            attributes.push(AttributeProto {
                name: Some("axes".to_owned()),
                r#type: Some(AttributeType::Ints as i32),
                ints: vec![axis],
                ..AttributeProto::default()
            });
            return self.node_with(operator, name, &[input], attributes);
        }
        let axes = self.integers(&format!("{name}/axes"), &[axis]);
        self.node_with(operator, name, &[input, &axes], attributes)
    }

    pub(crate) fn scalar(&mut self, name: &str, value: f32) -> String {
        self.floats(name, &[], &[value])
    }

    pub(crate) fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializer(name, DataType::Float, dims, raw)
    }

    pub(crate) fn halves(&mut self, name: &str, dims: &[usize], values: &[f16]) -> String {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializer(name, DataType::Float16, dims, raw)
    }

    pub(crate) fn integers(&mut self, name: &str, values: &[i64]) -> String {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializer(name, DataType::Int64, &[values.len()], raw)
    }

    fn initializer(&mut self, name: &str, kind: DataType, dims: &[usize], raw: Vec<u8>) -> String {
        let name = format!("{PREFIX}{name}");
        self.graph.initializer.push(TensorProto {
            name: Some(name.clone()),
            dims: dims.iter().map(|&dim| dim as i64).collect(),
            data_type: Some(kind as i32),
            raw_data: Some(Bytes::from(raw)),
            ..TensorProto::default()
        });
        name
    }

    /// Declares an existing or new float32 tensor as an output, with type and shape as the official checker asks;
    /// nothing happens if it is an output already.
    pub(crate) fn expose(&mut self, tensor: &str, shape: &[Dim]) {
        if self.base.graph.output.iter().chain(&self.graph.output).any(|output| output.name() == tensor) {
            return;
        }
        let dimension = |dim: &Dim| {
            let value = match dim {
                Dim::Named(name) => dimension::Value::DimParam(name.clone()),
                Dim::Fixed(size) => dimension::Value::DimValue(*size as i64),
            };
            Dimension { value: Some(value) }
        };
        let shape = TensorShapeProto { dim: shape.iter().map(dimension).collect() };
        let tensor_type = type_proto::Tensor { elem_type: Some(DataType::Float as i32), shape: Some(shape) };
        self.graph.output.push(ValueInfoProto {
            name: Some(tensor.to_owned()),
            r#type: Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor_type)) }),
        });
    }

    /// Hands out `tensor` under a public name: `name`, or `uec_name` where the graph uses that already.
    ///
    /// # Errors
    /// Model unsupported if both are taken.
    pub(crate) fn publish(&mut self, name: &str, tensor: &str, shape: &[Dim]) -> Result<String> {
        let prefixed = format!("uec_{name}");
        let free = [name, &prefixed].into_iter().find(|name| !self.base.has_tensor(name));
        let Some(free) = free.map(str::to_owned) else {
            let what = format!("the graph has tensors named `{name}` and `{prefixed}` already: rename one");
            return Err(self.base.unsupported(&what));
        };
        self.push("Identity", free.clone(), &[tensor], Vec::new());
        self.expose(&free, shape);
        Ok(free)
    }

    /// The original bytes with this delta behind them; readers merge the two messages.
    ///
    /// # Errors
    /// Model unsupported beyond 2 GiB.
    pub(crate) fn append(self) -> Result<Vec<u8>> {
        let delta = ModelProto { graph: Some(self.graph), metadata_props: self.metadata, ..ModelProto::default() };
        let original = &self.base.bytes;
        let size = original.len() + delta.encoded_len();
        if size as u64 > MAX_BYTES {
            return Err(self.base.unsupported("the result would be larger than 2 GiB: export with external data"));
        }
        let mut bytes = Vec::with_capacity(size);
        bytes.extend_from_slice(original);
        bytes.extend_from_slice(&delta.encode_to_vec());
        Ok(bytes)
    }
}

/// An integer attribute.
pub(crate) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Int as i32),
        i: Some(value),
        ..AttributeProto::default()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{Bake, Override, Pooling};

    /// `y = x·W` with further tensors of the given names.
    fn graph(names: &[&str]) -> Graph {
        let node = |operator: &str, inputs: &[&str], output: &str| NodeProto {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![output.to_owned()],
            op_type: Some(operator.to_owned()),
            ..NodeProto::default()
        };
        let mut graph = GraphProto { node: vec![node("MatMul", &["x", "W"], "y")], ..GraphProto::default() };
        graph.node.extend(names.iter().map(|name| node("Identity", &["y"], name)));
        graph.initializer.push(TensorProto {
            name: Some("W".to_owned()),
            dims: vec![3, 2],
            data_type: Some(DataType::Float as i32),
            float_data: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            ..TensorProto::default()
        });
        graph.output.push(ValueInfoProto { name: Some("y".to_owned()), r#type: None });
        let opset_import = vec![crate::proto::OperatorSetIdProto { domain: None, version: Some(17) }];
        let model = ModelProto { graph: Some(graph), opset_import, ..ModelProto::default() };
        Graph::parse(model.encode_to_vec().into(), Path::new("test.onnx")).unwrap()
    }

    fn outputs(names: &[&str]) -> Result<(String, String)> {
        let graph = graph(names);
        let tail = graph.tail(&Override::default())?;
        let bake =
            Bake { pooling: Pooling::Mean, normalize: true, dimensions: None, posterior: None, metadata: Vec::new() };
        graph.bake(&tail, &bake).map(|baked| (baked.mean, baked.norm))
    }

    #[test]
    fn taken_names_get_a_prefix() {
        let names = |mean: &str, norm: &str| Ok((mean.to_owned(), norm.to_owned()));
        assert_eq!(outputs(&[]), names("mean", "norm"));
        assert_eq!(outputs(&["mean"]), names("uec_mean", "norm"));
        assert!(outputs(&["mean", "uec_mean"]).is_err());
    }

    #[test]
    fn a_stored_matmul_weight_is_transposed() {
        let tail = graph(&[]).tail(&Override::default()).unwrap();
        assert_eq!((tail.dimension, tail.features), (2, 3));
        assert_eq!(tail.weight, [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
    }
}
