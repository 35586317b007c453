//! Bakes a test variance into a model, to be checked by `crates/onnx/python/check_baked.py`.
//!
//! `cargo run -p uec-onnx --example bake -- MODEL.onnx OUT.onnx mean|cls|last normalize|raw plain|first-order|none [V.f32]`
//!
//! `V.f32` holds V (D×I row-major, little-endian float32); without it every entry is 0.01.

use std::error::Error;
use std::path::Path;

use uec_onnx::{Bake, BakedPosterior, Graph, Override, Pooling};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, out, pooling, normalize, kind, rest @ ..] = arguments.as_slice() else {
        return Err("usage: bake MODEL.onnx OUT.onnx POOLING normalize|raw TAIL [V.f32]".into());
    };
    let graph = Graph::read(Path::new(model))?;
    let tail = graph.tail(&Override::default())?;
    let posterior = match kind.as_str() {
        "none" => None,
        kind => {
            let variance = match rest.first() {
                Some(file) => {
                    std::fs::read(file)?.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
                }
                None => vec![0.01; tail.weight.len()],
            };
            Some(BakedPosterior { variance, kind: kind.parse()?, half: false })
        }
    };
    let bake = Bake {
        pooling: pooling.parse::<Pooling>()?,
        normalize: normalize == "normalize",
        dimensions: None,
        posterior,
        metadata: vec![("test.pooling".to_owned(), pooling.clone())],
    };
    std::fs::write(out, graph.bake(&tail, &bake)?.bytes)?;
    Ok(())
}
