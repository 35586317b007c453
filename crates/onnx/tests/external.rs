//! External data is read beside the model, and only there.
#![allow(clippy::unwrap_used)]

mod models;

use std::fs;
use std::path::{Path, PathBuf};

use models::{fixtures, onnx, tail};
use uec_gaussian::ErrorCode;

/// A copy of the model whose last weight (64×32 float32) is in `model.onnx_data`, which the fixture does not have.
fn model(folder: &Path) -> PathBuf {
    fs::create_dir_all(folder.join("onnx")).unwrap();
    fs::copy(onnx(&fixtures().join("broken/bad-external-missing")), onnx(folder)).unwrap();
    folder.join("onnx/model.onnx_data")
}

fn counting() -> Vec<u8> {
    (0..2048).flat_map(|at| (at as f32).to_le_bytes()).collect()
}

#[test]
fn weights_beside_the_model_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let data = model(folder.path());
    fs::write(&data, counting()).unwrap();
    let (graph, tail) = tail(folder.path()).unwrap();
    assert_eq!(graph.external_files(), [data]);
    assert_eq!(tail.weight[..3], [0.0, 32.0, 64.0]);
}

#[test]
fn a_cut_off_data_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(model(folder.path()), &counting()[..8191]).unwrap();
    let error = tail(folder.path()).unwrap_err();
    assert_eq!(error.code, ErrorCode::ModelInvalid);
    assert!(error.message.contains("`model.onnx_data`: it is cut off"), "{error}");
}

#[cfg(unix)]
#[test]
fn links_may_not_leave_the_folder_unless_the_model_is_linked_there_too() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let blobs = folder.path().join("blobs");
    fs::create_dir_all(&blobs).unwrap();
    fs::write(blobs.join("data"), counting()).unwrap();
    let snapshot = folder.path().join("snapshot");
    symlink(blobs.join("data"), model(&snapshot)).unwrap();
    let error = tail(&snapshot).unwrap_err();
    assert_eq!(error.code, ErrorCode::ModelInvalid);
    assert!(error.message.contains("leaves the folder"), "{error}");
    // The layout of a download cache.
    fs::rename(onnx(&snapshot), blobs.join("model")).unwrap();
    symlink(blobs.join("model"), onnx(&snapshot)).unwrap();
    tail(&snapshot).unwrap();
}
