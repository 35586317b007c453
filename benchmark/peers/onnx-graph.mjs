// The formula of 'uec' (method §6) as an ONNX graph over a tile of rows:
// μ = q bᵀ, σ² = (q² + v) wᵀ + v (b²)ᵀ, scores = μ / √(1 + π/8 σ²), and the k best of each query.
import protobuf from 'protobufjs'

/** The part of onnx.proto that the graph needs. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  package onnx;
  message AttributeProto { string name = 1; int64 i = 3; repeated int64 ints = 8; int32 type = 20; }
  message NodeProto { repeated string input = 1; repeated string output = 2; string op_type = 4; repeated AttributeProto attribute = 5; }
  message TensorProto { repeated int64 dims = 1; int32 data_type = 2; repeated float float_data = 4; repeated int64 int64_data = 7; string name = 8; }
  message Dimension { oneof value { int64 dim_value = 1; string dim_param = 2; } }
  message Shape { repeated Dimension dim = 1; }
  message Tensor { int32 elem_type = 1; Shape shape = 2; }
  message TypeProto { Tensor tensor_type = 1; }
  message ValueInfoProto { string name = 1; TypeProto type = 2; }
  message GraphProto { repeated NodeProto node = 1; string name = 2; repeated TensorProto initializer = 5; repeated ValueInfoProto input = 11; repeated ValueInfoProto output = 12; }
  message OperatorSetIdProto { string domain = 1; int64 version = 2; }
  message ModelProto { int64 ir_version = 1; string producer_name = 2; GraphProto graph = 7; repeated OperatorSetIdProto opset_import = 8; }
`)
const Model = root.lookupType('onnx.ModelProto')

const FLOAT = 1
const INT64 = 7
const INTS = 7

const value = (name, elemType, ...dims) => {
  const dim = dims.map((d) => (typeof d === 'string' ? { dimParam: d } : { dimValue: d }))
  return { name, type: { tensorType: { elemType, shape: { dim } } } }
}
const node = (opType, input, output, attribute = []) => ({ opType, input, output, attribute })

/** The bytes of the model. Inputs: mean and variance of queries (q×D) and of rows (n×D). */
export function formula(dimension, k) {
  const transposed = [{ name: 'perm', ints: [1, 0], type: INTS }]
  const graph = {
    name: 'uec',
    input: ['a', 'v']
      .map((name) => value(name, FLOAT, 'q', dimension))
      .concat(['b', 'w'].map((name) => value(name, FLOAT, 'n', dimension))),
    output: [value('best', FLOAT, 'q', k), value('rows', INT64, 'q', k)],
    initializer: [
      { name: 'one', dataType: FLOAT, floatData: [1] },
      { name: 'factor', dataType: FLOAT, floatData: [Math.PI / 8] },
      { name: 'k', dims: [1], dataType: INT64, int64Data: [k] },
    ],
    node: [
      node('Transpose', ['b'], ['bT'], transposed),
      node('Transpose', ['w'], ['wT'], transposed),
      node('MatMul', ['a', 'bT'], ['similarity']),
      node('Mul', ['a', 'a'], ['aa']),
      node('Add', ['aa', 'v'], ['second']),
      node('MatMul', ['second', 'wT'], ['left']),
      node('Mul', ['bT', 'bT'], ['bbT']),
      node('MatMul', ['v', 'bbT'], ['right']),
      node('Add', ['left', 'right'], ['spread']),
      node('Mul', ['spread', 'factor'], ['scaled']),
      node('Add', ['scaled', 'one'], ['under']),
      node('Sqrt', ['under'], ['root']),
      node('Div', ['similarity', 'root'], ['scores']),
      node('TopK', ['scores', 'k'], ['best', 'rows']),
    ],
  }
  const model = { irVersion: 8, producerName: 'uec benchmark', graph, opsetImport: [{ version: 17 }] }
  return Model.encode(Model.create(model)).finish()
}
