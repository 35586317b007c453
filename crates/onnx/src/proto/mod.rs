//! The messages of an ONNX file.
//!
//! `onnx.rs` is generated from `onnx.proto` beside it (a reduced copy, Apache-2.0, see its head) and checked in, so that
//! building needs no protobuf compiler. To regenerate it, run in a throwaway crate with protox 0.10 and prost-build 0.14:
//!
//! ```text
//! let files = protox::compile(["onnx.proto"], ["."])?;
//! prost_build::Config::new().bytes([".onnx.TensorProto.raw_data"]).out_dir(".").compile_fds(files)?;
//! ```
//!
//! `raw_data` is `Bytes`: decoding a model from `Bytes` borrows its weights instead of copying them.

#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
mod onnx;

#[cfg(test)]
pub(crate) use onnx::OperatorSetIdProto;
pub(crate) use onnx::attribute_proto::AttributeType;
pub(crate) use onnx::tensor_proto::{DataLocation, DataType};
pub(crate) use onnx::tensor_shape_proto::{Dimension, dimension};
pub(crate) use onnx::{
    AttributeProto, GraphProto, ModelProto, NodeProto, StringStringEntryProto, TensorProto, TensorShapeProto,
    TypeProto, ValueInfoProto, type_proto,
};
