//! Reading: nothing in the file is believed before it is checked, and no claimed size is allocated.

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use uec_gaussian::Result;

use super::{CHECKSUM, Checksum, Kind, Strings};

/// A file of the right kind and version whose checksum holds.
pub(crate) struct Sealed<'a> {
    pub(crate) strings: Strings,
    kind: &'static Kind,
    views: Vec<TensorView<'a>>,
}

impl<'a> Sealed<'a> {
    /// # Errors
    /// `FileCorrupt`, and `FileVersion` for a newer version.
    pub(crate) fn open(bytes: &'a [u8], kind: &'static Kind) -> Result<Self> {
        let mut strings = Strings::new(kind.name);
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| strings.corrupt(&error.to_string()))?;
        strings.map = header
            .metadata()
            .as_ref()
            .ok_or_else(|| strings.corrupt("it has no metadata"))?
            .clone()
            .into_iter()
            .collect();
        strings.check_version(kind)?;
        let file = SafeTensors::deserialize(bytes).map_err(|error| strings.corrupt(&error.to_string()))?;
        let mut views = Vec::with_capacity(kind.tensors.len());
        for &(name, dtype) in kind.tensors {
            let view = file.tensor(name).map_err(|_| strings.corrupt(&format!("it lacks the tensor '{name}'")))?;
            if view.dtype() != dtype {
                let found = format!("the tensor '{name}' has type {:?}, not {dtype:?}", view.dtype());
                return Err(strings.corrupt(&found));
            }
            views.push(view);
        }
        let mut sum = Checksum::of_metadata(strings.map.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        for view in &views {
            sum.shape(view.shape());
            sum.piece(view.data());
        }
        if strings.text(CHECKSUM)? != sum.end() {
            return Err(strings.corrupt("its checksum does not match its content"));
        }
        Ok(Self { strings, kind, views })
    }

    /// A tensor of the kind; panics for another name.
    fn view(&self, name: &str) -> &TensorView<'a> {
        let position = self.kind.tensors.iter().position(|(tensor, _)| *tensor == name);
        &self.views[position.expect("a tensor of the kind")]
    }

    /// The shape, which must have N lengths.
    pub(crate) fn shape<const N: usize>(&self, name: &str) -> Result<[usize; N]> {
        let shape = self.view(name).shape();
        let wrong = |_| self.strings.corrupt(&format!("the tensor '{name}' has shape {shape:?}, not {N} lengths"));
        shape.try_into().map_err(wrong)
    }

    /// Float32 values, all finite, of a tensor of this shape.
    pub(crate) fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let (words, _) = self.data(name, shape)?.as_chunks::<4>();
        let values: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
        if values.iter().all(|value| value.is_finite()) {
            return Ok(values);
        }
        Err(self.strings.corrupt(&format!("the tensor '{name}' has a value that is not finite")))
    }

    /// Float64 values, all finite, of a tensor of this shape.
    pub(crate) fn doubles(&self, name: &str, shape: &[usize]) -> Result<Vec<f64>> {
        let values: Vec<f64> = self.eight(name, shape)?.map(f64::from_le_bytes).collect();
        if values.iter().all(|value| value.is_finite()) {
            return Ok(values);
        }
        Err(self.strings.corrupt(&format!("the tensor '{name}' has a value that is not finite")))
    }

    /// Integers of a tensor of this shape.
    pub(crate) fn integers(&self, name: &str, shape: &[usize]) -> Result<Vec<u64>> {
        Ok(self.eight(name, shape)?.map(u64::from_le_bytes).collect())
    }

    fn eight(&self, name: &str, shape: &[usize]) -> Result<impl Iterator<Item = [u8; 8]>> {
        Ok(self.data(name, shape)?.as_chunks::<8>().0.iter().copied())
    }

    fn data(&self, name: &str, expected: &[usize]) -> Result<&[u8]> {
        let view = self.view(name);
        if view.shape() == expected {
            return Ok(view.data());
        }
        Err(self.strings.corrupt(&format!("the tensor '{name}' has shape {:?}, not {expected:?}", view.shape())))
    }
}
