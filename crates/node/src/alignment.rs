//! The map from one encoder's space into another's as a native object.

use std::sync::Arc;

use napi::bindgen_prelude::{Float32Array, Object};
use napi::{Env, Result};
use napi_derive::napi;
use uec_gaussian::{Alignment, Error, Procrustes};

use crate::job::{Job, promise};
use crate::scoring::{Batch, NativeRows};
use crate::threads::on_pool;

/// The largest entry of |AᵀA − I| that a stored map may have: rounding to float32 stays far below it.
const TOLERANCE: f64 = 1e-3;

/// A of D_out×D_in, orthogonal; immutable.
#[napi]
pub struct NativeAlignment {
    pub(crate) inner: Arc<Alignment>,
    cosine: f64,
    anchors: u32,
}

/// n mapped Gaussians of dimension D_out.
#[napi(object, object_from_js = false)]
pub struct NativeMapped {
    /// n×D_out.
    pub mean: Float32Array,
    /// n×D_out.
    pub variance: Float32Array,
}

impl From<Procrustes> for NativeAlignment {
    fn from(fitted: Procrustes) -> Self {
        let anchors = u32::try_from(fitted.anchors).unwrap_or(u32::MAX);
        Self { inner: Arc::new(fitted.alignment), cosine: fitted.cosine, anchors }
    }
}

#[napi]
impl NativeAlignment {
    /// Orthogonal Procrustes from n×D_in to n×D_out.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeAlignment>")]
    pub fn fit<'env>(
        env: &'env Env,
        job: &Job,
        anchors: Float32Array,
        columns: u32,
        reference: Float32Array,
        rows: u32,
    ) -> Result<Object<'env>> {
        let (columns, rows) = (columns as usize, rows as usize);
        promise(
            env,
            job,
            on_pool,
            move |job| uec_gaussian::procrustes(&anchors, columns, &reference, rows, &job.cancel),
            |_, fitted| Ok(Self::from(fitted)),
        )
    }

    /// A stored map, row-major, refused unless it is orthogonal.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeAlignment>")]
    pub fn restore<'env>(
        env: &'env Env,
        job: &Job,
        matrix: Float32Array,
        rows: u32,
        columns: u32,
        cosine: f64,
        anchors: u32,
    ) -> Result<Object<'env>> {
        promise(
            env,
            job,
            on_pool,
            move |_| {
                let alignment = Alignment::new(matrix.to_vec(), rows as usize, columns as usize)?;
                let deviation = alignment.deviation();
                if deviation <= TOLERANCE {
                    return Ok(alignment);
                }
                Err(Error::invalid(format!("an alignment that is not orthogonal: it is off by {deviation}")))
            },
            move |_, alignment| Ok(Self { inner: Arc::new(alignment), cosine, anchors }),
        )
    }

    /// Row-major, D_out×D_in.
    #[napi(catch_unwind)]
    pub fn matrix(&self) -> Float32Array {
        self.inner.matrix().into()
    }

    /// D_out.
    #[napi(getter, catch_unwind)]
    pub fn rows(&self) -> u32 {
        self.inner.rows() as u32
    }

    /// D_in.
    #[napi(getter, catch_unwind)]
    pub fn columns(&self) -> u32 {
        self.inner.columns() as u32
    }

    /// Mean cosine over the anchors.
    #[napi(getter, catch_unwind)]
    pub fn cosine(&self) -> f64 {
        self.cosine
    }

    /// Anchors that counted.
    #[napi(getter, catch_unwind)]
    pub fn anchors(&self) -> u32 {
        self.anchors
    }

    /// Gaussians carried over.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeMapped>")]
    pub fn map<'env>(&self, env: &'env Env, job: &Job, rows: NativeRows) -> Result<Object<'env>> {
        let (alignment, batch) = (Arc::clone(&self.inner), Batch::from(rows));
        promise(
            env,
            job,
            on_pool,
            move |job| alignment.map(batch.rows()?, &job.cancel),
            |_, mapped| Ok(NativeMapped { mean: mapped.mean.into(), variance: mapped.variance.into() }),
        )
    }
}
