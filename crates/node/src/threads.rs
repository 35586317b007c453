//! The threads of this library: one compute pool of a set size, and one thread for each piece of blocking work.
//!
//! Neither libuv's pool nor rayon's global pool is used, so that nothing is borrowed from the application.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use napi::{Env, Result};
use napi_derive::napi;
use rayon::{ThreadPool, ThreadPoolBuilder};
use uec_gaussian::{Error, ErrorCode};

use crate::error::to_js;

static WANTED: Mutex<Option<usize>> = Mutex::new(None);
static POOL: OnceLock<std::result::Result<Arc<ThreadPool>, String>> = OnceLock::new();

/// Threads of the compute pool: what was configured, else the processors that this process may use.
pub(crate) fn count() -> usize {
    let wanted = *WANTED.lock().unwrap_or_else(PoisonError::into_inner);
    wanted.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZeroUsize::get))
}

/// The compute pool, made at its first use.
pub(crate) fn pool() -> uec_gaussian::Result<Arc<ThreadPool>> {
    POOL.get_or_init(|| {
        ThreadPoolBuilder::new()
            .num_threads(count())
            .thread_name(|i| format!("uec-compute-{i}"))
            .build()
            .map(Arc::new)
            .map_err(|error| error.to_string())
    })
    .clone()
    .map_err(|error| Error::new(ErrorCode::Internal, format!("the compute threads could not be started: {error}")))
}

/// Runs `work` on the compute pool.
pub(crate) fn on_pool(work: Box<dyn FnOnce() + Send>) -> uec_gaussian::Result<()> {
    pool()?.spawn(work);
    Ok(())
}

/// Runs `work` on a thread of its own: loading, writing files, ONNX Runtime calls.
pub(crate) fn on_thread(work: Box<dyn FnOnce() + Send>) -> uec_gaussian::Result<()> {
    std::thread::Builder::new()
        .name("uec-blocking".to_owned())
        .spawn(work)
        .map(|_| ())
        .map_err(|error| Error::new(ErrorCode::OutOfMemory, format!("a thread could not be started: {error}")))
}

/// Sets the size of the compute pool. Throws `ERR_INVALID_ARGUMENT` once the pool runs with another size.
#[napi(catch_unwind)]
pub fn set_threads(env: Env, threads: u32) -> Result<()> {
    let threads = threads as usize;
    if POOL.get().is_some() && count() != threads {
        let message =
            format!("the compute pool already runs with {} threads; call configure before first use", count());
        return Err(to_js(env, Error::invalid(message)));
    }
    *WANTED.lock().unwrap_or_else(PoisonError::into_inner) = Some(threads);
    Ok(())
}
