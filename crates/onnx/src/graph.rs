//! A decoded model with an index of who produces which tensor, checked to be a graph at all.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use uec_gaussian::{Error, ErrorCode, Result};

use crate::proto::{GraphProto, NodeProto, StringStringEntryProto};
use crate::read;
use crate::weights::{self, Stored};

/// An ONNX model: its bytes, and its graph ready to be walked.
pub struct Graph {
    pub(crate) path: PathBuf,
    pub(crate) bytes: Bytes,
    pub(crate) graph: GraphProto,
    pub(crate) metadata: Vec<StringStringEntryProto>,
    /// Version of the default operator set.
    pub(crate) opset: i64,
    /// Node that produces a tensor.
    producers: HashMap<String, usize>,
    initializers: HashMap<String, usize>,
    /// Position of each node in an order in which every node follows its inputs.
    pub(crate) order: Vec<usize>,
    external_files: Vec<PathBuf>,
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Graph").field("path", &self.path).field("nodes", &self.graph.node.len()).finish_non_exhaustive()
    }
}

impl Graph {
    /// Reads and checks a model file.
    ///
    /// # Errors
    /// [`ErrorCode::ModelNotFound`] without a file at `path`; [`ErrorCode::ModelInvalid`] when it is no ONNX model, is cut
    /// off or contradicts itself, or when its external data is missing or outside its folder.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(read::file(path)?, path)
    }

    /// As [`Graph::read`] for bytes at hand; `path` is the file they stand for, beside which external data is looked up.
    ///
    /// # Errors
    /// As [`Graph::read`].
    pub fn parse(bytes: Bytes, path: &Path) -> Result<Self> {
        let model = read::decode(&bytes, path)?;
        let graph = model
            .graph
            .filter(|graph| !graph.node.is_empty())
            .ok_or_else(|| read::invalid(path, "is truncated or not an ONNX file: there is no graph in it"))?;
        let opset = model.opset_import.iter().find(|set| matches!(set.domain(), "" | "ai.onnx"));
        let opset = opset.map(|set| set.version()).ok_or_else(|| {
            read::invalid(path, "is truncated or damaged: it does not name the version of its operators")
        })?;
        let initializers = graph.initializer.iter().enumerate().map(|(at, tensor)| (tensor.name().to_owned(), at));
        let mut checked = Self {
            path: path.to_owned(),
            bytes,
            metadata: model.metadata_props,
            opset,
            producers: HashMap::new(),
            initializers: initializers.collect(),
            order: Vec::new(),
            external_files: Vec::new(),
            graph,
        };
        checked.index_producers()?;
        checked.sort()?;
        checked.check_initializers()?;
        Ok(checked)
    }

    /// Names of the inputs that a caller has to feed: graph inputs that are not weights.
    pub fn inputs(&self) -> Vec<String> {
        let fed = self.graph.input.iter().filter(|input| !self.initializers.contains_key(input.name()));
        fed.map(|input| input.name().to_owned()).collect()
    }

    /// Names of the outputs.
    pub fn outputs(&self) -> Vec<String> {
        self.graph.output.iter().map(|output| output.name().to_owned()).collect()
    }

    /// Whether activations are quantised with a scale of the whole batch, so that a text's result depends on its
    /// neighbours and their padding: such a graph has to run one text at a time.
    pub fn runs_alone(&self) -> bool {
        fn dynamic(graph: &GraphProto) -> bool {
            graph.node.iter().any(|node| {
                matches!(node.op_type(), "DynamicQuantizeLinear" | "DynamicQuantizeMatMul")
                    || node.attribute.iter().any(|attribute| attribute.g.as_ref().is_some_and(dynamic))
            })
        }
        dynamic(&self.graph)
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Files beside the model that hold weights; a baked or tapped copy needs them beside it as well.
    pub fn external_files(&self) -> &[PathBuf] {
        &self.external_files
    }

    pub(crate) fn producer_index(&self, tensor: &str) -> Option<usize> {
        self.producers.get(tensor).copied()
    }

    /// The node whose main result is `tensor`; `None` for further results, which mean something else.
    pub(crate) fn producer(&self, tensor: &str) -> Option<&NodeProto> {
        self.result_of(tensor).filter(|&(_, at)| at == 0).map(|(node, _)| node)
    }

    /// The node that makes `tensor`, and which of its results that is.
    pub(crate) fn result_of(&self, tensor: &str) -> Option<(&NodeProto, usize)> {
        let node = &self.graph.node[self.producer_index(tensor)?];
        node.output.iter().position(|output| output == tensor).map(|at| (node, at))
    }

    pub(crate) fn initializer(&self, tensor: &str) -> Option<&crate::proto::TensorProto> {
        self.initializers.get(tensor).map(|&index| &self.graph.initializer[index])
    }

    /// Whether any node, weight or input has a tensor of this name.
    pub(crate) fn has_tensor(&self, name: &str) -> bool {
        self.producers.contains_key(name)
            || self.initializers.contains_key(name)
            || self.graph.input.iter().chain(&self.graph.output).any(|value| value.name() == name)
    }

    fn index_producers(&mut self) -> Result<()> {
        for (index, node) in self.graph.node.iter().enumerate() {
            for output in node.output.iter().filter(|output| !output.is_empty()) {
                if self.producers.insert(output.clone(), index).is_some() {
                    let what = format!("is damaged: two nodes produce the tensor `{output}`");
                    return Err(read::invalid(&self.path, &what));
                }
            }
        }
        Ok(())
    }

    /// Kahn's algorithm; what it leaves over lies on a cycle.
    fn sort(&mut self) -> Result<()> {
        let nodes = &self.graph.node;
        let mut waiting = vec![0usize; nodes.len()];
        let mut users = vec![Vec::new(); nodes.len()];
        for (index, node) in nodes.iter().enumerate() {
            let sources: HashSet<_> = node.input.iter().filter_map(|input| self.producer_index(input)).collect();
            waiting[index] = sources.len();
            for source in sources {
                users[source].push(index);
            }
        }
        let mut ready: Vec<usize> = (0..nodes.len()).filter(|&index| waiting[index] == 0).collect();
        let mut order = vec![usize::MAX; nodes.len()];
        let mut place = 0;
        while let Some(index) = ready.pop() {
            order[index] = place;
            place += 1;
            for &user in &users[index] {
                waiting[user] -= 1;
                if waiting[user] == 0 {
                    ready.push(user);
                }
            }
        }
        if let Some(stuck) = order.iter().position(|&place| place == usize::MAX) {
            let what = format!("is damaged: there is a cycle in the graph, at or before {}", describe(&nodes[stuck]));
            return Err(read::invalid(&self.path, &what));
        }
        self.order = order;
        Ok(())
    }

    fn check_initializers(&mut self) -> Result<()> {
        let mut files = Vec::new();
        for tensor in &self.graph.initializer {
            if let Some(Stored::External(range)) = weights::check(tensor, &self.path)?
                && !files.contains(&range.file)
            {
                files.push(range.file);
            }
        }
        self.external_files = files;
        Ok(())
    }

    pub(crate) fn unsupported(&self, what: &str) -> Error {
        Error::new(ErrorCode::ModelUnsupported, format!("{}: {what}", self.path.display()))
    }

    pub(crate) fn invalid(&self, what: &str) -> Error {
        Error::new(ErrorCode::ModelInvalid, format!("{}: {what}", self.path.display()))
    }
}

/// Operator and name of a node, for messages.
pub(crate) fn describe(node: &NodeProto) -> String {
    match node.name() {
        "" => format!("{} (of the tensor `{}`)", node.op_type(), node.output.first().map_or("", String::as_str)),
        name => format!("{} (node `{name}`)", node.op_type()),
    }
}
