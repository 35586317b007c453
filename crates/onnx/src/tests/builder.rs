//! Writes small graphs. Tensors without a node are inputs.

use std::path::Path;

use prost::Message;
use uec_gaussian::Result;

use crate::proto::{
    AttributeProto, DataLocation, DataType, Dimension, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    StringStringEntryProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, dimension, type_proto,
};
use crate::{Graph, Override, Tail};

#[derive(Default)]
pub(crate) struct Builder {
    graph: GraphProto,
    opset: Option<i64>,
}

impl Builder {
    pub(crate) fn opset(mut self, version: i64) -> Self {
        self.opset = Some(version);
        self
    }

    /// A node named like its first result. `ms.` in front of an operator: one of ONNX Runtime's own.
    pub(crate) fn node(mut self, operator: &str, inputs: &[&str], outputs: &[&str]) -> Self {
        let own = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let (domain, operator) = match operator.strip_prefix("ms.") {
            Some(operator) => (Some("com.microsoft".to_owned()), operator),
            None => (None, operator),
        };
        self.graph.node.push(NodeProto {
            input: own(inputs),
            output: own(outputs),
            name: Some(format!("/{}", outputs[0])),
            op_type: Some(operator.to_owned()),
            domain,
            attribute: Vec::new(),
        });
        self
    }

    /// Gives the last node an attribute.
    fn with(mut self, name: &str, attribute: AttributeProto) -> Self {
        let named = AttributeProto { name: Some(name.to_owned()), ..attribute };
        self.graph.node.last_mut().unwrap().attribute.push(named);
        self
    }

    pub(crate) fn int(self, name: &str, i: i64) -> Self {
        self.with(name, AttributeProto { i: Some(i), ..AttributeProto::default() })
    }

    pub(crate) fn float(self, name: &str, f: f32) -> Self {
        self.with(name, AttributeProto { f: Some(f), ..AttributeProto::default() })
    }

    pub(crate) fn ints(self, name: &str, ints: &[i64]) -> Self {
        self.with(name, AttributeProto { ints: ints.to_vec(), ..AttributeProto::default() })
    }

    pub(crate) fn constant(mut self, name: &str, kind: DataType, dims: &[i64], raw: Vec<u8>) -> Self {
        self.graph.initializer.push(TensorProto {
            name: Some(name.to_owned()),
            dims: dims.to_vec(),
            data_type: Some(kind as i32),
            raw_data: Some(raw.into()),
            ..TensorProto::default()
        });
        self
    }

    pub(crate) fn floats(self, name: &str, dims: &[i64], values: &[f32]) -> Self {
        self.constant(name, DataType::Float, dims, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    pub(crate) fn integers(self, name: &str, values: &[i64]) -> Self {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, DataType::Int64, &[values.len() as i64], raw)
    }

    pub(crate) fn int8(self, name: &str, dims: &[i64], values: &[i8]) -> Self {
        self.constant(name, DataType::Int8, dims, values.iter().map(|&value| value as u8).collect())
    }

    pub(crate) fn uint8(self, name: &str, dims: &[i64], values: &[u8]) -> Self {
        self.constant(name, DataType::Uint8, dims, values.to_vec())
    }

    /// A float32 output; 0 stands for a dimension that is not known.
    pub(crate) fn output(mut self, name: &str, dims: &[i64]) -> Self {
        let known = |&dim: &i64| Dimension { value: (dim != 0).then_some(dimension::Value::DimValue(dim)) };
        let shape = Some(TensorShapeProto { dim: dims.iter().map(known).collect() });
        let tensor = type_proto::Tensor { elem_type: Some(DataType::Float as i32), shape };
        let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)) };
        self.graph.output.push(ValueInfoProto { name: Some(name.to_owned()), r#type: Some(kind) });
        self
    }

    /// A constant in the file `location` beside the model.
    pub(crate) fn external(self, name: &str, kind: DataType, dims: &[i64], location: &str) -> Self {
        let mut built = self.constant(name, kind, dims, Vec::new());
        let tensor = built.graph.initializer.last_mut().unwrap();
        tensor.raw_data = None;
        tensor.data_location = Some(DataLocation::External as i32);
        let (key, value) = (Some("location".to_owned()), Some(location.to_owned()));
        tensor.external_data.push(StringStringEntryProto { key, value });
        built
    }

    /// Moves the nodes so far into the branch of an `If`.
    pub(crate) fn branch(mut self) -> Self {
        let branch = GraphProto { node: std::mem::take(&mut self.graph.node), ..GraphProto::default() };
        let attribute = AttributeProto { g: Some(branch), ..AttributeProto::default() };
        self.node("If", &["condition"], &["chosen"]).with("then_branch", attribute)
    }

    pub(crate) fn graph(self) -> Result<Graph> {
        self.graph_at(Path::new("model.onnx"))
    }

    pub(crate) fn graph_at(self, path: &Path) -> Result<Graph> {
        let opset_import = vec![OperatorSetIdProto { domain: None, version: self.opset.or(Some(17)) }];
        let model = ModelProto { graph: Some(self.graph), opset_import, ..ModelProto::default() };
        Graph::parse(model.encode_to_vec().into(), path)
    }

    pub(crate) fn tail(self) -> Result<Tail> {
        self.graph()?.tail(&Override::default())
    }
}

/// Token vectors `a` (I = 3) times W = [[1, 2, 3], [4, 5, 6]], stored I×D as `W`, as far as the test goes on from there.
pub(crate) fn weighted() -> Builder {
    Builder::default().node("Tanh", &["x"], &["a"]).floats("W", &[3, 2], &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0])
}

pub(crate) const WEIGHT: [f32; 6] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
/// (batch, tokens, D = 2).
pub(crate) const TOKENS: [i64; 3] = [0, 0, 2];
