use std::collections::HashMap;
use std::fs;

use safetensors::tensor::TensorView;
use uec_gaussian::ErrorCode;
use uec_onnx::Activation;

use super::*;

const LAYER: &str = r#"{"in_features": 3, "out_features": 2, "bias": true,
    "activation_function": "torch.nn.modules.activation.Tanh"}"#;

/// A folder with this configuration and these weights.
fn module(config: &str, weights: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(CONFIG), config).unwrap();
    fs::write(folder.path().join(WEIGHTS), weights).unwrap();
    folder
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn file(tensors: &[(&str, Dtype, &[usize], Vec<u8>)]) -> Vec<u8> {
    let views = tensors
        .iter()
        .map(|(name, kind, shape, data)| (name.to_string(), TensorView::new(*kind, shape.to_vec(), data).unwrap()));
    safetensors::serialize(views, None::<HashMap<String, String>>).unwrap()
}

fn sound() -> Vec<u8> {
    file(&[
        ("linear.weight", Dtype::F32, &[2, 3], bytes(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
        ("linear.bias", Dtype::F32, &[2], bytes(&[-1.0, 0.5])),
    ])
}

fn error(config: &str, weights: &[u8]) -> Error {
    read_dense(module(config, weights).path()).unwrap_err()
}

#[test]
fn weights_and_activation_are_read() {
    let dense = read_dense(module(LAYER, &sound()).path()).unwrap();
    assert_eq!((dense.dimension, dense.features, dense.activation), (2, 3, Activation::Tanh));
    assert_eq!(dense.weight, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(dense.bias, [-1.0, 0.5]);
}

#[test]
fn half_precision_is_read_and_a_bias_may_be_missing() {
    let config = r#"{"in_features": 3, "out_features": 2, "bias": false,
        "activation_function": "torch.nn.modules.linear.Identity", "module_input_name": "sentence_embedding"}"#;
    let values = [1.0, -2.0, 0.25, 4.0, 5.0, 6.0];
    let half: Vec<u8> = values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect();
    let brain: Vec<u8> = values.iter().flat_map(|&value| bf16::from_f32(value).to_le_bytes()).collect();
    for (kind, data) in [(Dtype::F16, half), (Dtype::BF16, brain)] {
        let weights = file(&[("linear.weight", kind, &[2, 3], data)]);
        let dense = read_dense(module(config, &weights).path()).unwrap();
        assert_eq!((dense.weight.as_slice(), dense.bias.as_slice()), (values.as_slice(), [0.0; 2].as_slice()));
        assert_eq!(dense.activation, Activation::Identity);
    }
}

/// As sentence-transformers: a bias and tanh.
#[test]
fn what_is_not_said_has_its_default() {
    let dense = read_dense(module(r#"{"in_features": 3, "out_features": 2}"#, &sound()).path()).unwrap();
    assert_eq!((dense.activation, dense.bias.as_slice()), (Activation::Tanh, [-1.0, 0.5].as_slice()));
}

#[test]
fn settings_that_cannot_be_honoured_are_unsupported() {
    for (key, value, word) in [
        ("activation_function", "\"torch.nn.modules.activation.GELU\"", "GELU"),
        ("activation_function", "\"my.code.Tanh\"", "my.code.Tanh"),
        ("use_residual", "true", "use_residual"),
        ("module_input_name", "\"token_embeddings\"", "sentence embedding"),
        ("module_output_name", "\"other\"", "sentence embedding"),
    ] {
        let config = format!(r#"{{"in_features": 3, "out_features": 2, "{key}": {value}}}"#);
        let error = error(&config, &sound());
        assert_eq!(error.code, ErrorCode::ModelUnsupported, "{config}");
        assert!(error.message.contains(word) && error.message.contains(CONFIG), "{error}");
    }
}

#[test]
fn sizes_that_contradict_each_other_are_invalid_and_nothing_is_allocated() {
    for (features, dimension) in
        [("3", "3"), ("4", "2"), ("0", "2"), ("-3", "2"), ("3.5", "2"), ("1099511627776", "1099511627776"), ("2", "3")]
    {
        let config = format!(r#"{{"in_features": {features}, "out_features": {dimension}}}"#);
        assert_eq!(error(&config, &sound()).code, ErrorCode::ModelInvalid, "{config}");
    }
}

#[test]
fn damaged_weights_are_invalid() {
    let whole = sound();
    for length in [0, 7, 8, 60, whole.len() - 1] {
        assert_eq!(error(LAYER, &whole[..length]).code, ErrorCode::ModelInvalid, "{length} bytes");
    }
    // A header that claims 2⁶⁰ bytes.
    let mut claim = whole.clone();
    claim[..8].copy_from_slice(&(1u64 << 60).to_le_bytes());
    assert_eq!(error(LAYER, &claim).code, ErrorCode::ModelInvalid);
    let pointer = error(LAYER, b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n");
    assert!(pointer.message.contains("git lfs pull"), "{pointer}");
    let long = [whole, vec![0; 2 << 20]].concat();
    assert!(error(LAYER, &long).message.contains("more than the sizes"));
}

#[test]
fn tensors_must_be_the_expected_ones() {
    let weight = ("linear.weight", Dtype::F32, [2usize, 3].as_slice(), bytes(&[1.0; 6]));
    let bias = ("linear.bias", Dtype::F32, [2usize].as_slice(), bytes(&[0.0; 2]));
    let with = |tensors: &[_]| error(LAYER, &file(tensors));
    assert!(with(std::slice::from_ref(&weight)).message.contains("no tensor linear.bias"));
    assert_eq!(
        with(&[weight.clone(), ("linear.bias", Dtype::F32, &[1, 2], bytes(&[0.0; 2]))]).code,
        ErrorCode::ModelInvalid
    );
    let flat = with(&[("linear.weight", Dtype::F32, &[6], bytes(&[1.0; 6])), bias.clone()]);
    assert!(flat.message.contains("[6]"), "{flat}");
    let nan = with(&[("linear.weight", Dtype::F32, &[2, 3], bytes(&[f32::NAN; 6])), bias.clone()]);
    assert_eq!(nan.code, ErrorCode::ModelInvalid);
    assert!(nan.message.contains("NaN"), "{nan}");
    let double = with(&[("linear.weight", Dtype::F64, &[2, 3], vec![0; 48]), bias.clone()]);
    assert_eq!(double.code, ErrorCode::ModelUnsupported);
    let more = with(&[weight, bias, ("residual.weight", Dtype::F32, &[1], bytes(&[0.0]))]);
    assert!(more.message.contains("residual.weight"), "{more}");
}

#[test]
fn missing_files_are_named() {
    let folder = module(LAYER, &sound());
    fs::remove_file(folder.path().join(WEIGHTS)).unwrap();
    let nothing = read_dense(folder.path()).unwrap_err();
    assert_eq!(nothing.code, ErrorCode::ModelInvalid);
    assert!(nothing.message.contains(WEIGHTS), "{nothing}");
    fs::write(folder.path().join("pytorch_model.bin"), "PK").unwrap();
    let pickled = read_dense(folder.path()).unwrap_err();
    assert_eq!(pickled.code, ErrorCode::ModelUnsupported);
    assert!(pickled.message.contains("save the model again as safetensors"), "{pickled}");
    fs::remove_file(folder.path().join(CONFIG)).unwrap();
    assert_eq!(read_dense(folder.path()).unwrap_err().code, ErrorCode::ModelInvalid);
}
