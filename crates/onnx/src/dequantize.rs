//! Quantised constants as numbers: x = scale·(q − zero point), with one scale, one for each index of an axis, or one for
//! each block along it (operator `DequantizeLinear`).

use uec_gaussian::Result;

use crate::graph::{Graph, describe};
use crate::proto::{NodeProto, TensorProto};
use crate::walk::{attribute, integer, operand};
use crate::weights;

/// A `DequantizeLinear` of a constant.
pub(crate) struct Quantised<'a> {
    pub(crate) node: &'a NodeProto,
    /// Whether a matrix transposition lies between the stored tensor and the node.
    pub(crate) transposed: bool,
}

impl Quantised<'_> {
    /// Values of `stored`, in its order.
    ///
    /// # Errors
    /// Model invalid for scales or zero points that do not fit the shape; model unsupported for those computed at run
    /// time and for types that are no integers.
    pub(crate) fn decode(&self, graph: &Graph, stored: &TensorProto) -> Result<Vec<f32>> {
        let computed = || graph.unsupported(&format!("the scale of {} is no constant", describe(self.node)));
        let scale = operand(self.node, 1).and_then(|name| graph.stored(name)).ok_or_else(computed)?;
        let scales = weights::decode(&scale, &graph.path)?;
        let zeros = match operand(self.node, 2) {
            None => Vec::new(),
            Some(name) => weights::integers(graph.stored(name).ok_or_else(computed)?.as_ref(), &graph.path)?,
        };
        let misfit = || {
            graph.invalid(&format!(
                "{} has {} scales and {} zero points, which do not fit the shape {:?} of `{}`",
                describe(self.node),
                scales.len(),
                zeros.len(),
                stored.dims,
                stored.name()
            ))
        };
        if scales.is_empty() || !(zeros.is_empty() || zeros.len() == scales.len()) {
            return Err(misfit());
        }
        let place = self.layout(&scale.dims, &stored.dims).ok_or_else(misfit)?;
        let values = weights::integers(stored, &graph.path)?;
        let zero = |at: usize| zeros.get(at).copied().unwrap_or(0);
        let number = |(at, &value): (usize, &i32)| {
            let scale = place.of(at);
            (i64::from(value) - i64::from(zero(scale))) as f32 * scales[scale]
        };
        Ok(values.iter().enumerate().map(number).collect())
    }

    /// `None` if the shapes do not fit.
    fn layout(&self, scale: &[i64], shape: &[i64]) -> Option<Layout> {
        let size =
            |dims: &[i64]| dims.iter().try_fold(1usize, |size, &dim| size.checked_mul(usize::try_from(dim).ok()?));
        if size(scale)? == 1 {
            return Some(Layout::Whole);
        }
        let given = attribute(self.node, "axis").map_or(1, |axis| axis.i());
        let axis = if given < 0 { given.checked_add(shape.len() as i64)? } else { given };
        let axis = if self.transposed { 1i64.checked_sub(axis)? } else { axis };
        let axis = usize::try_from(axis).ok()?;
        let length = usize::try_from(*shape.get(axis)?).ok()?;
        let inner = size(shape.get(axis + 1..)?)?;
        if scale.len() == 1 {
            return (size(scale)? == length).then_some(Layout::Axis { length, inner });
        }
        let block = usize::try_from(integer(self.node, "block_size")).ok().filter(|&block| block > 0)?;
        let fits = |(at, (&scale, &dim)): (usize, (&i64, &i64))| match at == axis {
            true => usize::try_from(scale) == Ok(length.div_ceil(block)),
            false => scale == dim,
        };
        let matches = !self.transposed && scale.len() == shape.len() && scale.iter().zip(shape).enumerate().all(fits);
        matches.then_some(Layout::Blocks { length, inner, block })
    }
}

/// Which scale belongs to an element of a row-major tensor. `inner`: elements per step along the axis.
enum Layout {
    Whole,
    Axis { length: usize, inner: usize },
    Blocks { length: usize, inner: usize, block: usize },
}

impl Layout {
    fn of(&self, at: usize) -> usize {
        match *self {
            Self::Whole => 0,
            Self::Axis { length, inner } => at / inner % length,
            Self::Blocks { length, inner, block } => {
                let (outer, along) = (at / inner / length, at / inner % length);
                (outer * length.div_ceil(block) + along / block) * inner + at % inner
            }
        }
    }
}
