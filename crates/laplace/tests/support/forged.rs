//! Files of another writer, with the checksum that docs/posterior-format.md describes: content no accident makes.
#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]

use std::collections::HashMap;

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use sha2::{Digest, Sha256};

/// What a sealed file holds.
pub struct Content {
    pub metadata: HashMap<String, String>,
    /// In the order of the checksum.
    pub tensors: Vec<(&'static str, Tensor)>,
}

/// One tensor of it.
#[derive(Clone)]
pub struct Tensor {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub data: Vec<u8>,
}

impl Content {
    pub fn tensor(&mut self, name: &str) -> &mut Tensor {
        &mut self.tensors.iter_mut().find(|(other, _)| *other == name).unwrap().1
    }
}

/// `good` with a change, and a checksum that fits unless the change makes one. `order` names the tensors.
pub fn forge(good: &[u8], order: &[&'static str], change: impl FnOnce(&mut Content)) -> Vec<u8> {
    let file = SafeTensors::deserialize(good).unwrap();
    let (_, header) = SafeTensors::read_metadata(good).unwrap();
    let tensor = |name: &&'static str| {
        let view = file.tensor(name).unwrap();
        (*name, Tensor { dtype: view.dtype(), shape: view.shape().to_vec(), data: view.data().to_vec() })
    };
    let mut content =
        Content { metadata: header.metadata().clone().unwrap(), tensors: order.iter().map(tensor).collect() };
    content.metadata.remove("checksum");
    change(&mut content);
    let Content { mut metadata, tensors } = content;

    let mut pairs: Vec<_> = metadata.iter().collect();
    pairs.sort_unstable();
    let mut hash = Sha256::new();
    let mut piece = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    for (key, value) in pairs {
        piece(key.as_bytes());
        piece(value.as_bytes());
    }
    for (_, tensor) in &tensors {
        tensor.shape.iter().for_each(|&length| piece(&(length as u64).to_le_bytes()));
        piece(&tensor.data);
    }
    let sum = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    metadata.entry("checksum".to_owned()).or_insert(sum);
    let views = tensors.iter().map(|(name, t)| (*name, TensorView::new(t.dtype, t.shape.clone(), &t.data).unwrap()));
    serialize(views, Some(metadata)).unwrap()
}

type Change = Box<dyn Fn(&mut Content)>;

/// Tensors that no writer of ours makes, each with a word of the message that refuses them.
pub fn broken_tensors() -> Vec<(&'static str, Change)> {
    let reshape = |name: &'static str, shape: &'static [usize]| -> Change {
        Box::new(move |content| {
            let tensor = content.tensor(name);
            tensor.shape = shape.to_vec();
            tensor.data = vec![0; shape.iter().product::<usize>() * tensor.dtype.bitsize() / 8];
        })
    };
    let first_number = |name: &'static str, value: f64| -> Change {
        Box::new(move |content| {
            let tensor = content.tensor(name);
            match tensor.dtype {
                Dtype::F32 => tensor.data[..4].copy_from_slice(&(value as f32).to_le_bytes()),
                _ => tensor.data[..8].copy_from_slice(&value.to_le_bytes()),
            }
        })
    };
    let mut broken = vec![
        ("shape", reshape("H", &[7, 5, 1])),
        ("shape", reshape("H", &[0, 1 << 60])),
        ("shape", reshape("H", &[1 << 60, 0])),
        ("shape", reshape("H", &[5, 7])),
        ("shape", reshape("sample_hash", &[])),
        ("sampled texts", reshape("sample_hash", &[1025])),
        ("shape", reshape("sample_norm", &[3])),
        ("shape", reshape("sample_h", &[4, 6])),
        ("shape", reshape("sample_mean", &[5, 4])),
        ("there twice", reshape("sample_hash", &[4])),
        ("negative curvature", first_number("H", -1.0)),
        ("no length", first_number("sample_norm", 0.0)),
        ("no length", first_number("sample_norm", -1.0)),
    ];
    for name in ["H", "sample_norm", "sample_h", "sample_mean"] {
        for value in [f64::NAN, f64::INFINITY] {
            broken.push(("not finite", first_number(name, value)));
        }
    }
    let retype: Change = Box::new(|content| {
        let tensor = content.tensor("H");
        tensor.dtype = if tensor.dtype == Dtype::F32 { Dtype::I32 } else { Dtype::I64 };
    });
    broken.push(("type", retype));
    broken
}
